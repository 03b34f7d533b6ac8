"""How long a client waits: never longer than it was told, whatever the service asks for or however it answers."""

from __future__ import annotations

import asyncio
import threading
from importlib.util import find_spec
from itertools import count
from socket import create_server

import pytest

from orderfsm.tables import api

pytest.importorskip("alibabacloud_cas20200407", reason="the extra `client` is not installed")
pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")

from alibabacloud_cas20200407.client import Client
from orders import in_form, order_in
from Tea.exceptions import TeaException

from orderfsm import Operation, State
from orderfsm.client import WaitTimeout, guard, wait, wait_async
from orderfsm.client.backoff import growing
from orderfsm.client.carry_out import carrying_out
from orderfsm.client.connect import connect
from orderfsm.client.connection import Connection
from orderfsm.client.sdk import Answer
from orderfsm.client.steps import Pause, run
from orderfsm.mock import Response
from orderfsm.trace import Outcome

READS_THE_HEADER = find_spec("alibabacloud_tea_openapi.exceptions") is not None
"""The SDK before tea-openapi 0.4 knows nothing of it."""


@pytest.mark.parametrize(
    ("failures", "least"), [(1, 0.5), (2, 1), (3, 2), (4, 4), (5, 8), (6, 10), (7, 10), (100_000, 10)]
)
def test_pauses_double_up_to_the_longest_and_differ_by_a_first_one_at_most(failures, least):
    """However often something fails: a review may take days, and an order is read all the time."""
    pauses = {growing(failures, None, base=0.5, cap=10).seconds for _ in range(100)}
    assert least <= min(pauses) < max(pauses) <= least + 0.5


@pytest.mark.parametrize(("asked", "least"), [(None, 1), (0, 1), (0.5, 1), (7, 7), (60, 60)])
def test_a_service_that_asks_for_a_longer_pause_gets_it(asked, least):
    pause = growing(2, Answer(Outcome.REFUSED, "Throttling.User", retry_after=asked), base=0.5, cap=10).seconds
    assert least <= pause <= max(least, 1.5)


@pytest.mark.parametrize(
    ("asked", "longest"),
    [
        *((header, 6) for header in ("", "0", "-5", "abc", "nan", "inf", "1e9", "1.5", "\u00b2", "9" * 5000)),
        ("2500", 6),
        *((header, 60) for header in ("60001", "31536000000", "9" * 400)),
    ],
)
def test_a_throttled_call_waits_a_minute_at_most(service, server, between, asked, longest):
    """`x-acs-retry-after` is in milliseconds; what is no duration asks for nothing."""
    order_id = order_in(service, State.VERIFY_FAIL)
    body = api.error_body("Throttling.User", "no", "R", "H")
    throttled = Response(429, Response.of(429, body).body, {"x-acs-retry-after": asked})
    between.answers[Operation.DELETE] = throttled
    connection, pauses = Connection.of(server.client()), []

    def perform(step):
        if not isinstance(step, Pause):
            return connection.perform(step)
        pauses.append(step.seconds)
        between.answers.clear()
        return None

    assert run(carrying_out(connection.preflight, order_id, State.DELETED), perform).steps
    (pause,) = pauses
    least = {"2500": 2.5}.get(asked, 60 if longest == 60 else 0)
    assert (least if READS_THE_HEADER else 0) <= pause <= longest


@pytest.mark.parametrize("asked", [None, "5", "soon", -5, 0, float("nan"), [5]], ids=repr)
def test_nor_does_what_an_sdk_takes_for_a_duration_and_is_none(asked):
    """Each generation of the SDK reads the header in its own way."""
    error = TeaException({"code": "Throttling.User", "message": "no", "data": {"statusCode": 429}})
    error.retry_after = asked
    assert Answer.of_error(error).retry_after is None


class Noting(Client):
    """A client that notes how long each of its reads may take, in milliseconds."""

    def describe_certificate_state_with_options(self, request, runtime):
        self.limits.append((runtime.connect_timeout, runtime.read_timeout))
        return super().describe_certificate_state_with_options(request, runtime)

    async def describe_certificate_state_with_options_async(self, request, runtime):
        self.limits.append((runtime.connect_timeout, runtime.read_timeout))
        return await super().describe_certificate_state_with_options_async(request, runtime)


@pytest.fixture(params=["sync", "async"])
def waiting(request):
    return in_form(request.param, wait, wait_async)


@pytest.mark.parametrize("of", [guard, lambda client: client], ids=["guarded", "not guarded"])
def test_no_call_of_a_wait_may_take_longer_than_is_left(service, server, waiting, of):
    """But a second, in which an answer can come; and never longer than without a wait."""
    order_id = order_in(service, State.BEING_REVIEWED)
    client = server.client()
    client.__class__, client.limits = Noting, []
    client = of(client)
    Connection.of(client).preflight.clock = count(step=0.5).__next__
    with pytest.raises(WaitTimeout):
        waiting(client, order_id, until="issued", timeout=20, interval=0.001)
    connecting, reading = zip(*client.limits, strict=True)
    assert connecting == reading
    assert reading[0] == 10_000
    assert list(reading) == sorted(reading, reverse=True)
    assert 1000 <= reading[-1] < 10_000


def test_the_time_is_looked_at_between_the_calls_of_one_poll(service, server, between, waiting):
    """`certificate` would have the list asked; but a read that takes all the time is the last call."""
    order_id = order_in(service, State.ISSUED)
    client = server.client()
    Connection.of(client).preflight.clock = count(step=100).__next__
    between.arrived.clear()
    with pytest.raises(WaitTimeout, match=f"order {order_id} is not expired after 150 s"):
        waiting(client, order_id, until="expired", timeout=150)
    assert between.arrived == [Operation.DESCRIBE]


def test_with_no_time_at_all_the_order_is_read_once(service, server, between, waiting):
    issued, reviewed = order_in(service, State.VERIFY_FAIL), order_in(service, State.BEING_REVIEWED)
    assert waiting(server.client(), issued, until="verify_fail", timeout=0) is State.VERIFY_FAIL
    between.arrived.clear()
    with pytest.raises(WaitTimeout):
        waiting(server.client(), reviewed, until="issued", timeout=0)
    assert between.arrived == [Operation.DESCRIBE]


def test_an_answer_that_drips_does_not_overrun_an_asynchronous_wait():
    """It comes byte by byte, without an end; no limit between two bytes would ever be met."""
    ended = threading.Event()

    def drip(connection):
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")
            while not ended.wait(0.01):
                try:
                    connection.sendall(b" ")
                except OSError:
                    return

    def serve(listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=drip, args=[connection], daemon=True).start()

    with create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=[listener], daemon=True).start()
        client = connect(f"http://127.0.0.1:{listener.getsockname()[1]}", key=("id", "secret"))
        with pytest.raises(WaitTimeout, match=r"order 7 is not issued after 0\.5 s; seen: nothing"):
            asyncio.run(asyncio.wait_for(wait_async(client, 7, until="issued", timeout=0.5, interval=0.1), 60))
        ended.set()
