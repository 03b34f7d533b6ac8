"""What the API port writes of an instance and of its certificates: the fields that the documents name.

A field that has nothing to say is absent.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from orderfsm.mock.cas.answers import instance_id, type_of
from orderfsm.mock.cas.ca import CA_NAME
from orderfsm.mock.dns.names import root_of
from orderfsm.rows import ABSENT, DAY

from .details import BUY, Certificate, Details, certificate_id, details_of
from .words import CERTIFICATE_STATUS, EXPIRED, REVOKED, STATUS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orderfsm.identity import Id
    from orderfsm.mock.records import Record

    from .words import Words

BRANDS = {"ws": "WoSign", "geo": "GeoTrust", "ss": "DigiCert", "gs": "GlobalSign", "cfca": "CFCA", "vtrus": "vTrus"}
WAITING = {"DV": 900, "OV": 5 * DAY, "EV": 5 * DAY}
"""Seconds until a certificate of that type is issued: 15 minutes, and five calendar days (the operation guide)."""

TASK_STATUS = "TaskStatus"
REGION = "cn-hangzhou"
ADDRESS = {"City": "Beijing", "Province": "Beijing", "CountryCode": "CN"}
_IN_LISTS_ALONE = ("CertificateDomain", "VersionType")
_ECHOED = ("KeyAlgorithm", "GenerateCsrMethod", "ValidationMethod", "AutoReissue", "CertificateName", "ContactIdList")
_DEFAULTS = {"KeyAlgorithm": "RSA_2048", "GenerateCsrMethod": "online", "ValidationMethod": "DNS"}


_REMEMBERED = 4096
"""Parts of answers that are kept: what many reads, and many instances, have in common."""

_AS_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Issued(NamedTuple):
    """A certificate, the word that says how it stands, and the instance id of what it is a part of.

    `record` is the order or the instance to which it was issued; None if it was uploaded.
    """

    certificate: Certificate
    word: str
    resource: str
    record: Record | None

    @property
    def is_uploaded(self) -> bool:
        """Whether its owner had it from somewhere else."""
        return self.record is None

    @property
    def common_name(self) -> str:
        """The first domain that it is for."""
        return next(iter(self.certificate.domains), "")

    @property
    def chain(self) -> list[x509.Certificate]:
        """The certificates in its text, which is there: its own is the first."""
        assert self.certificate.pem is not None
        return x509.load_pem_x509_certificates(self.certificate.pem.encode())

    @property
    def issuer(self) -> str:
        """Who issued it."""
        return name_of(self.chain[0].issuer) if self.is_uploaded else CA_NAME


class Answers:
    """Writes answers with the words of `words`, and times in milliseconds, or `in_seconds`."""

    def __init__(self, words: Words, *, in_seconds: bool) -> None:
        self._words = words
        self._unit = 1 if in_seconds else 1000
        self._in_list = lru_cache(_REMEMBERED)(self._in_list_of)
        self._in_detail = lru_cache(_REMEMBERED)(self._in_detail_of)

    # -- instances ---------------------------------------------------------------------------------------------------

    def detail(self, record: Record, now: float) -> dict[str, Any]:
        """What GetInstanceDetail answers."""
        return json.loads(self.written_detail(record, now))  # type: ignore[no-any-return]  # an object

    def written_detail(self, record: Record, now: float) -> str:
        """The same as JSON."""
        own = _AS_JSON(self._own(record, now))
        said = self._in_detail(record.details, record.domains, record.csr, record.tags)
        if not self._words.is_shown(record, now):
            return f"{own[:-1]},{said}"
        return f'{own[:-1]},"DomainValidationList":{validations_of(record)},{said}'

    def entry(self, record: Record, now: float) -> dict[str, Any]:
        """An entry of ListInstances."""
        return self._own(record, now) | self._in_list(record.details, record.domains)

    def _own(self, record: Record, now: float) -> dict[str, Any]:
        """What is of one instance alone, and of the time `now`."""
        words = self._words
        details = details_of(record.details)
        certificate, ends = words.certificate(record, now), self._time(record.ends)
        status, began = words.status(record, now), self._time(record.created)
        own: dict[str, Any] = {"InstanceId": record.id, STATUS: status, "OrderStartTime": began}
        if certificate != ABSENT:
            own[CERTIFICATE_STATUS] = certificate
        if ends is not None:
            own["OrderEndTime"] = ends
            if details.certificates:
                own["InstanceEndTime"] = ends
        return own

    def _in_list_of(self, text: str, domains: tuple[str, ...]) -> dict[str, Any]:
        """The rest of an entry of ListInstances."""
        details = details_of(text)
        fields = {
            "InstanceType": details.sort,
            "Spec": details.spec,
            "Brand": BRANDS.get(details.brand, details.brand),
            "CertificateType": details.grade,
            "FullDomainCount": details.full,
            "WildcardDomainCount": details.wild,
            "Domain": ",".join(domains),
            "CertificateName": details.data.get("CertificateName"),
            "AutoReissue": details.data.get("AutoReissue"),
            "KeyAlgorithm": details.data.get("KeyAlgorithm", _DEFAULTS["KeyAlgorithm"]) if domains else None,
            "ResourceGroupId": details.data.get("ResourceGroupId"),
            "PendingResult": details.result,
            "VersionType": "basic",
        }
        if details.certificates:
            latest = details.certificates[-1]
            fields |= {
                "InstanceStartTime": self._time(details.certificates[0].issued),
                "CertificateId": latest.id,
                "CertIdentifier": identifier(latest),
                "CertificateDomain": ",".join(latest.domains),
                "CertificateNotBefore": self._time(latest.issued),
                "CertificateNotAfter": self._time(latest.expires),
                "CertificateRevokeTime": self._time(latest.revoked),
            }
        return _filled(fields)

    def _in_detail_of(
        self, text: str, domains: tuple[str, ...], csr: str | None, tags: tuple[tuple[str, str], ...]
    ) -> str:
        """The rest of what GetInstanceDetail answers, as JSON and without the brace before it."""
        details = details_of(text)
        listed = {name: value for name, value in self._in_list(text, domains).items() if name not in _IN_LISTS_ALONE}
        said = _filled(
            {
                **listed,
                "AverageWaitingTime": str(WAITING[details.grade]),
                "AutoReissueFlag": 1,
                "UpgradeStatus": "none",
                **_said(details, domains),
                "Csr": csr,
                "Tags": [{"TagKey": key, "TagValue": value} for key, value in tags] or None,
            }
        )
        return _AS_JSON(said)[1:]

    def order(self, record: Record, status: str, certificate_status: str | None) -> dict[str, Any]:
        """An entry of ListInstances of a V1.0 order that has these words there."""
        wild = sum(name.startswith("*.") for name in record.domains)
        kind = type_of(record)
        fields = {
            "InstanceId": instance_id(record),
            STATUS: status,
            CERTIFICATE_STATUS: certificate_status,
            "InstanceType": BUY,
            "Spec": record.product_code,
            "CertificateType": "DV" if kind == "free" else kind.upper(),
            "Domain": ",".join(record.domains),
            "FullDomainCount": len(record.domains) - wild,
            "WildcardDomainCount": wild,
            "OrderStartTime": self._time(record.created),
        }
        if record.issued is not None:
            identified = certificate_id(record.number)
            fields |= {
                "CertificateId": identified,
                "CertificateName": f"cert-{identified}",
                "CertificateNotBefore": self._time(record.issued),
                "CertificateNotAfter": self._time(record.expires),
            }
        return _filled(fields)

    def stale(self, record: Record, now: float) -> dict[str, Any]:
        """What GetInstanceDetail would have answered before the last change, as far as the words go."""
        before = self._words.before(record, now)
        answer = self.detail(record, now)
        if before is None:
            return answer
        kept = {name: value for name, value in answer.items() if name != "DomainValidationList"}
        return _filled(kept | {STATUS: before[0], CERTIFICATE_STATUS: before[1] or None})

    def task(self, record: Record) -> dict[str, Any]:
        """What GetTaskAttribute answers: nothing where nothing was ever submitted."""
        task = details_of(record.details).task
        return _filled({TASK_STATUS: task, "TaskMessage": None if task is None else f"the submission: {task}"})

    # -- certificates ------------------------------------------------------------------------------------------------

    def certificate(self, issued: Issued) -> dict[str, Any]:
        """An entry of ListCertificates, in which the id is a text."""
        certificate = issued.certificate
        return {
            "CertificateId": str(certificate.id),
            "CertIdentifier": identifier(certificate),
            "CertificateName": certificate.name,
            "CertificateSource": certificate.sort,
            CERTIFICATE_STATUS: issued.word,
            "InstanceId": issued.resource,
            "CommonName": issued.common_name,
            "Domain": ",".join(certificate.domains),
            "SubjectAlternativeNames": list(certificate.domains),
            "Issuer": issued.issuer,
            "NotBefore": self._time(certificate.issued),
            "NotAfter": self._time(certificate.expires),
            "ExistPrivateKey": certificate.csr is None,
        }

    def in_orders(self, issued: Issued) -> dict[str, Any]:
        """An entry of ListUserCertificateOrder (`OrderType` CERT or UPLOAD)."""
        certificate = issued.certificate
        return {
            "CertificateId": certificate.id,
            "InstanceId": issued.resource,
            "Name": certificate.name,
            "CommonName": issued.common_name,
            "Sans": ",".join(certificate.domains),
            "Issuer": issued.issuer,
            "StartDate": _date(certificate.issued),
            "EndDate": _date(certificate.expires),
            "Expired": issued.word in {EXPIRED, REVOKED},
            "Upload": issued.is_uploaded,
        }

    def certificate_detail(self, issued: Issued, now: float) -> dict[str, Any]:
        """What GetCertificateDetail answers of a certificate whose texts are there: neither them nor the key."""
        chain = issued.chain
        algorithm, size = _key(chain[0])
        details = None if issued.record is None else issued.record.details
        is_order = issued.record is None or not isinstance(issued.record.id, str)
        return _filled(
            {
                **self.certificate(issued),
                "CertificateId": issued.certificate.id,
                "Algorithm": algorithm,
                "KeySize": size,
                "Serial": f"{chain[0].serial_number:X}",
                "FingerPrint": chain[0].fingerprint(hashes.SHA1()).hex().upper(),  # noqa: S303  (what is documented)
                "Csr": issued.certificate.csr,
                "CompanyId": None if is_order or details is None else details_of(details).data.get("CompanyId"),
                "CertificateChainList": [
                    {"Subject": name_of(each.subject), "Issuer": name_of(each.issuer), **self._validity(each, now)}
                    for each in chain
                ],
            }
        )

    def download(self, issued: Issued, now: float, *, bare: bool) -> dict[str, Any]:
        """What GetUserCertificateDetail answers of a certificate whose texts are there; `bare`, without them."""
        certificate, record, chain = issued.certificate, issued.record, issued.chain
        texts = {} if bare else {"Cert": certificate.pem, "Key": certificate.key}
        tags = () if record is None else record.tags
        return _filled(
            {
                "Id": certificate.id,
                "CertIdentifier": identifier(certificate),
                "InstanceId": issued.resource,
                "OrderId": record.id if record is not None and isinstance(record.id, int) else None,
                "Name": certificate.name,
                "Common": issued.common_name,
                "Sans": ",".join(certificate.domains),
                "Issuer": issued.issuer,
                "Algorithm": _key(chain[0])[0],
                "SerialNo": f"{chain[0].serial_number:X}",
                "Fingerprint": chain[0].fingerprint(hashes.SHA1()).hex().upper(),  # noqa: S303  (what is documented)
                "CertSha2": chain[0].fingerprint(hashes.SHA256()).hex().upper(),
                "StartDate": _date(certificate.issued),
                "EndDate": _date(certificate.expires),
                "NotBefore": self._time(certificate.issued),
                "NotAfter": self._time(certificate.expires),
                "Expired": issued.word == EXPIRED,
                "BuyInAliyun": not issued.is_uploaded,
                "CertChain": [
                    {
                        "CommonName": name_of(each.subject),
                        "IssuerCommonName": name_of(each.issuer),
                        **self._validity(each, now),
                    }
                    for each in chain
                ],
                "Tags": [{"TagKey": key, "TagValue": value} for key, value in tags] or None,
                **texts,
            }
        )

    def _validity(self, certificate: x509.Certificate, now: float) -> dict[str, Any]:
        begins, ends = certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp()
        return {
            "NotBefore": self._time(begins),
            "NotAfter": self._time(ends),
            "RemainDay": max(0, int(ends - now) // DAY),
        }

    def _time(self, seconds: float | None) -> int | None:
        return None if seconds is None else int(seconds * self._unit)


def identifier(certificate: Certificate) -> str:
    """The global id of a certificate."""
    return f"{certificate.id}-{REGION}"


def _said(details: Details, domains: tuple[str, ...]) -> dict[str, Any]:
    """What UpdateInstance was told, and what takes its place: no address but that of a company."""
    if not (details.data or domains):
        return {}
    echoed = {name: details.data.get(name, _DEFAULTS.get(name)) for name in _ECHOED}
    company = details.data.get("CompanyId")
    address = ADDRESS if company is None else {name: details.data.get(name, city) for name, city in ADDRESS.items()}
    return {**echoed, **address, "CompanyId": company if details.applications else None}


def validations_of(record: Record) -> str:
    """What the owner of an instance's domains has to publish, as JSON."""
    details = details_of(record.details)
    by_file = details.data.get("ValidationMethod") == "HTTP"
    return _validations(record.id, details.applications, record.domains, by_file=by_file)


@lru_cache(_REMEMBERED)
def _validations(instance: Id, applications: int, domains: tuple[str, ...], *, by_file: bool) -> str:
    """What the owner has to publish for an application, as JSON: with new values for each one of an instance."""
    return _AS_JSON(
        [
            {
                "Domain": domain,
                "RootDomain": root_of(domain),
                "ValidationType": "HTTP" if by_file else "TXT",
                "ValidationKey": "/.well-known/pki-validation/fileauth.txt" if by_file else "_dnsauth",
                "ValidationValue": hashlib.sha256(f"{instance} {applications} {domain}".encode()).hexdigest()[:32],
            }
            for domain in dict.fromkeys(name.removeprefix("*.") for name in domains)
        ]
    )


def _filled(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None and value != ABSENT}


def _key(leaf: x509.Certificate) -> tuple[str, int | None]:
    key = leaf.public_key()
    return "RSA" if isinstance(key, rsa.RSAPublicKey) else "ECC", getattr(key, "key_size", None)


def name_of(name: x509.Name) -> str:
    """The common name of a subject or an issuer; whatever it says first if it has none."""
    common = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return next((str(each.value) for each in (*common, *name)), "")


def _date(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()
