"""Nothing that means "no" is ever true: what has more than two values is no condition."""

from __future__ import annotations

import copy
import json
import pickle
from pprint import pformat

import attrs
import pytest

from orderfsm import ORDER_LIFECYCLE, Operation, State, Verdict, check, drift, explain, judge, plan
from orderfsm.coverage import Coverage
from orderfsm.errors import NotConforming, OrderStateError
from orderfsm.export import diff, document
from orderfsm.trace import Answer as WhatCame
from orderfsm.trace import Events, Finding, Line, Outcome, replay
from orderfsm.trace import judge as judge_history

CREATED = Line(time="2026-08-05T06:10:01Z", order_id=7, trigger=Operation.CREATE)
DELETED = Line(time="2026-08-05T06:10:02Z", order_id=7, trigger=Operation.DELETE)
REFUSED = Line(time="2026-08-05T06:10:02Z", order_id=7, trigger=Operation.CANCEL, outcome="refused")
MOVED = Line(time="2026-08-05T06:10:03Z", order_id=7, trigger=Operation.CANCEL)


@pytest.mark.parametrize("enum", [Verdict, Finding, Outcome, WhatCame], ids=lambda enum: enum.__name__)
def test_a_member_of_an_enum_of_verdicts_is_no_condition(enum):
    for member in enum:
        with pytest.raises(TypeError, match=rf"{enum.__name__} is no condition: compare it, as in `... is"):
            bool(member)
        assert member == member.value


@pytest.mark.parametrize("state", [None, *State])
def test_the_answer_to_whether_a_trigger_is_allowed_is_no_condition(state):
    why = explain(state, Operation.DELETE)
    with pytest.raises(TypeError, match=r"ask its `\.legal`"):
        bool(why)
    with pytest.raises(TypeError, match=r"ask `\.legal` whether this one is allowed"):
        bool(why.allowed)
    assert why.legal is ORDER_LIFECYCLE.can(state, Operation.DELETE)
    assert isinstance(why.allowed, tuple)


@pytest.mark.parametrize("state", [None, *State])
def test_the_other_operations_are_shown_as_any_tuple_is(state):
    others = explain(state, Operation.DELETE).allowed
    assert repr(others) == pformat(others, width=1000) == repr(tuple(others))
    assert json.loads(json.dumps(list(others), indent=1)) == [str(operation) for operation in others]


SAYING_NO = {
    "a drift": (drift.Drift("4.2.0", ()), r"`\.differences`"),
    "a difference": (diff(document(), document()), r"`\.breaks` or its `\.changes`"),
    "a coverage": (Coverage(ORDER_LIFECYCLE, frozenset()), r"`\.untried_rows` and its `\.untried_refusals`"),
}


@pytest.mark.parametrize(("said", "ask"), SAYING_NO.values(), ids=SAYING_NO)
def test_what_may_say_no_is_no_condition(said, ask):
    with pytest.raises(TypeError, match=rf"{type(said).__name__} is no condition: ask its {ask}"):
        bool(said)
    assert said == copy.copy(said) == pickle.loads(pickle.dumps(said))


def test_legal_is_none_where_that_depends_on_the_state():
    assert explain("certificate", "renew").legal is None
    assert explain("CHECKING", "delete").legal is False
    assert explain("CHECKING", "cancel").legal is True


def test_the_operations_of_a_refusal_are_a_plain_tuple():
    with pytest.raises(OrderStateError) as caught:
        check(State.ISSUED, Operation.DELETE)
    assert caught.value.allowed
    assert caught.value.trigger is caught.value.operation is Operation.DELETE
    assert caught.value.status_code == caught.value.http_status == 403


REPORTS = {
    "judge": lambda good: judge_history([CREATED, MOVED] if good else [CREATED, DELETED], events=Events.COMPLETE),
    "replay": lambda good: replay([CREATED, MOVED] if good else [CREATED, DELETED], events=Events.COMPLETE),
}


@pytest.mark.parametrize("made", REPORTS.values(), ids=REPORTS)
@pytest.mark.parametrize("good", [True, False])
def test_a_report_is_no_condition_and_says_whether_it_is_ok(made, good):
    report = made(good)
    with pytest.raises(TypeError, match=r"ask its `\.ok`, or call `\.raise_for_violations\(\)`"):
        bool(report)
    assert report.ok is good
    if good:
        report.raise_for_violations()
    else:
        with pytest.raises(NotConforming) as caught:
            report.raise_for_violations()
        assert caught.value.report is report
        assert str(caught.value) == str(report)


def test_undecided_is_not_ok():
    report = replay([CREATED, attrs.evolve(REFUSED, code="SomethingNew")], events=Events.COMPLETE)
    assert report.verdict is Finding.UNDECIDED
    assert not report.ok
    with pytest.raises(NotConforming, match="order 7 is undecided"):
        report.raise_for_violations()


def test_a_plan_is_the_sequence_of_what_is_called():
    path = plan(State.BEING_REVIEWED, State.DELETED)
    assert list(path) == [Operation.CANCEL, Operation.DELETE] == list(path.triggers)
    assert (len(path), path[0], path[-1], path[1:]) == (2, Operation.CANCEL, Operation.DELETE, (Operation.DELETE,))
    assert Operation.DELETE in path
    assert Operation.RENEW not in path
    assert path.state is path.start is State.BEING_REVIEWED
    assert len(plan(State.ISSUED, State.ISSUED)) == 0


def test_an_explanation_is_ready_for_json():
    said = json.loads(json.dumps(explain(State.ISSUED, Operation.DELETE).as_json()))
    assert (said["verdict"], said["legal"]) == ("illegal", False)
    assert said["instead"] == ["CancelCertificateForPackageRequest"]


def test_a_verdict_on_words_is_a_verdict():
    assert judge({"issued"}, "delete") is Verdict.ILLEGAL


def test_a_judgement_is_told_in_a_sentence():
    assert str(judge_history([CREATED, MOVED], events=Events.COMPLETE)) == "conforms"
    assert str(judge_history([CREATED, DELETED], events=Events.COMPLETE)).startswith(
        "violates at line 1: it could only be in pending_review, where CancelOrderRequest, "
    )
