"""The recorder: what passes between clients and an ACME server becomes lines, and nothing of it is changed or kept."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import urllib.error
import urllib.request
from base64 import urlsafe_b64encode
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise

import pytest

from orderfsm import InvalidValue, trace
from orderfsm.cli import main
from orderfsm.tables.acme import Event, Operation
from orderfsm.trace import Finding, Outcome

pytest.importorskip("cryptography")
from orderfsm.recorder import Answer, Asked, Exchange, Observer, Unanswered, recording

ORIGIN = "https://acme.example"
DIRECTORY = {
    name: f"{ORIGIN}/{name}"
    for name in ("newNonce", "newAccount", "newOrder", "revokeCert", "keyChange", "renewalInfo")
}
ORDER, AUTHZ, CHALLENGE = f"{ORIGIN}/order/1", f"{ORIGIN}/authz/{{}}", f"{ORIGIN}/challenge/{{}}"
FINALIZE, CERTIFICATE = f"{ORIGIN}/finalize/1", f"{ORIGIN}/certificate/1"
NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
NEW, READ, FINALIZED, DEACTIVATED, DOWNLOADED, REVOKED = Operation
ALL_VALID, FAILED_AUTHORIZATION, *_, EXPIRED = Event
URN = "urn:ietf:params:acme:error:"


def encoded(said):
    text = said if isinstance(said, bytes) else json.dumps(said).encode()
    return urlsafe_b64encode(text).rstrip(b"=").decode()


def signed(url, payload=b"", kid=f"{ORIGIN}/account/ab12"):
    protected = {"alg": "ES256", "kid": kid, "nonce": "secret-nonce", "url": url}
    return json.dumps({"protected": encoded(protected), "payload": encoded(payload), "signature": "secret"}).encode()


class Talk:
    """A talk of clients and a server, a second for each exchange."""

    def __init__(self, **directory):
        self.observer = Observer(ORIGIN)
        self.observer.directory(f"{ORIGIN}/directory", DIRECTORY | directory)
        self.lines, self.now = [], NOON

    def post(self, url, payload=b"", status=200, body=None, *, headers=None, method="POST", client="ab12"):
        """A request, which is a POST-as-GET without a payload, and what was answered; the lines that it is."""
        said = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
        asked = Asked.of(method, url, signed(url, payload, f"{ORIGIN}/account/{client}") if method == "POST" else b"")
        answer = None if status is None else Answer(status, headers or {}, said)
        begun, self.now = self.now, self.now + timedelta(seconds=1)
        found = self.observer.saw(Exchange(asked, answer, begun, self.now))
        self.lines += found
        return [(line.trigger, line.outcome, line.code or line.state) for line in found]

    def begins(self, names=1, status="pending", **more):
        return self.post(DIRECTORY["newOrder"], {}, 201, order(status, names, **more), headers={"location": ORDER})

    def authorization(self, number, status, method=None):
        challenges = [
            {"type": "http-01", "url": CHALLENGE.format(number), "token": "secret-token", "status": "pending"}
        ]
        said = {"status": status, "identifier": {"type": "dns", "value": "a.test"}, "challenges": challenges}
        payload = b"" if method is None else {"status": method}
        return self.post(AUTHZ.format(number), payload, body=said)

    def challenge(self, number, status, payload=b""):
        return self.post(CHALLENGE.format(number), payload, body={"type": "http-01", "status": status})

    def finding(self, events=None):
        return trace.replay(self.lines, events=events)


def order(status, names=1, **more):
    authorizations = [AUTHZ.format(number) for number in range(1, names + 1)]
    return {"status": status, "authorizations": authorizations, "finalize": FINALIZE, **more}


def refused(code, status=403):
    return {"status": status, "body": {"type": URN + code, "detail": "no"}}


HAPPENED = Outcome.ACCEPTED, None


# -- what an exchange says ---------------------------------------------------------------------------------------------


def test_a_life_as_its_client_sees_it():
    talk = Talk()
    assert talk.begins() == [(NEW, Outcome.ACCEPTED, "pending")]
    assert talk.authorization(1, "pending") == []
    assert talk.challenge(1, "processing", {}) == []
    assert talk.authorization(1, "valid") == [(ALL_VALID, *HAPPENED)]
    assert talk.post(ORDER, body=order("ready")) == [(READ, Outcome.ACCEPTED, "ready")]
    assert talk.post(FINALIZE, {"csr": ""}, body=order("processing")) == [(FINALIZED, Outcome.ACCEPTED, "processing")]
    valid = order("valid", certificate=CERTIFICATE)
    assert talk.post(ORDER, body=valid) == [(READ, Outcome.ACCEPTED, "valid")]
    assert talk.post(CERTIFICATE, body=b"...") == [(DOWNLOADED, *HAPPENED)]
    assert {line.order_id for line in talk.lines} == {ORDER}
    assert {line.client for line in talk.lines if line.lifecycle.by_client(line.trigger)} == {"ab12"}
    assert [line.extra["http_status"] for line in talk.lines[:1]] == [201]
    assert (talk.finding().verdict, talk.observer.unread) == (Finding.CONFORMS, {})


def test_the_order_is_named_by_the_servers_url_whatever_host_the_client_asked_for():
    talk = Talk()
    talk.post(
        "http://localhost:99/newOrder", {}, 201, order("pending"), headers={"location": "http://localhost:99/order/1"}
    )
    assert [line.order_id for line in talk.lines] == [ORDER]
    assert talk.post("http://127.0.0.1:99/order/1", body=order("pending")) == [(READ, Outcome.ACCEPTED, "pending")]


def test_a_refusal_has_the_code_of_its_problem_document():
    talk = Talk()
    talk.begins()
    assert talk.post(FINALIZE, {"csr": ""}, **refused("orderNotReady")) == [
        (FINALIZED, Outcome.REFUSED, "orderNotReady")
    ]
    assert talk.post(ORDER, **refused("rateLimited", 429)) == [(READ, Outcome.REFUSED, "rateLimited")]
    assert talk.post(ORDER, status=404, body=b"<html>") == [(READ, Outcome.REFUSED, None)]
    assert talk.post(ORDER, method="GET", **refused("malformed", 405)) == [(READ, Outcome.REFUSED, "malformed")]
    assert talk.lines[1].extra == {"http_status": 403}
    assert talk.finding().verdict is Finding.UNDECIDED, "nobody knows what a refusal without a code means"


def test_what_became_of_a_call_without_an_answer_is_unknown():
    talk = Talk()
    talk.begins()
    assert talk.post(FINALIZE, {"csr": ""}, None) == [(FINALIZED, Outcome.UNKNOWN, None)]
    assert talk.post(FINALIZE, {"csr": ""}, 502, b"bad gateway") == [(FINALIZED, Outcome.UNKNOWN, None)]
    assert talk.post(ORDER, **refused("serverInternal", 500)) == [(READ, Outcome.REFUSED, "serverInternal")]


def test_an_order_that_was_not_taken_is_a_line_of_the_account():
    talk = Talk()
    talk.post(DIRECTORY["newOrder"], {}, **refused("rejectedIdentifier"))
    talk.post(DIRECTORY["newOrder"], {}, None)
    assert [(line.order_id, line.of_the_account) for line in talk.lines] == [(None, True)] * 2
    talk.begins()
    read = [trace.loads(trace.dumps(line)) for line in talk.lines]
    assert [line.lifecycle.name for line in read] == ["acme"] * 3
    assert (trace.replay(read).account_lines, trace.replay(read).orders) == (2, 1)


def test_an_order_that_is_answered_again_is_read_and_does_not_begin_anew():
    """A server may answer newOrder with the order for the same names that there is: RFC 8555 does not say."""
    talk = Talk()
    talk.begins()
    assert talk.begins() == [(READ, Outcome.ACCEPTED, "pending")]
    assert talk.finding().verdict is Finding.CONFORMS


# -- authorizations ----------------------------------------------------------------------------------------------------


def test_all_authorizations_are_valid_once_the_last_of_them_is():
    talk = Talk()
    talk.begins(names=2)
    talk.authorization(1, "pending")
    talk.authorization(2, "pending")
    assert talk.authorization(1, "valid") == []
    assert talk.challenge(2, "processing") == []
    assert talk.challenge(2, "valid") == [(ALL_VALID, *HAPPENED)], "a challenge makes its authorization valid"
    assert talk.authorization(2, "valid") == [], "it happens once"


def test_an_event_has_the_interval_of_the_exchange_that_showed_it():
    talk = Talk()
    talk.begins()
    talk.authorization(1, "valid")
    assert (talk.lines[-1].started, talk.lines[-1].ended) == ("2026-11-29T12:00:01+00:00", "2026-11-29T12:00:02+00:00")


@pytest.mark.parametrize("status", ["invalid", "deactivated", "expired", "revoked"])
def test_one_authorization_that_fails_is_enough(status):
    talk = Talk()
    talk.begins(names=2)
    talk.authorization(1, "valid")
    assert talk.authorization(2, status) == [(FAILED_AUTHORIZATION, *HAPPENED)]
    assert talk.authorization(2, status) == []
    assert talk.post(ORDER, body=order("pending", 2)) == [(READ, Outcome.ACCEPTED, "pending")]
    assert talk.finding().verdict is Finding.VIOLATES, "an order outlived its authorization"


def test_what_the_order_showed_first_is_no_event():
    talk = Talk()
    talk.begins()
    talk.post(ORDER, body=order("ready"))
    assert talk.authorization(1, "valid") == []
    talk = Talk()
    talk.begins(status="ready")
    assert talk.authorization(1, "valid") == []
    talk = Talk()
    talk.begins(status="valid", certificate=CERTIFICATE)
    assert talk.authorization(1, "expired") == [], "of orders that are valid, nobody says what that means"


def test_an_authorization_that_is_shared_is_of_each_of_its_orders():
    talk = Talk()
    talk.begins()
    other = order("pending", finalize=f"{ORIGIN}/finalize/2")
    talk.post(DIRECTORY["newOrder"], {}, 201, other, headers={"location": f"{ORIGIN}/order/2"})
    assert talk.authorization(1, "valid") == [(ALL_VALID, *HAPPENED)] * 2
    assert {line.order_id for line in talk.lines[-2:]} == {ORDER, f"{ORIGIN}/order/2"}


def test_what_was_valid_for_an_earlier_order_counts_when_the_rest_is_valid():
    talk = Talk()
    talk.begins()
    talk.authorization(1, "valid")
    url = f"{ORIGIN}/order/2"
    begun = talk.post(DIRECTORY["newOrder"], {}, 201, order("pending", 2), headers={"location": url})
    assert begun == [(NEW, Outcome.ACCEPTED, "pending")], "what was known before shows nothing of the new order"
    assert talk.authorization(2, "valid") == [(ALL_VALID, *HAPPENED)]
    assert talk.lines[-1].order_id == url


def test_a_client_asks_that_an_authorization_be_deactivated():
    talk = Talk()
    talk.begins()
    assert talk.authorization(1, "deactivated", "deactivated") == [(DEACTIVATED, *HAPPENED)]
    assert talk.post(ORDER, body=order("invalid")) == [(READ, Outcome.ACCEPTED, "invalid")]
    assert talk.finding("complete").verdict is Finding.CONFORMS
    assert talk.post(ORDER, body=order("ready")) == [(READ, Outcome.ACCEPTED, "ready")]
    assert talk.finding().violations[0].index == 3


def test_a_challenge_of_an_authorization_that_is_settled_changes_nothing():
    talk = Talk()
    talk.begins()
    talk.authorization(1, "valid")
    assert talk.challenge(1, "invalid") == []


# -- expiry ------------------------------------------------------------------------------------------------------------


def test_an_order_that_is_invalid_after_it_expired_has_expired_when_it_said():
    talk = Talk()
    talk.begins(expires=(NOON + timedelta(seconds=3)).isoformat())
    talk.post(ORDER, body=order("pending"))
    talk.now += timedelta(seconds=10)
    talk.post(FINALIZE, {"csr": ""}, **refused("orderNotReady"))
    assert talk.post(ORDER, body=order("invalid")) == [(EXPIRED, *HAPPENED), (READ, Outcome.ACCEPTED, "invalid")]
    expired = next(line for line in talk.lines if line.trigger is EXPIRED)
    assert expired.time == "2026-11-29T12:00:03+00:00"
    assert talk.finding("complete").verdict is Finding.CONFORMS


@pytest.mark.parametrize(("after", "failed"), [(timedelta(hours=1), None), (timedelta(0), "invalid")])
def test_an_order_that_is_invalid_for_another_reason_has_not_expired(after, failed):
    talk = Talk()
    talk.begins(expires=(NOON + after).isoformat())
    if failed:
        talk.authorization(1, failed)
    assert talk.post(ORDER, body=order("invalid")) == [(READ, Outcome.ACCEPTED, "invalid")]


# -- certificates ------------------------------------------------------------------------------------------------------

PEM = b"-----BEGIN CERTIFICATE-----\n" + urlsafe_b64encode(b"leaf") + b"\n-----END CERTIFICATE-----\n"


def test_a_revocation_is_of_the_order_whose_certificate_was_downloaded():
    talk = Talk()
    talk.begins(status="valid", certificate=CERTIFICATE)
    other = f"{ORIGIN}/certificate/1/1"
    links = {"link": f'<{ORIGIN}/directory>;rel="index", <{other}>;rel="alternate"'}
    talk.post(CERTIFICATE, body=PEM * 2, headers=links)
    assert talk.post(other, body=PEM) == [(DOWNLOADED, *HAPPENED)]
    assert talk.post(DIRECTORY["revokeCert"], {"certificate": encoded(b"leaf")}) == [(REVOKED, *HAPPENED)]
    assert talk.lines[-1].order_id == ORDER
    assert talk.post(DIRECTORY["revokeCert"], {"certificate": encoded(b"other")}) == []
    assert talk.post(DIRECTORY["revokeCert"], {"certificate": 7}) == []
    assert sum(talk.observer.unread.values()) == 2


# -- what is not about orders, and what cannot be read -----------------------------------------------------------------


def test_the_account_and_nonces_are_about_no_order():
    talk = Talk()
    account = f"{ORIGIN}/account/ab12"
    talk.post(f"{ORIGIN}/directory", method="GET", body=DIRECTORY)
    talk.post(DIRECTORY["newNonce"], method="HEAD")
    said = {"status": "valid", "orders": f"{account}/orders"}
    talk.post(DIRECTORY["newAccount"], {}, 201, said, headers={"location": account})
    talk.post(account, {"contact": []}, body=said)
    talk.post(f"{account}/orders", body={"orders": [ORDER]})
    talk.post(DIRECTORY["renewalInfo"] + "/abc.def", method="GET", body={"suggestedWindow": {}})
    assert (talk.lines, talk.observer.unread) == ([], {})


def test_what_cannot_be_read_is_counted():
    talk = Talk()
    talk.post(FINALIZE, {"csr": ""}, body=order("processing"))
    talk.post(f"{ORIGIN}/somewhere")
    talk.begins()
    talk.post(ORDER, {})
    talk.authorization(1, "pending", "valid")
    talk.post(DIRECTORY["newOrder"], {}, 201, order("pending"))
    assert talk.observer.unread == {
        "POST /finalize/1": 1,
        "POST /somewhere": 1,
        "a POST to an order, which asks for nothing known": 1,
        "a POST to an authorization, which asks for nothing known": 1,
        "an order without a URL": 1,
    }


def test_an_order_from_before_is_learned_when_it_is_read():
    talk = Talk()
    assert talk.post(ORDER, body=order("pending")) == [(READ, Outcome.ACCEPTED, "pending")]
    assert talk.authorization(1, "valid") == [(ALL_VALID, *HAPPENED)]
    assert talk.post(FINALIZE, {"csr": ""}, body=order("valid")) == [(FINALIZED, Outcome.ACCEPTED, "valid")]
    assert talk.observer.about(Asked("POST", AUTHZ.format(1))) == [ORDER]


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b'{"status": 3, "authorizations": 1, "finalize": []}'])
@pytest.mark.parametrize("url", [ORDER, FINALIZE, AUTHZ.format(1), CHALLENGE.format(1), *DIRECTORY.values()])
def test_whatever_a_server_answers_it_is_passed_over(url, body):
    talk = Talk()
    talk.begins()
    talk.authorization(1, "pending")
    for status in (200, 404, 500):
        headers = {"location": "http://[", "link": '<http://[>;rel="alternate"'}
        talk.post(url, {"certificate": "", "status": "deactivated"}, status, body, headers=headers)
        talk.post(url, b"", status, body)


def test_an_order_whose_url_is_no_id_is_counted_and_passed_over():
    talk = Talk()
    for url in (f"{ORIGIN}/order/{'1' * 2048}", f"{ORIGIN}/order 1", "http://[ "):
        assert talk.post(DIRECTORY["newOrder"], {}, 201, order("pending"), headers={"location": url}) == []
    assert sum(talk.observer.unread.values()) == 3
    assert talk.begins() == [(NEW, Outcome.ACCEPTED, "pending")]


# -- the proxy ---------------------------------------------------------------------------------------------------------


@contextmanager
def server(origin=None, answers=None):
    """An HTTP server whose URLs follow the host that it is asked for, or are below `origin`; what it was asked."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked.append((self.command, self.path, dict(self.headers), body))
            here = origin or f"http://{self.headers['Host']}"
            status, headers, said = (answers or {}).get(self.path) or (200, {}, directory(here))
            if status is None:
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}")
                return
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value.format(here=here))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(said if isinstance(said, bytes) else json.dumps(said).replace("HERE", here).encode())

        do_GET = do_HEAD = do_POST  # noqa: N815

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{http.server_address[1]}/dir", asked
        finally:
            http.shutdown()
            thread.join()


def directory(here):
    return {name: f"{here}/{name}" for name in DIRECTORY}


def ask(url, body=None, **options):
    request = urllib.request.Request(url, body, {"Content-Type": "application/jose+json"})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=20, **options) as answer:
        return answer.status, dict(answer.headers), answer.read()


NEW_ORDER = {"status": "pending", "authorizations": ["HERE/authz/1"], "finalize": "HERE/finalize/1"}


def test_what_passes_is_not_changed_and_the_server_is_asked_by_the_recorders_host(tmp_path):
    answers = {"/newOrder": (201, {"Location": "{here}/order/1", "Replay-Nonce": "n1"}, NEW_ORDER)}
    with server(answers=answers) as (url, asked), recording(url, tmp_path / "a.jsonl") as recorder:
        assert recorder.directory.startswith("http://localhost:")
        here = recorder.directory.removesuffix("/dir")
        names = json.loads(ask(recorder.directory)[2])
        assert names == directory(here)
        body = signed(names["newOrder"], {"identifiers": []})
        status, headers, said = ask(names["newOrder"], body)
        assert (status, headers["Location"], headers["Replay-Nonce"]) == (201, f"{here}/order/1", "n1")
        assert json.loads(said)["finalize"] == f"{here}/finalize/1"
        method, path, sent, passed = asked[-1]
        assert (method, path, passed) == ("POST", "/newOrder", body)
        assert (f"http://{sent['Host']}", sent["Content-Type"]) == (here, "application/jose+json")
        assert (recorder.totals.requests, recorder.totals.lines, recorder.totals.orders) == (2, 1, 1)
        written = (tmp_path / "a.jsonl").read_text()
    assert url.removesuffix("/dir") + "/order/1" in written, "each line is there before the client has its answer"


def test_nothing_that_is_secret_is_written(tmp_path):
    said = {**NEW_ORDER, "token": "secret-token"}
    answers = {"/newOrder": (201, {"Location": "{here}/order/1", "Replay-Nonce": "secret-nonce"}, said)}
    with server(answers=answers) as (url, _), recording(url, tmp_path / "a.jsonl") as recorder:
        ask(recorder.directory.replace("dir", "newOrder"), signed("u", {"identifiers": ["secret-name"]}))
    assert "secret" not in (tmp_path / "a.jsonl").read_text()
    fields = {"time", "order_url", "operation", "outcome", "state", "client", "started", "ended", "http_status"}
    assert set(json.loads((tmp_path / "a.jsonl").read_text().splitlines()[1])) == fields


def test_errors_pass_as_they_are_and_an_answer_that_is_cut_off_is_none(tmp_path):
    problem = {"type": f"{URN}orderNotReady"}
    answers = {
        "/newOrder": (201, {"Location": "{here}/order/1"}, NEW_ORDER),
        "/finalize/1": (403, {"Content-Type": "application/problem+json"}, problem),
        "/order/1": (None, {}, b""),
    }
    with server(answers=answers) as (url, _), recording(url, tmp_path / "a.jsonl") as recorder:
        here = recorder.directory.removesuffix("/dir")
        ask(f"{here}/newOrder", signed("u", {}))
        with pytest.raises(urllib.error.HTTPError) as refused_:
            ask(f"{here}/finalize/1", signed("u", {}))
        with refused_.value as answer:
            assert (answer.code, json.loads(answer.read())) == (403, problem)
        with pytest.raises(urllib.error.HTTPError) as lost:
            ask(f"{here}/order/1", signed("u"))
        with lost.value as answer:
            assert (answer.code, recorder.totals.unanswered) == (502, 1)
    lines = [line for line in trace.read(tmp_path / "a.jsonl") if isinstance(line, trace.Line)]
    assert [line.outcome for line in lines] == [Outcome.ACCEPTED, Outcome.REFUSED, Outcome.UNKNOWN]


def test_requests_about_one_order_are_let_through_one_after_the_other(tmp_path):
    answers = {"/newOrder": (201, {"Location": "{here}/order/1"}, NEW_ORDER), "/order/1": (200, {}, NEW_ORDER)}
    with server(answers=answers) as (url, _), recording(url, tmp_path / "a.jsonl") as recorder:
        here = recorder.directory.removesuffix("/dir")
        ask(f"{here}/newOrder", signed("u", {}))
        threads = [threading.Thread(target=ask, args=(f"{here}/order/1", signed("u"))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    lines = [line for line in trace.read(tmp_path / "a.jsonl") if isinstance(line, trace.Line)]
    assert len(lines) == 9
    assert all(one.ended <= other.started for one, other in pairwise(lines))


def test_a_server_that_does_not_name_its_urls_by_the_host_is_refused_with_what_to_do(tmp_path):
    with server(origin="http://ca.example") as (url, _):
        expected = r"its newOrder is http://ca.example/newOrder: let it take (http://localhost:\d+) for its own address"
        with pytest.raises(InvalidValue, match=expected), recording(url, tmp_path / "a.jsonl"):
            pass
    assert not (tmp_path / "a.jsonl").exists()


def test_a_server_that_was_told_the_recorders_address_is_recorded(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with (
        server(origin=f"http://localhost:{port}") as (url, _),
        recording(url, tmp_path / "a.jsonl", port=port) as found,
    ):
        assert found.directory == f"http://localhost:{port}/dir"


def test_what_is_no_directory_of_a_server_is_refused(tmp_path):
    out = tmp_path / "a.jsonl"
    for url in ("acme.example/dir", "ftp://a/dir", "https://", "https://u:p@a/", "http://a:0/", "http://[/"):
        with pytest.raises(InvalidValue, match="the URL of an ACME server's directory"), recording(url, out):
            pass
    answers = {"/dir": (404, {}, b"")}
    expected = pytest.raises(InvalidValue, match="one of RFC 8555; it answers 404")
    with server(answers=answers) as (url, _), expected, recording(url, out):
        pass
    with pytest.raises(Unanswered, match=f"no answer from {url.removesuffix('/dir')}"), recording(url, out):
        pass
    assert not out.exists()


def test_a_file_that_exists_and_a_port_that_is_taken_are_refused(tmp_path):
    (tmp_path / "a.jsonl").touch()
    with server() as (url, _):
        with pytest.raises(InvalidValue, match="a file that does not exist yet"), recording(url, tmp_path / "a.jsonl"):
            pass
        port = int(url.removesuffix("/dir").rpartition(":")[2])
        with pytest.raises(InvalidValue, match=f"port {port}: expected one of loopback that is free"):
            recording(url, tmp_path / "b.jsonl", port=port).__enter__()


def test_a_server_that_speaks_https_is_recorded_by_https_with_a_certificate_for_loopback(tmp_path):
    from orderfsm.recorder import authority

    ca, certificate, key = authority.make(tmp_path)
    assert key.stat().st_mode & 0o77 == 0
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with tls_server(context) as url:
        with pytest.raises(Unanswered, match="certificate verify failed"), recording(url, tmp_path / "a.jsonl"):
            pass
        with recording(url, tmp_path / "a.jsonl", ca=ca) as recorder:
            assert recorder.ca is not None
            trusting = ssl.create_default_context(cafile=recorder.ca)
            with urllib.request.urlopen(recorder.directory, timeout=20, context=trusting) as answer:
                assert json.loads(answer.read())["newOrder"] == recorder.directory.replace("dir", "newOrder")
            there = recorder.ca
        assert not there.exists()
        with recording(url, tmp_path / "b.jsonl", ca=ca, certificate=(certificate, key)) as recorder:
            assert recorder.ca is None
            with urllib.request.urlopen(
                recorder.directory, timeout=20, context=ssl.create_default_context(cafile=ca)
            ) as answer:
                assert answer.status == 200


@contextmanager
def tls_server(context):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(directory(f"https://{self.headers['Host']}")).encode())

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.socket = context.wrap_socket(http.socket, server_side=True)
        http.handle_error = lambda *_: None
        thread = threading.Thread(target=http.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"https://127.0.0.1:{http.server_address[1]}/dir"
        finally:
            http.shutdown()
            thread.join()


def test_on_the_command_line_bad_input_is_one_line(tmp_path, capsys):
    for words, expected in (
        (["record", "nowhere", "-o", "a"], "directory 'nowhere'"),
        (["record", "http://a/", "-o", str(tmp_path / "a"), "--cert", "b"], "both, or neither"),
        (["record", "https://a/", "-o", str(tmp_path / "a"), "--ca", "none.pem"], "CA file 'none.pem'"),
    ):
        assert main(words) == 2
        said = capsys.readouterr()
        assert (said.out, said.err.count("\n")) == ("", 1)
        assert expected in said.err
