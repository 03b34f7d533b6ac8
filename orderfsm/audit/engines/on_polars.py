"""Polars: everything in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import narwhals as nw
import polars as pl
import pyarrow as pa
from pyarrow import parquet as pq

from orderfsm.audit.columns import BESIDE, FIRST, LAST, LINE_BITS, LINES, SAID

from .engine import Engine, Frame, Layout, Source

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_BATCH = 100_000
ROW = "row_of_the_table"
"""The column that numbers the rows of a file."""


class PolarsEngine(Engine):
    """Lazy frames of Polars."""

    name = "polars"
    failures = (pl.exceptions.PolarsError,)

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def typed(self, files: Sequence[Source], layout: Layout) -> Frame:
        frames = [self._lines(_scanned(str(file.path)), layout, file.number) for file in files]
        return nw.from_native(pl.concat(frames))

    def given(self, frame: pl.LazyFrame, layouts: Sequence[Layout]) -> list[Frame]:
        """The lines of a user's frame, whose rows are in order."""
        numbered = frame.with_row_index(ROW)
        return [nw.from_native(self._lines(numbered, layout, 0)) for layout in layouts]

    def _lines(self, frame: pl.LazyFrame, layout: Layout, number: int) -> pl.LazyFrame:
        names = layout.names
        nothing = pl.lit(None, pl.String)
        time, finer = pl.col(names["time"]).dt.timestamp("us"), pl.lit(0, pl.Int64)
        if layout.unit == "ms":
            # So far and no further: a time of no year from 1 to 9999 remains one, and goes into 64 bits.
            time = pl.col(names["time"]).dt.timestamp("ms").clip((FIRST - 1) * 1000, (LAST + 1) * 1000) * 1000
        if layout.unit == "ns":
            nanoseconds = pl.col(names["time"]).dt.timestamp("ns")
            time, finer = nanoseconds.floordiv(1000), nanoseconds.mod(1000) * 10**15
        timed = pl.any_horizontal([_is_there(*each) for each in layout.intervals.items()] or [pl.lit(value=False)])
        return frame.select(
            time.alias("instant"),
            finer.cast(pl.Int64).alias("finer"),
            _id(names["order_id"], layout).alias("order_id"),
            *((pl.col(names[key]).cast(pl.String) if key in names else nothing).alias(key) for key in SAID),
            _id(names.get("new_order_id"), layout).alias("new_order_id"),
            timed.alias("timed"),
            pl.lit(value=False).alias("whole"),
            nothing.alias("event_id"),
            nothing.alias("bad"),
            pl.lit(None, pl.Int64).alias("byte"),
            ((pl.col(ROW).cast(pl.Int64) + ((number << LINE_BITS) + 1)) * 2).alias("place"),
            *([_beside(layout).alias(BESIDE)] if layout.beside else []),
        ).select(*LINES, *([BESIDE] if layout.beside else []))

    def small(self, table: pa.Table) -> Frame:
        return nw.from_native(pl.DataFrame(table).lazy())

    def keep(self, frame: Frame) -> Frame:
        collected: pl.DataFrame = frame.to_native().collect()
        return nw.from_native(collected.lazy())

    def stream(self, frame: Frame) -> Iterator[pa.RecordBatch]:
        yield from frame.to_native().collect().to_arrow().to_batches(_BATCH)

    def scan(self, files: Sequence[str]) -> Frame:
        return nw.from_native(pl.scan_parquet(list(files), glob=False, hive_partitioning=False))

    def close(self) -> None:
        """There is nothing to give back."""


def _is_there(name: str, is_float: bool) -> pl.Expr:
    present = pl.col(name).is_not_null()
    return present & pl.col(name).is_not_nan() if is_float else present


def _beside(layout: Layout) -> pl.Expr:
    """What else has an id."""
    means = pl.lit(0)
    for name, is_text, each in reversed(layout.beside):
        has_id = pl.col(name).cast(pl.String) != "" if is_text else pl.col(name).is_not_null()
        means = pl.when(has_id.fill_null(value=False)).then(pl.lit(int(each))).otherwise(means)
    return means


def _id(name: str | None, layout: Layout) -> pl.Expr:
    """An id as a number, one that is too large for an id as -1, which is none; or as text."""
    column = pl.lit(None) if name is None else pl.col(name)
    if layout.text_ids:
        return column.cast(pl.String)
    return pl.when(column.is_not_null()).then(column.cast(pl.Int64, strict=False).fill_null(-1))


def _scanned(path: str) -> pl.LazyFrame:
    """A Parquet file, its rows numbered. A zone that is an offset, such as `+05:30`, Polars does not read at all."""
    schema = pq.read_schema(path)
    offsets = [field for field in schema if pa.types.is_timestamp(field.type) and str(field.type.tz)[:1] in {"+", "-"}]
    if not offsets:
        return pl.scan_parquet(path, row_index_name=ROW, glob=False, hive_partitioning=False)
    for field in offsets:
        schema = schema.set(schema.get_field_index(field.name), field.with_type(pa.timestamp(field.type.unit, "UTC")))
    with pq.ParquetFile(path) as file:
        rows = pl.DataFrame(file.read().cast(schema))
    return rows.lazy().with_row_index(ROW)
