"""`check_conformance`: a server held against the table, systematically, at random, and by concurrent clients."""

from __future__ import annotations

import secrets
import time
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

import attrs

from orderfsm.errors import InvalidValue
from orderfsm.lifecycle import ORDER_LIFECYCLE, Lifecycle
from orderfsm.trace import Events, Finding, all_or_some

from .counterexample import Counterexample, fewest_calls, of_clients, of_race
from .cover import Cover
from .limit import TIMEOUT
from .model import Contradiction
from .report import Report, Result
from .session import CannotForce, Failure, Session
from .ways import NoUnits, Pilot

if TYPE_CHECKING:
    from collections.abc import Callable

    from .cover import Trial
    from .driver import Driver
    from .races import Raced
    from .report import Pair, Violation
    from .session import Done

    Progress: TypeAlias = Callable[[str, int, int], None]

FEW_UNITS = 3
"""The package of concurrent clients: they are to compete for orders, and for units."""

RACES = 5
"""How often each race is run."""

SHOWN = 10
"""How many violations are shrunk and shown; the coverage has every pair that failed."""

LEFT_TO_SHRINK = 20.0
"""Seconds that are left to shrink them in, even if the budget is used up."""


@attrs.frozen(kw_only=True)
class Effort:
    """How far a check goes: see `check_conformance`. `deadline` is a time of `time.monotonic`."""

    random: int
    concurrent: tuple[int, int] | None
    seed: int
    deadline: float
    patience: float
    timeout: float
    fail_fast: bool
    progress: Progress | None

    @property
    def shown(self) -> int:
        """How many violations are shrunk and shown."""
        return 1 if self.fail_fast else SHOWN

    @property
    def is_used_up(self) -> bool:
        """Whether the time is over."""
        return time.monotonic() > self.deadline


@attrs.frozen
class _Found:
    """A failure that is to be shrunk, with the program that showed it, and the part of the check that played that."""

    failure: Failure
    done: list[Done]
    units: int | None
    part: str


class _ActsByItself(Exception):
    """The server moves orders that nobody touched, as the table says that others may."""


def check_conformance(
    driver: Driver,
    *,
    lifecycle: Lifecycle = ORDER_LIFECYCLE,
    events: Events | None = None,
    random: int = 100,
    concurrent: tuple[int, int] | None = None,
    seed: int | None = None,
    budget: float = 60.0,
    patience: float = 0.5,
    timeout: float = TIMEOUT,
    fail_fast: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Whether the server behind `driver` obeys the table.

    First every trigger is tried in every state. After a violation the rest is still tried, unless `fail_fast`; a read
    that is never answered is one violation, and the rest is tried without it. If there was none, `random` programs are
    played; and if there still is none and `concurrent` is (clients, calls), clients race for orders and units, and then
    so many clients make so many calls each, at once. In the end the first violations are shrunk to the fewest calls.

    `events` are COMPLETE if nothing happens to orders but by the driver, and PARTIAL if owner, CA and calendar may act
    by themselves; None finds out. `seed` repeats the random choices. After `budget` seconds it ends, UNDECIDED if
    there was no violation up to then; what it found is shrunk for a few seconds more. A call of the driver that takes
    longer than `timeout` seconds is one that was not answered. `patience` is how many seconds it waits for others to
    move an order. `progress` is told of each step: the part, how much of it is done, of how much. `InvalidValue` for
    what makes no sense, and for a driver that is none.
    """
    if type(random) is not int or random < 0:
        raise InvalidValue("random", random, ["a number of programs, 0 or more"])
    for name, seconds in (("budget", budget), ("timeout", timeout)):
        if not seconds > 0:
            raise InvalidValue(name, seconds, ["seconds, more than 0"])
    if concurrent is not None:
        clients, calls = concurrent if isinstance(concurrent, tuple) and len(concurrent) == 2 else (None, concurrent)
        for name, value in (("clients", clients), ("calls", calls)):
            if type(value) is not int or value < 1:
                raise InvalidValue(f"concurrent {name}", value, ["an int, 1 or more"])
    assumed = all_or_some(events, {Events.COMPLETE})
    effort = Effort(
        random=random,
        concurrent=concurrent,
        seed=secrets.randbits(32) if seed is None else seed,
        deadline=time.monotonic() + budget,
        patience=patience,
        timeout=min(timeout, budget),
        fail_fast=fail_fast,
        progress=progress,
    )
    try:
        return _checked(driver, lifecycle, assumed, effort, may_widen=events is None)
    except _ActsByItself:
        return _checked(driver, lifecycle, Events.PARTIAL, effort, may_widen=False)


def _checked(driver: Driver, lifecycle: Lifecycle, events: Events, effort: Effort, *, may_widen: bool) -> Report:
    with Session(driver, lifecycle, events, timeout=effort.timeout, deadline=effort.deadline) as session:
        check = _Check(session, effort, may_widen=may_widen)
        for part in (check.systematic, check.random, check.concurrent):
            if not check.has_found_some:
                part()
        check.shrink()
        return check.report()


class _Check:
    """A check under one assumption about events; with `may_widen`, it is `_ActsByItself` if that was wrong."""

    def __init__(self, session: Session, effort: Effort, *, may_widen: bool) -> None:
        self.violations: list[Violation] = []
        self._session = session
        self._effort = effort
        self._may_widen = may_widen
        self._results: dict[Pair, Result] = {
            (state, trigger): Result.NOT_FORCED
            for state in session.lifecycle.state_rules
            for trigger in session.lifecycle.trigger_rules
        }
        self._found: list[_Found] = []
        self._told = 0
        self._without_units: set[Pair] = set()
        self._unfinished = ""

    @property
    def has_found_some(self) -> bool:
        """Whether there is a violation."""
        return bool(self.violations or self._found)

    def systematic(self) -> None:
        """Play every trial."""
        trials = list(Cover(self._session.lifecycle, Pilot(self._session, self._effort.patience)).trials())
        for number, trial in enumerate(trials, 1):
            if self._effort.is_used_up:
                self._unfinished = "the budget ended before everything was tried"
                break
            self._tell("systematic", number, len(trials))
            self._attempt(trial)
            self._session.give_up_orders()
            if self._effort.fail_fast and self.has_found_some:
                break

    def _attempt(self, trial: Trial) -> None:
        pair = trial.state, trial.trigger
        try:
            came = trial.attempt(self._session)
        except NoUnits:
            self._without_units.add(pair)
            return
        finally:
            for told in list(self._session.told.values())[self._told :]:
                self._told += 1
                self._failed(told.failure, told.done, told.units, "systematic")
        if isinstance(came, Failure):
            self._failed(came, self._session.done, self._session.units, "systematic")
        elif self._results[pair] is Result.NOT_FORCED:
            self._results[pair] = came

    def random(self) -> None:
        """Play random programs until one fails."""
        if not self._effort.random:
            return
        from .stateful import failing_program

        failure = failing_program(self._session, self._effort.random, self._effort.seed, self._effort.deadline)
        if failure is not None:
            self._failed(failure, self._session.done, self._session.units, "random")
        elif self._effort.is_used_up:
            self._unfinished = self._unfinished or "the budget ended before every random program was played"

    def concurrent(self) -> None:
        """Let concurrent clients race, and then call what they like."""
        if self._effort.concurrent is not None:
            clients, calls = self._effort.concurrent
            self._race(clients)
            if not self.violations:
                self._call_at_once(clients, calls)

    def _race(self, clients: int) -> None:
        from .races import raced, races

        pilot = Pilot(self._session, self._effort.patience)
        all_races = list(races(self._session.lifecycle, clients)) * RACES
        for number, race in enumerate(all_races, 1):
            if self._effort.is_used_up:
                self._unfinished = self._unfinished or "the budget ended before every race was run"
                break
            self._tell("races", number, len(all_races))
            with suppress(CannotForce):
                try:
                    for found in raced(self._session, pilot, race, self._effort.deadline):
                        self._lost(found)
                except Contradiction as found:
                    failure = self._session.failure(found)
                    if not failure.passing:
                        self._failed(failure, self._session.done, self._session.units, "concurrent")
            if self._effort.fail_fast and self.has_found_some:
                break

    def _call_at_once(self, clients: int, calls: int) -> None:
        from .concurrent import run_concurrent_async

        self._session.begin(FEW_UNITS)
        report = self._session.wait_for(
            run_concurrent_async(
                self._session.driver,
                clients=clients,
                calls=calls,
                seed=self._effort.seed,
                lifecycle=self._session.lifecycle,
                events=self._session.events,
                budget=max(1.0, self._effort.deadline - time.monotonic()),
            )
        )
        self._session.checked += report.answers
        self._session.give_up_orders(line.order_id for line in report.lines if line.order_id is not None)
        problems = report.problems[: self._effort.shown]
        self.violations += [of_clients(problem, self._session.lifecycle) for problem in problems]
        if report.verdict is Finding.UNDECIDED:
            self._unfinished = self._unfinished or "what concurrent clients were told could not be decided"

    def report(self) -> Report:
        """What was found."""
        nothing = "" if Result.PASSED in self._results.values() else "no pair of a state and a trigger could be checked"
        if self._session.not_emptied:
            nothing = nothing or f"the account could not be emptied: {self._session.not_emptied}"
        if any(self._results[pair] is Result.NOT_FORCED for pair in self._without_units):
            nothing = nothing or "the package had no unit left for everything that was to be tried"
        if self._session.kept_off:
            calls = ", ".join(f"{trigger}: {got}" for trigger, got in self._session.kept_off.items())
            nothing = nothing or f"calls were throttled or not permitted, however often they were made: {calls}"
        reason = "" if self.violations else nothing or self._unfinished
        return Report(
            verdict=Finding.VIOLATES if self.violations else Finding.UNDECIDED if reason else Finding.CONFORMS,
            checked=self._session.checked,
            coverage=self._results,
            violations=tuple(self.violations),
            events=self._session.events,
            seed=self._effort.seed,
            reason=reason,
        )

    # -- inside ------------------------------------------------------------------------------------------------------

    def _tell(self, part: str, done: int, of: int) -> None:
        if self._effort.progress is not None:
            self._effort.progress(part, done, of)

    def _failed(self, failure: Failure, done: list[Done], units: int | None, part: str) -> None:
        """Note how a program of so many units failed, to be shrunk in the end if it is a new way to fail."""
        if self._may_widen and self._others_may_have(failure, done, units) and self._acts_by_itself:
            raise _ActsByItself
        if self._is_new(failure) and len(self.violations) + len(self._found) < self._effort.shown:
            self._found.append(_Found(failure, done, units, part))
        self._results[failure.state, failure.trigger] = Result.FAILED

    def _others_may_have(self, failure: Failure, done: list[Done], units: int | None) -> bool:
        self._session.units = units
        return Counterexample(failure, tuple(done)).others_may_have(self._session)

    def shrink(self) -> None:
        """Show what was found, each with the fewest calls; a shorter program that fails in another way besides."""
        until = max(self._effort.deadline, time.monotonic() + LEFT_TO_SHRINK)
        for number, found in enumerate(self._found):
            left = (until - time.monotonic()) / (len(self._found) - number)
            self._tell("shrinking", number + 1, len(self._found))
            shown = self._shrunk(found, self._is_new, time.monotonic() + left)
            self.violations.append(shown.violation(self._session, found.part))
            if not shown.failure.names(found.failure):
                self._results[shown.failure.state, shown.failure.trigger] = Result.FAILED
                as_it_was = self._shrunk(found, lambda _other: False, time.monotonic() + left)
                self.violations.append(as_it_was.violation(self._session, found.part))
        del self.violations[self._effort.shown :]

    def _shrunk(self, found: _Found, is_new: Callable[[Failure], bool], until: float) -> Counterexample:
        self._session.done, self._session.units = found.done, found.units
        return fewest_calls(self._session, found.failure, is_new, until)

    @cached_property
    def _acts_by_itself(self) -> bool:
        return Pilot(self._session, self._effort.patience).orders_move_by_themselves()

    def _lost(self, found: Raced) -> None:
        """Note what cannot be of the answers in a race, if it is new."""
        pair = found.race.state, found.problem.culprit.trigger
        if self._results.get(pair) is not Result.FAILED and len(self.violations) < self._effort.shown:
            self.violations.append(of_race(found, self._session.lifecycle))
        self._results[pair] = Result.FAILED

    def _is_new(self, failure: Failure) -> bool:
        return self._results[failure.state, failure.trigger] is not Result.FAILED
