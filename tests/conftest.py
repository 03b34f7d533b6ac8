"""What the tests share: hypothesis profiles, and a running mock."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from orders import obeyed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from between import Between

    from orderfsm.mock import Server, Service

os.environ.pop("FORCE_COLOR", None)  # texts are compared
# The SDK's default chain of credentials reads them when it is imported.
os.environ |= {"ALIBABA_CLOUD_ACCESS_KEY_ID": "test", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "test"}

pytest_plugins = ["orderfsm.pytest_plugin", "postgres"]
HERE = Path(__file__).parent
collect_ignore = [
    "acme_servers",
    "mutants",
    *(path.name for path in HERE.glob("*.py") if not path.name.startswith("test_")),
]

settings.register_profile("default", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile(
    "long", deadline=None, print_blob=True, max_examples=2000, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--long` runs the tests that `make test` leaves out."""
    parser.addoption("--long", action="store_true", help="run the tests marked long as well")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what is long, unless asked."""
    if not config.getoption("--long"):
        for item in items:
            if item.get_closest_marker("long"):
                item.add_marker(pytest.mark.skip(reason="long: make check-full runs it"))


@pytest.fixture
def untraced() -> Iterator[None]:
    """For an exhaustive test: coverage does not look on, which would take as long again.

    What it is first to build and others find in a cache must be reached for another table, too.
    """
    tracer = sys.gettrace()
    sys.settrace(None)
    yield
    sys.settrace(tracer)


@pytest.fixture(scope="module")
def running_server() -> Iterator[Server]:
    """A mock on loopback, for the tests of one module."""
    pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")
    from orderfsm.mock import mock_cas

    with mock_cas() as running:
        yield running


@pytest.fixture
def server(running_server: Server) -> Iterator[Server]:
    """The mock as if it had just been started; what happened in it conforms to the table."""
    service = running_server.service
    service.reset()
    service.put_package("digicert-free-1-free", 20)
    yield running_server
    vars(service).pop("handle", None)
    obeyed(service)


@pytest.fixture
def service(server: Server) -> Service:
    """The service of that mock."""
    return server.service


@pytest.fixture
def between(service: Service) -> Between:
    """What stands before that service."""
    from between import Between

    return Between(service)


@pytest.fixture
def stream(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, bytes], str]]:
    """Gives bytes to whoever reads `-`, or a pipe in `/dev/fd`; what that is called."""
    ends: list[int] = []

    def given(by: str, content: bytes) -> str:
        if by == "-":
            monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
            return by
        if not Path(by).is_dir():
            pytest.skip(f"no {by} here")
        reading, writing = os.pipe()
        ends.append(reading)
        os.write(writing, content)
        os.close(writing)
        return f"{by}/{reading}"

    yield given
    for end in ends:
        os.close(end)
