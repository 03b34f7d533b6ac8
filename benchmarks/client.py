"""What the guard costs: `python -m benchmarks.client`, its own work beside one call of the official SDK.

The guard's own work is all that it does before and after a guarded call, but for the two calls themselves, the read and
the call: those are answered at once by answers made beforehand. The SDK's call is a DescribeCertificateState that a
mock in another process answers over loopback, which is less than any network takes.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from alibabacloud_cas20200407.models import DescribeCertificateStateRequest
from alibabacloud_tea_openapi.models import Config

from benchmarks import tables
from benchmarks.core import machine
from benchmarks.harness import Statement, nanoseconds
from orderfsm import Operation, OrderStateError, State
from orderfsm.client import guard
from orderfsm.client.call import calling
from orderfsm.client.preflight import Preflight
from orderfsm.client.sdk import Answer, Client, request, response
from orderfsm.client.steps import run
from orderfsm.trace import Outcome
from orderfsm.wire import type_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from orderfsm.client.steps import Send

ROUNDS = 101


def answering(state: State) -> Callable[[Send], Answer]:
    """Performs steps at once: the order is read as being in `state`, and every call is accepted."""
    read = Answer(Outcome.ACCEPTED, response=response(Operation.DESCRIBE, type=type_of(state)))
    accepted = Answer(Outcome.ACCEPTED, response=response(Operation.CANCEL))
    return lambda step: read if step.operation is Operation.DESCRIBE else accepted


def main() -> None:
    """Measure and print."""
    command = [sys.executable, "-m", "orderfsm.cli", "serve"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            assert server.stdout is not None
            api = json.loads(server.stdout.readline())["api"]
            sys.stdout.write(f"{machine()}\n\n{tables.markdown(tables.TARGETS, measure(api))}\n")
        finally:
            server.terminate()


def measure(api: str) -> list[tables.Target]:
    """The guard's own work, of a call that is let through and of one that is refused, beside a call of the SDK."""
    config = Config(
        access_key_id="a",
        access_key_secret="b",  # noqa: S106
        endpoint=api.removeprefix("http://"),
        protocol="http",
        http_proxy=api,
    )
    client = Client(config)
    created = guard(client).create_certificate_for_package_request(
        request(Operation.CREATE_FOR_PACKAGE, domain="example.com")
    )
    names: dict[str, Any] = {
        "calling": calling,
        "run": run,
        "preflight": Preflight(),
        "CANCEL": Operation.CANCEL,
        "asked": request(Operation.CANCEL, order_id=created.body.order_id),
        "reviewed": answering(State.BEING_REVIEWED),
        "failed": answering(State.VERIFY_FAIL),
        "client": client,
        "describe": DescribeCertificateStateRequest(order_id=created.body.order_id),
        "OrderStateError": OrderStateError,
    }
    caught = "try:\n    {}\nexcept OrderStateError:\n    pass"
    let_through = Statement("run(calling(preflight, CANCEL, asked), reviewed)", names)
    refused = Statement("run(calling(preflight, CANCEL, asked), failed)", names, loop=caught)
    sdk = Statement("client.describe_certificate_state(describe)", names)
    costs = nanoseconds([let_through, refused, sdk], ROUNDS)
    baseline = "a call of the SDK", costs[sdk], 0.05
    return [
        tables.Target("the guard's own work, a call that is let through", costs[let_through], *baseline),
        tables.Target("the guard's own work, a call that is refused", costs[refused], *baseline),
    ]


if __name__ == "__main__":
    main()
