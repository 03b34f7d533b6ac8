"""The API's words and the spec's states."""

from __future__ import annotations

import pytest

from orderfsm import Event, InvalidValue, Operation, State, Verdict
from orderfsm import wire as w
from orderfsm.tables import alidns, api, named

LIVE = frozenset(set(State) - {State.DELETED})
CERTIFICATE = {State.ISSUED, State.ABOUT_TO_EXPIRE, State.EXPIRED, State.REVOKED}

TYPES = {
    "payed": {State.PENDING_APPLICATION},
    "domain_verify": {State.PENDING_REVIEW},
    "process": {State.BEING_REVIEWED},
    "verify_fail": {State.VERIFY_FAIL},
    "certificate": CERTIFICATE,
    "unknow": LIVE,
}
STATUSES = {
    "PAYED": {State.PENDING_APPLICATION},
    "CHECKING": {State.PENDING_REVIEW, State.BEING_REVIEWED},
    "CHECKED_FAIL": {State.VERIFY_FAIL},
    "ISSUED": {State.ISSUED},
    "WILLEXPIRED": {State.ABOUT_TO_EXPIRE},
    "EXPIRED": {State.EXPIRED},
    "REVOKED": {State.REVOKED},
    "NOTACTIVATED": LIVE,
}


def test_the_vocabularies_are_those_of_the_documents():
    assert w.types() == TYPES
    assert w.statuses() == STATUSES


def test_the_version_is_that_of_the_api():
    """The name of each of its pages: `api-cas-2020-04-07-...`."""
    assert api.VERSION == "2020-04-07"


@pytest.mark.parametrize("operation", Operation)
def test_the_rate_limits_are_those_of_the_documents(operation):
    """The page of CancelOrderRequest says 100 calls a second, all others that say anything 10."""
    assert api.RATE_LIMITS[operation] == (100 if operation.name == "CANCEL" else 10)


@pytest.mark.parametrize("state", State)
def test_a_state_is_among_those_that_its_words_mean(state):
    if state is State.DELETED:
        assert w.type_of(state) is w.status_of(state) is None
    else:
        assert state in w.states_from_type(w.type_of(state))
        assert state in w.states_from_status(w.status_of(state))


def test_no_order_has_no_word():
    assert w.type_of(None) is w.status_of(None) is None


@pytest.mark.parametrize("word", ["revoked", "PAYED", "Process", "", "future_status", None, 5, ["payed"]], ids=repr)
def test_a_word_that_the_spec_does_not_know_is_never_guessed(word):
    with pytest.raises(
        InvalidValue, match=r"Type .*: expected payed, domain_verify, process, verify_fail, certificate"
    ):
        w.states_from_type(word)


def test_the_two_vocabularies_are_not_mixed_up():
    with pytest.raises(InvalidValue, match="Status 'payed': expected PAYED, CHECKING"):
        w.states_from_status("payed")


@pytest.mark.parametrize("word", [*TYPES, *STATUSES])
@pytest.mark.parametrize("change", [str.lower, str.upper, str.title])
def test_a_person_may_write_any_word_in_any_case(word, change):
    assert w.parse_states(change(word)) == (TYPES | STATUSES)[word]


@pytest.mark.parametrize("state", State)
def test_a_person_may_write_a_states_value_or_name(state):
    assert w.parse_states(state.value) == w.parse_states(state.name) == {state}


def test_a_person_may_say_that_there_is_no_order():
    assert w.parse_states("none") == w.parse_states("None") == {None}


@pytest.mark.parametrize("word", ["", "issue", "no orders", None, 7, Operation.CANCEL], ids=repr)
def test_what_a_person_cannot_mean_is_named_with_what_would_do(word):
    with pytest.raises(InvalidValue, match=r"state .*: expected none, pending_application, .*checking") as caught:
        w.parse_states(word)
    assert caught.value.value is word


@pytest.mark.parametrize("trigger", [*Operation, *Event])
def test_a_trigger_is_written_by_name_or_value_in_any_case(trigger):
    for word in (trigger.name, trigger.value, trigger.name.lower(), trigger.value.upper()):
        assert w.parse_trigger(word) is trigger
    assert w.parse_trigger(trigger) is trigger


@pytest.mark.parametrize("word", ["", "remove", None, 7], ids=repr)
def test_an_unknown_trigger_is_named_with_what_would_do(word):
    with pytest.raises(InvalidValue, match=r"trigger .*: expected cancel, delete, .*expiry_reached"):
        w.parse_trigger(word)


def test_a_verdict_on_a_type_is_never_wrong_because_the_word_is_coarse():
    assert w.judge_type("process", Operation.DELETE) is Verdict.ILLEGAL
    assert w.judge_type("payed", Operation.DELETE) is Verdict.LEGAL
    assert w.judge_type("certificate", Operation.RENEW) is Verdict.UNDECIDED
    assert w.judge_type("certificate", Operation.DELETE) is Verdict.ILLEGAL
    assert w.judge_type("unknow", Operation.DELETE) is Verdict.UNDECIDED
    assert w.judge_type("unknow", Operation.DESCRIBE) is Verdict.LEGAL


def test_a_future_type_is_an_error_or_undecided_where_leniency_was_asked_for():
    with pytest.raises(InvalidValue, match="Type 'suspended'"):
        w.judge_type("suspended", Operation.DELETE)
    assert w.judge_type("suspended", Operation.DELETE, lenient=True) is Verdict.UNDECIDED


def test_leniency_is_for_future_words_alone():
    with pytest.raises(InvalidValue, match="trigger 'explode'"):
        w.judge_type("suspended", "explode", lenient=True)
    with pytest.raises(InvalidValue, match="Type None"):
        w.judge_type(None, Operation.DELETE, lenient=True)


def test_every_operation_has_parameters_and_those_on_an_order_take_its_id():
    instances = named("instances")
    of_certificates = {
        "GetCertificateDetail",
        "GetUserCertificateDetail",
        "DeleteUserCertificate",
        "UploadUserCertificate",
    }
    assert set(api.PARAMETERS) == {*Operation, *instances.operations, *of_certificates}
    on_an_order = {operation for operation, taken in api.PARAMETERS.items() if "OrderId" in taken.required}
    assert on_an_order == {
        Operation.DESCRIBE,
        Operation.CANCEL,
        Operation.DELETE,
        Operation.CANCEL_FOR_PACKAGE,
        Operation.RENEW,
    }


WITHOUT = {"GetCertificatePackageCount"}
"""An action without parameters, for which the SDK has no model of a request."""


@pytest.mark.parametrize("action", sorted(api.PARAMETERS.keys() - WITHOUT))
def test_the_parameters_are_those_of_the_official_sdk(action):
    package = "alibabacloud_bssopenapi20171214" if action in api.PURCHASES else "alibabacloud_cas20200407"
    models = pytest.importorskip(f"{package}.models", reason=f"{package} is not installed")
    taken = api.PARAMETERS[action]
    model = getattr(models, f"{action}Request")()
    fields = {name.replace("_", "") for name in vars(model) if not name.startswith("_")}
    ours = {name.lower() for name in (*taken.required, *taken.any_of, *taken.optional)}
    assert ours == fields


@pytest.mark.parametrize("action", sorted(alidns.PARAMETERS))
def test_the_parameters_of_alidns_are_those_of_its_official_sdk(action):
    models = pytest.importorskip("alibabacloud_alidns20150109.models", reason="the SDK of AliDNS is not installed")
    taken = alidns.PARAMETERS[action]
    fields = {name.replace("_", "") for name in vars(getattr(models, f"{action}Request")()) if name[0] != "_"}
    assert {name.lower() for name in (*taken.required, *taken.optional)} == fields


def test_an_error_body_has_the_five_fields_of_the_gateway():
    body = api.error_body("OrderStateError", "no", "R1", "cas.aliyuncs.com")
    assert list(body) == ["RequestId", "HostId", "Code", "Message", "Recommend"]
    assert "q=OrderStateError&product=cas&requestId=R1" in body["Recommend"]
