"""Recorded histories: the trace format sentence by sentence, and the judge against one that tries every run."""

from __future__ import annotations

import gzip
import io
import json
import re
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from functools import cache
from itertools import product
from pathlib import Path
from typing import NamedTuple

import attrs
import oracle
import pytest
from hypothesis import given
from hypothesis import strategies as st
from other_table import LIFECYCLE as PARCELS
from tables import table

from orderfsm import ORDER_LIFECYCLE, Event, InvalidValue, Operation, State
from orderfsm import trace as t
from orderfsm.identity import MAX_ID
from orderfsm.streams import Found
from orderfsm.trace import Events, Finding, Line, Outcome, automata
from orderfsm.trace.files import batches, keys_read
from orderfsm.trace.tables import tables_of

CONFORMS, VIOLATES, UNDECIDED = Finding
TRIGGERS = {trigger.name.lower(): trigger for trigger in (*Operation, *Event)}
CREATES = ["create", "create_for_package", "create_with_csr"]
ON_AN_ORDER = ["cancel", "delete", "cancel_for_package", "renew", "describe"]


class Said(NamedTuple):
    """What a line says, in short: `delete`, `delete?` (no answer), `delete!` (no code), `delete!Code`, `describe=WORD`.

    `named` is the line of another order's renewal that names this one.
    """

    trigger: str
    outcome: str = "accepted"
    code: str | None = None
    word: str | None = None

    @classmethod
    def of(cls, text: str) -> Said:
        trigger, mark, rest = re.fullmatch(r"([a-z_]+)([?!=]?)(.*)", text).groups()
        outcome = {"?": "unknown", "!": "refused"}.get(mark, "accepted")
        return cls(trigger, outcome, rest or None if mark == "!" else None, rest if mark == "=" else None)


def moment(second):
    return f"2026-08-05T06:{second // 60:02}:{second % 60:02}Z"


@cache
def line(said, second=0, order_id=7, timed=False):
    interval = {"started": second, "ended": second + 1} if timed else {}
    if said.trigger == "named":
        return Line(time=moment(second), order_id=1, trigger=Operation.RENEW, new_order_id=order_id, **interval)
    return Line(
        time=moment(second),
        order_id=order_id,
        trigger=TRIGGERS[said.trigger],
        outcome=said.outcome,
        code=said.code,
        state=said.word,
        **interval,
    )


def history(*texts, timed=False):
    return [line(Said.of(text), second, timed=timed) for second, text in enumerate(texts)]


def judged(*texts, events="complete", timed=False):
    return t.judge(history(*texts, timed=timed), events=events)


def verdict(*texts, events="complete", timed=False):
    return judged(*texts, events=events, timed=timed).verdict


# -- a second judge: its rules are the sentences of oracle.py, and it tries one run after the other --------------------

NO_ORDER, GONE = "no order", {"no order", "deleted"}
ALIVE = {state for state in oracle.STATES if state != "deleted"}
WORDS = {state: {state} for state in oracle.STATES} | {
    "payed": {"pending_application"},
    "domain_verify": {"pending_review"},
    "process": {"being_reviewed"},
    "certificate": {"issued", "about_to_expire", "expired", "revoked"},
    "unknow": ALIVE,
    "checking": {"pending_review", "being_reviewed"},
    "checked_fail": {"verify_fail"},
    "willexpired": {"about_to_expire"},
    "notactivated": ALIVE,
}
KNOWN_CODES = {
    "CreateCertificateRequestFailed",
    "NotRemainCount",
    "NotFoundPackage",
    "Throttling.User",
    "MissingDomain",
}


class Mode(NamedTuple):
    complete: bool
    timed: bool
    favour: bool


def ends(state, said, favour):
    """The states in which an order may be after a line that found it in `state`; none if that does not explain it."""
    if said.trigger == "named":
        return ["pending_application"] if state == NO_ORDER else []
    after = oracle.after(state, said.trigger)
    moved, stays = [after] if after else [], [state]
    if said.outcome == "accepted":
        if said.word is None:
            return moved
        meaning = WORDS.get(said.word.lower(), {*oracle.STATES} if favour else set())
        return [state for state in moved if state in meaning]
    if perhaps(said, favour):
        return moved + stays
    match said.code:
        case "OrderStateError":
            explained = after is None and state not in GONE
        case "NotFoundOrder":
            explained = state in GONE
        case "DeleteFail":
            explained = said.trigger == "delete" and after is not None
        case None:
            explained = after is None or state in GONE
        case code:
            explained = code in KNOWN_CODES or favour
    return stays if explained else []


def perhaps(said, favour):
    return said.outcome == "unknown" or (
        said.outcome == "refused" and said.code in ({"Error", None} if favour else {"Error"})
    )


@cache
def unseen(state, lost, complete):
    """Where an order may come to, and with which lost calls left, by what no line shows: itself too."""
    found, todo = [], [(state, lost)]
    while todo:
        here, left = todo.pop()
        if (here, left) not in found:
            found.append((here, left))
            events = [] if complete else [oracle.after(here, event.name.lower()) for event in Event]
            todo += [(after, left) for after in events if after]
            for at, trigger in enumerate(left):
                if after := oracle.after(here, trigger):
                    todo.append((after, (*left[:at], *left[at + 1 :])))
    return found


@cache
def explained(state, lost, lines, mode):
    """Whether some run from `state` explains `lines`: depth first, one choice after the other.

    At the end may stand ("stands", s): the run ends in s; or ("then", s): just before a next line it may be in s.
    """
    if not lines:
        return True
    first, rest = lines[0], lines[1:]
    if first[0] == "stands":
        return state == first[1]
    for here, left in unseen(state, lost, mode.complete):
        if first[0] == "then":
            if here == first[1]:
                return True
            continue
        if any(explained(after, left, rest, mode) for after in ends(here, first, mode.favour)):
            return True
        may_come_later = mode.timed and perhaps(first, mode.favour)
        if may_come_later and explained(here, tuple(sorted((*left, first.trigger))), rest, mode):
            return True
    return False


def starts(lines):
    created = lines[:1] and lines[0].trigger in CREATES and lines[0].outcome == "accepted"
    named = any(said.trigger == "named" for said in lines)
    return [NO_ORDER] if created or named else [NO_ORDER, *oracle.STATES]


def some_run(begins, lines, mode):
    return any(explained(start, (), tuple(lines), mode) for start in begins)


def by_trying(lines, complete, timed):
    """The finding; the first line after which no run is left; the states before it; whether quota is held."""
    begins, favour, strict = starts(lines), Mode(complete, timed, favour=True), Mode(complete, timed, favour=False)
    if not some_run(begins, lines, favour):
        index = next(k for k in range(len(lines)) if not some_run(begins, lines[: k + 1], favour))
        before = {s for s in (NO_ORDER, *oracle.STATES) if some_run(begins, [*lines[:index], ("then", s)], favour)}
        return VIOLATES, index, before, False
    if not some_run(begins, lines, strict):
        return UNDECIDED, None, set(), False
    last = {s for s in (NO_ORDER, *oracle.STATES) if some_run(begins, [*lines, ("stands", s)], strict)}
    named = any(said.trigger == "named" for said in lines)
    return CONFORMS, None, set(), not named and last <= {"pending_application", "verify_fail"}


def in_words(states):
    return {NO_ORDER if state is None else str(state) for state in states}


def agree(lines, complete, timed=False):
    """Assert that the judge says of a history what trying every run says."""
    given = [line(said, second, timed=timed) for second, said in enumerate(lines)]
    found = t.judge(given, events="complete" if complete else "partial")
    finding, index, possible, holds_quota = by_trying(lines, complete, timed)
    assert (found.verdict, found.index, found.holds_quota) == (finding, index, holds_quota), lines
    assert in_words(found.possible) == possible, lines
    allowed = {name for name in TRIGGERS if any(oracle.after(state, name) for state in possible)}
    assert {trigger.name.lower() for trigger in found.legal} == allowed, lines


EVENTS = [Said(event.name.lower()) for event in Event]
CODES = [
    "",
    "OrderStateError",
    "NotFoundOrder",
    "DeleteFail",
    "Error",
    "Throttling.User",
    "NotRemainCount",
    "Unheard.Of",
]
ALPHABET = [
    *EVENTS,
    *map(Said, CREATES),
    *map(Said.of, ON_AN_ORDER),
    *(Said.of(f"{trigger}?") for trigger in ON_AN_ORDER),
    *(Said.of(f"{trigger}!{code}") for trigger in ON_AN_ORDER for code in CODES),
    *(Said.of(f"describe={word}") for word in ["payed", "CHECKING", "certificate", "unknow", "deleted", "Future_Word"]),
    *(Said.of(f"list={word}") for word in ["CHECKING", "deleted", "NOTACTIVATED", "Future_Word"]),
    Said("named"),
]
SMALL = [
    *map(Said, ["submitted", "domain_validated", "review_failed", "expiry_neared", "create", "named"]),
    *map(Said.of, ["cancel", "cancel?", "cancel!", "cancel!OrderStateError", "delete", "delete?", "delete!Error"]),
    *map(Said.of, ["delete!DeleteFail", "delete!NotFoundOrder", "delete!Unheard.Of", "cancel_for_package", "renew"]),
    *map(Said.of, ["describe=CHECKING", "describe=certificate", "describe=Future_Word", "describe!NotFoundOrder"]),
]


def histories(alphabet, length):
    """All of that length that concern one order, and not the renewed one alone."""
    return (lines for lines in product(alphabet, repeat=length) if any(said.trigger != "named" for said in lines))


@pytest.mark.usefixtures("untraced")
@pytest.mark.parametrize("complete", [True, False], ids=["complete", "partial"])
@pytest.mark.parametrize(("alphabet", "length"), [(ALPHABET, 1), (ALPHABET, 2), (SMALL, 3)])
def test_the_judge_agrees_with_trying_every_run_on_all_short_histories(alphabet, length, complete):
    for lines in histories(alphabet, length):
        agree(lines, complete)


@pytest.mark.usefixtures("untraced")
@pytest.mark.parametrize("complete", [True, False], ids=["complete", "partial"])
@pytest.mark.parametrize("length", [1, 2, 3, 4])
def test_and_where_a_lost_call_may_happen_later(length, complete):
    often = [
        Said.of(text) for text in ["cancel?", "delete!Error", "delete!NotFoundOrder", "submitted", "describe=payed"]
    ]
    seldom = [
        Said.of(text) for text in ["delete!", "cancel!Unheard.Of", "cancel", "review_failed", "describe=CHECKING"]
    ]
    for lines in product(often if length == 4 else often + seldom, repeat=length):
        agree(lines, complete, timed=True)


@st.composite
def likely_histories(draw):
    """Histories of which most lines can be explained: an order goes its way, and is written down, mostly rightly."""
    state, lines = draw(st.sampled_from([NO_ORDER, *oracle.STATES])), []
    for _ in range(draw(st.integers(1, 12))):
        fits = [said for said in ALPHABET if ends(state, said, favour=True)]
        said = draw(st.sampled_from(fits if draw(st.integers(0, 9)) else ALPHABET))
        state = draw(st.sampled_from(ends(state, said, favour=True) or [state]))
        lines.append(said)
    return lines


@given(
    likely_histories().filter(lambda lines: {said.trigger for said in lines} != {"named"}), st.booleans(), st.booleans()
)
def test_the_judge_agrees_with_trying_every_run_on_longer_histories(lines, complete, timed):
    agree(lines, complete, timed)


# -- what explains a line ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("create", CREATES)
def test_an_order_whose_first_line_is_an_accepted_create_begins_as_no_order(create):
    assert verdict(create, "describe=CHECKING") is CONFORMS
    assert judged(create, "describe=ISSUED").possible == (State.PENDING_REVIEW,)


@pytest.mark.parametrize("state", State)
def test_any_other_order_may_begin_in_any_state(state):
    assert verdict(f"list={state}") is CONFORMS


def test_any_other_order_may_begin_as_no_order():
    assert verdict("describe!NotFoundOrder", "create", "describe=CHECKING") is CONFORMS


def test_an_order_that_a_renewal_named_begins_as_no_order_and_there_as_pending_application():
    assert verdict("named", "describe=PAYED", "delete") is CONFORMS
    assert verdict("describe!NotFoundOrder", "named", "describe=PAYED") is CONFORMS
    assert judged("describe", "named").index == 0
    assert judged("describe", "named").possible == (None,)
    assert judged("named", "describe=ISSUED").possible == (State.PENDING_APPLICATION,)


@pytest.mark.parametrize("again", ["named", "create"])
def test_a_create_or_a_renewal_of_an_order_that_exists_is_explained_by_nothing(again):
    found = judged("create", again)
    assert (found.verdict, found.index) == (VIOLATES, 1)
    assert verdict("create", "cancel", "delete", again) is VIOLATES, "an id is never used again"


def test_a_renewal_names_an_order_only_if_it_was_accepted():
    other = {"trigger": Operation.RENEW, "order_id": 1, "new_order_id": 7}
    assert Line(time=moment(0), **other).begins == 7
    assert Line(time=moment(0), outcome="unknown", **other).begins is None
    assert Line(time=moment(0), **(other | {"trigger": Operation.CANCEL})).begins is None


def test_accepted_means_that_the_table_allows_it_there_and_that_the_order_moves():
    assert verdict("create", "cancel", "delete", "describe!NotFoundOrder") is CONFORMS
    assert judged("create", "delete") == t.Judgement(
        VIOLATES, 1, (State.PENDING_REVIEW,), ORDER_LIFECYCLE_LEGAL[State.PENDING_REVIEW]
    )


def test_an_event_likewise():
    assert verdict("create", "domain_validated", "review_passed", "describe=ISSUED") is CONFORMS
    assert judged("create", "review_passed").index == 1


def test_order_state_error_means_that_the_table_refuses_it_and_that_there_is_an_order():
    assert verdict("create", "delete!OrderStateError", "cancel") is CONFORMS
    assert judged("create", "cancel!OrderStateError").index == 1
    assert verdict("create", "cancel", "delete", "delete!OrderStateError") is VIOLATES
    assert judged("delete!OrderStateError", "create").possible, "there was an order"
    assert verdict("delete!OrderStateError", "create") is VIOLATES


def test_not_found_order_means_that_there_is_no_order_or_a_deleted_one():
    assert verdict("cancel!NotFoundOrder", "create") is CONFORMS
    assert verdict("create", "cancel", "delete", "cancel!NotFoundOrder") is CONFORMS
    assert verdict("create", "cancel!NotFoundOrder") is VIOLATES


def test_not_found_order_says_so_of_a_read_of_the_list_too():
    read = Said("list", "refused", "NotFoundOrder", "ISSUED")
    created, cancelled, deleted = history("create", "cancel", "delete")
    assert t.judge([created, cancelled, deleted, line(read, 9)], events="complete").verdict is CONFORMS
    assert t.judge([created, line(read, 9)], events="complete").verdict is VIOLATES


def test_delete_fail_is_a_deletion_that_the_table_allows_and_changes_nothing():
    assert verdict("create", "cancel", "delete!DeleteFail", "describe=PAYED") is CONFORMS
    assert verdict("create", "delete!DeleteFail") is VIOLATES
    assert verdict("create", "cancel", "delete!DeleteFail", "describe!NotFoundOrder") is VIOLATES
    assert verdict("cancel!DeleteFail") is VIOLATES


@pytest.mark.parametrize("lost", ["delete?", "delete!Error"])
def test_an_unknown_outcome_and_the_code_error_happened_or_did_not(lost):
    assert verdict("create", "cancel", lost, "describe!NotFoundOrder") is CONFORMS
    assert verdict("create", "cancel", lost, "describe=PAYED") is CONFORMS
    assert verdict("create", lost, "describe=CHECKING") is CONFORMS
    assert verdict("create", lost, "describe!NotFoundOrder") is VIOLATES


@pytest.mark.parametrize("lost", ["delete?", "delete!Error"])
def test_without_intervals_a_lost_call_happens_where_it_stands_and_with_them_it_may_happen_later(lost):
    texts = ["create", "cancel", lost, "describe=PAYED", "describe!NotFoundOrder"]
    assert judged(*texts).index == 4
    assert verdict(*texts, timed=True) is CONFORMS
    assert verdict(*texts, "delete!NotFoundOrder", timed=True) is CONFORMS


def test_one_interval_makes_it_a_history_with_intervals():
    lines = history("create", "cancel", "delete?", "describe=PAYED", "describe!NotFoundOrder")
    for at, key in product(range(len(lines)), ["started", "ended"]):
        timed = [attrs.evolve(entry, **{key: 0}) if n == at else entry for n, entry in enumerate(lines)]
        assert t.judge(timed, events="complete").verdict is CONFORMS


def test_a_lost_call_happens_once():
    texts = ["create", "cancel?", "submitted", "describe=PAYED"]
    assert verdict(*texts, timed=True) is VIOLATES
    assert verdict("create", "cancel?", "cancel?", "submitted", "describe=PAYED", timed=True) is CONFORMS
    texts = ["describe=CHECKING", "submitted", "describe=PAYED"]
    assert verdict("create", "cancel?", *texts, timed=True) is VIOLATES
    assert verdict("create", "cancel?", "cancel?", *texts, timed=True) is CONFORMS, "both of them later"


@pytest.mark.parametrize("events", Events)
def test_calls_lost_by_the_hundred_do_not_multiply_the_runs(events):
    automaton = t.Automaton(ORDER_LIFECYCLE, events, late=True)
    possible = automaton.anywhere
    for trigger in [Operation.CANCEL, Operation.DELETE, Operation.CANCEL_FOR_PACKAGE] * 100:
        possible = automaton.step(possible, t.Reading(trigger, t.Answer.PERHAPS))
        assert len(possible.favour) < 50


def test_judges_share_an_automaton_until_it_has_grown_large(monkeypatch):
    shared = t.automaton(ORDER_LIFECYCLE, Events.COMPLETE, late=True)
    assert t.automaton(ORDER_LIFECYCLE, Events.COMPLETE, late=True) is shared
    monkeypatch.setattr(automata, "_LARGE", shared.size - 1)
    t.automaton(ORDER_LIFECYCLE, Events.COMPLETE, late=True)
    assert t.automaton(ORDER_LIFECYCLE, Events.COMPLETE, late=True) is not shared


def test_lost_calls_that_can_no_more_happen_are_forgotten():
    automaton = t.Automaton(ORDER_LIFECYCLE, Events.COMPLETE, late=True)
    possible = automaton.at([State.ISSUED])
    for trigger in (Operation.CANCEL, Operation.DELETE):
        possible = automaton.step(possible, t.Reading(trigger, t.Answer.PERHAPS))
    assert possible is automaton.at([State.ISSUED])


@pytest.mark.parametrize(
    "code",
    [
        *("NotFoundPackage", "NotRemainCount", "CreateCertificateRequestFailed", "MissingOrderId", "InvalidOrderId"),
        *("MissingVersion", "InvalidVersion", "InvalidAction.NotFound", "MissingSignature", "SignatureDoesNotMatch"),
        *("InvalidAccessKeyId.NotFound", "InvalidTimeStamp.Expired", "SignatureNonceUsed", "Throttling.User"),
    ],
)
def test_every_other_known_code_can_come_anywhere_and_changes_nothing(code):
    assert verdict("create", f"cancel!{code}", "describe=CHECKING") is CONFORMS
    assert verdict("create", f"cancel!{code}", "describe=PAYED") is VIOLATES
    assert verdict(f"delete!{code}", "create") is CONFORMS


@pytest.mark.parametrize("word", [*WORDS, *map(str.upper, WORDS), "WillExpired"])
def test_a_read_with_a_state_is_one_of_the_states_that_the_word_may_mean(word):
    for state in oracle.STATES:
        seen = verdict(f"list={state}", f"list={word}")
        assert seen is (CONFORMS if state in WORDS[word.lower()] else VIOLATES)


@pytest.mark.parametrize("word", ["Future_Word", "none", " ", "no order"])
def test_a_word_that_nobody_knows_is_no_state_strictly_and_any_in_the_orders_favour(word):
    assert verdict("create", f"describe={word}") is UNDECIDED
    assert verdict("create", f"describe={word}", "delete") is VIOLATES
    assert verdict("create", "cancel", "delete", f"describe={word}") is VIOLATES
    assert verdict("create", "cancel", "delete", f"list={word}") is UNDECIDED
    assert judged(f"list={word}", "create").index == 1, "no order is not a state"


def test_the_state_of_a_call_that_is_not_a_read_or_was_not_accepted_means_nothing():
    for said in [Said("cancel", word="ISSUED"), Said("describe", "unknown", word="ISSUED")]:
        assert t.judge([line(Said("create")), line(said, 1)], events="complete").verdict is CONFORMS


def test_a_refusal_without_a_code_is_strictly_one_by_the_state_and_in_favour_any():
    assert verdict("create", "delete!", "describe=CHECKING") is CONFORMS
    assert verdict("create", "cancel", "delete", "delete!") is CONFORMS
    assert verdict("create", "cancel!", "describe=CHECKING") is UNDECIDED
    assert verdict("create", "cancel!", "describe=PAYED") is UNDECIDED, "it may have been Error"
    assert verdict("create", "cancel!", "describe=ISSUED") is VIOLATES


def test_a_code_that_nobody_knows_explains_nothing_strictly_and_in_favour_changes_nothing():
    assert verdict("create", "delete!Unheard.Of", "describe=CHECKING") is UNDECIDED
    assert verdict("create", "cancel!InvalidStatus.UpdateProtection", "describe=CHECKING") is UNDECIDED
    assert verdict("create", "cancel!Unheard.Of", "describe=PAYED") is VIOLATES


def test_a_violation_stands_even_if_something_before_it_was_vague():
    assert judged("create", "describe=Future_Word", "delete").index == 2


# -- events that nobody saw --------------------------------------------------------------------------------------------


def test_events_may_be_missing_between_any_two_lines_unless_the_trace_is_complete():
    assert verdict("create", "delete", events="partial") is CONFORMS
    assert verdict("create", "delete", events="complete") is VIOLATES
    assert verdict("create", "describe=EXPIRED", events="partial") is CONFORMS
    assert t.judge(history("create", "delete")).verdict is CONFORMS, "without a header they may be missing"


def test_operations_are_never_missing():
    assert verdict("create", "describe!NotFoundOrder", events="partial") is VIOLATES
    assert verdict("describe=ISSUED", "describe=PAYED", events="partial") is VIOLATES


def test_of_a_violation_are_named_the_states_just_before_unseen_events_counted_in_and_what_is_legal():
    found = judged("create", "review_failed", "delete", "renew", events="partial")
    assert (found.index, found.possible) == (3, (State.DELETED,))
    assert found.legal == (Operation.LIST, Operation.DESCRIBE_PACKAGE)
    found = judged("describe=ISSUED", "delete", events="partial")
    assert found.possible == (State.ISSUED, State.ABOUT_TO_EXPIRE, State.EXPIRED, State.REVOKED)
    assert set(found.legal) == {
        *(
            Operation.DESCRIBE,
            Operation.LIST,
            Operation.DESCRIBE_PACKAGE,
            Operation.CANCEL_FOR_PACKAGE,
            Operation.RENEW,
        ),
        *(Event.CERTIFICATE_REVOKED, Event.EXPIRY_NEARED, Event.EXPIRY_REACHED),
    }


ORDER_LIFECYCLE_LEGAL = {
    State.PENDING_REVIEW: (
        *(Operation.CANCEL, Operation.DESCRIBE, Operation.LIST, Operation.DESCRIBE_PACKAGE),
        *(Event.DOMAIN_VALIDATED, Event.REVIEW_FAILED),
    )
}


@pytest.mark.parametrize("state", State)
def test_quota_is_held_by_pending_applications_and_failed_reviews_alone(state):
    held = state in {State.PENDING_APPLICATION, State.VERIFY_FAIL}
    for events in Events:  # no unseen event is counted in
        assert judged(f"list={state}", events=events).holds_quota is held


def test_quota_is_not_held_if_the_order_may_be_elsewhere_or_a_renewal_made_it():
    assert judged("create", "cancel").holds_quota
    assert not judged("create", "cancel", "delete?").holds_quota
    assert not judged("create").holds_quota
    assert not judged("create", "cancel!", "describe=PAYED").holds_quota, "it does not conform"
    assert not judged("named", "describe=PAYED").holds_quota
    assert not judged().holds_quota


# -- one order, and another table --------------------------------------------------------------------------------------


def test_the_judge_puts_lines_in_order_of_time_and_leaves_equal_times_as_given():
    create, cancel, delete = history("create", "cancel", "delete")
    assert t.judge([delete, create, cancel], events="complete").verdict is CONFORMS
    at_once = [attrs.evolve(entry, time=moment(0)) for entry in (create, cancel, delete)]
    assert t.judge(at_once, events="complete").verdict is CONFORMS
    assert t.judge(at_once[::-1], events="complete").index == 1


def test_nothing_violates_nothing():
    assert judged() == t.Judgement(CONFORMS)
    assert t.judge([t.Header("a"), t.BadLine("a", 1, "no", "?"), line(Said("list"))]) == t.Judgement(CONFORMS)


def test_account_lines_do_not_count_for_the_index():
    lines = [line(Said("list"), 0), *history("create", "delete"), line(Said("describe_package"), 3)]
    assert t.judge(lines, events="complete").index == 1


def test_the_judge_takes_one_order_and_names_the_others():
    with pytest.raises(InvalidValue, match=r"order ids \[7, 8\]: expected those of one order"):
        t.judge([line(Said("create")), line(Said("cancel"), 1), line(Said("delete"), 2, order_id=8)])


def test_a_renewal_alone_is_a_line_of_the_renewed_order():
    assert t.judge([line(Said("named"))], events="complete").verdict is CONFORMS
    assert t.judge([line(Said("named")), line(Said("expiry_reached"), 1, order_id=1)]).verdict is CONFORMS
    twice = [line(Said("named"), 0), line(Said("named"), 1)]
    assert t.judge(twice, events="complete").verdict is CONFORMS
    assert [v.order_id for v in t.replay(twice, events="complete").violations] == [7]


def test_a_renewal_that_names_its_own_order_is_explained_by_nothing():
    assert t.judge([line(Said("named"), order_id=1)]).verdict is VIOLATES


def rows_of(trigger):
    return [row for row in ORDER_LIFECYCLE.transitions if row.trigger is trigger]


def without(trigger):
    """The table less all rows of `trigger`."""
    lifecycle = ORDER_LIFECYCLE
    for row in rows_of(trigger):
        lifecycle = lifecycle.without(row)
    return lifecycle


def test_the_table_decides_and_nothing_else():
    lines = history("create", "cancel", "delete")
    assert t.judge(lines, events="complete").verdict is CONFORMS
    assert t.judge(lines, events="complete", lifecycle=without(Operation.DELETE)).index == 2
    found = t.judge(lines, events="complete", lifecycle=without(Operation.CREATE))
    assert (found.index, found.possible) == (0, (None,)), "an accepted create begins as no order"
    assert t.judge(history("named", "describe"), lifecycle=without(Operation.RENEW)).index == 0
    lines = history("describe=ISSUED", "delete")
    assert t.judge(lines).verdict is VIOLATES
    deletable = ORDER_LIFECYCLE.with_rows(attrs.evolve(rows_of(Operation.DELETE)[0], source=State.ISSUED))
    assert t.judge(lines, lifecycle=deletable).verdict is CONFORMS
    assert t.judge(lines[:1], lifecycle=deletable).holds_quota


def test_a_trigger_that_the_lifecycle_does_not_know_is_an_error_that_names_it():
    rules = tuple(rule for rule in ORDER_LIFECYCLE.triggers if rule.trigger is not Operation.CANCEL)
    rows = tuple(row for row in ORDER_LIFECYCLE.transitions if row.trigger is not Operation.CANCEL)
    with pytest.raises(InvalidValue, match=r"trigger .*CANCEL"):
        t.judge(history("create", "cancel"), lifecycle=table(rows, triggers=rules))


@pytest.mark.parametrize("events", ["all", None, 1], ids=repr)
def test_events_are_complete_or_partial(events):
    if events is not None:
        for ask in (t.judge, t.replay):
            with pytest.raises(InvalidValue, match=r"events .*: expected complete, partial"):
                ask(history("create"), events=events)
    with pytest.raises(InvalidValue, match=r"events .*: expected complete, partial"):
        t.header(events)


# -- lines -------------------------------------------------------------------------------------------------------------

GOOD = {"time": "2026-08-05T06:10:01Z", "order_id": 7, "operation": "CancelOrderRequest", "outcome": "accepted"}


def text(**changes):
    return json.dumps(GOOD | changes)


def event(name, **changes):
    return json.dumps({"time": GOOD["time"], "order_id": 7, "event": name} | changes)


def test_a_line_is_read_whole():
    given = text(
        code="Error", outcome="refused", state="PAYED", new_order_id="9", client="a", started=1, ended=2.5, note=[1]
    )
    read = t.loads(given, "a.jsonl", 3)
    assert read == Line(
        time="2026-08-05T06:10:01Z",
        order_id=7,
        trigger=Operation.CANCEL,
        outcome=Outcome.REFUSED,
        code="Error",
        state="PAYED",
        new_order_id=9,
        client="a",
        started=1,
        ended=2.5,
        extra={"note": [1]},
        file="a.jsonl",
        number=3,
    )
    assert t.loads(given.encode(), "a.jsonl", 3) == read
    assert t.line_of(json.loads(given) | {"client": "a", "absent": None}, "a.jsonl", 3) == read


def test_fields_that_are_no_line_are_a_bad_line():
    bad = t.line_of({"time": None, "order_id": 7, "event": "submitted"}, "a.parquet", 3)
    assert (bad.file, bad.line, bad.text) == ("a.parquet", 3, '{"time": null, "order_id": 7, "event": "submitted"}')
    assert "time None: expected an RFC 3339 time" in bad.reason


@pytest.mark.parametrize("trigger", [*Operation, *Event])
def test_every_trigger_can_be_written_and_read(trigger):
    kind = "operation" if isinstance(trigger, Operation) else "event"
    outcome = {"outcome": "accepted"} if kind == "operation" else {}
    read = t.loads(json.dumps({"time": GOOD["time"], "order_id": 7, kind: trigger, **outcome}))
    assert read.trigger is trigger
    assert Line(time=GOOD["time"], order_id=7, trigger=trigger.value).trigger is trigger
    assert t.loads(t.dumps(read)) == read


@pytest.mark.parametrize(("written", "number"), [(1, 1), (MAX_ID, MAX_ID), ("7", 7), ("007", 7), (str(MAX_ID), MAX_ID)])
def test_an_order_id_is_an_integer_or_a_string_of_digits(written, number):
    assert t.loads(text(order_id=written)).order_id == number


@pytest.mark.parametrize("written", [7.0, Decimal("7.00"), Decimal(MAX_ID), 2.0**53 - 1])
def test_a_float_is_an_order_id_if_it_is_exactly_one_integer(written):
    assert t.line_of(GOOD | {"order_id": written}).order_id == int(written)
    if isinstance(written, float):
        assert t.loads(text(order_id=written)).order_id == int(written)


@pytest.mark.parametrize("nothing", [None, "", float("nan")])
def test_an_empty_text_and_what_is_no_number_mean_absent_as_null_does(nothing):
    absent = dict.fromkeys(["event", "code", "state", "new_order_id", "started", "ended"], nothing)
    assert t.line_of(GOOD | absent) == t.line_of(GOOD)
    assert Line(time=GOOD["time"], trigger="ListUserCertificateOrder", order_id=nothing, code=nothing).order_id is None
    assert isinstance(t.line_of({"time": GOOD["time"], "order_id": 7, "event": "submitted", "outcome": nothing}), Line)
    for key in ("time", "order_id", "operation", "outcome"):
        assert isinstance(t.line_of(GOOD | {key: nothing}), t.BadLine)


def test_a_line_takes_its_trigger_as_the_format_calls_it():
    made = Line(time=GOOD["time"], order_id=7, trigger="CancelOrderRequest")
    assert Line(time=GOOD["time"], order_id=7, operation="CancelOrderRequest") == made
    assert Line(time=GOOD["time"], order_id=7, event="submitted").trigger is Event.SUBMITTED
    with pytest.raises(InvalidValue, match="operation 'submitted'"):
        Line(time=GOOD["time"], order_id=7, operation="submitted")
    for named in ({}, {"operation": "CancelOrderRequest", "event": "submitted"}):
        with pytest.raises(InvalidValue, match="exactly one of them"):
            Line(time=GOOD["time"], order_id=7, **named)


def test_null_means_absent():
    read = t.loads(text(code=None, state=None, new_order_id=None, client=None, event=None, note=None))
    assert read == t.loads(text())
    assert isinstance(t.loads(event("submitted", operation=None, outcome=None)), Line)


BAD = {
    "no JSON": ("{", "line '{': expected a JSON object"),
    "nothing": ("", "expected a JSON object"),
    "NaN, which is not JSON": (text(note=float("nan")), "expected a JSON object"),
    "JSON, but no object": ("[1]", "expected a JSON object"),
    "too deep": ("[" * 100_000, "expected a JSON object"),
    "a number of more digits than Python takes": ('{"a": ' + "9" * 5000 + "}", "expected a JSON object"),
    "not UTF-8": (b"\xff\xfe{}", "expected a JSON object"),
    "no time": (text(time=None), "time None: expected an RFC 3339 time"),
    "a time in seconds": (text(time=1786255801), "time 1786255801"),
    "a time in microseconds": (text(time=1786255801000000), "time 1786255801000000"),
    "a time that is true": (text(time=True), "time True"),
    "a time without an offset": (text(time="2026-08-05T06:10:01"), "time '2026-08-05T06:10:01'"),
    "a date": (text(time="2026-08-05"), "time"),
    "a time without seconds": (text(time="2026-08-05T06:10Z"), "time"),
    "no such month": (text(time="2026-13-05T06:10:01Z"), "time"),
    "no such day": (text(time="2026-04-31T06:10:01Z"), "time"),
    "no such hour": (text(time="2026-08-05T24:10:01Z"), "time"),
    "no such second": (text(time="2026-08-05T06:10:61Z"), "time"),
    "a leap second where none can be": (text(time="2026-08-05T06:10:60Z"), "time"),
    "no such offset": (text(time="2026-08-05T06:10:01+05:60"), "time"),
    "a time in foreign digits": (text(time="2026-08-05T06:10:01.\u0662Z"), "time"),
    "a time with something after it": (text(time="2026-08-05T06:10:01Z\n"), "time"),
    "no order id": (
        text(order_id=None),
        "order id None: expected an int in 1 .. 9223372036854775807; only lines of the",
    ),
    "order id 0": (text(order_id=0), "order id 0: expected an int in 1 .."),
    "order id 0 in digits": (text(order_id="00"), "order id '00'"),
    "an order id below": (text(order_id=-7), "order id -7"),
    "an order id above": (text(order_id=MAX_ID + 1), "order id"),
    "an order id above in digits": (text(order_id=str(MAX_ID + 1)), "order id"),
    "an order id of a million digits": (text(order_id="1" * 1_000_000), "order id '1111"),
    "an order id that is a name": (text(order_id="cas-7"), "order id 'cas-7'"),
    "an order id in foreign digits": (text(order_id="\u0667"), "order id"),
    "an empty order id": (text(order_id=""), "order id None"),
    "an order id with a fraction": (text(order_id=7.5), "order id 7.5"),
    "an order id that may have been rounded": (
        text(order_id=2.0**53),
        "order id 9007199254740992.0: expected an int: a",
    ),
    "an order id with a fraction in a text": (text(order_id="7.0"), "order id '7.0'"),
    "an endless order id": (
        '{"time": "2026-08-05T06:10:01Z", "order_id": 1e999, "event": "submitted"}',
        "order id inf",
    ),
    "an order id that is true": (text(order_id=True), "order id True"),
    "a bad id of the account's": (text(operation="ListUserCertificateOrder", order_id="x"), "order id 'x'"),
    "a renewal that names no id": (
        text(operation="RenewCertificateOrderForPackageRequest", new_order_id=0),
        "order id 0",
    ),
    "neither operation nor event": (text(operation=None), "operation and event (None, None): expected exactly one"),
    "both operation and event": (text(event="submitted"), "operation and event"),
    "an unknown operation": (
        text(operation="DeleteOrder"),
        "operation 'DeleteOrder': expected CancelOrder",
    ),
    "an operation by its short name": (text(operation="delete"), "operation 'delete'"),
    "an operation that is an event": (text(operation="submitted"), "operation 'submitted'"),
    "an operation that is a list": (text(operation=["CancelOrderRequest"]), "operation ['CancelOrderRequest']"),
    "an unknown event": (event("applied"), "event 'applied': expected domain_validated"),
    "an event that is an operation": (event("CancelOrderRequest"), "event 'CancelOrderRequest'"),
    "no outcome": (text(outcome=None), "outcome None: expected accepted, refused, unknown"),
    "an unknown outcome": (text(outcome="ok"), "outcome 'ok'"),
    "an outcome in capitals": (text(outcome="Accepted"), "outcome 'Accepted'"),
    "an event that was refused": (event("submitted", outcome="refused"), "outcome of an event"),
    "a header": (t.header(), "header"),
    "a header of another format": (
        '{"trace": 2}',
        'header {\'trace\': 2}: expected {"trace": 1, "events": "complete"}',
    ),
}


@pytest.mark.parametrize(("given", "reason"), BAD.values(), ids=BAD)
def test_a_bad_line_is_named_with_the_reason(given, reason):
    read = t.loads(given, "a.jsonl", 3)
    assert isinstance(read, t.BadLine)
    assert reason in read.reason
    assert (read.file, read.line) == ("a.jsonl", 3)
    assert str(read) == f"a.jsonl:3: {read.reason}"
    assert len(read.reason) < 400
    assert len(read.text) <= 80
    assert read.text == (given if isinstance(given, str) else given.decode("utf-8", "replace"))[:80].strip()


NOT_BAD = {
    "a refusal without a code": text(outcome="refused"),
    "a code that is a number": text(outcome="refused", code=403),
    "a code that is a list": text(outcome="refused", code=["a"]),
    "a state that is no word": text(operation="DescribeCertificateState", state={"a": 1}),
    "an event that says that it happened": event("submitted", outcome="accepted"),
    "a line with a trace id": text(trace="abc"),
    "an event with a trace id": event("submitted", trace=1),
}


@pytest.mark.parametrize("given", NOT_BAD.values(), ids=NOT_BAD)
def test_what_is_vague_or_superfluous_is_not_bad(given):
    assert isinstance(t.loads(given), Line)


def test_what_is_vague_leaves_it_undecided():
    for name in ["a code that is a number", "a code that is a list", "a state that is no word"]:
        assert t.judge([t.loads(NOT_BAD[name])]).verdict is UNDECIDED


TIMES = [  # in order; those in one row are the same moment
    ["0001-01-01T00:00:00Z"],
    ["1969-12-31T23:59:59.9Z"],
    ["1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000Z", "1969-12-31T19:00:00-05:00"],
    ["1990-12-31T23:59:59.999Z"],
    ["1990-12-31T23:59:60Z", "1990-12-31T15:59:60-08:00"],
    ["2026-08-05T06:10:01Z", "2026-08-05t06:10:01z", "2026-08-05 06:10:01-00:00", "2026-08-05T14:10:01+08:00"],
    ["2026-08-05T06:10:01.001Z", 1785910201001, "2026-08-05 06:10:01.001+00", "2026-08-05 14:10:01.001+0800"],
    ["2026-08-05T06:10:01.0010000001Z"],
    ["2026-08-05T06:10:01.0010000002Z"],
    ["2026-08-05T06:10:01.45Z"],
    ["2026-08-05T06:10:01.5Z", "2026-08-05T06:10:01.500+00:00"],
    ["9999-12-31T23:59:59Z"],
]


def test_times_of_any_offset_and_any_number_of_digits_are_put_in_order():
    instants = [[Line(time=time, order_id=7, trigger="submitted").instant for time in row] for row in TIMES]
    assert all(len(set(row)) == 1 for row in instants)
    assert [row[0] for row in instants] == sorted({row[0] for row in instants})


def test_a_time_may_be_given_as_an_aware_datetime():
    time = datetime(2026, 8, 5, 6, 10, 1, 500_000, tzinfo=timezone(timedelta(hours=8)))
    made = Line(time=time, order_id=7, trigger=Event.SUBMITTED)
    assert made.time == "2026-08-05T06:10:01.500000+08:00"
    assert made.instant == (int(time.timestamp()), "5")
    with pytest.raises(InvalidValue, match="time '2026-08-05T06:10:01': expected an RFC 3339 time"):
        Line(time=datetime(2026, 8, 5, 6, 10, 1), order_id=7, trigger=Event.SUBMITTED)  # noqa: DTZ001


ACCOUNT = [
    *(Said(trigger, outcome) for trigger in CREATES for outcome in ("refused", "unknown")),
    *(Said(trigger, outcome) for trigger in ("list", "describe_package") for outcome in Outcome),
    Said("describe_package", word="ISSUED"),
]


@pytest.mark.parametrize("said", ACCOUNT)
def test_account_lines_may_lack_an_order_and_are_counted_not_judged(said):
    for order_id in (None, 7):
        report = t.replay([*history("create"), line(said, 1, order_id=order_id)], events="complete")
        assert (report.verdict, report.orders, report.lines, report.account_lines) == (CONFORMS, 1, 2, 1)
    assert t.replay([line(said)]).orders == 0


def test_a_list_with_an_order_and_a_state_is_a_read_of_that_order():
    assert verdict("create", "list=CHECKING") is CONFORMS
    assert judged("create", "list=ISSUED").index == 1
    without_order = Line(time=moment(0), trigger=Operation.LIST, state="CHECKING")
    assert without_order.of_the_account
    report = t.replay([without_order, line(Said.of("list=CHECKING"))])
    assert (report.orders, report.account_lines) == (1, 1)


@pytest.mark.parametrize("trigger", [*CREATES, *ON_AN_ORDER, "submitted"])
def test_every_other_line_needs_an_order(trigger):
    with pytest.raises(InvalidValue, match="order id None"):
        Line(time=moment(0), trigger=TRIGGERS[trigger])


# -- files -------------------------------------------------------------------------------------------------------------

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda values: st.lists(values, max_size=2) | st.dictionaries(st.text(), values, max_size=2),
    max_leaves=4,
)
KEYS = {*GOOD, "event", "code", "state", "new_order_id", "client", "started", "ended", "trace"}


@st.composite
def lines_of_any_kind(draw):
    trigger = draw(st.sampled_from([*Operation, *Event]))
    ids = st.integers(1, MAX_ID)
    extra = draw(st.dictionaries(st.text().filter(lambda key: key not in KEYS), json_values, max_size=3))
    return Line(
        time=draw(st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30), timezones=st.just(UTC))),  # noqa: DTZ001
        order_id=draw(ids),
        trigger=trigger,
        outcome=draw(st.sampled_from(Outcome)) if isinstance(trigger, Operation) else Outcome.ACCEPTED,
        code=draw(st.none() | st.text()),
        state=draw(st.none() | st.text()),
        new_order_id=draw(st.none() | ids),
        client=draw(json_values),
        started=draw(json_values),
        ended=draw(json_values),
        extra={key: value for key, value in extra.items() if value is not None},
    )


@given(st.lists(lines_of_any_kind(), max_size=5))
def test_what_was_written_is_what_is_read(tmp_path_factory, lines):
    for name in ("a.jsonl", "a.jsonl.gz"):
        path = tmp_path_factory.getbasetemp() / name
        t.write(lines, path)
        where = [attrs.evolve(entry, file=str(path), number=n) for n, entry in enumerate(lines, 2)]
        assert list(t.read(path)) == [t.Header(str(path), Events.COMPLETE), *where]


def test_a_written_trace_is_json_lines_with_a_header(tmp_path):
    t.write(history("create", "cancel!Error", "submitted"), tmp_path / "a.jsonl", events="partial")
    assert (tmp_path / "a.jsonl").read_text().splitlines() == [
        '{"trace": 1, "events": "partial"}',
        '{"time": "2026-08-05T06:00:00Z", "order_id": 7, "operation": "CreateCertificateRequest", '
        '"outcome": "accepted"}',
        '{"time": "2026-08-05T06:00:01Z", "order_id": 7, "operation": "CancelOrderRequest", "outcome": "refused", '
        '"code": "Error"}',
        '{"time": "2026-08-05T06:00:02Z", "order_id": 7, "event": "submitted"}',
    ]


def test_a_bad_header_writes_nothing(tmp_path):
    with pytest.raises(InvalidValue, match="events 'all'"):
        t.write([], tmp_path / "a.jsonl", events="all")
    assert not (tmp_path / "a.jsonl").exists()


def files(tmp_path, *contents):
    """The paths of new files with these lines."""
    paths = []
    for number, lines in enumerate(contents):
        paths.append(tmp_path / f"{number}.jsonl")
        paths[-1].write_text("".join(f"{text}\n" for text in lines))
    return paths


def test_one_path_or_several_are_read_in_their_order(tmp_path):
    first, second = files(tmp_path, [t.header(), text()], [text()])
    assert [type(entry) for entry in t.read(str(first))] == [t.Header, Line]
    assert [entry.file for entry in t.read([second, str(first)])] == [str(second)] * 2 + [str(first)] * 2
    assert list(t.read([])) == []


def test_empty_lines_are_nothing_but_have_numbers(tmp_path):
    (path,) = files(tmp_path, ["", t.header(), "  ", "\r", text(), "", "?"])
    head, good, bad = t.read(path)
    assert head.events is Events.COMPLETE
    assert (good.number, bad.line) == (5, 7)
    assert t.replay(t.read(path)).lines == 2


@pytest.mark.parametrize("heads", [[], [t.header(Events.COMPLETE)]])
def test_lines_that_another_reader_finds_follow_the_header_that_the_file_has_or_has_not(tmp_path, heads):
    def find(text, place, *, whole):
        return Found(len(text), 1, text.count(b"\n"), 0, place.line) if text.startswith(b"{}") else None

    (path,) = files(tmp_path, [*heads, *["{}"] * 3])
    first, *rest = batches(path, find=find)
    assert first == t.Header(str(path), Events.COMPLETE if heads else Events.PARTIAL)
    assert isinstance(rest[-1], Found)


def test_the_keys_that_decide_what_a_line_says_are_those_of_the_tables():
    own = PARCELS.identity.key
    assert {"trace", "events", "time", "operation", "order_id"} <= keys_read(tables_of(None))
    assert own in keys_read(tables_of(PARCELS)) - keys_read(tables_of(None))


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
def test_whoever_asks_is_told_how_far_the_files_were_read(tmp_path, name):
    path, told = tmp_path / name, []
    t.write([line(Said("cancel"), second) for second in range(3000)], path)
    assert len(list(t.read([path, path], progress=told.append))) == 2 * 3001
    assert sum(told) == 2 * path.stat().st_size
    assert len(told) > 2 * (path.stat().st_size >> 16)


@pytest.mark.parametrize("content", [b"", b"\n\n", b" \n"])
def test_an_empty_file_is_a_trace_without_lines(tmp_path, content):
    (tmp_path / "a.jsonl").write_bytes(content)
    assert list(t.read(tmp_path / "a.jsonl")) == [t.Header(str(tmp_path / "a.jsonl"), Events.PARTIAL)]


def test_the_last_line_needs_no_newline_and_the_first_may_have_a_byte_order_mark(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b"\xef\xbb\xbf" + t.header().encode() + b"\r\n" + text().encode())
    head, good = t.read(tmp_path / "a.jsonl")
    assert (head.events, good.number) == (Events.COMPLETE, 2)


HEADERS = {
    "complete": ([t.header()], Events.COMPLETE, 0),
    "partial": ([t.header(Events.PARTIAL)], Events.PARTIAL, 0),
    "silent": (['{"trace": 1}'], Events.PARTIAL, 0),
    "null": (['{"trace": 1, "events": null}'], Events.PARTIAL, 0),
    "none": ([], Events.PARTIAL, 0),
    "of a word that nobody knows": (['{"trace": 1, "events": "all"}'], Events.PARTIAL, 1),
    "of another format": (['{"trace": 2, "events": "complete"}'], Events.PARTIAL, 1),
    "not in the first line": ([text(), t.header()], Events.PARTIAL, 1),
    "twice": ([t.header(), t.header()], Events.COMPLETE, 0),
    "in an array": (["[", t.header(), ",", text(), "]"], Events.COMPLETE, 0),
}


@pytest.mark.parametrize(("lines", "events", "bad"), HEADERS.values(), ids=HEADERS)
def test_a_header_in_the_first_line_says_whether_all_events_are_there(tmp_path, lines, events, bad):
    (path,) = files(tmp_path, lines)
    entries = list(t.read(path))
    assert entries[0].events is events
    assert sum(isinstance(entry, t.BadLine) for entry in entries) == bad


@pytest.mark.parametrize("heads", list(product(["complete", "partial", "none"], repeat=2)), ids=" and ".join)
def test_of_several_files_all_must_say_that_events_are_complete(tmp_path, heads):
    create, delete = map(t.dumps, history("create", "delete"))
    paths = files(tmp_path, [*HEADERS[heads[0]][0], create], [*HEADERS[heads[1]][0], delete])
    whole = heads == ("complete", "complete")
    assert t.replay(t.read(paths)).verdict is (VIOLATES if whole else CONFORMS)
    assert t.judge(t.read(paths)).verdict is (VIOLATES if whole else CONFORMS)
    assert t.replay(t.read(paths), events="complete").verdict is VIOLATES
    assert t.replay(t.read(paths), events="partial").verdict is CONFORMS


@pytest.mark.parametrize("second", [t.header(), t.header(Events.PARTIAL), None])
@pytest.mark.parametrize("first", [t.header(), t.header(Events.PARTIAL), None])
def test_files_that_were_joined_are_complete_if_each_says_so_and_another_header_is_told(tmp_path, first, second):
    create, delete = map(t.dumps, history("create", "delete"))
    (path,) = files(tmp_path, [*filter(None, [first]), create, *filter(None, [second]), delete])
    entries = list(t.read(path))
    bad = [entry for entry in entries if isinstance(entry, t.BadLine)]
    differ = second is not None and second != (first or t.header(Events.PARTIAL))
    assert len(bad) == differ
    if differ:
        assert "as on line 1, since files were joined here" in bad[0].reason
        assert bad[0].line == 3 - (first is None)
    complete = first == t.header() and second in {first, None}
    assert t.replay(entries).verdict is (VIOLATES if complete else CONFORMS)


@pytest.mark.parametrize("name", ["b.parquet", "b.PARQUET", "b.jsonl"])
def test_parquet_is_one_clear_error_before_anything_is_read(tmp_path, name):
    (tmp_path / name).write_bytes(b"PAR1" + bytes(90) + b"PAR1")
    with pytest.raises(
        InvalidValue, match=rf"trace file '.*{name}': expected JSON Lines; Parquet is for orderfsm.audit"
    ):
        t.read([tmp_path / "missing.jsonl", tmp_path / name])


def test_open_files_and_standard_input_are_read_as_paths_are(tmp_path, monkeypatch):
    (path,) = files(tmp_path, [t.header(), text()])
    head, good = t.read(path)
    with path.open() as as_text, path.open("rb") as as_bytes:
        assert list(t.read(as_text)) == list(t.read([as_bytes])) == [head, good]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(path.read_bytes())))
    assert list(t.read("-")) == [attrs.evolve(head, file="-"), attrs.evolve(good, file="-")]
    assert list(t.read(io.StringIO(path.read_text()))) == [attrs.evolve(head, file=""), attrs.evolve(good, file="")]
    path.write_bytes(gzip.compress(path.read_bytes()))
    with path.open() as as_text, pytest.raises(InvalidValue, match="expected one opened in binary mode"):
        list(t.read(as_text))


@pytest.mark.parametrize("given", [7, [7], [None]])
def test_what_is_no_file_is_an_error_that_says_what_is(given):
    with pytest.raises(InvalidValue, match=r"trace file .*: expected a path, - for standard input, or an open file"):
        t.read(given)


@pytest.mark.parametrize("ask", [t.replay, t.judge])
def test_whoever_gives_a_file_where_lines_are_wanted_is_told_how_to_read_it(ask):
    for file in ("history.jsonl", Path("history.jsonl"), io.BytesIO()):
        with pytest.raises(InvalidValue, match=r"expected the lines of a file, as orderfsm.trace.read\(file\)"):
            ask(file)
    with pytest.raises(InvalidValue, match=r"line 'history.jsonl': expected a Line, a BadLine or a Header"):
        ask(["history.jsonl"])


def test_of_a_file_of_which_no_line_can_be_read_there_is_no_verdict(tmp_path):
    good, bad, empty = files(tmp_path, [t.header(), text(), "?"], [t.header(), "", "?", "{}"], [t.header()])
    assert t.replay(t.read([good, empty])).verdict is CONFORMS
    for some in ([bad], [good, bad], [bad, good]):
        with pytest.raises(InvalidValue, match=rf"lines of '{bad}': expected one that can be read; line 3 is none: "):
            t.replay(t.read(some))
    with pytest.raises(InvalidValue, match=r"expected one that can be read"):
        t.judge(t.read(bad))


def test_a_missing_file_is_an_os_error_that_names_it(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"missing\.jsonl"):
        list(t.read(tmp_path / "missing.jsonl"))


def damaged_archives():
    whole = gzip.compress((t.header() + "\n").encode() + b"".join(text(note=n).encode() + b"\n" for n in range(999)))
    yield "cut off", whole[: len(whole) // 2]
    yield "of no bytes", b""
    yield "wrong in the middle", whole[:60] + bytes(60) + whole[120:]
    yield "wrong sum", whole[:-8] + bytes(8)


@pytest.mark.parametrize("content", [content for _, content in damaged_archives()], ids=dict(damaged_archives()))
def test_a_damaged_archive_is_one_clear_error_that_names_it(tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.jsonl.gz").write_bytes(content)
    with pytest.raises(InvalidValue, match=r"gzip file 'a\.jsonl\.gz': expected an undamaged one \("):
        list(t.read("a.jsonl.gz"))


# -- many orders -------------------------------------------------------------------------------------------------------


def numbered(order_id, *texts):
    return [t.dumps(line(Said.of(text), second, order_id=order_id)) for second, text in enumerate(texts)]


def test_lines_are_ordered_by_time_then_by_file_as_given_then_by_line(tmp_path):
    create, cancel, delete = (
        t.dumps(attrs.evolve(entry, time=moment(0))) for entry in history("create", "cancel", "delete")
    )
    paths = files(tmp_path, [t.header(), create, cancel], [t.header(), delete])
    assert t.replay(t.read(paths)).verdict is CONFORMS
    report = t.replay(t.read(paths[::-1]))
    assert [(v.order_id, v.file, v.line) for v in report.violations] == [(7, str(paths[0]), 2)]
    later, earlier = (
        text(time="2026-08-05T06:10:01+00:00", operation="DeleteCertificateRequest"),
        t.dumps(attrs.evolve(history("cancel")[0], time="2026-08-05T08:10:00+02:00")),
    )
    paths = files(tmp_path, [t.header(), later, earlier])
    assert t.replay(t.read(paths)).verdict is CONFORMS


def test_the_report_is_the_document_of_replay(tmp_path):
    lines = [
        *numbered(30, "create", "delete"),
        *numbered(4, "describe=Future_Word"),
        *numbered(2, "describe=ISSUED", "delete"),
        *numbered(3, "create", "cancel"),
        *numbered(1, "create!NotRemainCount"),
        "",
        "?",
    ]
    (path,) = files(tmp_path, [t.header(), *lines])
    report = t.replay(t.read(path))
    document = {
        "table": "orders",
        "verdict": "violates",
        "orders": 4,
        "lines": 9,
        "bad_lines": 1,
        "violations": [
            {
                "order_id": 2,
                "file": str(path),
                "line": 6,
                "possible": ["issued"],
                "legal": [
                    "CancelCertificateForPackageRequest",
                    "DescribeCertificateState",
                    "ListUserCertificateOrder",
                    "DescribePackageState",
                    "certificate_revoked",
                    "expiry_neared",
                ],
            },
            {
                "order_id": 30,
                "file": str(path),
                "line": 3,
                "possible": ["pending_review"],
                "legal": [
                    "CancelOrderRequest",
                    "DescribeCertificateState",
                    "ListUserCertificateOrder",
                    "DescribePackageState",
                    "domain_validated",
                    "review_failed",
                ],
            },
        ],
        "undecided": [4],
    }
    assert report.as_json() == document
    assert json.loads(json.dumps(report.as_json())) == document
    assert (report.account_lines, report.conforms, report.holding_quota) == (1, 1, (3,))
    assert [violation.index for violation in report.violations] == [1, 1]
    assert report.bad_lines == (t.BadLine(str(path), 11, "line '?': expected a JSON object", "?"),)


def test_no_order_is_null_in_the_document():
    report = t.replay(history("describe", "named"), events="complete")
    assert report.as_json()["violations"][0]["possible"] == [None]
    assert "CreateCertificateRequest" in report.as_json()["violations"][0]["legal"]


def test_one_order_that_violates_decides_the_whole_then_one_that_is_undecided():
    good, vague, bad = (
        history("create"),
        [line(Said.of("describe=?"), order_id=8)],
        [line(Said.of("cancel!DeleteFail"), 0, 9)],
    )
    assert t.replay(good).verdict is CONFORMS
    assert t.replay(good + vague).verdict is UNDECIDED
    assert t.replay(good + vague + bad).verdict is VIOLATES
    assert t.replay([]).verdict is CONFORMS


def test_a_renewal_is_a_line_of_both_orders_and_counted_once():
    lines = [
        Line(time=moment(9), order_id=1, trigger=Operation.RENEW, new_order_id=2),
        line(Said("cancel"), 10, order_id=2),
    ]
    report = t.replay(lines, events="complete")
    assert (report.orders, report.lines) == (2, 2)
    assert [(v.order_id, v.index) for v in report.violations] == [(2, 1)]
    assert t.replay(lines[:1]).holding_quota == ()


def test_intervals_of_one_order_say_nothing_of_another():
    texts = [Said.of(text) for text in ["create", "cancel", "delete?", "describe=PAYED", "describe!NotFoundOrder"]]
    lines = [
        line(said, second, order_id, timed=order_id == 8) for second, said in enumerate(texts) for order_id in (7, 8)
    ]
    assert [v.order_id for v in t.replay(lines, events="complete").violations] == [7]


@given(st.lists(likely_histories(), min_size=1, max_size=4), st.sampled_from(Events), st.randoms())
def test_a_replay_judges_each_order_as_the_judge_does_wherever_its_lines_stand(orders, events, random):
    lines = [[line(said, n, order_id=order) for n, said in enumerate(said)] for order, said in enumerate(orders, 10)]
    renewals = {order: [entry for entry in own if entry.order_id == 1] for order, own in enumerate(lines, 10)}
    mixed = [entry for own in lines for entry in own]
    random.shuffle(mixed)
    report = t.replay(mixed, events=events)
    for order, own in enumerate(lines, 10):
        if len(renewals[order]) == len(own):
            continue
        alone = t.judge(own, events=events)
        violation = next((v for v in report.violations if v.order_id == order), None)
        assert (alone.verdict is VIOLATES) is (violation is not None)
        assert violation is None or (violation.index, violation.possible) == (alone.index, alone.possible)
        assert (order in report.undecided) is (alone.verdict is UNDECIDED)
        assert (order in report.holding_quota) is alone.holds_quota


# -- what a line says of an order --------------------------------------------------------------------------------------


def test_a_line_says_something_of_its_own_order_and_nothing_of_others():
    read = line(Said.of("describe=payed"), order_id=7)
    assert t.readings(read, 7) == [t.Reading(Operation.DESCRIBE, t.Answer.ACCEPTED, "payed")]
    assert t.readings(read, 8) == []


def test_a_line_of_the_account_says_nothing_of_an_order():
    assert t.readings(line(Said.of("list"), order_id=7), 7) == []


def test_a_renewal_says_that_the_order_begins_which_it_names():
    renewal = line(Said.of("named"))
    assert t.readings(renewal, 1) == [t.Reading(Operation.RENEW, t.Answer.ACCEPTED)]
    assert t.readings(renewal, 7) == [t.Reading(Operation.RENEW, t.Answer.BEGUN)]


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("delete", "DeleteCertificateRequest accepted"),
        ("delete!OrderStateError", "DeleteCertificateRequest refused by the state"),
        ("describe=payed", "DescribeCertificateState accepted, payed"),
    ],
)
def test_a_reading_is_told_in_a_few_words(said, text):
    (reading,) = t.readings(line(Said.of(said)), 7)
    assert str(reading) == text


@pytest.mark.parametrize(
    ("said", "strictly", "in_favour"),
    [("delete", False, False), ("delete?", True, True), ("delete!Error", True, True), ("delete!", False, True)],
)
def test_a_call_comes_late_if_nobody_knows_what_became_of_it(said, strictly, in_favour):
    (reading,) = t.readings(line(Said.of(said)), 7)
    assert (reading.may_come_late(favour=False), reading.may_come_late(favour=True)) == (strictly, in_favour)


@pytest.mark.parametrize(
    ("said", "moves"),
    [
        *(("delete", True), ("delete?", True), ("delete!Error", True), ("delete!", True), ("create", True)),
        *(("describe", False), ("renew", False), ("delete!OrderStateError", False), ("delete!Throttling", False)),
    ],
)
def test_a_line_moves_an_order_if_it_may_be_elsewhere_after_it(said, moves):
    (reading,) = t.readings(line(Said.of(said)), 7)
    assert t.Automaton(ORDER_LIFECYCLE, Events.COMPLETE).moves(reading) is moves


def test_that_a_renewal_names_an_order_begins_and_moves_it():
    (reading,) = t.readings(line(Said.of("named")), 7)
    assert reading.named
    assert t.Automaton(ORDER_LIFECYCLE, Events.COMPLETE).moves(reading)
