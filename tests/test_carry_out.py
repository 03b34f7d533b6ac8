"""Bringing an order to a state by the operations that lead there."""

from __future__ import annotations

import re
import sys
from functools import partial

import pytest

pytest.importorskip("alibabacloud_cas20200407", reason="the extra `client` is not installed")
pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")

from between import acceptance
from orders import create, in_form, order_in, state_of
from Tea.exceptions import TeaException

from orderfsm import Event, InvalidValue, NotFoundOrder, Operation, OrderFSMError, State, Unreachable, plan
from orderfsm.client import Undecided, carry_out, carry_out_async, guard, observe, sweep
from orderfsm.mock import Fault

READS = {Operation.DESCRIBE, Operation.LIST}


@pytest.fixture(params=["sync", "async"])
def carrying(request, server):
    """`carry_out` in both forms, on a client of the server."""
    return partial(in_form(request.param, carry_out, carry_out_async), server.client())


LIVING = [state for state in State if state is not State.DELETED]


@pytest.mark.parametrize("state", LIVING)
def test_the_plan_is_carried_out_from_every_state_or_the_goal_is_unreachable(service, between, carrying, state):
    for goal in (State.DELETED, State.REVOKED, State.PENDING_APPLICATION):
        order_id = order_in(service, state)
        try:
            expected = plan(state, goal).steps
        except Unreachable:
            with pytest.raises(Unreachable):
                carrying(order_id, goal)
            assert state_of(service, order_id) is state
        else:
            assert carrying(order_id, goal).steps == expected
            assert state_of(service, order_id) is goal


@pytest.mark.parametrize("state", [State.BEING_REVIEWED, State.VERIFY_FAIL, State.PENDING_APPLICATION])
def test_a_dry_run_is_the_plan_and_changes_nothing(service, between, carrying, state):
    order_id = order_in(service, state)
    between.arrived.clear()
    assert carrying(order_id, State.DELETED, dry_run=True) == plan(state, State.DELETED)
    assert set(between.arrived) <= READS
    assert state_of(service, order_id) is state


@pytest.mark.parametrize("goal", ["deleted", State.REVOKED, "PAYED"])
@pytest.mark.parametrize("dry_run", [False, True])
def test_an_order_that_is_not_found_is_not_taken_for_a_deleted_one(service, carrying, goal, dry_run):
    """It may be a mistyped id, which would read as a success."""
    for order_id in (999, order_in(service, State.DELETED)):
        with pytest.raises(NotFoundOrder, match=f"^no order {order_id}: ") as caught:
            carrying(order_id, goal, dry_run=dry_run)
        assert caught.value.order_id == order_id


@pytest.mark.parametrize("form", ["sync", "async"])
@pytest.mark.parametrize("of", [partial(guard, grace=0), lambda client: client], ids=["guarded", "not guarded"])
@pytest.mark.parametrize("seen_by", ["observe", "list", "create", "carry_out"])
def test_unless_this_client_met_it_before(service, server, form, of, seen_by):
    client = of(server.client())
    order_id = create(client)
    if seen_by == "observe":
        observe(client, order_id)
    elif seen_by == "list":
        sweep(client, states=State, dry_run=True)
    elif seen_by == "carry_out":
        carry_out(client, order_id, "payed")
    elif "_preflight" not in vars(client):
        pytest.skip("a client that is not guarded is not asked about its calls")
    carry_out(server.client(), order_id, "deleted")
    assert in_form(form, carry_out, carry_out_async)(client, order_id, "deleted").steps == ()


def test_when_the_order_moves_the_rest_is_planned_anew(service, between, carrying):
    order_id = order_in(service, State.BEING_REVIEWED)
    between.after_read = lambda: service.happen(order_id, Event.REVIEW_FAILED)
    done = carrying(order_id, State.DELETED)
    assert [step.trigger for step in done.steps] == [Operation.DELETE]
    assert state_of(service, order_id) is State.DELETED


def test_when_the_goal_has_become_unreachable_it_stops(service, between, carrying):
    order_id = order_in(service, State.BEING_REVIEWED)
    between.after_read = lambda: service.happen(order_id, Event.REVIEW_PASSED)
    with pytest.raises(Unreachable, match=f"order {order_id}: deleted cannot be reached from .*issued.* by operations"):
        carrying(order_id, State.DELETED)
    assert state_of(service, order_id) is State.ISSUED


@pytest.mark.parametrize("fault", [{}, {"when": "after"}, {"transport": "reset"}, {"retry_after": 50}], ids=str)
def test_lost_and_throttled_calls_do_not_stop_it(service, carrying, fault):
    order_id = order_in(service, State.BEING_REVIEWED)
    for operation in (Operation.CANCEL, Operation.DELETE, Operation.DESCRIBE):
        service.add_fault(Fault(operation=operation, times=1, **fault))
    assert [step.target for step in carrying(order_id, State.DELETED).steps] == [
        State.PENDING_APPLICATION,
        State.DELETED,
    ]
    assert state_of(service, order_id) is State.DELETED


def test_an_order_that_others_keep_moving_is_given_up(service, between, carrying, monkeypatch):
    monkeypatch.setattr(sys.modules["orderfsm.client.carry_out"], "INTERVAL", 0.01)
    order_id = order_in(service, State.PENDING_REVIEW)

    def submit_again():
        if state_of(service, order_id) is State.PENDING_APPLICATION:
            service.happen(order_id, Event.SUBMITTED)
        between.after_read = submit_again

    between.after_read = submit_again
    with pytest.raises(OrderFSMError, match=f"order {order_id} does not come to deleted in 20 calls"):
        carrying(order_id, State.DELETED)


def test_what_cannot_be_read_is_not_touched(service, between, carrying):
    order_id = order_in(service, State.VERIFY_FAIL)
    between.arrived.clear()
    service.add_fault(Fault(operation=Operation.DESCRIBE, code="Forbidden.RAM", status=403))
    service.add_fault(Fault(operation=Operation.LIST, code="Forbidden.RAM", status=403))
    with pytest.raises(TeaException) as caught:
        carrying(order_id, State.DELETED)
    assert caught.value.code == "Forbidden.RAM"
    assert set(between.arrived) <= READS


def test_nor_is_what_reads_as_states_that_need_different_steps(service, between, carrying):
    order_id = order_in(service, State.VERIFY_FAIL)
    between.arrived.clear()
    between.answers[Operation.DESCRIBE] = acceptance(Type="unknow")
    service.add_fault(Fault(operation=Operation.LIST, code="Forbidden.RAM", status=403))
    with pytest.raises(
        Undecided, match=f"order {order_id} was read as unknow; how it comes to deleted is not the same"
    ):
        carrying(order_id, State.DELETED)
    assert set(between.arrived) <= READS


def test_the_list_tells_what_a_vague_read_does_not(service, between, carrying):
    order_id = order_in(service, State.PENDING_REVIEW)
    between.answers[Operation.DESCRIBE] = acceptance(Type="unknow")
    assert carrying(order_id, State.DELETED, dry_run=True).triggers == (Operation.CANCEL, Operation.DELETE)


def test_a_goal_that_is_no_state_is_named(carrying):
    for goal in ("gone", "certificate", "none", None, 7, {State.DELETED}):
        with pytest.raises(InvalidValue, match=f"state {re.escape(repr(goal))}: expected .*pending_application, "):
            carrying(7, goal)
