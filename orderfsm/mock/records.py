"""What a mock keeps: orders, packages, and what happened to them. Times are seconds since the epoch."""

from __future__ import annotations

from collections import deque
from itertools import repeat
from operator import attrgetter, call
from typing import TYPE_CHECKING, Any, NamedTuple

import attrs

from orderfsm.order import Order

if TYPE_CHECKING:
    from orderfsm.identity import Id
    from orderfsm.rows import State, Trigger


@attrs.frozen
class Application:
    """What a new order is asked for; `product_code` names its package, where the table has quota.

    `period` is how many seconds its subscription runs, if it is one; `details` as in a `Record`.
    """

    domains: tuple[str, ...] = ()
    validate_type: str = ""
    product_code: str = ""
    csr: str | None = None
    tags: tuple[tuple[str, str], ...] = ()
    period: float | None = None
    details: str = ""


@attrs.frozen(kw_only=True)
class Record:
    """An order and all that a service knows of it.

    `made_of` is the store's number of which its id was made, if that is not the id itself. `entered` is when it came
    into its state, `updated` when anything last happened to it, `due` when something will happen by itself (None:
    nothing will); if something is `under_way`, that is its completion by the service. `reads` counts the describes in
    this state; `previous` is the state before this one. `ends` is when its subscription ends, if it is one. `details`
    is what the API's face keeps of it besides, of which nobody else knows anything. `version` grows with every change
    and is what a store compares.
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
    under_way: bool = False
    reads: int = 0
    previous: State | None = None
    certificate: str | None = attrs.field(default=None, repr=False)
    private_key: str | None = attrs.field(default=None, repr=False)
    ends: float | None = None
    details: str = attrs.field(default="", repr=False)
    version: int = 0
    made_of: int | None = attrs.field(default=None, repr=False)

    @property
    def number(self) -> int:
        """The store's number, by which orders of all tables sort as they began."""
        return self.id if self.made_of is None else self.made_of  # type: ignore[return-value]

    @property
    def order(self) -> Order:
        """It as an `Order`, if its table is one of certificate orders."""
        return Order(self.id, self.state)  # type: ignore[arg-type]  # an Order says what it is not

    def but(self, **changes: Any) -> Record:
        """It with `changes`, names of its fields: what `attrs.evolve` makes, in a third of the time."""
        values = list(_values(self))
        for name, value in changes.items():
            values[_AT[name]] = value
        made = object.__new__(Record)
        deque(map(_call, _PUT, repeat(made), values), 0)
        return made


_FIELDS = tuple(field.name for field in attrs.fields(Record))
_AT = {name: at for at, name in enumerate(_FIELDS)}
_PUT = tuple(getattr(Record, name).__set__ for name in _FIELDS)
_values = attrgetter(*_FIELDS)
_call: Any = call


class Moment(NamedTuple):
    """An order as it comes into a state: what decides when something happens to it there by itself.

    The names are those of a `Record`.
    """

    id: Id
    previous: State | None
    state: State
    entered: float
    expires: float | None
    ends: float | None


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
