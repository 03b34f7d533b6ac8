"""What is kept of orders, as rows of a database, and back.

A state or a trigger stands in a row behind the key of its table's ids: `instance_id:issued`.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from orderfsm.identity import MAX_ID
from orderfsm.invalid import InvalidValue
from orderfsm.mock.faults import Fault
from orderfsm.mock.records import Happening, Package, Record

from .schema import COPIED, Verbatim
from .store import FIRST_ID

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from orderfsm.identity import Id, Identity
    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import State, Trigger


_VERBATIM = tuple(name for name, column in COPIED.items() if isinstance(column.type, Verbatim))
_FLAGS = tuple(name for name, column in COPIED.items() if isinstance(column.type, sa.Boolean))
_WRITTEN = ("state", "previous", "domains", "tags")
_CHANGING = (*_WRITTEN, *(name for name in COPIED if name != "version"))
_values = attrgetter(*_CHANGING)
_NO_TAGS = "[]"


class Rows:
    """What rows say, in the states, triggers and ids of the tables that they `hold`.

    An id that is a text stands in a row as the number that it was made of, by which orders sort as they were begun.
    """

    def __init__(self) -> None:
        self.lifecycles: tuple[Lifecycle, ...] = ()
        self._identities: dict[str, Identity] = {}
        self._keys: dict[type, str] = {}
        self._members: dict[str, Any] = {}

    def hold(self, lifecycle: Lifecycle) -> None:
        """Know that table, too; `InvalidValue` if its ids hide their numbers, or if it is mistaken for another one."""
        if lifecycle in self.lifecycles:
            return
        identity = lifecycle.identity
        if identity.number(identity.new(FIRST_ID)) != FIRST_ID:
            accepted = "one that writes the number as `{}`, `{:09}` or `{:x}` do; a MemoryStore takes any"
            raise InvalidValue("form of an id", identity.form, [accepted])
        members = [*filter(None, lifecycle.state_rules), *lifecycle.trigger_rules]
        others = {self._keys.get(type(member), identity.key) for member in members} - {identity.key}
        if others or self._identities.get(identity.key, identity) != identity:
            known = ", ".join(self._identities)
            raise InvalidValue("ids", identity.key, [f"beside those of {known}, others, of other states and triggers"])
        self._identities[identity.key] = identity
        for member in members:
            self._keys[type(member)] = identity.key
            self._members[self.text(member)] = member
        self.lifecycles += (lifecycle,)

    def record(self, row: Sequence[Any]) -> Record:
        """The order of a row of `orders`."""
        number, state, previous, _, domains, tags, *copied = row
        order_id = self.id_of(number, state)
        fields = dict(zip(COPIED, copied, strict=True))
        for name in _VERBATIM:
            fields[name] = Verbatim.read(fields[name])
        for name in _FLAGS:
            fields[name] = bool(fields[name])
        return Record(
            id=order_id,
            made_of=number if isinstance(order_id, str) else None,
            state=self._members[state],
            previous=None if previous is None else self._members[previous],
            domains=_texts_of(domains),
            tags=() if tags == _NO_TAGS else tuple((key, value) for key, value in json.loads(tags)),
            **fields,
        )

    def happening(self, row: Sequence[Any]) -> Happening:
        """The line of a row of `history`."""
        at, number, trigger, code, state, new_number = row
        read = None if state is None else self._members[state]
        begun = None if new_number is None else self.id_of(new_number, trigger)
        return Happening(at, self.id_of(number, trigger), self._members[trigger], Verbatim.read(code), read, begun)

    def row_of(self, record: Record) -> dict[str, Any]:
        """The row of an order."""
        row = {name: getattr(record, name) for name in COPIED}
        row["id"] = record.number
        for field in _WRITTEN:
            row |= self._columns_of(record, field)
        return row

    def changes_of(self, old: Record, new: Record) -> dict[str, Any]:
        """What stands in the row of `new` and not in that of `old`, but for the version."""
        changes: dict[str, Any] = {}
        for field, was, now in zip(_CHANGING, _values(old), _values(new), strict=True):
            if was is not now:
                changes |= self._columns_of(new, field) if field in _WRITTEN else {field: now}
        return changes

    def _columns_of(self, record: Record, field: str) -> dict[str, Any]:
        """The columns of a field that does not stand in the row as it is."""
        if field == "domains":
            return {"domain": searchable(",".join(record.domains)), "domains": json.dumps(record.domains)}
        if field == "tags":
            return {"tags": json.dumps(record.tags) if record.tags else _NO_TAGS}
        member = getattr(record, field)
        return {field: None if member is None else self.text(member)}

    def line_of(self, happening: Happening) -> dict[str, Any]:
        """The row of a line of the history."""
        begun = happening.new_order_id
        return {
            **happening._asdict(),
            "order_id": self.number_of(happening.order_id),
            "trigger": self.text(happening.trigger),
            "state": None if happening.state is None else self.text(happening.state),
            "new_order_id": None if begun is None else self.number_of(begun),
        }

    def fault(self, row: Sequence[Any]) -> tuple[int, Fault]:
        """The rule of a row of `faults`, and its number."""
        number, rule, times = row
        return number, Fault.parse(json.loads(rule) | {"Times": times}, *self.lifecycles)

    def text(self, member: State | Trigger) -> str:
        """How a state or a trigger stands in a row."""
        return f"{self._keys[type(member)]}:{member.value}"

    def prefix(self, kind: type[State] | None) -> str:
        """How the states of a table begin in rows; nothing, as all do, if it is None."""
        return "" if kind is None else f"{self._keys[kind]}:"

    def texts(self, states: Collection[State]) -> tuple[str, ...]:
        """How states stand in rows, in one order."""
        return tuple(sorted(set(map(self.text, states))))

    def id_of(self, number: int, text: str) -> Id:
        """The id of the order whose number is in a row, and whose state, or trigger, stands there as `text`."""
        return self._identities[text.partition(":")[0]].new(number)

    def number_of(self, order_id: Id) -> int | None:
        """The number in the row of an order; None if no order can have that id."""
        for identity in self._identities.values():
            if identity.is_text is isinstance(order_id, str):
                number = identity.number(order_id)
                if number is not None and 0 < number <= MAX_ID:
                    return number
        return None


def package_of(row: Sequence[Any]) -> Package:
    """The package of a row of `packages`."""
    code, total, used, issued = row
    return Package(str(Verbatim.read(code)), total, used, issued)


@lru_cache(maxsize=1000)
def _texts_of(domains: str) -> tuple[str, ...]:
    """The domains that stand in a row as JSON; of many orders they are the same."""
    return tuple(json.loads(domains))


def searchable(text: str) -> str:
    """`text` without what no database takes; no domain has any of it, so that a keyword that does finds nothing."""
    return text if text.isascii() and "\0" not in text else re.sub("[\0\ud800-\udfff]", "\ufffd", text)
