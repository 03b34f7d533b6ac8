"""Free the quota that failed applications hold.

It runs against the mock; put your own SDK client in the place of `server.client()` to run it against the service, or
use `orderfsm orders sweep`.
"""

from alibabacloud_cas20200407 import models

from orderfsm import Event
from orderfsm.client import sweep
from orderfsm.mock import mock_cas

with mock_cas() as server:
    client = server.client()
    for number in range(3):
        application = models.CreateCertificateForPackageRequestRequest(domain=f"d{number}.example.com")
        order_id = client.create_certificate_for_package_request(application).body.order_id
        if number:
            server.service.happen(order_id, Event.REVIEW_FAILED)

    for candidate in sweep(client, dry_run=True).selected:
        print(f"{candidate.domain} {candidate.status}: {candidate.plan}")
    report = sweep(client)
    print(f"deleted: {len(report.deleted)}, units freed: {report.freed}, left: {len(report.left)}")
