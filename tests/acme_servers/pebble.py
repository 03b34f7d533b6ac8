"""Pebble, the test server of Let's Encrypt, from Debian's package: validation is real, and nothing is at random.

It asks for http-01 at a port of the driver's choice, and resolves names by a DNS server of its own.
"""

from __future__ import annotations

import json
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from . import challtestsrv
from .authority import make_authority, make_certificate
from .process import AcmeServer, Unavailable, debian_version, free_port, program, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EVEN_TEMPERED = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0", "PEBBLE_AUTHZREUSE": "0"}
"""No sleep before a validation, no good nonce refused, no authorization used again: each is a matter of luck else."""


@contextmanager
def running(folder: Path, http_port: int) -> Iterator[AcmeServer]:
    """Pebble on free ports, all that it writes in `folder`.

    Raises:
        Unavailable: the package is not installed.
        DidNotStart: it does not answer.

    """
    found = shutil.which("pebble")
    if found is None:
        raise Unavailable("pebble is not installed: apt-get install pebble")
    authority = make_authority(folder)
    certificate, key = make_certificate(folder, authority)
    port, management, tls = free_port(), free_port(), free_port()
    settings = {
        "listenAddress": f"127.0.0.1:{port}",
        "managementListenAddress": f"127.0.0.1:{management}",
        "certificate": str(certificate),
        "privateKey": str(key),
        "httpPort": http_port,
        "tlsPort": tls,
        "ocspResponderURL": "",
        "externalAccountBindingRequired": False,
    }
    config, log = folder / "pebble.json", folder / "pebble.log"
    config.write_text(json.dumps({"pebble": settings}))
    with challtestsrv.running(folder) as names:
        command = [found, "-config", config, "-dnsserver", names.address]
        with program(command, log=log, cwd=folder, env=EVEN_TEMPERED) as process:
            directory = f"https://127.0.0.1:{port}/dir"
            wait_for(process, directory, log=log, ca=authority[0])
            ports = port, management, *names.ports
            root = authority[0]
            yield AcmeServer(
                "pebble", debian_version("pebble"), directory, root, http_port, log, process.pid, ports, names.settings
            )
