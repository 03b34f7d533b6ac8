"""The lines of a trace: calls and what became of them, events, bad lines and headers; and their times."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

import attrs

from orderfsm.invalid import InvalidValue
from orderfsm.questions import ORDER_LIFECYCLE
from orderfsm.rows import DAY, Actor, Event, Operation, Trigger
from orderfsm.verdict import Uncertain

from .tables import absent, keys_of, tables_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from orderfsm.identity import Id, Identity
    from orderfsm.lifecycle import Lifecycle


class Outcome(Uncertain, StrEnum):
    """What became of a call. It is no condition: compare it."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNKNOWN = "unknown"


class Events(StrEnum):
    """Whether all events of the orders are in a trace."""

    COMPLETE = "complete"
    PARTIAL = "partial"


_Member = TypeVar("_Member", bound=StrEnum)
_OUTCOMES = {member.value: member for member in Outcome}
_ALL_OR_SOME = {member.value: member for member in Events}


def _member_of(kind: str, members: Mapping[str, _Member], value: Any) -> _Member:
    """The one of `members` that `value` names; `InvalidValue` says that it is no such `kind`."""
    try:
        return members[value]
    except (KeyError, TypeError):
        raise InvalidValue(kind, value, members) from None


def trigger_of(kind: str, value: Any, lifecycle: Lifecycle) -> Trigger:
    """The member of `lifecycle` that `value` is, of the `kind` trigger, operation or event; else `InvalidValue`."""
    try:
        rule = lifecycle.trigger_rules[value]
        if kind == "trigger" or (kind == "operation") is (rule.actor is Actor.CLIENT):
            return rule.trigger
    except (KeyError, TypeError):
        pass
    accepted = {"trigger": lifecycle.trigger_rules, "operation": lifecycle.operations, "event": lifecycle.events}
    raise InvalidValue(kind, value, accepted[kind])


def _outcome(value: Outcome | str) -> Outcome:
    return _member_of("outcome", _OUTCOMES, value)


def events_of(value: Events) -> Events:
    """The member that `value` is or names; else `InvalidValue`."""
    return _member_of("events", _ALL_OR_SOME, value)


def id_of(value: Any, identity: Identity) -> Id | None:
    """The id that `value` is, as logs write it; None if it says nothing; else `InvalidValue`."""
    return None if value is None or absent(value) else identity.read(value)


def none_if_absent(value: Any) -> Any:
    """A value; None if it says nothing."""
    return None if value is None or absent(value) else value


def _word(value: Any) -> str | None:
    return None if value is None or absent(value) else str(value)


def word_or_none(value: Any) -> str | None:
    """A word that may be empty, which says that there is none."""
    return "" if isinstance(value, str) and not value else _word(value)


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


def _only(kind: str, *values: Any) -> Any:
    """The one of `values` that is given, if any."""
    given = [value for value in values if value is not None]
    if len(given) > 1:
        raise InvalidValue(kind, tuple(given), ["one, under one name"])
    return given[0] if given else None


class Roles(NamedTuple):
    """What triggers are to lines, by one table or by several."""

    creates: frozenset[Trigger]
    renewals: frozenset[Trigger]
    account_reads: frozenset[Trigger]
    answered_by_words: frozenset[Trigger]
    """The operations whose answers have a word for the state of an order."""
    saying_what_follows: frozenset[Trigger]
    """Those of them that may have changed the order, and then say what state it is in."""

    def of_the_account(self, line: Line) -> bool:
        """Whether `line` is about the account and not about one order: counted, not judged."""
        if line.trigger in self.creates:
            return line.outcome is not Outcome.ACCEPTED
        if line.trigger not in self.account_reads:
            return False
        if line.trigger not in self.answered_by_words or line.order_id is None:
            return True
        return line.state is None and line.certificate_state is None

    def begins(self, line: Line) -> Id | None:
        """The order that begins with `line` because an accepted renewal names it."""
        return line.new_order_id if line.trigger in self.renewals and line.outcome is Outcome.ACCEPTED else None


@lru_cache(maxsize=32)
def roles(*tables: Lifecycle) -> Roles:
    """What triggers are to the lines of these tables."""
    return Roles(
        *(
            frozenset().union(*each)
            for each in (
                (table.creates for table in tables),
                (table.renewals for table in tables),
                (table.account_reads for table in tables),
                (
                    {operation for vocabulary in table.vocabularies for operation in vocabulary.operations}
                    for table in tables
                ),
                (
                    {operation for vocabulary in table.vocabularies for operation in vocabulary.elsewhere} - table.reads
                    for table in tables
                ),
            )
        )
    )


def roles_of(line: Line, lifecycle: Lifecycle) -> Roles:
    """What triggers are to a line that is judged by `lifecycle`, perhaps a variant of its own table.

    `InvalidValue` if the line is of another table.
    """
    own = line.lifecycle
    if own is lifecycle:
        return roles(lifecycle)
    if own.identity != lifecycle.identity:
        accepted = f"{lifecycle.name}, by which it is judged here: lifecycle= takes another one"
        raise InvalidValue("table of the line", own.name, [accepted])
    return roles(own, lifecycle)


@attrs.frozen(kw_only=True, init=False)
class Line:
    """One thing that happened: a call and its outcome, or an event.

    `time` is RFC 3339 text, an aware datetime, or an int of milliseconds since 1970. The trigger may be given as
    `operation` or `event` as well, as the format calls them; it is one of `lifecycle`, which is the table that the key
    of the id names unless it is given, that of the orders if none does. `order_id` (or `id`) and `new_order_id` are ids
    of that table, and may be given under the table's own keys too. `code`, `state` and `certificate_state` are the
    trace's own words. `extra` holds the keys that the format does not name; `file` and `number` (from 1) say where the
    line stands. What the format does not allow is an `InvalidValue`.

    >>> from orderfsm.trace import Line
    >>> Line(time="2026-08-05T06:10:01Z", order_id=7, trigger="CancelOrderRequest", outcome="unknown").trigger
    <Operation.CANCEL: 'CancelOrderRequest'>
    """

    time: str = attrs.field(converter=_text)
    trigger: Trigger
    order_id: Id | None = None
    outcome: Outcome = attrs.field(default=Outcome.ACCEPTED, converter=_outcome)
    code: str | None = attrs.field(default=None, converter=_word)
    state: str | None = attrs.field(default=None, converter=_word)
    certificate_state: str | None = None
    """The word of the field that the table tells `apart`, so called here whatever the table's own key is; empty or
    `absent` where the answer had none."""
    new_order_id: Id | None = None
    client: Any = None
    started: Any = attrs.field(default=None, converter=none_if_absent)
    ended: Any = attrs.field(default=None, converter=none_if_absent)
    extra: Mapping[str, Any] = attrs.field(factory=dict)
    file: str = ""
    number: int = 0
    lifecycle: Lifecycle = attrs.field(default=ORDER_LIFECYCLE, repr=False)
    instant: Instant = attrs.field(init=False, eq=False, repr=False)

    def __init__(
        self,
        *,
        time: str | datetime | int,
        trigger: Trigger | str | None = None,
        operation: Operation | str | None = None,
        event: Event | str | None = None,
        order_id: int | str | None = None,
        id: int | str | None = None,  # noqa: A002  # what a table without a better word calls it
        outcome: Outcome | str = Outcome.ACCEPTED,
        code: str | None = None,
        state: str | None = None,
        certificate_state: str | None = None,
        new_order_id: int | str | None = None,
        client: Any = None,
        started: Any = None,
        ended: Any = None,
        extra: Mapping[str, Any] | None = None,
        file: str = "",
        number: int = 0,
        lifecycle: Lifecycle | None = None,
        **own: Any,
    ) -> None:
        given = {"trigger": trigger, "operation": operation, "event": event}
        named = {kind: value for kind, value in given.items() if value is not None}
        if len(named) != 1:
            raise InvalidValue("trigger, operation and event", tuple(given.values()), ["exactly one of them"])
        ((kind, value),) = named.items()
        if lifecycle is None:
            lifecycle = tables_of(None).of(own).lifecycle if own else ORDER_LIFECYCLE
        identity = lifecycle.identity
        if id is not None or own:
            order_id = _only(identity.words, order_id, id, own.pop(identity.key, None))
            new_order_id = _only(identity.words, new_order_id, own.pop(f"new_{identity.key}", None))
            second = keys_of(lifecycle).apart
            certificate_state = _only("second word", certificate_state, own.pop(second, None) if second else None)
        if certificate_state is not None and not keys_of(lifecycle).apart:
            raise InvalidValue("second word", certificate_state, [f"none: {lifecycle.name} have no such word"])
        if own:
            raise TypeError(f"Line() got an unexpected keyword argument {next(iter(own))!r}")
        self.__attrs_init__(  # pyright: ignore[reportAttributeAccessIssue]
            time=time,
            trigger=trigger_of(kind, value, lifecycle),
            order_id=id_of(order_id, identity),
            outcome=_outcome(outcome),
            code=code,
            state=state,
            certificate_state=word_or_none(certificate_state),
            new_order_id=id_of(new_order_id, identity),
            client=client,
            started=started,
            ended=ended,
            extra={} if extra is None else extra,
            file=file,
            number=number,
            lifecycle=lifecycle,
        )

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "instant", instant_of(self.time))
        if self.order_id is None and not self.of_the_account:
            identity = self.lifecycle.identity
            raise InvalidValue(identity.words, None, [f"{identity.accepted}; only lines of the account lack it"])
        if self.outcome is not Outcome.ACCEPTED and not self.lifecycle.by_client(self.trigger):
            raise InvalidValue("outcome of an event", self.outcome, ["none: an event is a line because it happened"])

    @property
    def of_the_account(self) -> bool:
        """Whether it is about the account and not about one order: counted, not judged."""
        return roles(self.lifecycle).of_the_account(self)

    @property
    def begins(self) -> Id | None:
        """The order that begins here because an accepted renewal names it."""
        return roles(self.lifecycle).begins(self)


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
