"""What an event of a log says in the trace format, be the log one of ours or another tool's.

Of ours the lines come back as they were. In others, an event is read by the same words: its name is an operation or an
event of a table, its attributes have the trace format's keys, and its case, or an object of it, is an order.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from orderfsm.trace import BadLine, Events, Line, Outcome
from orderfsm.trace.files import fields_in

from .attributes import REST

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orderfsm.trace.tables import Tables

ACCOUNT = "account"
"""What lines that are about no order are about."""

NUMBER = "orderfsm.line"
"""The attribute of an event that says which line it was, where events do not stand in the order of the lines."""

TRANSITIONS = {Outcome.ACCEPTED: "complete", Outcome.REFUSED: "ate_abort", Outcome.UNKNOWN: "unknown"}
"""What became of a call, in the words of XES's lifecycle extension."""

_OUTCOMES = {transition: outcome for outcome, transition in TRANSITIONS.items()}
_TRANSITION, _RESOURCE = "lifecycle:transition", "org:resource"
_ZONE = re.compile(r"(?:[Zz]|[+-]\d\d(?::?\d\d)?)$").search


class Event(NamedTuple):
    """An event of a log: its number there, from 1, what happened when, and its attributes.

    `about`: the ids of its order, by key. `ours`: what the log says of its events, if it was written here.
    """

    number: int
    name: str
    time: str
    attributes: Mapping[str, Any]
    about: Mapping[str, Any]
    ours: str | None = None


def entry(event: Event, file: str, tables: Tables) -> tuple[Line | BadLine, tuple[int, str]]:
    """The line that an event is, and its rank: by its number in a log of ours, else by its time."""
    fields = dict(event.attributes)
    rest, number = fields.pop(REST, None), fields.pop(NUMBER, None)
    transition, resource = fields.pop(_TRANSITION, None), fields.pop(_RESOURCE, None)
    fields = dict(event.about) | fields
    fields.setdefault("time", event.time if _ZONE(event.time) else f"{event.time}Z")
    try:
        fields |= json.loads(rest) if rest else {}
    except (TypeError, ValueError):
        return BadLine(file, event.number, f"{REST} is no JSON object", str(rest)[:80]), (event.number, "")
    is_call = _name(fields, event.name, tables)
    if event.ours is None:
        if is_call:
            fields.setdefault("outcome", _OUTCOMES.get(transition, Outcome.ACCEPTED))
        if resource is not None:
            fields.setdefault("client", resource)
    line = fields_in(fields, file, event.number, tables)
    if isinstance(line, BadLine):
        return line, (event.number, "")
    return line, line.instant if event.ours is None else (event.number if number is None else int(number), "")


def _name(fields: dict[str, Any], name: str, tables: Tables) -> bool:
    """Say what happened: whether it is an operation, the table of the event says."""
    is_call = name in tables.of({**fields, "operation": name}).lifecycle.operations
    fields["operation" if is_call else "event"] = name
    return is_call


def events_of(said: object) -> Events:
    """What a log of ours says of its events; of another's, they may be missing."""
    return next((each for each in Events if each == said), Events.PARTIAL)
