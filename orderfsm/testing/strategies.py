"""Hypothesis strategies for your own tests: states, triggers, orders, and histories that obey the table or do not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from hypothesis import assume
from hypothesis import strategies as st

from orderfsm import trace
from orderfsm.identity import MAX_ID
from orderfsm.order import Order
from orderfsm.questions import ORDER_LIFECYCLE
from orderfsm.tables.orders import Event, Operation, State
from orderfsm.trace import Events, Finding, Line, Outcome

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import Trigger

__all__ = ["events", "illegal_histories", "legal_histories", "operations", "order_ids", "orders", "states", "triggers"]

BEGINNING = datetime(2026, 8, 5, tzinfo=UTC)
"""When histories begin."""


def states() -> SearchStrategy[State]:
    """Any state."""
    return st.sampled_from(State)


def operations() -> SearchStrategy[Operation]:
    """Any operation."""
    return st.sampled_from(Operation)


def events() -> SearchStrategy[Event]:
    """Any event."""
    return st.sampled_from(Event)


def triggers() -> SearchStrategy[Trigger]:
    """Any operation or event."""
    return operations() | events()


def order_ids() -> SearchStrategy[int]:
    """Any OrderId."""
    return st.integers(1, MAX_ID)


def orders(state: SearchStrategy[State] | None = None) -> SearchStrategy[Order]:
    """Any order; `state` restricts the states.

    >>> from hypothesis import given
    >>> from orderfsm.testing import strategies
    >>> @given(strategies.orders())
    ... def test_an_order_keeps_its_id(order):
    ...     for operation in order.allowed():
    ...         assert order.apply(operation).id == order.id
    >>> test_an_order_keeps_its_id()
    """
    return st.builds(Order, order_ids(), states() if state is None else state)


@st.composite
def legal_histories(draw: DrawFn, *, lifecycle: Lifecycle = ORDER_LIFECYCLE, max_size: int = 12) -> tuple[Line, ...]:
    """The history of one order as trace lines: created, then called and moved, every answer as the table has it.

    All events are in it. `trace.judge` finds that it conforms.
    """
    order_id = draw(order_ids())
    lines: list[Line] = []
    state: State | None = None
    wanted = draw(st.integers(1, max_size))
    while len(lines) < wanted:
        line, state = draw(_answers(lifecycle, order_id, state, len(lines)))
        lines.append(line)
    return tuple(lines)


@st.composite
def illegal_histories(draw: DrawFn, *, lifecycle: Lifecycle = ORDER_LIFECYCLE, max_size: int = 12) -> tuple[Line, ...]:
    """The same, but for its last line, which nothing explains: a call that went otherwise, or an impossible event.

    `trace.judge` finds that it violates the table, at its last line.
    """
    before = draw(legal_histories(lifecycle=lifecycle, max_size=max(1, max_size - 1)))
    order_id = before[0].order_id
    trigger = draw(triggers().filter(lambda trigger: not lifecycle.trigger_rules[trigger].account))
    outcome = (
        Outcome.ACCEPTED if isinstance(trigger, Event) else draw(st.sampled_from([Outcome.ACCEPTED, Outcome.REFUSED]))
    )
    code = draw(st.sampled_from(["OrderStateError", "NotFoundOrder"])) if outcome is Outcome.REFUSED else None
    assume(outcome is Outcome.ACCEPTED or not lifecycle.can(None, trigger))  # else it is a line of the account
    last = Line(time=_time(len(before)), order_id=order_id, trigger=trigger, outcome=outcome, code=code)
    lines = (*before, last)
    assume(trace.judge(lines, lifecycle=lifecycle, events=Events.COMPLETE).verdict is Finding.VIOLATES)
    return lines


@st.composite
def _answers(
    draw: DrawFn, lifecycle: Lifecycle, order_id: int, state: State | None, number: int
) -> tuple[Line, State | None]:
    """A line that may follow, and the state after it. The first is an accepted create."""
    rows = lifecycle.table[state]
    creates = [trigger for trigger in lifecycle.trigger_rules if lifecycle.table[None][trigger] is not None]
    possible = [
        trigger
        for trigger, rule in lifecycle.trigger_rules.items()
        if not rule.account
        and ((trigger in creates) if state is None else trigger not in creates)
        and (rows[trigger] is not None or isinstance(trigger, Operation))
    ]
    changing = {row.trigger for row in lifecycle.outgoing(state)}
    moves = [trigger for trigger in possible if trigger in changing]
    trigger = draw(st.sampled_from(possible) | st.sampled_from(moves or possible))
    row = rows[trigger]
    if row is None:
        code = lifecycle.service_refusals[state].code
        refused = Line(time=_time(number), order_id=order_id, trigger=trigger, outcome=Outcome.REFUSED, code=code)
        return refused, state
    second = draw(order_ids().filter(lambda other: other != order_id)) if row.creates is not None else None
    read = str(state) if trigger is Operation.DESCRIBE else None
    accepted = Line(time=_time(number), order_id=order_id, trigger=trigger, state=read, new_order_id=second)
    return accepted, row.target


def _time(number: int) -> str:
    return (BEGINNING + timedelta(seconds=number)).isoformat()
