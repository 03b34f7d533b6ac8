"""Where an order may stand after some of its lines.

What can be known of an order after some of its lines is two sets of runs, one for each way of reading: a `Possible`.
An `Automaton` leads from one to the next. It asks the table the first time and remembers, so that nearly every line
costs one lookup.
"""

from __future__ import annotations

from collections import defaultdict
from functools import lru_cache
from operator import ge, mul
from typing import TYPE_CHECKING, NamedTuple

import attrs

from orderfsm.errors import Meaning

from .lines import Events, events_of
from .reading import IN_FAVOUR, STRICTLY, Answer, Reading, words_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import State, Transition, Trigger

_NOTHING: frozenset[Trigger] = frozenset()
_CHANGE_NOTHING = {Answer.STATE_FORBIDS, Answer.NOT_FOUND, Answer.NOT_CARRIED_OUT, Answer.TURNED_AWAY}


class Run(NamedTuple):
    """Where a run has come to: the order's `state`, and how many `lost` calls of each trigger may yet happen.

    `since`: what has happened to the order that lets the service refuse more, or that may yet be told. `owed`:
    something happened that does not happen unseen, and no read has shown it yet; so the run explains nothing until one
    does.
    """

    state: State | None
    lost: tuple[int, ...] = ()
    since: frozenset[Trigger] = frozenset()
    owed: bool = False


@attrs.frozen(eq=False)
class Possible:
    """The runs that explain an order's lines so far, read strictly and in its favour; `after` are those that follow."""

    strict: frozenset[Run]
    favour: frozenset[Run]
    after: dict[Reading, Possible] = attrs.field(factory=dict, repr=False)
    explained: bool = attrs.field(init=False, repr=False)
    """Whether one of the runs in its favour is enough, whatever comes."""

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "explained", explain(self.favour))


class _Way(NamedTuple):
    """A way of reading vague lines: the plain `answers` that a vague one stands for; what an `unknown` word means."""

    answers: Mapping[Answer, tuple[Answer, ...]]
    unknown: frozenset[State | None]


class Automaton:
    """Leads an order through its lines by the table of `lifecycle`: from `anywhere`, or from `no_order`.

    With PARTIAL `events` others may act unseen before any line; what does not happen unseen may have happened if the
    next that changes the order, or shows its state, is a read that shows it. If `late`, a call whose answer was lost
    may also happen later.
    """

    def __init__(self, lifecycle: Lifecycle, events: Events, *, late: bool = False) -> None:
        others = lifecycle.events if events_of(events) is Events.PARTIAL else ()
        rows = lifecycle.transitions
        self.lifecycle = lifecycle
        self.late = late
        self._seen = {trigger for trigger in others if lifecycle.trigger_rules[trigger].seen}
        self._remembered = frozenset(trigger for row in rows for trigger in row.optional_after)
        self._early = frozenset(trigger for row in rows for trigger in row.at_once) - self._remembered
        self._reads = lifecycle.reads | lifecycle.account_reads
        self._unseen = {state: self._acted(state, others) for state in lifecycle.state_rules}
        self._states = frozenset(lifecycle.state_rules) - {None}
        silent = {trigger for silence in lifecycle.silences for trigger in silence.triggers}
        self._moving = silent | self._remembered | {row.trigger for row in rows if row.target != row.source}
        self._holding = {row.source for row in rows if row.gives_back(age=None)}
        self._without_unit = {row.trigger for row in rows if row.creates is not None and not row.holds}
        self._words = words_of(lifecycle)
        closed = {vocabulary.closed for vocabulary in lifecycle.vocabularies} == {True}
        self._strictly = _Way(STRICTLY, frozenset())
        self._in_favour = _Way(IN_FAVOUR, frozenset() if closed else self._states)
        self._known: dict[tuple[frozenset[Run], frozenset[Run]], Possible] = {}
        self._closed: dict[frozenset[Run], list[Run]] = {}
        self._ends: dict[frozenset[Run], tuple[State | None, ...]] = {}
        self._may_be_lost = [rule.trigger for rule in lifecycle.triggers if late and rule.trigger in self._moving]
        self._of_use = {state: self._late_triggers(state) for state in lifecycle.state_rules}
        self.no_order = self.at([None])
        self.anywhere = self.at(lifecycle.state_rules)

    def at(self, states: Iterable[State | None]) -> Possible:
        """Runs that begin in `states`; of an order that exists nobody knows what has happened to it."""
        none_lost = (0,) * len(self._may_be_lost)
        runs = [Run(state, none_lost, self._remembered if state is not None else frozenset()) for state in states]
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
            self.lifecycle.trigger(reading.trigger)
            strict = favour = self._after(possible.favour, reading, self._in_favour)
            if reading.vague or possible.strict != possible.favour:
                strict = self._after(possible.strict, reading, self._strictly)
            after = possible.after[reading] = self.possible(strict, favour)
        return after

    def moves(self, reading: Reading) -> bool:
        """Whether the order may be in another state after `reading` than before it, unseen events aside."""
        if reading.named or (self._seen and reading.word is not None and reading.trigger in self._reads):
            return True
        return reading.trigger in self._moving and reading.answer not in _CHANGE_NOTHING

    def states(self, runs: frozenset[Run]) -> tuple[State | None, ...]:
        """The states, in table order, in which those of `runs` stand that explain all lines."""
        if runs not in self._ends:
            found = {run.state for run in runs if not run.owed}
            self._ends[runs] = tuple(state for state in self._unseen if state in found)
        return self._ends[runs]

    def states_before_next(self, runs: Iterable[Run]) -> tuple[State | None, ...]:
        """The states, in table order, in which `runs` may stand just before the next line, whatever that is."""
        coming = self._before_next(frozenset(runs))
        states = {run.state for run in coming if not run.owed} or {run.state for run in coming}
        return tuple(state for state in self._unseen if state in states)

    def legal(self, states: Iterable[State | None]) -> tuple[Trigger, ...]:
        """The triggers that the table allows in one of `states`."""
        allowed = [self.lifecycle.table[state] for state in states]
        return tuple(trigger for trigger in self.lifecycle.trigger_rules if any(rows.get(trigger) for rows in allowed))

    def creates(self, reading: Reading) -> bool:
        """Whether `reading` is an accepted create of the order."""
        return reading.answer is Answer.ACCEPTED and reading.trigger in self.lifecycle.creates

    def begins_without_unit(self, reading: Reading) -> bool:
        """Whether by `reading` a renewal names the order, and that gives it no unit of quota."""
        return reading.named and reading.trigger in self._without_unit

    def holds_quota(self, runs: Iterable[Run]) -> bool:
        """Whether each of `runs` stands where the table gives the order's unit back without regard to its age."""
        return all(run.state in self._holding for run in runs if not run.owed)

    def _after(self, runs: frozenset[Run], reading: Reading, way: _Way) -> set[Run]:
        trigger, answer, word = reading
        found = {
            after
            for run in self._before_next(runs)
            for plain in way.answers.get(answer, (answer,)) or self._any_will_do(run, trigger)
            for after in self._explained(run, trigger, plain, told=word is not None)
        }
        if word is None:
            return found
        states = self._words.states(word, way.unknown)
        return {run._replace(owed=False) for run in found if run.state in states}

    def _any_will_do(self, run: Run, trigger: Trigger) -> tuple[Answer, ...]:
        """What a code that nobody knows stands for: for a refusal where the sources name no code, or are silent."""
        row = self.lifecycle.table[run.state].get(trigger, ...)
        if row is ... or (row is not None and _is_optional(row, run)):
            return (Answer.TURNED_AWAY,)
        unnamed = row is None and not self.lifecycle.service_refusal(run.state, trigger).error.code
        return (Answer.TURNED_AWAY,) if unnamed else ()

    def _explained(self, run: Run, trigger: Trigger, answer: Answer, *, told: bool) -> list[Run]:
        """Where `run` may have come to once `trigger` got `answer`; nowhere if it cannot get that answer there.

        `told`: the answer says where.
        """
        match answer:
            case Answer.ACCEPTED:
                return self._moved(run, trigger, told=told)
            case Answer.PERHAPS:
                return [*self._moved(run, trigger), self._with_lost(run, trigger)]
            case Answer.BEGUN:
                return self._begun(run, trigger)
            case _:
                return [run] if self._refuses(run, trigger, answer) else []

    def _moved(self, run: Run, trigger: Trigger, *, told: bool = False) -> list[Run]:
        """Where `run` comes to by `trigger`: nowhere if that is refused, perhaps anywhere if the sources are silent.

        If the answer has `told` where, what may have happened until it was written is counted in.
        """
        row = self.lifecycle.table[run.state].get(trigger, ...)
        if row is None:
            # What had happened by the answer of an earlier call may yet be told.
            return [run._replace(since=run.since - {trigger})] if trigger in run.since & self._early else []
        targets = dict.fromkeys(self._states, _NOTHING) if row is ... else self._targets(row, told=told)
        moved = [
            self._run(run, target, trigger, early)
            for target, early in targets.items()
            if not run.owed or target == run.state
        ]
        if not told:
            return moved
        return [self._having(each, acted) for each in moved for acted in self._unseen[each.state] if not acted.owed]

    def _targets(self, row: Transition, *, told: bool) -> dict[State | None, frozenset[Trigger]]:
        """Where `row` leads, and by which events that had happened at once, if the answer has `told` where."""
        found = {row.target: _NOTHING}
        for event in row.at_once if told else ():
            rows = {state: self.lifecycle.table[state].get(event) for state in found}
            led = {after.target: found[state] | {event} for state, after in rows.items() if after is not None}
            found = led | found
        return found

    def _refuses(self, run: Run, trigger: Trigger, answer: Answer) -> bool:
        """Whether `trigger` can get `answer`, a refusal, where `run` stands; any if the sources are silent."""
        state = run.state
        row = self.lifecycle.table[state].get(trigger, ...)
        if row is ... or answer is Answer.TURNED_AWAY or (row is not None and _is_optional(row, run)):
            return True
        error = self.lifecycle.service_refusal(state, trigger).error
        if row is None and not error.code:
            return True  # the sources name no code, so that any will do
        if answer is Answer.NOT_CARRIED_OUT:
            return row is not None and self.lifecycle.trigger_rules[trigger].fails is not None
        means = Meaning.STATE_FORBIDS if answer is Answer.STATE_FORBIDS else Meaning.NOT_FOUND
        refused = row is None or (state in self.lifecycle.gone and means is Meaning.NOT_FOUND)
        return refused and error.means is means

    def _begun(self, run: Run, renewal: Trigger) -> list[Run]:
        states = {row.creates for row in self.lifecycle.transitions if row.trigger is renewal} - {None}
        return [self._run(run, state, renewal) for state in states if run.state is None]

    def _with_lost(self, run: Run, trigger: Trigger) -> Run:
        """`run` in which `trigger` has not happened, or not yet."""
        if trigger not in self._may_be_lost:
            return run
        lost = _counted(run.lost, self._may_be_lost.index(trigger), +1)
        return run._replace(lost=self._still(lost, run.state))

    def _run(self, run: Run, state: State | None, trigger: Trigger, early: frozenset[Trigger] = _NOTHING) -> Run:
        """Where `run` is once `trigger`, and what happened `early`, has brought it to `state`."""
        since = run.since if state == run.state else run.since - self._early
        since = since | early | ({trigger} & self._remembered)
        return Run(state, self._still(run.lost, state), since, run.owed)

    def _still(self, lost: tuple[int, ...], state: State | None) -> tuple[int, ...]:
        """Those of the `lost` calls that can yet happen to an order that has come to `state`."""
        return tuple(map(mul, lost, self._of_use[state]))

    def _late_triggers(self, state: State | None) -> list[bool]:
        """Which of the triggers that may be lost can be accepted in `state` or after it."""
        coming = self.lifecycle.table if state is None else self.lifecycle.reachable(state)
        rows = [self.lifecycle.table[later] for later in coming]
        return [any(each.get(trigger, ...) is not None for each in rows) for trigger in self._may_be_lost]

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
                    frontier += [self._having(run, acted) for acted in self._unseen[run.state]]
                    frontier += self._late_calls(run)
            self._closed[runs] = [run for alike in found.values() for run in alike]
        return self._closed[runs]

    def _acted(self, state: State | None, triggers: Iterable[Trigger]) -> list[Run]:
        """What an order in `state` may have become by these events, one after another; itself first."""
        found = {Run(state): None}
        frontier = list(found)
        while frontier:
            run = frontier.pop()
            for trigger in triggers:
                row = self.lifecycle.table[run.state].get(trigger)
                if row is not None:
                    since = run.since | ({trigger} & self._remembered)
                    after = Run(row.target, (), since, run.owed or trigger in self._seen)
                    if after not in found:
                        found[after] = None
                        frontier.append(after)
        return list(found)

    def _having(self, run: Run, acted: Run) -> Run:
        """`run` after others acted so on an order in its state."""
        return Run(acted.state, self._still(run.lost, acted.state), run.since | acted.since, run.owed or acted.owed)

    def _late_calls(self, run: Run) -> Iterator[Run]:
        """Where `run` comes to if one of its lost calls happens now."""
        for at, trigger in enumerate(self._may_be_lost):
            if run.lost[at]:
                yield from self._moved(run._replace(lost=_counted(run.lost, at, -1)), trigger)


def covers(one: Run, other: Run) -> bool:
    """Whether `one` can become all that `other` can: the same state, no fewer lost calls, and no more to be shown."""
    return (
        one.state == other.state
        and one.owed <= other.owed
        and one.since >= other.since
        and all(map(ge, one.lost, other.lost))
    )


def explain(runs: Iterable[Run]) -> bool:
    """Whether one of the runs explains an order's lines as it is, and not only if a later read shows something."""
    return any(not run.owed for run in runs)


def _is_optional(row: Transition, run: Run) -> bool:
    """Whether the service may refuse what `row` allows, as it likes, where `run` stands."""
    return row.optional or not run.since.isdisjoint(row.optional_after)


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
