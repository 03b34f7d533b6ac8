# needs: orderfsm[mock,client]
"""A first guard: what must fail is refused before it is sent, and a plan is carried out instead.

It runs against the mock. With your own SDK client in the place of `server.client()` it runs against the service.
"""

from alibabacloud_cas20200407 import models

from orderfsm import OrderStateError
from orderfsm.client import carry_out, guard
from orderfsm.mock import mock_cas

with mock_cas() as server:
    client = guard(server.client())
    order_id = int(server.order("being_reviewed").id)
    try:
        client.delete_certificate_request(models.DeleteCertificateRequestRequest(order_id=order_id))
    except OrderStateError as refusal:
        print(f"not sent: {refusal.operation} in {refusal.state}")
        print(f"instead: {refusal.instead}")
    done = carry_out(client, order_id, "deleted")
    print(f"done: {', '.join(str(step.trigger) for step in done.steps)}")
    print(f"orders left: {len(server.orders())}")
