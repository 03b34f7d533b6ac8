"""A test for each state and trigger, for pytest: what `--orderfsm-endpoint` adds to a test run."""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pytest

from orderfsm.lifecycle import ORDER_LIFECYCLE, Lifecycle
from orderfsm.trace import Events

from .counterexample import fewest_calls
from .cover import Cover
from .http import HTTPDriver, key_of_environment
from .report import Result
from .session import Failure, Session
from .ways import NoUnits, Pilot

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from orderfsm.spec import State, Trigger

    from .cover import Trial
    from .report import Pair, Violation

PATIENCE = 0.5
"""Seconds for which others are waited for to move an order."""


def name_of(lifecycle: Lifecycle, state: State | None, trigger: Trigger) -> str:
    """The name of a test.

    >>> from orderfsm import ORDER_LIFECYCLE, Operation, State
    >>> name_of(ORDER_LIFECYCLE, State.ISSUED, Operation.DELETE)
    'test_delete_is_refused_when_issued'
    """
    what = "accepted" if lifecycle.can(state, trigger) else "refused"
    verb = f"is_{what}"
    if state is not None and lifecycle.can(None, trigger) and what == "refused":
        verb = "creates_another_order"
    return f"test_{trigger.name.lower()}_{verb}_when_{state or 'there_is_no_order'}"


class Suite(pytest.Collector):
    """The tests of the server at an endpoint, which nobody asks anything before the first of them runs."""

    def __init__(self, *, endpoint: str, control: str | None, **fields: Any) -> None:
        super().__init__(**fields)
        self._endpoint, self._control = endpoint, control
        self._violations: dict[Pair, Violation] = {}
        self._told: dict[Pair, Violation] = {}
        """What every test would fail of fails those of the same trigger: a read that is not answered."""
        self._failed: set[Pair] = set()

    def collect(self) -> Iterator[PairTest]:
        """A test for each state and trigger."""
        for state in ORDER_LIFECYCLE.state_rules:
            for trigger in ORDER_LIFECYCLE.trigger_rules:
                yield PairTest.from_parent(self, name=name_of(ORDER_LIFECYCLE, state, trigger), pair=(state, trigger))

    def check(self, pair: Pair) -> None:
        """Play what there is to try for a pair: it fails, or is skipped if it could not be forced.

        What accuses another pair fails the test of that one, if it is still to run or has failed.
        """
        self._to_run.discard(pair)
        results = {self._result(trial) for trial in self._trials[pair]}
        accused = [other for other in self._violations if other == pair or other not in self._to_run | self._failed]
        if pair in self._told:
            raise Violated(self._told[pair])
        for other in sorted(accused, key=lambda other: other != pair):
            self._failed.add(other)
            raise Violated(self._violations[other])
        if Result.PASSED not in results:
            lacking = [told for accused, told in self._told.items() if accused[1] is pair[1]]
            if lacking:
                raise Violated(lacking[0])
            without = "; --orderfsm-control URL names a control port that may do it" * (self._control is None)
            pytest.skip(f"this state or event could not be forced{without}")

    @cached_property
    def _to_run(self) -> set[Pair]:
        return {item.pair for item in self.session.items if isinstance(item, PairTest)}

    @cached_property
    def _session(self) -> Session:
        driver = HTTPDriver(self._endpoint, self._control, key=key_of_environment())
        return Session(driver, ORDER_LIFECYCLE, Events.COMPLETE)

    @cached_property
    def _pilot(self) -> Pilot:
        return Pilot(self._session, PATIENCE)

    @cached_property
    def _trials(self) -> dict[Pair, list[Trial]]:
        trials: dict[Pair, list[Trial]] = defaultdict(list)
        for trial in Cover(ORDER_LIFECYCLE, self._pilot).trials():
            trials[trial.state, trial.trigger].append(trial)
        return trials

    def _result(self, trial: Trial) -> Result:
        try:
            came = trial.attempt(self._session)
        except NoUnits:
            came = Result.NOT_FORCED
        self._tell()
        if isinstance(came, Failure):
            found = fewest_calls(self._session, came, lambda _failure: True)
            if (
                self._session.events is Events.COMPLETE
                and found.others_may_have(self._session)
                and self._pilot.orders_move_by_themselves()
            ):
                self._session.events = Events.PARTIAL
                return self._result(trial)
            pair = found.failure.state, found.failure.trigger
            self._violations.setdefault(pair, found.violation(self._session, "systematic"))
            return Result.FAILED
        self._session.give_up_orders()
        return came

    def _tell(self) -> None:
        """Show what every trial would fail of, once."""
        for told in list(self._session.told.values())[len(self._told) :]:
            done, units = self._session.done, self._session.units
            self._session.done, self._session.units = told.done, told.units
            found = fewest_calls(self._session, told.failure, lambda _failure: False)
            self._told[told.failure.state, told.failure.trigger] = found.violation(self._session, "systematic")
            self._session.done, self._session.units = done, units


class Violated(Exception):
    """The server contradicts the table, as the violation says."""

    def __init__(self, violation: Violation) -> None:
        super().__init__(violation)
        self.violation = violation


class PairTest(pytest.Item):
    """A test: one state, one trigger."""

    def __init__(self, *, pair: Pair, **fields: Any) -> None:
        super().__init__(**fields)
        self.pair = pair

    def runtest(self) -> None:
        """Play what there is to try."""
        suite = self.parent
        assert isinstance(suite, Suite)
        suite.check(self.pair)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The violation, with its program; anything else as it is."""
        if isinstance(excinfo.value, Violated):
            violation = excinfo.value.violation
            return f"{violation}\n\n{violation.script}"
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Where a test is said to be."""
        return self.path, None, self.name
