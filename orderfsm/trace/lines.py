"""The lines of a trace: calls and what became of them, events, bad lines and headers; and their times."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast

import attrs

from orderfsm.identity import MAX_ID
from orderfsm.invalid import InvalidValue
from orderfsm.order import order_id
from orderfsm.rows import DAY
from orderfsm.tables.orders import TRANSITIONS, TRIGGERS, Event, Operation
from orderfsm.verdict import Uncertain

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from orderfsm.rows import Trigger


class Outcome(Uncertain, StrEnum):
    """What became of a call. It is no condition: compare it."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNKNOWN = "unknown"


class Events(StrEnum):
    """Whether all events of the orders are in a trace."""

    COMPLETE = "complete"
    PARTIAL = "partial"


CREATES = frozenset(row.trigger for row in TRANSITIONS if row.source is None)
_RENEWALS = frozenset(row.trigger for row in TRANSITIONS if row.creates is not None)
_OF_THE_ACCOUNT = frozenset(rule.trigger for rule in TRIGGERS if rule.account)

_Member = TypeVar("_Member", bound=StrEnum)
OPERATIONS = {member.value: member for member in Operation}
EVENTS = {member.value: member for member in Event}
_TRIGGERS: Mapping[str, Trigger] = {**OPERATIONS, **EVENTS}
_MEMBERS: Mapping[str, Mapping[str, Any]] = {"trigger": _TRIGGERS, "operation": OPERATIONS, "event": EVENTS}
_OUTCOMES = {member.value: member for member in Outcome}
_ALL_OR_SOME = {member.value: member for member in Events}


def member_of(kind: str, members: Mapping[str, _Member], value: Any) -> _Member:
    """The one of `members` that `value` names; `InvalidValue` says that it is no such `kind`."""
    try:
        return members[value]
    except (KeyError, TypeError):
        raise InvalidValue(kind, value, members) from None


def _trigger(value: Trigger) -> Trigger:
    return member_of("trigger", _TRIGGERS, value)


def _outcome(value: Outcome | str) -> Outcome:
    return member_of("outcome", _OUTCOMES, value)


def events_of(value: Events) -> Events:
    """The member that `value` is or names; else `InvalidValue`."""
    return member_of("events", _ALL_OR_SOME, value)


_EXACT = 2**53
"""Below it a float is the integer that was meant; from there on it may have been rounded."""
_DIGITS = len(str(MAX_ID))


def _absent(value: Any) -> bool:
    """Whether a value says nothing: None, an empty text, or what is not even equal to itself (NaN, NaT)."""
    return value is None or value == "" or value != value  # noqa: PLR0124


def _order_id(value: Any) -> int | None:
    if type(value) is int:
        return order_id(value)
    if _absent(value):
        return None
    if isinstance(value, str) and value.isascii() and value.isdigit():
        digits = value.lstrip("0")
        return order_id(int(digits)) if 0 < len(digits) <= _DIGITS else order_id(value)  # type: ignore[arg-type]
    if isinstance(value, float | Decimal) and value == value // 1:
        if isinstance(value, float) and abs(value) >= _EXACT:
            raise InvalidValue("order id", value, ["an int: a float of this size may have been rounded"])
        return order_id(int(value))
    return order_id(cast("int", value))


def none_if_absent(value: Any) -> Any:
    """A value; None if it says nothing."""
    return None if value is None or _absent(value) else value


def _word(value: Any) -> str | None:
    return None if value is None or _absent(value) else str(value)


# -- times -------------------------------------------------------------------------------------------------------------

_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d):(\d\d)(?:\.(\d+))?([Zz]|[+-](?:[01]\d|2[0-3])(?::?[0-5]\d)?)", re.ASCII
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECONDS = range(10**11, 253_402_300_800_000)
"""Since 1970: from 1973 on, so that nobody takes seconds for them, up to the end of the year 9999."""

Instant: TypeAlias = tuple[int, str]
"""A time that sorts: the seconds since 1970, and the digits of their fraction, however many there are."""


def _text(time: str | int | datetime) -> str:
    if isinstance(time, datetime):
        return time.isoformat()
    if type(time) is int and time in _MILLISECONDS:
        return (_EPOCH + timedelta(milliseconds=time)).isoformat()
    return time  # type: ignore[return-value]  # if it is no text, `instant_of` says so


def instant_of(time: object) -> Instant:
    """The instant that `time` is, in RFC 3339, whose offset may be in hours alone; else `InvalidValue`."""
    match = _TIME.fullmatch(time) if isinstance(time, str) else None
    if match:
        date, minute, second, fraction, offset = match.groups()
        leaps = second == "60"
        try:
            moment = datetime.fromisoformat(f"{date}T{minute}:{'59' if leaps else second}{offset.upper()}")
        except ValueError:
            pass  # the 31st of April
        else:
            seconds = int(moment.timestamp()) + leaps
            if not leaps or seconds % DAY == 0:
                return seconds, (fraction or "").rstrip("0")
    accepted = "an RFC 3339 time such as 2026-08-05T06:10:01Z, or an int of milliseconds since 1970"
    raise InvalidValue("time", time, [accepted])


# -- what stands in a trace --------------------------------------------------------------------------------------------


@attrs.frozen(kw_only=True, init=False)
class Line:
    """One thing that happened: a call and its outcome, or an event.

    `time` is RFC 3339 text, an aware datetime, or an int of milliseconds since 1970. The trigger may be given as
    `operation` or `event` as well, as the format calls them. `order_id` and `new_order_id` are 1 .. 2**63-1. `code` and
    `state` are the trace's own words. `extra` holds the keys that the format does not name; `file` and `number` (from
    1) say where the line stands. What the format does not allow is an `InvalidValue`.

    >>> from orderfsm.trace import Line
    >>> Line(time="2026-08-05T06:10:01Z", order_id=7, trigger="CancelOrderRequest", outcome="unknown").trigger
    <Operation.CANCEL: 'CancelOrderRequest'>
    """

    time: str = attrs.field(converter=_text)
    trigger: Trigger = attrs.field(converter=_trigger)
    order_id: int | None = attrs.field(default=None, converter=_order_id)
    outcome: Outcome = attrs.field(default=Outcome.ACCEPTED, converter=_outcome)
    code: str | None = attrs.field(default=None, converter=_word)
    state: str | None = attrs.field(default=None, converter=_word)
    new_order_id: int | None = attrs.field(default=None, converter=_order_id)
    client: Any = None
    started: Any = attrs.field(default=None, converter=none_if_absent)
    ended: Any = attrs.field(default=None, converter=none_if_absent)
    extra: Mapping[str, Any] = attrs.field(factory=dict)
    file: str = ""
    number: int = 0
    instant: Instant = attrs.field(init=False, eq=False, repr=False)

    def __init__(
        self,
        *,
        time: str | datetime | int,
        trigger: Trigger | str | None = None,
        operation: Operation | str | None = None,
        event: Event | str | None = None,
        order_id: int | str | None = None,
        outcome: Outcome | str = Outcome.ACCEPTED,
        code: str | None = None,
        state: str | None = None,
        new_order_id: int | str | None = None,
        client: Any = None,
        started: Any = None,
        ended: Any = None,
        extra: Mapping[str, Any] | None = None,
        file: str = "",
        number: int = 0,
    ) -> None:
        given = {"trigger": trigger, "operation": operation, "event": event}
        named = {kind: value for kind, value in given.items() if value is not None}
        if len(named) != 1:
            raise InvalidValue("trigger, operation and event", tuple(given.values()), ["exactly one of them"])
        ((kind, value),) = named.items()
        self.__attrs_init__(  # pyright: ignore[reportAttributeAccessIssue]
            time=time,
            trigger=member_of(kind, _MEMBERS[kind], value),
            order_id=order_id,
            outcome=_outcome(outcome),
            code=code,
            state=state,
            new_order_id=new_order_id,
            client=client,
            started=started,
            ended=ended,
            extra={} if extra is None else extra,
            file=file,
            number=number,
        )

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "instant", instant_of(self.time))
        if self.order_id is None and not self.of_the_account:
            raise InvalidValue("order id", None, [f"an int in 1 .. {MAX_ID}; only lines of the account lack it"])
        if self.outcome is not Outcome.ACCEPTED and isinstance(self.trigger, Event):
            raise InvalidValue("outcome of an event", self.outcome, ["none: an event is a line because it happened"])

    @property
    def of_the_account(self) -> bool:
        """Whether it is about the account and not about one order: counted, not judged."""
        if self.trigger in CREATES:
            return self.outcome is not Outcome.ACCEPTED
        reads_an_order = self.trigger is Operation.LIST and self.order_id is not None and self.state is not None
        return self.trigger in _OF_THE_ACCOUNT and not reads_an_order

    @property
    def begins(self) -> int | None:
        """The order that begins here because an accepted renewal names it."""
        return self.new_order_id if self.trigger in _RENEWALS and self.outcome is Outcome.ACCEPTED else None


@attrs.frozen
class BadLine:
    """A line that is not as the format says: `reason` says why, `text` how it begins."""

    file: str
    line: int
    reason: str
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.reason}"


@attrs.frozen
class Header:
    """What the beginning of a file says of its events; without a header line they are partial."""

    file: str
    events: Events = Events.PARTIAL


Entry: TypeAlias = Header | Line | BadLine
"""What `read` gives."""


def unreadable(file: str, bad: BadLine) -> InvalidValue:
    """The error of a file in which lines stand, none of which can be read; `bad` is the first of them."""
    return InvalidValue("lines of", file, [f"one that can be read; line {bad.line} is none: {bad.reason}"])


def all_or_some(events: Events | None, headers: Collection[Events]) -> Events:
    """`events`, or what the `headers` of a trace say of them."""
    if events is None:
        return Events.COMPLETE if set(headers) == {Events.COMPLETE} else Events.PARTIAL
    return events_of(events)
