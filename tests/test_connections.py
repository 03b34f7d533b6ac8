"""What the kit sends over connections of its own is what the SDK sends; and whatever is answered is read."""

from __future__ import annotations

import gzip
import json
import re
import threading
from contextlib import contextmanager, suppress
from itertools import takewhile
from socket import SHUT_WR, create_server

import pytest

pytest.importorskip("alibabacloud_cas20200407", reason="the extra `client` is not installed")

from orderfsm import Operation
from orderfsm.client import sdk
from orderfsm.client.connect import connect
from orderfsm.testing import HTTPDriver, NoAnswer
from orderfsm.testing.drivers.connections import Connections

KEY = ("test", "test")
PATIENCE = 60.0
"""Seconds that no answer takes."""

BODY = b'{"RequestId": "R", "TotalCount": 20, "UsedCount": 1, "IssuedCount": 0}'
LENGTH = b"content-length: %d" % len(BODY)


def answer(*head, body=BODY, end=b"\r\n"):
    """An answer as bytes."""
    return end.join([*head, b"", body])


USUAL = answer(b"HTTP/1.1 200 OK", LENGTH)


class Listening:
    """A server that answers each request with the next of `answers`, or the last; `requests` came on `connections`.

    It closes the connection after what has no length or is of HTTP/1.0, and with `closes` always.
    """

    def __init__(self, listener, answers, one_at_a_time, closes):
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self.requests, self.connections, self.closed = [], 0, threading.Semaphore(0)
        self._listener, self._answers, self._one_at_a_time, self._closes = listener, answers, one_at_a_time, closes

    def serve(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            if self._one_at_a_time:
                self.answer(connection)
            else:
                threading.Thread(target=self.answer, args=[connection], daemon=True).start()

    def answer(self, connection):
        self.serve_until_closed(connection)
        self.closed.release()

    def serve_until_closed(self, connection):
        with connection, connection.makefile("rb") as file:
            while head := b"".join(takewhile(lambda line: line != b"\r\n", iter(file.readline, b""))):
                length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
                self.requests.append((head, file.read(int(length[1]) if length else 0)))
                said = self._answers[min(len(self.requests), len(self._answers)) - 1]
                connection.sendall(said)
                if self._closes or b"content-length" not in said or b"HTTP/1.0" in said:
                    return


@contextmanager
def listening(*answers, one_at_a_time=False, closes=False):
    with create_server(("127.0.0.1", 0)) as listener:
        server = Listening(listener, answers, one_at_a_time, closes)
        thread = threading.Thread(target=server.serve, daemon=True)
        thread.start()
        yield server


def without_what_differs(request):
    """A request without the fields that no two requests have alike."""
    head, body = request
    fields = head.split(b"\r\n")
    return [
        re.sub(rb"(?i)^((x-acs-(date|signature-nonce)|authorization): ).*", rb"\1", field) for field in fields
    ], body


@pytest.mark.parametrize("parameters", [{}, {"ProductCode": "a b/c~d+\u00e4", "ShowSize": 5}], ids=["no", "some"])
def test_a_request_is_the_one_that_the_sdk_sends(parameters):
    runtime = sdk.RuntimeOptions(connect_timeout=10_000, read_timeout=10_000)
    with listening(USUAL) as server:
        sdk.send_raw(connect(server.url, key=KEY), Operation.DESCRIBE_PACKAGE, "2020-04-07", parameters, runtime)
        HTTPDriver(server.url, key=KEY).request(Operation.DESCRIBE_PACKAGE, parameters)
        by_sdk, ours = map(without_what_differs, server.requests)
        assert [each.lower() for each in ours[0]] == [each.lower() for each in by_sdk[0]]
        assert ours[1] == by_sdk[1]


CHUNKED = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)


@pytest.mark.parametrize(
    "said",
    [
        USUAL,
        answer(b"HTTP/1.1 200", LENGTH),
        answer(b"HTTP/1.0 200 OK", LENGTH),
        answer(b"HTTP/1.1 200 OK", LENGTH, end=b"\n"),
        answer(b"HTTP/1.1 200 OK", b"Content-Length : %d" % len(BODY)),
        answer(b"HTTP/1.1 200 OK", LENGTH, b"X-Folded: a", b"  b", b"Set-Cookie: a=b", b"Set-Cookie: c=d"),
        answer(b"HTTP/1.1 200 OK", b"connection: close"),
        answer(b"HTTP/1.1 200 OK", b"transfer-encoding: chunked", body=CHUNKED),
        answer(b"HTTP/1.1 100 Continue", b"", answer(b"HTTP/1.1 200 OK", LENGTH), body=b"")[:-2],
        answer(b"HTTP/1.1 200 OK", LENGTH, body=BODY + b"and more"),
    ],
    ids=["usual", "no reason", "1.0", "line feeds", "spaces", "twice", "until the end", "chunks", "continue", "more"],
)
def test_an_answer_is_read_however_it_is_written(said):
    with listening(said) as server:
        driver = HTTPDriver(server.url, server.url, timeout=PATIENCE)
        for _ in range(3):
            assert driver.quota().total == 20
            assert driver._control.ask("GET", "/orders/1")[0] == 200


@pytest.mark.parametrize("status", [201, 204, 304, 400, 404, 500, 503])
def test_an_answer_of_any_status_is_read_and_the_connection_kept(status):
    body = b"" if status in {204, 304} else BODY
    said = answer(b"HTTP/1.1 %d Said" % status, LENGTH, body=body)
    with listening(said) as server:
        control = HTTPDriver(server.url, server.url, timeout=PATIENCE)._control
        for _ in range(3):
            assert control.ask("GET", "/orders/1") == (status, json.loads(body) if body else None)
        assert server.connections == 1


def test_an_answer_that_was_packed_is_unpacked_as_the_sdk_does():
    packed = gzip.compress(BODY)
    head = b"HTTP/1.1 200 OK", b"content-encoding: gzip", b"content-length: %d" % len(packed)
    with listening(answer(*head, body=packed)) as server:
        assert HTTPDriver(server.url).quota().total == 20


@pytest.mark.parametrize("encoding", [b"identity", b"br", b""])
def test_an_answer_of_another_encoding_is_read_as_it_came(encoding):
    with listening(answer(b"HTTP/1.1 200 OK", b"content-encoding: " + encoding, LENGTH)) as server:
        assert HTTPDriver(server.url).quota().total == 20


def test_an_answer_that_sends_the_caller_elsewhere_is_followed_as_by_the_sdk():
    moved = answer(b"HTTP/1.1 307 Temporary Redirect", b"location: /elsewhere", b"content-length: 0", body=b"")
    with listening(moved, moved, USUAL) as server:
        assert HTTPDriver(server.url).quota().total == 20
        assert server.requests[-1][0].startswith(b"POST /elsewhere ")


@pytest.mark.parametrize(
    "said",
    [b"", b"nonsense\r\n\r\n", USUAL[:-5], USUAL[: -len(BODY)], b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 9999],
    ids=["nothing", "no http", "cut short", "no body", "no end"],
)
def test_what_is_no_answer_is_none(said):
    with listening(said, closes=True) as server:
        driver = HTTPDriver(server.url, server.url, timeout=PATIENCE)
        for read in (driver.quota, lambda: driver._control.ask("GET", "/orders/1")):
            with pytest.raises(NoAnswer):
                read()


def test_one_connection_serves_all_requests_until_the_server_closes_it():
    closing = answer(b"HTTP/1.1 200 OK", LENGTH, b"connection: close")
    with listening(*[USUAL] * 5, closing, USUAL) as server:
        connections = Connections("127.0.0.1", int(server.url.rpartition(":")[2]), keeps_all=True)
        for expected in (1, 1, 1, 1, 1, 1, 2):
            assert connections.ask("GET", "/", {}, b"", (PATIENCE, PATIENCE)).body == BODY
            assert server.connections == expected


@pytest.mark.parametrize("keeps_all", [True, False])
def test_where_the_server_closes_each_connection_without_a_word_none_is_used_again(keeps_all, monkeypatch):
    monkeypatch.setattr("orderfsm.testing.drivers.connections.TELLING", PATIENCE)
    with listening(USUAL, closes=True) as server:
        connections = Connections("127.0.0.1", int(server.url.rpartition(":")[2]), keeps_all=keeps_all)
        for expected in range(1, 50):
            assert connections.ask("GET", "/", {}, b"", (PATIENCE, PATIENCE)).body == BODY
            assert server.connections == expected


def test_a_connection_that_the_server_closed_unasked_is_not_used_again():
    with listening(USUAL) as server:
        connections = Connections("127.0.0.1", int(server.url.rpartition(":")[2]), keeps_all=True)
        assert connections.ask("GET", "/", {}, b"", (PATIENCE, PATIENCE)).body == BODY
        connections._kept[0].socket.shutdown(SHUT_WR)  # the server ends when it has read that
        assert server.closed.acquire(timeout=PATIENCE)
        assert connections.ask("GET", "/", {}, b"", (PATIENCE, PATIENCE)).body == BODY
        assert server.connections == 2


def test_once_a_request_on_a_kept_connection_was_lost_none_is_kept():
    with listening(USUAL, b"", USUAL) as server:
        connections = Connections("127.0.0.1", int(server.url.rpartition(":")[2]), keeps_all=True)
        answered = []
        for _ in range(4):
            with suppress(ConnectionError):
                answered.append(connections.ask("GET", "/", {}, b"", (PATIENCE, PATIENCE)).body)
        assert answered == [BODY] * 3
        assert server.connections == 3
