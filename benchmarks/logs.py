"""Logs to measure an audit on: simulated, and the same for a seed.

A trace is what `simulate` writes. The deliveries of ActionTrail are its calls, as events with all fields that the
documents name: of one account, some of whose events are of other services.
"""

from __future__ import annotations

import gzip
import json
from random import Random
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Form = Literal["jsonl", "json", "jsonl.gz"]
"""Events as lines, as one array in each file, and as lines that are compressed."""

FILES = 8
"""How many deliveries there are."""
ELSEWHERE = 0.1
"""The share of events that are of other services."""

_OTHERS = (
    ("Ecs", "DescribeInstances", "2014-05-26", {"PageSize": "10", "RegionId": "cn-hangzhou"}),
    ("Ram", "GetUser", "2015-05-01", {"UserName": "ops"}),
    ("Oss", "PutBucketAcl", "2013-10-15", {"bucketName": "logs"}),
)


def trace(folder: Path, orders: int, seed: int = 7) -> Path:
    """The trace of so many orders as JSON Lines in `folder`, a file for each month; written if it is not there."""
    from orderfsm.audit import simulate

    if not folder.exists():
        simulate(folder, orders=orders, seed=seed)
    return folder


def deliveries(folder: Path, orders: int, form: Form = "jsonl", *, files: int = FILES, seed: int = 7) -> Path:
    """The calls about so many orders in `folder`, as ActionTrail delivers them; written if they are not there."""
    if folder.exists():
        return folder
    simulated = trace(folder.with_name(f"{folder.name}-simulated"), orders, seed)
    events = [json.dumps(event) for event in _events(simulated, Random(seed))]
    each = -(-len(events) // files)
    folder.mkdir()
    for number in range(files):
        part = events[number * each : (number + 1) * each]
        text = f"[{','.join(part)}]" if form == "json" else "".join(f"{event}\n" for event in part)
        file = folder / f"Actiontrail_cn-hangzhou_{number}.{form}"
        file.write_bytes(gzip.compress(text.encode(), 6) if form.endswith(".gz") else text.encode())
    return folder


def _events(simulated: Path, random: Random) -> Iterator[dict[str, Any]]:
    for file in sorted(simulated.glob("*.jsonl")):
        for line in file.read_text().splitlines()[1:]:
            said = json.loads(line)
            if said.get("outcome") in {"accepted", "refused"}:
                yield _event(said, random)
                if random.random() < ELSEWHERE:
                    service, name, version, asked = random.choice(_OTHERS)
                    answered = {"RequestId": _uuid(random)}
                    around = _around(random, service, name, version, said["time"])
                    yield around | {"requestParameters": asked, "responseElements": answered, "errorCode": None}


def _event(said: dict[str, Any], random: Random) -> dict[str, Any]:
    accepted, creates = said["outcome"] == "accepted", said["operation"].startswith("Create")
    asked = {"ProductCode": "digicert-free-1-free", "Domain": f"www{random.randrange(10**6)}.example.com"}
    answered = {"OrderId": said["order_id"] if creates else said.get("new_order_id"), "Type": said.get("state")}
    there = {key: value for key, value in answered.items() if accepted and value is not None}
    return _around(random, "Cas", said["operation"], "2020-04-07", said["time"]) | {
        "requestParameters": (asked if creates else {"OrderId": str(said["order_id"])}) | {"AcsProduct": "cas"},
        "responseElements": {"RequestId": _uuid(random)} | there,
        "errorCode": said.get("code"),
        "errorMessage": None if accepted else "The operation is not allowed in this state.",
    }


def _around(random: Random, service: str, name: str, version: str, time: str) -> dict[str, Any]:
    user = random.randrange(20)
    return {
        "eventId": _uuid(random),
        "eventVersion": 1,
        "eventType": "ApiCall",
        "eventCategory": "Management",
        "eventRW": "Write",
        "serviceName": service,
        "eventSource": f"{service.lower()}.aliyuncs.com",
        "apiVersion": version,
        "acsRegion": "cn-hangzhou",
        "eventName": name,
        "eventTime": f"{time[:19]}Z",
        "requestId": _uuid(random),
        "sourceIpAddress": f"203.0.113.{random.randrange(256)}",
        "userAgent": "AlibabaCloud (Linux; amd64) Python/3.11.7 Core/1.0",
        "recipientAccountId": "1234567890123456",
        "userIdentity": {
            "type": "ram-user",
            "accountId": "1234567890123456",
            "principalId": f"2{user:017}",
            "accessKeyId": f"LTAI5tExample{user:08}",
            "userName": f"user-{user}",
        },
        "additionalEventData": {"isMFAChecked": "false", "CallbackId": _uuid(random)},
    }


def _uuid(random: Random) -> str:
    return str(UUID(int=random.getrandbits(128))).upper()
