"""Test CAs, and certificates for 127.0.0.1, made anew for each run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

DAYS = 30


def make_authority(folder: Path, name: str = "ca", *, crl: bool = False) -> tuple[Path, Path]:
    """Write a root's certificate and key, in PEM; with `crl` an empty list of revocations beside them, `NAME.crl`."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization

    key, subject = new_key(), _name(f"orderfsm test {name}")
    public = key.public_key()
    built = (
        _certificate(subject, subject, public)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_usage(crl_sign=True, key_cert_sign=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    ).sign(key, hashes.SHA256())
    if crl:
        now = datetime.now(UTC)
        revoked = x509.CertificateRevocationListBuilder(subject, now, now + timedelta(days=DAYS))
        content = revoked.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        folder.joinpath(f"{name}.crl").write_bytes(content)
    return _written(folder, name, built, key)


def make_certificate(folder: Path, authority: tuple[Path, Path], name: str = "localhost") -> tuple[Path, Path]:
    """Write a certificate of that authority, and its key, for 127.0.0.1 and localhost."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization

    root = x509.load_pem_x509_certificate(authority[0].read_bytes())
    signer = serialization.load_pem_private_key(authority[1].read_bytes(), None)
    key = new_key()
    names = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
    built = (
        _certificate(_name(name), root.subject, key.public_key())
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    ).sign(signer, hashes.SHA256())
    return _written(folder, name, built, key)


def new_key(*, rsa: bool = False):
    """A private key: of the kind that is made at once, or one of RSA."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric import rsa as older

    return older.generate_private_key(65537, 2048) if rsa else ec.generate_private_key(ec.SECP256R1())


def pem(key) -> bytes:
    """A private key as the programs read it."""
    from cryptography.hazmat.primitives import serialization

    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )


def _name(common):
    from cryptography import x509

    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common)])


def _certificate(subject, issuer, public):
    from cryptography import x509

    now = datetime.now(UTC)
    number = x509.random_serial_number()
    begin, end = now - timedelta(hours=1), now + timedelta(days=DAYS)
    return x509.CertificateBuilder(issuer, subject, public, number, begin, end)


def _usage(**used):
    from cryptography import x509

    uses = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    others = ("key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**(dict.fromkeys(uses + others, False) | used))


def _written(folder, name, certificate, key):
    from cryptography.hazmat.primitives import serialization

    paths = folder / f"{name}.pem", folder / f"{name}.key"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(pem(key))
    return paths
