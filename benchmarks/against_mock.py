"""The mock over HTTP, beside an older build, a bare Starlette handler and moto; and what a test with it costs."""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
import time
import urllib.request
import uuid
from contextlib import redirect_stdout
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import pytest

from benchmarks import servers
from benchmarks.rows import OLDER, Goal, Lacking, Run, row

if TYPE_CHECKING:
    from collections.abc import Iterator

STARLETTE, MOTO = "bare Starlette", "moto: ListCertificates"


def starlette(run: Run) -> dict[str, float]:
    """A Starlette handler that does nothing, on the same server."""
    with servers.running("starlette") as server:
        return servers.under_wrk(server, servers.BARE_CALL, run.folder)


def moto(run: Run) -> dict[str, float]:
    """One call of moto's server."""
    if find_spec("moto") is None:
        raise Lacking("moto is not installed (the group `bench`)")
    with servers.running("moto") as server:
        return servers.under_wrk(server, servers.MOTO_CALL, run.folder)


def withdrawals(run: Run, database: str, orders: int, table: str = "orders") -> dict[str, float]:
    """Signed withdrawals of orders from our mock."""
    with servers.running("mock", database, str(orders), table) as server:
        return servers.under_wrk(server, servers.withdrawals(server, run.folder, table), run.folder)


@row(
    "signed CancelOrderRequests over 8 connections, the mock in memory",
    Goal("requests/s", 0.5, STARLETTE),
    Goal("µs of CPU", 2, STARLETTE),
    Goal("requests/s", 10, MOTO),
    peers={STARLETTE: starlette, MOTO: moto},
)
def memory(run: Run) -> dict[str, float]:
    return withdrawals(run, "", 60_000)


@row(
    "signed CancelOrderRequests over 8 connections, the mock on SQLite",
    Goal("requests/s", 2.5, OLDER),
    Goal("µs of CPU", 0.4, OLDER),
    peers={STARLETTE: starlette},
)
def sqlite(run: Run) -> dict[str, float]:
    return withdrawals(run, sqlite_with(run, 15_000), 15_000)


def sqlite_with(run: Run, orders: int) -> str:
    """The URL of a new database with so many orders, copied from one that each build fills once, as that takes long."""
    import orderfsm
    from orderfsm.mock import SQLStore

    filled = run.folder / f"{Path(orderfsm.__file__).parents[1].name}-{orders}.db"
    if not filled.exists():
        servers.fill(store := SQLStore(f"sqlite:///{filled}"), orders)
        store.close()
    path = run.folder / f"{uuid.uuid4().hex}.db"
    shutil.copy(filled, path)
    return f"sqlite:///{path}"


@row(
    "signed CancelOrderRequests over 8 connections, the mock on PostgreSQL, whose own CPU is not counted",
    Goal("requests/s", 2, OLDER),
    Goal("µs of CPU", 0.5, OLDER),
)
def postgresql(run: Run) -> dict[str, float]:
    if find_spec("psycopg") is None:
        raise Lacking("psycopg is not installed (the extra `postgres`)")
    from tests.postgres import find_programs, fresh_database, running_server

    programs = find_programs()
    if programs is None:
        raise Lacking("PostgreSQL is not installed")
    with running_server(programs) as cluster, fresh_database(cluster) as url:
        return withdrawals(run, url, 9_000)


@row(
    "withdrawals of instances as `mock-memory` makes them of orders",
    Goal("requests/s", 0.9, "of orders"),
    peers={"of orders": memory},
)
def instances(run: Run) -> dict[str, float]:
    if find_spec("orderfsm.tables") is None:
        raise Lacking("no instances yet")
    return withdrawals(run, "", 60_000, "instances")


# -- where people wait -------------------------------------------------------------------------------------------------

TESTS = """
import pytest
@pytest.mark.parametrize("number", range(25))
def test_with_the_mock(number, mock_cas):
    pass
@pytest.mark.parametrize("number", range(25))
def test_without(number):
    pass
"""


class Stopwatch:
    """A pytest plugin: seconds and CPU seconds that each test takes, its fixtures included."""

    def __init__(self) -> None:
        self.taken: dict[str, list[tuple[float, float]]] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        began = time.perf_counter(), time.process_time()
        result = yield
        test = item.name.partition("[")[0]
        self.taken.setdefault(test, []).append((time.perf_counter() - began[0], time.process_time() - began[1]))
        return result


@row(
    "a test that uses the fixture `mock_cas`, beside one that does not: what it takes more",
    Goal("ms", 10, None),
    Goal("ms", 0.1),
)
def fixture(run: Run) -> dict[str, float]:
    file = run.folder / "test_fixture.py"
    file.write_text(TESTS)
    watch = Stopwatch()
    with redirect_stdout(StringIO()):
        assert pytest.main(["-q", "-p", "no:cacheprovider", "--rootdir", str(run.folder), str(file)], [watch]) == 0
    without, with_it = watch.taken["test_without"], watch.taken["test_with_the_mock"]
    figures = {}
    for at, figure in enumerate(("ms", "ms of CPU")):
        figures[figure] = 1000 * (median(each[at] for each in with_it) - median(each[at] for each in without))
    return figures


@row("`orderfsm check delete --state issued`, a process from its start to its end", Goal("ms of CPU", 0.5))
def check(_run: Run) -> dict[str, float]:
    command = [sys.executable, "-m", "orderfsm.cli", "check", "delete", "--state", "issued"]
    taken = []
    for _ in range(6):
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        assert subprocess.run(command, capture_output=True, check=False).returncode == 1
        after, ended = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        computed = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        taken.append((ended - began, computed))
    taken = taken[1:]  # the first leaves the bytecode compiled
    return {"ms": 1000 * median(each[0] for each in taken), "ms of CPU": 1000 * median(each[1] for each in taken)}


def pages(database: str, orders: int) -> dict[str, float]:
    """How long the dashboard's first page takes to come, and the slowest of others: lists, a state, an order."""
    with servers.running("control", database, str(orders), "orders") as server:

        def taken(path: str) -> float:
            began = time.perf_counter()
            with urllib.request.urlopen(f"{server.url}{path}") as answer:
                answer.read()
            return 1000 * (time.perf_counter() - began)

        first = taken("/")
        last, middle, ids = orders // 100, orders // 200, server.orders
        paths = ["/", *(f"/?page={page}" for page in (2, middle, last)), "/?state=pending_review", "/?state=issued"]
        paths += [f"/?state=pending_review&page={page}" for page in (2, middle, last)]
        paths += [f"/dashboard/orders/{order_id}" for order_id in (ids[0], ids[orders // 2], ids[-1])]
        paths += ["/?q=example", f"/?q={ids[0]}", "/?q=pending_review"]
        return {
            "ms, first page": first,
            "ms, slowest page": max(median(taken(path) for _ in range(5)) for path in paths),
        }


@row(
    "the dashboard over 100,000 orders in memory (builds without pages answer `?page=` with the newest)",
    Goal("ms, first page", 200, None),
    Goal("ms, slowest page", 200, None),
    rounds=3,
)
def dashboard(_run: Run) -> dict[str, float]:
    return pages("", 100_000)


@row(
    "the dashboard over 10,000 orders on SQLite; --long: over 100,000",
    Goal("ms, first page", 200, None),
    Goal("ms, slowest page", 200, None),
    rounds=3,
)
def dashboard_sqlite(run: Run) -> dict[str, float]:
    orders = 100_000 if run.long else 10_000
    return pages(sqlite_with(run, orders), orders)


@row("`orderfsm serve`, from its start to the first answer of its control port")
def start(_run: Run) -> dict[str, float]:
    began = time.perf_counter()
    with subprocess.Popen([sys.executable, "-m", "orderfsm.cli", "serve"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            url = json.loads(process.stdout.readline())["control"]
            with urllib.request.urlopen(f"{url}/health") as answer:
                assert answer.status == 200
            return {"ms": 1000 * (time.perf_counter() - began)}
        finally:
            process.kill()
