"""What the world finds under a name: in the domains of one account, as of the moment when each is first looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orderfsm.tables.alidns import DEFAULT_LINE

from .names import APEX, WILDCARD, host_of

if TYPE_CHECKING:
    from .zones import DNSRecord, Zones

CNAME = "CNAME"
_LONGEST_CHAIN = 8


class Resolver:
    """Looks names up in `zones`, each domain of which it reads once: who wants to know what is new makes another."""

    def __init__(self, zones: Zones) -> None:
        self._zones = zones
        self._account = zones.account()
        self._served: dict[str, _Served] = {}

    def resolve(self, name: str, kind: str) -> list[str]:
        """The values of a name's records of that type: an alias is followed, as far as the account goes.

        Who asks sees the default line, no record that is paused, and those of the longest domain alone.
        """
        for _ in range(_LONGEST_CHAIN):
            found = self._found(name.lower().removesuffix("."))
            values = [record.value for record in found if record.type == kind]
            alias = next((record.value for record in found if record.type == CNAME), None)
            if values or alias is None:
                return values
            name = alias
        return []

    def _found(self, name: str) -> list[DNSRecord]:
        domain = self._account.of(name)
        host = None if domain is None else host_of(name, domain)
        if domain is None or host is None:
            return []
        if domain not in self._served:
            self._served[domain] = _Served(self._zones.noted(domain))
        return self._served[domain].at(host)


class _Served:
    """The records of a domain that the world sees."""

    def __init__(self, records: list[DNSRecord]) -> None:
        self._records: dict[str, list[DNSRecord]] = {}
        self._names = {APEX}
        for record in records:
            if record.enabled and record.line == DEFAULT_LINE:
                self._records.setdefault(record.host, []).append(record)
                labels = record.host.split(".")
                self._names.update(".".join(labels[at:]) for at in range(len(labels)))

    def at(self, host: str) -> list[DNSRecord]:
        """The records of a host; those of the nearest wildcard if there is no such name (RFC 4592)."""
        found = self._records.get(host, [])
        while not found and host not in self._names:
            host = host.partition(".")[2] or APEX
            found = self._records.get(WILDCARD if host == APEX else f"{WILDCARD}.{host}", [])
        return found
