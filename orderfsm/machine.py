"""The table as a pytransitions machine, for people who want its callbacks, sync or async.

Every trigger except the creates has two methods, named for its member in lower case: `cancel()` and `may_cancel()`,
`review_passed()` and `may_review_passed()`. DESCRIBE, RENEW and the account's reads are internal transitions: callbacks
run, and the state does not change. A refused trigger raises the table's `OrderStateError`. Without need of callbacks,
use the functions of `lifecycle.py`: they are a hundred times faster (README, "How fast").
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
    """An event that is refused with the table's own error."""

    machine: Any

    def _is_valid_source(self, state: Any) -> bool:
        allowed = self.machine.asks(state, self.name)
        if not allowed and state.name not in self.transitions:
            self.machine.lifecycle.transition(state.value, self.machine.triggers[self.name])
        return True


class _AsyncRefusedByTable(_RefusedByTable, AsyncEvent):
    """The same for an asynchronous machine."""


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
        """A machine for `model` (None: the machine itself), whose `.state` is `initial` at first.

        `lifecycle` is the table; `options` are those of a pytransitions machine, such as `after_state_change`.
        """
        self.lifecycle = lifecycle
        self.triggers = {
            trigger.name.lower(): trigger
            for trigger, rule in lifecycle.trigger_rules.items()
            if rule.account or lifecycle.table[None][trigger] is None
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

    def asks(self, state: Any, name: str) -> bool:
        """Whether the table allows the trigger called `name` in `state`; it has none that was added later."""
        return name in self.triggers and self.lifecycle.can(state.value, self.triggers[name])

    def _can_trigger(self, model: Any, trigger: str, *args: Any, **kwargs: Any) -> Any:
        self.asks(self.get_model_state(model), trigger)
        return super()._can_trigger(model, trigger, *args, **kwargs)  # type: ignore[misc]  # not in the stubs

    if TYPE_CHECKING:
        # The methods that pytransitions adds at run time, one for each trigger.
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
    """The same with `await order.cancel()`; callbacks may be coroutines."""

    event_cls = _AsyncRefusedByTable
