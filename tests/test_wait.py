"""Waiting for a state: until it is reached, or cannot be reached any more, or the time is over."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

pytest.importorskip("alibabacloud_cas20200407", reason="the extra `client` is not installed")
pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")

from between import Between, acceptance
from orders import create, in_form, order_in
from Tea.exceptions import TeaException

from orderfsm import Event, InvalidValue, Operation, OrderFSMError, State, Unreachable
from orderfsm.client import WaitTimeout, carry_out, guard, observe, observe_async, wait, wait_async
from orderfsm.mock import Fault

QUICK = {"timeout": 5, "interval": 0.1}


@pytest.fixture(params=["sync", "async"])
def waiting(request, server):
    """`wait` in both forms, on a client of the server."""
    run = in_form(request.param, wait, wait_async)
    return lambda order_id, until, **settings: run(server.client(), order_id, until=until, **QUICK | settings)


def later(service, order_id, *events):
    """Let events happen one by one, while somebody waits."""

    def happen():
        for each in events:
            time.sleep(0.15)
            service.happen(order_id, each)

    thread = threading.Thread(target=happen)
    thread.start()
    return thread


@pytest.mark.parametrize("state", [state for state in State if state is not State.DELETED])
def test_an_order_that_is_there_already_is_returned_at_once(service, waiting, state):
    """Also where DescribeCertificateState has one word for four states: the list has four."""
    found = waiting(order_in(service, state), {state})
    assert found.observation.state is state
    assert found.path == (found.observation,)


def test_the_path_that_was_seen_is_returned(service, waiting):
    order_id = order_in(service, State.PENDING_REVIEW)
    seen = []
    thread = later(service, order_id, Event.DOMAIN_VALIDATED, Event.REVIEW_PASSED)
    observation, path = waiting(order_id, {State.ISSUED, State.VERIFY_FAIL}, on_poll=seen.append)
    thread.join()
    assert observation.state is State.ISSUED
    assert [each.word for each in path] == ["domain_verify", "process", "ISSUED"]
    assert len(seen) > len(path)
    assert observation.body.certificate.startswith("-----BEGIN CERTIFICATE")
    assert "CERTIFICATE-----" not in repr(observation)


@pytest.mark.parametrize("state", [State.DELETED, State.VERIFY_FAIL, State.PENDING_APPLICATION, State.REVOKED])
def test_a_goal_that_cannot_be_reached_is_not_waited_for(service, waiting, state):
    """The console might resubmit the application, but nobody waits for a person there."""
    order_id = order_in(service, state)
    started = time.monotonic()
    with pytest.raises(
        Unreachable, match=r"issued cannot be reached from .* by what the owner, the CA and the calendar"
    ):
        waiting(order_id, {State.ISSUED}, timeout=60, interval=10)
    assert time.monotonic() - started < 5


def test_nor_is_one_that_becomes_unreachable_meanwhile(service, waiting):
    order_id = order_in(service, State.BEING_REVIEWED)
    thread = later(service, order_id, Event.REVIEW_FAILED)
    with pytest.raises(Unreachable) as caught:
        waiting(order_id, {State.ISSUED})
    thread.join()
    assert (caught.value.state, caught.value.goal) == (State.VERIFY_FAIL, State.ISSUED)


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
    assert waiting(order_id, {State.ISSUED}).observation.state is State.ISSUED


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
        waiting(order_id, {State.REVOKED}, timeout=0.1)


def test_what_was_seen_before_narrows_what_a_vague_read_may_mean(service, waiting):
    """It was about to expire: `certificate` cannot mean issued any more."""
    order_id = order_in(service, State.ABOUT_TO_EXPIRE)
    seen = []

    def then_no_list(observation):
        seen.append(observation)
        service.add_fault(Fault(operation=Operation.LIST, code="Forbidden.RAM", status=403))

    with pytest.raises(WaitTimeout):
        waiting(order_id, {State.EXPIRED}, timeout=0.1, on_poll=then_no_list)
    assert seen[0].state is State.ABOUT_TO_EXPIRE
    assert seen[1].states == {State.ABOUT_TO_EXPIRE, State.EXPIRED, State.REVOKED}


def test_an_order_that_was_just_created_may_not_be_found_yet(service, server):
    client = guard(server.client())
    order_id = create(client)
    service.add_fault(Fault(read="missing", times=2))
    assert wait(client, order_id, until={State.PENDING_REVIEW}, **QUICK).observation.state is State.PENDING_REVIEW


def test_an_order_that_we_created_and_deleted_is_not_waited_for(service, server):
    """It is not found because it is gone, and not because it is new."""
    client = guard(server.client())
    order_id = create(client)
    carry_out(client, order_id, State.DELETED)
    started = time.monotonic()
    with pytest.raises(Unreachable):
        wait(client, order_id, until={State.ISSUED})
    assert time.monotonic() - started < 5


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
        ({"until": {State.ISSUED}, "timeout": -1}, "duration -1"),
        ({"until": {State.ISSUED}, "interval": 0}, "interval 0"),
    ],
    ids=str,
)
def test_bad_settings_are_named(server, settings, named):
    with pytest.raises(InvalidValue, match=named):
        wait(server.client(), 7, **settings)


def test_only_a_client_of_the_sdk_can_wait():
    with pytest.raises(InvalidValue, match="expected an alibabacloud_cas20200407 Client"):
        wait(object(), 7, until={State.ISSUED})


@pytest.mark.parametrize("state", State)
def test_observe_reads_an_order_as_exactly_as_the_api_allows(service, server, state):
    order_id = order_in(service, state)
    for seen in (observe(server.client(), order_id), asyncio.run(observe_async(server.client(), order_id))):
        assert seen.found == {state}
