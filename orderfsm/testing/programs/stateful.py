"""Random programs, by hypothesis: a state machine that plays any steps on a few orders of a server."""

from __future__ import annotations

import math
import time
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import hypothesis
from hypothesis import HealthCheck, Phase, configuration, settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from orderfsm import scratch
from orderfsm.explanation import with_article
from orderfsm.invalid import InvalidValue
from orderfsm.questions import ORDER_LIFECYCLE
from orderfsm.testing.model.failure import Contradiction
from orderfsm.testing.model.roles import roles
from orderfsm.testing.model.session import CannotForce, Session
from orderfsm.testing.model.steps import UNITS, Call, Observe, ReadAccount, ReadList, ReadQuota, told
from orderfsm.trace import Events
from orderfsm.words import meanings

from .ways import Pilot, shortest_way

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import State, Trigger
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


class Violated(AssertionError):
    """The server contradicts the table; the message says where, and what was done."""


class TimeIsOver(Exception):
    """No other program is to begin."""


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


@contextmanager
def put_aside_elsewhere() -> Iterator[None]:
    """Until the end, hypothesis keeps its things in a folder that is then removed, not in the working directory.

    A check of a server is no test suite: nobody expects that it leaves anything there.
    """
    before = getattr(configuration, "__hypothesis_home_directory", None)
    with scratch.folder() as folder:
        configuration.set_hypothesis_home_dir(folder)
        try:
            yield
        finally:
            configuration.set_hypothesis_home_dir(before)


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
    if not _creates(session.lifecycle):
        return None
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
    with suppress(Violated, Flaky, TimeIsOver):
        run_state_machine_as_test(machine, settings=profile)
    return next(iter(machine.failures), None)


def _machine(session: Session, deadline: float, is_new: Callable[[Failure], bool]) -> type[_RandomPrograms]:
    fields = {
        "session": session,
        "pilot": Pilot(session, patience=0),
        "failures": [],
        "deadline": deadline,
        "is_new": staticmethod(is_new),
        **_rules(session.lifecycle, flaws=session.flaws),
    }
    return type("LifecycleMachine", (_RandomPrograms,), fields)


def _rules(lifecycle: Lifecycle, *, flaws: bool) -> dict[str, Any]:
    """What random programs do, with what is drawn for it from a table; `flaws`: also what cannot be carried out."""
    if not _creates(lifecycle):
        accepted = f"one in which a client can create {with_article(lifecycle.noun)}"
        raise InvalidValue("table", lifecycle.name, [accepted])
    known, programs = roles(lifecycle), _RandomPrograms
    triggers = st.sampled_from(known.fired)
    goals = st.sampled_from([*filter(None, lifecycle.state_rules)])
    flawed = st.sampled_from(known.flawed) if flaws and known.flawed else None
    return {
        **({} if flawed is None else {"flaw": rule(place=PLACES, trigger=flawed)(programs.flaw)}),
        "begin": initialize(units=st.sampled_from([1, 2, UNITS]))(programs.begin),
        "create": rule(operation=st.sampled_from(_creates(lifecycle)), package=st.integers(1, 2))(programs.create),
        "fire": rule(place=PLACES, trigger=triggers)(programs.fire),
        "move": rule(place=PLACES, choice=st.integers(0, 5))(programs.move),
        "bring": rule(place=PLACES, goal=goals, trigger=triggers)(programs.bring),
        "read": rule(read=_reads(lifecycle))(programs.read),
    }


def _creates(lifecycle: Lifecycle) -> list[Trigger]:
    return [operation for operation in lifecycle.operations if operation in lifecycle.creates]


def _reads(lifecycle: Lifecycle) -> st.SearchStrategy[Step | int]:
    """What reads and changes nothing; a number is the place of an order to observe."""
    known = roles(lifecycle)
    reads: list[st.SearchStrategy[Any]] = [PLACES]
    if known.counting is not None:
        reads.append(st.just(ReadQuota(known.counting)))
    if known.listing is not None:
        words = st.none() | st.sampled_from(list(meanings(lifecycle, known.listing)))
        operation, page, size = st.just(known.lists), st.integers(1, 3), st.integers(1, 5)
        reads.append(st.builds(ReadList, operation, words, page=page, size=size))
    if known.told:
        reads.append(st.builds(ReadAccount, st.sampled_from(known.told)))
    none = st.sampled_from([*known.malformed, known.unknown_id])
    if known.on_an_order:
        reads.append(st.builds(Call, st.sampled_from(known.on_an_order), none))
    return st.one_of(reads)


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

    def begin(self, units: int) -> None:
        """Begin a program with one order."""
        if time.monotonic() > self.deadline:
            raise TimeIsOver
        self.pilot.begin(units)
        self.create_any()

    def create_any(self) -> None:
        """Create an order, in the first way that the table has."""
        self.create(_creates(self.session.lifecycle)[0])

    def create(self, operation: Trigger, package: int = 1) -> None:
        """Create an order, unless there are enough."""
        if len(self.living()) < POOL:
            package = min(package, self.session.packages[-1])
            self.attempt(lambda: self.pilot.fire(operation, package=package))

    def fire(self, place: int, trigger: Trigger) -> None:
        """Fire any trigger on an order."""
        orders = self.orders()
        if orders:
            self.attempt(lambda: self.pilot.fire(trigger, _at(orders, place)))

    def flaw(self, place: int, trigger: Trigger) -> None:
        """Fire one on an order so that it cannot be carried out, where it is a call, or an event that is allowed."""
        orders, lifecycle = self.orders(), self.session.lifecycle
        if orders:
            order = _at(orders, place)
            states = self.session.account.states(order)
            if lifecycle.by_client(trigger) or all(lifecycle.table[state].get(trigger) for state in states):
                self.attempt(lambda: self.pilot.flaw(trigger, order))

    def move(self, place: int, choice: int) -> None:
        """Fire one that changes something, so that orders get far; create one if all are at their end."""
        living = self.living()
        if not living:
            self.create_any()
            return
        order = _at(living, place)
        states = sorted(self.session.account.states(order), key=str)
        rows = [row for state in states for row in self.session.lifecycle.outgoing(state)]
        if rows:
            self.attempt(lambda: self.pilot.fire(_at(rows, choice).trigger, order))

    def bring(self, place: int, goal: State, trigger: Trigger) -> None:
        """Bring an order on a shortest way to any state that it can come to, and fire any trigger there."""
        living = self.living()
        if not living:
            self.create_any()
            return
        order = _at(living, place)
        start = min(self.session.account.states(order), key=str)
        way = shortest_way(self.session.lifecycle, start, goal) or ()
        for fired in (*(row.trigger for row in way), trigger):
            self.attempt(partial(self.pilot.fire, fired, order))

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
                done = "\n".join(f"  {told(each.step, self.session.lifecycle)}: {each.got}" for each in failure.done)
                raise Violated(f"{failure}. What was done:\n{done}")

    def failures_of(self, act: Callable[[], Any]) -> list[Failure]:
        """Do something, and count if it was refused: how it failed, not in passing."""
        known = len(self.session.found)
        try:
            act()
            counting = self.session.roles.counting
            if self.session.done[-1].refused and counting is not None:
                for package in self.session.packages:
                    self.session.do(ReadQuota(counting, package))
        except Contradiction as found:
            self.goes_on = False
            return [] if found.passing else [self.session.failure(found)]
        return self.session.found[known:]


def _at(choices: list[Any], place: int) -> Any:
    return choices[place % len(choices)]
