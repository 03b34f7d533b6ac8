"""ActionTrail: what an event of Alibaba Cloud's audit trail says in the trace format.

Deliveries are JSON: one event a line, or arrays of events, each perhaps wrapped as `event` (as the log service does),
or what queries answer: see `streams`. `null` fields and empty texts are absent. An event says nothing of an order if it
is another service's, or an operation of the service that no table knows. The operation says which table's it is.

A purchase is an event of the billing service, which sells everything: it is one of an instance if what it answered has
the form of such an id. Of the reads of a submission the id is called after the task.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from orderfsm.invalid import InvalidValue
from orderfsm.streams import values
from orderfsm.trace.tables import keys_of

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator, Mapping

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.trace.tables import Tables

SERVICES = {"OrderId": "Cas", "InstanceId": "Cas"}
"""The service whose events are about the orders of a table, by the parameter in which it has their ids."""

SOLD = {"InstanceId": re.compile(r"cas(?:_[a-z]+)?-cn-[0-9a-z]+").fullmatch}
"""By the same: how the ids look of what another service sells."""

ALSO_CALLED = {"InstanceId": "TaskId"}
"""By the same: another parameter of a request that is an id."""

TOLD = frozenset({"eventName", "serviceName", "errorCode"})
"""Members of an event of whose texts there are few."""


def parameters(tables: Tables) -> frozenset[str]:
    """What the ids of these tables are called."""
    own = {table.identity.parameter for table in tables.known}
    return frozenset(own | {ALSO_CALLED[name] for name in own & ALSO_CALLED.keys()})


def check(name: str, tables: Tables) -> None:
    """An `InvalidValue`, for the delivery of this `name`, if ActionTrail has no events of these tables."""
    if not any(table.identity.parameter in SERVICES for table in tables.judged):
        nouns = " and ".join(f"{table.noun}s of the table {table.name}" for table in tables.judged)
        accepted = f"lines in the trace format; this is a delivery of ActionTrail, which has no {nouns}"
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
        yield number, value_of(value) if isinstance(value, bytes) else value


def value_of(text: bytes) -> object:
    """What a text is in JSON; the text itself if it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def table_of(event: Mapping[str, Any], tables: Tables) -> Lifecycle | None:
    """The table of what an event is about; None if it is none that any of them knows: the event is `other`."""
    name = event.get("eventName")
    table = tables.with_operation(name)
    if table is None or (service := SERVICES.get(table.identity.parameter)) is None:
        return None
    if event.get("serviceName") == service:
        return table
    is_sold = SOLD.get(table.identity.parameter)
    given = _given(event, table) if name in table.creates else None
    return table if is_sold is not None and isinstance(given, str) and is_sold(given) else None


def unwrapped(event: object) -> Mapping[str, Any]:
    """The event itself, without the log service's wrapping; `InvalidValue` if it is none."""
    inner: Any = event
    if isinstance(inner, dict) and isinstance(inner.get("event"), str):
        inner = inner | {"event": value_of(inner["event"].encode())}
    if isinstance(inner, dict) and isinstance(inner.get("event"), dict):
        inner = inner["event"]
    if isinstance(inner, dict) and ("eventName" in inner or "eventId" in inner):
        return inner
    raise InvalidValue("event", event, ["a JSON object with the fields of an ActionTrail event"])


def fields(event: Mapping[str, Any], lifecycle: Lifecycle) -> dict[str, Any]:
    """The fields of the trace format that an event of the service says; those that it does not say are None."""
    keys, parameter = keys_of(lifecycle), lifecycle.identity.parameter
    asked, answered = (_object(event, side) for side in ("requestParameters", "responseElements"))
    operation, code = event["eventName"], event.get("errorCode") or None
    asked_for, given = asked.get(parameter), _given(event, lifecycle)
    if asked_for is None and parameter in ALSO_CALLED:
        asked_for = asked.get(ALSO_CALLED[parameter])
    first, second = (
        [answered.get(vocabulary.field) for vocabulary in lifecycle.vocabularies if bool(vocabulary.apart) is apart]
        for apart in (False, True)
    )
    said = {
        "time": event.get("eventTime"),
        "operation": operation,
        "outcome": "accepted" if code is None else "refused",
        "code": code,
        keys.order: given if asked_for is None and operation in lifecycle.creates else asked_for,
        keys.new_order: given if operation in lifecycle.renewals and asked_for is not None else None,
        "state": next((word for word in first if word is not None), None),
    }
    return said | ({keys.apart: second[0] or None} if second else {})


def _given(event: Mapping[str, Any], lifecycle: Lifecycle) -> Any:
    """The id that an event answered, by itself or among the data of a purchase."""
    answered, parameter = _object(event, "responseElements"), lifecycle.identity.parameter
    given = answered.get(parameter)
    return _object(answered, "Data").get(parameter) if given is None else given


def _object(event: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """A member that is an object, or the text of one, as in `requestParameterJson`."""
    value = event.get(key)
    if not value and key == "requestParameters":
        value = event.get("requestParameterJson")
    if isinstance(value, str):
        value = value_of(value.encode())
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
