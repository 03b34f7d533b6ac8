"""The second half of `orderfsm demo`: the life of two V2.0 instances, one led through the guard, one without it.

Both are bought, applied for, withdrawn too early and in time, refunded and deleted, on the mock's movable clock. At
each step both must be answered alike, and what the guard keeps back the server must refuse.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from orderfsm.client import guard
from orderfsm.client.sdk import RuntimeOptions, field_name, method_name, offers, request
from orderfsm.extras import needs
from orderfsm.tables.instances import LIFECYCLE as TABLE
from orderfsm.tables.instances import Operation

with needs("client"):
    from alibabacloud_tea_openapi import models as openapi
    from Tea.exceptions import TeaException

if TYPE_CHECKING:
    from orderfsm.mock import Server

BILLING = "2017-12-14"
"""The version of the billing API, at which an instance is bought."""


class Step(NamedTuple):
    """What is called how many seconds after the step before, with which fields, and what is peculiar to it."""

    after: float
    operation: Operation
    remark: str = ""
    fields: dict[str, str] = {}  # noqa: RUF012  (nobody changes it)


LIFE = (
    Step(5, Operation.UPDATE, fields={"domain": "example.com"}),
    Step(0, Operation.APPLY),
    Step(3, Operation.CANCEL, "too early: the submission is still being taken up"),
    Step(0, Operation.DELETE),
    Step(17, Operation.CANCEL, "the same call passes"),
    Step(0, Operation.REFUND, "too early: the withdrawal has not landed yet"),
    Step(180, Operation.REFUND, "the same call passes"),
    Step(0, Operation.DELETE, "too early: the refund has not landed yet"),
    Step(60, Operation.DELETE, "the same call passes"),
    Step(0, Operation.GET),
)


def lives(server: Server) -> list[dict[str, Any]]:
    """What both instances were answered, call by call; empty if the official SDK is one that knows no instances."""
    bare = server.client()
    if not all(offers(type(bare), step.operation) for step in LIFE):
        return []
    guarded = guard(bare)
    first, second = purchase(bare), purchase(bare)
    steps = []
    for step in LIFE:
        server.advance(step.after)
        words = read(bare, second)
        guard_says, stopped = _answer(guarded, step, first)
        server_says, _ = _answer(bare, step, second)
        agree = guard_says == server_says and not (stopped and server_says == "accepted")
        did = "stops it" if stopped else "lets it go"
        said = {"call": step.operation, "words": words, "guard": did, "server": server_says, "agree": agree}
        steps.append(said | {"remark": step.remark})
    return steps


def purchase(client: Any) -> str:
    """The id of a new instance, bought by the official SDK's own way to call an operation of any API."""
    call = openapi.Params(
        action=Operation.PURCHASE,
        version=BILLING,
        protocol="HTTP",
        pathname="/",
        method="POST",
        auth_type="AK",
        style="RPC",
        req_body_type="formData",
        body_type="json",
    )
    asked = {
        "ProductCode": "cas",
        "SubscriptionType": "Subscription",
        "Period": "12",
        "Parameter.1.Code": "fullSpec",
        "Parameter.1.Value": "ws.dv.f",
    }
    answer = client.call_api(call, openapi.OpenApiRequest(query=asked), RuntimeOptions())
    return str(answer["body"]["Data"][TABLE.identity.parameter])


def read(client: Any, instance_id: str) -> str:
    """Both words that the service answers, as in `normal/issued`, or the code of its refusal."""
    try:
        body = _call(client, Step(0, Operation.GET), instance_id)
    except TeaException as error:
        return str(error.code)
    words = [getattr(body, field_name(vocabulary.field)) for vocabulary in TABLE.vocabularies]
    return "/".join(word or "-" for word in words)


def _answer(client: Any, step: Step, instance_id: str) -> tuple[str, bool]:
    """`accepted` or the code of the refusal, and whether the refusal came from the guard."""
    try:
        _call(client, step, instance_id)
    except TeaException as error:
        return str(error.code), getattr(error, "local", False)
    return "accepted", False


def _call(client: Any, step: Step, instance_id: str) -> Any:
    asked = request(step.operation, **{field_name(TABLE.identity.parameter): instance_id}, **step.fields)
    return getattr(client, method_name(step.operation))(asked).body
