"""A WSGI application behind gunicorn, one process with threads, for which `names` says where names are."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from . import challtestsrv
from .process import AcmeServer, free_port, program, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from .challtestsrv import NameServer

NAMES = Path(__file__).parent / "names"
THREADS = 4


def environment(folder: Path, names: NameServer, http_port: int) -> dict[str, str]:
    """That of a server written in Python: names below `.test` are known, and http-01 is asked for at `http_port`.

    Its home is `folder`, where gunicorn puts a socket of its own: else all servers of a user share one.
    """
    ports = {"ORDERFSM_DNS_PORT": str(names.port), "ORDERFSM_HTTP_PORT": str(http_port)}
    own = dict.fromkeys(("HOME", "XDG_RUNTIME_DIR"), str(folder))
    return ports | own | {"PYTHONPATH": str(NAMES), "PYTHONDONTWRITEBYTECODE": "1"}


@contextmanager
def served(
    programs: Path, application: str, folder: Path, http_port: int, *, env: Mapping[str, str]
) -> Iterator[Callable[[str, str, str], AcmeServer]]:
    """Start it on a free port; call what this gives with name, version and the directory's path, and it is ready."""
    port, log = free_port(), folder / "server.log"
    with challtestsrv.running(folder) as names:
        command = [programs / "python", "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "--workers", "1"]
        command += ["--threads", str(THREADS), "--graceful-timeout", "1", application]
        known = environment(folder, names, http_port)
        with program(command, log=log, cwd=folder, env=known | env) as process:

            def at(name: str, version: str, path: str) -> AcmeServer:
                directory = f"http://127.0.0.1:{port}/{path}"
                wait_for(process, directory, log=log)
                ports, settings = (port, *names.ports), names.settings
                return AcmeServer(name, version, directory, None, http_port, log, process.pid, ports, settings)

            yield at
