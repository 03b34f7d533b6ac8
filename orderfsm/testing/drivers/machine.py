"""A driver for machines: objects with a state and a method for each trigger, one for each order."""

from __future__ import annotations

import inspect
from itertools import count
from typing import TYPE_CHECKING, Any

from orderfsm.errors import NotFoundOrder, ServiceError
from orderfsm.invalid import InvalidValue
from orderfsm.questions import ORDER_LIFECYCLE
from orderfsm.tables.orders import Operation

from .driver import Answer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import Event, State, Trigger

    from .driver import Now


class MachineDriver:
    """Drives machines like `OrderMachine`, which `make` makes: each has `.state`, and `.cancel()`, `.review_passed()`.

    A method is named for its trigger, in lower case. It returns where the machine allows it, and raises where not: one
    of `orderfsm.errors` with its code, or any exception, which has none. It may be asynchronous, as
    those of `AsyncOrderMachine` are: what it returns is then awaited, in one event loop for all machines. Where the
    model of `lifecycle` refuses with another code than the service, as for an order that is deleted, the service's is
    told.

    >>> from orderfsm.machine import OrderMachine
    >>> from orderfsm.testing import MachineDriver, check_conformance
    >>> str(check_conformance(MachineDriver(OrderMachine), random=0).verdict)
    'conforms'
    """

    def __init__(self, make: Callable[[], Any], *, lifecycle: Lifecycle = ORDER_LIFECYCLE) -> None:
        if not callable(make):
            raise InvalidValue("make", make, ["what makes a machine, such as the class OrderMachine"])
        self._make = make
        self._lifecycle = lifecycle
        self._machines: dict[int, Any] = {}
        self._ids = count(1)

    def create(self, operation: Operation = Operation.CREATE_FOR_PACKAGE) -> Answer:  # noqa: ARG002  # all are alike
        order_id = next(self._ids)
        self._machines[order_id] = self._make()
        return Answer.accepted(order_id=order_id)

    def call(self, operation: Operation, order_id: int | str) -> Now[Answer]:
        return self._fire(operation, order_id)

    def observe(self, order_id: int) -> frozenset[State | None]:
        return frozenset([self._machines[order_id].state])

    def happen(self, order_id: int, event: Event) -> Now[Answer]:
        return self._fire(event, order_id)

    def _fire(self, trigger: Trigger, order_id: int | str) -> Now[Answer]:
        if not isinstance(order_id, int):
            return Answer.refused(None)
        if order_id not in self._machines:
            return Answer.refused(NotFoundOrder.code)
        machine = self._machines[order_id]
        try:
            came = getattr(machine, trigger.name.lower())()
        except Exception as error:  # noqa: BLE001  # whatever a machine refuses with
            return self._refused(machine, error)
        return self._awaited(machine, came) if inspect.isawaitable(came) else Answer.accepted()

    async def _awaited(self, machine: Any, firing: Awaitable[Any]) -> Answer:
        try:
            await firing
        except Exception as error:  # noqa: BLE001  # whatever a machine refuses with
            return self._refused(machine, error)
        return Answer.accepted()

    def _refused(self, machine: Any, error: Exception) -> Answer:
        """What the service says where the model refuses with this error."""
        model, service = self._lifecycle.refusals, self._lifecycle.service_refusals
        if machine.state in model and isinstance(error, model[machine.state]):
            return Answer.refused(service[machine.state].code)
        return Answer.refused(error.code if isinstance(error, ServiceError) else None)
