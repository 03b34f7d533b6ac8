"""`orderfsm export`, `diagram`, `diff`, `drift`: the table in other forms, and what changed in it, or in the SDK."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orderfsm.drift import drift as compare_sdk
from orderfsm.export import FORMATS, exported, read
from orderfsm.export import diff as compare

from .choice import in_any_table, in_table
from .printing import as_json, print_columns, print_json, say

if TYPE_CHECKING:
    from orderfsm.lifecycle import Lifecycle


@click.command()
@click.argument("form", metavar="FORMAT", type=click.Choice(tuple(FORMATS)))
@click.option(
    "-o",
    "--output",
    "file",
    metavar="FILE",
    type=click.Path(dir_okay=False, allow_dash=True),
    help="Write it to FILE; - is standard output, as without it.",
)
@in_table
@as_json
def export(form: str, file: str | None, lifecycle: Lifecycle, *, as_json: bool) -> int:
    """Write the table as FORMAT.

    For programs: json, vectors (tests for an implementation in any language), xstate, scxml. For people: mermaid, dot,
    markdown, html, svg.
    """
    text = exported(form, lifecycle)
    file = None if file == "-" else file
    if file is not None:
        Path(file).write_text(text, encoding="utf-8")
    if as_json:
        written = {"text": text} if file is None else {"file": file}
        return print_json({"table": lifecycle.name, "format": form} | written)
    if file is None:
        click.echo(text, nl=False)
    return 0


@click.command()
@in_table
@as_json
@click.pass_context
def diagram(context: click.Context, /, **options: Any) -> int:
    """Print the table as a mermaid state diagram: `export mermaid`."""
    return int(context.invoke(export, form="mermaid", **options))


@click.command()
@click.argument("old", type=click.Path(exists=True, dir_okay=False))
@click.argument("new", type=click.Path(exists=True, dir_okay=False))
@as_json
def diff(old: str, new: str, *, as_json: bool) -> int:
    """Say what changed from the edition OLD to NEW.

    Both are files that `orderfsm export json` wrote. Exit 1 if a change can break a client (something allowed became
    refused) or a mock (the reverse), else 0.
    """
    found = compare(read(old), read(new))
    if as_json:
        print_json(found.as_json())
    else:
        count = len(found.changes)
        say(f"from {found.old} to {found.new}: {count or 'no'} change{'s' * (count != 1)}")
        if found.changes:
            rows = [(", ".join(change.breaks) or "-", change.where, change.what) for change in found.changes]
            print_columns([("CAN BREAK", "WHERE", "WHAT"), *rows])
    return 1 if found.breaks else 0


@click.command()
@click.option(
    "--sdk", metavar="FOLDER", type=click.Path(file_okay=False), help="The SDK's package; default: installed."
)
@in_any_table
@as_json
def drift(sdk: str | None, lifecycle: Lifecycle | None, *, as_json: bool) -> int:
    """Say what the official SDK documents otherwise than the tables.

    The words of what is read, operations on orders and instances, and their parameters: what is new, and what is gone.
    Exit 1 if anything is.
    """
    found = compare_sdk(sdk, lifecycle)
    if as_json:
        print_json(found.as_json())
    else:
        for difference in found.differences:
            say(str(difference))
        count = len(found.differences)
        say(f"SDK {found.version}: {count or 'no'} difference{'s' * (count != 1)}")
    return 1 if found.differences else 0
