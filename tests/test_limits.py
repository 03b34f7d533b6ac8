"""What a client may take of a port: time, size and number of connections; who takes more is told, and so is the log."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
from urllib.parse import urlsplit

import attrs
import pytest

pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")

from orderfsm.mock import Service
from orderfsm.mock.http.app import create_app, create_control_app
from orderfsm.mock.http.connection import MAX_BODY, Limits
from orderfsm.mock.http.port import served

PATIENCE = 60
QUICK = Limits(arrival=0.3, idle=1, reading=0.3)
CALL = b"POST /?Domain=example.com HTTP/1.1\r\nhost: 127.0.0.1\r\nx-acs-version: 2020-04-07\r\n"
CREATE = CALL + b"x-acs-action: CreateCertificateForPackageRequest\r\n"


@contextlib.contextmanager
def serving(app, limits):
    """A port with these limits: its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener, served(app, listener, limits):
        yield listener.getsockname()


@pytest.fixture(params=["api", "control"])
def port(request):
    """What serves one of the two ports with given limits."""
    make = create_app if request.param == "api" else create_control_app
    return lambda limits: serving(make(Service()), limits)


def said(address, *sent):
    """All that the server says to what is sent, until it closes the connection."""
    with socket.create_connection(address, timeout=PATIENCE) as connection:
        for data in sent:
            connection.sendall(data)
        return rest(connection)


def rest(connection):
    parts = []
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


def status_and_code(answer):
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/json" in head
    return int(head.split()[1]), json.loads(body)["Code"]


def lines(caplog):
    """What an operator sees."""
    return [record.getMessage() for record in caplog.records]


def serves(address):
    """Whether the port still answers a whole request."""
    connection = http.client.HTTPConnection(*address, timeout=PATIENCE)
    with contextlib.closing(connection):
        connection.request("POST", "/health")
        return connection.getresponse().status < 500


# -- time --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"\r\n",
        b"POST",
        CREATE,
        CREATE + b"content-length: 10\r\n\r\nabc",
        CREATE + b"transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n",
        CREATE + b"\r\n" + b"POST / HT",
    ],
    ids=["nothing", "a line end", "a word", "half a head", "half a body", "a chunk", "half a second one"],
)
def test_a_request_that_does_not_arrive_in_time_ends_its_connection(port, sent, caplog):
    with port(QUICK) as address:
        answer = said(address, sent)
        whole = CREATE + b"\r\n" in sent
        if whole:
            assert answer.startswith((b"HTTP/1.1 200", b"HTTP/1.1 404"))
        elif b"content-length" not in sent and b"chunked" not in sent:
            assert status_and_code(answer) == (408, "RequestTimeout")
        assert len(lines(caplog)) == 1
        assert "no complete request within 0.3 s" in lines(caplog)[0]
        assert serves(address)


def test_line_ends_are_no_request_that_keeps_a_connection(port, caplog):
    with port(QUICK) as address, socket.create_connection(address, timeout=PATIENCE) as connection:
        connection.sendall(CREATE + b"\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1")
        connection.sendall(b"\r\n")
        rest(connection)
        assert len(lines(caplog)) == 1


def test_one_that_drips_is_given_no_more_time(port):
    with port(QUICK) as address, socket.create_connection(address, timeout=PATIENCE) as connection:
        ended = threading.Event()

        def drip():
            with contextlib.suppress(OSError):
                connection.sendall(CREATE)
                while not ended.wait(0.02):
                    connection.sendall(b"x: y\r\n")

        dripping = threading.Thread(target=drip)
        dripping.start()
        assert rest(connection)[:12] in {b"HTTP/1.1 408", b""}
        ended.set()
        dripping.join()


def test_a_connection_on_which_nothing_is_asked_is_closed_without_a_word(port, caplog):
    with port(QUICK) as address:
        assert said(address, CREATE + b"\r\n")
        assert lines(caplog) == []


def test_a_call_that_is_delayed_is_no_request_that_is_late(caplog):
    from orderfsm.mock import Fault

    service = Service()
    service.add_fault(Fault(delay=0.5, times=2))
    with serving(create_app(service), QUICK) as address:
        answer = said(address, (CREATE + b"content-length: 2\r\n\r\nab") * 2)
        assert answer.count(b"HTTP/1.1 200") == 2
        assert lines(caplog) == []


def test_who_reads_nothing_of_a_long_answer_is_cut_off(caplog):
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(64):
            await send({"type": "http.response.body", "body": b"x" * 1_000_000, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    with serving(app, QUICK) as address, socket.create_connection(address, timeout=PATIENCE) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        with serving(create_app(Service()), QUICK) as other:
            while not lines(caplog):
                assert serves(other)
        assert len(rest(connection)) < 64_000_000
        assert "read nothing of an answer for 0.3 s: closed" in lines(caplog)[0]


# -- size --------------------------------------------------------------------------------------------------------------

SMALL = Limits(target=1000, head=2000, fields=20)


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (b"GET /%s HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n" % (b"x" * 1000), 414, "URITooLong"),
        (b"GET /%s" % (b"x" * 4000), 414, "URITooLong"),
        (CREATE + b"x: %s\r\n\r\n" % (b"y" * 2000), 431, "HeaderFieldsTooLarge"),
        (CREATE + b"%s: y\r\n\r\n" % (b"x" * 2000), 431, "HeaderFieldsTooLarge"),
        (CREATE + b"x: y\r\n" * 20 + b"\r\n", 431, "HeaderFieldsTooLarge"),
        (CREATE + b"x: %s" % (b"y" * 4000), 431, "HeaderFieldsTooLarge"),
        (CREATE + b"x: yyyyyyyy\r\n" * 400, 431, "HeaderFieldsTooLarge"),
    ],
)
def test_a_head_that_is_too_large_is_refused(port, sent, status, code, caplog):
    with port(SMALL) as address:
        assert status_and_code(said(address, sent)) == (status, code)
        assert len(lines(caplog)) == 1
        assert "refused" in lines(caplog)[0]
        assert serves(address)


def test_a_head_without_an_end_is_refused_by_the_limits_that_are_the_default(port):
    with port(Limits()) as address:
        assert status_and_code(said(address, CREATE + b"x: " + b"y" * 140_000)) == (431, "HeaderFieldsTooLarge")
        assert status_and_code(said(address, b"GET /" + b"y" * 140_000)) == (414, "URITooLong")


@pytest.mark.parametrize("path", ["/faults", "/dashboard/orders/1/events", "/"])
@pytest.mark.parametrize("how", ["with its length", "in chunks"])
def test_a_body_that_is_too_large_is_refused_wherever_it_is_sent(path, how, caplog):
    make = create_app if path == "/" else create_control_app
    body = b"x" * (MAX_BODY + 1)
    with serving(make(Service()), Limits()) as address:
        connection = http.client.HTTPConnection(*address, timeout=PATIENCE)
        with contextlib.closing(connection):
            connection.request("POST", path, body if how == "with its length" else iter([body]))
            response = connection.getresponse()
            assert (response.status, json.loads(response.read())["Code"]) == (413, "RequestTooLarge")
            assert len(lines(caplog)) == 1
            connection.request("POST", path, b"x" * 1000)  # what was left of the body is no request
            assert connection.getresponse().status < 500


def test_what_is_sent_after_a_refusal_is_not_taken_for_ever(caplog):
    with serving(create_app(Service()), Limits()) as address:
        with socket.create_connection(address, timeout=PATIENCE) as connection:
            connection.sendall(CREATE + b"content-length: 10000000000\r\n\r\n")
            with contextlib.suppress(OSError):
                for _ in range(1000):
                    connection.sendall(b"x" * 1_000_000)
                pytest.fail("it took a thousand times what a body may have")
        assert [line.partition(": ")[2].partition(": ")[2] for line in lines(caplog)] == [
            f"a body of more than {MAX_BODY} bytes was refused",
            "sent far more than a request may have: closed",
        ]
        assert serves(address)


def test_fields_after_a_body_do_nothing(caplog):
    chunked = CREATE + b"transfer-encoding: chunked\r\nconnection: close\r\n\r\n1\r\nx\r\n0\r\n"
    with serving(create_app(Service()), SMALL) as address:
        assert said(address, chunked + b"x-acs-action: DeleteCertificateRequest\r\n\r\n").startswith(b"HTTP/1.1 200")


def test_what_is_no_http_is_told_in_json(port):
    with port(Limits()) as address:
        assert status_and_code(said(address, b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n")) == (400, "InvalidRequest")


def test_requests_of_every_kind_that_are_within_the_limits_are_answered(server):
    parts = urlsplit(server.api)
    long = "x" * 60_000
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=PATIENCE)
    headers = {"x-acs-version": "2020-04-07", "x-acs-action": "CreateCertificateForPackageRequest", "x-long": long}
    with contextlib.closing(connection):
        connection.request("POST", f"/?Domain=example.com&Other={long}", f"Form={'y' * 1_000_000}", headers)
        assert connection.getresponse().status == 200


# -- number ------------------------------------------------------------------------------------------------------------


def test_of_more_connections_than_there_may_be_the_last_are_refused(port, caplog):
    with port(attrs.evolve(Limits(), connections=5)) as address, contextlib.ExitStack() as stack:
        first = [stack.enter_context(socket.create_connection(address, timeout=PATIENCE)) for _ in range(5)]
        for connection in first:
            connection.sendall(CREATE + b"\r\n")
            assert connection.recv(1)
        assert status_and_code(said(address)) == (503, "TooManyConnections")
        assert len(lines(caplog)) == 1
        first[0].close()
        while not serves(address):
            pass
