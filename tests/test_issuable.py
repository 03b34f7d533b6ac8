"""What the mock accepts an order for, it can issue a certificate for, and describe."""

from __future__ import annotations

import warnings

import pytest

pytest.importorskip("cryptography", reason="the extra `mock` is not installed")

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519
from cryptography.x509.oid import NameOID
from hypothesis import event, example, given
from hypothesis import strategies as st
from orders import CONTACT, call, order_in

from orderfsm import Event, Operation, State
from orderfsm.mock import Service

LETTERS = "aAzZ09-.*,_ \u212a\u017f\u0131\u0130\u00fc\u4f8b"
"""Those of a domain, and some that fold to them or look like them: Kelvin sign, long s, i with and without dot."""

DOMAINS = st.lists(st.text(LETTERS, min_size=1, max_size=8), min_size=1, max_size=3).map(".".join) | st.text(min_size=1)
KEY = ec.generate_private_key(ec.SECP256R1())


def signing_request(name, key=KEY):
    """A certificate signing request whose common name is `name`, whatever that is."""
    digest = None if isinstance(key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey) else hashes.SHA256()
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # of a name of more than 64 bytes
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name, _validate=False)])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, digest)
    return request.public_bytes(serialization.Encoding.PEM).decode()


def create(service, domain):
    return call(service, Operation.CREATE, Domain=domain, ValidateType="DNS", **CONTACT)


def create_for_package(service, domain):
    return call(service, Operation.CREATE_FOR_PACKAGE, Domain=domain)


def create_with_csr(service, domain):
    return call(service, Operation.CREATE_WITH_CSR, Csr=signing_request(domain), ValidateType="FILE", **CONTACT)


def create_for_package_with_csr(service, domain):
    return call(service, Operation.CREATE_FOR_PACKAGE, Csr=signing_request(domain))


def renew(service, domain):
    old = order_in(service, State.ABOUT_TO_EXPIRE)
    return call(service, Operation.RENEW, OrderId=old, Csr=signing_request(domain))


WAYS = [create, create_for_package, create_with_csr, create_for_package_with_csr, renew]


@given(st.sampled_from(WAYS), DOMAINS)
@example(create_with_csr, "a" * 60 + "\U00010000" * 5)
@example(create, "\u212a.example.com")
@example(create_for_package, "example.co\u017f")
@example(create_with_csr, "\u212a.example.com")
@example(create_for_package_with_csr, "a.example.com,b.example.com")
@example(renew, "\u4f8b.example.com")
@example(renew, "no domain")
@example(renew, "*.Example.COM")
@example(create, f"{'a' * 63}.{'b' * 63}.example.com")
def test_what_a_create_accepts_can_be_issued_and_described(way, domain):
    service = Service()
    answer = way(service, domain)
    event(f"{way.__name__} {answer.status}")
    if answer.status != 200:
        assert (answer.status, answer.json["Code"]) in [(400, "InvalidDomain"), (400, "InvalidCsr")]
        return
    order_id = answer.json["OrderId"]
    for step in [Event.SUBMITTED] * (way is renew) + [Event.DOMAIN_VALIDATED, Event.REVIEW_PASSED]:
        service.happen(order_id, step)
    body = call(service, Operation.DESCRIBE, OrderId=order_id).json
    assert names_of(body) == domain
    assert domain.isascii()


@pytest.mark.parametrize(
    "key",
    [
        *(ec.generate_private_key(curve()) for curve in (ec.SECP256K1, ec.SECP521R1, ec.BrainpoolP256R1)),
        ed25519.Ed25519PrivateKey.generate(),
        ed448.Ed448PrivateKey.generate(),
        dsa.generate_private_key(1024),
    ],
    ids=lambda key: key.curve.name if isinstance(key, ec.EllipticCurvePrivateKey) else type(key).__name__,
)
def test_a_key_of_any_kind_that_a_create_accepts_can_be_certified(key):
    service = Service()
    answer = call(service, Operation.CREATE_FOR_PACKAGE, Csr=signing_request("a.example.com", key))
    if answer.status != 200:
        assert (answer.status, answer.json["Code"]) == (400, "InvalidCsr")
        return
    for step in (Event.DOMAIN_VALIDATED, Event.REVIEW_PASSED):
        service.happen(answer.json["OrderId"], step)
    assert names_of(call(service, Operation.DESCRIBE, OrderId=answer.json["OrderId"]).json) == "a.example.com"


def names_of(body):
    """The domains of the certificate in the answer of a describe."""
    leaf = x509.load_pem_x509_certificates(body["Certificate"].encode())[0]
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return ",".join(names.get_values_for_type(x509.DNSName))
