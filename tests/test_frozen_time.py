"""A test that replaces the clock reaches the mock and the guard, whatever was imported before."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")
pytest.importorskip("alibabacloud_cas20200407", reason="the extra `client` is not installed")

from orders import create

from orderfsm.client.preflight import Preflight
from orderfsm.mock import Clock, Service, mock_cas
from orderfsm.mock.cas.signature import Verifier

THEN = datetime(2031, 2, 3, 4, 5, 6, tzinfo=UTC)


@pytest.fixture(params=["freezegun", "time_machine"])
def frozen(request):
    """A context in which it is `THEN`, by either of two libraries."""
    module = pytest.importorskip(request.param, reason=f"{request.param} is not installed")
    if request.param == "freezegun":
        return module.freeze_time(THEN)
    return module.travel(THEN, tick=False)


def test_the_clock_says_what_the_test_says(frozen):
    clock, service = Clock(), Service()
    with frozen:
        assert clock.now() == service.clock.now() == THEN.timestamp()
        assert service.begin("issued", {"Domain": "a.example"}).issued == THEN.timestamp()


def test_a_signature_of_that_time_is_verified_by_it(frozen):
    with mock_cas(keys={"id": "secret"}) as server:
        client = server.client(access_key_id="id", access_key_secret="secret")
        with frozen:
            order_id = create(client)
        assert server.service.store.get(order_id).created == THEN.timestamp()


def test_the_guard_measures_by_it(monkeypatch):
    preflight = Preflight()
    monkeypatch.setattr(time, "monotonic", lambda: 12.5)
    assert preflight.clock() == 12.5


@pytest.mark.parametrize("seconds", [0.0, 1e9])
def test_a_clock_that_is_given_is_the_one_that_is_asked(seconds):
    assert Clock(lambda: seconds).now() == seconds
    assert Verifier({}, fresh=lambda *_: True, now=lambda: seconds)._now() == seconds
