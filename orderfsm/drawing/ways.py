"""On which lines an edge may go from one box to another, as if there were no other edges, and what each costs."""

from __future__ import annotations

import itertools
import math
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import attrs

from .geometry import Point, Rect
from .placing import WIDTH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from orderfsm.rows import State

NEVER = 10_000
"""What it costs to run into a box or a label: more than any detour."""

_LANES = (26, 44, 66, 92)


class Span(NamedTuple):
    """A leg as what is in its way is asked for: at `at` on the other axis, from `low` to `high` on its own."""

    upright: bool
    at: float
    low: float
    high: float


@attrs.frozen(eq=False)
class Line:
    """A way on which an edge may go: its corners, and what it costs by itself.

    `stub` is where the name of its target stands, if it is cut short.
    """

    points: tuple[Point, ...]
    spans: tuple[Span, ...]
    cost: float
    stub: Rect | None = None

    @cached_property
    def legs(self) -> list[Rect]:
        """Its parts between two corners."""
        return [Rect.along(*ends) for ends in itertools.pairwise(self.points)]


class Port(NamedTuple):
    """A point on the edge of a box, the direction that leads away from it, and how far it is from the side's middle."""

    x: float
    y: float
    dx: int
    dy: int
    off: float


def ports(box: Rect) -> Iterator[Port]:
    """Where lines may begin and end at a box."""
    x, y = box.middle
    reach = (box.right - box.left) / 2 - 8
    for off in (0, -22, 22, -44, 44, -66, 66, -88, 88):
        if abs(off) < reach and (abs(off) <= 44 or reach > 72):
            yield Port(x + off, box.top, 0, -1, abs(off))
            yield Port(x + off, box.bottom, 0, 1, abs(off))
    for off in (0, -11, 11):
        yield Port(box.left, y + off, -1, 0, abs(off))
        yield Port(box.right, y + off, 1, 0, abs(off))


def _ways(start: Port, end: Port) -> list[tuple[Point, ...]]:
    """The ways of at most three legs from one port to another."""
    px, py, dx, dy, _ = start
    qx, qy, ex, ey, _ = end
    ahead = (qx - px) * dx if dx else (qy - py) * dy
    across: list[float] = []  # where the middle of three legs is, on the axis of the first
    if dx == ex and dy == ey:  # there and back
        if px != qx or py != qy:
            furthest = dx * max(px * dx, qx * dx) if dx else dy * max(py * dy, qy * dy)
            across = [furthest + (dx or dy) * lane for lane in _LANES]
    elif dx != -ex or dy != -ey:  # round a corner
        if ahead > 24 and (px - qx) * ex + (py - qy) * ey > 24:
            return [(Point(px, py), Point(qx, py) if dx else Point(px, qy), Point(qx, qy))]
    elif ahead > 24 and (px == qx or py == qy):  # straight on
        return [(Point(px, py), Point(qx, qy))]
    elif ahead > 48:  # aside, and on
        begin, length = (px, qx - px) if dx else (py, qy - py)
        across = [begin + length * share for share in (0.5, 0.3, 0.7)]
    if not across:
        return []
    p, q = Point(px, py), Point(qx, qy)
    if dx:
        return [(p, Point(at, py), Point(at, qy), q) for at in across]
    return [(p, Point(px, at), Point(qx, at), q) for at in across]


def _spans(points: tuple[Point, ...]) -> tuple[Span, ...]:
    spans = []
    for (px, py), (qx, qy) in itertools.pairwise(points):
        if px == qx and py != qy:
            spans.append(Span(True, px, py, qy) if py < qy else Span(True, px, qy, py))
        else:
            spans.append(Span(False, py, px, qx) if px < qx else Span(False, py, qx, px))
    return tuple(spans)


def _cost(spans: tuple[Span, ...], off: tuple[float, float]) -> float:
    # As the sides of rectangles add up: to the last bit, since of equally long lines their corners decide.
    length = math.fsum([high - low if upright else high - low + at - at for upright, at, low, high in spans])
    return length + 30 * len(spans) + off[0] + off[1]


def _distance(one: Point, other: Point) -> float:
    return abs(one[0] - other[0]) + abs(one[1] - other[1])


@attrs.frozen(eq=False)
class Lines:
    """The lines on which an edge might go, the cheapest first.

    Those that run into a box or off the paper cost `NEVER` and more, and are made when somebody asks for them.
    """

    free: list[Line]
    _make_astray: Callable[[], list[Line]] = list

    @cached_property
    def astray(self) -> list[Line]:
        """Those that run into something."""
        return sorted(self._make_astray(), key=lambda line: (line.cost, line.points))


@attrs.frozen(eq=False)
class Ways:
    """The lines between the boxes of a drawing."""

    boxes: dict[State | None, Rect]
    _met: dict[tuple[bool, float, float], list[tuple[State | None, float, float]]] = attrs.field(
        factory=dict, init=False, repr=False
    )

    @cached_property
    def _walls(self) -> dict[State | None, Rect]:
        """How near a line may come to each box that it does not begin or end at."""
        return {state: box.grown(9) for state, box in self.boxes.items()}

    def lines(self, source: State | None, target: State | None, broad: float) -> Lines:
        """Every line of an edge that reaches `broad` to either side."""
        free, others = [], []
        ends = [(end, self._reach(end, source, target, broad)) for end in ports(self.boxes[target])]
        for start in ports(self.boxes[source]):
            reach = self._reach(start, source, target, broad)
            for end, end_reach in ends:
                for points in _ways(start, end):
                    off = start.off, end.off
                    if _distance(points[0], points[1]) > reach or _distance(points[-2], points[-1]) > end_reach:
                        others.append((points, off))
                        continue
                    spans = _spans(points)
                    if self._astray(source, target, broad, spans, most=1):
                        others.append((points, off))
                    else:
                        free.append((_cost(spans, off), points, spans))

        def astray() -> list[Line]:
            lines = []
            for points, off in others:
                spans = _spans(points)
                cost = _cost(spans, off) + NEVER * self._astray(source, target, broad, spans)
                lines.append(Line(points, spans, cost))
            return lines

        return Lines([Line(points, spans, cost) for cost, points, spans in sorted(free)], astray)

    def _reach(self, port: Port, source: State | None, target: State | None, broad: float) -> float:
        """How far a leg gets from a port at most before it runs into a box of another state, or off the paper."""
        x, y, dx, dy, _ = port
        begin, sign = (x, dx) if dx else (y, dy)
        met = self._met.get((not dx, y if dx else x, broad))
        walls = self._meet(not dx, y if dx else x, broad) if met is None else met
        ahead = [
            (near - begin if sign > 0 else begin - far) - broad
            for state, near, far in walls
            if state not in {source, target} and (far > begin - broad if sign > 0 else near < begin + broad)
        ]
        if (dx, dy) != (0, 1):
            ahead.append((WIDTH - 4 - begin if sign > 0 else begin - 4) - broad)
        return min(ahead, default=math.inf) + 1e-6

    def stubs(self, source: State | None, broad: float, width: float, height: float) -> Lines:
        """The same of an edge that is cut short, and ends at a name so wide and high."""
        lines = []
        for port, length in itertools.product(ports(self.boxes[source]), (34, 56, 80)):
            end = Point(port.x + port.dx * length, port.y + port.dy * length)
            stub = Rect.around((end.x + port.dx * width / 2, end.y + port.dy * height / 2), width, height)
            points = (Point(port.x, port.y), end)
            spans = _spans(points)
            off_paper = stub.left < 6 or stub.right > WIDTH - 6 or stub.top < 6
            astray = off_paper + sum(map(stub.meets, self._walls.values()))
            astray += self._astray(source, source, broad, spans, begins_only=True)
            lines.append(Line(points, spans, length + port.off + NEVER * astray, stub))
        free = [line for line in lines if line.cost < NEVER] or lines
        return Lines(sorted(free, key=lambda line: (line.cost, line.points)))

    def _astray(
        self,
        source: State | None,
        target: State | None,
        broad: float,
        spans: tuple[Span, ...],
        *,
        begins_only: bool = False,
        most: float = math.inf,
    ) -> int:
        """How often a line runs into a box or off the paper; it is counted no further than to `most`."""
        count, last = 0, -1 if begins_only else len(spans) - 1
        for number, (upright, at, begin, end) in enumerate(spans):
            low, high = begin - broad, end + broad
            if upright:
                count += at - broad < 4 or at + broad > WIDTH - 4 or low < 4
            else:
                count += low < 4 or high > WIDTH - 4 or at - broad < 4
            met = self._met.get((upright, at, broad))
            for state, first, furthest in self._meet(upright, at, broad) if met is None else met:
                if low < furthest and first < high:
                    count += not (state == source and number == 0) and not (state == target and number == last)
            if count >= most:
                break
        return count

    def _meet(self, upright: bool, at: float, broad: float) -> list[tuple[State | None, float, float]]:
        """The walls that a leg at `at` can run into, with where they begin and end on its axis."""
        one, other = at - broad, at + broad
        walls = self._walls.items()
        if upright:
            met = [(state, wall.top, wall.bottom) for state, wall in walls if one < wall.right and wall.left < other]
        else:
            met = [(state, wall.left, wall.right) for state, wall in walls if one < wall.bottom and wall.top < other]
        self._met[upright, at, broad] = met
        return met
