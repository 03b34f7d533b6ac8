"""Recorded histories of orders: reading them, writing them, and judging them by the table.

The trace format
----------------
JSON Lines, also compressed: one line, one thing that happened. `null`, an empty text and NaN mean absent; other keys
are kept and ignored.

* `time`: RFC 3339, with any offset, also in hours alone (`+00`); or an integer of milliseconds since 1970.
* `order_id`: an integer, a string of digits, or a float that is exactly one integer below 2**53 (`7.0`, as pandas
  writes ids). Only account lines may lack it.
* `operation` or `event`, exactly one of them: an API action name, or an Event's value.
* `outcome` of an operation: `accepted`, `refused`, or `unknown` (no answer came); `code` of a refusal: the error code.
* `state`: what a read answered: a State's value, a `Type` or a `Status`, in any case.
* `new_order_id` of an accepted renewal: the second order, which begins here.
* `client`, `started`, `ended`: who called, and the call's interval, in a history of concurrent calls.

A file's first line may be a header, `{"trace": 1, "events": "complete"}`: all events of these orders are in the trace;
of several files, all must say so. Otherwise events may be missing, and may have happened between any two lines.
Operations are never missing. Lines are ordered by time; those of equal times by file as given, then by line.

*Account lines* are counted, not judged: lists, unless an `order_id` and a `state` make them a read of that order;
DescribePackageState; creates that were refused or not answered. *Bad lines*, which are not as said above, are counted,
reported and skipped.

What explains a line
--------------------
An order whose first line is an accepted create, or which a renewal named, begins as no order; any other may begin in
any state, or as no order. A *run* is a beginning and a path through the table that explains every line:

* accepted, or an event: the table allows it there, and the order moves. So a create of an order that exists is
  explained by nothing, nor is a renewal that names one.
* refused with `OrderStateError`: the table refuses it there, and there is an order that is not deleted.
  `NotFoundOrder`: there is no order, or it is deleted. `DeleteFail`: a deletion that the table allows; nothing changes.
  `Error`, and what a gateway answers instead (`ServiceUnavailable`): as an unknown outcome. Any other code that
  `orderfsm.errors.meaning_of` knows, of the orders or of the gateway: anywhere; nothing changes.
* unknown: it was accepted there, or nothing changed. In a history with `started` or `ended` it may also happen later.
* a read with a `state`: one of the states that the word may mean.

Three sorts of lines are *vague*: they can be read strictly, or in the order's favour.

* a refusal without a code: strictly `OrderStateError` or `NotFoundOrder`; in favour any refusal, `Error` included.
* a refusal with a code that nobody knows: strictly nothing explains it; in favour as any other known code.
* a read that answered a word that nobody knows: strictly nothing explains it; in favour it is any state.

An order CONFORMS if some run explains every line read strictly. It VIOLATES the table if none does, not even with the
vague lines read in its favour; named is the first line after which no run is left. Else it is UNDECIDED.

How it is done
--------------
What can be known of an order after some of its lines is two sets of runs, one for each way of reading: a `Possible`.
An `Automaton` leads from one to the next. It asks the table the first time and remembers, so that nearly every line
costs one lookup.
"""

from __future__ import annotations

import gzip
import json
import os
import re
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from operator import attrgetter, ge, mul
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, Protocol, TypeAlias, TypeVar, cast

import attrs

from . import streams
from .errors import Meaning, NotConforming
from .identity import MAX_ID
from .invalid import InvalidValue
from .order import order_id
from .questions import ORDER_LIFECYCLE
from .rows import DAY, Actor
from .streams import is_parquet, name_of, opened
from .tables.api import meaning_of
from .tables.orders import TRANSITIONS, TRIGGERS, Event, Operation
from .verdict import Uncertain
from .wire import parse_states, statuses, types

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from .lifecycle import Lifecycle
    from .rows import State, Trigger
    from .streams import Readable, Value


class Outcome(Uncertain, StrEnum):
    """What became of a call. It is no condition: compare it."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNKNOWN = "unknown"


class Events(StrEnum):
    """Whether all events of the orders are in a trace."""

    COMPLETE = "complete"
    PARTIAL = "partial"


class Finding(Uncertain, StrEnum):
    """The verdict on a history. It is no condition: compare it, or ask the report for its `ok`."""

    CONFORMS = "conforms"
    VIOLATES = "violates"
    UNDECIDED = "undecided"

    @classmethod
    def of_all(cls, *, violating: int, undecided: int) -> Finding:
        """The verdict on many orders: one that violates the table decides the whole, then one that is undecided."""
        if violating:
            return cls.VIOLATES
        return cls.UNDECIDED if undecided else cls.CONFORMS


class _HasVerdict(Protocol):
    @property
    def verdict(self) -> Finding: ...


class Judged(Uncertain):
    """What has a `verdict` on histories or a server. It is no condition: ask `ok`."""

    __slots__ = ()
    _instead = "ask its `.ok`, or call `.raise_for_violations()`"

    @property
    def ok(self: _HasVerdict) -> bool:
        """Whether it conforms: not if it violates the table, nor if that is undecided."""
        return self.verdict is Finding.CONFORMS

    def raise_for_violations(self: _HasVerdict) -> None:
        """`NotConforming`, with the report as its message, unless it conforms."""
        if self.verdict is not Finding.CONFORMS:
            raise NotConforming(self)


# -- lines -------------------------------------------------------------------------------------------------------------

_CREATES = frozenset(row.trigger for row in TRANSITIONS if row.source is None)
_RENEWALS = frozenset(row.trigger for row in TRANSITIONS if row.creates is not None)
_READS = frozenset(Operation) - {row.trigger for row in TRANSITIONS if row.changes}
_OF_THE_ACCOUNT = frozenset(rule.trigger for rule in TRIGGERS if rule.account)

_Member = TypeVar("_Member", bound=StrEnum)
_OPERATIONS = {member.value: member for member in Operation}
_EVENTS = {member.value: member for member in Event}
_TRIGGERS: Mapping[str, Trigger] = {**_OPERATIONS, **_EVENTS}
_MEMBERS: Mapping[str, Mapping[str, Any]] = {"trigger": _TRIGGERS, "operation": _OPERATIONS, "event": _EVENTS}
_OUTCOMES = {member.value: member for member in Outcome}
_ALL_OR_SOME = {member.value: member for member in Events}
_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d):(\d\d)(?:\.(\d+))?([Zz]|[+-](?:[01]\d|2[0-3])(?::?[0-5]\d)?)", re.ASCII
)

Instant: TypeAlias = tuple[int, str]
"""A time that sorts: the seconds since 1970, and the digits of their fraction, however many there are."""


def _member(kind: str, members: Mapping[str, _Member], value: Any) -> _Member:
    try:
        return members[value]
    except (KeyError, TypeError):
        raise InvalidValue(kind, value, members) from None


def _trigger(value: Trigger) -> Trigger:
    return _member("trigger", _TRIGGERS, value)


def _outcome(value: Outcome | str) -> Outcome:
    return _member("outcome", _OUTCOMES, value)


def _events(value: Events) -> Events:
    return _member("events", _ALL_OR_SOME, value)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECONDS = range(10**11, 253_402_300_800_000)
"""Since 1970: from 1973 on, so that nobody takes seconds for them, up to the end of the year 9999."""
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


def _given(value: Any) -> Any:
    """A value; None if it says nothing."""
    return None if value is None or _absent(value) else value


def _word(value: Any) -> str | None:
    return None if value is None or _absent(value) else str(value)


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
    started: Any = attrs.field(default=None, converter=_given)
    ended: Any = attrs.field(default=None, converter=_given)
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
            trigger=_member(kind, _MEMBERS[kind], value),
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
        if self.trigger in _CREATES:
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


# -- reading and writing -----------------------------------------------------------------------------------------------

_EXCERPT = 80


def read(paths: Readable | Iterable[Readable], *, progress: Callable[[int], object] | None = None) -> Iterator[Entry]:
    """What stands in the trace files `paths` (or in the one), file by file: a `Header`, then line after line.

    They are paths, `-` for standard input, or open files; compressed by gzip, bzip2, xz or zstd, or not, whatever they
    are called. Objects may also follow each other otherwise than line by line, or stand in an array: see `streams`. Bad
    lines are given as `BadLine`, empty ones not at all. A header between the lines, as in files that were joined, says
    nothing if it is like the first; else it is a bad line, and counts as of another file. `progress` is told now and
    then how many bytes more of a file were read. An `InvalidValue` for Parquet, which this reader does not take, and
    for what else is no JSON, or is damaged; `OSError` for a file that cannot be read.
    """
    one = isinstance(paths, str | os.PathLike) or hasattr(paths, "read") or not isinstance(paths, Iterable)
    files = cast("list[Readable]", [paths] if one else list(cast("Iterable[Readable]", paths)))
    for file in files:
        if not (isinstance(file, str | os.PathLike) or hasattr(file, "read")):
            raise InvalidValue("trace file", file, ["a path, - for standard input, or an open file"])
        if isinstance(file, str | os.PathLike) and Path(file).is_file() and is_parquet(os.fspath(file)):
            raise InvalidValue("trace file", os.fspath(file), ["JSON Lines; Parquet is for orderfsm.audit"])
    return (
        entry if isinstance(entry, Header | BadLine) else loads(entry[1], name_of(file), entry[0])
        for file in files
        for entry in texts(file, progress=progress)
    )


def texts(
    file: Readable, *, name: str | None = None, progress: Callable[[int], object] | None = None
) -> Iterator[Header | BadLine | tuple[int, Value]]:
    """What stands in one trace file before it is made out: a `Header`, then each line's number and its text, or object.

    Empty lines are left out. Of several headers each that says something else is given after a `BadLine`. `name` is
    what the file is called, if not what it is; `progress` and errors are as in `read`.
    """
    for batch in batches(file, name=name, progress=progress):
        if isinstance(batch, Header | BadLine):
            yield batch
        else:
            yield from batch


def batches(
    file: Readable, *, name: str | None = None, progress: Callable[[int], object] | None = None
) -> Iterator[Header | BadLine | Iterable[tuple[int, Value]]]:
    """The same, with the lines in batches, each to be read before the next: nothing is done line by line."""
    name = name_of(file) if name is None else name
    taken = 0

    def took(count: int) -> None:
        nonlocal taken
        taken += count

    with opened(file, name, took) as stream:
        for batch in _headed(streams.batches(stream, name), name):
            yield batch
            if progress is not None and taken:
                progress(taken)
                taken = 0
        if progress is not None:
            progress(taken)


def loads(text: str | Value, file: str = "", number: int = 0) -> Line | BadLine:
    """The line that `text` is, or that the object is; `file` and `number` say where it stands."""
    if isinstance(text, dict):
        return line_of(text, file, number)
    try:
        return _line(_json_object(text), file, number)
    except InvalidValue as error:
        return BadLine(file, number, str(error), _excerpt(text))


def line_of(fields: Mapping[str, Any], file: str = "", number: int = 0) -> Line | BadLine:
    """The line that has these `fields`, as `loads` gives it: for lines that are not JSON text.

    >>> from orderfsm.trace import line_of
    >>> line_of({"time": "2026-08-05T06:10:01Z", "order_id": 7, "event": "review_passed"}).trigger
    <Event.REVIEW_PASSED: 'review_passed'>
    """
    try:
        return _line(_without_nulls(fields), file, number)
    except InvalidValue as error:
        return BadLine(file, number, str(error), _excerpt(json.dumps(fields, default=str)))


def dumps(line: Line) -> str:
    """`line` as JSON, without a newline."""
    is_operation = isinstance(line.trigger, Operation)
    fields = dict(line.extra) | {
        "time": line.time,
        "order_id": line.order_id,
        "operation" if is_operation else "event": line.trigger,
        "outcome": line.outcome if is_operation else None,
        "code": line.code,
        "state": line.state,
        "new_order_id": line.new_order_id,
        "client": line.client,
        "started": line.started,
        "ended": line.ended,
    }
    return json.dumps({key: value for key, value in fields.items() if value is not None})


def header(events: Events = Events.COMPLETE) -> str:
    """The header of a trace as JSON, without a newline.

    >>> from orderfsm.trace import header
    >>> header()
    '{"trace": 1, "events": "complete"}'
    """
    return json.dumps({"trace": 1, "events": _events(events)})


def write(lines: Iterable[Line], file: str | os.PathLike[str], events: Events = Events.COMPLETE) -> None:
    """Write a header and `lines` to the path `file`, through gzip if its name ends in `.gz`."""
    first = header(events)
    name = os.fspath(file)
    with gzip.open(name, "wb") if name.endswith(".gz") else Path(name).open("wb") as stream:
        stream.write(f"{first}\n".encode())
        stream.writelines(f"{dumps(line)}\n".encode() for line in lines)


def _headed(
    found: Iterable[tuple[bytes, Iterable[tuple[int, Value]]]], name: str
) -> Iterator[Header | BadLine | Iterable[tuple[int, Value]]]:
    head: Header | None = None
    for text, lines in found:
        if head is not None and text and b'"trace"' not in text:
            yield lines
            continue
        for number, value in lines:
            may_be = head is None or (b'"trace"' in value if isinstance(value, bytes) else "trace" in value)
            other = _header(value, name) if may_be else None
            if head is None:
                head = other or Header(name)
                yield head
            elif other is not None and other.events is not head.events:
                accepted = f"{header(head.events)} as on line 1, since files were joined here; or each file by itself"
                reason = str(InvalidValue("header", header(other.events), [accepted]))
                yield BadLine(name, number, reason, header(other.events))
                yield other
            if other is None:
                yield [(number, value)]
    if head is None:
        yield Header(name)


def _header(text: Value, name: str) -> Header | None:
    """The header that `text` is; None if it is anything else."""
    try:
        fields = _without_nulls(text) if isinstance(text, dict) else _json_object(text)
        if _looks_like_a_header(fields) and fields["trace"] == 1:
            return Header(name, _events(_given(fields.get("events")) or Events.PARTIAL))
    except InvalidValue:
        pass
    return None


def _looks_like_a_header(fields: Mapping[str, Any]) -> bool:
    return "trace" in fields and "operation" not in fields and "event" not in fields


def _line(fields: dict[str, Any], file: str, number: int) -> Line:
    if _looks_like_a_header(fields):
        raise InvalidValue("header", fields, [f'{header()}, or "partial", as first line'])
    operation, event = (_given(fields.pop(key, None)) for key in ("operation", "event"))
    if (operation is None) == (event is None):
        raise InvalidValue("operation and event", (operation, event), ["exactly one of them"])
    is_event = operation is None
    trigger = _member("event", _EVENTS, event) if is_event else _member("operation", _OPERATIONS, operation)
    outcome = _given(fields.pop("outcome", None))
    if outcome is None and is_event:
        outcome = Outcome.ACCEPTED
    take = fields.pop
    line: Line = Line.__new__(Line)
    line.__attrs_init__(  # its trigger is known  # pyright: ignore[reportAttributeAccessIssue]
        time=take("time", None),
        order_id=take("order_id", None),
        trigger=trigger,
        outcome=outcome,
        code=take("code", None),
        state=take("state", None),
        new_order_id=take("new_order_id", None),
        client=take("client", None),
        started=take("started", None),
        ended=take("ended", None),
        extra=fields,
        file=file,
        number=number,
    )
    return line


def _json_object(text: str | bytes) -> dict[str, Any]:
    """The JSON object that `text` is, less what is null."""
    try:
        value = _decode(text if isinstance(text, str) else text.decode())
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise InvalidValue("line", _excerpt(text), ["a JSON object"])
    return _without_nulls(value) if None in value.values() else value


def _without_nulls(value: Mapping[str, Any]) -> dict[str, Any]:
    return {key: member for key, member in value.items() if member is not None}


def _no_such_number(constant: str) -> NoReturn:
    raise ValueError(constant)  # NaN and Infinity, which are Python's JSON only


_decode = json.JSONDecoder(parse_constant=_no_such_number).decode


def _excerpt(text: str | bytes) -> str:
    start = text[:_EXCERPT]
    return (start if isinstance(start, str) else start.decode("utf-8", "replace")).strip()


# -- what a line says of an order --------------------------------------------------------------------------------------


class Answer(Uncertain, StrEnum):
    """How a trigger went, as far as the rules tell answers apart."""

    ACCEPTED = "accepted"
    PERHAPS = "perhaps accepted"
    STATE_FORBIDS = "refused by the state"
    NOT_FOUND = "no such order"
    NOT_CARRIED_OUT = "allowed, but not carried out"
    TURNED_AWAY = "refused for another known reason"
    NO_CODE = "refused without a code"
    UNKNOWN_CODE = "refused with an unknown code"
    BEGUN = "named by a renewal"


class Reading(NamedTuple):
    """What a line says of one order; `word` is what a read answered: in lower case, or `?` if nobody knows it."""

    trigger: Trigger
    answer: Answer
    word: str | None = None

    def __str__(self) -> str:
        return f"{self.trigger} {self.answer}" + (f", {self.word}" if self.word else "")

    @property
    def vague(self) -> bool:
        """Whether it can be read strictly, or in the order's favour."""
        return self.answer in _STRICTLY or self.word == _UNKNOWN_WORD

    @property
    def creates(self) -> bool:
        """Whether it is an accepted create of the order."""
        return self.trigger in _CREATES and self.answer is Answer.ACCEPTED

    @property
    def named(self) -> bool:
        """Whether a renewal of another order names the order."""
        return self.answer is Answer.BEGUN

    def may_come_late(self, *, favour: bool) -> bool:
        """Whether nobody knows what became of the call, so that it may happen at any later time, or never."""
        return Answer.PERHAPS in (_IN_FAVOUR if favour else _STRICTLY).get(self.answer, (self.answer,))


_ANSWERS: Mapping[Meaning | None, Answer] = {
    **dict.fromkeys(Meaning, Answer.TURNED_AWAY),
    Meaning.STATE_FORBIDS: Answer.STATE_FORBIDS,
    Meaning.NOT_FOUND: Answer.NOT_FOUND,
    Meaning.NOT_CARRIED_OUT: Answer.NOT_CARRIED_OUT,
    Meaning.PERHAPS: Answer.PERHAPS,
    None: Answer.UNKNOWN_CODE,
}
_STRICTLY: Mapping[Answer, tuple[Answer, ...]] = {
    Answer.NO_CODE: (Answer.STATE_FORBIDS, Answer.NOT_FOUND),
    Answer.UNKNOWN_CODE: (),
}
_IN_FAVOUR: Mapping[Answer, tuple[Answer, ...]] = {
    Answer.NO_CODE: (Answer.PERHAPS,),  # what any other refusal explains, this explains as well
    Answer.UNKNOWN_CODE: (Answer.TURNED_AWAY,),
}
_CHANGE_NOTHING = {Answer.STATE_FORBIDS, Answer.NOT_FOUND, Answer.NOT_CARRIED_OUT, Answer.TURNED_AWAY}
_UNKNOWN_WORD = "?"


@lru_cache(maxsize=8)
def _meanings(lifecycle: Lifecycle) -> Mapping[str, frozenset[State | None]]:
    """The states that a read's word may mean, by the word in lower case."""
    words = (*filter(None, lifecycle.state_rules), *types(lifecycle), *statuses(lifecycle))
    return {word.lower(): parse_states(word, lifecycle) for word in words}


def _reading(line: Line, meanings: Mapping[str, object]) -> Reading:
    """What `line` says of its order; `meanings` are those of the words that are known."""
    if line.outcome is not Outcome.ACCEPTED:
        return Reading(line.trigger, Answer.PERHAPS if line.outcome is Outcome.UNKNOWN else _answer(line.code))
    if line.state is None or line.trigger not in _READS:
        return Reading(line.trigger, Answer.ACCEPTED)
    word = line.state.lower()
    return Reading(line.trigger, Answer.ACCEPTED, word if word in meanings else _UNKNOWN_WORD)


def readings(line: Line, order: int, lifecycle: Lifecycle = ORDER_LIFECYCLE) -> list[Reading]:
    """What `line` says of `order`: nothing if it is of the account, two things if a renewal names its own order."""
    said = [] if line.order_id != order or line.of_the_account else [_reading(line, _meanings(lifecycle))]
    return [*said, Reading(line.trigger, Answer.BEGUN)] if line.begins == order else said


def _answer(code: str | None) -> Answer:
    return Answer.NO_CODE if code is None else _ANSWERS[meaning_of(code)]


# -- where an order may stand ------------------------------------------------------------------------------------------


class Run(NamedTuple):
    """Where a run has come to: the order's `state`, and how many `lost` calls of each trigger may yet happen."""

    state: State | None
    lost: tuple[int, ...] = ()


@attrs.frozen(eq=False)
class Possible:
    """The runs that explain an order's lines so far, read strictly and in its favour; `after` are those that follow."""

    strict: frozenset[Run]
    favour: frozenset[Run]
    after: dict[Reading, Possible] = attrs.field(factory=dict, repr=False)


class _Way(NamedTuple):
    """A way of reading vague lines: the plain `answers` that a vague one stands for, and the `meanings` of words."""

    answers: Mapping[Answer, tuple[Answer, ...]]
    meanings: Mapping[str, frozenset[State | None]]


class Automaton:
    """Leads an order through its lines by the table of `lifecycle`: from `anywhere`, or from `no_order`.

    With PARTIAL `events` others may act unseen before any line. If `late`, a call whose answer was lost may also happen
    later.
    """

    def __init__(self, lifecycle: Lifecycle, events: Events, *, late: bool = False) -> None:
        others = set(Actor) - {Actor.CLIENT} if _events(events) is Events.PARTIAL else set()
        rows = lifecycle.transitions
        self._lifecycle = lifecycle
        self.late = late
        self._unseen = {state: lifecycle.reachable(state, by=others) for state in lifecycle.state_rules}
        self._moving = {row.trigger for row in rows if row.target != row.source}
        self._holding = {row.source for row in rows if row.gives_back(age=None)}
        words = _meanings(lifecycle)
        self._strictly = _Way(_STRICTLY, {**words, _UNKNOWN_WORD: frozenset()})
        self._in_favour = _Way(_IN_FAVOUR, {**words, _UNKNOWN_WORD: frozenset(filter(None, lifecycle.state_rules))})
        self._known: dict[tuple[frozenset[Run], frozenset[Run]], Possible] = {}
        self._closed: dict[frozenset[Run], list[Run]] = {}
        self._may_be_lost = [rule.trigger for rule in lifecycle.triggers if late and rule.trigger in self._moving]
        self._of_use = {state: self._late_triggers(state) for state in lifecycle.state_rules}
        self.no_order = self.at([None])
        self.anywhere = self.at(lifecycle.state_rules)

    def at(self, states: Iterable[State | None]) -> Possible:
        """Runs that begin in `states`."""
        none_lost = (0,) * len(self._may_be_lost)
        runs = [Run(state, none_lost) for state in states]
        return self.possible(runs, runs)

    def possible(self, strict: Iterable[Run], favour: Iterable[Run]) -> Possible:
        """The `Possible` of these runs; for equal ones it is the same object."""
        key = frozenset(strict), frozenset(favour)
        return self._known.setdefault(key, Possible(*key))

    @property
    def size(self) -> int:
        """How many sets of runs it knows by now."""
        return len(self._known)

    def step(self, possible: Possible, reading: Reading) -> Possible:
        """What is possible after a line; without runs if nothing explains it."""
        after = possible.after.get(reading)
        if after is None:
            self._lifecycle.trigger(reading.trigger)
            strict = favour = self._after(possible.favour, reading, self._in_favour)
            if reading.vague or possible.strict != possible.favour:
                strict = self._after(possible.strict, reading, self._strictly)
            after = possible.after[reading] = self.possible(strict, favour)
        return after

    def moves(self, reading: Reading) -> bool:
        """Whether the order may be in another state after `reading` than before it, unseen events aside."""
        return reading.named or (reading.trigger in self._moving and reading.answer not in _CHANGE_NOTHING)

    def states_before_next(self, runs: Iterable[Run]) -> tuple[State | None, ...]:
        """The states, in table order, in which `runs` may stand just before the next line."""
        states = {run.state for run in self._before_next(frozenset(runs))}
        return tuple(state for state in self._unseen if state in states)

    def legal(self, states: Iterable[State | None]) -> tuple[Trigger, ...]:
        """The triggers that the table allows in one of `states`."""
        allowed = [self._lifecycle.table[state] for state in states]
        return tuple(trigger for trigger in self._lifecycle.trigger_rules if any(rows[trigger] for rows in allowed))

    def holds_quota(self, runs: Iterable[Run]) -> bool:
        """Whether each of `runs` stands where the table gives the order's unit back without regard to its age."""
        return all(run.state in self._holding for run in runs)

    def _after(self, runs: frozenset[Run], reading: Reading, way: _Way) -> set[Run]:
        trigger, answer, word = reading
        found = {
            after
            for run in self._before_next(runs)
            for plain in way.answers.get(answer, (answer,))
            for after in self._explained(run, trigger, plain)
        }
        if word is not None:
            found = {run for run in found if run.state in way.meanings[word]}
        return found

    def _explained(self, run: Run, trigger: Trigger, answer: Answer) -> list[Run]:
        """Where `run` may have come to once `trigger` got `answer`; nowhere if it cannot get that answer there."""
        row = self._lifecycle.table[run.state][trigger]
        refusal = self._lifecycle.service_refusals[run.state].means
        moved = [] if row is None else [self._run(row.target, run.lost)]
        match answer:
            case Answer.ACCEPTED:
                return moved
            case Answer.PERHAPS:
                return [*moved, self._with_lost(run, trigger)]
            case Answer.BEGUN:
                return self._begun(run, trigger)
            case Answer.STATE_FORBIDS:
                fits = row is None and refusal is Meaning.STATE_FORBIDS
            case Answer.NOT_FOUND:
                fits = refusal is Meaning.NOT_FOUND
            case Answer.NOT_CARRIED_OUT:
                fits = row is not None and self._lifecycle.trigger_rules[trigger].fails is not None
            case _:
                fits = True
        return [run] if fits else []

    def _begun(self, run: Run, renewal: Trigger) -> list[Run]:
        states = {row.creates for row in self._lifecycle.transitions if row.trigger is renewal} - {None}
        return [self._run(state, run.lost) for state in states if run.state is None]

    def _with_lost(self, run: Run, trigger: Trigger) -> Run:
        """`run` in which `trigger` has not happened, or not yet."""
        if trigger not in self._may_be_lost:
            return run
        return self._run(run.state, _counted(run.lost, self._may_be_lost.index(trigger), +1))

    def _run(self, state: State | None, lost: tuple[int, ...]) -> Run:
        """A run in `state`, without those of the `lost` calls that can no more happen from there on."""
        return Run(state, tuple(map(mul, lost, self._of_use[state])))

    def _late_triggers(self, state: State | None) -> list[bool]:
        """Which of the triggers that may be lost can be accepted in `state` or after it."""
        coming = self._lifecycle.table if state is None else self._lifecycle.reachable(state)
        return [any(self._lifecycle.can(later, trigger) for later in coming) for trigger in self._may_be_lost]

    def _before_next(self, runs: frozenset[Run]) -> list[Run]:
        """`runs` and all that they may have become before the next line, unseen; none that another one covers."""
        if runs not in self._closed:
            found: defaultdict[State | None, list[Run]] = defaultdict(list)
            frontier = list(runs)
            while frontier:
                run = frontier.pop()
                alike = found[run.state]
                if not any(covers(other, run) for other in alike):
                    alike[:] = [other for other in alike if not covers(run, other)] + [run]
                    frontier += [self._run(state, run.lost) for state in self._unseen[run.state]]
                    frontier += self._late_calls(run)
            self._closed[runs] = [run for alike in found.values() for run in alike]
        return self._closed[runs]

    def _late_calls(self, run: Run) -> Iterator[Run]:
        """Where `run` comes to if one of its lost calls happens now."""
        for at, trigger in enumerate(self._may_be_lost):
            row = self._lifecycle.table[run.state][trigger]
            if row is not None and run.lost[at]:
                yield self._run(row.target, _counted(run.lost, at, -1))


def covers(one: Run, other: Run) -> bool:
    """Whether `one` can become all that `other` can: the same state, and no fewer lost calls."""
    return one.state == other.state and all(map(ge, one.lost, other.lost))


def _counted(lost: tuple[int, ...], at: int, by: int) -> tuple[int, ...]:
    return (*lost[:at], lost[at] + by, *lost[at + 1 :])


_LARGE = 5_000


@lru_cache(maxsize=16)
def _shared(lifecycle: Lifecycle, events: Events, late: bool) -> Automaton:
    return Automaton(lifecycle, events, late=late)


def automaton(lifecycle: Lifecycle, events: Events, *, late: bool) -> Automaton:
    """The automaton that all judges share, until it has grown large: those for late calls have no end of states."""
    shared = _shared(lifecycle, events, late)
    if shared.size > _LARGE:
        _shared.cache_clear()
    return shared


# -- judging -----------------------------------------------------------------------------------------------------------


@attrs.frozen
class Judgement(Judged):
    """The verdict on one order's history.

    If it violates the table: `index` of the first line after which no run is left (from 0, in order of time, without
    account lines and bad lines), the states `possible` just before it, unseen events counted in (None: no order), and
    the triggers that are `legal` in one of them. `holds_quota`: the history conforms, no renewal began the order, and
    it holds its unit of the package wherever it may stand.
    """

    verdict: Finding
    index: int | None = None
    possible: tuple[State | None, ...] = ()
    legal: tuple[Trigger, ...] = ()
    holds_quota: bool = False

    def __str__(self) -> str:
        if self.index is None:
            return str(self.verdict)
        return (
            f"{self.verdict} at line {self.index}: it could only be in {', '.join(map(str, self.possible))}, "
            f"where {', '.join(self.legal)} are allowed"
        )


@attrs.frozen
class Violation:
    """Where an order breaks the rules: `file` and `line`, and what is `said` there; the rest is as in `Judgement`."""

    order_id: int
    index: int
    file: str
    line: int
    said: Reading
    possible: tuple[State | None, ...]
    legal: tuple[Trigger, ...]

    def __str__(self) -> str:
        return (
            f"{self.file}:{self.line}: order {self.order_id} violates the table: {self.said}\n"
            f"  it could only be in:  {', '.join(state or 'none' for state in self.possible)}\n"
            f"  allowed there:        {', '.join(self.legal)}"
        )

    def as_json(self) -> dict[str, Any]:
        """The violation in the document of `orderfsm replay`; no order is `null`."""
        return {
            "order_id": self.order_id,
            "file": self.file,
            "line": self.line,
            "possible": [state if state is None else str(state) for state in self.possible],
            "legal": list(map(str, self.legal)),
        }


@attrs.frozen(kw_only=True)
class Report(Judged):
    """What a trace of many orders comes to.

    `orders`: how many were judged. `lines`: how many there are, without headers and empty ones; `account_lines` and
    `bad_lines` are among them. `violations`, and the ids of the orders that are `undecided` or are `holding_quota`
    (see `Judgement`), go by order id.
    """

    orders: int
    lines: int
    account_lines: int
    bad_lines: tuple[BadLine, ...]
    violations: tuple[Violation, ...]
    undecided: tuple[int, ...]
    holding_quota: tuple[int, ...]

    @property
    def conforms(self) -> int:
        """How many orders conform."""
        return self.orders - len(self.violations) - len(self.undecided)

    @property
    def verdict(self) -> Finding:
        """The verdict on all orders together."""
        return Finding.of_all(violating=len(self.violations), undecided=len(self.undecided))

    def __str__(self) -> str:
        """What `orderfsm replay` prints: the first violations, undecided orders and bad lines, then the counts."""
        counts = (
            f"{self.verdict}: {self.orders} orders, {self.conforms} conform, {len(self.violations)} violate the "
            f"table, {len(self.undecided)} are undecided; {self.lines} lines, {len(self.bad_lines)} of them bad"
        )
        undecided = [f"order {order} is undecided: a line of it can be read in two ways" for order in self.undecided]
        bad = [f"bad line: {line}" for line in self.bad_lines]
        return "\n".join(
            [
                *_first(list(map(str, self.violations)), "violations"),
                *_first(undecided, "undecided orders"),
                *_first(bad, "bad lines"),
                counts,
            ]
        )

    def as_json(self) -> dict[str, Any]:
        """The document of `orderfsm replay`."""
        return {
            "verdict": str(self.verdict),
            "orders": self.orders,
            "lines": self.lines,
            "bad_lines": len(self.bad_lines),
            "violations": [violation.as_json() for violation in self.violations],
            "undecided": list(self.undecided),
        }


SHOWN = 20
"""How many violations, undecided orders and bad lines the text of a report names; `as_json` has all."""


def _first(texts: list[str], what: str) -> list[str]:
    more = len(texts) - SHOWN
    return texts[:SHOWN] + ([f"... {more} more {what}"] if more > 0 else [])


def judge(lines: Iterable[Entry], *, events: Events | None = None, lifecycle: Lifecycle = ORDER_LIFECYCLE) -> Judgement:
    """The verdict on the history of one order, whose `lines` may come in any order.

    The renewal that names the order may be among them. `events` says whether all events are; if None, the headers of
    `read` say it, and without those they are partial. Lines of several orders are an `InvalidValue`.

    >>> from orderfsm.trace import Line, judge
    >>> create = Line(time="2026-08-05T06:10:01Z", order_id=7, trigger="CreateCertificateRequest")
    >>> delete = Line(time="2026-08-05T06:10:02Z", order_id=7, trigger="DeleteCertificateRequest")
    >>> judge([create, delete]).verdict  # its review may have failed meanwhile
    <Finding.CONFORMS: 'conforms'>
    >>> judge([create, delete], events="complete")
    Judgement(verdict=<Finding.VIOLATES: 'violates'>, index=1, possible=(<State.PENDING_REVIEW: 'pending_review'>,), ...
    """
    entries = list(_entries(lines))
    trace = _Trace.of(entries, lifecycle)
    history = trace.histories[only_order(entries)] if trace.histories else _History()
    return _judgement(history, trace.automaton(events, late=history.timed))


def replay(lines: Iterable[Entry], *, events: Events | None = None, lifecycle: Lifecycle = ORDER_LIFECYCLE) -> Report:
    """Judge every order of a trace: `lines` as `read` gives them; `events` as for `judge`.

    >>> from orderfsm.trace import loads, replay
    >>> lines = ['{"time": "2026-08-05T06:10:01Z", "order_id": 7, "event": "review_passed"}', "not a line"]
    >>> replay(map(loads, lines)).as_json()
    {'verdict': 'conforms', 'orders': 1, 'lines': 2, 'bad_lines': 1, 'violations': [], 'undecided': []}
    """
    trace = _Trace.of(_entries(lines), lifecycle)
    trace.check_files()
    automata = {late: trace.automaton(events, late=late) for late in (False, True)}
    violations, undecided, holding = [], [], []
    for order, history in sorted(trace.histories.items()):
        found = _judgement(history, automata[history.timed])
        if found.index is not None:
            at = history.moments[found.index]
            violations.append(
                Violation(order, found.index, at.file, at.number, at.reading, found.possible, found.legal)
            )
        elif found.verdict is Finding.UNDECIDED:
            undecided.append(order)
        elif found.holds_quota:
            holding.append(order)
    return Report(
        orders=len(trace.histories),
        lines=trace.lines,
        account_lines=trace.account_lines,
        bad_lines=tuple(trace.bad_lines),
        violations=tuple(violations),
        undecided=tuple(undecided),
        holding_quota=tuple(holding),
    )


def _entries(lines: Iterable[Entry]) -> Iterable[Entry]:
    """`lines`, unless they are what `read` takes, and not what it gives."""
    if isinstance(lines, str | os.PathLike) or hasattr(lines, "read"):
        raise InvalidValue("lines", lines, ["the lines of a file, as orderfsm.trace.read(file) gives them"])
    return lines


def unreadable(file: str, bad: BadLine) -> InvalidValue:
    """The error of a file in which lines stand, none of which can be read; `bad` is the first of them."""
    return InvalidValue("lines of", file, [f"one that can be read; line {bad.line} is none: {bad.reason}"])


class _Moment(NamedTuple):
    """A line in the history of one order: what the judge needs of it."""

    instant: Instant
    reading: Reading
    file: str
    number: int


@attrs.define
class _History:
    """The lines of one order, and whether its calls have intervals."""

    moments: list[_Moment] = attrs.field(factory=list)
    timed: bool = False

    def add(self, line: Line, reading: Reading) -> None:
        self.moments.append(_Moment(line.instant, reading, line.file, line.number))
        if line.started is not None or line.ended is not None:
            self.timed = True


@attrs.define
class _Trace:
    """The lines of a trace, counted and sorted into histories."""

    lifecycle: Lifecycle
    headers: set[Events] = attrs.field(factory=set)
    lines: int = 0
    account_lines: int = 0
    bad_lines: list[BadLine] = attrs.field(factory=list)
    files: set[str] = attrs.field(factory=set)
    """Those of which a line could be read."""
    histories: defaultdict[int, _History] = attrs.field(factory=lambda: defaultdict(_History))
    _readings: dict[tuple[object, ...], Reading | None] = attrs.field(factory=dict)
    """What was said before, by the fields of the line that say it; None: it is of the account."""

    @classmethod
    def of(cls, entries: Iterable[Entry], lifecycle: Lifecycle) -> _Trace:
        trace, meanings = cls(lifecycle), _meanings(lifecycle)
        for entry in entries:
            if isinstance(entry, Line):
                trace._add(entry, meanings)
            elif isinstance(entry, BadLine):
                trace.bad_lines.append(entry)
            elif isinstance(entry, Header):
                trace.headers.add(entry.events)
            else:
                raise InvalidValue("line", entry, ["a Line, a BadLine or a Header, as read gives them"])
        if trace.bad_lines and not trace.lines:
            raise unreadable(trace.bad_lines[0].file, trace.bad_lines[0])
        trace.lines += len(trace.bad_lines)
        return trace

    def check_files(self) -> None:
        """An `InvalidValue` if of one of several files no line could be read."""
        for bad in self.bad_lines:
            if bad.file not in self.files:
                raise unreadable(bad.file, bad)

    def _add(self, line: Line, meanings: Mapping[str, object]) -> None:
        self.lines += 1
        self.files.add(line.file)
        said = line.order_id is None, line.trigger, line.outcome, line.code, line.state
        try:
            reading = self._readings[said]
        except KeyError:
            reading = self._readings[said] = None if line.of_the_account else _reading(line, meanings)
        if line.order_id is None or reading is None:
            self.account_lines += 1
            return
        self.histories[line.order_id].add(line, reading)
        if line.new_order_id is not None and line.begins is not None:
            self.histories[line.begins].add(line, Reading(line.trigger, Answer.BEGUN))

    def automaton(self, events: Events | None, *, late: bool) -> Automaton:
        return automaton(self.lifecycle, all_or_some(events, self.headers), late=late)


def all_or_some(events: Events | None, headers: Collection[Events]) -> Events:
    """`events`, or what the `headers` of a trace say of them."""
    if events is None:
        return Events.COMPLETE if set(headers) == {Events.COMPLETE} else Events.PARTIAL
    return _events(events)


def only_order(entries: Iterable[Entry]) -> int:
    """The order that every line to be judged is about, or names; `InvalidValue` if there are several."""
    lines = [entry for entry in entries if isinstance(entry, Line) and not entry.of_the_account]
    orders = [{order for order in (line.order_id, line.begins) if order is not None} for line in lines]
    shared = set.intersection(*orders)
    if not shared:
        raise InvalidValue("order ids", sorted(set.union(*orders)), ["those of one order; replay takes many"])
    return (shared & {lines[0].order_id} or shared).pop()


def _judgement(history: _History, automaton: Automaton) -> Judgement:
    history.moments.sort(key=attrgetter("instant"))
    return judge_readings([moment.reading for moment in history.moments], automaton)


def judge_readings(history: Sequence[Reading], automaton: Automaton) -> Judgement:
    """The verdict on what one order's lines say of it, in order of time; `automaton` says how to read them.

    Equal histories have equal verdicts: whoever has many orders need judge each distinct history only once.

    >>> from orderfsm.trace import Events, Line, automaton, judge_readings, readings
    >>> delete = Line(time="2026-08-05T06:10:02Z", order_id=7, trigger="DeleteCertificateRequest")
    >>> judge_readings(readings(delete, 7) * 2, automaton(ORDER_LIFECYCLE, Events.PARTIAL, late=False)).index
    1
    """
    named = any(reading.named for reading in history)
    begins = named or any(reading.creates for reading in history[:1])
    possible = automaton.no_order if begins else automaton.anywhere
    for index, reading in enumerate(history):
        after = automaton.step(possible, reading)
        if not after.favour:
            states = automaton.states_before_next(possible.favour)
            return Judgement(Finding.VIOLATES, index, states, automaton.legal(states))
        possible = after
    return judge_end(possible, automaton, named=named)


def judge_end(possible: Possible, automaton: Automaton, *, named: bool) -> Judgement:
    """The verdict on an order all of whose lines some run explains; `named`: a renewal named it."""
    if not possible.strict:
        return Judgement(Finding.UNDECIDED)
    return Judgement(Finding.CONFORMS, holds_quota=not named and automaton.holds_quota(possible.strict))
