"""What callers give: ids of orders, states by any of their words, and numbers; else `InvalidValue`, before any call."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from contextlib import suppress
from numbers import Real
from operator import index
from typing import TYPE_CHECKING

from orderfsm.identity import MAX_ID, Id
from orderfsm.invalid import InvalidValue
from orderfsm.words import states_meant

if TYPE_CHECKING:
    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import State


def id_of(value: object, lifecycle: Lifecycle) -> Id:
    """The id of an order of `lifecycle` that `value` is; one that is a number may be given as its digits."""
    identity = lifecycle.identity
    if identity.is_text:
        return identity.check(value)
    digits = isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= len(str(MAX_ID))
    try:
        number = int(value) if digits else index(value)  # type: ignore[call-overload,arg-type]
    except TypeError:
        number = 0
    if isinstance(value, bool) or not 0 < number <= MAX_ID:
        raise InvalidValue(identity.words, value, [identity.accepted, "its digits"])
    return int(number)


def looks_like_id_of(value: object, lifecycle: Lifecycle) -> bool:
    """Whether `value` looks like the id of an order of `lifecycle`, and not of one of another table.

    Any text may be an id that is a text; it looks like one if it begins as the table's own do: `cas` for `cas-cn-{}`.
    """
    try:
        return str(id_of(value, lifecycle)).startswith(beginning(lifecycle))
    except InvalidValue:
        return False


def beginning(lifecycle: Lifecycle) -> str:
    """What the ids of the table begin with: `cas` for `cas-cn-{}`; nothing for numbers."""
    return re.match("[0-9A-Za-z]*", lifecycle.identity.form)[0]  # type: ignore[index]


def states_of(given: State | str | Collection[State | str], lifecycle: Lifecycle) -> frozenset[State | None]:
    """The states that are `given`: one or several, each a `State` or a word that the command line takes for states.

    "No order" is none of them: nobody waits for it, and there is nothing to sweep.
    """
    words = [given] if isinstance(given, str) else given
    if not isinstance(words, Iterable):
        raise InvalidValue("possible states", given, ["a state, or a set of at least one"])
    accepted = [state for state in lifecycle.state_rules if state is not None]
    states: set[State | None] = set()
    for word in words:
        states |= states_meant(word, lifecycle, accepted)
        if None in states:
            raise InvalidValue("state", word, accepted)
    return frozenset(lifecycle.members(states))


def state_of(given: State | str, lifecycle: Lifecycle) -> State:
    """The one state that is `given`, as for `states_of`."""
    state, *others = states_of(given, lifecycle) if isinstance(given, str) else [None]
    if state is None or others:
        raise InvalidValue("state", given, filter(None, lifecycle.state_rules))
    return state


def seconds(value: object) -> float:
    """`value`, if it is a duration in seconds; else `InvalidValue`."""
    if number(value) >= 0:
        return number(value)
    raise InvalidValue("duration", value, ["seconds, 0 or more"])


def number(value: object) -> float:
    """`value` as a float; NaN if it is no number, or too large a one."""
    if isinstance(value, Real) and not isinstance(value, bool):
        with suppress(OverflowError):
            return float(value)
    return float("nan")
