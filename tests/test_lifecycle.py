"""Lifecycles as values: questions about sets and paths, other tables, and what makes a table consistent."""

from __future__ import annotations

import copy
import pickle
from enum import StrEnum

import attrs
import pytest
from tables import table

from orderfsm import (
    ORDER_LIFECYCLE,
    Actor,
    Basis,
    Event,
    InvalidLifecycle,
    InvalidValue,
    Lifecycle,
    Operation,
    Order,
    OrderStateError,
    State,
    Transition,
    Unreachable,
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
from orderfsm.errors import Refusal
from orderfsm.explanation import explain as explain_states
from orderfsm.rows import RefusalRule, StateRule, TriggerRule
from orderfsm.tables.orders import CANCEL_FOR_PACKAGE_PAGE, SILENT, STATES, TRANSITIONS, TRIGGERS
from orderfsm.wire import parse_states, parse_trigger

DELETE_FAILED = ORDER_LIFECYCLE.transition(State.VERIFY_FAIL, Operation.DELETE)
DELETE_ISSUED = Transition(State.ISSUED, Operation.DELETE, State.DELETED, Basis.INFERRED, "a test")


def names(steps):
    return [step.trigger.name for step in steps]


# -- sets of possible states -------------------------------------------------------------------------------------------


def test_a_verdict_on_a_set_is_legal_in_all_illegal_in_all_or_undecided():
    assert judge({State.PENDING_REVIEW, State.BEING_REVIEWED}, Operation.CANCEL) is Verdict.LEGAL
    assert judge({State.PENDING_REVIEW, State.BEING_REVIEWED}, Operation.DELETE) is Verdict.ILLEGAL
    assert judge({State.PENDING_REVIEW, None}, Operation.CANCEL) is Verdict.UNDECIDED
    assert judge({State.BEING_REVIEWED, State.PENDING_REVIEW}, Event.REVIEW_PASSED) is Verdict.UNDECIDED


def test_an_answer_narrows_the_set_and_moves_it_along():
    under_review = {State.PENDING_REVIEW, State.BEING_REVIEWED, State.ISSUED}
    assert narrow(under_review, Operation.CANCEL, accepted=True) == {State.PENDING_APPLICATION}
    assert narrow(under_review, Operation.CANCEL, accepted=False) == {State.ISSUED}
    assert narrow({State.ISSUED}, Operation.DELETE, accepted=True) == frozenset()
    assert narrow({None, State.ISSUED}, Operation.LIST, accepted=True) == {None, State.ISSUED}


@pytest.mark.parametrize("states", [set(), (), None, 3], ids=repr)
def test_possible_states_are_a_set_of_at_least_one(states):
    with pytest.raises(ValueError, match="possible states"):
        judge(states, Operation.DELETE)
    with pytest.raises(InvalidValue, match="possible states"):
        narrow(states, Operation.DELETE, accepted=True)
    with pytest.raises(InvalidValue, match="possible states"):
        explain_states(ORDER_LIFECYCLE, states, Operation.DELETE)


# -- paths -------------------------------------------------------------------------------------------------------------


def test_a_plan_is_the_shortest_path_over_operations():
    path = plan(State.BEING_REVIEWED, State.DELETED)
    assert names(path.steps) == ["CANCEL", "DELETE"]
    assert (path.start, path.goal, path.waits) == (State.BEING_REVIEWED, State.DELETED, ())
    assert str(path) == "CancelOrderRequest, then DeleteCertificateRequest"


def test_of_equally_short_plans_the_first_in_table_order_is_taken():
    assert names(plan(State.PENDING_APPLICATION, State.DELETED).steps) == ["DELETE"]
    assert names(plan(None, State.DELETED).steps) == ["CREATE", "CANCEL", "DELETE"]


def equally_short(state, goal, steps):
    """Every path of so many steps."""
    if not steps:
        return [()] if state == goal else []
    rows = [row for row in TRANSITIONS if row.source == state and row.target != state]
    return [(row.trigger, *rest) for row in rows for rest in equally_short(row.target, goal, steps - 1)]


@pytest.mark.parametrize("state", [None, *State])
def test_of_equally_short_plans_one_of_own_calls_is_taken_and_one_that_hopes_for_a_failure_last(state):
    failures = {Event.REVIEW_FAILED, Event.CERTIFICATE_REVOKED}

    def hopes(triggers):
        return len(failures.intersection(triggers)), sum(isinstance(trigger, Event) for trigger in triggers)

    for goal in State:
        try:
            taken = plan(state, goal, events=True).triggers
        except Unreachable:
            continue
        assert hopes(taken) == min(map(hopes, equally_short(state, goal, len(taken))))


def test_to_be_reviewed_again_an_order_is_withdrawn_and_not_left_to_fail():
    path = plan(State.BEING_REVIEWED, State.PENDING_REVIEW, events=True)
    assert str(path) == "CancelOrderRequest, then wait for submitted (console)"


def test_where_the_order_already_is_there_is_nothing_to_do():
    assert plan(State.ISSUED, State.ISSUED).steps == ()
    assert str(plan(None, None)) == "nothing to do"


def test_with_events_a_plan_says_what_to_wait_for_and_from_whom():
    path = plan(State.PENDING_REVIEW, State.ABOUT_TO_EXPIRE, events=True)
    assert path.waits == (
        (Event.DOMAIN_VALIDATED, Actor.OWNER),
        (Event.REVIEW_PASSED, Actor.CA),
        (Event.EXPIRY_NEARED, Actor.CALENDAR),
    )
    assert str(plan(State.VERIFY_FAIL, State.PENDING_APPLICATION, events=True)) == (
        "wait for submitted (console), then CancelOrderRequest"
    )


def test_what_cannot_be_reached_is_said_with_its_means():
    with pytest.raises(Unreachable, match="deleted cannot be reached from issued by operations alone") as caught:
        plan(State.ISSUED, State.DELETED)
    assert (caught.value.state, caught.value.goal) == (State.ISSUED, State.DELETED)
    with pytest.raises(Unreachable, match="no order cannot be reached from issued by operations or events"):
        plan(State.ISSUED, None, events=True)


def test_unreachable_survives_pickle():
    error = pickle.loads(pickle.dumps(Unreachable(None, State.ISSUED)))
    assert (error.state, error.goal, str(error)) == (
        None,
        State.ISSUED,
        "issued cannot be reached from no order by operations or events",
    )


def test_everything_can_be_reached_from_no_order_and_nothing_from_the_end():
    assert reachable(None) == {None, *State}
    for state in (State.EXPIRED, State.REVOKED, State.DELETED):
        assert reachable(state) == {state}


def test_what_can_be_reached_depends_on_who_may_act():
    others = (Actor.OWNER, Actor.CA, Actor.CALENDAR)
    assert State.ISSUED not in reachable(State.VERIFY_FAIL, by=others)
    assert State.ISSUED in reachable(State.VERIFY_FAIL, by=[*others, Actor.CONSOLE])
    assert reachable(State.PENDING_REVIEW, by=["client"]) == {
        State.PENDING_REVIEW,
        State.PENDING_APPLICATION,
        State.DELETED,
    }
    with pytest.raises(InvalidValue, match=r"actor 'nobody': expected client, owner"):
        reachable(State.ISSUED, by=["nobody"])


def test_who_gives_an_order_up_is_told_how_to_end_it():
    """As "how to apply for a certificate by API" has it: withdraw and delete, delete, or revoke, by state."""
    plans = {state: explain(state, Operation.DELETE).instead for state in State}
    assert {state: names(path.steps) for state, path in plans.items() if path} == {
        State.PENDING_REVIEW: ["CANCEL", "DELETE"],
        State.BEING_REVIEWED: ["CANCEL", "DELETE"],
        State.ISSUED: ["CANCEL_FOR_PACKAGE"],
        State.ABOUT_TO_EXPIRE: ["CANCEL_FOR_PACKAGE"],
    }
    assert names(explain(State.PENDING_APPLICATION, Operation.CANCEL).instead.steps) == ["DELETE"]
    assert explain(None, Operation.DELETE).instead is None


def test_who_wants_anything_else_is_told_how_to_get_to_where_it_is_allowed():
    path = explain(State.ISSUED, Operation.RENEW).instead
    assert str(path) == "wait for expiry_neared (calendar), then RenewCertificateOrderForPackageRequest"
    assert explain(State.EXPIRED, Operation.RENEW).instead is None
    assert explain(State.ISSUED, Operation.CREATE).instead is None


# -- explanations ------------------------------------------------------------------------------------------------------


def test_an_explanation_reads_as_sentences():
    assert explain(State.VERIFY_FAIL, Operation.DELETE).reason == (
        "DeleteCertificateRequest is allowed in verify_fail: it leads to deleted."
    )
    assert explain(State.ABOUT_TO_EXPIRE, Operation.RENEW).reason == (
        "RenewCertificateOrderForPackageRequest is allowed in about_to_expire: it leads to about_to_expire "
        "and creates another order in pending_application."
    )
    assert explain(None, Operation.LIST).reason == (
        "ListUserCertificateOrder is allowed without an order: it changes nothing."
    )
    assert str(explain(State.VERIFY_FAIL, Operation.DELETE)).startswith(
        "DeleteCertificateRequest is allowed in verify_fail: it leads to deleted. (documented: https://"
    )
    assert str(explain(State.BEING_REVIEWED, Operation.DELETE)).startswith(
        "DeleteCertificateRequest is not allowed in being_reviewed, only in pending_application and verify_fail. "
        "Allowed here: CancelOrderRequest. First: CancelOrderRequest, then DeleteCertificateRequest. (documented: http"
    )
    assert str(explain(State.EXPIRED, Operation.CANCEL)).startswith(
        "CancelOrderRequest is not allowed in expired, only in pending_review and being_reviewed. "
        "Allowed here: nothing that changes anything. (documented: http"
    )


def test_lists_in_sentences_have_commas_and_an_and():
    assert explain(State.DELETED, Operation.CANCEL_FOR_PACKAGE).reason == (
        "CancelCertificateForPackageRequest is not allowed in deleted, "
        "only in pending_application, issued and about_to_expire."
    )
    assert explain(State.ISSUED, Operation.CREATE).reason == (
        "CreateCertificateRequest is not allowed in issued, only without an order."
    )
    assert "Allowed here: DeleteCertificateRequest and CancelCertificateForPackageRequest." in str(
        explain(State.PENDING_APPLICATION, Operation.CANCEL)
    )


def test_a_note_says_which_part_of_a_documented_rule_is_inferred():
    noted = explain(State.PENDING_APPLICATION, Operation.DELETE)
    assert noted.note == "documented for a withdrawn order, inferred for one that a renewal created"
    assert str(noted).endswith(f") Note: {noted.note}.")
    assert explain(State.VERIFY_FAIL, Operation.DELETE).note == ""


def test_of_several_possible_states_an_explanation_says_what_is_true_in_all():
    under_review = explain_states(ORDER_LIFECYCLE, {State.BEING_REVIEWED, State.PENDING_REVIEW}, Operation.DELETE)
    assert under_review.states == (State.PENDING_REVIEW, State.BEING_REVIEWED)
    assert (under_review.state, under_review.verdict, under_review.target) == (None, Verdict.ILLEGAL, None)
    assert under_review.allowed == (Operation.CANCEL,)
    assert names(under_review.instead.steps) == ["CANCEL", "DELETE"]
    assert str(under_review).startswith(
        "DeleteCertificateRequest is not allowed in pending_review or being_reviewed, "
        "only in pending_application and verify_fail. Allowed in all of these: CancelOrderRequest. "
        "First: CancelOrderRequest, then DeleteCertificateRequest. (documented: https://"
    )


def test_of_several_possible_states_an_explanation_tells_those_in_which_it_is_allowed():
    certified = [rule.state for rule in STATES if rule.certified]
    revoking = explain_states(ORDER_LIFECYCLE, certified, Operation.CANCEL_FOR_PACKAGE)
    assert (revoking.verdict, revoking.target, revoking.instead) == (Verdict.UNDECIDED, None, None)
    assert revoking.allowed == ()
    assert revoking.basis is Basis.INFERRED  # the weakest: documented for an issued order alone
    assert revoking.reference == f"{CANCEL_FOR_PACKAGE_PAGE}; {SILENT}{CANCEL_FOR_PACKAGE_PAGE}"
    assert revoking.reason == (
        "CancelCertificateForPackageRequest is not allowed in expired or revoked, "
        "only in pending_application, issued and about_to_expire. "
        "CancelCertificateForPackageRequest is allowed in issued: it leads to revoked. "
        "CancelCertificateForPackageRequest is allowed in about_to_expire: it leads to revoked."
    )
    valid = explain_states(ORDER_LIFECYCLE, [State.ISSUED, State.ABOUT_TO_EXPIRE], Operation.CANCEL_FOR_PACKAGE)
    assert (valid.verdict, valid.target) == (Verdict.LEGAL, State.REVOKED)


def test_of_several_possible_states_an_explanation_says_what_is_allowed_in_each():
    """Of an order that reads as `certificate` nothing is allowed in all four states, but something in two."""
    certified = [rule.state for rule in STATES if rule.certified]
    deleting = explain_states(ORDER_LIFECYCLE, certified, Operation.DELETE)
    assert deleting.allowed == ()
    assert deleting.allowed_in == {state: allowed(state) for state in certified}
    assert (
        "Allowed in all of these: nothing that changes anything; in issued: CancelCertificateForPackageRequest; "
        "in about_to_expire: RenewCertificateOrderForPackageRequest and CancelCertificateForPackageRequest. ("
        in str(deleting)
    )
    gone = explain_states(ORDER_LIFECYCLE, [None, State.DELETED], Operation.DELETE)
    assert "Allowed in all of these: nothing that changes anything. (" in str(gone)


def test_the_same_plan_must_serve_in_all_of_the_possible_states():
    in_one = explain_states(ORDER_LIFECYCLE, [State.PENDING_REVIEW, State.EXPIRED], Operation.DELETE)
    differing = explain_states(ORDER_LIFECYCLE, [State.PENDING_REVIEW, State.ISSUED], Operation.DELETE)
    without_order = explain_states(ORDER_LIFECYCLE, [None, State.PENDING_REVIEW], Operation.DELETE)
    assert in_one.instead is differing.instead is without_order.instead is None
    assert without_order.reason == (
        "DeleteCertificateRequest is not allowed without an order or in pending_review, "
        "only in pending_application and verify_fail."
    )


# -- bad input ---------------------------------------------------------------------------------------------------------

QUESTIONS = [
    can,
    check,
    explain,
    lambda state, trigger: judge([state], trigger),
    lambda state, trigger: narrow([state], trigger, accepted=True),
]


NO_STATES = [
    "isued",
    "issued ",
    "",
    "Issue",
    Operation.DELETE,
    Event.REVIEW_FAILED,
    Event.REVIEW_PASSED,
    "DeleteCertificateRequest",
]
NO_STATES += [3, True, b"issued", ["issued"], {}, 1.5, State]


@pytest.mark.parametrize("ask", QUESTIONS)
@pytest.mark.parametrize("state", NO_STATES, ids=repr)
def test_what_is_no_state_is_named_and_never_an_answer(ask, state):
    with pytest.raises(InvalidValue, match=r"state .*: expected None, pending_application, pending_review") as caught:
        ask(state, Operation.DELETE)
    assert caught.value.value is state
    assert caught.value.accepted == (None, *State)


@pytest.mark.parametrize("ask", QUESTIONS)
@pytest.mark.parametrize(
    "trigger", ["delet", "", None, State.ISSUED, "deleted", 0, b"DeleteCertificateRequest", ["x"], Operation], ids=repr
)
def test_what_is_no_trigger_is_named_and_never_an_answer(ask, trigger):
    with pytest.raises(InvalidValue, match=r"trigger .*: expected CancelOrderRequest, ") as caught:
        ask(State.ISSUED, trigger)
    assert caught.value.value is trigger


WORDS = [
    ("issued", State.ISSUED),
    ("ISSUED", State.ISSUED),
    ("Pending_Review", State.PENDING_REVIEW),
    ("pending review", State.PENDING_REVIEW),
    ("review failed", State.VERIFY_FAIL),
    ("payed", State.PENDING_APPLICATION),
    ("PROCESS", State.BEING_REVIEWED),
    ("WILLEXPIRED", State.ABOUT_TO_EXPIRE),
    ("no order", None),
    ("none", None),
]


@pytest.mark.parametrize("ask", QUESTIONS)
@pytest.mark.parametrize(("word", "state"), WORDS)
@pytest.mark.parametrize(("named", "trigger"), [("delete", Operation.DELETE), ("REVIEW_FAILED", Event.REVIEW_FAILED)])
def test_what_the_command_line_takes_python_takes(ask, word, state, named, trigger):
    def answer(*question):
        try:
            return ask(*question)
        except Refusal as refusal:
            return type(refusal), refusal.state, refusal.trigger

    assert answer(word, named) == answer(state, trigger)
    assert parse_states(word) == {state}
    assert parse_trigger(named) is trigger


def test_a_word_for_several_states_is_judged_as_that_set_and_is_no_single_state():
    assert judge("CHECKING", "delete") is judge(["pending_review", State.BEING_REVIEWED], Operation.DELETE)
    assert judge("certificate", "renew") is Verdict.UNDECIDED
    assert narrow("CHECKING", "cancel", accepted=True) == {State.PENDING_APPLICATION}
    assert explain("CHECKING", "delete").states == (State.PENDING_REVIEW, State.BEING_REVIEWED)
    assert judge(State.ISSUED, Operation.DELETE) is Verdict.ILLEGAL
    for ask in (can, check, lambda state, _trigger: plan(state, State.DELETED)):
        with pytest.raises(InvalidValue, match="any of issued, about_to_expire, expired, revoked: judge takes"):
            ask("certificate", Operation.DELETE)


@pytest.mark.parametrize(
    ("kind", "word", "meant"),
    [
        ("state", "isued", "issued"),
        ("state", "CHECKNG", "checking"),
        ("state", "pending-review", "pending_review"),
        ("trigger", "delet", "delete"),
        ("trigger", "DeleteCertificateReqest", "deletecertificaterequest"),
        ("trigger", "deleted", "delete"),
    ],
)
def test_a_misspelt_word_is_told_what_was_meant(kind, word, meant):
    question = (word, Operation.DELETE) if kind == "state" else (State.ISSUED, word)
    for ask in (can, explain, check):
        with pytest.raises(InvalidValue, match=rf"{kind} '{word}': .*; did you mean {meant}\?$"):
            ask(*question)
    with pytest.raises(InvalidValue, match=rf"did you mean {meant}\?$"):
        parse_states(word) if kind == "state" else parse_trigger(word)


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda: judge(set(), Operation.DELETE), "possible states set(): expected a set of at least one state"),
        (lambda: judge(3, Operation.DELETE), "possible states 3: expected a set of at least one state"),
        (
            lambda: table([DELETE_FAILED, DELETE_FAILED]),
            "duplicate row 'verify_fail DeleteCertificateRequest': expected one row for each state and trigger",
        ),
        (
            lambda: reachable(State.ISSUED, by=["me"]),
            "actor 'me': expected client, owner, ca, console, calendar, service",
        ),
    ],
)
def test_bad_input_is_told_what_would_be_accepted(ask, said):
    with pytest.raises(InvalidValue) as caught:
        ask()
    assert str(caught.value) == said


def test_a_row_that_a_table_does_not_have_cannot_be_taken_from_it():
    with pytest.raises(InvalidValue, match=r"^row Transition\(.*: expected one of \.transitions$"):
        ORDER_LIFECYCLE.without(DELETE_ISSUED)


@pytest.mark.parametrize(
    "lookup", ["state_rules", "trigger_rules", "table", "asked", "codes", "creates", "gone"], ids=str
)
def test_the_lookups_of_a_table_are_worked_out_and_cannot_be_given(lookup):
    with pytest.raises(TypeError, match=lookup):
        table(TRANSITIONS, **{lookup: {}})


def test_other_questions_name_bad_states_as_well():
    for ask in (allowed, reachable, lambda s: plan(s, State.ISSUED), lambda s: plan(State.ISSUED, s)):
        with pytest.raises(InvalidValue, match="state 'lost'"):
            ask("lost")


def test_a_value_of_a_million_characters_is_not_repeated():
    with pytest.raises(InvalidValue) as caught:
        can("x" * 1_000_000, Operation.DELETE)
    assert len(str(caught.value)) < 400


# -- other tables ------------------------------------------------------------------------------------------------------


def test_a_table_without_a_row_refuses_what_the_row_allowed():
    broken = ORDER_LIFECYCLE.without(DELETE_FAILED)
    assert not can(State.VERIFY_FAIL, Operation.DELETE, broken)
    assert can(State.VERIFY_FAIL, Operation.DELETE)
    with pytest.raises(OrderStateError) as caught:
        check(State.VERIFY_FAIL, Operation.DELETE, lifecycle=broken)
    assert caught.value.allowed == ()
    with pytest.raises(InvalidValue, match=r"row .*: expected one of \.transitions"):
        broken.without(DELETE_FAILED)


def test_where_no_row_is_left_the_refusal_says_nowhere():
    lost = ORDER_LIFECYCLE.without(ORDER_LIFECYCLE.transition(State.ABOUT_TO_EXPIRE, Operation.RENEW))
    assert explain(State.ISSUED, Operation.RENEW, lost).reason == (
        "RenewCertificateOrderForPackageRequest is not allowed in issued, nor anywhere else."
    )
    assert explain(State.ISSUED, Operation.RENEW, lost).instead is None


def test_a_table_with_another_row_allows_more_and_every_question_asks_it():
    wider = ORDER_LIFECYCLE.with_rows(DELETE_ISSUED)
    assert check(State.ISSUED, Operation.DELETE, lifecycle=wider) is State.DELETED
    assert allowed(State.ISSUED, lifecycle=wider) == (Operation.CANCEL_FOR_PACKAGE, Operation.DELETE)
    assert judge([State.ISSUED], Operation.DELETE, lifecycle=wider) is Verdict.LEGAL
    assert narrow([State.ISSUED], Operation.DELETE, accepted=True, lifecycle=wider) == {State.DELETED}
    assert names(plan(State.ISSUED, State.DELETED, lifecycle=wider).steps) == ["DELETE"]
    assert State.DELETED in reachable(State.ISSUED, lifecycle=wider)
    assert explain(State.ISSUED, Operation.DELETE, lifecycle=wider).verdict is Verdict.LEGAL
    assert Order(1, State.ISSUED).apply(Operation.DELETE, wider) == Order(1, State.DELETED)
    assert Order(1, State.ISSUED).can(Operation.DELETE, wider)
    assert Order(1, State.ISSUED).allowed(wider)[-1] is Operation.DELETE
    assert Order(1, State.ISSUED).replay([Operation.DELETE], wider).state is State.DELETED


def test_rows_of_plain_strings_become_members():
    plain = table((Transition("issued", "DeleteCertificateRequest", "deleted", "inferred", "a test"),))
    row = plain.transitions[0]
    assert (row.source, row.trigger, row.target, row.basis) == (
        State.ISSUED,
        Operation.DELETE,
        State.DELETED,
        Basis.INFERRED,
    )
    assert isinstance(row.source, State)
    assert isinstance(check("issued", "DeleteCertificateRequest", plain), State)


def test_the_constructor_refuses_unknown_and_duplicate_rows():
    with pytest.raises(InvalidValue, match="state 'lost'"):
        table((attrs.evolve(DELETE_FAILED, source="lost"),))
    with pytest.raises(InvalidValue, match="trigger 'vanish'"):
        table((attrs.evolve(DELETE_FAILED, trigger="vanish"),))
    with pytest.raises(InvalidValue, match="duplicate row 'verify_fail DeleteCertificateRequest'"):
        ORDER_LIFECYCLE.with_rows(DELETE_FAILED)
    with pytest.raises(ValueError, match="'rumoured' is not a valid Basis"):
        attrs.evolve(DELETE_FAILED, basis="rumoured")
    with pytest.raises(InvalidValue, match="error 'DeleteFail': expected a class of ServiceError"):
        attrs.evolve(ORDER_LIFECYCLE, refusal_rules=[RefusalRule("DeleteFail")])


def test_the_real_table_pickles_by_name_and_any_other_by_rows():
    assert pickle.loads(pickle.dumps(ORDER_LIFECYCLE)) is ORDER_LIFECYCLE
    assert copy.copy(ORDER_LIFECYCLE) is copy.deepcopy(ORDER_LIFECYCLE) is ORDER_LIFECYCLE
    assert b"verify_fail" not in pickle.dumps(ORDER_LIFECYCLE)
    other = ORDER_LIFECYCLE.with_rows(DELETE_ISSUED)
    copied = pickle.loads(pickle.dumps(other))
    assert copied == other
    assert copied != ORDER_LIFECYCLE
    assert can(State.ISSUED, Operation.DELETE, copied)
    assert copy.deepcopy(other) is other


def test_a_lifecycle_is_an_immutable_value():
    same = table(row for row in TRANSITIONS)
    assert same == ORDER_LIFECYCLE == attrs.evolve(same)
    assert hash(same) == hash(ORDER_LIFECYCLE)
    assert same != attrs.evolve(same, edition="tomorrow")
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        same.edition = "tomorrow"
    assert repr(same) == f"Lifecycle(edition={same.edition!r}, {len(TRANSITIONS)} transitions)"


# -- consistent tables -------------------------------------------------------------------------------------------------


def test_the_real_table_is_consistent():
    verify()


def with_row(source, trigger, **changes):
    """The real rows, of which the one that allows `trigger` in `source` is changed."""
    changed = ORDER_LIFECYCLE.transition(source, trigger)
    return tuple(attrs.evolve(row, **changes) if row == changed else row for row in TRANSITIONS)


def with_rule(rules, of, **changes):
    """The real rules of states or triggers, of which the one `of` a member is changed."""
    return tuple(rule._replace(**changes) if rule[0] is of else rule for rule in rules)


class Confusing(StrEnum):
    """An enum one of whose values is a state's."""

    REVOKED = "revoked"


BROKEN = {
    "a target that is not a state": (
        table(with_row(State.BEING_REVIEWED, Event.REVIEW_PASSED, target="printed")),
        "being_reviewed --review_passed--> printed: 'printed' is not a state",
    ),
    "a target that is no order": (
        table(with_row(State.VERIFY_FAIL, Operation.DELETE, target=None)),
        "verify_fail --DeleteCertificateRequest--> None: None is not a state",
    ),
    "a second order in what is not a state": (
        table(with_row(State.ABOUT_TO_EXPIRE, Operation.RENEW, creates="limbo")),
        "'limbo', in which it creates an order, is not a state",
    ),
    "a state that cannot be reached": (
        ORDER_LIFECYCLE.without(ORDER_LIFECYCLE.transition(State.ABOUT_TO_EXPIRE, Event.EXPIRY_REACHED)),
        "expired cannot be reached",
    ),
    "a dead end that is not marked": (
        table(TRANSITIONS, with_rule(STATES, State.REVOKED, terminal=False)),
        "revoked is a dead end that is not marked terminal",
    ),
    "a marked end that is none": (
        table(TRANSITIONS, with_rule(STATES, State.VERIFY_FAIL, terminal=True)),
        "verify_fail is marked terminal, but a transition leaves it",
    ),
    "a value in two enums": (
        table(TRANSITIONS, triggers=(*TRIGGERS, TriggerRule(Confusing.REVOKED, Actor.CA, Basis.INFERRED, "x"))),
        "'revoked' is a value of both State and Confusing",
    ),
    "a row without a reference": (
        table(with_row(State.VERIFY_FAIL, Operation.DELETE, reference="")),
        "verify_fail --DeleteCertificateRequest--> deleted: no reference",
    ),
    "a state without a reference": (
        table(TRANSITIONS, with_rule(STATES, State.DELETED, reference="")),
        "the rule for deleted: no reference",
    ),
    "no order without a reference": (
        table(TRANSITIONS, with_rule(STATES, None, reference="")),
        "the rule for no order: no reference",
    ),
    "a refusal without a reference": (
        table(TRANSITIONS, triggers=with_rule(TRIGGERS, Operation.DELETE, reference="")),
        "the refusal of DeleteCertificateRequest: no reference",
    ),
}


@pytest.mark.parametrize(("lifecycle", "problem"), BROKEN.values(), ids=BROKEN)
def test_a_broken_table_can_be_built_and_is_refused_by_verify(lifecycle, problem):
    with pytest.raises(InvalidLifecycle) as caught:
        verify(lifecycle)
    assert any(problem in said for said in caught.value.problems)
    assert problem in str(caught.value)


def test_verify_names_everything_that_is_wrong():
    two = table(
        with_row(State.ABOUT_TO_EXPIRE, Operation.RENEW, creates="limbo", reference=""),
        with_rule(STATES, State.REVOKED, terminal=False),
    )
    with pytest.raises(InvalidLifecycle) as caught:
        two.verify()
    assert len(caught.value.problems) == 3
    assert pickle.loads(pickle.dumps(caught.value)).problems == caught.value.problems


@pytest.mark.parametrize("row", TRANSITIONS, ids=lambda row: f"{row.source}-{row.trigger}")
def test_without_a_row_just_what_the_row_allowed_is_refused(row):
    """So no row can be lost without a public question noticing."""
    broken = ORDER_LIFECYCLE.without(row)
    changed = [
        (state, trigger)
        for state in (None, *State)
        for trigger in (*Operation, *Event)
        if can(state, trigger) is not can(state, trigger, broken)
    ]
    assert changed == [(row.source, row.trigger)]
    assert can(row.source, row.trigger)


def test_another_lifecycle_can_have_its_own_states():
    """That of the newer instance API, for example."""

    class Instance(StrEnum):
        INACTIVE = "inactive"
        REFUNDED = "refunded"

    class Call(StrEnum):
        BUY = "CreateInstance"
        REFUND = "RefundInstance"

    instances = Lifecycle(
        (
            Transition(None, Call.BUY, Instance.INACTIVE, Basis.INFERRED, "a test"),
            Transition(Instance.INACTIVE, Call.REFUND, Instance.REFUNDED, Basis.INFERRED, "a test"),
        ),
        (
            StateRule(None, "no instance", (), Basis.INFERRED, "a test", found=False),
            StateRule(Instance.INACTIVE, "inactive", (), Basis.INFERRED, "a test"),
            StateRule(Instance.REFUNDED, "refunded", (), Basis.INFERRED, "a test", terminal=True),
        ),
        tuple(TriggerRule(call, Actor.CLIENT, Basis.INFERRED, "a test") for call in Call),
        "tomorrow",
    )
    instances.verify()
    assert plan(None, Instance.REFUNDED, lifecycle=instances).steps == instances.transitions
    with pytest.raises(InvalidValue, match=r"state <State\.ISSUED"):
        can(State.ISSUED, Call.REFUND, instances)


def test_a_state_in_which_a_renewal_begins_an_order_is_reached():
    cancels = [row for row in TRANSITIONS if row.trigger is Operation.CANCEL]
    lifecycle = ORDER_LIFECYCLE
    for row in cancels:
        lifecycle = lifecycle.without(row)
    lifecycle.verify()


def test_a_broken_table_can_still_explain_itself():
    lost = attrs.evolve(DELETE_FAILED, target="nowhere")
    broken = ORDER_LIFECYCLE.without(DELETE_FAILED).with_rows(lost)
    assert "not allowed in verify_fail" in str(explain(State.VERIFY_FAIL, Operation.CANCEL, broken))
