"""An order that a sweep selects, and which it selects: those that were given up, or can be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from orderfsm.invalid import InvalidValue

if TYPE_CHECKING:
    from orderfsm.identity import Id
    from orderfsm.lifecycle import Lifecycle
    from orderfsm.paths import Plan
    from orderfsm.rows import State


@attrs.frozen
class Candidate:
    """An order that a sweep selects: its id, its `status` as the list has it, its domain and product.

    `bought` is the date of the order (Unix time), None if the list has none. `states` are those that the status may
    mean. `plan` leads from there to the deletion; None if no operations do, or not the same in all `states`.
    `may_be_renewal`: orders begin in this state when a certificate is renewed, and wait there to be submitted; such an
    order holds no quota.
    """

    order_id: Id
    status: str
    domain: str | None
    product: str | None
    bought: float | None
    states: frozenset[State | None]
    plan: Plan | None
    may_be_renewal: bool


def end_of(lifecycle: Lifecycle) -> State:
    """The state to which a sweep brings orders: the terminal one in which the service does not find them any more."""
    match [rule.state for rule in lifecycle.states if rule.terminal and rule.state in lifecycle.gone]:
        case [end] if end is not None:
            return end
        case _:
            accepted = "a table with one terminal state in which the service finds no order"
            raise InvalidValue("lifecycle", lifecycle.name, [accepted])


def failed(lifecycle: Lifecycle) -> frozenset[State]:
    """The states that a sweep takes unless it is told otherwise: there is nothing left but to give the order up.

    From there an operation that abandons the order leads to its end at once; but the order has no certificate, and it
    is no renewal that waits to be submitted.
    """
    end, begun = end_of(lifecycle), {row.creates for row in lifecycle.transitions}
    rules = lifecycle.trigger_rules
    ends = [row for row in lifecycle.transitions if row.target == end and rules[row.trigger].abandons]
    states = {row.source for row in ends if row.source is not None and not rules[row.trigger].grave}
    return frozenset(state for state in states - begun if not lifecycle.state_rules[state].certified)
