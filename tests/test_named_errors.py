"""Every error about an order says which: in a log of a hundred orders, nothing else would."""

from __future__ import annotations

import copy
import pickle

import pytest

pytest.importorskip("alibabacloud_cas20200407", reason="the extra `client` is not installed")
pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")

from between import acceptance
from orders import in_form, invoke, invoke_async, order_in
from Tea.exceptions import TeaException

from orderfsm import NotFoundOrder, Operation, OrderFSMError, OrderStateError, State, Unreachable
from orderfsm.client import (
    OutcomeUnknown,
    Undecided,
    UnreadableAnswer,
    WaitTimeout,
    carry_out,
    carry_out_async,
    guard,
    observe,
    observe_async,
    wait,
    wait_async,
)
from orderfsm.client.preflight import Preflight
from orderfsm.errors import DeleteFail
from orderfsm.mock import Fault


@pytest.fixture(params=["sync", "async"])
def form(request):
    return request.param


@pytest.fixture
def deleting(server, form):
    """A guarded delete."""
    run = in_form(form, invoke, invoke_async)
    return lambda order_id: run(guard(server.client()), Operation.DELETE, order_id)


@pytest.fixture
def carrying(server, form):
    return lambda order_id: in_form(form, carry_out, carry_out_async)(server.client(), order_id, "deleted")


@pytest.fixture
def waiting(server, form):
    return lambda order_id: in_form(form, wait, wait_async)(server.client(), order_id, until="issued", timeout=0)


@pytest.fixture
def observing(server, form):
    return lambda order_id: in_form(form, observe, observe_async)(server.client(), order_id)


def named(error_class, attempt, order_id):
    """The error with which an attempt ends: it names the order, and so do its copies."""
    with pytest.raises(error_class) as caught:
        attempt(order_id)
    error = caught.value
    assert error.order_id == order_id
    if isinstance(error, OrderFSMError):
        assert f"order {order_id}" in str(error)
        for again in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
            assert (type(again), again.order_id, str(again)) == (type(error), order_id, str(error))
    else:
        assert f"order {order_id}" in error.__notes__
    return error


def test_a_refusal_made_here_does(service, deleting):
    assert named(OrderStateError, deleting, order_in(service, State.BEING_REVIEWED)).local
    assert named(NotFoundOrder, deleting, 7).local


def test_a_refusal_by_the_service_does(service, deleting):
    service.add_fault(Fault(operation=Operation.DESCRIBE, code="Forbidden.RAM", status=403))
    assert not named(OrderStateError, deleting, order_in(service, State.BEING_REVIEWED)).local
    assert not named(NotFoundOrder, deleting, 7).local


@pytest.mark.parametrize(("code", "error"), [("DeleteFail", DeleteFail), ("Forbidden.RAM", TeaException)])
def test_an_error_of_the_service_does(service, deleting, carrying, code, error):
    order_id = order_in(service, State.VERIFY_FAIL)
    service.add_fault(Fault(operation=Operation.DELETE, code=code, status=403))
    named(error, deleting, order_id)
    named(error, carrying, order_id)


def test_a_read_that_is_refused_or_lost_or_cannot_be_read_does(service, between, carrying, waiting, observing):
    order_id = order_in(service, State.VERIFY_FAIL)
    service.add_fault(Fault(code="Forbidden.RAM", status=403))
    for attempt in (carrying, waiting, observing):
        named(TeaException, attempt, order_id)
    between.clear()
    between.answers[Operation.DESCRIBE] = acceptance(Type=5)
    named(UnreadableAnswer, carrying, order_id)
    named(UnreadableAnswer, observing, order_id)
    between.clear()
    service.add_fault(Fault(transport="reset"))
    named(Exception, observing, order_id)


def test_what_cannot_be_reached_or_told_and_an_order_that_is_not_found_do(service, between, carrying, waiting):
    order_id = order_in(service, State.ISSUED)
    named(Unreachable, carrying, order_id)
    named(Unreachable, waiting, order_in(service, State.VERIFY_FAIL))
    named(NotFoundOrder, carrying, 7)
    named(NotFoundOrder, waiting, 7)
    named(WaitTimeout, waiting, order_in(service, State.BEING_REVIEWED))
    between.answers[Operation.DESCRIBE] = acceptance(Type="unknow")
    service.add_fault(Fault(operation=Operation.LIST, code="Forbidden.RAM", status=403))
    named(Undecided, carrying, order_id)


def test_a_call_of_which_nothing_is_known_does(service, between, deleting):
    order_id = order_in(service, State.VERIFY_FAIL)
    service.add_fault(Fault(operation=Operation.DELETE, when="after", transport="reset"))
    service.add_fault(Fault(operation=Operation.DESCRIBE))
    service.add_fault(Fault(operation=Operation.LIST))
    named(OutcomeUnknown, deleting, order_id)


def test_a_time_that_is_over_is_no_number_of_an_error_of_the_system(service, waiting):
    """`TimeoutError` is an OSError, which takes what it is given for an errno, a text and a file."""
    error = named(WaitTimeout, waiting, order_in(service, State.BEING_REVIEWED))
    assert (error.errno, error.strerror, error.filename) == (None, None, None)
    assert error.goals == {State.ISSUED}


def test_of_the_orders_that_were_met_the_last_ones_are_remembered(monkeypatch):
    monkeypatch.setattr("orderfsm.client.memory.MEMORY", 2)
    preflight = Preflight()
    for order_id in (1, 2, 3):
        preflight.memory.met(order_id)
    assert list(preflight.memory._met) == ["2", "3"]
