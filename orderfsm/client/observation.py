"""What was read of an order, and the states that it may mean."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import attrs

from orderfsm import wire
from orderfsm.errors import NotFoundOrder
from orderfsm.invalid import InvalidValue
from orderfsm.tables.orders import Operation
from orderfsm.trace import Outcome

if TYPE_CHECKING:
    from datetime import datetime

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import State

    from .sdk import Answer


@attrs.frozen
class Observation:
    """What a read said of order `order_id`.

    `states` are those that the order may have been in, None among them for no order; every state if nothing follows
    from the read. `word` is what was answered: a `Type`, a `Status`, an error code, or None if no answer came. `time`
    is when it was read (UTC), `at` the same in seconds of a clock that never goes back. `body` is the answer's body as
    the SDK has it, for its other fields: `certificate`, `record_value`. `error` is the SDK's exception if there was
    none.
    """

    order_id: int | str
    states: frozenset[State | None]
    word: str | None
    time: datetime
    at: float = attrs.field(repr=False)
    body: Any = attrs.field(default=None, repr=False, eq=False)
    error: Exception | None = attrs.field(default=None, repr=False, eq=False)

    @property
    def state(self) -> State | None:
        """The state, if only one is possible; else None."""
        return next(iter(self.states)) if len(self.states) == 1 else None

    @property
    def found(self) -> frozenset[State | None]:
        """The possible states without "no order", if there are others."""
        return found(self.states)

    def __str__(self) -> str:
        return self.word if self.word is not None else "unreadable"


def found(states: frozenset[State | None]) -> frozenset[State | None]:
    """`states` without "no order", if there are others: an order that is not found is deleted, if it ever was."""
    return states - {None} or states


def everything(lifecycle: Lifecycle) -> frozenset[State | None]:
    """The states that an order may be in of which nothing is known: all, and no order."""
    return frozenset(lifecycle.state_rules)


@lru_cache
def gone(lifecycle: Lifecycle) -> frozenset[State | None]:
    """The states in which the service does not find the order: deleted, or never there."""
    return frozenset(state for state, error in lifecycle.service_refusals.items() if error is NotFoundOrder)


def perhaps_never_there(states: frozenset[State | None], lifecycle: Lifecycle) -> bool:
    """Whether the service does not find an order in any of `states`, and it may be that there never was one."""
    return None in states and states <= gone(lifecycle)


def meaning(operation: Operation, word: str | None, lifecycle: Lifecycle) -> frozenset[State | None]:
    """The states that `word` may mean in the answer to a read by `operation`; every state if it is unknown."""
    states_from = wire.states_from_status if operation is Operation.LIST else wire.states_from_type
    try:
        return states_from(word, lifecycle)  # type: ignore[arg-type]  # None is an unknown word
    except InvalidValue:
        return everything(lifecycle)


def meaning_of(answer: Answer, lifecycle: Lifecycle, *, just_created: bool, met: bool) -> frozenset[State | None]:
    """The states that the answer to DescribeCertificateState may mean.

    Of an order that was `just_created` it means nothing that it is not found: the service needs a while to find it. Of
    one that was `met` before it means that it is deleted; of any other, that it is, or never was.
    """
    if answer.outcome is Outcome.ACCEPTED:
        return meaning(Operation.DESCRIBE, answer.response.body.type, lifecycle)
    if answer.not_found and not just_created:
        return gone(lifecycle) - ({None} if met else set())
    return everything(lifecycle)
