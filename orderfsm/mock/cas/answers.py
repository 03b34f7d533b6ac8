"""What the API port writes of an order and of a package: the fields that the documents name."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, cast

from .instances.details import certificate_id

if TYPE_CHECKING:
    from orderfsm.mock.records import Package, Record

INSTANCE = "cas-ivauto-"
ALIYUN_ORDER = 200_000_000_000
"""What the number of a purchase is more than that of what was bought."""


def state_of(record: Record, word: str | None) -> dict[str, Any]:
    """What DescribeCertificateState answers of an order whose `Type` is `word`."""
    match word:
        case "domain_verify":
            fields: dict[str, Any] = dict(validation_of(record))
        case "certificate":
            fields = {"CertId": str(certificate_id(cast("int", record.id))), "Certificate": record.certificate}
            if record.private_key is not None:
                fields["PrivateKey"] = record.private_key
        case _:
            fields = {}
    return {"Type": word, **fields}


def instance_id(record: Record) -> str:
    """The id of an order as a resource."""
    return f"{INSTANCE}{record.id}"


def order_of_instance(text: str) -> int | None:
    """The OrderId of the order whose instance id is `text`; None if it is no instance id."""
    number = text.removeprefix(INSTANCE)
    return int(number) if text != number and number.isascii() and number.isdigit() and len(number) < 19 else None


def validation_of(record: Record) -> dict[str, str]:
    """What the owner of an order's domain has to publish, by the names that DescribeCertificateState gives it."""
    domain = record.domains[0].removeprefix("*.")
    token = hashlib.sha256(f"{record.id} {domain}".encode()).hexdigest()[:32]
    if record.validate_type == "FILE":
        uri = "/.well-known/pki-validation/fileauth.txt"
        return {"ValidateType": "FILE", "Domain": domain, "Uri": uri, "Content": token}
    record_domain = f"_dnsauth.{domain}"
    return {"ValidateType": "DNS", "RecordDomain": record_domain, "RecordType": "TXT", "RecordValue": token}


def order(record: Record, status: str | None) -> dict[str, Any]:
    """An entry of ListUserCertificateOrder (`OrderType` CPACK) of an order whose `Status` is that."""
    wild = sum(name.startswith("*.") for name in record.domains)
    plain = len(record.domains) - wild
    if len(record.domains) == 1:
        kind = "WILDCARD" if wild else "ONE"
    else:
        kind = "MIX" if plain and wild else "M_WILDCARD" if wild else "MULTIPLE"
    fields = {
        "OrderId": record.id,
        "InstanceId": instance_id(record),
        "AliyunOrderId": cast("int", record.id) + ALIYUN_ORDER,
        "Domain": ",".join(record.domains),
        "DomainCount": plain,
        "WildDomainCount": wild,
        "DomainType": kind,
        "ProductCode": record.product_code,
        "ProductName": record.product_code,
        "CertType": type_of(record).upper(),
        "Algorithm": "ECC" if record.csr is None else None,
        "BuyDate": _milliseconds(record.created),
        "CertStartTime": _milliseconds(record.issued),
        "CertEndTime": _milliseconds(record.expires),
        "SourceType": "cpack",
        "TrusteeStatus": "unTrustee",
        "Status": status,
    }
    return {name: value for name, value in fields.items() if value is not None}


def type_of(record: Record) -> str:
    """The kind of certificate that an order is for, by its package: `free`, `dv`, `ov` or `ev`."""
    return next((kind for kind in ("free", "ov", "ev") if f"-{kind}-" in record.product_code), "dv")


def package(package: Package) -> dict[str, Any]:
    """What DescribePackageState answers."""
    return {
        "ProductCode": package.product_code,
        "TotalCount": package.total,
        "UsedCount": package.used,
        "IssuedCount": package.issued,
    }


def package_counts(packages: list[Package]) -> dict[str, Any]:
    """What GetCertificatePackageCount answers: five texts, JSON each."""
    counts = {"TotalCount": sum(each.total for each in packages), "UsedCount": sum(each.used for each in packages)}
    nothing = {"TotalCount": 0, "UsedCount": 0}
    documents: dict[str, Any] = {
        "ProductCountList": [
            {"ProductCode": each.product_code, "TotalCount": each.total, "UsedCount": each.used} for each in packages
        ],
        "TotalCountDetail": counts,
        "TrusteeCountDetail": nothing,
        "NoticeCountDetail": nothing,
        "ProxyCountDetail": nothing,
    }
    return {name: json.dumps(document, separators=(",", ":")) for name, document in documents.items()}


def _milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds * 1000)
