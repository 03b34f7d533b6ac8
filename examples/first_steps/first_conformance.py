# needs: orderfsm[testing]
"""A first conformance run: a mock of one's own, in memory, is held against the table.

Its `delete` forgets that an order may not have been validated yet. A server that speaks HTTP needs no driver.
"""

from typing import Any

from orderfsm import State, wire
from orderfsm.testing import Answer, check_conformance


class Driver:
    """The mock, which has the API's word for the state of each order, and what connects the kit to it."""

    def __init__(self) -> None:
        self.orders: dict[int, str | None] = {}

    def create(self, _operation: Any) -> Answer:
        """A new order."""
        order_id = len(self.orders) + 1
        self.orders[order_id] = "domain_verify"
        return Answer.accepted(order_id=order_id)

    def call(self, operation: Any, order_id: Any) -> Answer | None:
        """What an operation does to an order; None: this mock does not have it."""
        word = self.orders.get(order_id)
        if operation.name not in {"CANCEL", "DELETE"}:
            return None
        if word is None:
            return Answer.refused("NotFoundOrder")
        if operation.name == "CANCEL" and word in {"domain_verify", "process"}:
            self.orders[order_id] = "payed"
        elif operation.name == "DELETE" and word != "process":
            self.orders[order_id] = None
        else:
            return Answer.refused("OrderStateError")
        return Answer.accepted()

    def observe(self, order_id: Any) -> frozenset[Any]:
        """The states in which the order may be, which is one or several."""
        word = self.orders.get(order_id)
        return frozenset({None, State.DELETED}) if word is None else wire.types()[word]

    def happen(self, _order_id: Any, _event: Any) -> None:
        """What others do: nobody else moves the orders of this mock."""


report = check_conformance(Driver(), seed=1)
print(report.verdict)
for violation in report.violations:
    print(f"{violation.trigger} in {violation.where}: expected {violation.expected}, got {violation.got}")
