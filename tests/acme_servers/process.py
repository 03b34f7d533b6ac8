"""A server program on loopback: started, waited for, and ended with everything that it started."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import ssl
import subprocess
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING
from urllib.request import HTTPSHandler, ProxyHandler, build_opener

from attrs import field, frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

PATIENCE = 30
"""Seconds in which a server has to answer."""

GRACE = 5
"""Seconds in which it has to end when it is asked to."""

BINDS = shutil.which("setpriv")

ZONE = "orderfsm.test"
"""Every name below it, and every other name below `.test`, is at 127.0.0.1 for every server."""


class Unavailable(Exception):
    """A server or a client that this machine lacks, and what brings it; one line."""


class DidNotStart(Exception):
    """A server that ended, or did not answer in time; with the end of its log."""


@frozen
class AcmeServer:
    """A server that runs."""

    name: str
    version: str
    directory: str
    """The URL that an ACME client begins with."""
    ca: Path | None
    """The file to trust, in PEM; None where the server speaks plain HTTP."""
    http_port: int
    """The port of 127.0.0.1 at which the server asks for http-01. It is free: whoever answers listens there."""
    log: Path
    pid: int
    ports: tuple[int, ...] = ()
    """The ports that the server itself, and what belongs to it, listens at."""
    settings: Mapping[str, str] = field(factory=dict)
    """What belongs to it besides: `dns`, and `management`, the URL by which a test sets DNS records."""


def free_port() -> int:
    """A port of loopback that nobody listens at, and that no system gives to outgoing connections by itself."""
    while True:
        port = random.SystemRandom().randrange(20_000, 32_768)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def debian_version(package: str) -> str:
    """The version of an installed package of Debian's; `unknown` where it came from elsewhere."""
    asked = ["dpkg-query", "--show", "--showformat=${Version}", package]
    try:
        return subprocess.run(asked, capture_output=True, text=True, check=True, timeout=10).stdout
    except (OSError, subprocess.SubprocessError):
        return "unknown"


@contextmanager
def program(
    command: Sequence[str | Path], *, log: Path, cwd: Path, env: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A program in a process group of its own, which is ended with it. What it says goes to `log`.

    It ends with the thread that started it, too, even if that is killed; where the system has `setpriv`.
    """
    bound = [BINDS, "--pdeathsig", "TERM"] if BINDS else []
    with log.open("ab") as said:
        process = subprocess.Popen(
            [*bound, *map(str, command)],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            cwd=cwd,
            env=_without_proxies() | (env or {}),
            start_new_session=True,
        )
    try:
        yield process
    finally:
        _end(process)


def _without_proxies() -> dict[str, str]:
    """The environment: all that is asked for here is on loopback."""
    return {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(GRACE)
    with suppress(ProcessLookupError):  # what is left of the group
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(GRACE)


def wait_for(process: subprocess.Popen[bytes], url: str, *, log: Path, ca: Path | None = None) -> None:
    """Return when `url` answers 200.

    Raises:
        DidNotStart: the program ended, or took longer than `PATIENCE`.

    """
    context = ssl.create_default_context(cafile=ca) if ca else None
    opener = build_opener(ProxyHandler({}), HTTPSHandler(context=context))
    _wait(process, url, lambda: opener.open(url, timeout=2), log)


def wait_for_port(process: subprocess.Popen[bytes], port: int, *, log: Path) -> None:
    """Return when somebody listens at a port of loopback; see `wait_for`."""
    address = "127.0.0.1", port
    _wait(process, f"port {port}", lambda: socket.create_connection(address, timeout=2), log)


def _wait(
    process: subprocess.Popen[bytes], where: str, ask: Callable[[], AbstractContextManager[object]], log: Path
) -> None:
    deadline = time.monotonic() + PATIENCE
    why = "not asked"
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with ask():
                return
        except OSError as error:  # URLError is one
            why = str(error)
            time.sleep(0.05)
    if process.poll() is not None:
        why = f"it ended with {process.returncode}"
    said = log.read_text(errors="replace")[-2000:]
    raise DidNotStart(f"no answer at {where}: {why}\n{said}")
