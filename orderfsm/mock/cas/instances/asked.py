"""What operations on instances and certificates ask for, read out of their parameters once."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from orderfsm.identity import MAX_ID
from orderfsm.invalid import InvalidValue
from orderfsm.mock.cas.ca import common_name, names_in
from orderfsm.mock.cas.gateway import GatewayError, invalid, missing
from orderfsm.mock.cas.given import are_domains, entries, number, tags, word
from orderfsm.mock.records import Application
from orderfsm.rows import DAY
from orderfsm.tables.instances import LIFECYCLE, Operation
from orderfsm.wire import vocabulary

from .details import BUY, TEST, Details, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PRODUCT = "cas"
PRODUCT_TYPES = ("cas", "cas_intl")
GRADES = ("dv", "ov", "ev")
SINGLE, WILDCARD, MULTIPLE, TRIAL = "f", "w", "m", "t"
DEFAULT_SPEC = Details().spec
LONGEST_LIST = 100
MAX_DOMAINS = 100
MAX_CONTACTS = 100
MONTH = 365 * DAY / 12
_CYCLES = {"1": 365 * DAY, "2": MONTH, "3": DAY}
"""Seconds of the billing API's PricingCycle: year, month and day."""

_CHOICES = re.compile(r"Parameter\.([0-9]{1,3})\.(?:Code|Value)")
_CONTACTS = re.compile(r"ContactIdList\.([0-9]{1,4})")
_SPEC = re.compile(rf"([a-z]{{1,16}})\.({'|'.join(GRADES)})\.([{SINGLE}{WILDCARD}{MULTIPLE}{TRIAL}])")


@attrs.frozen
class Purchase:
    """What is bought: an instance with `details`, for `period` seconds; `token` is what makes it one purchase."""

    details: str
    period: float
    token: str | None


@attrs.frozen
class Update:
    """What the next application shall say: `data` by the API's names, and the names, the request and the tags.

    Each is None, or not among `data`, where the call leaves what there is.
    """

    data: Mapping[str, Any]
    domains: tuple[str, ...] | None
    csr: str | None
    tags: tuple[tuple[str, str], ...] | None


@attrs.frozen
class Listing:
    """Which part of a list is asked for: a page of those that match every one of `filters`, fields by name."""

    page: int = 1
    size: int = 10
    keyword: str = ""
    filters: Mapping[str, Any] = attrs.field(factory=dict)

    def matches(self, entry: Mapping[str, Any]) -> bool:
        """Whether an entry of the list is what is asked for: each of the filters, and the keyword somewhere."""
        texts = (entry.get(name) or "" for name in ("Domain", "CertificateName", "InstanceId", "CertificateId"))
        if self.keyword and not any(self.keyword in str(text) for text in texts):
            return False
        return all(entry.get(name, _ALIKE.get(name)) == value for name, value in self.filters.items())

    def answer(self, name: str, entries: list[dict[str, Any]], total: int) -> dict[str, Any]:
        """The answer, with the `entries` of the page under that name, of `total` that match."""
        return {name: entries, "TotalCount": total, "CurrentPage": self.page, "ShowSize": self.size}


_ALIKE = {"AutoReissueFlag": 1, "ServerDeployFlag": 0}
"""What all instances of the mock are."""


@attrs.frozen
class OfCertificate:
    """Which certificate is asked for; None is the latest one. With `bare` it comes without its texts and its key.

    `token` is what makes a deletion one deletion.
    """

    certificate_id: int | None = None
    bare: bool = False
    token: str | None = None


@attrs.frozen
class Upload:
    """A certificate that its owner has: its texts, and what they say. Times are seconds since the epoch."""

    name: str
    pem: str = attrs.field(repr=False)
    key: str = attrs.field(repr=False)
    domains: tuple[str, ...]
    begins: float
    expires: float
    token: str | None


Asked: TypeAlias = Purchase | Update | Listing | OfCertificate | Upload


ON_AN_INSTANCE = ("InstanceId", "TaskId")
"""The parameters that name the instance of an operation: a submission goes by the id of its instance."""


def of_instance(_given: Mapping[str, str]) -> None:
    """What asks for nothing but an instance."""


# -- purchases ---------------------------------------------------------------------------------------------------------


@lru_cache(256)
def bought(
    spec: str = DEFAULT_SPEC, full: int | None = None, wildcard: int | None = None, wildcard_spec: str | None = None
) -> Details:
    """What an instance of `spec` is as bought, with so many exact and wildcard names; the billing API's error if none.

    Both kinds of names make it one for several domains, whose spec the service calls `.m`.
    """
    match = _SPEC.fullmatch(spec)
    other = _SPEC.fullmatch(wildcard_spec or spec)
    if match is None or other is None or match.group(1, 2) != other.group(1, 2):
        raise GatewayError(
            "COMMODITY.INVALID_COMPONENT",
            400,
            f"There is no such specification: expected brand.grade.kind as {DEFAULT_SPEC} has them.",
        )
    brand, grade, kind = match.groups()
    wild = kind == WILDCARD or wildcard_spec is not None
    full = full if full is not None else int(kind != WILDCARD)
    wildcard = wildcard if wildcard is not None else int(wild)
    if full and wildcard:
        kind = MULTIPLE
    if not full + wildcard:
        raise invalid("Parameter", "at least one domain")
    return Details(
        spec=f"{brand}.{grade}.{kind}",
        brand=brand,
        grade=grade.upper(),
        sort=TEST if kind == TRIAL else BUY,
        full=full,
        wild=wildcard,
    )


def settled(spec: str = DEFAULT_SPEC, domain: str | None = None) -> Application:
    """What a test asks of an instance that it does not buy: a year of `spec`, filled in with `domain`, a comma list.

    `InvalidValue` if there is no such specification, or if the domain does not fit it.
    """
    try:
        details = bought(spec)
    except GatewayError:
        raise InvalidValue("Spec", spec, [f"brand.grade.kind as in {DEFAULT_SPEC}"]) from None
    try:
        names = () if domain is None else _names(domain)
        fits(names, details)
    except GatewayError as error:
        raise InvalidValue("Domain", domain, [error.message.rpartition("expected ")[2].rstrip(".")]) from None
    return Application(names, period=12 * MONTH, details=text_of(details))


def purchase(given: Mapping[str, str]) -> Purchase:
    """What CreateInstance buys."""
    if given["ProductCode"] != PRODUCT:
        raise GatewayError("ProductCode.NotFound", 400, f"There is no such product here: expected {PRODUCT}.")
    if given.get("ProductType", PRODUCT) not in PRODUCT_TYPES:
        expected = " or ".join(PRODUCT_TYPES)
        raise GatewayError("COMMODITY.INVALID_COMPONENT", 400, f"There is no such product type: expected {expected}.")
    word(given, "SubscriptionType", ("Subscription",))
    cycle = word(given, "PricingCycle", tuple(_CYCLES), "2")
    period = number(given, "Period", 12, 3650) * _CYCLES[cycle]
    numbers = entries(given, _CHOICES)
    chosen = {given.get(f"Parameter.{n}.Code", ""): given.get(f"Parameter.{n}.Value", "") for n in numbers}
    wildcard_spec = chosen.get("wildcardSpec")
    details = bought(
        chosen.get("fullSpec") or wildcard_spec or DEFAULT_SPEC,
        _count(chosen, "fullDomainCount") if chosen.get("fullSpec") or not wildcard_spec else 0,
        _count(chosen, "wildcardDomainCount"),
        wildcard_spec,
    )
    return Purchase(text_of(details), period, given.get("ClientToken"))


def _count(chosen: Mapping[str, str], code: str) -> int | None:
    if not chosen.get(code):
        return None
    if re.fullmatch("[0-9]{1,3}", chosen[code]) and int(chosen[code]) <= MAX_DOMAINS:
        return int(chosen[code])
    raise invalid("Parameter", f"a {code} in 0 .. {MAX_DOMAINS}")


# -- what an application says ------------------------------------------------------------------------------------------

ONLINE, UPLOAD = "online", "upload"
_WORDS = {
    "ValidationMethod": ("DNS", "HTTP"),
    "GenerateCsrMethod": (ONLINE, UPLOAD),
    "KeyAlgorithm": ("RSA_2048", "RSA_3072", "RSA_4096", "ECC_256", "SM2"),
    "AutoReissue": ("enable", "disable"),
}
_TEXTS = ("CertificateName", "City", "Province", "CountryCode", "ResourceGroupId")


def update(given: Mapping[str, str]) -> Update:
    """What UpdateInstance changes."""
    data: dict[str, Any] = {name: word(given, name, words) for name, words in _WORDS.items() if name in given}
    data |= {name: given[name] for name in _TEXTS if name in given}
    if "CompanyId" in given:
        data["CompanyId"] = _id(given, "CompanyId")
    contacts = entries(given, _CONTACTS)
    if len(contacts) > MAX_CONTACTS:
        raise invalid("ContactIdList", f"at most {MAX_CONTACTS} contacts")
    if contacts:
        data["ContactIdList"] = [_id(given, f"ContactIdList.{n}", "ContactIdList") for n in contacts]
    names = _names(given["Domain"]) if "Domain" in given else None
    return Update(data, names, given.get("Csr"), tags(given, "TagKey", "TagValue") or None)


def _names(domain: str) -> tuple[str, ...]:
    names = tuple(domain.split(","))
    if len(names) <= MAX_DOMAINS and are_domains(names):
        return names
    raise invalid("Domain", f"1 to {MAX_DOMAINS} domain names")


def name_in(csr: str) -> str:
    """The domain for which an uploaded request is; `InvalidCsr` if it is for none."""
    name = common_name(csr)
    if not are_domains([name]):
        raise invalid("Csr", "one whose common name is a domain name")
    return name


def fits(domains: tuple[str, ...], details: Details) -> None:
    """`DomainAndProductNotMatch` unless so many exact and wildcard names were bought."""
    wild = sum(name.startswith("*.") for name in domains)
    if wild > details.wild or len(domains) - wild > details.full:
        raise GatewayError(
            "DomainAndProductNotMatch",
            400,
            f"The domain does not match the instance: expected at most {details.full} exact "
            f"and {details.wild} wildcard domain names.",
        )


def _id(given: Mapping[str, str], name: str, called: str | None = None) -> int:
    value = given.get(name, "")
    if value.isascii() and value.isdigit() and len(value) <= 19 and 0 < int(value) <= MAX_ID:
        return int(value)
    raise invalid(called or name, f"a number in 1 .. {MAX_ID}")


# -- lists -------------------------------------------------------------------------------------------------------------

SORTS = (BUY, TEST)
SOURCES = (*SORTS, "UPLOAD")
VERSION_TYPES = ("basic", "standard", "professional", "ultimate")
_FLAGS = ("AutoReissueFlag", "ServerDeployFlag")


def _known(field: str) -> tuple[str, ...]:
    return tuple(filter(None, vocabulary(field, LIFECYCLE)))


def instances(given: Mapping[str, str]) -> Listing:
    """Which instances ListInstances asks for."""
    words = {
        "Status": _known("Status"),
        "CertificateStatus": _known("CertificateStatus"),
        "CertificateType": tuple(grade.upper() for grade in GRADES),
        "InstanceType": SORTS,
        "VersionType": VERSION_TYPES,
    }
    filters: dict[str, Any] = {name: word(given, name, accepted) for name, accepted in words.items() if name in given}
    filters |= {name: int(word(given, name, ("0", "1"))) for name in _FLAGS if name in given}
    filters |= {name: given[name] for name in ("Brand", "ResourceGroupId") if name in given}
    return _page(given, filters)


def certificates(given: Mapping[str, str]) -> Listing:
    """Which certificates ListCertificates asks for."""
    words = {"CertificateSource": SOURCES, "CertificateStatus": _known("CertificateStatus")}
    filters: dict[str, Any] = {name: word(given, name, accepted) for name, accepted in words.items() if name in given}
    filters |= {name: given[name] for name in ("InstanceId", "ResourceGroupId") if name in given}
    return _page(given, filters)


def summary(given: Mapping[str, str]) -> Listing:
    """Which instances GetInstanceSummary counts."""
    return Listing(filters={"InstanceType": word(given, "InstanceType", SORTS)} if "InstanceType" in given else {})


def _page(given: Mapping[str, str], filters: Mapping[str, Any]) -> Listing:
    page, size = number(given, "CurrentPage", 1), number(given, "ShowSize", 10, LONGEST_LIST)
    return Listing(page, size, given.get("Keyword", ""), filters)


# -- certificates ------------------------------------------------------------------------------------------------------


def of_certificate(given: Mapping[str, str]) -> OfCertificate:
    """Which certificate is asked for."""
    name = "CertificateId" if "CertificateId" in given else "CertId"
    if name not in given:
        return OfCertificate()
    return OfCertificate(_id(given, name), given.get("CertFilter", "").lower() == "true", given.get("ClientToken"))


MAX_NAME = 64
"""Characters of the name of a certificate that is uploaded."""


def upload(given: Mapping[str, str]) -> Upload:
    """Which certificate is uploaded: its chain, leaf first, and the key of that."""
    if len(given["Name"]) > MAX_NAME:
        raise invalid("Name", f"at most {MAX_NAME} characters")
    if "Cert" not in given:
        raise _no_certificate("one of no SM algorithm: others are not taken here")
    if "Key" not in given:
        raise missing("Key")
    try:
        leaf = x509.load_pem_x509_certificates(given["Cert"].encode())[0]
    except Exception as error:  # the parser's errors are of many kinds, and all mean the same here
        raise _no_certificate("PEM") from error
    try:
        key = serialization.load_pem_private_key(given["Key"].encode(), None)
    except Exception as error:
        raise invalid("Key", "a private key in PEM, without a password") from error
    if key.public_key() != leaf.public_key():
        raise invalid("Key", "that of the certificate")
    begins, ends = leaf.not_valid_before_utc.timestamp(), leaf.not_valid_after_utc.timestamp()
    return Upload(given["Name"], given["Cert"], given["Key"], names_in(leaf), begins, ends, given.get("ClientToken"))


def _no_certificate(expected: str) -> GatewayError:
    message = f"The format of the certificate is invalid: expected {expected}."
    return GatewayError("CertificateFormatException", 400, message)


READERS: Mapping[str, Callable[[Mapping[str, str]], Asked | None]] = {
    Operation.PURCHASE: purchase,
    Operation.UPDATE: update,
    Operation.APPLY: of_instance,
    Operation.CANCEL: of_instance,
    Operation.REVOKE: of_certificate,
    Operation.REFUND: of_instance,
    Operation.DELETE: of_instance,
    Operation.GET: of_instance,
    Operation.TASK: of_instance,
    Operation.LIST: instances,
    Operation.SUMMARY: summary,
    Operation.CERTIFICATES: certificates,
    Operation.COUNTS: of_instance,
    "GetCertificateDetail": of_certificate,
    "GetUserCertificateDetail": of_certificate,
    "DeleteUserCertificate": of_certificate,
    "UploadUserCertificate": upload,
}
"""How what each operation asks for is read out of its parameters."""
