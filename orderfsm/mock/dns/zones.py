"""The domains of the account and their records, as notes in the store.

Every change of a domain's records is one compare-and-set that also counts the domain's changes: of two at a time, one
looks again at what there is then.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import attrs

from orderfsm.mock.cas.gateway import GatewayError
from orderfsm.tables.alidns import DEFAULT_LINE, DEFAULT_TTL

from .names import MAX_NAME, full, is_root
from .resolver import CNAME, Resolver

if TYPE_CHECKING:
    from collections.abc import Callable

    from orderfsm.mock.clock import Clock
    from orderfsm.mock.stores.store import Changes, Store

T = TypeVar("T")

_DOMAIN, _HOME = "DNS domain", "domain of a DNS record"
_NAMED, _YES = ("DNS", "only the domains that were added"), "yes"
_FIRST_RECORD_ID = 10**17
"""What the id of a record is more than the number that it was made of: they are long."""


@attrs.frozen(kw_only=True)
class DNSRecord:
    """A record: `host` of `domain`, in lower case, has that `value`. Times are seconds since the epoch.

    `line` is from where it is asked for, `enabled` whether it is served at all.
    """

    id: str
    domain: str
    host: str
    type: str
    value: str
    created: float
    updated: float
    line: str = DEFAULT_LINE
    ttl: int = DEFAULT_TTL
    priority: int | None = None
    enabled: bool = True

    @property
    def name(self) -> str:
        """The name that it is a record of."""
        return full(self.host, self.domain)

    def says_the_same(self, other: DNSRecord) -> bool:
        """Whether both have one name, type, line and value."""
        return (self.name, self.type, self.line, self.value) == (other.name, other.type, other.line, other.value)


@attrs.frozen(kw_only=True)
class Domain:
    """A domain: since when it is in the account (None: nobody added it), and how often its records were changed."""

    added: float | None = None
    changes: int = 0


class Account(NamedTuple):
    """The domains of an account: those that are `known`, and no others if they are `named`."""

    known: frozenset[str]
    named: bool

    def has(self, name: str) -> bool:
        """Whether a domain is among them."""
        return name in self.known or (not self.named and is_root(name))

    def of(self, name: str) -> str | None:
        """The domain that answers for `name`: the longest one of which it is a part."""
        labels = name.split(".")
        parents = (".".join(labels[at:]) for at in range(len(labels)))
        return next(filter(self.has, parents), None)


class Zones:
    """The domains of an account in `store`, at the times of `clock`.

    As long as no domain was ever added, every one is there that somebody can register (`names.is_root`); then only
    those that were added, or have had records.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    # -- domains -----------------------------------------------------------------------------------------------------

    def domains(self) -> dict[str, Domain]:
        """The domains that were added, or have had records, by their names."""
        return {name: _domain(text) for name, text in sorted(self._store.notes(_DOMAIN).items())}

    def account(self) -> Account:
        """Which domains are in the account by now."""
        return Account(frozenset(self._store.notes(_DOMAIN)), self._store.note(*_NAMED) is not None)

    def has(self, name: str) -> bool:
        """Whether a domain is in the account."""
        return self.account().has(name)

    def resolver(self) -> Resolver:
        """Who looks names up in what is there by now."""
        return Resolver(self)

    def add(self, name: str) -> bool:
        """Take a domain into the account; False if it was added already."""
        while True:
            old = self._store.note(_DOMAIN, name)
            domain = _domain(old)
            if domain.added is not None:
                return False
            new = attrs.evolve(domain, added=self._clock.now())
            named = self._store.note(*_NAMED)
            if self._store.write_notes({(_DOMAIN, name): (old, _text(new)), _NAMED: (named, _YES)}):
                return True

    def remove(self, name: str) -> None:
        """Let a domain leave the account, with its records; `InvalidDomainName.NoExist` if it is not there."""
        self._edit(name, lambda _: ([], None), leaves=True)

    # -- records -----------------------------------------------------------------------------------------------------

    def records(self, domain: str) -> list[DNSRecord]:
        """The records of a domain, oldest first; `InvalidDomainName.NoExist` if it is not there."""
        if not self.has(domain):
            raise no_domain()
        return self.noted(domain)

    def noted(self, domain: str) -> list[DNSRecord]:
        """The records of a domain, oldest first; none if it is not there."""
        noted = self._store.notes(_of(domain)).values()
        return sorted((DNSRecord(**json.loads(text)) for text in noted), key=lambda record: int(record.id))

    def record(self, record_id: str) -> DNSRecord | None:
        """The record of that id, if there is one."""
        domain = self._store.note(_HOME, record_id)
        text = None if domain is None else self._store.note(_of(domain), record_id)
        return None if text is None else DNSRecord(**json.loads(text))

    def publish(self, domain: str, **fields: Any) -> DNSRecord:
        """Add a record of those `fields`, unless it is there, or others leave it no room."""
        now = self._clock.now()
        record_id = str(_FIRST_RECORD_ID + self._store.new_id())
        record = DNSRecord(id=record_id, domain=domain, created=now, updated=now, **fields)

        def added(records: list[DNSRecord]) -> tuple[list[DNSRecord], DNSRecord]:
            _refuse_unless_fits(record, records)
            return [*records, record], record

        return self._edit(domain, added)

    def change(self, record_id: str, **changes: Any) -> tuple[DNSRecord, DNSRecord]:
        """Change fields of a record; what it was, and is. `DomainRecordNotBelongToUser` if there is none."""

        def changed(records: list[DNSRecord]) -> tuple[list[DNSRecord], tuple[DNSRecord, DNSRecord]]:
            old = next((record for record in records if record.id == record_id), None)
            if old is None:
                raise no_record()
            new = attrs.evolve(old, **changes)
            if new == old and "enabled" not in changes:
                raise duplicate()
            others = [record for record in records if record is not old]
            _refuse_unless_fits(new, others)
            new = attrs.evolve(new, updated=self._clock.now())
            return [new if record is old else record for record in records], (old, new)

        return self._edit(self._home(record_id), changed)

    def withdraw(self, record_id: str) -> DNSRecord:
        """Take a record away; `DomainRecordNotBelongToUser` if there is none."""

        def gone(records: list[DNSRecord]) -> tuple[list[DNSRecord], DNSRecord]:
            old = next((record for record in records if record.id == record_id), None)
            if old is None:
                raise no_record()
            return [record for record in records if record is not old], old

        return self._edit(self._home(record_id), gone)

    def withdraw_all(self, domain: str, host: str, kind: str | None) -> list[DNSRecord]:
        """Take away all records of a host, or those of one type; which they were."""

        def gone(records: list[DNSRecord]) -> tuple[list[DNSRecord], list[DNSRecord]]:
            old = [record for record in records if record.host == host and kind in {None, record.type}]
            return [record for record in records if record not in old], old

        return self._edit(domain, gone)

    def _home(self, record_id: str) -> str:
        domain = self._store.note(_HOME, record_id)
        if domain is None:
            raise no_record()
        return domain

    def _edit(
        self, domain: str, edit: Callable[[list[DNSRecord]], tuple[list[DNSRecord], T]], *, leaves: bool = False
    ) -> T:
        """Put the records that `edit` makes of a domain's in their place, and answer what it says besides."""
        while True:
            was = self._store.note(_DOMAIN, domain)
            records = self.records(domain)
            after, answered = edit(records)
            now = None if leaves else _text(attrs.evolve(_domain(was), changes=_domain(was).changes + 1))
            before = {record.id: record for record in records}
            kept = {record.id: record for record in after}
            changes: Changes = {(_DOMAIN, domain): (was, now)}
            for record_id in before.keys() | kept.keys():
                old, new = before.get(record_id), kept.get(record_id)
                if old != new:
                    changes = {**changes, (_of(domain), record_id): (_text(old), _text(new))}
                if (old is None) != (new is None):
                    home = (None if old is None else domain, None if new is None else domain)
                    changes = {**changes, (_HOME, record_id): home}
            if self._store.write_notes(changes):
                return answered


def _refuse_unless_fits(record: DNSRecord, others: list[DNSRecord]) -> None:
    """`InvalidRR.Format` if its name is too long; an error if one of the others says the same, or leaves it no room.

    That is a `DomainRecordDuplicate` or a `DomainRecordConflict`.
    """
    if len(record.name) > MAX_NAME:
        message = f"The format of the RR is invalid: expected {MAX_NAME} characters at most, with those of the domain."
        raise GatewayError("InvalidRR.Format", 400, message)
    beside = [other for other in others if (other.name, other.line) == (record.name, record.line)]
    if any(map(record.says_the_same, beside)):
        raise duplicate()
    if any(CNAME in {record.type, other.type} for other in beside):
        raise GatewayError("DomainRecordConflict", 400, "The domain record is conflict with other records.")


def no_domain() -> GatewayError:
    """The answer to a domain that is not in the account."""
    message = "The specified domain name does not exist. Refresh the page and try again."
    return GatewayError("InvalidDomainName.NoExist", 400, message)


def no_record() -> GatewayError:
    """The answer to a record that is not in the account."""
    return GatewayError("DomainRecordNotBelongToUser", 400, "The DNS record does not exist in your account.")


def duplicate() -> GatewayError:
    """The answer to a record that is there already."""
    return GatewayError("DomainRecordDuplicate", 400, "The DNS record already exists.")


def _of(domain: str) -> str:
    return f"DNS record of {domain}"


def _domain(text: str | None) -> Domain:
    return Domain() if text is None else Domain(**json.loads(text))


def _text(noted: DNSRecord | Domain | None) -> str | None:
    return None if noted is None else json.dumps(attrs.asdict(noted))
