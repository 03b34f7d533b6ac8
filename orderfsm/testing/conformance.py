"""`check_conformance`: a server held against the table, systematically, at random, and by concurrent clients."""

from __future__ import annotations

import secrets
import time
from contextlib import suppress
from functools import cached_property, partial
from typing import TYPE_CHECKING, TypeAlias

import attrs

from orderfsm.invalid import InvalidValue
from orderfsm.questions import ORDER_LIFECYCLE
from orderfsm.trace import Events, Finding, all_or_some

from .concurrency.run import raced, races, races_for_one, run_concurrent_async
from .drivers.limit import TIMEOUT
from .model.failure import Contradiction, Kind
from .model.session import CannotForce, Session, unreached
from .programs.random_programs import failing_program
from .programs.shrink import exact, fewest_calls, without_bystanders
from .programs.trial import Tried
from .programs.trials import Trials
from .programs.ways import NoUnits, Pilot
from .report import Report, Result, of_clients, of_race, others_may_have, violation_of
from .selection import Selection

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from typing import TypeVar

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import State, Trigger

    from .concurrency.run import Race
    from .drivers.driver import Driver
    from .model.failure import Failure, Key
    from .programs.trial import Trial
    from .report import Pair, Violation

    _T = TypeVar("_T")
    Progress: TypeAlias = Callable[[str, int, int], None]

FEW_UNITS = 3
"""The package of concurrent clients: they are to compete for orders, and for units."""

RACES = 5
"""How often each race is run."""

SHOWN = 10
"""How many violations are shrunk and shown; the report names all of them."""

LEAST_SHRINKING = 20.0
"""Seconds for which violations are shrunk, all together, if the budget is used up."""

PATIENCE = 0.5
"""Seconds for which others are waited for to move an order."""

BUDGET, BUDGET_A_PAIR = 60.0, 0.35
"""Seconds that a check takes at most unless it is told otherwise: so many, or so many for each pair of the table."""

KEPT = 6
"""Units that are kept to show violations with, where units are lost."""


NOT_PLAYED = "not played, since something had failed before"


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
    budget: float | None = None,
    patience: float | None = None,
    timeout: float = TIMEOUT,
    fail_fast: bool = False,
    progress: Progress | None = None,
    only: Collection[str | None] = (),
    exclude: Collection[str | None] = (),
    known: Collection[Key] = (),
    strict_operations: bool = False,
) -> Report:
    """Whether the server behind `driver` obeys the table.

    First every trigger is tried in every state, but for the pairs of which the table's sources say nothing. After a
    violation the rest is still tried, unless `fail_fast`; a read that is never answered is one violation, and the rest
    is tried without it. What was found is then shrunk to the fewest calls, the gravest first. If there was none,
    `random` programs are played; and if there still is none and `concurrent` is (clients, calls), clients race for
    orders and units, and then so many clients make so many calls each, at once.

    Where the table says that something is accepted once and must be refused then, clients race for it in any case, if
    the driver lets them (`AccountDriver.takes_calls_at_once`).

    `events` are COMPLETE if nothing happens to orders but by the driver, and PARTIAL if owner, CA, calendar and service
    may act by themselves; None finds out, or is PARTIAL where the table itself says what happens unseen. `seed` repeats
    the random choices. After `budget` seconds (None: a minute; more for a table of many pairs) it ends, UNDECIDED if
    there was no violation up to then; what it found is shrunk for a few seconds more. A call of the driver that takes
    longer than `timeout` seconds is one that was not answered. `patience` is how many seconds it waits for others to
    move an order; None: as the driver says, else half a second, and for what the service completes as long as the table
    says. `progress` is told of each step: the part, how much of it is done, of how much.

    `only` and `exclude` are states and triggers to which the check is limited, and which it leaves out (`Selection`). A
    failure that is `known`, by its state, trigger and kind, is told apart and decides nothing. An operation that the
    server says it does not have is not offered, and no violation, unless `strict_operations`. `InvalidValue` for what
    makes no sense, and for a driver that is none.
    """
    if type(random) is not int or random < 0:
        raise InvalidValue("random", random, ["a number of programs, 0 or more"])
    for name, seconds in (("budget", budget), ("timeout", timeout), ("patience", patience)):
        if seconds is not None and not seconds > 0:
            raise InvalidValue(name, seconds, ["seconds, more than 0"])
    if budget is None:
        budget = max(BUDGET, BUDGET_A_PAIR * len(lifecycle.state_rules) * len(lifecycle.trigger_rules))
    if concurrent is not None:
        clients, calls = concurrent if isinstance(concurrent, tuple) and len(concurrent) == 2 else (None, concurrent)
        for name, value in (("clients", clients), ("calls", calls)):
            if type(value) is not int or value < 1:
                raise InvalidValue(f"concurrent {name}", value, ["an int, 1 or more"])
    assumed = all_or_some(events, {first_assumed(lifecycle)})
    selection = Selection.of(lifecycle, only, exclude)
    session = partial(
        Session,
        driver,
        lifecycle,
        timeout=min(timeout, budget),
        deadline=time.monotonic() + budget,
        left_out=selection.left_out,
        strict=strict_operations,
        patience=patience,
    )
    check = partial(
        _Check,
        programs=random,
        rounds=concurrent,
        seed=secrets.randbits(32) if seed is None else seed,
        patience=getattr(driver, "patience", PATIENCE) if patience is None else patience,
        fail_fast=fail_fast,
        progress=progress,
        selection=selection,
        known_before=frozenset(known),
    )
    try:
        return check(session=session(assumed), may_widen=events is None and assumed is Events.COMPLETE).whole()
    except _ActsByItself:
        return check(session=session(Events.PARTIAL), may_widen=False).whole()


def first_assumed(lifecycle: Lifecycle) -> Events:
    """What is taken to be so of events where nobody said it: a table that says which are seen says that others are not.

    Of others it is found out whether they happen unseen.
    """
    return Events.PARTIAL if any(rule.seen for rule in lifecycle.triggers) else Events.COMPLETE


@attrs.define(eq=False, slots=False, kw_only=True)
class _Check:
    """A check under one assumption about events; with `may_widen`, it is `_ActsByItself` if that was wrong.

    For the others see `check_conformance`.
    """

    session: Session
    may_widen: bool
    programs: int
    rounds: tuple[int, int] | None
    seed: int
    patience: float
    fail_fast: bool
    progress: Progress | None
    selection: Selection
    known_before: frozenset[Key]
    _passed: set[Pair] = attrs.field(factory=set, init=False)
    _why: dict[Pair, str] = attrs.field(factory=dict, init=False)
    _failures: dict[Key, tuple[Failure, str]] = attrs.field(factory=dict, init=False)
    _known: dict[Key, None] = attrs.field(factory=dict, init=False)
    _violations: dict[Key, Violation] = attrs.field(factory=dict, init=False)
    _unfinished: str = attrs.field(default="", init=False)
    _untried: str = attrs.field(default="", init=False)
    _used: int | None = attrs.field(default=None, init=False)
    _parts: dict[str, str] = attrs.field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        self._pilot = Pilot(self.session, self.patience)
        self._shown = 1 if self.fail_fast else SHOWN
        self._results: dict[Pair, Result] = {
            (state, trigger): Result.NOT_FORCED
            for state in self.session.lifecycle.state_rules
            for trigger in self.session.lifecycle.table[state]
            if self.selection.has((state, trigger))
        }

    def whole(self) -> Report:
        """All parts, until one fails; what was found."""
        with self.session:
            self.systematic()
            if not (self.has_failed and self.fail_fast):
                self.race()
            for name, is_asked_for, part in (
                ("random", self.programs > 0, self.random),
                ("concurrent", self.rounds is not None, self.concurrent),
            ):
                if is_asked_for:
                    self._parts[name] = NOT_PLAYED
                    if not self.has_failed:
                        part()
                        self._parts[name] = self._unfinished
            self.show()
            return self.report()

    @property
    def has_failed(self) -> bool:
        """Whether anything was found that was not known."""
        return bool(self._failures or self._violations)

    @property
    def _is_over(self) -> bool:
        return time.monotonic() > self.session.deadline

    def systematic(self) -> None:
        """Play every trial; where the account cannot be emptied, first those that take the fewest units."""
        before = self.session.quota()
        self._used = None if before is None else before.used
        trials = Trials(self.session.lifecycle, self._pilot)
        self._play(trials.surveys())
        self._why |= trials.why
        self._play(self._told("systematic", list(trials.all())))

    def _play(self, trials: Iterable[Trial]) -> None:
        for trial in trials:
            if self.fail_fast and self.has_failed:
                return
            if self._is_over:
                self._unfinished = self._untried = "the budget ended before everything was tried"
                return
            selected = any(
                trial.state == state and trial.trigger in {None, trigger} for state, trigger in self._results
            )
            if selected:
                self._attempt(trial)

    def _told(self, part: str, tried: Sequence[_T]) -> Iterator[_T]:
        for number, each in enumerate(tried, 1):
            if self.progress is not None and not self._is_over:
                self.progress(part, number, len(tried))
            yield each

    def _attempt(self, trial: Trial) -> None:
        if self._pilot.is_frugal and self._takes_a_unit(trial) and self._few_units_are_left():
            tried = Tried((), (), f"units are lost, and the last {KEPT} were kept to show that")
        else:
            tried = trial.attempt(self._pilot)
        if self.may_widen and self._pilot.must_wait:
            raise _ActsByItself
        for failure in tried.failures:
            self._failed(failure, "systematic")
            self._pilot.is_frugal |= failure.kind is Kind.QUOTA and self._are_units_lost()
        for trigger in tried.passed:
            self._passed.add((trial.state, trigger))
            if self._results.get((trial.state, trigger)) is Result.NOT_FORCED:
                self._results[trial.state, trigger] = Result.PASSED
        if trial.trigger is not None and tried.why:
            self._why.setdefault((trial.state, trial.trigger), tried.why)

    def _takes_a_unit(self, trial: Trial) -> bool:
        return trial.state is not None or trial.trigger in self.session.lifecycle.creates

    def _are_units_lost(self) -> bool:
        """Whether orders that were given up hold units."""
        now = self.session.quota()
        return not (self.session.ours or now is None or self._used is None) and now.used > self._used

    def _few_units_are_left(self) -> bool:
        quota = self.session.quota()
        return quota is not None and quota.total - quota.used <= KEPT

    def random(self) -> None:
        """Play random programs until one fails."""
        failure = failing_program(self.session, self.programs, self.seed, self.session.deadline, self._is_new)
        if failure is not None:
            self._failed(exact(self.session, failure), "random")
        elif self._is_over:
            self._unfinished = self._unfinished or "the budget ended before every random program was played"

    def race(self) -> None:
        """Let clients race for what must be accepted once, if the driver lets them."""
        if getattr(self.session.driver, "takes_calls_at_once", True):
            self._run([race for race in races_for_one(self.session.lifecycle) if self._is_to_be_run(race)])

    def concurrent(self) -> None:
        """Let concurrent clients race, and then call what they like."""
        assert self.rounds is not None
        clients, calls = self.rounds
        self._run([race for race in races(self.session.lifecycle, clients) if self._is_to_be_run(race)] * RACES)
        if not self.has_failed:
            self._call_at_once(clients, calls)

    def _run(self, races: Sequence[Race]) -> None:
        """Run races, none again that was lost."""
        lost: set[tuple[State | None, tuple[Trigger, Trigger]]] = set()
        for race in self._told("races", races):
            if (race.state, race.triggers) in lost:
                continue
            if self._is_over:
                self._unfinished = self._unfinished or "the budget ended before every race was run"
                break
            with suppress(CannotForce):
                try:
                    for found in raced(self.session, self._pilot, race, self.session.deadline):
                        lost.add((race.state, race.triggers))
                        self._lost(of_race(found, self.session.lifecycle))
                except Contradiction as found:
                    failure = self.session.failure(found)
                    if not failure.passing:
                        self._failed(failure, "concurrent")
            if self.fail_fast and self.has_failed:
                break

    def _is_to_be_run(self, race: Race) -> bool:
        selection = self.selection
        tried = any(selection.has((race.state, trigger)) for trigger in race.triggers)
        return tried and not selection.left_out & {*race.triggers}

    def _call_at_once(self, clients: int, calls: int) -> None:
        self.session.begin(FEW_UNITS)
        report = self.session.wait_for(
            run_concurrent_async(
                self.session.driver,
                clients=clients,
                calls=calls,
                seed=self.seed,
                lifecycle=self.session.lifecycle,
                events=self.session.events,
                budget=max(1.0, self.session.deadline - time.monotonic()),
                left_out=self.session.left_out,
            )
        )
        exchanges = self.session.exchanges()
        self.session.checked += report.answers
        self.session.give_up_orders(line.order_id for line in report.lines if line.order_id is not None)
        for problem in report.problems:
            self._lost(of_clients(problem, self.session.lifecycle, exchanges=exchanges))
        if report.verdict is Finding.UNDECIDED:
            self._unfinished = self._unfinished or "what concurrent clients were told could not be decided"

    def show(self) -> None:
        """Show failures with the fewest calls, some of each kind; and what else shorter programs show."""
        chosen = _some_of_each_kind([failure for failure, _ in self._failures.values()], self._shown)
        if not self.session.ours:  # each costs an order at most, and then there may be no unit left for the others
            chosen = [without_bystanders(self.session, failure) for failure in chosen]
        until = max(self.session.deadline, time.monotonic() + LEAST_SHRINKING)
        parts = {key: part for key, (_, part) in self._failures.items()}
        for number, failure in enumerate(chosen):
            if self.progress is not None:
                self.progress("shrinking", number + 1, len(chosen))
            part = parts[failure.key]
            now = time.monotonic()
            share = now + max(0.0, until - now) / (len(chosen) - number)
            found = fewest_calls(self.session, failure, self._is_new, share)
            self._widen(found)
            if found.names(failure):
                self._rename(failure, found, part)
            self._show(found, part)
            if not found.names(failure):
                self._show(fewest_calls(self.session, failure, lambda _other: False, share), part)

    def _rename(self, failure: Failure, shown: Failure, part: str) -> None:
        """Of what is told once, accuse what fewer calls do."""
        self._failures.pop(failure.key, None)
        self._failures[shown.key] = shown, part
        pair = failure.state, failure.trigger
        if not any(key[:2] == pair for key in (*self._failures, *self._known)):
            self._results[pair] = Result.PASSED if pair in self._passed else Result.NOT_FORCED

    def _show(self, failure: Failure, part: str) -> None:
        if len(self._violations) < self._shown:
            self._failures.setdefault(failure.key, (failure, part))
            self._results[failure.state, failure.trigger] = Result.FAILED
            self._violations[failure.key] = violation_of(failure, self.session, part)

    def report(self) -> Report:
        """What was found."""
        for pair in self._results:
            if self._results[pair] is Result.NOT_FORCED and pair[1] in self.session.not_offered:
                self._results[pair] = Result.NOT_OFFERED
        why = {
            pair: self._why.get(pair, self._untried or unreached(self.session.lifecycle))
            for pair, result in self._results.items()
            if result is Result.NOT_FORCED
        }
        reason = "" if self.has_failed else self._nothing(why) or self._unfinished
        return Report(
            verdict=Finding.VIOLATES if self.has_failed else Finding.UNDECIDED if reason else Finding.CONFORMS,
            checked=self.session.checked,
            coverage=self._results,
            violations=tuple(sorted(self._violations.values(), key=lambda violation: _gravity(violation.kind))),
            events=self.session.events,
            seed=self.seed,
            reason=reason,
            failed=tuple(sorted({**self._failures, **self._violations}, key=lambda key: _gravity(key[2]))),
            known=tuple(self._known),
            not_forced=why,
            parts=self._parts,
            vanished=tuple(sorted(filter(self._has_vanished, self.known_before), key=self._place)),
            lifecycle=self.session.lifecycle,
        )

    # -- inside ------------------------------------------------------------------------------------------------------

    def _nothing(self, not_forced: Mapping[Pair, str]) -> str:
        """Why it cannot be decided, although the budget lasted."""
        if not {Result.PASSED, Result.FAILED} & {*self._results.values()}:
            return "no pair of a state and a trigger could be checked"
        if self.session.not_emptied:
            return f"the account could not be emptied: {self.session.not_emptied}"
        if str(NoUnits()) in not_forced.values():
            return "the package had no unit left for everything that was to be tried"
        if self.session.kept_off:
            calls = ", ".join(f"{trigger}: {got}" for trigger, got in self.session.kept_off.items())
            return f"calls were throttled or not permitted, however often they were made: {calls}"
        creates = [pair for pair in self._results if pair[0] is None and pair[1] in self.session.lifecycle.creates]
        if creates and {*creates} <= {*not_forced}:
            return f"no {self.session.lifecycle.noun} was created: {not_forced[creates[0]]}"
        return ""

    def _failed(self, failure: Failure, part: str) -> None:
        """Note a failure, unless it was known, or accuses what was not to be tried. What is told once always is."""
        pair = failure.state, failure.trigger
        if not self._is_asked_for(failure) and failure.once is None:
            return
        self._widen(failure)
        self._results[pair] = Result.FAILED
        if failure.key in self.known_before:
            self._known[failure.key] = None
            return
        self._failures.setdefault(failure.key, (failure, part))

    def _widen(self, failure: Failure) -> None:
        """`_ActsByItself` if that may be what a failure shows."""
        if self.may_widen and others_may_have(failure, self.session) and self._acts_by_itself:
            raise _ActsByItself

    @cached_property
    def _acts_by_itself(self) -> bool:
        return Pilot(self.session, self.patience).orders_move_by_themselves()

    def _has_vanished(self, key: Key) -> bool:
        """Whether a failure that was known was looked for, and not found."""
        return not self._unfinished and key not in self._known and self._results.get(key[:2]) is Result.PASSED

    def _place(self, key: Key) -> tuple[int, int]:
        return list(self._results).index(key[:2]), _gravity(key[2])

    def _lost(self, violation: Violation) -> None:
        """Note what cannot be of the answers of concurrent clients, if it is new."""
        pair = violation.state, violation.trigger
        if not self.selection.has(pair):
            return
        self._results[pair] = Result.FAILED
        if violation.key in self.known_before:
            self._known[violation.key] = None
        elif len(self._violations) < self._shown:
            self._violations.setdefault(violation.key, violation)

    def _is_new(self, failure: Failure) -> bool:
        return self._is_asked_for(failure) and failure.key not in {*self._failures, *self.known_before}

    def _is_asked_for(self, failure: Failure) -> bool:
        """Whether it accuses a pair that was to be tried, or shows a word that is none where such a pair was tried."""
        of_a_word = (
            failure.kind is Kind.STATE_MACHINE and failure.trigger in self.session.roles.reads and failure.itself
        )
        return of_a_word or self.selection.has((failure.state, failure.trigger))


def _gravity(kind: Kind) -> int:
    return list(Kind).index(kind)


def _some_of_each_kind(failures: list[Failure], number: int) -> list[Failure]:
    """The gravest of `failures`, but at least one of each kind as long as there is room, the gravest first."""
    by_kind = sorted(failures, key=lambda failure: _gravity(failure.kind))
    first = {failure.kind: failure for failure in reversed(by_kind)}.values()
    chosen = sorted(by_kind, key=lambda failure: not any(failure is each for each in first))[:number]
    return sorted(chosen, key=lambda failure: _gravity(failure.kind))
