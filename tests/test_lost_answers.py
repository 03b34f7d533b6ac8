"""What the guard knows, remembers and reports: lost answers, creates, settings, remembered reads, divergences."""

from __future__ import annotations

import asyncio
import pickle
import re
import threading
import time

import pytest

pytest.importorskip("alibabacloud_cas20200407", reason="the extra `client` is not installed")
pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")

from alibabacloud_cas20200407 import models
from orders import invoke, invoke_async, order_in
from Tea.exceptions import TeaException
from test_guard_matrix import Between, acceptance, refusal

from orderfsm import ORDER_LIFECYCLE, Event, InvalidValue, NotFoundOrder, Operation, OrderStateError, State
from orderfsm.client import OutcomeUnknown, guard
from orderfsm.client.call import Settled, settle
from orderfsm.client.sdk import UnsupportedSDK, require_supported
from orderfsm.errors import DeleteFail, NotFoundPackage, NotRemainCount
from orderfsm.mock import Fault

CREATE = Operation.CREATE_FOR_PACKAGE
DELETABLE = {State.PENDING_APPLICATION, State.VERIFY_FAIL}


@pytest.fixture
def between(server):
    return Between(server.service)


@pytest.fixture
def service(server):
    return server.service


def apply(client, domain="a.example.com", **fields):
    request = models.CreateCertificateForPackageRequestRequest(domain=domain, **fields)
    return client.create_certificate_for_package_request(request).body.order_id


# -- creates -----------------------------------------------------------------------------------------------------------


def test_a_create_that_was_carried_out_is_found_and_not_repeated(server, service, between):
    service.add_fault(Fault(operation=CREATE, when="after", times=1))
    order_id = apply(guard(server.client()))
    assert service.store.get(order_id).order.state is State.PENDING_REVIEW
    assert service.count() == 1
    assert between.sent(CREATE) == 1


def test_a_create_by_csr_is_found_by_the_domains_of_the_request(server, service):
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "csr.example.com")])
    csr = x509.CertificateSigningRequestBuilder().subject_name(name)
    pem = csr.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    service.add_fault(Fault(operation=CREATE, when="after", times=1))
    order_id = apply(guard(server.client()), None, csr=pem.decode())
    assert service.store.get(order_id).domains == ("csr.example.com",)
    assert service.count() == 1


def test_a_create_that_was_not_carried_out_is_sent_again_after_the_grace(server, service, between):
    service.add_fault(Fault(operation=CREATE, times=1, transport="reset"))
    client = guard(server.client(), grace=0.2)
    assert service.store.get(apply(client)).order.state is State.PENDING_REVIEW
    assert (service.count(), between.sent(CREATE)) == (1, 2)


def test_a_create_is_never_sent_again_while_the_list_cannot_be_read(server, service, between):
    service.add_fault(Fault(operation=CREATE, times=1, when="after"))
    service.add_fault(Fault(operation=Operation.LIST, code="Forbidden.RAM", status=403))
    with pytest.raises(OutcomeUnknown) as caught:
        apply(guard(server.client(), grace=0))
    assert (caught.value.operation, caught.value.order_id) == (CREATE, None)
    assert caught.value.__cause__.code == "Error"
    assert between.sent(CREATE) == 1


def test_several_orders_that_it_may_have_made_are_named_and_none_is_taken(server, service):
    others = [apply(server.client()), apply(server.client())]
    service.add_fault(Fault(operation=CREATE, times=1))
    with pytest.raises(OutcomeUnknown, match=f"one of the orders {others[0]}, {others[1]}") as caught:
        apply(guard(server.client(), grace=0))
    assert caught.value.candidates == tuple(others)


def test_orders_that_this_client_made_itself_are_not_taken_for_it(server, service):
    client = guard(server.client(), grace=0)
    first = apply(client)
    service.add_fault(Fault(operation=CREATE, times=1, when="after"))
    second = apply(client)
    assert {first, second} == {record.id for record in service.orders()}


def test_another_product_or_domain_is_not_taken_for_it(server, service):
    service.put_package("symantec-free-1-free", 3)
    apply(server.client(), product_code="symantec-free-1-free")
    apply(server.client(), "b.example.com")
    service.add_fault(Fault(operation=CREATE, times=1))
    apply(guard(server.client(), grace=0), product_code="digicert-free-1-free")
    assert service.count() == 3


def test_an_order_that_only_its_date_rules_out_forbids_to_send_again(server, service, between):
    """The date of an order may be that of its package: nothing is risked on it."""
    old = apply(server.client())
    between.answers[Operation.LIST] = acceptance(
        CertificateOrderList=[
            {"OrderId": old, "Domain": "a.example.com", "Status": "CHECKING", "BuyDate": 1, "ProductCode": "x"}
        ],
        TotalCount=1,
    )
    service.add_fault(Fault(operation=CREATE, times=1))
    with pytest.raises(OutcomeUnknown) as caught:
        apply(guard(server.client(), grace=0))
    assert caught.value.candidates == (old,)


@pytest.mark.parametrize("domain", ["a.example.com", "a.example.com,b.example.com"])
def test_an_order_for_some_of_the_domains_forbids_to_send_again(server, service, between, domain):
    """The documents do not say what the list has of an order for several domains."""
    other = apply(server.client(), "a.example.com,c.example.com")
    service.add_fault(Fault(operation=CREATE, times=1))
    with pytest.raises(OutcomeUnknown) as caught:
        apply(guard(server.client(), grace=0), domain)
    assert caught.value.candidates == (other,)


def test_a_create_whose_domains_cannot_be_read_is_sent_again_only_if_there_is_no_other_order(server, service, between):
    other = apply(server.client())
    between.arrived.clear()
    service.add_fault(Fault(operation=CREATE, times=1))
    with pytest.raises(OutcomeUnknown) as caught:
        apply(guard(server.client(), grace=0), None, csr="no CSR")
    assert caught.value.candidates == (other,)
    assert between.sent(CREATE) == 1


def test_two_creates_for_one_domain_at_once_are_not_taken_for_each_other(server, service):
    """One is lost before it is carried out, the other is under way: its order is not given out twice."""
    client, found = guard(server.client(), grace=0.3), []
    service.add_fault(Fault(operation=CREATE, times=1))
    service.add_fault(Fault(operation=CREATE, times=1, when="after", delay=0.4))

    def one():
        try:
            found.append(apply(client))
        except OutcomeUnknown as error:
            found.append(error)

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ids = [each for each in found if isinstance(each, int)]
    assert len(ids) == len(set(ids))


# -- what is not known -------------------------------------------------------------------------------------------------


def test_unclear_is_outcome_unknown_with_all_that_is_known(server, service, between):
    order_id = order_in(service, State.BEING_REVIEWED)
    between.arrived.clear()
    service.add_fault(Fault(operation=Operation.CANCEL, when="after", times=1, transport="reset"))
    service.add_fault(Fault(operation=Operation.LIST, code="Forbidden.RAM", status=403))
    between.answers[Operation.DESCRIBE] = acceptance(Type="unknow")
    with pytest.raises(OutcomeUnknown) as caught:
        invoke(guard(server.client()), Operation.CANCEL, order_id)
    error = caught.value
    assert isinstance(error, TeaException)
    assert (error.operation, error.order_id, error.observation.word) == (Operation.CANCEL, order_id, "unknow")
    assert f"CancelOrderRequest of order {order_id}" in str(error)
    assert between.sent(Operation.CANCEL) == 1
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_an_order_that_is_gone_after_a_lost_deletion_was_deleted(server, service, between):
    """However vague the reads: that it is not found says enough."""
    order_id = order_in(service, State.VERIFY_FAIL)
    service.add_fault(Fault(operation=Operation.DELETE, when="after", times=1))
    between.answers[Operation.DESCRIBE] = acceptance(Type="unknow")
    invoke(guard(server.client()), Operation.DELETE, order_id)
    assert service.store.get(order_id).order.state is State.DELETED


@pytest.mark.parametrize(("status", "code"), [(500, "Error"), (500, "InternalError"), (503, "ServiceUnavailable")])
def test_every_5xx_is_a_lost_answer(server, service, between, status, code):
    order_id = order_in(service, State.VERIFY_FAIL)
    service.add_fault(Fault(operation=Operation.DELETE, when="after", times=1, status=status, code=code))
    invoke(guard(server.client()), Operation.DELETE, order_id)
    assert between.sent(Operation.DELETE) == 1


def test_a_call_that_is_lost_again_and_again_ends_with_the_sdks_error(server, service, between):
    order_id = order_in(service, State.VERIFY_FAIL)
    service.add_fault(Fault(operation=Operation.DELETE))
    with pytest.raises(TeaException) as caught:
        invoke(guard(server.client()), Operation.DELETE, order_id)
    assert caught.value.code == "Error"
    assert caught.value.__notes__ == ["DeleteCertificateRequest was sent 4 times, and was not carried out"]
    assert between.sent(Operation.DELETE) == 4


@pytest.mark.parametrize("before", State)
@pytest.mark.parametrize("operation", [Operation.CANCEL, Operation.DELETE, Operation.CANCEL_FOR_PACKAGE])
def test_settled_is_only_what_the_table_tells(operation, before):
    """Done if the order is where the call leads to; not done if it still is where it was, and the call is allowed."""
    for now in State:
        found = settle(ORDER_LIFECYCLE, operation, frozenset([before]), frozenset([now]))
        row = ORDER_LIFECYCLE.table[before][operation]
        if row is not None and now is row.target:
            assert found is Settled.DONE
        elif ORDER_LIFECYCLE.can(now, operation) or (row and now not in ORDER_LIFECYCLE.reachable(row.target)):
            assert found is Settled.NOT_DONE


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
        apply(client, product_code="symantec-free-1-free")
    service.put_package("digicert-free-1-free", 1)
    with pytest.raises(NotRemainCount) as caught:
        apply(client)
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
        ({"trust": None}, "trust None: expected documented, inferred"),
        ({"max_age": -1}, "duration -1: expected seconds, 0 or more"),
        ({"grace": "10"}, "duration '10'"),
    ],
    ids=str,
)
def test_a_setting_that_is_none_is_named(server, settings, named):
    with pytest.raises(InvalidValue, match=named):
        guard(server.client(), **settings)


# -- remembered observations -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("asynchronous", [False, True])
def test_an_observation_serves_until_it_is_too_old(server, service, between, asynchronous):
    def call(operation):
        if asynchronous:
            return asyncio.run(invoke_async(client, operation, order_id))
        return invoke(client, operation, order_id)

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
