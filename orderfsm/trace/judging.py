"""The judge: histories held against the table, of one order or of all in a trace."""

from __future__ import annotations

import os
from collections import defaultdict
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

import attrs

from orderfsm.invalid import InvalidValue
from orderfsm.questions import ORDER_LIFECYCLE

from .automata import Automaton, Possible, automaton
from .lines import BadLine, Entry, Events, Header, Instant, Line, Roles, all_or_some, roles_of, unreadable
from .reading import Answer, Reading, reading_of
from .verdicts import Finding, Judgement, Report, Violation

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from orderfsm.identity import Id
    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import Trigger


def judge(lines: Iterable[Entry], *, events: Events | None = None, lifecycle: Lifecycle = ORDER_LIFECYCLE) -> Judgement:
    """The verdict on the history of one order, whose `lines` may come in any order.

    The renewal that names the order may be among them. `events` says whether all events are; if None, the headers of
    `read` say it, and without those they are partial. Lines of several orders, or of another table than `lifecycle`,
    are an `InvalidValue`.

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
    history = trace.histories[only_order(entries, lifecycle)] if trace.histories else _History()
    return trace.judgement(history, trace.automaton(events, late=history.timed))


def replay(lines: Iterable[Entry], *, events: Events | None = None, lifecycle: Lifecycle = ORDER_LIFECYCLE) -> Report:
    """Judge every order of a trace: `lines` as `read` gives them; `events` and `lifecycle` as for `judge`.

    >>> from orderfsm.trace import loads, replay
    >>> lines = ['{"time": "2026-08-05T06:10:01Z", "order_id": 7, "event": "review_passed"}', "not a line"]
    >>> replay(map(loads, lines)).as_json()
    {'table': 'orders', 'verdict': 'conforms', 'orders': 1, 'lines': 2, 'bad_lines': 1, 'violations': [], ...
    """
    trace = _Trace.of(_entries(lines), lifecycle)
    trace.check_files()
    automata = {late: trace.automaton(events, late=late) for late in (False, True)}
    violations, undecided, holding = [], [], []
    for order, history in sorted(trace.histories.items()):
        found = trace.judgement(history, automata[history.timed])
        if found.index is not None:
            at = history.moments[found.index]
            violations.append(
                Violation(order, found.index, at.file, at.number, at.reading, found.possible, found.legal, lifecycle)
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
        lifecycle=lifecycle,
    )


def _entries(lines: Iterable[Entry]) -> Iterable[Entry]:
    """`lines`, unless they are what `read` takes, and not what it gives."""
    if isinstance(lines, str | os.PathLike) or hasattr(lines, "read"):
        raise InvalidValue("lines", lines, ["the lines of a file, as orderfsm.trace.read(file) gives them"])
    return lines


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
    histories: defaultdict[Id, _History] = attrs.field(factory=lambda: defaultdict(_History))
    creates: frozenset[Trigger] = frozenset()
    """The creates of the table, and those of the lines' own, of which it may be a variant."""
    _own: Lifecycle | None = None
    """The table of the line before."""
    _roles: Roles = attrs.field(init=False)
    _said: dict[Lifecycle, dict[tuple[object, ...], Reading | None]] = attrs.field(factory=dict)
    _readings: dict[tuple[object, ...], Reading | None] = attrs.field(init=False)
    """What was said before, by the fields of the line that say it; None: it is of the account."""

    @classmethod
    def of(cls, entries: Iterable[Entry], lifecycle: Lifecycle) -> _Trace:
        trace = cls(lifecycle)
        for entry in entries:
            if isinstance(entry, Line):
                trace._add(entry)
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

    def _add(self, line: Line) -> None:
        if line.lifecycle is not self._own:
            self._turn_to(line)
        self.lines += 1
        self.files.add(line.file)
        said = line.order_id is None, line.trigger, line.outcome, line.code, line.state
        try:
            reading = self._readings[said]
        except KeyError:
            reading = self._readings[said] = (
                None if self._roles.of_the_account(line) else reading_of(line, self.lifecycle)
            )
        if line.order_id is None or reading is None:
            self.account_lines += 1
            return
        self.histories[line.order_id].add(line, reading)
        if line.new_order_id is not None and (begun := self._roles.begins(line)) is not None:
            self.histories[begun].add(line, Reading(line.trigger, Answer.BEGUN))

    def _turn_to(self, line: Line) -> None:
        """Take up the table of `line`; `InvalidValue` if it has nothing to do with that of the trace."""
        self._own, self._roles = line.lifecycle, roles_of(line, self.lifecycle)
        self._readings = self._said.setdefault(line.lifecycle, {})
        self.creates |= self._roles.creates

    def judgement(self, history: _History, automaton: Automaton) -> Judgement:
        history.moments.sort(key=attrgetter("instant"))
        return judge_readings([moment.reading for moment in history.moments], automaton, self.creates)

    def automaton(self, events: Events | None, *, late: bool) -> Automaton:
        return automaton(self.lifecycle, all_or_some(events, self.headers), late=late)


def only_order(entries: Iterable[Entry], lifecycle: Lifecycle = ORDER_LIFECYCLE) -> Id:
    """The order that every line to be judged is about, or names; `InvalidValue` if there are several."""
    orders = [
        [order for order in (entry.order_id, roles.begins(entry)) if order is not None]
        for entry in entries
        if isinstance(entry, Line) and not (roles := roles_of(entry, lifecycle)).of_the_account(entry)
    ]
    shared = set(orders[0]).intersection(*orders)
    if not shared:
        ids = sorted(set().union(*orders))
        raise InvalidValue(f"{lifecycle.identity.words}s", ids, [f"those of one {lifecycle.noun}; replay takes many"])
    return next(order for order in orders[0] if order in shared)


def judge_readings(
    history: Sequence[Reading], automaton: Automaton, creates: Collection[Trigger] = frozenset()
) -> Judgement:
    """The verdict on what one order's lines say of it, in order of time; `automaton` says how to read them.

    `creates`: by what an order begins, besides the creates of the automaton's table.

    Equal histories have equal verdicts: whoever has many orders need judge each distinct history only once.

    >>> from orderfsm.trace import Events, Line, automaton, judge_readings, readings
    >>> delete = Line(time="2026-08-05T06:10:02Z", order_id=7, trigger="DeleteCertificateRequest")
    >>> judge_readings(readings(delete, 7) * 2, automaton(ORDER_LIFECYCLE, Events.PARTIAL, late=False)).index
    1
    """
    named = any(reading.named for reading in history)
    created = any(
        automaton.creates(reading) or (reading.answer is Answer.ACCEPTED and reading.trigger in creates)
        for reading in history[:1]
    )
    possible = automaton.no_order if named or created else automaton.anywhere
    for index, reading in enumerate(history):
        after = automaton.step(possible, reading)
        if not after.favour:
            states = automaton.states_before_next(possible.favour)
            legal = automaton.legal(states)
            return Judgement(Finding.VIOLATES, index, states, legal, lifecycle=automaton.lifecycle)
        possible = after
    return judge_end(possible, automaton, named=named and any(map(automaton.begins_without_unit, history)))


def judge_end(possible: Possible, automaton: Automaton, *, named: bool) -> Judgement:
    """The verdict on an order all of whose lines some run explains; `named`: it began without a unit of quota."""
    if not possible.strict:
        return Judgement(Finding.UNDECIDED, lifecycle=automaton.lifecycle)
    holds = not named and automaton.holds_quota(possible.strict)
    return Judgement(Finding.CONFORMS, holds_quota=holds, lifecycle=automaton.lifecycle)
