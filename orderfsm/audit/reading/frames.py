"""A user's own frame as an audit's log: of any kind that narwhals takes."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import narwhals as nw
import pyarrow as pa

from orderfsm.audit import engines
from orderfsm.audit.columns import FIRST, LAST, UNITS, pc, schema_of
from orderfsm.audit.engines.engine import Engine, Frame, Layout, Parsed, Source
from orderfsm.extras import needs
from orderfsm.invalid import InvalidValue
from orderfsm.trace import Events
from orderfsm.trace.tables import tables_of

from .context import Contexts, of_rows, rows_of
from .layouts import context_named, layouts, named
from .log import Frames, Log, fields_of
from .parsing import parse_rows

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from pathlib import Path

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.trace.tables import Tables


_BATCH = 100_000


@contextmanager
def read_frame(
    given: Any, folder: Path, columns: Mapping[str, str] | None, memory_limit: str | None, lifecycle: Lifecycle | None
) -> Iterator[tuple[Engine, list[Log]]]:
    """The engine that works on the frame, and its lines by tables: a frame of Polars or PySpark stays where it is.

    What is no frame is an `InvalidValue`. A frame has no header: its events are partial, unless the audit is told else.
    """
    try:
        frame = nw.from_native(given).lazy()
    except nw.exceptions.DuplicateError as error:
        present = list(getattr(given, "column_names", given.columns))
        raise InvalidValue("columns of the frame", present, ["each name only once"]) from error
    except (TypeError, nw.exceptions.NarwhalsError) as error:
        accepted = "paths, or a frame of Polars, pandas, PyArrow, DuckDB or PySpark"
        raise InvalidValue("log", type(given).__name__, [accepted]) from error
    tables = tables_of(lifecycle)
    names = named(frame.columns, columns, "the frame", tables)
    chosen = frame.select(*dict.fromkeys(names.values()))
    engine = _engine_of(frame, folder, memory_limit)
    with engine.at_work():
        native, head = _native(chosen)
        parts, frames = layouts(head.schema, names, tables), Frames(engine, tables)
        if parts:
            alike = [part.layout for part in parts]
            for part, lines in zip(parts, engine.given(_in_microseconds(native, alike[0]), alike), strict=True):
                frames.add(part, lines)
            finer = alike[0].unit == "ns"
        else:
            finer = _parsed(engine, native, names, tables, frames)
        found = frames.logs(
            headers=frozenset([Events.PARTIAL]),
            names=[],
            finer=finer,
            typed=frozenset([0]),
            contexts=_contexts(engine, frame, columns),
        )
        yield engine, found


def _contexts(engine: Engine, frame: Frame, columns: Mapping[str, str] | None) -> Contexts:
    """The contexts of the rows of a frame."""
    names = context_named(frame.columns, columns)

    def rows(wanted: Collection[int]) -> Iterator[tuple[int, Mapping[str, Any]]]:
        if not names:
            return
        found = engine.rows(frame.to_native(), names, wanted)
        for row, said in _rows(frame.select(*dict.fromkeys(names.values())), wanted) if found is None else found:
            yield row, {key: said[name] for key, name in names.items()}

    return of_rows(rows)


def _rows(frame: Frame, wanted: Collection[int]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The rows of these numbers, from 1; what stands in a column need not be of one type."""
    if frame.implementation.is_duckdb():
        return rows_of(_reader(frame), wanted)
    ordered = sorted(wanted)
    return zip(ordered, frame.collect()[[row - 1 for row in ordered]].rows(named=True), strict=True)


def _engine_of(frame: Frame, folder: Path, memory_limit: str | None) -> Engine:
    if frame.implementation.is_pyspark():
        with needs("spark"):
            from orderfsm.audit.engines.on_spark import SparkEngine
        return SparkEngine(frame.to_native().sparkSession, ours=False)
    if frame.implementation.is_polars():
        return engines.start("polars", folder)
    return engines.start("duckdb", folder, memory_limit=memory_limit)


def _native(frame: Frame) -> tuple[Any, Any]:
    """What the engine takes, and something in Arrow that shows its columns."""
    native: Any = frame.to_native()
    if frame.implementation.is_pyspark():
        return native, native.limit(1).toArrow()
    if frame.implementation.is_polars():
        import polars as pl
        import polars.selectors as cs

        # Arrow has no integers of 128 bits.
        native = native.with_columns(cs.by_dtype(pl.Int128, pl.UInt128).cast(pl.String))
        with _of_one_type(frame):
            return native, native.head(1).collect().to_arrow()
    reader = _reader(frame)
    return reader, reader


def _reader(frame: Frame) -> pa.RecordBatchReader:
    """The rows of a frame, batch by batch."""
    native = frame.to_native()
    with _of_one_type(frame):
        if hasattr(native, "to_arrow_reader"):
            return native.to_arrow_reader(_BATCH)
        return frame.collect("pyarrow").to_native().to_reader(_BATCH)


@contextmanager
def _of_one_type(frame: Frame) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise InvalidValue("columns of the frame", frame.columns, [f"each of one type ({error})"]) from error


def _in_microseconds(native: Any, layout: Layout) -> Any:
    """A reader whose times DuckDB can take: one of no year from 1 to 9999 is the first moment after them."""
    if not isinstance(native, pa.RecordBatchReader) or layout.unit == "ns":
        return native
    name, unit = layout.names["time"], UNITS[layout.unit]
    at, kind = native.schema.get_field_index(name), pa.timestamp("us", "UTC")
    schema = native.schema.set(at, pa.field(name, kind))

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in native:
            times = batch.column(at).cast(pa.int64())
            fits = pc.and_(pc.greater_equal(times, FIRST * unit), pc.less(times, (LAST + 1) * unit))
            times = pc.multiply(pc.if_else(fits, times, (LAST + 1) * unit), 10**6 // unit)
            yield batch.set_column(at, schema.field(at), times.cast(kind))

    return pa.RecordBatchReader.from_batches(schema, batches())


def _parsed(engine: Engine, native: Any, names: Mapping[str, str], tables: Tables, frames: Frames) -> bool:
    """Add the lines of a frame that the core must read; whether there are times finer than microseconds."""
    schema = schema_of(tables.judged)
    if isinstance(native, pa.RecordBatchReader):
        batches: Iterable[pa.RecordBatch] = native
    elif (parsed_frame := getattr(engine, "parsed_frame", None)) is not None:
        lines, every = parsed_frame(native, partial(_parse_part, names, tables), schema)
        frames.add_parsed(lines, every)
        return any(parsed.finer for parsed in every)
    else:
        batches = native.collect().to_arrow().to_batches(_BATCH)

    def parse(parsed: Parsed) -> Iterator[pa.RecordBatch]:
        return parse_rows(parsed, fields_of(batches, names), tables, part=True)

    lines, (found,) = engine.parsed([Source("", 0)], lambda: parse, schema)
    if lines is not None:
        frames.add_parsed(lines, [found])
    return found.finer


def _parse_part(
    names: Mapping[str, str], tables: Tables, parsed: Parsed, batches: Iterable[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        numbers = [row + 1 for row in batch.column("row_of_the_table").to_pylist()]
        yield from parse_rows(parsed, fields_of([batch], names), tables, numbers, part=True)
