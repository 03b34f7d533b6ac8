"""A user's own frame as an audit's log: of any kind that narwhals takes."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import attrs

from orderfsm.errors import InvalidValue
from orderfsm.extras import needs
from orderfsm.trace import Events

from . import engines
from .columns import SCHEMA
from .context import of_rows, rows_of
from .layouts import context_named, layout, named
from .log import Log, fields_of
from .parsing import parse_rows
from .sources import Source

with needs("audit"):
    import narwhals as nw
    import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

    from .context import Contexts
    from .engines.engine import Engine


@contextmanager
def read_frame(
    given: Any, folder: Path, columns: Mapping[str, str] | None, memory_limit: str | None
) -> Iterator[tuple[Engine, Log]]:
    """The engine that works on the frame, and its lines: a frame of Polars or PySpark stays where it is.

    What is no frame is an `InvalidValue`. A frame has no header: its events are partial, unless the audit is told else.
    """
    try:
        frame = nw.from_native(given).lazy()
    except (TypeError, nw.exceptions.NarwhalsError) as error:
        accepted = "paths, or a frame of Polars, pandas, PyArrow, DuckDB or PySpark"
        raise InvalidValue("log", type(given).__name__, [accepted]) from error
    names = named(frame.columns, columns, "the frame")
    chosen = frame.select(*dict.fromkeys(names.values()))
    engine = _engine_of(frame, folder, memory_limit)
    with engine.at_work():
        native, head = _native(chosen)
        found = layout(head.schema, names)
        if found is not None:
            lines, finer = engine.given(native, found), found.unit == "ns"
            log = Log(lines=lines, headers=frozenset([Events.PARTIAL]), names=[], finer=finer)
        else:
            reader = native if isinstance(native, pa.RecordBatchReader) else _reader(chosen)
            log = _parsed(engine, reader, names)
        yield engine, attrs.evolve(log, contexts=_contexts(frame, columns, None if found is None else engine))


def _contexts(frame: nw.LazyFrame[Any], columns: Mapping[str, str] | None, numbered: Engine | None) -> Contexts:
    """The contexts of the rows of a frame; `numbered`: the engine that has numbered them, if not the core."""
    names = context_named(frame.columns, columns)

    def rows(wanted: Collection[int]) -> Iterator[tuple[int, Mapping[str, Any]]]:
        if not names:
            return
        found = None if numbered is None else numbered.rows(frame.to_native(), names, wanted)
        if found is None:
            found = rows_of(_reader(frame.select(*dict.fromkeys(names.values()))), wanted)
        for row, said in found:
            yield row, {key: said[name] for key, name in names.items()}

    return of_rows(rows)


def _engine_of(frame: nw.LazyFrame[Any], folder: Path, memory_limit: str | None) -> Engine:
    if frame.implementation.is_pyspark():
        with needs("spark"):
            from .engines.on_spark import SparkEngine
        return SparkEngine(frame.to_native().sparkSession, ours=False)
    if frame.implementation.is_polars():
        return engines.start("polars", folder)
    return engines.start("duckdb", folder, memory_limit=memory_limit)


def _native(frame: nw.LazyFrame[Any]) -> tuple[Any, Any]:
    """What the engine takes, and something in Arrow that shows its columns."""
    native: Any = frame.to_native()
    if frame.implementation.is_pyspark():
        return native, native.limit(1).toArrow()
    if frame.implementation.is_polars():
        return native, native.head(1).collect().to_arrow()
    reader = _reader(frame)
    return reader, reader


def _parsed(engine: Engine, reader: pa.RecordBatchReader, names: Mapping[str, str]) -> Log:
    """The log of a frame that the core must read."""
    lines, (found,) = engine.parsed([Source("", 0)], lambda parsed: parse_rows(parsed, fields_of(reader, names)))
    frame = engine.small(SCHEMA.empty_table()) if lines is None else lines
    return Log(lines=frame, headers=frozenset([Events.PARTIAL]), names=[], finer=found.finer)


def _reader(frame: nw.LazyFrame[Any]) -> pa.RecordBatchReader:
    """The rows of a frame, batch by batch."""
    native = frame.to_native()
    if hasattr(native, "to_arrow_reader"):
        return native.to_arrow_reader(100_000)
    try:
        table = frame.collect("pyarrow").to_native()
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise InvalidValue("columns of the frame", frame.columns, [f"each of one type ({error})"]) from error
    return table.to_reader(100_000)
