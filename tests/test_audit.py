"""The audit: whatever the engine, the files and the days, it finds what a plain fold by the core finds."""

from __future__ import annotations

import gzip
import json
import os
import re
from itertools import pairwise, product

import attrs
import pytest
from company import (
    BAD,
    arrangements,
    best,
    delivered,
    folded,
    found,
    lines,
    moment,
    placeless,
    write_jsonl,
    write_parquet,
)
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

pytest.importorskip("duckdb", reason="the extra `audit` is not installed")

from orderfsm import ORDER_LIFECYCLE, Event, InvalidValue, Operation, trace
from orderfsm.audit import audit, simulate
from orderfsm.audit.judging.judge import History, Judge
from orderfsm.audit.keeping.state_file import load
from orderfsm.audit.reading.symbols import Symbol
from orderfsm.errors import NotConforming
from orderfsm.trace import Events, Line, read, readings, replay

ENGINES = ["duckdb", "polars"]
FEW = settings(
    max_examples=settings().max_examples // 8,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
COMPLETE, PARTIAL = Events


@pytest.fixture(autouse=True)
def _quiet(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


def parted(some, cuts):
    """`some` in consecutive parts."""
    ends = sorted({0, len(some), *(cut % (len(some) + 1) for cut in cuts)})
    return [some[begin:end] for begin, end in pairwise(ends)] or [[]]


@pytest.mark.parametrize("engine", ENGINES)
@FEW
@given(
    some=lines(),
    bad=st.lists(st.sampled_from(BAD), max_size=3),
    cuts=st.lists(st.integers(0, 30), max_size=3),
    events=st.sampled_from([None, COMPLETE]),
)
def test_any_partition_into_files_gives_what_a_fold_by_the_core_gives(engine, some, bad, cuts, events, tmp_path):  # noqa: PLR0917
    files = [
        write_jsonl(tmp_path / f"{number}.jsonl", part, events)
        for number, part in enumerate(parted([*some, *bad], cuts))
    ]
    try:
        expected = folded(replay(read(files)))
    except InvalidValue as nothing_was_read:
        with pytest.raises(InvalidValue, match=re.escape(str(nothing_was_read))):
            audit(files, engine=engine)
    else:
        assert found(audit(files, engine=engine)) == expected


@pytest.mark.parametrize("typed", [True, False], ids=["typed", "text"])
@pytest.mark.parametrize("engine", ENGINES)
@FEW
@given(some=lines(), cut=st.integers(0, 30))
def test_parquet_says_what_json_lines_say(engine, typed, some, cut, tmp_path):
    parts = parted(some, [cut])
    texts = [write_jsonl(tmp_path / f"{number}.jsonl", part) for number, part in enumerate(parts)]
    tables = [write_parquet(tmp_path / f"{number}.parquet", part, typed=typed) for number, part in enumerate(parts)]
    expected = folded(replay(read(texts)))
    expected["violations"] = [(a, b, c.replace("jsonl", "parquet"), *rest) for a, b, c, *rest in expected["violations"]]
    assert found(audit(tables, engine=engine)) == expected


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("length", [1, 12, 13, 24, 25, 26, 61, 300])
def test_histories_longer_than_the_packed_words_are_judged_whole(engine, length, tmp_path):
    create = Line(time=moment(0), order_id=7, trigger=Operation.CREATE)
    steps = [
        (Operation.DESCRIBE, "domain_verify"),
        (Operation.DESCRIBE, "CHECKING"),
        (Operation.CANCEL, None),
        (Event.SUBMITTED, None),
    ]
    some = [create] + [
        Line(time=moment(at), order_id=7, trigger=trigger, state=word)
        for at in range(1, length)
        for trigger, word in [steps[at % 4]]
    ]
    for wrong in ([], [Line(time=moment(length), order_id=7, trigger=Operation.RENEW)]):
        files = [write_jsonl(tmp_path / "log.jsonl", some + wrong, COMPLETE)]
        assert found(audit(files, engine=engine)) == folded(replay(read(files)))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("digits", [0, 3, 5, 6, 23])
def test_times_are_compared_to_the_24th_digit(engine, digits, tmp_path):
    late, soon = (f".{'1' * digits}{digit}" for digit in (2, 1))
    some = [
        Line(time=moment(0, late), order_id=7, trigger=Operation.DELETE),
        Line(time=moment(0, soon), order_id=7, trigger=Operation.CANCEL),
        Line(time=moment(0), order_id=7, trigger=Operation.CREATE),
    ]
    files = [write_jsonl(tmp_path / "log.jsonl", some, COMPLETE)]
    assert audit(files, engine=engine).conforms == 1


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_all_events_are_in_a_log_only_if_every_file_says_so(form, tmp_path):
    for name, events in (("a", COMPLETE), ("c", PARTIAL)):
        simulate(tmp_path / name, orders=10, bad=0, days=30, events=events, format=form)
    assert audit(write_parquet(tmp_path / "silent.parquet", SOME)).violates == 0
    trouble = write_jsonl(tmp_path / "trouble.jsonl", [SOME[0], SOME[1]], COMPLETE)
    assert audit([trouble, tmp_path / "a"]).violates == 1
    assert audit([trouble, tmp_path / "c"]).violates == 0
    assert audit([trouble, tmp_path / "c"], events=COMPLETE).violations[0].order_id == 7


@pytest.mark.parametrize("engine", ENGINES)
def test_a_renewal_that_names_its_own_order_is_two_lines_of_it(engine, tmp_path):
    some = [Line(time=moment(0), order_id=7, trigger=Operation.RENEW, new_order_id=7)]
    files = [write_jsonl(tmp_path / "log.jsonl", some)]
    report = audit(files, engine=engine)
    assert found(report) == folded(replay(read(files)))
    assert report.violations[0].index == 0


# -- incremental -------------------------------------------------------------------------------------------------------


def in_days(some, cuts):
    """`some` in order of time, in parts of which each is later than the one before."""
    ordered = sorted(some, key=lambda line: line.instant)
    days = {}
    for line in ordered:
        days.setdefault(line.instant, []).append(line)
    return [[line for day in part for line in day] for part in parted(list(days.values()), cuts)]


@pytest.mark.parametrize("engine", ENGINES)
@FEW
@given(some=lines(), cuts=st.lists(st.integers(0, 40), max_size=4), events=st.sampled_from([None, COMPLETE]))
def test_any_grouping_of_days_gives_what_one_run_gives(engine, some, cuts, events, tmp_path, monkeypatch):  # noqa: PLR0917
    monkeypatch.setattr("orderfsm.audit.judging.judge.LONGEST", 4)
    (tmp_path / "state").unlink(missing_ok=True)
    files = [write_jsonl(tmp_path / f"{number}.jsonl", day, events) for number, day in enumerate(in_days(some, cuts))]
    for file in files:
        last = audit(file, engine=engine, state=tmp_path / "state")
    whole = audit(files, engine=engine)
    assert placeless(last) == placeless(whole)
    places = {violation.order_id: (violation.file, violation.line) for violation in whole.violations}
    for violation in last.violations:
        assert (violation.file, violation.line) in {places[violation.order_id], (None, None)}


def test_a_state_remembers_where_a_violation_stood(tmp_path):
    first, second = (tmp_path / f"{day}.jsonl" for day in (1, 2))
    create, delete = (
        Line(time=moment(at), order_id=7, trigger=t) for at, t in enumerate((Operation.CREATE, Operation.DELETE))
    )
    write_jsonl(first, [create, delete], COMPLETE)
    write_jsonl(second, [Line(time=moment(9), order_id=7, trigger=Operation.CANCEL)], COMPLETE)
    for file in (first, second):
        (violation,) = audit(file, state=tmp_path / "state").violations
        assert (violation.file, violation.line, violation.index) == (str(first), 3, 1)


def test_a_renewal_may_turn_out_to_have_begun_an_order_whose_violation_was_another_line(tmp_path):
    first, second = (tmp_path / f"{day}.jsonl" for day in (1, 2))
    validated = Line(time=moment(0), order_id=9, trigger=Event.DOMAIN_VALIDATED)
    create = Line(time=moment(1), order_id=9, trigger=Operation.CREATE)
    write_jsonl(first, [validated, create])
    write_jsonl(second, [Line(time=moment(2), order_id=7, trigger=Operation.RENEW, new_order_id=9)])
    (violation,) = audit(first, state=tmp_path / "state").violations
    assert (violation.index, violation.line) == (1, 2)
    (violation,) = audit(second, state=tmp_path / "state").violations
    assert (violation.index, violation.file, violation.line) == (0, None, None)


@pytest.mark.parametrize("longest", [1, 20])
def test_an_order_that_a_renewal_began_holds_no_quota_on_a_later_day_either(longest, tmp_path, monkeypatch):
    monkeypatch.setattr("orderfsm.audit.judging.judge.LONGEST", longest)
    days = [
        [Line(time=moment(0), order_id=7, trigger=Operation.RENEW, new_order_id=9)],
        [Line(time=moment(at), order_id=9, trigger=Operation.DESCRIBE, state="payed") for at in (1, 2, 3)],
        [Line(time=moment(4), order_id=9, trigger=Operation.DESCRIBE, state="payed")],
    ]
    for number, day in enumerate(days):
        file = write_jsonl(tmp_path / f"{number}.jsonl", day)
        report = audit(file, state=tmp_path / "state")
    assert (report.conforms, report.holding_quota) == (2, 0)


def test_a_line_that_is_not_later_than_the_states_is_an_error_unless_all_is_scanned_again(tmp_path):
    file, state = tmp_path / "log.jsonl", tmp_path / "state"
    some = [Line(time=moment(5), order_id=7, trigger=Operation.CREATE)]
    write_jsonl(file, some)
    audit(file, state=state)
    before = state.read_bytes()
    write_jsonl(file, [*SOME[2:], *some])
    with pytest.raises(
        InvalidValue, match=r"06:00:05Z of order 7': .* one later .* rescan .*was .*log.jsonl, line 2, audited"
    ):
        audit(file, state=state)
    frame = frame_of("pyarrow", write_parquet(tmp_path / "log.parquet", some))
    with pytest.raises(InvalidValue, match=r"order 7': .*was the frame, row 1, audited before"):
        audit(frame, state=state)
    assert state.read_bytes() == before
    assert audit(file, state=state, rescan=True).orders == 2


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("kind", ["jsonl", "parquet", "trail"])
def test_the_same_file_again_is_told_to_have_been_audited_before_whatever_its_name(engine, kind, tmp_path):
    one, other, state = tmp_path / f"1.{kind}", tmp_path / f"2.{kind}", tmp_path / "state"
    if kind == "parquet":
        one, other = tmp_path / "1.parquet", tmp_path / "2.parquet"
        write_parquet(one, SOME)
    elif kind == "jsonl":
        write_jsonl(one, [Line(time=moment(0), order_id=None, trigger=Operation.LIST)])
    else:
        one, other = tmp_path / "1.jsonl", tmp_path / "2.jsonl"
        one.write_text(event(CREATE, serviceName="Ecs") + "\n")
    audit(one, engine=engine, state=state)
    before = state.read_bytes()
    other.write_bytes(one.read_bytes())
    for file in (one, other):
        expected = f"{file.name}': expected one that was not audited before: the state has what is in it, from .*1\\."
        with pytest.raises(InvalidValue, match=expected):
            audit(
                [write_jsonl(tmp_path / "later.jsonl", [attrs.evolve(CREATE, order_id=9)]), file],
                engine=engine,
                state=state,
            )
    assert state.read_bytes() == before
    assert audit([one, other], engine=engine, state=state, rescan=True).events == 2 * (3 if kind == "parquet" else 0)


@pytest.mark.parametrize("by", ["-", "/dev/fd"])
def test_what_a_pipe_gives_again_is_told_to_have_been_audited_before(by, tmp_path, stream):
    file = write_jsonl(tmp_path / "1.jsonl", [CREATE])
    content = (tmp_path / "1.jsonl").read_bytes()
    assert audit(stream(by, content), state=tmp_path / "state").orders == 1
    for given_ in (file, stream(by, content)):
        with pytest.raises(InvalidValue, match=rf"file '{given_}': .* from {by}"):
            audit(given_, state=tmp_path / "state")


def test_files_without_a_line_may_be_the_same_every_day(tmp_path):
    for day in range(3):
        write_jsonl(tmp_path / f"{day}.jsonl", [], COMPLETE)
        (tmp_path / f"{day}.gz").write_bytes(gzip.compress(b"", mtime=0))
        report = audit([tmp_path / f"{day}.jsonl", tmp_path / f"{day}.gz"], state=tmp_path / "state")
    assert report.ok


def test_a_state_remembers_only_so_many_files(tmp_path, monkeypatch):
    monkeypatch.setattr("orderfsm.audit.keeping.state_file.MOST_FILES", 2)
    files = [write_jsonl(tmp_path / f"{day}.jsonl", [attrs.evolve(CREATE, order_id=day)]) for day in (1, 2, 3)]
    for file in files:
        audit(file, state=tmp_path / "state")
    for file, named in zip(files, ("one later than", "audited before", "audited before"), strict=True):
        with pytest.raises(InvalidValue, match=named):
            audit(file, state=tmp_path / "state")


def test_a_file_that_is_no_state_is_an_error(tmp_path):
    write_jsonl(tmp_path / "log.jsonl", [])
    (tmp_path / "state").write_text("nothing")
    with pytest.raises(InvalidValue, match="one that orderfsm audit wrote"):
        audit(tmp_path / "log.jsonl", state=tmp_path / "state")


# -- ActionTrail -------------------------------------------------------------------------------------------------------


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


# -- users' own frames -------------------------------------------------------------------------------------------------

SOME = [
    Line(time=moment(0), order_id=7, trigger=Operation.CREATE),
    Line(time=moment(1), order_id=7, trigger=Operation.DELETE),
    Line(time=moment(2), order_id=8, trigger=Operation.CANCEL),
]


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


# -- bad lines ---------------------------------------------------------------------------------------------------------


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


def test_a_state_is_kept_only_once_the_report_was_delivered_and_nobody_else_wrote_it(tmp_path):
    file, state = write_jsonl(tmp_path / "log.jsonl", SOME), tmp_path / "state"
    with pytest.raises(ZeroDivisionError):
        audit(file, state=state, deliver=lambda _: 1 / 0)
    assert not state.exists()
    other = write_jsonl(tmp_path / "other.jsonl", SOME[2:])

    def meanwhile():
        if not state.exists():
            audit(other, state=state)

    with pytest.raises(InvalidValue, match="one that no other audit writes meanwhile"):
        audit(file, state=state, progress=lambda what, *_: what == "sorting" and meanwhile())
    assert audit(file, state=state, rescan=True).orders == 2
    (tmp_path / "link").symlink_to(state)
    audit(write_jsonl(tmp_path / "later.jsonl", [attrs.evolve(CREATE, order_id=9)]), state=tmp_path / "link")
    assert (tmp_path / "link").is_symlink()


@pytest.mark.parametrize("said", ["[]", "5", "{}", '{"version": 1, "edition": "?"}', '{"version": 2, "edition": "1"}'])
def test_a_state_that_is_damaged_is_an_error(said, tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({}).replace_schema_metadata({"orderfsm.audit": said}), tmp_path / "state")
    with pytest.raises(InvalidValue, match="expected"):
        audit(write_jsonl(tmp_path / "log.jsonl", SOME), state=tmp_path / "state")


@pytest.fixture
def a_state(tmp_path):
    """A small state: of a violation, a history that was summed up, and a file."""
    long = [Line(time=moment(at), order_id=9, trigger=Operation.DESCRIBE) for at in range(22)]
    audit(write_jsonl(tmp_path / "log.jsonl", [*SOME, *long], COMPLETE), state=tmp_path / "state")
    return tmp_path / "state"


def test_one_flipped_bit_anywhere_in_a_state_is_noticed(a_state):
    whole = a_state.read_bytes()
    assert load(a_state, ORDER_LIFECYCLE).files
    with a_state.open("r+b", buffering=0) as stream:
        for at, byte in enumerate(whole):
            os.pwrite(stream.fileno(), bytes([byte ^ 1 << at % 8]), at)
            with pytest.raises(InvalidValue, match="state"):
                load(a_state, ORDER_LIFECYCLE)
            os.pwrite(stream.fileno(), bytes([byte]), at)
    assert load(a_state, ORDER_LIFECYCLE).files


def test_a_state_that_is_cut_off_grown_or_of_zeros_is_noticed(a_state):
    whole = a_state.read_bytes()
    with a_state.open("r+b") as stream:
        for size in range(len(whole) - 1, -1, -1):
            stream.truncate(size)
            with pytest.raises(InvalidValue, match=r"state.*orderfsm audit wrote"):
                load(a_state, ORDER_LIFECYCLE)
    spoiled = [whole + b"x", whole + whole, b"x" + whole, bytes(len(whole)), whole[:4] + bytes(8) + whole[12:]]
    for each in spoiled:
        a_state.write_bytes(each)
        with pytest.raises(InvalidValue, match=r"state.*(orderfsm audit wrote|rescan of all lines)"):
            load(a_state, ORDER_LIFECYCLE)


@pytest.mark.parametrize(
    ("key", "value", "named"),
    [
        ("version", 1, r"\(version 1\)': expected .*rescan all lines"),
        ("version", 99, r"\(version 99\)': expected .*rescan all lines"),
        ("events", "many", "expected an undamaged one"),
        ("histories", [[99]], "expected an undamaged one"),
        ("answers", None, "expected an undamaged one"),
    ],
)
def test_a_state_that_was_edited_or_is_of_another_version_is_one_clear_error(key, value, named, a_state, tmp_path):
    import pyarrow.parquet as pq

    table = pq.read_table(a_state)
    said = json.loads(table.schema.metadata[b"orderfsm.audit"]) | {key: value}
    pq.write_table(table.replace_schema_metadata({"orderfsm.audit": json.dumps(said)}), a_state)
    with pytest.raises(InvalidValue, match=named):
        audit(write_jsonl(tmp_path / "later.jsonl", [attrs.evolve(CREATE, order_id=5)]), state=a_state)


def test_a_state_of_another_edition_of_the_table_is_one_clear_error(a_state):
    with pytest.raises(InvalidValue, match=f"state of edition '{ORDER_LIFECYCLE.edition} .*expected next .*rescan"):
        load(a_state, attrs.evolve(ORDER_LIFECYCLE, edition="next"))


@pytest.mark.parametrize("ids", [[7, "7", 9], [7, 7, 2**70]], ids=str)
def test_a_frame_whose_columns_are_of_no_one_type_is_an_error(ids):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        {"time": [moment(0)] * 3, "order_id": pandas.Series(ids, dtype=object), "event": "submitted"}
    )
    with pytest.raises(InvalidValue, match="columns of the frame"):
        audit(frame)


def test_what_fails_in_the_middle_leaves_the_files_as_they_were(tmp_path, monkeypatch):
    log = write_jsonl(tmp_path / "log.jsonl", SOME)
    for name in ("state", "results"):
        (tmp_path / name).write_text("old")
    monkeypatch.setattr("orderfsm.audit.judging.judged_orders.JudgedOrders.rows", lambda _: 1 / 0)
    for target in ({"state": tmp_path / "state", "rescan": True}, {"results": tmp_path / "results"}):
        with pytest.raises(ZeroDivisionError):
            audit(log, **target)
    assert sorted((file.name, file.read_text()) for file in tmp_path.iterdir() if file.name != "log.jsonl") == [
        ("results", "old"),
        ("state", "old"),
    ]


# -- what else a report says -------------------------------------------------------------------------------------------


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


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(some=lines(), cuts=st.lists(st.integers(0, 40), max_size=2), longest=st.sampled_from([3, 20]))
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


# -- simulated logs ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["jsonl", "jsonl.gz", "parquet"])
@pytest.mark.parametrize("events", Events)
def test_of_a_simulated_log_exactly_the_planted_violations_are_found(form, events, tmp_path):
    written = simulate(tmp_path / "log", orders=1_000, seed=4, bad=0.02, events=events, format=form)
    planted = json.loads((tmp_path / "log" / "planted.json").read_text())["violations"]
    for engine in ENGINES:
        report = audit(tmp_path / "log", engine=engine)
        assert (report.orders, report.events, report.undecided, report.bad_lines) == (1_000, written.lines, 0, 0)
        assert [(v.order_id, v.index) for v in report.violations] == sorted(
            (p["order_id"], p["index"]) for p in planted
        )
    assert written.violations == len(planted) > 5
    if form != "parquet":
        assert found(report) == folded(replay(read(written.files)))


def test_a_simulated_log_is_the_same_for_the_same_seed_and_in_order_of_time(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        simulate(tmp_path / name, orders=300, seed=seed)
    texts = {name: [file.read_text() for file in sorted((tmp_path / name).iterdir())] for name in "abc"}
    assert texts["a"] == texts["b"] != texts["c"]
    instants = [x.instant for x in read(sorted((tmp_path / "a").glob("*.jsonl"))) if isinstance(x, Line)]
    assert instants == sorted(instants)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"orders": 0}, "orders 0"),
        ({"bad": 2}, "share of bad orders 2"),
        ({"format": "csv"}, "format 'csv'"),
        ({"days": 0}, "days 0"),
    ],
)
def test_what_cannot_be_simulated_is_an_error(settings, named, tmp_path):
    with pytest.raises(InvalidValue, match=named):
        simulate(tmp_path / "log", **{"orders": 10} | settings)


def test_nothing_is_written_into_a_directory_that_holds_files(tmp_path):
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(InvalidValue, match="one that is empty"):
        simulate(tmp_path, orders=10)
