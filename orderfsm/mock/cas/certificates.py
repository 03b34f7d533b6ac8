"""Certificates by their own ids, whether they were issued to an order or to an instance, or were uploaded."""

from __future__ import annotations

import json
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import attrs

from orderfsm.errors import NotFound
from orderfsm.tables.instances import Operation
from orderfsm.tables.orders import State as OrderState

from . import answers as orders_answers
from .gateway import GatewayError
from .instances import asked
from .instances.answers import Issued
from .instances.details import BUY, Certificate, certificate_id, details_of, number_of, text_of
from .instances.words import EXPIRED, ISSUED, REVOKED, WILL_EXPIRE
from .parameters import UPLOADED, CertificateOperation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from orderfsm.mock.records import Record
    from orderfsm.rows import State

    from .ca import CertificateAuthority
    from .instances.answers import Answers
    from .instances.resources import Resources
    from .instances.words import Words
    from .parameters import Call, Selection

OF_ORDERS: Mapping[OrderState, str] = {
    OrderState.ISSUED: ISSUED,
    OrderState.ABOUT_TO_EXPIRE: WILL_EXPIRE,
    OrderState.EXPIRED: EXPIRED,
    OrderState.REVOKED: REVOKED,
}
"""How the certificate of an order stands, by the order's state."""

REMOVED = "its certificate was deleted"
"""The details of an order whose certificate is not there any more."""

REMOVABLE = (EXPIRED, REVOKED)
"""How a certificate stands that may be deleted; one that was uploaded may at any time."""

STATUSES = {ISSUED: "ISSUED", WILL_EXPIRE: "WILLEXPIRED", EXPIRED: "EXPIRED"}
"""How ListUserCertificateOrder says what these words of certificates say."""

_UPLOADED, _NAMED, _REMOVED_BY = "uploaded certificate", "name of an uploaded certificate", "deleted by client token"


class Certificates:
    """Answers the operations on certificates of `resources`; `authority` makes them when their texts are asked for."""

    def __init__(self, resources: Resources, authority: CertificateAuthority, words: Words, written: Answers) -> None:
        self._resources = resources
        self._store = resources.store
        self._authority = authority
        self._words = words
        self._written = written
        self.answers: Mapping[str, Callable[[Call], dict[str, Any]]] = {
            Operation.CERTIFICATES: self._list,
            CertificateOperation.DETAIL: self._detail,
            CertificateOperation.DOWNLOAD: self._download,
            CertificateOperation.REMOVE: self._remove,
            CertificateOperation.UPLOAD: self._upload,
        }

    # -- what there is -----------------------------------------------------------------------------------------------

    def _list(self, call: Call) -> dict[str, Any]:
        listing = call.about
        assert isinstance(listing, asked.Listing)
        self._resources.catch_up()
        instances, orders = self._resources.instances, self._resources.orders
        having = [state for state in instances.found() if self._words.has_certificate(state)]
        having += [state for state in orders.found() if orders.lifecycle.state_rules[state].certified]
        only = listing.filters.get("InstanceId")
        records = self._resources.each(having) if only is None else self._resources.named(only)
        each = chain(chain.from_iterable(map(self._issued_to, records)), self._uploaded())
        found = [entry for entry in map(self._written.certificate, each) if listing.matches(entry)]
        begin = (listing.page - 1) * listing.size
        return listing.answer("CertificateList", list(islice(found, begin, begin + listing.size)), len(found))

    def of_orders(self, states: Sequence[State], selection: Selection) -> tuple[list[dict[str, Any]], int]:
        """A page of what ListUserCertificateOrder answers of certificates, of orders in `states`; and their number.

        Those that were uploaded follow. An order's certificate may have been deleted only where its state is terminal.
        """
        begin, size, keyword = (selection.page - 1) * selection.size, selection.size, selection.keyword
        uploaded = [issued for issued in self._uploaded() if self._selected(issued, selection)]
        rules = self._resources.orders.lifecycle.state_rules
        number = orders_answers.order_of_instance(keyword)
        if number is not None or any(rules[state].terminal for state in states):
            records = self._resources.named(keyword) if number is not None else self._every(states, keyword)
            kept = [record for record in records if record.state in states and record.details != REMOVED]
            page, total = kept[begin : begin + size], len(kept)
        else:
            page, total = self._store.select(states, keyword, begin, size) if states else ([], 0)
        found = [*chain.from_iterable(map(self._issued_to, page))]
        found += uploaded[max(0, begin - total) :][: size - len(found)]
        return [self._written.in_orders(issued) for issued in found], total + len(uploaded)

    def _every(self, states: Sequence[State], keyword: str) -> list[Record]:
        return self._store.select(states, keyword, 0, self._store.count(states))[0]

    def _selected(self, issued: Issued, selection: Selection) -> bool:
        """Whether that is listed by ListUserCertificateOrder: without a status, if it can still be used."""
        status = STATUSES[issued.word]
        if status != selection.status if selection.status else issued.word == EXPIRED:
            return False
        texts = (",".join(issued.certificate.domains), issued.resource)
        return any(selection.keyword in text for text in texts)

    def _issued_to(self, record: Record) -> Iterable[Issued]:
        """The certificates that were issued to an instance or order, and are still there."""
        if self._resources.is_order(record):
            word = OF_ORDERS.get(OrderState(record.state))
            if word is None or record.details == REMOVED:
                return []
            return [Issued(_of_order(record), word, orders_answers.instance_id(record), record)]
        each = self._words.of_each(record, self._resources.instances.clock.now())
        return [Issued(known, word, str(record.id), record) for known, word in each if not known.removed]

    def _uploaded(self) -> list[Issued]:
        """The certificates that were uploaded, in the order of their ids."""
        noted = self._store.notes(_UPLOADED)
        return [self._noted(text) for _, text in sorted(noted.items(), key=lambda item: int(item[0]))]

    def _noted(self, text: str) -> Issued:
        certificate = Certificate(**json.loads(text))
        word = self._words.of(certificate, self._resources.instances.clock.now())
        return Issued(certificate, word, f"cas-upload-{certificate.id}", None)

    def _found(self, identifier: int) -> Issued:
        """The certificate of that id; else not found."""
        instances, orders = self._resources.instances, self._resources.orders
        number = number_of(identifier)
        if number > 0:
            for engine, one in ((orders, number), (instances, instances.lifecycle.identity.new(number))):
                record = self._store.get(one)
                if record is not None and record.state in engine.found():
                    for issued in self._issued_to(record):
                        if issued.certificate.id == identifier:
                            return issued
        text = self._store.note(_UPLOADED, str(identifier))
        if text is None:
            raise instances.lifecycle.not_found
        return self._noted(text)

    # -- one certificate ---------------------------------------------------------------------------------------------

    def _detail(self, call: Call) -> dict[str, Any]:
        return self._written.certificate_detail(self._made(call), self._resources.instances.clock.now())

    def _download(self, call: Call) -> dict[str, Any]:
        assert isinstance(call.about, asked.OfCertificate)
        now = self._resources.instances.clock.now()
        return self._written.download(self._made(call), now, bare=call.about.bare)

    def _asked_for(self, call: Call) -> Issued:
        assert isinstance(call.about, asked.OfCertificate)
        assert call.about.certificate_id is not None
        return self._found(call.about.certificate_id)

    def _made(self, call: Call) -> Issued:
        """The certificate that is asked for, its texts made if nobody asked for them before; else not found."""
        self._resources.catch_up()
        while True:
            issued = self._asked_for(call)
            certificate, record = issued.certificate, issued.record
            if certificate.pem is not None or record is None:
                return issued
            pem, key = self._authority.issue(
                certificate.domains, certificate.issued, certificate.expires, certificate.csr
            )
            if self._resources.is_order(record):
                new = record.but(certificate=pem, private_key=key)
            else:
                new = _with(record, attrs.evolve(certificate, pem=pem, key=key))
            self._store.commit(record, new, None, [])

    def _remove(self, call: Call) -> dict[str, Any]:
        assert isinstance(call.about, asked.OfCertificate)
        self._resources.catch_up()
        token, wanted = call.about.token, str(call.about.certificate_id)
        while True:
            try:
                issued = self._asked_for(call)
            except NotFound:
                if token is not None and self._store.note(_REMOVED_BY, token) == wanted:
                    return {}
                raise
            if issued.record is not None and issued.word not in REMOVABLE:
                raise GatewayError(
                    "InvalidStatus.DeleteProtection",
                    400,
                    "The current status does not allow deletion: expected an expired, revoked or uploaded certificate.",
                )
            if token is not None:
                self._store.write_notes({(_REMOVED_BY, token): (self._store.note(_REMOVED_BY, token), wanted)})
            if self._is_removed(issued):
                return {}

    def _is_removed(self, issued: Issued) -> bool:
        """Take a certificate away; False if somebody was faster."""
        certificate, record = issued.certificate, issued.record
        if record is None:
            key = str(certificate.id)
            named = {(_NAMED, certificate.name): (key, None)}
            return self._store.write_notes({(_UPLOADED, key): (self._store.note(_UPLOADED, key), None), **named})
        if self._resources.is_order(record):
            new = record.but(details=REMOVED)
        else:
            new = _with(record, attrs.evolve(certificate, removed=True, pem=None, key=None))
        return self._store.commit(record, new, None, [])

    def _upload(self, call: Call) -> dict[str, Any]:
        upload = call.about
        assert isinstance(upload, asked.Upload)
        if upload.expires <= self._resources.instances.clock.now():
            raise GatewayError("CertificateExpired", 400, "The certificate has expired.")
        number = self._resources.number("uploaded", upload.token)
        certificate = Certificate(
            id=certificate_id(number),
            issued=upload.begins,
            expires=upload.expires,
            domains=upload.domains,
            name=upload.name,
            sort=UPLOADED,
            pem=upload.pem,
            key=upload.key,
        )
        key = str(certificate.id)
        noted = {(_UPLOADED, key): (None, json.dumps(attrs.asdict(certificate))), (_NAMED, upload.name): (None, key)}
        if not self._store.write_notes(noted) and self._store.note(_NAMED, upload.name) != key:
            raise GatewayError("NameRepeat", 400, "The certificate name already exists.")
        return {"CertId": certificate.id, "ResourceId": f"cas-upload-{key}"}


def _with(record: Record, certificate: Certificate) -> Record:
    """An instance, and that in the place of the certificate of its id."""
    details = details_of(record.details)
    each = tuple(certificate if known.id == certificate.id else known for known in details.certificates)
    return record.but(details=text_of(attrs.evolve(details, certificates=each)))


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
