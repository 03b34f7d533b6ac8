"""`orderfsm record`: what ACME clients and a server say to each other, as lines of a trace."""

from __future__ import annotations

import json
import signal
import threading
from typing import Any

import click

from orderfsm.invalid import InvalidValue


@click.command()
@click.argument("directory", metavar="DIRECTORY_URL")
@click.option("-o", "--out", metavar="FILE", required=True, help="A new file for the lines.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="Port of loopback to listen at; 0 is any free one."
)
@click.option("--ca", metavar="FILE", help="The authority of the server, in PEM; default: the system's.")
@click.option("--cert", metavar="FILE", help="The recorder's own certificate, in PEM; default: one that it makes.")
@click.option("--key", metavar="FILE", help="The key of that certificate.")
def record(*, directory: str, out: str, port: int, cert: str | None, key: str | None, **options: Any) -> int:
    """Record what ACME clients and a server say, as a trace.

    It stands on loopback before the server at DIRECTORY_URL, until SIGTERM or Ctrl-C. The first line of standard output
    is a JSON document with the URL of the directory that clients are to be given, and the file of the authority that
    they have to trust; the last one says what was recorded. What stands in FILE is for orderfsm replay and orderfsm
    audit.
    """
    from orderfsm.recorder import recording

    if (cert is None) is not (key is None):
        raise InvalidValue("certificate and key", (cert, key), ["both, or neither"])
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    own = None if cert is None or key is None else (cert, key)
    with recording(directory, out, port=port, certificate=own, **options) as running:
        click.echo(json.dumps({"directory": running.directory, "ca": None if running.ca is None else str(running.ca)}))
        stop.wait()
        click.echo(json.dumps(running.totals.as_json()))
        click.echo(str(running.totals), err=True)
    return 0
