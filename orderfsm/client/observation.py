"""What was read of an order, and the states that it may mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from orderfsm.invalid import InvalidValue
from orderfsm.questions import ORDER_LIFECYCLE
from orderfsm.words import meanings, states_read

from .roles import roles
from .sdk import field_name

if TYPE_CHECKING:
    from datetime import datetime

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import Operation, State


@attrs.frozen
class Observation:
    """What a read said of order `order_id`.

    `states` are those that the order may have been in, None among them for no order; every state if nothing follows
    from the read. `word` is what was answered: a `Type`, a `Status` (of several fields all the words), an error code,
    or None if no answer came. `time` is when it was read (UTC), `at` the same in seconds of a clock that never goes
    back. `body` is the answer's body as the SDK has it, for its other fields: `certificate`, `record_value`. `error` is
    the SDK's exception if there was none. It is an order of the table `lifecycle`.
    """

    order_id: int | str
    states: frozenset[State | None]
    word: str | None
    time: datetime
    at: float = attrs.field(repr=False)
    body: Any = attrs.field(default=None, repr=False, eq=False)
    error: Exception | None = attrs.field(default=None, repr=False, eq=False)
    lifecycle: Lifecycle = attrs.field(default=ORDER_LIFECYCLE, repr=False, eq=False)

    @property
    def state(self) -> State | None:
        """The state, if only one is possible; else None."""
        return next(iter(self.states)) if len(self.states) == 1 else None

    @property
    def found(self) -> frozenset[State | None]:
        """The possible states without "no order", if there are others."""
        return found(self.states)

    @property
    def named(self) -> str:
        """The order, as texts name it."""
        return f"{self.lifecycle.noun} {self.order_id}"

    @property
    def names(self) -> list[str]:
        """The names of the possible states, sorted."""
        return sorted(map(self.lifecycle.name_of, self.states))

    def __str__(self) -> str:
        return self.word if self.word is not None else "unreadable"


def found(states: frozenset[State | None]) -> frozenset[State | None]:
    """`states` without "no order", if there are others: an order that is not found is deleted, if it ever was."""
    return states - {None} or states


def everything(lifecycle: Lifecycle) -> frozenset[State | None]:
    """The states that an order may be in of which nothing is known: all, and no order."""
    return frozenset(lifecycle.state_rules)


def perhaps_never_there(states: frozenset[State | None], lifecycle: Lifecycle) -> bool:
    """Whether the service does not find an order in any of `states`, and it may be that there never was one."""
    return None in states and states <= lifecycle.gone


def word_in(operation: Operation, answer: object, lifecycle: Lifecycle) -> str:
    """What `answer`, a body or an entry of a list, says of the state; of several fields, all words, `-` for none."""
    fields = roles(lifecycle).fields[operation]
    return ", ".join(str(getattr(answer, field_name(each.field)) or "-") for each in fields)


def meaning(operation: Operation, word: str | None, lifecycle: Lifecycle) -> frozenset[State | None]:
    """The states that `word`, as `word_in` gives it, may mean in the answer to a read by `operation`.

    Every state if nobody knows it, or if its words contradict one another.
    """
    fields = roles(lifecycle).fields[operation]
    possible = everything(lifecycle)
    try:
        for vocabulary, each in zip(fields, (word or "-").split(", ", len(fields) - 1), strict=False):
            if each != "-":
                possible &= states_read(each, vocabulary.field, meanings(lifecycle, vocabulary))
    except InvalidValue:
        return everything(lifecycle)
    return possible or everything(lifecycle)
