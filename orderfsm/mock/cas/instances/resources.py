"""Instances and orders as one account has them: beside one another, oldest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orderfsm.mock.cas.answers import order_of_instance
from orderfsm.mock.stores.store import UNTIL_RESET
from orderfsm.tables.orders import State as OrderState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orderfsm.mock.engine import Engine
    from orderfsm.mock.records import Record

PART = 500
"""Records that are read at once where each has to be looked at."""


class Resources:
    """What `instances` and `orders` have on their store."""

    def __init__(self, instances: Engine, orders: Engine) -> None:
        self.instances = instances
        self.orders = orders
        self.store = instances.store

    def catch_up(self) -> None:
        """Let everything happen that is due by now."""
        self.instances.catch_up()
        self.orders.catch_up()

    def each(self, states: list[Any]) -> Iterator[Record]:
        """All instances and orders in `states`, oldest first."""
        number = 0
        while part := self.store.after(states, number, PART) if states else []:
            yield from part
            number = part[-1].number

    def named(self, identifier: str) -> list[Record]:
        """The instance, or the order, of that instance id, if there is one."""
        number = order_of_instance(identifier)
        engine = self.instances if number is None else self.orders
        record = self.store.get(identifier if number is None else number)
        return [record] if record is not None and record.state in engine.found() else []

    def number(self, what: str, token: str | None) -> int:
        """A new number; with a `token` the same for all that ask for it with that, until a reset."""
        if token is None:
            return self.store.new_id()
        return int(self.store.setting(f"{UNTIL_RESET}{what} with {token}", lambda: str(self.store.new_id())))

    @staticmethod
    def is_order(record: Record) -> bool:
        """Whether it is an order, and no instance."""
        return isinstance(record.state, OrderState)
