"""The table of ACME orders against a second statement of it, written down from RFC 8555, not from the table.

Sections are those of the RFC; 7.4 stands for "RFC 8555, section 7.4".
"""

from __future__ import annotations

import itertools
import pickle

import attrs
import pytest

from orderfsm import (
    InvalidLifecycle,
    InvalidValue,
    OrderStateError,
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
from orderfsm.errors import Meaning, NotFound
from orderfsm.explanation import explain as explained
from orderfsm.rows import Actor, Basis, Strength, Vocabulary
from orderfsm.tables import NAMES, named
from orderfsm.tables.acme import LIFECYCLE, BadCSR, Event, Operation, OrderNotReady, State
from orderfsm.wire import parse_states, parse_trigger, vocabulary

TRIGGERS = {str(trigger): trigger for trigger in (*Operation, *Event)}
STATES = {"none": None, **{state.value: state for state in State}}
READY, PENDING, PROCESSING, VALID, INVALID = (
    State.READY,
    State.PENDING,
    State.PROCESSING,
    State.VALID,
    State.INVALID,
)

# Every pair. `> state`: allowed, and leads there; `refused`, with the code if the RFC names one; `silent`. Then the
# section (`~`: it says nothing, and is the nearest one), and the word that it uses, if that is MUST or SHOULD.
STATEMENT = """
newOrder                 none        > pending                 7.4
newOrder                 pending     silent                    7.4
newOrder                 ready       silent                    7.4
newOrder                 processing  refused                   ~7.4
newOrder                 valid       refused                   ~7.4
newOrder                 invalid     refused                   ~7.4

readOrder                none        refused                   ~6.3
readOrder                pending     > pending                 6.3
readOrder                ready       > ready                   6.3
readOrder                processing  > processing              6.3
readOrder                valid       > valid                   6.3
readOrder                invalid     > invalid                 6.3

finalize                 none        refused                   7.4
finalize                 pending     refused orderNotReady     7.4    MUST
finalize                 ready       > processing              7.4
finalize                 processing  refused orderNotReady     7.4    MUST
finalize                 valid       refused orderNotReady     7.4    MUST
finalize                 invalid     refused orderNotReady     7.4    MUST

deactivateAuthorization  none        refused                   ~7.5.2
deactivateAuthorization  pending     > invalid                 7.1.6
deactivateAuthorization  ready       > invalid                 7.1.6
deactivateAuthorization  processing  > invalid                 7.1.6
deactivateAuthorization  valid       silent                    7.1.6
deactivateAuthorization  invalid     > invalid                 7.1.6

downloadCertificate      none        refused                   ~7.1.3
downloadCertificate      pending     refused                   ~7.1.3
downloadCertificate      ready       refused                   ~7.1.3
downloadCertificate      processing  refused                   ~7.1.3
downloadCertificate      valid       > valid                   7.4.2
downloadCertificate      invalid     refused                   ~7.1.3

revokeCert               none        refused                   ~7.6
revokeCert               pending     refused                   ~7.6
revokeCert               ready       refused                   ~7.6
revokeCert               processing  refused                   ~7.6
revokeCert               valid       > valid                   7.6    MUST
revokeCert               invalid     refused                   ~7.6

all_authorizations_valid none        refused                   ~7.1.6
all_authorizations_valid pending     > ready                   7.1.6
all_authorizations_valid ready       refused                   ~7.1.6
all_authorizations_valid processing  refused                   ~7.1.6
all_authorizations_valid valid       refused                   ~7.1.6
all_authorizations_valid invalid     refused                   ~7.1.6

authorization_failed     none        refused                   ~7.1.6
authorization_failed     pending     > invalid                 7.1.6
authorization_failed     ready       > invalid                 7.1.6
authorization_failed     processing  > invalid                 7.1.6
authorization_failed     valid       silent                    7.1.6
authorization_failed     invalid     > invalid                 7.1.6

issued                   none        refused                   ~7.1.6
issued                   pending     refused                   ~7.1.6
issued                   ready       refused                   ~7.1.6
issued                   processing  > valid                   7.1.6
issued                   valid       refused                   ~7.1.6
issued                   invalid     refused                   ~7.1.6

failed                   none        refused                   ~7.1.6
failed                   pending     silent                    7.1.6
failed                   ready       silent                    7.1.6
failed                   processing  > invalid                 7.1.6
failed                   valid       refused                   ~7.1.6
failed                   invalid     refused                   ~7.1.6

expired                  none        refused                   ~7.1.6
expired                  pending     > invalid                 7.4    SHOULD
expired                  ready       > invalid                 7.4    SHOULD
expired                  processing  > invalid                 7.1.6
expired                  valid       silent                    7.1.6
expired                  invalid     > invalid                 7.1.6
"""


def statement():
    for line in filter(None, STATEMENT.splitlines()):
        trigger, state, *rest = line.split()
        yield pytest.param(STATES[state], TRIGGERS[trigger], rest, id=f"{state}-{trigger}")


def section(number):
    """The reference by which the table names a section; of a silent one, with that it is silent."""
    silent = "the RFC is silent; nearest: " if number.startswith("~") else ""
    return f"{silent}RFC 8555, section {number.removeprefix('~')}"


@pytest.mark.parametrize(("state", "trigger", "said"), list(statement()))
def test_every_pair_is_allowed_refused_or_silent_as_a_section_says(state, trigger, said):
    strength = Strength(said.pop()) if said[-1] in {*Strength} else None
    *verdict, number = said
    why = explain(state, trigger, LIFECYCLE)
    assert (why.reference, why.strength) == (section(number), strength)
    if verdict == ["silent"]:
        for ask in (can, check):
            with pytest.raises(Unspecified) as caught:
                ask(state, trigger, LIFECYCLE)
            assert (caught.value.state, caught.value.trigger, caught.value.reference) == (state, trigger, why.reference)
        assert judge({state}, trigger, LIFECYCLE) is Verdict.UNDECIDED
        return
    assert why.basis is (Basis.INFERRED if number.startswith("~") else Basis.DOCUMENTED)
    assert can(state, trigger, LIFECYCLE) is (verdict[0] == ">")
    if verdict[0] == ">":
        assert check(state, trigger, LIFECYCLE) is STATES[verdict[1]]
        return
    code = "".join(verdict[1:])
    with pytest.raises(NotFound if state is None else OrderStateError) as refused:
        check(state, trigger, LIFECYCLE)
    assert (refused.value.code, refused.value.passes) == (code, False)
    assert isinstance(refused.value, OrderNotReady) is bool(code)


def test_nothing_is_left_over():
    pairs = {(param.values[0], param.values[1]) for param in statement()}
    assert pairs == set(itertools.product((None, *State), (*Operation, *Event)))
    verify(LIFECYCLE)
    assert [state.value for state in State] == ["pending", "ready", "processing", "valid", "invalid"]
    assert "acme" in NAMES
    assert named("acme") is LIFECYCLE
    assert pickle.loads(pickle.dumps(LIFECYCLE)) is LIFECYCLE


def test_a_table_is_named_by_a_text():
    with pytest.raises(InvalidValue, match="table 5: expected orders"):
        named(5)


# -- the order's states (7.1.3, 7.1.6) ---------------------------------------------------------------------------------


def test_a_status_has_five_words_and_no_other():
    """Possible values are "pending", "ready", "processing", "valid", and "invalid"."""
    assert vocabulary("status", LIFECYCLE) == {state.value: {state} for state in State}
    (status,) = LIFECYCLE.vocabularies
    assert (status.closed, status.unspecific) == (True, None)
    for word in ("deactivated", "expired", "revoked", "complete"):
        with pytest.raises(InvalidValue, match=f"'{word}': expected pending, ready, processing, valid, invalid"):
            LIFECYCLE.reading({"status": word})


def test_the_order_that_a_call_answers_is_the_order_as_it_is_afterwards():
    """If a request to finalize an order is successful, the server will return a 200 (OK) with an updated order object.

    The body of this response [to newOrder] is an order object reflecting the client's request.
    """
    (status,) = LIFECYCLE.vocabularies
    assert status.operations == (Operation.READ_ORDER, Operation.NEW_ORDER, Operation.FINALIZE)


def test_an_order_is_over_where_the_figure_ends():
    """The figure of 7.1.6: nothing leaves valid and invalid."""
    ends = {rule.state for rule in LIFECYCLE.states if rule.terminal}
    assert ends == {VALID, INVALID}
    assert reachable(VALID, lifecycle=LIFECYCLE) == {VALID}
    assert reachable(INVALID, lifecycle=LIFECYCLE) == {INVALID}
    assert {rule.state for rule in LIFECYCLE.states if rule.certified} == {VALID}


def test_an_order_goes_down_the_figure_by_one_way():
    """Order objects are created in the "pending" state. [...] the order transitions to the "ready" state."""
    down = plan(None, VALID, events=True, lifecycle=LIFECYCLE)
    assert down.triggers == (
        Operation.NEW_ORDER,
        Event.ALL_AUTHORIZATIONS_VALID,
        Operation.FINALIZE,
        Event.ISSUED,
    )
    assert reachable(None, by=[Actor.CLIENT], lifecycle=LIFECYCLE) == {None, PENDING, INVALID}
    assert allowed(READY, LIFECYCLE) == (Operation.FINALIZE, Operation.DEACTIVATE_AUTHORIZATION)


@pytest.mark.parametrize("state", [PENDING, READY, PROCESSING])
def test_an_order_ends_with_its_authorizations(state):
    """The order also moves to "invalid" if [...] one of its authorizations enters a final state other than "valid"."""
    assert check(state, Event.AUTHORIZATION_FAILED, LIFECYCLE) is INVALID
    assert check(state, Operation.DEACTIVATE_AUTHORIZATION, LIFECYCLE) is INVALID


# -- what a call may come to -------------------------------------------------------------------------------------------


def test_finalize_may_be_answered_with_the_certificate_issued():
    """A server that issues synchronously will never show an order in the "processing" state."""
    assert narrow({READY}, Operation.FINALIZE, accepted=True, lifecycle=LIFECYCLE) == {PROCESSING, VALID}
    assert narrow({READY}, Operation.FINALIZE, accepted=False, lifecycle=LIFECYCLE) == set()
    assert LIFECYCLE.targets(LIFECYCLE.transition(READY, Operation.FINALIZE)) == {PROCESSING, VALID}
    assert explain(READY, Operation.FINALIZE, LIFECYCLE).reason == (
        "finalize is allowed in ready: it leads to processing, or at once to valid."
    )
    assert explain(READY, Operation.FINALIZE, LIFECYCLE).as_json()["next"] == [PROCESSING, VALID]


def test_an_order_may_be_ready_from_its_beginning():
    """There are several reasons that the referenced authorizations may already be valid [7.1.3]."""
    assert narrow({None}, Operation.NEW_ORDER, accepted=True, lifecycle=LIFECYCLE) == {PENDING, READY}
    assert "ready at once" in explain(None, Operation.NEW_ORDER, LIFECYCLE).note


def test_what_a_server_need_not_do():
    """If the server is willing to issue the requested certificate [7.4]. If it accepts the deactivation [7.5.2]."""
    optional = {(row.source, row.trigger) for row in LIFECYCLE.transitions if row.optional}
    deactivations = {(state, Operation.DEACTIVATE_AUTHORIZATION) for state in (PENDING, READY, PROCESSING, INVALID)}
    assert optional == {(None, Operation.NEW_ORDER), *deactivations}
    assert narrow({READY}, Operation.DEACTIVATE_AUTHORIZATION, accepted=False, lifecycle=LIFECYCLE) == {READY}
    assert narrow({READY}, Operation.DEACTIVATE_AUTHORIZATION, accepted=True, lifecycle=LIFECYCLE) == {INVALID}
    assert explain(READY, Operation.DEACTIVATE_AUTHORIZATION, LIFECYCLE).reason.endswith("; the service may refuse it.")


def test_what_a_server_need_not_do_any_more():
    """If the certificate has already been revoked, the server returns an error response [7.6].

    [It] MAY delete the order resource [7.4], of an order that has expired.
    """
    after = {(row.source, row.trigger): row.optional_after for row in LIFECYCLE.transitions if row.optional_after}
    assert after == {
        (VALID, Operation.REVOKE_CERT): (Operation.REVOKE_CERT,),
        (VALID, Operation.DOWNLOAD_CERTIFICATE): (Operation.REVOKE_CERT,),
        (INVALID, Operation.READ_ORDER): (Event.EXPIRED,),
    }
    assert explain(VALID, Operation.DOWNLOAD_CERTIFICATE, LIFECYCLE).reason == (
        "downloadCertificate is allowed in valid: it changes nothing; after revokeCert the service may refuse it."
    )
    for operation in (Operation.REVOKE_CERT, Operation.DOWNLOAD_CERTIFICATE):
        assert narrow({VALID}, operation, accepted=False, lifecycle=LIFECYCLE) == {VALID}
    assert narrow({READY}, Operation.READ_ORDER, accepted=False, lifecycle=LIFECYCLE) == set()


def test_only_issuance_happens_where_nobody_sees_it():
    """The CA begins the issuance process; the rest the client does itself, or a date says it ("expires")."""
    unseen = {rule.trigger for rule in LIFECYCLE.triggers if not rule.seen} - {*Operation}
    assert unseen == {Event.ISSUED, Event.FAILED}


def test_a_certificate_that_is_revoked_leaves_its_order_valid():
    assert LIFECYCLE.transition(VALID, Operation.REVOKE_CERT).edits
    assert "inferred" in explain(VALID, Operation.REVOKE_CERT, LIFECYCLE).note
    assert Operation.REVOKE_CERT not in LIFECYCLE.reads


# -- refusals (6.7, 7.4) -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [PENDING, PROCESSING, VALID, INVALID])
def test_finalize_is_for_ready_orders(state):
    """A request to finalize an order will result in error if the order is not in the "ready" state.

    In such cases, the server MUST return a 403 (Forbidden) error with a problem document of type "orderNotReady".
    """
    with pytest.raises(OrderNotReady) as refused:
        check(state, Operation.FINALIZE, LIFECYCLE)
    assert (refused.value.code, refused.value.http_status) == ("orderNotReady", 403)
    assert f"finalize is not allowed in {state}, only in ready." in str(refused.value)
    assert "(documented MUST: RFC 8555, section 7.4)" in str(refused.value)


def test_a_csr_that_is_unacceptable_leaves_the_order_ready():
    """After returning such an error, the server SHOULD leave the order in the "ready" state."""
    rule = LIFECYCLE.trigger_rules[Operation.FINALIZE]
    assert (rule.fails, rule.fails_strength) == (BadCSR, Strength.SHOULD)
    assert LIFECYCLE.codes.meaning_of("badCSR") is Meaning.NOT_CARRIED_OUT
    assert [each.trigger for each in LIFECYCLE.triggers if each.fails] == [Operation.FINALIZE]


def test_elsewhere_the_rfc_names_no_code():
    with pytest.raises(OrderStateError) as refused:
        check(PENDING, Operation.DOWNLOAD_CERTIFICATE, LIFECYCLE)
    assert refused.value.code == ""
    assert {error.code for error in LIFECYCLE.codes.errors} == {"", "orderNotReady", "badCSR"}
    assert "" not in LIFECYCLE.codes.by_code
    assert LIFECYCLE.codes.meaning_of("") is None


# The types of 6.7 that are no word on the order's state: on the account, the request, the identifiers ...
ELSEWHERE = (
    *("accountDoesNotExist", "alreadyRevoked", "badNonce", "badPublicKey", "badRevocationReason"),
    *("badSignatureAlgorithm", "caa", "compound", "connection", "dns", "externalAccountRequired"),
    *("incorrectResponse", "invalidContact", "malformed", "rateLimited", "rejectedIdentifier", "serverInternal", "tls"),
    *("unauthorized", "unsupportedContact", "unsupportedIdentifier", "userActionRequired"),
)


@pytest.mark.parametrize("code", [*ELSEWHERE, "orderNotReady", "badCSR"])
def test_every_error_type_is_known_with_and_without_its_namespace(code):
    """This document defines the following standard tokens [...] within the ACME URN namespace."""
    meaning = LIFECYCLE.codes.meaning_of(code)
    assert meaning is not None
    assert meaning is LIFECYCLE.codes.meaning_of(f"urn:ietf:params:acme:error:{code}")
    assert (meaning is Meaning.STATE_FORBIDS) is (code == "orderNotReady")
    assert LIFECYCLE.codes.meaning_of(f"urn:example:{code}") is None


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        ("serverInternal", Meaning.PERHAPS),
        ("rateLimited", Meaning.THROTTLED),
        ("unauthorized", Meaning.TURNED_AWAY),
        ("badNonce", Meaning.KEPT_OUT),
        ("malformed", Meaning.MALFORMED),
        ("rejectedIdentifier", Meaning.NOT_CREATED),
        ("somethingNew", None),
        (None, None),
    ],
)
def test_what_an_error_type_says_of_the_call(code, meaning):
    assert LIFECYCLE.codes.meaning_of(code) is meaning


# -- what to do instead ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "instead"),
    [
        (PENDING, "wait for all_authorizations_valid (ca), then finalize"),
        (PROCESSING, None),
        (VALID, None),
        (INVALID, None),
    ],
)
def test_it_says_what_to_wait_for_before_finalize(state, instead):
    why = explain(state, Operation.FINALIZE, LIFECYCLE)
    assert (why.legal, why.strength, why.instead and str(why.instead)) == (False, Strength.MUST, instead)


def test_no_plan_revokes_unasked_or_hopes_for_a_failure():
    """There is no way back from ready to pending, and none out of valid."""
    assert LIFECYCLE.trigger_rules[Operation.REVOKE_CERT].grave
    for state in (PENDING, READY, PROCESSING):
        ways = plan(state, INVALID, events=True, lifecycle=LIFECYCLE)
        assert ways.triggers == (Operation.DEACTIVATE_AUTHORIZATION,)
    assert plan(PROCESSING, VALID, events=True, lifecycle=LIFECYCLE).triggers == (Event.ISSUED,)


def test_of_several_possible_states_the_word_is_the_weakest_and_none_if_one_has_none():
    both = explained(LIFECYCLE, [PENDING, VALID], Operation.FINALIZE)
    assert (both.strength, both.as_json()["strength"]) == (Strength.MUST, "MUST")
    assert explained(LIFECYCLE, [READY, VALID], Operation.FINALIZE).strength is None
    assert explained(LIFECYCLE, [PENDING, READY], Event.EXPIRED).strength is Strength.SHOULD
    assert explained(LIFECYCLE, [VALID], Event.EXPIRED).strength is None


def test_words_and_names_on_the_command_line_are_those_of_the_table():
    assert parse_states("ready", LIFECYCLE) == {READY}
    assert parse_trigger("new_order", LIFECYCLE) is Operation.NEW_ORDER
    assert parse_trigger("revokeCert", LIFECYCLE) is Operation.REVOKE_CERT


# -- ids, roles, what is wrong with a table ----------------------------------------------------------------------------


def test_an_order_is_known_by_the_address_that_the_server_gave():
    identity = LIFECYCLE.identity
    assert (identity.key, identity.opaque) == ("order_url", True)
    assert (
        identity.check("https://127.0.0.1:14000/my-order/TOlocE8rfgo") == "https://127.0.0.1:14000/my-order/TOlocE8rfgo"
    )
    for wrong in (7, "", "https://ca.example/order/a b", "x" * 2049):
        with pytest.raises(InvalidValue):
            identity.check(wrong)


def test_roles_follow_from_the_rows():
    assert LIFECYCLE.creates == {Operation.NEW_ORDER}
    assert LIFECYCLE.reads == {Operation.READ_ORDER, Operation.DOWNLOAD_CERTIFICATE}
    assert LIFECYCLE.gone == {None}
    assert (LIFECYCLE.account_reads, LIFECYCLE.renewals) == (frozenset(), frozenset())
    assert not any(row.quota for row in LIFECYCLE.transitions)


def with_row(source, trigger, **changed):
    old = LIFECYCLE.transition(source, trigger)
    rows = [attrs.evolve(row, **changed) if row is old else row for row in LIFECYCLE.transitions]
    return attrs.evolve(LIFECYCLE, transitions=rows)


def with_trigger(trigger, **changed):
    rules = [rule._replace(**changed) if rule.trigger is trigger else rule for rule in LIFECYCLE.triggers]
    return attrs.evolve(LIFECYCLE, triggers=rules)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (
            with_row(READY, Operation.FINALIZE, at_once=("granted",)),
            "ready --finalize--> processing: 'granted' is not a trigger",
        ),
        (
            with_row(READY, Operation.FINALIZE, at_once=(Event.ALL_AUTHORIZATIONS_VALID,)),
            "processing: all_authorizations_valid may follow at once, but no row allows it there",
        ),
        (
            with_row(VALID, Operation.REVOKE_CERT, optional_after=("granted",)),
            "valid --revokeCert--> valid: 'granted' is not a trigger",
        ),
        (with_trigger(Operation.FINALIZE, seen=True), "finalize is marked seen, but a client's own call is never"),
        (
            with_trigger(Operation.REVOKE_CERT, fails_strength=Strength.SHOULD),
            "revokeCert SHOULD change nothing where it fails, but no error says that it does",
        ),
        (
            attrs.evolve(LIFECYCLE, vocabularies=[Vocabulary(Operation.READ_ORDER, "status", elsewhere=("newAuthz",))]),
            "status is read by 'newAuthz', which is no operation",
        ),
    ],
    ids=["at once", "not there", "optional after", "seen", "fails", "elsewhere"],
)  # fmt: skip
def test_what_is_wrong_with_a_new_column_is_said(table, said):
    with pytest.raises(InvalidLifecycle) as wrong:
        verify(table)
    assert said in str(wrong.value)
