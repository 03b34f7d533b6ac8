"""A test for each state and trigger, for pytest: what `--orderfsm-endpoint` or `--orderfsm-driver` add to a run."""

from __future__ import annotations

import math
import secrets
import time
from collections import defaultdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from orderfsm.trace import Events

from .conformance import PATIENCE, first_assumed
from .model.failure import Kind
from .model.session import Session, unreached
from .naming import name_of
from .programs.random_programs import failing_program
from .programs.shrink import fewest_calls
from .programs.trials import Trials
from .programs.ways import Pilot
from .report import Result, others_may_have, violation_of, write_script
from .selection import Selection, read_baseline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import State, Trigger

    from .drivers.driver import Driver
    from .model.failure import Failure
    from .programs.trial import Trial
    from .report import Pair, Violation


class Suite(pytest.Collector):
    """The tests of the server behind the driver that `make` makes, which is not made before the first of them runs.

    `hint` says how more could be forced. A test that fails as the baseline says is an expected failure, and passes
    unexpectedly where it does not fail any more.
    """

    def __init__(self, *, make: Callable[[], Driver], lifecycle: Lifecycle, hint: str = "", **fields: Any) -> None:
        super().__init__(**fields)
        self._make, self._lifecycle, self._hint = make, lifecycle, hint
        self._budget = self.config.getoption("--orderfsm-budget") or math.inf
        chosen: Any = [self.config.getoption(f"--orderfsm-{name}") for name in ("only", "exclude")]
        self._selection = Selection.of(lifecycle, *chosen)
        baseline: Any = self.config.getoption("--orderfsm-baseline")
        self._known = frozenset() if baseline is None else read_baseline(Path(baseline), lifecycle)
        self._violations: dict[Pair, Violation] = {}
        self._told: dict[Pair, Violation] = {}
        """What every test would fail of fails those of the same trigger: a read that is not answered."""
        self._known_found: dict[Pair, Violation] = {}
        self._failed: set[Pair] = set()
        self._why: dict[tuple[State | None, Trigger | None], str] = {}

    def collect(self) -> Iterator[SuiteTest]:
        """A test for each state and trigger, where the table's sources speak of it; and one that plays random programs.

        That one if it is told how many.
        """
        for state, rows in self._lifecycle.table.items():
            for trigger in rows:
                if self._selection.has((state, trigger)):
                    yield self._test_of((state, trigger))
        if self.config.getoption("--orderfsm-random"):
            yield SuiteTest.from_parent(self, name="test_random_programs", suite=self, pair=None)

    def _test_of(self, pair: Pair) -> SuiteTest:
        test = SuiteTest.from_parent(self, name=name_of(self._lifecycle, *pair), suite=self, pair=pair)
        if any(key[:2] == pair for key in self._known):
            test.add_marker(pytest.mark.xfail(raises=KnownViolation, reason="known before", strict=False))
        return test

    def teardown(self) -> None:
        """Leave the server as it was found, but for its orders."""
        if "_session" in vars(self):
            self._session.__exit__()

    def play(self) -> None:
        """Play random programs: it fails with the first that is new, and is skipped if the time was over."""
        self._begin()
        number, seed = int(self.config.getoption("--orderfsm-random") or 0), self.config.getoption("--orderfsm-seed")
        seed = secrets.randbits(32) if seed is None else seed
        failure = failing_program(self._session, number, seed, self._deadline, self._is_new)
        if failure is not None:
            found = fewest_calls(self._session, failure, lambda _failure: False, self._deadline)
            raise FoundViolation(violation_of(found, self._session, f"random, seed {seed}"))
        self._begin()

    def _is_new(self, failure: Failure) -> bool:
        return (failure.state, failure.trigger) not in self._violations and not self._is_left_alone(failure)

    def _is_left_alone(self, failure: Failure) -> bool:
        """Whether a failure was known, or accuses what was not to be tried. What is told once always is."""
        pair = failure.state, failure.trigger
        return failure.key in self._known or (failure.once is None and not self._selection.has(pair))

    def _begin(self) -> None:
        if time.monotonic() > self._deadline:
            pytest.skip("the budget ended before everything was tried")

    @cached_property
    def _deadline(self) -> float:
        return time.monotonic() + self._budget

    def check(self, pair: Pair) -> None:
        """Play what there is to try for a pair: it fails, or is skipped if it could not be forced.

        What accuses another pair fails the test of that one, if it is still to run or has failed.
        """
        self._to_run.discard(pair)
        self._begin()
        results = {self._result(trial) for trial in self._trials[pair]}
        accused = [other for other in self._violations if other == pair or other not in self._to_run | self._failed]
        if pair in self._told:
            raise FoundViolation(self._told[pair])
        for other in sorted(accused, key=lambda other: other != pair):
            self._failed.add(other)
            raise FoundViolation(self._violations[other])
        if pair in self._known_found:
            raise KnownViolation(self._known_found[pair])
        if Result.PASSED not in results:
            lacking = [told for accused, told in self._told.items() if accused[1] is pair[1]]
            if lacking:
                raise FoundViolation(lacking[0])
            if pair[1] in self._session.not_offered:
                pytest.skip("the server does not offer this operation")
            why = self._why.get(pair, unreached(self._lifecycle))
            pytest.skip(f"this state or event could not be forced{self._hint} ({why})")

    @cached_property
    def _to_run(self) -> set[Pair]:
        return {item.pair for item in self.session.items if isinstance(item, SuiteTest) and item.pair is not None}

    @cached_property
    def _session(self) -> Session:
        return Session(
            self._make(),
            self._lifecycle,
            first_assumed(self._lifecycle),
            left_out=self._selection.left_out,
            strict=bool(self.config.getoption("--orderfsm-strict-operations")),
        )

    @cached_property
    def _pilot(self) -> Pilot:
        return Pilot(self._session, PATIENCE)

    @cached_property
    def _trials(self) -> dict[Pair, list[Trial]]:
        trials: dict[Pair, list[Trial]] = defaultdict(list)
        for trial in Trials(self._lifecycle, self._pilot).all():
            if trial.trigger is not None:
                trials[trial.state, trial.trigger].append(trial)
        return trials

    def _result(self, trial: Trial) -> Result:
        tried = trial.attempt(self._pilot)
        if self._session.events is Events.COMPLETE and self._pilot.must_wait:
            self._session.events = Events.PARTIAL
            return self._result(trial)
        for came in sorted(tried.failures, key=lambda failure: list(Kind).index(failure.kind)):
            found = fewest_calls(self._session, came, lambda _failure: False, self._deadline)
            if (
                self._session.events is Events.COMPLETE
                and others_may_have(found, self._session)
                and self._pilot.orders_move_by_themselves()
            ):
                self._session.events = Events.PARTIAL
                return self._result(trial)
            if found.key in self._known:
                shown = self._known_found
            elif self._is_left_alone(found):
                continue
            else:
                shown = self._violations if found.once is None else self._told
            shown.setdefault((found.state, found.trigger), violation_of(found, self._session, "systematic"))
        if tried.why:
            self._why.setdefault((trial.state, trial.trigger), tried.why)
        return Result.PASSED if trial.trigger in tried.passed else Result.NOT_FORCED


class FoundViolation(Exception):
    """The server contradicts the table, as the violation says."""

    def __init__(self, violation: Violation) -> None:
        super().__init__(violation)
        self.violation = violation


class KnownViolation(FoundViolation):
    """One that the baseline names."""


class SuiteTest(pytest.Item):
    """A test of a suite: of a state and a trigger, or of random programs if there is no `pair`."""

    def __init__(self, *, suite: Suite, pair: Pair | None, **fields: Any) -> None:
        super().__init__(**fields)
        self._suite, self.pair = suite, pair

    def runtest(self) -> None:
        """Play what there is to try."""
        if self.pair is None:
            self._suite.play()
        else:
            self._suite.check(self.pair)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The violation, and where its program is if one was asked for; anything else as it is."""
        if not isinstance(excinfo.value, FoundViolation):
            return super().repr_failure(excinfo, style)
        violation = excinfo.value.violation
        folder = self.config.getoption("--orderfsm-repro")
        written = "" if folder is None else f"\n  as a program: {write_script(Path(folder), violation)}"
        return f"{violation}{written}"

    def reportinfo(self) -> tuple[Path, None, str]:
        """Where a test is said to be."""
        return self.path, None, self.name
