"""Every engine reads alike what pandas, fastparquet, PyArrow, Polars and DuckDB write, of every type that each has.

All files of one writer are one log, each about two orders of its own: the first was deleted right after it was created.
"""

from __future__ import annotations

import io
import json
from functools import partial

import pytest

pytest.importorskip("duckdb", reason="the extra `audit` is not installed")
pd = pytest.importorskip("pandas")

import duckdb
import polars as pl
import pyarrow as pa
from company import ENGINES
from writers import (
    DELETED_AT,
    DUCKDB,
    ID,
    PANDAS,
    POLARS,
    WRITERS,
    arrow_of,
    by_duckdb,
    by_fastparquet,
    by_pandas,
    by_polars,
    by_pyarrow,
    column,
    duckdb_of,
    polars_of,
    relation,
    seen,
    timed,
    written,
)

from orderfsm import InvalidValue
from orderfsm.audit import audit
from orderfsm.trace import Events


@pytest.mark.filterwarnings("ignore:Series.values")
@pytest.mark.parametrize(
    ("write", "types", "elsewhen"),
    [
        pytest.param(*given, id=name, marks=pytest.mark.long if name == "a sink of Polars" else ())
        for name, given in WRITERS.items()
    ],
)
def test_every_engine_reads_every_type_that_a_writer_has(write, types, elsewhen, tmp_path):
    expected = written(tmp_path, write, types, elsewhen)
    for engine in ENGINES:
        assert seen(audit(tmp_path, engine=engine, events=Events.COMPLETE)) == expected


def refused(report_of):
    with pytest.raises(InvalidValue, match="expected ") as caught:
        report_of()
    return str(caught.value)


REFUSED = {
    "PyArrow, structures": (
        by_pyarrow,
        arrow_of(column("order_id", lambda ids: pa.array([{"id": each} for each in ids.to_pylist()]))),
        "order id {'id': 1}",
    ),
    "pandas, periods": (by_pandas, timed(lambda time: time.dt.tz_localize(None).dt.to_period("s")), "time 1785910201"),
    "Polars, durations": (by_polars, polars_of(time=pl.duration(hours=ID)), "time datetime.timedelta"),
    "Polars, Int128": (by_polars, polars_of(ID.cast(pl.Int128)), "one whose columns are of types that Arrow has"),
    "Polars, UInt128": (by_polars, polars_of(ID.cast(pl.UInt128)), "one whose columns are of types that Arrow has"),
    "DuckDB, dates": (by_duckdb, duckdb_of(time="time::DATE"), "time datetime.date"),
    "DuckDB, unions": (by_duckdb, duckdb_of(order_id="union_value(n := order_id)"), "order id {"),
    "DuckDB, variants": (by_duckdb, duckdb_of(order_id="order_id::VARIANT"), "order id {"),
}


@pytest.mark.parametrize(("write", "make", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_no_engine_can_read_every_engine_refuses_with_one_reason(write, make, reason, tmp_path):
    write(make, tmp_path / "log.parquet", 1, 2)
    said = [refused(partial(audit, tmp_path / "log.parquet", engine=engine)) for engine in ENGINES]
    assert said == [said[0]] * len(ENGINES)
    assert reason in said[0]


# -- frames ----------------------------------------------------------------------------------------------------------

FRAMES = {
    **{f"pandas, {name}": make for name, make in PANDAS.items() if name != "times in an index"},
    **{f"Polars, {name}": make for name, make in POLARS.items()},
    "Polars, ids of Int128": polars_of(ID.cast(pl.Int128)),
    "Polars, ids of UInt128": polars_of(ID.cast(pl.UInt128)),
    "Polars, ids of an enum": lambda first, second: polars_of(
        ID.cast(pl.String).cast(pl.Enum([str(first), str(second)]))
    )(first, second),
    **{
        f"DuckDB, {name}": lambda first, second, make=make: relation(duckdb.connect(), make, first, second)
        for name, make in DUCKDB.items()
        if name != "ids of BIGNUM"
    },
}
QUICK = [
    "pandas, ids of UInt64", "pandas, ids of categories of texts", "Polars, ids of UInt128", "Polars, ids of an enum",
    "DuckDB, ids of UHUGEINT", "DuckDB, times of TIMESTAMP_S",
]  # fmt: skip


@pytest.mark.parametrize(
    "make",
    [pytest.param(make, id=name, marks=() if name in QUICK else pytest.mark.long) for name, make in FRAMES.items()],
)
def test_a_frame_of_every_type_is_read_as_its_file_would_be(make):
    assert seen(audit(make(1, 2), events=Events.COMPLETE)) == (2, 3, 0, {1: DELETED_AT})


def test_a_frame_of_duckdbs_integers_of_any_size_is_refused():
    """They leave DuckDB as bytes; a file has them as numbers."""
    with duckdb.connect() as connection:
        assert "order id" in refused(partial(audit, relation(connection, DUCKDB["ids of BIGNUM"], 1, 2)))


# -- what others do to a trace before it is read ---------------------------------------------------------------------

LARGE = 2**53 + 1


def trace_of(*ids):
    call = {"time": "2026-08-05T06:10:01Z", "operation": "CreateCertificateRequest", "outcome": "accepted"}
    return io.StringIO("".join(json.dumps(call | ({"order_id": each} if each else {})) + "\n" for each in ids))


def test_pandas_makes_floats_of_ids_beside_a_gap_and_those_that_may_be_rounded_are_bad_lines():
    frame = pd.read_json(trace_of(LARGE, None, 7), lines=True)
    assert frame["order_id"].tolist()[0] == LARGE - 1
    report = audit(frame)
    assert (report.orders, report.bad_lines) == (1, 2)


def test_duckdb_writes_times_as_texts_with_short_offsets_and_they_are_read(tmp_path):
    with duckdb.connect() as connection:
        source = relation(connection, duckdb_of(), 1, 2)
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(f"COPY (SELECT * FROM source) TO '{tmp_path / 'log.jsonl'}' (FORMAT json)")
        del source
    assert json.loads((tmp_path / "log.jsonl").read_text().splitlines()[1])["time"] == "2026-08-05 06:10:02+00"
    (violation,) = audit(tmp_path, events=Events.COMPLETE).violations
    assert violation.time // 1_000_000 == DELETED_AT


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("unit", ["s", "ms", "us"])
def test_fastparquet_writes_int96_of_other_units_than_nanoseconds_as_1970(unit, tmp_path):
    by_fastparquet(PANDAS[f"times of {unit}"], tmp_path / "log.parquet", 1, 2, times="int96")
    (violation,) = audit(tmp_path, events=Events.COMPLETE).violations
    assert violation.time < 2_000_000 * 1_000_000
