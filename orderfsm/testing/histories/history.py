"""Linearizability: whether some order of an order's concurrent calls obeys the table, and the fewest that do not.

Calls that overlap may have happened in either order; a call that ended before another one began happened before it. A
history is *linearizable* if there is an order of the calls that keeps to this, and in which a run of the table explains
every answer. What explains an answer is said in `orderfsm.trace`; so

* events that are not in the history may happen between any two calls, unless it is said to be complete;
* a call whose outcome is unknown happens at any time after its start, or never;
* a read that may mean several states may have been any of them.

To decide it can take exponential time. The search (`search.py`) takes little of it where few calls overlap at a time,
and gives up when its budget is used up.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import attrs

from orderfsm.invalid import InvalidValue
from orderfsm.questions import ORDER_LIFECYCLE
from orderfsm.trace import (
    Events,
    Finding,
    Header,
    Judged,
    Line,
    all_or_some,
    automaton,
    only_order,
    only_table,
    readings,
)

from .intervals import by_end, drawn, has_interval, told
from .search import Candidate, Search

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from orderfsm.identity import Id
    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import State, Trigger
    from orderfsm.trace import Automaton, Entry

ENOUGH = 6
"""A smallest history has no more calls than that, if it need not; with fewer it would not show how it came to that."""


@attrs.frozen
class HistoryCheck(Judged):
    """Whether the history of an order is linearizable, and why not.

    `calls` are the lines that were checked, in the order in which they ended; `initial` are the states in which the
    order may have been before them. If they violate the table, `index` is the place of the first of them that no order
    explains: up to the end of the call before it the history is linearizable, up to its own it is not. `possible` are
    the states in which the order may be just before it, unseen events counted in (None: no order), and `legal` the
    triggers that the table allows in one of them.

    It is UNDECIDED if only vague lines read in the order's favour explain it, or if the search ran `out_of_time`.
    """

    order_id: Id
    verdict: Finding
    calls: tuple[Line, ...] = attrs.field(repr=False)
    initial: tuple[State | None, ...]
    index: int | None = None
    possible: tuple[State | None, ...] = ()
    legal: tuple[Trigger, ...] = ()
    out_of_time: bool = False
    lifecycle: Lifecycle = attrs.field(default=ORDER_LIFECYCLE, repr=False)

    @property
    def culprit(self) -> Line | None:
        """The call that no order explains."""
        return None if self.index is None else self.calls[self.index]

    def __str__(self) -> str:
        """One sentence."""
        noun, made = self.lifecycle.noun, f"its {len(self.calls)} calls"
        named = f"{noun} {self.order_id}"
        if self.culprit is not None:
            who = "" if self.culprit.client is None else f" that client {self.culprit.client} got"
            culprit = told(self.culprit, self.lifecycle)
            return f"{named} violates the table: no order of the calls explains{who} {culprit}"
        if self.out_of_time:
            return f"{named} is undecided: {made} were too many for the time given"
        if self.verdict is Finding.UNDECIDED:
            return f"{named} is undecided: a line of it can be read in two ways"
        return f"{named} conforms: {len(self.calls)} calls"

    def _repr_html_(self) -> str:  # as IPython calls it
        from .shown import of_history

        return of_history(self)

    def picture(self) -> str:
        """The calls, a lane for each client, and what could have been where the culprit is.

        That of the `smallest_history` is easier to read.
        """
        lanes = drawn(by_end(self.calls), self.culprit, self.lifecycle)
        if self.culprit is None:
            return f"{self}\n{lanes}"
        anywhere = None in self.initial and len(self.initial) > 1
        any_or_none = f"any, or {self.lifecycle.name_of(None)}"
        return (
            f"{self}\n"
            f"state before these calls: {any_or_none if anywhere else self._listed(self.initial)}\n"
            f"{lanes}\n"
            f"state just before the call drawn with `=`: {self._listed(self.possible)}\n"
            f"allowed there: {', '.join(self.legal)}"
        )

    def _listed(self, states: Iterable[State | None]) -> str:
        return " or ".join(map(self.lifecycle.name_of, states))


def check_history(
    calls: Iterable[Entry],
    *,
    lifecycle: Lifecycle | None = None,
    initial: Collection[State | None] | None = None,
    events: Events | None = None,
    budget: float = 10.0,
) -> HistoryCheck:
    """Whether the history of one order is linearizable; `calls` are trace lines, in any order.

    They are judged by the table that they are of, or by `lifecycle`, a variant of it.

    `initial` are the states in which the order may begin; if None, it begins as a trace's order does: as no order if
    the first line is an accepted create or if a renewal names it, else anywhere. `events` says whether all events are
    among the lines; if None, the headers among them do, and without those they are partial. After `budget` seconds it
    is UNDECIDED. `InvalidValue` for lines of several orders, intervals that are none, states that are none.

    Without intervals, lines happen one after the other, and the verdict is that of `orderfsm.trace.judge`.

    >>> from orderfsm.trace import Line
    >>> from orderfsm.testing import check_history
    >>> def call(client, operation, started, ended, **answer):
    ...     return Line(time="2026-08-05T06:10:01Z", order_id=7, trigger=operation, client=client, started=started,
    ...                 ended=ended, **answer)
    >>> delete = "DeleteCertificateRequest"
    >>> check_history([call(1, delete, 0, 3), call(2, delete, 1, 5, outcome="unknown")]).verdict
    <Finding.CONFORMS: 'conforms'>
    >>> print(check_history([call(1, delete, 0, 3), call(2, delete, 1, 5)], initial=["verify_fail"]).picture())
    order 7 violates the table: no order of the calls explains that client 2 got delete: accepted
    state before these calls: verify_fail
    client 1  |-delete: accepted-|
    client 2   |=delete: accepted=|
    state just before the call drawn with `=`: deleted
    allowed there: ListUserCertificateOrder, DescribePackageState
    """
    if not 0 < budget < math.inf:
        raise InvalidValue("budget", budget, ["seconds, more than 0"])
    entries = list(calls)
    lines = [entry for entry in entries if isinstance(entry, Line) and not entry.of_the_account]
    if not lines:
        raise InvalidValue("history", entries, ["lines of one order"])
    all_events = all_or_some(events, {entry.events for entry in entries if isinstance(entry, Header)})
    lifecycle = only_table(lines, lifecycle)
    history = HistoryJudge(only_order(lines, lifecycle), lifecycle, all_events)
    return history.checked(lines, None if initial is None else lifecycle.members(initial), time.monotonic() + budget)


@attrs.frozen
class HistoryJudge:
    """The checks of one order's lines, or of a part of them."""

    order_id: Id
    lifecycle: Lifecycle
    events: Events

    def checked(
        self, lines: Collection[Line], initial: Collection[State | None] | None, deadline: float
    ) -> HistoryCheck:
        """Whether `lines` are linearizable from one of the `initial` states; None: from where traces begin."""
        candidates, machine = self.prepared(lines)
        initial = self._beginning(candidates, machine) if initial is None else initial
        start = machine.at(initial)
        verdict, reached = Finding.VIOLATES, Search(candidates, machine, favour=True).reached(start, deadline)
        if reached.culprit is None:
            verdict = Finding.CONFORMS
            if any(reading.vague for each in candidates for reading in each.readings):
                reached = Search(candidates, machine, favour=False).reached(start, deadline)
                verdict = Finding.UNDECIDED if reached.culprit else Finding.CONFORMS
        calls = tuple(each.call.line for each in candidates)
        ordered = tuple(state for state in self.lifecycle.state_rules if state in initial)
        found = HistoryCheck(self.order_id, verdict, calls, ordered, lifecycle=self.lifecycle)
        if reached.out_of_time:
            return attrs.evolve(found, verdict=Finding.UNDECIDED, out_of_time=True)
        if verdict is not Finding.VIOLATES:
            return found
        index = next(index for index, candidate in enumerate(candidates) if candidate is reached.culprit)
        states = machine.states_before_next(reached.runs)
        return attrs.evolve(found, index=index, possible=states, legal=machine.legal(states))

    def moves(self, line: Line) -> bool:
        """Whether a line may be a change of the order."""
        machine = automaton(self.lifecycle, self.events, late=False)
        return any(map(machine.moves, readings(line, self.order_id, self.lifecycle)))

    def prepared(self, lines: Collection[Line]) -> tuple[list[Candidate], Automaton]:
        """The calls that `lines` are, by their ends, and the automaton that judges them."""
        candidates = [
            Candidate(call, tuple(readings(call.line, self.order_id, self.lifecycle))) for call in by_end(lines)
        ]
        candidates = [each for each in candidates if each.readings]
        unknown = any(reading.may_come_late(favour=True) for each in candidates for reading in each.readings)
        return candidates, automaton(self.lifecycle, self.events, late=unknown and any(map(has_interval, lines)))

    def _beginning(self, candidates: Sequence[Candidate], machine: Automaton) -> Collection[State | None]:
        said = [reading for each in candidates for reading in each.readings]
        created = any(map(machine.creates, said[:1]))
        return [None] if created or any(reading.named for reading in said) else list(self.lifecycle.state_rules)


def smallest_history(
    found: HistoryCheck,
    *,
    lifecycle: Lifecycle | None = None,
    events: Events = Events.PARTIAL,
    budget: float = 10.0,
) -> HistoryCheck:
    """A few calls of a history that violates the table which still do; `events` as it was checked.

    What came before a moment at which no call was under way is replaced by the states to which it led: before the
    earliest such moment since which 6 calls are enough. Each call that changes nothing is left out if the others
    violate the table without it. A history that does not violate the table is given back as it is.
    """
    if found.culprit is None:
        return found
    history = HistoryJudge(found.order_id, lifecycle or found.lifecycle, all_or_some(events, ()))
    return _Shrinking(history, found, time.monotonic() + budget).smallest()


class _Shrinking:
    """One history, up to the end of its culprit, and the calls of it that were not lost."""

    def __init__(self, history: HistoryJudge, found: HistoryCheck, deadline: float) -> None:
        calls = by_end(found.calls)
        end = next(call.end for call in calls if call.line is found.culprit)
        candidates, self._automaton = history.prepared([call.line for call in calls if call.start < end])
        self._lost = [each for each in candidates if each.may_come_late(self._automaton, favour=True)]
        self._answered = [each for each in candidates if not each.may_come_late(self._automaton, favour=True)]
        self._history = history
        self._found = found
        self._deadline = deadline

    def smallest(self) -> HistoryCheck:
        """Go back from pause to pause while few calls are enough."""
        best: HistoryCheck | None = None
        lost = [each.call.line for each in self._lost]
        kept: list[Line] = []
        until = len(self._answered)
        for at in (*_pauses(self._answered), 0):
            lines = [each.call.line for each in self._answered[at:until]]
            if at and best is not None and not any(map(self._history.moves, lines)):
                continue  # nothing but reads since: they can do without
            shown = self._without_reads(self._checked([*lines, *kept, *lost], self._states(at)))
            if best is not None and (shown.verdict is not Finding.VIOLATES or len(shown.calls) > ENOUGH):
                break
            kept, until = [line for line in shown.calls if line not in lost], at
            best = shown if shown.verdict is Finding.VIOLATES else None
        return self._found if best is None else best

    def _states(self, at: int) -> set[State | None]:
        """Where the order may be after the first `at` calls, and the lost ones from before their end."""
        if not at:
            return set(self._found.initial)
        end = self._answered[at - 1].call.end
        lost = [each for each in self._lost if each.call.start < end]
        before = sorted([*self._answered[:at], *lost], key=lambda each: each.call.end)
        search = Search(before, self._automaton, favour=True)
        return {run.state for run in search.reached(self._automaton.at(self._found.initial), self._deadline).runs}

    def _checked(self, lines: Sequence[Line], initial: set[State | None]) -> HistoryCheck:
        return self._history.checked(lines, initial, self._deadline)

    def _without_reads(self, found: HistoryCheck) -> HistoryCheck:
        """Without each call that changes nothing and is not needed."""
        for line in found.calls:
            if not self._history.moves(line):
                others = [other for other in found.calls if other is not line]
                fewer = self._checked(others, set(found.initial))
                found = fewer if fewer.verdict is Finding.VIOLATES else found
        return found


def _pauses(candidates: Sequence[Candidate]) -> Iterator[int]:
    """How many calls, which come by their ends, had ended when none was under way, the latest pause first."""
    earliest = (math.inf, 0, 0)
    for at in range(len(candidates) - 1, 0, -1):
        earliest = min(earliest, candidates[at].call.start)
        if candidates[at - 1].call.end < earliest:
            yield at
