"""The table of V2.0 instances against a second statement of it, written down from the sources, not from the table."""

from __future__ import annotations

import itertools
import pickle

import pytest

from orderfsm import (
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
    verify,
)
from orderfsm.errors import Meaning
from orderfsm.explanation import explain as explained
from orderfsm.rows import DAY, Actor, Basis
from orderfsm.tables import named
from orderfsm.tables.instances import LIFECYCLE, Event, InstanceNotFound, Operation, State

PLACES = {"none": None, **{state.value: state for state in State}}
PAIRS = list(itertools.product(PLACES, [*Operation, *Event]))

# What is said of the six calls that change an instance. A: allowed, by a document (D), observed (O) or inferred (I);
# R: refused, documented or observed; r: refused, inferred; t: refused for now; ?: nobody says.
CALLS = [Operation.UPDATE, Operation.APPLY, Operation.CANCEL, Operation.REVOKE, Operation.REFUND, Operation.DELETE]
CELLS = {
    #                        UPDATE APPLY CANCEL REVOKE REFUND DELETE
    "none":                "r  r  r  r  r  r",
    "settling":            "?  ?  r  r  t  R",
    "unused":              "AD AD R  r  AD R",
    "submitting":          "r  R  t  r  R  R",
    "pending":             "r  R  AD r  R  R",
    "withdrawing":         "r  r  r  r  t  R",
    "idle":                "AI AI R  r  AO R",
    "issued":              "AI AI R  AD R  R",
    "about_to_expire":     "AI AD R  AD R  R",
    "certificate_expired": "AI AI R  ?  R  ?",
    "revoking":            "?  ?  r  ?  R  r",
    "revoked":             "AI AI R  ?  AD ?",
    "reissuing":           "r  r  AI ?  R  R",
    "reissue_withdrawing": "r  r  r  ?  R  R",
    "expired_reapplying":  "r  r  AI ?  R  R",
    "expired_withdrawing": "r  r  r  ?  R  R",
    "revoked_reapplying":  "r  r  AI ?  R  R",
    "revoked_withdrawing": "r  r  r  ?  R  R",
    "refunding":           "?  ?  r  r  ?  t",
    "refunded":            "r  r  r  r  R  AO",
    "ending":              "?  ?  ?  ?  ?  ?",
    "ended":               "r  r  r  ?  R  AO",
    "closed":              "r  r  r  r  ?  AI",
    "deleted":             "r  r  r  r  r  r",
}  # fmt: skip
LEADS_TO = {
    (None, Operation.PURCHASE): State.SETTLING,
    (State.UNUSED, Operation.APPLY): State.SUBMITTING,
    (State.IDLE, Operation.APPLY): State.SUBMITTING,
    (State.ISSUED, Operation.APPLY): State.REISSUING,
    (State.ABOUT_TO_EXPIRE, Operation.APPLY): State.REISSUING,
    (State.CERTIFICATE_EXPIRED, Operation.APPLY): State.EXPIRED_REAPPLYING,
    (State.REVOKED, Operation.APPLY): State.REVOKED_REAPPLYING,
    (State.PENDING, Operation.CANCEL): State.WITHDRAWING,
    (State.REISSUING, Operation.CANCEL): State.REISSUE_WITHDRAWING,
    (State.EXPIRED_REAPPLYING, Operation.CANCEL): State.EXPIRED_WITHDRAWING,
    (State.REVOKED_REAPPLYING, Operation.CANCEL): State.REVOKED_WITHDRAWING,
    (State.ISSUED, Operation.REVOKE): State.REVOKING,
    (State.ABOUT_TO_EXPIRE, Operation.REVOKE): State.REVOKING,
    (State.UNUSED, Operation.REFUND): State.REFUNDING,
    (State.IDLE, Operation.REFUND): State.REFUNDING,
    (State.REVOKED, Operation.REFUND): State.REFUNDING,
    (State.REFUNDED, Operation.DELETE): State.DELETED,
    (State.ENDED, Operation.DELETE): State.DELETED,
    (State.CLOSED, Operation.DELETE): State.DELETED,
}
HAPPENS = {
    Event.PURCHASE_SETTLED: {"settling": "unused"},
    Event.AUTO_SUBMITTED: {"unused": "submitting", "idle": "submitting", "about_to_expire": "reissuing"},
    Event.SUBMISSION_ACCEPTED: {"submitting": "pending"},
    Event.SUBMISSION_FAILED: {"submitting": "unused"},
    Event.WITHDRAWAL_COMPLETED: {
        "withdrawing": "idle",
        "reissue_withdrawing": "issued",
        "expired_withdrawing": "certificate_expired",
        "revoked_withdrawing": "revoked",
    },
    Event.REVOCATION_COMPLETED: {"revoking": "revoked"},
    Event.REFUND_COMPLETED: {"refunding": "refunded"},
    Event.CERTIFICATE_ISSUED: dict.fromkeys(
        ["pending", "withdrawing", "reissuing", "expired_reapplying", "revoked_reapplying"], "issued"
    ),
    Event.REVIEW_FAILED: {
        "pending": "idle",
        "reissuing": "issued",
        "expired_reapplying": "certificate_expired",
        "revoked_reapplying": "revoked",
    },
    Event.CERTIFICATE_REVOKED: {"issued": "revoked", "about_to_expire": "revoked"},
    Event.CERTIFICATE_NEARED_END: {"issued": "about_to_expire"},
    Event.CERTIFICATE_ENDED: {"about_to_expire": "certificate_expired"},
    Event.SUBSCRIPTION_NEARED_END: dict.fromkeys(
        ["unused", "idle", "issued", "about_to_expire", "certificate_expired", "revoked"], "ending"
    ),
    Event.SUBSCRIPTION_ENDED: {"ending": "ended"},
    Event.SUBSCRIPTION_RENEWED: {"ending": "issued"},
    Event.SHUT_DOWN: dict.fromkeys(["unused", "idle", "ended"], "closed"),
}
APPLIED = ["submitting", "pending", "reissuing", "expired_reapplying", "revoked_reapplying"]
WITHDRAWN = ["withdrawing", "reissue_withdrawing", "expired_withdrawing", "revoked_withdrawing"]
UNDER_WAY = (*APPLIED, *WITHDRAWN, "revoking", "refunding")
NOBODY_SAYS = {
    **dict.fromkeys([Event.SUBSCRIPTION_NEARED_END, Event.SUBSCRIPTION_ENDED, Event.SHUT_DOWN], UNDER_WAY),
    **dict.fromkeys(
        [Event.CERTIFICATE_NEARED_END, Event.CERTIFICATE_ENDED, Event.CERTIFICATE_REVOKED],
        ("revoking", "reissuing", "reissue_withdrawing", "ending"),
    ),
}
CODES = {
    Operation.UPDATE: "InvalidStatus.UpdateProtection",
    Operation.APPLY: "OperationDenied.StatusNotSupport",
    Operation.CANCEL: "OperationDenied.StatusNotSupport",
    Operation.REVOKE: "OperationDenied.StatusNotSupport",
    Operation.REFUND: "CouldNotRefund.NotSupport",
    Operation.DELETE: "InvalidStatus.DeleteProtection",
}
ACCOUNT = {Operation.LIST, Operation.SUMMARY, Operation.CERTIFICATES, Operation.COUNTS}
READS = {Operation.GET, Operation.TASK}
GONE = {"none", "deleted"}

# Both words of one answer (`-`: no certificate), the states that they may mean, and what that decides of the six calls.
WORDS = """
inactive   -                   settling unused submitting refunding              ? ? X X ? x
inactive   revoked             refunding                                         ? ? X X ? x
pending    -                   submitting pending withdrawing                    X X ? X x x
pending    expired             expired_reapplying expired_withdrawing            X X ? ? x x
pending    issued,willExpire   reissuing reissue_withdrawing                     X X ? ? x x
pending    revoked             revoked_reapplying revoked_withdrawing            X X ? ? x x
normal     -                   idle refunding                                    ? ? X X ? x
normal     expired             certificate_expired                               L L x ? x ?
normal     issued              issued revoking                                   ? ? X ? x X
normal     revoked             revoked refunding                                 ? ? X ? ? ?
normal     willExpire          about_to_expire revoking                          ? ? X ? x X
willExpire any                 ending                                            ? ? ? ? ? ?
expired    any                 ended                                             X X X ? x L
refund     any                 refunded                                          X X X X x L
closed     any                 closed                                            X X X X ? L
"""

WAYS_OUT = {
    "none": "PURCHASE (purchase_settled) REFUND (refund_completed) DELETE",
    "settling": "(purchase_settled) REFUND (refund_completed) DELETE",
    "unused": "REFUND (refund_completed) DELETE",
    "submitting": "(submission_accepted) CANCEL (withdrawal_completed) REFUND (refund_completed) DELETE",
    "pending": "CANCEL (withdrawal_completed) REFUND (refund_completed) DELETE",
    "withdrawing": "(withdrawal_completed) REFUND (refund_completed) DELETE",
    "idle": "REFUND (refund_completed) DELETE",
    "issued": "REVOKE (revocation_completed) REFUND (refund_completed) DELETE",
    "about_to_expire": "REVOKE (revocation_completed) REFUND (refund_completed) DELETE",
    "certificate_expired": None,
    "revoking": "(revocation_completed) REFUND (refund_completed) DELETE",
    "revoked": "REFUND (refund_completed) DELETE",
    "reissuing": ("CANCEL (withdrawal_completed) REVOKE (revocation_completed) REFUND (refund_completed) DELETE"),
    "reissue_withdrawing": "(withdrawal_completed) REVOKE (revocation_completed) REFUND (refund_completed) DELETE",
    "expired_reapplying": None,
    "expired_withdrawing": None,
    "revoked_reapplying": "CANCEL (withdrawal_completed) REFUND (refund_completed) DELETE",
    "revoked_withdrawing": "(withdrawal_completed) REFUND (refund_completed) DELETE",
    "refunding": "(refund_completed) DELETE",
    "refunded": "DELETE",
    "ending": None,
    "ended": "DELETE",
    "closed": "DELETE",
    "deleted": "",
}


def cell(state, trigger):
    """What the statement says of a pair: `A`, `R`, `r`, `t` or `?`, and for `A` the basis."""
    if trigger in CALLS:
        return CELLS[state].split()[CALLS.index(trigger)]
    if trigger in NOBODY_SAYS and state in NOBODY_SAYS[trigger]:
        return "?"
    if trigger in ACCOUNT:
        return "A"
    if trigger in READS:
        return "r" if state in GONE else "A"
    if trigger is Operation.PURCHASE:
        return "A" if state == "none" else "r"
    return "A" if state in HAPPENS[trigger] else "r"


def target(state, trigger):
    if trigger in HAPPENS:
        return PLACES[HAPPENS[trigger][state]]
    return LEADS_TO.get((PLACES[state], trigger), PLACES[state])


def test_the_table_is_consistent():
    verify(LIFECYCLE)
    assert named("instances") is LIFECYCLE
    assert pickle.loads(pickle.dumps(LIFECYCLE)) is LIFECYCLE
    assert LIFECYCLE.name == "instances"


@pytest.mark.parametrize(("state", "trigger"), PAIRS, ids=[f"{state}-{trigger}" for state, trigger in PAIRS])
def test_every_pair_is_allowed_refused_or_silent(state, trigger):
    said, where = cell(state, trigger), PLACES[state]
    if said == "?":
        for ask in (can, check):
            with pytest.raises(Unspecified) as silent:
                ask(where, trigger, lifecycle=LIFECYCLE)
            assert (silent.value.state, silent.value.trigger) == (where, trigger)
            assert silent.value.reference.startswith("https://")
        assert judge({where}, trigger, LIFECYCLE) is Verdict.UNDECIDED
        return
    assert can(where, trigger, LIFECYCLE) is said.startswith("A")
    if said.startswith("A"):
        assert check(where, trigger, LIFECYCLE) == target(state, trigger)
        assert said[1:] in {"", explain(where, trigger, LIFECYCLE).basis.name[0]}
        return
    with pytest.raises(InstanceNotFound if where is None else OrderStateError) as refused:
        check(where, trigger, LIFECYCLE)
    if trigger in CODES:
        assert refused.value.passes is (said == "t")
        assert (refused.value.basis is Basis.INFERRED) is (said == "r")
        assert refused.value.http_status == 400
        assert refused.value.code == ("NotFound" if where is None else CODES[trigger])


@pytest.mark.parametrize("trigger", [trigger for trigger in Operation if trigger not in {*ACCOUNT, Operation.PURCHASE}])
@pytest.mark.parametrize("state", [None, State.DELETED])
def test_the_service_finds_no_deleted_instance(state, trigger):
    with pytest.raises(InstanceNotFound) as missing:
        LIFECYCLE.service_transition(state, trigger)
    assert (missing.value.code, missing.value.http_status) == ("NotFound", 400)


def test_no_statement_is_left_over():
    rows = {(row.source, row.trigger) for row in LIFECYCLE.transitions if row.trigger not in READS}
    said = {(PLACES[state], trigger) for state, trigger in PAIRS if cell(state, trigger).startswith("A")}
    assert rows == {(state, trigger) for state, trigger in said if trigger not in READS | ACCOUNT}
    cells = "".join(said[0] for line in CELLS.values() for said in line.split())
    assert {kind: cells.count(kind) for kind in "ARtr?"} == {"A": 24, "R": 36, "t": 4, "r": 54, "?": 26}


def readings():
    for line in WORDS.strip().splitlines():
        status, certificates, *rest = line.split()
        states, verdicts = rest[:-6], rest[-6:]
        words = (
            ["-", "issued", "willExpire", "expired", "revoked"] if certificates == "any" else certificates.split(",")
        )
        for certificate in words:
            yield pytest.param(status, certificate, states, verdicts, id=f"{status}-{certificate}")


@pytest.mark.parametrize(("status", "certificate", "states", "verdicts"), list(readings()))
def test_from_two_words_alone_follows_what_is_decided(status, certificate, states, verdicts):
    possible = LIFECYCLE.reading({"Status": status, "CertificateStatus": None if certificate == "-" else certificate})
    assert possible == {PLACES[state] for state in states}
    for call, expected in zip(CALLS, verdicts, strict=True):
        verdict = judge(possible, call, LIFECYCLE)
        assert verdict is {"?": Verdict.UNDECIDED, "L": Verdict.LEGAL}.get(expected, Verdict.ILLEGAL), call
        if verdict is Verdict.ILLEGAL:
            bases = {explain(state, call, LIFECYCLE).basis for state in possible}
            assert (Basis.INFERRED in bases) is (expected == "X"), call


@pytest.mark.parametrize(
    ("answer", "states"),
    [
        ({"Status": "normal"}, "idle issued about_to_expire certificate_expired revoking revoked refunding"),
        ({"Status": "normal", "CertificateStatus": ""}, "idle refunding"),
        ({"CertificateStatus": "revoked", "Status": "refund"}, "refunded"),
        ({"Status": None, "CertificateStatus": "expired"}, "certificate_expired expired_reapplying expired_withdrawing "
         "refunded ending ended closed"),
    ],
)  # fmt: skip
def test_a_field_that_is_missing_says_nothing_and_an_empty_one_that_there_is_no_certificate(answer, states):
    assert LIFECYCLE.reading(answer) == set(map(PLACES.get, states.split()))


@pytest.mark.parametrize("state", WAYS_OUT)
def test_the_way_out_waits_for_what_completes_and_hopes_for_nothing_else(state):
    way = WAYS_OUT[state]
    grave = way is not None and {"PURCHASE", "REVOKE"} & set(way.split())
    if way is None or grave:
        with pytest.raises(Unreachable):
            plan(PLACES[state], State.DELETED, lifecycle=LIFECYCLE)
    if way is None:
        with pytest.raises(Unreachable):
            plan(PLACES[state], State.DELETED, grave=True, lifecycle=LIFECYCLE)
        return
    steps = plan(PLACES[state], State.DELETED, grave=bool(grave), lifecycle=LIFECYCLE)
    said = [step.name if LIFECYCLE.by_client(step) else f"({step})" for step in steps]
    assert said == way.split()


@pytest.mark.parametrize("state", list(State))
def test_with_others_events_a_plan_still_hopes_for_no_failure_if_it_can_do_without(state):
    steps = plan(state, State.DELETED, events=True, lifecycle=LIFECYCLE)
    assert not {Event.REVIEW_FAILED, Event.SUBMISSION_FAILED, Event.SHUT_DOWN, Event.CERTIFICATE_REVOKED} & {*steps}
    assert [*plan(State.UNUSED, State.ISSUED, events=True, lifecycle=LIFECYCLE)] == [
        Operation.APPLY,
        Event.SUBMISSION_ACCEPTED,
        Event.CERTIFICATE_ISSUED,
    ]
    assert [*plan(State.UNUSED, State.CERTIFICATE_EXPIRED, events=True, lifecycle=LIFECYCLE)][2:] == [
        Event.CERTIFICATE_ISSUED,
        Event.CERTIFICATE_NEARED_END,
        Event.CERTIFICATE_ENDED,
    ]
    assert plan(State.PENDING, State.IDLE, events=True, lifecycle=LIFECYCLE)[-1] is Event.WITHDRAWAL_COMPLETED
    assert [*plan(State.ISSUED, State.CLOSED, events=True, lifecycle=LIFECYCLE)][-1] is Event.SHUT_DOWN


def test_what_no_plan_takes_unasked_is_named_where_only_that_would_lead_on():
    with pytest.raises(Unreachable, match="by operations alone without RevokeCertificate, which no plan takes unless"):
        plan(State.ISSUED, State.DELETED, lifecycle=LIFECYCLE)
    with pytest.raises(Unreachable, match=r"from ended by operations or events$"):
        plan(State.ENDED, State.UNUSED, events=True, lifecycle=LIFECYCLE)


def test_a_plan_says_how_long_a_completion_takes():
    assert str(plan(State.PENDING, State.DELETED, lifecycle=LIFECYCLE)) == (
        "CancelPendingCertificate, then wait for withdrawal_completed (service, 10 seconds to 20 minutes), then "
        "RefundInstance, then wait for refund_completed (service, 3 seconds to 20 minutes), then DeleteInstance"
    )


@pytest.mark.parametrize(
    ("state", "call", "because", "event"),
    [
        (State.SUBMITTING, Operation.CANCEL, "the submission is still being taken up", "submission_accepted"),
        (State.SETTLING, Operation.REFUND, "the purchase is still being settled", "purchase_settled"),
        (State.WITHDRAWING, Operation.REFUND, "the withdrawal has not landed yet", "withdrawal_completed"),
        (State.REFUNDING, Operation.DELETE, "the refund has not landed yet", "refund_completed"),
    ],
)
def test_an_explanation_says_what_it_is_too_early_for(state, call, because, event):
    why = explain(state, call, LIFECYCLE)
    assert why.passes
    assert f"Too early: {because}; the same call passes when {event} has happened." in str(why)


@pytest.mark.parametrize("state", [State.UNUSED, State.IDLE, State.REVOKED])
def test_a_refund_is_allowed_for_seven_days_of_the_payment_the_end_included(state):
    ask = {"trigger": Operation.REFUND, "lifecycle": LIFECYCLE}
    assert can(state, Operation.REFUND, LIFECYCLE)
    assert judge({state}, Operation.REFUND, LIFECYCLE) is Verdict.LEGAL
    assert judge({state}, Operation.REFUND, LIFECYCLE, age=7 * DAY) is Verdict.LEGAL
    assert judge({state}, Operation.REFUND, LIFECYCLE, age=7 * DAY + 1) is Verdict.ILLEGAL
    assert judge({state, State.CLOSED}, Operation.REFUND, LIFECYCLE, age=8 * DAY) is Verdict.UNDECIDED
    assert plan(state, State.DELETED, age=3 * DAY, lifecycle=LIFECYCLE)
    with pytest.raises(Unreachable):
        plan(state, State.DELETED, age=8 * DAY, lifecycle=LIFECYCLE)
    late = explained(LIFECYCLE, {state}, Operation.REFUND, 8 * DAY)
    assert Operation.REFUND not in late.allowed
    assert Operation.REFUND not in late.allowed_in[state]
    assert Operation.REFUND in explained(LIFECYCLE, {state}, Operation.REFUND, 7 * DAY).allowed
    assert "within 7 days of its beginning" in explain(state, **ask).reason
    row = LIFECYCLE.transition(state, Operation.REFUND)
    assert (row.within.error.code, row.within.error.http_status) == ("CouldNotRefund.OverTime", 400)


@pytest.mark.parametrize("age", [-1, float("nan"), "8d", True])
def test_an_age_that_is_none_is_said_to_be_none(age):
    with pytest.raises(InvalidValue, match="seconds, 0 or more"):
        judge({State.UNUSED}, Operation.REFUND, LIFECYCLE, age=age)
    with pytest.raises(InvalidValue, match="seconds, 0 or more"):
        plan(State.UNUSED, State.DELETED, age=age, lifecycle=LIFECYCLE)


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        ("NotFound", Meaning.NOT_FOUND),
        ("InvalidInstanceId.NotFound", Meaning.NOT_FOUND),
        ("OperationDenied.StatusNotSupport", Meaning.STATE_FORBIDS),
        ("InvalidStatus.UpdateProtection", Meaning.STATE_FORBIDS),
        ("InvalidStatus.DeleteProtection", Meaning.STATE_FORBIDS),
        ("CouldNotRefund.NotSupport", Meaning.STATE_FORBIDS),
        ("CouldNotRefund.OverTime", Meaning.TOO_LATE),
        ("CouldNotRefund.InsufficientQuota", Meaning.NO_UNIT),
        ("DomainAndProductNotMatch", Meaning.MALFORMED),
        ("MissingParameter", Meaning.MALFORMED),
        ("MissingInstanceId", Meaning.MALFORMED),
        ("InvalidParameter", Meaning.MALFORMED),
        ("AlreadyExistsTry", Meaning.NOT_CREATED),
        ("InvalidVersion", Meaning.NOT_OFFERED),
        ("InvalidAction.NotFound", Meaning.NOT_OFFERED),
        ("FlowControlError", Meaning.THROTTLED),
        ("Throttling.User", Meaning.THROTTLED),
        ("Rejected.Throttling", Meaning.THROTTLED),
        ("OperationDenied.SystemUpgrading", Meaning.PERHAPS),
        ("PermissionDenied", Meaning.KEPT_OUT),
        ("InternalError", Meaning.PERHAPS),
        ("OrderStateError", None),
    ],
)
def test_codes_mean_what_this_table_says(code, meaning):
    assert LIFECYCLE.codes.meaning_of(code) is meaning


def test_roles_follow_from_the_rows():
    assert LIFECYCLE.creates == {Operation.PURCHASE}
    assert LIFECYCLE.reads == READS
    assert LIFECYCLE.account_reads == ACCOUNT
    assert LIFECYCLE.gone == {None, State.DELETED}
    assert {rule.trigger for rule in LIFECYCLE.triggers if rule.grave} == {Operation.PURCHASE, Operation.REVOKE}
    assert {rule.trigger: rule.follows for rule in LIFECYCLE.triggers if rule.follows} == {
        Event.PURCHASE_SETTLED: Operation.PURCHASE,
        Event.SUBMISSION_ACCEPTED: Operation.APPLY,
        Event.WITHDRAWAL_COMPLETED: Operation.CANCEL,
        Event.REVOCATION_COMPLETED: Operation.REVOKE,
        Event.REFUND_COMPLETED: Operation.REFUND,
    }
    assert {rule.state for rule in LIFECYCLE.states if rule.terminal} == {State.DELETED}
    assert allowed(State.UNUSED, LIFECYCLE) == (Operation.UPDATE, Operation.APPLY, Operation.REFUND)
    assert LIFECYCLE.trigger_rules[Event.SHUT_DOWN].actor is Actor.CONSOLE


def test_a_refused_withdrawal_leaves_what_is_too_early_or_over():
    words = LIFECYCLE.reading({"Status": "pending", "CertificateStatus": None})
    assert narrow(words, Operation.CANCEL, accepted=False, lifecycle=LIFECYCLE) == {State.SUBMITTING, State.WITHDRAWING}
    assert narrow(words, Operation.CANCEL, accepted=True, lifecycle=LIFECYCLE) == {State.WITHDRAWING}


def test_every_rule_that_is_observed_says_in_which_version():
    sources = [(row.basis, row.reference) for row in LIFECYCLE.transitions]
    sources += [(rule.basis, rule.reference) for rule in (*LIFECYCLE.states, *LIFECYCLE.triggers)]
    sources += [(rule.basis, rule.reference) for rule in LIFECYCLE.refusal_rules if rule.basis is not None]
    observed = [reference for basis, reference in sources if basis is Basis.OBSERVED]
    assert observed
    assert all("2026-" in reference for reference in observed)
