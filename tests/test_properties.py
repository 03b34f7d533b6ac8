"""What is true of every history, every set of states and every path: the documents' sentences as properties."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderfsm import (
    ORDER_LIFECYCLE,
    Actor,
    Event,
    Operation,
    Order,
    OrderStateError,
    State,
    Unreachable,
    Verdict,
    can,
    check,
    judge,
    narrow,
    plan,
    reachable,
)
from orderfsm.identity import MAX_ID

ids = st.integers(1, MAX_ID)
states = st.sampled_from(State)
possible = st.frozensets(st.sampled_from([None, *State]), min_size=1)
triggers = st.sampled_from([*Operation, *Event])
DELETABLE = {State.VERIFY_FAIL, State.PENDING_APPLICATION}
UNDER_REVIEW = {State.PENDING_REVIEW, State.BEING_REVIEWED}


def order_after(order_id, state, history):
    """An order after what of `history` was accepted."""
    order = Order(order_id, state)
    for trigger in history:
        if order.can(trigger):
            order = order.apply(trigger)
    return order


orders = st.builds(order_after, ids, states, st.lists(triggers, max_size=10))


@given(orders.filter(lambda order: order.state not in DELETABLE))
def test_every_illegal_deletion_raises_order_state_error(order):
    """DeleteCertificateRequest: "You can call this operation to delete ... only in the following scenarios"."""
    with pytest.raises(OrderStateError) as caught:
        order.apply(Operation.DELETE)
    assert caught.value.state is order.state
    assert caught.value.operation is Operation.DELETE
    assert Operation.DELETE not in caught.value.allowed


@given(orders)
def test_delete_succeeds_exactly_from_verify_fail_and_pending_application(order):
    assert order.can(Operation.DELETE) is (order.state in DELETABLE)
    if order.can(Operation.DELETE):
        assert order.apply(Operation.DELETE) == Order(order.id, State.DELETED)


@given(orders)
def test_cancel_moves_pending_review_or_being_reviewed_to_pending_application_and_nothing_else(order):
    """DeleteCertificateRequest: "The status of the ... order that is canceled ... changes to pending application"."""
    if order.state in UNDER_REVIEW:
        assert order.apply(Operation.CANCEL) == Order(order.id, State.PENDING_APPLICATION)
    else:
        with pytest.raises(OrderStateError):
            order.apply(Operation.CANCEL)


@pytest.mark.parametrize("trigger", [*Operation, *Event])
def test_a_deleted_order_stays_deleted(trigger):
    order = Order(1, State.DELETED)
    assert order.can(trigger) is (trigger in {Operation.LIST, Operation.DESCRIBE_PACKAGE})
    if order.can(trigger):
        assert order.apply(trigger) == order


# -- sets --------------------------------------------------------------------------------------------------------------


@given(possible, triggers)
def test_a_verdict_is_never_wrong(among, trigger):
    answers = {can(state, trigger) for state in among}
    assert (
        judge(among, trigger)
        is {
            frozenset({True}): Verdict.LEGAL,
            frozenset({False}): Verdict.ILLEGAL,
            frozenset({True, False}): Verdict.UNDECIDED,
        }[frozenset(answers)]
    )


@given(possible, possible, triggers)
def test_to_know_less_never_turns_a_verdict_into_its_opposite(some, more, trigger):
    narrow_verdict, wide_verdict = judge(some, trigger), judge(some | more, trigger)
    assert wide_verdict in {narrow_verdict, Verdict.UNDECIDED}


@given(possible, possible, triggers, st.booleans())
def test_narrowing_is_monotone_and_sound(some, more, trigger, accepted):
    left = narrow(some, trigger, accepted=accepted)
    assert left <= narrow(some | more, trigger, accepted=accepted)
    for state in some:
        if can(state, trigger) is accepted:
            assert (check(state, trigger) if accepted else state) in left
    assert bool(left) is any(can(state, trigger) is accepted for state in some)


@given(possible, triggers)
def test_an_answer_that_was_impossible_leaves_nothing_and_only_then(among, trigger):
    verdict = judge(among, trigger)
    assert (not narrow(among, trigger, accepted=True)) is (verdict is Verdict.ILLEGAL)
    assert (not narrow(among, trigger, accepted=False)) is (verdict is Verdict.LEGAL)


# -- paths -------------------------------------------------------------------------------------------------------------

START = (None, *State)


def distance(start, goal, usable):
    """The length of the shortest path, by relaxing every edge often enough; None if there is none."""
    lengths = {start: 0}
    for _ in START:
        for row in ORDER_LIFECYCLE.transitions:
            if row.source in lengths and usable(row):
                lengths[row.target] = min(lengths.get(row.target, 99), lengths[row.source] + 1)
    return lengths.get(goal)


@pytest.mark.parametrize("events", [False, True])
@pytest.mark.parametrize("start", START)
@pytest.mark.parametrize("goal", START)
def test_a_plan_is_shortest_and_every_step_of_it_is_legal(start, goal, events):
    expected = distance(start, goal, lambda row: events or isinstance(row.trigger, Operation))
    if expected is None:
        with pytest.raises(Unreachable):
            plan(start, goal, events=events)
        return
    path = plan(start, goal, events=events)
    assert len(path.steps) == expected
    state = start
    for step in path.steps:
        assert step.source is state
        state = check(state, step.trigger)
    assert state is goal
    assert [trigger for trigger, _ in path.waits] == [s.trigger for s in path.steps if s.trigger in tuple(Event)]


@pytest.mark.parametrize("start", START)
@pytest.mark.parametrize("by", [tuple(Actor), (Actor.CLIENT,), (Actor.CA, Actor.OWNER)], ids=str)
def test_reachable_is_where_a_path_leads(start, by):
    usable = [row for row in ORDER_LIFECYCLE.transitions if ORDER_LIFECYCLE.actor(row) in by]
    assert reachable(start, by=by) == {
        goal for goal in START if distance(start, goal, lambda row: row in usable) is not None
    }
