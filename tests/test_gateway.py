"""Every sentence of PROTOCOLS.md, section 1, on codes, shapes and the order of checks is tried, once."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")
pytest.importorskip("alibabacloud_cas20200407", reason="the extra `client` is not installed")

import attrs
import plain

from orderfsm import Operation
from orderfsm.mock import Request, Response, Service
from orderfsm.testing import HTTPDriver, Result, ServiceDriver, check_conformance
from orderfsm.testing.drivers.orders import application
from orderfsm.testing.model.failure import Kind
from orderfsm.testing.programs.trials import NO_ACTION, NO_VERSION, asked
from orderfsm.trace import Finding


class Wrong(Service):
    """A service of which `answer` may change each answer: it gets the request and the response."""

    def __init__(self, answer):
        super().__init__()
        self._answer = answer

    def handle(self, request):
        return self._answer(request, super().handle(request))


def changed(response, status=None, **members):
    """A response with other members, or without those that are None."""
    document = {name: value for name, value in {**response.json, **members}.items() if value is not None}
    return attrs.evolve(response, status=status or response.status, body=json.dumps(document).encode())


def code_of(response):
    return response.json.get("Code")


def as_if(code, wrong, status=400):
    """A service that answers another code."""
    return lambda _request, response: changed(response, status, Code=wrong) if code_of(response) == code else response


def accepts_any_action(_request, response):
    if code_of(response) == "InvalidAction.NotFound":
        return Response.of(200, {"RequestId": response.json["RequestId"]})
    return response


def action_before_version(request, response):
    known = request.headers["x-acs-action"] in tuple(Operation)
    return response if known else changed(response, 404, Code="InvalidAction.NotFound")


def quota_before_parameters(request, response):
    """Of a create without a package, the package is missed first."""
    is_create = request.headers["x-acs-action"].startswith("Create")
    if is_create and code_of(response).__class__ is str and code_of(response).startswith("Missing"):
        return changed(response, 404, Code="NotFoundPackage")
    return response


def newest_first(_request, response):
    listed = response.json.get("CertificateOrderList")
    return response if listed is None else changed(response, CertificateOrderList=listed[::-1])


def lower(_request, response):
    return changed(response, RequestId=response.json["RequestId"].lower())


def lower_on_refusal(request, response):
    return lower(request, response) if response.status != 200 else response


DEFECTS = {
    "an unknown action is accepted": (accepts_any_action, "InvalidAction.NotFound (HTTP 404)"),
    "an unknown action is another code": (
        as_if("InvalidAction.NotFound", "NoSuchAction", 404),
        "InvalidAction.NotFound",
    ),
    "the action is checked before the version": (action_before_version, "InvalidVersion (HTTP 400)"),
    "a wrong version is another code": (as_if("InvalidVersion", "MissingVersion"), "InvalidVersion (HTTP 400)"),
    "a missing domain is another code": (as_if("MissingDomain", "InvalidDomain"), "MissingDomain (HTTP 400)"),
    "a missing contact is another code": (as_if("MissingEmail", "MissingParameter"), "MissingEmail (HTTP 400)"),
    "an empty id is malformed": (as_if("MissingOrderId", "InvalidOrderId"), "MissingOrderId (HTTP 400)"),
    "a malformed id is missing": (as_if("InvalidOrderId", "MissingOrderId"), "InvalidOrderId (HTTP 400)"),
    "the package is looked for before the parameters": (quota_before_parameters, "Missing"),
    "the list is newest first": (newest_first, "orders oldest first"),
    "RequestIds are lower case": (lower, "a RequestId that is an upper-case UUID"),
    "RequestIds of refusals are lower case": (lower_on_refusal, "a RequestId that is an upper-case UUID"),
    "failures have no HostId": (
        lambda _, response: changed(response, HostId=None),
        "a failure of the documented shape",
    ),
}


SHORT = ("an unknown action is accepted", "RequestIds of refusals are lower case", "failures have no HostId")


@pytest.mark.parametrize(
    "name", [name if name in SHORT else pytest.param(name, marks=pytest.mark.long) for name in DEFECTS]
)
def test_a_small_defect_is_a_violation_and_hides_nothing(name):
    answer, expected = DEFECTS[name]
    report = check_conformance(ServiceDriver(Wrong(answer)), random=0, seed=1, budget=300)
    assert report.verdict is Finding.VIOLATES
    assert any(violation.expected.startswith(expected) for violation in report.violations), str(report)
    assert sum(result is Result.PASSED for result in report.coverage.values()) > 100


def test_a_create_that_is_turned_away_takes_no_unit():
    class Greedy(Wrong):
        def handle(self, request):
            response = super().handle(request)
            is_create = request.headers["x-acs-action"].startswith("Create")
            if is_create and str(code_of(response)).startswith("Missing") and self.packages():
                given = application(Operation.CREATE, 1, self.packages()[0].product_code)
                headers = {**request.headers, "x-acs-action": Operation.CREATE}
                super().handle(Request("POST", "/", given, headers))
            return response

    report = check_conformance(
        ServiceDriver(Greedy(lambda _, response: response)), random=0, seed=1, budget=300, only=["none"]
    )
    creates = [Operation.CREATE, Operation.CREATE_FOR_PACKAGE, Operation.CREATE_WITH_CSR]
    assert set(report.failed) == {(None, create, Kind.QUOTA) for create in creates}


def test_the_form_of_request_ids_is_told_once_whatever_is_selected():
    report = check_conformance(ServiceDriver(Wrong(lower)), random=0, seed=1, budget=300, only=["issued", "cancel"])
    [violation] = report.violations
    assert violation.expected == "a RequestId that is an upper-case UUID"


def test_the_form_of_request_ids_is_told_once():
    report = check_conformance(ServiceDriver(Wrong(lower)), random=0, seed=1, budget=300)
    [violation] = report.violations
    assert len(violation.calls) == 1
    assert Result.NOT_FORCED not in report.coverage.values()


@pytest.mark.parametrize("ask", [ask for _, ask in asked()], ids=str)
def test_the_mock_turns_each_of_them_away(ask):
    headers = {"x-acs-action": ask.action, "x-acs-version": ask.version}
    response = Service().handle(Request("POST", "/", dict(ask.parameters), headers))
    assert (response.status, response.json["Code"]) == (ask.status, ask.code)


def test_each_parameter_that_must_be_there_is_left_out_and_given_empty():
    requests = [ask for _, ask in asked()]
    assert {NO_ACTION} < {ask.action for ask in requests}
    assert {NO_VERSION} < {ask.version for ask in requests}
    assert {"MissingDomain", "MissingCsr", "MissingEmail", "MissingPhone", "MissingUsername", "MissingValidateType"} < {
        ask.code for ask in requests
    }
    assert {ask.action for ask in requests if ask.code == "MissingOrderId"} == {
        *(Operation.DESCRIBE, Operation.CANCEL, Operation.DELETE, Operation.CANCEL_FOR_PACKAGE, Operation.RENEW)
    }


def test_over_http_they_are_sent_by_the_sdk():
    with plain.served() as server:
        driver = HTTPDriver(server.api)
        for _, ask in asked():
            answer = driver.request(ask.action, dict(ask.parameters), version=ask.version)
            assert (answer.code, answer.http_status) == (ask.code, ask.status)
        assert driver.request(Operation.DESCRIBE_PACKAGE, {}).body["TotalCount"] == 20
