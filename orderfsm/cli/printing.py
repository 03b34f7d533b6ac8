"""What the commands share: the words that they take, and how they print.

Text is printed by `say`, and rows by `print_columns`: on a terminal they fit its width and have colours (`screen`);
anywhere else each line stays one line, so that it can be searched.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from .terminal import coloured, safe, width_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from .screen import Screen

as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")
as_csv = click.option("--csv", "as_csv", is_flag=True, help="Print the rows as comma-separated values.")


class Parsed(click.ParamType):  # type: ignore[type-arg]
    """A word of the command line, read by a function that raises `InvalidValue` for what is none."""

    def __init__(self, name: str, parse: Callable[..., Any]) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ARG002
        return self._parse(value) if isinstance(value, str) else value


def _seconds(text: str) -> float:
    from orderfsm import quantities

    return quantities.seconds(text)


DURATION = Parsed("duration", _seconds)


def print_json(answer: object) -> int:
    """Print one JSON document; exit status 0."""
    import json

    click.echo(json.dumps(answer, indent=2, ensure_ascii=False))
    return 0


def say(text: str = "") -> None:
    """Print text of one or more lines, of which each may begin with spaces, a number or a label, as `  why:  `.

    On a terminal a line that is too long goes on below, under where its text begins.
    """
    screen = _screen()
    if screen is None:
        click.echo(text)
    else:
        screen.say(text)


def print_columns(rows: Sequence[Sequence[str]], *, as_csv: bool = False, below: Collection[str] = ()) -> int:
    """Print rows of cells, of which the first is the header; exit status 0.

    They are aligned, each on one line. On a terminal that is not wide enough, the columns that are named to stand
    `below` are listed there, and cells go on in the next line; where not even their words have room, each row is a
    paragraph. With `as_csv` they are comma-separated values, wherever they are printed to.
    """
    if as_csv:
        print_csv(rows)
        return 0
    shown = [tuple(map(safe, row)) for row in rows]
    screen = _screen()
    if screen is None:
        for line in aligned(shown):
            click.echo(line)
    else:
        screen.columns(shown, below)
    return 0


def print_csv(rows: Iterable[Sequence[str]]) -> None:
    """Print rows as comma-separated values, a line each."""
    import csv

    csv.writer(sys.stdout, lineterminator="\n").writerows([map(safe, row) for row in rows])


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as lines: each column as wide as its widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _screen() -> Screen | None:
    """What lays text out on standard output; None where lines stay as they are, without colours."""
    width, colours = width_of(sys.stdout), coloured(sys.stdout)
    if width is None and not colours:
        return None
    from orderfsm.extras import needs

    with needs("cli"):
        from .screen import Screen
    return Screen(sys.stdout, width, colours=colours)
