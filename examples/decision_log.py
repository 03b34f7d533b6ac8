"""Keep a log of what the guard decides, one JSON line per decision, and hear of disagreements.

It runs against the mock, and with a table that lacks a rule, so that service and table do disagree.
"""

import json
import logging
import sys

from alibabacloud_cas20200407 import models

from orderfsm import ORDER_LIFECYCLE, Event, Operation, State
from orderfsm.client import Divergence, guard
from orderfsm.mock import mock_cas

decisions = logging.getLogger("orderfsm.decisions")
decisions.setLevel(logging.INFO)
decisions.addHandler(logging.StreamHandler(sys.stdout))


def disagree(report: Divergence) -> None:
    """Tell somebody."""
    print(json.dumps({"alarm": report.operation, "answer": report.answer, "race": report.race}))


with mock_cas() as server:
    broken = ORDER_LIFECYCLE.without(ORDER_LIFECYCLE.transition(State.VERIFY_FAIL, Operation.DELETE))
    client = guard(server.client(), mode="warn", lifecycle=broken, on_divergence=disagree)
    application = models.CreateCertificateForPackageRequestRequest(domain="example.com")
    order_id = client.create_certificate_for_package_request(application).body.order_id
    server.service.happen(order_id, Event.REVIEW_FAILED)
    client.delete_certificate_request(models.DeleteCertificateRequestRequest(order_id=order_id))
