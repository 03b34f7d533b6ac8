"""For pytest: the fixture `mock_cas`, a mock certificate service for one test; and tests of a server of your own.

`pytest --orderfsm-endpoint URL --orderfsm-control URL` adds a test for each state and trigger to a run.
`pytest --orderfsm-coverage` says at the end which rules of the table the tests never tried: those that use the fixtures
`order_lifecycle` or `mock_cas` count. Installing `orderfsm` makes all of it known to pytest; nothing heavy is imported
until it is asked for.
"""

from __future__ import annotations

import json
import os
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .coverage import Coverage
    from .lifecycle import Lifecycle
    from .mock import Server


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options that say which server to test."""
    group = parser.getgroup("orderfsm", "conformance to the life cycle of certificate orders")
    group.addoption("--orderfsm-endpoint", metavar="URL", help="add a test for each state and trigger of this server")
    group.addoption("--orderfsm-control", metavar="URL", help="its control port, by which its account is emptied")
    group.addoption(
        "--orderfsm-budget", metavar="SECONDS", type=float, help="skip what is left of its tests after that"
    )
    group.addoption("--orderfsm-random", metavar="N", type=int, default=0, help="play N random programs as well")
    group.addoption("--orderfsm-seed", metavar="SEED", type=int, help="repeats the random programs")
    group.addoption("--orderfsm-repro", metavar="DIR", help="write each violation to a file in DIR, as a program")
    group.addoption("--orderfsm-coverage", action="store_true", help="say which rules of the table were never tried")
    group.addoption(
        "--orderfsm-coverage-to",
        metavar="FILE",
        action="append",
        default=[],
        help="write that to FILE: drawn if it ends in .svg, as JSON if in .json, else as text; may be given again",
    )


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


_LIFECYCLE = pytest.StashKey["Lifecycle"]()


def _lifecycle(config: pytest.Config) -> Lifecycle:
    """The table of this run: one that notes what it is asked, if somebody wants to know."""
    if _LIFECYCLE not in config.stash:
        from .lifecycle import ORDER_LIFECYCLE

        config.stash[_LIFECYCLE] = ORDER_LIFECYCLE
        if config.getoption("--orderfsm-coverage") or config.getoption("--orderfsm-coverage-to"):
            from .coverage import RecordingLifecycle

            config.stash[_LIFECYCLE] = RecordingLifecycle.of(ORDER_LIFECYCLE)
    return config.stash[_LIFECYCLE]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say, or write, which rules were never tried."""
    if not (config.getoption("--orderfsm-coverage") or config.getoption("--orderfsm-coverage-to")):
        return
    from .coverage import RecordingLifecycle

    lifecycle = _lifecycle(config)
    if isinstance(lifecycle, RecordingLifecycle):
        coverage = lifecycle.coverage
        if config.getoption("--orderfsm-coverage"):
            terminalreporter.section("rules of the life cycle")
            terminalreporter.write_line(str(coverage))
        for name in config.getoption("--orderfsm-coverage-to") or ():
            Path(name).write_text(_written(coverage, Path(name).suffix), encoding="utf-8")


def _written(coverage: Coverage, suffix: str) -> str:
    if suffix == ".svg":
        return coverage.svg()
    return f"{json.dumps(coverage.as_json(), indent=2) if suffix == '.json' else coverage}\n"


@pytest.fixture
def order_lifecycle(pytestconfig: pytest.Config) -> Lifecycle:
    """The table, for `lifecycle=`; with `--orderfsm-coverage`, one that notes which of its rules are tried."""
    return _lifecycle(pytestconfig)


ENDPOINT, CONTROL = "ORDERFSM_CAS_ENDPOINT", "ORDERFSM_CAS_CONTROL"


@pytest.fixture
def mock_cas(order_lifecycle: Lifecycle) -> Iterator[Server]:
    """A mock on free loopback ports, for one test, ruled by the table of `order_lifecycle`.

    If the environment variable ORDERFSM_CAS_ENDPOINT names the URL of a running one, the test gets that; if
    ORDERFSM_CAS_CONTROL names its control port as well, it is reset before the test.
    """
    from .mock import Server
    from .mock import mock_cas as serve

    endpoint, control = os.environ.get(ENDPOINT), os.environ.get(CONTROL, "")
    if not endpoint:
        with serve(lifecycle=order_lifecycle) as server:
            yield server
        return
    if control:
        url = urlsplit(control)
        connection = HTTPConnection(url.hostname or "", url.port, timeout=10)
        connection.request("POST", "/reset")
        connection.getresponse().close()
        connection.close()
    yield Server(endpoint.rstrip("/"), control.rstrip("/"))
