"""The table as a pytransitions machine, for people who want its callbacks, sync or async.

Every trigger but the creates is a method, by its member's name in lower case (`cancel()`, `review_passed()`), and so
is `may_<trigger>()`. DESCRIBE, RENEW and the account's reads are internal transitions: callbacks run, the state
stays. A refused trigger raises the table's `OrderStateError`. The questions of `lifecycle.py` are a thousand times
faster; this is the bridge.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from transitions.core import Event, Machine
from transitions.extensions.asyncio import AsyncEvent, AsyncMachine

from .lifecycle import ORDER_LIFECYCLE, Lifecycle
from .spec import State

if TYPE_CHECKING:
    from collections.abc import Callable


class _RefusedByTable(Event):
    """An event whose refusal is the table's own error."""

    machine: Any

    def _is_valid_source(self, state: Any) -> bool:
        if state.name not in self.transitions:
            self.machine.lifecycle.transition(state.value, self.machine.triggers[self.name])
        return True


class _AsyncRefusedByTable(_RefusedByTable, AsyncEvent):
    """The same, awaited."""


class _FromTable(Machine):
    event_cls = _RefusedByTable

    def __init__(
        self,
        model: object | list[object] | None = None,
        initial: State = State.PENDING_REVIEW,
        *,
        lifecycle: Lifecycle = ORDER_LIFECYCLE,
        **options: Any,
    ) -> None:
        """A machine for `model` (None: for itself), whose `.state` begins as `initial`.

        `lifecycle` is the table; `options` go to the pytransitions machine (`after_state_change`, `send_event`, ...).
        """
        self.lifecycle = lifecycle
        self.triggers = {
            trigger.name.lower(): trigger
            for trigger, rule in lifecycle.trigger_rules.items()
            if rule.account or not lifecycle.can(None, trigger)
        }
        states = [state for state in lifecycle.state_rules if state is not None]
        super().__init__(model=None, states=states, initial=lifecycle.state(initial), auto_transitions=False, **options)
        for name, trigger in self.triggers.items():
            self.events[name] = self._create_event(name, self)
            for state in states:
                row = lifecycle.table[state][trigger]
                if row is not None:
                    self.add_transition(name, state, None if row.target == state else row.target)
        self.add_model(self if model is None else model)

    if TYPE_CHECKING:
        # What the table's triggers add to the machine at run time.
        state: State

        def __getattr__(self, name: str) -> Callable[..., Any]: ...


class OrderMachine(_FromTable):
    """A pytransitions `Machine` built from the table.

    >>> from orderfsm.machine import OrderMachine
    >>> order = OrderMachine()
    >>> order.may_delete(), order.cancel(), order.state
    (False, True, <State.PENDING_APPLICATION: 'pending_application'>)
    >>> order.cancel()
    Traceback (most recent call last):
    ...
    orderfsm.errors.OrderStateError: CancelOrderRequest is not allowed in pending_application, ...
    """


class AsyncOrderMachine(_FromTable, AsyncMachine):
    """The same with `await order.cancel()`, and callbacks that may be coroutines."""

    event_cls = _AsyncRefusedByTable
