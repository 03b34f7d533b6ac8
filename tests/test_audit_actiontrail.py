"""ActionTrail's deliveries: what they say in the trace format, and lines of one whole second."""

from __future__ import annotations

import gzip
import json
from itertools import pairwise

import attrs
import pytest
from company import (
    COMPLETE,
    ENGINES,
    FEW,
    PARTIAL,
    arrangements,
    best,
    delivered,
    in_days,
    lines,
    moment,
    placeless,
)
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

pytest.importorskip("duckdb", reason="the extra `audit` is not installed")

from orderfsm import Operation, trace
from orderfsm.audit import audit
from orderfsm.audit.judging.judge import History, Judge
from orderfsm.audit.reading.symbols import Symbol
from orderfsm.trace import Events, Line, readings


@pytest.fixture(autouse=True)
def _quiet(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


def calls(some):
    """What ActionTrail shows: whole seconds, calls about orders that were answered; a code where one was refused."""
    kept = [line for line in some if isinstance(line.trigger, Operation) and not line.of_the_account]
    return [line for line in kept if line.outcome == "accepted" or (line.outcome == "refused" and line.code)]


@pytest.mark.parametrize("engine", ENGINES)
@FEW
@given(
    some=lines(st.integers(0, 3).map(moment), [7]).filter(lambda some: len(calls(some)) <= 6),
    events=st.sampled_from(Events),
)
def test_lines_of_one_second_may_have_happened_in_any_order(engine, some, events, tmp_path):
    own = [
        line
        for line in sorted(calls(some), key=lambda line: line.instant)
        if line.new_order_id is None and not line.started
    ]
    file = tmp_path / "Actiontrail.gz"
    file.write_bytes(
        gzip.compress("".join(json.dumps(delivered(x, str(n))) + "\n" for n, x in enumerate(own)).encode())
    )
    report = audit(file, engine=engine, events=events)
    if not own:
        assert report.orders == 0
        return
    judgement, arranged = best(own, events)
    assert report.verdict == judgement.verdict
    assert report.holding_quota == judgement.holds_quota
    for violation in report.violations:
        assert (violation.index, violation.possible, violation.legal) == (
            judgement.index,
            judgement.possible,
            judgement.legal,
        )
        assert own[violation.line - 1] is arranged[judgement.index]


CREATED = Line(time=moment(0), order_id=7, trigger=Operation.CREATE)


def cancelled(code):
    return Line(time=moment(1), order_id=7, trigger=Operation.CANCEL, outcome="refused", code=code)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    some=lines(st.integers(0, 2).map(moment), [7]).filter(lambda some: len(calls(some)) <= 6),
    events=st.sampled_from(Events),
)
@example(
    some=[CREATED, cancelled("Error"), Line(time=moment(1), order_id=7, trigger=Operation.DELETE)], events=COMPLETE
)
@example(some=[CREATED, cancelled("Surprise"), cancelled("Throttling.User")], events=COMPLETE)
@example(
    some=[CREATED, Line(time=moment(1), order_id=7, trigger=Operation.CANCEL), cancelled("Throttling.User")],
    events=PARTIAL,
)
@example(
    some=[Line(time=moment(0), order_id=7, trigger=each) for each in (Operation.DESCRIBE, Operation.CANCEL)],
    events=PARTIAL,
)
def test_many_ways_through_a_second_are_followed_together_with_the_same_verdict(some, events, monkeypatch):
    monkeypatch.setattr("orderfsm.audit.judging.ties.MOST", 0)
    own = [line for line in sorted(calls(some), key=lambda line: line.instant) if line.new_order_id is None]
    if own:
        said = [readings(line, 7)[0] for line in own]
        tied = [before.instant == line.instant for before, line in pairwise(own)]
        judge = Judge([Symbol(reading, timed=False) for reading in said], events)
        codes = (2, *(2 * number + tie for number, tie in enumerate(tied, 2)))
        verdict = judge(History(codes)).judgement
        expected, _ = best([attrs.evolve(line, started=None, ended=None) for line in own], events)
        assert (verdict.verdict, verdict.index, verdict.holds_quota) == (
            expected.verdict,
            expected.index,
            expected.holds_quota,
        )


def test_a_second_with_dozens_of_different_calls_is_judged(tmp_path):
    refused = [
        Line(time=moment(1), order_id=7, trigger=each, outcome="refused", code=code)
        for each in (Operation.CANCEL, Operation.DELETE, Operation.RENEW, Operation.CANCEL_FOR_PACKAGE)
        for code in ("OrderStateError", "NotFoundOrder", "Error", "Throttling.User", "DeleteFail", "Surprise")
        if (each, code) != (Operation.DELETE, "OrderStateError")
    ]
    reads = [
        Line(time=moment(1), order_id=7, trigger=Operation.DESCRIBE, state=word)
        for word in ("payed", "domain_verify", "process", "unknow", "CHECKING")
    ]
    file = tmp_path / "log.jsonl"
    file.write_text("".join(json.dumps(delivered(x, str(n))) + "\n" for n, x in enumerate([*refused, *reads])))
    (violation,) = audit(file).violations
    assert violation.index >= 20


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("seconds", "index", "line"),
    [
        ([(0, Operation.DELETE), (0, Operation.CANCEL), (0, Operation.CREATE)], None, None),
        ([(0, Operation.CANCEL), (1, Operation.CREATE)], 1, 2),
        # Which way goes furthest: create, cancel, delete; then nothing explains the renewal.
        ([(0, Operation.RENEW), (0, Operation.DELETE), (0, Operation.CREATE), (0, Operation.CANCEL)], 3, 1),
    ],
)
def test_calls_of_one_second_are_arranged_those_of_two_are_not(engine, seconds, index, line, tmp_path):
    own = [Line(time=moment(second), order_id=7, trigger=trigger) for second, trigger in seconds]
    file = tmp_path / "log.jsonl"
    file.write_text("".join(json.dumps(delivered(x, str(n))) + "\n" for n, x in enumerate(own)))
    violations = audit(file, engine=engine, events=COMPLETE).violations
    assert [(v.index, v.line) for v in violations] == ([] if index is None else [(index, line)])


def test_the_oracle_of_whole_seconds_tries_every_order():
    some = [Line(time=moment(at), order_id=7, trigger=Operation.CANCEL) for at in (0, 0, 1, 1, 1)]
    assert len(list(arrangements(some))) == 12


@pytest.mark.parametrize("engine", ENGINES)
@FEW
@given(some=lines(st.integers(0, 12).map(moment)), cuts=st.lists(st.integers(0, 12), max_size=3))
def test_deliveries_day_by_day_give_what_all_at_once_give(engine, some, cuts, tmp_path, monkeypatch):
    monkeypatch.setattr("orderfsm.audit.judging.judge.LONGEST", 4)
    (tmp_path / "state").unlink(missing_ok=True)
    files = []
    for number, day in enumerate(in_days(calls(some), cuts)):
        files.append(tmp_path / f"{number}.jsonl")
        files[-1].write_text("".join(json.dumps(delivered(x, f"{number}-{n}")) + "\n" for n, x in enumerate(day)))
        last = audit(files[-1], engine=engine, state=tmp_path / "state")
    assert placeless(last) == placeless(audit(files, engine=engine))


def test_an_event_that_was_delivered_twice_counts_once_and_what_is_of_no_order_is_other(tmp_path):
    create = delivered(Line(time=moment(0), order_id=7, trigger=Operation.CREATE), "1")
    cancel = delivered(Line(time=moment(1), order_id=7, trigger=Operation.CANCEL), "2")
    refused = delivered(
        Line(time=moment(1), order_id=None, trigger=Operation.CREATE, outcome="refused", code="NotRemainCount"), "3"
    )
    listed = delivered(Line(time=moment(1), order_id=None, trigger=Operation.LIST), "4") | {"requestParameters": {}}
    elsewhere = {"eventId": "5", "serviceName": "Ecs", "eventName": "RunInstances", "eventTime": moment(1)}
    one, other = tmp_path / "1.json.gz", tmp_path / "2.jsonl"
    one.write_bytes(gzip.compress(json.dumps([create, cancel, refused, listed, elsewhere]).encode()))
    other.write_text(
        "\n".join(json.dumps({"event": each}) for each in [cancel, elsewhere, {"eventId": "6"} | cancel]) + "\nno\n"
    )
    report = audit([one, other])
    assert (report.orders, report.events, report.other, report.bad_lines) == (1, 2, 3, 1)
    assert (report.conforms, report.holding_quota) == (1, 1)


CREATE, RENEW, CANCEL, DELETE = (
    Line(time=moment(at), order_id=7, trigger=each)
    for at, each in enumerate((Operation.CREATE, Operation.RENEW, Operation.CANCEL, Operation.DELETE))
)


def event(line, event_id="1", **others):
    return json.dumps(delivered(line, event_id, **others))


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        (json.dumps({"event": event(CREATE)}), (1, 1, 0, 0)),
        ("garbage\n" + event(CREATE), (1, 1, 0, 1)),
        (f"[{event(CREATE)}]\n[{event(CANCEL, '2')}]", (1, 2, 0, 0)),
        (f"[\n{event(CREATE)},\n{event(CANCEL, '2')}\n]", (1, 2, 0, 0)),
        (event(CREATE, x="x" * 2**20), (1, 1, 0, 0)),
        (event(CREATE).replace(": ", ":\r"), (1, 1, 0, 0)),
        (event(CREATE) + "\n" + event(CREATE, "2", eventName=["x"]), (1, 1, 1, 0)),
        (event(CREATE, "") + "\n" + event(CANCEL, ""), (1, 2, 0, 0)),
        (event(CANCEL, requestParameters={}, responseElements={"OrderId": 7}), (0, 0, 1, 0)),
        (event(CREATE, requestParameters={}, requestParameterJson='{"OrderId": 7}', responseElements={}), (1, 1, 0, 0)),
        (event(CANCEL, "1", errorCode="\ud800"), (1, 1, 0, 0)),
        ("[]\n" + trace.dumps(CREATE), (1, 1, 0, 0)),
        ("[]", (0, 0, 0, 0)),
        (" [ ]\n[][]", (0, 0, 0, 0)),
        (event(CREATE) + event(CANCEL, "2"), (1, 2, 0, 0)),
        (event(CREATE) + "\n[" + event(CANCEL, "2") + "," + event(DELETE, "3") + "]", (1, 3, 0, 0)),
        ("[" + event(CREATE) + "][" + event(CANCEL, "2") + "]" + event(DELETE, "3"), (1, 3, 0, 0)),
        (json.dumps([json.loads(event(CREATE)), json.loads(event(CANCEL, "2"))], indent=2), (1, 2, 0, 0)),
        ('{"Events": [' + event(CREATE) + "," + event(CANCEL, "2") + '], "NextToken": "x"}', (1, 2, 0, 0)),
        (json.dumps({"RequestId": "x", "Records": [json.loads(event(CREATE))]}, indent=1), (1, 1, 0, 0)),
        (f"[{trace.dumps(CREATE)}, {trace.dumps(CANCEL)}]", (1, 2, 0, 0)),
        ('{"Records": [' + trace.dumps(CREATE) + "]}", (1, 1, 0, 0)),
        (f"{trace.header()}\r{trace.dumps(CREATE)}\r{trace.dumps(CANCEL)}\r", (1, 2, 0, 0)),
        (event(CREATE, errorCode=""), (1, 1, 0, 0)),
        ("[2026-08-05] begun\n" + trace.dumps(CREATE), (1, 1, 0, 1)),
        (trace.dumps(attrs.evolve(CREATE, extra={"eventId": "1", "eventName": "x"})), (1, 1, 0, 0)),
        (trace.dumps(attrs.evolve(CANCEL, outcome="refused", code="\ud800")), (1, 1, 0, 0)),
    ],
)
def test_what_is_in_a_file_of_json_is_told_by_its_first_object(text, counts, tmp_path):
    file = tmp_path / "log.jsonl"
    file.write_text(text + "\n", newline="")
    report = audit(file, bad_lines=tmp_path / "bad.jsonl")
    assert (report.orders, report.events, report.other, report.bad_lines) == counts
    assert report.bad_lines == len((tmp_path / "bad.jsonl").read_text().splitlines() if counts[3] else [])


def test_events_of_other_services_are_not_among_the_bad_lines(tmp_path):
    file = tmp_path / "log.jsonl"
    file.write_text(event(CREATE) + "\n" + event(CREATE, "2", serviceName="Ecs") + "\nnonsense\n")
    report = audit(file, bad_lines=tmp_path / "bad.jsonl")
    assert (report.other, report.bad_lines) == (1, 1)
    (bad,) = (tmp_path / "bad.jsonl").read_text().splitlines()
    assert json.loads(bad)["text"] == "nonsense"


def test_calls_of_a_second_stand_together_whatever_is_logged_between_them(tmp_path):
    paths = []
    for name, text in (
        ("a", event(attrs.evolve(DELETE, time=moment(0)), "1")),
        ("b", trace.dumps(attrs.evolve(CREATE, trigger=Operation.CANCEL, outcome="refused", code="Throttling.User"))),
        ("c", event(attrs.evolve(CANCEL, time=moment(0)), "2") + "\n" + event(CREATE, "3")),
    ):
        paths.append(tmp_path / f"{name}.jsonl")
        paths[-1].write_text(text + "\n")
    assert audit(paths, events=COMPLETE).conforms == 1


def test_a_long_history_that_begins_in_a_full_second_is_the_same_day_by_day(tmp_path):
    calls_ = [CREATE, *(attrs.evolve(RENEW, time=moment(0)) for _ in range(2))]
    reads = [Line(time=moment(at), order_id=7, trigger=Operation.DESCRIBE) for at in range(1, 24)]
    days = [tmp_path / "1.jsonl", tmp_path / "2.jsonl"]
    for day, some in zip(days, ([*calls_, *reads[:-1]], reads[-1:]), strict=True):
        day.write_text("".join(event(line, f"{day.name}{n}") + "\n" for n, line in enumerate(some)))
        last = audit(day, state=tmp_path / "state", events=COMPLETE)
    assert [attrs.evolve(each, is_new=True) for each in last.violations] == [*audit(days, events=COMPLETE).violations]
