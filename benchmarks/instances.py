"""What a call on an instance costs beside the same kind of call on an order: `python -m benchmarks.instances`.

Each kind is made in process, on the memory store and on SQLite: in each round a batch is made on new orders and on new
instances, which are brought to where it is allowed before the clock starts. Over HTTP: `benchmarks.against`, the row
`mock-instances`.
"""

from __future__ import annotations

import tempfile
import time
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks.core import machine
from orderfsm.mock import MemoryStore, Request, Service, SQLStore
from orderfsm.tables.instances import Event, Operation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

ROUNDS = 9
BATCH = {"memory": 400, "SQLite": 100}

PURCHASE = {
    "ProductCode": "cas",
    "SubscriptionType": "Subscription",
    "Period": "12",
    "Parameter.1.Code": "fullSpec",
    "Parameter.1.Value": "ws.dv.f",
}
CREATE = {"Domain": "example.com", "ProductCode": "p"}


class Calls:
    """Calls of the API on a mock in process, which completes nothing by itself."""

    def __init__(self, store: MemoryStore | SQLStore) -> None:
        self.service = Service(store=store, completions="manual")
        self.service.put_package("p", 10**6)

    def make(self, action: str, version: str = "2020-04-07", **query: Any) -> Any:
        """The answer to one call."""
        headers = {"x-acs-version": version, "x-acs-action": action}
        return self.service.handle(Request("POST", "/", {name: str(value) for name, value in query.items()}, headers))

    def order(self) -> Any:
        """The id of a new order."""
        return self.make("CreateCertificateForPackageRequest", **CREATE).json["OrderId"]

    def instance(self, *triggers: Operation | Event) -> Any:
        """The id of a new instance that was settled, and for which these calls were made and events happened."""
        instance_id = self.make("CreateInstance", "2017-12-14", **PURCHASE).json["Data"]["InstanceId"]
        self.service.instances.happen(instance_id, Event.PURCHASE_SETTLED)
        self.make("UpdateInstance", InstanceId=instance_id, Domain="example.com")
        for trigger in triggers:
            if isinstance(trigger, Event):
                self.service.instances.happen(instance_id, trigger)
            else:
                answer = self.make(trigger, InstanceId=instance_id)
                assert answer.status == 200, answer.json
        return instance_id

    def withdrawn_order(self) -> Any:
        """The id of an order that can be deleted."""
        order_id = self.order()
        self.make("CancelOrderRequest", OrderId=order_id)
        return order_id


def batches(calls: Calls, count: int) -> dict[str, tuple[list[Callable[[], Any]], list[Callable[[], Any]]]]:
    """For each kind of call, `count` calls on orders and as many on instances, none of which has been made yet."""

    def on(action: str, key: str, ids: Iterable[Any]) -> list[Callable[[], Any]]:
        return [partial(calls.make, action, **{key: each}) for each in ids]

    orders = [calls.order() for _ in range(count)]
    reviewed = [calls.instance(Operation.APPLY, Event.SUBMISSION_ACCEPTED) for _ in range(count)]
    refunded = [calls.instance(Operation.REFUND, Event.REFUND_COMPLETED) for _ in range(count)]
    withdrawn = [calls.withdrawn_order() for _ in range(count)]
    create = [lambda: calls.make("CreateCertificateForPackageRequest", **CREATE)] * count
    purchase = [lambda: calls.make("CreateInstance", "2017-12-14", **PURCHASE)] * count
    return {
        "create, purchase": (create, purchase),
        "read": (on("DescribeCertificateState", "OrderId", orders), on("GetInstanceDetail", "InstanceId", reviewed)),
        "refused deletion": (
            on("DeleteCertificateRequest", "OrderId", orders),
            on("DeleteInstance", "InstanceId", reviewed),
        ),
        "withdrawal": (
            on("CancelOrderRequest", "OrderId", orders),
            on("CancelPendingCertificate", "InstanceId", reviewed),
        ),
        "deletion": (
            on("DeleteCertificateRequest", "OrderId", withdrawn),
            on("DeleteInstance", "InstanceId", refunded),
        ),
        "list, first page": (
            [lambda: calls.make("ListUserCertificateOrder")] * (count // 4),
            [lambda: calls.make("ListInstances")] * (count // 4),
        ),
    }


def microseconds(made: list[Callable[[], Any]]) -> float:
    """What one of these calls takes of the processor's time, on average."""
    began = time.process_time()
    for each in made:
        each()
    return (time.process_time() - began) / len(made) * 1e6


def measured(store: MemoryStore | SQLStore, count: int) -> dict[str, list[tuple[float, float]]]:
    """For each kind of call, what it took on orders and on instances, by round."""
    calls = Calls(store)
    taken: dict[str, list[tuple[float, float]]] = {}
    for number in range(ROUNDS + 1):
        for kind, (orders, instances) in batches(calls, count).items():
            pair = microseconds(orders), microseconds(instances)
            if number:
                taken.setdefault(kind, []).append(pair)
    return taken


def main() -> None:
    """Measure, and print the tables."""
    print(f"{machine()}; medians of {ROUNDS} interleaved rounds\n")
    print("| one call in process, µs of CPU | on orders | on instances | ratio |\n| --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        stores: dict[str, MemoryStore | SQLStore] = {
            "memory": MemoryStore(),
            "SQLite": SQLStore(f"sqlite:///{Path(folder) / 'mock.db'}"),
        }
        for name, store in stores.items():
            for kind, taken in measured(store, BATCH[name]).items():
                orders, instances = median(each[0] for each in taken), median(each[1] for each in taken)
                ratio = median(instance / order for order, instance in taken)
                print(f"| {name}: {kind} | {orders:.0f} | {instances:.0f} | {ratio:.2f} |")
            store.close()


if __name__ == "__main__":
    main()
