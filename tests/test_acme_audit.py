"""The audit of ACME orders: on every engine what the judge says, line by line, and where orders are left."""

from __future__ import annotations

import json

import pytest

from orderfsm import InvalidValue, trace
from orderfsm.tables.acme import Event, Operation, State
from orderfsm.trace import Events, Finding, Line

duckdb = pytest.importorskip("duckdb", reason="pip install 'orderfsm[audit]'")
import pyarrow as pa
import pyarrow.parquet as pq

from orderfsm.audit import audit, simulate
from orderfsm.audit.reporting.page import page
from orderfsm.cli import main
from orderfsm.tables.acme import LIFECYCLE

ENGINES = ("duckdb", "polars")
URL = "https://acme.example/order/{}"
TIME = "2026-11-{:02}T04:10:{:02}Z"
NEW, READ, FINALIZE, DEACTIVATE, DOWNLOAD, REVOKE = Operation
ALL_VALID, *_ = Event
NOT_READY = {"outcome": "refused", "code": "urn:ietf:params:acme:error:orderNotReady"}


def life(name, *steps, day=1):
    """Lines of one order, a second after another: triggers, or pairs of one and what else the line says."""
    made = [step if isinstance(step, tuple) else (step, {}) for step in steps]
    url = URL.format(name)
    return [
        Line(time=TIME.format(day, second), order_url=url, trigger=trigger, **said)
        for second, (trigger, said) in enumerate(made)
    ]


def got(word, of=READ):
    return of, {"state": word}


GOOD = [got("pending", NEW), ALL_VALID, got("processing", FINALIZE), got("valid"), DOWNLOAD]
LIVES = {
    "good": GOOD,
    "twice": [*GOOD[:3], (FINALIZE, NOT_READY), got("valid")],
    "both": [*GOOD[:3], FINALIZE],
    "ready": [*GOOD[:2], got("ready")],
    "pending": [got("pending", NEW), got("pending")],
    "early": [got("pending", NEW), got("valid", FINALIZE)],
    "word": [got("pending", NEW), got("deactivated")],
    "lives": [got("pending", NEW), DEACTIVATE, got("ready")],
    "later": [got("pending", NEW), got("ready"), (FINALIZE, NOT_READY), got("invalid")],
    "owed": [got("pending", NEW), got("ready"), (FINALIZE, NOT_READY)],
    "vague": [*GOOD[:4], (DOWNLOAD, {"outcome": "refused"})],
}
VIOLATIONS = {"both": 3, "early": 1, "word": 1, "lives": 2, "owed": 2}


@pytest.fixture
def log(tmp_path):
    file = tmp_path / "orders.jsonl"
    trace.write(
        (line for day, name in enumerate(LIVES, 1) for line in life(name, *LIVES[name], day=day)), file, "partial"
    )
    return file


def violated(report):
    return {each.order_id: each.index for each in report.violations}


EXPECTED = {URL.format(name): index for name, index in VIOLATIONS.items()}


@pytest.mark.parametrize("engine", ENGINES)
def test_an_audit_says_what_the_judge_says_of_each_order(engine, log):
    report = audit(log, engine=engine)
    assert (report.orders, report.violates, report.undecided_orders) == (11, 5, (URL.format("vague"),))
    assert violated(report) == EXPECTED
    replayed = trace.replay(trace.read(log))
    assert violated(replayed) == EXPECTED
    assert [each.possible for each in report.violations] == [each.possible for each in replayed.violations]
    assert report.holding_quota == 0


@pytest.mark.parametrize("engine", ENGINES)
def test_what_a_later_read_shows_counts_also_across_audits_and_of_long_histories(engine, tmp_path):
    """Of a history of more than 20 lines a state keeps only what it does: that nothing has explained it yet as well."""
    reads = [got("ready")] * 25
    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    owed = *LIVES["owed"][:2], *reads, LIVES["owed"][2]
    shown = {"long": got("invalid"), "short": got("invalid"), "never": got("ready"), "nothing": (READ, {})}
    lives = {"long": owed, "short": LIVES["owed"], "never": owed, "nothing": owed}
    trace.write([line for name, steps in lives.items() for line in life(name, *steps)], first, "partial")
    trace.write([life(name, step, day=2)[0] for name, step in shown.items()], second, "partial")
    state = tmp_path / "state"
    before = audit(first, engine=engine, state=state)
    assert violated(before) == {URL.format(name): 2 if name == "short" else 27 for name in lives}
    after = audit(second, engine=engine, state=state)
    assert violated(after) == {URL.format("never"): 27, URL.format("nothing"): 27}
    assert violated(audit([first, second], engine=engine)) == violated(after)
    assert after.new.violates == 0


@pytest.mark.parametrize("engine", ENGINES)
def test_what_has_happened_to_a_long_history_is_kept_in_a_state(engine, tmp_path):
    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    refused = DOWNLOAD, {"outcome": "refused", "code": "orderNotReady"}
    lives = {"revoked": [*GOOD, *[got("valid")] * 20, REVOKE], "not": [*GOOD, *[got("valid")] * 20]}
    trace.write([line for name, steps in lives.items() for line in life(name, *steps)], first, "partial")
    trace.write([life(name, refused, day=2)[0] for name in lives], second, "partial")
    audit(first, engine=engine, state=tmp_path / "state")
    assert violated(audit(second, engine=engine, state=tmp_path / "state")) == {URL.format("not"): 25}


# -- where orders are left ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
def test_an_audit_shows_where_orders_stand_and_which_wait_for_their_client(engine, log):
    report = audit(log, engine=engine)
    assert report.standing == {State.VALID: 2, State.INVALID: 1, State.PENDING: 1, State.READY: 1}
    assert (report.waiting, [left.order_id for left in report.left]) == (1, [URL.format("ready")])
    assert [left.days for left in report.left] == [pytest.approx(7, abs=0.01)]
    said = report.as_json()
    assert said["standing"] == {"acme": {"valid": 2, "invalid": 1, "pending": 1, "ready": 1}}
    assert (said["waiting"], said["left"][0]["order_url"]) == (1, URL.format("ready"))


@pytest.mark.parametrize("engine", ENGINES)
def test_a_finalize_that_a_check_would_have_saved_is_counted_and_its_order_named(engine, log):
    report = audit(log, engine=engine)
    refused = report.refusals[FINALIZE]
    assert (refused.refusals, refused.foreseeable) == (3, 1), "of a ready order nobody could have known"
    assert report.as_json()["avoidable"] == [{"order_url": URL.format("twice"), "refusals": 1}]


def test_the_results_of_each_order_say_it_too(log, tmp_path):
    audit(log, results=tmp_path / "orders.parquet")
    rows = {row["order_url"]: row for row in pq.read_table(tmp_path / "orders.parquet").to_pylist()}
    twice, ready, early = (rows[URL.format(name)] for name in ("twice", "ready", "early"))
    assert (twice["stands"], twice["waits"], twice["refusals"], twice["foreseeable"]) == (["valid"], False, 1, 1)
    assert (ready["stands"], ready["waits"], ready["refusals"]) == (["ready"], True, 0)
    assert (early["stands"], early["waits"], early["verdict"]) == ([], False, "violates")


def test_the_text_and_the_page_show_it(log, capsys):
    assert main(["audit", str(log)]) == 1
    text = capsys.readouterr().out
    assert "Where orders that conform stand after their last line:\n           2  valid\n" in text
    waiting = f"Orders that wait for their client: 1. The longest without a line:\n         7.0  days: order {URL}"
    assert waiting.format("ready") in text
    assert f"With the most of them that it would have saved:\n           1  order {URL.format('twice')}\n" in text
    html = page(audit(log))
    assert "Where orders stand" in html
    assert URL.format("ready") in html


# -- files -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("events", Events)
@pytest.mark.parametrize("form", ["jsonl", "jsonl.gz", "parquet"])
@pytest.mark.parametrize("engine", ENGINES)
def test_the_violations_planted_in_simulated_orders_are_found_and_no_others(engine, form, events, tmp_path):
    folder = tmp_path / "log"
    written = simulate(folder, orders=300, bad=0.1, seed=3, format=form, events=events, lifecycle=LIFECYCLE)
    planted = json.loads((folder / "planted.json").read_text())["violations"]
    report = audit(folder, engine=engine)
    assert written.violations == len(planted) > 10
    assert [{"order_url": each.order_id, "index": each.index} for each in report.violations] == planted
    assert (report.orders, report.undecided, report.bad_lines) == (300, 0, 0)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("events", Events)
def test_a_simulated_order_that_is_good_conforms(seed, events, tmp_path):
    simulate(tmp_path / "log", orders=400, bad=0, seed=seed, events=events, lifecycle=LIFECYCLE)
    report = audit(tmp_path / "log")
    assert report.verdict is Finding.CONFORMS
    told = {
        line.trigger
        for file in (tmp_path / "log").glob("*.jsonl")
        for line in trace.read(file)
        if isinstance(line, Line)
    }
    unseen = {event for event in Event if not LIFECYCLE.trigger_rules[event].seen}
    assert (unseen <= told) is (events is Events.COMPLETE), (
        "with partial events only what does not happen unseen is told"
    )
    assert {ALL_VALID, FINALIZE, REVOKE} <= told


@pytest.mark.parametrize("engine", ENGINES)
def test_a_file_may_mix_orders_instances_and_acme_orders(engine, log, tmp_path):
    others = [
        {"time": "2026-11-01T00:00:00Z", "order_id": 7, "operation": "CreateCertificateRequest", "outcome": "accepted"},
        {"time": "2026-11-01T00:00:01Z", "order_id": 7, "operation": "DeleteCertificateRequest", "outcome": "accepted"},
        {"time": "2026-11-01T00:00:00Z", "instance_id": "cas-1", "operation": "DeleteInstance", "outcome": "accepted"},
        {"time": "2026-11-01T00:00:00Z", "operation": "newOrder", "outcome": "refused", "code": "rateLimited"},
    ]
    mixed = tmp_path / "mixed.jsonl"
    mixed.write_text(log.read_text() + "".join(f"{json.dumps(line)}\n" for line in others))
    report = audit(mixed, engine=engine)
    assert {part.lifecycle.name: part.orders for part in report.parts} == {"orders": 1, "instances": 1, "acme": 11}
    assert violated(report.parts[2]) == EXPECTED
    assert (report.other, report.bad_lines) == (1, 0)
    assert set(report.as_json()["standing"]) == {"orders", "instances", "acme"}
    assert trace.replay(trace.read(mixed)).as_json()["table"] == "orders,instances,acme"


@pytest.mark.parametrize("engine", ENGINES)
def test_a_parquet_file_of_all_three_is_read_by_the_engine_itself(engine, tmp_path):
    columns = {
        "time": pa.array([1_700_000_000_000_000 + n * 1_000_000 for n in range(5)], pa.timestamp("us", "UTC")),
        "order_id": pa.array([7, None, None, None, None], pa.int64()),
        "instance_id": pa.array([None, "cas-1", None, None, None], pa.string()),
        "order_url": pa.array([None, None, *[URL.format("x" * 2000)] * 3], pa.string()),
        "operation": ["CancelOrderRequest", "DeleteInstance", "newOrder", "readOrder", "finalize"],
        "outcome": ["accepted"] * 5,
        "state": pa.array([None, None, "pending", "ready", "valid"], pa.string()),
    }
    pq.write_table(pa.table(columns), tmp_path / "log.parquet")
    report = audit(tmp_path / "log.parquet", engine=engine)
    assert {part.lifecycle.name: part.conforms for part in report.parts} == {"orders": 1, "instances": 1, "acme": 1}


@pytest.mark.parametrize("engine", ENGINES)
def test_a_url_that_is_too_long_is_a_bad_line(engine, tmp_path):
    longest = URL.format("x")[:-1] + "y" * (2048 - len(URL.format("x")) + 1)
    lines = [
        {"time": "2026-11-01T00:00:00Z", "order_url": url, "operation": "readOrder", "outcome": "accepted"}
        for url in (longest, longest + "y", "https://a/order 1")
    ]
    (tmp_path / "log.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    report = audit(tmp_path / "log.jsonl", engine=engine, bad_lines=tmp_path / "bad")
    assert (report.orders, report.bad_lines) == (1, 2)
    assert "1 to 2048 printable ASCII characters without spaces" in (tmp_path / "bad").read_text()


def test_a_csv_of_acme_orders_is_refused_with_what_to_do(tmp_path):
    (tmp_path / "log.csv.gz").write_text("time,order_url,operation,outcome\n")
    with pytest.raises(InvalidValue, match="this is CSV"):
        audit(tmp_path / "log.csv.gz")


def test_a_frame_may_call_the_urls_what_it_likes(log):
    polars = pytest.importorskip("polars")
    lines = [json.loads(text) for text in log.read_text().splitlines()[1:]]
    frame = polars.DataFrame(lines, infer_schema_length=None).rename({"order_url": "url"})
    for given in (frame, frame.to_arrow()):
        assert violated(audit(given, columns={"order_url": "url"})) == EXPECTED
