"""What RFC 8555 leaves to a server convicts nobody: how it is busy, names its orders, and makes up its mind."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("acme", reason="the extra `acme` is not installed")

from acme_in_process import InProcess
from acme_server import AcmeServer
from acme_wire import URN, Wire
from mutants.acme import DeactivatesNothing
from test_acme_driver import UNKNOWN
from test_acme_driver import driving_a as driving

from orderfsm.invalid import OrderFSMError
from orderfsm.tables.acme import LIFECYCLE, Event, Operation
from orderfsm.testing import Answer, NoAnswer, check_conformance
from orderfsm.testing.drivers import acme_client
from orderfsm.trace import Finding, Outcome

READ, FINALIZE, DEACTIVATE = Operation.READ_ORDER, Operation.FINALIZE, Operation.DEACTIVATE_AUTHORIZATION
VALID, FAILED = Event.ALL_AUTHORIZATIONS_VALID, Event.AUTHORIZATION_FAILED


@pytest.fixture
def slept(monkeypatch):
    """The seconds for which the client would have slept."""
    found = []
    monkeypatch.setattr(acme_client.time, "sleep", found.append)
    return found


def turned_away(monkeypatch, times, where, status, code, **headers):
    """Let the server turn away a request to `where` so many times."""
    answer, away = Wire.do_POST, []

    def turns_away(wire):
        if len(away) < times and wire.path.startswith(where):
            away.append(wire.rfile.read(int(wire.headers["Content-Length"])))
            return wire.answer(status, {"type": URN + code, "detail": "later"}, **headers)
        return answer(wire)

    monkeypatch.setattr(Wire, "do_POST", turns_away)


# -- a busy server -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["/authorization", "/challenge"])
def test_a_server_that_is_busy_while_names_are_proved_is_asked_again(monkeypatch, slept, where):
    with driving() as driver:
        turned_away(monkeypatch, 1, where, 503, "serverInternal")
        assert driver.happen(driver.create().order_id, VALID) == Answer.accepted()
    assert slept[:1] == [acme_client.PAUSE]


@pytest.mark.parametrize("where", ["/order", "/authorization", "/challenge"])
def test_what_was_too_much_is_asked_again_when_the_server_says(monkeypatch, slept, where):
    with driving() as driver:
        turned_away(monkeypatch, 2, where, 429, "rateLimited", Retry_After="2")
        assert driver.happen(driver.create().order_id, VALID) == Answer.accepted()
    assert slept[:2] == pytest.approx([2, 2], abs=0.5)


def test_a_read_is_made_again_where_the_server_was_busy_and_a_call_is_not(monkeypatch, slept):
    with driving() as driver:
        order = driver.create().order_id
        turned_away(monkeypatch, 1, "/order", 503, "serverInternal")
        assert driver.observe(order) == {"status": "pending"}
        turned_away(monkeypatch, 1, "/finalize", 503, "serverInternal")
        assert driver.call(FINALIZE, order).http_status == 503
    assert slept == [acme_client.PAUSE]


def test_it_is_not_waited_longer_than_an_answer_may_take(monkeypatch, slept):
    with driving(timeout=10) as driver:
        turned_away(monkeypatch, 1, "/order", 429, "rateLimited", Retry_After="3600")
        assert driver.create().http_status == 429
    assert slept == []


# -- authorizations ----------------------------------------------------------------------------------------------------


def test_a_server_that_believes_everything_lets_no_authorization_fail():
    class Believes(AcmeServer):
        def prove(self, authorization, *, rightly):  # noqa: ARG002
            super().prove(authorization, rightly=True)

    with driving(Believes()) as driver:
        assert driver.happen(driver.create().order_id, FAILED) is None


def test_a_server_that_is_slow_to_believe_breaks_no_rule():
    class Slow(AcmeServer):
        fast = True

        def prove(self, authorization, *, rightly):
            if self.fast:
                super().prove(authorization, rightly=rightly)

    with driving(Slow(), patience=0.1) as driver:
        assert driver.happen(driver.create().order_id, VALID) == Answer.accepted()
        Slow.fast = False
        assert driver.happen(driver.create().order_id, VALID) is None
    with (
        driving(Slow(), patience=0.1) as driver,
        pytest.raises(OrderFSMError, match=r"rightly.* are pending, pending, for 0\.1 seconds") as error,
    ):
        driver.happen(driver.create().order_id, VALID)
    assert not isinstance(error.value, NoAnswer)


def test_an_authorization_that_is_deleted_once_it_failed_has_failed(monkeypatch):
    shown = Wire.post_authorization

    def deletes(wire, given, header, number):
        failed = wire.server.acme.authorizations[number].status == "invalid"
        return wire.problem("malformed", 404) if failed else shown(wire, given, header, number)

    monkeypatch.setattr(Wire, "post_authorization", deletes)
    with driving() as driver:
        assert driver.happen(driver.create().order_id, FAILED) == Answer.accepted()


class MakesUpItsMindLater(InProcess):
    """The server looks at a challenge when nobody waits for that any more; after that none is answered wrongly."""

    late = ""

    def happen(self, order_id, event):
        if event is not FAILED or self.known(order_id) is None:
            return super().happen(order_id, event)
        self.late = self.late or order_id
        return None

    def call(self, operation, order_id):
        if order_id == self.late and self.known(order_id).status == "pending":
            self.server.fail(self.known(order_id))
        return super().call(operation, order_id)

    def known(self, order_id):
        return self.server.orders.get(int(order_id.rpartition("/")[2]))


def test_what_the_driver_did_not_wait_for_may_happen_yet():
    report = check_conformance(MakesUpItsMindLater(DeactivatesNothing()), lifecycle=LIFECYCLE, seed=1, random=5)
    assert report.verdict is Finding.CONFORMS, str(report)


def test_where_no_http_01_is_offered_that_is_one_clear_error(monkeypatch):
    challenge = Wire.challenge
    monkeypatch.setattr(Wire, "challenge", lambda wire, number: challenge(wire, number) | {"type": "dns-01"})
    with driving() as driver, pytest.raises(OrderFSMError, match=r"offers dns-01 for .*; .* http-01") as error:
        driver.happen(driver.create().order_id, VALID)
    assert not isinstance(error.value, NoAnswer)


def test_the_first_authorization_is_deactivated_and_of_the_next_order_the_last():
    server = AcmeServer()
    with driving(server) as driver:
        for _ in range(2):
            assert driver.call(DEACTIVATE, driver.create().order_id) == Answer.accepted(http_status=200, body=ANY)
    of = [[each.status for each in order.authorizations] for order in server.orders.values()]
    assert of == [["deactivated", "pending"], ["pending", "deactivated"]]


class _Any:
    """Equal to all."""

    def __eq__(self, _other):
        return True

    __hash__ = None


ANY = _Any()


# -- accounts, addresses, codes ----------------------------------------------------------------------------------------


def test_a_server_that_does_not_like_the_contact_is_told_none(monkeypatch):
    account = Wire.post_account

    def likes_none(wire, given, header, number=None):
        return wire.problem("invalidContact", 400) if given.get("contact") else account(wire, given, header, number)

    monkeypatch.setattr(Wire, "post_account", likes_none)
    with driving() as driver:
        assert driver.create().outcome is Outcome.ACCEPTED


def test_an_id_may_stand_in_the_query_of_an_address(monkeypatch):
    path = re.compile(r"/(order|finalize)/(\d+)")
    do_post, answer = Wire.do_POST, Wire.answer

    def queried(texts):
        return {key: path.sub(r"/\1?id=\2x&v=1", each) for key, each in texts.items() if isinstance(each, str)}

    def asked(wire):
        wire.path = re.sub(r"/(\w+)\?id=(\d+)x&v=1", r"/\1/\2", wire.path)
        do_post(wire)

    def answered(wire, status, body, **headers):
        queried = {name: path.sub(r"/\1?id=\2x&v=1", text) for name, text in headers.items()}
        if isinstance(body, dict):
            body = {
                key: path.sub(r"/\1?id=\2x&v=1", each) if isinstance(each, str) else each for key, each in body.items()
            }
        answer(wire, status, body, **queried)

    monkeypatch.setattr(Wire, "do_POST", asked)
    monkeypatch.setattr(Wire, "answer", answered)
    with driving() as driver:
        first, second = driver.create().order_id, driver.create().order_id
        assert first.endswith("/order?id=1x&v=1")
        assert driver.observe(second) == {"status": "pending"}
        assert driver.call(READ, UNKNOWN).http_status == 404
        assert driver.call(FINALIZE, UNKNOWN).outcome is Outcome.REFUSED


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (URN + "orderNotReady", "orderNotReady"),
        ("urn:acme:error:orderNotReady", "urn:acme:error:orderNotReady"),
        ("orderNotReady", r"http://127\.0\.0\.1:\d+/finalize/orderNotReady"),
        (None, ""),
    ],
)
def test_a_code_is_the_whole_type_of_a_problem(monkeypatch, kind, code):
    """What has no scheme is relative to the answer's own address (RFC 7807, section 3.1), and so no code of ACME's."""
    monkeypatch.setattr(Wire, "problem", lambda wire, _code, status: wire.answer(status, {"type": kind}))
    with driving() as driver:
        assert re.fullmatch(code, driver.call(FINALIZE, driver.create().order_id).code)
