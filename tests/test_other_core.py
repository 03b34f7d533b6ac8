"""The core carries a table that has nothing to do with certificates: the life of a parcel."""

from __future__ import annotations

import copy
import itertools
import pickle
from enum import StrEnum

import attrs
import pytest
from other_table import (
    LIFECYCLE,
    SILENCES,
    Event,
    NoSuchParcel,
    NotMoving,
    Operation,
    OutOfReach,
    State,
    WrongPhase,
)

from orderfsm import (
    InvalidLifecycle,
    InvalidValue,
    OrderStateError,
    Unreachable,
    Unspecified,
    Verdict,
    allowed,
    can,
    check,
    explain,
    judge,
    narrow,
    plan,
    reachable,
    verify,
)
from orderfsm import State as OrderState
from orderfsm.errors import Meaning, NotFound, ServiceError
from orderfsm.identity import Identity
from orderfsm.lifecycle import Lifecycle
from orderfsm.rows import Actor, Basis, RefusalRule, Silence, StateRule, Transition, TriggerRule, Vocabulary
from orderfsm.tables import named
from orderfsm.wire import parse_states, parse_trigger, vocabulary

EXISTING = tuple(State)
LIVE = tuple(state for state in State if state is not State.ERASED)
NONE = None
# A second statement of the terms of carriage: what may be called where, and what that comes to.
ALLOWED = {
    Operation.ANNOUNCE: {NONE: State.ANNOUNCED},
    Operation.WITHDRAW: {State.ANNOUNCED: State.RETURNED},
    Operation.REDIRECT: {State.IN_TRANSIT: State.REDIRECTING},
    Operation.REPLACE: {State.LOST: State.LOST},
    Operation.ERASE: dict.fromkeys((State.DELIVERED, State.RETURNED, State.LOST), State.ERASED),
    Operation.DESTROY: {State.AT_LOCKER: State.ERASED},
    Operation.TRACK: {state: state for state in LIVE},
    Operation.OVERVIEW: {state: state for state in (NONE, *EXISTING)},
    Event.HANDED_IN: {State.ANNOUNCED: State.IN_TRANSIT},
    Event.ARRIVED: {State.IN_TRANSIT: State.AT_LOCKER},
    Event.REDIRECTED: {State.REDIRECTING: State.IN_TRANSIT},
    Event.PICKED_UP: {State.AT_LOCKER: State.DELIVERED},
    Event.STORAGE_ENDED: {State.AT_LOCKER: State.RETURNED},
    Event.LOST: {State.IN_TRANSIT: State.LOST},
}
SILENT = {
    (State.AT_LOCKER, Operation.REDIRECT),
    (State.IN_TRANSIT, Operation.WITHDRAW),
    (State.REDIRECTING, Operation.WITHDRAW),
}
CODES = {Operation.REDIRECT: ("NotMoving", 422), Operation.WITHDRAW: ("OutOfReach", 410)}
PAIRS = list(itertools.product((NONE, *State), (*Operation, *Event)))


def test_the_table_is_consistent():
    verify(LIFECYCLE)


@pytest.mark.parametrize(("state", "trigger"), PAIRS)
def test_every_pair_is_allowed_refused_or_silent(state, trigger):
    if (state, trigger) in SILENT:
        for ask in (can, check, LIFECYCLE.can, LIFECYCLE.transition, LIFECYCLE.service_transition):
            with pytest.raises(Unspecified, match="do not say whether") as caught:
                ask(state, trigger, **({"lifecycle": LIFECYCLE} if ask in {can, check} else {}))
            assert (caught.value.state, caught.value.trigger, caught.value.reference) == (
                state,
                trigger,
                "terms of carriage",
            )
        assert judge([state], trigger, LIFECYCLE) is Verdict.UNDECIDED
        assert explain(state, trigger, LIFECYCLE).legal is None
        assert explain(state, trigger, LIFECYCLE).instead is None
        return
    assert can(state, trigger, LIFECYCLE) is (state in ALLOWED[trigger])
    if state in ALLOWED[trigger]:
        assert check(state, trigger, LIFECYCLE) is ALLOWED[trigger][state]
        return
    with pytest.raises(NoSuchParcel if state is None else OrderStateError) as caught:
        check(state, trigger, LIFECYCLE)
    code, status = ("NoSuchParcel", 404) if state is None else CODES.get(trigger, ("WrongPhase", 409))
    assert (caught.value.code, caught.value.http_status) == (code, status)
    assert caught.value.passes is ((state, trigger) == (State.REDIRECTING, Operation.REDIRECT))


@pytest.mark.parametrize("trigger", [*Operation, *Event])
def test_the_service_finds_no_erased_parcel(trigger):
    if trigger in LIFECYCLE.account_reads:
        return
    with pytest.raises(NoSuchParcel):
        LIFECYCLE.service_transition(State.ERASED, trigger)


def test_roles_follow_from_the_rows():
    assert LIFECYCLE.operations == tuple(Operation)
    assert LIFECYCLE.events == tuple(Event)
    assert LIFECYCLE.creates == {Operation.ANNOUNCE}
    assert LIFECYCLE.reads == {Operation.TRACK}
    assert LIFECYCLE.account_reads == {Operation.OVERVIEW}
    assert LIFECYCLE.renewals == {Operation.REPLACE}
    assert LIFECYCLE.gone == {None, State.ERASED}
    assert LIFECYCLE.name_of(None) == "no parcel"
    assert LIFECYCLE.title == "The life of a parcel"


def test_what_is_possible_where_the_sources_are_silent():
    possible = {State.IN_TRANSIT, State.LOST}
    assert narrow(possible, Operation.WITHDRAW, accepted=False, lifecycle=LIFECYCLE) == possible
    assert narrow(possible, Operation.WITHDRAW, accepted=True, lifecycle=LIFECYCLE) == set(State)
    assert narrow({State.LOST}, Operation.WITHDRAW, accepted=True, lifecycle=LIFECYCLE) == set()
    assert judge(possible, Operation.WITHDRAW, LIFECYCLE) is Verdict.UNDECIDED
    assert judge({State.LOST, State.DELIVERED}, Operation.WITHDRAW, LIFECYCLE) is Verdict.ILLEGAL


def test_a_plan_takes_what_completes_by_itself_and_nothing_grave_unless_it_is_asked_to():
    assert plan(State.REDIRECTING, State.IN_TRANSIT, lifecycle=LIFECYCLE).triggers == (Event.REDIRECTED,)
    assert str(plan(State.REDIRECTING, State.IN_TRANSIT, lifecycle=LIFECYCLE)) == (
        "wait for redirected (service, 60 seconds to 10 minutes)"
    )
    with pytest.raises(Unreachable, match="erased cannot be reached from at_locker by operations alone"):
        plan(State.AT_LOCKER, State.ERASED, lifecycle=LIFECYCLE)
    grave = plan(State.AT_LOCKER, State.ERASED, grave=True, lifecycle=LIFECYCLE)
    assert grave.triggers == (Operation.DESTROY,)
    waited = plan(State.AT_LOCKER, State.ERASED, events=True, lifecycle=LIFECYCLE)
    assert waited.triggers == (Event.PICKED_UP, Operation.ERASE)
    with pytest.raises(Unreachable, match="no parcel cannot be reached from lost"):
        plan(State.LOST, None, events=True, lifecycle=LIFECYCLE)


def test_what_can_be_reached_by_whom():
    assert reachable(State.REDIRECTING, by=[Actor.SERVICE], lifecycle=LIFECYCLE) == {
        State.REDIRECTING,
        State.IN_TRANSIT,
        State.AT_LOCKER,
        State.LOST,
    }
    assert allowed(State.AT_LOCKER, LIFECYCLE) == (Operation.DESTROY,)


def test_an_explanation_speaks_of_parcels():
    early = explain(State.REDIRECTING, Operation.REDIRECT, LIFECYCLE)
    assert early.passes
    assert str(early) == (
        "RedirectParcel is not allowed in redirecting, only in in_transit. Too early: the same call passes when "
        "redirected has happened. Allowed here: nothing that changes anything. "
        "First: wait for redirected (service, 60 seconds to 10 minutes), then RedirectParcel. (observed: 2026-08)"
    )
    assert "without a parcel" in explain(None, Operation.ERASE, LIFECYCLE).reason
    assert "creates another parcel in announced" in explain(State.LOST, Operation.REPLACE, LIFECYCLE).reason
    silent = explain(State.IN_TRANSIT, Operation.WITHDRAW, LIFECYCLE)
    assert silent.reason == "The sources do not say whether WithdrawParcel is allowed in in_transit."
    assert (silent.basis, silent.reference) == (Basis.INFERRED, "terms of carriage")
    # The words of both fields: on its way, being redirected, or lost.
    mixed = explain("moving", Operation.WITHDRAW, LIFECYCLE)
    assert mixed.states == (State.IN_TRANSIT, State.REDIRECTING, State.LOST)
    assert "do not say" in mixed.reason
    assert "is not allowed in lost" in mixed.reason
    assert not mixed.passes
    assert mixed.as_json()["table"] == LIFECYCLE.name


def test_a_refusal_names_the_parcel():
    with pytest.raises(NotMoving) as caught:
        check(State.LOST, Operation.REDIRECT, LIFECYCLE)
    error = caught.value
    error.order_id = "pa-000007"
    assert str(error).startswith("parcel pa-000007: RedirectParcel is not allowed in lost")
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.args[0] is LIFECYCLE, str(again)) == (NotMoving, True, str(error))
    missing = NoSuchParcel(LIFECYCLE, None, Operation.ERASE)
    missing.order_id = "pa-000008"
    assert str(missing).startswith("no parcel pa-000008: ")


def test_only_a_silent_pair_has_a_silence():
    assert LIFECYCLE.silence(State.IN_TRANSIT, Operation.WITHDRAW) is SILENCES[1]
    with pytest.raises(InvalidValue, match="expected a pair of which the sources say nothing"):
        LIFECYCLE.silence(State.LOST, Operation.WITHDRAW)


def test_a_silence_survives_pickling():
    with pytest.raises(Unspecified) as caught:
        check(State.IN_TRANSIT, Operation.WITHDRAW, LIFECYCLE)
    assert str(pickle.loads(pickle.dumps(caught.value))) == (
        "the sources do not say whether WithdrawParcel is allowed in in_transit; nearest: terms of carriage"
    )


@pytest.mark.parametrize(
    ("answer", "states"),
    [
        ({"Phase": "waiting"}, {State.ANNOUNCED, State.AT_LOCKER, State.REDIRECTING}),
        ({"Place": "moving"}, {State.IN_TRANSIT, State.REDIRECTING}),
        ({"Phase": "waiting", "Place": "moving"}, {State.REDIRECTING}),
        ({"Phase": "moving", "Place": None}, {State.IN_TRANSIT, State.REDIRECTING, State.LOST}),
        ({"Phase": "unknown"}, set(LIVE)),
        ({"Phase": "done", "Place": "moving"}, set()),
        ({"Weight": "7 kg"}, {None, *State}),
    ],
)
def test_two_fields_of_one_answer_say_more_than_one(answer, states):
    assert LIFECYCLE.reading(answer) == states


def test_words_are_those_of_the_table():
    assert parse_states("waiting", LIFECYCLE) == {State.ANNOUNCED, State.AT_LOCKER, State.REDIRECTING}
    assert parse_states("at the locker", LIFECYCLE) == {State.AT_LOCKER}
    assert parse_states("moving", LIFECYCLE) == {State.IN_TRANSIT, State.REDIRECTING, State.LOST}
    assert parse_trigger("erase", LIFECYCLE) is Operation.ERASE
    assert set(vocabulary("Place", LIFECYCLE)) == {"sender", "moving", "locker", "addressee"}
    with pytest.raises(InvalidValue, match="Place 'unknown': expected sender, moving, locker, addressee"):
        LIFECYCLE.reading({"Place": "unknown"})
    with pytest.raises(InvalidValue, match="field 'Type': expected Phase, Place"):
        vocabulary("Type", LIFECYCLE)
    with pytest.raises(InvalidValue, match="expected None, announced, in_transit"):
        can(OrderState.ISSUED, Operation.ERASE, LIFECYCLE)
    with pytest.raises(InvalidValue, match="one state, and this may be any of announced, redirecting, at_locker"):
        can("waiting", Operation.ERASE, LIFECYCLE)


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        ("NotMoving", Meaning.STATE_FORBIDS),
        ("NoSuchParcel", Meaning.NOT_FOUND),
        ("EraseFailed", Meaning.NOT_CARRIED_OUT),
        ("TooManyRequests", Meaning.THROTTLED),
        ("TooManyRequests.Today", Meaning.THROTTLED),
        ("OrderStateError", None),
        ("Throttling", None),
        ("InvalidParcelId", None),
        (None, None),
    ],
)
def test_codes_mean_what_this_table_says(code, meaning):
    assert LIFECYCLE.codes.meaning_of(code) is meaning


def test_a_table_pickles_by_its_home_and_another_by_what_it_says():
    assert pickle.loads(pickle.dumps(LIFECYCLE)) is LIFECYCLE
    assert copy.deepcopy(LIFECYCLE) is LIFECYCLE
    other = LIFECYCLE.without(LIFECYCLE.transition(State.LOST, Operation.ERASE))
    again = pickle.loads(pickle.dumps(other))
    assert again == other != LIFECYCLE
    assert again.identity == LIFECYCLE.identity
    with pytest.raises(WrongPhase):
        again.transition(State.LOST, Operation.ERASE)


class Confusing(StrEnum):
    ERASE = "erased_by_hand"
    NONE = "none"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            {"silences": (*SILENCES, Silence((Operation.ERASE,), (State.LOST,), "x"))},
            "lost, EraseParcel: silent, and yet",
        ),
        ({"silences": (Silence((Operation.ERASE,), (State.AT_LOCKER,), ""),)}, "silence on EraseParcel: no reference"),
        ({"vocabularies": (Vocabulary(Operation.TRACK, "Phase"),)}, "announced: it is read as"),
        (
            {"vocabularies": (Vocabulary("LookAtParcel", "Phase"), Vocabulary(Operation.TRACK, "Place"))},
            "Phase is read by 'LookAtParcel', which is no operation",
        ),
        (
            {"triggers": (*LIFECYCLE.triggers, TriggerRule(Confusing.ERASE, Actor.CONSOLE, Basis.INFERRED, "x"))},
            "have one name: which of them is called ERASE",
        ),
        (
            {"states": (*LIFECYCLE.states, StateRule(Confusing.NONE, "none", (), Basis.INFERRED, "x"))},
            "a state is called 'none'",
        ),
    ],
)
def test_what_is_wrong_with_a_table_is_said(changed, said):
    with pytest.raises(InvalidLifecycle, match=said):
        attrs.evolve(LIFECYCLE, **changed).verify()


def test_an_error_of_a_table_is_a_class_of_service_errors():
    with pytest.raises(InvalidValue, match="error 'NotMoving': expected a class of ServiceError"):
        attrs.evolve(LIFECYCLE, refusal_rules=(RefusalRule("NotMoving"),))
    assert OutOfReach in LIFECYCLE.codes.errors
    assert all(issubclass(error, ServiceError) for error in LIFECYCLE.codes.errors)


def test_a_table_may_say_as_little_as_rows_states_and_triggers():
    class Light(StrEnum):
        ON = "on"

    class Press(StrEnum):
        DOWN = "down"

    light = Lifecycle(
        [Transition(None, Press.DOWN, Light.ON, "documented", "a lamp")],
        [
            StateRule(None, "no light", (), Basis.DOCUMENTED, "a lamp", found=False),
            StateRule(Light.ON, "on", (), Basis.DOCUMENTED, "a lamp", terminal=True),
        ],
        [TriggerRule(Press.DOWN, Actor.CLIENT, Basis.DOCUMENTED, "a lamp")],
    )
    light.verify()
    assert light.check(None, Press.DOWN) is Light.ON
    with pytest.raises(OrderStateError):
        light.check(Light.ON, Press.DOWN)
    assert light.not_found is NotFound
    assert light.title == "The life of an object"
    assert light.name_of(None) == "no light"


@pytest.mark.parametrize(
    "ask",
    [
        lambda: can(State.IN_TRANSIT, State.LOST, LIFECYCLE),
        lambda: parse_trigger(State.LOST, LIFECYCLE),
        lambda: explain(State.IN_TRANSIT, State.LOST, LIFECYCLE),
        lambda: narrow([State.IN_TRANSIT], State.LOST, accepted=True, lifecycle=LIFECYCLE),
    ],
)
def test_a_state_is_never_taken_for_the_trigger_whose_name_is_its_value(ask):
    assert Event.LOST.name.lower() == State.LOST
    with pytest.raises(InvalidValue, match=r"trigger <State\.LOST"):
        ask()


# -- ids ---------------------------------------------------------------------------------------------------------------

NUMBERS, MARKS = Identity("order_id"), LIFECYCLE.identity


@pytest.mark.parametrize(
    ("identity", "given", "meant"),
    [
        (NUMBERS, 7, 7),
        (NUMBERS, "007", 7),
        (NUMBERS, 7.0, 7),
        (NUMBERS, 2**63 - 1, 2**63 - 1),
        (MARKS, "pa-000007", "pa-000007"),
        (MARKS, "7", "7"),
        (MARKS, "x" * 128, "x" * 128),
    ],
)
def test_an_id_is_read_as_logs_write_it(identity, given, meant):
    assert identity.read(given) == meant


@pytest.mark.parametrize(
    ("identity", "given"),
    [
        *((NUMBERS, bad) for bad in (0, -1, 2**63, "7 ", "x", "", "9" * 30, 7.5, 2.0**60, None, True)),
        *((MARKS, bad) for bad in ("", "two words", "x" * 129, "Ä", "a\n", 7, None)),
    ],
    ids=repr,
)
def test_what_is_no_id_is_told_what_would_be(identity, given):
    with pytest.raises(InvalidValue, match=f"^{identity.words} .*: expected an? ?|1 to 128"):
        identity.read(given)


@pytest.mark.parametrize(
    ("form", "value", "number"),
    [
        ("pa-{:06}", "pa-000007", 7),
        ("pa-{:06}", "pa-7", None),
        ("pa-{}", "pa-0", None),
        ("pa-{}-x", "pa-7-x", 7),
        ("pa-{:x}", "pa-ff", 255),
        ("pa-{}", "another", None),
        ("", 7, 7),
    ],
)
def test_the_number_of_which_an_id_was_made_stands_in_it(form, value, number):
    assert Identity("parcel_id", form=form).number(value) == number


def test_ids_are_made_and_sorted():
    assert [MARKS.new(7), NUMBERS.new(7)] == ["pa-000007", 7]
    assert sorted(["b", 2, "a", 10], key=MARKS.sort_key) == [2, 10, "a", "b"]
    assert (MARKS.is_text, NUMBERS.is_text) == (True, False)


# -- by name -----------------------------------------------------------------------------------------------------------


def test_a_table_is_found_by_its_name():
    assert named("orders").name == "orders"
    found = named("other_table:LIFECYCLE")
    assert (found, found.name) == (LIFECYCLE, "other_table:LIFECYCLE")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("invoices", "expected orders, instances, acme, package.module:ATTRIBUTE"),
        ("no_such_module:LIFECYCLE", "No module named 'no_such_module'"),
        ("other_table:NOTHING", "has no attribute 'NOTHING'"),
        ("other_table:STATES", "expected a Lifecycle; this is a tuple"),
        (":LIFECYCLE", "expected orders"),
    ],
)
def test_what_is_no_table_is_said(name, said):
    with pytest.raises(InvalidValue, match=f"^table '{name}'.*{said}"):
        named(name)
