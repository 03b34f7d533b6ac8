"""The mock service: what the table rules, it answers; in process, and over HTTP to the official SDK."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request

import pytest

pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")

import attrs
import oracle
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from orders import obeyed

from orderfsm import ORDER_LIFECYCLE, Actor, Event, InvalidValue, Operation, State, plan, wire
from orderfsm.errors import BY_CODE, NotFoundOrder, OrderStateError
from orderfsm.mock import Clock, Fault, Request, Service
from orderfsm.mock.http.control import Control
from orderfsm.tables import api

CONTACT = {"Email": "a@example.com", "Phone": "1", "Username": "u"}
DOMAIN = {"Domain": "example.com", "ValidateType": "DNS"}
ON_AN_ORDER = [op for op, taken in api.PARAMETERS.items() if "OrderId" in taken.required]


def call(service, operation, **parameters):
    """One call of the API port, as the SDK makes it."""
    headers = {"x-acs-version": "2020-04-07", "x-acs-action": operation}
    return service.handle(Request("POST", "/", {k.replace("_", "."): v for k, v in parameters.items()}, headers))


def csr(name="example.org", *, sign=True):
    """A certificate signing request in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)] if name else [])
    pem = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return pem.public_bytes(serialization.Encoding.PEM).decode()


@pytest.fixture
def service():
    running = Service(clock=Clock(lambda: 1e9))
    yield running
    obeyed(running)


def created(service, **parameters):
    """The id of a new order."""
    return call(service, Operation.CREATE, **{**CONTACT, **DOMAIN, **parameters}).json["OrderId"]


def order_in(service, state, **parameters):
    """The id of a new order, walked to `state`."""
    order_id = created(service, **parameters)
    for step in plan(State.PENDING_REVIEW, state, events=True).steps:
        if ORDER_LIFECYCLE.actor(step) is Actor.CLIENT:
            assert call(service, step.trigger, OrderId=order_id).status == 200
        else:
            service.happen(order_id, step.trigger)
    return order_id


def snapshot(service):
    """All that the service keeps, but for when it was last asked."""
    orders, _ = service.store.select(list(State), "", 0, 1000)
    return [attrs.evolve(r, updated=0, reads=0) for r in orders], service.store.package("digicert-free-1-free")


# -- the table rules ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", ON_AN_ORDER, ids=lambda operation: operation.name.lower())
@pytest.mark.parametrize("state", State)
def test_every_operation_in_every_state_is_answered_as_the_documents_say(service, state, operation):
    order_id = order_in(service, state)
    before = snapshot(service)
    response = call(service, operation, OrderId=order_id)
    target = oracle.after(state.value, operation.name.lower())
    if target is not None:
        assert response.status == 200
        assert service.store.get(order_id).order.state == target
    else:
        gone = state is State.DELETED
        assert response.status == (404 if gone else 403)
        assert response.json["Code"] == ("NotFoundOrder" if gone else "OrderStateError")
        assert snapshot(service) == before


@pytest.mark.parametrize("event", Event)
@pytest.mark.parametrize("state", State)
def test_every_event_in_every_state_happens_or_is_refused(service, state, event):
    order_id = order_in(service, state)
    before = snapshot(service)
    target = oracle.after(state.value, event.value)
    if target is not None:
        assert service.happen(order_id, event).order.state == target
    else:
        with pytest.raises(NotFoundOrder if state is State.DELETED else OrderStateError):
            service.happen(order_id, event)
        assert snapshot(service) == before


@pytest.mark.parametrize("operation", ON_AN_ORDER)
def test_an_order_that_never_was_is_not_found(service, operation):
    response = call(service, operation, OrderId=1)
    assert (response.status, response.json["Code"]) == (404, "NotFoundOrder")


def test_what_happens_to_no_order_and_what_cannot_happen_name_the_order(service):
    with pytest.raises(NotFoundOrder, match=r"^no order 1: ") as caught:
        service.happen(1, Event.SUBMITTED)
    assert caught.value.order_id == 1
    with pytest.raises(NotFoundOrder, match=r"^no order 1: "):
        service.order(1)
    order_id = order_in(service, State.ISSUED)
    with pytest.raises(OrderStateError, match=f"^order {order_id}: submitted is not allowed in issued"):
        service.happen(order_id, Event.SUBMITTED)


def test_only_events_happen_behind_the_api(service):
    with pytest.raises(InvalidValue, match=r"event <Operation\.DELETE"):
        service.happen(created(service), Operation.DELETE)


@pytest.mark.parametrize("state", State)
def test_describe_and_list_say_the_words_of_the_state(service, state):
    order_id = order_in(service, state)
    described = call(service, Operation.DESCRIBE, OrderId=order_id).json
    listed = call(service, Operation.LIST).json["CertificateOrderList"]
    if state is State.DELETED:
        assert described["Code"] == "NotFoundOrder"
        assert listed == []
    else:
        assert described["Type"] == wire.type_of(state)
        assert [(entry["OrderId"], entry["Status"]) for entry in listed] == [(order_id, wire.status_of(state))]


def test_a_mutant_table_makes_a_mutant_service():
    row = ORDER_LIFECYCLE.transition(State.VERIFY_FAIL, Operation.DELETE)
    service = Service(lifecycle=ORDER_LIFECYCLE.without(row))
    order_id = order_in(service, State.VERIFY_FAIL)
    assert call(service, Operation.DELETE, OrderId=order_id).json["Code"] == "OrderStateError"


# -- answers -----------------------------------------------------------------------------------------------------------


def test_every_answer_has_a_request_id_of_its_own(service):
    ids = [call(service, Operation.LIST).json["RequestId"] for _ in range(100)]
    assert len(set(ids)) == 100
    assert all(len(text) == 36 and text == text.upper() for text in ids)


def test_a_failure_has_the_five_fields_and_the_documented_text(service):
    body = call(service, Operation.DELETE, OrderId=1).json
    assert list(body) == ["RequestId", "HostId", "Code", "Message", "Recommend"]
    assert body["Message"] == "the specified certificate order was not found"


def test_dns_and_file_validation_data(service):
    dns = call(service, Operation.DESCRIBE, OrderId=created(service)).json
    assert (dns["ValidateType"], dns["RecordDomain"], dns["RecordType"]) == ("DNS", "_dnsauth.example.com", "TXT")
    assert dns["RecordValue"]
    file = call(service, Operation.DESCRIBE, OrderId=created(service, ValidateType="FILE")).json
    assert (file["ValidateType"], file["Domain"]) == ("FILE", "example.com")
    assert file["Uri"].startswith("/.well-known/")
    assert file["Content"] != dns["RecordValue"]


def test_an_issued_order_has_a_real_certificate_and_its_key(service):
    order_id = order_in(service, State.ISSUED, Domain="*.example.com")
    body = call(service, Operation.DESCRIBE, OrderId=order_id).json
    leaf, root = x509.load_pem_x509_certificates(body["Certificate"].encode())
    leaf.verify_directly_issued_by(root)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["*.example.com"]
    assert (leaf.not_valid_after_utc - leaf.not_valid_before_utc).days == 90  # free ones: three months, since 2023-11
    key = serialization.load_pem_private_key(body["PrivateKey"].encode(), None)
    assert key.public_key() == leaf.public_key()
    assert body["CertId"] != str(order_id)
    again = call(service, Operation.DESCRIBE, OrderId=order_id).json
    assert (again["Certificate"], again["PrivateKey"]) == (body["Certificate"], body["PrivateKey"])


def test_no_key_is_made_for_a_signing_request(service):
    request = csr()
    order_id = call(service, Operation.CREATE_WITH_CSR, Csr=request, ValidateType="DNS", **CONTACT).json["OrderId"]
    service.happen(order_id, Event.DOMAIN_VALIDATED)
    service.happen(order_id, Event.REVIEW_PASSED)
    body = call(service, Operation.DESCRIBE, OrderId=order_id).json
    assert "PrivateKey" not in body
    leaf = x509.load_pem_x509_certificates(body["Certificate"].encode())[0]
    assert leaf.public_key() == x509.load_pem_x509_csr(request.encode()).public_key()
    assert call(service, Operation.LIST).json["CertificateOrderList"][0]["Domain"] == "example.org"


def test_a_private_key_is_not_in_the_record_that_is_shown(service):
    order_id = order_in(service, State.ISSUED)
    call(service, Operation.DESCRIBE, OrderId=order_id)
    assert "PRIVATE" not in repr(service.order(order_id))
    assert "PRIVATE" not in Control(service).handle(Request("GET", f"/orders/{order_id}")).body.decode()


def test_a_renewal_begins_a_second_order_that_holds_no_unit(service):
    old = order_in(service, State.ABOUT_TO_EXPIRE)
    new = call(service, Operation.RENEW, OrderId=old).json["OrderId"]
    assert new != old
    assert service.order(old).order.state is State.ABOUT_TO_EXPIRE
    assert service.order(new).order.state is State.PENDING_APPLICATION
    assert service.order(new).domains == ("example.com",)
    held = call(service, Operation.DESCRIBE_PACKAGE).json["UsedCount"]
    assert call(service, Operation.DELETE, OrderId=new).status == 200
    assert call(service, Operation.DESCRIBE_PACKAGE).json["UsedCount"] == held


def test_the_list_is_oldest_first_by_pages_with_filters(service):
    service.put_package("digicert-free-1-free", 200)
    ids = [created(service, Domain=f"host{n}.example.com") for n in range(120)]
    service.happen(ids[3], Event.REVIEW_FAILED)
    pages = [call(service, Operation.LIST, CurrentPage=n).json for n in (1, 2, 3, 4)]
    assert [entry["OrderId"] for page in pages for entry in page["CertificateOrderList"]] == ids
    assert [len(page["CertificateOrderList"]) for page in pages] == [50, 50, 20, 0]
    assert {(page["TotalCount"], page["ShowSize"]) for page in pages} == {(120, 50)}
    failed = call(service, Operation.LIST, Status="CHECKED_FAIL").json
    assert [entry["OrderId"] for entry in failed["CertificateOrderList"]] == [ids[3]]
    assert call(service, Operation.LIST, Status="CHECKING", ShowSize=7).json["TotalCount"] == 119
    assert call(service, Operation.LIST, Keyword="host11").json["TotalCount"] == 11
    assert call(service, Operation.LIST, Status="NOTACTIVATED").json["TotalCount"] == 0
    assert call(service, Operation.LIST, OrderType="BUY").json["TotalCount"] == 0


@pytest.mark.parametrize(
    ("domain", "kind"),
    [
        ("a.com", "ONE"),
        ("*.a.com", "WILDCARD"),
        ("a.com,b.com", "MULTIPLE"),
        ("*.a.com,*.b.com", "M_WILDCARD"),
        ("a.com,*.b.com", "MIX"),
    ],
)
def test_the_list_says_what_kind_of_domains(service, domain, kind):
    call(service, Operation.CREATE_FOR_PACKAGE, Domain=domain)
    assert call(service, Operation.LIST).json["CertificateOrderList"][0]["DomainType"] == kind


# -- the seven codes ---------------------------------------------------------------------------------------------------


def test_all_seven_documented_codes_can_be_reached(service):
    reached = {}

    def note(response):
        reached[response.json["Code"]] = response.status

    service.put_package("used-up", 0)
    note(call(service, Operation.CREATE, ProductCode="never-bought", **CONTACT, **DOMAIN))
    note(call(service, Operation.CREATE, ProductCode="used-up", **CONTACT, **DOMAIN))
    note(call(service, Operation.DELETE, OrderId=1))
    order_id = created(service)
    note(call(service, Operation.DELETE, OrderId=order_id))
    call(service, Operation.CANCEL, OrderId=order_id)
    service.add_fault(Fault(code="CreateCertificateRequestFailed", operation=Operation.CREATE, times=1))
    service.add_fault(Fault(code="DeleteFail", operation=Operation.DELETE, order_id=order_id, times=1))
    service.add_fault(Fault(code="Error", times=1))
    note(call(service, Operation.CREATE, **CONTACT, **DOMAIN))
    note(call(service, Operation.DELETE, OrderId=order_id))
    note(call(service, Operation.LIST))
    assert reached == {code: error.http_status for code, error in BY_CODE.items()}
    assert call(service, Operation.LIST).status == 200


def test_a_fault_is_counted_off_and_changes_nothing(service):
    order_id = order_in(service, State.VERIFY_FAIL)
    before = snapshot(service)
    service.add_fault(Fault(code="DeleteFail", operation=Operation.DELETE, times=2))
    assert [call(service, Operation.DELETE, OrderId=order_id).status for _ in range(2)] == [403, 403]
    assert snapshot(service) == before
    assert call(service, Operation.DELETE, OrderId=order_id).status == 200


def test_a_fault_without_end_stays(service):
    service.add_fault(Fault(code="Error"))
    assert [call(service, Operation.LIST).status for _ in range(3)] == [500, 500, 500]


# -- bad requests ------------------------------------------------------------------------------------------------------

BAD = [
    (Operation.CREATE, {**CONTACT, "ValidateType": "DNS"}, "MissingDomain"),
    (Operation.CREATE, {**CONTACT, "Domain": "", "ValidateType": "DNS"}, "MissingDomain"),
    (Operation.CREATE, {**CONTACT, **DOMAIN, "ValidateType": "EMAIL"}, "InvalidValidateType"),
    (Operation.CREATE, {**CONTACT, **DOMAIN, "Domain": "not a domain"}, "InvalidDomain"),
    (Operation.CREATE, {**CONTACT, **DOMAIN, "Domain": "x" * 1_000_000}, "InvalidDomain"),
    (Operation.CREATE, {**CONTACT, **DOMAIN, "Domain": ",".join(f"a{n}.com" for n in range(6))}, "InvalidDomain"),
    (Operation.CREATE, {**CONTACT, **DOMAIN, "Username": "u" * 200}, "InvalidUsername"),
    (Operation.CREATE, {**CONTACT, **DOMAIN, "Tags_1_Value": "no key"}, "InvalidTags"),
    (Operation.CREATE, {**CONTACT, **DOMAIN, **{f"Tags_{n}_Key": "k" for n in range(30)}}, "InvalidTags"),
    (Operation.CREATE_FOR_PACKAGE, {}, "MissingDomain"),
    (Operation.CREATE_WITH_CSR, {**CONTACT, "ValidateType": "DNS"}, "MissingCsr"),
    (Operation.CREATE_WITH_CSR, {**CONTACT, "ValidateType": "DNS", "Csr": "broken"}, "InvalidCsr"),
    (Operation.CREATE_WITH_CSR, {**CONTACT, "ValidateType": "DNS", "Csr": csr(None)}, "InvalidCsr"),
    (Operation.CREATE_WITH_CSR, {**CONTACT, "ValidateType": "DNS", "Csr": csr("no domain")}, "InvalidCsr"),
    *((operation, {}, "MissingOrderId") for operation in ON_AN_ORDER),
    *((Operation.DELETE, {"OrderId": bad}, "InvalidOrderId") for bad in (0, -1, 2**63, "x", "1.0", "٣", "9" * 99)),
    (Operation.DELETE, {"OrderId": ""}, "MissingOrderId"),
    (Operation.LIST, {"ShowSize": 0}, "InvalidShowSize"),
    (Operation.LIST, {"CurrentPage": "one"}, "InvalidCurrentPage"),
    (Operation.LIST, {"Status": "payed"}, "InvalidStatus"),
    (Operation.LIST, {"OrderType": "FREE"}, "InvalidOrderType"),
    (Operation.RENEW, {"OrderId": 1, "Csr": "broken"}, "InvalidCsr"),
]


@pytest.mark.parametrize(("operation", "parameters", "code"), BAD, ids=lambda value: str(value)[:40])
def test_a_bad_parameter_is_named_and_nothing_is_done(service, operation, parameters, code):
    before = snapshot(service)
    response = call(service, operation, **parameters)
    assert (response.status, response.json["Code"]) == (400, code)
    assert len(response.body) < 1000
    assert snapshot(service) == before


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({}, 400, "MissingVersion"),
        ({"x-acs-version": "2018-07-13", "x-acs-action": "x"}, 400, "InvalidVersion"),
        ({"x-acs-version": "2020-04-07"}, 400, "MissingAction"),
        ({"x-acs-version": "2020-04-07", "x-acs-action": "DeleteEverything"}, 404, "InvalidAction.NotFound"),
    ],
)
def test_version_and_action_are_checked_first(service, headers, status, code):
    response = service.handle(Request(headers=headers))
    assert (response.status, response.json["Code"]) == (status, code)


def test_action_and_version_may_stand_in_the_query_and_parameters_in_a_form(service):
    query = "Action=ListUserCertificateOrder&Version=2020-04-07"
    assert service.handle(Request("GET", "/", query)).status == 200
    assert service.handle(Request("POST", "/", query, {}, b"ShowSize=3")).json["ShowSize"] == 3


# -- over HTTP ---------------------------------------------------------------------------------------------------------


def test_the_official_sdk_walks_an_order_from_creation_to_deletion(server):
    models = pytest.importorskip("alibabacloud_cas20200407.models", reason="the extra `client` is not installed")
    from Tea.exceptions import TeaException

    client = server.client()
    asked = models.CreateCertificateRequestRequest(
        domain="example.com", email="a@example.com", phone="1", username="u", validate_type="DNS"
    )
    order_id = client.create_certificate_request(asked).body.order_id
    describe = models.DescribeCertificateStateRequest(order_id=order_id)
    assert client.describe_certificate_state(describe).body.type == "domain_verify"
    delete = models.DeleteCertificateRequestRequest(order_id=order_id)
    with pytest.raises(TeaException) as caught:
        client.delete_certificate_request(delete)
    assert (caught.value.code, caught.value.statusCode) == ("OrderStateError", 403)
    client.cancel_order_request(models.CancelOrderRequestRequest(order_id=order_id))
    assert client.describe_certificate_state(describe).body.type == "payed"
    assert client.delete_certificate_request(delete).body.request_id
    assert client.describe_package_state(models.DescribePackageStateRequest()).body.used_count == 0


def ask(url, body=None, method=None):
    """Status and JSON of a control request."""
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, method=method)) as response:
            return response.status, json.loads(response.read() or b"null")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def test_the_control_port_does_what_a_test_needs(server):
    assert ask(f"{server.control}/packages/p", {"TotalCount": 2}, "PUT") == (
        200,
        {"ProductCode": "p", "TotalCount": 2, "UsedCount": 0},
    )
    order_id = call(server.service, Operation.CREATE_FOR_PACKAGE, Domain="a.com", ProductCode="p").json["OrderId"]
    events = f"{server.control}/orders/{order_id}/events"
    status, order = ask(events, {"Event": "domain_validated"}, "POST")
    assert (status, order["State"], order["ProductCode"], order["Domain"]) == (200, "being_reviewed", "p", "a.com")
    status, refusal = ask(events, {"Event": "submitted"}, "POST")
    assert (status, refusal["Code"]) == (409, "OrderStateError")
    assert ask(events, {"Event": "explode"}, "POST")[0] == 400
    assert ask(events, {"Event": "DeleteCertificateRequest"}, "POST")[0] == 400
    assert ask(f"{server.control}/orders/{order_id}")[1] == order
    assert ask(f"{server.control}/orders/7")[0] == 404
    assert ask(f"{server.control}/orders/x")[0] == 404
    assert ask(f"{server.control}/orders?state=process")[1] == {"Orders": [order], "Next": None}
    assert ask(f"{server.control}/orders?state=issued")[1]["Orders"] == []
    assert ask(f"{server.control}/orders?state=lost")[0] == 400
    assert ask(f"{server.control}/health")[1] == {"status": "ok", "orders": 1}
    assert ask(f"{server.control}/clock", {"advance": 60}, "POST")[0] == 200
    assert ask(f"{server.control}/reset", {}, "POST") == (204, None)
    assert ask(f"{server.control}/orders/{order_id}")[0] == 404
    assert call(server.service, Operation.DESCRIBE_PACKAGE).json["Code"] == "NotFoundPackage"


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("PUT", "/packages/p", {"TotalCount": -1}, 400),
        ("PUT", "/packages/p", {"TotalCount": True}, 400),
        ("PUT", "/packages/p", {}, 400),
        ("PUT", "/packages/p", None, 400),
        ("POST", "/clock", {"advance": "x"}, 400),
        ("POST", "/clock", {"advance": True}, 400),
        ("GET", "/orders?limit=x", None, 400),
        ("DELETE", "/orders", None, 405),
        ("GET", "/nothing", None, 404),
    ],
)
def test_a_bad_control_request_is_one_clear_error(service, method, path, body, status):
    path, _, query = path.partition("?")
    data = b"" if body is None else json.dumps(body).encode()
    response = Control(service).handle(Request(method, path, query, {}, data))
    assert response.status == status
    assert response.json["Message"]


def test_the_list_of_all_orders_goes_by_pages(service):
    ids = [created(service) for _ in range(5)]
    control = Control(service)
    first = control.handle(Request("GET", "/orders", "limit=2")).json
    assert ([order["OrderId"] for order in first["Orders"]], first["Next"]) == (ids[:2], ids[1])
    rest = control.handle(Request("GET", "/orders", f"limit=3&after={first['Next']}")).json
    assert ([order["OrderId"] for order in rest["Orders"]], rest["Next"]) == (ids[2:], None)


def test_of_threads_that_delete_one_order_exactly_one_wins(service):
    order_id = order_in(service, State.VERIFY_FAIL)
    codes = []
    start = threading.Barrier(8)

    def delete():
        start.wait()
        codes.append(call(service, Operation.DELETE, OrderId=order_id).status)

    threads = [threading.Thread(target=delete) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes) == [200] + [404] * 7
    assert call(service, Operation.DESCRIBE_PACKAGE).json["UsedCount"] == 0
