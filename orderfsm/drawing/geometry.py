"""Points, and rectangles whose sides are upright and flat."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable


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

    @classmethod
    def around_all(cls, rects: Iterable[Rect]) -> Rect:
        """The smallest rectangle around all of `rects`."""
        lefts, tops, rights, bottoms = zip(*rects, strict=True)
        return cls(min(lefts), min(tops), max(rights), max(bottoms))

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
