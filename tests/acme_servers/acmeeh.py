"""acmeeh, from its package, on a PostgreSQL of its own; plain HTTP, on loopback without limits.

It can be told the port of http-01, and DNS servers for dns-01 but not for http-01: `names` says where names are.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from . import challtestsrv, venvs
from .authority import make_authority
from .gunicorn import environment
from .process import AcmeServer, Unavailable, free_port, program, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def running(folder: Path, http_port: int, *, address: str | None = None) -> Iterator[AcmeServer]:
    """Acmeeh on a free port; `address` is what its URLs begin with, if that is not where it listens.

    Raises:
        Unavailable: its venv, PostgreSQL or challtestsrv is missing.
        DidNotStart: it does not answer.

    """
    import postgres

    programs, version = venvs.find("acmeeh", "acmeeh")
    database = postgres.find_programs()
    if database is None:
        raise Unavailable("acmeeh needs PostgreSQL, which is not installed: apt-get install postgresql")
    make_authority(folder)
    port, log, config = free_port(), folder / "server.log", folder / "config.json"
    with challtestsrv.running(folder) as names, postgres.running_server(database) as url:
        address = address or f"http://127.0.0.1:{port}"
        config.write_text(json.dumps(_settings(folder, port, http_port, url, address)))
        command = [programs / "python", "-m", "acmeeh", "-c", config]
        with program(command, log=log, cwd=folder, env=environment(folder, names, http_port)) as process:
            directory = f"http://127.0.0.1:{port}/directory"
            wait_for(process, directory, log=log)
            ports = port, urlsplit(url).port, *names.ports
            yield AcmeServer("acmeeh", version, directory, None, http_port, log, process.pid, ports, names.settings)


def _settings(folder: Path, port: int, http_port: int, database: str, address: str) -> dict[str, object]:
    at = urlsplit(database)
    return {
        "server": {
            "external_url": address,
            "bind": "127.0.0.1",
            "port": port,
            "workers": 2,
            "graceful_timeout": 1,
        },
        "security": {"rate_limits": {"enabled": False}},
        "acme": {"caa_enforce": False},
        "challenges": {
            "enabled": ["http-01", "dns-01"],
            "http01": {"port": http_port, "blocked_networks": [], "timeout_seconds": 5},
            "dns01": {"auto_validate": True, "propagation_wait_seconds": 0, "timeout_seconds": 5},
            "retry_after_seconds": 1,
            "backoff_base_seconds": 1,
        },
        "order": {"retry_after_seconds": 1},
        "ca": {"internal": {"root_cert_path": f"{folder}/ca.pem", "root_key_path": f"{folder}/ca.key"}},
        "database": {
            "host": at.hostname,
            "port": at.port,
            "database": at.path.strip("/"),
            "user": at.username,
            "password": "none is asked for",
            "sslmode": "disable",
            "auto_setup": True,
        },
        "notifications": {"enabled": False},
    }
