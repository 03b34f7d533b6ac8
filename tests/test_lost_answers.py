"""A call whose answer was lost: done, not done, or unknown; and never a second order."""

from __future__ import annotations

import pickle
import threading

import pytest

pytest.importorskip("alibabacloud_cas20200407", reason="the extra `client` is not installed")
pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")

from between import acceptance
from orders import create, invoke, order_in, state_of
from Tea.exceptions import TeaException

from orderfsm import ORDER_LIFECYCLE, Operation, State
from orderfsm.client import OutcomeUnknown, guard, lost_create
from orderfsm.client.call import Settled, settle
from orderfsm.mock import Fault

CREATE = Operation.CREATE_FOR_PACKAGE


# -- creates -----------------------------------------------------------------------------------------------------------


def test_a_create_that_was_carried_out_is_found_and_not_repeated(server, service, between):
    service.add_fault(Fault(operation=CREATE, when="after", times=1))
    order_id = create(guard(server.client()))
    assert state_of(service, order_id) is State.PENDING_REVIEW
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
    order_id = create(guard(server.client()), None, csr=pem.decode())
    assert service.store.get(order_id).domains == ("csr.example.com",)
    assert service.count() == 1


def test_a_create_that_was_not_carried_out_is_sent_again_after_the_grace(server, service, between):
    service.add_fault(Fault(operation=CREATE, times=1, transport="reset"))
    client = guard(server.client(), grace=0.2)
    assert state_of(service, create(client)) is State.PENDING_REVIEW
    assert (service.count(), between.sent(CREATE)) == (1, 2)


def test_a_create_is_never_sent_again_while_the_list_cannot_be_read(server, service, between):
    service.add_fault(Fault(operation=CREATE, times=1, when="after"))
    service.add_fault(Fault(operation=Operation.LIST, code="Forbidden.RAM", status=403))
    with pytest.raises(OutcomeUnknown) as caught:
        create(guard(server.client(), grace=0))
    assert (caught.value.operation, caught.value.order_id) == (CREATE, None)
    assert caught.value.__cause__.code == "Error"
    assert between.sent(CREATE) == 1


def test_several_orders_that_it_may_have_made_are_named_and_none_is_taken(server, service):
    others = [create(server.client()), create(server.client())]
    service.add_fault(Fault(operation=CREATE, times=1))
    with pytest.raises(OutcomeUnknown, match=f"one of the orders {others[0]}, {others[1]}") as caught:
        create(guard(server.client(), grace=0))
    assert caught.value.candidates == tuple(others)


def test_orders_that_this_client_made_itself_are_not_taken_for_it(server, service):
    client = guard(server.client(), grace=0)
    first = create(client)
    service.add_fault(Fault(operation=CREATE, times=1, when="after"))
    second = create(client)
    assert {first, second} == {record.id for record in service.orders()}


def test_another_product_or_domain_is_not_taken_for_it(server, service):
    service.put_package("symantec-free-1-free", 3)
    create(server.client(), product_code="symantec-free-1-free")
    create(server.client(), "b.example.com")
    service.add_fault(Fault(operation=CREATE, times=1))
    create(guard(server.client(), grace=0), product_code="digicert-free-1-free")
    assert service.count() == 3


def test_an_order_that_only_its_date_rules_out_forbids_to_send_again(server, service, between):
    """The date of an order may be that of its package: nothing is risked on it."""
    old = create(server.client())
    between.answers[Operation.LIST] = acceptance(
        CertificateOrderList=[
            {"OrderId": old, "Domain": "example.com", "Status": "CHECKING", "BuyDate": 1, "ProductCode": "x"}
        ],
        TotalCount=1,
    )
    service.add_fault(Fault(operation=CREATE, times=1))
    with pytest.raises(OutcomeUnknown) as caught:
        create(guard(server.client(), grace=0))
    assert caught.value.candidates == (old,)


@pytest.mark.parametrize("domain", ["a.example.com", "a.example.com,b.example.com"])
def test_an_order_for_some_of_the_domains_forbids_to_send_again(server, service, between, domain):
    """The documents do not say what the list has of an order for several domains."""
    other = create(server.client(), "a.example.com,c.example.com")
    service.add_fault(Fault(operation=CREATE, times=1))
    with pytest.raises(OutcomeUnknown) as caught:
        create(guard(server.client(), grace=0), domain)
    assert caught.value.candidates == (other,)


def test_a_create_whose_domains_cannot_be_read_is_sent_again_only_if_there_is_no_other_order(server, service, between):
    other = create(server.client())
    between.arrived.clear()
    service.add_fault(Fault(operation=CREATE, times=1))
    with pytest.raises(OutcomeUnknown) as caught:
        create(guard(server.client(), grace=0), None, csr="no CSR")
    assert caught.value.candidates == (other,)
    assert between.sent(CREATE) == 1


def test_two_creates_for_one_domain_at_once_are_not_taken_for_each_other(server, service):
    """One is lost before it is carried out, the other is under way: its order is not given out twice."""
    client, found = guard(server.client(), grace=0.3), []
    service.add_fault(Fault(operation=CREATE, times=1))
    service.add_fault(Fault(operation=CREATE, times=1, when="after", delay=0.4))

    def one():
        try:
            found.append(create(client))
        except OutcomeUnknown as error:
            found.append(error)

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ids = [each for each in found if isinstance(each, int)]
    assert len(ids) == len(set(ids))


SENT, NOW = 1_790_000_000.0, 1_790_000_030.0
"""A create was sent, by our clock, half a minute before the list was answered."""


@pytest.mark.parametrize(
    ("headers", "earliest_order"),
    [
        ({}, SENT - 900),
        ({"date": "yesterday"}, SENT - 900),
        ({"date": "Mon, 21 Sep 2026 14:13:50 GMT"}, SENT - 2),
        ({"Date": "Mon, 21 Sep 2026 15:13:50 GMT"}, SENT + 3600 - 2),
    ],
    ids=["no date", "no such date", "our clock", "an hour ahead of us"],
)
def test_an_order_is_ours_only_if_it_is_not_older_than_the_call_by_the_services_clock(headers, earliest_order):
    """Of which nothing is known if it does not say its date, but that it accepts signatures of 15 minutes ago."""
    assert lost_create.earliest(SENT, headers, NOW) == earliest_order


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
    assert state_of(service, order_id) is State.DELETED


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
    assert caught.value.__notes__ == [
        f"DeleteCertificateRequest of order {order_id} was sent 4 times, and was not carried out"
    ]
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
