"""What tests do with an order of a mock: create it, move it to a state, call an operation on it.

`call`, `created` and `order_in` speak to a `Service` in process; `invoke`, `create` and their asynchronous forms speak
to a server, with a client of the official SDK.
"""

from __future__ import annotations

import asyncio

from orderfsm import ORDER_LIFECYCLE, Actor, Operation, State, check, plan, trace
from orderfsm.mock import Request
from orderfsm.tables.api import VERSION

CONTACT = {"Email": "a@example.com", "Phone": "1", "Username": "u"}
DOMAIN = {"Domain": "example.com", "ValidateType": "DNS"}


def call(service, operation, **parameters):
    """The response to a call of the API port, made as the SDK makes it; `Tags_1_Key` stands for `Tags.1.Key`."""
    headers = {"x-acs-version": VERSION, "x-acs-action": operation}
    return service.handle(Request("POST", "/", {k.replace("_", "."): v for k, v in parameters.items()}, headers))


def created(service, **parameters):
    """The id of a new order, whose create is given `parameters` besides those that it needs."""
    response = call(service, Operation.CREATE, **{**CONTACT, **DOMAIN, **parameters})
    assert response.status == 200, response.json
    return response.json["OrderId"]


def order_in(service, state, **parameters):
    """The id of a new order that was moved to `state` on a shortest path, by calls and events."""
    order_id = created(service, **parameters)
    for step in plan(check(None, Operation.CREATE), State(state), events=True).steps:
        if ORDER_LIFECYCLE.actor(step) is Actor.CLIENT:
            response = call(service, step.trigger, OrderId=order_id)
            assert response.status == 200, response.json
        else:
            service.happen(order_id, step.trigger)
    return order_id


def state_of(service, order_id):
    """The state of an order, as the service has it."""
    return service.store.get(order_id).order.state


def in_form(form, call, call_async):
    """`call` if `form` is "sync"; if it is "async", what runs `call_async` and is called alike."""
    if form == "sync":
        return call
    return lambda *arguments, **settings: asyncio.run(call_async(*arguments, **settings))


def invoke(client, operation, order_id):
    """The body of the answer to `operation` on an order, by the SDK's method and model for it."""
    method, request = _for(operation, order_id)
    return getattr(client, method)(request).body


async def invoke_async(client, operation, order_id):
    """The same by the SDK's asynchronous method."""
    method, request = _for(operation, order_id)
    return (await getattr(client, f"{method}_async")(request)).body


def create(client, domain="example.com", **fields):
    """The id of a new order, created by the SDK."""
    return client.create_certificate_for_package_request(_application(domain, **fields)).body.order_id


async def create_async(client, domain="example.com", **fields):
    """The same by the SDK's asynchronous method."""
    return (await client.create_certificate_for_package_request_async(_application(domain, **fields))).body.order_id


def _for(operation, order_id):
    from alibabacloud_cas20200407 import models

    from orderfsm.client.sdk import method_name

    return method_name(operation), getattr(models, f"{operation}Request")(order_id=order_id)


def _application(domain, **fields):
    from alibabacloud_cas20200407 import models

    return models.CreateCertificateForPackageRequestRequest(domain=domain, **fields)


def obeyed(service):
    """Hold what happened in a mock against the table: every run ends with the judge saying that it conforms."""
    report = trace.replay(service.history(), events=trace.Events.COMPLETE)
    assert report.verdict is trace.Finding.CONFORMS, report.violations
