"""Others hold a lock, are stopped, or never answer: calls end in bounded time, reads go on, and SIGTERM ends all."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from urllib.parse import urlsplit

import pytest

pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")
psutil = pytest.importorskip("psutil", reason="psutil, of the test group, is not installed")

from orderfsm.mock import MemoryStore, Service, SQLStore, mock_cas
from orderfsm.mock.http.app import create_app, create_control_app
from orderfsm.mock.http.server import _serve
from orderfsm.mock.http.threads import FEW, Threads
from orderfsm.mock.stores.store import StoreError

LONG = 60.0
"""Seconds: longer than any of these tests may take."""

SHORT = 0.4


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    """An empty database of each kind."""
    return f"sqlite:///{tmp_path}/orders.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")


@contextlib.contextmanager
def locked(url):
    """Another program has locked what a create writes; yields what unlocks it."""
    if url.startswith("sqlite"):
        connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        connection.execute("BEGIN EXCLUSIVE")
    else:
        import psycopg

        connection = psycopg.connect(url)
        connection.execute("LOCK TABLE packages IN ACCESS EXCLUSIVE MODE")
    try:
        yield connection.rollback
    finally:
        connection.close()


def ask(url, method, path, action=None, body=None):
    """Status and JSON of a request."""
    parts = urlsplit(url)
    headers = {"x-acs-version": "2020-04-07", "x-acs-action": action} if action else {}
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=LONG)
    with contextlib.closing(connection):
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())


def create(url):
    return ask(url, "POST", "/?Domain=example.com", "CreateCertificateForPackageRequest")


def orders(url):
    return ask(url, "POST", "/", "ListUserCertificateOrder")


class Later(threading.Thread):
    """A call from a thread of its own, and what it returned."""

    def __init__(self, call, *arguments):
        super().__init__(daemon=True)
        self._call, self._arguments = call, arguments
        self.start()

    def run(self):
        try:
            self._result = self._call(*self._arguments), None
        except Exception as error:  # noqa: BLE001
            self._result = None, error

    def result(self):
        self.join(LONG)
        assert not self.is_alive(), "it waits without an end"
        result, error = self._result
        if error is not None:
            raise error
        return result


# -- locks -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("writes", [1, 40])
def test_reads_are_answered_while_writes_wait_for_a_lock(url, writes, monkeypatch):
    store = SQLStore(url, patience=LONG)
    service = Service(store=store)
    service.put_package("digicert-free-1-free", 100)
    waiting = threading.Semaphore(0)
    handle = service.handle
    monkeypatch.setattr(service, "handle", lambda request: (waiting.release(), handle(request))[1])
    with contextlib.closing(store), mock_cas(service) as server, locked(url) as unlock:
        creates = [Later(create, server.api) for _ in range(writes)]
        assert all(waiting.acquire(timeout=LONG) for _ in range(writes))
        for _ in range(10):
            status, answer = orders(server.api)
            assert (status, answer["TotalCount"]) == (200, 0)
        assert ask(server.control, "GET", "/health") == (200, {"status": "ok", "orders": 0})
        unlock()
        assert {create.result()[0] for create in creates} == {200}
        assert orders(server.api)[1]["TotalCount"] == writes


def test_a_write_that_waits_too_long_is_an_error_that_did_nothing_and_one_line(url, caplog):
    store = SQLStore(url, patience=SHORT)
    service = Service(store=store)
    with contextlib.closing(store), mock_cas(service) as server, locked(url) as unlock:
        status, answer = create(server.api)
        assert (status, answer["Code"]) == (500, "Error")
        assert set(answer) == {"RequestId", "HostId", "Code", "Message", "Recommend"}
        status, answer = ask(server.control, "PUT", "/packages/p", body='{"TotalCount": 3}')
        assert (status, answer["Code"]) == (503, "ServiceUnavailable")
        assert len(caplog.records) == 2
        for record in caplog.records:
            assert "lock" in record.getMessage()
            assert "\n" not in caplog.handler.format(record)
        unlock()
        assert orders(server.api)[1]["TotalCount"] == 0
        assert create(server.api)[0] == 200


def test_a_table_that_reads_need_is_waited_for_no_longer(postgres_url):
    import psycopg

    store = SQLStore(postgres_url, patience=SHORT)
    with contextlib.closing(store), psycopg.connect(postgres_url) as other, mock_cas(Service(store=store)) as server:
        other.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
        assert orders(server.api)[0] == 500
        other.rollback()
        assert orders(server.api)[0] == 200


# -- processes that are stopped ----------------------------------------------------------------------------------------

HOLDER = """
import sys
from orderfsm.mock import SQLStore
store = SQLStore(sys.argv[1])
with store._turn():
    if sys.argv[2] == "in a transaction":
        with store._writing.lend() as connection:
            connection.say("BEGIN IMMEDIATE")
            print("held", flush=True)
            sys.stdin.read()
    print("held", flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def stopped_in_its_turn(url, how):
    """A process that is stopped while it may write."""
    command = [sys.executable, "-c", HOLDER, url, how]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "held\n"
            process.send_signal(signal.SIGSTOP)
            yield process
        finally:
            process.kill()


def test_a_process_that_is_stopped_in_its_turn_holds_up_no_other(tmp_path):
    url = f"sqlite:///{tmp_path}/orders.db"
    with contextlib.closing(SQLStore(url, patience=SHORT)) as store:
        with stopped_in_its_turn(url, "before a transaction"):
            first = [Later(store.new_id) for _ in range(5)]
            assert len({each.result() for each in first}) == 5
            assert len({Later(store.new_id).result() for _ in range(100)}) == 100
        store.new_id()
        with contextlib.closing(SQLStore(url, patience=LONG)) as other:
            assert store.new_id() < other.new_id() < store.new_id()


def test_one_that_is_stopped_in_a_transaction_holds_up_writes_alone_and_not_for_ever(tmp_path):
    url = f"sqlite:///{tmp_path}/orders.db"
    store = SQLStore(url, patience=SHORT)
    with contextlib.closing(store), mock_cas(Service(store=store)) as server:
        with stopped_in_its_turn(url, "in a transaction"):
            answers = [Later(create, server.api) for _ in range(5)]
            assert orders(server.api)[0] == 200
            assert [answer.result()[0] for answer in answers] == [500] * 5
        assert Later(create, server.api).result()[0] == 200


def test_a_turn_that_came_too_late_is_given_back(tmp_path):
    url = f"sqlite:///{tmp_path}/orders.db"
    with contextlib.closing(SQLStore(url, patience=SHORT)) as store:
        with stopped_in_its_turn(url, "before a transaction") as holder:
            Later(store.new_id).result()
            holder.send_signal(signal.SIGCONT)
            holder.communicate("", timeout=LONG)
        # Only if the lock file was let go can another process have the turn without a wait for it.
        command = [sys.executable, "-c", HOLDER.replace("SQLStore(", "SQLStore(patience=120, url="), url, ""]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.communicate("", timeout=LONG)[0] == "held\n"


# -- databases that never answer ---------------------------------------------------------------------------------------


class Proxy:
    """Stands between a store and its server, and may let nothing through any more."""

    def __init__(self, url):
        parts = urlsplit(url)
        self._server = parts.hostname, parts.port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = parts._replace(netloc=f"{parts.username}@127.0.0.1:{self._listener.getsockname()[1]}").geturl()
        self.open = threading.Event()
        self.open.set()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                ours, _ = self._listener.accept()
                theirs = socket.create_connection(self._server)
                for pair in ((ours, theirs), (theirs, ours)):
                    threading.Thread(target=self._relay, args=pair, daemon=True).start()

    def _relay(self, source, target):
        with contextlib.suppress(OSError), source, target:
            while data := source.recv(65536):
                self.open.wait(LONG)
                target.sendall(data)

    def close(self):
        self.open.set()
        self._listener.close()


def test_a_database_that_never_answers_is_waited_for_no_longer_than_the_deadline(postgres_url, caplog):
    with contextlib.closing(Proxy(postgres_url)) as proxy, contextlib.closing(SQLStore(proxy.url)) as store:
        service = Service(store=store)
        apps = create_app(service, deadline=SHORT), create_control_app(service, deadline=SHORT)
        with _serve(apps[0]) as api, _serve(apps[1]) as control:
            assert orders(api)[0] == 200
            proxy.open.clear()
            status, answer = orders(api)
            assert (status, answer["Code"]) == (500, "Error")
            for path in ("/health", "/orders", "/"):
                status, answer = ask(control, "GET", path)
                assert (status, answer["Code"]) == (503, "ServiceUnavailable")
            assert [record.getMessage().partition(": the ")[2] for record in caplog.records] == [
                "store did not answer in time"
            ] * 4
            proxy.open.set()
            with mock_cas(Service(store=store)) as server:
                assert orders(server.api)[0] == 200


# -- threads -----------------------------------------------------------------------------------------------------------


def test_calls_that_wait_leave_others_a_thread():
    async def run():
        threads, go = Threads(), threading.Event()
        waiting = [asyncio.ensure_future(threads.run(go.wait)) for _ in range(50)]
        assert [await threads.run(str, number) for number in range(5)] == list("01234")
        go.set()
        assert await asyncio.gather(*waiting) == [True] * 50
        assert await threads.run(threading.active_count) <= before + 50 + FEW

    before = threading.active_count()
    asyncio.run(run())


def test_what_had_not_begun_by_its_deadline_never_begins(monkeypatch):
    monkeypatch.setattr("orderfsm.mock.http.threads.MANY", 1)
    done = []

    async def run():
        threads, go = Threads(SHORT), threading.Event()
        first = asyncio.ensure_future(threads.run(go.wait))
        await asyncio.sleep(0)
        with pytest.raises(TimeoutError):
            await threads.run(done.append, "late")
        with pytest.raises(TimeoutError):
            await first
        go.set()
        await threads.run(done.append, "then")

    asyncio.run(run())
    assert done == ["then"]


def test_an_error_in_a_thread_is_the_callers():
    with pytest.raises(ZeroDivisionError):
        asyncio.run(Threads().run(divmod, 1, 0))


def test_the_memory_is_asked_without_a_thread():
    service = Service(store=MemoryStore())
    seen = []
    handle = service.handle
    service.handle = lambda request: (seen.append(threading.current_thread()), handle(request))[1]
    with mock_cas(service) as server:
        orders(server.api)
    assert {thread.name for thread in seen} == {"orderfsm mock"}


# -- the program -------------------------------------------------------------------------------------------------------

PROGRAM = """
import json, sys
from orderfsm.mock.http.serve import Settings, serve
raise SystemExit(serve(Settings(**json.loads(sys.argv[1]))))
"""


@contextlib.contextmanager
def served(program=None, **settings):
    """The program: its process and its two URLs."""
    process = subprocess.Popen(
        [sys.executable, *(["-c", PROGRAM] if program is None else [program]), json.dumps(settings)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "ORDERFSM_ACCESS_KEYS": ""},
    )
    try:
        ready = process.stdout.readline()
        yield process, *(json.loads(ready).values() if ready else (None, None))
    finally:
        for child in [*children(process), process]:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        process.communicate()


def children(process):
    """The workers of the program."""
    try:
        found = psutil.Process(process.pid).children()
        return [child for child in found if "spawn_main" in " ".join(child.cmdline())]
    except psutil.NoSuchProcess:
        return []


def ended(process):
    """Its exit status, and what it complained of besides the keys."""
    _, complained = process.communicate(timeout=LONG)
    return process.returncode, [line for line in complained.splitlines() if "every access key" not in line]


@pytest.mark.long
@pytest.mark.parametrize("workers", [1, 2])
def test_sigterm_ends_the_program_while_calls_wait(url, workers):
    with served(database=url, patience=LONG, workers=workers) as (process, api, control), locked(url):
        calls = [Later(create, api) for _ in range(8)]
        events = [Later(ask, control, "PUT", "/packages/p", None, '{"TotalCount": 3}') for _ in range(2)]
        assert orders(api)[0] == 200
        assert ask(control, "GET", "/health")[0] == 200
        process.terminate()
        status, complaints = ended(process)
        assert status in {0, 1}
        assert not [line for line in complaints if line.startswith((" ", "Traceback"))]
        for call in [*calls, *events]:
            with contextlib.suppress(OSError, http.client.HTTPException):
                assert call.result()[0] >= 500


@pytest.mark.long
def test_a_stopped_worker_does_not_keep_the_program_from_ending(tmp_path):
    with served(database=f"sqlite:///{tmp_path}/orders.db", workers=2) as (process, api, _):
        assert create(api)[0] == 200
        stopped = children(process)
        for worker in stopped:
            worker.suspend()
        process.terminate()
        assert ended(process) == (0, [])
        assert psutil.wait_procs(stopped, timeout=LONG)[1] == []


@pytest.mark.long
def test_a_program_that_ends_while_a_process_is_stopped_in_its_turn(tmp_path):
    url = f"sqlite:///{tmp_path}/orders.db"
    with served(database=url) as (process, api, _), stopped_in_its_turn(url, "in a transaction"):
        calls = [Later(create, api) for _ in range(5)]
        assert orders(api)[0] == 200
        process.terminate()
        assert ended(process)[0] == 0
        for call in calls:
            with contextlib.suppress(OSError, http.client.HTTPException):
                assert call.result()[0] == 500


BREAKABLE = """
import json, pathlib, sys
import orderfsm.mock.http.serve as program
if __name__ == "__main__":
    settings = program.Settings(**json.loads(sys.argv[1]))
    raise SystemExit(program.serve(settings))
elif pathlib.Path(__file__).with_name("broken").exists():
    def no_service(settings):
        raise OSError("no database today")
    program._service = no_service
"""
GAVE_UP = ["orderfsm: gave up after 5 workers in a row that ended at once: OSError: no database today"]


@contextlib.contextmanager
def breakable(tmp_path):
    """The program with two workers, none of which starts any more once there is a file called `broken`."""
    program = tmp_path / "program.py"
    program.write_text(BREAKABLE)
    with served(program, database=f"sqlite:///{tmp_path}/orders.db", workers=2) as (process, api, _):
        yield process, api


@pytest.mark.long
def test_workers_that_cannot_start_are_given_up_with_one_line_and_exit_1(tmp_path):
    (tmp_path / "broken").touch()
    with breakable(tmp_path) as (process, api):
        assert api is None
        assert ended(process) == (1, GAVE_UP)


@pytest.mark.long
def test_one_that_died_and_cannot_start_again_is_given_up_as_well(tmp_path):
    with breakable(tmp_path) as (process, api):
        assert create(api)[0] == 200
        (tmp_path / "broken").touch()
        for worker in children(process):
            worker.kill()
        assert ended(process) == (1, GAVE_UP)


def test_a_store_error_is_one_line_without_what_stands_in_rows(url):
    with contextlib.closing(SQLStore(url, patience=SHORT)) as store, locked(url):
        with pytest.raises(StoreError) as caught:
            store.put_package("secret", 1)
        assert "\n" not in str(caught.value)
        assert "secret" not in str(caught.value)
