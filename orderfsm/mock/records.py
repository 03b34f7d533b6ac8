"""What a mock keeps: orders, packages, and what happened to them. Times are seconds since the epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import attrs

if TYPE_CHECKING:
    from orderfsm.order import Order
    from orderfsm.rows import State, Trigger


@attrs.frozen
class Application:
    """What a new order is asked for."""

    domains: tuple[str, ...]
    validate_type: str
    product_code: str
    csr: str | None
    tags: tuple[tuple[str, str], ...]


@attrs.frozen(kw_only=True)
class Record:
    """An order and all that a service knows of it.

    `entered` is when it came into its state, `updated` when anything last happened to it, `due` when something will
    happen by itself (None: nothing will). `reads` counts the describes in this state; `previous` is the state before
    this one. `version` grows with every change and is what a store compares.
    """

    order: Order
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
    def id(self) -> int:
        """The OrderId."""
        return self.order.id

    @property
    def state(self) -> State:
        """The state that the order is in."""
        return self.order.state


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
    order_id: int
    trigger: Trigger
    code: str | None = None
    state: State | None = None
    new_order_id: int | None = None
