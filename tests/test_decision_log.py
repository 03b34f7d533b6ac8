"""The decision log: one JSON line per decision, and no secret in it."""

from __future__ import annotations

import json
import logging
from contextlib import suppress
from datetime import datetime
from random import Random

import pytest

pytest.importorskip("alibabacloud_cas20200407", reason="the extra `client` is not installed")
pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")

from alibabacloud_cas20200407 import models
from orders import invoke, order_in
from Tea.exceptions import TeaException

from orderfsm import Operation, OrderFSMError, State
from orderfsm.client import carry_out, guard
from orderfsm.mock import Fault, mock_cas

LOGGER = "orderfsm.decisions"
FAULTS = ({}, {"when": "after"}, {"transport": "reset"}, {"read": "unknow"}, {"retry_after": 1})


def lines(caplog):
    return [json.loads(record.getMessage()) for record in caplog.records if record.name == LOGGER]


def test_a_decision_is_one_line(server, caplog):
    caplog.set_level(logging.INFO, LOGGER)
    client = guard(server.client())
    order_id = order_in(server.service, State.BEING_REVIEWED)
    with pytest.raises(TeaException):
        invoke(client, Operation.DELETE, order_id)
    invoke(client, Operation.CANCEL, order_id)
    refused, accepted = lines(caplog)
    assert datetime.fromisoformat(refused.pop("time")).tzinfo is not None
    assert 0 <= refused.pop("age") < 5
    assert refused == {
        "order_id": order_id,
        "operation": "DeleteCertificateRequest",
        "observed": "process",
        "states": ["being_reviewed"],
        "verdict": "illegal",
        "basis": "documented",
        "answer": "refused here",
    }
    assert (accepted["operation"], accepted["verdict"], accepted["answer"]) == (
        "CancelOrderRequest",
        "legal",
        "accepted",
    )


def test_what_is_refused_by_the_table_and_sent_is_a_warning(server, caplog):
    order_id = order_in(server.service, State.ISSUED)
    with pytest.raises(TeaException):
        invoke(guard(server.client(), mode="warn"), Operation.DELETE, order_id)
    assert [line["answer"] for line in lines(caplog)] == ["sent although refused by the table"]


def test_nothing_secret_is_ever_logged(caplog):
    """A run with faults of all sorts, in which keys, contacts, requests and certificates go to and fro."""
    caplog.set_level(logging.INFO, LOGGER)
    secrets = {"key-id-4711", "very-secret-0815", "anna@example.org", "+49301234", "secret.example.com"}
    with mock_cas(random=Random(1)) as server:
        service = server.service
        service.put_package("digicert-free-1-free", 100)
        bare = server.client(access_key_id="key-id-4711", access_key_secret="very-secret-0815")
        client = guard(bare, grace=0, max_age=0.01)
        application = models.CreateCertificateForPackageRequestRequest(
            domain="secret.example.com", email="anna@example.org", phone="+49301234"
        )
        for state in [*State] * 3:
            service.clear_faults()
            order_id = order_in(service, state)
            for fault in FAULTS:
                service.add_fault(Fault(probability=0.05, **fault))
            for operation in (Operation.DELETE, Operation.CANCEL, Operation.CANCEL_FOR_PACKAGE, Operation.DESCRIBE):
                quietly(lambda o=operation, i=order_id: invoke(client, o, i))
            quietly(lambda i=order_id: carry_out(client, i, State.DELETED))
            quietly(lambda: client.create_certificate_for_package_request(application))
        for record in service.orders():
            secrets |= {record.certificate, record.private_key} - {None}
    text = "\n".join(record.getMessage() for record in caplog.records if record.name == LOGGER)
    assert len(text.splitlines()) > 100
    assert not [secret for secret in secrets if secret in text]
    assert "BEGIN" not in text
    assert "Signature" not in text


def quietly(act):
    """Do it, whatever the guard or the service says."""
    with suppress(OrderFSMError, TeaException):
        act()
