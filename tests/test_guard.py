"""The guarded SDK client: what the table refuses is not sent, and everything else is."""

from __future__ import annotations

import pickle

import pytest

pytest.importorskip("alibabacloud_cas20200407", reason="the extra `client` is not installed")

from alibabacloud_cas20200407 import models
from alibabacloud_cas20200407.client import Client
from Tea.exceptions import TeaException

from orderfsm import (
    ORDER_LIFECYCLE,
    Actor,
    InvalidValue,
    NotFoundOrder,
    Operation,
    OrderStateError,
    State,
    check,
    judge,
    plan,
    wire,
)
from orderfsm.client import LocalOrderStateError, guard
from orderfsm.client.sdk import method_name

RULED = [Operation.CANCEL, Operation.DELETE, Operation.CANCEL_FOR_PACKAGE, Operation.RENEW]


def invoke(client, operation, order_id):
    """Call an operation on an order by the SDK's method and model for it."""
    return getattr(client, method_name(operation))(getattr(models, f"{operation}Request")(order_id=order_id))


class Spying:
    """Counts what arrives at a service, and may spoil what a describe answers."""

    def __init__(self, service):
        self.arrived = []
        self.reads_as = None
        self._handle = service.handle
        service.handle = self.handle

    def handle(self, request):
        self.arrived.append(request.headers["x-acs-action"])
        response = self._handle(request)
        if self.reads_as is not None and self.arrived[-1] == Operation.DESCRIBE:
            return type(response).of(200, {**response.json, "Type": self.reads_as})
        return response


@pytest.fixture
def spy(server):
    return Spying(server.service)


@pytest.fixture
def bare(server, spy):
    return server.client()


def new_order(client):
    """The id of a new order, created with `client`."""
    asked = models.CreateCertificateForPackageRequestRequest(domain="example.com")
    return client.create_certificate_for_package_request(asked).body.order_id


def order_in(server, client, state):
    """The id of a new order, walked to `state`."""
    order_id = new_order(client)
    for step in plan(State.PENDING_REVIEW, state, events=True).steps:
        if ORDER_LIFECYCLE.actor(step) is Actor.CLIENT:
            invoke(client, step.trigger, order_id)
        else:
            server.service.happen(order_id, step.trigger)
    return order_id


def test_it_is_a_client_of_the_same_kind(bare):
    guarded = guard(bare)
    assert isinstance(guarded, Client)
    assert isinstance(guarded, type(bare))
    assert type(guarded).__name__ == "GuardedClient"
    assert type(guard(bare)) is type(guarded)
    assert vars(bare) == {key: value for key, value in vars(guarded).items() if key != "_guard"}


@pytest.mark.parametrize("client", [None, "client", object()], ids=str)
def test_anything_else_cannot_be_guarded(client):
    with pytest.raises(InvalidValue, match="expected an alibabacloud_cas20200407 Client"):
        guard(client)


@pytest.mark.parametrize("state", State)
def test_the_table_is_asked_before_every_ruled_call(server, spy, bare, state):
    """One read before the call; a call that is illegal in all that the read may mean is never sent."""
    guarded = guard(bare)
    for operation in RULED:
        order_id = order_in(server, bare, state)
        spy.arrived.clear()
        word = wire.type_of(state)
        verdict = "illegal" if word is None else judge(wire.states_from_type(word), operation)
        if verdict == "illegal":
            with pytest.raises(TeaException) as caught:
                invoke(guarded, operation, order_id)
            assert isinstance(caught.value, NotFoundOrder if state is State.DELETED else OrderStateError)
            assert spy.arrived == [Operation.DESCRIBE]
            assert server.service.store.get(order_id).order.state is state
            continue
        if operation in ORDER_LIFECYCLE.allowed(state):
            invoke(guarded, operation, order_id)
            assert server.service.store.get(order_id).order.state is check(state, operation)
        else:
            with pytest.raises(TeaException) as caught:
                invoke(guarded, operation, order_id)
            assert not isinstance(caught.value, OrderStateError)
        assert spy.arrived == [Operation.DESCRIBE, operation]


def test_the_refusal_is_the_tables_error_and_the_sdks_at_once(server, bare):
    order_id = order_in(server, bare, State.BEING_REVIEWED)
    delete = models.DeleteCertificateRequestRequest(order_id=order_id)
    with pytest.raises(TeaException) as caught:
        guard(bare).delete_certificate_request(delete)
    error = caught.value
    assert isinstance(error, OrderStateError)
    assert isinstance(error, LocalOrderStateError)
    assert (error.state, error.operation) == (State.BEING_REVIEWED, Operation.DELETE)
    assert error.allowed == (Operation.CANCEL,)
    with pytest.raises(TeaException) as caught:
        bare.delete_certificate_request(delete)
    theirs = caught.value
    assert (error.code, error.statusCode, error.status_code) == (theirs.code, theirs.statusCode, theirs.status_code)
    for field in vars(theirs):
        assert hasattr(error, field), field
    assert error.data["Code"] == theirs.data["Code"]
    assert error.data["statusCode"] == theirs.data["statusCode"]
    assert str(error) == error.message
    assert "First: CancelOrderRequest" in error.message
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.state, again.message, again.data) == (type(error), error.state, str(error), error.data)


def test_code_written_for_the_sdk_alone_goes_on_working(server, bare):
    code = None
    try:
        invoke(guard(bare), Operation.DELETE, order_in(server, bare, State.ISSUED))
    except TeaException as e:
        code = e.code
    assert code == "OrderStateError"


@pytest.mark.parametrize("word", ["unknow", "suspended", ""])
def test_a_vague_or_unknown_word_never_refuses(server, spy, bare, word):
    order_id = order_in(server, bare, State.PENDING_APPLICATION)
    spy.reads_as = word
    invoke(guard(bare), Operation.DELETE, order_id)
    assert server.service.store.get(order_id).order.state is State.DELETED


def test_a_read_that_fails_never_refuses(server, spy, bare):
    from orderfsm.mock import Fault

    order_id = order_in(server, bare, State.VERIFY_FAIL)
    server.service.faults.append(Fault("Error", Operation.DESCRIBE))
    invoke(guard(bare), Operation.DELETE, order_id)
    assert spy.arrived[-2:] == [Operation.DESCRIBE, Operation.DELETE]


def test_an_order_that_cannot_be_read_just_after_we_created_it_is_not_refused(server, spy, bare):
    from orderfsm.mock import Fault

    guarded = guard(bare)
    order_id = new_order(guarded)
    server.service.faults.append(Fault("NotFoundOrder", Operation.DESCRIBE))
    invoke(guarded, Operation.CANCEL, order_id)
    assert server.service.store.get(order_id).order.state is State.PENDING_APPLICATION


def test_after_the_grace_what_cannot_be_found_is_refused(server, spy, bare):
    from orderfsm.mock import Fault

    guarded = guard(bare, grace=0)
    order_id = new_order(guarded)
    server.service.faults.append(Fault("NotFoundOrder", Operation.DESCRIBE))
    with pytest.raises(NotFoundOrder):
        invoke(guarded, Operation.CANCEL, order_id)
    assert spy.arrived[-1] == Operation.DESCRIBE


def test_a_call_without_an_order_id_is_the_servers_to_refuse(spy, bare):
    with pytest.raises(TeaException) as caught:
        guard(bare).delete_certificate_request(models.DeleteCertificateRequestRequest())
    assert caught.value.code == "MissingOrderId"
    assert spy.arrived == [Operation.DELETE]


def test_reads_and_creates_pass_untouched(spy, bare):
    guarded = guard(bare)
    order_id = new_order(guarded)
    invoke(guarded, Operation.DESCRIBE, order_id)
    guarded.list_user_certificate_order(models.ListUserCertificateOrderRequest())
    guarded.describe_package_state(models.DescribePackageStateRequest())
    assert spy.arrived == [
        Operation.CREATE_FOR_PACKAGE,
        Operation.DESCRIBE,
        Operation.LIST,
        Operation.DESCRIBE_PACKAGE,
    ]


def test_another_table_guards_otherwise(server, spy, bare):
    row = ORDER_LIFECYCLE.transition(State.VERIFY_FAIL, Operation.DELETE)
    order_id = order_in(server, bare, State.VERIFY_FAIL)
    with pytest.raises(OrderStateError):
        invoke(guard(bare, lifecycle=ORDER_LIFECYCLE.without(row)), Operation.DELETE, order_id)


@pytest.mark.parametrize("operation", Operation)
def test_the_sdk_has_a_method_for_every_operation(operation):
    assert callable(getattr(Client, method_name(operation)))
    assert callable(getattr(Client, f"{method_name(operation)}_with_options"))
