"""JSON read by the core: the lines of a file as columns.

Engines read Parquet themselves, if its times and ids are typed. Whatever else there is comes through here, once: what a
line is, is what `trace.read` says. Of lines that are of one sort (see `shapes`) the core reads one.
"""

from __future__ import annotations

import json
from itertools import chain, count
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from orderfsm import streams
from orderfsm.streams import Found, opened
from orderfsm.trace import BadLine, Events, Header, all_or_some, batches, unreadable
from orderfsm.trace.files import fields_in

from . import actiontrail
from .forms import Delivered, Traced, row_of
from .row import at_byte
from .rows import Columns
from .shapes import Shapes
from .sources import is_actiontrail

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from orderfsm.audit.engines.engine import Parsed
    from orderfsm.streams import Value
    from orderfsm.trace.tables import Tables

    from .row import Row
    from .shapes import Form, Objects

_BATCH = 50_000
_TEXT = 1 << 23
"""How many bytes of text are made into columns at once."""


class Parser:
    """Reads JSON files about orders of some tables, and remembers of which sorts their lines are."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._shapes: dict[type, Shapes] = {}

    def parse(self, parsed: Parsed) -> Iterator[pa.RecordBatch]:
        """The lines of a JSON file in the columns of `LINES`; what else is found is put into `parsed`.

        A damaged file, one of whose lines none can be read, and a delivery of ActionTrail with which the table has
        nothing to do, are an `InvalidValue`.
        """
        parsed.whole = is_actiontrail(parsed.source)
        name, tables = parsed.source.name, self._tables
        if parsed.whole:
            actiontrail.check(name, tables)
        form = (Delivered if parsed.whole else Traced)(tables, name)
        shapes = self._shapes.setdefault(type(form), Shapes(form))
        found = _delivered(parsed, shapes) if parsed.whole else _traced(parsed, tables, shapes)
        rows = (each if isinstance(each, Found) or len(each) != 2 else form.row(*each) for each in found)
        return _batches(rows, parsed, tables, form)


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
    return _batches((row_of(line, tables) for line in lines), parsed, tables, part=part)


def _batches(
    entries: Iterable[Found | Row], parsed: Parsed, tables: Tables, form: Form | None = None, *, part: bool = False
) -> Iterator[pa.RecordBatch]:
    """The lines as columns: those that were found by their sorts, and those that the core has read."""
    columns = Columns(parsed.source.number, tables.judged)
    first_bad: Row | None = None
    any_read = False
    for some in _together(entries, columns, form):
        if isinstance(some, list):
            any_read = any_read or any(said.bad is None for *_, said in some)
            first_bad = first_bad or some[0]
            yield columns.of_rows(some)
        else:
            any_read = True
            yield some
    parsed.tables |= columns.tables
    parsed.finer = parsed.finer or columns.finer
    if first_bad is not None and not any_read and not part:
        _, _, number, said = first_bad
        raise unreadable(parsed.source.name, BadLine(parsed.source.name, number, *json.loads(said.bad or "[]")))


def _together(
    entries: Iterable[Found | Row], columns: Columns, form: Form | None
) -> Iterator[pa.RecordBatch | list[Row]]:
    """Lines in batches; what stands in none that was found is read by the core."""
    rows: list[Row] = []
    some: list[Objects] = []
    for entry in chain(entries, (None,)):
        objects = entry.objects if isinstance(entry, Found) else None
        is_other = objects is not None and some and objects.sorts is not some[0].sorts
        if some and (entry is None or is_other or sum(len(each.text) for each in some) >= _TEXT):
            batch, taken = columns.of_objects(some)
            if batch.num_rows:
                yield batch
            if form is not None and batch.num_rows < len(taken):
                rows += _left(some, taken, form)
            some = []
        if objects is not None:
            rows += objects.rows
            some += [objects] if len(objects.numbers) else []
        elif entry is not None:
            rows.append(cast("Row", entry))
        if rows and (entry is None or len(rows) >= _BATCH):
            yield rows
            rows = []


def _left(some: Sequence[Objects], taken: NDArray[np.bool_], form: Form) -> Iterator[Row]:
    """Those that were not taken, as the core reads them."""
    begin = 0
    for each in some:
        for at in np.flatnonzero(~taken[begin : begin + len(each.numbers)]).tolist():
            yield at_byte(form.row(int(each.numbers[at]), each.value(at)), each.byte + int(each.begins[at]))
        begin += len(each.numbers)


def _traced(parsed: Parsed, tables: Tables, shapes: Shapes) -> Iterator[Found | Row | tuple[int, Value]]:
    """What stands in a file in the trace format; last, what is bad of its headers."""
    headers: set[Events] = set()
    told: list[BadLine] = []
    for batch in batches(parsed.source.path, name=parsed.source.name, find=shapes.find):
        if isinstance(batch, Header):
            headers.add(batch.events)
            parsed.events = all_or_some(None, headers)
        elif isinstance(batch, BadLine):
            told.append(batch)
        elif isinstance(batch, Found):
            yield batch
        else:
            yield from batch
    yield from (row_of(each, tables) for each in told)


def _delivered(parsed: Parsed, shapes: Shapes) -> Iterator[Found | tuple[int, Value]]:
    """The events of a delivery of ActionTrail."""
    name = parsed.source.name
    with opened(parsed.source.path, name) as stream:
        for batch in streams.batches(stream, name, shapes.find):
            if isinstance(batch, Found):
                yield batch
            else:
                yield from batch[1]
