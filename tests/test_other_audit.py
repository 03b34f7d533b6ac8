"""The audit and the simulation of another table, the parcels': ids that are texts, words that overlap, silent pairs."""

from __future__ import annotations

import json
import re

import attrs
import pytest
from company import COMPLETE, ENGINES, FEW, PARTIAL, folded, found, in_days, moment, parted, write_jsonl
from hypothesis import given
from hypothesis import strategies as st
from other_table import LIFECYCLE, Event, Operation

pytest.importorskip("duckdb", reason="the extra `audit` is not installed")

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from orderfsm import InvalidValue, trace
from orderfsm.audit import audit, simulate
from orderfsm.audit.reporting.page import page
from orderfsm.cli import main
from orderfsm.trace import Events, Line, Outcome, read, replay

IDS = ["pa-1", "PA-1", "7", 'q"u\\o', "x" * 128]
CODES = [None, "WrongPhase", "NotMoving", "OutOfReach", "NoSuchParcel", "EraseFailed", "TooManyRequests", "Surprise"]
WORDS = [None, "waiting", "MOVING", "sender", "done", "unknown", "at_locker", "suspended"]
COLUMNS = ("parcel_id", "operation", "event", "outcome", "code", "state", "new_parcel_id")


@pytest.fixture(autouse=True)
def _quiet(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


def line(second, parcel, trigger, **fields):
    return Line(time=moment(second), parcel_id=parcel, trigger=trigger, lifecycle=LIFECYCLE, **fields)


def lines():
    """Lines of a few parcels, many of them as they come in histories that conform."""
    seconds, parcel = st.integers(0, 20), st.sampled_from(IDS)
    call = st.builds(
        lambda second, parcel, operation, outcome, code, state, new: line(
            second,
            parcel,
            operation,
            outcome=outcome,
            code=code if outcome == "refused" else None,
            state=state,
            new_parcel_id=new if operation is Operation.REPLACE else None,
        ),
        seconds,
        parcel,
        st.sampled_from(list(Operation)),
        st.sampled_from(["accepted", "accepted", "accepted", "refused", "unknown"]),
        st.sampled_from(CODES),
        st.sampled_from(WORDS),
        st.sampled_from([None, *IDS]),
    )
    likely = [Operation.ANNOUNCE, Event.HANDED_IN, Event.LOST, Event.ARRIVED, Operation.REDIRECT, Event.REDIRECTED]
    other = st.builds(line, seconds, parcel, st.sampled_from([*likely, *Event]))
    return st.lists(call | other, max_size=25)


def write_parquet(file, some, *, typed=True, **others):
    """Lines as Parquet, perhaps with `others` instead of what stands in a column."""
    rows = [json.loads(trace.dumps(each)) for each in some]
    columns = {key: pa.array([row.get(key) for row in rows], pa.string()) for key in ("time", *COLUMNS)} | others
    if typed:
        stripped = pc.replace_substring(columns["time"], "Z", "")
        columns["time"] = stripped.cast(pa.timestamp("us")).cast(pa.timestamp("us", "UTC"))
    pq.write_table(pa.table(columns), file)
    return str(file)


WRONG = [
    line(0, "pa-1", Operation.ANNOUNCE),
    line(1, "pa-1", Operation.REDIRECT),
    line(2, "pa-2", Operation.TRACK, state="locker"),
]


@pytest.mark.parametrize("engine", ENGINES)
@FEW
@given(
    some=lines(),
    bad=st.lists(st.sampled_from(["nonsense", '{"time": "never", "parcel_id": "7", "event": "arrived"}']), max_size=2),
    cuts=st.lists(st.integers(0, 30), max_size=2),
    events=st.sampled_from([None, COMPLETE]),
)
def test_whatever_the_files_the_audit_finds_what_the_core_finds(engine, some, bad, cuts, events, tmp_path):  # noqa: PLR0917
    files = [
        write_jsonl(tmp_path / f"{number}.jsonl", part, events)
        for number, part in enumerate(parted([*bad, *some], cuts))
    ]
    try:
        expected = folded(replay(read(files, lifecycle=LIFECYCLE), lifecycle=LIFECYCLE))
    except InvalidValue as nothing_was_read:
        with pytest.raises(InvalidValue, match=re.escape(str(nothing_was_read))):
            audit(files, engine=engine, lifecycle=LIFECYCLE)
    else:
        assert found(audit(files, engine=engine, lifecycle=LIFECYCLE)) == expected


def test_lines_of_ones_own_table_are_read_by_their_sorts_if_their_ids_are_plain(tmp_path):
    ids = [*(f"pa-{n}" for n in range(40)), *IDS, "x" * 129, "pa 1", "ä"]
    file = tmp_path / "log.jsonl"
    file.write_text(
        "".join(
            json.dumps({"time": moment(n), "parcel_id": each, "event": "arrived"}) + "\n" for n, each in enumerate(ids)
        )
    )
    expected = folded(replay(read(file, lifecycle=LIFECYCLE), lifecycle=LIFECYCLE))
    assert found(audit(file, lifecycle=LIFECYCLE)) == expected


@pytest.mark.parametrize("typed", [True, False], ids=["typed", "text"])
@FEW
@given(some=lines(), events=st.sampled_from([PARTIAL, COMPLETE]))
def test_parquet_is_judged_like_json(typed, some, events, tmp_path):
    file = write_parquet(tmp_path / "log.parquet", some, typed=typed)
    expected = folded(replay(some, events=events, lifecycle=LIFECYCLE))["violations"]
    for engine in ENGINES:
        report = audit(file, engine=engine, events=events, lifecycle=LIFECYCLE)
        assert [(v.order_id, v.index, v.said) for v in report.violations] == [(v[0], v[1], v[4]) for v in expected]


@FEW
@given(some=lines(), cuts=st.lists(st.integers(0, 40), max_size=2), longest=st.sampled_from([2, 20]))
def test_day_by_day_gives_what_one_audit_of_all_days_gives(some, cuts, longest, tmp_path):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("orderfsm.audit.judging.judge.LONGEST", longest)
        (tmp_path / "state").unlink(missing_ok=True)
        files = [write_jsonl(tmp_path / f"{number}.jsonl", day) for number, day in enumerate(in_days(some, cuts))]
        for file in files:
            report = audit(file, state=tmp_path / "state", lifecycle=LIFECYCLE)
    whole = audit(files, lifecycle=LIFECYCLE)
    assert [(v.order_id, v.index, v.said, v.possible) for v in report.violations] == [
        (v.order_id, v.index, v.said, v.possible) for v in whole.violations
    ]
    assert (report.undecided_orders, report.conforms) == (whole.undecided_orders, whole.conforms)


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
@pytest.mark.parametrize("events", Events)
def test_of_a_simulated_log_exactly_the_planted_violations_are_found(form, events, tmp_path):
    settings = {"orders": 1_000, "seed": 4, "bad": 0.02, "lifecycle": LIFECYCLE}
    written = simulate(tmp_path / "log", events=events, format=form, **settings)
    planted = json.loads((tmp_path / "log" / "planted.json").read_text())
    assert planted["table"] == written.as_json()["table"] == "other_table:LIFECYCLE"
    expected = sorted((each["parcel_id"], each["index"]) for each in planted["violations"])
    for engine in ENGINES:
        report = audit(tmp_path / "log", engine=engine, lifecycle=LIFECYCLE)
        assert (report.orders, report.events, report.undecided, report.bad_lines) == (1_000, written.lines, 0, 0)
        assert [(violation.order_id, violation.index) for violation in report.violations] == expected
    assert written.violations == len(expected) > 5


def test_simulated_parcels_go_every_way_that_the_table_knows(tmp_path):
    simulate(tmp_path / "log", orders=4_000, seed=1, lifecycle=LIFECYCLE)
    report = audit(tmp_path / "log", lifecycle=LIFECYCLE)
    assert set(report.flow) == {row for row in LIFECYCLE.transitions if row.changes}
    assert report.unclear < sum(report.flow.values()) / 100
    assert "TooManyRequests" in {code for codes in report.errors.values() for code in codes}


def test_a_table_whose_orders_no_call_begins_cannot_be_simulated(tmp_path):
    silent = attrs.evolve(LIFECYCLE, transitions=LIFECYCLE.transitions[1:])
    with pytest.raises(InvalidValue, match="expected one in which a parcel begins by a call"):
        simulate(tmp_path / "log", orders=1, lifecycle=silent)


def test_reports_have_the_ids_under_the_tables_own_key(tmp_path):
    file = write_jsonl(tmp_path / "log.jsonl", WRONG, COMPLETE)
    report = audit(file, results=tmp_path / "out.parquet", lifecycle=LIFECYCLE)
    document = report.as_json()
    assert (document["table"], document["orders"]) == ("other_table:LIFECYCLE", 2)
    (violation,) = document["violations"]
    assert (violation["parcel_id"], violation["possible"]) == ("pa-1", ["announced"])
    assert "order_id" not in violation
    assert str(report).splitlines() == [
        "violates: of 2 parcels 1 violate the table and 0 are undecided",
        "parcel pa-1: RedirectParcel accepted",
    ]
    assert "Audit of 2 parcels" in page(report)
    rows = pq.read_table(tmp_path / "out.parquet").to_pylist()
    assert [(row["parcel_id"], row["verdict"]) for row in rows] == [("pa-1", "violates"), ("pa-2", "conforms")]


def test_a_state_is_of_one_table_and_has_its_ids(tmp_path):
    state = tmp_path / "state"
    for second, trigger in enumerate((Operation.ANNOUNCE, Event.HANDED_IN, Event.LOST, Operation.REPLACE)):
        new = {"new_parcel_id": "pa-2"} if trigger is Operation.REPLACE else {}
        file = write_jsonl(tmp_path / f"{second}.jsonl", [line(second, "pa-1", trigger, **new)], COMPLETE)
        report = audit(file, state=state, lifecycle=LIFECYCLE)
    assert (report.orders, report.conforms, report.new.events) == (2, 2, 1)
    assert pq.read_table(state).column("parcel_id").to_pylist() == ["pa-1", "pa-2"]
    late = write_jsonl(tmp_path / "late.jsonl", [line(0, "pa-2", Operation.TRACK)])
    with pytest.raises(InvalidValue, match="of parcel pa-2': expected one later than"):
        audit(late, state=state, lifecycle=LIFECYCLE)
    log = tmp_path / "orders.jsonl"
    log.write_text('{"time": "2026-08-05T06:10:01Z", "order_id": 7, "event": "submitted"}\n')
    with pytest.raises(InvalidValue, match="state of table 'other_table:LIFECYCLE': expected one of 'orders'"):
        audit(log, state=state)
    audit(log, state=tmp_path / "another")
    with pytest.raises(InvalidValue, match="state of table 'orders': expected one of 'other_table:LIFECYCLE'"):
        audit(file, state=tmp_path / "another", lifecycle=LIFECYCLE)


def test_the_log_of_another_table_is_bad_input_and_never_a_pass(tmp_path):
    parcels = [write_jsonl(tmp_path / "log.jsonl", WRONG), write_parquet(tmp_path / "log.parquet", WRONG)]
    for file in parcels:
        with pytest.raises(InvalidValue, match=r"lines of .* expected one that can be read|which holds the order_id"):
            audit(file)
    orders = tmp_path / "orders.jsonl"
    orders.write_text('{"time": "2026-08-05T06:10:01Z", "order_id": 7, "event": "submitted"}\n')
    with pytest.raises(
        InvalidValue, match=r"lines of .*orders.jsonl': expected one of .*: they are all of other table"
    ):
        audit(orders, lifecycle=LIFECYCLE)
    assert audit([orders, parcels[0]], lifecycle=LIFECYCLE).other == 1


@pytest.mark.parametrize("engine", ENGINES)
def test_what_is_no_id_of_the_table_is_a_bad_line(engine, tmp_path):
    ids = ["pa-1", "pa 2", "", None, "x" * 129, "pa-3\n", "päckchen", "7"]
    some = [line(0, "pa-1", Event.ARRIVED)] * len(ids)
    file = write_parquet(tmp_path / "log.parquet", some, parcel_id=pa.array(ids))
    report = audit(file, engine=engine, bad_lines=tmp_path / "bad.jsonl", lifecycle=LIFECYCLE)
    assert (report.orders, report.events, report.bad_lines) == (2, 2, 6)
    reasons = [json.loads(text)["reason"] for text in (tmp_path / "bad.jsonl").read_text().splitlines()]
    assert reasons[0] == "parcel id 'pa 2': expected 1 to 128 printable ASCII characters without spaces"
    assert "parcel id None" in reasons[1]


@pytest.mark.parametrize("engine", ENGINES)
def test_an_empty_text_is_no_id(engine, tmp_path):
    some = [line(0, "pa-1", Event.ARRIVED), line(1, "pa-2", Operation.OVERVIEW)]
    ids = {"parcel_id": pa.array(["pa-1", ""]), "new_parcel_id": pa.array(["", ""])}
    report = audit(write_parquet(tmp_path / "log.parquet", some, **ids), engine=engine, lifecycle=LIFECYCLE)
    assert (report.orders, report.events, report.other, report.bad_lines) == (1, 1, 1, 0)


def test_columns_and_frames_are_named_by_the_tables_own_key(tmp_path):
    import polars as pl

    table = pq.read_table(write_parquet(tmp_path / "log.parquet", WRONG)).rename_columns(["time", "pid", *COLUMNS[1:]])
    for frame in (table, pl.DataFrame(table)):
        report = audit(frame, columns={"parcel_id": "pid"}, events=COMPLETE, lifecycle=LIFECYCLE)
        assert [violation.order_id for violation in report.violations] == ["pa-1"]
        with pytest.raises(InvalidValue, match="column of the trace format 'order_id': expected time, parcel_id"):
            audit(frame, columns={"order_id": "pid"}, lifecycle=LIFECYCLE)
    with pytest.raises(InvalidValue, match="parcel_id, which holds the parcel_id"):
        audit(table, lifecycle=LIFECYCLE)


def test_a_silent_pair_accuses_nobody_and_no_check_would_have_saved_its_refusal(tmp_path):
    here = [line(0, "pa-1", Operation.TRACK, state="locker")]
    for outcome, code in ((Outcome.ACCEPTED, None), (Outcome.REFUSED, "NotMoving"), (Outcome.REFUSED, "Surprise")):
        asked = line(1, "pa-1", Operation.REDIRECT, outcome=outcome, code=code)
        report = audit(write_jsonl(tmp_path / "log.jsonl", [*here, asked], COMPLETE), lifecycle=LIFECYCLE)
        assert report.ok
        assert [each.foreseeable for each in report.refusals.values()] in ([], [0])
        assert (report.flow, report.unclear) == ({}, int(outcome is Outcome.ACCEPTED))
    refused = line(1, "pa-2", Operation.REDIRECT, outcome="refused", code="NotMoving")
    known = [line(0, "pa-2", Operation.TRACK, state="done"), refused]
    report = audit(write_jsonl(tmp_path / "log.jsonl", known, COMPLETE), lifecycle=LIFECYCLE)
    assert report.refusals["RedirectParcel"].foreseeable == 1


@pytest.mark.parametrize("engine", ENGINES)
def test_texts_are_folded_by_the_tables_own_codes_and_words(engine, tmp_path, monkeypatch):
    codes = ["TooManyRequests.Carrier", "NotMoving", "NoSuchParcel", "", "OrderStateError", "Throttling.User"]
    words = ["Waiting", "sender", "LOCKER", "domain_verify", ""]
    refused = [line(9, f"pa-{n}", Operation.REDIRECT, outcome="refused", code=code) for n, code in enumerate(codes)]
    read_ = [line(9, f"pb-{n}", Operation.TRACK, state=word) for n, word in enumerate(words)]
    began = [line(0, each.order_id, Operation.ANNOUNCE) for each in (*refused, *read_)]
    columns = {
        "code": pa.array([None] * len(began) + codes + [None] * len(words)),
        "state": pa.array([None] * (len(began) + len(codes)) + words),
    }
    file = write_parquet(tmp_path / "log.parquet", [*began, *refused, *read_], **columns)
    whole = audit(file, engine=engine, events=COMPLETE, lifecycle=LIFECYCLE)
    monkeypatch.setattr("orderfsm.audit.reading.symbols.MOST", 1)
    folded_ = audit(file, engine=engine, events=COMPLETE, lifecycle=LIFECYCLE)
    assert [(v.order_id, v.possible) for v in folded_.violations] == [
        (v.order_id, v.possible) for v in whole.violations
    ]
    assert folded_.undecided_orders == whole.undecided_orders == ("pa-4", "pa-5", "pb-3")
    assert folded_.errors["RedirectParcel"] == {
        "(others)": 2,
        "NoSuchParcel": 1,
        "NotMoving": 1,
        "TooManyRequests": 1,
        "no code": 1,
    }


def delivery(file, trigger, service, asked, answered):
    event = {
        "eventId": file.name,
        "serviceName": service,
        "eventName": str(trigger),
        "eventTime": moment(0),
        "requestParameters": asked,
        "responseElements": answered,
    }
    file.write_text(json.dumps(event) + "\n")
    return str(file)


def test_a_delivery_of_action_trail_is_refused_for_a_table_that_it_has_nothing_of(tmp_path):
    file = delivery(tmp_path / "trail.json", Operation.ANNOUNCE, "Post", {}, {"ParcelId": "pa-1"})
    with pytest.raises(InvalidValue, match=r"trail.json': expected lines in the trace format; .* has no parcels"):
        audit(file, lifecycle=LIFECYCLE)


def test_a_service_of_action_trail_is_known_by_the_parameter_that_names_an_id(tmp_path, monkeypatch):
    monkeypatch.setattr("orderfsm.audit.reading.actiontrail.SERVICES", {"ParcelId": "Post"})
    first = delivery(tmp_path / "1.json", Operation.ANNOUNCE, "Post", {}, {"ParcelId": "pa-1"})
    second = delivery(tmp_path / "2.json", Operation.REPLACE, "Post", {"ParcelId": "pa-1"}, {"ParcelId": "pa-2"})
    third = delivery(tmp_path / "3.json", Operation.TRACK, "Post", {"ParcelId": "pa-3"}, {"Place": "locker"})
    other = delivery(tmp_path / "4.json", Operation.TRACK, "Cas", {"ParcelId": "pa-4"}, {"Place": "locker"})
    report = audit([first, second, third, other], lifecycle=LIFECYCLE)
    assert (report.orders, report.events, report.other, report.conforms) == (3, 3, 1, 3)


def test_the_command_line_takes_the_table_by_its_name(tmp_path, capsys):
    table = ["--table", "other_table:LIFECYCLE"]
    assert main(["simulate", "--orders", "300", "--bad", "0.05", "-o", "log", *table]) == 0
    assert "of 300 parcels, of which" in capsys.readouterr().out
    assert main(["audit", "log", "--json", *table]) == 1
    document = json.loads(capsys.readouterr().out)
    assert (document["table"], document["orders"]) == ("other_table:LIFECYCLE", 300)
    assert document["violations"][0]["parcel_id"].startswith("pa-")
    assert main(["audit", "log", *table]) == 1
    said = capsys.readouterr().out
    assert f"parcel {document['violations'][0]['parcel_id']} violates the table" in said
    assert "of 300 parcels" in said
    assert main(["audit", "log"]) == 2
    assert "lines of " in capsys.readouterr().err
