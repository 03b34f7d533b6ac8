"""The ruling on each distinct history, by the core's judge.

A history is written in *codes*: twice the number of a line's symbol, plus 1 if the line is *tied* to the one before it,
so that either may have come first. Of a history that has grown too long to be kept, there is a `Summary`: what it does
to where an order may stand, whatever is yet to be learnt of how the order began.
"""

from __future__ import annotations

from collections import Counter
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

import attrs

from orderfsm.paths import shortest
from orderfsm.questions import ORDER_LIFECYCLE
from orderfsm.trace import (
    Answer,
    Automaton,
    Events,
    Finding,
    Judgement,
    Possible,
    Reading,
    automaton,
    judge_end,
    judge_readings,
)

from .ties import Front, Stuck, follow, groups

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from orderfsm.audit.reading.symbols import Symbol
    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import State, Transition, Trigger

LONGEST = 20
"""Longer histories are judged like all others, but not listed; and of them a state keeps only what they do."""

_REFUSED = {Answer.STATE_FORBIDS, Answer.NOT_FOUND}


class Assumption(NamedTuple):
    """How a history is read: whether all events are in it, whether the order began in it, whether calls may be late."""

    events: Events
    begun: bool
    late: bool


ASSUMPTIONS = tuple(Assumption(*each) for each in product(Events, (False, True), (False, True)))


@attrs.frozen(eq=False)
class Summary:
    """What a long history does: where each assumption leads, or where it was stuck.

    `lines`: how long it is; `named`: a renewal began the order, and `without_unit` if that gave it no unit of quota;
    `timed`: some call had an interval; `refused`: by whether all events are in the history, how often each operation
    was refused, and whether that was foreseeable.
    """

    lines: int
    named: bool
    without_unit: bool
    timed: bool
    ways: Mapping[Assumption, Front | Stuck]
    refused: Mapping[Events, Mapping[tuple[Trigger, bool], int]]


_NOTHING = Summary(lines=0, named=False, without_unit=False, timed=False, ways={}, refused={})


@attrs.frozen(eq=False)
class History:
    """The history of an order: a `summary` of what is no longer kept of it, and the `codes` of the rest."""

    codes: tuple[int, ...] = ()
    summary: Summary | None = None

    @property
    def lines(self) -> int:
        """How long it is."""
        return len(self.codes) + (self.summary or _NOTHING).lines

    @property
    def is_long(self) -> bool:
        """Whether it has more than `LONGEST` lines."""
        return self.lines > LONGEST

    def and_then(self, codes: tuple[int, ...]) -> History:
        """The history that goes on with these codes."""
        return History(self.codes + codes, self.summary) if codes else self


@attrs.frozen
class Ruling:
    """The judgement on a history; which of its lines, as they were given, is the violation, and what that line `said`.

    `refused`: of the refusals in it, how many there were of each trigger, and whether the table refuses that wherever
    the lines before may have left the order, so that a check before the call would have saved it. `unseen`: it conforms
    only because events that are not in it may have happened.
    """

    judgement: Judgement
    line: int | None = None
    said: Reading | None = None
    refused: Mapping[tuple[Trigger, bool], int] = attrs.field(factory=dict)
    unseen: bool = False

    @property
    def foreseeable(self) -> int:
        """How many refusals a check before the call would have saved."""
        return sum(times for (_, foreseen), times in self.refused.items() if foreseen)

    @property
    def finding(self) -> Finding:
        """Whether the history conforms, violates the table, or is undecided."""
        return self.judgement.verdict


class Judge:
    """Judges histories, whose codes are of these `symbols`."""

    def __init__(self, symbols: Sequence[Symbol], events: Events, lifecycle: Lifecycle = ORDER_LIFECYCLE) -> None:
        self._events = events
        self.lifecycle = lifecycle
        numbered = [(code, symbols[code // 2 - 1]) for code in range(2, 2 * len(symbols) + 2)]
        self._said = {code: symbol.reading for code, symbol in numbered}
        self._tied = frozenset(filter(is_tied, self._said))
        self._with_interval = frozenset(code for code, symbol in numbered if symbol.timed)
        self._naming = frozenset(code for code, said in self._said.items() if said.named)
        self._refusing = frozenset(code for code, said in self._said.items() if said.answer in _REFUSED)
        self._waiting = {state for state in lifecycle.state_rules if _waits(lifecycle, state)}
        self._taken: dict[tuple[Possible, Reading], tuple[Possible, list[Transition | None]]] = {}
        self._automata = {
            (each, late): automaton(lifecycle, each, late=late) for each in Events for late in (False, True)
        }

    def machine(self, events: Events, *, late: bool) -> Automaton:
        """The core's automaton that leads orders through their lines."""
        return self._automata[events, late]

    def waits(self, ruling: Ruling) -> bool:
        """Whether an order of which that is the ruling can only go on to a certificate by a call of its client's."""
        ends = ruling.judgement.ends
        return bool(ends) and self._waiting.issuperset(ends)

    def readings(self, codes: Sequence[int]) -> list[Reading]:
        """What each line says."""
        return [self._said[code] for code in codes]

    def __call__(self, history: History) -> Ruling:
        """The ruling on a history."""
        whole = None if history.summary is None else self.summary(history)
        found = self._found(history, whole, self._events)
        unseen = False
        if found.finding is Finding.CONFORMS and self._events is Events.PARTIAL:
            unseen = self._found(history, whole, Events.COMPLETE).finding is not Finding.CONFORMS
        refused = self._refused(history) if whole is None else whole.refused[self._events]
        return Ruling(found.judgement, found.line, found.said, refused, unseen)

    def _found(self, history: History, whole: Summary | None, events: Events) -> Ruling:
        """The judgement on a history, or on the `whole` of it, if that is summed up; nothing of its refusals."""
        if whole is not None:
            way = whole.ways[Assumption(events, whole.named, whole.timed)]
            return _end(way, self._automata[events, whole.timed], without_unit=whole.without_unit)
        readings = self.readings(history.codes)
        machine = self._automata[events, self._timed(history)]
        if self._tied.isdisjoint(history.codes):
            judgement = judge_readings(readings, machine)
            at = judgement.index
            return Ruling(judgement, at, None if at is None else readings[at])
        ties, named = _ties(history.codes), not self._naming.isdisjoint(history.codes)
        front = (_start(machine, begun=named or _created(machine, readings, ties)),)
        without_unit = any(map(machine.begins_without_unit, readings))
        return _end(follow(machine, front, readings, ties), machine, without_unit=without_unit)

    def _refused(self, history: History) -> Mapping[tuple[Trigger, bool], int]:
        if self._refusing.isdisjoint(history.codes):
            return {}
        plain = self._automata[self._events, False]
        return _foreseen((plain.anywhere,), self.readings(history.codes), _ties(history.codes), plain)

    def steps(self, codes: Sequence[int], ruling: Ruling) -> Iterator[Transition | None]:
        """The rows of the table that an order took by its lines, up to a violation; None where these do not say which.

        Rows that change nothing are left out.
        """
        machine = self._automata[self._events, False]
        possible = machine.anywhere
        for reading in self.readings(codes)[: ruling.judgement.index]:
            key = possible, reading
            if key not in self._taken:
                self._taken[key] = machine.step(possible, reading), self._rows(possible, reading)
            possible, rows = self._taken[key]
            if rows:
                yield rows[0] if len(rows) == 1 else None

    def _rows(self, possible: Possible, reading: Reading) -> list[Transition | None]:
        """The rows that a line may have taken; None for a step of which the table says nothing."""
        if reading.answer is not Answer.ACCEPTED:
            return []
        states = self._automata[self._events, False].states_before_next(possible.strict)
        silent = any(self.lifecycle.is_silent(state, reading.trigger) for state in states)
        rows = (self.lifecycle.table[state].get(reading.trigger) for state in states)
        return [row for row in rows if row is not None and row.changes] + [None] * silent

    def _timed(self, history: History) -> bool:
        return (history.summary or _NOTHING).timed or not self._with_interval.isdisjoint(history.codes)

    def summary(self, history: History) -> Summary:
        """The summary of a history."""
        readings, ties = self.readings(history.codes), _ties(history.codes)
        earlier = history.summary or _NOTHING
        ways, refused = {}, {}
        plain = self._automata[self._events, False]
        created = history.summary is None and _created(plain, readings, ties)
        for way in ASSUMPTIONS:
            machine = self._automata[way.events, way.late]
            front = earlier.ways.get(way, (_start(machine, begun=way.begun or created),))
            if way[1:] == (False, False):
                counts = Counter(earlier.refused.get(way.events, {}))
                going_on = front.front if isinstance(front, Stuck) else front
                if going_on:
                    counts.update(_foreseen(going_on, readings, ties, machine))
                refused[way.events] = counts
            ways[way] = follow(machine, front, readings, ties, earlier.lines)
        return Summary(
            lines=history.lines,
            named=earlier.named or not self._naming.isdisjoint(history.codes),
            without_unit=earlier.without_unit or any(map(plain.begins_without_unit, readings)),
            timed=self._timed(history),
            ways=ways,
            refused=refused,
        )


def _waits(lifecycle: Lifecycle, state: State | None) -> bool:
    """Whether the way from `state`, of an order without a certificate, to one that has one begins with a call."""
    rules = lifecycle.state_rules
    if state is None or rules[state].certified:
        return False
    way = shortest(lifecycle, state, lambda other: rules[other].certified, events=True, grave=True)
    return way is not None and lifecycle.by_client(way[0].trigger)


def _start(machine: Automaton, *, begun: bool) -> Possible:
    return machine.no_order if begun else machine.anywhere


def _created(machine: Automaton, readings: Sequence[Reading], ties: Sequence[bool]) -> bool:
    """Whether the first line is an accepted create, and none may have come before it."""
    return any(map(machine.creates, readings[:1])) and not any(ties[1:2])


def is_tied(code: int) -> bool:
    """Whether the line that has this code may have come before the one before it."""
    return bool(code % 2)


def _ties(codes: Sequence[int]) -> list[bool]:
    return [is_tied(code) for code in codes]


def _end(way: Front | Stuck, machine: Automaton, *, without_unit: bool) -> Ruling:
    if isinstance(way, Stuck):
        found = Judgement(Finding.VIOLATES, way.index, way.possible, machine.legal(way.possible))
        return Ruling(found, way.line, way.said)
    strict = frozenset().union(*(possible.strict for possible in way))
    favour = frozenset().union(*(possible.favour for possible in way))
    return Ruling(judge_end(machine.possible(strict, favour), machine, named=without_unit))


def _foreseen(
    front: Front, readings: Sequence[Reading], tied: Sequence[bool], machine: Automaton
) -> Counter[tuple[Trigger, bool]]:
    """The refusals among the lines, up to where nothing explains them; those of a group as they were given."""
    found: Counter[tuple[Trigger, bool]] = Counter()
    for begin, end in groups(tied):
        known = front
        for reading in readings[begin:end]:
            if known and reading.answer in _REFUSED:
                states = {state for possible in known for state in machine.states_before_next(possible.favour)}
                rows = (machine.lifecycle.table[state].get(reading.trigger, ...) for state in states)
                found[reading.trigger, all(row is None for row in rows)] += 1
            known = tuple(after for possible in known if (after := machine.step(possible, reading)).favour)
        after_all = known if end == begin + 1 else follow(machine, front, readings[begin:end], tied[begin:end])
        front = after_all.front if isinstance(after_all, Stuck) else after_all
        if not front:
            break
    return found
