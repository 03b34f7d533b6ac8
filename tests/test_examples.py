"""Every example runs, and says what it should."""

from __future__ import annotations

import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"


def run(name):
    """What an example prints."""
    done = subprocess.run([sys.executable, EXAMPLES / name], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_executable_spec():
    said = run("executable_spec.py")
    assert "verify_fail          delete allowed: True" in said
    assert "instead:     CancelOrderRequest, then DeleteCertificateRequest" in said


def test_preflight_client():
    pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")
    pytest.importorskip("alibabacloud_cas20200407", reason="the extra `client` is not installed")
    said = run("preflight_client.py").splitlines()
    assert said[0] == "not now: DeleteCertificateRequest in being_reviewed; allowed: CancelOrderRequest"
    assert said[2] == "the SDK's way: OrderStateError"
    assert said[-1].startswith("cancelled, then deleted")


def test_mock_server():
    def call(action, order_id=123451222):
        request = urllib.request.Request(f"{url}/?OrderId={order_id}", b"", {"x-acs-action": action})
        try:
            with urllib.request.urlopen(request) as response:
                return response.status, response.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    with subprocess.Popen(
        [sys.executable, EXAMPLES / "mock_server.py"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            url = process.stdout.readline().strip()
            status, body = call("DeleteCertificateRequest")
            assert (status, b'"Code": "OrderStateError"' in body) == (403, True)
            assert call("CancelOrderRequest")[0] == 200
            assert b'"Type": "payed"' in call("DescribeCertificateState")[1]
            assert call("DeleteCertificateRequest")[0] == 200
            status, body = call("DeleteCertificateRequest")
            assert (status, b'"Code": "NotFoundOrder"' in body) == (404, True)
            assert call("DescribeCertificateState", 7)[0] == 404
        finally:
            process.kill()
    assert len((EXAMPLES / "mock_server.py").read_text().splitlines()) < 50
