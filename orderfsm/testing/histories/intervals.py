"""When calls happened: the intervals of a trace's lines, as moments that can be put in order.

A call precedes another one if it ended before the other began. Calls that touch, one ending at the very time at which
the other begins, do not precede each other: clocks are coarse. Lines that have no interval happened at their `time`,
one after the other as they stand.
"""

from __future__ import annotations

import math
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from orderfsm.invalid import InvalidValue
from orderfsm.trace import instant_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orderfsm.trace import Instant, Line

Moment: TypeAlias = tuple[float, int, int]
"""Seconds; then, at one time, intervals begin, lines without one stand in their order, and intervals end."""

BEGINS, STANDS, ENDS = range(3)
ALWAYS: Moment = (-math.inf, BEGINS, 0)
NEVER: Moment = (math.inf, ENDS, 0)


class TimedCall(NamedTuple):
    """A line, and between which moments it happened."""

    start: Moment
    end: Moment
    line: Line


def by_end(lines: Iterable[Line]) -> list[TimedCall]:
    """The intervals of `lines`, by their ends.

    `started` and `ended` are seconds, or RFC 3339 times; if only one of them is there, the interval is open on the
    other side. Numbers are seconds since 1970 where there are RFC 3339 times among them. What is neither, and an
    interval that ends before it starts, is an `InvalidValue`.
    """
    in_order = sorted(lines, key=attrgetter("instant"))
    return sorted((_call(line, position) for position, line in enumerate(in_order)), key=attrgetter("end"))


def has_interval(line: Line) -> bool:
    """Whether a line says when the call started or ended."""
    return line.started is not None or line.ended is not None


def _call(line: Line, position: int) -> TimedCall:
    if not has_interval(line):
        at = _seconds(line.instant)
        return TimedCall((at, STANDS, 2 * position), (at, STANDS, 2 * position + 1), line)
    start = ALWAYS if line.started is None else (_time("started", line.started), BEGINS, 0)
    end = NEVER if line.ended is None else (_time("ended", line.ended), ENDS, 0)
    if end < start:
        raise InvalidValue("interval", (line.started, line.ended), ["an end that is not before the start"])
    return TimedCall(start, end, line)


def _time(name: str, value: Any) -> float:
    if type(value) in {int, float} and math.isfinite(value):
        return value  # type: ignore[no-any-return]  # an int stays one: it may be too long for a float
    if isinstance(value, str):
        return _seconds(instant_of(value))
    raise InvalidValue(name, value, ["seconds", "an RFC 3339 time such as 2026-08-05T06:10:01Z"])


def _seconds(instant: Instant) -> float:
    whole, fraction = instant
    return whole + float(f"0.{fraction or 0}")
