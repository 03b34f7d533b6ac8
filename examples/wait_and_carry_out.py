"""Wait for a review, and give orders up: what `wait` and `carry_out` do, and when they stop.

It runs against the mock, whose CA needs a moment for each step; put your own SDK client in the place of
`server.client()` to run it against the service.
"""

import asyncio

from alibabacloud_cas20200407 import models

from orderfsm import State, Unreachable
from orderfsm.client import carry_out, guard, observe, wait, wait_async
from orderfsm.mock import Review, mock_cas

with mock_cas(review=Review.parse("after=0.2")) as server:
    client = guard(server.client())

    def apply(domain: str) -> int:
        application = models.CreateCertificateForPackageRequestRequest(domain=domain)
        order_id: int = client.create_certificate_for_package_request(application).body.order_id
        return order_id

    first, second = apply("a.example.com"), apply("b.example.com")
    print("plan:", carry_out(client, first, State.DELETED, dry_run=True))
    done = carry_out(client, first, State.DELETED)
    print("done:", ", ".join(f"{step.trigger} -> {step.target}" for step in done.steps))

    state = wait(client, second, until={State.ISSUED, State.VERIFY_FAIL}, timeout=10, interval=0.2)
    if state is State.VERIFY_FAIL:  # it keeps its unit of quota until it is deleted
        carry_out(client, second, State.DELETED)
    else:
        print("certificate:", observe(client, second).body.certificate.splitlines()[0])

    try:
        asyncio.run(wait_async(client, first, until={State.ISSUED}))
    except Unreachable as error:  # at once, and not after an hour
        print("not waited for:", *error.goals, "from", *error.states)  # error.order_id says which order
