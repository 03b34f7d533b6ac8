"""What else a report says, and the results: a row for each order."""

from __future__ import annotations

import pytest
from company import (
    COMPLETE,
    FEW,
    PARTIAL,
    SOME,
    companies,
    in_days,
    moment,
    write_jsonl,
)
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("duckdb", reason="the extra `audit` is not installed")

from orderfsm import Event, Operation
from orderfsm.audit import audit
from orderfsm.errors import NotConforming
from orderfsm.trace import Line, read, replay


@pytest.fixture(autouse=True)
def _quiet(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


def test_a_refusal_is_foreseeable_if_no_state_that_was_possible_allows_the_call(tmp_path):
    def refused(at, trigger):
        return Line(time=moment(at), order_id=7, trigger=trigger, outcome="refused", code="OrderStateError")

    some = [
        SOME[0],
        refused(1, Operation.RENEW),
        Line(time=moment(2), order_id=7, trigger=Event.DOMAIN_VALIDATED),
        refused(3, Operation.DELETE),
        refused(4, Operation.DELETE),
    ]
    report = audit(write_jsonl(tmp_path / "log.jsonl", some, COMPLETE))
    assert {name: (each.refusals, each.foreseeable) for name, each in report.refusals.items()} == {
        "DeleteCertificateRequest": (2, 2),
        "RenewCertificateOrderForPackageRequest": (1, 1),
    }
    unseen = audit(write_jsonl(tmp_path / "log.jsonl", some[3:], PARTIAL))
    assert unseen.refusals["DeleteCertificateRequest"].foreseeable == 0
    assert report.errors == {
        "DeleteCertificateRequest": {"OrderStateError": 2},
        "RenewCertificateOrderForPackageRequest": {"OrderStateError": 1},
    }


@FEW
@given(some=companies(), cuts=st.lists(st.integers(0, 40), max_size=2), longest=st.sampled_from([3, 20]))
def test_orders_that_conform_only_with_events_that_nobody_saw_are_counted(some, cuts, longest, tmp_path, monkeypatch):
    monkeypatch.setattr("orderfsm.audit.judging.judge.LONGEST", longest)
    (tmp_path / "state").unlink(missing_ok=True)
    files = [write_jsonl(tmp_path / f"{number}.jsonl", day) for number, day in enumerate(in_days(some, cuts))]
    for file in files:
        report = audit(file, state=tmp_path / "state")
    conforming = [replay(read(files), events=events).conforms for events in (PARTIAL, COMPLETE)]
    assert report.with_unseen_events == conforming[0] - conforming[1]
    assert report.as_json()["conforms_with_unseen_events"] == report.with_unseen_events
    assert audit(files, events=COMPLETE).with_unseen_events == 0


def test_results_tell_the_orders_that_conform_only_with_events_that_nobody_saw(tmp_path):
    import pyarrow.parquet as pq

    gone = Line(time=moment(3), order_id=7, trigger=Operation.DELETE)  # the CA may have refused it before
    log = write_jsonl(
        tmp_path / "log.jsonl", [SOME[0], gone, Line(time=moment(1), order_id=9, trigger=Operation.CREATE)]
    )
    report = audit(log, results=tmp_path / "out.parquet", events=PARTIAL)
    rows = pq.read_table(tmp_path / "out.parquet").to_pylist()
    assert [(row["order_id"], row["verdict"], row["unseen"]) for row in rows] == [
        (7, "conforms", True),
        (9, "conforms", False),
    ]
    assert report.with_unseen_events == 1


def test_orders_that_hold_quota_are_listed_with_the_days_since_their_last_line(tmp_path):
    some = [
        SOME[0],
        Line(time="2026-08-05T07:00:00Z", order_id=7, trigger=Operation.CANCEL),
        Line(time="2026-08-15T07:00:00Z", order_id=9, trigger=Operation.CREATE),
    ]
    report = audit(write_jsonl(tmp_path / "log.jsonl", some, COMPLETE))
    assert (report.holding_quota, [(each.order_id, each.days) for each in report.held]) == (1, [(7, 10.0)])


def test_results_are_a_row_for_each_order(tmp_path):
    import pyarrow.parquet as pq

    audit(write_jsonl(tmp_path / "log.jsonl", SOME, COMPLETE), results=tmp_path / "out.parquet")
    rows = pq.read_table(tmp_path / "out.parquet").to_pylist()
    assert [(row["order_id"], row["verdict"], row["index"], row["possible"], row["lines"]) for row in rows] == [
        (7, "violates", 1, ["pending_review"], 2),
        (8, "conforms", None, [], 1),
    ]


UNDECIDED = [
    Line(time=moment(0), order_id=9, trigger=Operation.CREATE),
    Line(time=moment(1), order_id=9, trigger=Operation.DESCRIBE, state="suspended"),
]


@pytest.mark.parametrize(
    ("some", "is_ok"),
    [(SOME[2:], True), (SOME, False), (UNDECIDED, False), ([], True)],
    ids=["conforms", "violates", "undecided", "empty"],
)
def test_a_report_is_ok_only_if_every_order_conforms_and_has_no_truth_of_its_own(some, is_ok, tmp_path):
    report = audit(write_jsonl(tmp_path / "log.jsonl", some, COMPLETE))
    assert report.ok is is_ok
    with pytest.raises(TypeError, match=r"ask its `\.ok`, or call `\.raise_for_violations\(\)`"):
        bool(report)
    if is_ok:
        report.raise_for_violations()
        return
    with pytest.raises(NotConforming, match=f"{report.verdict}: of .* orders {report.violates} violate") as raised:
        report.raise_for_violations()
    assert raised.value.report is report
    assert [f"order {each.order_id}: {each.said}" in str(raised.value) for each in report.violations] == [
        True
    ] * report.violates
