"""What the commands share: the words that they take, and how they print."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from orderfsm import quantities

from .terminal import safe

if TYPE_CHECKING:
    from collections.abc import Callable

as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")


class Parsed(click.ParamType):  # type: ignore[type-arg]
    """A word of the command line, read by a function that raises `InvalidValue` for what is none."""

    def __init__(self, name: str, parse: Callable[..., Any]) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ARG002
        return self._parse(value) if isinstance(value, str) else value


DURATION = Parsed("duration", quantities.seconds)


def print_json(answer: object) -> int:
    """Print one JSON document; exit status 0."""
    click.echo(json.dumps(answer, indent=2, ensure_ascii=False))
    return 0


def print_columns(rows: list[tuple[str, ...]]) -> int:
    """Print rows of cells, aligned and each on one line; exit status 0."""
    shown = [tuple(map(safe, row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    for row in shown:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return 0
