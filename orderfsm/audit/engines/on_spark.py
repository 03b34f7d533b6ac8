"""Spark: on a cluster, or on the processors of one machine."""

from __future__ import annotations

import os
import pickle
import sys
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import narwhals as nw
import pyarrow as pa
from py4j.protocol import Py4JError  # type: ignore[import-untyped]
from pyspark import StorageLevel
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as f

from orderfsm.audit.columns import BESIDE, IDS, LINE_BITS, LINES, SAID, TYPES
from orderfsm.invalid import InvalidValue
from orderfsm.quantities import size

from .engine import Engine, Frame, Layout, Parse, Parsed, Source

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence


_KINDS = {pa.int64(): "bigint", pa.int8(): "tinyint", pa.string(): "string", pa.bool_(): "boolean"}

_SETTINGS = {"spark.sql.session.timeZone": "UTC", "spark.sql.legacy.parquet.nanosAsLong": "true"}
"""Times are compared as numbers; those of nanoseconds, which Spark has not, are read as numbers."""


class SparkEngine(Engine):
    """A Spark session; `ours`: it ends with the audit."""

    name = "spark"
    failures = (PySparkException, Py4JError)

    def __init__(self, session: SparkSession, *, ours: bool) -> None:
        self.session, self._ours = session, ours
        self._before = {key: session.conf.get(key, None) for key in _SETTINGS}
        for key, value in _SETTINGS.items():
            session.conf.set(key, value)
        self._kept: list[DataFrame] = []

    @classmethod
    def started(cls, master: str | None, memory_limit: str | None) -> SparkEngine:
        """The session that runs already, else one on the cluster at `master`, else on all processors of this machine.

        On this machine it listens on loopback only, and shows no page of its own.
        """
        memory = None if memory_limit is None else f"{max(1, size(memory_limit, 'memory limit') >> 20)}m"
        running = SparkSession.getActiveSession()
        if running is not None:
            return cls(running, ours=False)
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        settings = {
            "spark.ui.enabled": "false",
            "spark.ui.showConsoleProgress": "false",
            "spark.log.level": "ERROR",
        }
        on_this_machine = master is None or master.startswith("local")
        if on_this_machine:
            os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
            settings |= {"spark.driver.bindAddress": "127.0.0.1", "spark.driver.host": "127.0.0.1"}
        if memory is not None:
            settings |= {"spark.driver.memory": memory, "spark.executor.memory": memory}
        builder = SparkSession.builder.appName("orderfsm audit").master(master or "local[*]")
        for key, value in settings.items():
            builder = builder.config(key, value)
        try:
            session = builder.getOrCreate()
        except (PySparkException, OSError) as error:
            raise InvalidValue("master", master, [f"the URL of a cluster that runs ({error})"]) from error
        if on_this_machine:
            # Spark's 200 are for clusters; every one costs some milliseconds, however little is in it.
            session.conf.set("spark.sql.shuffle.partitions", str(2 * session.sparkContext.defaultParallelism))
        return cls(session, ours=True)

    def typed(self, files: Sequence[Source], layout: Layout) -> Frame:
        frame = self.session.read.parquet(*(file.path for file in files))
        numbers = {Path(file.path).resolve().as_uri(): file.number for file in files}
        if set(frame.inputFiles()) == set(numbers):
            known = f.create_map(*(f.lit(each) for pair in numbers.items() for each in pair))
            path = f.regexp_replace(f.col("_metadata.file_path"), "^file:/+", "file:///")
            frame = frame.withColumns(
                {"row_of_the_table": f.col("_metadata.row_index"), "number_of_the_file": known[path]}
            )
            return nw.from_native(self._lines(frame, layout, f.col("number_of_the_file"))).lazy()
        frames = []
        for file in files:
            frame = self.session.read.parquet(file.path).withColumn("row_of_the_table", f.col("_metadata.row_index"))
            frames.append(self._lines(frame, layout, f.lit(file.number)))
        return nw.from_native(reduce(DataFrame.unionAll, frames)).lazy()

    def given(self, frame: DataFrame, layouts: Sequence[Layout]) -> list[Frame]:
        return [nw.from_native(self._lines(_numbered(frame), layout, f.lit(0))).lazy() for layout in layouts]

    def rows(
        self, frame: DataFrame, names: Mapping[str, str], wanted: Collection[int]
    ) -> Iterator[tuple[int, Mapping[str, Any]]]:
        chosen = _numbered(frame).select("row_of_the_table", *(f.col(f"`{name}`") for name in set(names.values())))
        numbers = self.session.createDataFrame([(row - 1,) for row in wanted], "row_of_the_table bigint")
        for row in chosen.join(f.broadcast(numbers), "row_of_the_table").toLocalIterator():
            yield row["row_of_the_table"] + 1, row.asDict()

    def _lines(self, frame: DataFrame, layout: Layout, number: Column) -> DataFrame:
        names = {key: f.col(f"`{name}`") for key, name in layout.names.items()}
        time, finer = names["time"], f.lit(0)
        if layout.unit == "ns":
            below = f.pmod(names["time"], f.lit(1000))
            time, finer = f.call_function("div", names["time"] - below, f.lit(1000)), below * 10**15
        elif dict(frame.dtypes)[layout.names["time"]] == "timestamp_ntz":
            time = f.unix_micros(f.to_utc_timestamp(time, "UTC"))
        else:
            time = f.unix_micros(time)
        timed = [_is_there(f.col(f"`{name}`"), is_float=each) for name, each in layout.intervals.items()]
        columns = {
            "instant": time,
            "finer": finer,
            "order_id": names["order_id"],
            **{key: names.get(key, f.lit(None)).cast("string") for key in SAID},
            "new_order_id": names.get("new_order_id", f.lit(None)),
            "timed": reduce(lambda one, other: one | other, timed, f.lit(False)),
            "whole": f.lit(False),
            **dict.fromkeys(("event_id", "bad", "byte"), f.lit(None)),
            "place": (f.shiftleft(number.cast("bigint"), LINE_BITS) + f.col("row_of_the_table").cast("bigint") + 1) * 2,
        }
        ids = {key: _id(columns[key], layout) for key in IDS}
        others = {key: column.cast(_KINDS[TYPES.get(key, pa.string())]) for key, column in columns.items()}
        beside = [_beside(layout).alias(BESIDE)] if layout.beside else []
        return frame.select(*((others | ids)[key].alias(key) for key in LINES), *beside)

    def parsed(
        self,
        sources: Sequence[Source],
        parser: Callable[[], Parse],
        schema: pa.Schema,
        progress: Callable[[int], object] = lambda _lines: None,  # noqa: ARG002
    ) -> tuple[Frame | None, list[Parsed]]:
        """Each file is read by one worker."""

        def found(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            parse = parser()
            for batch in batches:
                for number in batch.column(0).to_pylist():
                    yield from _told(Parsed(sources[number]), parse, schema)

        numbers = self.session.createDataFrame([(at,) for at in range(len(sources))], "number bigint")
        workers = min(len(sources), 2 * self.session.sparkContext.defaultParallelism)
        return self._parsed(numbers.repartition(workers, "number"), found, schema)

    def parsed_frame(
        self,
        frame: DataFrame,
        parse: Callable[[Parsed, Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]],
        schema: pa.Schema,
    ) -> tuple[Frame, list[Parsed]]:
        """The lines that `parse` makes of a user's frame, to which it adds the column `row_of_the_table`, from 0."""

        def found(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            return _told(Parsed(Source("", 0)), lambda parsed: parse(parsed, batches), schema)

        return self._parsed(_numbered(frame), found, schema)

    def _parsed(
        self, frame: DataFrame, found: Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]], schema: pa.Schema
    ) -> tuple[Frame, list[Parsed]]:
        told = f.col("found")
        lines = self._put_aside(frame.mapInArrow(found, f"{_columns(schema)}, found binary"))
        every = [pickle.loads(row.found) for row in lines.filter(told.isNotNull()).select("found").collect()]  # noqa: S301  # ours
        every.sort(key=lambda parsed: parsed.source.number)
        for parsed in every:
            if parsed.error is not None:
                raise parsed.error
        return nw.from_native(lines.filter(told.isNull()).drop("found")).lazy(), every

    def small(self, table: pa.Table) -> Frame:
        if not table.num_rows:
            return nw.from_native(self.session.createDataFrame([], _columns(table.schema))).lazy()
        return nw.from_native(self.session.createDataFrame(table)).lazy()

    def scan(self, files: Sequence[str]) -> Frame:
        return nw.from_native(self.session.read.parquet(*files)).lazy()

    def keep(self, frame: Frame) -> Frame:
        return nw.from_native(self._put_aside(frame.to_native())).lazy()

    def _put_aside(self, frame: DataFrame) -> DataFrame:
        kept = frame.persist(StorageLevel.MEMORY_AND_DISK)
        self._kept.append(kept)
        return kept

    def stream(self, frame: Frame) -> Iterator[pa.RecordBatch]:
        yield from frame.to_native().toArrow().to_batches(100_000)

    def close(self) -> None:
        for frame in self._kept:
            frame.unpersist()
        if self._ours:
            self.session.stop()
            return
        for key, value in self._before.items():
            if value is None:
                self.session.conf.unset(key)
            else:
                self.session.conf.set(key, value)


def _numbered(frame: DataFrame) -> DataFrame:
    """The rows with their numbers, from 0 and with gaps between partitions: the same ones each time."""
    return frame.withColumn("row_of_the_table", f.monotonically_increasing_id())


def _columns(schema: pa.Schema) -> str:
    """A schema as Spark writes it."""
    return ", ".join(f"`{field.name}` {_KINDS[field.type]}" for field in schema)


def _told(parsed: Parsed, parse: Parse, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The lines that `parse` makes, and a last row that says what else it found."""
    try:
        for lines in parse(parsed):
            yield lines.append_column("found", pa.nulls(lines.num_rows, pa.binary()))
    except InvalidValue as error:
        parsed.error = error
    last = [pa.nulls(1, kind) for kind in schema.types]
    yield pa.record_batch([*last, pa.array([pickle.dumps(parsed)])], [*schema.names, "found"])


def _is_there(column: Column, *, is_float: bool) -> Column:
    return column.isNotNull() & ~f.isnan(column) if is_float else column.isNotNull()


def _beside(layout: Layout) -> Column:
    """What else has an id."""
    means = f.lit(0)
    for name, is_text, each in reversed(layout.beside):
        column = f.col(f"`{name}`")
        has_id = f.coalesce(column.cast("string") != "", f.lit(False)) if is_text else column.isNotNull()
        means = f.when(has_id, f.lit(int(each))).otherwise(means)
    return means


def _id(column: Column, layout: Layout) -> Column:
    """An id as a number, one that is too large for an id as -1, which is none; or as text."""
    if layout.text_ids:
        return column.cast("string")
    return f.coalesce(column.try_cast("bigint"), f.when(column.isNotNull(), f.lit(-1)))
