"""The option `--table`, and the words of the command line that mean something else in each table."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orderfsm import wire
from orderfsm.questions import ORDER_LIFECYCLE
from orderfsm.tables import NAMES, named

from .printing import Parsed

if TYPE_CHECKING:
    from orderfsm.lifecycle import Lifecycle

_TABLE = f"{__name__}.lifecycle"


def _chosen(context: click.Context, _option: click.Parameter, name: str) -> Lifecycle:
    here = str(Path.cwd())
    if ":" in name and here not in sys.path:
        sys.path.insert(0, here)
    lifecycle: Lifecycle = named(name)
    context.meta[_TABLE] = lifecycle
    return lifecycle


in_table = click.option(
    "--table",
    "lifecycle",
    metavar="NAME",
    default="orders",
    show_default=True,
    is_eager=True,
    callback=_chosen,
    help=f"The life cycle that is asked: {', '.join(NAMES)}, or your own as package.module:ATTRIBUTE.",
)
"""It is read before the words that it gives a meaning."""


class Word(Parsed):
    """A word that is read by the table that `--table` names as well."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ARG002
        lifecycle = ORDER_LIFECYCLE if ctx is None else ctx.meta.get(_TABLE, ORDER_LIFECYCLE)
        return self._parse(value, lifecycle) if isinstance(value, str) else value


TRIGGER = Word("trigger", wire.parse_trigger)
STATES = Word("state", wire.parse_states)


def union(_context: click.Context, _option: click.Parameter, given: tuple[frozenset[Any], ...]) -> frozenset[Any]:
    """The callback of an option that may be given again: all the states that it names."""
    return frozenset().union(*given)
