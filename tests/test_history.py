"""Linearizability of concurrent histories: the search agrees with brute force, and finds what no order explains."""

from __future__ import annotations

from itertools import combinations_with_replacement, permutations, product

import pytest

from orderfsm import ORDER_LIFECYCLE, Event, InvalidValue, Operation, State, can, reachable
from orderfsm.spec import Actor
from orderfsm.testing import check_history
from orderfsm.trace import Finding, Line, Outcome

TIME = "2026-08-05T06:10:01Z"
UNSEEN = {state: reachable(state, by=set(Actor) - {Actor.CLIENT}) for state in (None, *State)}
CANCELLED = (Operation.CANCEL, Outcome.ACCEPTED, None, None)
NOT_CANCELLED = (Operation.CANCEL, Outcome.REFUSED, "OrderStateError", None)
PERHAPS_CANCELLED = (Operation.CANCEL, Outcome.UNKNOWN, None, None)
DELETED = (Operation.DELETE, Outcome.ACCEPTED, None, None)
NOT_DELETED = (Operation.DELETE, Outcome.REFUSED, "OrderStateError", None)
NOT_FOUND = (Operation.DELETE, Outcome.REFUSED, "NotFoundOrder", None)
READ_AS_PAYED = (Operation.DESCRIBE, Outcome.ACCEPTED, None, "payed")
CALLS = [CANCELLED, NOT_CANCELLED, PERHAPS_CANCELLED, DELETED, NOT_DELETED, NOT_FOUND, READ_AS_PAYED]


def line(call, start, end, client=None):
    trigger, outcome, code, state = call
    fields = {"code": code, "state": state, "client": client}
    return Line(time=TIME, order_id=7, trigger=trigger, outcome=outcome, started=start, ended=end, **fields)


CREATED = Line(time=TIME, order_id=7, trigger=Operation.CREATE, started=0, ended=0)


def orders_of(count):
    """The ways in which `count` calls may overlap, each once: their intervals."""
    found = {}
    intervals = [(start, end) for start in range(1, count + 1) for end in range(start, count + 1)]
    for chosen in combinations_with_replacement(intervals, count):
        before = [sum(other[1] < each[0] for other in chosen) for each in chosen]
        after = [sum(each[1] < other[0] for other in chosen) for each in chosen]
        found.setdefault(tuple(sorted(zip(before, after, strict=True))), chosen)
    return list(found.values())


def explained(states, call, complete):
    """The states after `call`, from any of `states`; none if it cannot be answered so."""
    trigger, outcome, code, word = call
    if not complete:
        states = {after for state in states for after in UNSEEN[state]}
    if outcome is Outcome.ACCEPTED:
        rows = [ORDER_LIFECYCLE.table[state][trigger] for state in states]
        targets = {row.target for row in rows if row is not None}
        return targets if word is None else targets & {State.PENDING_APPLICATION}
    gone = {None, State.DELETED}
    if code == "NotFoundOrder":
        return set(states) & gone
    return {state for state in states if state not in gone and not can(state, trigger)}


def brute_force(calls, intervals, complete):
    """Whether some order of the calls, in which lost ones happen late or never, is explained."""
    numbers = range(len(calls))
    lost = [number for number in numbers if calls[number][1] is Outcome.UNKNOWN]
    for happened in product([True, False], repeat=len(lost)):
        never = {number for number, did in zip(lost, happened, strict=True) if not did}
        for order in permutations([number for number in numbers if number not in never]):
            place = {number: at for at, number in enumerate(order)}
            if any(
                intervals[one][1] < intervals[two][0] and place[one] > place[two]
                for one in order
                for two in order
                if one not in lost
            ):
                continue
            states = {State.PENDING_REVIEW}
            for number in order:
                trigger, _, code, word = calls[number]
                as_accepted = (trigger, Outcome.ACCEPTED, code, word) if number in lost else calls[number]
                states = explained(states, as_accepted, complete)
            if states:
                return True
    return False


def agree(calls, intervals, complete):
    lines = [CREATED, *(line(call, *interval) for call, interval in zip(calls, intervals, strict=True))]
    verdict = check_history(lines, events="complete" if complete else "partial").verdict
    expected = Finding.CONFORMS if brute_force(calls, intervals, complete) else Finding.VIOLATES
    assert verdict is expected, (calls, intervals)


def test_there_are_as_many_ways_to_overlap_as_there_should_be():
    """The interval orders: sequence A022493 of the OEIS."""
    assert [len(orders_of(count)) for count in range(1, 6)] == [1, 2, 5, 15, 53]


@pytest.mark.parametrize("complete", [True, False], ids=["all events known", "events unseen"])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_it_agrees_with_brute_force_on_all_small_histories(count, complete):
    for intervals in orders_of(count):
        for calls in product(CALLS, repeat=count):
            agree(calls, intervals, complete)


@pytest.mark.long
@pytest.mark.parametrize("complete", [True, False], ids=["all events known", "events unseen"])
@pytest.mark.parametrize(("count", "alphabet"), [(4, CALLS), (5, [CANCELLED, PERHAPS_CANCELLED, DELETED, NOT_DELETED])])
def test_it_agrees_with_brute_force_on_all_histories_up_to_five_calls(count, alphabet, complete):
    for intervals in orders_of(count):
        for calls in product(alphabet, repeat=count):
            agree(calls, intervals, complete)


def test_calls_that_do_not_overlap_happen_in_their_order():
    early, late = line(DELETED, 1, 2), line(CANCELLED, 3, 4)
    assert check_history([CREATED, early, late], events="complete").verdict is Finding.VIOLATES
    overlapping = line(DELETED, 1, 3), line(CANCELLED, 2, 4)
    assert check_history([CREATED, *overlapping], events="complete").verdict is Finding.CONFORMS


def test_a_lost_call_may_happen_long_after_it_was_given_up():
    lost, read = line(PERHAPS_CANCELLED, 1, 2), line(NOT_DELETED, 3, 4)
    assert check_history([CREATED, lost, read, line(DELETED, 5, 6)], events="complete").verdict is Finding.CONFORMS
    assert check_history([CREATED, line(DELETED, 0.1, 0.5), lost], events="complete").verdict is Finding.VIOLATES


def test_an_event_happens_at_its_time():
    event = Line(time="2026-08-05T06:10:02Z", order_id=7, trigger=Event.DOMAIN_VALIDATED)
    early, late = ({"started": f"2026-08-05T06:10:0{n}Z", "ended": f"2026-08-05T06:10:0{n}.5Z"} for n in (1, 3))
    create = Line(time="2026-08-05T06:10:00Z", order_id=7, trigger=Operation.CREATE)
    for interval, verdict in ((early, Finding.VIOLATES), (late, Finding.CONFORMS)):
        read = Line(time=TIME, order_id=7, trigger=Operation.DESCRIBE, state="process", **interval)
        assert check_history([create, event, read], events="complete").verdict is verdict


def test_the_second_order_of_a_renewal_begins_with_it():
    renewal = Line(time=TIME, order_id=6, trigger=Operation.RENEW, new_order_id=7, started=0, ended=1)
    assert check_history([renewal, line(DELETED, 2, 3)], events="complete").verdict is Finding.CONFORMS
    assert check_history([renewal, line(CANCELLED, 2, 3)], events="complete").verdict is Finding.VIOLATES


def test_a_violation_is_pictured_with_what_overlaps():
    twice = [line(CANCELLED, 1, 4, "a"), line(CANCELLED, 2, 5, "b"), line(READ_AS_PAYED, 8, 9, "a")]
    found = check_history([CREATED, *twice], events="complete")
    assert (found.verdict, found.calls) == (Finding.VIOLATES, 4)
    assert found.culprit in twice[:2]
    assert found.picture().splitlines() == [
        "a  |-------cancel------|",
        "b            |-------cancel------|  <-- not explained",
    ]


def test_what_conforms_has_no_picture():
    assert check_history([CREATED]).picture() == ""
    assert check_history([]).verdict is Finding.CONFORMS


def test_a_vague_line_is_undecided():
    vague = (Operation.DESCRIBE, Outcome.ACCEPTED, None, "suspended")
    assert check_history([CREATED, line(vague, 1, 2)]).verdict is Finding.UNDECIDED


def test_when_the_time_is_over_it_is_undecided():
    many = [line(PERHAPS_CANCELLED, 1, 9) for _ in range(20)] + [line(NOT_CANCELLED, 2, 8) for _ in range(12)]
    assert check_history([CREATED, *many], budget=0).verdict is Finding.UNDECIDED


@pytest.mark.parametrize(
    ("lines", "named"),
    [
        ([line(CANCELLED, 2, 1)], r"interval \(2, 1\)"),
        ([line(CANCELLED, "yesterday", 1)], "time 'yesterday'"),
        ([line(CANCELLED, float("nan"), 1)], "time nan"),
        ([CREATED, Line(time=TIME, order_id=8, trigger=Operation.CANCEL)], "order ids"),
    ],
    ids=str,
)
def test_bad_lines_are_named(lines, named):
    with pytest.raises(InvalidValue, match=named):
        check_history(lines)


def test_events_that_are_neither_complete_nor_partial_are_named():
    with pytest.raises(InvalidValue, match="events 'some': expected complete, partial"):
        check_history([CREATED], events="some")
