"""The guard before the calls on V2.0 instances: one read, both words, and never a refusal that may be wrong."""

from __future__ import annotations

import asyncio
import json
import logging
from itertools import product

import pytest

pytest.importorskip("alibabacloud_cas20200407", reason="the extra `client` is not installed")

from cloud import RULED, Cloud, call, call_async
from Tea.exceptions import TeaException

from orderfsm import ORDER_LIFECYCLE, Basis, InvalidValue, OrderStateError, Verdict
from orderfsm import Operation as OfOrders
from orderfsm.client import OutcomeUnknown, guard, observe, sdk
from orderfsm.client.errors import combined
from orderfsm.tables.instances import (
    LIFECYCLE,
    DeleteProtection,
    InstanceNotFound,
    Operation,
    RefundNotSupport,
    RefundOverTime,
    State,
    StatusNotSupport,
)

U, A, C, V, R, D = RULED
CERTIFICATES = (None, "issued", "willExpire", "expired", "revoked")
REFUSED_HERE = {
    ("inactive", None): {V},  # C: the submission may be under way; D: the refund may land
    ("inactive", "revoked"): {C, V},
    ("pending", None): {U, A, V, D},  # R: the withdrawal may land
    ("pending", "expired"): {U, A, R, D},
    ("pending", "issued"): {U, A, R, D},
    ("pending", "willExpire"): {U, A, R, D},
    ("pending", "revoked"): {U, A, R, D},
    ("normal", None): {C, V},
    ("normal", "expired"): {C, R},
    ("normal", "issued"): {C, R, D},
    ("normal", "revoked"): {C},
    ("normal", "willExpire"): {C, R, D},
    **{("willExpire", each): set() for each in CERTIFICATES},
    **{("expired", each): {U, A, C, R} for each in CERTIFICATES},
    **{("refund", each): {U, A, C, V, R} for each in CERTIFICATES},
    **{("closed", each): {U, A, C, V} for each in CERTIFICATES},
}
"""Section 8.6 of the dossier, without what a silent cell allows, or one that is refused only for now."""


@pytest.fixture
def cloud():
    return Cloud()


@pytest.fixture(params=["sync", "async"])
def calling(request):
    """A call on an instance, in both forms of the SDK."""
    if request.param == "sync":
        return call
    return lambda *arguments, **fields: asyncio.run(call_async(*arguments, **fields))


def showing(cloud, state, status, certificate):
    """The id of an instance that is in `state`, and read as these words."""
    name = cloud.put(state)
    cloud.shown[name] = {"status": status, "certificate_status": certificate}
    return name


def raised(called, *arguments):
    """The SDK's exception that a call raises, None if it raises none."""
    try:
        called(*arguments)
    except TeaException as error:
        return error
    return None


def states_of(status, certificate):
    return LIFECYCLE.reading({"Status": status, "CertificateStatus": certificate})


@pytest.mark.parametrize("words", REFUSED_HERE, ids=str)
def test_refused_here_is_what_no_state_with_these_words_allows_now_or_soon(cloud, calling, words):
    """One read of both words; everything else goes out, and the service has the last word."""
    for state, operation in product(states_of(*words), RULED):
        name, divergences = showing(cloud, state, *words), []
        client = cloud.client(on_divergence=divergences.append)
        cloud.sent.clear()
        error = raised(calling, client, operation, name)
        assert getattr(error, "local", False) is (operation in REFUSED_HERE[words])
        assert error is None or error.order_id == name
        sent = [] if operation in REFUSED_HERE[words] else [operation]
        assert cloud.sent == [Operation.GET, *sent]
        assert divergences == []


@pytest.mark.parametrize("words", list(product(("inactive", "pending", "normal"), CERTIFICATES)), ids=str)
def test_words_that_contradict_one_another_refuse_nothing(cloud, words):
    """As the words of two moments, if the answer was put together while the instance moved."""
    if states_of(*words):
        return
    for operation in RULED:
        name = showing(cloud, State.UNUSED, *words)
        cloud.sent.clear()
        assert not getattr(raised(call, cloud.client(), operation, name), "local", False)
        assert cloud.calls() == [operation]


@pytest.mark.parametrize(
    "words", [(None, None), ("", None), (None, "issued"), ("asleep", None), ("normal", "checking")]
)
@pytest.mark.parametrize("operation", RULED)
def test_a_read_without_a_status_or_with_a_word_that_nobody_knows_refuses_nothing(cloud, words, operation):
    name = showing(cloud, State.ISSUED, *words)
    assert not getattr(raised(call, cloud.client(), operation, name), "local", False)
    assert cloud.calls() == [operation]


@pytest.mark.parametrize("operation", RULED)
def test_a_read_whose_body_the_sdk_could_not_make_sense_of_refuses_nothing(cloud, operation, monkeypatch):
    """An object list of another shape: the SDK returns normally, with the body None."""
    made = sdk.response

    def without_body(answered, **fields):
        response = made(answered, **fields)
        response.body = None if answered == Operation.GET else response.body
        return response

    monkeypatch.setattr(sdk, "response", without_body)
    name = cloud.put(State.ISSUED)
    assert not getattr(raised(call, cloud.client(), operation, name), "local", False)
    assert cloud.calls() == [operation]


@pytest.mark.parametrize("operation", RULED)
def test_an_instance_that_is_not_there_is_refused_as_not_found(cloud, calling, operation):
    for state in (None, State.DELETED):
        name = cloud.put(state)
        with pytest.raises(InstanceNotFound, match=f"^no instance {name}: ") as caught:
            calling(cloud.client(), operation, name)
        assert caught.value.local
        assert (caught.value.code, caught.value.http_status) == ("NotFound", 400)


@pytest.mark.parametrize(
    ("state", "operation", "error"),
    [
        (State.ISSUED, C, StatusNotSupport),
        (State.ISSUED, R, RefundNotSupport),
        (State.ISSUED, D, DeleteProtection),
        (State.PENDING, D, DeleteProtection),
        (State.REFUNDED, A, StatusNotSupport),
    ],
)
def test_a_refusal_made_here_is_the_one_that_the_service_makes(cloud, calling, state, operation, error):
    name = cloud.put(state)
    caught = []
    for settings in ({}, {"mode": "warn"}):
        with pytest.raises(error) as each:
            calling(cloud.client(**settings), operation, name)
        caught.append(each.value)
    here, there = caught
    assert (here.local, there.local) == (True, False)
    for each in caught:
        assert type(each) is combined(error)
        assert isinstance(each, TeaException)
        assert isinstance(each, OrderStateError)
        assert (each.code, each.status_code) == (error.code, 400)
        assert str(each).startswith(f"instance {name}: ")


def test_too_early_is_said_by_the_service_and_passes(cloud):
    """StatusNotSupport on a withdrawal, while the read says pending: no divergence, and it says when it passes."""
    for state, words, operation in (
        (State.SUBMITTING, ("pending", None), C),
        (State.REFUNDING, ("inactive", "revoked"), D),
    ):
        name, divergences = showing(cloud, state, *words), []
        with pytest.raises(OrderStateError) as caught:
            call(cloud.client(on_divergence=divergences.append), operation, name)
        assert not caught.value.local
        assert divergences == []
    assert caught.value.passes
    said = str(caught.value)
    assert "Too early: the refund has not landed yet; the same call " in said


BASES = {rule: rule.basis for rule in LIFECYCLE.refusal_rules}


@pytest.mark.parametrize("trust", Basis)
@pytest.mark.parametrize("words", REFUSED_HERE, ids=str)
def test_a_verdict_on_several_states_is_no_better_founded_than_the_weakest_of_its_cells(cloud, words, trust):
    for operation in REFUSED_HERE[words]:
        rules = [LIFECYCLE.refusal(state, operation) for state in states_of(*words)]
        bases = [rule.basis or LIFECYCLE.trigger_rules[operation].basis for rule in rules]
        trusted = max(map(list(Basis).index, bases)) <= list(Basis).index(trust)
        name = showing(cloud, min(states_of(*words)), *words)
        with pytest.raises(OrderStateError) as caught:
            call(cloud.client(trust=trust), operation, name)
        assert caught.value.local is trusted


@pytest.mark.parametrize("silence", LIFECYCLE.silences, ids=lambda silence: str(silence.triggers[0]))
def test_a_silent_cell_is_sent_and_nothing_is_concluded_from_it(cloud, silence):
    for operation in set(silence.triggers) & set(RULED):
        for state in silence.states:
            for cloud.accepts_silent in (True, False):
                name, divergences = cloud.put(state), []
                client = cloud.client(on_divergence=divergences.append, max_age=60)
                cloud.sent.clear()
                for _ in range(2):
                    assert not getattr(raised(call, client, operation, name), "local", False)
                assert cloud.calls() == [operation] * 2
                assert divergences == []


# -- words that lag ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "moves",
    [
        (State.IDLE, A, State.PENDING, C),  # normal for some seconds, and then pending
        (State.IDLE, U, State.PENDING, C),  # the update has submitted it by itself
        (State.ISSUED, A, State.REISSUING, C),
        (State.REVOKED, R, State.REFUNDED, D),
        (State.UNUSED, A, State.PENDING, C),
        (State.PENDING, C, State.IDLE, R),
        (State.PENDING, C, State.IDLE, A),
        (State.ISSUED, V, State.REVOKED, R),
    ],
)
@pytest.mark.parametrize("max_age", [0, 60])
def test_words_that_lag_behind_our_own_call_refuse_nothing_and_are_no_divergence(cloud, calling, moves, max_age):
    state, first, came_to, second = moves
    name, divergences = cloud.put(state, domain="example.com"), []
    cloud.shown[name] = cloud.words(name)
    client = cloud.client(on_divergence=divergences.append, max_age=max_age)
    calling(client, first, name)
    cloud.states[name] = came_to  # while the words stay
    calling(client, second, name)
    assert cloud.calls() == [first, second]
    assert divergences == []


def test_what_is_remembered_of_a_call_may_have_been_completed_since(cloud, calling):
    """The withdrawal has landed, and nobody has read that."""
    name = cloud.put(State.PENDING)
    client = cloud.client(grace=0, max_age=60)
    calling(client, C, name)
    cloud.states[name] = State.IDLE
    calling(client, A, name)
    assert cloud.sent == [Operation.GET, C, A]


def test_words_that_lag_for_longer_than_grace_count_again(cloud):
    name = cloud.put(State.ISSUED)
    cloud.shown[name] = cloud.words(name)
    client = cloud.client(grace=0)
    call(client, A, name)
    with pytest.raises(StatusNotSupport) as caught:
        call(client, C, name)
    assert caught.value.local


def test_an_instance_that_the_list_still_has_after_its_deletion_is_no_divergence(cloud):
    name, divergences = cloud.put(State.REFUNDED), []
    cloud.shown[name] = cloud.words(name)
    client = cloud.client(on_divergence=divergences.append)
    call(client, D, name)
    cloud.states[name] = State.REFUNDED
    cloud.fails[D] = InstanceNotFound
    with pytest.raises(InstanceNotFound):
        call(client, D, name)
    assert divergences == []


def test_what_only_a_completion_that_nobody_saw_explains_is_no_divergence(cloud):
    """The refund lands between the read and the deletion."""
    name, divergences = showing(cloud, State.REFUNDED, "inactive", "revoked"), []
    call(cloud.client(on_divergence=divergences.append), D, name)
    assert cloud.states[name] is State.DELETED
    assert divergences == []


def test_what_nothing_explains_is_a_divergence(cloud):
    name, divergences = cloud.put(State.ENDED), []
    cloud.fails[D] = DeleteProtection
    with pytest.raises(DeleteProtection):
        call(cloud.client(on_divergence=divergences.append), D, name)
    (found,) = divergences
    assert (found.order_id, found.operation, found.answer) == (name, D, "InvalidStatus.DeleteProtection")
    assert found.states == {State.ENDED}


def test_a_refund_that_is_too_late_is_the_tables_error_and_the_sdks(cloud, calling):
    name = cloud.put(State.UNUSED)
    cloud.fails[R] = RefundOverTime
    with pytest.raises(RefundOverTime, match=f"^instance {name}: the refund period has passed") as caught:
        calling(cloud.client(), R, name)
    assert isinstance(caught.value, TeaException)
    assert not isinstance(caught.value, OrderStateError)


# -- lost answers ------------------------------------------------------------------------------------------------------


def lost(cloud, operation, name, *, after, client=None, calling=call, **fields):
    """Call it, and lose the first answer, after the call was carried out or before."""
    (cloud.lose if after else cloud.lose_before).append(operation)
    return calling(client or cloud.client(grace=0), operation, name, **fields)


@pytest.fixture
def at_once(monkeypatch):
    monkeypatch.setattr("orderfsm.client.backoff.BASE", 0)


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(
    "moves",
    [
        (State.UNUSED, A, State.SUBMITTING),
        (State.ISSUED, A, State.REISSUING),
        (State.PENDING, C, State.WITHDRAWING),
        (State.REISSUING, C, State.REISSUE_WITHDRAWING),
        (State.REFUNDED, D, State.DELETED),
    ],
)
@pytest.mark.parametrize("after", [True, False])
def test_a_lost_answer_is_settled_by_a_read(cloud, calling, moves, after):
    """Sent again at most once, and never carried out twice: until it is completed it is refused."""
    state, operation, target = moves
    name = cloud.put(state)
    try:
        lost(cloud, operation, name, after=after, calling=calling)
    except OutcomeUnknown:
        assert after
        assert operation in {A, C}  # whose words may be the same before and after
    assert cloud.states[name] is target
    assert cloud.calls().count(operation) <= 2


@pytest.mark.usefixtures("at_once")
def test_a_submission_that_the_words_show_some_seconds_late_was_carried_out(cloud):
    name, reads = cloud.put(State.UNUSED), []

    def later(operation, name):
        reads.append(operation)
        if len(reads) > 15:
            cloud.shown[name] = {"status": "pending", "certificate_status": None}

    cloud.shown[name] = cloud.words(name)
    cloud.before_call = later
    lost(cloud, A, name, after=True, client=cloud.client())
    assert cloud.calls() == [A, A]


@pytest.mark.usefixtures("at_once")
def test_a_withdrawal_that_landed_was_carried_out(cloud):
    name = cloud.put(State.PENDING)
    cloud.before_call = lambda operation, name: operation == Operation.GET and landed(cloud, name)
    lost(cloud, C, name, after=True)
    assert cloud.calls() == [C]


def landed(cloud, name):
    if cloud.states[name] is State.WITHDRAWING:
        cloud.happen(name, "withdrawal_completed")


@pytest.mark.usefixtures("at_once")
def test_whether_a_withdrawal_was_carried_out_that_lost_against_the_issuance_nobody_knows(cloud):
    name = cloud.put(State.PENDING)
    cloud.before_call = lambda operation, name: (
        operation == Operation.GET
        and cloud.states[name] is State.WITHDRAWING
        and cloud.happen(name, "certificate_issued")
    )
    with pytest.raises(OutcomeUnknown, match=f"of instance {name} .*; the instance was last read as normal, issued"):
        lost(cloud, C, name, after=True)
    assert cloud.calls() == [C]


@pytest.mark.usefixtures("at_once")
def test_a_refund_whose_answer_was_lost_is_never_sent_again(cloud):
    """Nobody says what a second one does; that the first was carried out, the word `refund` tells later."""
    name = cloud.put(State.UNUSED)
    with pytest.raises(OutcomeUnknown, match=f"whether RefundInstance of instance {name} was carried out is unknown"):
        lost(cloud, R, name, after=True)
    assert cloud.calls() == [R]
    other = cloud.put(State.UNUSED)
    cloud.before_call = lambda operation, name: operation == Operation.GET and refunded(cloud, name)
    lost(cloud, R, other, after=True)
    assert cloud.calls() == [R, R]


def refunded(cloud, name):
    if cloud.states[name] is State.REFUNDING:
        cloud.happen(name, "refund_completed")


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("after", [True, False])
def test_a_lost_update_is_settled_by_comparing_what_was_updated(cloud, calling, after):
    name = cloud.put(State.UNUSED, domain="old.example.com", contact_id_list=[1])
    fields = {"domain": "b.example.com,a.example.com", "contact_id_list": [2, 1]}
    lost(cloud, U, name, after=after, calling=calling, **fields)
    assert cloud.calls() == [U] * (1 if after else 2)
    assert cloud.details[name]["domain"] == fields["domain"]


@pytest.mark.usefixtures("at_once")
def test_a_lost_update_that_submitted_the_application_is_known_by_its_fields(cloud):
    name = cloud.put(State.UNUSED, domain="old.example.com")
    cloud.before_call = lambda operation, name: operation == Operation.GET and submitted(cloud, name)
    lost(cloud, U, name, after=True, domain="new.example.com")
    assert cloud.calls() == [U]
    assert cloud.states[name] is State.SUBMITTING


def submitted(cloud, name):
    if cloud.details[name].get("domain") == "new.example.com" and cloud.states[name] is State.UNUSED:
        cloud.happen(name, "auto_submitted")


@pytest.mark.usefixtures("at_once")
def test_a_lost_revocation_is_known_late_by_the_certificates_word(cloud):
    name = cloud.put(State.ISSUED)
    with pytest.raises(OutcomeUnknown):
        lost(cloud, V, name, after=True)
    assert cloud.calls() == [V]
    other = cloud.put(State.ISSUED)
    cloud.before_call = lambda operation, name: operation == Operation.GET and revoked(cloud, name)
    lost(cloud, V, other, after=True)


def revoked(cloud, name):
    if cloud.states[name] is State.REVOKING:
        cloud.happen(name, "revocation_completed")


# -- both tables -------------------------------------------------------------------------------------------------------


def test_one_guarded_client_goes_by_both_tables_each_for_its_operations(cloud):
    client = cloud.client()
    replaced = {name for name in vars(type(client)) if name.endswith("_with_options")}
    ruled = {
        f"{sdk.method_name(each)}_with_options" for each in (*RULED, Operation.GET, OfOrders.CANCEL, OfOrders.DELETE)
    }
    assert ruled <= replaced
    alone = guard(cloud.bare(), lifecycle=ORDER_LIFECYCLE)
    assert not any(f"{sdk.method_name(each)}_with_options" in vars(type(alone)) for each in RULED)
    with pytest.raises(InvalidValue, match="order id 'cas-cn-68n1mm16'"):
        client.delete_certificate_request(sdk.request(OfOrders.DELETE, order_id="cas-cn-68n1mm16"))
    with pytest.raises(InvalidValue, match="instance id 7"):
        call(client, D, 7)
    assert cloud.sent == []


@pytest.mark.parametrize("given", ["cas-cn-68n1mm16", "cas_dv-cn-1", "cas-ivauto-x"])
def test_an_id_tells_to_which_table_it_belongs(cloud, given):
    cloud.states[given] = State.ISSUED
    cloud.details[given] = {}
    for client in (cloud.bare(), cloud.client(), cloud.client(lifecycle=LIFECYCLE)):
        seen = observe(client, given)
        assert seen.states == {State.ISSUED, State.REVOKING}
        assert str(seen) == "normal, issued"


def test_any_other_id_is_one_of_the_table_that_is_named(cloud):
    cloud.states["mine"] = State.UNUSED
    cloud.details["mine"] = {}
    assert State.UNUSED in observe(cloud.client(), "mine", lifecycle=LIFECYCLE).states
    with pytest.raises(
        InvalidValue, match=r"order id 'mine': expected an int in 1 \.\. .*, an instance id \(cas\.\.\.\)"
    ):
        observe(cloud.client(), "mine")


def test_a_decision_stands_under_the_instances_key_with_both_words(cloud, caplog):
    caplog.set_level(logging.INFO, "orderfsm.decisions")
    name = cloud.put(State.PENDING)
    call(cloud.client(), C, name)
    (line,) = [json.loads(each.getMessage()) for each in caplog.records if each.name == "orderfsm.decisions"]
    assert (line["instance_id"], line["observed"], line["verdict"]) == (name, "pending, -", Verdict.UNDECIDED)
    assert line["states"] == ["submitting", "pending", "withdrawing"]
