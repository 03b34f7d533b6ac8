"""Clients that call a mock all at once, and what their answers say about it.

The witness of an honest server is its own history: it is one order of the calls. So it must obey the rules by itself,
every answer that a client got must be a line of it, and that line must lie between the call's beginning and its end.
"""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from collections import Counter, defaultdict
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

from orderfsm import ORDER_LIFECYCLE, Operation, trace
from orderfsm.tables import instances

PRODUCT = "digicert-free-1-free"


class Kind(NamedTuple):
    """What the clients begin and call: orders or instances, by the names that the two ports have for them."""

    create: Any
    parameters: dict[str, str]
    operations: list[Any]
    events: list[str]
    path: str
    parameter: str
    key: str
    lifecycle: Any
    version: str = "2020-04-07"

    def begun(self, answer):
        """The id of what an accepted call began, if it began anything."""
        return answer.get("Data", answer).get(self.parameter)


ORDERS = Kind(
    Operation.CREATE_FOR_PACKAGE,
    {"Domain": "example.com"},
    [Operation.DESCRIBE, Operation.CANCEL, Operation.DELETE, Operation.CANCEL_FOR_PACKAGE, Operation.RENEW],
    ["domain_validated", "review_passed", "review_failed", "submitted", "expiry_neared", "certificate_revoked"],
    "orders",
    "OrderId",
    "order_id",
    ORDER_LIFECYCLE,
)
INSTANCES = Kind(
    instances.Operation.PURCHASE,
    {"ProductCode": "cas", "ProductType": "cas", "SubscriptionType": "Subscription", "Period": "12"},
    [
        instances.Operation.GET,
        instances.Operation.UPDATE,
        instances.Operation.APPLY,
        instances.Operation.CANCEL,
        instances.Operation.REFUND,
        instances.Operation.DELETE,
    ],
    [
        "purchase_settled",
        "submission_accepted",
        "withdrawal_completed",
        "refund_completed",
        "certificate_issued",
        "review_failed",
    ],
    "instances",
    "InstanceId",
    "instance_id",
    instances.LIFECYCLE,
    "2017-12-14",
)


class Call(NamedTuple):
    """A call, when it began and ended (seconds since the epoch), and what it was answered; status None: nothing."""

    began: float
    ended: float
    operation: str
    order_id: int | None
    status: int | None
    code: str | None
    new_order_id: int | None


class Client:
    """One client with one connection, which it opens anew when it broke."""

    def __init__(self, api, control, kind=ORDERS):
        self.kind = kind
        self.api, self.control = urlsplit(api), urlsplit(control)
        self.calls = []
        self._open = {}

    def request(self, url, method, path, headers=(), body=None):
        """Status and JSON of a request; (None, None) if no answer came."""
        connection = self._open.setdefault(url.netloc, http.client.HTTPConnection(url.hostname, url.port, timeout=30))
        try:
            connection.request(method, path, body, dict(headers))
            response = connection.getresponse()
            text = response.read()
            return response.status, json.loads(text) if text else None
        except (OSError, http.client.HTTPException, ValueError):
            connection.close()
            del self._open[url.netloc]
            return None, None

    def call(self, operation, **parameters):
        """Call the API; the answer is noted."""
        version = self.kind.version if operation == self.kind.create else "2020-04-07"
        headers = {"x-acs-version": version, "x-acs-action": str(operation)}
        began = time.time()
        status, answer = self.request(self.api, "POST", f"/?{urlencode(parameters)}", headers.items())
        order_id = parameters.get(self.kind.parameter)
        new = self.kind.begun(answer) if status == 200 and self._begins(operation) else None
        code = answer.get("Code") if answer and status != 200 else None
        self.calls.append(Call(began, time.time(), str(operation), order_id, status, code, new))
        return status, answer

    def _begins(self, operation):
        return operation in self.kind.lifecycle.creates | self.kind.lifecycle.renewals

    def happen(self, order_id, event):
        """Let an event happen, or not, by the control port."""
        body = json.dumps({"Event": event})
        return self.request(self.control, "POST", f"/{self.kind.path}/{order_id}/events", (), body)[0]

    def close(self):
        """Close the connections."""
        for connection in self._open.values():
            connection.close()


def work(client, shared, number, seed, pause=None):
    """`number` random calls on orders that are shared with the other clients."""
    draw = random.Random(seed)
    kind = client.kind
    for _ in range(number):
        if pause is not None:
            pause()
        if len(shared) < 12 or draw.random() < 0.08:
            client.call(kind.create, **kind.parameters)
            shared.extend(filter(None, [client.calls[-1].new_order_id]))
            continue
        order_id = draw.choice(shared[-12:])
        if draw.random() < 0.4:
            client.happen(order_id, draw.choice(kind.events))
        operation = draw.choice(kind.operations)
        filled = {"Domain": "a.example.com"} if operation == instances.Operation.UPDATE else {}
        client.call(operation, **{kind.parameter: order_id}, **filled)
        shared.extend(filter(None, [client.calls[-1].new_order_id]))


def run(api, control, clients, calls, *, pause=None, kind=ORDERS):
    """All calls of `clients` clients that make `calls` calls each, at the same time."""
    made = [Client(api, control, kind) for _ in range(clients)]
    shared = []
    threads = [
        threading.Thread(target=work, args=(client, shared, calls, seed, pause)) for seed, client in enumerate(made)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for client in made:
        client.close()
    return [call for client in made for call in client.calls]


def fetch(url):
    """The body of a GET."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
    connection.request("GET", parts.path)
    with connection.getresponse() as response:
        body = response.read()
    connection.close()
    return body


def history_of(control):
    """The server's history as JSON lines, without the header."""
    return [json.loads(line) for line in fetch(f"{control}/history").splitlines()][1:]


def check(control, calls, tmp_path, kind=ORDERS):
    """Hold the answers of a load against the server's own history; how many answers there were."""
    lines = history_of(control)
    path = tmp_path / "history.jsonl"
    path.write_bytes(fetch(f"{control}/history"))
    report = trace.replay(trace.read([path], lifecycle=kind.lifecycle), lifecycle=kind.lifecycle)
    assert report.as_json()["verdict"] == "conforms"
    written = defaultdict(list)
    for line in lines:
        if "operation" in line:
            key = (line["operation"], line.get(kind.key), line.get("code"), line.get("new_order_id"))
            if line["operation"] == kind.create:
                key = (line["operation"], None, None, line[kind.key])
            written[key].append(datetime.fromisoformat(line["time"]).timestamp())
    answered = defaultdict(list)
    lost = Counter()
    for call in calls:
        if call.status is None:
            lost[call.operation] += 1
        elif call.code not in {"NotRemainCount", "MissingParameter"}:  # what is in no history
            answered[call.operation, call.order_id, call.code, call.new_order_id].append((call.began, call.ended))
    for key, intervals in answered.items():
        assert len(written[key]) >= len(intervals), f"acknowledged, but not in the history: {key}"
        assert one_each(written[key], intervals), f"not within the call: {key}"
    unanswered = sum(map(len, written.values())) - sum(map(len, answered.values()))
    assert unanswered <= sum(lost.values()), "something happened that nobody asked for, or twice"
    begun = [line[kind.key] for line in lines if line.get("operation") == kind.create]
    begun += [line["new_order_id"] for line in lines if line.get("new_order_id")]
    assert len(begun) == len(set(begun)), "an id was used twice"
    return sum(map(len, answered.values()))


def one_each(times, intervals, slack=0.002):
    """Whether each interval can have a time of its own: the earliest end takes the earliest time that fits."""
    left = sorted(times)
    for began, ended in sorted(intervals, key=lambda interval: interval[1]):
        fitting = next((at for at in left if began - slack <= at <= ended + slack), None)
        if fitting is None:
            return False
        left.remove(fitting)
    return True


def check_quota(api, control):
    """Units are conserved: what the package says is held is what the orders hold."""
    client = Client(api, control)
    _, package = client.call(Operation.DESCRIBE_PACKAGE, ProductCode=PRODUCT)
    held, after = 0, 0
    while True:
        _, page = client.request(client.control, "GET", f"/orders?after={after}")
        held += sum(order["HoldsUnit"] for order in page["Orders"])
        if page["Next"] is None:
            break
        after = page["Next"]
    client.close()
    assert package["UsedCount"] == held <= package["TotalCount"]
    return held
