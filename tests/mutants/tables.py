"""Mutants of the table: every row removed, every refusal allowed, every step without effect, quota, words and codes."""

from __future__ import annotations

from functools import partial

import attrs

from orderfsm import ORDER_LIFECYCLE, Actor, Basis, Event, Operation, State, Transition
from orderfsm.errors import NotFoundOrder
from orderfsm.mock import Service
from orderfsm.rows import RefusalRule
from orderfsm.tables.api import PARAMETERS

from .mutant import Mutant

ROWS = ORDER_LIFECYCLE.transitions
ON_AN_ORDER = [operation for operation, taken in PARAMETERS.items() if "OrderId" in taken.required]
WITHOUT_EVENTS = {None, State.PENDING_REVIEW, State.PENDING_APPLICATION, State.DELETED}
"""The states that calls alone lead to, if the CA does nothing by itself."""

BY_THE_CA = {State.BEING_REVIEWED, State.VERIFY_FAIL, State.ISSUED, State.REVOKED}
"""Those that they lead to if owner and CA act by themselves."""


def of_states(name, lifecycle, states, *triggers):
    """A mutant that is the mock with another table, which differs in `states` alone, at `triggers`."""
    by_calls = states <= WITHOUT_EVENTS | BY_THE_CA and not any(isinstance(trigger, Event) for trigger in triggers)
    review = "manual" if states <= WITHOUT_EVENTS else "reads=1"
    return Mutant(name, partial(Service, lifecycle=lifecycle), by_calls=by_calls, review=review)


def of_table(name, lifecycle, state, trigger):
    """A mutant that is the mock with another table, which differs at `trigger` in `state`."""
    return of_states(name, lifecycle, {state}, trigger)


def replaced(row, **fields):
    """The table with `row` changed."""
    return ORDER_LIFECYCLE.without(row).with_rows(attrs.evolve(row, **fields))


def short(trigger):
    """A trigger's name in a sentence."""
    return trigger.name.lower()


def removed():
    """Every row removed."""
    for row in ROWS:
        name = f"{short(row.trigger)} is refused in {row.source or 'no order'}"
        yield of_table(name, ORDER_LIFECYCLE.without(row), row.source, row.trigger)


def allowed():
    """Every refusal on an order allowed: the call is accepted, and does nothing."""
    for state in State:
        for trigger in (*ON_AN_ORDER, *Event):
            if not ORDER_LIFECYCLE.can(state, trigger):
                row = Transition(state, trigger, state, Basis.INFERRED, "nobody says so")
                yield of_table(
                    f"{short(trigger)} is allowed in {state}", ORDER_LIFECYCLE.with_rows(row), state, trigger
                )


def without_effect():
    """Every step accepted, and the order left where it is."""
    for row in ROWS:
        if row.source is not None and row.target != row.source:
            name = f"{short(row.trigger)} in {row.source} leaves the order there"
            yield of_table(name, replaced(row, target=row.source), row.source, row.trigger)


def elsewhere():
    """Every step to a state to which it does not lead."""
    for row in ROWS:
        if row.source is not None and row.target != row.source:
            wrong = State.EXPIRED if row.target is not State.EXPIRED else State.REVOKED
            name = f"{short(row.trigger)} in {row.source} leads to {wrong}"
            yield of_table(name, replaced(row, target=wrong), row.source, row.trigger)


def quota():
    """Units that are not taken, or not given back, or given back too early."""
    for row in ROWS:
        if row.quota:
            name = f"{short(row.trigger)} in {row.source or 'no order'} leaves the quota as it is"
            yield of_table(name, replaced(row, quota=0), row.source, row.trigger)
        elif row.trigger is Operation.CANCEL or (row.changes and ORDER_LIFECYCLE.actor(row) is Actor.CA):
            name = f"{short(row.trigger)} in {row.source} gives the unit back"
            yield of_table(name, replaced(row, quota=-1), row.source, row.trigger)


def renewal():
    """The second order of a renewal in the wrong state, or none."""
    row = ORDER_LIFECYCLE.transition(State.ABOUT_TO_EXPIRE, Operation.RENEW)
    for state in (State.PENDING_REVIEW, State.ISSUED, None):
        name = f"a renewal creates an order in {state}" if state else "a renewal creates no order"
        yield of_table(name, replaced(row, creates=state), row.source, row.trigger)


def rules():
    """Another code for the refusals in a state, and other words for the state."""
    for at, rule in enumerate(ORDER_LIFECYCLE.states):
        if rule.state is None:
            continue

        def with_rule(_at=at, _rule=rule, **change):
            states = (*ORDER_LIFECYCLE.states[:_at], _rule._replace(**change), *ORDER_LIFECYCLE.states[_at + 1 :])
            return attrs.evolve(ORDER_LIFECYCLE, states=states)

        if rule.found:
            refused = RefusalRule(NotFoundOrder, states=(rule.state,))
            codes = attrs.evolve(ORDER_LIFECYCLE, refusal_rules=(refused, *ORDER_LIFECYCLE.refusal_rules))
            changes = {f"refusals in {rule.state} are NotFoundOrder": codes}
        else:
            changes = {f"refusals in {rule.state} are OrderStateError": with_rule(found=True)}
        if rule.read_as:
            word, status = rule.read_as
            other, another = "process" if word != "process" else "payed", "ISSUED" if status != "ISSUED" else "PAYED"
            changes[f"{rule.state} is read as {other}"] = with_rule(read_as=(other, status))
            changes[f"{rule.state} is listed as {another}"] = with_rule(read_as=(word, another))
        for name, lifecycle in changes.items():
            yield of_states(name, lifecycle, {rule.state})


TABLES = (*removed(), *allowed(), *without_effect(), *elsewhere(), *quota(), *renewal(), *rules())
