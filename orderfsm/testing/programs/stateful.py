"""Random programs as a state machine of hypothesis, for test suites that use it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from orderfsm.explanation import with_article
from orderfsm.invalid import InvalidValue
from orderfsm.questions import ORDER_LIFECYCLE
from orderfsm.testing.model.session import Session
from orderfsm.trace import Events

from .random_programs import SIZES, RandomProgram, creates, moves
from .ways import Pilot

if TYPE_CHECKING:
    from collections.abc import Callable

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.testing.drivers.driver import Driver

    from .random_programs import Choices


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
    session = Session(driver, lifecycle, Events(events))
    if not creates(lifecycle):
        accepted = f"one in which a client can create {with_article(lifecycle.noun)}"
        raise InvalidValue("table", lifecycle.name, [accepted])
    rules: dict[str, Any] = {}
    for name, drawn in moves(lifecycle, flaws=session.flaws).items():
        given: dict[str, Any] = {argument: _one_of(kinds) for argument, kinds in drawn.items()}
        as_rule: Any = rule(**given)
        rules[name] = as_rule(_move(name))
    fields = {
        "session": session,
        "pilot": Pilot(session, patience=0),
        "begin": initialize(units=st.sampled_from(SIZES))(_move("begin")),
        **rules,
    }
    return type("LifecycleMachine", (_RandomPrograms,), fields)


def _one_of(kinds: Choices) -> st.SearchStrategy[Any]:
    return st.one_of([st.sampled_from(kind) for kind in kinds])


def _move(name: str) -> Callable[..., None]:
    def move(self: _RandomPrograms, **given: Any) -> None:
        getattr(self.program, name)(**given)

    return move


class _RandomPrograms(RuleBasedStateMachine):
    """Plays a `RandomProgram` in a session."""

    session: ClassVar[Session]
    pilot: ClassVar[Pilot]

    def __init__(self) -> None:
        super().__init__()
        self.program = RandomProgram(self.session, self.pilot, math.inf, lambda _failure: True)

    def teardown(self) -> None:
        """Give the program's orders up."""
        self.session.give_up_orders()
