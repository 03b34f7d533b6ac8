"""What the operations of a table are to a client: which one reads, lists, makes orders, or is ruled by their state."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from orderfsm.invalid import InvalidValue
from orderfsm.rows import ABSENT, Actor

if TYPE_CHECKING:
    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import Operation, State, Vocabulary


class Roles(NamedTuple):
    """The roles of a table's operations.

    `read` reads the state of one order; `lists` reads those of all, None if none does. `creating` make an order,
    `ruled` are those that the order's state allows or refuses, also if it refuses them everywhere. `edits` are those of
    them that change what an order says of itself, `completed` those that the service completes some time later.
    `under_way` are the states in which it has yet to do that. `fields` has the vocabularies of each operation that
    reads. `lags`: the service does things by itself, so that an
    order's words may be behind what happened to it.
    """

    read: Operation
    lists: Operation | None
    creating: tuple[Operation, ...]
    ruled: tuple[Operation, ...]
    edits: frozenset[Operation]
    completed: frozenset[Operation]
    under_way: frozenset[State | None]
    fields: dict[Operation, tuple[Vocabulary, ...]]
    lags: bool

    @property
    def list_tells_more(self) -> bool:
        """Whether the list has other words for the state than the read of one order."""
        return self.lists is not None and self.fields[self.lists] != self.fields[self.read]


def is_always_there(vocabulary: Vocabulary, lifecycle: Lifecycle) -> bool:
    """Whether every answer about an order has the field: each state has a word for it, and none means its absence."""
    at = lifecycle.vocabularies.index(vocabulary)
    readings = [rule.readings(at) for rule in lifecycle.states if rule.found]
    return all(words and ABSENT not in words for words in readings)


@lru_cache
def roles(lifecycle: Lifecycle) -> Roles:
    """The roles of the operations of `lifecycle`; `InvalidValue` if none of them reads the state of one order."""
    fields: dict[Operation, tuple[Vocabulary, ...]] = {}
    for each in lifecycle.vocabularies:
        for operation in each.operations:
            fields[operation] = (*fields.get(operation, ()), each)
    reads = [operation for operation in fields if operation in lifecycle.reads]
    if not reads:
        raise InvalidValue("lifecycle", lifecycle.name, ["a table with an operation that reads the state of one order"])
    creating = lifecycle.creates | lifecycle.renewals
    unruled = lifecycle.account_reads | lifecycle.creates | fields.keys()
    unruled |= {row.trigger for row in lifecycle.transitions if row.source is not None and not row.changes}
    ruling = {row.trigger for row in lifecycle.transitions if row.source is not None and row.changes}
    return Roles(
        read=reads[0],
        lists=next((operation for operation in fields if operation in lifecycle.account_reads), None),
        creating=tuple(operation for operation in lifecycle.operations if operation in creating),
        ruled=tuple(each for each in lifecycle.operations if each in ruling or each not in unruled),
        edits=frozenset(row.trigger for row in lifecycle.transitions if row.edits),
        completed=frozenset(rule.follows for rule in lifecycle.triggers if rule.follows is not None),
        under_way=frozenset(
            row.source for row in lifecycle.transitions if lifecycle.trigger_rules[row.trigger].follows is not None
        ),
        fields=fields,
        lags=any(rule.actor is Actor.SERVICE for rule in lifecycle.triggers),
    )
