"""A client that asks before it calls: it gives an order up, in whatever state it is, and sends no call that must fail.

It runs against the mock; put your own SDK client in the place of `server.client()` to run it against the service.
"""

from alibabacloud_cas20200407 import models
from Tea.exceptions import TeaException

from orderfsm import Event, OrderStateError
from orderfsm.client import guard
from orderfsm.mock import mock_cas

with mock_cas() as server:
    client = guard(server.client())

    application = models.CreateCertificateForPackageRequestRequest(domain="example.com")
    order_id = client.create_certificate_for_package_request(application).body.order_id
    server.service.happen(order_id, Event.DOMAIN_VALIDATED)
    package = models.DescribePackageStateRequest()
    used_before = client.describe_package_state(package).body.used_count
    delete = models.DeleteCertificateRequestRequest(order_id=order_id)

    try:
        client.delete_certificate_request(delete)
    except OrderStateError as refusal:  # raised here: the call was not sent
        print(f"not now: {refusal.operation} in {refusal.state}; allowed: {', '.join(refusal.allowed)}")
        print(f"instead: {refusal.instead}")

    try:
        client.delete_certificate_request(delete)
    except TeaException as error:  # code written for the SDK alone goes on working
        print(f"to code that knows only the SDK: {error.code}")

    client.cancel_order_request(models.CancelOrderRequestRequest(order_id=order_id))
    client.delete_certificate_request(delete)
    used_after = client.describe_package_state(package).body.used_count
    print(f"cancelled, then deleted; units in use before: {used_before}, after: {used_after}")
