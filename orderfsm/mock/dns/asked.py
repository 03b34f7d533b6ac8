"""What operations on domains and records ask for, read out of their parameters once."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, TypeAlias

import attrs

from orderfsm.mock.cas.gateway import GatewayError, invalid, missing
from orderfsm.mock.cas.given import are_domains, number, word
from orderfsm.tables.alidns import (
    DEFAULT_LINE,
    DEFAULT_TTL,
    LEAST_PRIORITY,
    LEAST_TTL,
    MOST_PRIORITY,
    MOST_TTL,
    TYPES,
)

from .names import is_host

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .zones import DNSRecord

LIKE, EXACT, ADVANCED, COMBINATION = "LIKE", "EXACT", "ADVANCED", "COMBINATION"
DESCENDING, ASCENDING = "DESC", "ASC"
ENABLED, DISABLED = "ENABLE", "DISABLE"
LONGEST_LIST, MOST_DOMAINS = 500, 100
MX = "MX"
_EVERY_GROUP = {"", "-1", "-2"}
_ADDRESSES = {"A": IPv4Address, "AAAA": IPv6Address}


@attrs.frozen(kw_only=True)
class Written:
    """What a record shall say."""

    host: str
    type: str
    value: str
    line: str
    ttl: int
    priority: int | None


@attrs.frozen(kw_only=True)
class OfRecord:
    """Which record is asked for; what it shall say, or whether it shall be served, where that is asked for."""

    record_id: str
    written: Written | None = None
    enabled: bool | None = None


@attrs.frozen(kw_only=True)
class OfDomain:
    """Which domain is asked for; what a new record shall say there, or which records shall go: of a host, of a type."""

    domain: str
    written: Written | None = None
    host: str = ""
    type: str | None = None


@attrs.frozen(kw_only=True)
class Search:
    """Which part of a list is asked for: a page of what matches, of a `domain`, or of those that hold a `name`.

    `exactly` are fields and the texts that they must be, `containing` those of which they must have a part, `keyword`
    what host or value must be, or have a part of. Case does not matter.
    """

    page: int
    size: int
    domain: str | None = None
    name: str = ""
    ascending: bool = False
    nothing: bool = False
    keyword: tuple[str, bool] | None = None
    exactly: Mapping[str, str] = attrs.field(factory=dict)
    containing: Mapping[str, str] = attrs.field(factory=dict)

    def finds(self, record: DNSRecord) -> bool:
        """Whether a record matches."""
        fields = {
            "RR": record.host,
            "Type": record.type.lower(),
            "Value": record.value.lower(),
            "Line": record.line.lower(),
            "Status": (ENABLED if record.enabled else DISABLED).lower(),
        }
        if self.nothing or any(fields[name] != text for name, text in self.exactly.items()):
            return False
        if any(text not in fields[name] for name, text in self.containing.items()):
            return False
        return self.keyword is None or any(self._has(fields[name]) for name in ("RR", "Value"))

    def _has(self, text: str) -> bool:
        assert self.keyword is not None
        sought, exact = self.keyword
        return text == sought if exact else sought in text


Asked: TypeAlias = OfRecord | OfDomain | Search


def _lower(name: str) -> str:
    """A name in lower case, if it is in ASCII: some other letters would become ASCII."""
    return name.lower() if name.isascii() else name


def domain_name(given: Mapping[str, str], name: str = "DomainName") -> str:
    """The domain that a parameter names, in lower case; `InvalidDomainName.Format` if that is none."""
    value = _lower(given[name])
    if not are_domains([value]) or "*" in value:
        raise GatewayError(
            "InvalidDomainName.Format", 400, f"The format of the {name} is invalid: expected labels with dots."
        )
    return value


def _host(given: Mapping[str, str]) -> str:
    value = _lower(given["RR"])
    if not is_host(value):
        raise GatewayError(
            "InvalidRR.Format", 400, "The format of the RR is invalid: expected labels with dots, * or @."
        )
    return value


def _type(given: Mapping[str, str]) -> str:
    value = given["Type"].upper()
    if value not in TYPES:
        raise invalid("Type", ", ".join(TYPES))
    return value


def _written(given: Mapping[str, str]) -> Written:
    kind, value = _type(given), given["Value"]
    if kind in _ADDRESSES:
        try:
            _ADDRESSES[kind](value)
        except ValueError:
            raise invalid("Value", f"an address for a record of type {kind}") from None
    if kind == MX and "Priority" not in given:
        raise missing("Priority")
    priority = number(given, "Priority", LEAST_PRIORITY, MOST_PRIORITY) if kind == MX else None
    ttl = number(given, "TTL", DEFAULT_TTL)
    if not LEAST_TTL <= ttl <= MOST_TTL:
        message = f"The specified TTL is invalid. A valid TTL must be in the range of {LEAST_TTL} to {MOST_TTL}."
        raise GatewayError("QuotaExceeded.TTL", 400, message)
    line = given.get("Line", DEFAULT_LINE)
    return Written(host=_host(given), type=kind, value=value, line=line, ttl=ttl, priority=priority)


def of_record(given: Mapping[str, str]) -> OfRecord:
    """Which record is asked for."""
    return OfRecord(record_id=given["RecordId"])


def update(given: Mapping[str, str]) -> OfRecord:
    """What a record shall say from now on."""
    return OfRecord(record_id=given["RecordId"], written=_written(given))


def status(given: Mapping[str, str]) -> OfRecord:
    """Whether a record shall be served from now on."""
    words = {ENABLED: True, DISABLED: False}
    value = given["Status"].upper()
    if value not in words:
        raise invalid("Status", "Enable or Disable")
    return OfRecord(record_id=given["RecordId"], enabled=words[value])


def of_domain(given: Mapping[str, str]) -> OfDomain:
    """Which domain is asked for."""
    return OfDomain(domain=domain_name(given))


def addition(given: Mapping[str, str]) -> OfDomain:
    """What a new record shall say, and of which domain."""
    return OfDomain(domain=domain_name(given), written=_written(given))


def removal(given: Mapping[str, str]) -> OfDomain:
    """Which records of a host shall go."""
    return OfDomain(domain=domain_name(given), host=_host(given), type=_type(given) if "Type" in given else None)


def _page(given: Mapping[str, str], most: int) -> tuple[int, int]:
    return number(given, "PageNumber", 1), number(given, "PageSize", 20, most)


def records(given: Mapping[str, str]) -> Search:
    """Which records of a domain are listed."""
    page, size = _page(given, LONGEST_LIST)
    default = LIKE if "KeyWord" in given else ""
    mode = word(given, "SearchMode", (LIKE, EXACT, ADVANCED, COMBINATION), default)
    group = given.get("GroupId", "")
    if not re.fullmatch(r"-?[0-9]{1,18}|", group):
        raise invalid("GroupId", "a number")
    keyword = None
    exactly: dict[str, str] = {}
    containing: dict[str, str] = {}
    if mode in {LIKE, EXACT}:
        keyword = (given.get("KeyWord", "").lower(), mode == EXACT) if "KeyWord" in given else None
    else:
        parts = exactly if mode == COMBINATION else containing
        for name, field, into in (
            ("RRKeyWord", "RR", parts),
            ("ValueKeyWord", "Value", parts),
            ("TypeKeyWord", "Type", exactly),
            ("Type", "Type", exactly),
            ("Line", "Line", exactly),
            ("Status", "Status", exactly),
        ):
            if name in given:
                into[field] = given[name].lower()
    return Search(
        page=page,
        size=size,
        domain=domain_name(given),
        ascending=word(given, "Direction", (DESCENDING, ASCENDING), DESCENDING) == ASCENDING,
        nothing=group not in _EVERY_GROUP,
        keyword=keyword,
        exactly=exactly,
        containing=containing,
    )


def records_of_name(given: Mapping[str, str]) -> Search:
    """Which records of one name are listed."""
    page, size = _page(given, LONGEST_LIST)
    exactly = {name: given[name].lower() for name in ("Type", "Line") if name in given}
    domain = domain_name(given) if "DomainName" in given else None
    name = _lower(given["SubDomain"]).removeprefix("@.")
    return Search(page=page, size=size, domain=domain, name=name, exactly=exactly)


def domains(given: Mapping[str, str]) -> Search:
    """Which domains are listed."""
    page, size = _page(given, MOST_DOMAINS)
    exact = word(given, "SearchMode", (LIKE, EXACT), LIKE) == EXACT
    keyword = (given["KeyWord"].lower(), exact) if "KeyWord" in given else None
    return Search(page=page, size=size, keyword=keyword)


READERS: Mapping[str, Callable[[Mapping[str, str]], Asked]] = {
    "DescribeDomainRecords": records,
    "DescribeSubDomainRecords": records_of_name,
    "DescribeDomainRecordInfo": of_record,
    "AddDomainRecord": addition,
    "UpdateDomainRecord": update,
    "SetDomainRecordStatus": status,
    "DeleteDomainRecord": of_record,
    "DeleteSubDomainRecords": removal,
    "DescribeDomains": domains,
    "AddDomain": of_domain,
    "DeleteDomain": of_domain,
}
"""How what each operation asks for is read out of its parameters."""
