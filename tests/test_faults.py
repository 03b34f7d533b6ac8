"""Faults, as a test asks for them: each way in which a call can fail, and what happened behind it."""

from __future__ import annotations

import asyncio
import copy
import http.client
import json
import pickle
import time
from urllib.parse import urlsplit

import attrs
import pytest

httpx = pytest.importorskip("httpx", reason="the group `test` is not installed")
pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")

from orderfsm import InvalidValue, Operation, OrderFSMError, State
from orderfsm.mock import Fault, Request, Service, create_app
from orderfsm.mock.http.control import Control

HEADERS = {"x-acs-version": "2020-04-07"}


def call(service, operation, **parameters):
    return service.handle(Request("POST", "/", parameters, {**HEADERS, "x-acs-action": operation}))


def created(service):
    return call(service, Operation.CREATE_FOR_PACKAGE, Domain="example.com").json["OrderId"]


def state_of(service, order_id):
    return service.order(order_id).order.state


@pytest.fixture
def service():
    return Service()


def rule(service, **members):
    """Add a rule by the control port."""
    response = Control(service).handle(Request("POST", "/faults", {}, {}, json.dumps(members).encode()))
    assert response.status == 201, response.body
    return response.json


def test_the_next_n_calls_fail(service):
    rule(service, Times=2)
    assert [call(service, Operation.LIST).status for _ in range(3)] == [500, 500, 200]


def test_a_rule_is_about_one_operation_or_any_and_one_order_or_all(service):
    one, other = created(service), created(service)
    rule(service, Operation="CancelOrderRequest", OrderId=one, Code="Error")
    assert call(service, Operation.CANCEL, OrderId=other).status == 200
    assert call(service, Operation.DESCRIBE, OrderId=one).status == 200
    assert call(service, Operation.CANCEL, OrderId=one).status == 500
    assert state_of(service, one) is State.PENDING_REVIEW


def test_the_first_rule_that_fits_is_the_one_that_applies(service):
    rule(service, Code="First", Status=418, Times=1)
    rule(service, Code="Second", Status=419)
    assert [call(service, Operation.LIST).json["Code"] for _ in range(2)] == ["First", "Second"]


def test_before_nothing_happened_after_it_did_and_the_answer_is_lost(service):
    before, after = created(service), created(service)
    rule(service, Operation="CancelOrderRequest", OrderId=before)
    rule(service, Operation="CancelOrderRequest", OrderId=after, When="after")
    for order_id, state in ((before, State.PENDING_REVIEW), (after, State.PENDING_APPLICATION)):
        assert call(service, Operation.CANCEL, OrderId=order_id).json["Code"] == "Error"
        assert state_of(service, order_id) is state


@pytest.mark.parametrize(
    ("operation", "parameters", "code"),
    [
        (Operation.CREATE_FOR_PACKAGE, {"Domain": "no domain"}, "InvalidDomain"),
        (Operation.CANCEL, {"OrderId": "none"}, "InvalidOrderId"),
        (Operation.LIST, {"ShowSize": "many"}, "InvalidShowSize"),
    ],
)
def test_a_rule_applies_to_a_call_before_the_values_of_its_parameters_are_looked_at(
    service, operation, parameters, code
):
    rule(service, Code="Error", Times=1)
    assert call(service, operation, **parameters).json["Code"] == "Error"
    assert call(service, operation, **parameters).json["Code"] == code


def test_a_throttled_call_says_when_to_try_again(service):
    rule(service, RetryAfter=1500, Times=1)
    response = call(service, Operation.LIST)
    assert (response.status, response.json["Code"]) == (429, "Throttling.User")
    assert response.headers["x-acs-retry-after"] == "1500"


def test_a_documented_code_comes_with_its_documented_status(service):
    rule(service, Code="NotFoundPackage", Times=1)
    assert call(service, Operation.LIST).status == 404


def test_delete_fail_is_answered_only_where_the_table_allows_the_deletion(service):
    order_id = created(service)
    rule(service, Code="DeleteFail", Operation="DeleteCertificateRequest", Times=1)
    assert call(service, Operation.DELETE, OrderId=order_id).json["Code"] == "OrderStateError"
    call(service, Operation.CANCEL, OrderId=order_id)
    assert call(service, Operation.DELETE, OrderId=order_id).json["Code"] == "DeleteFail"
    assert call(service, Operation.DELETE, OrderId=order_id).status == 200


def test_a_describe_may_read_unknown_stale_or_missing_and_other_calls_are_left_alone(service):
    order_id = created(service)
    call(service, Operation.CANCEL, OrderId=order_id)
    for read in ("unknow", "stale", "missing"):
        rule(service, Read=read, Times=1)
    assert call(service, Operation.LIST).status == 200
    unknown = call(service, Operation.DESCRIBE, OrderId=order_id).json
    stale = call(service, Operation.DESCRIBE, OrderId=order_id).json
    missing = call(service, Operation.DESCRIBE, OrderId=order_id)
    assert set(unknown) == {"Type", "RequestId"}
    assert (unknown["Type"], stale["Type"]) == ("unknow", "domain_verify")
    assert (missing.status, missing.json["Code"]) == (404, "NotFoundOrder")
    assert call(service, Operation.DESCRIBE, OrderId=order_id).json["Type"] == "payed"
    assert [line.state for line in service.history(order_id)][-1] == State.PENDING_APPLICATION


def test_the_last_time_of_a_rule_is_taken_once(service):
    rule(service, Times=1)
    assert len(Control(service).handle(Request("GET", "/faults")).json["Faults"]) == 1
    call(service, Operation.LIST)
    assert Control(service).handle(Request("GET", "/faults")).json == {"Faults": []}


def test_a_probability_draws_from_the_seed_so_that_a_run_repeats():
    from random import Random

    def failures():
        service = Service(random=Random(11))
        rule(service, Probability=0.3)
        return [call(service, Operation.LIST).status for _ in range(200)]

    first = failures()
    assert first == failures()
    assert 30 < first.count(500) < 90


def test_rules_are_shown_in_order_and_forgotten_together(service):
    rule(service, Code="A", Status=400)
    shown = rule(service, Operation="DeleteCertificateRequest", Times=3, When="after", Transport="reset")
    assert shown == {
        "Operation": "DeleteCertificateRequest",
        "OrderId": None,
        "Times": 3,
        "Probability": 1.0,
        "Status": None,
        "Code": None,
        "RetryAfter": None,
        "Delay": 0.0,
        "When": "after",
        "Transport": "reset",
        "Read": None,
    }
    assert [fault["Code"] for fault in service.fault_rules()] == ["A", None]
    assert Control(service).handle(Request("DELETE", "/faults")).status == 204
    assert service.fault_rules() == []
    assert Fault.parse(shown).as_json() == shown


@pytest.mark.parametrize(
    ("members", "named"),
    [
        ({"Operation": "Explode"}, "Operation"),
        ({"OrderId": "1"}, "OrderId"),
        ({"Times": 0}, "Times"),
        ({"Times": True}, "Times"),
        ({"Probability": 1.5}, "Probability"),
        ({"Status": 99}, "Status"),
        ({"Code": ""}, "Code"),
        ({"Code": "a\nb"}, "Code"),
        ({"RetryAfter": -1}, "RetryAfter"),
        ({"Delay": "x"}, "Delay"),
        ({"When": "during"}, "When"),
        ({"Transport": "pigeon"}, "Transport"),
        ({"Read": "tea leaves"}, "Read"),
        ({"Tiems": 1}, "Tiems"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_by_name(service, members, named):
    with pytest.raises(InvalidValue, match=named):
        Fault.parse(members)
    assert Control(service).handle(Request("POST", "/faults", {}, {}, json.dumps(members).encode())).status == 400
    assert service.fault_rules() == []


@pytest.mark.parametrize(
    ("members", "named"),
    [
        ({"operation": "delet"}, "Operation 'delet': expected cancel, "),
        ({"operation": "review_passed"}, "Operation 'review_passed'"),
        ({"operation": 7}, "Operation 7"),
        ({"operation": []}, "Operation []"),
        ({"lifecycle": ["orders"]}, "lifecycle of a fault 'orders': expected a Lifecycle"),
        ({"lifecycle": None}, "lifecycle of a fault None"),
        ({"order_id": "1"}, "OrderId '1'"),
        ({"order_id": 0}, "OrderId 0"),
        ({"times": 0}, "Times 0"),
        ({"times": True}, "Times True"),
        ({"probability": 1.5}, "Probability 1.5: expected a number in 0 .. 1"),
        ({"probability": True}, "Probability True"),
        ({"delay": False}, "Delay False"),
        ({"delay": None}, "Delay None"),
        ({"probability": float("nan")}, "Probability nan"),
        ({"status": 99}, "Status 99"),
        ({"code": ""}, "Code ''"),
        ({"retry_after": -1}, "RetryAfter -1"),
        ({"delay": "x"}, "Delay 'x'"),
        ({"delay": float("inf")}, "Delay inf"),
        ({"when": "later"}, "When 'later': expected before, after"),
        ({"transport": "pigeon"}, "Transport 'pigeon': expected reset, truncate, empty"),
        ({"read": "nope"}, "Read 'nope': expected unknow, stale, missing, unreadable"),
        ({"read": "stale", "operation": "delete"}, "Operation of a fault with a Read"),
        ({"order_id": 1, "operation": "list"}, "OrderId of a fault of ListUserCertificateOrder"),
        ({"order_id": 1, "operation": "create"}, "OrderId of a fault of CreateCertificateRequest"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused_where_it_is_made(members, named):
    with pytest.raises(InvalidValue) as caught:
        Fault(**members)
    assert named in str(caught.value)


@pytest.mark.parametrize("word", ["delete", "DELETE", "DeleteCertificateRequest", "deletecertificaterequest"])
def test_an_operation_is_named_as_on_the_command_line(service, word):
    assert Fault(operation=word) == Fault(operation=Operation.DELETE)
    assert rule(service, Operation=word)["Operation"] == "DeleteCertificateRequest"
    assert Fault(operation="*") == Fault()


def test_a_member_that_a_fault_does_not_have_is_named():
    with pytest.raises(TypeError, match=r"^tiems in a Fault: it takes, each by its name, operation, order_id, times,"):
        Fault(tiems=1)
    with pytest.raises(TypeError, match=r"^'delete' in a Fault: it takes, each by its name, operation,"):
        Fault("delete")


def test_a_fault_is_a_value():
    fault = Fault(operation="delete", times=2)
    assert pickle.loads(pickle.dumps(fault)) == copy.copy(fault) == attrs.evolve(fault) == fault
    with pytest.raises(InvalidValue):
        attrs.evolve(fault, times=0)


@pytest.mark.parametrize("body", [b"", b"[]", b"7", b"{", b"[" * 100_000])
def test_a_rule_is_a_json_object(service, body):
    assert Control(service).handle(Request("POST", "/faults", {}, {}, body)).status == 400


def test_documented_rate_limits_are_kept_when_they_are_on():
    from orderfsm.tables.api import RATE_LIMITS

    service = Service(limits=RATE_LIMITS)
    while time.time() % 1 > 0.5:
        time.sleep(0.05)
    answers = [call(service, Operation.LIST) for _ in range(11)]
    assert [answer.status for answer in answers] == [200] * 10 + [429]
    assert answers[-1].json["Code"] == "Throttling.User"
    assert 0 < int(answers[-1].headers["x-acs-retry-after"]) <= 1001
    assert call(service, Operation.DESCRIBE_PACKAGE).status == 200


# -- over HTTP ---------------------------------------------------------------------------------------------------------


def posted(server, action, **parameters):
    """The raw response of a call over HTTP."""
    from urllib.parse import urlencode

    url = urlsplit(server.api)
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=300)
    try:
        connection.request("POST", f"/?{urlencode(parameters)}", headers={**HEADERS, "x-acs-action": action})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def test_a_connection_is_reset_before_or_after_the_commit(server):
    order_id = created(server.service)
    rule(server.service, Transport="reset", Times=1)
    rule(server.service, Transport="reset", When="after", Times=1)
    for state in (State.PENDING_REVIEW, State.PENDING_APPLICATION):
        with pytest.raises(ConnectionResetError):
            posted(server, "CancelOrderRequest", OrderId=order_id)
        assert state_of(server.service, order_id) is state


@pytest.mark.parametrize("transport", ["reset", "truncate"])
def test_a_server_that_cannot_end_a_connection_says_so(service, transport):
    async def call():
        client = httpx.AsyncClient(transport=httpx.ASGITransport(app=create_app(service)), base_url="http://mock")
        async with client:
            await client.get("/", params={"Action": "DescribePackageState", "Version": "2020-04-07"})

    service.add_fault(Fault(transport=transport))
    with pytest.raises(OrderFSMError, match=transport):
        asyncio.run(call())


def test_a_body_is_truncated_or_empty(server):
    rule(server.service, Transport="truncate", When="after", Times=1)
    rule(server.service, Transport="empty", When="after", Times=1)
    with pytest.raises(http.client.IncompleteRead) as caught:
        posted(server, "ListUserCertificateOrder")
    assert caught.value.partial.startswith(b'{"CertificateOrderList"')
    assert posted(server, "ListUserCertificateOrder") == (200, b"")
    assert posted(server, "ListUserCertificateOrder")[0] == 200


def test_a_slow_call_takes_longer_and_does_not_hold_up_the_others(server):
    rule(server.service, Delay=0.4, Times=1)
    began = time.monotonic()
    assert posted(server, "ListUserCertificateOrder")[0] == 200
    assert time.monotonic() - began >= 0.4
