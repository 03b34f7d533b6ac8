"""Who was behind a line, and from where.

No engine carries that along: most lines are of orders that conform. Of the few whose context is asked for, the files or
the frame are read once more.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from orderfsm.audit.columns import CONTEXT, at_place, row_at
from orderfsm.streams import opened
from orderfsm.trace import Line, texts
from orderfsm.trace.files import line_in

from . import actiontrail
from .layouts import context_named

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from orderfsm.audit.engines.engine import Source
    from orderfsm.trace.tables import Tables

Who: TypeAlias = "Mapping[str, str]"
"""What is known of `CONTEXT`."""

Contexts: TypeAlias = "Callable[[Collection[int]], Mapping[int, Who]]"
"""Gives the contexts of the lines at some places, as far as there are any."""

_LONGEST = 256
"""How much of a text is kept."""
_PIECE = 1 << 16
_scan = json.JSONDecoder().raw_decode


def of_files(
    sources: Sequence[Source],
    columns: Mapping[str, str] | None,
    delivered: Collection[int],
    tables: Tables,
    bytes_of: Callable[[Collection[int]], Mapping[int, int]],
) -> Contexts:
    """The contexts of the lines of files; `columns` are those that have names of their own in Parquet.

    `delivered`: the numbers of the files that are ActionTrail's; `bytes_of` tells of places where the objects begin
    that stand there, as far as that is known.
    """

    def contexts(places: Collection[int]) -> Mapping[int, Who]:
        known = bytes_of({place & ~1 for place in places})
        at: defaultdict[int, defaultdict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
        begins: defaultdict[int, dict[int, int]] = defaultdict(dict)
        for place in places:
            number, line = at_place(place)
            at[number][line].append(place)
            if place & ~1 in known:
                begins[number][known[place & ~1]] = line
        said = (
            (place, fields)
            for number, lines in at.items()
            for line, fields in _in_source(sources[number], lines, begins[number])
            for place in lines[line]
        )
        return {place: who for place, fields in said if (who := _who(fields))}

    def _in_source(
        source: Source, lines: Collection[int], begins: Mapping[int, int]
    ) -> Iterator[tuple[int, Mapping[str, Any]]]:
        is_delivered = source.number in delivered
        for line, value in _objects(source, begins):
            yield line, actiontrail.context(actiontrail.unwrapped(value)) if is_delivered else value
        if left := set(lines) - set(begins.values()):
            yield from _delivered(source, left) if is_delivered else _in_file(source, left, columns, tables)

    return contexts


def _objects(source: Source, begins: Mapping[int, int]) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects that begin at these bytes of a file, each with what is told of it."""
    if not begins:
        return
    with opened(source.path, source.name) as stream:
        held, first = b"", 0
        for at in sorted(begins):
            while first + len(held) <= at:
                first += len(held)
                held = stream.read(_PIECE)
            held, first, value = held[at - first :], at, None
            while value is None:
                try:
                    value, _ = _scan(held.decode("utf-8", "replace"))
                except ValueError:
                    held += stream.read(_PIECE)
            yield begins[at], value


def of_rows(rows: Callable[[Collection[int]], Iterable[tuple[int, Mapping[str, Any]]]]) -> Contexts:
    """The contexts of the rows of a frame: `rows` gives those of these numbers, from 1."""

    def contexts(places: Collection[int]) -> Mapping[int, Who]:
        at: defaultdict[int, list[int]] = defaultdict(list)
        for place in places:
            at[row_at(place)].append(place)
        said = ((place, fields) for row, fields in rows(at) for place in at[row])
        return {place: who for place, fields in said if (who := _who(fields))}

    return contexts


def rows_of(batches: Iterable[pa.RecordBatch], wanted: Collection[int]) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows of these numbers, from 1."""
    ordered, begun = sorted(wanted), 0
    for batch in batches:
        inside = ordered[bisect_right(ordered, begun) : bisect_right(ordered, begun + batch.num_rows)]
        yield from zip(
            inside, batch.take(pa.array([row - begun - 1 for row in inside], pa.int64())).to_pylist(), strict=True
        )
        begun += batch.num_rows


def _in_file(
    source: Source, wanted: Collection[int], columns: Mapping[str, str] | None, tables: Tables
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """What the lines of these numbers say of `CONTEXT`."""
    if source.is_parquet:
        yield from _in_parquet(source.path, wanted, columns)
        return
    last = max(wanted)
    for entry in texts(source.path, name=source.name):
        if not isinstance(entry, tuple) or entry[0] not in wanted:
            continue
        line = line_in(entry[1], source.name, entry[0], tables)
        if isinstance(line, Line):
            yield entry[0], {**line.extra, "client": line.client}
        if entry[0] == last:
            return


def _delivered(source: Source, wanted: Collection[int]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    with opened(source.path, source.name) as stream:
        for number, event in actiontrail.events(stream, source.name):
            if number in wanted:
                yield number, actiontrail.context(actiontrail.unwrapped(event))


def _in_parquet(
    path: str, wanted: Collection[int], columns: Mapping[str, str] | None
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    with pq.ParquetFile(path) as file:
        names = context_named(file.schema_arrow.names, columns)
        if not names:
            return
        begun = 0
        for number in range(file.num_row_groups):
            rows = file.metadata.row_group(number).num_rows
            inside = [row - begun for row in wanted if begun < row <= begun + rows]
            if inside:
                group = file.read_row_group(number, columns=list(names.values()))
                for row, said in rows_of(group.combine_chunks().to_batches(), inside):
                    yield begun + row, {key: said.get(name) for key, name in names.items()}
            begun += rows


def _who(fields: Mapping[str, Any]) -> Who:
    texts_of = {key: _text(fields.get(key)) for key in CONTEXT}
    return {key: text for key, text in texts_of.items() if text}


def _text(value: object) -> str | None:
    """A text or a number as text that can be written anywhere; of anything else nothing is known."""
    match value:
        case str():
            text = value.encode("utf-8", "backslashreplace").decode()
        case bytes():
            text = value.decode("utf-8", "backslashreplace")
        case int() | float() | Decimal() if value == value:  # noqa: PLR0124  # not NaN
            text = str(value)
        case _:
            return None
    return text[:_LONGEST]
