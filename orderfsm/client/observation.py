"""What was read of an order, and the states that it may mean."""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING, Any

import attrs

from orderfsm.invalid import InvalidValue
from orderfsm.questions import ORDER_LIFECYCLE
from orderfsm.rows import ABSENT, Actor
from orderfsm.words import meanings, states_read

from .roles import roles
from .sdk import field_name

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import Operation, State
    from orderfsm.trace import Line


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


@lru_cache
def read_as(state: State | None, lifecycle: Lifecycle) -> tuple[frozenset[State | None], ...]:
    """For each answer that a read of an order in `state` may have, all the states that it may mean."""
    fields = roles(lifecycle).fields[roles(lifecycle).read]
    rule = lifecycle.state_rules[state]
    words = [rule.readings(lifecycle.vocabularies.index(each)) or (None,) for each in fields]
    answers = [{each.field: word for each, word in zip(fields, some, strict=True) if word} for some in product(*words)]
    absent: dict[str, str | None] = {each.field: None for each in fields if ABSENT in meanings(lifecycle, each)}
    return tuple(lifecycle.reading(absent | answer) for answer in answers)


def unseen(
    states: Collection[State | None], lifecycle: Lifecycle, *, hoped_for: bool = False
) -> frozenset[State | None]:
    """Where an order that was in one of `states` may be by now, with what the service does by itself.

    With `hoped_for`, without what nobody hopes for.
    """
    rules = lifecycle.trigger_rules.values()
    doing = {rule.trigger for rule in rules if rule.actor is Actor.SERVICE and not (hoped_for and rule.adverse)}
    found = {*states}
    while more := {row.target for row in lifecycle.transitions if row.source in found and row.trigger in doing} - found:
        found |= more
    return frozenset(found)


def perhaps_never_there(states: frozenset[State | None], lifecycle: Lifecycle) -> bool:
    """Whether the service does not find an order in any of `states`, and it may be that there never was one."""
    return None in states and states <= lifecycle.gone


def word_in(operation: Operation, answer: object, lifecycle: Lifecycle) -> str:
    """What `answer`, a body or an entry of a list, says of the state; of several fields, all words, `-` for none."""
    fields = roles(lifecycle).fields[operation]
    return ", ".join(str(getattr(answer, field_name(each.field)) or "-") for each in fields)


def in_trace(operation: Operation, word: str | None, lifecycle: Lifecycle) -> dict[str, str | None]:
    """What a line of a trace has of `word`, as `word_in` gives it: its `state`, and what the table tells apart."""
    fields = roles(lifecycle).fields[operation]
    if word is None or not any(each.apart for each in fields):
        return {"state": word}
    words = word.split(", ", len(fields) - 1)
    together = ", ".join(each for each, of in zip(words, fields, strict=True) if not of.apart)
    (apart,) = (each for each, of in zip(words, fields, strict=True) if of.apart)
    return {"state": together, "certificate_state": "" if apart == "-" else apart}


def word_of(line: Line) -> str | None:
    """What a line of a trace says of the state, as `word_in` gives it."""
    fields = roles(line.lifecycle).fields.get(line.trigger, ())
    if line.state is None or not any(each.apart for each in fields):
        return line.state
    together = iter(line.state.split(", ", len(fields) - 2))
    return ", ".join(line.certificate_state or "-" if each.apart else next(together, "-") for each in fields)


def meaning(operation: Operation, word: str | None, lifecycle: Lifecycle) -> frozenset[State | None]:
    """The states that `word`, as `word_in` gives it, may mean in the answer to a read by `operation`.

    Every state if nobody knows it, or if its words contradict one another. `-` says nothing, unless the table says what
    it means that the field is absent.
    """
    fields = roles(lifecycle).fields[operation]
    possible = everything(lifecycle)
    try:
        for vocabulary, each in zip(fields, (word or "-").split(", ", len(fields) - 1), strict=False):
            known = meanings(lifecycle, vocabulary)
            if each != "-" or ABSENT in known:
                possible &= states_read(ABSENT if each == "-" else each, vocabulary.field, known)
    except InvalidValue:
        return everything(lifecycle)
    return possible or everything(lifecycle)
