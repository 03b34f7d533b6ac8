"""A port that is told to end does so at once: what would wait, waits here for longer than anybody has patience."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import re
import signal
import socket
import threading
import urllib.error
import urllib.request

import pytest

pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")

from orderfsm.mock import Fault, MemoryStore, Service, create_app, mock_cas
from orderfsm.mock.http import port
from orderfsm.mock.http.app import create_control_app

FOR_EVER = 3600.0
PATIENCE = 60
CALL = {"x-acs-version": "2020-04-07", "x-acs-action": "ListUserCertificateOrder"}


@pytest.fixture(autouse=True)
def nothing_ends_by_a_clock(monkeypatch):
    monkeypatch.setattr(port, "GRACE", FOR_EVER)
    monkeypatch.setattr(port, "_TICK", FOR_EVER)


class Running:
    """A port in a thread, and how to end it."""

    def __init__(self, app):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = self.listener.getsockname()
        self.url = "http://{}:{}".format(*self.address)
        self.port = port.Port(app)
        self.thread = threading.Thread(target=self.port.run, kwargs={"sockets": [self.listener]}, daemon=True)
        self.thread.start()

    def ends(self):
        self.port.end()
        return self.ended()

    def ended(self):
        self.thread.join(PATIENCE)
        return not self.thread.is_alive()


@contextlib.contextmanager
def connected(running):
    """A connection on which a call was answered, and which is kept for the next."""
    connection = http.client.HTTPConnection(*running.address, timeout=PATIENCE)
    connection.request("GET", "/", headers=CALL)
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 200
    with contextlib.closing(connection):
        yield connection


def test_one_on_which_nothing_was_asked_ends():
    assert Running(create_app(Service())).ends()


def test_one_with_open_connections_ends():
    running = Running(create_app(Service()))
    with connected(running), connected(running), socket.create_connection(running.address):
        assert running.ends()


def test_one_on_which_the_dashboard_listens_ends_and_its_stream_is_complete():
    running = Running(create_control_app(Service()))
    with urllib.request.urlopen(running.url + "/dashboard/stream", timeout=PATIENCE) as stream:
        assert stream.readline()
        assert running.ends()
        stream.read()  # raises IncompleteRead if its end is missing


def test_an_answer_that_a_fault_delays_comes_when_the_port_ends():
    service = Service()
    service.add_fault(Fault(delay=FOR_EVER))
    running = Running(create_app(service))
    with contextlib.closing(http.client.HTTPConnection(*running.address, timeout=PATIENCE)) as connection:
        connection.request("GET", "/", headers=CALL)
        until(lambda: running.port.server_state.tasks)
        assert running.ends()
        assert connection.getresponse().status == 200


def test_a_call_under_way_is_answered_before_the_port_ends():
    class Slow(MemoryStore):
        blocking = True
        begun, may_go_on = threading.Event(), threading.Event()

        def select(self, *arguments):
            self.begun.set()
            assert self.may_go_on.wait(PATIENCE)
            return super().select(*arguments)

    store = Slow()
    running = Running(create_app(Service(store=store)))
    with contextlib.closing(http.client.HTTPConnection(*running.address, timeout=PATIENCE)) as connection:
        connection.request("GET", "/", headers=CALL)
        assert store.begun.wait(PATIENCE)
        running.port.end()
        until(lambda: not running.port.servers[0].is_serving())  # it takes no more calls
        store.may_go_on.set()
        assert connection.getresponse().status == 200
        assert running.ends()


def test_one_that_gets_a_signal_ends():
    running = Running(create_app(Service()))
    with connected(running):
        running.port.handle_exit(signal.SIGTERM, None)
        assert running.ended()


def test_one_that_is_told_to_end_before_it_began_ends():
    listener = socket.create_server(("127.0.0.1", 0))
    ended = port.Port(create_app(Service()))
    ended.end()
    thread = threading.Thread(target=ended.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    listener.close()


def test_what_is_not_done_in_time_is_given_up(monkeypatch):
    monkeypatch.setattr(port, "GRACE", 0.0)

    class Stuck(MemoryStore):
        blocking = True
        begun, over = threading.Event(), threading.Event()

        def select(self, *arguments):
            self.begun.set()
            self.over.wait(PATIENCE)
            return super().select(*arguments)

    store = Stuck()
    running = Running(create_app(Service(store=store)))
    with contextlib.closing(http.client.HTTPConnection(*running.address, timeout=PATIENCE)) as connection:
        connection.request("GET", "/", headers=CALL)
        assert store.begun.wait(PATIENCE)
        assert running.ends()
        assert connection.getresponse().status == 500  # nobody knows whether it was carried out
    store.over.set()


def test_a_server_of_ones_own_may_tell_the_api_port_that_it_begins_and_ends():
    async def told(*events):
        received, sent = iter(events), []

        async def receive():
            return {"type": f"lifespan.{next(received)}"}

        async def send(message):
            sent.append(message["type"])

        await create_app(Service())({"type": "lifespan"}, receive, send)
        return sent

    assert asyncio.run(told("startup", "shutdown")) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


# -- what is answered at once, without a task --------------------------------------------------------------------------

HEAD = b" HTTP/1.1\r\nhost: 127.0.0.1\r\nx-acs-version: 2020-04-07\r\nx-acs-action: ListUserCertificateOrder\r\n"


def page(number, method=b"GET", more=b"\r\n"):
    """A request for that page of the list, as bytes; its answer names the page."""
    return method + b" /?CurrentPage=%d" % number + HEAD + more


IN_A_BODY = page(1, b"POST", b"content-length: 11\r\n\r\nCurrentPage")
CHUNKED = page(1, b"POST", b"transfer-encoding: chunked\r\n\r\n3\r\na=b\r\n0\r\n\r\n")
WAITING = page(1, b"POST", b"content-length: 3\r\nexpect: 100-continue\r\n\r\na=b")
UPGRADING = page(1, more=b"connection: upgrade\r\nupgrade: h2c\r\n\r\n")


@pytest.fixture
def served():
    running = Running(create_app(service := Service()))
    running.service = service
    yield running
    running.ends()


def answers(running, sent, count):
    """The pages that are named in so many answers to what is sent on one connection, and what is said besides."""
    with socket.create_connection(running.address, timeout=PATIENCE) as connection:
        connection.sendall(sent)
        file = connection.makefile("rb")
        return [answer(file) for _ in range(count)]


def answer(file):
    head = b"".join(iter(file.readline, b"\r\n"))
    if head.startswith(b"HTTP/1.1 100"):
        return answer(file)
    assert head.startswith(b"HTTP/1.1 200"), head
    length = re.search(rb"content-length: ([0-9]+)", head)
    return json.loads(file.read(int(length[1])))["CurrentPage"]


@pytest.mark.parametrize("other", [IN_A_BODY, CHUNKED, WAITING], ids=["a body", "chunks", "a question"])
def test_requests_that_come_together_are_answered_in_their_order(served, other):
    assert answers(served, page(2) + page(3) + other + page(4), 4) == [2, 3, 1, 4]


def test_a_request_for_another_protocol_is_answered_in_this_one(served):
    assert answers(served, page(2) + UPGRADING, 2) == [2, 1]


def test_an_answer_that_is_delayed_comes_before_those_to_later_requests(served, monkeypatch):
    served.service.add_fault(Fault(delay=0.01, times=1))
    assert answers(served, page(2) + page(3, b"POST") + page(4), 3) == [2, 3, 4]


def test_a_connection_is_closed_after_the_last_answer_if_the_client_says_so(served):
    of_old = page(2, more=b"connection: keep-alive\r\n\r\n").replace(b"HTTP/1.1", b"HTTP/1.0")  # uvicorn keeps none
    for request in (page(2, more=b"connection: close\r\n\r\n"), of_old):
        with socket.create_connection(served.address, timeout=PATIENCE) as connection:
            connection.sendall(request)
            file = connection.makefile("rb")
            assert answer(file) == 2
            assert file.read() == b""


def test_an_answer_says_its_date_and_its_length(served):
    with connected(served) as connection:
        connection.request("GET", "/", headers=CALL)
        one = connection.getresponse()
        assert {name.lower() for name in one.headers} == {"date", "content-type", "content-length"}
        assert int(one.headers["content-length"]) == len(one.read()) > 0


def test_an_answer_to_head_has_no_body(served):
    with socket.create_connection(served.address, timeout=PATIENCE) as connection:
        connection.sendall(page(1, b"HEAD") + page(2))
        file = connection.makefile("rb")
        assert next(iter(file.readline, b"\r\n")).startswith(b"HTTP/1.1 405")
        assert b"\r\n" in iter(file.readline, b"")
        assert answer(file) == 2


def test_of_an_idle_connection_one_clock_runs(served):
    class Clocks:
        def __init__(self, loop):
            self.loop, self.started = loop, []

        def call_later(self, *arguments):
            self.started.append(self.loop.call_later(*arguments))
            return self.started[-1]

        def __getattr__(self, name):
            return getattr(self.loop, name)

    with socket.create_connection(served.address, timeout=PATIENCE) as connection:
        file = connection.makefile("rb")
        connection.sendall(page(1))
        assert answer(file) == 1
        (protocol,) = served.port.server_state.connections
        protocol.loop = clocks = Clocks(protocol.loop)
        connection.sendall(page(2) + page(3))
        assert [answer(file), answer(file)] == [2, 3]
        assert [clock.cancelled() for clock in clocks.started] == [True, False]


def until(condition):
    """Wait until something is so."""
    tick = threading.Event()
    for _ in range(PATIENCE * 100):
        if condition():
            return
        tick.wait(0.01)
    raise AssertionError("it never was")


@pytest.mark.parametrize("body", [None, b"x"], ids=["without a body", "with one"])
def test_a_handler_that_fails_is_an_error_of_the_server_however_it_was_called(body):
    class Broken(Service):
        def handle(self, _request):
            raise RuntimeError

    with mock_cas(Broken(keys={"key": "secret"})) as server, pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(server.api, body, timeout=PATIENCE)
    with caught.value as answer:
        assert answer.code == 500
