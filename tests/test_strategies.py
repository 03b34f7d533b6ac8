"""The strategies that users draw from: what they say of themselves is true."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("hypothesis", reason="the group `test` is not installed")

from hypothesis import Phase, find, given, settings

from orderfsm import ORDER_LIFECYCLE, Event, Operation, Order, State, trace
from orderfsm.testing import strategies
from orderfsm.trace import Events, Finding, Outcome

MANY = settings(max_examples=300, deadline=None)


@given(strategies.legal_histories())
@MANY
def test_a_legal_history_conforms_and_begins_with_a_create(lines):
    assert trace.judge(lines, events=Events.COMPLETE).verdict is Finding.CONFORMS
    assert ORDER_LIFECYCLE.can(None, lines[0].trigger)
    assert lines[0].outcome is Outcome.ACCEPTED
    assert len({line.order_id for line in lines}) == 1


@given(strategies.illegal_histories())
@MANY
def test_an_illegal_history_violates_the_table_at_its_last_line(lines):
    found = trace.judge(lines, events=Events.COMPLETE)
    assert (found.verdict, found.index) == (Finding.VIOLATES, len(lines) - 1)


@given(strategies.legal_histories(max_size=3), strategies.illegal_histories(max_size=3))
def test_histories_are_no_longer_than_asked(legal, illegal):
    assert len(legal) <= 3
    assert len(illegal) <= 3


@given(strategies.orders())
def test_an_order_is_one(order):
    assert isinstance(order, Order)
    assert order.state in State


@pytest.mark.parametrize(
    ("strategy", "kind"),
    [(strategies.states(), State), (strategies.operations(), Operation), (strategies.events(), Event)],
    ids=["states", "operations", "events"],
)
def test_each_member_is_drawn(strategy, kind):
    for member in kind:
        assert find(strategy, lambda drawn, member=member: drawn is member) is member


def test_legal_histories_lead_to_every_state():
    missing = set(State)

    def last_missing(lines):
        states = {None}
        for line in lines:
            states = ORDER_LIFECYCLE.narrow(states, line.trigger, accepted=line.outcome is Outcome.ACCEPTED)
        if len(states) == 1:
            missing.difference_update(states)
        return not missing

    find(
        strategies.legal_histories(),
        last_missing,
        settings=settings(max_examples=100_000, deadline=None, phases=[Phase.generate]),
    )


def test_hypothesis_draws_proper_orders_by_itself():
    script = (
        "from hypothesis import given, strategies as st, settings\nfrom orderfsm import Order\nseen = []\n"
        "given(st.from_type(Order))(settings(database=None)(lambda order: seen.append(order)))()\n"
        "print(len(seen) > 50, {type(order) for order in seen} == {Order})"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True"]


def test_orders_in_given_states():
    only = strategies.orders(strategies.states().filter(lambda state: state is State.ISSUED))
    assert find(only, lambda _order: True).state is State.ISSUED


def test_an_illegal_history_may_be_a_wrong_acceptance_a_wrong_refusal_and_an_impossible_event():
    find(strategies.illegal_histories(), lambda lines: lines[-1].trigger is Operation.DELETE and lines[-1].code is None)
    find(
        strategies.illegal_histories(),
        lambda lines: lines[-1].trigger is Operation.CANCEL and lines[-1].code is not None,
    )
    find(strategies.illegal_histories(), lambda lines: lines[-1].trigger is Event.REVIEW_PASSED)
