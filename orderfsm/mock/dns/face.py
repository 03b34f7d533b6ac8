"""What each operation on domains and records does, and what it answers."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import attrs

from orderfsm.mock.cas.gateway import GatewayError

from . import asked
from .names import host_of
from .zones import no_domain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from orderfsm.mock.cas.parameters import Call

    from .zones import DNSRecord, Domain, Zones

SERVERS = ("ns1.alidns.com", "ns2.alidns.com")
EDITION = {"VersionCode": "mianfei", "VersionName": "Alibaba Cloud DNS"}


class Domains:
    """Answers the operations on the domains and records of `zones`; `changed` is told of each name that says more."""

    def __init__(self, zones: Zones, changed: Callable[[str], None]) -> None:
        self._zones = zones
        self._changed = changed
        answers: Mapping[str, Callable[[Any], dict[str, Any]]] = {
            "DescribeDomainRecords": self._records,
            "DescribeSubDomainRecords": self._records_of_name,
            "DescribeDomainRecordInfo": self._record,
            "AddDomainRecord": self._add,
            "UpdateDomainRecord": self._update,
            "SetDomainRecordStatus": self._set_status,
            "DeleteDomainRecord": self._delete,
            "DeleteSubDomainRecords": self._delete_all,
            "DescribeDomains": self._domains,
            "AddDomain": self._add_domain,
            "DeleteDomain": self._delete_domain,
        }
        self.answers = {action: partial(_about, answer) for action, answer in answers.items()}

    # -- records -----------------------------------------------------------------------------------------------------

    def _add(self, asks: asked.OfDomain) -> dict[str, Any]:
        assert asks.written is not None
        record = self._zones.publish(asks.domain, **attrs.asdict(asks.written))
        self._changed(record.name)
        return {"RecordId": record.id}

    def _update(self, asks: asked.OfRecord) -> dict[str, Any]:
        assert asks.written is not None
        _, record = self._zones.change(asks.record_id, **attrs.asdict(asks.written))
        self._changed(record.name)
        return {"RecordId": record.id}

    def _set_status(self, asks: asked.OfRecord) -> dict[str, Any]:
        _, record = self._zones.change(asks.record_id, enabled=asks.enabled)
        self._changed(record.name)
        return {"RecordId": record.id, "Status": "Enable" if record.enabled else "Disable"}

    def _delete(self, asks: asked.OfRecord) -> dict[str, Any]:
        return {"RecordId": self._zones.withdraw(asks.record_id).id}

    def _delete_all(self, asks: asked.OfDomain) -> dict[str, Any]:
        gone = self._zones.withdraw_all(asks.domain, asks.host, asks.type)
        return {"RR": asks.host, "TotalCount": str(len(gone))}

    def _record(self, asks: asked.OfRecord) -> dict[str, Any]:
        record = self._zones.record(asks.record_id)
        if record is None:
            raise GatewayError("InvalidRR.NoExist", 400, "The specified DNS record does not exist.")
        return record_of(record)

    def _records(self, asks: asked.Search) -> dict[str, Any]:
        assert asks.domain is not None
        found = [record for record in self._zones.records(asks.domain) if asks.finds(record)]
        return _listed("DomainRecords", "Record", _page(found, asks), len(found), asks)

    def _records_of_name(self, asks: asked.Search) -> dict[str, Any]:
        domain = self._zones.account().of(asks.name) if asks.domain is None else asks.domain
        host = None if domain is None else host_of(asks.name, domain)
        if domain is None or host is None:
            raise no_domain()
        every = self._zones.records(domain)
        found = [record for record in every if record.host == host and asks.finds(record)]
        return _listed("DomainRecords", "Record", _page(found, asks), len(found), asks)

    # -- domains -----------------------------------------------------------------------------------------------------

    def _domains(self, asks: asked.Search) -> dict[str, Any]:
        sought, exact = asks.keyword or ("", False)
        every = self._zones.domains().items()
        found = [(name, domain) for name, domain in every if (name == sought if exact else sought in name)]
        begin = (asks.page - 1) * asks.size
        shown = [self._domain(*each) for each in found[begin : begin + asks.size]]
        return _listed("Domains", "Domain", shown, len(found), asks)

    def _domain(self, name: str, domain: Domain) -> dict[str, Any]:
        added = {} if domain.added is None else {"CreateTimestamp": int(domain.added * 1000)}
        return {**_named(name), **EDITION, **added, "RecordCount": len(self._zones.records(name)), "AliDomain": True}

    def _add_domain(self, asks: asked.OfDomain) -> dict[str, Any]:
        if not self._zones.add(asks.domain):
            raise GatewayError("InvalidDomainName.Duplicate", 400, "The domain name already exists.")
        return _named(asks.domain)

    def _delete_domain(self, asks: asked.OfDomain) -> dict[str, Any]:
        self._zones.remove(asks.domain)
        return {"DomainName": asks.domain}


def _about(answer: Callable[[Any], dict[str, Any]], call: Call) -> dict[str, Any]:
    """What an operation answers to what the call asks for."""
    return answer(call.about)


def record_of(record: DNSRecord) -> dict[str, Any]:
    """A record, by the names that the API gives its fields."""
    fields = {
        "DomainName": record.domain,
        "RecordId": record.id,
        "RR": record.host,
        "Type": record.type,
        "Value": record.value,
        "Line": record.line,
        "TTL": record.ttl,
        "Priority": record.priority,
        "Status": asked.ENABLED if record.enabled else asked.DISABLED,
        "Locked": False,
        "CreateTimestamp": int(record.created * 1000),
        "UpdateTimestamp": int(record.updated * 1000),
    }
    return {name: value for name, value in fields.items() if value is not None}


def _named(name: str) -> dict[str, Any]:
    return {"DomainName": name, "DomainId": name, "PunyCode": name, "DnsServers": {"DnsServer": list(SERVERS)}}


def _page(found: list[DNSRecord], asks: asked.Search) -> list[dict[str, Any]]:
    ordered = found if asks.ascending else found[::-1]
    begin = (asks.page - 1) * asks.size
    return [record_of(record) for record in ordered[begin : begin + asks.size]]


def _listed(name: str, of: str, entries: list[dict[str, Any]], total: int, asks: asked.Search) -> dict[str, Any]:
    return {name: {of: entries}, "TotalCount": total, "PageNumber": asks.page, "PageSize": asks.size}
