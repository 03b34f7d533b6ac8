"""Where everything in the SVG is.

Boxes stand where the table's `places` puts them (states that it does not know: in layers below), every pair of states
with rows between them is one line of right angles, and of all lines and all places for its label the cheapest is taken
(short, straight, crossing nothing).
"""

from __future__ import annotations

import itertools
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import attrs

from orderfsm.rows import Basis

from .labels import LEADING, state_name, text_width, texts_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import State, Transition

    from .labels import Text

WIDTH = 700
"""The width of the SVG, in its own units: the width at which its text is as large as it says."""

BOX_HEIGHT = 40
_LANES = (26, 44, 66, 92)
STRAND = 10.0


class Point(NamedTuple):
    x: float
    y: float


class Rect(NamedTuple):
    left: float
    top: float
    right: float
    bottom: float

    @classmethod
    def around(cls, middle: tuple[float, float], width: float, height: float) -> Rect:
        x, y = middle
        return cls(x - width / 2, y - height / 2, x + width / 2, y + height / 2)

    @classmethod
    def along(cls, one: Point, other: Point) -> Rect:
        return cls(min(one.x, other.x), min(one.y, other.y), max(one.x, other.x), max(one.y, other.y))

    @property
    def middle(self) -> Point:
        return Point((self.left + self.right) / 2, (self.top + self.bottom) / 2)

    @property
    def upright(self) -> bool:
        return self.bottom - self.top > self.right - self.left

    @property
    def length(self) -> float:
        return self.right - self.left + self.bottom - self.top

    def grown(self, by: float) -> Rect:
        return Rect(self.left - by, self.top - by, self.right + by, self.bottom + by)

    def meets(self, other: Rect) -> bool:
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )


class _Label(NamedTuple):
    """Where a label is, and which side of it its lines are flush with, as `text-anchor` says it."""

    rect: Rect
    anchor: str


@attrs.frozen(eq=False)
class _Line:
    """A way on which an edge may go: its corners, its legs, and what it costs by itself."""

    points: tuple[Point, ...]
    legs: list[Rect]
    cost: float


@attrs.define(eq=False)
class Edge:
    """All rows between two states: what its label says, its line, and where the label is (None: at the foot)."""

    source: State | None
    target: State | None
    texts: list[Text]
    line: _Line = _Line((), [], 0)
    label: _Label | None = None

    @property
    def kinds(self) -> list[tuple[bool, Basis]]:
        """The strands of the line, one for each kind of row, operations first."""
        kinds = {text.kind for text in self.texts}
        return sorted(kinds, key=lambda kind: (kind[0], tuple(Basis).index(kind[1])), reverse=True)

    @property
    def broad(self) -> float:
        """How far the line reaches to either side."""
        return (len(self.kinds) - 1) * STRAND / 2 + 1


class _Port(NamedTuple):
    """A point on the edge of a box, the direction that leads away from it, and how far it is from the side's middle."""

    x: float
    y: float
    dx: int
    dy: int
    off: float


def _ports(box: Rect) -> Iterator[_Port]:
    x, y = box.middle
    for off in (0, -22, 22, -44, 44):
        if abs(off) < (box.right - box.left) / 2 - 8:
            yield _Port(x + off, box.top, 0, -1, abs(off))
            yield _Port(x + off, box.bottom, 0, 1, abs(off))
    for off in (0, -11, 11):
        yield _Port(box.left, y + off, -1, 0, abs(off))
        yield _Port(box.right, y + off, 1, 0, abs(off))


def _ways(start: _Port, end: _Port) -> Iterator[tuple[Point, ...]]:
    """The ways of at most three legs from one port to another."""
    p, q = Point(start.x, start.y), Point(end.x, end.y)
    axis, sign = (0, start.dx) if start.dx else (1, start.dy)
    ahead = (q[axis] - p[axis]) * sign
    across: list[float] = []  # where the middle of three legs is, on the axis of the first
    if (start.dx, start.dy) == (end.dx, end.dy):  # there and back
        across = [sign * (max(p[axis] * sign, q[axis] * sign) + lane) for lane in _LANES if p != q]
    elif (start.dx, start.dy) != (-end.dx, -end.dy):  # round a corner
        if ahead > 24 and (p.x - q.x) * end.dx + (p.y - q.y) * end.dy > 24:
            yield p, Point(q.x, p.y) if start.dx else Point(p.x, q.y), q
    elif ahead > 24 and (p.x == q.x or p.y == q.y):  # straight on
        yield p, q
    elif ahead > 48:  # aside, and on
        across = [p[axis] + (q[axis] - p[axis]) * share for share in (0.5, 0.3, 0.7)]
    for at in across:
        yield (p, Point(at, p.y), Point(at, q.y), q) if start.dx else (p, Point(p.x, at), Point(q.x, at), q)


def _beside(edge: Edge, line: _Line) -> Iterator[tuple[float, _Label]]:
    """The places for a label along a line, and what each costs."""
    width, height = max(text.width for text in edge.texts), LEADING * len(edge.texts)
    gap = edge.broad + 6
    for leg in line.legs:
        for share in (0.5, 0.35, 0.65, 0.2, 0.8):
            x = leg.left + (leg.right - leg.left) * share
            y = leg.top + (leg.bottom - leg.top) * share
            cost = 40 * abs(share - 0.5) + max(0, (height if leg.upright else width) - leg.length)
            if leg.upright:
                yield cost, _Label(Rect(x + gap, y - height / 2, x + gap + width, y + height / 2), "start")
                yield cost + 1, _Label(Rect(x - gap - width, y - height / 2, x - gap, y + height / 2), "end")
            else:
                yield cost, _Label(Rect(x - width / 2, y - gap - height + 2, x + width / 2, y - gap + 2), "middle")
                yield cost + 1, _Label(Rect(x - width / 2, y + gap - 2, x + width / 2, y + gap + height - 2), "middle")


_NEVER = 10_000
"""What it costs to run into a box or a label: more than any detour."""

_PRICES = (40, 400, _NEVER)
"""What it costs to run into a label, each time that the lines are laid: at first they may, so that none is stuck."""


@attrs.frozen(eq=False)
class Layout:
    """Where the boxes, the lines and their labels are."""

    boxes: dict[State | None, Rect]
    edges: list[Edge]

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

    def _distance(self, edge: Edge) -> float:
        one, other = self.boxes[edge.source].middle, self.boxes[edge.target].middle
        return abs(one.x - other.x) + abs(one.y - other.y) or float("inf")

    def _lines(self, edge: Edge) -> list[_Line]:
        """Every line on which an edge might go, as if there were no others, the cheapest first."""
        lines = []
        for start, end in itertools.product(*map(_ports, (self.boxes[edge.source], self.boxes[edge.target]))):
            for points in _ways(start, end):
                legs = [Rect.along(*ends) for ends in itertools.pairwise(points)]
                cost = sum(leg.length for leg in legs) + 30 * len(legs) + start.off + end.off
                lines.append(_Line(points, legs, cost + _NEVER * self._astray(edge, legs)))
        return sorted(lines, key=lambda line: (line.cost, line.points))

    def _astray(self, edge: Edge, legs: list[Rect]) -> int:
        """How often a line runs into a box or off the paper."""
        count = 0
        for at, leg in enumerate(legs):
            wide = leg.grown(edge.broad)
            count += wide.left < 4 or wide.right > WIDTH - 4 or wide.top < 4
            for state, box in self.boxes.items():
                begins, ends = state == edge.source and at == 0, state == edge.target and at == len(legs) - 1
                count += not begins and not ends and wide.meets(box.grown(9))
        return count

    def _lay(self, edge: Edge, lines: list[_Line], price: float) -> None:
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

    def _place(self, edge: Edge, line: _Line, others: list[Edge], price: float) -> tuple[float, _Label | None]:
        """The best place for the label beside a line, and what it costs; None if there is none."""
        best: tuple[float, _Label | None] = (_NEVER / 2, None)
        crossed = [leg.grown(edge.broad) for leg in line.legs]
        crossed += [leg.grown(other.broad + 2) for other in others for leg in other.line.legs]
        labels = [other.label.rect.grown(5) for other in others if other.label is not None]
        for cost, label in sorted(_beside(edge, line)):
            if cost >= best[0]:
                break
            rect = label.rect
            off_paper = rect.left < 6 or rect.right > WIDTH - 6 or rect.top < 6
            if off_paper or any(rect.meets(box.grown(5)) for box in self.boxes.values()):
                continue
            tolls = min(price, 800) * sum(map(rect.meets, crossed)) + price * sum(map(rect.meets, labels))
            if cost + tolls < best[0]:
                best = cost + tolls, label
        return best


def _in_the_way(edge: Edge, others: list[Edge], price: float, *, upright: bool) -> Iterator[tuple[Rect, float]]:
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
def layout_of(
    lifecycle: Lifecycle,
    places: frozenset[tuple[str | None, tuple[int, int]]],
    flow: frozenset[tuple[Transition, int]],
) -> Layout:
    """The same for the same rows, in whatever order they come."""
    taken = dict(flow)
    boxes: dict[State | None, Rect] = {}
    for state, place in _placed(lifecycle, dict(places)).items():
        width = text_width(state_name(state, lifecycle), 13.5, bold=True) + 30
        boxes[state] = Rect.around(place, max(width, 100), BOX_HEIGHT)
    edges: dict[tuple[State | None, State | None], Edge] = {}
    for row in sorted(lifecycle.transitions, key=lambda row: (state_name(row.source, lifecycle), row.trigger)):
        if row.changes:
            edge = edges.setdefault((row.source, row.target), Edge(row.source, row.target, []))
            edge.texts.extend(texts_of(row, lifecycle, taken))
    for edge in edges.values():
        edge.texts.sort(key=lambda text: not text.by_client)
    layout = Layout(boxes, [*edges.values()])
    layout.route()
    return layout


_PITCH = 120
"""How far layers are apart."""

_ROW = 4
"""How many boxes fit beside one another."""


def _placed(
    lifecycle: Lifecycle, places: Mapping[str | None, tuple[int, int]]
) -> dict[State | None, tuple[float, float]]:
    """Where the states of a table are: as in `places`; those that are not there in layers below.

    In its layer a state stands about where the states are that it leads to, or that lead to it.
    """
    states = {*lifecycle.state_rules, *(row.target for row in lifecycle.transitions)}
    placed: dict[State | None, tuple[float, float]] = {state: places[state] for state in states if state in places}
    pairs = [(row.source, row.target) for row in lifecycle.transitions]
    depths = _depths(lifecycle, pairs)

    def order(state: State | None) -> tuple[float, str]:
        near = [placed[other][0] for pair in pairs if state in pair for other in pair if other in placed]
        return sum(near) / len(near) if near else WIDTH / 2, state_name(state, lifecycle)

    y = max((y for _, y in placed.values()), default=36 - _PITCH)
    for depth in sorted({depths.get(state, len(states)) for state in states - placed.keys()}):
        layer = sorted((state for state in states if depths.get(state, len(states)) == depth), key=order)
        layer = [state for state in layer if state not in placed]
        for at in range(0, len(layer), _ROW):
            y += _PITCH
            row = layer[at : at + _ROW]
            placed |= {state: (WIDTH * (2 * place + 1) / (2 * len(row)), y) for place, state in enumerate(row)}
    return placed


def _depths(lifecycle: Lifecycle, pairs: list[tuple[State | None, State | None]]) -> dict[State | None, int]:
    """How far the states that can be reached are from no order; the terminal ones below all that lead there."""
    depths: dict[State | None, int] = {}
    level: set[State | None] = {None}
    while level:
        depths |= dict.fromkeys(level, max(depths.values(), default=-1) + 1)
        level = {target for source, target in pairs if source in level} - depths.keys()
    ends = {rule.state for rule in lifecycle.states if rule.terminal} & depths.keys()
    sources = {end: [depths[source] for source, target in pairs if target == end and source in depths] for end in ends}
    return depths | {end: 1 + max(above, default=0) for end, above in sources.items()}
