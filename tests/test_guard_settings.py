"""How a guard can be set, and what it raises, remembers and reports."""

from __future__ import annotations

import pickle
import re
import time

import pytest

pytest.importorskip("alibabacloud_cas20200407", reason="the extra `client` is not installed")
pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")

from between import acceptance, refusal
from orders import create, in_form, invoke, invoke_async, order_in
from Tea.exceptions import TeaException

from orderfsm import Event, InvalidValue, NotFoundOrder, Operation, OrderStateError, State
from orderfsm.client import guard
from orderfsm.client.sdk import UnsupportedSDK, require_supported
from orderfsm.errors import DeleteFail, NotFoundPackage, NotRemainCount
from orderfsm.mock import Fault

DELETABLE = {State.PENDING_APPLICATION, State.VERIFY_FAIL}


# -- errors ------------------------------------------------------------------------------------------------------------


def test_every_documented_code_is_the_tables_error_as_well(server, service):
    client = guard(server.client())
    order_id = order_in(service, State.VERIFY_FAIL)
    service.add_fault(Fault(operation=Operation.DELETE, code="DeleteFail", status=403))
    with pytest.raises(DeleteFail) as caught:
        invoke(client, Operation.DELETE, order_id)
    assert isinstance(caught.value, TeaException)
    assert caught.value.__cause__.code == "DeleteFail"
    with pytest.raises(NotFoundPackage):
        create(client, product_code="symantec-free-1-free")
    service.put_package("digicert-free-1-free", 1)
    with pytest.raises(NotRemainCount) as caught:
        create(client)
    assert caught.value.data["Code"] == "NotRemainCount"
    assert re.fullmatch(r"[0-9A-F-]{36}", caught.value.request_id or caught.value.data["RequestId"])


def test_a_refusal_by_the_service_says_what_the_service_said_and_what_the_table_knows(server, service, between):
    order_id = order_in(service, State.REVOKED)
    with pytest.raises(OrderStateError) as caught:
        invoke(guard(server.client()), Operation.CANCEL_FOR_PACKAGE, order_id)
    error = caught.value
    assert not error.local
    assert error.possible == {State.EXPIRED, State.REVOKED}
    assert "the status of the certificate order is invalid" in error.message
    assert "CancelCertificateForPackageRequest is not allowed in expired or revoked" in str(error)
    assert (error.status_code, error.data["statusCode"]) == (403, 403)
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.data, again.possible, again.local) == (str(error), error.data, error.possible, False)


@pytest.mark.parametrize("state", [State.ISSUED, State.DELETED])
def test_a_refusal_tells_in_which_states_the_service_answers_so(server, service, state):
    """Nothing was read; the answer says whether there is an order."""
    service.add_fault(Fault(operation=Operation.DESCRIBE))
    with pytest.raises((OrderStateError, NotFoundOrder)) as caught:
        invoke(guard(server.client()), Operation.DELETE, order_in(service, state))
    deleted = {None, State.DELETED}
    assert caught.value.possible == (deleted if state in deleted else {*State} - deleted - DELETABLE)


# -- settings ----------------------------------------------------------------------------------------------------------


def test_a_guard_that_is_off_does_nothing(server, service, between):
    order_id = order_in(service, State.ISSUED)
    between.arrived.clear()
    with pytest.raises(TeaException) as caught:
        invoke(guard(server.client(), mode="off"), Operation.DELETE, order_id)
    assert not isinstance(caught.value, OrderStateError)
    assert between.arrived == [Operation.DELETE]


def test_a_guard_that_warns_sends_the_call(server, service, between, caplog):
    order_id = order_in(service, State.ISSUED)
    with pytest.raises(OrderStateError) as caught:
        invoke(guard(server.client(), mode="warn"), Operation.DELETE, order_id)
    assert not caught.value.local
    assert between.sent(Operation.DELETE) == 1
    assert "sent although refused by the table" in caplog.text


@pytest.mark.parametrize(("trust", "sent"), [("documented", 1), ("inferred", 0)])
def test_inferred_refusals_are_made_here_only_if_they_are_trusted(server, service, between, trust, sent):
    """The documents do not say that a failed order cannot be cancelled for its package."""
    order_id = order_in(service, State.VERIFY_FAIL)
    client = guard(server.client(), trust=trust)
    with pytest.raises(OrderStateError) as caught:
        invoke(client, Operation.CANCEL_FOR_PACKAGE, order_id)
    assert caught.value.local is not bool(sent)
    assert between.sent(Operation.CANCEL_FOR_PACKAGE) == sent
    with pytest.raises(OrderStateError) as caught:
        invoke(client, Operation.CANCEL, order_id)
    assert caught.value.local  # documented: only in these states


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"mode": "strict"}, "mode 'strict': expected enforce, warn, off"),
        ({"trust": None}, "trust None: expected documented, observed, inferred"),
        ({"max_age": -1}, "duration -1: expected seconds, 0 or more"),
        ({"grace": "10"}, "duration '10'"),
    ],
    ids=str,
)
def test_a_setting_that_is_none_is_named(server, settings, named):
    with pytest.raises(InvalidValue, match=named):
        guard(server.client(), **settings)


# -- remembered observations -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["sync", "async"])
def test_an_observation_serves_until_it_is_too_old(server, service, between, form):
    def call(operation):
        return in_form(form, invoke, invoke_async)(client, operation, order_id)

    order_id = order_in(service, State.BEING_REVIEWED)
    client = guard(server.client(), max_age=60)
    call(Operation.DESCRIBE)
    between.arrived.clear()
    for _ in range(2):
        with pytest.raises(OrderStateError):
            call(Operation.DELETE)
    call(Operation.CANCEL)  # after which it is known to be pending application
    with pytest.raises(OrderStateError):
        call(Operation.CANCEL)
    call(Operation.DELETE)
    with pytest.raises(NotFoundOrder):
        call(Operation.DELETE)
    assert between.arrived == [Operation.CANCEL, Operation.DELETE]


def test_an_observation_that_is_too_old_is_read_again(server, service, between):
    order_id = order_in(service, State.BEING_REVIEWED)
    client = guard(server.client(), max_age=0.05)
    invoke(client, Operation.DESCRIBE, order_id)
    service.happen(order_id, Event.REVIEW_FAILED)
    time.sleep(0.1)
    invoke(client, Operation.DELETE, order_id)
    assert between.sent(Operation.DESCRIBE) == 2


def test_without_max_age_nothing_is_remembered(server, service, between):
    order_id = order_in(service, State.ISSUED)
    client = guard(server.client())
    for _ in range(2):
        with pytest.raises(OrderStateError):
            invoke(client, Operation.DELETE, order_id)
    assert between.sent(Operation.DESCRIBE) == 2


# -- divergences -------------------------------------------------------------------------------------------------------


def test_a_divergence_is_a_race_if_others_may_have_moved_the_order(server, service, between):
    found = []
    order_id = order_in(service, State.BEING_REVIEWED)
    between.answers[Operation.CANCEL] = refusal()
    with pytest.raises(OrderStateError):
        invoke(guard(server.client(), on_divergence=found.append), Operation.CANCEL, order_id)
    (report,) = found
    assert (report.states, report.answer, report.race) == ({State.BEING_REVIEWED}, "OrderStateError", True)


def test_a_report_that_fails_does_not_hide_what_became_of_the_call(server, service, between, caplog):
    def fail(_):
        raise RuntimeError("no pager")

    order_id = order_in(service, State.ISSUED)
    between.answers[Operation.DELETE] = acceptance()
    invoke(guard(server.client(), mode="warn", on_divergence=fail), Operation.DELETE, order_id)
    assert "no pager" in caplog.text


def test_it_is_none_if_nothing_that_others_may_do_explains_it(server, service, between):
    found = []
    order_id = order_in(service, State.ISSUED)
    between.answers[Operation.DELETE] = acceptance()
    client = guard(server.client(), mode="warn", on_divergence=found.append)
    invoke(client, Operation.DELETE, order_id)
    (report,) = found
    assert (report.answer, report.race) == ("accepted", False)


# -- the SDK's versions ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["2.0.4", "3.0.0", "3.9.4"])
def test_supported_versions(version):
    require_supported(version)


@pytest.mark.parametrize("version", ["1.0.16", "2.0.3", "4.0.0", "30.0"])
def test_other_versions_are_one_error_that_names_the_supported_ones(version):
    with pytest.raises(UnsupportedSDK, match=re.escape(f"{version} is not supported, only 3.x or 2.0.4")):
        require_supported(version)
