"""What somebody looks for who writes something into the field for a search."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from orderfsm.invalid import InvalidValue
from orderfsm.wire import parse_states

if TYPE_CHECKING:
    from orderfsm.identity import Id
    from orderfsm.mock.engine import Engine
    from orderfsm.mock.records import Record
    from orderfsm.rows import State


@attrs.frozen
class Sought:
    """What a text looks for in a list: one by its id, those in some states, or those with a keyword in their domains.

    Of these three only one is there, or none if nothing is looked for.
    """

    record: Record | None = None
    states: frozenset[State | None] | None = None
    keyword: str = ""


def sought(text: str, engine: Engine) -> Sought:
    """What `text` looks for among the orders of an engine.

    An id that somebody has means that one; a state, or a word by which the API names some, all in them, in small
    letters or large ones, with spaces or without; anything else is a part of a domain.
    """
    text = text.strip()
    if not text:
        return Sought()
    record = _of_id(text, engine)
    if record is not None:
        return Sought(record=record)
    try:
        states = parse_states("_".join(text.split()), engine.lifecycle)
    except InvalidValue:
        return Sought(keyword=text)
    return Sought(states=states) if states - {None} else Sought(keyword=text)


def _of_id(text: str, engine: Engine) -> Record | None:
    identity = engine.lifecycle.identity
    try:
        order_id: Id = identity.read(text)
    except InvalidValue:
        return None
    return engine.store.get(order_id)
