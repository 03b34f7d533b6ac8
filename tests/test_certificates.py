"""Certificates by their own ids: those of orders and of instances, and those that their owner uploads."""

from __future__ import annotations

from contextlib import closing

import pytest

pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from orders import call, order_in
from stores import KINDS, opened
from test_store import at_once

from orderfsm import ORDER_LIFECYCLE, State
from orderfsm.mock import Service
from orderfsm.mock.clock import Clock

pytest_plugins = ["postgres"]

NOW = 1_790_000_000.0
DAY = 86_400
CERTIFIED = [rule.state for rule in ORDER_LIFECYCLE.states if rule.certified]
REMOVABLE = {State.EXPIRED, State.REVOKED}
INSTANCES = ["issued", "about_to_expire", "certificate_expired", "revoked"]


@pytest.fixture
def service():
    """A service at a time that goes by only where a test moves the clock."""
    return Service(clock=Clock(lambda: NOW))


def done(service, action, **parameters):
    """What a call that succeeds answers."""
    response = call(service, action, **parameters)
    assert response.status == 200, response.json
    return response.json


def refused(service, code, action, **parameters):
    """A call that is refused with that code."""
    response = call(service, action, **parameters)
    assert (response.status, response.json.get("Code")) == (400, code), response.json


def made(domains=("a.example.com",), *, days=90, key=None, common="a.example.com"):
    """A certificate in PEM that somebody else issued, and its key."""
    key = ec.generate_private_key(ec.SECP256R1()) if key is None else key
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
    begins = datetime.fromtimestamp(NOW, UTC) - timedelta(days=10)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "another CA")]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=10 + days))
    )
    if domains:
        names = x509.SubjectAlternativeName([x509.DNSName(each) for each in domains])
        builder = builder.add_extension(names, critical=False)
    text = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
    form = serialization.PrivateFormat.TraditionalOpenSSL
    return text, key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


def uploaded(service, name="mine", **fields):
    """The id of a certificate that was uploaded."""
    certificate, key = made(**fields)
    return done(service, "UploadUserCertificate", Name=name, Cert=certificate, Key=key)["CertId"]


def listed(service, order_type="CERT", **parameters):
    """The ids of the certificates that ListUserCertificateOrder lists, and their number."""
    answer = done(service, "ListUserCertificateOrder", OrderType=order_type, **parameters)
    return [entry["CertificateId"] for entry in answer["CertificateOrderList"]], answer["TotalCount"]


def of_order(service, order_id):
    """The id of an order's certificate."""
    return done(service, "DescribeCertificateState", OrderId=order_id)["CertId"]


# -- what is answered --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", CERTIFIED)
def test_the_certificate_of_an_order_says_of_which_order_it_is(service, state):
    order = order_in(service, state, Tags_1_Key="team", Tags_1_Value="web")
    detail = done(service, "GetUserCertificateDetail", CertId=of_order(service, order))
    assert (detail["OrderId"], detail["InstanceId"]) == (order, f"cas-ivauto-{order}")
    assert (detail["Tags"], detail["BuyInAliyun"]) == ([{"TagKey": "team", "TagValue": "web"}], True)
    state_text = done(service, "DescribeCertificateState", OrderId=order)
    assert (detail["Cert"], detail["Key"]) == (state_text["Certificate"], state_text["PrivateKey"])


@pytest.mark.parametrize("state", [state for state in State if state not in CERTIFIED])
def test_an_order_without_a_certificate_has_none_to_download(service, state):
    order = order_in(service, state)
    refused(service, "NotFound", "GetUserCertificateDetail", CertId=7_000_001)
    refused(service, "NotFound", "GetUserCertificateDetail", CertId=order)
    refused(service, "NotFound", "DeleteUserCertificate", CertId=7_000_001)


@pytest.mark.parametrize("action", ["GetUserCertificateDetail", "DeleteUserCertificate"])
@pytest.mark.parametrize("wrong", ["x", "0", "-1", "1.5", "9" * 20, " 7"])
def test_an_id_that_is_none_is_refused_by_its_name(service, action, wrong):
    refused(service, "InvalidCertId", action, CertId=wrong)
    refused(service, "MissingCertId", action)


# -- deletion ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", CERTIFIED)
def test_a_certificate_of_an_order_is_deleted_where_it_expired_or_was_revoked(service, state):
    order = order_in(service, state)
    certificate = of_order(service, order)
    if state not in REMOVABLE:
        refused(service, "InvalidStatus.DeleteProtection", "DeleteUserCertificate", CertId=certificate)
        done(service, "GetUserCertificateDetail", CertId=certificate)
        return
    status = {State.EXPIRED: "EXPIRED", State.REVOKED: "REVOKED"}[state]
    assert listed(service, Status=status) == ([int(certificate)], 1)
    assert done(service, "DeleteUserCertificate", CertId=certificate).keys() == {"RequestId"}
    assert listed(service, Status=status) == listed(service, Status=status, Keyword=f"cas-ivauto-{order}") == ([], 0)
    assert done(service, "ListCertificates")["TotalCount"] == 0
    for action, name in (
        ("GetUserCertificateDetail", "CertId"),
        ("GetCertificateDetail", "CertificateId"),
        ("DeleteUserCertificate", "CertId"),
    ):
        refused(service, "NotFound", action, **{name: certificate})
    assert service.order(order).state is state


@pytest.mark.parametrize("state", INSTANCES)
def test_a_certificate_of_an_instance_is_deleted_where_it_expired_or_was_revoked(service, state):
    instance = service.begin_instance(state, {"Domain": "a.example.com"}).id
    certificate = done(service, "GetInstanceDetail", InstanceId=instance)["CertificateId"]
    if state in {"issued", "about_to_expire"}:
        refused(service, "InvalidStatus.DeleteProtection", "DeleteUserCertificate", CertId=certificate)
        return
    done(service, "GetUserCertificateDetail", CertId=certificate)
    done(service, "DeleteUserCertificate", CertId=certificate)
    refused(service, "NotFound", "GetUserCertificateDetail", CertId=certificate)
    assert done(service, "ListCertificates", InstanceId=instance)["CertificateList"] == []
    assert "PRIVATE" not in service.store.get(instance).details


def test_a_deletion_with_one_client_token_is_one_deletion(service):
    first, second = (of_order(service, order_in(service, State.REVOKED)) for _ in range(2))
    for _ in range(2):
        done(service, "DeleteUserCertificate", CertId=first, ClientToken="t")
    refused(service, "NotFound", "DeleteUserCertificate", CertId=first, ClientToken="u")
    done(service, "DeleteUserCertificate", CertId=second, ClientToken="t")
    refused(service, "NotFound", "DeleteUserCertificate", CertId=second)


@pytest.mark.parametrize("kind", KINDS)
def test_of_those_that_delete_a_certificate_at_one_time_one_does(kind, request, tmp_path):
    with closing(opened(kind, request, tmp_path)) as store:
        service = Service(store=store)
        revoked = service.begin("revoked", {"Domain": "a.example.com"}).id
        for certificate in (of_order(service, revoked), uploaded(service, days=9_999)):
            answers = at_once(lambda _, it=certificate: call(service, "DeleteUserCertificate", CertId=it).json, 4)
            assert sorted(answer.get("Code", "") for answer in answers) == ["", *["NotFound"] * 3]


# -- lists -------------------------------------------------------------------------------------------------------------


def test_pages_of_certificates_go_on_with_those_that_were_uploaded(service):
    orders = [int(of_order(service, order_in(service, State.ISSUED, Domain=f"h{n}.example.com"))) for n in range(3)]
    own = [uploaded(service, f"mine{n}", domains=[f"u{n}.example.com"]) for n in range(3)]
    assert listed(service) == ([*orders, *own], 6)
    pages = [listed(service, ShowSize=2, CurrentPage=page) for page in range(1, 5)]
    assert pages == [(orders[:2], 6), ([orders[2], own[0]], 6), (own[1:], 6), ([], 6)]
    assert listed(service, "UPLOAD") == (own, 3)
    assert listed(service, "UPLOAD", ShowSize=2, CurrentPage=2) == (own[2:], 3)
    assert listed(service, Keyword="u1") == ([own[1]], 1)
    assert listed(service, Keyword=f"cas-upload-{own[2]}") == ([own[2]], 1)
    assert listed(service, Keyword="h1") == ([orders[1]], 1)
    for order_type in ("CPACK", "BUY"):
        found = done(service, "ListUserCertificateOrder", OrderType=order_type)["TotalCount"]
        assert found == (3 if order_type == "CPACK" else 0)


def test_expired_certificates_are_listed_where_that_is_asked_for(service):
    kept, gone = uploaded(service, "kept", days=20), uploaded(service, "gone", days=5)
    expired = [of_order(service, order_in(service, State.EXPIRED, Domain=f"h{n}.example.com")) for n in range(4)]
    done(service, "DeleteUserCertificate", CertId=expired[1])
    service.advance(6 * DAY)
    assert listed(service) == ([kept], 1)
    assert listed(service, Status="WILLEXPIRED") == ([kept], 1)
    assert listed(service, Status="ISSUED") == ([], 0)
    left = [int(expired[at]) for at in (0, 2, 3)]
    assert listed(service, Status="EXPIRED") == ([*left, gone], 4)
    assert listed(service, Status="EXPIRED", ShowSize=2, CurrentPage=2) == ([left[2], gone], 4)
    assert listed(service, "UPLOAD", Status="EXPIRED") == ([gone], 1)
    assert listed(service, "UPLOAD", Status="REVOKED") == listed(service, "UPLOAD", Status="PAYED") == ([], 0)


# -- what is uploaded --------------------------------------------------------------------------------------------------


def test_a_certificate_that_was_uploaded_is_listed_downloaded_and_deleted(service):
    certificate, key = made(["a.example.com", "b.example.com"])
    answer = done(service, "UploadUserCertificate", Name="mine", Cert=certificate, Key=key)
    identifier = answer["CertId"]
    assert answer["ResourceId"] == f"cas-upload-{identifier}"
    detail = done(service, "GetUserCertificateDetail", CertId=identifier)
    assert (detail["Cert"], detail["Key"], detail["Name"]) == (certificate, key, "mine")
    assert (detail["Issuer"], detail["Common"], detail["Sans"]) == (
        "another CA",
        "a.example.com",
        "a.example.com,b.example.com",
    )
    assert (detail["BuyInAliyun"], detail["Expired"], "OrderId" in detail) == (False, False, False)
    assert [each["CommonName"] for each in detail["CertChain"]] == ["a.example.com"]
    bare = done(service, "GetUserCertificateDetail", CertId=identifier, CertFilter="true")
    assert not {"Cert", "Key"} & set(bare)
    entry = done(service, "ListUserCertificateOrder", OrderType="UPLOAD")["CertificateOrderList"][0]
    assert (entry["Upload"], entry["Name"], entry["Issuer"]) == (True, "mine", "another CA")
    found = done(service, "ListCertificates", CertificateSource="UPLOAD")["CertificateList"]
    assert [each["CertificateId"] for each in found] == [str(identifier)]
    assert done(service, "GetCertificateDetail", CertificateId=identifier)["CertificateSource"] == "UPLOAD"
    refused(service, "NameRepeat", "UploadUserCertificate", Name="mine", Cert=certificate, Key=key)
    done(service, "DeleteUserCertificate", CertId=identifier)
    refused(service, "NotFound", "GetUserCertificateDetail", CertId=identifier)
    again = done(service, "UploadUserCertificate", Name="mine", Cert=certificate, Key=key)["CertId"]
    assert again != identifier


def test_an_upload_with_one_client_token_is_one_certificate(service):
    certificate, key = made()
    each = {
        done(service, "UploadUserCertificate", Name="n", Cert=certificate, Key=key, ClientToken="t")["CertId"]
        for _ in range(2)
    }
    assert len(each) == 1
    refused(service, "NameRepeat", "UploadUserCertificate", Name="n", Cert=certificate, Key=key, ClientToken="u")


def test_a_certificate_without_alternative_names_is_for_its_common_name(service):
    entry = done(service, "GetUserCertificateDetail", CertId=uploaded(service, domains=(), common="cn.example.com"))
    assert entry["Sans"] == "cn.example.com"


def test_what_is_no_certificate_or_not_its_key_is_refused(service):
    certificate, key = made()
    _, other = made()
    expired, its_key = made(days=-1)
    good = {"Name": "n", "Cert": certificate, "Key": key}
    for changed, code in (
        ({"Name": ""}, "MissingName"),
        ({"Name": "n" * 65}, "InvalidName"),
        ({"Cert": ""}, "MissingCert"),
        ({"Cert": "text"}, "CertificateFormatException"),
        ({"Cert": key}, "CertificateFormatException"),
        ({"Cert": "", "SignCert": certificate}, "CertificateFormatException"),
        ({"Key": ""}, "MissingKey"),
        ({"Key": "text"}, "InvalidKey"),
        ({"Key": other}, "InvalidKey"),
        ({"Cert": expired, "Key": its_key}, "CertificateExpired"),
    ):
        refused(service, code, "UploadUserCertificate", **{**good, **changed})
    assert listed(service, "UPLOAD") == ([], 0)


@pytest.mark.parametrize("kind", KINDS)
def test_of_those_that_upload_by_one_name_at_one_time_one_does(kind, request, tmp_path):
    certificate, key = made(days=9_999)
    with closing(opened(kind, request, tmp_path)) as store:
        service = Service(store=store)
        upload = {"Name": "n", "Cert": certificate, "Key": key}
        codes = at_once(lambda _: call(service, "UploadUserCertificate", **upload).json.get("Code"), 4)
        assert sorted(codes, key=str) == ["NameRepeat"] * 3 + [None]
        assert len(listed(service, "UPLOAD")[0]) == 1
        service.reset()
        assert listed(service, "UPLOAD") == ([], 0)


def test_the_official_sdk_uploads_and_deletes():
    models = pytest.importorskip("alibabacloud_cas20200407.models", reason="the extra `client` is not installed")
    from orderfsm.mock import mock_cas

    certificate, key = made(days=9_999)
    with mock_cas(keys={"id": "secret"}) as server:
        client = server.client()
        request = models.UploadUserCertificateRequest(name="n", cert=certificate, key=key)
        identifier = client.upload_user_certificate(request).body.cert_id
        detail = client.get_user_certificate_detail(models.GetUserCertificateDetailRequest(cert_id=identifier)).body
        assert (detail.cert, detail.key, detail.id) == (certificate, key, identifier)
        client.delete_user_certificate(models.DeleteUserCertificateRequest(cert_id=identifier))
        assert server.service.store.notes("uploaded certificate") == {}
