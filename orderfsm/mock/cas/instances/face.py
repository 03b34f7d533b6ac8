"""What each operation on instances does: the engine's part by the table, the rest here."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import attrs

from orderfsm.errors import Refusal
from orderfsm.invalid import InvalidValue
from orderfsm.mock.cas import answers as orders_answers
from orderfsm.mock.cas.gateway import GatewayError, invalid
from orderfsm.mock.records import Application
from orderfsm.tables.instances import Event, Operation
from orderfsm.tables.orders import UNSPECIFIC_TYPE
from orderfsm.tables.orders import State as OrderState

from . import asked
from .answers import TASK_STATUS
from .details import BUY, details_of, text_of
from .words import CERTIFICATE_STATUS, EXPIRED, ISSUED, PENDING, REVOKED, STATUS, WILL_EXPIRE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from orderfsm.mock.cas.choices import Choices
    from orderfsm.mock.cas.parameters import Call
    from orderfsm.mock.records import Record

    from .answers import Answers
    from .resources import Resources
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


class Instances:
    """Answers the operations on the instances of `resources`, which are read by `words`, and `written`."""

    def __init__(self, resources: Resources, choices: Choices, words: Words, written: Answers) -> None:
        self._resources = resources
        self._engine = resources.instances
        self._store = resources.store
        self._choices = choices
        self.words = words
        self.written = written
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
            Operation.COUNTS: self._counts,
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
        number = None if purchase.token is None else self._resources.number("bought", purchase.token)
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
        self._resources.catch_up()
        filters = dict(listing.filters)
        surely, perhaps = self._having(filters.get(STATUS), filters.get(CERTIFICATE_STATUS))
        others = set(filters) - {STATUS, CERTIFICATE_STATUS}
        begin = (listing.page - 1) * listing.size
        if others or listing.keyword or self._store.count(perhaps):
            records = self._sought(surely + perhaps, listing.keyword)
            found = [entry for entry in map(self._entry, records) if listing.matches(entry)]
            entries, total = found[begin : begin + listing.size], len(found)
        else:
            records, total = self._store.select(surely, "", begin, listing.size)
            entries = [self._entry(record) for record in records]
        return listing.answer("InstanceList", entries, total)

    def _summary(self, call: Call) -> dict[str, Any]:
        listing = call.about
        assert isinstance(listing, asked.Listing)
        self._resources.catch_up()
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
        looked = sum(asks.matches(self._entry(record)) for record in self._resources.each(looked_at))
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
        if self._resources.is_order(record):
            return self.written.order(record, *ORDERS_WORDS[OrderState(record.state)])
        return self.written.entry(record, self._engine.clock.now())

    def _sought(self, states: list[Any], keyword: str) -> Iterable[Record]:
        """Those of `states` that a keyword may find: the one whose id it is, or any."""
        named = self._resources.named(keyword) if keyword else []
        if not named:
            return self._resources.each(states)
        kinds = {(type(state), state) for state in states}
        return [record for record in named if (type(record.state), record.state) in kinds]

    def _counts(self, _call: Call) -> dict[str, Any]:
        return orders_answers.package_counts(self._store.packages())


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
