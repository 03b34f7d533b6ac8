"""In a test nobody sleeps: where the mock's clock jumps, clients that wait move it, and go by it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from types import SimpleNamespace

import pytest

pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")
pytest.importorskip("alibabacloud_cas20200407", reason="the extra `client` is not installed")

from orders import create

from orderfsm import State, clocks
from orderfsm.client import (
    WaitTimeout,
    autojump,
    carry_out,
    carry_out_async,
    guard,
    sweep,
    sweep_async,
    wait,
    wait_async,
)
from orderfsm.client.sdk import request
from orderfsm.mock import mock_cas
from orderfsm.tables import instances
from orderfsm.tables.orders import Operation

DAY = 86_400


def awaited(function):
    return lambda *arguments, **named: asyncio.run(function(*arguments, **named))


WAITS = pytest.mark.parametrize("waits", [wait, awaited(wait_async)], ids=["sync", "async"])
SWEEPS = pytest.mark.parametrize("sweeps", [sweep, awaited(sweep_async)], ids=["sync", "async"])
CARRIES = pytest.mark.parametrize("carries", [carry_out, awaited(carry_out_async)], ids=["sync", "async"])


@pytest.fixture(autouse=True)
def nobody_sleeps(monkeypatch):
    """Whoever sleeps in the client fails; the event loop may go round."""

    def sleep(seconds):
        raise AssertionError(f"somebody slept for {seconds} s")

    async def sleep_async(seconds):
        return await asyncio.sleep(0) if seconds == 0 else sleep(seconds)

    monkeypatch.setattr("orderfsm.client.connection.time", SimpleNamespace(sleep=sleep))
    timed = SimpleNamespace(sleep=sleep_async, timeout=asyncio.timeout)
    monkeypatch.setattr("orderfsm.client.connection.asyncio", timed)


@WAITS
def test_a_review_is_waited_for_by_the_clock_of_the_mock(waits):
    with mock_cas(review="after=3600", autojump=True) as server:
        order, began = create(server.client()), server.clock.now()
        assert waits(server.client(), order, until="issued", timeout=3 * 3600, interval=900) is State.ISSUED
        assert 2 * 3600 <= server.clock.now() - began < 2 * 3600 + 1800


@WAITS
def test_the_time_of_a_wait_is_over_by_that_clock(waits):
    with mock_cas(review="after=3600", autojump=True) as server:
        order, began = create(server.client()), server.clock.now()
        with pytest.raises(WaitTimeout, match=r"is not issued after 1800 s"):
            waits(server.client(), order, until="issued", timeout=1800, interval=300)
        assert 1800 <= server.clock.now() - began < 1800 + 60


@WAITS
def test_without_a_clock_that_jumps_one_sleeps(waits):
    with mock_cas() as server, pytest.raises(AssertionError, match="somebody slept"):
        waits(server.client(), server.order().id, until="issued")


def test_the_guard_sends_a_lost_call_again_at_once():
    with mock_cas(autojump=True) as server:
        order = server.order("verify_fail").id
        server.fail("delete", times=3, transport="reset")
        guard(server.client()).delete_certificate_request(request(Operation.DELETE, order_id=order))
        assert server.orders() == []
        assert server.service.fault_rules() == []


@WAITS
def test_a_throttled_read_comes_as_late_as_it_is_told_to(waits):
    with mock_cas(autojump=True) as server:
        order, began = server.order("verify_fail").id, server.clock.now()
        server.fail("describe", times=2, retry_after=30_000)
        assert waits(server.client(), order, until="verify_fail") is State.VERIFY_FAIL
        assert 60 <= server.clock.now() - began < 120


@SWEEPS
def test_a_sweep_goes_by_the_age_that_orders_have_on_that_clock_and_keeps_no_rate(sweeps):
    with mock_cas(packages={"digicert-free-1-free": 60}, autojump=True) as server:
        old = {order.id for order in server.order("verify_fail", count=40)}
        assert sweeps(server.client(), older_than=7 * DAY).deleted == ()
        server.advance(timedelta(days=8))
        server.order("verify_fail")
        assert set(sweeps(server.client(), older_than=7 * DAY, rate=0.001).deleted) == old


@CARRIES
def test_what_the_service_completes_in_minutes_is_completed(carries):
    with mock_cas(autojump=True) as server:
        instance = server.instance("pending")
        carries(server.client(), instance.id, instances.State.DELETED)
        assert server.instances() == []


@WAITS
def test_of_two_clocks_the_last_one_counts_and_none_afterwards(waits, monkeypatch):
    assert not clocks.jumps()
    with mock_cas(autojump=True) as outer, mock_cas(review="after=60", autojump=True) as inner:
        began = outer.clock.now()
        assert waits(inner.client(), create(inner.client()), until="issued") is State.ISSUED
        assert outer.clock.now() - began < 60
    assert not clocks.jumps()
    monkeypatch.setattr(clocks, "time", SimpleNamespace(time=lambda: 7.0, monotonic=lambda: 3.0))
    assert (clocks.wall(), clocks.monotonic()) == (7.0, 3.0)


@WAITS
def test_a_client_of_any_server_need_not_sleep(waits):
    with mock_cas() as server, autojump():
        before = clocks.wall()
        with pytest.raises(WaitTimeout):
            waits(server.client(), server.order().id, until="issued", timeout=7200, interval=900)
        assert clocks.wall() - before >= 7200
        assert server.clock.now() < before + 3600
    assert not clocks.jumps()
