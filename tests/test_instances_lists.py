"""What the API port answers of many instances, of their certificates, and of the orders beside them."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")

from cryptography import x509
from instances import connected
from orders import call, created, order_in

from orderfsm import Operation, State
from orderfsm.mock import Clock, Service, mock_cas

NOW = 1_790_000_000.0


@pytest.fixture
def service():
    """A service at a time that goes by only where a test moves the clock."""
    return Service(clock=Clock(lambda: NOW))


@pytest.fixture
def account(service):
    """An account of instances at it."""
    with mock_cas(service) as server, connected(server, "sync") as connection:
        yield connection


# -- lists -------------------------------------------------------------------------------------------------------------


def test_a_list_has_pages_of_ten_and_at_most_a_hundred(account):
    every = [account.unused(f"{n}.example.com") for n in range(12)]
    page = account.do("ListInstances")
    assert [entry["InstanceId"] for entry in page["InstanceList"]] == every[:10]
    assert (page["TotalCount"], page["CurrentPage"], page["ShowSize"]) == (12, 1, 10)
    assert account.listed(CurrentPage=2) == every[10:]
    assert account.listed(CurrentPage=3) == []
    assert account.listed(ShowSize=100) == every
    account.refused("InvalidShowSize", "ListInstances", ShowSize=101)
    account.refused("InvalidCurrentPage", "ListInstances", CurrentPage=0)


def test_a_list_is_filtered_by_each_of_its_fields(account):
    trial, wild, certified = account.buy("ss.dv.t"), account.buy("geo.ov.w", fullDomainCount="0"), account.issued()
    account.do("UpdateInstance", InstanceId=certified, CertificateName="named", ResourceGroupId="rg-2")
    for filters, found in (
        ({"InstanceType": "TEST"}, [trial]),
        ({"CertificateType": "OV"}, [wild]),
        ({"Brand": "GeoTrust"}, [wild]),
        ({"CertificateStatus": "issued"}, [certified]),
        ({"CertificateStatus": "issued", "Status": "inactive"}, []),
        ({"Status": "inactive"}, [trial, wild]),
        ({"ResourceGroupId": "rg-2"}, [certified]),
        ({"Keyword": "a.example"}, [certified]),
        ({"Keyword": "name"}, [certified]),
        ({"Keyword": trial}, [trial]),
        ({"AutoReissueFlag": 1}, [trial, wild, certified]),
        ({"AutoReissueFlag": 0}, []),
        ({"ServerDeployFlag": 0, "VersionType": "basic"}, [trial, wild, certified]),
    ):
        assert account.listed(**filters) == found, filters
    account.refused("InvalidStatus", "ListInstances", Status="PAYED")
    account.refused("InvalidCertificateStatus", "ListInstances", CertificateStatus="checking")
    assert account.do("GetInstanceSummary", InstanceType="TEST")["TotalCount"] == 1


def test_a_list_finds_what_is_being_submitted_by_the_word_that_it_shows(account):
    instance = account.applied(account.unused())
    assert (account.listed(Status="inactive"), account.listed(Status="pending")) == ([instance], [])
    assert account.do("GetInstanceSummary")["InactiveCount"] == 1
    account.advance(2)
    assert (account.listed(Status="inactive"), account.listed(Status="pending")) == ([], [instance])
    assert account.do("GetInstanceSummary")["InactiveCount"] == 0


def test_lists_and_the_summary_have_orders_too_and_the_list_of_orders_no_instance(service, account):
    instance = account.unused("a.example.com")
    states = [state for state in State if state is not State.DELETED]
    orders = [order_in(service, state, Domain=f"{state.replace('_', '-')}.example.com") for state in states]
    ids = [f"cas-ivauto-{order}" for order in orders]
    assert account.listed(ShowSize=100) == [instance, *ids]
    assert account.listed(Keyword=ids[3]) == [ids[3]]
    words = ("inactive", "pending", "normal", "willExpire", "expired", "refund", "closed")
    parts = [each for word in words for each in account.listed(Status=word, ShowSize=100)]
    assert sorted(parts) == sorted([instance, *ids])
    assert account.do("GetInstanceSummary")["TotalCount"] == len(ids) + 1
    listed = call(service, Operation.LIST, ShowSize="100").json["CertificateOrderList"]
    assert {entry["OrderId"]: entry["InstanceId"] for entry in listed} == dict(zip(orders, ids, strict=True))
    issued = account.do("ListCertificates")["CertificateList"]
    assert {entry["CertificateStatus"] for entry in issued} == {"issued", "willExpire", "expired", "revoked"}
    for entry in issued:
        assert account.do("GetUserCertificateDetail", CertId=int(entry["CertificateId"]))["InstanceId"] in ids


def test_the_counts_of_packages_are_texts(account):
    counts = account.do("GetCertificatePackageCount")
    assert json.loads(counts["ProductCountList"])[0]["TotalCount"] == 20
    assert all(isinstance(text, str) for text in counts.values())


# -- certificates ------------------------------------------------------------------------------------------------------


def test_a_certificate_is_described_without_its_texts_and_downloaded_with_them(account):
    instance = account.issued()
    identifier = account.get(instance)["CertificateId"]
    detail = account.do("GetCertificateDetail", CertificateId=identifier)
    assert (detail["CertificateId"], detail["CertificateStatus"], detail["InstanceId"]) == (
        identifier,
        "issued",
        instance,
    )
    assert "PRIVATE" not in json.dumps(detail)
    assert "BEGIN" not in json.dumps(detail)
    bare = account.do("GetUserCertificateDetail", CertId=identifier, CertFilter=True)
    assert not {"Cert", "Key"} & set(bare)
    full = account.do("GetUserCertificateDetail", CertId=identifier, CertFilter=False)
    leaf, root = x509.load_pem_x509_certificates(full["Cert"].encode())
    leaf.verify_directly_issued_by(root)
    assert full["SerialNo"] == detail["Serial"] == f"{leaf.serial_number:X}"
    assert [each["CommonName"] for each in full["CertChain"]] == ["a.example.com", full["Issuer"]]
    for action, name in (("GetCertificateDetail", "CertificateId"), ("GetUserCertificateDetail", "CertId")):
        account.refused("NotFound", action, **{name: identifier + 1})
        account.refused(f"Missing{name}", action)


def test_no_key_is_in_what_a_log_would_show(service, account):
    instance = account.issued()
    account.do("GetUserCertificateDetail", CertId=account.get(instance)["CertificateId"])
    record = service.store.get(instance)
    assert "PRIVATE KEY" in record.details
    assert "PRIVATE KEY" not in repr(record)


def test_certificates_are_listed_by_what_is_asked_for(account):
    certified = account.issued()
    (entry,) = account.do("ListCertificates")["CertificateList"]
    for filters, found in (
        ({"InstanceId": certified}, 1),
        ({"InstanceId": "cas-cn-1"}, 0),
        ({"CertificateSource": "BUY"}, 1),
        ({"CertificateSource": "UPLOAD"}, 0),
        ({"CertificateStatus": "issued"}, 1),
        ({"CertificateStatus": "expired"}, 0),
        ({"Keyword": entry["CertificateId"]}, 1),
        ({"Keyword": "nowhere"}, 0),
        ({"CurrentPage": 2}, 0),
    ):
        assert len(account.do("ListCertificates", **filters)["CertificateList"]) == found, filters


def test_only_the_latest_certificate_can_be_revoked(service, account):
    instance = account.issued()
    old = account.get(instance)["CertificateId"]
    account.do("ApplyCertificate", InstanceId=instance)
    account.happen(instance, "certificate_issued")
    account.refused("InvalidCertificateId", "RevokeCertificate", InstanceId=instance, CertificateId=old)
    account.do("RevokeCertificate", InstanceId=instance)
    account.advance(60)
    listed = account.do("ListCertificates", InstanceId=instance)["CertificateList"]
    assert [entry["CertificateStatus"] for entry in listed] == ["issued", "revoked"]
    assert account.get(instance)["CertificateRevokeTime"] == service.clock.now() * 1000


# -- between the two products ------------------------------------------------------------------------------------------


def test_an_operation_of_orders_on_an_instance_is_no_error_of_its_state(service, account):
    instance = account.unused()
    for operation in (Operation.DESCRIBE, Operation.CANCEL, Operation.DELETE, Operation.CANCEL_FOR_PACKAGE):
        assert call(service, operation, OrderId=instance).json["Code"] == "InvalidOrderId"
    number = instance.rpartition("-")[2]
    assert call(service, Operation.DESCRIBE, OrderId=number).json["Code"] == "NotFoundOrder"
    for named in (instance, number):
        assert call(service, Operation.RENEW, OrderId=named).json["Code"] == "InsufficientQuota"
    response = call(service, Operation.CREATE_FOR_PACKAGE, Domain="a.example.com", ProductCode=instance)
    assert (response.status, response.json["Code"]) == (400, "InsufficientQuota")
    assert call(service, Operation.RENEW, OrderId="cas-cn-1").json["Code"] == "InvalidOrderId"


def test_an_operation_of_instances_on_an_order_finds_nothing(service, account):
    order = created(service)
    for instance in (f"cas-ivauto-{order}", str(order), f"cas-cn-{order}"):
        account.refused("NotFound", "GetInstanceDetail", InstanceId=instance)
        account.refused("NotFound", "RefundInstance", InstanceId=instance)
