"""`orderfsm convert`: traces as process mining's own formats, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from orderfsm.convert import FORMATS
from orderfsm.convert import convert as run
from orderfsm.streams import STANDARD_INPUT

from .audit import columns_of
from .choice import own_table
from .printing import as_json, print_json
from .progress import bar

if TYPE_CHECKING:
    from orderfsm.convert import Converted


@click.command()
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@click.option(
    "-o", "--output", metavar="FILE", required=True, help="Where to write it; - is standard output, and needs --to."
)
@click.option("--to", metavar="FORMAT", type=click.Choice(FORMATS), help="Default: what the name of FILE says.")
@click.option(
    "--column", "columns", metavar="KEY=NAME", multiple=True, callback=columns_of, help="How Parquet names a column."
)
@own_table
@as_json
def convert(*, paths: tuple[str, ...], output: str, as_json: bool, **options: Any) -> int:
    """Turn traces into XES or OCEL 2.0, and back.

    PATHs are traces (JSON Lines, Parquet), what ActionTrail delivers, XES, or OCEL 2.0 as JSON, XML or SQLite, also
    compressed; - is standard input. FILE ends in .xes, .jsonocel, .xmlocel, .sqlite or .jsonl; .gz may follow. Exit 0
    if all was written, 1 if bad lines were left out, 2 if nothing in a file can be read.
    """
    with bar("lines", None) as shown:
        converted = run(paths, output, progress=shown.update, **options)
    if as_json and output != STANDARD_INPUT:
        print_json(converted.as_json())
    else:
        click.echo(_text(converted, output), err=output == STANDARD_INPUT)
    return 1 if converted.bad_lines else 0


def _text(converted: Converted, output: str) -> str:
    lines = [f"{each} (left out)" for each in converted.bad]
    if converted.bad_lines > len(converted.bad):
        lines.append(f"... {converted.bad_lines - len(converted.bad):,} more bad lines")
    left = [
        f"{count:,} {what}"
        for count, what in (
            (converted.bad_lines, "bad lines"),
            (converted.other, "lines of other tables or services, or delivered twice"),
        )
        if count
    ]
    out = f"; left out: {', '.join(left)}" if left else ""
    written = f"{converted.lines:,} lines of {converted.orders:,} orders to {output} as {converted.format}"
    return "\n".join([*lines, f"{written}{out}"])
