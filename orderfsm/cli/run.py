"""`orderfsm run`: a program whose SDKs are led to a mock, without a change to it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orderfsm.extras import needs
from orderfsm.invalid import InvalidValue, OrderFSMError
from orderfsm.mock.sdk import redirect

if TYPE_CHECKING:
    from collections.abc import Mapping

SITE = Path(redirect.__file__).parent / "site"
"""The folder that is put before all others on PYTHONPATH."""

CONTROL = "ORDERFSM_CAS_CONTROL"


@click.command(context_settings={"allow_interspersed_args": False})
@click.option("--endpoint", metavar="URL", help="API port of a mock that is running; default: one of its own.")
@click.option("--package", "packages", metavar="CODE=N", multiple=True, help="Buy N units of a product.")
@click.option("--review", default="manual", show_default=True, help="manual, at-once, after=SECONDS or reads=N.")
@click.option("--validate", type=click.Choice(["dns"]), help="dns: owners validate their domains by DNS records.")
@click.option("--domain", "domains", metavar="NAME", multiple=True, help="A domain of the account of AliDNS.")
@click.option("--passthrough", metavar="HOST", multiple=True, help="Let calls to this host through; * is any part.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def run(
    *,
    endpoint: str | None,
    packages: tuple[str, ...],
    review: str,
    validate: str | None,
    domains: tuple[str, ...],
    passthrough: tuple[str, ...],
    command: tuple[str, ...],
) -> int:
    """Run a Python program against a mock, without a change to it.

    For example: orderfsm run python program.py

    What its SDKs call of certificates, DNS records and purchases goes to the mock, whatever endpoint they were given;
    calls of other products of Alibaba Cloud are refused. That holds for the programs that it starts, too, but not for
    a Python that ignores PYTHONPATH (-I, -E, -S). The exit status is that of the program. Access keys that the mock
    verifies come from ORDERFSM_ACCESS_KEYS, as for orderfsm serve.
    """
    own = {"packages": packages, "review": review, "validate": validate, "domains": domains}
    given = os.environ | ({redirect.ENDPOINT: endpoint} if endpoint else {})
    if passthrough:
        given[redirect.PASSTHROUGH] = ",".join(passthrough)
    with ExitStack() as stack:
        if not given.get(redirect.ENDPOINT):
            given |= _own(stack, own)
        elif own != {"packages": (), "review": "manual", "validate": None, "domains": ()}:
            options = "--package, --review, --validate and --domain"
            raise InvalidValue(options, given[redirect.ENDPOINT], ["none beside a mock that is running"])
        return _status(command, _led(given))


def _own(stack: ExitStack, settings: Mapping[str, Any]) -> dict[str, str]:
    """The environment that names a mock with these settings, that is served until `stack` is left."""
    with needs("mock"):
        from orderfsm.mock import mock_cas
        from orderfsm.mock.settings import keys_of

    keys = keys_of(os.environ.get(redirect.KEYS, ""), redirect.KEYS)
    server = stack.enter_context(mock_cas(**settings, keys=keys, patched=False))
    if sys.stderr.isatty():
        print(f"orderfsm: the mock is {server.api}, its dashboard {server.control}", file=sys.stderr)
    return {redirect.ENDPOINT: server.api, CONTROL: server.control}


def _led(given: Mapping[str, str]) -> dict[str, str]:
    """The environment in which a program is led."""
    try:
        redirect.of_environment(given)
    except ValueError as error:
        raise OrderFSMError(str(error)) from None
    first = given.get(redirect.KEYS, "").split(",")[0].strip()
    key_id, _, secret = first.partition(":") if first else ("test", "", "test")
    key, path = dict(zip(redirect.ACCESS_KEY, (key_id, secret), strict=False)), [str(SITE), given.get("PYTHONPATH")]
    without_token = {name: value for name, value in given.items() if name != redirect.ACCESS_KEY[2]}
    return without_token | key | {"PYTHONPATH": os.pathsep.join(filter(None, path))}


def _status(command: tuple[str, ...], environment: dict[str, str]) -> int:
    """The exit status of a command; a signal to end is passed on to it."""
    program: subprocess.Popen[bytes] | None = None
    ended = False

    def end(*_: object) -> None:
        nonlocal ended
        ended = True
        if program is not None:
            program.terminate()

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, lambda *_: None)  # the terminal sends it to both
    signal.signal(signal.SIGTERM, end)
    try:
        program = subprocess.Popen(command, env=environment)  # noqa: S603  # it is the user's own
        if ended:
            program.terminate()
        status = program.wait()
    except OSError as error:
        raise OrderFSMError(f"cannot run {command[0]}: {error.strerror}") from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return 128 - status if status < 0 else status
