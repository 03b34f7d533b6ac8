"""ActionTrail: what an event of Alibaba Cloud's audit trail says in the trace format.

Deliveries are JSON: one event a line, or arrays of events, each perhaps wrapped as `event` (as the log service does),
or what queries answer: see `streams`. `null` fields and empty texts are absent. An event says nothing of an order if it
is another service's, or an operation of the certificate service that the table does not know.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from orderfsm.invalid import InvalidValue
from orderfsm.streams import values
from orderfsm.tables.orders import TRANSITIONS, Operation

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator, Mapping

SERVICE = "Cas"

_OPERATIONS = {operation.value for operation in Operation}
_CREATES = {row.trigger.value for row in TRANSITIONS if row.source is None}
_RENEWALS = {row.trigger.value for row in TRANSITIONS if row.creates is not None}


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


def of_the_service(event: object) -> bool:
    """Whether it is an event of the certificate service about something that the table knows; else it is `other`.

    What is no event at all is an `InvalidValue`.
    """
    inner = unwrapped(event)
    name = inner.get("eventName")
    return inner.get("serviceName") == SERVICE and isinstance(name, str) and name in _OPERATIONS


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


def fields(event: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of the trace format that an event of the service says; those that it does not say are None."""
    asked, answered = (_object(event, side) for side in ("requestParameters", "responseElements"))
    operation, code = event["eventName"], event.get("errorCode") or None
    asked_for, given = asked.get("OrderId"), answered.get("OrderId")
    return {
        "time": event.get("eventTime"),
        "operation": operation,
        "outcome": "accepted" if code is None else "refused",
        "code": code,
        "order_id": given if asked_for is None and operation in _CREATES else asked_for,
        "new_order_id": given if operation in _RENEWALS and asked_for is not None else None,
        "state": answered.get("Type"),
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


def names_no_order(event: Mapping[str, Any]) -> bool:
    """Whether an event of the service names no order at all, as a create that was refused."""
    said = fields(event)
    return said["order_id"] is None
