"""What the operations of a table are to the kit: which read, which are called on an order, which list and count."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import attrs

from orderfsm.identity import MAX_ID

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import Operation, State, Trigger, Vocabulary


class Refused(NamedTuple):
    """How a pair is refused: the code of the service, that of the model, and whether the refusal passes by itself."""

    code: str
    of_the_model: str
    passes: bool


@attrs.frozen(eq=False)
class Roles:
    """The roles that a table gives to its triggers, worked out once; `roles` has those of a table.

    `reads` change nothing, of an order or of the account. `on_an_order` are the operations that take an id, `fired`
    these and the events. `read` shows the state of one order; `listing` is the vocabulary of the account's list, and
    `counting` the read that counts the units of a package: None where the table has none.
    """

    reads: frozenset[Trigger]
    on_an_order: tuple[Operation, ...]
    fired: tuple[Trigger, ...]
    read: Operation | None
    listing: Vocabulary | None
    counting: Operation | None
    unknown_id: str
    """An id that no order has, as text."""
    malformed: tuple[str, ...]
    """What is no id."""
    refused: Mapping[tuple[State | None, Trigger], Refused]
    """Each pair that the table refuses."""
    vocabularies: Mapping[Trigger, tuple[Vocabulary, ...]]
    """Those of each read of an order."""

    def words_in(self, trigger: Trigger | None, body: Mapping[str, Any] | None) -> dict[Vocabulary, str]:
        """The words for an order's state that are in the JSON of the answer to `trigger`."""
        vocabularies = () if trigger is None else self.vocabularies.get(trigger, ())
        said = {each: (body or {}).get(each.field) for each in vocabularies}
        return {vocabulary: str(word) for vocabulary, word in said.items() if word is not None}


@lru_cache(maxsize=64)
def roles(lifecycle: Lifecycle) -> Roles:
    """The roles of a table's triggers."""
    of_orders, of_the_account = lifecycle.reads, lifecycle.account_reads
    on_an_order = tuple(each for each in lifecycle.operations if each not in lifecycle.creates | of_the_account)
    by_read = {
        read: tuple(each for each in lifecycle.vocabularies if each.operation == read)
        for read in lifecycle.operations
        if read in of_orders
    }
    telling = [read for read, vocabularies in by_read.items() if vocabularies]
    listings = [each for each in lifecycle.vocabularies if each.operation in of_the_account]
    has_quota = any(row.quota for row in lifecycle.transitions)
    listed = {each.operation for each in listings}
    counting = [each for each in lifecycle.operations if has_quota and each in of_the_account - listed]
    identity = lifecycle.identity
    no_number = ("", "0", "-1", "abc", "1.5", str(MAX_ID + 1))
    return Roles(
        reads=of_orders | of_the_account,
        on_an_order=on_an_order,
        fired=(*on_an_order, *lifecycle.events),
        read=next(iter([*telling, *by_read]), None),
        listing=next(iter(listings), None),
        counting=next(iter(counting), None),
        unknown_id=str(identity.new(MAX_ID)),
        malformed=("", "a b", "\u00e4", "x" * (identity.longest + 1)) if identity.is_text else no_number,
        refused={
            (state, trigger): _refused(lifecycle, state, trigger)
            for state, rows in lifecycle.table.items()
            for trigger, row in rows.items()
            if row is None
        },
        vocabularies=by_read,
    )


def _refused(lifecycle: Lifecycle, state: State | None, trigger: Trigger) -> Refused:
    rule = lifecycle.service_refusal(state, trigger)
    return Refused(rule.error.code, lifecycle.refusal(state, trigger).error.code, rule.passes)
