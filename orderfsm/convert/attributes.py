"""What a line says, as the attributes of an event.

Both formats have attributes of four types that JSON has as well. What is of none of them (null in a list, a nested
object, a text with a character that XML has not, an integer of more than 64 bits) stands in one attribute more, `REST`,
as JSON: so nothing is lost.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from orderfsm.trace import instant_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

REST = "orderfsm.rest"
"""The attribute that has, as a JSON object, what no type of the format holds."""

OURS = "orderfsm.events"
"""The attribute of a log that was written here; it says whether all events are in it, as the header of a trace does."""

KINDS: Mapping[type, str] = {str: "string", int: "integer", float: "float", bool: "boolean"}
"""What the values of JSON are called that both formats have."""

_NAME = re.compile(r"(?!orderfsm\.|ocel_)[A-Za-z_][\w.-]{0,127}", re.ASCII).fullmatch
"""A name in XML, in a database, and in data frames, that is not one of ours or OCEL's own; XML would take more."""
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]").search
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST, _LAST = (each.replace(tzinfo=UTC) - _EPOCH for each in (datetime.min, datetime.max))  # noqa: DTZ901
"""An offset may lead a little further than the years 1 to 9999."""
_INTEGERS = range(-(2**63), 2**63)

_DATE_TIME = re.compile(
    r"(?!0000)\d{4}-\d\d-\d\dT\d\d:\d\d:(?!60)\d\d(?:\.\d{1,6})?(?:Z|[+-](?:0\d|1[0-3]):\d\d)", re.ASCII
).fullmatch
"""RFC 3339 as XML Schema has it too, in no finer a fraction than readers take."""


class Happening(NamedTuple):
    """A line as an event: its `time`, its `attributes`, and the `rest` of what it says, but for its trigger."""

    time: str
    attributes: dict[str, Any]
    rest: dict[str, Any]


def kind_of(key: str, value: Any) -> str | None:
    """The type of an attribute; None if it must stand in the rest."""
    kind = KINDS.get(type(value))
    if kind is None or not _NAME(key):
        return None
    if kind == "string":
        return None if _NOT_XML(value) else kind
    if kind == "integer":
        return kind if value in _INTEGERS else None
    return kind if kind == "boolean" or math.isfinite(value) else None


def happening(fields: Mapping[str, Any], key: str, declared: Callable[[str], bool]) -> Happening:
    """The event that a line with these fields is; the id under `key` is its order's, and no attribute.

    `declared` tells which keys may be attributes.
    """
    left = {each: value for each, value in fields.items() if each not in {key, "time", "operation", "event"}}
    time = fields["time"]
    written = date_time(time)
    attributes = {each: value for each, value in left.items() if declared(each) and kind_of(each, value) is not None}
    rest = {each: value for each, value in left.items() if each not in attributes}
    return Happening(written, attributes, rest if written == time else rest | {"time": time})


def date_time(time: str) -> str:
    """A time of a line as both formats write it: as it is, if it can be; else in UTC, to the microsecond.

    >>> date_time("2026-08-05T06:10:01.531+08:00"), date_time("2026-08-05 06:10:01.531+08")
    ('2026-08-05T06:10:01.531+08:00', '2026-08-04T22:10:01.531000Z')
    """
    if _DATE_TIME(time):
        return time
    seconds, fraction = instant_of(time)
    moment = timedelta(seconds=seconds, microseconds=int(f"{fraction[:6]:0<6}"))
    return (_EPOCH + min(max(moment, _FIRST), _LAST)).isoformat(timespec="microseconds").replace("+00:00", "Z")
