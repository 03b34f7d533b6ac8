"""What the operations of a table are to the kit: which read, which are called on an order, which list and count."""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import attrs

from orderfsm.identity import MAX_ID
from orderfsm.rows import ABSENT, Actor, Strength
from orderfsm.words import meanings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import Operation, State, Transition, Trigger, Vocabulary


class Refused(NamedTuple):
    """How a pair is refused: the code of the service, that of the model, and whether the refusal passes by itself."""

    code: str
    of_the_model: str
    passes: bool


@attrs.frozen(eq=False)
class Roles:
    """The roles that a table gives to its triggers, worked out once; `roles` has those of a table.

    `reads` change nothing, of an order or of the account. `on_an_order` are the operations that take an id, `fired`
    these and the events. `read` shows the state of one order; `lists` has the account's list, whose fields are all
    `listed`, the first of them being `listing`; `counting` counts the units of a package: None where the table has
    none. `told` are the other reads of the account.
    """

    reads: frozenset[Trigger]
    on_an_order: tuple[Operation, ...]
    fired: tuple[Trigger, ...]
    read: Operation | None
    listing: Vocabulary | None
    listed: tuple[Vocabulary, ...]
    lists: Operation | None
    counting: Operation | None
    told: tuple[Operation, ...]
    unknown_id: str
    """An id that no order has, as text."""
    malformed: tuple[str, ...]
    """What is no id."""
    refused: Mapping[tuple[State | None, Trigger], Refused]
    """Each pair that the table refuses."""
    vocabularies: Mapping[Trigger, Mapping[Vocabulary, bool]]
    """Those of each operation on an order, and whether the table says what it means that there is no such field."""
    submits: Mapping[Trigger, Operation]
    """The operations that submit what an order says of itself, each with the one that edits that."""
    completed: Mapping[State | None, Mapping[Trigger, tuple[float, float] | None]]
    """What the service completes in each state, and within how many seconds, if that is known."""
    unasked: Mapping[State | None, tuple[Transition, ...]]
    """What the service may do by itself right after an edit, and does not complete by that."""
    at_rest: frozenset[State | None]
    """Where an application may begin, so that none is under way."""
    flawed: tuple[Trigger, ...]
    """What can be fired so that it is not carried out, or not completed, and changes nothing then."""
    costs: bool
    """Whether an order takes a unit of a package, or costs money."""
    once: Mapping[State | None, tuple[Trigger, ...]]
    """What is accepted once in a state, and must be refused from then on: of two calls at once, one is."""

    def words_in(self, trigger: Trigger | None, body: Mapping[str, Any] | None) -> dict[Vocabulary, str]:
        """The words for an order's state that are in the JSON of the answer to `trigger`."""
        vocabularies = {} if trigger is None or body is None else self.vocabularies.get(trigger, {})
        said = {each: (body or {}).get(each.field) for each in vocabularies}
        return {
            vocabulary: str(word or ABSENT)
            for vocabulary, word in said.items()
            if word is not None or vocabularies[vocabulary]
        }


@lru_cache(maxsize=64)
def roles(lifecycle: Lifecycle) -> Roles:
    """The roles of a table's triggers."""
    of_orders, of_the_account = lifecycle.reads, lifecycle.account_reads
    on_an_order = tuple(each for each in lifecycle.operations if each not in lifecycle.creates | of_the_account)
    said = {
        each: {of: ABSENT in meanings(lifecycle, of) for of in lifecycle.vocabularies if each in of.operations}
        for each in lifecycle.operations
        if each not in of_the_account
    }
    by_read = [each for each in said if each in of_orders]
    telling = [read for read in by_read if said[read]]
    listed = tuple(each for each in lifecycle.vocabularies if of_the_account.intersection(each.operations))
    has_quota = any(row.quota for row in lifecycle.transitions)
    lists = of_the_account.intersection(operation for each in listed for operation in each.operations)
    others = [each for each in lifecycle.operations if each in of_the_account - lists]
    counting = others if has_quota else []
    identity = lifecycle.identity
    submits = dict(_submits(lifecycle))
    no_number = ("", "0", "-1", "abc", "1.5", str(MAX_ID + 1))
    return Roles(
        reads=of_orders | of_the_account,
        on_an_order=on_an_order,
        fired=(*on_an_order, *lifecycle.events),
        read=next(iter([*telling, *by_read]), None),
        listing=next(iter(listed), None),
        listed=listed,
        lists=next(iter(each for each in lifecycle.operations if each in lists), None),
        counting=next(iter(counting), None),
        told=tuple(each for each in others if each not in counting[:1]),
        unknown_id=str(identity.new(MAX_ID)),
        malformed=()
        if identity.opaque
        else ("", "a b", "\u00e4", "x" * (identity.longest + 1))
        if identity.is_text
        else no_number,
        refused={
            (state, trigger): _refused(lifecycle, state, trigger)
            for state, rows in lifecycle.table.items()
            for trigger, row in rows.items()
            if row is None
        },
        vocabularies=said,
        submits=submits,
        completed={
            state: {
                rule.trigger: rule.takes
                for rule in lifecycle.triggers
                if rule.follows is not None and rows.get(rule.trigger) is not None
            }
            for state, rows in lifecycle.table.items()
        },
        unasked={state: tuple(_unasked(lifecycle, state)) for state in lifecycle.state_rules},
        at_rest=frozenset(row.source for row in lifecycle.transitions if row.trigger in submits),
        flawed=tuple(rule.trigger for rule in lifecycle.triggers if rule.fails or (rule.seen and not rule.adverse)),
        costs=has_quota or all(lifecycle.trigger_rules[create].grave for create in lifecycle.creates),
        once={state: tuple(_once(lifecycle, state)) for state in lifecycle.state_rules},
    )


def _once(lifecycle: Lifecycle, state: State | None) -> Iterator[Trigger]:
    """Those whose refusal, wherever they lead, the documents insist on."""
    for row in lifecycle.outgoing(state):
        after = lifecycle.reachable(row.target) - {state}
        refusals = [lifecycle.service_refusal(each, row.trigger) for each in after]
        refused = all(lifecycle.table[each].get(row.trigger, ...) is None for each in after)
        must = bool(refusals) and all(rule.strength is Strength.MUST for rule in refusals)
        if lifecycle.by_client(row.trigger) and row.target != state and refused and must:
            yield row.trigger


def _unasked(lifecycle: Lifecycle, state: State | None) -> Iterator[Transition]:
    """The rows by which the service acts where it completes nothing, and does nobody harm."""
    for row in lifecycle.outgoing(state):
        rule = lifecycle.trigger_rules[row.trigger]
        if rule.actor is Actor.SERVICE and rule.follows is None and not rule.adverse:
            yield row


def _submits(lifecycle: Lifecycle) -> Iterator[tuple[Trigger, Operation]]:
    """What the service may also do by itself once an order was edited is to submit what it says then."""
    for edit in lifecycle.transitions:
        if edit.edits:
            for row, by_itself in product(lifecycle.outgoing(edit.source), _unasked(lifecycle, edit.source)):
                if lifecycle.by_client(row.trigger) and row.target == by_itself.target:
                    yield row.trigger, edit.trigger


def _refused(lifecycle: Lifecycle, state: State | None, trigger: Trigger) -> Refused:
    rule = lifecycle.service_refusal(state, trigger)
    return Refused(rule.error.code, lifecycle.refusal(state, trigger).error.code, rule.passes)
