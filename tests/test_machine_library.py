"""What pytransitions does, and what the bridge leaves, changes or refuses of it: the rows of docs/machine.md.

Seen with transitions 0.9.2 and 0.9.3, on which all of this is run; where the two
differ, the row and the test say so.
"""

from __future__ import annotations

import asyncio
import copy
import pickle
import re
import threading
from pathlib import Path

import pytest
import transitions
from machines import Plain, answer
from transitions import Machine, MachineError
from transitions.extensions import LockedMachine
from transitions.extensions.asyncio import AsyncMachine
from transitions.extensions.markup import MarkupMachine

from orderfsm import ORDER_LIFECYCLE, InvalidValue, OrderStateError, State
from orderfsm.machine import AsyncOrderMachine, OrderMachine

PAGE = Path(__file__).parents[1] / "docs" / "machine.md"
OLDEST = transitions.__version__ == "0.9.2"

PENDING, OPEN, FAILED, ISSUED, DELETED = (
    State.PENDING_REVIEW,
    State.PENDING_APPLICATION,
    State.VERIFY_FAIL,
    State.ISSUED,
    State.DELETED,
)
STATES = [PENDING, OPEN, FAILED, ISSUED, {"name": DELETED, "final": True}]
ROWS = [
    ["cancel", PENDING, OPEN],
    ["delete", [OPEN, FAILED], DELETED],
    ["describe", [PENDING, OPEN, FAILED, ISSUED], None],
]


class Kind:
    """Machines of pytransitions alone, or ours, with the same rows; asynchronous or not."""

    def __init__(self, kind: type) -> None:
        self.kind = kind
        self.is_ours = issubclass(kind, OrderMachine | AsyncOrderMachine)

    def __call__(self, model=None, initial=PENDING, **options):
        """A machine for `model` (None: the machine itself)."""
        if self.is_ours:
            return self.kind(model, initial, **options)
        model = self.kind.self_literal if model is None else model
        return self.kind(model, STATES, initial, ROWS, auto_transitions=False, **options)


def kinds(*machines):
    names = [("ours" if Kind(each).is_ours else "theirs") + ", async" * ("Async" in each.__name__) for each in machines]
    return pytest.mark.parametrize("make", [Kind(each) for each in machines], ids=names)


ALL = kinds(Machine, AsyncMachine, OrderMachine, AsyncOrderMachine)
SYNCHRONOUS = kinds(Machine, OrderMachine)
ASYNCHRONOUS = kinds(AsyncMachine, AsyncOrderMachine)

SENTENCES = []


def row(sentence):
    """The test holds the row of docs/machine.md that begins with `sentence`."""
    SENTENCES.append(sentence)
    return lambda test: test


MACHINES = ["prepare_event", "before_state_change", "after_state_change", "finalize_event", "on_final"]
PHASES = {
    **{phase: lambda order, phase=phase: getattr(order, phase).append for phase in MACHINES},
    **{phase: lambda order, phase=phase: getattr(order, f"{phase}_delete") for phase in ("prepare", "before", "after")},
    "conditions": lambda order: (
        lambda call: [each.conditions.append(each.condition_cls(call)) for each in order.get_transitions("delete")]
    ),
    "on_exit": lambda order: order.on_exit_VERIFY_FAIL,
    "on_enter": lambda order: order.on_enter_DELETED,
}
"""How to add a callback to each phase of a deletion in `verify_fail`."""
BEFORE = ["prepare_event", "prepare", "conditions", "before_state_change", "before", "on_exit"]
AFTER = ["on_enter", "on_final", "after", "after_state_change"]


# -- order, and what is seen when ------------------------------------------------------------------------------------


@row(
    "The order is prepare_event, prepare, conditions, before_state_change, before, on_exit, the move, "
    "on_enter, on_final, after, after_state_change, finalize_event: the machine's callbacks are the outer ones "
    "before the move and after it, and on_final comes before `after`."
)
@ALL
def test_callbacks_run_in_one_order(make):
    order, seen = make(None, FAILED), []
    for phase, adder in reversed(PHASES.items()):
        adder(order)(lambda phase=phase: seen.append((phase, order.state)) or True)
    assert answer(order.delete()) is True
    assert seen == [(phase, FAILED) for phase in BEFORE] + [(phase, DELETED) for phase in [*AFTER, "finalize_event"]]


@row(
    "An event's `state` is where the model stands when the callback runs, the new one from on_enter on; "
    "`transition` is None in prepare_event, and `result` stays False until finalize_event."
)
@ALL
def test_an_event_says_where_the_model_stands_by_now(make):
    order, seen = make(None, FAILED, send_event=True), {}
    for phase, adder in PHASES.items():
        adder(order)(
            lambda event, phase=phase: (
                seen.update({phase: (event.state.value, event.transition is not None, event.result)}) or True
            )
        )
    answer(order.delete())
    assert seen == {
        "prepare_event": (FAILED, False, False),
        **dict.fromkeys(BEFORE[1:], (FAILED, True, False)),
        **dict.fromkeys(AFTER, (DELETED, True, False)),
        "finalize_event": (DELETED, True, True),
    }


@row(
    "A row that changes nothing runs before_state_change and after_state_change too, but no on_exit, on_enter "
    "or on_final."
)
@ALL
def test_a_row_that_changes_nothing_has_no_enter_and_no_exit(make):
    order, seen = make(None, FAILED), []
    for phase in ("before_state_change", "after_state_change", "on_exit", "on_enter", "on_final"):
        PHASES[phase](order)(lambda phase=phase: seen.append(phase))
    assert answer(order.describe()) is True
    assert seen == ["before_state_change", "after_state_change"]


@row(
    "A question (`may_delete`) runs prepare_event, prepare and the conditions, and never finalize_event; where "
    "no row allows the trigger it runs nothing."
)
@ALL
def test_a_question_prepares_and_does_not_finalize(make):
    seen = []
    for state in FAILED, ISSUED:
        order = make(None, state)
        for phase, adder in PHASES.items():
            adder(order)(lambda phase=phase: seen.append(phase) or True)
        assert answer(order.may_delete()) is (state is FAILED)
    assert seen == BEFORE[:3]


@row("A refused trigger runs finalize_event alone, whose event has the error and no transition.")
@ALL
def test_a_refusal_runs_the_finalizers_alone(make):
    order, seen = make(None, ISSUED, send_event=True), []
    for phase, adder in PHASES.items():
        adder(order)(lambda event, phase=phase: seen.append((phase, event.transition, type(event.error))) or True)
    with pytest.raises((MachineError, OrderStateError)) as refused:
        answer(order.delete())
    assert seen == [("finalize_event", None, refused.type)]
    assert refused.type is (OrderStateError if isinstance(order, OrderMachine | AsyncOrderMachine) else MachineError)


@row(
    "A condition that does not hold is no error: the trigger answers False, `before` has not run, and the next "
    "row of the same trigger and state is tried."
)
@ALL
def test_a_condition_that_does_not_hold_is_no_error(make):
    order, seen = make(None, ISSUED), []
    order.add_transition("escalate", ISSUED, PENDING, conditions=lambda: False, before=lambda: seen.append("first"))
    assert answer(order.escalate()) is False
    order.add_transition("escalate", ISSUED, FAILED, before=lambda: seen.append("second"))
    assert answer(order.escalate()) is True
    assert (order.state, seen) == (FAILED, ["second"])


@row("`=` for a target is not `None`: the state is left and entered again, and on_final is called again.")
@ALL
def test_the_same_state_is_entered_again_and_none_is_not(make):
    order, seen = make(None, DELETED), []
    order.add_transition("stay", DELETED, "=")
    order.add_transition("keep", DELETED, None)
    for phase in ("on_enter", "on_final"):
        PHASES[phase](order)(lambda phase=phase: seen.append(phase))
    answer(order.keep())
    assert seen == []
    answer(order.stay())
    assert seen == ["on_enter", "on_final"]


# -- errors ----------------------------------------------------------------------------------------------------------


@row(
    "An error of a callback ends its trigger with that error: no later phase runs but finalize_event; the move "
    "is made if the callback came after it, and is never taken back."
)
@ALL
@pytest.mark.parametrize("phase", [*BEFORE, *AFTER])
def test_an_error_of_a_callback_ends_its_trigger_and_takes_no_move_back(make, phase):
    order, seen = make(None, FAILED), []
    for each, adder in PHASES.items():
        adder(order)(lambda each=each: seen.append(each) or True)

    def fail():
        raise LookupError(phase)

    PHASES[phase](order)(fail)
    with pytest.raises(LookupError, match=phase):
        answer(order.delete())
    phases = [*BEFORE, *AFTER]
    assert seen == [*phases[: phases.index(phase) + 1], "finalize_event"]
    assert order.state is (FAILED if phase in BEFORE else DELETED)


@row(
    "An error of finalize_event is logged and dropped, of a synchronous machine an interrupt from the keyboard too; "
    "the callbacks after it in the list run in asynchronous machines only."
)
@ALL
def test_an_error_of_a_finalizer_is_dropped(make):
    order, seen = make(None, FAILED), []
    is_async = issubclass(make.kind, AsyncMachine)

    def fail():
        seen.append("failed")
        raise LookupError if is_async else KeyboardInterrupt

    order.finalize_event.extend([fail, lambda: seen.append("after it")])
    assert answer(order.delete()) is True
    assert seen == ["failed", *["after it"] * is_async]


@row(
    "on_exception takes every error from the caller, who is told False, as if a condition had not held, also "
    "after the move."
)
@ALL
def test_on_exception_takes_errors_from_their_callers(make):
    if make.is_ours:
        with pytest.raises(InvalidValue, match="option on_exception"):
            make(on_exception=lambda: None)
        return
    order = make(None, FAILED, on_exception=lambda: None)
    order.on_enter_DELETED(lambda: {}["no such key"])
    assert (answer(order.delete()), order.state) == (False, DELETED)
    assert answer(order.delete()) is False


@row(
    "ignore_invalid_triggers, of the machine or of a state, makes False of a refusal, and of a name that no "
    "trigger has."
)
@ALL
def test_ignored_refusals_are_answers(make):
    if make.is_ours:
        with pytest.raises(InvalidValue, match="option ignore_invalid_triggers"):
            make(ignore_invalid_triggers=True)
        return
    order = make(None, ISSUED, ignore_invalid_triggers=True)
    assert answer(order.delete()) is False
    assert order.trigger("delet") is False or answer(order.trigger("delet")) is False


# -- triggers of callbacks -------------------------------------------------------------------------------------------


@row(
    "A callback before the move that moves the model is overwritten: the outer trigger leaves the state in "
    "which it began, calls that state's on_exit although the model is elsewhere, and goes where its row leads."
)
@SYNCHRONOUS
def test_a_move_of_a_callback_before_the_move_is_overwritten(make):
    order, left = make(None, FAILED), []
    order.on_exit_VERIFY_FAIL(lambda: left.append(order.state))
    order.add_transition("reopen", FAILED, PENDING)
    order.before_delete(order.reopen)
    if not make.is_ours:
        assert order.delete() is True
        assert (order.state, left) == (DELETED, [FAILED, PENDING])
    else:
        with pytest.raises(OrderStateError):
            order.delete()
        assert order.state is PENDING


@row(
    "A queued machine answers True to a callback's trigger before it has run; if it is refused, the error is "
    "the outer caller's, whose own move was made."
)
@ALL
def test_a_queue_tells_an_error_to_the_wrong_caller(make):
    if make.is_ours:
        with pytest.raises(InvalidValue, match="option queued"):
            make(queued=True)
        return
    order, told = make(None, PENDING, queued=True), []

    async def later(value):
        told.append(await value)

    def again():
        value = order.cancel()
        return later(value) if asyncio.iscoroutine(value) else told.append(value)

    order.after_state_change.append(again)
    with pytest.raises(MachineError, match="cancel from state PENDING_APPLICATION"):
        answer(order.cancel())
    assert (told, order.state) == ([True], OPEN)


@row(
    "Asynchronous callbacks of one phase run at once, and the trigger ends with the first error while the "
    "others run on; a synchronous machine calls them one after another. before_state_change and `before` are "
    "two phases there."
)
@ASYNCHRONOUS
def test_asynchronous_callbacks_of_a_phase_run_at_once(make):
    seen = []

    async def go():
        order, gate = make(None, FAILED), asyncio.Event()

        async def fail():
            await asyncio.sleep(0)
            raise LookupError

        async def wait():
            await gate.wait()
            seen.append("ran on")

        order.before_state_change.extend([fail, wait])
        order.before_delete(lambda: seen.append("before"))
        with pytest.raises(LookupError):
            await order.delete()
        assert seen == []
        gate.set()
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    asyncio.run(go())
    assert seen == ["ran on"]


@row(
    "A later trigger of an asynchronous model cancels the one that is under way, whose caller is told False, "
    "whatever it has done already."
)
@ASYNCHRONOUS
def test_a_later_trigger_cancels_an_earlier_one(make):

    async def go():
        order, gate = make(None, FAILED), asyncio.Event()
        order.after_delete(gate.wait)
        first = asyncio.create_task(order.delete())
        for _ in range(10):
            await asyncio.sleep(0)
        assert order.state is DELETED
        order.add_transition("restore", DELETED, FAILED)
        second = asyncio.create_task(order.restore())
        for _ in range(10):
            await asyncio.sleep(0)
        gate.set()
        return await asyncio.gather(first, second)

    first, second = asyncio.run(go())
    assert second is True
    assert first is (make.is_ours)


@row(
    "An asynchronous trigger that is cancelled answers False, and its task goes on: a timeout around it never "
    "raises. With 0.9.2 the second trigger of a task is cancelled as one would expect."
)
@ASYNCHRONOUS
def test_a_cancelled_trigger_answers_and_its_task_goes_on(make):
    outcomes = []

    async def slow():
        await asyncio.sleep(60)

    async def timed(trigger):
        try:
            async with asyncio.timeout(0):
                return await trigger()
        except TimeoutError:
            return "timed out"

    async def go():
        order = make(None, FAILED)
        await order.describe()
        order.before_delete(slow)
        outcomes.append(await timed(order.delete))

    async def first():
        order = make(None, FAILED)
        order.before_delete(slow)
        outcomes.append(await timed(order.delete))

    asyncio.run(first())
    asyncio.run(go())
    if make.is_ours:
        assert outcomes == ["timed out", "timed out"]
    else:
        assert outcomes == [False, "timed out" if OLDEST else False]


@row(
    "All asynchronous machines have one register of what is under way: a trigger of one cancels the callbacks "
    "of another that holds the same model."
)
@ASYNCHRONOUS
def test_machines_cancel_one_anothers_callbacks(make):

    class Both:
        pass

    async def go():
        both, gate = Both(), asyncio.Event()
        make([both], FAILED, model_attribute="first").after_delete(gate.wait)
        make_other = make([], ISSUED, model_attribute="second", model_override=True)
        first = asyncio.create_task(both.delete())
        for _ in range(10):
            await asyncio.sleep(0)
        other = asyncio.create_task(_describe(make_other, both))
        for _ in range(10):
            await asyncio.sleep(0)
        gate.set()
        return await asyncio.gather(first, other)

    assert asyncio.run(go()) == [make.is_ours, True]


async def _describe(machine, model):
    model.second = ISSUED
    return await machine.events["describe"].trigger(model)


# -- models ----------------------------------------------------------------------------------------------------------


@row(
    "A method on_enter_DELETED of one model becomes a callback of the state, for every model of the machine: "
    "of a model without it a legal trigger is an AttributeError, after the move."
)
@ALL
def test_a_hook_of_one_model_is_asked_of_all(make):

    class Hooked:
        def on_enter_DELETED(self):  # noqa: N802
            self.hooked = True

    hooked, plain = Hooked(), Plain()
    make([hooked, plain], FAILED)
    assert answer(hooked.delete())
    assert hooked.hooked
    if make.is_ours:
        assert answer(plain.delete()) is True
    else:
        with pytest.raises(AttributeError, match="on_enter_DELETED"):
            answer(plain.delete())
    assert plain.state is DELETED


@row(
    "A callback that is named is looked up when it runs, as an attribute of the model and then as something to "
    "import; a wrong name is an AttributeError then, after the move, and an attribute that is no function "
    "counts as one that does nothing."
)
@ALL
def test_a_name_of_a_callback_is_looked_up_when_it_runs(make):
    model = Plain()
    model.note = "a text"
    order = make([model], FAILED, after_state_change="note")
    assert answer(model.delete()) is True
    order.set_state(FAILED, model)
    order.after_state_change.append("no_such_name")
    with pytest.raises(AttributeError, match="no_such_name"):
        answer(model.delete())
    assert model.state is DELETED


@row("Of equal models the second is not held.")
@ALL
def test_of_equal_models_one_is_held(make):

    class Equal(Plain):
        __hash__ = None

        def __eq__(self, other):
            return True

    first, second = Equal(), Equal()
    make([first, second])
    assert hasattr(first, "cancel")
    assert hasattr(second, "cancel") is (make.is_ours)


@row(
    "A model keeps a method that is called like a trigger, in silence; with model_override=True the machine's "
    "replaces it, and the methods that the model has not are left out."
)
@ALL
def test_a_model_keeps_its_own_method_in_silence(make):

    class Row:
        def delete(self):
            return "gone"

    if make.is_ours:
        with pytest.raises(InvalidValue, match="attributes called delete"):
            make(Row(), FAILED)
    else:
        row = Row()
        make([row], FAILED)
        assert row.delete() == "gone"
    row = Row()
    make([row], FAILED, model_override=True)
    assert answer(row.delete()) is True
    assert hasattr(row, "cancel") is (make.is_ours)


@row(
    "A name that no trigger has is an AttributeError for `trigger`, False for `may_trigger`, and no triggers "
    "for a state that is none."
)
@ALL
def test_an_unknown_trigger_is_an_answer(make):
    order = make()
    if make.is_ours:
        for ask in (order.trigger, order.may_trigger, order.get_triggers):
            with pytest.raises(InvalidValue):
                ask("delet")
        return
    with pytest.raises(AttributeError, match="delet"):
        answer(order.trigger("delet"))
    assert answer(order.may_trigger("delet")) is False
    assert order.get_triggers("delet") == []


@row(
    "`dispatch` asks the models one after another, and the first that raises leaves those after it unasked, "
    "and those before it moved; 0.9.2 stops at the first that answers False as well, 0.9.3 asks the others."
)
@SYNCHRONOUS
def test_dispatch_stops_at_an_error(make):
    models = [Plain() for _ in range(3)]
    machine = make(models, FAILED)
    models[1].state = ISSUED
    with pytest.raises((MachineError, OrderStateError)):
        machine.dispatch("delete")
    assert [each.state for each in models] == [DELETED, ISSUED, FAILED]
    machine.add_transition("restore", DELETED, FAILED, conditions=lambda: False)
    machine.add_transition("restore", [ISSUED, FAILED], PENDING)
    assert machine.dispatch("restore") is False
    assert [each.state for each in models] == [DELETED, *([ISSUED, FAILED] if OLDEST else [PENDING, PENDING])]


@row("An asynchronous `dispatch` asks all models at once: one that is refused leaves the others moved.")
@ASYNCHRONOUS
def test_asynchronous_dispatch_does_not_stop(make):
    models = [Plain() for _ in range(3)]
    machine = make(models, FAILED)
    models[1].state = ISSUED
    with pytest.raises((MachineError, OrderStateError)):
        answer(machine.dispatch("delete"))
    assert [each.state for each in models] == [DELETED, ISSUED, DELETED]


@row("The last row of a trigger takes the model's method with it, and leaves `may_`, which answers False.")
@ALL
def test_a_removed_trigger_leaves_its_question(make):
    order = make(None, ISSUED)
    for _ in range(2):
        order.add_transition("escalate", ISSUED, FAILED)
        assert answer(order.may_escalate())
        order.remove_transition("escalate")
        assert "escalate" not in vars(order)
        assert ("may_escalate" in vars(order)) is (not make.is_ours)


@row("A model that is removed keeps its methods, and they work.")
@ALL
def test_a_removed_model_keeps_its_methods(make):
    model = Plain()
    make([model], FAILED).remove_model(model)
    assert answer(model.delete()) is True
    assert model.state is DELETED


# -- states and copies -----------------------------------------------------------------------------------------------


@row("A state that is set is not judged, and no callback runs; a member is kept as the member.")
@ALL
def test_a_state_that_is_set_is_not_judged(make):
    order, seen = make(), []
    PHASES["on_enter"](order)(lambda: seen.append("entered"))
    order.set_state(DELETED)
    assert (order.state, seen) == (DELETED, [])
    order.set_state("VERIFY_FAIL")
    assert order.state is FAILED


@row("A deep copy and a pickle of a model or machine have methods of their own.")
@ALL
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_deep_copies_and_pickles_have_methods_of_their_own(make, copied):
    order = make(None, FAILED)
    other = copied(order)
    assert answer(other.delete()) is True
    assert (order.state, other.state) == (FAILED, DELETED)


@row("A shallow copy has the original's methods: they move the original.")
@ALL
def test_a_shallow_copy_moves_the_original(make):
    order = make(None, FAILED)
    if make.is_ours:
        with pytest.raises(TypeError, match=r"copy\.deepcopy"):
            copy.copy(order)
        return
    other = copy.copy(order)
    answer(other.delete())
    assert (order.state, other.state) == (DELETED, FAILED)


# -- extensions ------------------------------------------------------------------------------------------------------


class LockedOrder(OrderMachine, LockedMachine):
    pass


@row(
    "A LockedMachine has one lock, not one for each model: triggers of different models wait for each other. A "
    "callback's trigger does not wait; setting `.state` takes no lock."
)
@kinds(LockedMachine, LockedOrder)
def test_a_locked_machine_has_one_lock(make):
    first, second, seen = Plain(), Plain(), []
    machine = make([first, second], FAILED)
    machine.add_transition("keep", DELETED, None, after=lambda: seen.append("kept"))

    def entered():
        thread.start()
        thread.join(0.05)  # it cannot end before its turn
        first.keep()
        second.state = ISSUED
        seen.append("entered")

    thread = threading.Thread(target=second.describe)
    machine.on_enter_DELETED(entered)
    machine.after_describe(lambda: seen.append("described"))
    first.delete()
    thread.join()
    assert seen == ["kept", "entered", "described"]
    assert second.state is ISSUED


class MarkedOrder(OrderMachine, MarkupMachine):
    pass


@row(
    "A MarkupMachine writes a row that changes nothing without its target, and cannot read that back; a "
    "machine made of markup has states that are names, not members."
)
def test_markup_does_not_come_back():
    markup = Kind(MarkupMachine)().markup
    reads = [each for each in markup["transitions"] if each["trigger"] == "describe"]
    assert reads
    assert not any("dest" in each for each in reads)
    with pytest.raises(TypeError, match="dest"):
        MarkupMachine(markup=copy.deepcopy(markup))
    assert MarkupMachine(markup=markup | {"transitions": []}).state == "PENDING_REVIEW"
    written = MarkedOrder().markup
    assert {each["name"] for each in written["states"] if each.get("final")} == {
        state.name for state, rule in ORDER_LIFECYCLE.state_rules.items() if rule.terminal
    }
    with pytest.raises(InvalidValue, match="option markup"):
        MarkedOrder(markup=markup)


# -- the page --------------------------------------------------------------------------------------------------------


def test_the_page_has_a_row_for_each_test_and_no_other():
    section = PAGE.read_text(encoding="utf-8").split("\n## The library under it\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (.*?) \| ", section, re.MULTILINE)
    assert rows[1:] == SENTENCES
