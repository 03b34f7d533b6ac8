"""What the operations of a table are to a client: which one reads, lists, makes orders, or is ruled by their state."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from orderfsm.invalid import InvalidValue

if TYPE_CHECKING:
    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import Operation, Vocabulary


class Roles(NamedTuple):
    """The roles of a table's operations.

    `read` reads the state of one order; `lists` reads those of all, None if none does. `creating` make an order,
    `ruled` are those that the order's state allows or refuses, also if it refuses them everywhere. `fields` has the
    vocabularies of each operation that reads.
    """

    read: Operation
    lists: Operation | None
    creating: tuple[Operation, ...]
    ruled: tuple[Operation, ...]
    fields: dict[Operation, tuple[Vocabulary, ...]]


@lru_cache
def roles(lifecycle: Lifecycle) -> Roles:
    """The roles of the operations of `lifecycle`; `InvalidValue` if none of them reads the state of one order."""
    fields: dict[Operation, tuple[Vocabulary, ...]] = {}
    for each in lifecycle.vocabularies:
        fields[each.operation] = (*fields.get(each.operation, ()), each)
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
        fields=fields,
    )
