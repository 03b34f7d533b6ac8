"""Every example runs, and says what it should."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from orderfsm import OrderStateError

EXAMPLES = Path(__file__).parent.parent / "examples"


def run(name):
    """What an example prints."""
    done = subprocess.run([sys.executable, EXAMPLES / name], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_executable_spec():
    said = run("executable_spec.py")
    assert "verify_fail          delete allowed: True" in said
    assert "instead:     CancelOrderRequest, then DeleteCertificateRequest" in said


def test_replay_log():
    said = run("replay_log.py").splitlines()
    assert said[:2] == ["violates: 1 of 2 orders conform", "line 5, order 7: DeleteCertificateRequest accepted"]
    assert said[-3] == "client b                                           |=delete: accepted=|"


def test_audit_frame():
    pytest.importorskip("duckdb", reason="the extra `audit` is not installed")
    assert run("audit_frame.py").splitlines() == [
        "violates: 1 of 2 orders conform",
        "order 8, its line 4: CancelOrderRequest accepted in deleted",
        "order 7 holds a unit of quota, idle for 5 hours",
        "DeleteCertificateRequest: 1 of 1 refusals could have been foreseen",
    ]


def test_preflight_client():
    pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")
    pytest.importorskip("alibabacloud_cas20200407", reason="the extra `client` is not installed")
    said = run("preflight_client.py").splitlines()
    assert said[0] == "not now: DeleteCertificateRequest in being_reviewed; allowed: CancelOrderRequest"
    assert said[1] == "instead: CancelOrderRequest, then DeleteCertificateRequest"
    assert said[2] == "to code that knows only the SDK: OrderStateError"
    assert said[3] == "cancelled, then deleted; units in use before: 1, after: 0"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (
            "wait_and_carry_out.py",
            [
                "plan: CancelOrderRequest, then DeleteCertificateRequest",
                "done: CancelOrderRequest -> pending_application, DeleteCertificateRequest -> deleted",
                "certificate: -----BEGIN CERTIFICATE-----",
                "not waited for: issued from deleted",
            ],
        ),
        (
            "sweep_quota.py",
            [
                "d1.example.com CHECKED_FAIL: DeleteCertificateRequest",
                "d2.example.com CHECKED_FAIL: DeleteCertificateRequest",
                "deleted: 2, units freed: 2, left: 0",
            ],
        ),
        (
            "retire_instance.py",
            [
                "plan: CancelPendingCertificate withdrawal_completed RefundInstance refund_completed DeleteInstance",
                "done: CancelPendingCertificate RefundInstance DeleteInstance",
                "kept: from issued only with RevokeCertificate, which is not called unless asked for (grave=True)",
                "left: issued",
            ],
        ),
        (
            "httpx_client.py",
            [
                "not now: DeleteCertificateRequest; to delete it: CancelOrderRequest, then DeleteCertificateRequest",
                "gone: NotFoundOrder",
            ],
        ),
        (
            "web_handler.py",
            [
                "409 {'error': 'OrderStateError', 'allowed': ['CancelOrderRequest'], "
                "'instead': ['CancelOrderRequest', 'DeleteCertificateRequest']}",
                "404 {'error': 'NotFoundOrder'}",
            ],
        ),
    ],
)
def test_a_client(name, says):
    pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")
    pytest.importorskip("alibabacloud_cas20200407", reason="the extra `client` is not installed")
    pytest.importorskip("httpx", reason="the group `test` is not installed")
    assert run(name).splitlines() == says


def test_decision_log():
    pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")
    pytest.importorskip("alibabacloud_cas20200407", reason="the extra `client` is not installed")
    lines = [json.loads(line) for line in run("decision_log.py").splitlines()]
    assert [line.get("answer") for line in lines].count("accepted") == 4
    assert [line for line in lines if "alarm" in line] == [
        {"alarm": "DeleteCertificateRequest", "answer": "accepted", "race": True}
    ]


@pytest.fixture
def mock_server():
    """The URL of the running example."""
    with subprocess.Popen(
        [sys.executable, EXAMPLES / "mock_server.py"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def test_mock_server(mock_server):
    def call(action, order_id="123451222"):
        headers = {"x-acs-action": action} if action else {}
        request = urllib.request.Request(f"{mock_server}/?OrderId={order_id}", b"", headers)
        try:
            with urllib.request.urlopen(request) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    status, body = call("DeleteCertificateRequest")
    assert (status, body["Code"], body["Message"]) == (403, OrderStateError.code, OrderStateError.text)
    status, body = call("CancelOrderRequest")
    assert (status, list(body)) == (200, ["RequestId"])
    assert call("DescribeCertificateState")[1]["Type"] == "payed"
    status, body = call("DeleteCertificateRequest")
    assert (status, list(body)) == (200, ["RequestId"])
    for lost in ("123451222", "7"):
        for action in ("DeleteCertificateRequest", "DescribeCertificateState"):
            status, body = call(action, lost)
            assert (status, body["Code"]) == (404, "NotFoundOrder")
    for bad in ("", "x", "-1"):
        status, body = call("DeleteCertificateRequest", bad)
        assert (status, body["Code"]) == (400, "InvalidOrderId")
    for bad in (None, "Explode", "CreateCertificateRequest"):
        status, body = call(bad)
        assert (status, body["Code"]) == (404, "InvalidAction.NotFound")
