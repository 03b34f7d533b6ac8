"""A driver for ACME servers (RFC 8555): a client that orders certificates, and proves or fails to prove its names."""

from __future__ import annotations

import os
import re
import threading
import time
from contextlib import suppress
from itertools import count
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Literal, Self
from urllib.parse import urlsplit

import attrs

from orderfsm.extras import needs
from orderfsm.invalid import InvalidValue, OrderFSMError
from orderfsm.tables.acme import DEACTIVATED, OPEN, PROVED
from orderfsm.trace import Outcome

from .acme_client import Client, Proofs, csr_for, directory_of
from .driver import Answer, NoAnswer
from .exchanges import Exchanges

with needs("acme"):
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from josepy.b64 import b64encode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orderfsm.rows import Event, Operation

HTTP_PORT = 5002
"""Where the server asks for http-01, unless it is said otherwise."""

PATIENCE = 8.0
"""Seconds that an authorization, and issuance, may take unless it is said otherwise."""

ZONE = "orderfsm.test"
"""The names that are ordered are below it: new ones for each order."""

USABLE = OPEN, PROVED
"""The status of an authorization that may be deactivated."""

BETWEEN = "/?&="
"""What stands between the parts of an address."""

GONE = (404, 410)
"""HTTP statuses of an address at which there is nothing."""

FIRST_POLL, LONGEST_POLL = 0.05, 1.0
"""Seconds between two reads of an authorization, where the server does not say how many: at first, and at last."""


class AcmeDriver:
    """Drives the ACME server whose directory is at `directory`, by an account of its own.

    Each order is for two new names below `orderfsm.test`. The server must find these at `host`, and ask for http-01 at
    `http_port`, where the driver answers until it is closed: rightly for `all_authorizations_valid`, wrongly for
    `authorization_failed`. Other events it cannot force. Of an authorization that is final it asks nothing but reads.

    `ca` is a file of the certificates to trust for the server's own, in PEM; None: those of the system. An answer may
    take `timeout` seconds, an authorization `patience` seconds to become final, and an order to be issued. Safe between
    threads. `OrderFSMError` if the port is taken.
    """

    speaks_cas = False

    def __init__(
        self,
        directory: str,
        *,
        http_port: int = HTTP_PORT,
        ca: str | Path | None = None,
        timeout: float = 10.0,
        patience: float = PATIENCE,
        host: str = "127.0.0.1",
    ) -> None:
        self.directory_url = directory_of(directory)
        self._ca = None if ca is None else os.fspath(ca)
        if self._ca is not None and not Path(self._ca).is_file():
            raise InvalidValue("ca", self._ca, ["a file of certificates in PEM"])
        self._timeout, self.patience = timeout, patience
        self._lock = threading.RLock()
        self._client: Client | None = None
        self.exchanges = Exchanges()
        self._orders: dict[str, _Order] = {}
        self._run, self._numbers = token_hex(3), count(1)
        self._never: set[Event] = set()
        self._has_proved = False
        self._proofs = Proofs(host, http_port)

    def __repr__(self) -> str:
        ca = "" if self._ca is None else f", ca={self._ca!r}"
        return f"AcmeDriver({self.directory_url!r}, http_port={self._proofs.port}{ca})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Answer no more on the http-01 port."""
        self._proofs.close()

    def probe(self) -> None:
        """`OrderFSMError` if there is no ACME directory, or no account to be had."""
        _ = self._acme

    # -- what the kit asks -------------------------------------------------------------------------------------------

    def create(self, operation: Operation | None = None) -> Answer:  # noqa: ARG002  # there is one only
        """An order for two new names."""
        names = [f"{self._run}-{next(self._numbers)}{letter}.{ZONE}" for letter in "ab"]
        asked = {"identifiers": [{"type": "dns", "value": name} for name in names]}
        came = self._acme.post(self._acme.directory["newOrder"], asked)
        url = came.headers.get("Location")
        if came.answer.outcome is not Outcome.ACCEPTED or url is None:
            return came.answer
        self._orders[url] = _Order(url, names, came.document, turn=(-1) ** len(self._orders))
        return attrs.evolve(came.answer, order_id=url)

    def call(self, operation: Operation, order_id: str) -> Answer | None:
        """By the method that is named for the operation; None where there is none."""
        method = getattr(self, operation.name.lower(), None)
        answer: Answer | None = None if method is None else method(self._order(order_id))
        return answer

    def happen(self, order_id: str, event: Event) -> Answer | None:
        """By the method that is named for the event; None where there is none, and where it never comes."""
        method = getattr(self, event.name.lower(), None)
        if method is None or event in self._never:
            return None
        answer: Answer | None = method(self._order(order_id))
        if answer is None:
            self._never.add(event)
        return answer

    def flawed(self, trigger: Operation | Event, order_id: str) -> Answer | None:
        """What cannot be carried out, or is left half done, by the method that is named for that; None without one."""
        method = getattr(self, f"{trigger.name.lower()}_wrongly", None)
        answer: Answer | None = None if method is None else method(self._order(order_id))
        return answer

    def observe(self, order_id: str) -> dict[str, str] | frozenset[None]:
        """The order's status, as a read shows it; no order, if there is nothing at its address."""
        answer = self.read_order(self._order(order_id))
        if answer.http_status in GONE:
            return frozenset([None])
        status = (answer.body or {}).get("status")
        if answer.outcome is not Outcome.ACCEPTED or not isinstance(status, str):
            raise NoAnswer(f"the order's status {status!r} ({answer})", passing=False, answer=answer)
        return {"status": status}

    # -- operations --------------------------------------------------------------------------------------------------

    def read_order(self, order: _Order) -> Answer:
        """The order, by POST-as-GET."""
        came = self._acme.post(order.url)
        order.learn(came.document)
        return came.answer

    def finalize(self, order: _Order) -> Answer:
        """With a CSR for the order's names, of a new key."""
        return self._finalized(order, order.names)

    def finalize_wrongly(self, order: _Order) -> Answer:
        """With a CSR for a name that the order does not have."""
        return self._finalized(order, [f"{token_hex(3)}.{ZONE}"])

    def deactivate_authorization(self, order: _Order) -> Answer:
        """An authorization of which that may be asked, of every other order its last one.

        Where none is left, nothing is asked, and that is refused.
        """
        refused = None if order.authorizations else self._shows(order)
        return self._deactivated(order) if refused is None else refused

    def download_certificate(self, order: _Order) -> Answer:
        """From the URL that the order shows; that it shows none is how ACME refuses."""
        refused = None if order.certificate else self._shows(order)
        if refused is not None:
            return refused
        if order.certificate is None:
            return Answer.refused(None)
        came = self._acme.post(order.certificate)
        order.learn_certificate(came.text)
        return came.answer

    def revoke_cert(self, order: _Order) -> Answer | None:
        """By the account that it was issued to; None if the server does not offer revocation."""
        url = self._acme.directory.get("revokeCert")
        if url is None:
            return None
        if order.issued is None:
            answer = self.download_certificate(order)
            if order.issued is None:
                return Answer.refused(answer.code, http_status=answer.http_status)
        return self._acme.post(url, {"certificate": b64encode(order.issued).decode()}).answer

    # -- events ------------------------------------------------------------------------------------------------------

    def all_authorizations_valid(self, order: _Order) -> Answer | None:
        """Prove every name that is still to be proved, and wait until the server has looked."""
        return self._settled(order, slice(None), proved=True)

    def all_authorizations_valid_wrongly(self, order: _Order) -> Answer:
        """Prove every name but the last, if several are to be proved: the event does not happen."""
        self._settled(order, slice(-1), proved=True)
        return Answer.refused(None)

    def authorization_failed(self, order: _Order) -> Answer | None:
        """Answer for one name wrongly, and wait until the server has looked; None if it never makes up its mind."""
        return self._settled(order, slice(1), proved=False)

    # -- inside ------------------------------------------------------------------------------------------------------

    @property
    def _acme(self) -> Client:
        with self._lock:
            if self._client is None:
                self._client = Client(self.directory_url, self._ca, self._timeout, self.exchanges)
            return self._client

    def _order(self, order_id: str) -> _Order:
        """What is known of an order; of an id that none has, what it would be at this server."""
        if not self._orders:
            self.create()
        if order_id in self._orders:
            return self._orders[order_id]
        like, *others = self._orders.values() or [_Order(self._acme.directory["newOrder"], (), None)]
        return like.of_nobody(order_id, [each.url for each in others[:1]])

    def _shows(self, order: _Order) -> Answer | None:
        """Learn what a read shows of an order; the answer, if it is refused."""
        answer = self.read_order(order)
        return None if answer.outcome is Outcome.ACCEPTED else answer

    def _finalized(self, order: _Order, names: Sequence[str]) -> Answer:
        came = self._acme.post(order.finalize, {"csr": b64encode(csr_for(names)).decode()})
        order.learn(came.document)
        return came.answer

    def _deactivated(self, order: _Order) -> Answer:
        for url in order.authorizations[:: order.turn]:
            if self._acme.read(url).get("status") in USABLE:
                return self._acme.post(url, {"status": DEACTIVATED}).answer
        return Answer.refused(None)

    def _pending(self, order: _Order) -> list[Mapping[str, Any]]:
        """The authorizations that are still to be completed; none if one can no longer be."""
        found = [{"url": url, **self._acme.read(url)} for url in order.authorizations]
        if any(each.get("status") not in USABLE for each in found):
            return []
        return [each for each in found if each.get("status") == OPEN]

    def _settled(self, order: _Order, which: slice, *, proved: bool) -> Answer | None:
        """Answer http-01 of some authorizations: refused if there is none to answer.

        None where one that is to fail stays pending, or is found proved all the same.
        """
        with order.events:
            pending = self._pending(order)[which]
            for authorization in pending:
                self._respond(authorization, proved=proved)
            until = time.monotonic() + self.patience
            found = [self._final(str(authorization["url"]), until) for authorization in pending]
        states = {str(each.get("status")) for each in found}
        if not states:
            return Answer.refused(None)
        if not proved:
            return None if states & {*USABLE} else Answer.accepted()
        if states == {PROVED}:
            self._has_proved = True
            return Answer.accepted()
        if self._has_proved and OPEN in states:  # it takes longer than the others, and was told nothing wrong
            return None
        raise self._unbelieved(found)

    def _respond(self, authorization: Mapping[str, Any], *, proved: bool) -> None:
        challenges = authorization.get("challenges", ())
        offered = [each for each in challenges if each.get("type") == "http-01"]
        if not offered:
            others = " and ".join(str(each.get("type")) for each in challenges) or "nothing"
            why = f"the server offers {others} for {authorization['url']}; this driver proves names by http-01"
            raise OrderFSMError(why)
        token = str(offered[0].get("token"))
        self._proofs.texts[token] = self._acme.proof(token) if proved else "orderfsm proves nothing"
        self._acme.post(str(offered[0].get("url")), {}, repeats=True)  # a client may ask for another try (8.2)

    def _final(self, url: str, until: float) -> Mapping[str, Any]:
        """An authorization once it is no longer pending, or when the time is over."""
        pause = FIRST_POLL
        while True:
            shown = self._acme.post(url)
            if shown.answer.http_status in GONE:
                return {"status": "gone"}
            document = (shown.document or {}) if shown.answer.outcome is Outcome.ACCEPTED else {"status": OPEN}
            left = until - time.monotonic()
            if document.get("status") != OPEN or left <= 0:
                return document
            time.sleep(min(max(shown.retry_after, pause), left))
            pause = min(2 * pause, LONGEST_POLL)

    def _unbelieved(self, found: Sequence[Mapping[str, Any]]) -> OrderFSMError:
        """What is wrong where names are not found proved: if nothing was ever asked for, the names or the port are."""
        errors = [each.get("error") for authorization in found for each in authorization.get("challenges", ())]
        said = next((f": {error.get('detail')}" for error in errors if isinstance(error, dict)), "")
        at = f"{self._proofs.host}:{self._proofs.port}"
        if not self._proofs.asked:
            return OrderFSMError(f"the server never asked for http-01 at {at}; it must find *.{ZONE} there{said}")
        states = [str(each.get("status")) for each in found]
        why = f"http-01 was answered rightly at {at}, and the authorizations are {', '.join(states)}"
        if OPEN in states:
            return OrderFSMError(f"{why}, for {self.patience:g} seconds{said}")
        return NoAnswer(f"{why}{said}")


class _Order:
    """What the driver knows of an order: its names, and the addresses that the server gave."""

    def __init__(
        self, url: str, names: Sequence[str], document: Mapping[str, Any] | None, *, turn: Literal[1, -1] = 1
    ) -> None:
        self.url, self.names, self.turn = url, names, turn
        self.finalize = url
        self.certificate: str | None = None
        self.authorizations: tuple[str, ...] = ()
        self.issued: bytes | None = None
        self.events = threading.Lock()
        self.learn(document)

    def learn(self, document: Mapping[str, Any] | None) -> None:
        """Note the addresses that are in an order object."""
        shown = document or {}
        self.finalize = shown.get("finalize") or self.finalize
        self.certificate = shown.get("certificate") or self.certificate
        self.authorizations = tuple(shown.get("authorizations") or self.authorizations)

    def learn_certificate(self, text: str) -> None:
        """Note the first certificate of a chain in PEM."""
        with suppress(ValueError):
            self.issued = x509.load_pem_x509_certificate(text.encode()).public_bytes(serialization.Encoding.DER)

    def of_nobody(self, order_id: str, others: Sequence[str] = ()) -> _Order:
        """What an order would be here that nobody has: its id has the form of this one's, turned round.

        The id is what addresses of `others` do not have there, else the last part. Where turning it is no other, or
        these are numbers, which are given in turn, it is that of `order_id`.
        """
        parts = [part for part in _parts(self.url) if part.strip(BETWEEN)]
        own = [part for part in parts if any(part not in _parts(other) for other in others)]
        taken = (own or parts)[-1]
        letters = [letter for letter in taken if letter.isalnum()]
        turned = "".join(letters.pop() if letter.isalnum() else letter for letter in taken)
        free = order_id.rpartition("/")[2] if taken.isdigit() or turned == taken else turned
        return _Order(_at(self.url, taken, free), self.names, {"finalize": _at(self.finalize, taken, free)})


def _parts(url: str) -> list[str]:
    """The parts of an address's path and query, and what stands between them."""
    return re.split(f"([{BETWEEN}])", urlsplit(url)._replace(scheme="", netloc="").geturl())


def _at(url: str, taken: str, free: str) -> str:
    """An address with another id in its path or query."""
    parts = urlsplit(url)
    changed = "".join(free if part == taken else part for part in _parts(url))
    return f"{parts.scheme}://{parts.netloc}{changed}"
