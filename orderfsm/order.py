"""One order: an immutable value that moves along the table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from .errors import Refusal
from .identity import MAX_ID
from .invalid import InvalidValue
from .questions import ORDER_LIFECYCLE
from .tables.orders import State

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .lifecycle import Lifecycle
    from .tables.orders import Operation, Trigger

_STATES = {state.value: state for state in State}


def order_id(value: int) -> int:
    """`value` if it is an OrderId, an int in 1 .. 2**63-1; else `InvalidValue`."""
    if type(value) is int and 0 < value <= MAX_ID:
        return value
    return ORDER_LIFECYCLE.identity.check(value)  # type: ignore[return-value]  # raises


def _state(value: State) -> State:
    try:
        return _STATES[value]
    except (KeyError, TypeError):
        state = None if value is None else ORDER_LIFECYCLE.state(value)
    if state is None:
        raise InvalidValue("state", value, _STATES)
    return state  # type: ignore[return-value]


def _refuse_others(lifecycle: Lifecycle, state: State) -> None:
    """`InvalidValue` unless `lifecycle` knows `state` as the orders' table does: its orders are others."""
    rule = lifecycle.state_rules.get(state)
    if rule is None or rule.state is not state:
        other = "another table's states are asked for by `lifecycle.transition(state, trigger)`"
        raise InvalidValue("lifecycle of an Order", lifecycle, [f"a table of certificate orders; {other}"])


@attrs.frozen(weakref_slot=False)
class Order:
    """A certificate order: its `id` (or `order_id`), an int in 1 .. 2**63-1, and its `state`; else `InvalidValue`.

    `lifecycle` is always a table of certificate orders: theirs, or one like it. The orders of others are not `Order`s.

    >>> from orderfsm import Operation, Order, State
    >>> order = Order(123451222, State.PENDING_REVIEW)
    >>> order.apply(Operation.CANCEL)
    Order(id=123451222, state=<State.PENDING_APPLICATION: 'pending_application'>)
    >>> order.state
    <State.PENDING_REVIEW: 'pending_review'>
    """

    id: int = attrs.field(converter=order_id)
    state: State = attrs.field(converter=_state)

    @property
    def order_id(self) -> int:
        """The same as `id`, by the name that the API and all other values here have for it."""
        return self.id

    def apply(self, trigger: Trigger, lifecycle: Lifecycle = ORDER_LIFECYCLE) -> Order:
        """The order after `trigger`; raises `OrderStateError` if the table refuses it.

        A renewal does not change the order. The second order that it creates is not returned: only the service knows
        its id.
        """
        if lifecycle is not ORDER_LIFECYCLE:
            _refuse_others(lifecycle, self.state)
        return Order(self.id, lifecycle.transition(self.state, trigger).target)  # type: ignore[arg-type]

    def can(self, trigger: Trigger, lifecycle: Lifecycle = ORDER_LIFECYCLE) -> bool:
        """Whether `trigger` is allowed now."""
        if lifecycle is not ORDER_LIFECYCLE:
            _refuse_others(lifecycle, self.state)
        return lifecycle.can(self.state, trigger)

    def allowed(self, lifecycle: Lifecycle = ORDER_LIFECYCLE) -> tuple[Operation, ...]:
        """The operations that would change something now, in table order."""
        if lifecycle is not ORDER_LIFECYCLE:
            _refuse_others(lifecycle, self.state)
        return lifecycle.allowed(self.state)

    def replay(self, triggers: Iterable[Trigger], lifecycle: Lifecycle = ORDER_LIFECYCLE) -> Order:
        """The order after all of `triggers`; raises the `OrderStateError` of the first refused one, with its `index`.

        >>> from orderfsm import Operation, Order, State
        >>> Order(1, State.PENDING_REVIEW).replay([Operation.CANCEL, Operation.CANCEL])
        Traceback (most recent call last):
        ...
        orderfsm.errors.OrderStateError: trigger 1: CancelOrderRequest is not allowed in pending_application, ...
        """
        order = self
        for index, trigger in enumerate(triggers):
            try:
                order = order.apply(trigger, lifecycle)
            except Refusal as refusal:
                raise type(refusal)(lifecycle, order.state, trigger, index) from None
        return order
