"""Where everything in the SVG is.

Boxes stand where the table's `places` puts them (states that it does not know: in layers below), every pair of states
with rows between them is one line of right angles, and of all lines and all places for its label the cheapest is taken
(short, straight, crossing nothing). A line that cannot but cross something is cut short: it ends at the name of the
state to which it leads.
"""

from __future__ import annotations

import itertools
import math
from functools import cached_property, lru_cache
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

    def joined(self, other: Rect) -> Rect:
        """The smallest rectangle around both."""
        return Rect(*map(min, self[:2], other[:2]), *map(max, self[2:], other[2:]))

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


class _Around(NamedTuple):
    """What a label should not meet: boxes, lines, and labels or the names at which lines end."""

    boxes: list[Rect]
    lines: list[Rect]
    labels: list[Rect]


@attrs.frozen(eq=False)
class _Line:
    """A way on which an edge may go: its corners, its legs, and what it costs by itself.

    `stub` is where the name of its target stands, if it is cut short.
    """

    points: tuple[Point, ...]
    legs: list[Rect]
    cost: float
    stub: Rect | None = None


NOWHERE = _Line((), [], 0)
"""The line of an edge that is not drawn yet."""


@attrs.define(eq=False)
class Edge:
    """All rows between two states: what its label says, its line, and where the label is (None: at the foot)."""

    source: State | None
    target: State | None
    texts: list[Text]
    line: _Line = NOWHERE
    label: _Label | None = None
    broad: float = 1
    """How far the line reaches to either side."""

    @property
    def kinds(self) -> list[tuple[bool, Basis]]:
        """The strands of the line, one for each kind of row, operations first."""
        kinds = {text.kind for text in self.texts}
        return sorted(kinds, key=lambda kind: (kind[0], tuple(Basis).index(kind[1])), reverse=True)


class _Port(NamedTuple):
    """A point on the edge of a box, the direction that leads away from it, and how far it is from the side's middle."""

    x: float
    y: float
    dx: int
    dy: int
    off: float


def _ports(box: Rect) -> Iterator[_Port]:
    x, y = box.middle
    reach = (box.right - box.left) / 2 - 8
    for off in (0, -22, 22, -44, 44, -66, 66, -88, 88):
        if abs(off) < reach and (abs(off) <= 44 or reach > 72):
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
    if line.stub is not None:
        yield from _around(line.stub.joined(line.legs[0]).grown(3), width, height)
        return
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


def _around(stub: Rect, width: float, height: float) -> Iterator[tuple[float, _Label]]:
    """The places for a label around a line that is cut short."""
    x, y = stub.middle
    yield 0, _Label(Rect(stub.right, y - height / 2, stub.right + width, y + height / 2), "start")
    yield 1, _Label(Rect(stub.left - width, y - height / 2, stub.left, y + height / 2), "end")
    for cost, top in ((2, stub.top - height), (3, stub.bottom)):
        yield cost, _Label(Rect(stub.left, top, stub.left + width, top + height), "start")
        yield cost, _Label(Rect(stub.right - width, top, stub.right, top + height), "end")
        yield cost, _Label(Rect(x - width / 2, top, x + width / 2, top + height), "middle")


STUB_SIZE = 11
"""The size of the letters at the end of a line that is cut short."""

_ROUNDS = 3
"""How often the lines that run into others are laid anew, once some are cut short."""

_FAR = 480
"""What a line may cost by itself where others are cut short: whoever reads a longer one loses it."""

_ACROSS = 3_000
"""What it costs to cross another line where lines are cut short: less than to have no place for a label."""

_NEVER = 10_000
"""What it costs to run into a box or a label: more than any detour."""

_PRICES = (40, 400, _NEVER)
"""What it costs to run into a label, each time that the lines are laid: at first they may, so that none is stuck."""


@attrs.frozen(eq=False)
class Layout:
    """Where the boxes, the lines and their labels are."""

    boxes: dict[State | None, Rect]
    edges: list[Edge]
    names: dict[State | None, str]

    @cached_property
    def walls(self) -> dict[State | None, Rect]:
        """How near a line may come to each box that it does not begin or end at."""
        return {state: box.grown(9) for state, box in self.boxes.items()}

    @property
    def bottom(self) -> float:
        """Below everything that is drawn."""
        labels = [edge.label.rect for edge in self.edges if edge.label is not None]
        lines = [rect for edge in self.edges for rect in _taken(edge)]
        return max(rect.bottom for rect in [*self.boxes.values(), *labels, *lines])

    def route(self) -> None:
        """Lay the lines, short ones first and loops last; then each anew, a few times, with the others as they are."""
        lines = {edge: self._lines(edge) for edge in sorted(self.edges, key=self._distance)}
        for price in _PRICES:
            for edge, possible in lines.items():
                self._lay(edge, possible, price)
        self._cut(lines)

    def _cut(self, lines: dict[Edge, list[_Line]]) -> None:
        """If lines run into one another, lay them anew, near ends first: what then finds no free way is cut short.

        A line for whose label there is no place then goes all its way nevertheless, unless it runs into much.
        """
        if all(self._met(edge) is None for edge in lines):
            return
        for edge in lines:
            edge.line, edge.label = NOWHERE, None
        ways = {edge: [line for line in possible if line.cost < _FAR] for edge, possible in lines.items()}
        near_first = sorted(
            lines, key=lambda edge: (edge.source != edge.target, self._distance(edge), -len(edge.texts))
        )
        short: set[Edge] = set()
        for edge in near_first:
            self._lay(edge, ways[edge], _NEVER, across=_ACROSS)
            if edge.line is NOWHERE or (edge.source != edge.target and self._met(edge) is not None):
                edge.line, edge.label = NOWHERE, None
                ways[edge] = self._stubs(edge)
                short.add(edge)
        widest_first = sorted(short, key=lambda edge: (-max(text.width for text in edge.texts), near_first.index(edge)))
        for round_ in range(_ROUNDS):
            for edge in (*widest_first, *(near_first if round_ else ())):
                if self._met(edge) is not None:
                    self._lay(edge, ways[edge] or lines[edge], _NEVER, across=_ACROSS)
        for edge in (edge for edge in near_first if edge in short and edge.label is None):
            cut = edge.line
            self._lay(edge, lines[edge], _NEVER)
            if edge.label is None or edge.line.cost >= _NEVER or len(self._met(edge) or ()) > 2:
                edge.line, edge.label = cut, None

    def _met(self, edge: Edge) -> list[Edge] | None:
        """The edges into which `edge` runs, with its line or its label; None if it runs into nothing at all."""
        met = [
            other for other in self.edges if other is not edge and (_runs_into(edge, other) or _runs_into(other, edge))
        ]
        return met if met or edge.line.cost >= _NEVER or edge.label is None else None

    def _stubs(self, edge: Edge) -> list[_Line]:
        """Every line on which an edge might go if it is cut short, the cheapest first."""
        width, height = text_width(self.names[edge.target], STUB_SIZE) + 14, STUB_SIZE + 7
        lines = []
        for port, length in itertools.product(_ports(self.boxes[edge.source]), (34, 56, 80)):
            end = Point(port.x + port.dx * length, port.y + port.dy * length)
            stub = Rect.around((end.x + port.dx * width / 2, end.y + port.dy * height / 2), width, height)
            leg = Rect.along(Point(port.x, port.y), end)
            astray = self._astray(edge, [leg], stub)
            lines.append(_Line((Point(port.x, port.y), end), [leg], length + port.off + _NEVER * astray, stub))
        free = [line for line in lines if line.cost < _NEVER] or lines
        return sorted(free, key=lambda line: (line.cost, line.points))

    def _distance(self, edge: Edge) -> float:
        one, other = self.boxes[edge.source].middle, self.boxes[edge.target].middle
        return abs(one.x - other.x) + abs(one.y - other.y) or float("inf")

    def _lines(self, edge: Edge) -> list[_Line]:
        """Every line on which an edge might go, as if there were no others, the cheapest first."""
        lines = []
        for start, end in itertools.product(*map(_ports, (self.boxes[edge.source], self.boxes[edge.target]))):
            for points in _ways(start, end):
                legs = [Rect.along(*ends) for ends in itertools.pairwise(points)]
                cost = math.fsum(leg.length for leg in legs) + 30 * len(legs) + start.off + end.off
                lines.append(_Line(points, legs, cost + _NEVER * self._astray(edge, legs)))
        return sorted(lines, key=lambda line: (line.cost, line.points))

    def _astray(self, edge: Edge, legs: list[Rect], stub: Rect | None = None) -> int:
        """How often a line runs into a box or off the paper."""
        count = 0
        if stub is not None:
            count += stub.left < 6 or stub.right > WIDTH - 6 or stub.top < 6
            count += sum(map(stub.meets, self.walls.values()))
        for at, leg in enumerate(legs):
            wide = leg.grown(edge.broad)
            count += wide.left < 4 or wide.right > WIDTH - 4 or wide.top < 4
            for state, wall in self.walls.items():
                if wide.meets(wall):
                    begins = state == edge.source and at == 0
                    ends = stub is None and state == edge.target and at == len(legs) - 1
                    count += not begins and not ends
        return count

    def _lay(self, edge: Edge, lines: list[_Line], price: float, *, across: float = 150) -> None:
        """Give `edge` the cheapest of `lines` and place for its label, as the others are now."""
        others = [other for other in self.edges if other is not edge]
        upright, flat = (list(_in_the_way(edge, others, price, across, upright=side)) for side in (True, False))
        taken = [rect.grown(4) for other in others for rect in _taken(other)]
        around, crossing = self._around(others), max(min(across, _NEVER / 4), min(price, 800))
        best = float("inf")
        for line in lines:
            cost = line.cost
            if cost >= best:
                break
            if line.stub is not None:
                cost += _NEVER * sum(map(line.stub.meets, taken))
            for leg in line.legs:
                if cost < best:
                    cost += math.fsum(toll for rect, toll in (upright if leg.upright else flat) if leg.meets(rect))
            if cost < best:
                label_cost, label = self._place(edge, line, around, price, crossing)
                if cost + label_cost < best:
                    best = cost + label_cost
                    edge.line, edge.label = line, label

    def _around(self, others: list[Edge]) -> _Around:
        """What the label of an edge should not meet, whichever line that goes on."""
        stubs = [other.line.stub.grown(2) for other in others if other.line.stub is not None]
        return _Around(
            boxes=[box.grown(5) for box in self.boxes.values()],
            lines=[leg.grown(other.broad + 2) for other in others for leg in other.line.legs],
            labels=[other.label.rect.grown(5) for other in others if other.label is not None] + stubs,
        )

    def _place(
        self, edge: Edge, line: _Line, around: _Around, price: float, crossing: float
    ) -> tuple[float, _Label | None]:
        """The best place for the label beside a line, and what it costs; None if there is none."""
        best: tuple[float, _Label | None] = (_NEVER / 2, None)
        crossed = [leg.grown(edge.broad) for leg in line.legs] + around.lines
        labels = around.labels if line.stub is None else [*around.labels, line.stub.grown(2)]
        for cost, label in sorted(_beside(edge, line)):
            if cost >= best[0]:
                break
            rect = label.rect
            off_paper = rect.left < 6 or rect.right > WIDTH - 6 or rect.top < 6
            if off_paper or any(map(rect.meets, around.boxes)):
                continue
            tolls = crossing * sum(map(rect.meets, crossed)) + price * sum(map(rect.meets, labels))
            if cost + tolls < best[0]:
                best = cost + tolls, label
        return best


def _taken(edge: Edge) -> list[Rect]:
    """Where an edge is: its line, and what is written at it."""
    return [*edge.line.legs, *_written(edge)]


def _written(edge: Edge) -> list[Rect]:
    """The label of an edge, and the name at which it ends if it is cut short."""
    written = [None if edge.label is None else edge.label.rect, edge.line.stub]
    return [rect for rect in written if rect is not None]


def _runs_into(edge: Edge, other: Edge) -> bool:
    """Whether the line of `edge` runs into anything of another."""
    ways = [leg.grown(other.broad) for leg in other.line.legs]
    return _blots(edge, other) or any(leg.grown(edge.broad).meets(way) for leg in edge.line.legs for way in ways)


def _blots(edge: Edge, other: Edge) -> bool:
    """Whether the line of `edge` runs over what is written at another."""
    return any(leg.grown(edge.broad).meets(rect) for leg in edge.line.legs for rect in _written(other))


def _in_the_way(
    edge: Edge, others: list[Edge], price: float, across: float, *, upright: bool
) -> Iterator[tuple[Rect, float]]:
    """What a leg of `edge` should not meet, and what it costs if it does: labels, lines across, lines alongside."""
    for other in others:
        for rect in _written(other):
            yield rect.grown(edge.broad + 2), price
        for leg in other.line.legs:
            if leg.upright is upright:
                yield leg.grown(edge.broad + other.broad + 9), 2_000
            else:
                yield leg.grown(edge.broad + other.broad), across


@lru_cache(maxsize=32)
def layout_of(
    lifecycle: Lifecycle,
    places: frozenset[tuple[str | None, tuple[int, int]]],
    flow: frozenset[tuple[Transition, int]],
) -> Layout:
    """The same for the same rows, in whatever order they come."""
    taken = dict(flow)
    pairs = {(row.source, row.target) for row in lifecycle.transitions if row.changes}
    boxes: dict[State | None, Rect] = {}
    for state, place in _placed(lifecycle, dict(places)).items():
        width = text_width(state_name(state, lifecycle), 13.5, bold=True) + 30
        boxes[state] = Rect.around(place, max(width, 100, 13 * sum(state in pair for pair in pairs)), BOX_HEIGHT)
    edges: dict[tuple[State | None, State | None], Edge] = {}
    for row in sorted(lifecycle.transitions, key=lambda row: (state_name(row.source, lifecycle), row.trigger)):
        if row.changes:
            edge = edges.setdefault((row.source, row.target), Edge(row.source, row.target, []))
            edge.texts.extend(texts_of(row, lifecycle, taken))
    for edge in edges.values():
        edge.texts.sort(key=lambda text: not text.by_client)
        edge.broad = (len(edge.kinds) - 1) * STRAND / 2 + 1
    layout = Layout(boxes, [*edges.values()], {state: state_name(state, lifecycle) for state in boxes})
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
        return math.fsum(near) / len(near) if near else WIDTH / 2, state_name(state, lifecycle)

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
