"""Where everything in the SVG is.

Boxes stand where the table's `places` puts them (states that it does not know: in layers below), every pair of states
with rows between them is one line of right angles, and of all lines and all places for its label the cheapest is taken
(short, straight, crossing nothing). A line that cannot but cross something is cut short: it ends at the name of the
state to which it leads.
"""

from __future__ import annotations

import math
import threading
from concurrent.futures import Future
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

import attrs

from orderfsm.rows import Basis

from .geometry import Rect
from .label_places import places as places_for
from .labels import LEADING, state_name, text_width, texts_of
from .placing import placed
from .ways import NEVER, Line, Lines, Ways

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import State, Transition

    from .label_places import Label, Places
    from .labels import Text
    from .ways import Span

BOX_HEIGHT = 40
STRAND = 10.0

NOWHERE = Line((), (), 0)
"""The line of an edge that is not drawn yet."""


_NO_RECT = Rect(math.inf, math.inf, -math.inf, -math.inf)


@attrs.define(eq=False)
class Edge:
    """All rows between two states: what its label says, its line, and where the label is (None: at the foot)."""

    source: State | None
    target: State | None
    texts: list[Text]
    line: Line = NOWHERE
    label: Label | None = None
    broad: float = 1
    """How far the line reaches to either side."""

    @property
    def kinds(self) -> list[tuple[bool, Basis]]:
        """The strands of the line, one for each kind of row, operations first."""
        kinds = {text.kind for text in self.texts}
        return sorted(kinds, key=lambda kind: (kind[0], tuple(Basis).index(kind[1])), reverse=True)

    @property
    def bounds(self) -> Rect:
        """A rectangle around all of it; an empty one if it is not drawn yet."""
        taken = _taken(self)
        return Rect.around_all(taken).grown(self.broad) if taken else _NO_RECT


STUB_SIZE = 11
"""The size of the letters at the end of a line that is cut short."""

_ROUNDS = 3
"""How often the lines that run into others are laid anew, once some are cut short."""

_FAR = 480
"""What a line may cost by itself where others are cut short: whoever reads a longer one loses it."""

_ACROSS = 3_000
"""What it costs to cross another line where lines are cut short: less than to have no place for a label."""

_PRICES = (40, 400, NEVER)
"""What it costs to run into a label, each time that the lines are laid: at first they may, so that none is stuck."""


@attrs.frozen(eq=False)
class Layout:
    """Where the boxes, the lines and their labels are."""

    boxes: dict[State | None, Rect]
    edges: list[Edge]
    names: dict[State | None, str]
    _places: dict[Line, Places] = attrs.field(factory=dict, init=False, repr=False)

    @cached_property
    def _ways(self) -> Ways:
        return Ways(self.boxes)

    @cached_property
    def _box_margins(self) -> list[Rect]:
        """How near a label may come to the boxes."""
        return [box.grown(5) for box in self.boxes.values()]

    @property
    def bottom(self) -> float:
        """Below everything that is drawn."""
        labels = [edge.label.rect for edge in self.edges if edge.label is not None]
        lines = [rect for edge in self.edges for rect in _taken(edge)]
        return max(rect.bottom for rect in [*self.boxes.values(), *labels, *lines])

    def route(self) -> None:
        """Lay the lines, short ones first and loops last; then each anew, a few times, with the others as they are."""
        by_distance = sorted(self.edges, key=self._distance)
        lines = {edge: self._ways.lines(edge.source, edge.target, edge.broad) for edge in by_distance}
        for price in _PRICES:
            for edge, possible in lines.items():
                self._lay(edge, possible, price)
        self._cut(lines)

    def _cut(self, lines: dict[Edge, Lines]) -> None:
        """If lines run into one another, lay them anew, near ends first: what then finds no free way is cut short.

        A line for whose label there is no place then goes all its way nevertheless, unless it runs into much.
        """
        if all(self._met(edge) is None for edge in lines):
            return
        for edge in lines:
            edge.line, edge.label = NOWHERE, None
        ways = {edge: Lines([line for line in each.free if line.cost < _FAR]) for edge, each in lines.items()}
        near_first = sorted(
            lines, key=lambda edge: (edge.source != edge.target, self._distance(edge), -len(edge.texts))
        )
        short: set[Edge] = set()
        for edge in near_first:
            self._lay(edge, ways[edge], NEVER, across=_ACROSS)
            if edge.line is NOWHERE or (edge.source != edge.target and self._met(edge) is not None):
                edge.line, edge.label = NOWHERE, None
                ways[edge] = self._stubs(edge)
                short.add(edge)
        widest_first = sorted(short, key=lambda edge: (-max(text.width for text in edge.texts), near_first.index(edge)))
        for round_ in range(_ROUNDS):
            for edge in (*widest_first, *(near_first if round_ else ())):
                if self._met(edge) is not None:
                    self._lay(edge, ways[edge] if ways[edge].free else lines[edge], NEVER, across=_ACROSS)
        for edge in (edge for edge in near_first if edge in short and edge.label is None):
            cut = edge.line
            self._lay(edge, lines[edge], NEVER)
            if edge.label is None or edge.line.cost >= NEVER or len(self._met(edge) or ()) > 2:
                edge.line, edge.label = cut, None

    def _met(self, edge: Edge) -> list[Edge] | None:
        """The edges into which `edge` runs, with its line or its label; None if it runs into nothing at all."""
        around = edge.bounds
        met = [
            other
            for other in self.edges
            if other is not edge and around.meets(other.bounds) and (_runs_into(edge, other) or _runs_into(other, edge))
        ]
        return met if met or edge.line.cost >= NEVER or edge.label is None else None

    def _stubs(self, edge: Edge) -> Lines:
        width = text_width(self.names[edge.target], STUB_SIZE) + 14
        return self._ways.stubs(edge.source, edge.broad, width, STUB_SIZE + 7)

    def _distance(self, edge: Edge) -> float:
        one, other = self.boxes[edge.source].middle, self.boxes[edge.target].middle
        return abs(one.x - other.x) + abs(one.y - other.y) or float("inf")

    def _lay(self, edge: Edge, lines: Lines, price: float, *, across: float = 150) -> None:
        """Give `edge` the cheapest of `lines` and place for its label, as the others are now."""
        others = [other for other in self.edges if other is not edge and other.line is not NOWHERE]
        in_the_way = _InTheWay(edge, others, price, across)
        taken = [rect.grown(4) for other in others for rect in _taken(other)]
        around = _Around(others, price, max(min(across, NEVER / 4), min(price, 800)))
        trial = _Trial(edge, in_the_way, taken, around, self._places_of)
        trial.of(lines.free)
        if trial.best > NEVER:
            trial.of(lines.astray)

    def _places_of(self, edge: Edge, line: Line) -> Places:
        if line not in self._places:
            width, height = max(text.width for text in edge.texts), LEADING * len(edge.texts)
            self._places[line] = places_for(line, edge.broad, width, height, self._box_margins)
        return self._places[line]


@attrs.define(eq=False)
class _Trial:
    """Tries lines for an edge, and leaves it with the cheapest, which costs `best` so far."""

    edge: Edge
    in_the_way: _InTheWay
    taken: list[Rect]
    around: _Around
    places_of: Callable[[Edge, Line], Places]
    best: float = math.inf

    def of(self, lines: list[Line]) -> None:
        """Try `lines`, of which the cheapest come first."""
        for line in lines:
            cost = line.cost
            if cost >= self.best:
                break
            if line.stub is not None:
                cost += NEVER * sum(map(line.stub.meets, self.taken))
            for span in line.spans:
                if cost < self.best:
                    cost += self.in_the_way.toll(span)
            if cost < self.best:
                label_cost, label = self.around.best(self.places_of(self.edge, line))
                if cost + label_cost < self.best:
                    self.best = cost + label_cost
                    self.edge.line, self.edge.label = line, label


class _InTheWay:
    """What legs of an edge should not meet: what is written, lines across, lines alongside; and what that costs.

    Of the many legs that are asked for, most lie at a place where another one lies: what is there is found once.
    """

    def __init__(self, edge: Edge, others: Iterable[Edge], price: float, across: float) -> None:
        written = [rect.grown(edge.broad + 2) for other in others for rect in _written(other)]
        self._tolls = {upright: [(*rect, price) for rect in written] for upright in (True, False)}
        for other in others:
            by = edge.broad + other.broad
            for span, (left, top, right, bottom) in zip(other.line.spans, other.line.legs, strict=True):
                alongside = left - (by + 9), top - (by + 9), right + (by + 9), bottom + (by + 9), 2_000.0
                self._tolls[span.upright].append(alongside)
                self._tolls[not span.upright].append((left - by, top - by, right + by, bottom + by, across))
        self._there: dict[tuple[bool, float], list[tuple[float, float, float]]] = {}

    def toll(self, span: Span) -> float:
        upright, at, low, high = span
        there = self._there.get((upright, at))
        if there is None:
            tolls = self._tolls[upright]
            if upright:
                there = [(top, bottom, toll) for left, top, right, bottom, toll in tolls if left < at < right]
            else:
                there = [(left, right, toll) for left, top, right, bottom, toll in tolls if top < at < bottom]
            self._there[upright, at] = there
        return sum([toll for begin, end, toll in there if low < end and begin < high])


class _Around:
    """What the label of an edge should not meet, whichever line that goes on, and what that costs."""

    def __init__(self, others: Sequence[Edge], price: float, crossing: float) -> None:
        labels = [other.label.rect.grown(5) for other in others if other.label is not None]
        labels += [other.line.stub.grown(2) for other in others if other.line.stub is not None]
        lines = [leg.grown(other.broad + 2) for other in others for leg in other.line.legs]
        self._price, self._crossing = price, crossing
        priced = [*((rect, price) for rect in labels), *((rect, crossing) for rect in lines)]
        self._tolls: list[_Toll] = [(*rect, toll) for rect, toll in priced]

    def best(self, places: Places) -> tuple[float, Label | None]:
        """The best of `places` and what it costs; None if there is none."""
        best: tuple[float, Label | None] = (NEVER / 2, None)
        near = [] if places.bounds is None else _meeting(places.bounds, self._tolls)
        for cost, label, legs, stub in places.each:
            if cost >= best[0]:
                break
            own = cost + self._crossing * legs + self._price * stub
            if own < best[0]:
                tolls = sum([toll for *_, toll in _meeting(label.rect, near)])
                if own + tolls < best[0]:
                    best = own + tolls, label
        return best


_Toll: TypeAlias = "tuple[float, ...]"
"""A rectangle, and what it costs to meet it."""


def _meeting(rect: Rect, tolls: list[_Toll]) -> list[_Toll]:
    left, top, right, bottom = rect
    return [each for each in tolls if left < each[2] and each[0] < right and top < each[3] and each[1] < bottom]


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


_KEPT = 32
"""How many layouts are kept."""

_Drawn: TypeAlias = "tuple[Lifecycle, frozenset[tuple[str | None, tuple[int, int]]], frozenset[tuple[Transition, int]]]"
_kept: dict[_Drawn, Future[Layout]] = {}
_lock = threading.Lock()


def layout_of(
    lifecycle: Lifecycle,
    places: frozenset[tuple[str | None, tuple[int, int]]],
    flow: frozenset[tuple[Transition, int]],
) -> Layout:
    """The same for the same rows, in whatever order they come.

    It is kept; a thread that asks for what another one lays out waits for that.
    """
    drawn = lifecycle, places, flow
    with _lock:
        layout = _kept.get(drawn)
        is_new = layout is None
        if layout is None:
            layout = _kept[drawn] = Future()
            if len(_kept) > _KEPT:
                del _kept[next(iter(_kept))]
    if is_new:
        try:
            layout.set_result(_laid_out(*drawn))
        except BaseException as error:
            layout.set_exception(error)
            with _lock:
                _kept.pop(drawn, None)
            raise
    return layout.result()


def _laid_out(
    lifecycle: Lifecycle,
    places: frozenset[tuple[str | None, tuple[int, int]]],
    flow: frozenset[tuple[Transition, int]],
) -> Layout:
    taken = dict(flow)
    pairs = {(row.source, row.target) for row in lifecycle.transitions if row.changes}
    boxes: dict[State | None, Rect] = {}
    for state, place in placed(lifecycle, dict(places)).items():
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
