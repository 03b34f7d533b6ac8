"""`orderfsm conform`: a server, held against the table."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import click

from orderfsm.errors import InvalidValue, OrderFSMError
from orderfsm.extras import needs
from orderfsm.trace import Events

from .printing import as_json, print_json
from .replay import EXIT_OF

if TYPE_CHECKING:
    from orderfsm.testing import Report


def _clients_and_calls(_context: click.Context, _option: click.Parameter, text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    match = re.fullmatch("([1-9][0-9]{0,3})x([1-9][0-9]{0,5})", text)
    if match is None:
        raise InvalidValue("concurrent", text, ["CLIENTSxCALLS, such as 8x100"])
    return int(match[1]), int(match[2])


def _seconds(_context: click.Context, _option: click.Parameter, text: str) -> float:
    match = re.fullmatch(r"([0-9]{1,6}(?:\.[0-9]{1,3})?)s?", text)
    if match is None or not float(match[1]):
        raise InvalidValue("budget", text, ["a number of seconds, such as 60s"])
    return float(match[1])


@click.command(
    epilog="The calls are signed with the first key of ORDERFSM_ACCESS_KEYS=id:secret,id:secret in the environment; "
    "without it, with one that only servers accept that verify no signature."
)
@click.argument("api_url")
@click.option(
    "--control", "control_url", metavar="URL", help="Its control port. The account is emptied again and again."
)
@click.option("--random", "programs", type=click.IntRange(0), default=100, show_default=True, help="Random programs.")
@click.option(
    "--concurrent", metavar="CLIENTSxCALLS", callback=_clients_and_calls, help="Then let clients call at once."
)
@click.option("--seed", type=int, help="Repeats the random and the concurrent part.")
@click.option("--budget", metavar="SECONDSs", default="60s", show_default=True, callback=_seconds, help="Time to take.")
@click.option(
    "--events",
    type=click.Choice([each.value for each in Events]),
    help="complete: nothing happens to orders by itself; partial: it may. Default: find out.",
)
@as_json
def conform(
    *,
    api_url: str,
    control_url: str | None,
    programs: int,
    concurrent: tuple[int, int] | None,
    seed: int | None,
    budget: float,
    events: str | None,
    as_json: bool,
) -> int:
    """Say whether the server at API_URL obeys the table.

    It must speak the API of the certificate service, and nobody else may use the account meanwhile. With its control
    port, every state and event can be tried; without, what calls alone can reach. Exit 0 if it conforms, 1 if it
    violates the table, 3 if that cannot be decided.
    """
    with needs("testing"):
        from orderfsm.testing import HTTPDriver, check_conformance
        from orderfsm.testing.http import key_of_environment
    driver = HTTPDriver(api_url, control_url, key=key_of_environment())
    HTTPDriver(api_url, key=key_of_environment()).probe()
    try:
        driver.probe()
    except OrderFSMError as error:
        raise OrderFSMError(f"--control: {error}") from None
    report = check_conformance(
        driver,
        events=None if events is None else Events(events),
        random=programs,
        concurrent=concurrent,
        seed=seed,
        budget=budget,
        progress=_progress if sys.stderr.isatty() else None,
    )
    if as_json:
        print_json(report.as_json())
    else:
        _print(report, has_control=control_url is not None)
    return EXIT_OF[report.verdict]


def _progress(part: str, done: int, of: int) -> None:
    click.echo(f"\r\x1b[K{part}: {done} of {of}" if done < of else "\r\x1b[K", nl=False, err=True)


def _print(report: Report, *, has_control: bool) -> None:
    click.echo(str(report))
    not_forced = sum(result == "not forced" for result in report.coverage.values())
    if not_forced and not has_control:
        click.echo(f"{not_forced} pairs were not forced; --control URL names a control port, by which more can be")
    if report.violations and report.violations[0].script:
        click.echo("\nThe first violation as a program:\n")
        click.echo(report.violations[0].script, nl=False)
