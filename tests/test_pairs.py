"""Every state with every trigger, by name: what is finite is enumerated."""

from __future__ import annotations

import oracle
import pytest

from orderfsm import (
    ORDER_LIFECYCLE,
    Basis,
    Event,
    NotFoundOrder,
    Operation,
    Order,
    OrderStateError,
    ServiceError,
    State,
    Verdict,
    allowed,
    can,
    check,
    explain,
    judge,
    narrow,
)

STATES = (None, *State)
TRIGGERS = (*Operation, *Event)
PAIRS = [(state, trigger) for state in STATES for trigger in TRIGGERS]


def said(state):
    """The oracle's word for a state."""
    return state or "no order"


def target_of(state, trigger):
    """What the oracle says: the state after, or "refused"."""
    after = oracle.after(said(state), trigger.name.lower())
    if after is None:
        return "refused"
    return None if after == "no order" else State(after)


LEGAL = [pair for pair in PAIRS if target_of(*pair) != "refused"]
REFUSED = [pair for pair in PAIRS if target_of(*pair) == "refused"]


def name(value):
    """A readable name for a test."""
    return "no_order" if value is None else value.name.lower()


def test_the_oracle_and_the_table_are_about_the_same_things():
    assert [state.value for state in State] == oracle.STATES
    assert len(LEGAL) == len(ORDER_LIFECYCLE.transitions) + len(oracle.READS_OF_THE_ACCOUNT) * len(STATES)


@pytest.mark.parametrize(("state", "trigger"), LEGAL, ids=name)
def test_what_is_allowed_leads_where_the_documents_say(state, trigger):
    target = target_of(state, trigger)
    assert can(state, trigger) is True
    assert check(state, trigger) is target
    assert judge({state}, trigger) is Verdict.LEGAL
    assert narrow({state}, trigger, accepted=True) == {target}
    assert narrow({state}, trigger, accepted=False) == set()
    why = explain(state, trigger)
    assert (why.verdict, why.target, why.instead) == (Verdict.LEGAL, target, None)
    assert why.reference


@pytest.mark.parametrize(("state", "trigger"), REFUSED, ids=name)
def test_what_is_refused_raises_the_documented_error_with_all_fields(state, trigger):
    expected = NotFoundOrder if state is None else OrderStateError
    assert can(state, trigger) is False
    assert judge({state}, trigger) is Verdict.ILLEGAL
    assert narrow({state}, trigger, accepted=True) == set()
    assert narrow({state}, trigger, accepted=False) == {state}
    with pytest.raises(ServiceError) as caught:
        check(state, trigger)
    error = caught.value
    assert type(error) is expected
    assert (error.code, error.http_status) == (("NotFoundOrder", 404) if state is None else ("OrderStateError", 403))
    assert error.state is state
    assert error.possible == {state}
    assert error.operation is trigger
    assert error.allowed == allowed(state)
    documented = trigger in {Operation.DELETE, Operation.CANCEL, Operation.RENEW}
    assert error.basis is (Basis.DOCUMENTED if documented else Basis.INFERRED)
    assert error.reference.endswith("request") or not documented
    assert error.index is None
    assert trigger in error.message
    assert error.message == str(error) == str(explain(state, trigger))


@pytest.mark.parametrize(("state", "trigger"), [(s, t) for s, t in REFUSED if s is not None], ids=name)
def test_an_order_refuses_as_the_table_does(state, trigger):
    order = Order(7, state)
    assert not order.can(trigger)
    with pytest.raises(OrderStateError) as caught:
        order.apply(trigger)
    assert (caught.value.state, caught.value.operation) == (state, trigger)


@pytest.mark.parametrize(("state", "trigger"), [(s, t) for s, t in LEGAL if s is not None], ids=name)
def test_an_order_moves_as_the_table_does(state, trigger):
    order = Order(7, state)
    assert order.can(trigger)
    assert order.apply(trigger) == Order(7, target_of(state, trigger))


@pytest.mark.parametrize("state", STATES, ids=name)
def test_allowed_are_the_operations_that_change_something_in_table_order(state):
    operations = [
        row.trigger for row in ORDER_LIFECYCLE.transitions if row.source is state and row.trigger in Operation
    ]
    assert allowed(state) == tuple(operation for operation in operations if operation is not Operation.DESCRIBE)
    if state is not None:
        assert Order(1, state).allowed() == allowed(state)


@pytest.mark.parametrize(("state", "trigger"), PAIRS, ids=name)
def test_a_plain_string_equal_to_a_value_is_that_member(state, trigger):
    plain = None if state is None else state.value
    assert can(plain, trigger.value) is can(state, trigger)
    if can(state, trigger):
        assert check(plain, trigger.value) is check(state, trigger)
    else:
        with pytest.raises(ServiceError) as caught:
            check(plain, trigger.value)
        assert caught.value.state is state
        assert caught.value.operation is trigger


@pytest.mark.parametrize(("state", "trigger"), PAIRS, ids=name)
def test_the_service_does_not_find_a_deleted_order_and_answers_as_the_model_does_otherwise(state, trigger):
    if (state, trigger) in LEGAL:
        assert ORDER_LIFECYCLE.service_transition(state, trigger).target == target_of(state, trigger)
    else:
        expected = NotFoundOrder if state in {None, State.DELETED} else OrderStateError
        with pytest.raises(ServiceError) as caught:
            ORDER_LIFECYCLE.service_transition(state, trigger)
        assert type(caught.value) is expected


@pytest.mark.parametrize(("state", "trigger"), PAIRS, ids=name)
def test_a_lifecycle_checks_as_the_function_does(state, trigger):
    if (state, trigger) in LEGAL:
        assert ORDER_LIFECYCLE.check(state, trigger) is check(state, trigger)
    else:
        with pytest.raises(ServiceError) as caught:
            ORDER_LIFECYCLE.check(state, trigger)
        assert caught.value.operation is trigger
