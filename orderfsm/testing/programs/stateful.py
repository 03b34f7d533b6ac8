"""Random programs, by hypothesis: a state machine that plays any steps on a few orders of a server."""

from __future__ import annotations

import math
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import hypothesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from orderfsm.questions import ORDER_LIFECYCLE
from orderfsm.tables.orders import Event, Operation, State
from orderfsm.testing.model.contradiction import Contradiction
from orderfsm.testing.model.perform import CannotForce
from orderfsm.testing.model.session import Session
from orderfsm.testing.model.steps import ON_AN_ORDER, UNITS, Call, Observe, ReadList, ReadQuota
from orderfsm.trace import Events
from orderfsm.wire import statuses

from .storage import put_aside_elsewhere
from .trials import MALFORMED, UNKNOWN_ID
from .ways import Pilot, shortest_way

if TYPE_CHECKING:
    from collections.abc import Callable

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.testing.drivers.driver import Driver
    from orderfsm.testing.model.failure import Failure
    from orderfsm.testing.model.steps import Step

POOL = 3
"""How many orders a program has at a time that are not at their end: so few that each gets far."""

ENDED = 2
"""How many that are at their end it still uses: the last ones."""

STEPS = 40
"""Steps of a random program at most."""

PLACES = st.integers(0, POOL + ENDED - 1)
"""Places of orders among those that a program uses."""

TRIGGERS = st.sampled_from([*ON_AN_ORDER, *Event])
"""What can be fired on an order."""

READ_STEPS: st.SearchStrategy[Step | int] = st.one_of(
    PLACES,
    st.builds(ReadQuota),
    st.builds(ReadList, st.none() | st.sampled_from(list(statuses())), st.none(), st.integers(1, 3), st.integers(1, 5)),
    st.builds(Call, st.sampled_from(ON_AN_ORDER), st.sampled_from([*MALFORMED, UNKNOWN_ID])),
)
"""What reads and changes nothing; a number is the place of an order to observe."""


class Violated(AssertionError):
    """The server contradicts the table; the message says where, and what was done."""


def lifecycle_machine(
    driver: Driver, *, lifecycle: Lifecycle = ORDER_LIFECYCLE, events: Events = Events.COMPLETE
) -> type[RuleBasedStateMachine]:
    """A `RuleBasedStateMachine` that plays random programs against the server behind `driver`.

    Its `.TestCase` drops into any test suite, and fails with a `Violated`. `events` are PARTIAL if owner, CA or
    calendar may act by themselves.

    >>> from orderfsm.machine import OrderMachine
    >>> from orderfsm.testing import MachineDriver, lifecycle_machine
    >>> TestOrderMachine = lifecycle_machine(MachineDriver(OrderMachine)).TestCase
    """
    return _machine(Session(driver, lifecycle, Events(events)), math.inf, lambda _failure: True)


@put_aside_elsewhere()
def failing_program(
    session: Session,
    programs: int,
    seed: int,
    deadline: float = math.inf,
    is_new: Callable[[Failure], bool] = lambda _failure: True,
) -> Failure | None:
    """Play random programs in a session until one fails, `programs` were played, or `time.monotonic` is at `deadline`.

    Returns how one failed. A failure that is not `is_new` is none; the program goes on after it if it can.
    """
    machine = hypothesis.seed(seed)(_machine(session, deadline, is_new))
    profile = settings(
        max_examples=programs,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        report_multiple_bugs=False,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    )
    with suppress(Violated, Flaky):
        run_state_machine_as_test(machine, settings=profile)
    return next(iter(machine.failures), None)


def _machine(session: Session, deadline: float, is_new: Callable[[Failure], bool]) -> type[_RandomPrograms]:
    fields = {
        "session": session,
        "pilot": Pilot(session, patience=0),
        "failures": [],
        "deadline": deadline,
        "is_new": staticmethod(is_new),
    }
    return type("LifecycleMachine", (_RandomPrograms,), fields)


class _RandomPrograms(RuleBasedStateMachine):
    """Random steps on a few orders of a session; after the `deadline` nothing is done.

    `failures` gets how programs failed in ways that are new.
    """

    session: ClassVar[Session]
    pilot: ClassVar[Pilot]
    failures: ClassVar[list[Failure]]
    deadline: ClassVar[float]
    is_new: Callable[[Failure], bool]

    def __init__(self) -> None:
        super().__init__()
        self.goes_on = True

    # What is drawn must not depend on what the server did: a rule is never barred, and finds something to do.

    @initialize(units=st.sampled_from([1, 2, UNITS]))
    def begin(self, units: int) -> None:
        """Begin a program with one order."""
        self.pilot.begin(units)
        self.create(Operation.CREATE)

    @rule(
        operation=st.sampled_from(Operation).filter(lambda operation: operation.name.startswith("CREATE")),
        package=st.integers(1, 2),
    )
    def create(self, operation: Operation, package: int = 1) -> None:
        """Create an order, unless there are enough."""
        if len(self.living()) < POOL:
            package = min(package, self.session.packages[-1])
            self.attempt(lambda: self.pilot.fire(operation, package=package))

    @rule(place=PLACES, trigger=TRIGGERS)
    def fire(self, place: int, trigger: Operation | Event) -> None:
        """Fire any trigger on an order."""
        orders = self.orders()
        if orders:
            self.attempt(lambda: self.pilot.fire(trigger, _at(orders, place)))

    @rule(place=PLACES, choice=st.integers(0, 5))
    def move(self, place: int, choice: int) -> None:
        """Fire one that changes something, so that orders get far; create one if all are at their end."""
        living = self.living()
        if not living:
            self.create(Operation.CREATE)
            return
        order = _at(living, place)
        states = sorted(self.session.account.states(order), key=str)
        rows = [row for state in states for row in self.session.lifecycle.outgoing(state)]
        self.attempt(lambda: self.pilot.fire(_at(rows, choice).trigger, order))

    @rule(place=PLACES, goal=st.sampled_from(State), trigger=TRIGGERS)
    def bring(self, place: int, goal: State, trigger: Operation | Event) -> None:
        """Bring an order on a shortest way to any state that it can come to, and fire any trigger there."""
        living = self.living()
        if not living:
            self.create(Operation.CREATE)
            return
        order = _at(living, place)
        start = min(self.session.account.states(order), key=str)
        way = shortest_way(self.session.lifecycle, start, goal) or ()
        for fired in (*(row.trigger for row in way), trigger):
            self.attempt(partial(self.pilot.fire, fired, order))

    @rule(read=READ_STEPS)
    def read(self, read: Step | int) -> None:
        """Read something, or call with an id that no order has."""
        orders = self.orders()
        if not isinstance(read, int):
            self.attempt(lambda: self.session.do(read))
        elif orders:
            self.attempt(lambda: self.session.do(Observe(_at(orders, read))))

    def teardown(self) -> None:
        """Give the program's orders up."""
        self.session.give_up_orders()

    def living(self) -> list[int]:
        """The orders that may not be at their end."""
        account, rules = self.session.account, self.session.lifecycle.state_rules
        return [order for order in account.ids if not all(rules[state].terminal for state in account.states(order))]

    def orders(self) -> list[int]:
        """These, and the last ones that are."""
        living = self.living()
        return [*living, *[order for order in self.session.account.ids if order not in living][-ENDED:]]

    def attempt(self, act: Callable[[], Any]) -> None:
        """Do something; a contradiction ends the program, and fails unless it is a passing one."""
        self.goes_on = self.goes_on and time.monotonic() < self.deadline
        if not self.goes_on:
            return
        with suppress(CannotForce):
            failures = self.failures_of(act)
            for failure in filter(self.is_new, failures):
                self.failures.append(failure)
                done = "\n".join(f"  {each.step}: {each.got}" for each in failure.done)
                raise Violated(f"{failure}. What was done:\n{done}")

    def failures_of(self, act: Callable[[], Any]) -> list[Failure]:
        """Do something, and count if it was refused: how it failed, not in passing."""
        known = len(self.session.found)
        try:
            act()
            if self.session.done[-1].refused:
                for package in self.session.packages:
                    self.session.do(ReadQuota(package))
        except Contradiction as found:
            self.goes_on = False
            return [] if found.passing else [self.session.failure(found)]
        return self.session.found[known:]


def _at(choices: list[Any], place: int) -> Any:
    return choices[place % len(choices)]
