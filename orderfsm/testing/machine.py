"""A driver for machines: objects with a state and a method for each trigger, one for each order."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

from orderfsm.errors import NotFoundOrder, ServiceError
from orderfsm.spec import Operation

from .driver import Answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from orderfsm.spec import Event, State, Trigger


class MachineDriver:
    """Drives machines like `OrderMachine`, which `make` makes: each has `.state`, and `.cancel()`, `.review_passed()`.

    A method is named for its trigger, in lower case. It returns where the machine allows it, and raises where not: one
    of `orderfsm.errors` with its code, or any exception, which has none.

    >>> from orderfsm.machine import OrderMachine
    >>> from orderfsm.testing import MachineDriver, check_conformance
    >>> str(check_conformance(MachineDriver(OrderMachine), random=0).verdict)
    'conforms'
    """

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._machines: dict[int, Any] = {}
        self._ids = count(1)

    def create(self, operation: Operation = Operation.CREATE_FOR_PACKAGE) -> Answer:  # noqa: ARG002  # all are alike
        """See `Driver`."""
        order_id = next(self._ids)
        self._machines[order_id] = self._make()
        return Answer.accepted(order_id=order_id)

    def call(self, operation: Operation, order_id: int | str) -> Answer:
        """See `Driver`."""
        return self._fire(operation, order_id)

    def observe(self, order_id: int) -> frozenset[State | None]:
        """See `Driver`."""
        return frozenset([self._machines[order_id].state])

    def happen(self, order_id: int, event: Event) -> Answer:
        """See `Driver`."""
        return self._fire(event, order_id)

    def _fire(self, trigger: Trigger, order_id: int | str) -> Answer:
        if not isinstance(order_id, int):
            return Answer.refused(None)
        if order_id not in self._machines:
            return Answer.refused(NotFoundOrder.code)
        try:
            getattr(self._machines[order_id], trigger.name.lower())()
        except ServiceError as refusal:
            return Answer.refused(refusal.code)
        except Exception:  # noqa: BLE001  # whatever a machine refuses with
            return Answer.refused(None)
        return Answer.accepted()
