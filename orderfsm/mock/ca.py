"""A throw-away certification authority: real certificates that nobody should trust."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from .message import invalid

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes


def common_name(csr: str) -> str:
    """The CN of a PEM certificate signing request, for which the order is; `InvalidCsr` if it has none or is broken."""
    try:
        request = x509.load_pem_x509_csr(csr.encode())
        names = request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        if names and request.is_signature_valid:
            return str(names[0].value)
    except Exception as error:  # the parser's errors are of many kinds, and all mean the same here
        raise invalid("Csr", "a certificate signing request in PEM") from error
    raise invalid("Csr", "a signed certificate signing request with a common name")


class CertificateAuthority:
    """Issues certificates under a root that it makes when first asked."""

    @cached_property
    def _root(self) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "orderfsm throw-away CA")])
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
        return certificate, key

    def issue(self, domains: list[str], begins: float, ends: float, csr: str | None) -> tuple[str, str | None]:
        """A PEM chain for `domains`, valid from `begins` to `ends` (seconds since the epoch), and its PEM key.

        The key is the request's if there is a `csr`, and then unknown here: None.
        """
        root, root_key = self._root
        if csr is None:
            key = ec.generate_private_key(ec.SECP256R1())
            public: CertificatePublicKeyTypes = key.public_key()
            private: str | None = key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ).decode()
        else:
            public, private = x509.load_pem_x509_csr(csr.encode()).public_key(), None
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, domains[0])]))
            .issuer_name(root.subject)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(datetime.fromtimestamp(begins, UTC))
            .not_valid_after(datetime.fromtimestamp(ends, UTC))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in domains]), critical=False)
            .sign(root_key, hashes.SHA256())
        )
        chain = (certificate, root)
        return "".join(c.public_bytes(serialization.Encoding.PEM).decode() for c in chain), private
