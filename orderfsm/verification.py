"""What is wrong with a table, in sentences."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from .paths import reachable
from .rows import Actor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .rows import State
    from .table import Table


def problems(lifecycle: Table) -> Iterator[str]:
    """Everything that keeps a table from being consistent; see `Lifecycle.verify`."""
    yield from _bad_rows(lifecycle)
    yield from _bad_states(lifecycle)
    yield from _bad_triggers(lifecycle)
    yield from _bad_values(lifecycle)
    yield from _bad_silences(lifecycle)
    yield from _bad_words(lifecycle)
    yield from _missing_references(lifecycle)


def _bad_rows(lifecycle: Table) -> Iterator[str]:
    for row in lifecycle.transitions:
        named = f"{lifecycle.name_of(row.source)} --{row.trigger}--> {row.target}"
        if row.target is None or row.target not in lifecycle.table:
            yield f"{named}: {row.target!r} is not a state"
        if row.creates is not None and row.creates not in lifecycle.table:
            yield f"{named}: {row.creates!r}, in which it creates an order, is not a state"
        for event in (*row.at_once, *row.optional_after):
            if event not in lifecycle.trigger_rules:
                yield f"{named}: {event!r} is not a trigger"
        for event in row.at_once:
            if lifecycle.table.get(row.target, {}).get(event) is None:
                yield f"{named}: {event} may follow at once, but no row allows it there"
        if not row.reference:
            yield f"{named}: no reference"


def _bad_states(lifecycle: Table) -> Iterator[str]:
    reached = _reached(lifecycle)
    for state, rule in lifecycle.state_rules.items():
        left = any(row.target != state for row in lifecycle.outgoing(state))
        if state not in reached:
            yield f"{state} cannot be reached"
        if not left and not rule.terminal:
            yield f"{state} is a dead end that is not marked terminal"
        if left and rule.terminal:
            yield f"{state} is marked terminal, but a transition leaves it"


def _bad_triggers(lifecycle: Table) -> Iterator[str]:
    for rule in lifecycle.triggers:
        if rule.seen and rule.actor is Actor.CLIENT:
            yield f"{rule.trigger} is marked seen, but a client's own call is never unseen"
        if rule.fails_strength is not None and rule.fails is None:
            yield f"{rule.trigger} {rule.fails_strength} change nothing where it fails, but no error says that it does"


def _reached(lifecycle: Table) -> set[State | None]:
    """The states to which a path leads from no order, or from where a step on such a path begins another order."""
    reached = set(reachable(lifecycle, None, tuple(Actor)))
    while True:
        begun = {row.creates for row in lifecycle.transitions if row.source in reached and row.creates is not None}
        if begun <= reached:
            return reached
        reached.update(*(reachable(lifecycle, state, tuple(Actor)) for state in begun - reached))


def _bad_values(lifecycle: Table) -> Iterator[str]:
    kinds: dict[str, type] = {}
    members = [rule.state for rule in lifecycle.states] + [rule.trigger for rule in lifecycle.triggers]
    for member in filter(None, members):
        other = kinds.setdefault(str(member), type(member))
        if other is not type(member):
            yield f"{str(member)!r} is a value of both {other.__name__} and {type(member).__name__}"

    names: dict[str, str] = {}
    for rule in lifecycle.triggers:
        other_trigger = names.setdefault(rule.trigger.name.lower(), rule.trigger)
        if other_trigger is not rule.trigger:
            yield f"{other_trigger!r} and {rule.trigger!r} have one name: which of them is called {rule.trigger.name}?"
    if "none" in lifecycle.state_rules:
        yield "a state is called 'none', which is the word for there being none"


def _bad_silences(lifecycle: Table) -> Iterator[str]:
    for silence in lifecycle.silences:
        for state, trigger in itertools.product(silence.states, silence.triggers):
            if not lifecycle.is_silent(state, trigger):
                yield f"{lifecycle.name_of(state)}, {trigger}: silent, and yet a row allows it"
        if not silence.reference:
            yield f"the silence on {', '.join(silence.triggers)}: no reference"


def _bad_words(lifecycle: Table) -> Iterator[str]:
    for rule in lifecycle.states:
        if len(rule.read_as) not in {0, len(lifecycle.vocabularies)}:
            fields = ", ".join(vocabulary.field for vocabulary in lifecycle.vocabularies) or "nothing"
            yield f"{lifecycle.name_of(rule.state)}: it is read as {rule.read_as}, but what is read is {fields}"
    for vocabulary in lifecycle.vocabularies:
        for operation in vocabulary.operations:
            if operation not in lifecycle.trigger_rules:
                yield f"{vocabulary.field} is read by {operation!r}, which is no operation"


def _missing_references(lifecycle: Table) -> Iterator[str]:
    for rule in lifecycle.states:
        if not rule.reference:
            yield f"the rule for {lifecycle.name_of(rule.state)}: no reference"
    for trigger_rule in lifecycle.triggers:
        if not trigger_rule.reference:
            yield f"the refusal of {trigger_rule.trigger}: no reference"
