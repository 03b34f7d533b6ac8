"""Lines of JSON of one template: but for their times and order ids they are the same, letter for letter.

The core reads the first of them; the others say the same of another order at another time. That the two values can be
exchanged in a text, and nothing else changes, is not assumed but tried, once for each such text.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from orderfsm.invalid import InvalidValue
from orderfsm.rows import DAY
from orderfsm.trace import BadLine, Line, instant_of, loads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from orderfsm.streams import Value

_Said = TypeVar("_Said")
_Template: TypeAlias = tuple[bytes, bytes, bytes]
"""The text before, between and after the two values."""

_MOST = 10_000
"""How many templates are remembered at a time."""

_MICROSECONDS = 1_000_000
_TIME = rb'"time": ?")(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?(Z|[+-]\d\d(?::?\d\d)?)("'
_ORDER = rb'"order_id": ?"?)([1-9]\d{0,17}(?![\d.eE]))('
_TIME_FIRST = re.compile(b"(.*?" + _TIME + b".*?" + _ORDER + b".*)", re.DOTALL)
_ORDER_FIRST = re.compile(b"(.*?" + _ORDER + b".*?" + _TIME + b".*)", re.DOTALL)


Row: TypeAlias = tuple[int | None, int | None, int, _Said]
"""A line: its time in microseconds since 1970, its order, its number, and what else there is to say of it."""


def read_by_template(
    texts: Iterable[tuple[int, Value]], file: str, row: Callable[[Line | BadLine], Row[_Said]]
) -> Iterator[Row[_Said]]:
    """The lines of these numbers and texts in `file`, as `row` makes them of lines that the core has read."""
    known: dict[_Template, _Said | None] = {}
    days: dict[tuple[bytes, bytes], int | None] = {}
    clock = _clock()
    for number, text in texts:
        cut = _cut(text) if type(text) is bytes else None
        if cut is None:
            yield row(loads(text, file, number))
            continue
        before, day, time, fraction, zone, between, order, after = cut
        template = before, between, after
        said = known.get(template)
        if said is not None:
            if (day, zone) not in days:
                days[day, zone] = _beginning(day, zone)
            began, since = days[day, zone], clock.get(time)
            if began is not None and since is not None:
                yield began + since + (int(fraction.ljust(6, b"0")) if fraction else 0), int(order), number, said
                continue
        line = loads(text, file, number)
        read = row(line)
        yield read
        if isinstance(line, Line):
            if len(known) >= _MOST:
                known.clear()
            # Of templates that are there only once, as many are, nothing is tried.
            known[template] = read[3] if template in known and _are_exchangeable(template) else None


def _cut(text: bytes) -> tuple[bytes, ...] | None:
    """The text before, the four parts of the time, the text between, the order, the text after; whichever is first."""
    match = _TIME_FIRST.match(text)
    if match is not None:
        return match.groups()
    match = _ORDER_FIRST.match(text)
    if match is None:
        return None
    before, order, between, day, time, fraction, zone, after = match.groups()
    return before, day, time, fraction, zone, between, order, after


@cache
def _clock() -> dict[bytes, int]:
    """Every second of a day, as a clock shows it, in microseconds. Leap seconds are left to the core."""
    return {
        f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}".encode(): second * _MICROSECONDS
        for second in range(DAY)
    }


def _beginning(day: bytes, zone: bytes) -> int | None:
    """When a day begins in a zone, in microseconds since 1970; None if there is no such day, or no such zone."""
    try:
        return instant_of(f"{day.decode()}T00:00:00{zone.decode()}")[0] * _MICROSECONDS
    except InvalidValue:
        return None


def _are_exchangeable(template: _Template) -> bool:
    """Whether a line of this template has the time and the order that stand in it, whatever they are."""
    examples = ("2001-02-03T04:05:06Z", 11), ("2007-08-09T10:11:12Z", 12)
    return all(_says(template, time, order) for time, order in examples)


def _says(template: _Template, time: str, order: int) -> bool:
    before, between, after = template
    one, other = str(order), time
    if before.rstrip(b'": ').endswith(b"time"):
        one, other = other, one
    line = loads(before + one.encode() + between + other.encode() + after)
    return isinstance(line, Line) and (line.time, line.order_id) == (time, order)
