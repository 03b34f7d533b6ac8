"""Recorded histories of another table: parcels, whose ids are texts, and of which much is silent."""

from __future__ import annotations

import json
import pickle
from functools import partial

import attrs
import pytest
from hypothesis.vendor.pretty import pretty
from other_table import LIFECYCLE, Event, Operation, State

from orderfsm import ORDER_LIFECYCLE, InvalidValue, wire
from orderfsm import Event as OrderEvent
from orderfsm import Operation as OrderOperation
from orderfsm import State as OrderState
from orderfsm import trace as t
from orderfsm.rows import Silence
from orderfsm.trace import Events, Finding, Line, Outcome
from orderfsm.trace.reading import meanings_of

CONFORMS, VIOLATES, UNDECIDED = Finding
ID = "pa-000007"
TIME = "2026-08-05T06:10:{:02}Z"


def line(trigger, second=0, parcel=ID, **fields):
    return Line(time=TIME.format(second), order_id=parcel, trigger=trigger, lifecycle=LIFECYCLE, **fields)


def tracked(word):
    return line(Operation.TRACK, state=word)


def history(*lines):
    """These lines, or triggers that were accepted, one second after another."""
    made = [each if isinstance(each, Line) else line(each) for each in lines]
    return [attrs.evolve(each, time=TIME.format(second)) for second, each in enumerate(made)]


def judged(*lines, events="complete", lifecycle=LIFECYCLE):
    return t.judge(history(*lines), events=events, lifecycle=lifecycle)


def refused(trigger, code=None):
    return line(trigger, outcome="refused", code=code)


def text(**fields):
    given = {"time": TIME.format(0), "parcel_id": ID, "operation": "WithdrawParcel", "outcome": "accepted"}
    return json.dumps({key: value for key, value in (given | fields).items() if value is not None})


loads = partial(t.loads, lifecycle=LIFECYCLE)
AT_LOCKER = (Operation.ANNOUNCE, Event.HANDED_IN, Event.ARRIVED)


# -- lines -------------------------------------------------------------------------------------------------------------


def test_an_id_stands_under_the_tables_own_key():
    read = loads(text(note=1))
    assert (read.trigger, read.order_id, read.extra) == (Operation.WITHDRAW, ID, {"note": 1})
    assert read == Line(
        time=TIME.format(0), id=ID, operation=Operation.WITHDRAW, lifecycle=LIFECYCLE, extra={"note": 1}
    )
    assert json.loads(t.dumps(read)) == json.loads(text(note=1))


@pytest.mark.parametrize("key", ["id", "order_id", "parcel_id"])
def test_a_line_is_made_with_the_id_under_the_tables_key_or_as_an_id(key):
    new = {"new_order_id" if key == "id" else f"new_{key}": "pa-000008"}
    made = Line(time=TIME.format(0), operation="ReplaceParcel", lifecycle=LIFECYCLE, **{key: ID}, **new)
    assert made == line(Operation.REPLACE, new_order_id="pa-000008")
    assert made.begins == "pa-000008"
    assert loads(t.dumps(made)) == made == pickle.loads(pickle.dumps(made))
    assert json.loads(t.dumps(made))["new_parcel_id"] == "pa-000008"


def test_a_line_is_shown_without_the_rows_of_its_table():
    made = line(Operation.TRACK)
    assert ID in repr(made)
    assert ID in pretty(made), "as Hypothesis shows an example"
    assert "Transition(" not in repr(made) + pretty(made)


def test_one_id_has_one_name_and_a_key_of_no_table_is_none():
    given = {"time": TIME.format(0), "operation": "TrackParcel", "lifecycle": LIFECYCLE}
    with pytest.raises(InvalidValue, match=r"parcel id \('a', 'b'\): expected one, under one name"):
        Line(**given, id="a", parcel_id="b")
    with pytest.raises(TypeError, match="unexpected keyword argument 'parcel_number'"):
        Line(**given, parcel_number="a")
    with pytest.raises(TypeError, match="unexpected keyword argument 'parcel_id'"):
        Line(time=TIME.format(0), operation="CancelOrderRequest", parcel_id="a")


@pytest.mark.parametrize("trigger", [*Operation, *Event])
def test_every_trigger_can_be_written_and_read(trigger, tmp_path):
    made = line(trigger)
    t.write([made], tmp_path / "a.jsonl")
    head, read = t.read(tmp_path / "a.jsonl", lifecycle=LIFECYCLE)
    assert head.events is Events.COMPLETE
    assert read == attrs.evolve(made, file=str(tmp_path / "a.jsonl"), number=2)
    assert read.trigger is trigger
    assert ("outcome" in json.loads(t.dumps(made))) is (trigger in list(Operation))


BAD = {
    "a number": (text(parcel_id=7), "parcel id 7: expected 1 to 128 printable ASCII characters without spaces"),
    "a space": (text(parcel_id="pa 7"), "parcel id 'pa 7'"),
    "no id": (
        text(parcel_id=None),
        "parcel id None: expected 1 to 128 printable ASCII characters without spaces; only",
    ),
    "an empty id": (text(parcel_id=""), "parcel id None"),
    "no id of a new parcel": (text(operation="ReplaceParcel", new_parcel_id=8), "parcel id 8"),
    "an event of the service that was refused": (
        text(operation=None, event="redirected", outcome="refused"),
        "outcome of an event",
    ),
    "an event that is an operation": (
        text(operation=None, event="TrackParcel"),
        "event 'TrackParcel': expected handed",
    ),
    "an unknown operation": (text(operation="Track"), "operation 'Track': expected AnnounceParcel, TrackParcel"),
    "an unknown operation of a parcel, in a chain": (
        text(operation="Track", trace_id="x"),
        "operation 'Track': expected",
    ),
    "an unknown operation with a new id": (
        text(parcel_id=None, new_parcel_id="b", operation="Track"),
        "operation 'Track': expected AnnounceParcel",
    ),
    "an order's": (
        text(parcel_id=None, order_id=7, operation="CancelOrderRequest"),
        "table of the line with 'order_id': expected other_table:LIFECYCLE, whose lines have parcel_id",
    ),
}


@pytest.mark.parametrize(("given", "reason"), BAD.values(), ids=BAD)
def test_a_bad_line_is_named_with_the_reason(given, reason):
    read = loads(given)
    assert isinstance(read, t.BadLine)
    assert reason in read.reason
    assert t.line_of(json.loads(given), lifecycle=LIFECYCLE).reason == loads(json.loads(given)).reason == read.reason


def test_a_parcel_among_orders_is_a_bad_line_that_says_so(tmp_path):
    order = Line(time=TIME.format(0), order_id=7, operation="DescribeCertificateState")
    t.write([order, line(Operation.TRACK), line(Operation.OVERVIEW, parcel=None)], tmp_path / "a.jsonl")
    report = t.replay(t.read(tmp_path / "a.jsonl"))
    assert (report.orders, len(report.bad_lines)) == (1, 2)
    assert (
        "table of the line with 'parcel_id': expected orders, whose lines have order_id" in report.bad_lines[0].reason
    )
    assert "operation 'ListParcels': expected CancelOrderRequest" in report.bad_lines[1].reason


def test_lines_of_another_table_than_one_that_is_asked_for_are_counted_and_never_a_pass():
    order = Line(time=TIME.format(0), order_id=7, operation="DescribeCertificateState")
    report = t.replay([line(Operation.TRACK), order], lifecycle=LIFECYCLE)
    assert (report.orders, report.lines, report.other_lines) == (1, 2, 1)
    assert report.as_json()["other"] == 1
    for given, table in (([order], LIFECYCLE), ([line(Operation.TRACK)], ORDER_LIFECYCLE)):
        with pytest.raises(InvalidValue, match=f"expected one of {table.name}: they are all of other tables"):
            t.replay(given, lifecycle=table)


def test_lines_of_another_table_than_the_judges_are_an_error_that_names_both():
    order = Line(time=TIME.format(0), order_id=7, operation="DescribeCertificateState")
    wrong = (
        "table of the line 'orders': expected other_table:LIFECYCLE, by which it is judged here: lifecycle= takes an"
    )
    with pytest.raises(InvalidValue, match=wrong):
        t.judge([line(Operation.TRACK), order], lifecycle=LIFECYCLE)
    with pytest.raises(InvalidValue, match="table of the line 'other_table:LIFECYCLE': expected orders"):
        t.judge([line(Operation.TRACK)], lifecycle=ORDER_LIFECYCLE)
    with pytest.raises(InvalidValue, match=r"tables of the lines .*: expected one; replay takes many"):
        t.judge([line(Operation.TRACK), order])
    with pytest.raises(InvalidValue, match="table of the line"):
        t.readings(order, 7, LIFECYCLE)


def test_lines_say_themselves_of_which_table_they_are():
    order = Line(time=TIME.format(0), order_id=7, operation="DescribeCertificateState")
    assert t.judge(history(Operation.ANNOUNCE, Operation.DESTROY), events="complete").possible == (State.ANNOUNCED,)
    report = t.replay([line(Operation.TRACK), order])
    assert [(part.lifecycle.name, part.orders) for part in report.parts] == [("orders", 1), (LIFECYCLE.name, 1)]


def test_what_is_about_the_account_is_the_tables_to_say():
    overview = line(Operation.OVERVIEW, parcel=None)
    assert overview.of_the_account
    assert line(Operation.OVERVIEW, state="waiting").of_the_account, "it answers no words"
    assert refused(Operation.ANNOUNCE).of_the_account
    assert not line(Operation.ANNOUNCE).of_the_account
    assert not line(Operation.TRACK, state="waiting").of_the_account
    report = t.replay([overview, line(Operation.ANNOUNCE)], lifecycle=LIFECYCLE)
    assert (report.orders, report.account_lines) == (1, 1)


# -- what explains a line ----------------------------------------------------------------------------------------------


def test_a_parcels_life_conforms():
    delivered = (*AT_LOCKER, tracked("LOCKER"), Event.PICKED_UP, tracked("addressee"), Operation.ERASE)
    assert judged(*delivered, refused(Operation.TRACK, "NoSuchParcel")).verdict is CONFORMS
    assert judged(*delivered, Operation.TRACK).index == 7
    redirected = (Operation.ANNOUNCE, Event.HANDED_IN, Operation.REDIRECT)
    assert judged(*redirected, Event.REDIRECTED, Operation.REDIRECT).verdict is CONFORMS
    assert judged(*redirected, Operation.REDIRECT).index == 3


def test_what_the_service_does_happens_unseen_unless_the_trace_is_complete():
    assert judged(Operation.ANNOUNCE, Event.HANDED_IN, *[Operation.REDIRECT] * 2, events="partial").verdict is CONFORMS
    assert judged(Operation.ANNOUNCE, tracked("done"), events="partial").verdict is CONFORMS
    assert judged(Operation.ANNOUNCE, tracked("done")).index == 1


def test_an_event_of_which_the_sources_are_silent_is_not_taken_to_have_happened_unseen():
    silent = attrs.evolve(LIFECYCLE, silences=(*LIFECYCLE.silences, Silence((Event.LOST,), (State.RETURNED,), "terms")))
    ended = (*AT_LOCKER, Event.STORAGE_ENDED)
    for table in (LIFECYCLE, silent):
        assert judged(*ended, tracked("lost"), events="partial", lifecycle=table).index == 4
    assert judged(*ended, Event.LOST, lifecycle=silent).verdict is CONFORMS
    assert judged(*ended, Event.LOST).index == 4


CODES = {
    "NoSuchParcel": {State.ERASED},
    "WrongPhase": {*State} - {State.ERASED, State.DELIVERED, State.RETURNED, State.LOST},
    "EraseFailed": {State.DELIVERED, State.RETURNED, State.LOST},
    "TooManyRequests": {*State},
    "TooManyRequests.Sender": {*State},
}


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("state", State)
def test_what_a_code_means_is_the_tables_to_say(code, state):
    refusal = [t.Reading(Operation.ERASE, t.readings(refused(Operation.ERASE, code), ID, LIFECYCLE)[0].answer)]
    automaton = t.Automaton(LIFECYCLE, Events.COMPLETE)
    after = automaton.step(automaton.at([state]), *refusal)
    assert {run.state for run in after.strict} == ({state} if state in CODES[code] else set())


def test_the_codes_of_orders_are_unknown_to_parcels():
    assert judged(Operation.ANNOUNCE, refused(Operation.ERASE, "OrderStateError")).verdict is UNDECIDED
    assert judged(Operation.ANNOUNCE, refused(Operation.ERASE, "WrongPhase")).verdict is CONFORMS


ANSWERS = {
    **dict.fromkeys(["OutOfReach", "NotMoving", "TooManyRequests", None], CONFORMS),
    **dict.fromkeys(["NoSuchParcel", "EraseFailed"], VIOLATES),
    "New": UNDECIDED,
}


@pytest.mark.parametrize("code", ANSWERS)
def test_where_the_sources_are_silent_any_refusal_is_explained_and_changes_nothing(code):
    refusal = refused(Operation.REDIRECT, code)
    assert judged(Operation.ANNOUNCE, refusal).verdict is ANSWERS[code], "where they are not"
    assert judged(*AT_LOCKER, refusal, tracked("locker"), Event.PICKED_UP).verdict is CONFORMS
    assert judged(*AT_LOCKER, refusal, tracked("addressee")).verdict is (UNDECIDED if code is None else VIOLATES)


@pytest.mark.parametrize("state", State)
def test_where_the_sources_are_silent_an_accepted_call_may_have_led_anywhere(state):
    after = judged(*AT_LOCKER, Operation.REDIRECT, line(Operation.TRACK, state=state))
    assert after.verdict is (VIOLATES if state is State.ERASED else CONFORMS), "no reading of an erased parcel"
    lost = line(Operation.REDIRECT, outcome="unknown")
    assert judged(*AT_LOCKER, lost, line(Operation.TRACK, state=state)).verdict is after.verdict
    never = judged(*AT_LOCKER, tracked("locker"), line(Operation.TRACK, state=state))
    assert never.verdict is (CONFORMS if state is State.AT_LOCKER else VIOLATES)


def test_where_the_sources_are_silent_nothing_is_said_to_be_allowed():
    found = judged(*AT_LOCKER, Operation.ANNOUNCE)
    assert (found.possible, found.legal) == (
        (State.AT_LOCKER,),
        (Operation.TRACK, Operation.OVERVIEW, Operation.DESTROY, Event.PICKED_UP, Event.STORAGE_ENDED),
    )


def test_a_lost_call_of_which_the_sources_are_silent_may_happen_later():
    lost = line(Operation.REDIRECT, outcome="unknown", started=0)
    moved = (tracked("locker"), tracked("addressee"))
    assert judged(*AT_LOCKER, lost, *moved).verdict is CONFORMS
    assert judged(*AT_LOCKER, attrs.evolve(lost, started=None), *moved).index == 5
    assert judged(*AT_LOCKER, line(Operation.REPLACE, outcome="unknown", started=0), *moved).index == 5


def test_a_call_of_which_the_sources_are_silent_may_move_the_parcel():
    automaton = t.Automaton(LIFECYCLE, Events.COMPLETE)
    only_silent = Silence((Operation.OVERVIEW, Operation.REPLACE), (State.ANNOUNCED,), "terms")
    silent = t.Automaton(attrs.evolve(LIFECYCLE, silences=(only_silent,)), Events.COMPLETE)
    replaced = t.Reading(Operation.REPLACE, t.Answer.ACCEPTED)
    assert (automaton.moves(replaced), silent.moves(replaced)) == (False, True)


def test_a_refusal_that_is_not_found_by_a_rule_needs_a_pair_that_is_refused():
    rules = (LIFECYCLE.refusal_rules[0]._replace(error=LIFECYCLE.not_found), *LIFECYCLE.refusal_rules[1:])
    hidden = attrs.evolve(LIFECYCLE, refusal_rules=(rules[0]._replace(states=()), *rules[1:]))
    there = (Operation.ANNOUNCE, Event.HANDED_IN, refused(Operation.REDIRECT, "NoSuchParcel"))
    assert judged(*there, lifecycle=hidden).index == 2, "it is on its way, where the call is allowed"
    assert judged(Operation.ANNOUNCE, there[-1], lifecycle=hidden).verdict is CONFORMS
    assert judged(Operation.ANNOUNCE, there[-1]).index == 1


# -- words -------------------------------------------------------------------------------------------------------------


def test_a_word_means_all_that_it_may_mean_in_any_vocabulary_or_as_a_state():
    meanings = meanings_of(LIFECYCLE)
    assert meanings["moving"] == {State.IN_TRANSIT, State.REDIRECTING, State.LOST}
    assert meanings["waiting"] == {State.ANNOUNCED, State.REDIRECTING, State.AT_LOCKER}
    assert meanings["sender"] == {State.ANNOUNCED, State.RETURNED}
    assert meanings["lost"] == {State.LOST}
    assert meanings["unknown"] == {*State} - {State.ERASED}
    words = tuple(
        rule._replace(read_as=("lost",)) if rule.state is State.ANNOUNCED else rule for rule in LIFECYCLE.states
    )
    assert meanings_of(attrs.evolve(LIFECYCLE, states=words))["lost"] == {State.LOST, State.ANNOUNCED}


@pytest.mark.parametrize("word", meanings_of(ORDER_LIFECYCLE))
def test_a_word_of_the_orders_means_what_a_person_means_by_it(word):
    assert meanings_of(ORDER_LIFECYCLE)[word] == wire.parse_states(word)
    assert {each.lower() for each in (*OrderState, *wire.types(), *wire.statuses())} == {*meanings_of(ORDER_LIFECYCLE)}


@pytest.mark.parametrize(
    ("closed", "verdict"),
    [((False, False), UNDECIDED), ((False, True), UNDECIDED), ((True, True), VIOLATES), ((), UNDECIDED)],
)
def test_a_word_that_nobody_knows_violates_only_if_all_vocabularies_are_closed(closed, verdict):
    vocabularies = [each._replace(closed=is_) for each, is_ in zip(LIFECYCLE.vocabularies, closed, strict=False)]
    table = attrs.evolve(LIFECYCLE, vocabularies=vocabularies)
    found = judged(*AT_LOCKER, tracked("drone"), lifecycle=table)
    assert (found.verdict, found.index) == (verdict, 3 if verdict is VIOLATES else None)
    assert judged(*AT_LOCKER, tracked("at_locker"), lifecycle=table).verdict is CONFORMS


# -- reports -----------------------------------------------------------------------------------------------------------


def test_a_second_parcel_begins_where_the_table_says():
    lost = (Operation.ANNOUNCE, Event.HANDED_IN, Event.LOST)
    replaced = history(
        *lost, line(Operation.REPLACE, new_order_id="pa-8"), line(Operation.TRACK, parcel="pa-8", state="sender")
    )
    report = t.replay(replaced, events="complete", lifecycle=LIFECYCLE)
    assert (report.verdict, report.orders) == (CONFORMS, 2)
    on_its_way = attrs.evolve(replaced[-1], state="moving")
    report = t.replay([*replaced, on_its_way], events="complete", lifecycle=LIFECYCLE)
    assert [(each.order_id, each.possible) for each in report.violations] == [("pa-8", (State.ANNOUNCED,))]


def test_a_table_without_quota_holds_none():
    report = t.replay(history(Operation.ANNOUNCE), lifecycle=LIFECYCLE)
    assert (report.conforms, report.holding_quota) == (1, ())


def test_the_report_speaks_of_parcels_and_has_ids_under_the_tables_key():
    lines = [
        *(line(Operation.ANNOUNCE, 1, "b"), line(Operation.ERASE, 2, "b")),
        *(line(Operation.TRACK, 1, "a", state="drone"), line(Operation.TRACK, 1, "c")),
        *(line(Operation.ERASE, 1, "d"), line(Operation.REPLACE, 2, "e", new_order_id="d")),
    ]
    report = t.replay(lines, events="complete", lifecycle=LIFECYCLE)
    document = report.as_json()
    assert (document["table"], document["verdict"], document["orders"]) == (LIFECYCLE.name, "violates", 5)
    assert document["undecided"] == ["a"]
    assert [(each["parcel_id"], each["possible"]) for each in document["violations"]] == [
        ("b", ["announced"]),
        ("d", [None]),
    ]
    said = str(report)
    assert ":0: parcel b violates the table: EraseParcel accepted\n  it could only be in:  announced\n" in said
    assert ":0: parcel d violates the table: EraseParcel accepted\n  it could only be in:  no parcel\n" in said
    assert "parcel a is undecided" in said
    assert said.endswith("violates: 5 parcels, 2 conform, 2 violate the table, 1 are undecided; 6 lines, 0 of them bad")


def test_a_judgement_speaks_of_parcels_too():
    found = t.judge(
        history(refused(Operation.TRACK, "NoSuchParcel"), Operation.DESTROY), events="complete", lifecycle=LIFECYCLE
    )
    assert str(found).startswith("violates at line 1: it could only be in no parcel, erased, where AnnounceParcel, ")


def test_lines_of_several_parcels_are_named():
    with pytest.raises(InvalidValue, match=r"parcel ids \['a', 'b'\]: expected those of one parcel; replay takes many"):
        t.judge([line(Operation.TRACK, parcel="a"), line(Operation.TRACK, parcel="b")], lifecycle=LIFECYCLE)


# -- variants of a table -----------------------------------------------------------------------------------------------


def renewing(**fields):
    """The orders' table in which an issued order that is cancelled for its package creates another one."""
    (row,) = (
        row
        for row in ORDER_LIFECYCLE.transitions
        if (row.source, row.trigger) == (OrderState.ISSUED, OrderOperation.CANCEL_FOR_PACKAGE)
    )
    begins = {"creates": OrderState.PENDING_APPLICATION, **fields}
    return ORDER_LIFECYCLE.without(row).with_rows(attrs.evolve(row, **begins))


def test_what_triggers_are_is_also_for_the_table_to_say_that_judges():
    given = {
        "time": TIME.format(0),
        "order_id": 7,
        "operation": "CancelCertificateForPackageRequest",
        "new_order_id": 8,
    }
    cancelled = Line(**given)
    assert cancelled.begins is None
    assert t.replay([cancelled]).orders == 1
    assert t.replay([cancelled], lifecycle=renewing()).orders == 2
    assert t.readings(cancelled, 8, renewing()) == [t.Reading(OrderOperation.CANCEL_FOR_PACKAGE, t.Answer.BEGUN)]
    other = Line(**given | {"order_id": 9}, lifecycle=renewing())
    assert (other.begins, t.replay([cancelled, other]).orders) == (8, 3), "each by its own table as well"


def test_what_a_read_is_the_lines_own_table_says():
    (row,) = (
        row
        for row in ORDER_LIFECYCLE.transitions
        if (row.source, row.trigger) == (OrderState.REVOKED, OrderOperation.DESCRIBE)
    )
    deleting = ORDER_LIFECYCLE.without(row).with_rows(attrs.evolve(row, target=OrderState.DELETED))
    issued = Line(time=TIME.format(0), order_id=7, trigger=OrderOperation.DESCRIBE, state="ISSUED")
    paid = attrs.evolve(issued, time=TIME.format(1), state="PAYED")
    assert t.judge([issued, paid]).index == 1
    assert t.judge([issued, attrs.evolve(paid, lifecycle=deleting)]).verdict is CONFORMS
    both = [attrs.evolve(each, order_id=8, lifecycle=deleting) for each in (issued, paid)]
    assert [each.order_id for each in t.replay([issued, paid, *both]).violations] == [7]


@pytest.mark.parametrize(("holds", "held"), [(0, False), (1, True)])
def test_a_second_order_holds_the_units_that_the_table_says(holds, held):
    table = renewing(holds=holds)
    begun = Line(
        time=TIME.format(0), order_id=7, operation="CancelCertificateForPackageRequest", new_order_id=8, lifecycle=table
    )
    read = Line(time=TIME.format(1), order_id=8, operation="DescribeCertificateState", state="PAYED")
    report = t.replay([begun, read], events="complete", lifecycle=table)
    assert report.holding_quota == ((8,) if held else ())


def test_an_automaton_knows_which_readings_create():
    orders, parcels = (t.Automaton(table, Events.COMPLETE) for table in (ORDER_LIFECYCLE, LIFECYCLE))
    create = t.Reading(OrderOperation.CREATE, t.Answer.ACCEPTED)
    announce = t.Reading(Operation.ANNOUNCE, t.Answer.ACCEPTED)
    assert (orders.creates(create), parcels.creates(create)) == (True, False)
    assert (orders.creates(announce), parcels.creates(announce)) == (False, True)
    assert not parcels.creates(announce._replace(answer=t.Answer.PERHAPS))


def test_a_parcel_that_is_announced_first_begins_there_even_if_of_another_the_sources_are_silent():
    again = attrs.evolve(LIFECYCLE, silences=[Silence((Operation.ANNOUNCE,), (State.DELIVERED,), "terms")])
    readings = [t.Reading(trigger, t.Answer.ACCEPTED) for trigger in (Operation.ANNOUNCE, Operation.ERASE)]
    automaton = t.automaton(again, Events.COMPLETE, late=False)
    assert t.judge_readings(readings, automaton).possible == (State.ANNOUNCED,)
    picked_up = t.Reading(Event.PICKED_UP, t.Answer.ACCEPTED)
    assert t.judge_readings([picked_up, *readings], automaton).verdict is CONFORMS


def test_an_event_of_orders_is_still_an_event():
    made = Line(time=TIME.format(0), order_id=7, event=OrderEvent.SUBMITTED)
    assert json.loads(t.dumps(made)) == {"time": TIME.format(0), "order_id": 7, "event": "submitted"}
    assert made.outcome is Outcome.ACCEPTED
