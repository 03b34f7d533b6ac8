"""ActionTrail: what an event of Alibaba Cloud's audit trail says in the trace format.

Deliveries are JSON: one event a line, or arrays of events, each perhaps wrapped as `event` (as the log service does),
or what queries answer: see `streams`. `null` fields and empty texts are absent. An event says nothing of an order if it
is another service's, or an operation of the service that the table does not know.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from orderfsm.invalid import InvalidValue
from orderfsm.streams import values

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator, Mapping

    from orderfsm.lifecycle import Lifecycle

SERVICES = {"OrderId": "Cas"}
"""The service whose events are about the orders of a table, by the parameter in which it has their ids."""


def check(name: str, lifecycle: Lifecycle) -> None:
    """An `InvalidValue`, for the delivery of this `name`, if ActionTrail has no events of such a table."""
    if lifecycle.identity.parameter not in SERVICES:
        accepted = f"lines in the trace format; this is a delivery of ActionTrail, which has no {lifecycle.noun}s"
        raise InvalidValue("file", name, [accepted])


def is_delivered(event: Any) -> bool:
    """Whether a JSON value is an event of ActionTrail, or wraps one; lines of a trace may have any keys besides."""
    if isinstance(event, dict) and "time" in event and ("operation" in event or "event" in event):
        return False
    try:
        unwrapped(event)
    except InvalidValue:
        return False
    return True


def events(stream: io.BufferedReader, name: str) -> Iterator[tuple[int, object]]:
    """Each event of a delivery with its number; what is not JSON is given as its text."""
    for number, value in values(stream, name):
        yield number, _value(value) if isinstance(value, bytes) else value


def _value(text: bytes) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def of_the_service(event: object, lifecycle: Lifecycle) -> bool:
    """Whether it is an event of the table's service about an operation that the table knows; else it is `other`.

    What is no event at all is an `InvalidValue`.
    """
    inner = unwrapped(event)
    name = inner.get("eventName")
    known = isinstance(name, str) and name in lifecycle.operations
    return known and inner.get("serviceName") == SERVICES[lifecycle.identity.parameter]


def unwrapped(event: object) -> Mapping[str, Any]:
    """The event itself, without the log service's wrapping; `InvalidValue` if it is none."""
    inner: Any = event
    if isinstance(inner, dict) and isinstance(inner.get("event"), str):
        inner = inner | {"event": _value(inner["event"].encode())}
    if isinstance(inner, dict) and isinstance(inner.get("event"), dict):
        inner = inner["event"]
    if isinstance(inner, dict) and ("eventName" in inner or "eventId" in inner):
        return inner
    raise InvalidValue("event", event, ["a JSON object with the fields of an ActionTrail event"])


def fields(event: Mapping[str, Any], lifecycle: Lifecycle) -> dict[str, Any]:
    """The fields of the trace format that an event of the service says; those that it does not say are None."""
    identity = lifecycle.identity
    asked, answered = (_object(event, side) for side in ("requestParameters", "responseElements"))
    operation, code = event["eventName"], event.get("errorCode") or None
    asked_for, given = asked.get(identity.parameter), answered.get(identity.parameter)
    words = (answered.get(vocabulary.field) for vocabulary in lifecycle.vocabularies)
    return {
        "time": event.get("eventTime"),
        "operation": operation,
        "outcome": "accepted" if code is None else "refused",
        "code": code,
        identity.key: given if asked_for is None and operation in lifecycle.creates else asked_for,
        f"new_{identity.key}": given if operation in lifecycle.renewals and asked_for is not None else None,
        "state": next((word for word in words if word is not None), None),
    }


def _object(event: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """A member that is an object, or the text of one, as in `requestParameterJson`."""
    value = event.get(key)
    if not value and key == "requestParameters":
        value = event.get("requestParameterJson")
    if isinstance(value, str):
        value = _value(value.encode())
    return value if isinstance(value, dict) else {}


def context(event: Mapping[str, Any]) -> dict[str, Any]:
    """Who was behind an event, and from where; nothing else of it, so that no secret in a parameter gets out."""
    who = _object(event, "userIdentity")
    return {
        "user": who.get("userName"),
        "user_type": who.get("type"),
        "principal_id": who.get("principalId"),
        "access_key_id": who.get("accessKeyId"),
        "account_id": who.get("accountId") or event.get("recipientAccountId"),
        "source_ip": event.get("sourceIpAddress"),
        "region": event.get("acsRegion"),
        "event_id": event.get("eventId"),
        "request_id": event.get("requestId"),
    }
