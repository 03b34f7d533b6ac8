"""`orderfsm conform`: a server, held against the table."""

from __future__ import annotations

import re
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orderfsm.extras import needs
from orderfsm.invalid import InvalidValue, OrderFSMError
from orderfsm.quantities import seconds
from orderfsm.trace import Events

from .choice import in_table
from .printing import Parsed, as_json, print_json, say
from .progress import Progress
from .replay import EXIT_OF

if TYPE_CHECKING:
    from orderfsm.lifecycle import Lifecycle
    from orderfsm.testing import HTTPDriver
    from orderfsm.testing.drivers.acme import AcmeDriver

FILE = click.Path(path_type=Path, dir_okay=False)
FOLDER = click.Path(path_type=Path, file_okay=False)


def _clients_and_calls(text: str) -> tuple[int, int]:
    match = re.fullmatch("([1-9][0-9]{0,3})x([1-9][0-9]{0,5})", text)
    if match is None:
        raise InvalidValue("concurrent", text, ["CLIENTSxCALLS, such as 8x100"])
    return int(match[1]), int(match[2])


def _more_than_none(name: str, text: str) -> float:
    found = seconds(text, name, bare=True)
    if not found:
        raise InvalidValue(name, text, ["more than 0 seconds"])
    return found


CONTROL = """
Of a control port, --control needs these requests, in JSON:

\b
  POST /reset                      no orders, no packages, 204
  PUT /packages/{ProductCode}      {"TotalCount": n}: a package of n units, 200
  POST /orders/{OrderId}/events    {"Event": "review_passed"}: it happens, 200; refused, 409;
                                   no such order, 404; cannot be forced here, 501
  GET /orders/{OrderId}            {"OrderId", "State"}, 200; no such order, or a deleted one, 404

With --table instances, the same of /instances/{InstanceId}, no packages, and:

\b
  POST /instances                  {"State": "settling" or "unused"}: a new one, 201 {"InstanceId"}
  PUT /completions                 {"Mode": "manual" or "clock"}: when calls are completed; may be missing
  POST /clock                      {"advance": seconds}: move the clock forward; may be missing
"""

ACME = """
With --table acme, API_URL is the directory of an ACME server, which must find names below orderfsm.test on this
machine, and ask for http-01 at --http-port: what the events of authorizations need. Its own certificate is one that
--ca names, or the system trusts. No control port is needed, and there is none.
"""

KEYS = """
The calls are signed with the first key of ORDERFSM_ACCESS_KEYS=id:secret,id:secret in the environment; without it, with
one that only servers accept that verify no signature.
"""


@click.command(epilog=CONTROL + KEYS + ACME)
@click.argument("api_url")
@click.option(
    "--control", "control_url", metavar="URL", help="Its control port. The account is emptied again and again."
)
@click.option("--http-port", type=click.IntRange(1, 65535), help="Of ACME: where it asks for http-01. Default: 5002.")
@click.option("--ca", type=FILE, metavar="FILE", help="Of ACME: certificates to trust for the server's own, in PEM.")
@click.option("--random", type=click.IntRange(0), default=100, show_default=True, help="Random programs.")
@click.option(
    "--concurrent",
    metavar="CLIENTSxCALLS",
    type=Parsed("clients", _clients_and_calls),
    help="Then let clients call at once.",
)
@click.option("--seed", type=int, help="Repeats the random and the concurrent part.")
@click.option(
    "--budget",
    type=Parsed("duration", partial(_more_than_none, "budget")),
    help="Time to take at most, as 90s or 5m. Default: 60s; more for a table of many pairs, 4 minutes for instances.",
)
@click.option(
    "--patience",
    type=Parsed("duration", partial(_more_than_none, "patience")),
    help="How long the service takes at most to complete a call. Default: what the table says; 8s for acme.",
)
@click.option(
    "--events",
    type=click.Choice([each.value for each in Events]),
    help="complete: nothing happens to orders by itself; partial: it may. Default: find out; partial for acme.",
)
@click.option("--only", metavar="WORD", multiple=True, help="Try this state or trigger only; may be given again.")
@click.option("--exclude", metavar="WORD", multiple=True, help="Leave out this state, or never fire this trigger.")
@click.option("--strict-operations", is_flag=True, help="An operation that the server does not have is a violation.")
@click.option(
    "--baseline", type=FILE, metavar="FILE", help="Failures that this file names are known, and decide nothing."
)
@click.option("--write-baseline", type=FILE, metavar="FILE", help="Write all failures that were found to this file.")
@click.option("--repro", type=FOLDER, metavar="DIR", help="Write each violation to a file in DIR, as a program.")
@click.option("--curl", is_flag=True, help="Show each violation's requests as curl lines too. They are not signed.")
@click.option("--har", "har_file", type=FILE, metavar="FILE", help="Write the violations' requests and answers as HAR.")
@click.option(
    "--junit", "junit_file", type=FILE, metavar="FILE", help="Write a test for each state and trigger, as JUnit XML."
)
@in_table
@as_json
def conform(
    *,
    api_url: str,
    control_url: str | None,
    http_port: int | None,
    ca: Path | None,
    events: str | None,
    only: tuple[str, ...],
    exclude: tuple[str, ...],
    baseline: Path | None,
    write_baseline: Path | None,
    repro: Path | None,
    curl: bool,
    har_file: Path | None,
    junit_file: Path | None,
    lifecycle: Lifecycle,
    as_json: bool,
    **options: Any,
) -> int:
    """Say whether the server at API_URL obeys the table.

    It must speak the API of the certificate service, and nobody else may use the account meanwhile; of its operations
    the table must be. With its control port, every state and event can be tried; without, what calls alone can reach:
    of instances, by buying them. Or it is an ACME server, and the table that of ACME orders.
    Exit 0 if it conforms, 1 if it violates the table, 3 if that cannot be decided.
    """
    with needs("testing"):
        from orderfsm.testing import Result, check_conformance, selection
        from orderfsm.testing.drivers.by_url import is_acme
        from orderfsm.testing.har import har
        from orderfsm.testing.junit import junit
        from orderfsm.testing.report import write_script
    for path in filter(None, (write_baseline, har_file, junit_file)):
        path.parent.mkdir(parents=True, exist_ok=True)
    known = frozenset() if baseline is None else selection.read_baseline(baseline, lifecycle)
    selection.Selection.of(lifecycle, only, exclude)
    of_acme = is_acme(lifecycle, {"--control": control_url}, {"--http-port": http_port, "--ca": ca})
    with ExitStack() as stack:
        patience = options["patience"]
        driver = _acme(stack, api_url, http_port, ca, patience) if of_acme else _cas(api_url, control_url, lifecycle)
        report = check_conformance(
            driver,
            lifecycle=lifecycle,
            events=None if events is None else Events(events),
            progress=stack.enter_context(Progress()),
            only=only,
            exclude=exclude,
            known=known,
            **options,
        )
    if write_baseline is not None:
        selection.write_baseline(write_baseline, report)
    for file, text_of in ((har_file, har), (junit_file, junit)):
        if file is not None:
            file.write_text(text_of(report), encoding="utf-8")
    written = [] if repro is None else [write_script(repro, each) for each in report.violations if each.script]
    if as_json:
        print_json(report.as_json())
    else:
        say(report.text(curl=curl))
        not_forced = report.counted(Result.NOT_FORCED)
        if not_forced and control_url is None and not of_acme:
            say(f"{not_forced} pairs were not forced; --control URL names a control port, by which more can be")
        if curl and any(not violation.curl for violation in report.violations):
            say("no curl lines where requests were made at once, or are signed for one use, as those of ACME")
        if report.violations and repro is None:
            say("with --repro DIR, each violation is written to a file, as a program")
        for path in written:
            say(f"a violation as a program: {path}")
    return EXIT_OF[report.verdict]


def _cas(api_url: str, control_url: str | None, lifecycle: Lifecycle) -> HTTPDriver:
    """The driver of a server that is there, and whose control port is."""
    from orderfsm.testing.drivers.http import HTTPDriver, key_of_environment

    driver = HTTPDriver(api_url, control_url, key=key_of_environment(), lifecycle=lifecycle)
    HTTPDriver(api_url, key=key_of_environment(), lifecycle=lifecycle).probe()
    try:
        driver.probe()
    except OrderFSMError as error:
        raise OrderFSMError(f"--control: {error}") from None
    return driver


def _acme(
    stack: ExitStack, directory: str, http_port: int | None, ca: Path | None, patience: float | None
) -> AcmeDriver:
    """The driver of an ACME server that is there, and has an account for us."""
    from orderfsm.testing.drivers.acme import HTTP_PORT, PATIENCE, AcmeDriver

    longest = PATIENCE if patience is None else patience
    driver = stack.enter_context(AcmeDriver(directory, http_port=http_port or HTTP_PORT, ca=ca, patience=longest))
    driver.probe()
    return driver
