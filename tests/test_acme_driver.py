"""The driver of ACME servers, against the reference server: what it asks, what it never asks, and what it tells."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace

import pytest

pytest.importorskip("acme", reason="the extra `acme` is not installed")
pytest.importorskip("hypothesis", reason="the extra `testing` is not installed")

import acme_wire
from acme_server import AcmeServer, Refused
from acme_wire import Wire, serving

from orderfsm.invalid import InvalidValue, OrderFSMError
from orderfsm.tables.acme import LIFECYCLE, Event, Operation
from orderfsm.testing import Answer, NoAnswer
from orderfsm.testing.curl import curl_lines
from orderfsm.testing.drivers import acme as driving
from orderfsm.testing.drivers.acme import AcmeDriver
from orderfsm.trace import Outcome

VALID, FAILED = Event.ALL_AUTHORIZATIONS_VALID, Event.AUTHORIZATION_FAILED
UNKNOWN = LIFECYCLE.identity.new(2**63 - 1)


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@contextmanager
def driving_a(server=None, **options):
    """A driver of a reference server, on loopback."""
    port = free_port()
    with serving(server, http_port=port) as url, AcmeDriver(url, http_port=port, **options) as driver:
        yield driver


@pytest.fixture
def asked(monkeypatch):
    """What the reference server is asked by POST: the path, and the payload or None."""
    calls = []
    answer, problem = Wire.do_POST, Wire.problem

    def noted(wire):
        body = wire.rfile.read(int(wire.headers["Content-Length"]))
        payload = acme_wire._decoded(json.loads(body)["payload"])
        calls.append((wire.path, json.loads(payload) if payload else None))
        wire.rfile, kept = _Again(body), wire.rfile
        try:
            answer(wire)
        finally:
            wire.rfile = kept

    def refused(wire, code, status):
        calls.append((code, status))
        problem(wire, code, status)

    monkeypatch.setattr(Wire, "do_POST", noted)
    monkeypatch.setattr(Wire, "problem", refused)
    return calls


class _Again:
    def __init__(self, body):
        self.read = lambda _size: body


def status_of(driver, order):
    return driver.observe(order)["status"]


# -- the life of an order ----------------------------------------------------------------------------------------------


def test_an_order_lives_from_its_names_to_a_revoked_certificate():
    with driving_a(AcmeServer(issued_after=1)) as driver:
        made = driver.create()
        order = made.order_id
        assert (made.outcome, made.http_status, made.body["status"]) == (Outcome.ACCEPTED, 201, "pending")
        assert driver.happen(order, VALID) == Answer.accepted()
        assert status_of(driver, order) == "ready"
        finalized = driver.call(Operation.FINALIZE, order)
        assert (finalized.outcome, finalized.body["status"]) == (Outcome.ACCEPTED, "processing")
        assert [driver.call(Operation.READ_ORDER, order).body["status"] for _ in range(2)][-1] == "valid"
        for operation in (Operation.DOWNLOAD_CERTIFICATE, Operation.REVOKE_CERT):
            assert driver.call(operation, order).outcome is Outcome.ACCEPTED
        again = driver.call(Operation.REVOKE_CERT, order)
        assert (again.outcome, again.code, again.http_status) == (Outcome.REFUSED, "alreadyRevoked", 400)


def test_what_goes_over_the_wire_is_noted_and_shown_without_signatures():
    with driving_a() as driver:
        driver.create()
        *_, created = exchanges = driver.exchanges.taken()
        shown = created.shown()
    assert [exchange.method for exchange in exchanges[:2]] == ["GET", "HEAD"]
    assert (created.method, created.status) == ("POST", 201)
    sent, told = (json.loads(each.body) for each in (created, shown))
    assert json.loads(acme_wire._decoded(told["payload"])).keys() == {"identifiers"}
    assert told == sent | {"signature": "HIDDEN"}
    assert json.loads(shown.answer)["status"] == "pending"
    assert curl_lines([created], {}, "Location") == ()


def test_each_order_is_for_two_new_names_in_lower_case(asked):
    with driving_a() as driver, driving_a() as other:
        for each in (driver, driver, other):
            each.create()
    ordered = [given["identifiers"] for path, given in asked if path == "/order" and given]
    names = [identifier["value"] for identifiers in ordered for identifier in identifiers]
    assert [len(identifiers) for identifiers in ordered] == [2, 2, 2]
    assert len(set(names)) == 6
    assert all(name == name.lower() and name.endswith(".orderfsm.test") for name in names)


def test_one_name_that_is_not_proved_makes_the_order_invalid_and_the_other_stays_pending(asked):
    server = AcmeServer()
    with driving_a(server) as driver:
        order = driver.create().order_id
        assert driver.happen(order, FAILED) == Answer.accepted()
        assert status_of(driver, order) == "invalid"
    assert [each.status for each in server.authorizations.values()] == ["invalid", "pending"]


def test_half_proved_is_not_proved():
    with driving_a() as driver:
        order = driver.create().order_id
        assert driver.flawed(VALID, order) == Answer.refused(None)
        assert status_of(driver, order) == "pending"
        assert driver.call(Operation.FINALIZE, order).code == "orderNotReady"
        assert driver.flawed(VALID, order) == Answer.refused(None)  # one is left: it is not proved either
        assert driver.happen(order, VALID) == Answer.accepted()
        assert status_of(driver, order) == "ready"


def test_finalize_gone_wrong_is_a_csr_for_another_name(asked):
    with driving_a() as driver:
        order = driver.create().order_id
        driver.happen(order, VALID)
        assert driver.flawed(Operation.FINALIZE, order) == Answer.refused("badCSR", http_status=400)
        assert driver.call(Operation.FINALIZE, order).outcome is Outcome.ACCEPTED
    csrs = [given["csr"] for path, given in asked if path.startswith("/finalize")]
    bad, good = (acme_wire._names_in(acme_wire._decoded(csr)) for csr in csrs)
    names = [each["value"] for path, given in asked if path == "/order" and given for each in given["identifiers"]]
    assert good == names
    assert not set(bad) & set(names)


def test_what_it_cannot_do_with_any_order_is_none():
    with driving_a() as driver:
        order = driver.create().order_id
        assert [driver.happen(order, event) for event in (Event.ISSUED, Event.FAILED, Event.EXPIRED)] == [None] * 3
        assert driver.flawed(Operation.READ_ORDER, order) is None


def test_where_nothing_is_left_to_answer_an_event_is_refused_and_nothing_is_asked_but_reads(asked):
    with driving_a() as driver:
        ready, failed = driver.create().order_id, driver.create().order_id
        driver.happen(ready, VALID)
        driver.happen(failed, FAILED)
        asked.clear()
        for order in (ready, failed):
            assert [driver.happen(order, event) for event in (VALID, FAILED)] == [Answer.refused(None)] * 2
    assert {given for _, given in asked} == {None}


def test_a_server_that_does_not_settle_is_waited_for_once(asked):
    class Patient(AcmeServer):
        def prove(self, authorization, *, rightly):
            if rightly:
                super().prove(authorization, rightly=True)

    with driving_a(Patient(), patience=0.1) as driver:
        first, second = driver.create().order_id, driver.create().order_id
        assert driver.happen(first, FAILED) is None
        asked.clear()
        assert driver.happen(second, FAILED) is None
        assert asked == []
        assert driver.happen(second, VALID) == Answer.accepted()


def test_a_poll_obeys_retry_after_within_its_limit(monkeypatch):
    class Never(AcmeServer):
        def prove(self, authorization, *, rightly):
            pass

    slept = []
    clock = SimpleNamespace(monotonic=lambda: float(sum(slept)), sleep=slept.append)
    monkeypatch.setattr(driving, "time", clock)
    answer = Wire.answer
    monkeypatch.setattr(Wire, "answer", lambda wire, *given, **kept: answer(wire, *given, **kept, Retry_After="3"))
    with driving_a(Never(), patience=8) as driver:
        assert driver.happen(driver.create().order_id, FAILED) is None
    assert slept == pytest.approx([3, 3, 2], abs=0.5)  # the library counts seconds from when it has read the answer


def test_what_was_proved_rightly_and_is_found_wrong_is_no_event():
    class Unbelieving(AcmeServer):
        def prove(self, authorization, *, rightly):
            super().prove(authorization, rightly=not rightly)

    with (
        driving_a(Unbelieving()) as driver,
        pytest.raises(NoAnswer, match=r"http-01 was answered rightly.* are invalid, invalid"),
    ):
        driver.happen(driver.create().order_id, VALID)


def test_a_server_that_looks_elsewhere_for_http_01_is_one_clear_error():
    port, other = free_port(), free_port()
    with serving(http_port=other) as url, AcmeDriver(url, http_port=port) as driver:
        order = driver.create().order_id
        with pytest.raises(OrderFSMError, match=rf"never asked for http-01 at 127.0.0.1:{port}") as error:
            driver.happen(order, VALID)
    assert not isinstance(error.value, NoAnswer)  # it is about the environment, not about the server


def test_events_of_one_order_come_one_after_the_other(asked):
    with driving_a() as driver, ThreadPoolExecutor(4) as pool:
        for _ in range(4):
            order = driver.create().order_id
            answers = list(pool.map(lambda event, order=order: driver.happen(order, event), [VALID, FAILED] * 2))
            assert sorted(map(str, answers)) == ["accepted", "refused", "refused", "refused"]


# -- authorizations ----------------------------------------------------------------------------------------------------


def test_of_an_authorization_that_is_final_it_asks_nothing_but_reads(asked):
    server = AcmeServer()
    with driving_a(server) as driver:
        for event in (VALID, FAILED, None):
            order = driver.create().order_id
            if event is not None:
                driver.happen(order, event)
            answers = [driver.call(Operation.DEACTIVATE_AUTHORIZATION, order) for _ in range(4)]
            assert answers[-1] == Answer.refused(None)
            asked.clear()
            driver.call(Operation.DEACTIVATE_AUTHORIZATION, order)
            driver.happen(order, VALID)
            driver.happen(order, FAILED)
            driver.flawed(VALID, order)
            assert {given for _, given in asked} == {None}
    assert {each.status for each in server.authorizations.values()} == {"deactivated", "invalid"}


def test_a_valid_authorization_may_be_deactivated_and_the_server_may_refuse():
    class Keeps(AcmeServer):
        DEACTIVATES = False

    for server, expected, status in ((AcmeServer(), Outcome.ACCEPTED, "invalid"), (Keeps(), Outcome.REFUSED, "ready")):
        with driving_a(server) as driver:
            order = driver.create().order_id
            driver.happen(order, VALID)
            assert driver.call(Operation.DEACTIVATE_AUTHORIZATION, order).outcome is expected
            assert status_of(driver, order) == status


# -- the certificate ---------------------------------------------------------------------------------------------------


def test_an_order_that_shows_no_certificate_has_refused_and_one_that_shows_it_early_is_asked(asked):
    class Early(AcmeServer):
        HAS_CERTIFICATE = ("ready", "valid")

        def settle(self, order):
            super().settle(order)
            order.issued = order.status == "ready"

        def download(self, number):  # noqa: ARG002
            raise Refused("malformed", 404)

    with driving_a() as driver:
        order = driver.create().order_id
        assert driver.call(Operation.DOWNLOAD_CERTIFICATE, order) == Answer.refused(None)
        assert driver.call(Operation.REVOKE_CERT, order) == Answer.refused(None)
    with driving_a(Early()) as driver:
        order = driver.create().order_id
        driver.happen(order, VALID)
        asked.clear()
        assert driver.call(Operation.DOWNLOAD_CERTIFICATE, order) == Answer.refused("malformed", http_status=404)
    assert asked == [("/order/1", None), ("/certificate/1", None), ("malformed", 404)]


def test_a_server_without_revocation_does_not_offer_it(monkeypatch):
    answer = Wire.answer

    def without(wire, status, body, **headers):
        if isinstance(body, dict) and "revokeCert" in body:
            del body["revokeCert"]
        answer(wire, status, body, **headers)

    monkeypatch.setattr(Wire, "answer", without)
    with driving_a() as driver:
        assert driver.call(Operation.REVOKE_CERT, driver.create().order_id) is None


# -- ids, nonces, threads ----------------------------------------------------------------------------------------------


def test_an_id_that_no_order_has_is_asked_for_at_this_server(asked):
    with driving_a() as driver:
        order = driver.create().order_id
        asked.clear()
        for operation in Operation:
            if operation not in LIFECYCLE.creates:
                assert driver.call(operation, UNKNOWN).outcome is Outcome.REFUSED
        assert driver.observe(UNKNOWN) == {None}
        assert driver.happen(UNKNOWN, VALID) == Answer.refused(None)
    assert {path for path, _ in asked if path.startswith("/")} == {f"/order/{2**63 - 1}", f"/finalize/{2**63 - 1}"}
    assert order.endswith("/order/1")


def test_nothing_is_asked_of_the_host_in_an_unknown_id(asked):
    with driving_a() as driver:
        assert driver.call(Operation.READ_ORDER, UNKNOWN).http_status == 404
    assert ("/order/9223372036854775807", None) in asked


def test_an_unknown_id_has_the_form_of_the_known_ones():
    known = [driving._Order(f"https://ca.test/acme/order/{name}", [], None) for name in ("aB-3", "77", "aba")]
    urls = [each.of_nobody(UNKNOWN).url for each in known]
    assert [url.rpartition("/")[2] for url in urls] == ["3B-a", str(2**63 - 1), str(2**63 - 1)]


def test_a_nonce_that_the_server_does_not_take_is_no_answer_of_the_order(monkeypatch, asked):
    with driving_a() as driver:
        order = driver.create().order_id
        answer, forgotten = Wire.do_POST, []

        def forgets(wire):
            if len(forgotten) < 2:
                forgotten.append(wire.path)
                wire.server.nonces.clear()
            answer(wire)

        monkeypatch.setattr(Wire, "do_POST", forgets)
        assert driver.call(Operation.FINALIZE, order).code == "orderNotReady"
    assert [given for code, given in asked if code == "badNonce"] == [400, 400]


def test_threads_have_nonces_of_their_own(asked):
    with driving_a() as driver, ThreadPoolExecutor(8) as pool:
        orders = [answer.order_id for answer in pool.map(lambda _: driver.create(), range(24))]
        assert len(set(orders)) == 24
        both = [order for order in orders for _ in range(2)]
        assert {answer.outcome for answer in pool.map(lambda id_: driver.happen(id_, VALID), orders)} == {
            Outcome.ACCEPTED
        }
        answers = list(pool.map(lambda id_: driver.call(Operation.FINALIZE, id_), both))
    assert [answer.outcome for answer in answers].count(Outcome.ACCEPTED) == 24
    assert {answer.code for answer in answers} == {None, "orderNotReady"}
    assert "badNonce" not in {code for code, _ in asked}


def test_a_refusal_has_its_code_without_the_prefix_and_no_body():
    with driving_a() as driver:
        answer = driver.call(Operation.FINALIZE, driver.create().order_id)
    assert answer == Answer.refused("orderNotReady", http_status=403)


# -- what is not there -------------------------------------------------------------------------------------------------


def test_a_server_that_stops_answering_is_named_with_what_it_was_asked():
    with ExitStack() as stack:
        driver = stack.enter_context(driving_a(timeout=0.2))
        order = driver.create().order_id
        silent = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        driver._orders[order].url = f"http://127.0.0.1:{silent.getsockname()[1]}/order/1"
        for ask in (driver.observe, lambda id_: driver.call(Operation.READ_ORDER, id_)):
            with pytest.raises(NoAnswer, match=r"POST http://127.0.0.1:\d+/order/1: .*timed out"):
                ask(order)


def test_what_is_no_acme_server_is_one_clear_error():
    port, proofs = free_port(), free_port()
    with serving() as url:
        home = url.removesuffix("/directory")
        for wrong, why in (
            (f"http://127.0.0.1:{port}/directory", "no ACME directory: "),
            (f"{home}/elsewhere", "no ACME directory: "),
            (f"{home}/nonce", "no ACME directory: "),
        ):
            with AcmeDriver(wrong, http_port=proofs) as driver, pytest.raises(OrderFSMError) as error:
                driver.probe()
            assert str(error.value).startswith(f"{wrong}: {why}")
            assert "\n" not in str(error.value)


def test_a_directory_without_a_resource_is_none(monkeypatch):
    answer = Wire.answer

    def without(wire, status, body, **headers):
        if isinstance(body, dict):
            body.pop("newOrder", None)
        answer(wire, status, body, **headers)

    monkeypatch.setattr(Wire, "answer", without)
    with driving_a() as driver, pytest.raises(OrderFSMError, match="no ACME directory: it has no newOrder"):
        driver.probe()


def test_a_server_of_this_machine_is_asked_without_a_proxy(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.getsockname()[1]}")
        with driving_a(timeout=1.0) as driver:
            assert driver.create().outcome is Outcome.ACCEPTED


def test_a_server_that_has_no_account_for_us_says_why(monkeypatch):
    monkeypatch.setattr(Wire, "post_account", lambda wire, *_: wire.problem("externalAccountRequired", 403))
    with driving_a() as driver, pytest.raises(OrderFSMError, match="no account: externalAccountRequired"):
        driver.probe()


def test_a_port_that_is_taken_is_named():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OrderFSMError, match=rf"http-01 port 127.0.0.1:{port}: .*in use"):
            AcmeDriver("http://127.0.0.1:1/directory", http_port=port)


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:14000/dir", "ftp://127.0.0.1/dir", "https://127.0.0.1:0/dir", "https://"]
)
def test_what_is_no_url_of_a_directory_is_named(url):
    with pytest.raises(InvalidValue, match=r"directory .*expected the URL of an ACME directory, https://HOST"):
        AcmeDriver(url, http_port=free_port())


def test_a_file_of_certificates_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InvalidValue, match=r"ca .*nowhere\.pem"):
        AcmeDriver("https://127.0.0.1:1/dir", http_port=free_port(), ca=tmp_path / "nowhere.pem")


# -- http-01 -----------------------------------------------------------------------------------------------------------


def test_http_01_is_answered_by_the_path_alone_until_the_driver_is_closed():
    port = free_port()
    with AcmeDriver("http://127.0.0.1:1/directory", http_port=port) as driver:
        driver._proofs.texts["token"] = "token.thumb"
        answers = {}
        for target in (
            "/.well-known/acme-challenge/token",
            "http://name.orderfsm.test/.well-known/acme-challenge/token",
            "/.well-known/acme-challenge/other",
            "/x/.well-known/acme-challenge/token",
            "/token",
        ):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", target, headers={"Host": "another.example"})
            answer = connection.getresponse()
            answers[target] = (answer.status, answer.read())
            connection.close()
        assert list(answers.values()) == [(200, b"token.thumb")] * 2 + [(404, b"")] * 3
    with socket.create_server(("127.0.0.1", port)):
        pass  # it is free again
    assert not [thread for thread in threading.enumerate() if "serve_forever" in thread.name]


def test_a_driver_is_written_as_what_makes_it():
    port = free_port()
    with AcmeDriver("http://127.0.0.1:1/directory", http_port=port) as driver:
        text = repr(driver)
    with eval(text) as again:
        assert repr(again) == text
