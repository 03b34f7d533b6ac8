"""The bridge to pytransitions obeys the table, sync and async."""

from __future__ import annotations

import asyncio
import copy
import pickle
import subprocess
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from machines import BOTH, PAIRS, TRIGGERS, Plain, answer, obeys
from transitions import Event as MachineEvent
from transitions import MachineError
from transitions import State as MachineState
from transitions.extensions import GraphMachine, HierarchicalMachine, LockedGraphMachine, LockedMachine
from transitions.extensions.asyncio import AsyncMachine, HierarchicalAsyncMachine
from transitions.extensions.factory import AsyncGraphMachine
from transitions.extensions.markup import MarkupMachine
from transitions.extensions.states import Tags, add_state_features

from orderfsm import ORDER_LIFECYCLE, InvalidValue, Operation, OrderStateError, State, can, check
from orderfsm.machine import AsyncOrderMachine, OrderMachine


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


# -- options ---------------------------------------------------------------------------------------------------------

REFUSED_OPTIONS = {
    "states": ["draft"],
    "transitions": [["delete", "ISSUED", "DELETED"]],
    "ordered_transitions": True,
    "auto_transitions": True,
    "markup": {"states": ["draft"]},
    "queued": True,
    "ignore_invalid_triggers": True,
    "on_exception": print,
}


@BOTH
@pytest.mark.parametrize("option", REFUSED_OPTIONS)
def test_an_option_that_would_break_the_promise_is_refused_with_what_to_do_instead(machine, option):
    with pytest.raises(InvalidValue, match=f"option {option} .*: expected none: ") as caught:
        machine(**{option: REFUSED_OPTIONS[option]})
    assert len(str(caught.value)) > 60


def test_a_queue_for_each_model_is_refused_too():
    with pytest.raises(InvalidValue, match="option queued 'model'"):
        AsyncOrderMachine(queued="model")


@BOTH
def test_an_option_that_is_off_anyway_may_be_said(machine):
    order = machine(auto_transitions=False, queued=False, ignore_invalid_triggers=None, on_exception=None, states=None)
    assert order.on_exception == ()


def test_what_is_refused_at_construction_is_refused_later_or_does_nothing():
    order = OrderMachine(initial=State.ISSUED)
    with pytest.raises(InvalidValue, match="option on_exception"):
        order.on_exception = print
    with pytest.raises(InvalidValue, match="the table has them"):
        order.add_states("draft")
    order.ignore_invalid_triggers = True
    with pytest.raises(OrderStateError):
        order.delete()


def test_callbacks_get_the_arguments_or_the_event_and_finalize_event_hears_of_a_refusal():
    seen = []
    order = OrderMachine(after_state_change=lambda *args, **kwargs: seen.append((args, kwargs)))
    order.cancel("why", by="me")
    assert seen.pop() == (("why",), {"by": "me"})
    order = OrderMachine(send_event=True, finalize_event=seen.append, prepare_event=seen.append)
    with pytest.raises(OrderStateError) as caught:
        order.delete()
    (finalized,) = seen  # what is refused is not prepared
    assert finalized.error is caught.value


def test_an_error_of_a_callback_is_its_callers_and_the_state_says_whether_the_move_was_made():
    def fail():
        raise LookupError

    before, after = OrderMachine(before_state_change=fail), OrderMachine(after_state_change=fail)
    for order in before, after:
        with pytest.raises(LookupError):
            order.cancel()
    assert (before.state, after.state) == (State.PENDING_REVIEW, State.PENDING_APPLICATION)


def test_on_final_is_called_in_the_states_that_the_table_marks_terminal():
    for state, rule in ORDER_LIFECYCLE.state_rules.items():
        assert state is None or OrderMachine().get_state(state).final is rule.terminal
    seen = []
    order = OrderMachine(on_final=lambda: seen.append(order.state))
    order.cancel()
    order.delete()
    assert seen == [State.DELETED]


def test_another_attribute_may_hold_the_state():
    order = OrderMachine(initial=State.VERIFY_FAIL, model_attribute="status", name="order")
    assert order.status is State.VERIFY_FAIL
    assert order.delete()
    assert order.is_status_DELETED()


# -- names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("state", "trigger"), PAIRS, ids=lambda value: value.name.lower())
def test_triggers_are_named_by_members_values_and_method_names(state, trigger):
    for name in (trigger, trigger.value, trigger.name.lower()):
        order = OrderMachine(initial=state)
        assert order.may_trigger(name) is can(state, trigger)
        if can(state, trigger):
            assert order.trigger(name)
            order.set_state(state)
            assert order.dispatch(name)
        else:
            for fire in (order.trigger, order.dispatch):
                with pytest.raises(OrderStateError):
                    fire(name)


@BOTH
@pytest.mark.parametrize("unknown", ["cancle", "CANCEL", "create", Operation.CREATE, State.ISSUED, None, ["cancel"]])
def test_an_unknown_trigger_is_never_an_answer(machine, unknown):
    order = machine()
    order.ignore_invalid_triggers = True
    for ask in (order.may_trigger, order.trigger, order.dispatch, order.remove_transition):
        with pytest.raises(InvalidValue, match=r"^trigger .*: expected cancel, delete, "):
            ask(unknown)


@BOTH
@pytest.mark.parametrize("state", State)
def test_a_state_is_its_member_its_value_or_pytransitions_name_wherever_it_is_said(machine, state):
    for said in (state, state.value, state.name):
        order = machine()
        order.set_state(said)
        assert order.state is state
        order.add_model(model := Plain(), said)
        assert model.state is state
        for held in State:
            model.state = said if held is state else held  # reloaded from a database
            assert getattr(model, f"is_{state.name}")() is order.is_state(said, model) is (held is state)
        model.state = said
        assert order.get_model_state(model).value is state
        assert order.get_triggers(said) == order.get_triggers(state)
        order.initial = said
        assert order.initial == state.name


def test_a_model_whose_state_comes_back_as_a_string_obeys_the_table():
    row = Plain()
    OrderMachine(row, State.ISSUED)
    row.state = "verify_fail"
    assert row.may_delete()
    assert row.is_VERIFY_FAIL()
    row.state = "issued"
    with pytest.raises(OrderStateError):
        row.delete()
    assert row.state == "issued"


@pytest.mark.parametrize("unknown", ["isued", "", None, Operation.CANCEL, 1, []])
def test_anything_else_is_no_state(unknown):
    order = OrderMachine()
    for say in (
        order.set_state,
        order.get_state,
        order.get_triggers,
        lambda state: setattr(order, "initial", state),
        lambda state: order.is_state(state, order),
        lambda state: order.add_transition("escalate", State.ISSUED, [state]),
    ):
        with pytest.raises(InvalidValue, match=r"^state .*: expected pending_application, "):
            say(unknown)
    order.state = unknown
    for ask in (order.delete, order.may_delete, order.is_ISSUED):
        with pytest.raises(InvalidValue, match=r"^state "):
            ask()


def test_a_state_that_is_set_is_not_judged():
    order = OrderMachine(initial=State.ISSUED)
    order.set_state(State.VERIFY_FAIL)
    assert order.delete()
    order.state = State.PENDING_REVIEW
    assert order.cancel()


# -- triggers of your own --------------------------------------------------------------------------------------------


@BOTH
def test_a_trigger_of_your_own_is_allowed_and_refused_as_in_pytransitions(machine):
    order = machine()
    order.add_transition("escalate", "being_reviewed", State.ISSUED)
    order.add_transition("escalate", [State.EXPIRED], None)
    assert answer(order.may_escalate()) is False
    with pytest.raises(MachineError, match="Can't trigger event escalate from state PENDING_REVIEW"):
        answer(order.escalate())
    order.set_state(State.BEING_REVIEWED)
    assert answer(order.may_trigger("escalate"))
    assert answer(order.escalate())
    assert order.state is State.ISSUED


@BOTH
def test_a_trigger_of_your_own_is_removed_by_member_value_and_name(machine):
    for said in (State.BEING_REVIEWED, "being_reviewed", "BEING_REVIEWED"):
        order = machine()
        order.add_transition("escalate", [State.BEING_REVIEWED, State.PENDING_REVIEW], "=")
        order.remove_transition("escalate", source=said)
        assert [each.source for each in order.get_transitions("escalate")] == ["PENDING_REVIEW"]
        order.remove_transition("escalate", dest="pending_review")
        assert not hasattr(order, "escalate")


@BOTH
@pytest.mark.parametrize("name", ["delete", Operation.DELETE, "DeleteCertificateRequest"])
def test_the_tables_triggers_get_no_other_rows(machine, name):
    order = machine(initial=State.ISSUED)
    with pytest.raises(InvalidValue, match="give another table as lifecycle="):
        order.add_transition(name, State.ISSUED, State.DELETED)
    with pytest.raises(InvalidValue, match="give another table as lifecycle="):
        order.remove_transition(name)
    with pytest.raises(OrderStateError):
        answer(order.delete())


def test_a_trigger_of_your_own_takes_no_methods_name_of_a_model():
    row = type("Row", (), {"refresh": lambda _: "refreshed"})()
    machine = OrderMachine(row)
    with pytest.raises(InvalidValue, match="without attributes called refresh"):
        machine.add_transition("refresh", State.ISSUED, "=")
    assert row.refresh() == "refreshed"


# -- callbacks that fire triggers ------------------------------------------------------------------------------------

BEFORE_THE_MOVE = ["prepare_event", "before_state_change", "prepare", "before", "on_exit"]
CHANGING = [
    trigger
    for trigger in TRIGGERS
    if any(row.changes and row.trigger is trigger for row in ORDER_LIFECYCLE.transitions)
]


def on(order, phase, state, trigger, callback):
    """Let `order` run `callback` in a phase of `trigger` in `state`."""
    name = trigger.name.lower()
    if phase in {"before", "after", "prepare"}:
        getattr(order, f"{phase}_{name}")(callback)
    elif phase in {"on_exit", "on_enter"}:
        getattr(order, f"{phase}_{check(state, trigger).name if phase == 'on_enter' else state.name}")(callback)
    else:
        getattr(order, phase).append(callback)


@pytest.mark.parametrize("phase", BEFORE_THE_MOVE)
@BOTH
def test_what_a_callback_does_before_the_move_is_done_and_the_outer_trigger_is_judged_once_more(machine, phase):
    """A callback that moves the order leaves nothing for its trigger to move: no history that the table forbids."""
    legal = [(state, trigger) for state, trigger in PAIRS if can(state, trigger) and check(state, trigger) is not state]
    for state, outer in legal:
        for inner in CHANGING:
            if can(state, inner) and check(state, inner) is not state:
                order, fired = machine(initial=state), []

                def callback(order=order, inner=inner, fired=fired):
                    if not fired:
                        fired.append(inner)
                        return getattr(order, inner.name.lower())()
                    return None

                on(order, phase, state, outer, callback)
                moved = check(state, inner)
                with pytest.raises(MachineError if can(moved, outer) else OrderStateError):
                    answer(getattr(order, outer.name.lower())())
                assert order.state is moved


@pytest.mark.parametrize("phase", ["on_enter", "after", "after_state_change"])
@BOTH
def test_a_callback_after_the_move_moves_on(machine, phase):
    order = machine()

    def go_on():
        return order.delete() if order.state is State.PENDING_APPLICATION else None

    on(order, phase, State.PENDING_REVIEW, Operation.CANCEL, go_on)
    assert answer(order.cancel())
    assert order.state is State.DELETED


@BOTH
def test_an_illegal_deletion_of_a_callback_raises_in_the_callback(machine):
    caught = []

    def try_to_delete():
        with pytest.raises(OrderStateError) as raised:
            order.delete()
        caught.append(raised.value.state)

    async def try_to_delete_later():
        with pytest.raises(OrderStateError) as raised:
            await order.delete()
        caught.append(raised.value.state)

    order = machine(before_state_change=try_to_delete if machine is OrderMachine else try_to_delete_later)
    assert answer(order.domain_validated())
    assert (caught, order.state) == ([State.PENDING_REVIEW], State.BEING_REVIEWED)


@BOTH
def test_two_orders_may_move_each_other(machine):
    first, second = machine(), machine()
    first.after_state_change.append(lambda: second.cancel() if second.state is State.PENDING_REVIEW else None)
    second.after_state_change.append(lambda: first.delete() if first.state is not State.DELETED else None)
    assert answer(first.cancel())
    assert (first.state, second.state) == (State.DELETED, State.PENDING_APPLICATION)


# -- extensions, subclasses, copies ----------------------------------------------------------------------------------


class Locked(OrderMachine, LockedMachine):
    pass


class Drawn(OrderMachine, GraphMachine):
    pass


class LockedAndDrawn(OrderMachine, LockedGraphMachine):
    pass


class Marked(OrderMachine, MarkupMachine):
    pass


class AsyncDrawn(AsyncOrderMachine, AsyncGraphMachine):
    pass


class Noting(OrderMachine):
    class event_cls(MachineEvent):  # noqa: N801  # pytransitions' name
        def trigger(self, model, *args, **kwargs):
            model.noted = self.name
            return super().trigger(model, *args, **kwargs)


class LockedAndNoting(Noting, LockedMachine):
    pass


@add_state_features(Tags)
class Tagged(Locked):
    pass


HELD = [
    OrderMachine,
    AsyncOrderMachine,
    Locked,
    Drawn,
    LockedAndDrawn,
    Marked,
    AsyncDrawn,
    Noting,
    LockedAndNoting,
    Tagged,
]


@pytest.mark.parametrize("machine", HELD)
def test_every_extension_that_is_accepted_obeys_the_table(machine):
    drawn = {"graph_engine": "mermaid"} if issubclass(machine, GraphMachine) else {}
    for model in (None, Plain()):
        obeys(machine(model, **drawn).model)


def test_a_class_of_events_of_your_own_is_kept():
    for machine in (Noting, LockedAndNoting):
        order = machine()
        order.cancel()
        assert order.noted == "cancel"
    assert issubclass(LockedAndNoting.event_cls, LockedMachine.event_cls)


def test_a_state_of_the_asynchronous_machine_is_none_of_the_synchronous_one():
    assert not issubclass(AsyncOrderMachine.state_cls, OrderMachine.state_cls)


def test_a_drawn_order_shows_where_it_is():
    order = Drawn(graph_engine="mermaid")
    order.cancel()
    assert "PENDING_APPLICATION" in order.get_graph().source


class SlowlyLeft(MachineState):
    """A state that is left while nothing of the machine is called: `meanwhile` runs outside of its methods' locks."""

    meanwhile = staticmethod(lambda: None)

    def exit(self, event_data):
        super().exit(event_data)
        self.meanwhile()


class LockedAndSlow(OrderMachine, LockedMachine):
    state_cls = SlowlyLeft


def test_threads_take_turns_on_a_locked_machine(monkeypatch):
    """While one deletes, slowly, another waits, is judged when its turn comes, and is refused."""
    told = []

    def delete():
        try:
            told.append(order.delete())
        except OrderStateError as refused:
            told.append(refused.state)

    def other_begins():
        if thread.ident is None:
            thread.start()
            thread.join(0.05)  # it cannot end before its turn

    thread = threading.Thread(target=delete)
    monkeypatch.setattr(SlowlyLeft, "meanwhile", staticmethod(other_begins))
    order = LockedAndSlow(initial=State.VERIFY_FAIL)
    delete()
    thread.join()
    assert told == [True, State.DELETED]


@pytest.mark.parametrize(
    ("ours", "theirs", "instead"),
    [
        (OrderMachine, HierarchicalMachine, "derive from OrderMachine alone"),
        (OrderMachine, AsyncMachine, "AsyncOrderMachine in place of OrderMachine"),
        (AsyncOrderMachine, HierarchicalAsyncMachine, "derive from AsyncOrderMachine alone"),
        (AsyncOrderMachine, LockedMachine, "threads use OrderMachine"),
        (LockedMachine, OrderMachine, "OrderMachine or AsyncOrderMachine before it"),
    ],
)
def test_an_extension_that_cannot_be_held_is_refused_with_what_to_do_instead(ours, theirs, instead):
    mixed = type("Mixed", (ours, theirs), {})
    with pytest.raises(InvalidValue, match=instead):
        mixed()


@pytest.mark.parametrize("machine", [each for each in HELD if each is not Tagged])  # its class of states has no name
@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda order: pickle.loads(pickle.dumps(order))], ids=["deep", "pickle"]
)
def test_a_deep_copy_and_a_pickle_are_orders_of_their_own(machine, copied):
    renewal = ORDER_LIFECYCLE.transition(State.ABOUT_TO_EXPIRE, Operation.RENEW)
    drawn = {"graph_engine": "mermaid"} if issubclass(machine, GraphMachine) else {}
    for own in (True, False):
        order = machine(None if own else Plain(), lifecycle=ORDER_LIFECYCLE.without(renewal), **drawn).model
        answer(order.cancel())
        other = copied(order)
        assert answer(other.delete())
        assert (order.state, other.state) == (State.PENDING_APPLICATION, State.DELETED)
        other.state = State.ABOUT_TO_EXPIRE
        with pytest.raises(OrderStateError, match="nor anywhere else"):
            answer(other.renew())


@BOTH
def test_a_shallow_copy_of_a_machine_is_refused(machine):
    with pytest.raises(TypeError, match=r"use copy\.deepcopy"):
        copy.copy(machine())


def test_a_shallow_copy_of_a_model_moves_the_original_and_no_machine_takes_it():
    """As in pytransitions, whose methods are attributes: a copy of them is not seen."""
    model = Plain()
    machine = OrderMachine(model)
    other = copy.copy(model)
    other.cancel()
    assert (model.state, other.state) == (State.PENDING_APPLICATION, State.PENDING_REVIEW)
    with pytest.raises(InvalidValue, match="of its own or from a machine"):
        machine.add_model(other)


def test_a_subclass_with_a_method_called_like_a_trigger_is_no_order():
    class Mine(OrderMachine):
        def delete(self):
            return "gone"

    with pytest.raises(InvalidValue, match="without attributes called delete"):
        Mine()
    model = Plain()
    Mine(model, State.VERIFY_FAIL)
    assert model.delete()


def test_hooks_are_named_by_states_names_and_triggers_in_lower_case():
    class Mine(OrderMachine):
        def on_enter_DELETED(self):  # noqa: N802
            seen.append("DELETED")

        def on_enter_deleted(self):
            seen.append("deleted")

    seen = []
    order = Mine(initial=State.VERIFY_FAIL)
    order.before_delete(lambda: seen.append("before"))
    order.delete()
    assert seen == ["before", "DELETED"]
    assert order.is_DELETED()
    assert not hasattr(order, "is_deleted")


def test_the_package_does_not_import_pytransitions():
    script = "import sys, orderfsm; sys.exit('transitions' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)


@given(
    st.lists(st.tuples(st.sampled_from(TRIGGERS), st.booleans()), max_size=12),
    st.sampled_from([OrderMachine, Locked, Noting]),
)
def test_any_walk_is_the_tables(steps, machine):
    model, state = Plain(), State.PENDING_REVIEW
    machine(model)
    for trigger, reloaded in steps:
        if reloaded:
            model.state = str(model.state)
        try:
            assert getattr(model, trigger.name.lower())()
            state = check(state, trigger)
        except OrderStateError:
            assert not can(state, trigger)
        assert model.state == state
