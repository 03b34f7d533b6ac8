"""`orderfsm export`: the table in forms for other programs and for people."""

from __future__ import annotations

from pathlib import Path

import click

from orderfsm.export import FORMATS, exported

from .printing import as_json, print_json


@click.command()
@click.argument("form", metavar="FORMAT", type=click.Choice(tuple(FORMATS)))
@click.option("-o", "--output", "file", metavar="FILE", type=click.Path(dir_okay=False), help="Write it to FILE.")
@as_json
def export(form: str, file: str | None, *, as_json: bool) -> int:
    """Write the table as FORMAT.

    For programs: json, vectors (tests for an implementation in any language), xstate, scxml. For people: mermaid, dot,
    markdown, html, svg.
    """
    text = exported(form)
    if file is not None:
        Path(file).write_text(text, encoding="utf-8")
    if as_json:
        return print_json({"format": form, "text": text} if file is None else {"format": form, "file": file})
    if file is None:
        click.echo(text, nl=False)
    return 0
