"""The order or the instance that was chosen: where it is, how it got there, and what may happen to it next."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import attrs

from orderfsm.errors import NotFound
from orderfsm.identity import MAX_ID
from orderfsm.trace import Outcome

from .fields import of_line, of_step
from .lists import kind_of, terminal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orderfsm.identity import Id
    from orderfsm.lifecycle import Lifecycle
    from orderfsm.mock.cas.service import Service
    from orderfsm.rows import State, Transition

    from .lists import Kind

SHOWN_LINES = 200
"""How many lines of an order's history the page lists."""


@attrs.frozen(kw_only=True)
class Chosen:
    """The order that was chosen: its fields, None if it is gone or never was; its history; the way that it took."""

    kind: Kind
    noun: str
    nothing: str
    terminal: set[State | None]
    id: Id
    fields: dict[str, Any] | None
    state: State | None
    history: list[dict[str, Any]]
    lines: int
    way: list[Transition]
    events: list[dict[str, Any]]
    operations: list[dict[str, Any]]


def choose(service: Service, order_id: Id) -> Chosen:
    """All that the page says of one order or instance; of one that is gone, how its life went."""
    kind = kind_of(service, order_id)
    lifecycle = kind.lifecycle
    latest: deque[dict[str, Any]] = deque(maxlen=SHOWN_LINES)
    triggers, lines = [], 0
    possible = isinstance(order_id, str) or order_id <= MAX_ID
    try:
        record = kind.order(order_id) if possible else None
    except NotFound:
        record = None
    for line in service.history(order_id) if possible else ():
        latest.append(of_line(line, lifecycle))
        lines += 1
        if line.outcome is Outcome.ACCEPTED:
            triggers.append(line.trigger)
    steps = way(lifecycle, triggers)
    state = steps[-1].target if record is None and steps else None if record is None else record.state
    return Chosen(
        kind=kind,
        noun=lifecycle.noun,
        nothing=lifecycle.name_of(None),
        terminal=terminal(lifecycle),
        id=order_id,
        fields=None if record is None else kind.fields(record),
        state=state,
        history=list(reversed(latest)),
        lines=lines,
        way=steps,
        events=[] if record is None else [of_step(row, lifecycle) for row in _events(lifecycle, state)],
        operations=[] if record is None else [of_step(row, lifecycle) for row in _operations(lifecycle, state)],
    )


def way(lifecycle: Lifecycle, triggers: Iterable[Any]) -> list[Transition]:
    """The rows by which `triggers` led an order on, from no order or from where a renewal begins one.

    Empty if the table explains them from neither.
    """
    triggers = list(triggers)
    for start in dict.fromkeys([None, *(row.creates for row in lifecycle.transitions)]):
        state: State | None = start
        steps = []
        for trigger in triggers:
            row = lifecycle.table[state].get(trigger)
            if row is None:
                break
            steps.append(row)
            state = row.target
        else:
            return [row for row in steps if row.changes]
    return []


def _events(lifecycle: Lifecycle, state: State | None) -> list[Transition]:
    """The rows by which others than the client can move an order that is in `state`."""
    rows = [row for row in lifecycle.table[state].values() if row is not None]
    return [row for row in rows if not lifecycle.by_client(row.trigger)]


def _operations(lifecycle: Lifecycle, state: State | None) -> list[Transition]:
    return [lifecycle.plain.transition(state, operation) for operation in lifecycle.allowed(state)]
