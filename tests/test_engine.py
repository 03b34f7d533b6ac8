"""The engine of the mock: orders that live by the table that it is handed, without any request."""

from __future__ import annotations

import attrs
import pytest

pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")

from orderfsm import ORDER_LIFECYCLE, Event, InvalidValue, NotFoundOrder, Operation, OrderStateError, State
from orderfsm.mock import Clock, MemoryStore
from orderfsm.mock.engine import Engine
from orderfsm.mock.records import Application

ASKED = Application(("example.com",), "DNS", "p", None, (("team", "web"),))


def engine_of(lifecycle=ORDER_LIFECYCLE, units=5):
    store = MemoryStore()
    store.put_package("p", units)
    return Engine(lifecycle, store, Clock(lambda: 1000.0), validity=100.0)


def test_it_begins_an_order_and_moves_it_as_the_table_says_and_tells_of_it():
    engine = engine_of()
    order = engine.begin(Operation.CREATE, ASKED)
    engine.happen(order.id, Event.DOMAIN_VALIDATED)
    assert engine.fire(order.id, Operation.CANCEL).order.state is State.PENDING_APPLICATION
    triggers = [line.trigger for line in engine.history(order.id)]
    assert triggers == [Operation.CREATE, Event.DOMAIN_VALIDATED, Operation.CANCEL]


def test_a_refused_call_is_told_of_and_a_refused_event_is_not():
    engine = engine_of()
    order = engine.begin(Operation.CREATE, ASKED)
    with pytest.raises(OrderStateError):
        engine.fire(order.id, Operation.DELETE)
    with pytest.raises(OrderStateError):
        engine.happen(order.id, Event.EXPIRY_REACHED)
    assert [(line.trigger, line.code) for line in engine.history()][1:] == [(Operation.DELETE, "OrderStateError")]


def test_a_read_tells_the_state_that_it_saw():
    engine = engine_of()
    order = engine.begin(Operation.CREATE, ASKED)
    engine.fire(order.id, Operation.DESCRIBE)
    assert [line.state for line in engine.history()] == [None, State.PENDING_REVIEW]


def test_what_a_client_calls_is_no_event():
    with pytest.raises(InvalidValue, match="expected domain_validated, "):
        engine_of().happen(1, Operation.CANCEL)


def test_a_row_that_creates_begins_a_second_order_that_is_asked_for_the_same_and_holds_no_unit():
    row = ORDER_LIFECYCLE.transition(State.PENDING_REVIEW, Operation.CANCEL)
    changed = attrs.evolve(row, creates=State.BEING_REVIEWED)
    engine = engine_of(ORDER_LIFECYCLE.without(row).with_rows(changed))
    old = engine.begin(Operation.CREATE, ASKED)
    begun = engine.fire(old.id, Operation.CANCEL).begun
    assert (begun.state, begun.domains, begun.tags) == (State.BEING_REVIEWED, old.domains, old.tags)
    assert [package.used for package in engine.packages()] == [1]


def test_an_order_that_a_state_rule_hides_is_not_found():
    engine = engine_of()
    order = engine.begin(Operation.CREATE, ASKED)
    engine.fire(order.id, Operation.CANCEL)
    engine.fire(order.id, Operation.DELETE)
    with pytest.raises(NotFoundOrder):
        engine.order(order.id)
    assert (engine.orders(), engine.count()) == ([], 0)


def test_nobody_acts_by_himself_unless_told_which_events_approve_an_order():
    engine = engine_of()
    order = engine.begin(Operation.CREATE, ASKED)
    engine.advance(10_000)
    assert engine.order(order.id).state is State.PENDING_REVIEW
