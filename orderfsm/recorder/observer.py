"""What requests to an ACME server and their answers say of orders: lines of a trace.

Which URL is whose is learned from the answers: an order names its authorizations, its finalize URL and its certificate,
an authorization its challenges. What becomes of authorizations are events of their orders. An observer keeps no
payloads, no tokens and no certificates; of these it keeps a digest, by which a revocation finds its order.
"""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import sha256
from ssl import PEM_cert_to_DER_cert
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urljoin, urlsplit

import attrs

from orderfsm.invalid import InvalidValue
from orderfsm.tables.acme import AUTHORIZATIONS, CHALLENGES, DEACTIVATED, LIFECYCLE, PROVED, Event, Operation
from orderfsm.trace import Line, Outcome
from orderfsm.words import meanings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import State

_STATUS = LIFECYCLE.vocabularies[0].field
_WORDS = {word.lower(): states for word, states in meanings(LIFECYCLE, LIFECYCLE.vocabularies[0]).items()}
_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_LINK = re.compile(r'<([^>]*)>[^,]*;\s*rel="?alternate"?')


@attrs.frozen
class Asked:
    """A request: its `method` and `url`, and of a signed one the `payload` and the `client`, its account's last word.

    The `payload` is empty of a POST-as-GET, and None where nothing was signed.
    """

    method: str
    url: str
    payload: bytes | None = attrs.field(default=None, repr=False)
    client: str | None = None

    @classmethod
    def of(cls, method: str, url: str, body: bytes) -> Asked:
        """The request that has this body, which may be anything."""
        try:
            signed = json.loads(body)
            payload = _decoded(signed["payload"])
            kid = json.loads(_decoded(signed["protected"])).get("kid")
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            return cls(method, url)
        return cls(method, url, payload, kid.rstrip("/").rpartition("/")[2] if isinstance(kid, str) else None)

    @property
    def reads(self) -> bool:
        """Whether it asks to be shown what is there."""
        return self.method in {"GET", "HEAD"} or self.payload == b""

    @property
    def says(self) -> Mapping[str, Any]:
        """The members of its payload."""
        return _object(self.payload or b"")


@attrs.frozen
class Answer:
    """What was answered: the HTTP `status`, the headers by their names in small letters, and the `body`.

    `sent` are the headers as they came.
    """

    status: int
    headers: Mapping[str, str] = attrs.field(factory=dict)
    body: bytes = attrs.field(default=b"", repr=False)
    sent: tuple[tuple[str, str], ...] = attrs.field(default=(), repr=False)

    @classmethod
    def of(cls, status: int, sent: Iterable[tuple[str, str]], body: bytes) -> Answer:
        """The answer with these headers; of those that came several times all values, with commas."""
        sent, found = tuple(sent), dict[str, str]()
        for name, value in sent:
            key = name.lower()
            found[key] = f"{found[key]}, {value}" if key in found else value
        return cls(status, found, body, sent)

    @property
    def accepted(self) -> bool:
        """Whether it is a success."""
        return 200 <= self.status < 300

    @property
    def says(self) -> Mapping[str, Any]:
        """The members of the JSON object that it is; none if it is none."""
        return _object(self.body)

    @property
    def code(self) -> str | None:
        """The code of its problem document (section 6.7), without what all such codes begin with."""
        code = None if self.accepted else self.says.get("type")
        if not isinstance(code, str) or not code.startswith(LIFECYCLE.code_prefix):
            return None
        return code.removeprefix(LIFECYCLE.code_prefix) or None

    @property
    def outcome(self) -> Outcome:
        """What became of the call; of a server that failed without a code nobody knows."""
        if self.accepted:
            return Outcome.ACCEPTED
        return Outcome.UNKNOWN if self.status >= 500 and self.code is None else Outcome.REFUSED


@attrs.frozen
class Exchange:
    """A request and its answer, None if none came, and between when that was."""

    asked: Asked
    answer: Answer | None
    started: datetime
    ended: datetime

    @property
    def shows(self) -> Mapping[str, Any]:
        """The members of what was answered, if it is a success."""
        return self.answer.says if self.answer is not None and self.answer.accepted else {}

    @property
    def order(self) -> Mapping[str, Any]:
        """The order that was answered, if it is one."""
        return self.shows if "finalize" in self.shows and "authorizations" in self.shows else {}

    @property
    def location(self) -> str | None:
        """The URL of what is shown, if the answer has it in a header."""
        return None if self.answer is None or not self.answer.accepted else self.answer.headers.get("location")

    @property
    def interval(self) -> dict[str, Any]:
        """When it was, as a line has it."""
        return {"started": self.started.isoformat(), "ended": self.ended.isoformat()}


@attrs.define
class _Order:
    url: str
    state: State | None = None
    """Where it stands as far as is known."""
    authorizations: tuple[str, ...] = ()
    expires: datetime | None = None
    told: set[Event] = attrs.field(factory=set)
    last: datetime | None = None
    """When the last call was answered."""


@attrs.define
class _Authorization:
    status: str = ""
    orders: dict[str, None] = attrs.field(factory=dict)


class _Place(NamedTuple):
    """What a URL is: `take` reads what was asked there; the order or the authorization that it belongs to, if any."""

    take: Callable[[Exchange, str], Iterator[Line]]
    whose: str = ""


class Observer:
    """Sees exchanges, in order, and says what they are as lines; the server's URLs begin with `origin`.

    An order's URL is the server's, whatever host a client asked for. `unread` counts what it could make nothing of.
    """

    def __init__(self, origin: str, lifecycle: Lifecycle = LIFECYCLE) -> None:
        self._origin, self._lifecycle = origin, lifecycle
        self._places: dict[str, _Place] = {}
        self._others: tuple[str, ...] = ()
        """How URLs begin that are below one of the directory's."""
        self._orders: dict[str, _Order] = {}
        self._authorizations: dict[str, _Authorization] = {}
        self._certificates: dict[bytes, str] = {}
        self.unread: Counter[str] = Counter()

    @property
    def orders(self) -> int:
        """How many orders it has seen."""
        return len(self._orders)

    def directory(self, url: str, resources: Mapping[str, Any]) -> None:
        """Learn where the directory is, and the resources that it names."""
        for where in (url, *resources.values()):
            self._put(where, self._nothing)
        self._others = tuple(f"{each.rstrip('/')}/" for each in self._places)
        self._put(resources.get(Operation.NEW_ORDER), self._begun)
        self._put(resources.get(Operation.REVOKE_CERT), self._revoked)

    def about(self, asked: Asked) -> list[str]:
        """The orders that a request is about, as far as that is known before it is answered."""
        whose = self._place(asked).whose
        authorization = self._authorizations.get(whose)
        return [whose] if whose in self._orders else sorted(authorization.orders) if authorization else []

    def saw(self, said: Exchange) -> list[Line]:
        """What an exchange says."""
        place = self._place(said.asked)
        lines: list[Line] = []
        try:
            lines.extend(place.take(said, place.whose))
        except InvalidValue as error:  # a URL that is no id, say
            self.unread[str(error)] += 1
        self._learn(said)
        return lines

    # -- places --------------------------------------------------------------------------------------------------------

    def _url(self, url: str) -> str:
        """The server's own URL for what a client may know by another host; what is no URL stays as it is."""
        try:
            parts = urlsplit(url)
        except ValueError:
            return url
        return f"{self._origin}{parts.path or '/'}" + (f"?{parts.query}" if parts.query else "")

    def _place(self, asked: Asked) -> _Place:
        url = self._url(asked.url)
        if url in self._places:
            return self._places[url]
        is_account = asked.client is not None and url.endswith(f"/{asked.client}")
        return _Place(self._nothing if is_account or url.startswith(self._others) else self._unknown)

    def _put(self, url: object, take: Callable[[Exchange, str], Iterator[Line]], whose: str = "") -> None:
        """Learn what a URL is, if it is one."""
        if isinstance(url, str) and url:
            self._places[self._url(url)] = _Place(take, whose)

    def _learn(self, said: Exchange) -> None:
        """What an answer shows besides: an authorization that no order has named; the account, and its orders."""
        where = said.location or said.asked.url
        if "challenges" in said.shows and (said.location or said.asked.reads):
            self._authorized_as(self._url(where), said.shows)
        elif "orders" in said.shows or (said.location and self._url(where) not in self._places):
            self._put(said.location, self._nothing)
            self._put(said.shows.get("orders"), self._nothing)

    # -- what was asked, and answered ----------------------------------------------------------------------------------

    def _nothing(self, _said: Exchange, _whose: str) -> Iterator[Line]:
        """What is about no order: the account, nonces."""
        yield from ()

    def _unknown(self, said: Exchange, _whose: str) -> Iterator[Line]:
        """What was not named by any answer: perhaps an order from before, or an authorization."""
        url = said.asked.url
        if said.order and said.asked.reads:
            yield from self._call(Operation.READ_ORDER, self._url(url), said)
        elif said.shows.keys().isdisjoint({"challenges", "orders", "contact"}):
            self.unread[f"{said.asked.method} {urlsplit(url).path}"] += 1

    def _begun(self, said: Exchange, _whose: str) -> Iterator[Line]:
        url = None if said.location is None else self._url(said.location)
        if url is None and said.answer is not None and said.answer.accepted:
            self.unread["an order without a URL"] += 1
            return
        # A server may answer the order that there is already; then it shows that, and none begins.
        yield from self._call(Operation.READ_ORDER if url in self._orders else Operation.NEW_ORDER, url, said)

    def _read(self, said: Exchange, url: str) -> Iterator[Line]:
        if said.asked.reads:
            yield from self._call(Operation.READ_ORDER, url, said)
        else:
            self.unread["a POST to an order, which asks for nothing known"] += 1

    def _finalized(self, said: Exchange, url: str) -> Iterator[Line]:
        yield from self._call(Operation.FINALIZE, url, said)

    def _downloaded(self, said: Exchange, url: str) -> Iterator[Line]:
        yield from self._call(Operation.DOWNLOAD_CERTIFICATE, url, said)
        if said.answer is None or not said.answer.accepted:
            return
        if found := _PEM.search(said.answer.body):
            with suppress(ValueError):
                self._certificates[sha256(PEM_cert_to_DER_cert(found[0].decode())).digest()] = url
        for alternate in _LINK.findall(said.answer.headers.get("link", "")):
            with suppress(ValueError):
                self._put(urljoin(said.asked.url, alternate), self._downloaded, url)

    def _revoked(self, said: Exchange, _whose: str) -> Iterator[Line]:
        certificate = said.asked.says.get("certificate")
        digest = b""
        with suppress(ValueError):
            digest = sha256(_decoded(certificate if isinstance(certificate, str) else "")).digest()
        if digest in self._certificates:
            yield from self._call(Operation.REVOKE_CERT, self._certificates[digest], said)
        else:
            self.unread["a revocation of a certificate that was not downloaded here"] += 1

    def _authorized(self, said: Exchange, url: str) -> Iterator[Line]:
        """A call on an authorization: all that a client can ask for is that it be deactivated."""
        if not said.asked.reads:
            if said.asked.says.get(_STATUS) != DEACTIVATED:
                self.unread["a POST to an authorization, which asks for nothing known"] += 1
                return
            for order in list(self._authorizations[url].orders):
                yield from self._call(Operation.DEACTIVATE_AUTHORIZATION, order, said)
        if "challenges" in said.shows:
            self._authorized_as(url, said.shows)
        yield from self._events(url, said)

    def _challenged(self, said: Exchange, url: str) -> Iterator[Line]:
        authorization, status = self._authorizations[url], said.shows.get(_STATUS)
        makes = CHALLENGES.get(status) if isinstance(status, str) else None
        if makes is not None and AUTHORIZATIONS.get(authorization.status) is None:
            authorization.status = makes
        yield from self._events(url, said)

    # -- orders --------------------------------------------------------------------------------------------------------

    def _call(self, trigger: Operation, url: str | None, said: Exchange) -> Iterator[Line]:
        outcome = Outcome.UNKNOWN if said.answer is None else said.answer.outcome
        word = said.order.get(_STATUS)
        order = None if url is None else self._orders.get(url)
        if order is not None and isinstance(word, str):
            yield from self._expired(order, word, said)
        yield Line(
            time=said.ended,
            order_id=url,
            trigger=trigger,
            outcome=outcome,
            code=None if said.answer is None else said.answer.code,
            state=word if isinstance(word, str) else None,
            client=said.asked.client,
            extra={} if said.answer is None else {"http_status": said.answer.status},
            lifecycle=self._lifecycle,
            **said.interval,
        )
        if url is None or outcome is not Outcome.ACCEPTED:
            return
        if order is None:
            order = self._orders[url] = _Order(url)
            self._put(url, self._read, url)
        order.last = said.ended
        row = self._lifecycle.table[order.state].get(trigger)
        shown = _WORDS.get(word.lower()) if isinstance(word, str) else None
        order.state = next(iter(shown)) if shown else order.state if row is None else row.target
        self._known(order, said.order)

    def _known(self, order: _Order, says: Mapping[str, Any]) -> None:
        """Learn what an order says of itself."""
        order.expires = _moment(says.get("expires")) or order.expires
        self._put(says.get("finalize"), self._finalized, order.url)
        self._put(says.get("certificate"), self._downloaded, order.url)
        named = says.get("authorizations")
        if isinstance(named, list) and not order.authorizations:
            urls = (self._url(each) for each in named if isinstance(each, str))
            order.authorizations = tuple(dict.fromkeys(urls))
            for url in order.authorizations:
                self._put(url, self._authorized, url)
                self._authorizations.setdefault(url, _Authorization()).orders[order.url] = None

    def _authorized_as(self, url: str, says: Mapping[str, Any]) -> None:
        """Learn what an authorization says of itself."""
        authorization = self._authorizations.setdefault(url, _Authorization())
        self._put(url, self._authorized, url)
        if isinstance(status := says.get(_STATUS), str):
            authorization.status = status
        challenges = says.get("challenges")
        for challenge in challenges if isinstance(challenges, list) else ():
            if isinstance(challenge, dict):
                self._put(challenge.get("url"), self._challenged, url)

    # -- events --------------------------------------------------------------------------------------------------------

    def _events(self, authorization: str, said: Exchange) -> Iterator[Line]:
        """What the authorizations have done to each order of this one: once, and where the table lets it do that."""
        for order in [self._orders[url] for url in self._authorizations[authorization].orders]:
            did = [AUTHORIZATIONS.get(self._authorizations[url].status) for url in order.authorizations]
            for event in dict.fromkeys(did):
                if event is not None and (event not in _OF_ALL or set(did) == {event}) and self._moves(order, event):
                    yield self._line(order, event, said.ended, **said.interval)

    def _expired(self, order: _Order, word: str, said: Exchange) -> Iterator[Line]:
        """That an order expired, if it is read as what that leads to, and nothing else has led there."""
        row = self._lifecycle.table[order.state].get(Event.EXPIRED)
        if order.expires is None or order.expires > said.ended or row is None:
            return
        if row.target in _WORDS.get(word.lower(), ()) and self._moves(order, Event.EXPIRED):
            yield self._line(order, Event.EXPIRED, max(order.expires, order.last or order.expires))

    def _moves(self, order: _Order, event: Event) -> bool:
        """Whether an event moves an order, which then is there, and was not told of it yet."""
        row = self._lifecycle.table[order.state].get(event)
        if row is None or row.target == row.source or event in order.told:
            return False
        order.told.add(event)
        order.state = row.target
        return True

    def _line(self, order: _Order, event: Event, at: datetime, **interval: Any) -> Line:
        return Line(time=at, order_id=order.url, trigger=event, lifecycle=self._lifecycle, **interval)


_OF_ALL = {AUTHORIZATIONS[PROVED]}
"""The events that only all authorizations of an order make happen together."""


def _decoded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _object(text: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(text) if text[:1] == b"{" or text.lstrip()[:1] == b"{" else None
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _moment(text: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return moment if moment is None or moment.tzinfo else moment.replace(tzinfo=UTC)
