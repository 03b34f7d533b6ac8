"""`orderfsm replay`: recorded histories, held against the table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from orderfsm import trace

from .choice import only_table
from .printing import as_json, print_json, say
from .progress import bar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orderfsm.lifecycle import Lifecycle

EXIT_OF = {trace.Finding.CONFORMS: 0, trace.Finding.VIOLATES: 1, trace.Finding.UNDECIDED: 3}


@click.command()
@click.argument(
    "files", metavar="FILE...", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, allow_dash=True)
)
@click.option(
    "--events",
    type=click.Choice([each.value for each in trace.Events]),
    help="Whether all events are in the trace; default: what the files' headers say.",
)
@only_table
@as_json
def replay(files: tuple[str, ...], events: str | None, lifecycle: Lifecycle | None, *, as_json: bool) -> int:
    """Say whether recorded histories obey the table.

    FILEs are in the trace format, as JSON Lines, also compressed; - is standard input. Lines of several tables may be
    mixed: each is judged by the one under whose key its id stands. Exit 0 if every order conforms,
    1 if one violates the table, 3 if one is undecided, 2 if nothing in a file can be read.
    """
    report = trace.replay(
        _entries(files, lifecycle), events=None if events is None else trace.Events(events), lifecycle=lifecycle
    )
    if as_json:
        print_json(report.as_json())
    else:
        say(str(report))
    return EXIT_OF[report.verdict]


def _entries(files: tuple[str, ...], lifecycle: Lifecycle | None) -> Iterator[trace.Entry]:
    """What stands in the files, with a bar."""
    size = sum(Path(file).stat().st_size for file in files if Path(file).is_file())
    with bar("reading", size) as shown:
        yield from trace.read(files, progress=shown.update, lifecycle=lifecycle)
