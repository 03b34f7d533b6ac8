"""A purchase is paid at once: it is never made twice, whatever becomes of its answers."""

from __future__ import annotations

import asyncio

import pytest

pytest.importorskip("alibabacloud_cas20200407", reason="the extra `client` is not installed")
pytest.importorskip("alibabacloud_bssopenapi20171214", reason="the group `test` is not installed")
pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")

from types import SimpleNamespace
from urllib.parse import urlsplit

from alibabacloud_bssopenapi20171214 import models
from alibabacloud_bssopenapi20171214.client import Client as Buyer
from alibabacloud_tea_openapi.models import Config
from Tea.exceptions import TeaException

from orderfsm import InvalidValue
from orderfsm.client import OutcomeUnknown, guard, observe, purchase, purchase_async
from orderfsm.mock import mock_cas
from orderfsm.tables.instances import Operation, State


@pytest.fixture
def server():
    with mock_cas() as running:
        yield running


@pytest.fixture
def buyer(server):
    url = urlsplit(server.api)
    return Buyer(Config(endpoint=url.netloc, protocol="http", access_key_id="a", access_key_secret="b"))


@pytest.fixture(params=["sync", "async"])
def buying(request):
    if request.param == "sync":
        return purchase
    return lambda *arguments: asyncio.run(purchase_async(*arguments))


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr("orderfsm.client.backoff.BASE", 0)


def asked(**fields):
    spec = [models.CreateInstanceRequestParameter(code="fullSpec", value="ws.dv.f")]
    spec += [models.CreateInstanceRequestParameter(code="fullDomainCount", value="1")]
    usual = {"product_code": "cas", "product_type": "cas", "subscription_type": "Subscription", "period": 12}
    return models.CreateInstanceRequest(parameter=spec, **(usual | fields))


def test_what_was_bought_is_named_and_known_from_then_on(server, buyer, buying):
    client, request = guard(server.client()), asked()
    bought = buying(client, buyer, request)
    assert State.SETTLING in observe(client, bought).states
    assert [each.id for each in server.instances()] == [bought]
    assert request.client_token is None  # it is a copy that got one


@pytest.mark.parametrize("token", [None, "mine"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_purchase_whose_answer_was_lost_is_made_once(server, buyer, buying, when, token):
    server.fail(Operation.PURCHASE, times=2, when=when)
    bought = buying(server.client(), buyer, asked(client_token=token))
    assert [each.id for each in server.instances()] == [bought]


def test_of_one_that_stays_lost_the_list_tells_what_it_may_have_bought(server, buyer, buying):
    known = buying(server.client(), buyer, asked())
    client = guard(server.client())
    observe(client, known)
    server.fail(Operation.PURCHASE, when="after")
    with pytest.raises(OutcomeUnknown, match=r"it may have made one of the instances cas-cn-\d+$") as caught:
        buying(client, buyer, asked())
    (other,) = {each.id for each in server.instances()} - {known}
    assert caught.value.candidates == (other,)
    assert isinstance(caught.value.__cause__, TeaException)


def test_by_an_sdk_that_knows_no_token_it_is_sent_once(server, buyer, buying):
    server.fail(Operation.PURCHASE, times=1, when="after")
    with pytest.raises(OutcomeUnknown) as caught:
        buying(server.client(), WithoutTokens(buyer), SimpleNamespace())
    assert list(caught.value.candidates) == [each.id for each in server.instances()]
    assert len(caught.value.candidates) == 1


class WithoutTokens:
    """A client of the billing API whose requests know no token."""

    def __init__(self, buyer):
        self._buyer = buyer

    def create_instance_with_options(self, _request, runtime):
        return self._buyer.create_instance_with_options(asked(), runtime)

    async def create_instance_with_options_async(self, _request, runtime):
        return await self._buyer.create_instance_with_options_async(asked(), runtime)


def test_a_purchase_that_is_refused_is_the_sdks_error(server, buyer, buying):
    server.fail(Operation.PURCHASE, code="AlreadyExistsTry", status=400)
    with pytest.raises(TeaException) as caught:
        buying(server.client(), buyer, asked())
    assert caught.value.code == "AlreadyExistsTry"
    assert server.instances() == []


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"Success": False, "Code": "NotApplicable", "Message": "another site"}, TeaException),
        ({"Success": True, "Code": "Success"}, OutcomeUnknown),
        ({"Success": True, "Code": "Success", "Data": {"OrderId": "1"}}, OutcomeUnknown),
        ({}, OutcomeUnknown),
    ],
)
def test_an_answer_with_200_is_no_success_by_itself(server, body, error):
    class Denying:
        def create_instance_with_options(self, _request, _runtime):
            read = models.CreateInstanceResponseBody().from_map(body)
            return models.CreateInstanceResponse(status_code=200, body=read)

        async def create_instance_with_options_async(self, request, runtime):
            return self.create_instance_with_options(request, runtime)

    with pytest.raises(error) as caught:
        purchase(server.client(), Denying(), asked())
    assert getattr(caught.value, "code", None) == body.get("Code" if error is TeaException else "")


@pytest.mark.parametrize("request_", [None, {"ProductCode": "cas"}])
def test_what_is_no_request_of_the_sdk_is_no_purchase(server, buyer, request_):
    with pytest.raises(InvalidValue, match="the SDK's request for CreateInstance"):
        purchase(server.client(), buyer, request_)


def test_only_a_client_that_sells_instances_is_a_buyer(server):
    with pytest.raises(InvalidValue, match=r"buyer .*: expected a client of the SDK that has CreateInstance, as "):
        purchase(server.client(), server.client(), asked())
