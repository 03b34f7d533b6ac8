"""The pytest fixture `mock_cas`: a mock certificate service for one test.

Installing `orderfsm[mock]` makes the fixture known to pytest; nothing heavy is imported until a test asks for it.
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
