"""What Parquet files and frames of any kind may hold: one answer on every engine, and for every kind of frame."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

pytest.importorskip("duckdb", reason="the extra `audit` is not installed")
pd = pytest.importorskip("pandas")

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from company import moment, write_jsonl

from orderfsm import InvalidValue, Operation
from orderfsm.audit import audit
from orderfsm.trace import Events, Line

UTC_TIMES = [dt.datetime(2026, 8, 5, 6, 10, second, tzinfo=dt.UTC) for second in (1, 2, 3)]
MILLISECONDS = [1_785_910_201_000 + at for at in range(3)]
US = pa.array(UTC_TIMES, pa.timestamp("us", "UTC"))
NAN = float("nan")


def table(order_id=(7, 7, 8), time=US, **others):
    """An order that was deleted right after it was created, and another one."""
    return pa.table(
        {
            "time": time,
            "order_id": order_id,
            "operation": ["CreateCertificateRequest", "DeleteCertificateRequest", "CancelOrderRequest"],
            "outcome": ["accepted"] * 3,
        }
        | others
    )


def ids(kind):
    return table(pa.array([7, 7, 8]).cast(kind))


def texts(kind):
    return table(pa.array(["7", "7", "8"]).cast(kind))


def far(unit, *others):
    first = {"s": 1_785_910_201, "ms": MILLISECONDS[0], "us": MILLISECONDS[0] * 1000}[unit]
    return table(time=pa.array([first, *others], pa.int64()).cast(pa.timestamp(unit, "UTC")))


ALL, LAST_BAD, ONE, NONE = (2, 3, 0, [(7, 1)]), (1, 2, 1, [(7, 1)]), (1, 1, 2, []), None
INTEGERS = [pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()]
HELD = {
    **{f"ids of {kind}": (ids(kind), ALL) for kind in (*INTEGERS, pa.float32(), pa.float64(), pa.decimal128(21, 2))},
    "ids of halffloat": (table(pa.array(np.array([7, 7, 8], np.float16))), ALL),
    "ids of a large decimal": (table(pa.array([Decimal(7)] * 2 + [Decimal(2**62)], pa.decimal128(38, 0))), ALL),
    **{
        f"ids of {kind}": (texts(kind), ALL) for kind in (pa.string(), pa.large_string(), pa.string_view(), pa.binary())
    },
    "ids of categories": (table(pa.array(["7", "7", "8"]).dictionary_encode()), ALL),
    "ids with NaN": (table([7.0, 7.0, NAN]), LAST_BAD),
    "ids with null": (table([7.0, 7.0, None]), LAST_BAD),
    "ids with an empty text": (table(["7", "7", ""]), LAST_BAD),
    "ids with a fraction": (table([7.0, 7.0, 8.5]), LAST_BAD),
    "ids that may have been rounded": (table([2.0**53, 2.0**53, 7.0]), ONE),
    "ids that are true": (table([True, True, False]), NONE),
    "ids that are nothing": (table(pa.nulls(3)), NONE),
    "ids that are lists": (table([[7], [7], [8]]), NONE),
    **{
        f"times of {kind}": (table(time=pa.array([each.replace(tzinfo=None) for each in UTC_TIMES], kind)), ALL)
        for kind in (*map(pa.timestamp, ("s", "ms", "us", "ns")),)
    },
    "times of another zone": (table(time=US.cast(pa.timestamp("ms", "Asia/Shanghai"))), ALL),
    "times of texts": (table(time=[moment(1), "2026-08-05 06:00:02+00", "2026-08-05T14:00:03+0800"]), ALL),
    "times of milliseconds": (table(time=MILLISECONDS), ALL),
    "times of seconds": (table(time=[each // 1000 for each in MILLISECONDS]), NONE),
    "times that are dates": (table(time=pa.array([dt.date(2026, 8, 5)] * 3)), NONE),
    "times of a day": (table(time=pa.array([dt.time(6)] * 3)), NONE),
    "times of no year, in milliseconds": (far("ms", 2**62, -(2**62)), ONE),
    "times of no year, in microseconds": (far("us", 2**62, -(2**62)), ONE),
    "endless times": (far("us", 2**63 - 1, -(2**63) + 1), ONE),
    "intervals that are NaN": (table(started=[NAN] * 3, ended=pa.array([NAN] * 3, pa.float32())), ALL),
    "intervals that are empty": (table(started=[""] * 3), ALL),
    "words that are empty": (table(event=[""] * 3, code=[""] * 3, state=[""] * 3), ALL),
    "operations by short names": (table(operation=["create", "delete", "cancel"]), NONE),
}


def written(engine):
    def audited(given, folder):
        try:
            pq.write_table(given, folder / "log.parquet")
        except pa.ArrowNotImplementedError:
            pytest.skip("Parquet does not take it")
        return audit(folder / "log.parquet", engine=engine, events=Events.COMPLETE)

    return audited


def as_frame(make):
    return lambda given, _: audit(make(given), events=Events.COMPLETE)


def held_by_duckdb(given, _):
    connection = duckdb.connect()
    try:
        connection.from_arrow(given).create("lines")
    except duckdb.Error:
        pytest.skip("DuckDB does not take it")
    return audit(connection.table("lines"), events=Events.COMPLETE)


READ = {
    "Parquet by DuckDB": written("duckdb"),
    "Parquet by Polars": written("polars"),
    "PyArrow": as_frame(lambda given: given),
    "pandas": as_frame(lambda given: given.to_pandas()),
    "pandas on Arrow": as_frame(lambda given: given.to_pandas(types_mapper=pd.ArrowDtype)),
    "Polars": as_frame(pl.from_arrow),
    "Polars lazy": as_frame(lambda given: pl.from_arrow(given).lazy()),
    "DuckDB": held_by_duckdb,
}
QUICK = ("Parquet by DuckDB", "Polars")
READERS = [pytest.param(read, id=name, marks=() if name in QUICK else pytest.mark.long) for name, read in READ.items()]


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(("given", "expected"), HELD.values(), ids=HELD)
def test_every_kind_of_column_has_one_answer_however_it_is_held(given, expected, read, tmp_path):
    if expected is NONE:
        with pytest.raises(
            InvalidValue, match=r"lines of '.*(log.parquet|the frame)': expected one that can be read; line 1"
        ):
            read(given, tmp_path)
        return
    report = read(given, tmp_path)
    violations = [(each.order_id, each.index) for each in report.violations]
    assert (report.orders, report.events, report.bad_lines, violations) == expected


OWN = {
    "Polars' integers of 128 bits": lambda: pl.DataFrame(table()).with_columns(pl.col("order_id").cast(pl.Int128)),
    "Polars' categories": lambda: pl.DataFrame(texts(pa.string())).with_columns(
        pl.col("order_id", "operation").cast(pl.Categorical)
    ),
    "pandas' integers with gaps": lambda: table().to_pandas().astype({"order_id": "Int64"}),
    "pandas' objects": lambda: table().to_pandas().astype({"order_id": object}),
    "DuckDB's integers of 128 bits": lambda: duckdb.connect().from_arrow(table()).project(
        "time, order_id::HUGEINT AS order_id, operation::ENUM('CreateCertificateRequest', 'DeleteCertificateRequest', "
        "'CancelOrderRequest') AS operation, outcome"
    ),
}  # fmt: skip


@pytest.mark.parametrize("make", OWN.values(), ids=OWN)
def test_types_that_only_one_library_has_are_read(make):
    report = audit(make(), events=Events.COMPLETE)
    assert (report.orders, report.bad_lines, [each.order_id for each in report.violations]) == (2, 0, [7])


@pytest.mark.parametrize(
    "frame",
    [pa.table([[1], [2], [3]], names=["time", "time", "order_id"]), pd.DataFrame([[1, 2]], columns=["time", "time"])],
    ids=["PyArrow", "pandas"],
)
def test_a_name_that_two_columns_have_is_an_error_that_says_so(frame):
    with pytest.raises(InvalidValue, match=r"columns of the frame \['time', 'time'.*: expected each name only once"):
        audit(frame)


@pytest.mark.parametrize("mark", ["_delta_log", "metadata/1.metadata.json", ".hoodie"])
def test_the_files_of_a_table_that_has_a_log_of_its_own_are_refused_by_any_path(mark, tmp_path):
    folder = tmp_path / "orders"
    (folder / "day=1").mkdir(parents=True)
    for name in ("day=1/a.parquet", "b"):
        pq.write_table(table(), folder / name)
    (folder / mark).parent.mkdir(exist_ok=True)
    (folder / mark).mkdir()
    for path in (tmp_path, folder, folder / "day=1", folder / "*" / "*.parquet", folder / "b"):
        with pytest.raises(InvalidValue, match=rf"expected a frame of the \w+ table {folder}, whose own log says"):
            audit(path)
    log = write_jsonl(folder / "log.jsonl", [Line(time=moment(0), order_id=7, trigger=Operation.CREATE)])
    assert audit(log).orders == 1


def test_of_a_directory_files_of_every_ending_are_read_and_none_of_hidden_folders(tmp_path):
    for number, name in enumerate(["a.pq", "B.PARQUET", "c/d.parquet"], 1):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        pq.write_table(table([number * 10] * 3), tmp_path / name)
    for hidden in ("_temporary", ".trash/x"):
        (tmp_path / hidden).mkdir(parents=True)
        pq.write_table(table(), tmp_path / hidden / "e.parquet")
    assert audit(tmp_path).orders == 3
    assert audit(tmp_path / "_temporary").orders == 2


@pytest.mark.parametrize("engine", ["duckdb", "polars"])
@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_times_in_a_file_may_have_an_offset_for_a_zone(engine, unit, tmp_path):
    """Polars has no such zones."""
    offset = table(time=US.cast(pa.timestamp(unit)).cast(pa.timestamp(unit, "UTC")).cast(pa.timestamp(unit, "+05:30")))
    offset = offset.append_column("no_key_of_ours", offset["time"])
    utc = table(time=US.cast(pa.timestamp(unit)).cast(pa.timestamp(unit, "UTC")))
    reports = []
    for name, each in (("offset", offset), ("utc", utc)):
        (tmp_path / name).mkdir()
        reports.append(written(engine)(each, tmp_path / name))
    assert [violation.time for violation in reports[0].violations] == [
        violation.time for violation in reports[1].violations
    ]
    assert (reports[0].orders, reports[0].events, reports[0].bad_lines) == (2, 3, 0)
