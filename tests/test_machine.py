"""The bridge to pytransitions obeys the table, sync and async."""

from __future__ import annotations

import asyncio

import pytest
from transitions import MachineError

from orderfsm import ORDER_LIFECYCLE, Event, InvalidValue, Operation, OrderStateError, State, can, check
from orderfsm.machine import AsyncOrderMachine, OrderMachine

CREATES = {Operation.CREATE, Operation.CREATE_FOR_PACKAGE, Operation.CREATE_WITH_CSR}
TRIGGERS = [trigger for trigger in (*Operation, *Event) if trigger not in CREATES]
PAIRS = [(state, trigger) for state in State for trigger in TRIGGERS]


def test_an_order_begins_in_pending_review_and_moves_by_its_methods():
    order = OrderMachine()
    assert order.state is State.PENDING_REVIEW
    assert order.cancel()
    assert order.state is State.PENDING_APPLICATION
    assert order.may_delete()
    assert not order.may_cancel()


def test_methods_are_the_triggers_lower_case_names_and_creates_are_none():
    assert set(OrderMachine().events) == {trigger.name.lower() for trigger in TRIGGERS}
    assert not hasattr(OrderMachine(), "create")


@pytest.mark.parametrize(("state", "trigger"), PAIRS, ids=lambda value: value.name.lower())
def test_the_machine_agrees_with_the_table(state, trigger):
    order, name = OrderMachine(initial=state), trigger.name.lower()
    assert getattr(order, f"may_{name}")() is can(state, trigger)
    if can(state, trigger):
        assert getattr(order, name)()
        assert order.state is check(state, trigger)
    else:
        with pytest.raises(OrderStateError) as caught:
            getattr(order, name)()
        assert (caught.value.state, caught.value.operation) == (state, trigger)
        assert not isinstance(caught.value, MachineError)
        assert order.state is state


def test_the_async_machine_agrees_with_the_table():
    async def agree() -> None:
        for state, trigger in PAIRS:
            order, name = AsyncOrderMachine(initial=state), trigger.name.lower()
            assert await getattr(order, f"may_{name}")() is can(state, trigger)
            if can(state, trigger):
                assert await getattr(order, name)()
                assert order.state is check(state, trigger)
            else:
                with pytest.raises(OrderStateError):
                    await getattr(order, name)()
                assert order.state is state

    asyncio.run(agree())


def test_callbacks_run_sync_and_async():
    seen = []
    order = OrderMachine(after_state_change=lambda: seen.append("changed"))
    order.cancel()
    order.on_enter_DELETED(lambda: seen.append("deleted"))
    order.delete()
    assert seen == ["changed", "deleted", "changed"]

    async def note() -> None:
        seen.append("awaited")

    async def walk() -> State:
        order = AsyncOrderMachine(after_state_change=note)
        await order.cancel()
        return order.state

    assert asyncio.run(walk()) is State.PENDING_APPLICATION
    assert seen[-1] == "awaited"


def test_reads_and_renewals_are_internal_callbacks_run_but_no_state_is_left():
    seen = []
    order = OrderMachine(initial=State.ABOUT_TO_EXPIRE, after_state_change=lambda: seen.append("called"))
    order.on_exit_ABOUT_TO_EXPIRE(lambda: seen.append("left"))
    assert order.renew()
    assert order.describe()
    assert order.list()
    assert (order.state, seen) == (State.ABOUT_TO_EXPIRE, ["called", "called", "called"])


def test_it_drives_a_model_of_yours():
    class Request:
        state: State

    request = Request()
    OrderMachine(request, State.VERIFY_FAIL)
    assert request.delete()
    assert request.state is State.DELETED
    with pytest.raises(OrderStateError):
        request.describe()


def test_a_plain_string_begins_as_its_state_and_anything_else_is_refused():
    order = OrderMachine(initial="issued")
    assert order.state is State.ISSUED
    assert order.describe()
    with pytest.raises(InvalidValue, match="state 'ISUED'"):
        OrderMachine(initial="ISUED")


def test_another_table_makes_another_machine():
    renewal = ORDER_LIFECYCLE.transition(State.ABOUT_TO_EXPIRE, Operation.RENEW)
    order = OrderMachine(initial=State.ABOUT_TO_EXPIRE, lifecycle=ORDER_LIFECYCLE.without(renewal))
    assert not order.may_renew()
    with pytest.raises(OrderStateError, match="nor anywhere else"):
        order.renew()
