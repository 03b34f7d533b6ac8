"""JSON read by the core: the lines of a file as columns.

Engines read Parquet themselves, if its times and ids are typed. Whatever else there is comes through here, once: what a
line is, is what `trace.read` says.
"""

from __future__ import annotations

import json
from functools import partial
from itertools import chain, count, islice
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

from orderfsm.audit.columns import at_place, place, schema_of
from orderfsm.invalid import InvalidValue
from orderfsm.streams import Value, opened
from orderfsm.trace import BadLine, Events, Header, Line, all_or_some, batches, unreadable
from orderfsm.trace.files import fields_in

from . import actiontrail
from .sources import is_actiontrail
from .templates import Row, read_by_template

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from orderfsm.audit.engines.engine import Parsed
    from orderfsm.identity import Id
    from orderfsm.lifecycle import Lifecycle
    from orderfsm.trace.tables import Tables

_BATCH = 50_000
_MICROSECONDS = 1_000_000
_MICRO_DIGITS = 6
_FINER_DIGITS = 18


class _Said(NamedTuple):
    """What stands in the columns of `LINES` but the first three, in their order."""

    finer: int | None = None
    new_order_id: Id | None = None
    event_id: str | None = None
    bad: str | None = None
    operation: str | None = None
    event: str | None = None
    outcome: str | None = None
    code: str | None = None
    state: str | None = None
    certificate_state: str | None = None
    timed: bool = False
    whole: bool = False
    table: int = -1
    """The place of its table among those that are judged; -1: it is of none."""


def parse(parsed: Parsed, tables: Tables) -> Iterator[pa.RecordBatch]:
    """The lines of a JSON file in the columns of `LINES`; what else is found is put into `parsed`.

    A damaged file, one of whose lines none can be read, and a delivery of ActionTrail with which the table has nothing
    to do, are an `InvalidValue`.
    """
    parsed.whole = is_actiontrail(parsed.source)
    rows = _delivered(parsed, tables) if parsed.whole else _traced(parsed, tables)
    return _batches(rows, parsed, tables.judged)


def parse_rows(
    parsed: Parsed,
    rows: Iterable[Mapping[str, Any]],
    tables: Tables,
    numbers: Iterable[int] | None = None,
    *,
    part: bool = False,
) -> Iterator[pa.RecordBatch]:
    """The same of lines that are given as fields: those of Parquet files and frames whose times or ids are text.

    `numbers` are theirs, from 1; if None, they count on. With `part` there may be others elsewhere, so that it is no
    error if none of these can be read.
    """
    name = parsed.source.name
    lines = (fields_in(fields, name, number, tables) for number, fields in zip(numbers or count(1), rows))  # noqa: B905
    return _batches((_row(parsed, tables, line) for line in lines), parsed, tables.judged, part=part)


def _batches(
    rows: Iterator[Row[_Said]], parsed: Parsed, judged: tuple[Lifecycle, ...], *, part: bool = False
) -> Iterator[pa.RecordBatch]:
    """The rows as columns; what many rows share is made into columns only once."""
    file, schema = parsed.source.number, schema_of(judged)
    with_texts = {place for place, table in enumerate(judged) if table.identity.is_text}
    first_bad: BadLine | None = None
    any_read = False
    while True:
        instants: list[int | None] = []
        orders: list[Id | None] = []
        places: list[int] = []
        which: list[int] = []
        every: dict[int, tuple[int, _Said]] = {}
        for instant, order, number, said in islice(rows, _BATCH):
            instants.append(instant)
            orders.append(order)
            places.append(place(file, number))
            found = every.get(id(said))
            if found is None:
                every[id(said)] = found = len(every), said
            which.append(found[0])
        if not which:
            if first_bad is not None and not any_read and not part:
                raise unreadable(parsed.source.name, first_bad)
            return
        any_read = any_read or any(said.bad is None for _, said in every.values())
        if first_bad is None and not any_read:
            _, said = next(iter(every.values()))
            first_bad = BadLine(parsed.source.name, at_place(places[0])[1], *json.loads(said.bad or "[]"))
        distinct = [each for _, each in every.values()]
        parsed.tables |= {each.table for each in distinct} - {-1}
        columns: dict[str, Any] = dict(zip(_Said._fields, zip(*distinct, strict=True), strict=True))
        texts: list[Id | None] | None = None
        if len(judged) > 1:
            columns["new_order_id"], columns["new_text_id"] = _parted(columns["new_order_id"])
            if not with_texts.isdisjoint(each.table for each in distinct):
                orders, texts = _parted(orders)
        at = pa.array(which, pa.int32())
        own = {"instant": instants, "order_id": orders, "place": places, "text_id": texts}
        yield pa.record_batch(
            [
                (pa.array(own[name], kind) if own[name] is not None else pa.nulls(len(which), kind))
                if name in own
                else pa.array(columns[name], kind).take(at)
                for name, kind in zip(schema.names, schema.types, strict=True)
            ],
            schema=schema,
        )


def _parted(ids: Sequence[Id | None]) -> tuple[list[Id | None], list[Id | None]]:
    """Ids that are numbers, and those that are texts, each in its place."""
    numbers: list[Id | None] = [each if type(each) is int else None for each in ids]
    texts: list[Id | None] = [each if type(each) is str else None for each in ids]
    return numbers, texts


def _traced(parsed: Parsed, tables: Tables) -> Iterator[Row[_Said]]:
    told: list[BadLine] = []
    texts = chain.from_iterable(_lines(parsed, told))
    row = partial(_row, parsed, tables)
    lines = read_by_template(texts, parsed.source.name, row, tables)
    return chain(lines, map(row, told))


def _lines(parsed: Parsed, told: list[BadLine]) -> Iterator[Iterable[tuple[int, Value]]]:
    """The lines of a file in the trace format, in batches; what is bad of its headers is put into `told`."""
    headers: set[Events] = set()
    for batch in batches(parsed.source.path, name=parsed.source.name):
        if isinstance(batch, Header):
            headers.add(batch.events)
            parsed.events = all_or_some(None, headers)
        elif isinstance(batch, BadLine):
            told.append(batch)
        else:
            yield batch


def _delivered(parsed: Parsed, tables: Tables) -> Iterator[Row[_Said]]:
    """The lines that the events of an ActionTrail delivery are."""
    name = parsed.source.name
    actiontrail.check(name, tables)
    with opened(parsed.source.path, name) as stream:
        for number, event in actiontrail.events(stream, name):
            try:
                found = actiontrail.unwrapped(event)
            except InvalidValue as error:
                text = event.decode("utf-8", "replace") if isinstance(event, bytes) else str(event)
                yield _row(parsed, tables, BadLine(name, number, str(error), text.strip()[:80]))
                continue
            event_id = found.get("eventId") or None
            table = actiontrail.table_of(found, tables)
            fields = {} if table is None else actiontrail.fields(found, table)
            line = None if table is None else fields_in(fields, name, number, tables)
            if line is None or (isinstance(line, BadLine) and (table is None or fields[table.identity.key] is None)):
                yield _other(number, event_id)
            else:
                yield _row(parsed, tables, line, event_id)


def _row(parsed: Parsed, tables: Tables, line: Line | BadLine, event_id: object = None) -> Row[_Said]:
    if isinstance(line, BadLine):
        return None, None, line.line, _Said(event_id=_text(event_id), bad=json.dumps([line.reason, line.text]))
    place_of_table = tables.places.get(line.lifecycle.identity.key)
    if place_of_table is None:
        return _other(line.number, event_id)
    seconds, fraction = line.instant
    finer = int(fraction[_MICRO_DIGITS:][:_FINER_DIGITS].ljust(_FINER_DIGITS, "0"))
    parsed.finer = parsed.finer or finer > 0
    is_event = not line.lifecycle.by_client(line.trigger)
    said = _Said(
        finer=finer,
        new_order_id=line.new_order_id,
        event_id=_text(event_id),
        operation=None if is_event else line.trigger.value,
        event=line.trigger.value if is_event else None,
        outcome=None if is_event else line.outcome.value,
        code=_text(line.code),
        state=_text(line.state),
        certificate_state=_text(line.certificate_state),
        timed=line.started is not None or line.ended is not None,
        whole=parsed.whole,
        table=-1 if line.order_id is None else place_of_table,
    )
    microseconds = seconds * _MICROSECONDS + int(fraction[:_MICRO_DIGITS].ljust(_MICRO_DIGITS, "0"))
    return microseconds, line.order_id, line.number, said


def _other(number: int, event_id: object) -> Row[_Said]:
    """A line that is not judged; it has a row because it is counted, and may have been delivered twice."""
    return None, None, number, _Said(event_id=_text(event_id), whole=True)


def _text(value: object) -> str | None:
    """As text that every engine takes; JSON may have halves of characters."""
    return None if value is None else str(value).encode("utf-8", "backslashreplace").decode()
