"""For pytest: the fixture `mock_cas`, a mock certificate service for one test; and tests of a server of your own.

`pytest --orderfsm-endpoint URL --orderfsm-control URL` adds a test for each state and trigger to a run; so does
`--orderfsm-driver package.module:make`, which is called to make a driver of your own, for any `--orderfsm-table`.
`pytest --orderfsm-coverage` says at the end which rules of the table the tests never tried: those that use the fixtures
`order_lifecycle` or `mock_cas` count. Installing `orderfsm` makes all of it known to pytest; nothing heavy is imported
until it is asked for.
"""

from __future__ import annotations

import json
import os
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xdist.scheduler import LoadGroupScheduling
    from xdist.workermanage import WorkerController

    from .coverage import Coverage, Rule
    from .lifecycle import Lifecycle
    from .mock import Server


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options that say which server to test."""
    group = parser.getgroup("orderfsm", "conformance to the life cycle of certificate orders")
    group.addoption("--orderfsm-endpoint", metavar="URL", help="add a test for each state and trigger of this server")
    group.addoption("--orderfsm-control", metavar="URL", help="its control port, by which its account is emptied")
    group.addoption("--orderfsm-http-port", metavar="PORT", type=int, help="where an ACME server asks for http-01")
    group.addoption("--orderfsm-ca", metavar="FILE", help="certificates to trust for an ACME server's own, in PEM")
    group.addoption(
        "--orderfsm-driver", metavar="MODULE:MAKE", help="add them for the server behind the driver that this makes"
    )
    group.addoption(
        "--orderfsm-table", metavar="NAME", default="orders", help="the table; your own as MODULE:ATTRIBUTE"
    )
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
    if not _has_suite(config):
        return
    from .extras import needs
    from .invalid import OrderFSMError

    with needs("testing"):
        from .testing.pytest_suite import Suite
    try:
        suite = Suite.from_parent(session, name=SUITE, nodeid=SUITE, **_of_a_server(config))
    except OrderFSMError as error:
        raise pytest.UsageError(str(error)) from None
    items.extend(suite.collect())


def _has_suite(config: pytest.Config) -> bool:
    return bool(config.getoption("--orderfsm-endpoint") or config.getoption("--orderfsm-driver"))


def _of_a_server(config: pytest.Config) -> dict[str, Any]:
    """What makes the driver of a server, by which table it is judged, and what else it could be told."""
    from .tables import named

    endpoint: Any = config.getoption("--orderfsm-endpoint")
    control = config.getoption("--orderfsm-control")
    own, lifecycle = config.getoption("--orderfsm-driver"), named(str(config.getoption("--orderfsm-table")))
    if own:
        return {"make": _imported(own), "lifecycle": lifecycle}
    from .invalid import OrderFSMError
    from .testing.drivers.by_url import is_acme
    from .testing.drivers.http import HTTPDriver, key_of_environment

    of_acme = {name: config.getoption(f"--orderfsm-{name}") for name in ("http-port", "ca")}
    if is_acme(lifecycle, {"--orderfsm-control": control}, {f"--orderfsm-{name}": of_acme[name] for name in of_acme}):
        return {"make": _of_acme(config, endpoint, of_acme), "lifecycle": lifecycle}
    key = key_of_environment()
    for option, url in (("--orderfsm-endpoint", None), ("--orderfsm-control", control)):
        try:
            if not hasattr(config, "workerinput"):
                HTTPDriver(endpoint, url, key=key, lifecycle=lifecycle).probe()
        except OrderFSMError as error:
            raise pytest.UsageError(f"{option}: {error}") from None
    make = partial(HTTPDriver, endpoint, control, key=key, lifecycle=lifecycle)
    make()
    hint = "; --orderfsm-control URL names a control port that may do it" if control is None else ""
    return {"make": make, "lifecycle": lifecycle, "hint": hint}


def _of_acme(config: pytest.Config, directory: str, options: dict[str, Any]) -> Any:
    """What makes the driver of an ACME server, once that was found to be there."""
    from .invalid import OrderFSMError
    from .testing.drivers.acme import AcmeDriver

    given = {name.replace("-", "_"): value for name, value in options.items() if value is not None}
    make = partial(AcmeDriver, directory, **given)
    try:
        if not hasattr(config, "workerinput"):
            with make() as driver:
                driver.probe()
    except OrderFSMError as error:
        raise pytest.UsageError(f"--orderfsm-endpoint: {error}") from None
    return make


def _imported(name: str) -> Any:
    """What `package.module:attribute` names; a usage error if there is no such thing, or it cannot be called."""
    module, _, attribute = name.partition(":")
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise pytest.UsageError(f"--orderfsm-driver {name}: {error}") from None
    if not callable(found):
        raise pytest.UsageError(f"--orderfsm-driver {name}: expected a callable that makes a driver")
    return found


SUITE = "orderfsm"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadGroupScheduling | None:
    """Give all tests of the server to one worker of pytest-xdist: they empty the account that they share."""
    if not _has_suite(config) or config.getvalue("dist") in {"loadscope", "loadfile"}:
        return None
    if config.getvalue("dist") == "each":
        raise pytest.UsageError("--dist each: the tests of --orderfsm-endpoint share an account, so each runs once")
    from xdist.scheduler import LoadGroupScheduling

    class OneWorkerForTheServer(LoadGroupScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return SUITE if nodeid.startswith(f"{SUITE}::") else super()._split_scope(nodeid)

    return OneWorkerForTheServer(config, log)


_LIFECYCLE = pytest.StashKey["Lifecycle"]()
_TRIED = pytest.StashKey["frozenset[Rule]"]()
_SILENT_WORKERS = pytest.StashKey[int]()
_OF_A_WORKER = "orderfsm_tried"


def _lifecycle(config: pytest.Config) -> Lifecycle:
    """The table of this run: one that notes what it is asked, if somebody wants to know."""
    if _LIFECYCLE not in config.stash:
        from .tables import named

        lifecycle = config.stash[_LIFECYCLE] = named(str(config.getoption("--orderfsm-table")))
        if _covers(config):
            from .coverage import RecordingLifecycle

            config.stash[_LIFECYCLE] = RecordingLifecycle.of(lifecycle)
    return config.stash[_LIFECYCLE]


def _covers(config: pytest.Config) -> bool:
    return bool(config.getoption("--orderfsm-coverage") or config.getoption("--orderfsm-coverage-to"))


def _coverage(config: pytest.Config) -> Coverage:
    """What was tried in this process."""
    from .coverage import RecordingLifecycle

    lifecycle = _lifecycle(config)
    assert isinstance(lifecycle, RecordingLifecycle)
    return lifecycle.coverage


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker of pytest-xdist says which rules its tests tried."""
    config = session.config
    workeroutput = getattr(config, "workeroutput", None)
    if workeroutput is not None and _covers(config):
        tried = _coverage(config).tried  # execnet takes plain strings only
        workeroutput[_OF_A_WORKER] = [[state and str(state), str(trigger)] for state, trigger in tried]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: WorkerController) -> None:
    """Gather what the workers of pytest-xdist tried."""
    config = node.config
    if not _covers(config):
        return
    said = getattr(node, "workeroutput", {}).get(_OF_A_WORKER)
    if said is None:
        config.stash[_SILENT_WORKERS] = config.stash.get(_SILENT_WORKERS, 0) + 1
    else:
        lifecycle = _lifecycle(config).plain
        tried: set[Rule] = {(lifecycle.state(state), lifecycle.trigger(trigger)) for state, trigger in said}
        config.stash[_TRIED] = config.stash.setdefault(_TRIED, frozenset()) | tried


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say, or write, which rules were never tried by any worker."""
    if not _covers(config):
        return
    here = _coverage(config)
    by_workers = config.stash.setdefault(_TRIED, frozenset())
    coverage = type(here)(here.lifecycle, here.tried | by_workers)
    silent = config.stash.get(_SILENT_WORKERS, 0)
    if config.getoption("--orderfsm-coverage"):
        terminalreporter.section("rules of the life cycle")
        terminalreporter.write_line(str(coverage))
    if silent:
        terminalreporter.write_line(f"{silent} workers ended without telling what they tried: at least this was tried")
    for name in config.getoption("--orderfsm-coverage-to") or ():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
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
def mock_cas(order_lifecycle: Lifecycle, pytestconfig: pytest.Config) -> Iterator[Server]:
    """A mock on free loopback ports, for one test, ruled by the table of `order_lifecycle`.

    If the environment variable ORDERFSM_CAS_ENDPOINT names the URL of a running one, the test gets that; if
    ORDERFSM_CAS_CONTROL names its control port as well, it is reset before the test, and has the package of a new mock.
    """
    from .invalid import OrderFSMError
    from .mock import Server
    from .mock import mock_cas as serve
    from .mock.cas.parameters import DEFAULT_PRODUCT
    from .mock.cas.service import DEFAULT_UNITS
    from .testing.drivers.cas import done
    from .testing.drivers.http import ControlClient, url_of_control

    endpoint, control = os.environ.get(ENDPOINT), os.environ.get(CONTROL, "")
    if not endpoint:
        with serve(lifecycle=order_lifecycle) as server:
            yield server
        return
    if control and getattr(pytestconfig, "workerinput", {}).get("workercount", 1) > 1:
        pytest.fail(f"{CONTROL} names one server, which each test resets: run in one process (-n 0)", pytrace=False)
    if control:
        try:
            port = ControlClient(url_of_control(control), timeout=10)
            done(port, "POST", "/reset")
            done(port, "PUT", f"/packages/{DEFAULT_PRODUCT}", {"TotalCount": DEFAULT_UNITS})
        except OrderFSMError as error:
            pytest.fail(f"{CONTROL}: {error}", pytrace=False)
    yield Server(endpoint.rstrip("/"), control.rstrip("/"))
