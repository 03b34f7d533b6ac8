"""The table as a picture: one drawing, in the languages that draw it.

`mermaid` and `dot` are laid out by the programs that draw them. `svg` finds its own way: boxes stand where `_PLACES`
puts them (states that it does not know: in layers below), every pair of states with rows between them is one line of
right angles, and of all lines and all places for its label the cheapest is taken (short, straight, crossing nothing).
Nothing about orders is said here but where a box stands.
"""

from __future__ import annotations

import itertools
from functools import lru_cache
from html import escape
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import attrs

from .questions import ORDER_LIFECYCLE
from .rows import DAY, Actor, Basis

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from .lifecycle import Lifecycle
    from .rows import State, Transition, Trigger


def mermaid(lifecycle: Lifecycle = ORDER_LIFECYCLE) -> str:
    """The rows that change something as a mermaid `stateDiagram-v2`: sorted, the same for the same table.

    An operation is labelled by its API name alone, an event by its name and who makes it happen; `?` marks an inferred
    rule, `+1` and `-1` what the row does to the package's quota. Terminal states lead to the final point.
    """
    edges = [_edge(row, lifecycle) for row in lifecycle.transitions if row.changes]
    ends = [f"    {rule.state} --> [*]" for rule in lifecycle.states if rule.terminal]
    return "\n".join(["stateDiagram-v2", *sorted(edges), *sorted(ends), ""])


def _edge(row: Transition, lifecycle: Lifecycle) -> str:
    return f"    {_node(row.source)} --> {_node(row.target)} : {', '.join(_words(row, lifecycle))}"


def _words(row: Transition, lifecycle: Lifecycle) -> list[str]:
    """What a label says of a row: the trigger and who fires it, quota, a second order, `?` if it is inferred."""
    actor = lifecycle.trigger_rules[row.trigger].actor
    words = [str(row.trigger) if actor is Actor.CLIENT else f"({actor}) {row.trigger}"]
    if row.quota:
        words.append(row.quota_text)
    if row.creates is not None:
        words.append(f"a new order in {row.creates}")
    if row.basis is Basis.INFERRED:
        words.append("?")
    return words


def _node(state: State | None) -> str:
    return "[*]" if state is None else str(state)


# -- Graphviz ----------------------------------------------------------------------------------------------------------

_DOT = """\
digraph order {
  graph [fontname="Helvetica", nodesep=0.5, ranksep=0.6];
  node [fontname="Helvetica-Bold", fontsize=13, shape=box, style="rounded,filled", fillcolor="#f1f4f8"];
  edge [fontname="Helvetica", fontsize=11];"""


def dot(lifecycle: Lifecycle = ORDER_LIFECYCLE) -> str:
    """The rows that change something as a graph for Graphviz, in the order of states and triggers.

    A client's operation is a solid line with a filled head, what others do a dashed one with an open head; a ring at
    the tail marks an inferred rule, and a terminal state has a double border. Labels are as in `mermaid`; basis and
    reference are tooltips. `none` is no order.
    """
    states = [*lifecycle.state_rules]
    states += sorted({row.target for row in lifecycle.transitions}.difference(states), key=_name)
    triggers = [*lifecycle.trigger_rules]
    rows = sorted(
        (row for row in lifecycle.transitions if row.changes),
        key=lambda row: (states.index(row.source), triggers.index(row.trigger)),
    )
    nodes = [_dot_node(state, lifecycle) for state in states]
    return "\n".join([_DOT, *nodes, *(_dot_edge(row, lifecycle) for row in rows), "}", ""])


def _dot_node(state: State | None, lifecycle: Lifecycle) -> str:
    rule = lifecycle.state_rules.get(state)
    attributes = {"label": _name(state), "tooltip": _name(state) if rule is None else rule.words}
    if state is None:
        attributes["style"] = "rounded,dashed"
    elif rule is not None and rule.terminal:
        attributes["peripheries"] = "2"
    return f"  {_quoted(state or 'none')} [{_attributes(attributes)}];"


def _dot_edge(row: Transition, lifecycle: Lifecycle) -> str:
    by_client = lifecycle.actor(row) is Actor.CLIENT
    color = "#0b57b0" if by_client else "#8a4500"
    name, *more = _words(row, lifecycle)
    attributes = {
        "label": "\n".join([name, *([", ".join(more)] if more else [])]),
        "tooltip": f"{row.basis}: {row.reference}",
        "style": "solid" if by_client else "dashed",
        "arrowhead": "normal" if by_client else "vee",
        "color": color,
        "fontcolor": color,
    }
    if row.basis is Basis.INFERRED:
        attributes |= {"dir": "both", "arrowtail": "odot"}
    return f"  {_quoted(row.source or 'none')} -> {_quoted(row.target or 'none')} [{_attributes(attributes)}];"


def _attributes(attributes: dict[str, str]) -> str:
    return ", ".join(f"{name}={_quoted(value)}" for name, value in attributes.items())


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


# -- SVG: what is drawn ------------------------------------------------------------------------------------------------

WIDTH = 700
"""The width of the SVG, in its own units: the width at which its text is as large as it says."""

Step: TypeAlias = "Transition | tuple[State | None, State | None]"
"""A step of a path: a row of the table, or the states before and after."""

_PLACES: dict[str | None, tuple[int, int]] = {
    None: (350, 36),
    "pending_review": (350, 138),
    "pending_application": (112, 226),
    "verify_fail": (600, 226),
    "being_reviewed": (350, 312),
    "issued": (350, 404),
    "revoked": (540, 474),
    "about_to_expire": (350, 544),
    "expired": (350, 634),
    "deleted": (112, 714),
}
"""Where the middle of a state's box is."""

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
.orderfsm .name { font-size: 13.5px; font-weight: bold; text-anchor: middle; }
.orderfsm .strand { fill: none; stroke-width: var(--orderfsm-breadth, 1.7); }
.orderfsm .strand.operation { stroke: var(--operation); }
.orderfsm .operation .filled { fill: var(--operation); }
.orderfsm .strand.event { stroke: var(--event); }
.orderfsm .event .line { stroke-dasharray: 6 4; }
.orderfsm .inferred .tail { fill: var(--paper); }
.orderfsm .label text.operation { fill: var(--operation); font-weight: bold; }
.orderfsm .label text.event { fill: var(--event); }
.orderfsm .label text.inferred { font-style: italic; }
.orderfsm .note { fill: var(--soft); }
.orderfsm .strand.lit { stroke: var(--lit); stroke-width: 3.6; }
.orderfsm .lit .filled { fill: var(--lit); }
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


# -- SVG: rectangles and text ------------------------------------------------------------------------------------------


class _Point(NamedTuple):
    x: float
    y: float


class _Rect(NamedTuple):
    left: float
    top: float
    right: float
    bottom: float

    @classmethod
    def around(cls, middle: tuple[float, float], width: float, height: float) -> _Rect:
        x, y = middle
        return cls(x - width / 2, y - height / 2, x + width / 2, y + height / 2)

    @classmethod
    def along(cls, one: _Point, other: _Point) -> _Rect:
        return cls(min(one.x, other.x), min(one.y, other.y), max(one.x, other.x), max(one.y, other.y))

    @property
    def middle(self) -> _Point:
        return _Point((self.left + self.right) / 2, (self.top + self.bottom) / 2)

    @property
    def upright(self) -> bool:
        return self.bottom - self.top > self.right - self.left

    @property
    def length(self) -> float:
        return self.right - self.left + self.bottom - self.top

    def grown(self, by: float) -> _Rect:
        return _Rect(self.left - by, self.top - by, self.right + by, self.bottom + by)

    def meets(self, other: _Rect) -> bool:
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )


_WIDTHS = (
    dict.fromkeys("fijlt.,:;|'!()[] -I/", 0.32)
    | dict.fromkeys("mwMW", 0.9)
    | dict.fromkeys("ABCDEGHKNOPQRSUVXYZ", 0.72)
)
"""How wide a character of Arial is, in font sizes; if it is not here 0.56, or 1 if it is Chinese, say."""


def text_width(text: str, size: float = 12, *, bold: bool = False) -> float:
    """About how wide `text` is in Arial or a face like it; rather a little too much than too little."""
    ems = sum(_WIDTHS.get(character, 0.56 if character < "\u2e80" else 1) for character in text)
    return ems * size * (1.09 if bold else 1.02)


# -- SVG: what is written ----------------------------------------------------------------------------------------------

_LEADING = 15


class _Text(NamedTuple):
    """A line of a label: what it says, of which row, and whether that is a client's operation."""

    words: str
    row: Transition
    by_client: bool
    note: bool = False

    @property
    def kind(self) -> tuple[bool, bool]:
        """What tells one strand of a line from another: whose it is, and whether the rule is inferred."""
        return self.by_client, self.row.basis is Basis.INFERRED

    @property
    def classes(self) -> str:
        inferred = " inferred" if self.row.basis is Basis.INFERRED else ""
        return ("operation" if self.by_client else "event") + inferred

    @property
    def width(self) -> float:
        return text_width(self.words, bold=self.by_client and not self.note)


def _name(state: State | None) -> str:
    return "no order" if state is None else state.replace("_", " ")


def _texts(row: Transition, lifecycle: Lifecycle, flow: Mapping[Transition, int] | None) -> list[_Text]:
    actor = lifecycle.actor(row)
    name = row.trigger.name.replace("_", " ").lower()
    words = [name if actor is Actor.CLIENT else f"({actor}) {name}"]
    if row.quota:
        words.append(f"{row.quota:+d}".replace("-", "\N{MINUS SIGN}"))
    if row.quota_within is not None:
        words.append(_within(row.quota_within))
    if row.basis is Basis.INFERRED:
        words.append("?")
    count = f": {flow[row]:,}" if flow is not None and row in flow else ""
    texts = [_Text(" ".join(words) + count, row, actor is Actor.CLIENT)]
    if row.creates is not None:
        texts.append(_Text(f"new order: {_name(row.creates)}", row, actor is Actor.CLIENT, note=True))
    return texts


# -- SVG: where everything is ------------------------------------------------------------------------------------------

_BOX_HEIGHT = 40
_LANES = (26, 44, 66, 92)
_STRAND = 10.0


class _Label(NamedTuple):
    """Where a label is, and which side of it its lines are flush with, as `text-anchor` says it."""

    rect: _Rect
    anchor: str


@attrs.frozen(eq=False)
class _Line:
    """A way on which an edge may go: its corners, its legs, and what it costs by itself."""

    points: tuple[_Point, ...]
    legs: list[_Rect]
    cost: float


@attrs.define(eq=False)
class _Edge:
    """All rows between two states: what its label says, its line, and where the label is (None: at the foot)."""

    source: State | None
    target: State | None
    texts: list[_Text]
    line: _Line = _Line((), [], 0)
    label: _Label | None = None

    @property
    def kinds(self) -> list[tuple[bool, bool]]:
        """The strands of the line, one for each kind of row, operations first."""
        return sorted({text.kind for text in self.texts}, reverse=True)

    @property
    def broad(self) -> float:
        """How far the line reaches to either side."""
        return (len(self.kinds) - 1) * _STRAND / 2 + 1


class _Port(NamedTuple):
    """A point on the edge of a box, the direction that leads away from it, and how far it is from the side's middle."""

    x: float
    y: float
    dx: int
    dy: int
    off: float


def _ports(box: _Rect) -> Iterator[_Port]:
    x, y = box.middle
    for off in (0, -22, 22, -44, 44):
        if abs(off) < (box.right - box.left) / 2 - 8:
            yield _Port(x + off, box.top, 0, -1, abs(off))
            yield _Port(x + off, box.bottom, 0, 1, abs(off))
    for off in (0, -11, 11):
        yield _Port(box.left, y + off, -1, 0, abs(off))
        yield _Port(box.right, y + off, 1, 0, abs(off))


def _ways(start: _Port, end: _Port) -> Iterator[tuple[_Point, ...]]:
    """The ways of at most three legs from one port to another."""
    p, q = _Point(start.x, start.y), _Point(end.x, end.y)
    if (start.dx, start.dy) == (end.dx, end.dy):
        corners = _there_and_back(p, q, start)
    elif (start.dx, start.dy) == (-end.dx, -end.dy):
        corners = _straight_or_aside(p, q, start)
    else:
        corners = _round_a_corner(p, q, start, end)
    return ((p, *between, q) for between in corners)


def _there_and_back(p: _Point, q: _Point, start: _Port) -> Iterator[tuple[_Point, ...]]:
    for lane in _LANES if p != q else ():
        if start.dx:
            x = start.dx * (max(p.x * start.dx, q.x * start.dx) + lane)
            yield _Point(x, p.y), _Point(x, q.y)
        else:
            y = start.dy * (max(p.y * start.dy, q.y * start.dy) + lane)
            yield _Point(p.x, y), _Point(q.x, y)


def _straight_or_aside(p: _Point, q: _Point, start: _Port) -> Iterator[tuple[_Point, ...]]:
    ahead = (q.x - p.x) * start.dx + (q.y - p.y) * start.dy
    if ahead > 24 and (p.x == q.x or p.y == q.y):
        yield ()
    elif ahead > 48:
        for share in (0.5, 0.3, 0.7):
            x, y = p.x + (q.x - p.x) * share, p.y + (q.y - p.y) * share
            yield (_Point(x, p.y), _Point(x, q.y)) if start.dx else (_Point(p.x, y), _Point(q.x, y))


def _round_a_corner(p: _Point, q: _Point, start: _Port, end: _Port) -> Iterator[tuple[_Point, ...]]:
    corner = _Point(q.x, p.y) if start.dx else _Point(p.x, q.y)
    out = (corner.x - p.x) * start.dx + (corner.y - p.y) * start.dy
    back = (corner.x - q.x) * end.dx + (corner.y - q.y) * end.dy
    if out > 24 and back > 24:
        yield (corner,)


def _beside(edge: _Edge, line: _Line) -> Iterator[tuple[float, _Label]]:
    """The places for a label along a line, and what each costs."""
    width, height = max(text.width for text in edge.texts), _LEADING * len(edge.texts)
    gap = edge.broad + 6
    for leg in line.legs:
        for share in (0.5, 0.35, 0.65, 0.2, 0.8):
            x = leg.left + (leg.right - leg.left) * share
            y = leg.top + (leg.bottom - leg.top) * share
            cost = 40 * abs(share - 0.5) + max(0, (height if leg.upright else width) - leg.length)
            if leg.upright:
                yield cost, _Label(_Rect(x + gap, y - height / 2, x + gap + width, y + height / 2), "start")
                yield cost + 1, _Label(_Rect(x - gap - width, y - height / 2, x - gap, y + height / 2), "end")
            else:
                yield cost, _Label(_Rect(x - width / 2, y - gap - height + 2, x + width / 2, y - gap + 2), "middle")
                yield cost + 1, _Label(_Rect(x - width / 2, y + gap - 2, x + width / 2, y + gap + height - 2), "middle")


_NEVER = 10_000
"""What it costs to run into a box or a label: more than any detour."""

_PRICES = (40, 400, _NEVER)
"""What it costs to run into a label, each time that the lines are laid: at first they may, so that none is stuck."""


@attrs.frozen(eq=False)
class _Layout:
    """Where the boxes, the lines and their labels are."""

    boxes: dict[State | None, _Rect]
    edges: list[_Edge]

    @property
    def bottom(self) -> float:
        """Below everything that is drawn."""
        labels = [edge.label.rect for edge in self.edges if edge.label is not None]
        legs = [leg for edge in self.edges for leg in edge.line.legs]
        return max(rect.bottom for rect in [*self.boxes.values(), *labels, *legs])

    def route(self) -> None:
        """Lay the lines, short ones first and loops last; then each anew, a few times, with the others as they are."""
        lines = {edge: self._lines(edge) for edge in sorted(self.edges, key=self._distance)}
        for price in _PRICES:
            for edge, possible in lines.items():
                self._lay(edge, possible, price)

    def _distance(self, edge: _Edge) -> float:
        one, other = self.boxes[edge.source].middle, self.boxes[edge.target].middle
        return abs(one.x - other.x) + abs(one.y - other.y) or float("inf")

    def _lines(self, edge: _Edge) -> list[_Line]:
        """Every line on which an edge might go, as if there were no others, the cheapest first."""
        lines = []
        for start, end in itertools.product(*map(_ports, (self.boxes[edge.source], self.boxes[edge.target]))):
            for points in _ways(start, end):
                legs = [_Rect.along(*ends) for ends in itertools.pairwise(points)]
                cost = sum(leg.length for leg in legs) + 30 * len(legs) + start.off + end.off
                lines.append(_Line(points, legs, cost + _NEVER * self._astray(edge, legs)))
        return sorted(lines, key=lambda line: (line.cost, line.points))

    def _astray(self, edge: _Edge, legs: list[_Rect]) -> int:
        """How often a line runs into a box or off the paper."""
        count = 0
        for at, leg in enumerate(legs):
            wide = leg.grown(edge.broad)
            count += wide.left < 4 or wide.right > WIDTH - 4 or wide.top < 4
            for state, box in self.boxes.items():
                begins, ends = state == edge.source and at == 0, state == edge.target and at == len(legs) - 1
                count += not begins and not ends and wide.meets(box.grown(9))
        return count

    def _lay(self, edge: _Edge, lines: list[_Line], price: float) -> None:
        """Give `edge` the cheapest of `lines` and place for its label, as the others are now."""
        others = [other for other in self.edges if other is not edge]
        upright, flat = (list(_in_the_way(edge, others, price, upright=side)) for side in (True, False))
        best = float("inf")
        for line in lines:
            cost = line.cost
            for leg in line.legs:
                if cost < best:
                    cost += sum(toll for rect, toll in (upright if leg.upright else flat) if leg.meets(rect))
            if cost < best:
                label_cost, label = self._place(edge, line, others, price)
                if cost + label_cost < best:
                    best = cost + label_cost
                    edge.line, edge.label = line, label

    def _place(self, edge: _Edge, line: _Line, others: list[_Edge], price: float) -> tuple[float, _Label | None]:
        """The best place for the label beside a line, and what it costs; None if there is none."""
        best: tuple[float, _Label | None] = (_NEVER / 2, None)
        crossed = [leg.grown(edge.broad) for leg in line.legs]
        crossed += [leg.grown(other.broad + 2) for other in others for leg in other.line.legs]
        labels = [other.label.rect.grown(5) for other in others if other.label is not None]
        for cost, label in sorted(_beside(edge, line)):
            if cost >= best[0]:
                break
            rect = label.rect
            if rect.left < 6 or rect.right > WIDTH - 6 or rect.top < 6:
                continue
            if any(rect.meets(box.grown(5)) for box in self.boxes.values()):
                continue
            tolls = min(price, 800) * sum(map(rect.meets, crossed)) + price * sum(map(rect.meets, labels))
            if cost + tolls < best[0]:
                best = cost + tolls, label
        return best


def _in_the_way(edge: _Edge, others: list[_Edge], price: float, *, upright: bool) -> Iterator[tuple[_Rect, float]]:
    """What a leg of `edge` should not meet, and what it costs if it does: labels, lines across, lines alongside."""
    for other in others:
        if other.label is not None:
            yield other.label.rect.grown(edge.broad + 2), price
        for leg in other.line.legs:
            if leg.upright is upright:
                yield leg.grown(edge.broad + other.broad + 9), 2_000
            else:
                yield leg.grown(edge.broad + other.broad), 150


@lru_cache(maxsize=32)
def _layout(lifecycle: Lifecycle, flow: frozenset[tuple[Transition, int]] | None) -> _Layout:
    """The same for the same rows, in whatever order they come."""
    taken = None if flow is None else dict(flow)
    boxes = {
        state: _Rect.around(place, max(text_width(_name(state), 13.5, bold=True) + 30, 100), _BOX_HEIGHT)
        for state, place in _places(lifecycle).items()
    }
    edges: dict[tuple[State | None, State | None], _Edge] = {}
    for row in sorted(lifecycle.transitions, key=lambda row: (_name(row.source), row.trigger)):
        if row.changes:
            edge = edges.setdefault((row.source, row.target), _Edge(row.source, row.target, []))
            edge.texts.extend(_texts(row, lifecycle, taken))
    for edge in edges.values():
        edge.texts.sort(key=lambda text: not text.by_client)
    layout = _Layout(boxes, list(edges.values()))
    layout.route()
    return layout


def _places(lifecycle: Lifecycle) -> dict[State | None, tuple[float, float]]:
    """Where the states of a table are: as in `_PLACES`; those that are not there in layers below, nearest first."""
    states = set(lifecycle.state_rules) | {row.target for row in lifecycle.transitions}
    depths: dict[State | None, int] = {}
    level: set[State | None] = {None}
    while level:
        depths |= dict.fromkeys(level, len(depths))
        level = {row.target for row in lifecycle.transitions if row.source in level} - depths.keys()
    places: dict[State | None, tuple[float, float]] = {
        state: _PLACES[state] for state in sorted(states, key=_name) if state in _PLACES
    }
    others = sorted(states - places.keys(), key=lambda state: (depths.get(state, len(states)), _name(state)))
    top = max((y for _, y in places.values()), default=-74) + 110
    columns = (WIDTH / 2, 110, WIDTH - 110)
    return places | {state: (columns[at % 3], top + at // 3 * 130) for at, state in enumerate(others)}


# -- SVG: the picture --------------------------------------------------------------------------------------------------


@attrs.frozen
class _Light:
    """What is lit up: the state in which the order is, the states it was in, the rows and the lines it took.

    And what was `tried`, and how often each row was taken (`flow`); None if that is not shown.
    """

    current: State | None
    visited: frozenset[State | None]
    rows: frozenset[Transition]
    lines: frozenset[tuple[State | None, State | None]]
    tried: Collection[tuple[State | None, Trigger]] | None
    flow: Mapping[Transition, int] | None

    @classmethod
    def on(
        cls,
        lifecycle: Lifecycle,
        current: State | None,
        path: Iterable[Step],
        tried: Collection[tuple[State | None, Trigger]] | None,
        flow: Mapping[Transition, int] | None,
    ) -> _Light:
        steps = list(path)
        rows = frozenset(step for step in steps if not isinstance(step, tuple))
        pairs = [step if isinstance(step, tuple) else (step.source, step.target) for step in steps]
        lines = [(lifecycle.state(source), lifecycle.state(target)) for source, target in pairs]
        taken = [line for line, step in zip(lines, steps, strict=True) if isinstance(step, tuple)]
        return cls(lifecycle.state(current), frozenset(itertools.chain(*lines)), rows, frozenset(taken), tried, flow)

    def classes(self, texts: Sequence[_Text]) -> str:
        """The classes that say whether a label, or the strand of several, is lit up, or was never tried."""
        lit = any(text.row in self.rows or (text.row.source, text.row.target) in self.lines for text in texts)
        untried = self.tried is not None and not any(
            (text.row.source, text.row.trigger) in self.tried for text in texts
        )
        return " lit" * lit + " untried" * untried

    def breadth(self, texts: Sequence[_Text]) -> str:
        """The style of the strand of these rows: the oftener they were taken, the broader it is."""
        flow = self.flow or {}
        taken = sum(flow.get(row, 0) for row in {text.row for text in texts})
        if not taken:
            return ""
        # The square root keeps rare steps visible.
        return f' style="--orderfsm-breadth: {1.7 + 7 * min(taken / max(flow.values()), 1) ** 0.5:.1f}"'

    def share(self, state: State | None, lifecycle: Lifecycle) -> tuple[int, int] | None:
        """How many of a state's rules were tried, and how many it has; None if that is not shown."""
        if self.tried is None or state not in lifecycle.table:
            return None
        rules = [(state, rule.trigger) for rule in lifecycle.triggers if not rule.account]
        return sum(rule in self.tried for rule in rules), len(rules)


def svg(
    lifecycle: Lifecycle = ORDER_LIFECYCLE,
    *,
    current: State | None = None,
    path: Sequence[Step] = (),
    tried: Collection[tuple[State | None, Trigger]] | None = None,
    flow: Mapping[Transition, int] | None = None,
) -> str:
    """The rows that change something as a standalone SVG, 700 wide: the same for the same table.

    `current` is the state to mark. `path` is the way that was taken and is lit up: rows of the table, or pairs of the
    states before and after, for which every row between the two lights up. `tried` are the states and triggers that
    somebody tried: the other rows are pale and struck through, and a bar in each box is the share of its rows and
    refusals that were tried. `flow` is how often each row was taken: the oftener, the broader its line; its label says
    how often, if it is there, and may stand elsewhere for that. The others do not change where anything is.

    A client's operation is a solid line with a filled head, what others do a dashed one with an open head and who does
    it in brackets; a ring at the tail and `?` mark an inferred rule; `+1` and `-1` are units of the package's quota. A
    terminal state has a double border. API names, references and states' words are tooltips. It is light or dark
    as the reader prefers; a page sets `--orderfsm-paper`, `-ink`, `-soft`, `-box`, `-operation`, `-event`, `-lit` and
    `-on-lit` to decide for itself.

    Raises `InvalidValue` for a state that the table does not know.
    """
    light = _Light.on(lifecycle, current, path, tried, flow)
    layout = _layout(lifecycle, None if flow is None else frozenset(flow.items()))
    edges = sorted(layout.edges, key=lambda edge: (_name(edge.source), _name(edge.target)))
    below, bottom = _legend(lifecycle, light, layout.bottom + 34)
    unplaced = [text for edge in edges if edge.label is None for text in edge.texts]
    feet = [_foot(text, light, bottom + _LEADING * at) for at, text in enumerate(unplaced, 1)]
    height = round(bottom + _LEADING * len(unplaced) + 12)
    title = "The life of a certificate order" + ("" if light.current is None else f", now {_name(light.current)}")
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="orderfsm" viewBox="0 0 {WIDTH} {height}"'
            f' width="{WIDTH}" height="{height}" role="img" aria-label="{escape(title)}">',
            f"<title>{escape(title)}</title>",
            f"<desc>{escape(_in_sentences(lifecycle))}</desc>",
            f"<style>{STYLE}</style>",
            *(_strands(edge, light) for edge in edges),
            *(_box(state, layout.boxes[state], lifecycle, light) for state in sorted(layout.boxes, key=_name)),
            *(line for edge in edges for line in _label(edge, light)),
            *below,
            *feet,
            "</svg>",
            "",
        ]
    )


def _in_sentences(lifecycle: Lifecycle) -> str:
    rows = sorted(
        f"{_name(row.source)} to {_name(row.target)}: {row.trigger} by {lifecycle.actor(row)}, {row.basis}."
        for row in lifecycle.transitions
        if row.changes
    )
    return " ".join(rows)


def _box(state: State | None, box: _Rect, lifecycle: Lifecycle, light: _Light) -> str:
    rule = lifecycle.state_rules.get(state)
    classes = ["state"]
    if state is None:
        classes.append("start")
    elif state == light.current:
        classes.append("current")
    if state in light.visited:
        classes.append("visited")
    words = [state or "no order"]
    inner = meter = ""
    if rule is not None:
        words += [
            rule.words,
            *(f"{name} {word}" for name, word in (("Type", rule.type), ("Status", rule.status)) if word),
        ]
        if rule.terminal:
            words.append("terminal")
            inner = _rounded("inner", box.grown(-4), 5)
    share = light.share(state, lifecycle)
    if share is not None:
        words.append(f"{share[0]} of {share[1]} rules tried")
        meter = _meter(box, share[0] / max(share[1], 1))
    x, y = box.middle
    round_by = _BOX_HEIGHT / 2 if state is None else 8
    return (
        f'<g class="{" ".join(classes)}" data-state="{escape(state or "")}"><title>{escape(", ".join(words))}</title>'
        f"{_rounded('box', box, round_by)}{inner}{meter}"
        f'<text class="name" x="{x:g}" y="{y + 4.5:g}">{escape(_name(state))}</text></g>'
    )


def _meter(box: _Rect, share: float) -> str:
    track = _Rect(box.left + 16, box.bottom - 11, box.right - 16, box.bottom - 7)
    tried = track._replace(right=track.left + share * (track.right - track.left))
    return _rounded("track", track, 2) + _rounded("meter", tried, 2)


def _rounded(name: str, box: _Rect, by: float) -> str:
    return (
        f'<rect class="{name}" x="{box.left:g}" y="{box.top:g}" width="{box.right - box.left:g}"'
        f' height="{box.bottom - box.top:g}" rx="{by:g}"/>'
    )


def _strands(edge: _Edge, light: _Light) -> str:
    """The line of an edge: strands side by side, one for each kind of row."""
    drawn, middle = [], (len(edge.kinds) - 1) / 2
    for at, kind in enumerate(edge.kinds):
        texts = [text for text in edge.texts if text.kind == kind]
        classes = texts[0].classes + light.classes(texts)
        points = _aside(edge.line.points, (at - middle) * _STRAND)
        drawn.append(_strand(points, kind, classes, light.breadth(texts)))
    return f'<g class="edge" {_ends(edge)}>{"".join(drawn)}</g>'


def _ends(edge: _Edge) -> str:
    return f'data-source="{escape(edge.source or "")}" data-target="{escape(edge.target or "")}"'


def _strand(points: Sequence[_Point], kind: tuple[bool, bool], classes: str, style: str = "") -> str:
    by_client, inferred = kind
    (start, towards), (before, end) = points[:2], points[-2:]
    ring = ""
    if inferred:
        x, y = _moved(start, towards, 6)
        ring = f'<circle class="tail" cx="{x:g}" cy="{y:g}" r="4"/>'
    tip = _moved(end, before, 1)
    back = _moved(end, before, 10)
    side = _Point(-(tip.y - back.y) / 2, (tip.x - back.x) / 2)
    head = " ".join(
        f"{x:g},{y:g}" for x, y in ((back.x + side.x, back.y + side.y), tip, (back.x - side.x, back.y - side.y))
    )
    arrow = f'<polygon class="filled" points="{head}"/>' if by_client else f'<polyline class="open" points="{head}"/>'
    way = [*points[:-1], back if by_client else tip]
    return f'<g class="strand {classes}"{style}><path class="line" d="{_rounded_way(way)}"/>{arrow}{ring}</g>'


def _moved(point: _Point, towards: _Point, by: float) -> _Point:
    """`point`, moved `by` along the leg that leads `towards` another."""
    length = abs(towards.x - point.x) + abs(towards.y - point.y)
    share = min(by / length, 0.5)
    return _Point(point.x + (towards.x - point.x) * share, point.y + (towards.y - point.y) * share)


def _aside(points: Sequence[_Point], by: float) -> list[_Point]:
    """The line that runs beside `points`, at the distance `by` to its right."""
    moves = [[0.0, 0.0] for _ in points]
    for at, (one, other) in enumerate(itertools.pairwise(points)):
        for move in moves[at : at + 2]:
            if one.x == other.x:
                move[0] = -by if other.y > one.y else by
            else:
                move[1] = by if other.x > one.x else -by
    return [_Point(point.x + dx, point.y + dy) for point, (dx, dy) in zip(points, moves, strict=True)]


def _rounded_way(points: Sequence[_Point]) -> str:
    drawn = [f"M{points[0].x:g} {points[0].y:g}"]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        one, other = _moved(corner, before, 9), _moved(corner, after, 9)
        drawn.append(f"L{one.x:g} {one.y:g}Q{corner.x:g} {corner.y:g} {other.x:g} {other.y:g}")
    return "".join(drawn) + f"L{points[-1].x:g} {points[-1].y:g}"


def _label(edge: _Edge, light: _Light) -> Iterator[str]:
    if edge.label is not None:
        rect, anchor = edge.label
        x = {"start": rect.left, "middle": rect.middle.x, "end": rect.right}[anchor]
        lines = "".join(
            _line(text, light, (x, rect.top + _LEADING * at + 11), anchor) for at, text in enumerate(edge.texts)
        )
        yield f'<g class="label" {_ends(edge)}>{lines}</g>'


def _foot(text: _Text, light: _Light, y: float) -> str:
    """A line of a label for which there is no place in the picture."""
    ends = f"{_name(text.row.source)} \N{RIGHTWARDS ARROW} {_name(text.row.target)}: "
    return f'<g class="label foot">{_line(text, light, (16, y), "start", ends)}</g>'


def _line(text: _Text, light: _Light, place: tuple[float, float], anchor: str, before: str = "") -> str:
    x, y = place
    row = text.row
    classes = ("note" if text.note else text.classes) + light.classes([text])
    title = f"<title>{escape(f'{row.trigger} ({row.basis}: {row.reference})')}</title>"
    return (
        f'<text class="{classes}" x="{x:g}" y="{y:g}" text-anchor="{anchor}" data-trigger="{escape(row.trigger)}">'
        f"{title}{escape(before + text.words)}</text>"
    )


def _within(seconds: int) -> str:
    return f"\N{LESS-THAN OR EQUAL TO} {seconds / DAY:g} d"


def _legend(lifecycle: Lifecycle, light: _Light, top: float) -> tuple[list[str], float]:
    """What the marks mean, in two columns, and where that ends."""
    line = (_Point(0, 0), _Point(46, 0))
    items = [
        (_strand(line, (True, False), "operation"), "a client's call"),
        (_strand(line, (False, False), "event"), "what others do, (who)"),
        (_strand(line, (True, True), "operation inferred"), "?  inferred; the others are documented"),
        (_rounded("box", _Rect(4, -9, 42, 9), 5) + _rounded("inner", _Rect(7, -6, 39, 6), 3), "terminal: no way out"),
        ('<text class="note" x="6" y="4">+1 \N{MINUS SIGN}1</text>', "takes, gives back a unit of the package's quota"),
    ]
    limits = {_within(row.quota_within) for row in lifecycle.transitions if row.quota_within is not None}
    days = "only so many days after issuance"
    items += [(f'<text class="note" x="6" y="4">{limit}</text>', days) for limit in sorted(limits)]
    if light.current is not None:
        items.append((f'<g class="current">{_rounded("box", _Rect(4, -8, 42, 8), 5)}</g>', "where the order is now"))
    if light.visited:
        items.append((_strand(line, (True, False), "operation lit"), "the way that it took"))
    if light.tried is not None:
        items.append((_strand(line, (True, False), "operation untried"), "never tried: struck through"))
        items.append((_meter(_Rect(-12, -7, 58, 9), 0.6), "share of a state's rules tried"))
    half = (len(items) + 1) // 2
    drawn = [
        f'<g transform="translate({16 + at // half * 320} {top + at % half * 24:g})">{sample}'
        f'<text x="58" y="4">{escape(words)}</text></g>'
        for at, (sample, words) in enumerate(items)
    ]
    return ['<g class="legend">', *drawn, "</g>"], top + half * 24 - 8
