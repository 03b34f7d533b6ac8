"""The judge: histories held against the table, of one order or of all in a trace."""

from __future__ import annotations

import os
from collections import defaultdict
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import attrs

from orderfsm.invalid import InvalidValue
from orderfsm.questions import ORDER_LIFECYCLE

from .automata import Automaton, Possible, automaton, explain
from .lines import BadLine, Entry, Events, Header, Instant, Line, all_or_some, roles_of, unreadable
from .reading import Answer, Reading, reading_of
from .tables import tables_of
from .verdicts import Finding, Judgement, Report, Violation

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from orderfsm.identity import Id
    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import Trigger


def judge(lines: Iterable[Entry], *, events: Events | None = None, lifecycle: Lifecycle | None = None) -> Judgement:
    """The verdict on the history of one order, whose `lines` may come in any order, by the table that they are of.

    The renewal that names the order may be among them. `events` says whether all events are; if None, the headers of
    `read` say it, and without those they are partial. Lines of several orders, or of another table than `lifecycle` if
    that is given, are an `InvalidValue`.

    >>> from orderfsm.trace import Line, judge
    >>> create = Line(time="2026-08-05T06:10:01Z", order_id=7, trigger="CreateCertificateRequest")
    >>> delete = Line(time="2026-08-05T06:10:02Z", order_id=7, trigger="DeleteCertificateRequest")
    >>> judge([create, delete]).verdict  # its review may have failed meanwhile
    <Finding.CONFORMS: 'conforms'>
    >>> judge([create, delete], events="complete")
    Judgement(verdict=<Finding.VIOLATES: 'violates'>, index=1, possible=(<State.PENDING_REVIEW: 'pending_review'>,), ...
    """
    entries = list(_entries(lines))
    lifecycle = only_table(entries, lifecycle)
    trace = _Trace.of(entries, lifecycle)
    table = trace.tables[0]
    history = table.histories[only_order(entries, lifecycle)] if table.histories else _History()
    return table.judgement(history, table.automata(trace.events(events)))


def replay(lines: Iterable[Entry], *, events: Events | None = None, lifecycle: Lifecycle | None = None) -> Report:
    """Judge every order of a trace, each by the table that its lines are of: `lines` as `read` gives them.

    With `lifecycle` only the lines of that table are judged, and the others counted; if all are others, it is an
    `InvalidValue`. `events` as for `judge`.

    >>> from orderfsm.trace import loads, replay
    >>> lines = ['{"time": "2026-08-05T06:10:01Z", "order_id": 7, "event": "review_passed"}', "not a line"]
    >>> replay(map(loads, lines)).as_json()
    {'table': 'orders', 'verdict': 'conforms', 'orders': 1, 'lines': 2, 'bad_lines': 1, 'violations': [], ...
    """
    trace = _Trace.of(_entries(lines), lifecycle)
    trace.check_files()
    all_events = trace.events(events)
    parts = [table.report(all_events) for table in trace.tables if table.histories] or [_Table(trace.first).report()]
    counts: dict[str, Any] = {
        "lines": trace.lines,
        "account_lines": trace.account_lines,
        "other_lines": trace.other_lines,
        "bad_lines": tuple(trace.bad_lines),
    }
    if len(parts) == 1:
        return attrs.evolve(parts[0], **counts)
    return Report(
        orders=sum(part.orders for part in parts),
        violations=tuple(violation for part in parts for violation in part.violations),
        undecided=tuple(order for part in parts for order in part.undecided),
        holding_quota=tuple(order for part in parts for order in part.holding_quota),
        lifecycle=parts[0].lifecycle,
        parts=tuple(parts),
        **counts,
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


class _Table:
    """The lines that one table judges, sorted into histories."""

    def __init__(self, lifecycle: Lifecycle) -> None:
        self.lifecycle = lifecycle
        self.histories: defaultdict[Id, _History] = defaultdict(_History)
        self.creates: frozenset[Trigger] = frozenset()
        """The creates of the table, and those of the lines' own, of which it may be a variant."""

    def automata(self, events: Events) -> dict[bool, Automaton]:
        """What leads orders through their lines: by whether calls have intervals, so that they may happen late."""
        return {late: automaton(self.lifecycle, events, late=late) for late in (False, True)}

    def judgement(self, history: _History, automata: Mapping[bool, Automaton]) -> Judgement:
        history.moments.sort(key=attrgetter("instant"))
        readings = [moment.reading for moment in history.moments]
        return judge_readings(readings, automata[history.timed], self.creates)

    def report(self, events: Events = Events.PARTIAL) -> Report:
        """What its orders come to."""
        violations, undecided, holding = [], [], []
        automata = self.automata(events)
        for order, history in sorted(self.histories.items()):
            found = self.judgement(history, automata)
            if found.index is not None:
                at = history.moments[found.index]
                seen = (order, found.index, at.file, at.number, at.reading)
                violations.append(Violation(*seen, found.possible, found.legal, self.lifecycle))
            elif found.verdict is Finding.UNDECIDED:
                undecided.append(order)
            elif found.holds_quota:
                holding.append(order)
        return Report(
            orders=len(self.histories),
            lines=0,
            account_lines=0,
            bad_lines=(),
            violations=tuple(violations),
            undecided=tuple(undecided),
            holding_quota=tuple(holding),
            lifecycle=self.lifecycle,
        )


class _Kind:
    """The lines whose own table is `own`: what they say to the table that judges them, and of whom."""

    def __init__(self, own: Lifecycle, line: Line, table: _Table) -> None:
        self.own, self.table, self.roles = own, table, roles_of(line, table.lifecycle)
        self.readings: dict[tuple[object, ...], Reading | None] = {}
        """What was said before, by the fields of the line that say it; None: it is of the account."""
        table.creates |= self.roles.creates


class _Trace:
    """The lines of a trace, counted, and sorted by the tables that judge them: by `lifecycle` alone, if it is given."""

    def __init__(self, lifecycle: Lifecycle | None) -> None:
        known = tables_of(lifecycle)
        self.first = known.first
        self.headers: set[Events] = set()
        self.lines = self.account_lines = self.other_lines = 0
        self.bad_lines: list[BadLine] = []
        self.files: set[str] = set()
        """Those of which a line could be read."""
        self._only = lifecycle
        self._tables = {table.identity.key: _Table(table) for table in known.judged}
        self._kinds: dict[int, _Kind | None] = {}
        self._own: Lifecycle | None = None
        """The table of the line before."""
        self._kind: _Kind | None = None

    @classmethod
    def of(cls, entries: Iterable[Entry], lifecycle: Lifecycle | None) -> _Trace:
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
        if trace.lines and trace.lines == trace.other_lines:
            others = ", ".join(sorted(trace.files))
            raise InvalidValue("lines of", others, [f"one of {trace.first.name}: they are all of other tables"])
        trace.lines += len(trace.bad_lines)
        return trace

    @property
    def tables(self) -> list[_Table]:
        """The tables by which lines are judged."""
        return list(self._tables.values())

    def check_files(self) -> None:
        """An `InvalidValue` if of one of several files no line could be read."""
        for bad in self.bad_lines:
            if bad.file not in self.files:
                raise unreadable(bad.file, bad)

    def events(self, events: Events | None) -> Events:
        """Whether all events are in the trace: as `events` says, or the headers."""
        return all_or_some(events, self.headers)

    def _add(self, line: Line) -> None:
        if line.lifecycle is not self._own:
            self._turn_to(line)
        self.lines += 1
        self.files.add(line.file)
        kind = self._kind
        if kind is None:
            self.other_lines += 1
            return
        said = line.order_id is None, line.trigger, line.outcome, line.code, line.state, line.certificate_state
        try:
            reading = kind.readings[said]
        except KeyError:
            reading = kind.readings[said] = (
                None if kind.roles.of_the_account(line) else reading_of(line, kind.table.lifecycle)
            )
        if line.order_id is None or reading is None:
            self.account_lines += 1
            return
        kind.table.histories[line.order_id].add(line, reading)
        if line.new_order_id is not None and (begun := kind.roles.begins(line)) is not None:
            kind.table.histories[begun].add(line, Reading(line.trigger, Answer.BEGUN))

    def _turn_to(self, line: Line) -> None:
        """Take up the table of `line`, and the one that judges it; none if that is not to be done."""
        self._own = own = line.lifecycle
        if id(own) not in self._kinds:
            table = self._tables.get(own.identity.key)
            if table is None and self._only is None:
                table = self._tables[own.identity.key] = _Table(own)
            self._kinds[id(own)] = None if table is None else _Kind(own, line, table)
        self._kind = self._kinds[id(own)]


def only_table(entries: Iterable[Entry], lifecycle: Lifecycle | None) -> Lifecycle:
    """`lifecycle`, or if that is None the table by which the lines are judged; `InvalidValue` if they are of others."""
    kinds = {id(entry.lifecycle): entry for entry in entries if isinstance(entry, Line)}.values()
    if lifecycle is not None:
        for line in kinds:
            roles_of(line, lifecycle)
        return lifecycle
    own = {line.lifecycle.identity.key: line.lifecycle for line in kinds}
    if len(own) > 1:
        raise InvalidValue("tables of the lines", [table.name for table in own.values()], ["one; replay takes many"])
    built_in = {table.identity.key: table for table in tables_of(None).judged}
    return next((built_in.get(key, table) for key, table in own.items()), ORDER_LIFECYCLE)


def only_order(entries: Iterable[Entry], lifecycle: Lifecycle | None = None) -> Id:
    """The order that every line to be judged is about, or names; `InvalidValue` if there are several."""
    entries = list(entries)
    lifecycle = only_table(entries, lifecycle)
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
    unexplained: tuple[int, Possible] | None = None
    """The line since which no run explains all, and what was possible before it."""
    for index, reading in enumerate(history):
        after = possible.after.get(reading) or automaton.step(possible, reading)
        if after.explained:
            unexplained = None
        elif unexplained is None:
            unexplained = index, possible
        if not after.favour:
            break
        possible = after
    if unexplained is not None:
        index, possible = unexplained
        states = automaton.states_before_next(possible.favour)
        return Judgement(Finding.VIOLATES, index, states, automaton.legal(states), lifecycle=automaton.lifecycle)
    return judge_end(possible, automaton, named=named and any(map(automaton.begins_without_unit, history)))


def judge_end(possible: Possible, automaton: Automaton, *, named: bool) -> Judgement:
    """The verdict on an order all of whose lines some run explains; `named`: it began without a unit of quota."""
    if not explain(possible.strict):
        return Judgement(Finding.UNDECIDED, lifecycle=automaton.lifecycle)
    holds = not named and automaton.holds_quota(possible.strict)
    ends = automaton.states(possible.strict)
    return Judgement(Finding.CONFORMS, holds_quota=holds, lifecycle=automaton.lifecycle, ends=ends)
