"""Requests to this machine have the origin form and ask no proxy, whatever the environment says."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")
pytest.importorskip("alibabacloud_cas20200407", reason="the extra `client` is not installed")

import plain
from alibabacloud_cas20200407 import models

from orderfsm import ORDER_LIFECYCLE, Operation, State
from orderfsm.client import guard
from orderfsm.client.connect import DirectClient, connect
from orderfsm.mock import Service
from orderfsm.testing import HTTPDriver, Result, check_conformance
from orderfsm.trace import Finding, Outcome

NOBODY = "http://127.0.0.1:1"
VARIABLES = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy")
ENVIRONMENTS = [
    {},
    {"HTTP_PROXY": NOBODY},
    {"http_proxy": NOBODY},
    {"ALL_PROXY": NOBODY, "all_proxy": NOBODY},
    {"HTTP_PROXY": NOBODY, "NO_PROXY": "127.0.0.1,localhost"},
    {"HTTP_PROXY": NOBODY, "no_proxy": "elsewhere.example.com"},
    {"HTTP_PROXY": NOBODY, "http_proxy": NOBODY, "HTTPS_PROXY": NOBODY, "https_proxy": NOBODY, "NO_PROXY": "*"},
]


@pytest.fixture(params=ENVIRONMENTS, ids=lambda variables: " ".join(variables) or "no proxy")
def environment(request, monkeypatch):
    """The proxy variables of the environment, and no others."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in request.param.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def server():
    """A server that knows the origin form alone."""
    with plain.served() as running:
        yield running


def package(client):
    """What a client reads of its package, by the synchronous and by the asynchronous method."""
    asked = models.DescribePackageStateRequest(product_code="digicert-free-1-free")
    answers = [client.describe_package_state(asked), asyncio.run(client.describe_package_state_async(asked))]
    return [answer.body.total_count for answer in answers]


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("signature", ["ACS3-HMAC-SHA256", "v2"])
@pytest.mark.parametrize("made", [lambda client: client, guard], ids=["plain", "guarded"])
def test_a_client_sends_the_origin_form(server, host, signature, made):
    client = connect(server.api.replace("127.0.0.1", host), key=("test", "test"))
    client._signature_algorithm = signature
    assert package(made(client)) == [20, 20]
    assert len(server.targets) == 2
    assert all(target.startswith("/?") for target in server.targets)


@pytest.mark.usefixtures("environment")
def test_the_kit_sends_it_as_well(server):
    driver = HTTPDriver(server.api, server.control)
    driver.probe()
    order_id = driver.create().order_id
    assert driver.call(Operation.CANCEL, order_id).outcome is Outcome.ACCEPTED
    assert driver.observe(order_id) == {State.PENDING_APPLICATION}
    assert server.targets[-1] == f"/?OrderId={order_id}"
    assert all(target.startswith("/?") for target in server.targets)


def test_a_server_that_knows_the_origin_form_alone_is_not_accused(server, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", NOBODY)
    report = check_conformance(
        HTTPDriver(server.api, server.control), random=0, budget=3600, seed=1, only=[Operation.CANCEL]
    )
    assert report.violations == ()
    assert Result.PASSED in report.coverage.values()


@pytest.mark.long
def test_that_server_conforms_to_the_end(server):
    report = check_conformance(HTTPDriver(server.api, server.control), random=5, budget=500, seed=1, concurrent=(4, 20))
    assert report.verdict is Finding.CONFORMS, str(report)


def test_its_counterexample_asks_no_proxy(monkeypatch):
    without = ORDER_LIFECYCLE.without(ORDER_LIFECYCLE.transition(State.PENDING_REVIEW, Operation.CANCEL))
    with plain.served(Service(lifecycle=without)) as server:
        report = check_conformance(HTTPDriver(server.api, server.control), random=0, fail_fast=True, seed=1)
        server.targets.clear()
        done = subprocess.run(
            [sys.executable, "-"],
            input=report.violations[0].script,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            env={"HTTP_PROXY": NOBODY, "http_proxy": NOBODY},
        )
    assert done.stdout.splitlines()[-2].endswith("OrderStateError (HTTP 403)"), done.stderr
    assert all(target.startswith("/?") for target in server.targets)


@pytest.mark.parametrize(
    ("host", "no_proxy", "is_direct"),
    [
        ("http://127.0.0.1:80", "", True),
        ("http://127.8.9.1", "", True),
        ("http://[::1]:8080", "", True),
        ("http://0.0.0.0:8080", "", True),
        ("http://localhost:8080", "", True),
        ("http://cas.localhost", "", True),
        ("https://localhost", "", True),
        ("http://mock:8080", "", False),
        ("http://mock:8080", "db,mock", True),
        ("https://cas.aliyuncs.com", "", False),
        ("cas.aliyuncs.com", ".aliyuncs.com", True),
        (None, "", False),
    ],
)
def test_this_machine_and_what_no_proxy_names_are_reached_directly(monkeypatch, host, no_proxy, is_direct):
    monkeypatch.setenv("HTTP_PROXY", NOBODY)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("NO_PROXY", no_proxy)
    assert isinstance(connect(host, key=("test", "test")), DirectClient) is is_direct
