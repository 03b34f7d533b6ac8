"""Lines of JSON of one template: but for their times and order ids they are the same, letter for letter.

The core reads the first of them; the others say the same of another order at another time. That the two values can be
exchanged in a text, and nothing else changes, is not assumed but tried, once for each such text.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, TypeVar

from orderfsm.invalid import InvalidValue
from orderfsm.rows import DAY
from orderfsm.trace import BadLine, Line, instant_of
from orderfsm.trace.files import line_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from orderfsm.identity import Id, Identity
    from orderfsm.lifecycle import Lifecycle
    from orderfsm.streams import Value
    from orderfsm.trace.tables import Tables

_Said = TypeVar("_Said")
_Template: TypeAlias = tuple[bytes, bytes, bytes]
"""The text before, between and after the two values."""

_MOST = 10_000
"""How many templates are remembered at a time."""

_MICROSECONDS = 1_000_000
_TIME = rb'"time": ?")(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?(Z|[+-]\d\d(?::?\d\d)?)("'
_NUMBER = rb'": ?"?)([1-9]\d{0,17}(?![\d.eE]))('
_TEXT = rb'": ?")([!#-\[\]-~]{1,%d})("'
"""An id that is a text stands in JSON as it is, unless it has a quote or a backslash."""


class _Cuts(NamedTuple):
    """Where the two values are in a line of one table, whichever is first; and what makes an id of what stands there.

    None for lines that are not judged.
    """

    key: bytes
    time_first: re.Pattern[bytes]
    order_first: re.Pattern[bytes]
    id_of: Callable[[bytes], Id] | None
    lifecycle: Lifecycle


def _cuts(lifecycle: Lifecycle, tables: Tables) -> _Cuts:
    identity = lifecycle.identity
    id_of: Callable[[bytes], Id] = bytes.decode if identity.is_text else int
    is_judged = identity.key in tables.places
    return _Cuts(b'"%b"' % identity.key.encode(), *_patterns(identity), id_of if is_judged else None, lifecycle)


@lru_cache(maxsize=32)
def _patterns(identity: Identity) -> tuple[re.Pattern[bytes], re.Pattern[bytes]]:
    order = b'"' + re.escape(identity.key.encode()) + (_TEXT % identity.longest if identity.is_text else _NUMBER)
    time_first, order_first = (
        re.compile(b"(.*?" + one + b".*?" + other + b".*)", re.DOTALL)
        for one, other in ((_TIME, order), (order, _TIME))
    )
    return time_first, order_first


Row: TypeAlias = "tuple[int | None, Id | None, int, _Said]"
"""A line: its time in microseconds since 1970, its order, its number, and what else there is to say of it."""


def read_by_template(
    texts: Iterable[tuple[int, Value]],
    file: str,
    row: Callable[[Line | BadLine], Row[_Said]],
    tables: Tables,
) -> Iterator[Row[_Said]]:
    """The lines of these numbers and texts in `file`, as `row` makes them of lines that the core has read.

    They are lines of any of the `tables`.
    """
    kinds = [_cuts(table, tables) for table in tables.known]
    first, key, others = kinds[0], kinds[0].key, kinds[1:]
    known: dict[_Template, _Said | None] = {}
    days: dict[tuple[bytes, bytes], int | None] = {}
    clock = _clock()
    for number, text in texts:
        cuts = first if key in text else _of_another(text, others) or first
        cut = _cut(text, cuts) if type(text) is bytes else None
        if cut is None:
            yield row(line_in(text, file, number, tables))
            continue
        before, day, time, fraction, zone, between, order, after = cut
        template = before, between, after
        said = known.get(template)
        if said is not None:
            if (day, zone) not in days:
                days[day, zone] = _beginning(day, zone)
            began, since = days[day, zone], clock.get(time)
            if began is not None and since is not None:
                instant = began + since + (int(fraction.ljust(6, b"0")) if fraction else 0)
                yield instant, cuts.id_of(order) if cuts.id_of else None, number, said
                continue
        line = line_in(text, file, number, tables)
        read = row(line)
        yield read
        if isinstance(line, Line):
            if len(known) >= _MOST:
                known.clear()
            # Of templates that are there only once, as many are, nothing is tried.
            tried = template in known and _are_exchangeable(template, cuts.lifecycle, tables)
            known[template] = read[3] if tried else None


def _of_another(text: Value, others: Iterable[_Cuts]) -> _Cuts | None:
    """Where to cut a line that has not the key of the first table; it may be an object, and have keys of texts."""
    if isinstance(text, bytes):
        for each in others:
            if each.key in text:
                return each
    return None


def _cut(text: bytes, cuts: _Cuts) -> tuple[bytes, ...] | None:
    """The text before, the four parts of the time, the text between, the order, the text after; whichever is first."""
    match = cuts.time_first.match(text)
    if match is not None:
        return match.groups()
    match = cuts.order_first.match(text)
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


def _are_exchangeable(template: _Template, lifecycle: Lifecycle, tables: Tables) -> bool:
    """Whether a line of this template has the time and the order that stand in it, whatever they are."""
    examples = ("2001-02-03T04:05:06Z", 11), ("2007-08-09T10:11:12Z", 12)
    return all(_says(template, time, lifecycle.identity.new(number), tables) for time, number in examples)


def _says(template: _Template, time: str, order: Id, tables: Tables) -> bool:
    before, between, after = template
    one, other = str(order), time
    if before.rstrip(b'": ').endswith(b"time"):
        one, other = other, one
    line = line_in(before + one.encode() + between + other.encode() + after, "", 0, tables)
    return isinstance(line, Line) and (line.time, line.order_id) == (time, order)
