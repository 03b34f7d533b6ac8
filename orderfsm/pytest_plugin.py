"""For pytest: the fixture `mock_cas`, a mock certificate service for one test; and tests of a server of your own.

`pytest --orderfsm-endpoint URL --orderfsm-control URL` adds a test for each state and trigger to a run. Installing
`orderfsm` makes both known to pytest; nothing heavy is imported until it is asked for.
"""

from __future__ import annotations

import os
from http.client import HTTPConnection
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orderfsm.mock import Server


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options that say which server to test."""
    group = parser.getgroup("orderfsm", "conformance to the life cycle of certificate orders")
    group.addoption("--orderfsm-endpoint", metavar="URL", help="add a test for each state and trigger of this server")
    group.addoption("--orderfsm-control", metavar="URL", help="its control port, by which its account is emptied")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Add the tests of the server, before `-k` and `-m` select some."""
    endpoint = config.getoption("--orderfsm-endpoint")
    if endpoint:
        from .extras import needs

        with needs("testing"):
            from .testing.pytest_suite import Suite
        control = config.getoption("--orderfsm-control")
        suite = Suite.from_parent(session, name="orderfsm", nodeid="orderfsm", endpoint=endpoint, control=control)
        items.extend(suite.collect())


ENDPOINT, CONTROL = "ORDERFSM_CAS_ENDPOINT", "ORDERFSM_CAS_CONTROL"


@pytest.fixture
def mock_cas() -> Iterator[Server]:
    """A mock on free loopback ports, for one test.

    If the environment variable ORDERFSM_CAS_ENDPOINT names the URL of a running one, the test gets that; if
    ORDERFSM_CAS_CONTROL names its control port as well, it is reset before the test.
    """
    from orderfsm.mock import Server
    from orderfsm.mock import mock_cas as serve

    endpoint, control = os.environ.get(ENDPOINT), os.environ.get(CONTROL, "")
    if not endpoint:
        with serve() as server:
            yield server
        return
    if control:
        url = urlsplit(control)
        connection = HTTPConnection(url.hostname or "", url.port, timeout=10)
        connection.request("POST", "/reset")
        connection.getresponse().close()
        connection.close()
    yield Server(endpoint.rstrip("/"), control.rstrip("/"))
