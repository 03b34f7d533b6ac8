"""The option `--table`, and the words of the command line that mean something else in each table."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orderfsm import wire
from orderfsm.questions import ORDER_LIFECYCLE
from orderfsm.tables import NAMES, named
from orderfsm.words import other_meaning

from .printing import Parsed

if TYPE_CHECKING:
    from orderfsm.lifecycle import Lifecycle

_TABLE, _NOTES = f"{__name__}.lifecycle", f"{__name__}.notes"


def _chosen(context: click.Context, _option: click.Parameter, name: str | None) -> Lifecycle | None:
    if name is None:
        return None
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

only_table = click.option(
    "--table",
    "lifecycle",
    metavar="NAME",
    callback=_chosen,
    help=f"Judge only lines of this table: {', '.join(NAMES)}, or your own as package.module:ATTRIBUTE; others are "
    "counted. [default: each line by the table of its id's key]",
)
"""For logs, whose lines say themselves which table they are of."""


def choose(context: click.Context, lifecycle: Lifecycle) -> None:
    """Let the words of the command line mean what they mean in this table."""
    context.meta[_TABLE] = lifecycle


def chosen(context: click.Context) -> Lifecycle:
    """The table that was chosen."""
    lifecycle: Lifecycle = context.meta.get(_TABLE, ORDER_LIFECYCLE)
    return lifecycle


in_any_table = click.option(
    "--table",
    "lifecycle",
    metavar="NAME",
    callback=_chosen,
    help=f"The life cycle that is compared: {', '.join(NAMES)}; all of them without it.",
)
"""The same for a command that is about all tables unless one is named."""


class Word(Parsed):
    """A word that is read by the table that `--table` names as well."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ARG002
        lifecycle = ORDER_LIFECYCLE if ctx is None else ctx.meta.get(_TABLE, ORDER_LIFECYCLE)
        return self._parse(value, lifecycle) if isinstance(value, str) else value


class Words(Word):
    """A word for states; what else it may mean is noted, for the answer."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        states = super().convert(value, param, ctx)
        if isinstance(value, str) and ctx is not None:
            note = other_meaning(value, ctx.meta.get(_TABLE, ORDER_LIFECYCLE))
            ctx.meta.setdefault(_NOTES, {}).update({note: None} if note else {})
        return states


def notes() -> list[str]:
    """What the words of this command line may mean as well, in sentences."""
    return list(click.get_current_context().meta.get(_NOTES, ()))


TRIGGER = Word("trigger", wire.parse_trigger)
STATES = Words("state", wire.parse_states)


def union(_context: click.Context, _option: click.Parameter, given: tuple[frozenset[Any], ...]) -> frozenset[Any]:
    """The callback of an option that may be given again: all the states that it names."""
    return frozenset().union(*given)
