"""DuckDB, embedded: the default."""

from __future__ import annotations

import re
import threading
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import narwhals as nw

from orderfsm.audit.columns import BESIDE, LINE_BITS, LINES, SAID
from orderfsm.invalid import InvalidValue
from orderfsm.quantities import size

from .engine import Engine, Frame, Layout, Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pyarrow as pa


_WILDCARD = re.compile(r"[*?\[]")
_EPOCH = {"s": "epoch_us", "ms": "epoch_us", "us": "epoch_us", "ns": "epoch_ns"}
_BATCH = 100_000


class DuckDBEngine(Engine):
    """An embedded database. What does not fit into its memory goes into files in `folder`."""

    name = "duckdb"
    failures = (duckdb.Error,)

    def __init__(self, connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
        self._connection = connection
        self.folder = folder
        self._numbers = count()

    @classmethod
    def started(cls, folder: Path, memory_limit: str | None) -> DuckDBEngine:
        """A database of its own, in memory."""
        connection = duckdb.connect()
        connection.execute("SET preserve_insertion_order = false")
        # Without the bar nothing is known of progress; it is not to be printed. In a notebook without ipywidgets DuckDB
        # refuses both settings, and shows none.
        with suppress(duckdb.InvalidInputException):
            connection.execute("SET enable_progress_bar = true")
            connection.execute("SET enable_progress_bar_print = false")
        connection.execute(f"SET temp_directory = {_quoted(str(folder / 'spilled'))}")
        if memory_limit is not None:
            limit = size(memory_limit, "memory limit")
            try:
                connection.execute(f"SET memory_limit = '{limit}B'")
            except duckdb.Error as error:
                raise InvalidValue("memory limit", memory_limit, ["a size such as 500MB or 4GB"]) from error
        return cls(connection, folder)

    def typed(self, files: Sequence[Source], layout: Layout) -> Frame:
        names = ", ".join(_quoted(self._plain(file.path)) for file in files)
        numbers = [file.number for file in files]
        first = numbers[0]
        number = f"(file_index + {first})"
        if numbers != list(range(first, first + len(numbers))):
            number = f"list_extract({numbers}, (file_index + 1)::BIGINT)"
        place = f"(({number}::BIGINT << {LINE_BITS}) + file_row_number + 1) * 2"
        return self._lines(f"read_parquet([{names}], file_row_number = true, hive_partitioning = false)", layout, place)

    def given(self, frame: pa.RecordBatchReader, layouts: Sequence[Layout]) -> list[Frame]:
        self._connection.register("given_by_the_user", frame)
        self._connection.execute(
            "CREATE TABLE lines_given AS SELECT *, row_number() OVER () - 1 AS row_of_the_table FROM given_by_the_user"
        )
        return [self._lines("lines_given", layout, "(row_of_the_table + 1) * 2") for layout in layouts]

    def _lines(self, source: str, layout: Layout, place: str) -> Frame:
        names = {key: _name(name) for key, name in layout.names.items()}
        time = f"{_EPOCH[layout.unit]}({names['time']})"
        finer = "0"
        if layout.unit == "ns":
            # Towards the past, also before 1970.
            time, finer = f"{time} // 1000 - (({time} % 1000) < 0)::INT", f"((({time} % 1000) + 1000) % 1000) * 10**15"
        columns = {
            "instant": f"({time})::BIGINT",
            "finer": f"({finer})::BIGINT",
            "order_id": _id(names["order_id"], layout),
            **{key: f"{names[key]}::VARCHAR" if key in names else "NULL::VARCHAR" for key in SAID},
            "new_order_id": _id(names.get("new_order_id", "NULL"), layout),
            "timed": " OR ".join(_is_there(*each) for each in layout.intervals.items()) or "false",
            "whole": "false",
            **dict.fromkeys(("event_id", "bad"), "NULL::VARCHAR"),
            "place": place,
            "byte": "NULL::BIGINT",
        }
        if layout.beside:
            cases = (f"WHEN {_has_id(name, is_text)} THEN {int(means)}" for name, is_text, means in layout.beside)
            columns[BESIDE] = f"CASE {' '.join(cases)} ELSE 0 END"
        chosen = ", ".join(f"{columns[key]} AS {key}" for key in (*LINES, BESIDE) if key in columns)
        return nw.from_native(self._connection.sql(f"SELECT {chosen} FROM {source}")).lazy()  # noqa: S608

    def small(self, table: pa.Table) -> Frame:
        name = f"given_{next(self._numbers)}"
        self._connection.register(name, table)
        return nw.from_native(self._connection.table(name)).lazy()

    def keep(self, frame: Frame) -> Frame:
        name = f"kept_{next(self._numbers)}"
        frame.to_native().create(name)
        return nw.from_native(self._connection.table(name)).lazy()

    def stream(self, frame: Frame) -> Iterator[pa.RecordBatch]:
        yield from frame.to_native().to_arrow_reader(_BATCH)

    def scan(self, files: Sequence[str]) -> Frame:
        return nw.from_native(
            self._connection.read_parquet([self._plain(file) for file in files], hive_partitioning=False)
        ).lazy()

    def _plain(self, name: str) -> str:
        """The file by a name in which nothing is a wildcard."""
        if not _WILDCARD.search(name):
            return name
        link = self.folder / f"file-{next(self._numbers)}.parquet"
        link.symlink_to(Path(name).resolve())
        return str(link)

    @contextmanager
    def watch(self, told: Callable[[float], object]) -> Iterator[None]:
        """Ask the connection five times a second, from another thread, how far it is."""
        done = threading.Event()

        def ask() -> None:
            while not done.wait(0.2):
                share = self._connection.query_progress()
                if share is not None and share >= 0:
                    told(min(share / 100, 1))

        thread = threading.Thread(target=ask, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def close(self) -> None:
        self._connection.close()


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _name(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _is_there(name: str, is_float: bool) -> str:
    present = f"{_name(name)} IS NOT NULL"
    return f"({present} AND NOT isnan({_name(name)}))" if is_float else present


def _has_id(name: str, is_text: bool) -> str:
    return f"({_name(name)} <> '')" if is_text else f"({_name(name)} IS NOT NULL)"


def _id(name: str, layout: Layout) -> str:
    """An id as a number, one that is too large for an id as -1, which is none; or as text."""
    if layout.text_ids:
        return f"{name}::VARCHAR"
    if not layout.too_large:
        return f"{name}::BIGINT"
    return f"coalesce(TRY_CAST({name} AS BIGINT), CASE WHEN {name} IS NOT NULL THEN -1 END)"
