"""Waiting for a state: until it is reached, or cannot be reached any more, or the time is over."""

from __future__ import annotations

import asyncio
import threading
from fractions import Fraction
from itertools import count

import pytest

pytest.importorskip("alibabacloud_cas20200407", reason="the extra `client` is not installed")
pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")

from between import Between, acceptance
from orders import call, create, in_form, order_in
from Tea.exceptions import TeaException

from orderfsm import Event, InvalidValue, NotFoundOrder, Operation, OrderFSMError, State, Unreachable
from orderfsm.client import Undecided, WaitTimeout, carry_out, guard, observe, observe_async, wait, wait_async
from orderfsm.client.connection import Connection
from orderfsm.client.steps import Pause
from orderfsm.mock import Fault

QUICK = {"timeout": 60, "interval": 0.1}


def by_steps(client):
    """The client, whose clock goes on by a hundredth of a second whenever it is read: load does not matter."""
    Connection.of(client).preflight.clock = count(step=0.01).__next__
    return client


@pytest.fixture(params=["sync", "async"])
def waiting(request, server):
    """`wait` in both forms, on a client of the server."""
    run = in_form(request.param, wait, wait_async)
    return lambda order_id, until, **settings: run(by_steps(server.client()), order_id, until=until, **QUICK | settings)


@pytest.mark.parametrize("state", [state for state in State if state is not State.DELETED])
def test_an_order_that_is_there_already_is_returned_at_once(service, waiting, state):
    """Also where DescribeCertificateState has one word for four states: the list has four."""
    polls = []
    assert waiting(order_in(service, state), {state}, on_poll=polls.append) is state
    assert len(polls) == 1


@pytest.mark.parametrize("end", [Event.REVIEW_PASSED, Event.REVIEW_FAILED])
def test_the_result_is_the_state_so_that_one_can_branch_on_it(service, waiting, end):
    """By identity, equality, membership and match alike; nothing else is ever returned."""
    order_id = order_in(service, State.BEING_REVIEWED)
    service.happen(order_id, end)
    state = waiting(order_id, {State.ISSUED, State.VERIFY_FAIL})
    assert type(state) is State
    assert (state is State.VERIFY_FAIL) is (end is Event.REVIEW_FAILED)
    match state:
        case State.VERIFY_FAIL:
            assert end is Event.REVIEW_FAILED
        case State.ISSUED:
            assert end is Event.REVIEW_PASSED


@pytest.mark.parametrize(
    "until",
    [State.ISSUED, "issued", "ISSUED", "certificate", ["certificate", "verify_fail"], (State.ISSUED, "CHECKED_FAIL")],
    ids=str,
)
def test_what_is_waited_for_may_be_one_state_or_a_word_of_the_command_line(service, waiting, until):
    assert waiting(order_in(service, State.ISSUED), until) is State.ISSUED


def test_one_of_several_states_for_certain_but_nobody_knows_which_is_an_error(service, waiting):
    """And not a state that is none of them: four states read as `certificate`, and the list cannot be read."""
    order_id = order_in(service, State.EXPIRED)
    service.add_fault(Fault(operation=Operation.LIST, code="Forbidden.RAM", status=403))
    with pytest.raises(Undecided, match=f"order {order_id} was read as certificate; in which of about_to_expire, ex"):
        waiting(order_id, "certificate")


def test_the_observations_are_given_to_on_poll(service, waiting):
    order_id = order_in(service, State.PENDING_REVIEW)
    happened = iter([Event.DOMAIN_VALIDATED, Event.REVIEW_PASSED])
    seen = []

    def then_it_moves(observation):
        seen.append(observation)
        if observation.state is not State.ISSUED:
            service.happen(order_id, next(happened))

    assert waiting(order_id, {State.ISSUED, State.VERIFY_FAIL}, on_poll=then_it_moves) is State.ISSUED
    assert [each.word for each in seen] == ["domain_verify", "process", "ISSUED"]
    assert seen[-1].body.certificate.startswith("-----BEGIN CERTIFICATE")
    assert "CERTIFICATE-----" not in repr(seen[-1])


def test_a_wait_logs_what_it_waits_for_and_what_it_sees(service, waiting, caplog):
    caplog.set_level("DEBUG", "orderfsm.wait")
    order_id = order_in(service, State.BEING_REVIEWED)
    happened = iter([Event.REVIEW_PASSED])
    waiting(order_id, "issued", on_poll=lambda _: [service.happen(order_id, event) for event in happened])
    first, *rest = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert first == ("INFO", f"order {order_id}: waiting until it is issued, for at most 60 s")
    assert ("INFO", f"order {order_id}: read as 'process': being_reviewed") in rest
    assert rest[-1] == ("INFO", f"order {order_id}: read as 'ISSUED': issued")
    assert {level for level, message in rest if "reading it again in" in message} == {"DEBUG"}


@pytest.mark.parametrize("state", [State.VERIFY_FAIL, State.PENDING_APPLICATION, State.REVOKED])
def test_a_goal_that_cannot_be_reached_is_not_waited_for(service, waiting, state):
    """The console might resubmit the application, but nobody waits for a person there."""
    order_id = order_in(service, state)
    polls = []
    with pytest.raises(
        Unreachable, match=r"issued cannot be reached from .* by what the owner, the CA and the calendar"
    ):
        waiting(order_id, {State.ISSUED}, timeout=60, interval=10, on_poll=polls.append)
    assert len(polls) == 1


def test_nor_is_an_order_that_is_not_found(service, waiting):
    """It may be a mistyped id: that is no state from which something cannot be reached."""
    for order_id in (999, order_in(service, State.DELETED)):
        for until in (State.ISSUED, "deleted"):
            with pytest.raises(NotFoundOrder, match=f"^no order {order_id}: ") as caught:
                waiting(order_id, until)
            assert caught.value.order_id == order_id


@pytest.mark.parametrize("form", ["sync", "async"])
def test_an_order_that_was_met_before_is_deleted_when_it_is_not_found(service, server, form):
    client, order_id = server.client(), order_in(service, State.VERIFY_FAIL)
    observe(client, order_id)
    call(service, Operation.DELETE, OrderId=order_id)
    run = in_form(form, wait, wait_async)
    assert run(client, order_id, until=State.DELETED, **QUICK) is State.DELETED
    with pytest.raises(Unreachable, match=f"order {order_id}: issued cannot be reached from deleted"):
        run(client, order_id, until=State.ISSUED, **QUICK)


def test_nor_is_one_that_becomes_unreachable_meanwhile(service, waiting):
    order_id = order_in(service, State.BEING_REVIEWED)
    happened = iter([Event.REVIEW_FAILED])
    with pytest.raises(Unreachable) as caught:
        waiting(order_id, {State.ISSUED}, on_poll=lambda _: [service.happen(order_id, each) for each in happened])
    assert (caught.value.state, caught.value.goal) == (State.VERIFY_FAIL, State.ISSUED)
    assert str(caught.value).startswith(f"order {order_id}: issued cannot be reached from verify_fail by ")


def test_the_timeout_tells_what_was_seen(service, waiting):
    order_id = order_in(service, State.BEING_REVIEWED)
    with pytest.raises(WaitTimeout, match=rf"order {order_id} is not issued after 0.2 s; seen: process") as caught:
        waiting(order_id, {State.ISSUED}, timeout=0.2)
    assert isinstance(caught.value, TimeoutError | OrderFSMError)
    assert caught.value.observation.state is State.BEING_REVIEWED


def test_reads_that_fail_in_passing_are_repeated(service, waiting):
    order_id = order_in(service, State.ISSUED)
    for fault in ({}, {"transport": "reset"}, {"retry_after": 50}, {"read": "unknow"}):
        service.add_fault(Fault(times=1, operation=Operation.DESCRIBE, **fault))
    assert waiting(order_id, {State.ISSUED}) is State.ISSUED


def test_a_read_that_is_forbidden_ends_the_wait(service, waiting):
    order_id = order_in(service, State.ISSUED)
    service.add_fault(Fault(operation=Operation.DESCRIBE, code="Forbidden.RAM", status=403))
    with pytest.raises(TeaException) as caught:
        waiting(order_id, {State.ISSUED})
    assert caught.value.code == "Forbidden.RAM"


def test_a_word_that_nobody_knows_is_waited_out(service, server, waiting):
    between = Between(service)
    order_id = order_in(service, State.BEING_REVIEWED)
    between.answers[Operation.DESCRIBE] = acceptance(Type="suspended")
    service.add_fault(Fault(operation=Operation.LIST, code="Forbidden.RAM", status=403))
    with pytest.raises(WaitTimeout, match="seen: suspended"):
        waiting(order_id, {State.REVOKED}, timeout=1)


def test_what_was_seen_before_narrows_what_a_vague_read_may_mean(service, waiting):
    """It was about to expire: `certificate` cannot mean issued any more."""
    order_id = order_in(service, State.ABOUT_TO_EXPIRE)
    seen = []

    def then_no_list(observation):
        seen.append(observation)
        service.add_fault(Fault(operation=Operation.LIST, code="Forbidden.RAM", status=403))

    with pytest.raises(WaitTimeout):
        waiting(order_id, {State.EXPIRED}, timeout=1, on_poll=then_no_list)
    assert seen[0].state is State.ABOUT_TO_EXPIRE
    assert seen[1].states == {State.ABOUT_TO_EXPIRE, State.EXPIRED, State.REVOKED}


def test_an_order_that_was_just_created_may_not_be_found_yet(service, server):
    client = guard(server.client())
    order_id = create(client)
    service.add_fault(Fault(read="missing", times=2))
    assert wait(client, order_id, until={State.PENDING_REVIEW}, **QUICK) is State.PENDING_REVIEW


def test_an_order_that_we_created_and_deleted_is_not_waited_for(service, server):
    """It is not found because it is gone, and not because it is new."""
    client = guard(server.client())
    order_id = create(client)
    carry_out(client, order_id, State.DELETED)
    polls = []
    with pytest.raises(Unreachable, match=f"order {order_id}: issued cannot be reached from deleted"):
        wait(client, order_id, until={State.ISSUED}, on_poll=polls.append)
    assert len(polls) == 1


def test_a_wait_can_be_cancelled(service, server):
    order_id = order_in(service, State.BEING_REVIEWED)

    async def cancelled():
        task = asyncio.create_task(wait_async(server.client(), order_id, until={State.ISSUED}))
        await asyncio.sleep(0.1)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelled())


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"until": set()}, "possible states"),
        ({"until": {"isued"}}, "state 'isued'"),
        ({"until": None}, "possible states None"),
        ({"until": {None}}, "state None"),
        ({"until": "none"}, "state 'none': expected pending_application, "),
        (
            {"until": "isued"},
            "state 'isued': expected pending_application, [a-z_, ]*, deleted; did you mean issued\\?$",
        ),
        ({"until": {None}}, "state None: expected pending_application, [a-z_, ]*, deleted$"),
        ({"until": "issued", "timeout": 10**400}, "duration of type|duration 1000"),
        ({"until": "issued", "timeout": True}, "duration True"),
        ({"until": {State.ISSUED}, "timeout": -1}, "duration -1"),
        ({"until": {State.ISSUED}, "interval": 0}, "interval 0"),
    ],
    ids=str,
)
def test_bad_settings_are_named(server, settings, named):
    with pytest.raises(InvalidValue, match=named):
        wait(server.client(), 7, **settings)


@pytest.mark.parametrize("form", ["sync", "async"])
@pytest.mark.parametrize(
    "settings",
    [{"timeout": float("inf")}, {"timeout": 1e308}, {"timeout": Fraction(7200)}, {"timeout": 60, "interval": 1e308}],
    ids=str,
)
def test_a_wait_may_be_as_long_as_one_likes(service, server, settings, form):
    order_id = order_in(service, State.ISSUED)
    if form == "sync":
        assert wait(server.client(), order_id, until="issued", **settings) is State.ISSUED
    else:
        assert asyncio.run(wait_async(server.client(), order_id, until="issued", **settings)) is State.ISSUED


def test_no_pause_is_longer_than_the_machine_can_sleep(server, monkeypatch):
    slept = []
    monkeypatch.setattr("time.sleep", slept.append)
    Connection.of(server.client()).perform(Pause(float("inf")))
    assert slept == [threading.TIMEOUT_MAX]


def test_only_a_client_of_the_sdk_can_wait():
    with pytest.raises(InvalidValue, match="expected an alibabacloud_cas20200407 Client"):
        wait(object(), 7, until={State.ISSUED})


@pytest.mark.parametrize("state", State)
def test_observe_reads_an_order_as_exactly_as_the_api_allows(service, server, state):
    order_id = order_in(service, state)
    for seen in (observe(server.client(), order_id), asyncio.run(observe_async(server.client(), order_id))):
        assert seen.found == {state}


def test_after_a_read_that_is_refused_the_list_decides_at_once_and_after_a_vague_one_it_is_read_again(
    service, server, between
):
    """A permission does not come by asking again; a state does."""
    order_id = order_in(service, State.BEING_REVIEWED)
    between.arrived.clear()
    service.add_fault(Fault(operation=Operation.DESCRIBE, code="Forbidden.RAM", status=403))
    assert observe(server.client(), order_id).states == {State.PENDING_REVIEW, State.BEING_REVIEWED}
    assert between.arrived == [Operation.DESCRIBE, Operation.LIST]
    between.clear()
    service.add_fault(Fault(operation=Operation.DESCRIBE, read="unknow", times=2))
    assert observe(server.client(), order_id).state is State.BEING_REVIEWED
    assert between.arrived == [Operation.DESCRIBE, Operation.LIST] * 2 + [Operation.DESCRIBE]
