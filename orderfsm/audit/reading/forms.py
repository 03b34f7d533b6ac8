"""The forms of objects in files: lines of a trace, and events of ActionTrail; and what the core reads in one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from orderfsm.invalid import InvalidValue
from orderfsm.streams import LISTS
from orderfsm.trace import BadLine, Line
from orderfsm.trace.files import fields_in, keys_read, line_in
from orderfsm.trace.tables import keys_of

from . import actiontrail
from .row import Row, Said
from .shapes import Roles

if TYPE_CHECKING:
    from collections.abc import Collection

    from orderfsm.streams import Value
    from orderfsm.trace.tables import Tables

_MICROSECONDS = 1_000_000
_MICRO_DIGITS = 6
_FINER_DIGITS = 18


class Traced:
    """Lines in the trace format, of some tables, in a file of that name."""

    def __init__(self, tables: Tables, name: str = "") -> None:
        self._tables, self._name = tables, name
        self._keys = keys_read(tables)
        self.apart = frozenset({*LISTS, "trace"})
        self.valued = frozenset({"time", *(key for table in tables.known for key in keys_of(table)[1:3])})
        seconds = (keys_of(table).apart for table in tables.known)
        self.told = frozenset({"operation", "event", "outcome", "code", "state", *seconds} - {""})

    def row(self, number: int, value: Value) -> Row:
        """The line."""
        return row_of(line_in(value, self._name, number, self._tables), self._tables)

    def roles(self, text: str, marks: Collection[object]) -> Roles | None:
        """The time, and the ids under the keys of the line's own table."""
        line = json.loads(text)
        try:
            keys = self._tables.of(line)
        except InvalidValue:
            return None
        found = {}
        for key in self._keys & line.keys() - {"client"}:
            value = line[key]
            if isinstance(value, list | dict):
                return None
            # An interval is there if a number is, whatever it is.
            if value in marks and not (key in {"started", "ended"} and isinstance(value, int | float)):
                found[key] = value
        time, order, new_order = (found.pop(key, None) for key in ("time", keys.order, keys.new_order))
        return None if found else Roles(time, order, new_order, identity=keys.lifecycle.identity)


class Delivered:
    """Events of ActionTrail about orders of some tables, in a file of that name."""

    def __init__(self, tables: Tables, name: str = "") -> None:
        self._tables, self._name = tables, name
        self.apart = frozenset[str](LISTS)
        words = {vocabulary.field for table in tables.known for vocabulary in table.vocabularies}
        self.told = actiontrail.TOLD | words
        self.valued = frozenset({"eventId", "eventTime"}) | actiontrail.parameters(tables)

    def row(self, number: int, value: Value) -> Row:
        """The line that the event is."""
        event = actiontrail.value_of(value.rstrip(b"\n")) if isinstance(value, bytes) else value
        try:
            found = actiontrail.unwrapped(event)
        except InvalidValue as error:
            text = event.decode("utf-8", "replace") if isinstance(event, bytes) else str(event)
            return row_of(BadLine(self._name, number, str(error), text.strip()[:80]), self._tables)
        event_id = found.get("eventId") or None
        table = actiontrail.table_of(found, self._tables)
        if table is None:
            return _other(number, event_id)
        fields = actiontrail.fields(found, table)
        line = fields_in(fields, self._name, number, self._tables)
        if isinstance(line, BadLine) and fields[table.identity.key] is None:
            return _other(number, event_id)
        return row_of(line, self._tables, event_id, whole=True)

    def roles(self, text: str, marks: Collection[object]) -> Roles | None:
        """What becomes the time and the ids of the line; of what else is looked at, nothing may be a mark."""
        looked_at: list[Any] = []

        class Watched(dict[str, Any]):
            """An object that tells at which of its members somebody looks."""

            def get(self, key: str, default: Any = None) -> Any:
                looked_at.append(super().get(key, default))
                return looked_at[-1]

            def __getitem__(self, key: str) -> Any:
                return self.get(key)

        try:
            event = actiontrail.unwrapped(json.loads(text, object_pairs_hook=Watched))
        except InvalidValue:
            return None
        found = {"event": event.get("eventId") or None}
        table = actiontrail.table_of(event, self._tables)
        if table is not None:
            keys = keys_of(table)
            fields = actiontrail.fields(event, table)
            found |= {
                "time": fields.pop("time"),
                "order": fields.pop(keys.order),
                "new_order": fields.pop(keys.new_order),
            }
            if any(isinstance(value, list | dict) for value in fields.values()):
                return None
        values = [value for value in found.values() if value is not None]
        seen = [*values, *(value for value in looked_at if not isinstance(value, list | dict))]
        if any(isinstance(value, list | dict) or value not in marks for value in values):
            return None
        if any(value in marks and value not in values for value in seen):
            return None
        return Roles(**found, identity=None if table is None else table.identity)


def row_of(line: Line | BadLine, tables: Tables, event_id: object = None, *, whole: bool = False) -> Row:
    """The row of a line; `whole`: its time is a whole second."""
    if isinstance(line, BadLine):
        return None, None, line.line, Said(event_id=_text(event_id), bad=json.dumps([line.reason, line.text]))
    place_of_table = tables.places.get(line.lifecycle.identity.key)
    if place_of_table is None:
        return _other(line.number, event_id)
    seconds, fraction = line.instant
    is_event = not line.lifecycle.by_client(line.trigger)
    said = Said(
        finer=int(fraction[_MICRO_DIGITS:][:_FINER_DIGITS].ljust(_FINER_DIGITS, "0")),
        new_order_id=line.new_order_id,
        event_id=_text(event_id),
        operation=None if is_event else line.trigger.value,
        event=line.trigger.value if is_event else None,
        outcome=None if is_event else line.outcome.value,
        code=_text(line.code),
        state=_text(line.state),
        certificate_state=_text(line.certificate_state),
        timed=line.started is not None or line.ended is not None,
        whole=whole,
        table=-1 if line.order_id is None else place_of_table,
    )
    microseconds = seconds * _MICROSECONDS + int(fraction[:_MICRO_DIGITS].ljust(_MICRO_DIGITS, "0"))
    return microseconds, line.order_id, line.number, said


def _other(number: int, event_id: object) -> Row:
    """A line that is not judged; it has a row because it is counted, and may have been delivered twice."""
    return None, None, number, Said(event_id=_text(event_id), whole=True)


def _text(value: object) -> str | None:
    """As text that every engine takes; JSON may have halves of characters."""
    return None if value is None else str(value).encode("utf-8", "backslashreplace").decode()
