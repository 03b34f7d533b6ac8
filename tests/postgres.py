"""A real PostgreSQL for tests: the one at `ORDERFSM_TEST_POSTGRES`, else one that is started for them, else a skip.

`pytest_plugins = ["postgres"]` brings `postgres_url`, an empty database for each test, and what that is made of.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

VARIABLE = "ORDERFSM_TEST_POSTGRES"
NAME = "orderfsm"
PATIENCE = 60


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a server, with a user that may create databases."""
    pytest.importorskip("psycopg", reason="the extra `postgres` is not installed")
    given = os.environ.get(VARIABLE)
    if given:
        yield given.replace("postgresql+psycopg:", "postgresql:", 1)
        return
    programs = find_programs()
    if programs is None:
        pytest.skip(f"PostgreSQL is not installed: no initdb found, and no server's URL in {VARIABLE}")
    with running_server(programs) as url:
        yield url


@pytest.fixture(scope="session")
def postgres_database(postgres_server: str) -> Iterator[str]:
    """The URL of a database for the tests of this session, one after the other."""
    with fresh_database(postgres_server) as url:
        yield url


@pytest.fixture
def postgres_url(postgres_database: str) -> str:
    """The URL of an empty database, for one test: that of the session, emptied, which takes less than a new one."""
    import psycopg

    with psycopg.connect(postgres_database, autocommit=True) as connection:
        # Of a process that was ended in the test before, a statement may still be running.
        connection.execute(
            "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'"
        )
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    return postgres_database


@contextmanager
def fresh_database(server: str) -> Iterator[str]:
    """The URL of a new database on a server, dropped afterwards."""
    import psycopg

    name = f"{NAME}_{uuid.uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    try:
        yield urlsplit(server)._replace(path=f"/{name}").geturl()
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def find_programs() -> Path | None:
    """Where the server's programs are: on the path, or where Debian puts them, the newest first."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    installed = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    return max((path.parent for path in installed), key=lambda path: float(path.parent.name), default=None)


@contextmanager
def running_server(programs: Path) -> Iterator[str]:
    """A server of its own on a free port of loopback, its data in a temporary folder; its URL.

    PostgreSQL refuses to run as root: then it runs as the user `postgres`, or `nobody`.
    """
    with tempfile.TemporaryDirectory(prefix=f"{NAME}-postgres-") as folder:
        identity = _identity()
        if identity:
            os.chown(folder, identity["user"], identity["group"])
        data = Path(folder, "data")
        options = ["--username", NAME, "--auth", "trust", "--encoding", "UTF8", "--locale", "C", "--no-sync"]
        _initialize([str(programs / "initdb"), "--pgdata", str(data), *options], folder, identity)
        for attempt in (1, 2, 3):  # another program may take the port first
            port = _free_port()
            with Path(folder, f"log-{attempt}").open("w+b") as log:
                command = [str(programs / "postgres"), "-D", str(data), *_settings(port)]
                process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, **identity)
                try:
                    if _answers(url := f"postgresql://{NAME}@127.0.0.1:{port}/postgres", process):
                        yield url
                        return
                finally:
                    _stop(process)
                log.seek(0)
                said = log.read().decode(errors="replace")
        pytest.fail(f"PostgreSQL does not start:\n{said[-2000:]}")


def _identity() -> dict[str, int]:
    """The arguments of `Popen` that run a program as another user, if this is root."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": user.pw_uid, "group": user.pw_gid}
    pytest.skip("PostgreSQL does not run as root, and there is neither a user `postgres` nor `nobody`")


def _initialize(command: list[str], folder: str, identity: dict[str, int]) -> None:
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=PATIENCE, cwd=folder, check=False, **identity
    )
    if done.returncode:
        pytest.fail(f"{command[0]} failed:\n{done.stdout}{done.stderr}")


def _settings(port: int) -> list[str]:
    """Only on loopback, without a socket in the file system. What is written need not survive the machine's end."""
    settings = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": "", "fsync": "off"}
    return [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _answers(url: str, process: subprocess.Popen[bytes]) -> bool:
    """Whether the server answers before it ends, or our patience does."""
    import psycopg

    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        try:
            psycopg.connect(url, connect_timeout=2).close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return process.poll() is None
    return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    """A fast shutdown of the server that we started; an immediate one if that takes too long."""
    for how in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        if process.poll() is None:
            process.send_signal(how)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                continue
