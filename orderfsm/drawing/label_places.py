"""The places for a label beside a line, as if there were no other lines, and what each costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import attrs

from .geometry import Rect
from .placing import WIDTH

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .ways import Line


class Label(NamedTuple):
    """Where a label is, and which side of it its lines are flush with, as `text-anchor` says it."""

    rect: Rect
    anchor: str


class Place(NamedTuple):
    """A place for a label, what it costs, and how often the label meets there the line's legs, and its stub."""

    cost: float
    label: Label
    legs: int
    stub: int


@attrs.frozen(eq=False)
class Places:
    """Where a label fits on the paper and meets no box, the cheapest first, and the smallest rectangle around them."""

    each: list[Place]
    bounds: Rect | None


def places(line: Line, broad: float, width: float, height: float, boxes: list[Rect]) -> Places:
    """The places beside a line that reaches `broad` to either side, for a label so wide and high.

    It may meet none of `boxes`.
    """
    beside = [*_beside(line, broad + 6, width, height)]
    bounds = Rect.around_all(label.rect for _, label in beside)
    near = [box for box in boxes if box.meets(bounds)]
    legs = [leg.grown(broad) for leg in line.legs]
    stubs = [] if line.stub is None else [line.stub.grown(2)]
    found = []
    for cost, label in sorted(beside):
        rect = label.rect
        off_paper = rect.left < 6 or rect.right > WIDTH - 6 or rect.top < 6
        if not off_paper and not any(map(rect.meets, near)):
            found.append(Place(cost, label, sum(map(rect.meets, legs)), sum(map(rect.meets, stubs))))
    return Places(found, Rect.around_all(place.label.rect for place in found) if found else None)


def _beside(line: Line, gap: float, width: float, height: float) -> Iterator[tuple[float, Label]]:
    if line.stub is not None:
        yield from _around(Rect.around_all([line.stub, *line.legs]).grown(3), width, height)
        return
    for leg in line.legs:
        for share in (0.5, 0.35, 0.65, 0.2, 0.8):
            x = leg.left + (leg.right - leg.left) * share
            y = leg.top + (leg.bottom - leg.top) * share
            cost = 40 * abs(share - 0.5) + max(0, (height if leg.upright else width) - leg.length)
            if leg.upright:
                yield cost, Label(Rect(x + gap, y - height / 2, x + gap + width, y + height / 2), "start")
                yield cost + 1, Label(Rect(x - gap - width, y - height / 2, x - gap, y + height / 2), "end")
            else:
                yield cost, Label(Rect(x - width / 2, y - gap - height + 2, x + width / 2, y - gap + 2), "middle")
                yield cost + 1, Label(Rect(x - width / 2, y + gap - 2, x + width / 2, y + gap + height - 2), "middle")


def _around(stub: Rect, width: float, height: float) -> Iterator[tuple[float, Label]]:
    """The places for a label around a line that is cut short."""
    x, y = stub.middle
    yield 0, Label(Rect(stub.right, y - height / 2, stub.right + width, y + height / 2), "start")
    yield 1, Label(Rect(stub.left - width, y - height / 2, stub.left, y + height / 2), "end")
    for cost, top in ((2, stub.top - height), (3, stub.bottom)):
        yield cost, Label(Rect(stub.left, top, stub.left + width, top + height), "start")
        yield cost, Label(Rect(stub.right - width, top, stub.right, top + height), "end")
        yield cost, Label(Rect(x - width / 2, top, x + width / 2, top + height), "middle")
