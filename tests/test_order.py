"""One order: its id, its state, and what a history of triggers makes of it."""

from __future__ import annotations

import copy
import pickle
import sys

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from other_table import LIFECYCLE

from orderfsm import ORDER_LIFECYCLE, Event, InvalidValue, Operation, Order, OrderStateError, State
from orderfsm.identity import MAX_ID

HAPPY = [Event.DOMAIN_VALIDATED, Event.REVIEW_PASSED, Event.EXPIRY_NEARED, Operation.RENEW, Event.EXPIRY_REACHED]


@pytest.mark.parametrize("order_id", [1, 123451222, 2**63 - 1])
def test_an_id_is_a_long_from_1(order_id):
    assert Order(order_id, State.ISSUED).id == order_id


NO_IDS = [0, -1, 2**63, True, False, "1", None, 1.0, 1.5, b"1", [1], float("nan")]


@pytest.mark.parametrize("order_id", NO_IDS, ids=repr)
def test_anything_else_is_refused_with_an_error_that_names_it(order_id):
    with pytest.raises(InvalidValue, match=r"order id .*: expected an int in 1 \.\. 9223372036854775807") as caught:
        Order(order_id, State.ISSUED)
    assert caught.value.value is order_id


@pytest.mark.parametrize(
    "state", [None, "ISUED", "none", "certificate", "", Operation.DELETE, 4, [], b"issued"], ids=repr
)
def test_the_state_of_an_order_is_a_state(state):
    with pytest.raises(
        InvalidValue, match=r"state .*: expected (one state|(None, )?pending_application, pending_review)"
    ):
        Order(1, state)


def test_a_plain_string_becomes_the_state():
    assert Order(1, "issued").state is Order(1, "ISSUED").state is State.ISSUED


def test_an_order_has_its_id_by_both_names():
    assert Order(7, State.ISSUED).order_id == Order(7, State.ISSUED).id == 7


def test_an_order_is_a_frozen_slotted_value():
    order = Order(1, State.ISSUED)
    assert order == Order(1, State.ISSUED)
    assert hash(order) == hash(Order(1, State.ISSUED))
    assert order != Order(2, State.ISSUED)
    assert not hasattr(order, "__dict__")
    assert sys.getsizeof(order) <= 64
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        order.state = State.DELETED
    for again in (copy.copy(order), copy.deepcopy(order), pickle.loads(pickle.dumps(order))):
        assert again == order


def test_a_replay_gives_the_last_order():
    assert Order(9, State.PENDING_REVIEW).replay(HAPPY) == Order(9, State.EXPIRED)
    assert Order(9, State.ISSUED).replay([]) == Order(9, State.ISSUED)
    assert Order(9, State.PENDING_REVIEW).replay(iter(["domain_validated"])).state is State.BEING_REVIEWED


def test_a_replay_names_the_index_of_the_first_refused_trigger():
    order = Order(9, State.PENDING_REVIEW)
    with pytest.raises(OrderStateError, match="trigger 2: DeleteCertificateRequest is not allowed in issued") as caught:
        order.replay([*HAPPY[:2], Operation.DELETE, Operation.DELETE])
    error = caught.value
    assert (error.index, error.state, error.operation) == (2, State.ISSUED, Operation.DELETE)
    assert pickle.loads(pickle.dumps(error)).index == 2


def test_what_is_no_trigger_is_not_a_refusal_in_a_replay_either():
    with pytest.raises(InvalidValue, match="trigger 'explode'"):
        Order(9, State.PENDING_REVIEW).replay([Event.DOMAIN_VALIDATED, "explode"])


@given(st.integers(1, MAX_ID), st.sampled_from(State), st.lists(st.sampled_from([*Operation, *Event]), max_size=12))
def test_a_replay_is_one_apply_after_the_other(order_id, state, triggers):
    order, expected = Order(order_id, state), None
    for index, trigger in enumerate(triggers):
        try:
            order = order.apply(trigger)
        except OrderStateError:
            expected = index
            break
    if expected is None:
        assert Order(order_id, state).replay(triggers) == order
    else:
        with pytest.raises(OrderStateError) as caught:
            Order(order_id, state).replay(triggers)
        assert caught.value.index == expected


@pytest.mark.parametrize(
    "ask",
    [
        lambda order, table: order.apply(Operation.DESCRIBE, table),
        lambda order, table: order.can(Operation.DESCRIBE, table),
        lambda order, table: order.allowed(table),
        lambda order, table: order.replay([Operation.DESCRIBE], table),
    ],
    ids=["apply", "can", "allowed", "replay"],
)
def test_it_takes_a_table_of_orders_and_no_other(ask):
    order, row = Order(7, State.ISSUED), ORDER_LIFECYCLE.transition(State.VERIFY_FAIL, Operation.DELETE)
    assert ask(order, ORDER_LIFECYCLE.without(row)) == ask(order, ORDER_LIFECYCLE)
    said = "lifecycle of an Order .*: expected a table of certificate orders; another table's states are asked for by"
    with pytest.raises(InvalidValue, match=said):
        ask(order, LIFECYCLE)
