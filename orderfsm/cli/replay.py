"""`orderfsm replay`: recorded histories, held against the table."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orderfsm import trace

from .printing import as_json, print_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orderfsm.spec import State

EXIT_OF = {trace.Finding.CONFORMS: 0, trace.Finding.VIOLATES: 1, trace.Finding.UNDECIDED: 3}
SHOWN = 20
"""How many violations, undecided orders and bad lines are printed; the JSON document has all."""


@click.command()
@click.argument(
    "files", metavar="FILE...", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, allow_dash=True)
)
@click.option(
    "--events",
    type=click.Choice([each.value for each in trace.Events]),
    help="Whether all events are in the trace; default: what the files' headers say.",
)
@as_json
def replay(files: tuple[str, ...], events: str | None, *, as_json: bool) -> int:
    """Say whether recorded histories obey the table.

    FILEs are in the trace format, as JSON Lines, also compressed; - is standard input. Exit 0 if every order conforms,
    1 if one violates the table, 3 if one is undecided, 2 if nothing in a file can be read.
    """
    report = trace.replay(_entries(files), events=None if events is None else trace.Events(events))
    if as_json:
        print_json(report.as_json())
    else:
        _print(report)
    return EXIT_OF[report.verdict]


def _entries(files: tuple[str, ...]) -> Iterator[trace.Entry]:
    """What stands in the files; a progress bar on standard error, if that is a terminal."""
    size = sum(Path(file).stat().st_size for file in files if Path(file).is_file())
    with click.progressbar(length=size, label="reading", file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:
        yield from trace.read(files, progress=bar.update)


def _print(report: trace.Report) -> None:
    for violation in report.violations[:SHOWN]:
        click.echo(
            f"{violation.file}:{violation.line}: order {violation.order_id} violates the table: {violation.said}"
        )
        click.echo(f"  it could only be in:  {_names(violation.possible)}")
        click.echo(f"  allowed there:        {', '.join(violation.legal)}")
    _print_rest(len(report.violations), "violations")
    for order_id in report.undecided[:SHOWN]:
        click.echo(f"order {order_id} is undecided: a line of it can be read in two ways")
    _print_rest(len(report.undecided), "undecided orders")
    for bad in report.bad_lines[:SHOWN]:
        click.echo(f"bad line: {bad}")
    _print_rest(len(report.bad_lines), "bad lines")
    click.echo(
        f"{report.verdict}: {report.orders} orders, {report.conforms} conform, {len(report.violations)} violate the "
        f"table, {len(report.undecided)} are undecided; {report.lines} lines, {len(report.bad_lines)} of them bad"
    )


def _print_rest(count: int, what: str) -> None:
    if count > SHOWN:
        click.echo(f"... {count - SHOWN} more {what}")


def _names(states: tuple[State | None, ...]) -> str:
    return ", ".join("none" if state is None else state for state in states)
