"""Whatever arrives at the two ports, they answer, and not with a failure of their own."""

from __future__ import annotations

import http.client
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")

from orderfsm.mock import mock_cas
from orderfsm.tables import api

PARAMETERS = sorted({name for taken in api.PARAMETERS.values() for name in (*taken.required, *taken.optional)})
CONTROL = [
    "/reset",
    "/packages/p",
    "/orders",
    "/orders/1",
    "/orders/1/events",
    "/history",
    "/faults",
    "/clock",
    "/health",
]

text = st.text(max_size=40)
SENSIBLE = ["", "0", "-1", "1", "100000001", "cas-cn-100000001", "cas", "Subscription", "DNS", "x" * 5000]
values = st.one_of(text, st.integers().map(str), st.sampled_from(SENSIBLE))
parameters = st.dictionaries(st.one_of(st.sampled_from(PARAMETERS), text.filter(bool)), values, max_size=6)
printable = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30)
headers = st.fixed_dictionaries(
    {},
    optional={
        "x-acs-version": st.one_of(st.sampled_from(["2020-04-07", "2020-04-07", "2017-12-14"]), printable),
        "x-acs-action": st.one_of(st.sampled_from(sorted(api.PARAMETERS)), printable),
        "authorization": printable,
        "content-type": st.sampled_from(["application/x-www-form-urlencoded", "application/json", "text/plain", "x"]),
    },
)
json_like = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), text),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(text, inner, max_size=3)),
    max_leaves=5,
)
bodies = st.one_of(
    st.binary(max_size=200),
    json_like.map(lambda value: repr(value).encode()),
    st.sampled_from(
        [b'{"Event": 1}', b'{"TotalCount": -1}', b'{"advance": 1e999}', b"[" * 5000, b'{"Event": "submitted"}']
    ),
)
api_requests = st.tuples(
    st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "BREW"]),
    st.sampled_from(["/", "/", "/", "/x", "/../etc/passwd", "//"]),
    parameters,
    headers,
    bodies,
)
control_requests = st.tuples(
    st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD"]),
    st.one_of(st.sampled_from(CONTROL), printable.map(lambda path: f"/{path}")),
    parameters,
    st.just({}),
    bodies,
)


@pytest.fixture(scope="module")
def server():
    with mock_cas() as running:
        yield running


def answers(url, requests):
    """Status and body of each request, over one connection that is opened anew when the server closed it."""
    from urllib.parse import quote, urlencode

    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=300)
    try:
        for method, path, query, fields, body in requests:
            target = f"{quote(path)}?{urlencode({k: v.encode('utf-8', 'replace') for k, v in query.items()})}"
            connection.request(method, target, body, fields)
            response = connection.getresponse()
            yield response.status, response.read()
    finally:
        connection.close()


def hold(url, requests):
    """No answer is a failure of the server, or shows its inside; and afterwards it still serves."""
    for status, body in answers(url, requests):
        assert status < 500, body
        assert b"Traceback" not in body
        assert len(body) < 100_000


@settings(max_examples=250, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(requests=st.lists(api_requests, min_size=10, max_size=10))
def test_garbage_on_the_api_port_is_answered(server, requests):
    hold(server.api, requests)


@settings(max_examples=250, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(requests=st.lists(control_requests, min_size=10, max_size=10))
def test_garbage_on_the_control_port_is_answered(server, requests):
    server.service.clear_faults()
    hold(server.control, requests)
    ((status, body),) = answers(server.control, [("GET", "/health", {}, {}, None)])
    assert (status, body[:13]) == (200, b'{"status":"ok')
