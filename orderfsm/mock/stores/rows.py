"""What is kept of orders, as rows of a database, and back."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import attrs

from orderfsm.identity import MAX_ID
from orderfsm.mock.faults import Fault
from orderfsm.mock.records import Happening, Package, Record

from .schema import COPIED

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from orderfsm.identity import Id, Identity
    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import State


@attrs.frozen
class Rows:
    """What rows say, in the states, triggers and ids of `lifecycle`.

    An id that is a text stands in a row as the number that it was made of, by which orders sort as they were begun.
    """

    lifecycle: Lifecycle

    def record(self, row: Sequence[Any]) -> Record:
        """The order of a row of `orders`."""
        number, state, previous, _, domains, tags, *copied = row
        return Record(
            id=self.id_of(number),
            state=self._state(state),
            previous=None if previous is None else self._state(previous),
            domains=tuple(json.loads(domains)),
            tags=tuple((key, value) for key, value in json.loads(tags)),
            **dict(zip(COPIED, copied, strict=True)),
        )

    def happening(self, row: Sequence[Any]) -> Happening:
        """The line of a row of `history`."""
        at, number, trigger, code, state, new_number = row
        fired = self.lifecycle.trigger_rules[trigger].trigger
        read = None if state is None else self._state(state)
        return Happening(
            at, self.id_of(number), fired, code, read, None if new_number is None else self.id_of(new_number)
        )

    def row_of(self, record: Record) -> dict[str, Any]:
        """The row of an order."""
        row = {name: getattr(record, name) for name in COPIED}
        row["id"] = self.number_of(record.id)
        row["state"] = record.state.value
        row["previous"] = None if record.previous is None else record.previous.value
        row["domain"] = searchable(",".join(record.domains))
        row["domains"] = json.dumps(record.domains)
        row["tags"] = json.dumps(record.tags)
        return row

    def line_of(self, happening: Happening) -> dict[str, Any]:
        """The row of a line of the history."""
        begun = happening.new_order_id
        return {
            **happening._asdict(),
            "order_id": self.number_of(happening.order_id),
            "trigger": happening.trigger.value,
            "state": None if happening.state is None else happening.state.value,
            "new_order_id": None if begun is None else self.number_of(begun),
        }

    def fault(self, row: Sequence[Any]) -> tuple[int, Fault] | None:
        """The rule of a row of `faults`, and its number; None of a row without one."""
        number, rule, times = row
        return None if number is None else (number, Fault.parse(json.loads(rule) | {"Times": times}, self.lifecycle))

    def id_of(self, number: int) -> Id:
        """The id of the order whose number is in a row."""
        return self.lifecycle.identity.new(number)

    def number_of(self, order_id: Id) -> int | None:
        """The number in the row of an order; None if no order can have that id."""
        number = numbered(order_id, self.lifecycle.identity)
        return number if number is not None and 0 < number <= MAX_ID else None

    def _state(self, text: str) -> State:
        return self.lifecycle.state_rules[text].state  # type: ignore[index, return-value]  # it equals a member


def package_of(row: Sequence[Any]) -> Package:
    """The package of a row of `packages`."""
    return Package(*row)


def numbered(order_id: Id, identity: Identity) -> int | None:
    """The number of which `identity` makes that id; None if it makes it of none, or of one that its form hides."""
    if not isinstance(order_id, str):
        return order_id
    before, after = identity.form.partition("{")[0], identity.form.rpartition("}")[2]
    digits = order_id[len(before) : len(order_id) - len(after)]
    for base in (10, 16):
        with suppress(ValueError):
            number = int(digits, base)
            if number > 0 and identity.new(number) == order_id:
                return number
    return None


def values_of(states: Collection[State]) -> tuple[str, ...]:
    """How states stand in a row, in one order."""
    return tuple(sorted({state.value for state in states}))


def searchable(text: str) -> str:
    """`text` without what no database takes; no domain has any of it, so that a keyword that does finds nothing."""
    return text if text.isascii() and "\0" not in text else re.sub("[\0\ud800-\udfff]", "\ufffd", text)
