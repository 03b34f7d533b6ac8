"""A throw-away certification authority: real certificates that nobody should trust."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, cast

import attrs
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from .gateway import invalid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

    from orderfsm.mock.records import Record
    from orderfsm.mock.stores.store import Store


MIN_RSA_BITS = 2048


def common_name(csr: str) -> str:
    """The CN of a PEM certificate signing request, for which the order is.

    `InvalidCsr` if it has none, is broken, or is for an RSA key of less than 2,048 bits.
    """
    try:
        request = x509.load_pem_x509_csr(csr.encode())
        names = request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        key = request.public_key()
        weak = isinstance(key, rsa.RSAPublicKey) and key.key_size < MIN_RSA_BITS
        if names and request.is_signature_valid and not weak:
            return str(names[0].value)
    except Exception as error:  # the parser's errors are of many kinds, and all mean the same here
        raise invalid("Csr", "a certificate signing request in PEM") from error
    raise invalid("Csr", f"a signed request with a common name, and {MIN_RSA_BITS} bits or more if it is RSA")


def names_in(certificate: x509.Certificate) -> tuple[str, ...]:
    """The domains that a certificate is for; its common name where it lists none."""
    try:
        listed = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = listed.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        names = []
    return tuple(names or [str(each.value) for each in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)])


MAX_COMMON_NAME = 64
"""Characters that a common name may have (RFC 5280)."""

CA_NAME = "orderfsm throw-away CA"


class CertificateAuthority:
    """Issues certificates under one root for all processes that serve a store, made by the first of them."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @cached_property
    def _root(self) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        pem = self._store.setting("certification authority", _new_root).encode()
        key = serialization.load_pem_private_key(pem, None)
        return x509.load_pem_x509_certificate(pem), cast("ec.EllipticCurvePrivateKey", key)

    def certify(self, record: Record) -> Record:
        """An issued order with its certificate, and with its key unless that is the applicant's."""
        assert record.issued is not None
        assert record.expires is not None
        certificate, key = self.issue(record.domains, record.issued, record.expires, record.csr)
        return attrs.evolve(record, certificate=certificate, private_key=key)

    def issue(self, domains: Sequence[str], begins: float, ends: float, csr: str | None) -> tuple[str, str | None]:
        """A PEM chain for `domains`, valid from `begins` to `ends` (seconds since the epoch), and its PEM key.

        The key is the request's if there is a `csr`, and then unknown here: None.
        """
        root, root_key = self._root
        if csr is None:
            key = ec.generate_private_key(ec.SECP256R1())
            public: CertificatePublicKeyTypes = key.public_key()
            private: str | None = _pem_of_key(key)
        else:
            public, private = x509.load_pem_x509_csr(csr.encode()).public_key(), None
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name(_subject(domains[0])))
            .issuer_name(root.subject)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(datetime.fromtimestamp(begins, UTC))
            .not_valid_after(datetime.fromtimestamp(ends, UTC))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in domains]), critical=False)
            .sign(root_key, hashes.SHA256())
        )
        return _pem(certificate) + _pem(root), private


def _subject(domain: str) -> list[x509.NameAttribute[str]]:
    """The common name, if the domain fits into one; the alternative names say it in any case."""
    return [x509.NameAttribute(NameOID.COMMON_NAME, domain)] if len(domain) <= MAX_COMMON_NAME else []


def _new_root() -> str:
    """A self-signed root and its key, in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, CA_NAME)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=3650))
        .not_valid_after(now + timedelta(days=36500))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    return _pem(certificate) + _pem_of_key(key)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _pem_of_key(key: ec.EllipticCurvePrivateKey) -> str:
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(encoding, form, serialization.NoEncryption()).decode()
