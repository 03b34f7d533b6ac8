"""For pytest: the fixture `mock_cas`, a mock certificate service for one test; and tests of a server of your own.

The marker `mock_cas` and the fixture `mock_cas_options` say what the mock is told; `mock_cas_module` and
`mock_cas_session` last longer.

`pytest --orderfsm-endpoint URL --orderfsm-control URL` adds a test for each state and trigger to a run; so does
`--orderfsm-driver package.module:make`, which is called to make a driver of your own, for any `--orderfsm-table`.
`pytest --orderfsm-coverage` says at the end which rules of the table the tests never tried: those that use the fixtures
`order_lifecycle` or `mock_cas` count. Installing `orderfsm` makes all of it known to pytest; nothing heavy is imported
until it is asked for.
"""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

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
    group.addoption(
        "--orderfsm-only",
        metavar="WORD",
        action="append",
        default=[],
        help="try this state or trigger only; may be given again",
    )
    group.addoption(
        "--orderfsm-exclude",
        metavar="WORD",
        action="append",
        default=[],
        help="leave out this state, or never fire this trigger; may be given again",
    )
    group.addoption(
        "--orderfsm-baseline", metavar="FILE", help="failures that this file of orderfsm conform names are expected"
    )
    group.addoption(
        "--orderfsm-strict-operations", action="store_true", help="an operation that the server does not have fails"
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


# -- the fixtures of the mock ------------------------------------------------------------------------------------------

MARK = "mock_cas"
"""The marker whose arguments are those of `orderfsm.mock.mock_cas`."""

MOCKS = {"mock_cas", "mock_cas_module", "mock_cas_session"}
"""The fixtures that are a mock."""


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers",
        f"{MARK}(review=..., packages=..., ...): settings of the mock that the fixture mock_cas is, as mock_cas of "
        "orderfsm.mock takes them; a test that does not ask for the fixture runs in it as well",
    )


def pytest_itemcollected(item: pytest.Item) -> None:
    """Let a marked test run in the mock, if it asks for none of the fixtures: after those that outlast it."""
    names = getattr(item, "fixturenames", None)
    if names is not None and item.get_closest_marker(MARK) and not MOCKS.intersection(names):
        known = getattr(getattr(item, "_fixtureinfo", None), "name2fixturedefs", {})
        outlasting = [name for name in names if name in known and known[name][-1].scope != "function"]
        names.insert(len(outlasting), MARK)


@pytest.fixture(scope="session")
def mock_cas_options() -> dict[str, Any]:
    """The settings of all mocks here; override it, in whatever scope. What a marker says comes before them."""
    return {}


@pytest.fixture
def mock_cas(
    order_lifecycle: Lifecycle, mock_cas_options: Mapping[str, Any], request: pytest.FixtureRequest
) -> Iterator[Server]:
    """A mock on free loopback ports, for one test, ruled by the table of `order_lifecycle`; SDKs are led to it.

    Its settings are those of `mock_cas_options`, and of the markers `mock_cas`, of which the nearest counts. If the
    environment variable ORDERFSM_CAS_ENDPOINT names the URL of a running one, the test gets that; if
    ORDERFSM_CAS_CONTROL names its control port as well, it is reset before the test, and has the packages of a new
    mock.
    """
    yield from _mocked(request, mock_cas_options, order_lifecycle)


@pytest.fixture(scope="module")
def mock_cas_module(mock_cas_options: Mapping[str, Any], request: pytest.FixtureRequest) -> Iterator[Server]:
    """The same for the tests of a module, in one mock, with the markers of the module; `reset` makes it new."""
    yield from _mocked(request, mock_cas_options, _lifecycle(request.config))


@pytest.fixture(scope="session")
def mock_cas_session(mock_cas_options: Mapping[str, Any], request: pytest.FixtureRequest) -> Iterator[Server]:
    """The same for all tests, in one mock; `reset` makes it new."""
    yield from _mocked(request, mock_cas_options, _lifecycle(request.config))


def _mocked(request: pytest.FixtureRequest, options: Mapping[str, Any], lifecycle: Lifecycle) -> Iterator[Server]:
    """The mock of a fixture; what is wrong with its settings fails the test in one line."""
    from .invalid import OrderFSMError
    from .mock_fixture import CONTROL, ENDPOINT, CannotBeTold, mocked

    shared = os.environ.get(ENDPOINT) and os.environ.get(CONTROL)
    if shared and getattr(request.config, "workerinput", {}).get("workercount", 1) > 1:
        pytest.fail(f"{CONTROL} names one server, which each test resets: run in one process (-n 0)", pytrace=False)
    with ExitStack() as stack:
        end: Callable[[str], object] = partial(pytest.fail, pytrace=False)
        server: Any = None
        wrong = None
        try:
            server = stack.enter_context(mocked(_settings(request.node, options), lifecycle))
        except CannotBeTold as error:
            end, wrong = pytest.skip, str(error)
        except (OrderFSMError, TypeError) as error:
            wrong = str(error)
        if wrong is not None:
            end(wrong)
        yield server
        try:
            stack.close()
        except AssertionError as error:
            wrong = str(error)
        if wrong is not None:
            end(wrong)


def _settings(node: pytest.Item | pytest.Collector, options: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(options, dict):
        raise TypeError(f"mock_cas_options is {options!r}: expected a dict of settings")
    settings = dict(options)
    for marker in reversed(list(node.iter_markers(MARK))):
        if marker.args:
            raise TypeError(f"the marker {MARK} takes each setting by its name, and not {marker.args[0]!r}")
        settings |= marker.kwargs
    return settings
