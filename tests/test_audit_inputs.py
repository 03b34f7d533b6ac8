"""What an audit takes: users' own frames, tables of any columns and names, and lines that are bad."""

from __future__ import annotations

import json
from itertools import product

import attrs
import pytest
from company import (
    COMPLETE,
    ENGINES,
    SOME,
    found,
    moment,
    write_jsonl,
    write_parquet,
)

pytest.importorskip("duckdb", reason="the extra `audit` is not installed")

from orderfsm import InvalidValue, Operation
from orderfsm.audit import audit
from orderfsm.trace import Line


@pytest.fixture(autouse=True)
def _quiet(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


def frame_of(kind, file):
    if kind == "polars":
        return pytest.importorskip("polars").read_parquet(file)
    if kind == "polars lazy":
        return pytest.importorskip("polars").scan_parquet(file)
    if kind == "pandas":
        return pytest.importorskip("pandas").read_parquet(file)
    if kind == "pyarrow":
        return pytest.importorskip("pyarrow.parquet").read_table(file)
    return pytest.importorskip("duckdb").connect().read_parquet(file)


@pytest.mark.parametrize("kind", ["file", "polars", "pyarrow", "pandas"])
def test_nanoseconds_are_told_apart_in_files_and_frames(kind, tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(write_parquet(tmp_path / "log.parquet", SOME[:2])).select(
        ["order_id", "operation", "outcome"]
    )
    times = pa.array([1_785_910_201_000_000_000 + at for at in (2, 1)], pa.timestamp("ns", "UTC"))
    table = table.append_column("time", times).set_column(
        1, "operation", [["CancelOrderRequest", "CreateCertificateRequest"]]
    )
    pq.write_table(table, tmp_path / "log.parquet")
    log = tmp_path / "log.parquet" if kind == "file" else frame_of(kind, tmp_path / "log.parquet")
    assert audit(log, events=COMPLETE).conforms == 1


@pytest.mark.parametrize("typed", [True, False], ids=["typed", "text"])
@pytest.mark.parametrize("kind", ["polars", "polars lazy", "pandas", "pyarrow", "duckdb"])
def test_a_users_frame_with_its_own_names_of_columns(kind, typed, tmp_path):
    import pyarrow.parquet as pq

    file = write_parquet(tmp_path / "log.parquet", SOME, typed=typed)
    pq.write_table(pq.read_table(file).rename_columns({"order_id": "oid", "time": "when"}), file)
    report = audit(frame_of(kind, file), columns={"order_id": "oid", "time": "when"}, events=COMPLETE)
    (violation,) = report.violations
    assert (report.orders, violation.order_id, violation.index, violation.line, violation.file) == (2, 7, 1, 2, None)


@pytest.mark.parametrize(
    ("drop", "columns", "named"),
    [
        ("time", None, "expected time, which holds the time"),
        ("order_id", None, "expected order_id"),
        ("outcome", None, "expected outcome"),
        (None, {"order_id": "oid"}, "expected oid, which holds the order_id"),
        (None, {"ordre": "oid"}, "column of the trace format 'ordre'"),
    ],
)
def test_a_missing_column_is_one_clear_error(drop, columns, named, tmp_path):
    import pyarrow.parquet as pq

    file = write_parquet(tmp_path / "log.parquet", SOME)
    table = pq.read_table(file)
    pq.write_table(table.drop_columns([drop]) if drop else table, file)
    with pytest.raises(InvalidValue, match=named):
        audit(file, columns=columns)


def test_what_is_neither_paths_nor_a_frame_is_an_error():
    with pytest.raises(InvalidValue, match="paths, or a frame"):
        audit(7)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_texts_that_nobody_knows_are_one_if_there_are_very_many(engine, form, tmp_path, monkeypatch):
    some = [
        Line(time=moment(at), order_id=at % 3 + 7, trigger=trigger, outcome=outcome, code=code, state=state)
        for at in range(60)
        for trigger, outcome, code, state in [
            (Operation.CREATE, "accepted", None, None),
            (Operation.CANCEL, "refused", f"Surprise{at}", None),
            (Operation.DESCRIBE, "accepted", None, f"suspended{at}"),
            (Operation.CANCEL, "refused", "OrderStateError", None),
        ][at % 4 : at % 4 + 1]
    ]
    write = write_jsonl if form == "jsonl" else write_parquet
    file = write(tmp_path / f"log.{form}", some)
    expected = audit(file, engine=engine)
    monkeypatch.setattr("orderfsm.audit.reading.symbols.MOST", 9)
    folded_ = audit(file, engine=engine)
    assert found(folded_) == found(expected)
    assert folded_.histories == expected.histories
    assert expected.errors["CancelOrderRequest"] == {"OrderStateError": 15} | {
        f"Surprise{at}": 1 for at in range(1, 60, 4)
    }
    assert folded_.errors == {"CancelOrderRequest": {"(others)": 15, "OrderStateError": 15}}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_texts_that_mean_the_same_are_one_if_there_are_very_many(engine, form, tmp_path, monkeypatch):
    codes = ["InvalidDomain{}", "MissingName{}", "Throttling.User{}", "ServiceUnavailable.X{}", "OrderStateError"]
    some = [
        Line(time=moment(at), order_id=at % 3 + 7, trigger=Operation.CANCEL, outcome="refused", code=code.format(at))
        for at, code in enumerate(codes * 12)
    ]
    words = ("".join(letters) for letters in product(*zip("issued", "ISSUED", strict=True)))
    some += [
        Line(time=moment(100 + at), order_id=7, trigger=Operation.DESCRIBE, state=word) for at, word in enumerate(words)
    ]
    write = write_jsonl if form == "jsonl" else write_parquet
    file = write(tmp_path / f"log.{form}", some)
    expected = audit(file, engine=engine)
    monkeypatch.setattr("orderfsm.audit.reading.symbols.MOST", 9)
    folded_ = audit(file, engine=engine)
    assert attrs.evolve(folded_, errors=expected.errors) == expected
    assert folded_.errors == {
        "CancelOrderRequest": {
            "InvalidParameter": 12,
            "MissingParameter": 12,
            "OrderStateError": 12,
            "ServiceUnavailable": 12,
            "Throttling": 12,
        }
    }


@pytest.mark.parametrize("engine", ENGINES)
def test_bad_lines_are_counted_put_aside_with_file_and_line_and_stop_nothing(engine, tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    text = write_jsonl(tmp_path / "a.jsonl", ["nonsense", *SOME[:1]])
    table = pq.read_table(write_parquet(tmp_path / "b.parquet", SOME))
    spoiled = table.set_column(1, "order_id", pa.array([7, -1, None], pa.int64()))
    spoiled = spoiled.set_column(2, "operation", pa.array(["CancelOrderRequest", "CancelOrderRequest", "Explode"]))
    pq.write_table(spoiled, tmp_path / "b.parquet")
    report = audit([text, tmp_path / "b.parquet"], engine=engine, bad_lines=tmp_path / "bad.jsonl")
    assert (report.orders, report.bad_lines, report.events) == (1, 3, 2)
    bad = [json.loads(line) for line in (tmp_path / "bad.jsonl").read_text().splitlines()]
    assert [(each["file"], each["line"]) for each in bad] == [
        (text, 1),
        (str(tmp_path / "b.parquet"), 2),
        (str(tmp_path / "b.parquet"), 3),
    ]
    assert ["order id -1" in bad[1]["reason"], "operation 'Explode'" in bad[2]["reason"]] == [True, True]


@pytest.mark.parametrize("engine", ENGINES)
def test_an_id_that_is_too_large_for_one_is_a_bad_line(engine, tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(write_parquet(tmp_path / "log.parquet", SOME))
    pq.write_table(
        table.set_column(1, "order_id", pa.array([7, 2**63, 2**64 - 1], pa.uint64())), tmp_path / "log.parquet"
    )
    report = audit(tmp_path / "log.parquet", engine=engine)
    assert (report.orders, report.bad_lines) == (1, 2)


@pytest.mark.parametrize("engine", ENGINES)
def test_ids_may_be_other_numbers_and_texts_bytes(engine, tmp_path):
    """As pandas makes them of columns with gaps, and some writers of Parquet of any text."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(write_parquet(tmp_path / "log.parquet", SOME))
    for at, kind in ((1, pa.float64()), (1, pa.decimal128(20, 2)), (2, pa.binary())):
        table = table.set_column(at, table.column_names[at], table.column(at).cast(kind))
        pq.write_table(table, tmp_path / "log.parquet")
        report = audit(tmp_path / "log.parquet", engine=engine, events=COMPLETE)
        assert (report.orders, report.bad_lines, [each.order_id for each in report.violations]) == (2, 0, [7])


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "name", ["it's [x] *.parquet", 'a "b" ?.parquet', "s[1].parquet", "order_id=99/state=x.parquet"]
)
def test_names_of_files_mean_themselves(engine, name, tmp_path):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    write_parquet(tmp_path / "s1.parquet", [])
    file = write_parquet(tmp_path / name, SOME)
    report = audit(file, engine=engine, events=COMPLETE, state=tmp_path / "t[1]")
    assert (report.orders, [(each.order_id, each.file) for each in report.violations]) == (2, [(7, file)])
    later = write_jsonl(tmp_path / "later.jsonl", [attrs.evolve(SOME[0], order_id=9, time=moment(9))])
    audit(later, engine=engine, state=tmp_path / "t1")
    assert audit(later, engine=engine, state=tmp_path / "t[1]").orders == 3


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "others",
    [{"Order_ID": [1, 2, 3]}, {"file_index": [5, 3, 1]}, {"file_row_number": ["x"] * 3}, {"row_of_the_table": [0] * 3}],
    ids=str,
)
def test_columns_of_any_name_may_be_there_besides(engine, others, tmp_path):
    import pyarrow.parquet as pq

    table = pq.read_table(write_parquet(tmp_path / "log.parquet", SOME))
    for name, column in others.items():
        table = table.add_column(0, name, [column])
    pq.write_table(table, tmp_path / "log.parquet")
    (violation,) = audit(tmp_path / "log.parquet", engine=engine, events=COMPLETE).violations
    assert (violation.order_id, violation.line) == (7, 2)


@pytest.mark.parametrize("engine", ENGINES)
def test_tables_of_different_types_go_together(engine, tmp_path, monkeypatch):
    import pyarrow as pa
    import pyarrow.parquet as pq

    monkeypatch.setenv("TZ", "America/New_York")
    table = pq.read_table(write_parquet(tmp_path / "log.parquet", SOME))
    narrow = table.set_column(1, "order_id", table["order_id"].cast(pa.int32()))
    pq.write_table(narrow.set_column(0, "time", table["time"].cast(pa.timestamp("us"))), tmp_path / "a.parquet")
    wide = [attrs.evolve(each, order_id=2**40, time=moment(9 - at)) for at, each in enumerate(SOME[:2])]
    files = [tmp_path / "a.parquet", write_parquet(tmp_path / "b.parquet", wide)]
    violations = audit(files, engine=engine, events=COMPLETE).violations
    assert [(each.order_id, each.index) for each in violations] == [(7, 1), (2**40, 1)]


def test_one_file_by_two_names_is_read_once_and_what_an_audit_wrote_not_at_all(tmp_path):
    file = write_jsonl(tmp_path / "log.jsonl", [*SOME[:1], "nonsense"])
    (tmp_path / "link.jsonl").symlink_to(file)
    for _ in range(2):
        report = audit([file, "./log.jsonl", tmp_path], bad_lines=tmp_path / "orderfsm-bad-lines.jsonl")
        assert (report.events, report.bad_lines) == (1, 1)


@pytest.mark.parametrize("ids", [[7, "7", 9], [7, 7, 2**70]], ids=str)
def test_a_frame_whose_columns_are_of_no_one_type_is_an_error(ids):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        {"time": [moment(0)] * 3, "order_id": pandas.Series(ids, dtype=object), "event": "submitted"}
    )
    with pytest.raises(InvalidValue, match="columns of the frame"):
        audit(frame)
