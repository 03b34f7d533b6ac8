"""The audit on Spark: on a cluster of processes it finds what DuckDB, Polars and a plain fold by the core find."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import attrs
import other_table
import pytest
from company import BAD, delivered, folded, found, moment, placeless, write_jsonl, write_parquet

pytest.importorskip("duckdb", reason="the extra `audit` is not installed")
pytest.importorskip("pyspark", reason="the extra `spark` is not installed")
pytest.importorskip("pandas")

from writers import DELETED_AT, WRITERS, rows, written
from writers import seen as judged

from orderfsm import ORDER_LIFECYCLE, InvalidValue, Operation
from orderfsm.audit import audit, simulate
from orderfsm.audit.engines.engine import EngineFailed
from orderfsm.tables import acme, instances
from orderfsm.trace import Events, Line, read, replay

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(shutil.which("java") is None, reason="Spark needs Java 17"),
    pytest.mark.filterwarnings("ignore"),
]
CLUSTER = "local-cluster[2,1,1024]"


@pytest.fixture(scope="module")
def session():
    """A real cluster of two worker processes, which all tests of this module share."""
    from orderfsm.audit.engines.on_spark import SparkEngine

    engine = SparkEngine.started(CLUSTER, None)
    yield engine.session
    engine.close()


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """A simulated log of JSON Lines, and its planted violations."""
    folder = tmp_path_factory.mktemp("logs") / "log"
    simulate(folder, orders=3_000, seed=11, bad=0.01, days=60)
    planted = json.loads((folder / "planted.json").read_text())["violations"]
    return folder, sorted((each["order_id"], each["index"]) for each in planted)


def test_a_log_that_mixes_all_tables_is_judged_as_on_the_other_engines(session, tmp_path):
    for number, table in enumerate((ORDER_LIFECYCLE, instances.LIFECYCLE, acme.LIFECYCLE)):
        for form in ("jsonl", "parquet"):
            simulate(tmp_path / form / table.name, orders=500, seed=number, bad=0.02, format=form, lifecycle=table)
    for form in ("jsonl", "parquet"):
        report = audit(tmp_path / form, engine="spark")
        assert report.as_json() == audit(tmp_path / form).as_json()
        assert (report.as_json()["table"], report.orders) == ("orders,instances,acme", 1_500)
        assert all(part.violates for part in report.parts)


def test_it_is_a_cluster_of_worker_processes(session):
    assert session.sparkContext.master == CLUSTER
    assert session.sparkContext.getConf().get("spark.ui.enabled") == "false"


def test_the_same_answers_as_duckdb_polars_and_a_plain_fold(log, session):
    folder, planted = log
    report = audit(folder, engine="spark")
    assert report.as_json() == audit(folder, engine="duckdb").as_json()
    assert report.as_json() == audit(folder, engine="polars").as_json()
    assert [(violation.order_id, violation.index) for violation in report.violations] == planted
    assert found(report) == folded(replay(read(sorted(folder.glob("*.jsonl")))))


def test_bad_lines_long_histories_ties_and_a_state_day_by_day(session, tmp_path):
    long = [Line(time=moment(at), order_id=7, trigger=Operation.DESCRIBE, state="CHECKING") for at in range(1, 70)]
    days = [
        write_jsonl(tmp_path / "1.jsonl", [Line(time=moment(0), order_id=7, trigger=Operation.CREATE), *long, *BAD]),
        write_jsonl(tmp_path / "2.jsonl", [Line(time=moment(90), order_id=7, trigger=Operation.CREATE)]),
    ]
    tied = [Line(time=moment(95), order_id=8, trigger=each) for each in (Operation.DELETE, Operation.CREATE)]
    trail = tmp_path / "3.jsonl"
    trail.write_text("".join(json.dumps(delivered(line, str(at))) + "\n" for at, line in enumerate(tied)))
    reports = [audit([*days, trail])]
    for engine in ("spark", "duckdb"):
        for day in [*days, trail]:
            last = audit(day, engine=engine, state=tmp_path / f"state-{engine}")
        reports.append(last)
    assert [(r.orders, r.violates, r.bad_lines, r.conforms) for r in reports] == [(2, 1, 3, 1)] * 3
    assert reports[1].violations == reports[2].violations
    assert placeless(reports[0]) == placeless(reports[1])


def test_a_users_own_spark_frame_stays_where_it_is(session, tmp_path):
    some = [
        Line(time=moment(at), order_id=7, trigger=each) for at, each in enumerate((Operation.CREATE, Operation.DELETE))
    ]
    frame = session.read.parquet(write_parquet(tmp_path / "log.parquet", some)).withColumnRenamed("order_id", "oid")
    session.conf.set("spark.sql.session.timeZone", "Asia/Shanghai")
    report = audit(frame, columns={"order_id": "oid"}, events=Events.COMPLETE)
    assert [(violation.order_id, violation.index) for violation in report.violations] == [(7, 1)]
    assert session.conf.get("spark.sql.session.timeZone") == "Asia/Shanghai"
    assert session.range(1).count() == 1


def seen(at):
    return {"user": f"user-{at}", "source_ip": "203.0.113.1", "event_id": moment(at)}


def test_who_was_behind_a_violation_is_the_same_as_on_other_engines(session, tmp_path):
    some = [
        Line(time=moment(at), order_id=7 + order, trigger=each, client=f"client-{order}-{at}", extra={"user": "alice"})
        for order in range(40)
        for at, each in enumerate((Operation.CREATE, Operation.DELETE))
    ]
    trail = tmp_path / "3.jsonl"
    users = ({"userIdentity": {"userName": f"user-{at}"}, "sourceIpAddress": "203.0.113.1"} for at in range(2))
    events = [
        delivered(attrs.evolve(line, order_id=99), line.time, **user) for line, user in zip(some, users, strict=False)
    ]
    trail.write_text("".join(json.dumps(each) + "\n" for each in events))
    files = [
        write_jsonl(tmp_path / "1.jsonl", some[:40], Events.COMPLETE),
        with_clients(tmp_path / "2.parquet", some[40:]),
        trail,
    ]
    reports = [audit(files, engine=engine, events=Events.COMPLETE) for engine in ("spark", "duckdb", "polars")]
    assert [report.as_json() for report in reports] == [reports[0].as_json()] * 3
    assert [each.who for each in reports[0].violations[:2]] == [
        {"client": f"client-{order}-1", "user": "alice"} for order in range(2)
    ]
    assert [each.who.get("client") for each in reports[0].violations[20:40]] == [
        f"client-{order}-1" for order in range(20, 40)
    ]
    assert reports[0].violations[40].who == seen(1)
    assert [each.before[0].who for each in reports[0].violations[40:]] == [seen(0)]


def test_who_was_behind_the_rows_of_a_spark_frame(session, tmp_path):
    some = [
        Line(time=moment(at), order_id=7 + order, trigger=each, client=f"client-{order}-{at}")
        for order in range(200)
        for at, each in enumerate((Operation.CREATE, Operation.DELETE))
    ]
    file = with_clients(tmp_path / "log.parquet", some)
    for parts, kind in ((1, "bigint"), (7, "string"), (200, "bigint"), (200, "string")):
        frame = session.read.parquet(file).repartition(parts, "order_id").withColumnRenamed("client", "who did it")
        frame = frame.withColumn("order_id", frame["order_id"].cast(kind))
        violations = audit(frame, columns={"client": "who did it"}, events=Events.COMPLETE).violations
        assert [each.who["client"] for each in violations] == [f"client-{order}-1" for order in range(200)]
        assert [[line.who["client"] for line in each.before] for each in violations] == [
            [f"client-{order}-0"] for order in range(200)
        ]
        assert len({each.line for each in violations}) == 200


def with_clients(file, some):
    """The lines as Parquet, with their clients."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(write_parquet(file, some))
    pq.write_table(table.append_column("client", pa.array([line.client for line in some])), file)
    return str(file)


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_another_table_whose_module_the_workers_have(form, session, tmp_path):
    session.sparkContext.addPyFile(other_table.__file__)
    parcels = other_table.LIFECYCLE
    simulate(tmp_path / "log", orders=2_000, seed=4, bad=0.02, days=60, format=form, lifecycle=parcels)
    planted = json.loads((tmp_path / "log" / "planted.json").read_text())["violations"]
    reports = [
        audit(tmp_path / "log", engine=engine, state=tmp_path / engine, lifecycle=parcels).as_json()
        for engine in ("spark", "duckdb", "polars")
    ]
    assert reports[0] == reports[1] == reports[2]
    found_ = [(each["parcel_id"], each["index"]) for each in reports[0]["violations"]]
    assert found_ == sorted((each["parcel_id"], each["index"]) for each in planted)
    if form == "parquet":
        frame = session.read.parquet(str(tmp_path / "log" / "*.parquet")).withColumnRenamed("parcel_id", "pid")
        report = audit(frame, columns={"parcel_id": "pid"}, events=Events.COMPLETE, lifecycle=parcels)
        assert [(each.order_id, each.index) for each in report.violations] == found_


def test_frames_whose_columns_the_core_must_read_are_read_by_the_workers(session):
    import datetime as dt
    from decimal import Decimal

    times = [dt.datetime(2026, 8, 5, 6, 10, second, tzinfo=dt.UTC) for second in (1, 2)]
    words = ["CreateCertificateRequest", "DeleteCertificateRequest"]
    for ids in (["7", "7"], [7.0, 7.0], [Decimal("7.00")] * 2):
        for moments in (times, [each.isoformat() for each in times]):
            rows = list(zip(moments, ids, words, ["accepted"] * 2, strict=True))
            frame = session.createDataFrame(rows, ["time", "order_id", "operation", "outcome"])
            report = audit(frame, events=Events.COMPLETE)
            assert (report.orders, report.bad_lines, len(report.violations)) == (1, 0, 1)
    dates = session.createDataFrame([(times[0].date(), 7, *words[:1], "accepted")], frame.columns)
    with pytest.raises(InvalidValue, match="lines of 'the frame': expected one that can be read"):
        audit(dates)


def test_rows_of_one_time_keep_their_order_in_however_many_partitions(session):
    from pyspark.sql import functions as f

    rows = session.range(0, 600, 1, 200)
    state = f.when(f.col("id") < 300, "domain_verify").otherwise("issued")
    frame = rows.select(
        f.lit("2026-08-05T06:10:01Z").cast("timestamp").alias("time"),
        f.lit(7).alias("order_id"),
        f.lit("DescribeCertificateState").alias("operation"),
        f.lit("accepted").alias("outcome"),
        state.alias("state"),
    )
    assert frame.rdd.getNumPartitions() == 200
    assert audit(frame).conforms == 1


def test_nanoseconds_are_taken_apart_without_rounding(session, tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    from orderfsm.audit.engines.on_spark import SparkEngine
    from orderfsm.audit.reading.log import read_files
    from orderfsm.audit.reading.sources import find

    some = [1_785_910_201_000_000_000 + at * 999_999_999_937 for at in range(5_000)] + [-1, -1001, 0]
    table = {
        "time": pa.array(some, pa.timestamp("ns")),
        "order_id": range(1, len(some) + 1),
        "event": ["submitted"] * len(some),
    }
    pq.write_table(pa.table(table), tmp_path / "log.parquet")
    engine = SparkEngine(session, ours=False)
    with engine.at_work():
        lines = read_files(engine, find(tmp_path / "log.parquet"))[0].lines.select("order_id", "instant", "finer")
        found = engine.table(lines.sort("order_id")).to_pydict()
    assert found["instant"] == [each // 1000 for each in some]
    assert found["finer"] == [each % 1000 * 10**15 for each in some]


def test_a_file_of_which_nothing_can_be_read_is_named(session, tmp_path):
    good = write_jsonl(tmp_path / "good.jsonl", [Line(time=moment(0), order_id=7, trigger=Operation.CREATE)])
    bad = write_jsonl(tmp_path / "bad.jsonl", ["nonsense"])
    with pytest.raises(InvalidValue, match=rf"lines of '{bad}': expected one that can be read; line 1"):
        audit([good, bad], engine="spark")


def test_a_memory_limit_that_is_no_size_is_an_error(tmp_path, session):
    file = write_jsonl(tmp_path / "log.jsonl", [])
    with pytest.raises(InvalidValue, match="memory limit 'much'"):
        audit(file, engine="spark", memory_limit="much")


def test_of_a_million_orders_exactly_the_planted_violations_are_found_on_each_engine(million, session):
    folder, lines, planted = million
    reports = [audit(folder, engine=engine) for engine in ("duckdb", "polars", "spark")]
    for report in reports:
        assert (report.orders, report.events, report.undecided, report.bad_lines) == (1_000_000, lines, 0, 0)
        assert [(violation.order_id, violation.index) for violation in report.violations] == planted
    assert reports[0].as_json() == reports[1].as_json() == reports[2].as_json()
    assert len(planted) > 500


@pytest.fixture(scope="module")
def million(tmp_path_factory):
    """A log of 1 million orders, how many lines that are, and the planted violations."""
    folder = tmp_path_factory.mktemp("million") / "log"
    written = simulate(folder, orders=1_000_000, seed=12, format="parquet")
    planted = json.loads((folder / "planted.json").read_text())["violations"]
    return folder, written.lines, sorted((each["order_id"], each["index"]) for each in planted)


PEAK = """
import sys
from pathlib import Path
from orderfsm.audit import audit
report = audit(sys.argv[1], memory_limit=sys.argv[2])
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(report.events, report.violates, int(status["VmHWM"].split()[0]) // 1024)
"""


def test_a_log_larger_than_the_memory_limit_goes_through_and_takes_less_memory(million):
    folder, lines, planted = million
    times_ids_and_places = lines * 3 * 8
    assert times_ids_and_places > 100_000_000
    peaks = {}
    for limit in ("100MB", "8GB"):
        done = subprocess.run(
            [sys.executable, "-c", PEAK, str(folder), limit], capture_output=True, text=True, check=True, timeout=300
        )
        events, violations, peaks[limit] = map(int, done.stdout.split())
        assert (events, violations) == (lines, len(planted))
    assert peaks["100MB"] < 0.85 * peaks["8GB"]


# -- what others wrote, and what Spark writes ------------------------------------------------------------------------


NOT_BY_SPARK = {"compressed by brotli": "PyArrow", "an id of events of its own": "DuckDB"}
"""What Spark does not read: a codec, and columns of UUIDs."""


def test_spark_reads_every_type_that_duckdb_writes(session, tmp_path):
    write, types, elsewhen = WRITERS["DuckDB"]
    read = {name: make for name, make in types.items() if name not in NOT_BY_SPARK}
    expected = written(tmp_path, write, read, elsewhen)
    assert judged(audit(tmp_path, engine="spark", events=Events.COMPLETE)) == expected


@pytest.mark.parametrize(("name", "writer"), NOT_BY_SPARK.items())
def test_what_spark_does_not_read_is_an_error_of_the_engine(name, writer, session, tmp_path):
    write, types, _ = WRITERS[writer]
    write(types[name], tmp_path / "log.parquet", 1, 2)
    with pytest.raises(EngineFailed, match=r"^engine spark: "):
        audit(tmp_path, engine="spark")


KINDS = {
    "order_id": ["tinyint", "smallint", "int", "bigint", "double", "float", "decimal(38,2)", "string", "binary"],
    "time": ["timestamp", "timestamp_ntz"],
}


@pytest.mark.parametrize("kept", ["INT96", "TIMESTAMP_MILLIS"])
def test_every_engine_reads_every_type_that_spark_writes(kept, session, tmp_path):
    session.conf.set("spark.sql.session.timeZone", "UTC")
    session.conf.set("spark.sql.parquet.outputTimestampType", kept)
    violations = {}
    for number, (name, kind) in enumerate((name, kind) for name, kinds in KINDS.items() for kind in kinds):
        first = 2 * number + 1
        given = rows(first, first + 1)
        given["time"] = [each.isoformat() for each in given["time"]]
        frame = session.createDataFrame(list(zip(*given.values(), strict=True)), list(given))
        frame = frame.withColumn("time", frame["time"].cast("timestamp"))
        told = frame[name].cast("string") if kind == "binary" else frame[name]
        frame.withColumn(name, told.cast(kind)).coalesce(1).write.parquet(str(tmp_path / f"{name}-{kind}"))
        violations[first] = DELETED_AT
    session.conf.unset("spark.sql.parquet.outputTimestampType")
    for engine in ("spark", "duckdb", "polars"):
        report = audit(tmp_path, engine=engine, events=Events.COMPLETE)
        assert judged(report) == (2 * len(violations), 3 * len(violations), 0, violations)


def test_a_time_that_spark_made_a_text_has_no_offset_and_every_engine_refuses_it(session, tmp_path):
    frame = session.sql("SELECT string(timestamp '2026-08-05 06:10:01') time, 7 order_id, 'submitted' event")
    frame.write.parquet(str(tmp_path / "log"))
    for engine in ("spark", "duckdb"):
        with pytest.raises(InvalidValue, match="time '2026-08-05 06:10:01': expected an RFC 3339 time"):
            audit(tmp_path, engine=engine)
