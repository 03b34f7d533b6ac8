"""The table as SVG: boxes, lines and labels where the layout puts them, and what is lit up."""

from __future__ import annotations

import itertools
from html import escape
from typing import TYPE_CHECKING, TypeAlias

import attrs

from orderfsm.explanation import standing
from orderfsm.questions import ORDER_LIFECYCLE
from orderfsm.rows import Basis

from .geometry import Point, Rect
from .labels import LEADING, classes_of, fields_of, first_days, mark, state_name, text_width, within_days
from .layout import BOX_HEIGHT, STRAND, layout_of
from .placing import WIDTH

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import State, Transition, Trigger

    from .labels import Text
    from .layout import Edge

Step: TypeAlias = "Transition | tuple[State | None, State | None]"
"""A step of a path: a row of the table, or the states before and after."""

STYLE = """
:where(svg.orderfsm) {
  --paper: var(--orderfsm-paper, #ffffff); --ink: var(--orderfsm-ink, #1c2733);
  --soft: var(--orderfsm-soft, #5a6775); --box: var(--orderfsm-box, #f1f4f8);
  --operation: var(--orderfsm-operation, #0b57b0); --event: var(--orderfsm-event, #8a4500);
  --lit: var(--orderfsm-lit, #0a7a3d); --on-lit: var(--orderfsm-on-lit, #ffffff);
  background: var(--paper); color-scheme: light dark; height: auto; max-width: 100%;
  font: 12px Arial, Helvetica, "Liberation Sans", sans-serif;
}
@media (prefers-color-scheme: dark) {
  :where(svg.orderfsm) {
    --paper: var(--orderfsm-paper, #12171d); --ink: var(--orderfsm-ink, #e6ebf0);
    --soft: var(--orderfsm-soft, #a3afbb); --box: var(--orderfsm-box, #222b35);
    --operation: var(--orderfsm-operation, #7db7ff); --event: var(--orderfsm-event, #f0a860);
    --lit: var(--orderfsm-lit, #55d88c); --on-lit: var(--orderfsm-on-lit, #08150d);
  }
}
.orderfsm text { fill: var(--ink); stroke: none; }
.orderfsm .box { fill: var(--box); stroke: var(--ink); stroke-width: 1.4; }
.orderfsm .inner { fill: none; stroke: var(--ink); stroke-width: 1.2; }
.orderfsm .start .box { fill: none; stroke-dasharray: 2 3; }
.orderfsm .end { fill: var(--box); stroke: var(--soft); stroke-dasharray: 3 2; }
.orderfsm .stub text { font-size: 11px; }
.orderfsm .name { font-size: 13.5px; font-weight: bold; text-anchor: middle; }
.orderfsm .strand { fill: none; stroke-width: var(--orderfsm-breadth, 1.7); }
.orderfsm .strand.operation { stroke: var(--operation); }
.orderfsm .operation .filled { fill: var(--operation); }
.orderfsm .strand.event { stroke: var(--event); }
.orderfsm .event .line { stroke-dasharray: 6 4; }
.orderfsm .inferred .tail { fill: var(--paper); }
.orderfsm .observed.operation .tail { fill: var(--operation); }
.orderfsm .observed.event .tail { fill: var(--event); }
.orderfsm .label text.operation { fill: var(--operation); font-weight: bold; }
.orderfsm .label text.event { fill: var(--event); }
.orderfsm .label text.inferred, .orderfsm .label text.observed { font-style: italic; }
.orderfsm .note { fill: var(--soft); }
.orderfsm .strand.lit { stroke: var(--lit); stroke-width: 3.6; }
.orderfsm .lit .filled, .orderfsm .strand.lit.observed .tail { fill: var(--lit); }
.orderfsm .label text.lit { fill: var(--lit); stroke: none; text-decoration: underline; }
.orderfsm .visited .box, .orderfsm .visited .inner { stroke: var(--lit); }
.orderfsm .visited .box { stroke-width: 3; }
.orderfsm .current .box { fill: var(--lit); stroke: var(--lit); stroke-width: 4; }
.orderfsm .current .inner { stroke: var(--on-lit); }
.orderfsm .current .name { fill: var(--on-lit); }
.orderfsm .strand.untried { opacity: 0.4; stroke-width: 1; }
.orderfsm .label text.untried { fill: var(--soft); font-weight: normal; text-decoration: line-through; }
.orderfsm .meter { fill: var(--lit); }
.orderfsm .track { fill: var(--paper); stroke: var(--soft); stroke-width: 0.8; }
"""
"""The style in every SVG. A page sets `--orderfsm-paper` and its sisters on any element around it to have its way."""


@attrs.frozen
class _Light:
    """What is lit up: the state in which the order is, the states it was in, and the steps that it took.

    And what was `tried` (None if that is not shown), how often each row was taken (`flow`), and how many orders there
    are in each state (`counts`).
    """

    current: State | None
    visited: frozenset[State | None]
    path: frozenset[Step]
    tried: Collection[tuple[State | None, Trigger]] | None
    flow: Mapping[Transition, int]
    counts: Mapping[State, int]

    def classes(self, texts: Sequence[Text]) -> str:
        """The classes that say whether a label, or the strand of several, is lit up, or was never tried."""
        rows = {text.row for text in texts}
        lit = any(row in self.path or (row.source, row.target) in self.path for row in rows)
        untried = self.tried is not None and not any((row.source, row.trigger) in self.tried for row in rows)
        return " lit" * lit + " untried" * untried

    def breadth(self, texts: Sequence[Text]) -> str:
        """The style of the strand of these rows: the oftener they were taken, the broader it is."""
        taken = sum(self.flow.get(row, 0) for row in {text.row for text in texts})
        if not taken:
            return ""
        # The square root keeps rare steps visible.
        return f' style="--orderfsm-breadth: {1.7 + 7 * min(taken / max(self.flow.values()), 1) ** 0.5:.1f}"'

    def share(self, state: State | None, lifecycle: Lifecycle) -> tuple[int, int] | None:
        """How many of a state's rules were tried, and how many it has; None if that is not shown."""
        if self.tried is None or state not in lifecycle.table:
            return None
        rules = [(state, trigger) for trigger in lifecycle.table[state] if trigger not in lifecycle.account_reads]
        return sum(rule in self.tried for rule in rules), len(rules)


def svg(
    lifecycle: Lifecycle = ORDER_LIFECYCLE,
    *,
    current: State | None = None,
    path: Sequence[Step] = (),
    tried: Collection[tuple[State | None, Trigger]] | None = None,
    flow: Mapping[Transition, int] | None = None,
    counts: Mapping[State, int] | None = None,
) -> str:
    """The rows that change something as a standalone SVG, 700 wide: the same for the same table.

    `current` is the state to mark. `path` is the way that was taken and is lit up: rows of the table, or pairs of the
    states before and after, for which every row between the two lights up. `tried` are the states and triggers that
    somebody tried: the other rows are pale and struck through, and a bar in each box is the share of its rows and
    refusals that were tried. `flow` is how often each row was taken: the oftener, the broader its line; its label says
    how often, if it is there, and may stand elsewhere for that. The others do not change where anything is. `counts` is
    how many orders are in each state, which stands at the corner of its box.

    A client's operation is a solid line with a filled head, what others do a dashed one with an open head and who does
    it in brackets; a ring at the tail and `?` mark an inferred rule, a dot and `*` an observed one; `+1` and `-1` are
    units of quota, `first 7 d` is how long a row holds. A terminal state has a double border. API names, times,
    references and states' words are tooltips. It is light or dark as the reader prefers; a page sets
    `--orderfsm-paper`, `-ink`, `-soft`, `-box`, `-operation`, `-event`, `-lit` and `-on-lit` to decide for itself.

    Raises `InvalidValue` for a state that the table does not know.
    """
    ends = [step if isinstance(step, tuple) else (step.source, step.target) for step in path]
    lines = [(lifecycle.state(source), lifecycle.state(target)) for source, target in ends]
    steps = [line if isinstance(step, tuple) else step for line, step in zip(lines, path, strict=True)]
    visited = frozenset(itertools.chain(*lines))
    light = _Light(lifecycle.state(current), visited, frozenset(steps), tried, flow or {}, counts or {})
    layout = layout_of(lifecycle, frozenset(lifecycle.places.items()), frozenset(light.flow.items()))
    edges = sorted(layout.edges, key=lambda edge: [state_name(end, lifecycle) for end in (edge.source, edge.target)])
    cut_short = any(edge.line.stub is not None for edge in edges)
    below, bottom = _legend(lifecycle, light, layout.bottom + 34, cut_short=cut_short)
    unplaced = [text for edge in edges if edge.label is None for text in edge.texts]
    feet = [_foot(text, lifecycle, light, bottom + LEADING * at) for at, text in enumerate(unplaced, 1)]
    height = round(bottom + LEADING * len(unplaced) + 12)
    title = lifecycle.title + ("" if light.current is None else f", now {state_name(light.current, lifecycle)}")
    boxes = sorted(layout.boxes.items(), key=lambda each: state_name(each[0], lifecycle))
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="orderfsm" viewBox="0 0 {WIDTH} {height}"'
            f' width="{WIDTH}" height="{height}" role="img" aria-label="{escape(title)}">',
            f"<title>{escape(title)}</title>",
            f"<desc>{escape(_in_sentences(lifecycle))}</desc>",
            f"<style>{STYLE}</style>",
            *(_strands(edge, light) for edge in edges),
            *(_box(state, box, lifecycle, light) for state, box in boxes),
            *(_stub(edge, edge.line.stub, lifecycle) for edge in edges if edge.line.stub is not None),
            *(_label(edge, *edge.label, light) for edge in edges if edge.label is not None),
            *below,
            *feet,
            "</svg>",
            "",
        ]
    )


def _in_sentences(lifecycle: Lifecycle) -> str:
    def said(row: Transition) -> str:
        source, target = state_name(row.source, lifecycle), state_name(row.target, lifecycle)
        return f"{source} to {target}: {row.trigger} by {lifecycle.actor(row)}, {standing(row.basis, row.strength)}."

    return " ".join(sorted(said(row) for row in lifecycle.transitions if row.changes))


def _box(state: State | None, box: Rect, lifecycle: Lifecycle, light: _Light) -> str:
    rule = lifecycle.state_rules.get(state)
    classes = "state" + (" start" if state is None else " current" * (state == light.current))
    classes += " visited" * (state in light.visited)
    words = [lifecycle.name_of(state)]
    inner = meter = count = ""
    if rule is not None:
        words += [rule.words, *fields_of(rule, lifecycle)]
        if rule.terminal:
            words.append("terminal")
            inner = _rounded("inner", box.grown(-4), 5)
    share = light.share(state, lifecycle)
    if share is not None:
        words.append(f"{share[0]} of {share[1]} rules tried")
        meter = _meter(box, share[0] / max(share[1], 1))
    number = 0 if state is None else light.counts.get(state, 0)
    if number:
        words.append(f"{number:,} {lifecycle.noun}{'s' * (number != 1)} in it")
        count = _count(box, number)
    x, y = box.middle
    round_by = BOX_HEIGHT / 2 if state is None else 8
    return (
        f'<g class="{classes}" data-state="{escape(state or "")}"><title>{escape(", ".join(words))}</title>'
        f"{_rounded('box', box, round_by)}{inner}{meter}"
        f'<text class="name" x="{x:g}" y="{y + 4.5:g}">{escape(state_name(state, lifecycle))}</text>{count}</g>'
    )


def _count(box: Rect, number: int) -> str:
    """How many orders are in a state, at the corner of its box: above the name, and no nearer to a label than it is."""
    words = f"{number:,}"
    width = text_width(words, 13.5, bold=True) + 10
    badge = Rect(box.right + 5 - width, box.top - 5, box.right + 5, box.top + 11)
    x, y = badge.middle
    return (
        f'<g class="count">{_rounded("box", badge, 8)}<text class="name" x="{x:g}" y="{y + 4.5:g}">{words}</text></g>'
    )


def _meter(box: Rect, share: float) -> str:
    track = Rect(box.left + 16, box.bottom - 11, box.right - 16, box.bottom - 7)
    tried = track._replace(right=track.left + share * (track.right - track.left))
    return _rounded("track", track, 2) + _rounded("meter", tried, 2)


def _rounded(name: str, box: Rect, by: float) -> str:
    return (
        f'<rect class="{name}" x="{box.left:g}" y="{box.top:g}" width="{box.right - box.left:g}"'
        f' height="{box.bottom - box.top:g}" rx="{by:g}"/>'
    )


def _strands(edge: Edge, light: _Light) -> str:
    """The line of an edge: strands side by side, one for each kind of row."""
    drawn, middle = [], (len(edge.kinds) - 1) / 2
    for at, kind in enumerate(edge.kinds):
        texts = [text for text in edge.texts if text.kind == kind]
        points = _aside(edge.line.points, (at - middle) * STRAND)
        drawn.append(_strand(points, kind, light.classes(texts), light.breadth(texts)))
    return f'<g class="edge" {_ends(edge)}>{"".join(drawn)}</g>'


def _ends(edge: Edge) -> str:
    return f'data-source="{escape(edge.source or "")}" data-target="{escape(edge.target or "")}"'


def _strand(points: Sequence[Point], kind: tuple[bool, Basis], light: str = "", style: str = "") -> str:
    by_client, basis = kind
    (start, towards), (before, end) = points[:2], points[-2:]
    ring = ""
    if basis is not Basis.DOCUMENTED:
        x, y = _moved(start, towards, 6)
        ring = f'<circle class="tail" cx="{x:g}" cy="{y:g}" r="4"/>'
    tip = _moved(end, before, 1)
    back = _moved(end, before, 10)
    side = Point(-(tip.y - back.y) / 2, (tip.x - back.x) / 2)
    head = " ".join(
        f"{x:g},{y:g}" for x, y in ((back.x + side.x, back.y + side.y), tip, (back.x - side.x, back.y - side.y))
    )
    arrow = f'<polygon class="filled" points="{head}"/>' if by_client else f'<polyline class="open" points="{head}"/>'
    way = [*points[:-1], back if by_client else tip]
    classes = f"strand {classes_of(*kind)}{light}"
    return f'<g class="{classes}"{style}><path class="line" d="{_rounded_way(way)}"/>{arrow}{ring}</g>'


def _moved(point: Point, towards: Point, by: float) -> Point:
    """`point`, moved `by` along the leg that leads `towards` another."""
    length = abs(towards.x - point.x) + abs(towards.y - point.y)
    share = min(by / length, 0.5)
    return Point(point.x + (towards.x - point.x) * share, point.y + (towards.y - point.y) * share)


def _aside(points: Sequence[Point], by: float) -> list[Point]:
    """The line that runs beside `points`, at the distance `by` to its right."""
    moves = [[0.0, 0.0] for _ in points]
    for at, (one, other) in enumerate(itertools.pairwise(points)):
        for move in moves[at : at + 2]:
            if one.x == other.x:
                move[0] = -by if other.y > one.y else by
            else:
                move[1] = by if other.x > one.x else -by
    return [Point(point.x + dx, point.y + dy) for point, (dx, dy) in zip(points, moves, strict=True)]


def _rounded_way(points: Sequence[Point]) -> str:
    drawn = [f"M{points[0].x:g} {points[0].y:g}"]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        one, other = _moved(corner, before, 9), _moved(corner, after, 9)
        drawn.append(f"L{one.x:g} {one.y:g}Q{corner.x:g} {corner.y:g} {other.x:g} {other.y:g}")
    return "".join(drawn) + f"L{points[-1].x:g} {points[-1].y:g}"


def _label(edge: Edge, rect: Rect, anchor: str, light: _Light) -> str:
    x = {"start": rect.left, "middle": rect.middle.x, "end": rect.right}[anchor]
    lines = [_line(text, light, (x, rect.top + LEADING * at + 11), anchor) for at, text in enumerate(edge.texts)]
    return f'<g class="label" {_ends(edge)}>{"".join(lines)}</g>'


def _stub(edge: Edge, rect: Rect, lifecycle: Lifecycle) -> str:
    """The name of the state at which a line ends that is cut short."""
    name, (x, y) = escape(state_name(edge.target, lifecycle)), rect.middle
    return (
        f'<g class="stub" {_ends(edge)}>{_rounded("end", rect, 6)}'
        f'<text class="note" x="{x:g}" y="{y + 4:g}" text-anchor="middle">{name}</text></g>'
    )


def _foot(text: Text, lifecycle: Lifecycle, light: _Light, y: float) -> str:
    """A line of a label for which there is no place in the picture."""
    ends = f"{state_name(text.row.source, lifecycle)} \N{RIGHTWARDS ARROW} {state_name(text.row.target, lifecycle)}: "
    return f'<g class="label foot">{_line(text, light, (16, y), "start", ends)}</g>'


def _line(text: Text, light: _Light, place: tuple[float, float], anchor: str, before: str = "") -> str:
    x, y = place
    row = text.row
    classes = ("note" if text.note else classes_of(*text.kind)) + light.classes([text])
    title = f"<title>{escape(text.title)}</title>"
    return (
        f'<text class="{classes}" x="{x:g}" y="{y:g}" text-anchor="{anchor}" data-trigger="{escape(row.trigger)}">'
        f"{title}{escape(before + text.words)}</text>"
    )


def _legend(lifecycle: Lifecycle, light: _Light, top: float, *, cut_short: bool) -> tuple[list[str], float]:
    """What the marks mean, in two columns, and where that ends."""

    def sample(by_client: bool, basis: Basis = Basis.DOCUMENTED, more: str = "") -> str:
        return _strand((Point(0, 0), Point(46, 0)), (by_client, basis), more)

    observed = [Basis.OBSERVED] if any(row.basis is Basis.OBSERVED for row in lifecycle.transitions) else []
    items = [(sample(True), "a client's call"), (sample(False), "what others do, (who)")]
    items += [(sample(True, basis), f"{mark(basis)}  {basis}") for basis in (Basis.INFERRED, *observed)]
    items[-1] = (items[-1][0], f"{items[-1][1]}; the others are documented")
    terminal = _rounded("box", Rect(4, -9, 42, 9), 5) + _rounded("inner", Rect(7, -6, 39, 6), 3)
    items.append((terminal, "terminal: no way out"))
    if any(row.quota for row in lifecycle.transitions):
        units = '<text class="note" x="6" y="4">+1 \N{MINUS SIGN}1</text>'
        items.append((units, "takes, gives back a unit of quota"))
    limits = {within_days(row.quota_within) for row in lifecycle.transitions if row.quota_within is not None}
    windows = {first_days(row.within) for row in lifecycle.transitions if row.within is not None}
    for marks, means in ((limits, "only so many days after issuance"), (windows, "only so many days after it began")):
        items += [(f'<text class="note" x="6" y="4">{each}</text>', means) for each in sorted(marks)]
    if cut_short:
        items.append(
            (f'<g class="stub">{_rounded("end", Rect(4, -8, 42, 8), 6)}</g>', "leads to the state of that name")
        )
    if light.current is not None:
        current = f'<g class="current">{_rounded("box", Rect(4, -8, 42, 8), 5)}</g>'
        items.append((current, f"where the {lifecycle.noun} is now"))
    if light.visited:
        items.append((sample(True, more=" lit"), "the way that it took"))
    if light.tried is not None:
        items.append((sample(True, more=" untried"), "never tried: struck through"))
        items.append((_meter(Rect(-12, -7, 58, 9), 0.6), "share of a state's rules tried"))
    if any(light.counts.values()):
        items.append((_count(Rect(0, -3, 32, 0), 12), f"how many {lifecycle.noun}s are in a state"))
    half = (len(items) + 1) // 2
    drawn = [
        f'<g transform="translate({16 + at // half * 320} {top + at % half * 24:g})">{sample}'
        f'<text x="58" y="4">{escape(words)}</text></g>'
        for at, (sample, words) in enumerate(items)
    ]
    return ['<g class="legend">', *drawn, "</g>"], top + half * 24 - 8
