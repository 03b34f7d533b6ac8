"""Real ACME servers on loopback: `with running("pebble") as server:`, or `python -m tests.acme_servers pebble`.

Each takes free ports, keeps what it writes in a temporary folder, and ends with the block that it was started for.
Names below `.test` are at 127.0.0.1 for it, and it asks for http-01 at `server.http_port`, at which whoever has
started it listens. What the machine lacks is `Unavailable`, with the command that brings it.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from . import acme2certifier, acmeeh, pebble, serles
from .process import AcmeServer, DidNotStart, Unavailable, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["FLAVOURS", "SERVERS", "AcmeServer", "DidNotStart", "Unavailable", "running"]

SERVERS = {
    "pebble": pebble.running,
    "acme2certifier": acme2certifier.running,
    "acmeeh": acmeeh.running,
    "serles": serles.running,
}
FLAVOURS = SERVERS | {"acme2certifier-failing": partial(acme2certifier.running, issues=False)}
"""All that can be started: one server besides, whose orders become invalid when they are finalized."""

ATTEMPTS = 3


@contextmanager
def running(name: str, *, http_port: int | None = None) -> Iterator[AcmeServer]:
    """The server called `name`, with http-01 at `http_port`, or else at a free port.

    Raises:
        ValueError: there is no server of that name.
        Unavailable: this machine lacks it.
        DidNotStart: it does not answer within 30 seconds.

    """
    if name not in FLAVOURS:
        raise ValueError(f"server {name!r}: expected {', '.join(FLAVOURS)}")
    with ExitStack() as stack:
        yield _started(stack, name, http_port)


def _started(stack: ExitStack, name: str, http_port: int | None) -> AcmeServer:
    for attempt in range(1, ATTEMPTS + 1):
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix=f"orderfsm-{name}-"))
        try:
            return stack.enter_context(FLAVOURS[name](Path(folder), http_port or free_port()))
        except DidNotStart as error:  # another program may take a port first
            if attempt == ATTEMPTS or "in use" not in str(error):
                raise
    raise AssertionError
