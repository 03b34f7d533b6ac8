"""`pebble-challtestsrv` of Debian's package `pebble`, with nothing but its DNS: every name is at 127.0.0.1.

Its management port sets TXT records for dns-01. It answers no http-01: that port is the driver's.
"""

from __future__ import annotations

import json
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.request import ProxyHandler, Request, build_opener

from attrs import frozen

from .process import Unavailable, free_port, program, wait_for_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROGRAM = "pebble-challtestsrv"


@frozen
class NameServer:
    """A DNS server that runs."""

    port: int
    management_port: int

    @property
    def address(self) -> str:
        """Host and port of its DNS."""
        return f"127.0.0.1:{self.port}"

    @property
    def management(self) -> str:
        """The URL at which records are set."""
        return f"http://127.0.0.1:{self.management_port}"

    @property
    def ports(self) -> tuple[int, int]:
        """The ports that it listens at."""
        return self.port, self.management_port

    @property
    def settings(self) -> dict[str, str]:
        """What an `AcmeServer` tells of it."""
        return {"dns": self.address, "management": self.management}


@contextmanager
def running(folder: Path) -> Iterator[NameServer]:
    """A DNS server on free ports, its log in `folder`."""
    found = shutil.which(PROGRAM)
    if found is None:
        raise Unavailable(f"{PROGRAM} is not installed: apt-get install pebble")
    names = NameServer(free_port(), free_port())
    command = [found, "-defaultIPv6", "", "-http01", "", "-https01", "", "-tlsalpn01", ""]
    command += ["-dns01", names.address, "-management", names.management.removeprefix("http://")]
    log = folder / "challtestsrv.log"
    with program(command, log=log, cwd=folder) as process:
        wait_for_port(process, names.management_port, log=log)
        yield names


def set_txt(management: str, host: str, value: str) -> None:
    """Answer `value` to who asks for the TXT record of `host`."""
    _post(f"{management}/set-txt", {"host": f"{host.rstrip('.')}.", "value": value})


def clear_txt(management: str, host: str) -> None:
    """Answer no TXT record of `host` any more."""
    _post(f"{management}/clear-txt", {"host": f"{host.rstrip('.')}."})


def _post(url: str, body: dict[str, str]) -> None:
    with build_opener(ProxyHandler({})).open(Request(url, json.dumps(body).encode()), timeout=5):
        pass
