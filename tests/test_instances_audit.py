"""The audit and the simulation of V2.0 instances, and of logs that mix them with orders."""

from __future__ import annotations

import json
import re
from itertools import pairwise

import attrs
import pytest
from company import COMPLETE, ENGINES, FEW, PARTIAL, folded, found, in_days, moment, parted, placeless, write_jsonl
from company import lines as order_lines
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("duckdb", reason="the extra `audit` is not installed")

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from orderfsm import ORDER_LIFECYCLE, InvalidValue, trace
from orderfsm import Operation as OrderOperation
from orderfsm.audit import audit, simulate
from orderfsm.audit.reporting.page import page
from orderfsm.cli import main
from orderfsm.tables.instances import LIFECYCLE, Event, Operation
from orderfsm.trace import Events, Line, read, replay

IDS = ["cas-cn-1", "cas-cn-2", "7", 'q"u\\o']
CODES = [None, "OperationDenied.StatusNotSupport", "NotFound", "CouldNotRefund.OverTime", "Throttling.User", "Surprise"]
WORDS = [None, "normal", "PENDING", "inactive", "expired", "unused", "suspended"]
SECOND = [None, "", "issued", "willExpire", "checking"]
COLUMNS = ("operation", "event", "outcome", "code", "state", "certificate_state")


@pytest.fixture(autouse=True)
def _quiet(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


def line(second, instance, trigger, **fields):
    return Line(time=moment(second), instance_id=instance, trigger=trigger, lifecycle=LIFECYCLE, **fields)


def lines():
    """Lines of a few instances, many of them as they come in histories that conform."""
    seconds, instance = st.integers(0, 20), st.sampled_from(IDS)
    call = st.builds(
        lambda second, instance, operation, outcome, code, state, apart: line(
            second,
            instance,
            operation,
            outcome=outcome,
            code=code if outcome == "refused" else None,
            state=state,
            certificate_state=apart,
        ),
        seconds,
        instance,
        st.sampled_from(list(Operation)),
        st.sampled_from(["accepted", "accepted", "accepted", "refused", "unknown"]),
        st.sampled_from(CODES),
        st.sampled_from(WORDS),
        st.sampled_from(SECOND),
    )
    likely = [Operation.PURCHASE, Event.PURCHASE_SETTLED, Operation.APPLY, Event.SUBMISSION_ACCEPTED, Operation.CANCEL]
    return st.lists(call | st.builds(line, seconds, instance, st.sampled_from([*likely, *Event])), max_size=20)


def mixed():
    """Lines of orders and of instances, one after the other as it comes."""
    return st.tuples(order_lines(orders=[7, 8]), lines()).flatmap(lambda both: st.permutations([*both[0], *both[1]]))


def table_of(some, *, typed=True, **kinds):
    """Lines as a table with the columns of both."""
    rows = [json.loads(trace.dumps(each)) for each in some]
    types = {"order_id": pa.int64(), "new_order_id": pa.int64(), "instance_id": pa.string()} | kinds
    names = ("time", *types, *COLUMNS, "started")
    types = {"started": pa.float64()} | types
    columns = {key: pa.array([row.get(key) for row in rows], types.get(key, pa.string())) for key in names}
    if typed:
        stripped = pc.replace_substring(columns["time"], "Z", "")
        columns["time"] = stripped.cast(pa.timestamp("us")).cast(pa.timestamp("us", "UTC"))
    return pa.table(columns)


def write_parquet(file, some, **kinds):
    pq.write_table(table_of(some, **kinds), file)
    return str(file)


ORDER = Line(time=moment(0), order_id=7, trigger=OrderOperation.CREATE)
WRONG = [
    ORDER,
    attrs.evolve(ORDER, time=moment(1), trigger=OrderOperation.DELETE),
    line(0, "cas-cn-1", Operation.PURCHASE),
    line(1, "cas-cn-1", Operation.DELETE),
    line(2, "cas-cn-2", Operation.GET, state="pending", certificate_state=""),
    line(2, None, Operation.LIST),
]


@pytest.mark.parametrize("engine", ENGINES)
@FEW
@given(
    some=mixed(),
    cuts=st.lists(st.integers(0, 30), max_size=2),
    events=st.sampled_from([None, COMPLETE]),
    table=st.sampled_from([None, None, ORDER_LIFECYCLE, LIFECYCLE]),
)
def test_of_a_mixed_log_the_audit_finds_what_the_core_finds(engine, some, cuts, events, table, tmp_path):  # noqa: PLR0917
    files = [write_jsonl(tmp_path / f"{n}.jsonl", part, events) for n, part in enumerate(parted(some, cuts))]
    try:
        expected = folded(replay(read(files, lifecycle=table), lifecycle=table))
    except InvalidValue as error:
        with pytest.raises(InvalidValue, match=re.escape(str(error))):
            audit(files, engine=engine, lifecycle=table)
    else:
        assert found(audit(files, engine=engine, lifecycle=table)) == expected


@pytest.mark.parametrize("typed", [True, False], ids=["typed", "text"])
@pytest.mark.parametrize("engine", ENGINES)
@FEW
@given(some=mixed(), events=st.sampled_from([PARTIAL, COMPLETE]))
def test_mixed_parquet_is_judged_like_json(engine, typed, some, events, tmp_path):
    file = write_parquet(tmp_path / "log.parquet", some, typed=typed)
    expected = folded(replay(some, events=events))
    result = found(audit(file, engine=engine, events=events))
    for each in (expected, result):
        each["violations"] = [(v[0], v[1], *v[4:]) for v in each["violations"]]
    assert result == expected


@pytest.mark.parametrize("engine", ENGINES)
@FEW
@given(some=mixed(), cuts=st.lists(st.integers(0, 30), max_size=3))
def test_day_by_day_a_state_of_both_tables_says_what_one_audit_says(engine, some, cuts, tmp_path):
    state = tmp_path / "state"
    state.unlink(missing_ok=True)
    days = [part for part in in_days(some, cuts) if part]
    for number, part in enumerate(days):
        report = audit(write_jsonl(tmp_path / f"{number}.jsonl", part), engine=engine, state=state)
    if days:
        files = [str(tmp_path / f"{number}.jsonl") for number in range(len(days))]
        assert placeless(report) == placeless(audit(files, engine=engine))


def test_a_day_of_instances_alone_after_one_of_orders_is_told_after_the_orders(tmp_path):
    create = Line(time=moment(1), order_id=7, trigger=OrderOperation.CREATE)
    days = [[create], [line(2, "cas-cn-2", Event.SUBSCRIPTION_ENDED)]]
    for number, day in enumerate(days):
        report = audit(write_jsonl(tmp_path / f"{number}.jsonl", day), state=tmp_path / "state")
    assert report.as_json()["table"] == "orders,instances"


def test_a_frame_has_ids_of_both_tables(tmp_path):
    import pandas as pd
    import polars as pl

    expected = folded(replay(WRONG, events=COMPLETE))
    table = table_of(WRONG)
    frames = {
        "arrow": table,
        "polars": pl.DataFrame(table),
        "lazy": pl.LazyFrame(pl.DataFrame(table)),
        "pandas": table.to_pandas(),
        "objects": pd.DataFrame([json.loads(trace.dumps(each)) for each in WRONG]),
    }
    for name, frame in frames.items():
        report = audit(frame, events=COMPLETE)
        assert (name, report.orders, report.events, report.other) == (name, 3, expected["events"], 1)
        assert [each.order_id for each in report.violations] == [7, "cas-cn-1"]
    with pytest.raises(InvalidValue, match="order_id, which holds the order_id or instance_id, which holds the inst"):
        audit(table.drop(["order_id", "new_order_id", "instance_id"]))
    renamed = table.rename_columns({"instance_id": "iid", "certificate_state": "word"})
    columns = {"instance_id": "iid", "certificate_state": "word"}
    assert audit(renamed, columns=columns, events=COMPLETE).as_json() == audit(table, events=COMPLETE).as_json()


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("typed", [True, False], ids=["typed", "text"])
def test_a_line_with_two_ids_is_a_bad_line_whichever_way_it_is_read(engine, typed, tmp_path):
    table = table_of(WRONG, typed=typed)
    both = table.set_column(
        table.schema.get_field_index("order_id"), "order_id", pa.array([7, 7, 9, None, None, None], pa.int64())
    )
    pq.write_table(both, tmp_path / "log.parquet")
    for lifecycle, orders, other in ((None, 3, 1), (ORDER_LIFECYCLE, 1, 3), (LIFECYCLE, 2, 3)):
        report = audit("log.parquet", engine=engine, bad_lines="bad", lifecycle=lifecycle)
        assert (report.orders, report.other, report.bad_lines) == (orders, other, 1)
        (bad,) = map(json.loads, (tmp_path / "bad").read_text().splitlines())
        assert bad["line"] == 3
        assert bad["reason"].startswith("ids under (")


def test_what_is_bad_of_one_table_does_not_hide_what_is_good_of_the_other(tmp_path):
    nonsense = [line(0, "cas-cn-1", Operation.GET)] * 2
    table = table_of([ORDER, *nonsense])
    ids = pa.array([None, "a b", "c d"])
    pq.write_table(table.set_column(table.schema.get_field_index("instance_id"), "instance_id", ids), "log.parquet")
    report = audit("log.parquet")
    assert (report.orders, report.bad_lines) == (1, 2)
    with pytest.raises(InvalidValue, match=r"lines of 'log.parquet': expected one of instances: they are all of other"):
        audit("log.parquet", lifecycle=LIFECYCLE)


def test_reports_have_each_id_under_its_own_key(tmp_path, capsys):
    file = write_jsonl(tmp_path / "log.jsonl", WRONG, COMPLETE)
    report = audit(file, results="out.parquet", state="state")
    document = report.as_json()
    assert (document["table"], document["orders"], document["violates"], document["other"]) == (
        "orders,instances",
        3,
        2,
        1,
    )
    assert [(each.get("order_id"), each.get("instance_id")) for each in document["violations"]] == [
        (7, None),
        (None, "cas-cn-1"),
    ]
    assert {name: each["orders"] for name, each in document["tables"].items()} == {"orders": 1, "instances": 2}
    assert str(report).startswith("violates: of 1 orders and 2 instances 2 violate the table")
    assert "Audit of 1 orders and 2 instances" in page(report)
    assert "The histories of instances as flow" in page(report)
    for written in ("out.parquet", "state"):
        rows = pq.read_table(written).to_pylist()
        assert [(row["order_id"], row["instance_id"], row["verdict"]) for row in rows] == [
            (7, None, "violates"),
            (None, "cas-cn-1", "violates"),
            (None, "cas-cn-2", "conforms"),
        ]
    assert main(["audit", file]) == 1
    said = capsys.readouterr().out
    assert "instance cas-cn-1 violates the table: DeleteInstance accepted" in said
    assert "violates: of 1 orders and 2 instances 1 conform, 2 violate the table" in said
    assert main(["audit", file, "--table", "instances", "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert (document["table"], document["orders"], document["other"]) == ("instances", 2, 3)


def test_a_state_of_orders_goes_on_when_instances_come_and_one_of_both_is_not_for_one_alone(tmp_path):
    orders = write_jsonl(tmp_path / "0.jsonl", WRONG[:1], COMPLETE)
    assert audit(orders, state="state").as_json()["table"] == "orders"
    instances = write_jsonl(tmp_path / "1.jsonl", WRONG[2:3], COMPLETE)
    report = audit(instances, state="state")
    assert (report.orders, report.new.events, report.conforms) == (2, 1, 2)
    with pytest.raises(InvalidValue, match="one that was not audited before"):
        audit(orders, state="state")
    with pytest.raises(InvalidValue, match="state of table 'instances': expected one of 'orders'"):
        audit(orders, state="state", lifecycle=ORDER_LIFECYCLE)
    deleted = write_jsonl(tmp_path / "2.jsonl", WRONG[1:2], COMPLETE)
    report = audit(deleted, state="state")
    assert (report.orders, report.new.violates, [each.order_id for each in report.violations]) == (2, 1, [7])


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
@pytest.mark.parametrize("events", Events)
def test_of_a_simulated_log_exactly_the_planted_violations_are_found(form, events, tmp_path):
    written = simulate("log", events=events, format=form, orders=1_000, seed=4, bad=0.02, lifecycle=LIFECYCLE)
    planted = json.loads((tmp_path / "log" / "planted.json").read_text())
    expected = sorted((each["instance_id"], each["index"]) for each in planted["violations"])
    for engine in ENGINES:
        report = audit("log", engine=engine)
        assert (report.orders, report.events, report.undecided, report.bad_lines) == (1_000, written.lines, 0, 0)
        assert [(violation.order_id, violation.index) for violation in report.violations] == expected
    assert written.violations == len(expected) > 5


def test_simulated_instances_answer_both_words_and_complete_in_the_times_that_were_seen(tmp_path):
    simulate("log", orders=1_000, seed=1, bad=0, lifecycle=LIFECYCLE)
    lines_of = {}
    second = set()
    for each in read(sorted(tmp_path.glob("log/*.jsonl"))):
        if isinstance(each, Line):
            lines_of.setdefault(each.order_id, []).append(each)
            if each.trigger is Operation.GET:
                second.add(each.certificate_state)
    assert second == {"", "issued", "willExpire", "expired", "revoked"}
    for rule in LIFECYCLE.triggers:
        if rule.takes is not None:
            waited = sorted(
                two.instant[0] - one.instant[0]
                for history in lines_of.values()
                for one, two in pairwise(history)
                if (one.trigger, two.trigger) == (rule.follows, rule.trigger)
            )
            assert waited[len(waited) // 2] <= rule.takes[1]


def test_a_simulated_log_of_both_is_the_two_reports_added_up(tmp_path):
    simulate("orders", orders=500, seed=2, bad=0.02)
    simulate("instances", orders=500, seed=3, bad=0.02, lifecycle=LIFECYCLE)
    parts = [audit("orders"), audit("instances")]
    report = audit(["orders", "instances"])
    for name in ("orders", "events", "conforms", "violates", "undecided", "holding_quota", "distinct", "unclear"):
        assert getattr(report, name) == sum(getattr(part, name) for part in parts)
    assert [each.order_id for each in report.violations] == [
        each.order_id for part in parts for each in part.violations
    ]
    assert report.refusals == parts[0].refusals | parts[1].refusals
    assert report.flow == {**parts[0].flow, **parts[1].flow}
    assert [each.orders for each in report.histories] == sorted(
        (each.orders for part in parts for each in part.histories), reverse=True
    )[:10]


# -- ActionTrail -------------------------------------------------------------------------------------------------------


def event(name, second=0, asked=None, answered=None, service="Cas", **others):
    """An event of ActionTrail."""
    return {
        "eventId": f"{name}-{second}-{asked}-{service}-{others}",
        "serviceName": service,
        "eventName": name,
        "eventTime": moment(second),
        "requestParameters": asked,
        "responseElements": answered,
        "errorCode": None,
    } | others


def delivered(file, *events):
    file.write_text("".join(json.dumps(each) + "\n" for each in events))
    return str(file)


BOUGHT = {"RequestId": "R", "Data": {"InstanceId": "cas-cn-1", "OrderId": "226"}, "Success": True}


@pytest.mark.parametrize("engine", ENGINES)
def test_events_of_action_trail_are_of_the_table_of_their_operation(engine, tmp_path):
    one = {"InstanceId": "cas-cn-1"}
    file = delivered(
        tmp_path / "trail.json",
        event("CreateInstance", 0, {"ProductCode": "cas"}, BOUGHT, service="BssOpenApi"),
        event("UpdateInstance", 1, one),
        event("ApplyCertificate", 1, one),
        event("GetTaskAttribute", 2, {"TaskId": "cas-cn-1", "TaskType": "ApplyCertificate"}),
        event("GetInstanceDetail", 3, one, {"Status": "pending", "CertificateStatus": None}),
        event("CancelPendingCertificate", 3, one, errorCode="OperationDenied.StatusNotSupport"),
        event("ListInstances", 4, {"Keyword": "x"}),
        event("ListCertificates", 4, one),
        event("CreateCertificateRequest", 5, {}, {"OrderId": 7}),
        event("DescribeCertificateState", 6, {"OrderId": "7"}, {"Type": "domain_verify"}),
    )
    report = audit(file, engine=engine)
    assert (report.verdict, report.orders, report.events, report.other, report.bad_lines) == ("conforms", 2, 8, 2, 0)
    assert [(part.lifecycle.name, part.orders, part.events) for part in report.parts] == [
        ("orders", 1, 2),
        ("instances", 1, 6),
    ]
    assert [audit(file, engine=engine, lifecycle=each).other for each in (ORDER_LIFECYCLE, LIFECYCLE)] == [8, 4]


@pytest.mark.parametrize(
    ("service", "answered", "is_ours"),
    [
        ("BssOpenApi", BOUGHT, True),
        ("Bss", {"Data": {"InstanceId": "cas_dv-cn-0ju4f1mk"}}, True),
        ("BssOpenApi", {"Data": '{"InstanceId": "cas-cn-68n1mm16"}'}, True),
        ("BssOpenApi", {"Data": {"InstanceId": "cas-ivauto-1"}}, False),
        ("BssOpenApi", {"Data": {"InstanceId": "waf-cn-1"}}, False),
        ("Ecs", {"InstanceId": "i-bp67acfmxazb4ph"}, False),
        ("BssOpenApi", {"Success": False, "Code": "NotApplicable"}, False),
        ("BssOpenApi", None, False),
    ],
)
def test_a_purchase_is_one_of_an_instance_if_its_id_looks_like_one(service, answered, is_ours, tmp_path):
    bought = event("CreateInstance", 0, {"ProductCode": "any"}, answered, service=service)
    report = audit(delivered(tmp_path / "trail.json", bought))
    assert (report.orders, report.other) == ((1, 0) if is_ours else (0, 1))


def test_the_words_of_an_event_are_both_and_lines_of_one_second_may_have_come_in_any_order(tmp_path):
    one = {"InstanceId": "cas-cn-1"}
    trail = [
        event("GetInstanceDetail", 0, one, {"Status": "normal", "CertificateStatus": "issued"}),
        event("GetInstanceDetail", 1, one, {"Status": "pending", "CertificateStatus": "issued"}),
        event("ApplyCertificate", 1, one),
        event("RefundInstance", 1, one, errorCode="CouldNotRefund.NotSupport"),
    ]
    assert audit(delivered(tmp_path / "a.json", *trail), events=COMPLETE).ok
    later = [trail[0], trail[1], event("ApplyCertificate", 2, one)]
    (violation,) = audit(delivered(tmp_path / "b.json", *later), events=COMPLETE).violations
    assert (violation.index, str(violation.said)) == (1, "GetInstanceDetail accepted, pending/issued")


def test_an_event_that_was_delivered_twice_counts_once_whichever_its_table(tmp_path):
    bought = event("CreateInstance", 0, {}, BOUGHT, service="BssOpenApi")
    file = delivered(tmp_path / "trail.json", bought, bought, event("DeleteCertificateRequest", 1, {"OrderId": 7}))
    assert (audit(file).orders, audit(file).events) == (2, 2)
