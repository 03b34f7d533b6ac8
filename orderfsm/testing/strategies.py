"""Hypothesis strategies for your own tests: states, triggers, orders, and histories that obey a table or do not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from hypothesis import assume
from hypothesis import strategies as st

from orderfsm import trace
from orderfsm.identity import LONGEST, MAX_ID
from orderfsm.order import Order
from orderfsm.questions import ORDER_LIFECYCLE
from orderfsm.trace import Events, Finding, Line, Outcome

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

    from orderfsm.identity import Id
    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import State

__all__ = ["events", "illegal_histories", "legal_histories", "operations", "order_ids", "orders", "states", "triggers"]

BEGINNING = datetime(2026, 8, 5, tzinfo=UTC)
"""When histories begin."""


def states(lifecycle: Lifecycle = ORDER_LIFECYCLE) -> SearchStrategy[Any]:
    """Any state of the table."""
    return st.sampled_from([state for state in lifecycle.state_rules if state is not None])


def operations(lifecycle: Lifecycle = ORDER_LIFECYCLE) -> SearchStrategy[Any]:
    """Any operation of the table."""
    return st.sampled_from(lifecycle.operations)


def events(lifecycle: Lifecycle = ORDER_LIFECYCLE) -> SearchStrategy[Any]:
    """Any event of the table."""
    return st.sampled_from(lifecycle.events)


def triggers(lifecycle: Lifecycle = ORDER_LIFECYCLE) -> SearchStrategy[Any]:
    """Any operation or event of the table."""
    return operations(lifecycle) | events(lifecycle)


def order_ids(lifecycle: Lifecycle = ORDER_LIFECYCLE) -> SearchStrategy[Any]:
    """Any id of the table."""
    if lifecycle.identity.is_text:
        printable = st.characters(min_codepoint=ord("!"), max_codepoint=ord("~"))
        return st.text(printable, min_size=1, max_size=min(lifecycle.identity.longest, LONGEST))
    return st.integers(1, MAX_ID)


def orders(state: SearchStrategy[Any] | None = None) -> SearchStrategy[Order]:
    """Any certificate order; `state` restricts the states.

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

    All events are in it, and nothing of which the table's sources are silent. `trace.judge` finds that it conforms.
    """
    order_id = draw(order_ids(lifecycle))
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
    trigger = draw(triggers(lifecycle).filter(lambda trigger: trigger not in lifecycle.account_reads))
    outcome = draw(st.sampled_from([Outcome.ACCEPTED, Outcome.REFUSED][: 1 + lifecycle.by_client(trigger)]))
    of_the_state = [error.code for error in lifecycle.codes.errors if error.means.of_the_state]
    code = draw(st.sampled_from(of_the_state)) if outcome is Outcome.REFUSED else None
    assume(outcome is Outcome.ACCEPTED or trigger not in lifecycle.creates)  # else it is a line of the account
    last = _line(lifecycle, len(before), order_id=order_id, trigger=trigger, outcome=outcome, code=code)
    lines = (*before, last)
    assume(trace.judge(lines, lifecycle=lifecycle, events=Events.COMPLETE).verdict is Finding.VIOLATES)
    return lines


@st.composite
def _answers(
    draw: DrawFn, lifecycle: Lifecycle, order_id: Id, state: State | None, number: int
) -> tuple[Line, State | None]:
    """A line that may follow, and the state after it. The first is an accepted create."""
    rows = lifecycle.table[state]
    possible = [
        trigger
        for trigger in rows
        if trigger not in lifecycle.account_reads
        and (trigger in lifecycle.creates) is (state is None)
        and (rows[trigger] is not None or lifecycle.by_client(trigger))
    ]
    changing = {row.trigger for row in lifecycle.outgoing(state)}
    moves = [trigger for trigger in possible if trigger in changing]
    trigger = draw(st.sampled_from(possible) | st.sampled_from(moves or possible))
    row = rows[trigger]
    if row is None:
        code = lifecycle.service_refusal(state, trigger).error.code
        outcome = Outcome.REFUSED
        return _line(lifecycle, number, order_id=order_id, trigger=trigger, outcome=outcome, code=code), state
    new = order_ids(lifecycle).filter(lambda other: other != order_id)
    second = draw(new) if row.creates is not None else None
    read = str(state) if trigger in {vocabulary.operation for vocabulary in lifecycle.vocabularies} else None
    return _line(lifecycle, number, order_id=order_id, trigger=trigger, state=read, new_order_id=second), row.target


def _line(lifecycle: Lifecycle, number: int, **fields: Any) -> Line:
    return Line(time=(BEGINNING + timedelta(seconds=number)).isoformat(), lifecycle=lifecycle, **fields)
