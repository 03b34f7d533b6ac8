"""What an audit reads, line by line: the trace format as JSON Lines or Parquet, and deliveries of ActionTrail."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeAlias

from orderfsm.extras import needs
from orderfsm.invalid import InvalidValue
from orderfsm.streams import opened, values
from orderfsm.trace import BadLine, Entry, Events, Header, texts
from orderfsm.trace.files import fields_in, line_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from orderfsm.trace.tables import Tables

Found: TypeAlias = "Entry | None"
"""What stands in a file; None: an event of another service, or one that was delivered before."""


def of_json(path: str, name: str, tables: Tables) -> Iterator[Found]:
    """What a file of JSON says, in the trace format or as ActionTrail delivers it."""
    if _is_delivered(path, name):
        yield from _delivered(path, name, tables)
        return
    for entry in texts(path, name=name):
        yield entry if isinstance(entry, Header | BadLine) else line_in(entry[1], name, entry[0], tables)


def _is_delivered(path: str, name: str) -> bool:
    """Whether a file is a delivery of ActionTrail; its first JSON object tells, and no trace is looked at twice."""
    with opened(path, name) as stream:
        for _, value in values(stream, name):
            try:
                found = json.loads(value) if isinstance(value, bytes) else value
            except (ValueError, RecursionError):
                continue
            if isinstance(found, dict):
                if "time" in found or "trace" in found:
                    return False
                with needs("audit"):
                    from orderfsm.audit.reading.actiontrail import is_delivered
                return is_delivered(found)
    return False


def _delivered(path: str, name: str, tables: Tables) -> Iterator[Found]:
    """The events of a delivery of ActionTrail, each once, with who was behind it."""
    with needs("audit"):
        from orderfsm.audit.reading import actiontrail
    actiontrail.check(name, tables)
    yield Header(name, Events.PARTIAL)
    known: set[str] = set()
    with opened(path, name) as stream:
        for number, value in actiontrail.events(stream, name):
            try:
                event = actiontrail.unwrapped(value)
            except InvalidValue as error:
                yield BadLine(name, number, str(error), json.dumps(value, default=str)[:80])
                continue
            table = actiontrail.table_of(event, tables)
            again = event.get("eventId") in known
            known |= {event["eventId"]} if isinstance(event.get("eventId"), str) else set()
            if table is None or again:
                yield None
                continue
            said = actiontrail.fields(event, table)
            who = {key: value for key, value in actiontrail.context(event).items() if value is not None}
            line = fields_in({**who, **said}, name, number, tables)
            yield None if isinstance(line, BadLine) and said[table.identity.key] is None else line


def of_parquet(path: str, name: str, tables: Tables, columns: Mapping[str, str] | None) -> Iterator[Found]:
    """What a Parquet file says, whose columns may have names of their own."""
    with needs("audit"):
        import pyarrow as pa
        import pyarrow.parquet as pq

        from orderfsm.audit.columns import EVENTS_KEY
        from orderfsm.audit.reading.layouts import context_named, named
        from orderfsm.audit.reading.log import fields_of
    try:
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            said = (schema.metadata or {}).get(EVENTS_KEY, b"partial").decode("utf-8", "replace")
            if said not in set(Events):
                raise InvalidValue(f"{EVENTS_KEY.decode()} of {name}", said, Events)
            yield Header(name, Events(said))
            names = named(schema.names, columns, name, tables)
            names |= context_named(schema.names, columns)
            names |= {key: key for key in schema.names if key not in {*names, *names.values()}}
            batches = file.iter_batches(columns=list(dict.fromkeys(names.values())))
            for number, fields in enumerate(fields_of(batches, names), 1):
                yield fields_in({key: _plain(value) for key, value in fields.items()}, name, number, tables)
    except (pa.ArrowException, OSError) as error:
        raise InvalidValue("Parquet file", name, [f"an undamaged one ({error})"]) from error


def _plain(value: Any) -> Any:
    """A value of a column as JSON has it; NaN, which JSON has not, is absent."""
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if value != value:  # noqa: PLR0124
        return None
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)
