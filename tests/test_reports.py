"""What the kit, the client, the mock and the audit report is no condition; reports say whether they are ok."""

from __future__ import annotations

from functools import partial

import pytest

pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")
pytest.importorskip("alibabacloud_cas20200407", reason="the extra `client` is not installed")
pytest.importorskip("hypothesis", reason="the extra `testing` is not installed")
pytest.importorskip("polars", reason="the extra `audit` is not installed")

from orderfsm import ORDER_LIFECYCLE, Operation, State
from orderfsm.audit.report import New
from orderfsm.client import SweepReport
from orderfsm.client.call import Settled
from orderfsm.errors import NotConforming
from orderfsm.machine import OrderMachine
from orderfsm.mock import Request, Service
from orderfsm.testing import Answer, MachineDriver, ServiceDriver, check_conformance, check_history, run_concurrent
from orderfsm.testing.report import Result
from orderfsm.trace import Events, Line

DELETED = Line(time="2026-08-05T06:10:02Z", order_id=7, trigger=Operation.DELETE)
LIES = ORDER_LIFECYCLE.without(ORDER_LIFECYCLE.transition(State.PENDING_APPLICATION, Operation.DELETE))
REPORTS = {
    "check_history": lambda good: check_history(
        [DELETED], initial={State.VERIFY_FAIL if good else State.ISSUED}, events=Events.COMPLETE
    ),
    "check_conformance": lambda good: check_conformance(
        MachineDriver(partial(OrderMachine, lifecycle=ORDER_LIFECYCLE if good else LIES)), random=0, budget=600
    ),
    "run_concurrent": lambda good: run_concurrent(
        ServiceDriver(Service(lifecycle=ORDER_LIFECYCLE if good else LIES)), clients=1, calls=200, seed=1, budget=600
    ),
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


SAYING_NO = {
    "an answer to a driver": (Answer.refused("OrderStateError"), r"`\.outcome`"),
    "a response of the mock": (Service().handle(Request("GET", "/")), r"`\.status`"),
    "a sweep": (SweepReport((), left={7: "it is issued"}), r"`\.left` and its `\.unverified`"),
    "what is new in an audit": (
        New(goes_on=True, violates=1, undecided=0, events=0, other=0, bad_lines=0),
        r"`\.ok`",
    ),
}


@pytest.mark.parametrize(("said", "ask"), SAYING_NO.values(), ids=SAYING_NO)
def test_what_may_say_no_is_no_condition(said, ask):
    with pytest.raises(TypeError, match=rf"{type(said).__name__} is no condition: ask its {ask}"):
        bool(said)


@pytest.mark.parametrize("result", [*Result, *Settled])
def test_what_became_of_a_pair_or_of_a_lost_call_is_no_condition(result):
    with pytest.raises(TypeError, match=r"compare it, as in `\.\.\. is (Result|Settled)"):
        bool(result)
