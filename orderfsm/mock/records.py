"""What a mock keeps: orders, packages, and what happened to them. Times are seconds since the epoch."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import attrs

from orderfsm.order import Order

if TYPE_CHECKING:
    from orderfsm.identity import Id
    from orderfsm.rows import State, Trigger


@attrs.frozen
class Application:
    """What a new order is asked for; `product_code` names its package, where the table has quota."""

    domains: tuple[str, ...] = ()
    validate_type: str = ""
    product_code: str = ""
    csr: str | None = None
    tags: tuple[tuple[str, str], ...] = ()


@attrs.frozen(kw_only=True)
class Record:
    """An order and all that a service knows of it.

    `entered` is when it came into its state, `updated` when anything last happened to it, `due` when something will
    happen by itself (None: nothing will). `reads` counts the describes in this state; `previous` is the state before
    this one. `version` grows with every change and is what a store compares.
    """

    id: Id
    state: State
    product_code: str
    domains: tuple[str, ...]
    created: float
    entered: float
    updated: float
    validate_type: str
    holds_unit: bool
    csr: str | None = None
    tags: tuple[tuple[str, str], ...] = ()
    issued: float | None = None
    expires: float | None = None
    due: float | None = None
    reads: int = 0
    previous: State | None = None
    certificate: str | None = attrs.field(default=None, repr=False)
    private_key: str | None = attrs.field(default=None, repr=False)
    version: int = 0

    @property
    def order(self) -> Order:
        """It as an `Order`, if its table is one of certificate orders."""
        return Order(self.id, self.state)  # type: ignore[arg-type]  # an Order says what it is not

    def but(self, **changes: Any) -> Record:
        """It with `changes`, names of its fields: what `attrs.evolve` makes, in less time."""
        made = object.__new__(Record)
        for (name, put), value in zip(_PUT, _values(self), strict=True):
            put(made, changes.get(name, value))
        return made


_FIELDS = tuple(field.name for field in attrs.fields(Record))
_PUT = tuple((name, getattr(Record, name).__set__) for name in _FIELDS)
_values = attrgetter(*_FIELDS)


@attrs.frozen
class Package:
    """A package of `total` units, `used` of them held by orders; `issued` of its orders were ever issued."""

    product_code: str
    total: int
    used: int = 0
    issued: int = 0


class Happening(NamedTuple):
    """One thing that happened to an order: a call that was accepted, one that was refused with `code`, or an event.

    `state` is what a read saw; `new_order_id` the order that a renewal began.
    """

    time: float
    order_id: Id
    trigger: Trigger
    code: str | None = None
    state: State | None = None
    new_order_id: Id | None = None
