"""The guarded SDK client: what the table refuses is not sent, and everything else is."""

from __future__ import annotations

import copy
import inspect
import pickle
from functools import partial
from unittest.mock import MagicMock, create_autospec

import pytest

pytest.importorskip("alibabacloud_cas20200407", reason="the extra `client` is not installed")

from alibabacloud_cas20200407 import models
from alibabacloud_cas20200407.client import Client
from alibabacloud_tea_openapi.models import Config
from between import Between, acceptance
from orders import create, create_async, in_form, invoke, invoke_async, order_in, state_of
from Tea.exceptions import TeaException

from orderfsm import ORDER_LIFECYCLE, InvalidValue, NotFoundOrder, Operation, OrderStateError, State, check, judge, wire
from orderfsm.client import carry_out, guard, observe, sweep, wait
from orderfsm.client.errors import SDKNotFoundOrder, SDKOrderStateError
from orderfsm.client.sdk import method_name

RULED = [Operation.CANCEL, Operation.DELETE, Operation.CANCEL_FOR_PACKAGE, Operation.RENEW]
CERTIFIED = {State.ISSUED, State.ABOUT_TO_EXPIRE, State.EXPIRED, State.REVOKED}


@pytest.fixture
def spy(server):
    return Between(server.service)


@pytest.fixture
def bare(server, spy):
    return server.client()


class Forms:
    """The SDK's synchronous or asynchronous methods, called alike."""

    def __init__(self, form):
        self.invoke = in_form(form, invoke, invoke_async)
        self.create = in_form(form, create, create_async)


@pytest.fixture(params=["sync", "async"])
def forms(request):
    return Forms(request.param)


# -- a guarded client --------------------------------------------------------------------------------------------------


def test_it_is_a_client_of_the_same_kind(bare):
    guarded = guard(bare)
    assert isinstance(guarded, Client)
    assert isinstance(guarded, type(bare))
    assert type(guarded).__name__ == "GuardedClient"
    assert type(guard(bare)) is type(guarded)
    assert vars(bare) == {key: value for key, value in vars(guarded).items() if key != "_preflight"}


@pytest.mark.parametrize("operation", Operation)
def test_its_methods_look_like_the_sdks(operation):
    bare = Client(Config(endpoint="127.0.0.1:1"))
    guarded = guard(bare)
    for form in ("", "_async", "_with_options", "_with_options_async"):
        ours, theirs = getattr(guarded, method_name(operation) + form), getattr(bare, method_name(operation) + form)
        assert inspect.signature(ours) == inspect.signature(theirs)
        assert inspect.iscoroutinefunction(ours) is inspect.iscoroutinefunction(theirs)


NO_CLIENTS = [None, "client", object(), create_autospec(Client, instance=True), MagicMock(spec=Client), Client]


@pytest.mark.parametrize("client", NO_CLIENTS, ids=lambda given: type(given).__name__)
def test_anything_else_cannot_be_guarded(client):
    """Nor a mock of a client, of which isinstance is true."""
    for use in (guard, partial(observe, order_id=7), partial(wait, order_id=7, until=State.ISSUED), sweep):
        with pytest.raises(
            InvalidValue, match=r"expected an alibabacloud_cas20200407 Client \(for tests, one of mock_cas"
        ):
            use(client)


NO_IDS = [
    True,
    0,
    -1,
    2**63,
    7.0,
    "",
    "x",
    "7.0",
    "0",
    "9" * 5000,
    "\u00b2",
    b"7",
    [7],
    models.DescribeCertificateStateRequest(order_id=7),
]


@pytest.mark.parametrize("given", NO_IDS, ids=lambda given: repr(given)[:20])
def test_what_is_no_id_is_named_before_any_call(spy, bare, forms, given):
    """As an SDK response in the place of the id that it holds."""
    guarded = guard(bare)
    attempts = [partial(forms.invoke, guarded, operation, given) for operation in RULED]
    attempts += [partial(observe, bare, given), partial(carry_out, bare, given, "deleted")]
    attempts += [partial(wait, guarded, given, until="issued"), partial(sweep, bare, selected=[given])]
    for attempt in attempts:
        with pytest.raises(InvalidValue, match=r"(order id .*: expected an int in 1 .. |candidate )"):
            attempt()
    assert spy.arrived == []


@pytest.mark.parametrize("state", State)
def test_the_table_is_asked_before_every_ruled_call(server, spy, bare, forms, state):
    """One read before the call; a call that is illegal in all that the read may mean is never sent."""
    guarded = guard(bare)
    for operation in RULED:
        order_id = order_in(server.service, state)
        spy.arrived.clear()
        word = wire.type_of(state)
        verdict = "illegal" if word is None else judge(wire.states_from_type(word), operation)
        attempt = partial(forms.invoke, guarded, operation, order_id)
        if verdict == "illegal":
            with pytest.raises(TeaException) as caught:
                attempt()
            assert type(caught.value) is (SDKNotFoundOrder if state is State.DELETED else SDKOrderStateError)
            assert spy.arrived == [Operation.DESCRIBE]
            assert state_of(server.service, order_id) is state
            continue
        if operation in ORDER_LIFECYCLE.allowed(state):
            attempt()
            assert state_of(server.service, order_id) is check(state, operation)
        else:
            with pytest.raises(SDKOrderStateError) as caught:
                attempt()
            assert not caught.value.local
            assert caught.value.possible < wire.states_from_type(word)
        assert spy.arrived == [Operation.DESCRIBE, operation]


def test_reads_and_creates_pass_untouched(spy, bare, forms):
    guarded = guard(bare)
    order_id = forms.create(guarded)
    forms.invoke(guarded, Operation.DESCRIBE, order_id)
    guarded.list_user_certificate_order(models.ListUserCertificateOrderRequest())
    guarded.describe_package_state(models.DescribePackageStateRequest())
    assert spy.arrived == [
        Operation.CREATE_FOR_PACKAGE,
        Operation.DESCRIBE,
        Operation.LIST,
        Operation.DESCRIBE_PACKAGE,
    ]


def test_a_call_without_an_order_id_is_the_servers_to_refuse(spy, bare, forms):
    with pytest.raises(TeaException) as caught:
        forms.invoke(guard(bare), Operation.DELETE, None)
    assert caught.value.code == "MissingOrderId"
    assert spy.arrived == [Operation.DELETE]


def test_another_table_guards_otherwise(server, bare):
    row = ORDER_LIFECYCLE.transition(State.VERIFY_FAIL, Operation.DELETE)
    order_id = order_in(server.service, State.VERIFY_FAIL)
    with pytest.raises(OrderStateError):
        invoke(guard(bare, lifecycle=ORDER_LIFECYCLE.without(row)), Operation.DELETE, order_id)


# -- the error ---------------------------------------------------------------------------------------------------------


def test_the_refusal_is_the_tables_error_and_the_sdks_at_once(server, bare):
    order_id = order_in(server.service, State.BEING_REVIEWED)
    with pytest.raises(TeaException) as caught:
        invoke(guard(bare), Operation.DELETE, order_id)
    error = caught.value
    assert isinstance(error, OrderStateError)
    assert (error.state, error.possible) == (State.BEING_REVIEWED, {State.BEING_REVIEWED})
    assert (error.operation, error.allowed) == (Operation.DELETE, (Operation.CANCEL,))
    assert error.instead.triggers == (Operation.CANCEL, Operation.DELETE)
    with pytest.raises(TeaException) as caught:
        invoke(bare, Operation.DELETE, order_id)
    theirs = caught.value
    assert (error.code, error.statusCode, error.status_code) == (theirs.code, theirs.statusCode, theirs.statusCode)
    for field in vars(theirs):
        assert hasattr(error, field), field
    assert error.data["Code"] == theirs.data["Code"]
    assert error.data["statusCode"] == theirs.data["statusCode"]
    assert str(error) == f"order {order_id}: {error.message}"
    assert "First: CancelOrderRequest" in error.message
    assert error.__cause__ is error.__context__ is None


@pytest.mark.parametrize("state", sorted(CERTIFIED))
def test_a_refusal_names_every_state_that_the_order_may_be_in_and_claims_none(server, bare, state):
    """Four states read as `certificate`: a client cannot tell a revoked order from an issued one."""
    order_id = order_in(server.service, state)
    with pytest.raises(SDKOrderStateError) as caught:
        invoke(guard(bare), Operation.DELETE, order_id)
    error = caught.value
    assert error.possible == CERTIFIED
    assert error.state is None
    assert error.allowed == ()  # nothing that is allowed in all four
    assert error.instead is None  # an issued order can be revoked, an expired one cannot
    assert str(error).startswith(
        f"order {order_id}: DeleteCertificateRequest is not allowed in issued, about_to_expire, expired or revoked, "
        "only in pending_application and verify_fail. Allowed in all of these: nothing that changes anything; "
        "in issued: CancelCertificateForPackageRequest; "
        "in about_to_expire: RenewCertificateOrderForPackageRequest and CancelCertificateForPackageRequest. (doc"
    )
    assert error.explanation.allowed_in[State.ISSUED] == (Operation.CANCEL_FOR_PACKAGE,)


def test_what_serves_in_every_possible_state_is_offered(server, bare):
    """A table in which what reads as `certificate` can always be revoked."""
    lifecycle = ORDER_LIFECYCLE
    revocation = lifecycle.transition(State.ISSUED, Operation.CANCEL_FOR_PACKAGE)
    for rule in lifecycle.states:
        if rule.certified and not lifecycle.can(rule.state, Operation.CANCEL_FOR_PACKAGE):
            row = type(revocation)(rule.state, Operation.CANCEL_FOR_PACKAGE, State.DELETED, "inferred", "a test")
            lifecycle = lifecycle.with_rows(row)
    order_id = order_in(server.service, State.ISSUED)
    with pytest.raises(SDKOrderStateError) as caught:
        invoke(guard(bare, lifecycle=lifecycle), Operation.CANCEL, order_id)
    assert caught.value.allowed == (Operation.CANCEL_FOR_PACKAGE,)
    assert (
        "Allowed in all of these: CancelCertificateForPackageRequest; "
        "in about_to_expire: RenewCertificateOrderForPackageRequest." in str(caught.value)
    )


FIELDS = ["order_id", "state", "possible", "operation", "allowed", "basis", "reference", "instead", "message", "data"]


@pytest.mark.parametrize("state", [State.BEING_REVIEWED, State.REVOKED, State.DELETED])
def test_the_refusal_survives_pickle(server, bare, state):
    with pytest.raises(TeaException) as caught:
        invoke(guard(bare), Operation.DELETE, order_in(server.service, state))
    error = caught.value
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(again) is type(error)
        assert str(again) == str(error)
        for field in FIELDS:
            assert getattr(again, field) == getattr(error, field), field


def test_a_local_error_made_of_a_message_alone_claims_nothing_more():
    error = SDKOrderStateError("said the server")
    assert (error.message, error.state, error.possible, error.allowed) == ("said the server", None, frozenset(), ())


def test_code_written_for_the_sdk_alone_goes_on_working(server, bare):
    code = None
    try:
        invoke(guard(bare), Operation.DELETE, order_in(server.service, State.ISSUED))
    except TeaException as e:
        code = e.code
    assert code == "OrderStateError"


# -- reads from which nothing follows ----------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["unknow", "suspended", ""])
def test_after_a_vague_or_unknown_word_the_call_is_sent(server, spy, bare, forms, word):
    order_id = order_in(server.service, State.PENDING_APPLICATION)
    spy.answers[Operation.DESCRIBE] = acceptance(Type=word)
    forms.invoke(guard(bare), Operation.DELETE, order_id)
    assert state_of(server.service, order_id) is State.DELETED


def test_after_a_read_that_failed_the_call_is_sent(server, spy, bare, forms):
    from orderfsm.mock import Fault

    order_id = order_in(server.service, State.VERIFY_FAIL)
    server.service.add_fault(Fault(code="Error", operation=Operation.DESCRIBE, times=1))
    forms.invoke(guard(bare), Operation.DELETE, order_id)
    assert spy.arrived[-2:] == [Operation.DESCRIBE, Operation.DELETE]


@pytest.mark.parametrize("written", [int, str], ids=["as a number", "as a string"])
def test_an_order_that_cannot_be_read_just_after_its_create_is_not_refused(server, bare, forms, written):
    from orderfsm.mock import Fault

    guarded = guard(bare)
    order_id = forms.create(guarded)
    server.service.add_fault(Fault(read="missing", times=1))
    forms.invoke(guarded, Operation.CANCEL, written(order_id))
    assert state_of(server.service, order_id) is State.PENDING_APPLICATION


def test_nor_is_the_second_order_just_after_its_renewal(server, bare, forms):
    from orderfsm.mock import Fault

    guarded = guard(bare)
    second = forms.invoke(guarded, Operation.RENEW, order_in(server.service, State.ABOUT_TO_EXPIRE)).order_id
    server.service.add_fault(Fault(read="missing", times=1))
    forms.invoke(guarded, Operation.DELETE, second)
    assert state_of(server.service, second) is State.DELETED


def test_after_the_grace_what_cannot_be_found_is_refused(server, spy, bare, forms):
    from orderfsm.mock import Fault

    guarded = guard(bare, grace=0)
    order_id = forms.create(guarded)
    server.service.add_fault(Fault(read="missing", times=1))
    with pytest.raises(NotFoundOrder):
        forms.invoke(guarded, Operation.CANCEL, order_id)
    assert spy.arrived[-1] == Operation.DESCRIBE


@pytest.mark.parametrize("lost", [False, True], ids=["answered", "answer lost"])
def test_an_order_that_we_deleted_is_not_new_any_more(server, spy, bare, forms, lost):
    from orderfsm.mock import Fault

    guarded = guard(bare)
    order_id = forms.create(guarded)
    forms.invoke(guarded, Operation.CANCEL, order_id)
    if lost:
        server.service.add_fault(Fault(operation=Operation.DELETE, times=1, when="after"))
    forms.invoke(guarded, Operation.DELETE, order_id)
    sent = spy.sent(Operation.DELETE)
    with pytest.raises(SDKNotFoundOrder) as caught:
        forms.invoke(guarded, Operation.DELETE, order_id)
    assert caught.value.local
    assert spy.sent(Operation.DELETE) == sent


class BrokenReads(Client):
    """A client whose reads fail in a way that no SDK has."""

    def describe_certificate_state_with_options(self, *_):
        raise RuntimeError("no idea")

    async def describe_certificate_state_with_options_async(self, *_):
        raise RuntimeError("no idea")


def test_a_read_that_breaks_in_any_way_never_refuses(server, bare, forms):
    bare.__class__ = BrokenReads
    order_id = order_in(server.service, State.VERIFY_FAIL)
    forms.invoke(guard(bare), Operation.DELETE, order_id)
    assert server.service.store.get(order_id).order.state is State.DELETED
