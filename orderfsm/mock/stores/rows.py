"""What is kept of orders, as rows of a database, and back."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import attrs

from orderfsm.mock.faults import Fault
from orderfsm.mock.records import Happening, Package, Record
from orderfsm.order import Order

from .schema import COPIED

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import State


@attrs.frozen
class Rows:
    """What rows say, in the states and triggers of `lifecycle`."""

    lifecycle: Lifecycle

    def record(self, row: Sequence[Any]) -> Record:
        """The order of a row of `orders`."""
        order_id, state, previous, _, domains, tags, *copied = row
        return Record(
            order=Order(order_id, self._state(state)),
            previous=None if previous is None else self._state(previous),
            domains=tuple(json.loads(domains)),
            tags=tuple((key, value) for key, value in json.loads(tags)),
            **dict(zip(COPIED, copied, strict=True)),
        )

    def happening(self, row: Sequence[Any]) -> Happening:
        """The line of a row of `history`."""
        at, order_id, trigger, code, state, new_order_id = row
        fired = self.lifecycle.trigger_rules[trigger].trigger
        return Happening(at, order_id, fired, code, None if state is None else self._state(state), new_order_id)

    def _state(self, text: str) -> State:
        return self.lifecycle.state_rules[text].state  # type: ignore[index, return-value]  # it equals a member


def package_of(row: Sequence[Any]) -> Package:
    """The package of a row of `packages`."""
    return Package(*row)


def fault_of(row: Sequence[Any]) -> tuple[int, Fault] | None:
    """The rule of a row of `faults`, and its number; None of a row without one."""
    number, rule, times = row
    return None if number is None else (number, Fault.parse(json.loads(rule) | {"Times": times}))


def row_of(record: Record) -> dict[str, Any]:
    """The row of an order."""
    row = {name: getattr(record, name) for name in COPIED}
    row["id"] = record.id
    row["state"] = record.order.state.value
    row["previous"] = None if record.previous is None else record.previous.value
    row["domain"] = searchable(",".join(record.domains))
    row["domains"] = json.dumps(record.domains)
    row["tags"] = json.dumps(record.tags)
    return row


def line_of(happening: Happening) -> dict[str, Any]:
    """The row of a line of the history."""
    line = happening._asdict()
    line["trigger"] = happening.trigger.value
    line["state"] = None if happening.state is None else happening.state.value
    return line


def values_of(states: Collection[State]) -> tuple[str, ...]:
    """How states stand in a row, in one order."""
    return tuple(sorted({state.value for state in states}))


def searchable(text: str) -> str:
    """`text` without what no database takes; no domain has any of it, so that a keyword that does finds nothing."""
    return text if text.isascii() and "\0" not in text else re.sub("[\0\ud800-\udfff]", "\ufffd", text)
