"""Concurrent clients on few orders: what they are told must be possible in some order of their calls.

They call what they like, or race: they make a call each at the same moment, on one order, or for the last unit of a
package. All pairs of what is allowed in a state are tried so; and every call, also reads and refused ones, with every
event that its state allows. A server that looks first and acts a moment later is caught by two of its own answers, or
by what is read after them, which no order of the calls explains: a call that writes its record back undoes what came
between.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import math
import secrets
import time
from bisect import bisect_left, bisect_right
from collections import defaultdict
from itertools import combinations_with_replacement, cycle, islice, product, repeat
from operator import attrgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

import attrs

from orderfsm.errors import Meaning
from orderfsm.invalid import InvalidValue
from orderfsm.questions import ORDER_LIFECYCLE
from orderfsm.testing.drivers.driver import NoAnswer, checked, given
from orderfsm.testing.histories.history import HistoryJudge, smallest_history
from orderfsm.testing.histories.intervals import NEVER, by_end, drawn, told
from orderfsm.testing.model.roles import roles
from orderfsm.testing.model.session import CannotForce
from orderfsm.testing.model.steps import UNITS, YOUNG, Observe
from orderfsm.testing.programs.ways import ways
from orderfsm.trace import Events, Finding, Judged, Line, Outcome, all_or_some, automaton, dumps, readings

from .clients import meet, record, seen_after

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from orderfsm.identity import Id
    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import State, Trigger
    from orderfsm.testing.drivers.driver import Driver, Quota
    from orderfsm.testing.drivers.exchanges import Exchange
    from orderfsm.testing.histories.history import HistoryCheck
    from orderfsm.testing.histories.intervals import Moment, TimedCall
    from orderfsm.testing.model.failure import Done
    from orderfsm.testing.model.session import Session
    from orderfsm.testing.programs.ways import Pilot

    from .clients import Recording

LEAST = 0.05
"""Seconds that the check of a history has even if the budget is used up."""

RACERS = (2, 4)
"""How many clients race: first so few that two calls show what is wrong, then more."""

TIMES = (10, 5)
"""How often each number of clients races where nobody asked for it: servers accept both only now and then."""


@attrs.frozen
class Problem:
    """Something that clients were told and that cannot be: a sentence, the `lines` that show it, and their picture.

    `culprit` is the one of them that cannot be, or the last. `history` is the smallest history of the order that is not
    linearizable, if that is the problem.
    """

    sentence: str
    culprit: Line
    lines: tuple[Line, ...] = attrs.field(repr=False)
    picture: str = attrs.field(repr=False)
    history: HistoryCheck | None = attrs.field(default=None, repr=False)

    def __str__(self) -> str:
        return self.picture if self.history is not None else f"{self.sentence}\n{self.picture}"

    def as_json(self) -> dict[str, Any]:
        """The problem, with its calls in the trace format."""
        calls = [json.loads(dumps(line)) for line in self.lines]
        return {"problem": self.sentence, "calls": calls, "picture": self.picture}


@attrs.frozen(kw_only=True)
class ConcurrentReport(Judged):
    """What a run of concurrent clients came to.

    `lines` are all that they were told, in the trace format, on `orders` orders. The verdict is VIOLATES if there are
    `problems`; UNDECIDED if there was no order, or if the history of one is `undecided`; else CONFORMS. `quota` says
    whether the counts of the package could be checked. The `seed` repeats what the clients choose, but not when.
    """

    lines: tuple[Line, ...] = attrs.field(repr=False)
    orders: int
    problems: tuple[Problem, ...]
    undecided: tuple[Id, ...]
    quota: bool
    seed: int
    lifecycle: Lifecycle = attrs.field(default=ORDER_LIFECYCLE, repr=False)

    @property
    def answers(self) -> int:
        """How many answers were checked."""
        return sum(line.outcome is not Outcome.UNKNOWN for line in self.lines)

    @property
    def verdict(self) -> Finding:
        """Nothing checked is never a pass."""
        if self.problems:
            return Finding.VIOLATES
        return Finding.UNDECIDED if self.undecided or not self.orders else Finding.CONFORMS

    def __str__(self) -> str:
        quota = "" if self.quota or roles(self.lifecycle).counting is None else ", quota not checked"
        counts = f"{self.answers} answers on {self.orders} {self.lifecycle.noun}s{quota}"
        return "\n".join([*map(str, self.problems), f"{self.verdict}: {counts}; seed {self.seed}"])

    def as_json(self) -> dict[str, Any]:
        """The report as a document."""
        return {
            "table": self.lifecycle.name,
            "verdict": str(self.verdict),
            "answers": self.answers,
            "orders": self.orders,
            "quota_checked": self.quota,
            "problems": [problem.as_json() for problem in self.problems],
            "undecided": list(self.undecided),
            "seed": self.seed,
        }


def run_concurrent(driver: Driver, **options: Any) -> ConcurrentReport:
    """`run_concurrent_async` in an event loop of its own."""
    return asyncio.run(run_concurrent_async(driver, **options))


async def run_concurrent_async(
    driver: Driver,
    *,
    clients: int = 8,
    calls: int = 100,
    seed: int | None = None,
    lifecycle: Lifecycle = ORDER_LIFECYCLE,
    events: Events = Events.PARTIAL,
    budget: float = 30.0,
    left_out: Collection[Trigger] = (),
) -> ConcurrentReport:
    """Let `clients` clients make `calls` calls each on a few orders, all at once, and check what they are told.

    The clients are threads, or tasks if the driver's methods are `async`. Checked are that the history of every order
    is linearizable, that no id was given twice, and, if the driver can read its package (`quota`), that every refusal
    for lack of quota and every create was possible when it was made, and that in the end the package holds the units
    that it must. For that, nobody else may use the package or these orders.

    `events` are COMPLETE if nothing happens to orders but by the driver. The clients begin nothing once half of the
    `budget`, in seconds, is used up; a history that cannot be decided in the rest is undecided. Triggers that are
    `left_out` are not fired.
    """
    for name, value in (("clients", clients), ("calls", calls)):
        if type(value) is not int or value < 1:
            raise InvalidValue(name, value, ["an int, 1 or more"])
    if not 0 < budget < math.inf:
        raise InvalidValue("budget", budget, ["seconds, more than 0"])
    all_events = all_or_some(events, ())
    seed = secrets.randbits(32) if seed is None else seed
    checked(driver)
    begun = time.monotonic()
    before = await _quota(driver, lifecycle)
    recording = await record(
        driver, lifecycle, clients=clients, calls=calls, seed=seed, deadline=begun + budget / 2, left_out=left_out
    )
    after = await _quota(driver, lifecycle)
    problems, undecided = found_in(recording, lifecycle, all_events, begun + budget)
    if before is not None and after is not None:
        problems += of_quota(recording.lines, lifecycle, before, after)
    return ConcurrentReport(
        lines=tuple(recording.lines),
        orders=len({line.order_id for line in recording.lines} - {None}),
        problems=tuple(problems),
        undecided=tuple(undecided),
        quota=before is not None and after is not None,
        seed=seed,
        lifecycle=lifecycle,
    )


async def _quota(driver: Driver, lifecycle: Lifecycle) -> Quota | None:
    """The counts of the package; None if the table has none, or the driver cannot read them."""
    read = getattr(driver, "quota", None) if roles(lifecycle).counting is not None else None
    try:
        quota = None if read is None else read()
        return cast("Quota | None", given("quota", await quota if inspect.isawaitable(quota) else quota))
    except NoAnswer:
        return None


def found_in(
    recording: Recording,
    lifecycle: Lifecycle,
    events: Events,
    deadline: float,
    initial: Mapping[Id, frozenset[State | None]] = MappingProxyType({}),
) -> tuple[list[Problem], list[Id]]:
    """The orders whose history cannot be, or whose id is that of two orders; and those that are undecided.

    `initial` has the states of orders that were there before.
    """
    problems: list[Problem] = []
    undecided: list[Id] = []
    identity, by_order = lifecycle.identity, _by_order(recording.lines)
    machine = automaton(lifecycle, events, late=False)
    for order_id in sorted(by_order, key=identity.sort_key):
        lines = by_order[order_id]
        said = ((line, readings(line, order_id, lifecycle)) for line in lines)
        begins = [line for line, each in said if any(machine.creates(r) or r.named for r in each)]
        if len(begins) > 1:
            sentence = f"{identity.parameter} {order_id} was given to two {lifecycle.noun}s"
            problems.append(_problem(sentence, begins, begins[-1], lifecycle))
            continue
        known = Events.PARTIAL if order_id in recording.unsure else events
        until = max(deadline, time.monotonic() + LEAST)
        found = HistoryJudge(order_id, lifecycle, known).checked(lines, initial.get(order_id), until)
        if found.culprit is not None:
            few = smallest_history(found, lifecycle=lifecycle, events=known, budget=until - time.monotonic() + LEAST)
            problems.append(Problem(str(few), few.culprit or found.culprit, few.calls, few.picture(), few))
        elif found.verdict is Finding.UNDECIDED:
            undecided.append(order_id)
    return problems, undecided


def _by_order(lines: Iterable[Line]) -> dict[Id, list[Line]]:
    """The lines that say something of each order."""
    orders: defaultdict[Id, list[Line]] = defaultdict(list)
    for line in lines:
        for order_id in {line.order_id, line.begins}:
            if order_id is not None and not line.of_the_account:
                orders[order_id].append(line)
    return orders


def of_quota(lines: Collection[Line], lifecycle: Lifecycle, before: Quota, after: Quota) -> Iterator[Problem]:
    """What cannot be of the answers to creates, and of the counts of the package before and after all calls."""
    held = HeldUnits(lines, before.used, lifecycle)
    for call, units in held.impossible(before.total):
        bound = "at least" if call.line.outcome is Outcome.ACCEPTED else "at most"
        sentence = f"{told(call.line, lifecycle)}, while {bound} {units} of {before.total} units were held"
        yield _problem(sentence, [other.line for other in held.around(call)], call.line, lifecycle)
    least, most = held.least(), held.most()
    if held.changes and not least <= after.used <= most:
        expected = str(least) if least == most else f"{least} to {most}"
        sentence = f"in the end {after.used} units are used, and {expected} are held; before, {before.used} were used"
        yield _problem(sentence, [held.changes[-1].line], held.changes[-1].line, lifecycle)


def _problem(sentence: str, lines: Sequence[Line], culprit: Line, lifecycle: Lifecycle) -> Problem:
    calls = by_end(lines)
    return Problem(sentence, culprit, tuple(call.line for call in calls), drawn(calls, culprit, lifecycle))


class HeldUnits:
    """The units of a package that orders can hold at any moment of some calls, `before` of them before the first.

    When a unit was taken or given back is known only to lie between the beginning and the end of a call. So at any
    moment there is a most and a least of units that can be held, and each answer must be possible at some moment of its
    call: a refusal with `NotRemainCount` at one at which no unit may have been left, an accepted create at one at which
    there may. Nothing but these calls may take units of the package or give them back meanwhile. Certificates are taken
    to be as young as the run.
    """

    def __init__(self, lines: Iterable[Line], before: int, lifecycle: Lifecycle = ORDER_LIFECYCLE) -> None:
        taking = {row.trigger for row in lifecycle.transitions if row.quota > 0}
        giving = {row.trigger for row in lifecycle.transitions if row.gives_back(YOUNG)}
        keeping = {row.trigger for row in lifecycle.transitions if row.source is not None and not row.gives_back(YOUNG)}
        made = by_end(lines)
        self._meaning_of = lifecycle.codes.meaning_of
        free = {call.line.begins for call in made}
        takes = [call for call in made if call.line.trigger in taking]
        gives = [call for call in made if call.line.trigger in giving and call.line.order_id not in free]
        self._before = before
        self._created = [call for call in takes if _surely(call.line)]
        self._without = [call for call in takes if self._meaning_of(call.line.code) is Meaning.NO_UNIT]
        self._may_take = sorted(call.start for call in takes if self._perhaps(call.line))
        self._have_taken = sorted(call.end for call in self._created)
        self._may_give = sorted(call.start for call in gives if self._perhaps(call.line))
        self._have_given = sorted(call.end for call in gives if _surely(call.line) and call.line.trigger not in keeping)
        self.changes = sorted((call for call in (*takes, *gives) if self._perhaps(call.line)), key=attrgetter("end"))
        """The calls that may have taken a unit or given one back, by their ends."""

    def most(self, at: Moment = NEVER) -> int:
        """How many can be held at a moment; at the end, unless it is given."""
        return self._before + bisect_right(self._may_take, at) - bisect_left(self._have_given, at)

    def least(self, at: Moment = NEVER) -> int:
        """How many must be held at a moment; at the end, unless it is given."""
        return self._before + bisect_left(self._have_taken, at) - bisect_right(self._may_give, at)

    def impossible(self, total: int) -> Iterator[tuple[TimedCall, int]]:
        """The creates whose answer is impossible with a package of `total` units, and how many were held at that.

        Of a refusal, the most that can have been held during the call; of an accepted create, the least, or the least
        that must be held when it ends if that is more than there are.
        """
        for call in self._without:
            most = max(map(self.most, _moments(call, self._may_take)))
            if most < total:
                yield call, most
        for call in self._created:
            least = min(map(self.least, _moments(call, self._may_give)))
            taken, given = bisect_right(self._have_taken, call.end), bisect_right(self._may_give, call.end)
            at_its_end = self._before + taken - given
            if least >= total or at_its_end > total:
                yield call, least if least >= total else at_its_end

    def _perhaps(self, line: Line) -> bool:
        refused = line.outcome is Outcome.REFUSED and line.code is not None
        return not refused or self._meaning_of(line.code) is Meaning.PERHAPS

    def around(self, call: TimedCall) -> list[TimedCall]:
        """A call, and the changes that overlap it."""
        overlapping = [each for each in self.changes if each.start <= call.end and call.start <= each.end]
        return overlapping if call in self._created else [call, *overlapping]


def _surely(line: Line) -> bool:
    return line.outcome is Outcome.ACCEPTED


def _moments(call: TimedCall, changes: list[Moment]) -> list[Moment]:
    """The beginning of a call, and those of the changes that come until its end."""
    return [call.start, *changes[bisect_right(changes, call.start) : bisect_right(changes, call.end)]]


@attrs.frozen
class Race:
    """Clients that fire the two `triggers` by turns on one order in `state`; if that is None, for a package's units."""

    state: State | None
    triggers: tuple[Trigger, Trigger]
    units: int
    racers: int


@attrs.frozen
class Raced:
    """A race that came to something that cannot be: what was `done` before it, and the `problem`.

    `opening` and `exchanges` are what went over the wire before all that, and in the race.
    """

    race: Race
    done: tuple[Done, ...]
    problem: Problem
    opening: tuple[Exchange, ...] = attrs.field(default=(), repr=False)
    exchanges: tuple[Exchange, ...] = attrs.field(default=(), repr=False)


def races(lifecycle: Lifecycle, clients: int) -> Iterator[Race]:
    """Every pair of triggers that change something in the same state, for at most so many clients.

    Creates race for the last unit, and where there are enough of them. Two clients: every other call, and an event.
    """
    known = roles(lifecycle)
    for racers, state in product(RACERS, lifecycle.state_rules):
        changing = [row.trigger for row in lifecycle.outgoing(state)]
        for pair in combinations_with_replacement(changing, 2):
            for units in (1, UNITS) if state is None and known.counting is not None else (UNITS,):
                yield Race(state, pair, units, min(racers, clients))
        events = [trigger for trigger in changing if not lifecycle.by_client(trigger)]
        others = [each for each in known.on_an_order if each in lifecycle.table[state] and each not in changing]
        for pair in product(others, events) if racers == RACERS[0] else ():
            yield Race(state, pair, UNITS, min(racers, clients))


def races_for_one(lifecycle: Lifecycle) -> Iterator[Race]:
    """Races for what must be accepted once and then be refused: of two clients, often, and of more."""
    for state, triggers in roles(lifecycle).once.items():
        for trigger in triggers:
            for racers, times in zip(RACERS, TIMES, strict=True):
                yield from repeat(Race(state, (trigger, trigger), UNITS, racers), times)


def raced(session: Session, pilot: Pilot, race: Race, deadline: float) -> list[Raced]:
    """Let clients race once; what cannot be of their answers. `CannotForce` if the race cannot be prepared."""
    pilot.begin(race.units)
    begun: set[Id] = set()
    try:
        order = _brought(session, pilot, race)
        prepared = tuple(session.done)
        states = frozenset([None]) if order is None else session.account.states(order)
        order_id = None if order is None else session.account.ids[order]
        before = session.quota()
        triggers = list(islice(cycle(race.triggers), race.racers))
        session.exchanges()
        recording = session.wait_for(meet(session.driver, session.lifecycle, order_id, states, triggers))
        begun |= recording.orders
        if order_id is not None:
            recording.lines += seen_after(session.seen(order_id), order_id, recording, session.lifecycle)
        after = session.quota()
        exchanges = session.exchanges()
    finally:
        session.give_up_orders(begun)
    session.checked += len(recording.lines)
    initial = {} if order_id is None else {order_id: states}
    problems, _ = found_in(recording, session.lifecycle, session.events, deadline, initial)
    if before is not None and after is not None:
        problems += of_quota(recording.lines, session.lifecycle, before, after)
    return [Raced(race, prepared, problem, session.opening, exchanges) for problem in problems]


def _brought(session: Session, pilot: Pilot, race: Race) -> int | None:
    """The order of a race, in its state; None if creates race."""
    if race.units < UNITS and not session.ours:
        raise CannotForce
    if race.state is None:
        return None
    order = pilot.bring(ways(session.lifecycle, race.state))
    if session.done[-1].step != Observe(order):
        session.do(Observe(order))
    return order
