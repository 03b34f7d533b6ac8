"""Machines of instances, and which of their rules were tried."""

from __future__ import annotations

import asyncio
import itertools
import json

import pytest
from suites import run_pytest

from orderfsm import OrderStateError, Verdict
from orderfsm.coverage import covering
from orderfsm.errors import Unspecified
from orderfsm.machine import AsyncOrderMachine, OrderMachine
from orderfsm.rows import DAY
from orderfsm.tables.instances import LIFECYCLE, Event, Operation, State

TRIGGERS = (*Operation, *Event)
ACCOUNT = {Operation.LIST, Operation.SUMMARY, Operation.CERTIFICATES, Operation.COUNTS}
RULES = [
    pair
    for pair in itertools.product((None, *State), TRIGGERS)
    if pair[1] not in ACCOUNT and not LIFECYCLE.is_silent(*pair)
]


def test_an_instance_of_the_machine_begins_where_the_purchase_leads():
    assert OrderMachine(lifecycle=LIFECYCLE).state is State.SETTLING
    assert AsyncOrderMachine(lifecycle=LIFECYCLE).state is State.SETTLING
    assert not hasattr(OrderMachine(lifecycle=LIFECYCLE), "purchase")


def test_it_lives_a_whole_life():
    instance = OrderMachine(lifecycle=LIFECYCLE)
    way = ["purchase_settled", "update", "apply", "submission_accepted", "cancel", "withdrawal_completed", "refund"]
    for trigger in (*way, "refund_completed", "delete"):
        assert getattr(instance, trigger)()
    assert instance.state is State.DELETED


@pytest.mark.parametrize("state", State)
def test_the_machine_agrees_with_the_table_about_every_pair_and_raises_where_the_sources_are_silent(state):
    for trigger in (each for each in TRIGGERS if each not in LIFECYCLE.creates):
        instance, name = OrderMachine(initial=state, lifecycle=LIFECYCLE), trigger.name.lower()
        if LIFECYCLE.is_silent(state, trigger):
            for ask in (f"may_{name}", name):
                with pytest.raises(Unspecified):
                    getattr(instance, ask)()
            continue
        row = LIFECYCLE.table[state][trigger]
        assert getattr(instance, f"may_{name}")() is (row is not None)
        if row is None:
            with pytest.raises(OrderStateError) as caught:
                getattr(instance, name)()
            assert caught.value.code == LIFECYCLE.refusal(state, trigger).error.code
        else:
            assert getattr(instance, name)()
        assert instance.state is (state if row is None else row.target)


def test_an_update_is_internal_callbacks_run_and_the_state_stays():
    seen = []
    instance = OrderMachine(
        initial=State.ISSUED, lifecycle=LIFECYCLE, before_state_change=lambda: seen.append("before")
    )
    assert instance.update()
    assert (instance.state, seen) == (State.ISSUED, ["before"])


def test_a_machine_knows_no_age_so_that_a_refund_is_always_in_time():
    instance = OrderMachine(initial=State.IDLE, lifecycle=LIFECYCLE)
    assert instance.may_refund()
    assert instance.refund()


def test_the_asynchronous_machine_withdraws_and_waits():
    async def withdrawn():
        instance = AsyncOrderMachine(initial=State.SUBMITTING, lifecycle=LIFECYCLE)
        with pytest.raises(OrderStateError, match="Too early: the submission is still being taken up"):
            await instance.cancel()
        for trigger in ("submission_accepted", "cancel", "withdrawal_completed"):
            await getattr(instance, trigger)()
        return instance.state

    assert asyncio.run(withdrawn()) is State.IDLE


# -- coverage ----------------------------------------------------------------------------------------------------------


def test_every_rule_can_be_tried_and_silent_pairs_are_none():
    with covering(LIFECYCLE) as watched:
        for pair in RULES:
            watched.can(*pair)
    rows = len(LIFECYCLE.transitions)
    assert str(watched.coverage) == (
        f"rows tried: {rows} of {rows}, refusals tried: {len(RULES) - rows} of {len(RULES) - rows}"
    )
    assert "settling, order settling, Status inactive, CertificateStatus absent, 23 of 23 rules tried" in (
        watched.coverage.svg()
    )


def test_a_question_with_an_age_and_a_machine_try_rules_as_well():
    with covering(LIFECYCLE) as watched:
        assert watched.judge({State.UNUSED}, Operation.REFUND, age=8 * DAY) is Verdict.ILLEGAL
        OrderMachine(lifecycle=watched).purchase_settled()
        watched.plan(State.UNUSED, State.DELETED)
    assert watched.coverage.tried == {(State.UNUSED, Operation.REFUND), (State.SETTLING, Event.PURCHASE_SETTLED)}


SUITE = """
from orderfsm.machine import OrderMachine

def test_settled(order_lifecycle):
    OrderMachine(lifecycle=order_lifecycle).purchase_settled()

def test_refund(order_lifecycle):
    assert not order_lifecycle.can("issued", "RefundInstance")
"""


@pytest.mark.parametrize("options", [[], ["-n", "2"]], ids=["one process", "two workers"])
def test_pytest_says_which_rules_of_instances_a_suite_never_tried(tmp_path, options):
    (tmp_path / "test_suite.py").write_text(SUITE)
    chosen = ["--orderfsm-table", "instances", "--orderfsm-coverage", "--orderfsm-coverage-to=coverage.json"]
    done = run_pytest(tmp_path, "test_suite.py", *chosen, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads((tmp_path / "coverage.json").read_text())
    assert (said["table"], said["rows"]["tried"], said["refusals"]["tried"]) == ("instances", 1, 1)
    assert "  unused: update -> unused" in done.stdout
