"""The option `--table`, and the words of the command line that mean something else in each table."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from orderfsm.questions import ORDER_LIFECYCLE
from orderfsm.tables import NAMES, named
from orderfsm.words import meanings, other_meaning, states_meant, trigger_called

from .printing import Parsed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from click.shell_completion import CompletionItem

    from orderfsm.lifecycle import Lifecycle

    Offer = dict[str, str]
    """Words, and what each of them means."""

_TABLE, _NOTES = f"{__name__}.lifecycle", f"{__name__}.notes"


def _chosen(context: click.Context, _option: click.Parameter, name: str | None) -> Lifecycle | None:
    if name is None:
        return None
    if ":" in name:
        _look_here()
    lifecycle: Lifecycle = named(name)
    context.meta[_TABLE] = lifecycle
    return lifecycle


def _tables(_context: click.Context, _option: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return completions([{name: named(name).title for name in NAMES}], incomplete)


def _look_here() -> None:
    """Let modules of the working directory be found, as `python -m` does."""
    from pathlib import Path

    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)


in_table = click.option(
    "--table",
    "lifecycle",
    metavar="NAME",
    shell_complete=_tables,
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
    shell_complete=_tables,
    callback=_chosen,
    help=f"Judge only lines of this table: {', '.join(NAMES)}, or your own as package.module:ATTRIBUTE; others are "
    "counted. [default: each line by the table of its id's key]",
)
"""For logs, whose lines say themselves which table they are of."""

own_table = click.option(
    "--table",
    "lifecycle",
    metavar="NAME",
    callback=_chosen,
    help=f"Take only lines of this table: {', '.join(NAMES)}, or your own as package.module:ATTRIBUTE. [default: all]",
)
"""The same for a command that judges nothing."""


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
    shell_complete=_tables,
    callback=_chosen,
    help=f"The life cycle that is compared: {', '.join(NAMES)}; all of them without it.",
)
"""The same for a command that is about all tables unless one is named."""


class Word(Parsed):
    """A word that is read by the table that `--table` names as well; a shell completes it by what `offers` says."""

    def __init__(self, name: str, parse: Callable[..., Any], offers: Callable[[Lifecycle], Iterable[Offer]]) -> None:
        super().__init__(name, parse)
        self._offers = offers

    def shell_complete(
        self,
        ctx: click.Context,
        param: click.Parameter,  # noqa: ARG002
        incomplete: str,
    ) -> list[CompletionItem]:
        """The words that begin like `incomplete`, each with what it means."""
        return completions(self._offers(chosen(ctx)), incomplete)

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


def _triggers(lifecycle: Lifecycle) -> Iterator[Offer]:
    """The names of all triggers, and the actions of the API."""
    yield {rule.trigger.name.lower(): f"{rule.trigger} ({rule.actor})" for rule in lifecycle.triggers}
    yield {rule.trigger: rule.trigger.name.lower() for rule in lifecycle.triggers}


def _states(lifecycle: Lifecycle) -> Iterator[Offer]:
    """The names of all states, and the words of the API."""
    yield {state or "none": rule.words for state, rule in lifecycle.state_rules.items()}
    for each in lifecycle.vocabularies:
        yield dict.fromkeys(meanings(lifecycle, each), f"{each.operation}.{each.field}")


def completions(offers: Iterable[Offer], incomplete: str) -> list[CompletionItem]:
    """The words that begin like `incomplete` of the first offer that has some, in any case if they are not found so."""
    from click.shell_completion import CompletionItem

    offered = list(offers)
    for begins in (str.startswith, lambda word, start: word.lower().startswith(start.lower())):
        for offer in offered:
            # A shell would split a word with a space.
            found = {word: means for word, means in offer.items() if begins(word, incomplete) and word.isidentifier()}
            if found:
                return [CompletionItem(word, help=means) for word, means in found.items()]
    return []


TRIGGER = Word("trigger", trigger_called, _triggers)
STATES = Words("state", states_meant, _states)


def union(_context: click.Context, _option: click.Parameter, given: tuple[frozenset[Any], ...]) -> frozenset[Any]:
    """The callback of an option that may be given again: all the states that it names."""
    return frozenset().union(*given)
