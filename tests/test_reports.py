"""The reports of the kit are no condition, and say whether they are ok."""

from __future__ import annotations

from functools import partial

import pytest

pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")
pytest.importorskip("alibabacloud_cas20200407", reason="the extra `client` is not installed")
pytest.importorskip("hypothesis", reason="the extra `testing` is not installed")

from orderfsm import ORDER_LIFECYCLE, Operation, State
from orderfsm.errors import NotConforming
from orderfsm.machine import OrderMachine
from orderfsm.mock import Service
from orderfsm.testing import MachineDriver, ServiceDriver, check_conformance, check_history, run_concurrent
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


@pytest.mark.parametrize("result", Result)
def test_what_became_of_a_pair_is_no_condition(result):
    with pytest.raises(TypeError, match=r"compare it, as in `\.\.\. is Result"):
        bool(result)
