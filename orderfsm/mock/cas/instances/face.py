"""What each operation on instances and certificates does: the engine's part by the table, the rest here."""

from __future__ import annotations

from contextlib import suppress
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import attrs

from orderfsm.errors import Refusal
from orderfsm.invalid import InvalidValue
from orderfsm.mock.cas import answers as orders_answers
from orderfsm.mock.cas.gateway import GatewayError, invalid
from orderfsm.mock.records import Application
from orderfsm.mock.stores.store import UNTIL_RESET
from orderfsm.tables.instances import Event, Operation
from orderfsm.tables.orders import UNSPECIFIC_TYPE
from orderfsm.tables.orders import State as OrderState

from . import asked
from .answers import TASK_STATUS, Answers
from .details import BUY, Certificate, certificate_id, details_of, number_of, text_of
from .words import CERTIFICATE_STATUS, EXPIRED, ISSUED, PENDING, REVOKED, STATUS, WILL_EXPIRE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from orderfsm.mock.cas.ca import CertificateAuthority
    from orderfsm.mock.cas.choices import Choices
    from orderfsm.mock.cas.parameters import Call
    from orderfsm.mock.engine import Engine
    from orderfsm.mock.records import Record

    from .words import Words

INACTIVE, NORMAL = "inactive", "normal"

ORDERS_WORDS: Mapping[OrderState, tuple[str, str | None]] = {
    OrderState.PENDING_APPLICATION: (INACTIVE, None),
    OrderState.PENDING_REVIEW: (PENDING, None),
    OrderState.BEING_REVIEWED: (PENDING, None),
    OrderState.VERIFY_FAIL: (NORMAL, None),
    OrderState.ISSUED: (NORMAL, ISSUED),
    OrderState.ABOUT_TO_EXPIRE: (NORMAL, WILL_EXPIRE),
    OrderState.EXPIRED: (NORMAL, EXPIRED),
    OrderState.REVOKED: (NORMAL, REVOKED),
}
"""How V1.0 orders stand in lists of instances: `Status`, and `CertificateStatus` where they have one."""
PART = 500
"""Records that are read at once where each has to be looked at."""


class Instances:
    """Answers the operations on instances and certificates: `engine` lets instances live, `orders` is their neighbour.

    `authority` makes certificates when somebody asks for their texts; instances are read by `words`.
    """

    def __init__(
        self, engine: Engine, orders: Engine, authority: CertificateAuthority, choices: Choices, words: Words
    ) -> None:
        self._engine = engine
        self._orders = orders
        self._store = engine.store
        self._authority = authority
        self._choices = choices
        self.words = words
        self.written = Answers(words, in_seconds=choices.in_seconds)
        self.answers: Mapping[str, Callable[[Call], dict[str, Any] | str]] = {
            Operation.PURCHASE: self._purchase,
            Operation.UPDATE: self._update,
            Operation.APPLY: self._apply,
            Operation.CANCEL: self._step,
            Operation.REVOKE: self._revoke,
            Operation.REFUND: self._step,
            Operation.DELETE: self._step,
            Operation.GET: self._get,
            Operation.TASK: self._task,
            Operation.LIST: self._list,
            Operation.SUMMARY: self._summary,
            Operation.CERTIFICATES: self._certificates,
            Operation.COUNTS: self._counts,
            "GetCertificateDetail": self._certificate_detail,
            "GetUserCertificateDetail": self._download,
        }

    # -- the life of an instance -------------------------------------------------------------------------------------

    def _fire(self, call: Call, edit: Callable[[Record], Record] | None = None) -> Record:
        identifier: Any = call.order_id
        try:
            return self._engine.fire(identifier, call.operation, edit=edit).order
        except InvalidValue:  # what is no id is the id of nothing
            raise self._engine.lifecycle.not_found from None

    def _step(self, call: Call) -> dict[str, Any]:
        self._fire(call)
        return {}

    def _purchase(self, call: Call) -> dict[str, Any]:
        assert isinstance(call.about, asked.Purchase)
        purchase = call.about
        application = Application(period=purchase.period, details=purchase.details)
        number = None
        if purchase.token is not None:
            bought = f"{UNTIL_RESET}bought with {purchase.token}"
            number = int(self._store.setting(bought, lambda: str(self._store.new_id())))
        record = self._engine.begin(call.operation, application, number)
        data = {"InstanceId": record.id, "OrderId": str(record.number + orders_answers.ALIYUN_ORDER)}
        return {"Success": True, "Code": "Success", "Data": data}

    def _update(self, call: Call) -> dict[str, Any]:
        update = call.about
        assert isinstance(update, asked.Update)
        record = self._fire(call, lambda record: _updated(record, update))
        if self._choices.auto_submits and self._submits(record):
            with suppress(Refusal):  # where it cannot be, or somebody else was faster
                self._engine.happen(record.id, Event.AUTO_SUBMITTED)
        return {}

    def _submits(self, record: Record) -> bool:
        """Whether an update submits by itself: that was seen of DV instances that are bought, without a certificate."""
        details = details_of(record.details)
        seen = details.sort == BUY and details.grade == "DV" and not details.certificates
        return seen and self._is_complete(record)

    def _apply(self, call: Call) -> dict[str, Any]:
        self._fire(call, self._applicable)
        return {}

    def _applicable(self, record: Record) -> Record:
        """`record` if it says what an application needs; else `MissingParameter`."""
        if not self._is_complete(record):
            needed = "a domain, contacts and, for OV and EV, a company" if self._choices.needs_contacts else "a domain"
            raise GatewayError("MissingParameter", 400, f"The instance lacks what an application needs: {needed}.")
        return record

    def _is_complete(self, record: Record) -> bool:
        if not self._choices.needs_contacts:
            return bool(record.domains)
        details = details_of(record.details)
        known = "ContactIdList" in details.data and (details.grade == "DV" or "CompanyId" in details.data)
        return bool(record.domains) and known

    def _revoke(self, call: Call) -> dict[str, Any]:
        assert isinstance(call.about, asked.OfCertificate)
        certificate = call.about.certificate_id

        def latest(record: Record) -> Record:
            issued = details_of(record.details).certificates
            if certificate is not None and not (issued and issued[-1].id == certificate):
                raise invalid("CertificateId", "that of the latest certificate of the instance")
            return record

        self._fire(call, latest)
        return {}

    def _get(self, call: Call) -> str:
        return self.written.written_detail(self._fire(call), self._engine.clock.now())

    def _task(self, call: Call) -> dict[str, Any]:
        return self.written.task(self._fire(call))

    def misread(self, answer: dict[str, Any], record: Record | None, how: str) -> dict[str, Any]:
        """What a read answers instead of the truth: a word nobody knows, or, `stale`, those of the state before."""
        word = STATUS if STATUS in answer else TASK_STATUS
        if how == UNSPECIFIC_TYPE:
            return answer | {word: UNSPECIFIC_TYPE}
        if record is None or word == TASK_STATUS:
            return answer
        return self.written.stale(record, self._engine.clock.now())

    # -- lists -------------------------------------------------------------------------------------------------------

    def _list(self, call: Call) -> dict[str, Any]:
        listing = call.about
        assert isinstance(listing, asked.Listing)
        self._catch_up()
        filters = dict(listing.filters)
        surely, perhaps = self._having(filters.get(STATUS), filters.get(CERTIFICATE_STATUS))
        others = set(filters) - {STATUS, CERTIFICATE_STATUS}
        begin = (listing.page - 1) * listing.size
        if others or listing.keyword or self._store.count(perhaps):
            records = self._sought(surely + perhaps, listing.keyword)
            found = [entry for entry in map(self._entry, records) if _matches(entry, listing)]
            entries, total = found[begin : begin + listing.size], len(found)
        else:
            records, total = self._store.select(surely, "", begin, listing.size)
            entries = [self._entry(record) for record in records]
        return _listed("InstanceList", entries, total, listing)

    def _summary(self, call: Call) -> dict[str, Any]:
        listing = call.about
        assert isinstance(listing, asked.Listing)
        self._catch_up()
        packages = self._store.packages()
        return {
            "TotalCount": self._count(listing),
            "InactiveCount": self._count(listing, INACTIVE),
            "WillExpireCount": self._count(listing, WILL_EXPIRE),
            "CertificateCount": sum(max(0, package.total - package.used) for package in packages),
            "AutoReissueCount": 0,
        }

    def _count(self, listing: asked.Listing, status: str | None = None) -> int:
        """How many instances and orders there are of that `Status`, and as the list says."""
        surely, perhaps = self._having(status, None)
        looked_at = surely + perhaps if listing.filters else perhaps
        asks = attrs.evolve(listing, filters=listing.filters if status is None else {**listing.filters, STATUS: status})
        looked = sum(_matches(self._entry(record), asks) for record in self._records(looked_at))
        return looked if listing.filters else looked + self._store.count(surely)

    def _having(self, status: str | None, certificate: str | None) -> tuple[list[Any], list[Any]]:
        """The states of instances and orders that have both words (None: any), and those that may have them."""
        surely, perhaps = self.words.states(status, certificate)
        orders = [
            state
            for state, (first, second) in ORDERS_WORDS.items()
            if status in {None, first} and certificate in {None, second}
        ]
        return [*surely, *orders], perhaps

    def _entry(self, record: Record) -> dict[str, Any]:
        if self._is_order(record):
            return self.written.order(record, *ORDERS_WORDS[OrderState(record.state)])
        return self.written.entry(record, self._engine.clock.now())

    def _is_order(self, record: Record) -> bool:
        return isinstance(record.state, OrderState)

    def _records(self, states: list[Any]) -> Iterator[Record]:
        """All instances and orders in `states`, oldest first."""
        number = 0
        while part := self._store.after(states, number, PART) if states else []:
            yield from part
            number = part[-1].number

    def _sought(self, states: list[Any], keyword: str) -> Iterable[Record]:
        """Those of `states` that a keyword may find: the one whose id it is, or any."""
        named = self._named(keyword) if keyword else []
        if not named:
            return self._records(states)
        kinds = {(type(state), state) for state in states}
        return [record for record in named if (type(record.state), record.state) in kinds]

    def _catch_up(self) -> None:
        self._engine.catch_up()
        self._orders.catch_up()

    def _counts(self, _call: Call) -> dict[str, Any]:
        return orders_answers.package_counts(self._store.packages())

    # -- certificates ------------------------------------------------------------------------------------------------

    def _certificates(self, call: Call) -> dict[str, Any]:
        listing = call.about
        assert isinstance(listing, asked.Listing)
        self._catch_up()
        instances, orders = self._engine.found(), self._orders.found()
        having = [state for state in instances if self.words.has_certificate(state)]
        having += [state for state in orders if self._orders.lifecycle.state_rules[state].certified]
        only = listing.filters.get("InstanceId")
        records = self._records(having) if only is None else self._named(only)
        each = chain.from_iterable(map(self._issued_to, records))
        found = [entry for entry in (self.written.certificate(*issued) for issued in each) if _matches(entry, listing)]
        begin = (listing.page - 1) * listing.size
        return _listed("CertificateList", list(islice(found, begin, begin + listing.size)), len(found), listing)

    def _named(self, identifier: str) -> list[Record]:
        """The instance, or the order, of that instance id, if there is one."""
        number = orders_answers.order_of_instance(identifier)
        engine = self._engine if number is None else self._orders
        record = self._store.get(identifier if number is None else number)
        return [record] if record is not None and record.state in engine.found() else []

    def _issued_to(self, record: Record) -> list[tuple[Record, Certificate, str]]:
        """The certificates that were issued to an instance or order, with the word that each has."""
        if self._is_order(record):
            word = ORDERS_WORDS[OrderState(record.state)][1]
            return [] if word is None else [(record, _of_order(record), word)]
        return [(record, *each) for each in self.words.of_each(record, self._engine.clock.now())]

    def _certificate_detail(self, call: Call) -> dict[str, Any]:
        return self.written.certificate_detail(*self._made(call), self._engine.clock.now())

    def _download(self, call: Call) -> dict[str, Any]:
        assert isinstance(call.about, asked.OfCertificate)
        return self.written.download(*self._made(call), self._engine.clock.now(), bare=call.about.bare)

    def _made(self, call: Call) -> tuple[Record, Certificate, str]:
        """The certificate that is asked for, its texts made if nobody asked for them before; else not found."""
        assert isinstance(call.about, asked.OfCertificate)
        assert call.about.certificate_id is not None
        self._catch_up()
        while True:
            record, certificate, word = self._found(call.about.certificate_id)
            if certificate.pem is not None:
                return record, certificate, word
            pem, key = self._authority.issue(
                certificate.domains, certificate.issued, certificate.expires, certificate.csr
            )
            if self._is_order(record):
                new = record.but(certificate=pem, private_key=key)
            else:
                details = details_of(record.details)
                made = attrs.evolve(certificate, pem=pem, key=key)
                all_of_it = tuple(made if each.id == made.id else each for each in details.certificates)
                new = record.but(details=text_of(attrs.evolve(details, certificates=all_of_it)))
            self._store.commit(record, new, None, [])

    def _found(self, identifier: int) -> tuple[Record, Certificate, str]:
        number = number_of(identifier)
        if number > 0:
            for engine, one in ((self._orders, number), (self._engine, self._engine.lifecycle.identity.new(number))):
                record = self._store.get(one)
                if record is not None and record.state in engine.found():
                    for issued in self._issued_to(record):
                        if issued[1].id == identifier:
                            return issued
        raise self._engine.lifecycle.not_found


def _updated(record: Record, update: asked.Update) -> Record:
    """`record` after an update; what an application says that the instance was not bought for is an error."""
    details = details_of(record.details)
    data = {**details.data, **update.data}
    csr, domains = None, update.domains or record.domains
    if data.get("GenerateCsrMethod") == asked.UPLOAD:
        csr = update.csr or record.csr
        if csr is None:
            raise GatewayError("MissingCsr", 400, "Csr is mandatory where it is uploaded.")
        domains = (asked.name_in(csr),)
    asked.fits(domains, details)
    tags = record.tags if update.tags is None else update.tags
    return record.but(domains=domains, csr=csr, tags=tags, details=text_of(attrs.evolve(details, data=data)))


def _of_order(record: Record) -> Certificate:
    """The certificate of an order, as those of instances are."""
    assert record.issued is not None
    assert record.expires is not None
    identifier = certificate_id(record.number)
    return Certificate(
        id=identifier,
        issued=record.issued,
        expires=record.expires,
        domains=record.domains,
        name=f"cert-{identifier}",
        sort=BUY,
        csr=record.csr,
        pem=record.certificate,
        key=record.private_key,
    )


_ALIKE = {"AutoReissueFlag": 1, "ServerDeployFlag": 0}
"""What all instances of the mock are."""


def _matches(entry: Mapping[str, Any], listing: asked.Listing) -> bool:
    """Whether an entry of a list is what is asked for: each of the filters, and the keyword somewhere."""
    texts = (entry.get(name) or "" for name in ("Domain", "CertificateName", "InstanceId", "CertificateId"))
    if listing.keyword and not any(listing.keyword in str(text) for text in texts):
        return False
    return all(entry.get(name, _ALIKE.get(name)) == value for name, value in listing.filters.items())


def _listed(name: str, entries: list[dict[str, Any]], total: int, listing: asked.Listing) -> dict[str, Any]:
    return {name: entries, "TotalCount": total, "CurrentPage": listing.page, "ShowSize": listing.size}
