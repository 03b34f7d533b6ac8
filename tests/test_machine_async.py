"""Tasks share an order: each learns the truth of its own trigger, and is told when it is cancelled."""

from __future__ import annotations

import asyncio
import gc
import sys
from contextlib import suppress
from itertools import pairwise

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from machines import PAIRS, TRIGGERS, Plain
from transitions import MachineError
from transitions.extensions.asyncio import AsyncMachine

from orderfsm import OrderStateError, State, can, check
from orderfsm.machine import AsyncOrderMachine

PHASES = ["prepare_event", "before_state_change", "on_exit", "on_enter", "after_state_change", "finalize_event"]
BEFORE_THE_MOVE = PHASES[:3]


def on(order, phase, callback):
    """Let `order` run `callback` in a phase of every trigger."""
    if phase in {"on_exit", "on_enter"}:
        for state in order.states.values():
            getattr(state, phase).append(callback)
    else:
        getattr(order, phase).append(callback)


def slow(order, *phases, steps=3):
    """Let callbacks in `phases` of every trigger of `order` take some turns of the loop."""

    async def wait():
        for _ in range(steps):
            await asyncio.sleep(0)

    for phase in phases:
        on(order, phase, wait)
    return order


async def turns(number):
    for _ in range(number):
        await asyncio.sleep(0)


async def outcomes(*triggers):
    """What each of concurrent triggers tells its caller: True, or the state in which it was refused."""
    told = await asyncio.gather(*triggers, return_exceptions=True)
    return [each.state if isinstance(each, OrderStateError) else each for each in told]


# -- each caller learns the truth of its own trigger -----------------------------------------------------------------


@pytest.mark.parametrize("phase", PHASES)
def test_of_two_deletions_at_once_the_first_is_accepted_and_the_second_refused(phase):
    async def delete_twice():
        order = slow(AsyncOrderMachine(initial=State.VERIFY_FAIL), phase)
        assert await outcomes(order.delete(), order.delete()) == [True, State.DELETED]

    asyncio.run(delete_twice())


@pytest.mark.parametrize("phase", ["prepare_event", "on_exit", "after_state_change"])
def test_concurrent_triggers_are_judged_one_after_the_other(phase):
    async def fire_both():
        order = slow(AsyncOrderMachine(), phase, steps=1)
        for state, first in PAIRS:
            for second in TRIGGERS:
                order.set_state(state)
                told = await outcomes(*(getattr(order, each.name.lower())() for each in (first, second)))
                now, said = state, []
                for each in (first, second):
                    said.append(can(now, each) or now)
                    now = check(now, each) if can(now, each) else now
                assert (told, order.state) == (said, now)

    asyncio.run(fire_both())


def test_a_second_trigger_cancels_no_callback_of_the_first():
    seen = []

    async def before():
        await turns(3)
        seen.append("whole")

    async def fire_both():
        order = AsyncOrderMachine(before_state_change=before)
        assert await outcomes(order.domain_validated(), order.cancel()) == [True, True]
        assert order.state is State.PENDING_APPLICATION

    asyncio.run(fire_both())
    assert seen == ["whole", "whole"]


def test_triggers_of_different_models_run_at_once():
    async def meet():
        together = asyncio.Barrier(2)
        first, second = Plain(), Plain()
        machine = AsyncOrderMachine([first, second], before_state_change=together.wait)
        assert await outcomes(first.cancel(), second.cancel()) == [True, True]
        await machine.dispatch("delete")
        assert first.state is second.state is State.DELETED

    asyncio.run(meet())


def test_two_machines_in_one_loop_share_nothing_and_a_model_of_both_waits_for_both():
    async def share():
        model = Plain()
        slow(AsyncOrderMachine(model, State.VERIFY_FAIL), *PHASES)
        slow(AsyncOrderMachine(model, model_attribute="second", model_override=True), *PHASES)
        other = slow(AsyncOrderMachine(initial=State.VERIFY_FAIL), *PHASES)
        told = await outcomes(model.cancel(), other.delete(), model.delete(), other.delete())
        assert told == [True, True, True, State.DELETED]
        assert (model.state, model.second, other.state) == (State.VERIFY_FAIL, State.DELETED, State.DELETED)

    asyncio.run(share())


def test_a_machine_of_pytransitions_beside_it_is_not_cancelled():
    async def run():
        model = Plain()
        AsyncOrderMachine(model)
        AsyncMachine(
            model,
            states=["here", "there"],
            initial="here",
            model_attribute="place",
            transitions=[["go", "here", "there"]],
            auto_transitions=False,
            before_state_change=lambda: turns(5),
        )
        going = asyncio.create_task(model.go())
        await turns(2)
        assert await model.cancel()
        assert await going
        assert model.place == "there"

    asyncio.run(run())


def test_an_order_goes_from_loop_to_loop_and_leaves_no_locks():
    order = slow(AsyncOrderMachine(), *PHASES)

    async def fire():
        return await outcomes(order.cancel(), order.submitted(), order.describe())

    for _ in range(3):
        assert asyncio.run(fire()) == [True, True, True]
    gc.collect()
    assert not AsyncOrderMachine._locks
    assert not AsyncOrderMachine.async_tasks


# -- triggers of callbacks -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["awaited", "as a task", "in a group", "in another thread"])
@pytest.mark.parametrize("phase", PHASES)
def test_a_trigger_of_a_callback_runs_at_once_and_never_waits_for_its_own_end(phase, how):
    async def run():
        told = []

        async def callback():
            if told:
                return
            told.append(None)
            if how == "awaited":
                told[0] = await order.describe()
            elif how == "as a task":
                told[0] = await asyncio.create_task(order.describe())
            elif how == "in another thread":
                told[0] = await asyncio.to_thread(lambda: asyncio.run(order.describe()))
            else:
                async with asyncio.TaskGroup() as group:
                    task = group.create_task(order.describe())
                told[0] = task.result()

        order = AsyncOrderMachine()
        on(order, phase, callback)
        assert await order.cancel()
        assert told == [True]

    asyncio.run(run())


def test_two_orders_whose_callbacks_fire_each_others_triggers_do_not_wait_for_ever():
    async def run():
        first, second = AsyncOrderMachine(), AsyncOrderMachine()

        moved = []

        async def other_of(order):
            await turns(2)
            if order not in moved:
                moved.append(order)
                with suppress(OrderStateError):
                    await order.cancel()

        first.before_state_change.append(lambda: other_of(second))
        second.before_state_change.append(lambda: other_of(first))
        told = await outcomes(first.cancel(), second.cancel())
        assert {first.state, second.state} == {State.PENDING_APPLICATION}
        assert set(told) <= {True, State.PENDING_APPLICATION}

    asyncio.run(run())


def test_a_task_that_outlives_the_trigger_whose_callback_started_it_waits_its_turn():
    async def run():
        told, tasks = [], []

        async def later():
            await turns(10)
            told.extend(await outcomes(order.delete()))

        async def callback():
            await turns(2)
            if not tasks:
                tasks.append(asyncio.create_task(later()))

        order = AsyncOrderMachine(initial=State.BEING_REVIEWED, after_state_change=callback)
        assert await order.review_failed()
        began = []

        async def before():
            began.append(order.state)
            await turns(20)

        order.before_state_change.append(before)
        assert await order.delete()
        await tasks[0]
        assert (told, began) == ([State.DELETED], [State.VERIFY_FAIL])

    asyncio.run(run())


def test_a_callback_that_waits_for_another_tasks_trigger_of_its_model_waits_until_it_is_cancelled():
    async def run():
        order = AsyncOrderMachine(initial=State.VERIFY_FAIL)
        start = asyncio.Event()

        async def other():
            await start.wait()
            await order.describe()

        task = asyncio.create_task(other())

        async def wait_for_it():
            start.set()
            await task

        order.before_state_change.append(wait_for_it)
        deletion = asyncio.create_task(order.delete())
        await turns(50)
        assert not deletion.done()
        deletion.cancel()
        await turns(50)
        assert deletion.cancelled()
        assert order.state is State.VERIFY_FAIL

    asyncio.run(run())


# -- cancellation ----------------------------------------------------------------------------------------------------


def stuck(order, phase):
    """Let callbacks in a phase of every trigger of `order` wait for ever; the event tells that one does."""
    reached = asyncio.Event()

    async def wait():
        reached.set()
        await asyncio.Event().wait()

    on(order, phase, wait)
    return reached


PHASES_OF_A_TRIGGER = pytest.mark.parametrize("phase", PHASES)
FIRST_OR_LATER = pytest.mark.parametrize("later", [False, True], ids=["first trigger", "later trigger"])


async def order_and_state(phase, *, later):
    """An order that waits for ever in `phase`, the event that tells it, and where a cancelled deletion leaves it."""
    order = AsyncOrderMachine()
    if later:  # pytransitions treats a task's first trigger otherwise
        await order.cancel()
        await order.submitted()
    await order.review_failed()
    return order, stuck(order, phase), State.VERIFY_FAIL if phase in BEFORE_THE_MOVE else State.DELETED


@PHASES_OF_A_TRIGGER
@FIRST_OR_LATER
def test_a_cancelled_task_ends_cancelled(phase, later):
    async def run():
        order, reached, left = await order_and_state(phase, later=later)

        async def work():
            await order.delete()
            return "went on"

        task = asyncio.create_task(work())
        await reached.wait()
        task.cancel("enough")
        with pytest.raises(asyncio.CancelledError, match="enough"):
            await task
        assert order.state is left

    asyncio.run(run())


@PHASES_OF_A_TRIGGER
@FIRST_OR_LATER
def test_a_timeout_reaches_whoever_set_it(phase, later):
    async def run():
        order, reached, left = await order_and_state(phase, later=later)

        async def expire():
            await reached.wait()
            timeout.reschedule(asyncio.get_running_loop().time())

        with pytest.raises(TimeoutError):  # noqa: PT012
            async with asyncio.timeout(None) as timeout:
                expiring = asyncio.create_task(expire())
                await order.delete()
        assert expiring.done()
        assert order.state is left

        order, _, _ = await order_and_state(phase, later=later)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(order.delete(), 0.001)

    asyncio.run(run())


@PHASES_OF_A_TRIGGER
def test_a_group_of_tasks_ends_when_one_fails(phase):
    async def run():
        order, reached, left = await order_and_state(phase, later=True)

        async def fail():
            await reached.wait()
            raise LookupError

        with pytest.raises(ExceptionGroup) as caught:  # noqa: PT012
            async with asyncio.TaskGroup() as group:
                task = group.create_task(order.delete())
                group.create_task(fail())
        assert [type(error) for error in caught.value.exceptions] == [LookupError]
        assert task.cancelled()
        assert order.state is left

    asyncio.run(run())


@PHASES_OF_A_TRIGGER
def test_the_next_in_turn_goes_on_when_one_is_cancelled_and_who_waits_can_be_cancelled(phase):
    async def run():
        order, reached, left = await order_and_state(phase, later=False)
        tasks = [asyncio.create_task(order.delete()) for _ in range(3)]
        await reached.wait()
        assert tasks[1].cancel()
        await turns(5)
        assert [task.done() for task in tasks] == [False, True, False]
        for each in (order.prepare_event, order.before_state_change, order.after_state_change, order.finalize_event):
            each.clear()
        for each in order.states.values():
            each.on_exit.clear()
            each.on_enter.clear()
        assert tasks[0].cancel()
        told = await outcomes(*tasks)
        assert isinstance(told[0], asyncio.CancelledError)
        assert isinstance(told[1], asyncio.CancelledError)
        assert told[2] == (True if left is State.VERIFY_FAIL else State.DELETED)

    asyncio.run(run())


def test_a_cancellation_while_a_refusal_is_finalized_reaches_its_task():
    async def run():
        order = AsyncOrderMachine(initial=State.ISSUED)
        reached = stuck(order, "finalize_event")
        task = asyncio.create_task(order.delete())
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        assert isinstance(caught.value.__context__, OrderStateError)

    asyncio.run(run())


def test_a_cancelled_question_is_cancelled():
    async def run():
        order = AsyncOrderMachine()
        reached = stuck(order, "prepare_event")
        task = asyncio.create_task(order.may_cancel())
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks are new in Python 3.12")
def test_eager_tasks_take_turns_too():
    async def run():
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        order = slow(AsyncOrderMachine(initial=State.VERIFY_FAIL), *PHASES)
        assert await outcomes(*(asyncio.create_task(order.delete()) for _ in range(3))) == [
            True,
            State.DELETED,
            State.DELETED,
        ]

    asyncio.run(run())


# -- any interleaving ------------------------------------------------------------------------------------------------


@attrs.frozen
class Call:
    """A task: when it begins, what it fires, when it is cancelled, counted in turns of the loop."""

    begin: int
    trigger: object
    cancel: int | None


calls = st.builds(Call, st.integers(0, 6), st.sampled_from(TRIGGERS), st.none() | st.integers(0, 25))
waits = st.dictionaries(st.sampled_from(PHASES), st.integers(0, 3))
nested = st.dictionaries(st.sampled_from(PHASES), st.sampled_from(TRIGGERS), max_size=2)


class Recorded:
    """A model that knows its moves."""

    def __init__(self):
        self.moves = []

    @property
    def state(self):
        return self.moves[-1]

    @state.setter
    def state(self, state):
        self.moves.append(state)


class RecordedOrder(Recorded, AsyncOrderMachine):
    """The same as its own model."""

    def __init__(self, **options):
        Recorded.__init__(self)
        AsyncOrderMachine.__init__(self, **options)


@given(
    st.sampled_from(State),
    st.lists(calls, min_size=1, max_size=5),
    waits,
    nested,
    st.booleans(),
    st.fixed_dictionaries({}, optional={"send_event": st.booleans(), "name": st.just("order")}),
)
def test_in_any_interleaving_every_caller_is_told_the_truth(  # noqa: PLR0917
    state, program, waits, nested, own, options
):
    """Moves are rows of the table; who is told True has moved, and who is refused has not; a cancelled task is."""
    told, cancelled = [], []  # of callbacks' triggers too

    async def fire(model, trigger):
        try:
            told.append((trigger, await getattr(model, trigger.name.lower())()))
        except (OrderStateError, MachineError):
            raise
        except asyncio.CancelledError:
            cancelled.append(trigger)
            raise

    async def run():
        model = RecordedOrder(initial=state, **options) if own else Recorded()
        machine = model if own else AsyncOrderMachine(model, state, **options)
        depth = 0

        for phase in PHASES:

            async def callback(*_, phase=phase):
                nonlocal depth
                await turns(waits.get(phase, 0))
                if phase in nested and depth < 2:
                    depth += 1
                    with suppress(OrderStateError, MachineError):
                        await fire(model, nested[phase])

            on(machine, phase, callback)

        async def work(call):
            await turns(call.begin)
            await fire(model, call.trigger)

        tasks = [asyncio.create_task(work(call)) for call in program]
        asked = set()
        for step in range(30):
            asked |= {task for task, call in zip(tasks, program, strict=True) if call.cancel == step and task.cancel()}
            await asyncio.sleep(0)
        async with asyncio.timeout(30):
            await asyncio.gather(*tasks, return_exceptions=True)
        return model.moves, tasks, asked

    moves, tasks, asked = asyncio.run(run())
    assert {task for task in tasks if task.cancelled()} == asked
    del moves[: moves.index(state)]  # the machine sets it once more when it has seen that it can be set
    rows = {(source, check(source, trigger)) for source, trigger in PAIRS if can(source, trigger)}
    assert set(pairwise(moves)) <= rows
    assert all(result is True for _, result in told)
    accepted = sum(trigger in MOVING for trigger, _ in told)
    assert accepted <= len(moves) - 1 <= accepted + len(cancelled)


MOVING = {trigger for state, trigger in PAIRS if can(state, trigger) and check(state, trigger) is not state}
