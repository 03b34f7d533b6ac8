"""A driver for machines: objects with a state and a method for each trigger, one for each order."""

from __future__ import annotations

import inspect
from itertools import count
from typing import TYPE_CHECKING, Any

from orderfsm.errors import ServiceError
from orderfsm.invalid import InvalidValue
from orderfsm.questions import ORDER_LIFECYCLE

from .driver import Answer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from orderfsm.identity import Id
    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import Event, Operation, State, Trigger

    from .driver import Now


class MachineDriver:
    """Drives machines like `OrderMachine`, which `make` makes: each has `.state`, and `.cancel()`, `.review_passed()`.

    A method is named for its trigger, in lower case. It returns where the machine allows it, and raises where not: one
    of `orderfsm.errors` with its code, or any exception, which has none. It may be asynchronous, as
    those of `AsyncOrderMachine` are: what it returns is then awaited, in one event loop for all machines. Where the
    model of `lifecycle` refuses with another code than the service, as for an order that is deleted, the service's is
    told. Second orders get no machine.

    >>> from orderfsm.machine import OrderMachine
    >>> from orderfsm.testing import MachineDriver, check_conformance
    >>> str(check_conformance(MachineDriver(OrderMachine), random=0).verdict)
    'conforms'
    """

    tells_second_orders = takes_calls_at_once = False

    def __init__(self, make: Callable[[], Any], *, lifecycle: Lifecycle = ORDER_LIFECYCLE) -> None:
        if not callable(make):
            raise InvalidValue("make", make, ["what makes a machine, such as the class OrderMachine"])
        self._make = make
        self._lifecycle = lifecycle
        self._machines: dict[Id, Any] = {}
        self._numbers = count(1)

    def create(self, operation: Operation | None = None) -> Answer:  # noqa: ARG002  # all are alike
        order_id = self._lifecycle.identity.new(next(self._numbers))
        self._machines[order_id] = self._make()
        return Answer.accepted(order_id=order_id)

    def call(self, trigger: Trigger, order_id: Id) -> Now[Answer]:
        if order_id not in self._machines:
            return Answer.refused(self._lifecycle.not_found.code if self._is_id(order_id) else None)
        machine = self._machines[order_id]
        try:
            came = getattr(machine, trigger.name.lower())()
        except Exception as error:  # noqa: BLE001  # whatever a machine refuses with
            return self._refused(machine, trigger, error)
        return self._awaited(machine, trigger, came) if inspect.isawaitable(came) else Answer.accepted()

    def observe(self, order_id: Id) -> frozenset[State | None]:
        return frozenset([self._machines[order_id].state])

    def happen(self, order_id: Id, event: Event) -> Now[Answer]:
        return self.call(event, order_id)

    async def _awaited(self, machine: Any, trigger: Trigger, firing: Awaitable[Any]) -> Answer:
        try:
            await firing
        except Exception as error:  # noqa: BLE001  # whatever a machine refuses with
            return self._refused(machine, trigger, error)
        return Answer.accepted()

    def _is_id(self, order_id: Id) -> bool:
        try:
            return self._lifecycle.identity.check(order_id) == order_id
        except InvalidValue:
            return False

    def _refused(self, machine: Any, trigger: Trigger, error: Exception) -> Answer:
        """What the service says where the model refuses with this error."""
        lifecycle, state = self._lifecycle, machine.state
        if state in lifecycle.state_rules and isinstance(error, lifecycle.refusal(state, trigger).error):
            return Answer.refused(lifecycle.service_refusal(state, trigger).error.code)
        return Answer.refused(error.code if isinstance(error, ServiceError) else None)
