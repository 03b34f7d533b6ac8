"""Requests and their answers as they went over the wire, for whoever reads a report: secrets are left out."""

from __future__ import annotations

import json
import re
import time
from collections import deque
from datetime import UTC, datetime
from operator import attrgetter
from threading import Lock
from typing import TYPE_CHECKING, Any, Self

import attrs

from orderfsm.urls import without_credentials

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MOST = 10_000
"""How many exchanges are kept at most until somebody takes them; the oldest go first."""

HIDDEN = "HIDDEN"
"""What stands in the place of a secret."""

SECRET_HEADERS = frozenset(["authorization", "proxy-authorization", "cookie", "set-cookie", "x-acs-security-token"])
SECRET_NAMES = frozenset(["signature", "securitytoken", "accesskeysecret", "privatekey", "password"])
"""Names of parameters and members whose values are secrets, without dashes and in lower case."""

PARAMETER = re.compile(r"(?<![^?&])([^?&=]+)=([^&]*)")
SIGNATURE = re.compile(r"(?i)\bsignature=([^,\s&]+)")
PRIVATE_KEY = re.compile(r"(-----BEGIN [A-Z ]*PRIVATE KEY-----).*?(-----END [A-Z ]*PRIVATE KEY-----)", re.DOTALL)


@attrs.frozen(eq=False)
class Exchange:
    """A request, and what was answered to it.

    `headers` and `answer_headers` are as they went over the wire, bodies are bytes, an answer's without the encoding
    that it was sent in. `started` is the time of day, `seconds` how long it took. Where no answer came `status` is 0,
    and `error` says why. `comment` says what it was made for.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    started: datetime
    seconds: float
    status: int = 0
    reason: str = ""
    answer_headers: Mapping[str, str] = attrs.field(factory=dict)
    answer: bytes = b""
    error: str = ""
    comment: str = ""

    def shown(self) -> Exchange:
        """It without secrets: no credentials, signatures, tokens, and private keys."""
        signatures = SIGNATURE.findall(" ".join([self.url, *self.headers.values()]))
        return attrs.evolve(
            self,
            url=_without_parameters(without_credentials(self.url)),
            headers=_without_secrets(self.headers),
            body=_hidden(self.body),
            answer_headers=_without_secrets(self.answer_headers),
            answer=_hidden(self.answer, signatures),
            error=_without_parameters(self.error),
        )

    def mentions(self, text: str) -> bool:
        """Whether a word stands in its URL or in one of its bodies."""
        word = re.compile(rf"(?<!\w){re.escape(text)}(?!\w)".encode())
        return any(map(word.search, (self.url.encode(), self.body, self.answer)))


def _without_secrets(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: HIDDEN if name.lower() in SECRET_HEADERS else str(value) for name, value in headers.items()}


def _is_secret(name: str) -> bool:
    return name.lower().replace("-", "").replace("_", "").replace("x-acs-", "") in SECRET_NAMES


def _without_parameters(text: str) -> str:
    """A query or form without the values of secret parameters."""
    return PARAMETER.sub(lambda each: f"{each[1]}={HIDDEN if _is_secret(each[1]) else each[2]}", text)


def _hidden(body: bytes, values: Iterable[str] = ()) -> bytes:
    """A body without secrets, and without these values; as it is if it is no text."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return body
    for value in values:
        text = text.replace(value, HIDDEN)
    text = PRIVATE_KEY.sub(rf"\1{HIDDEN}\2", text)
    try:
        document = json.loads(text)
    except ValueError:
        return _without_parameters(text).encode()
    changed = _without_members(document)
    return text.encode() if changed == document else json.dumps(changed).encode()


def _without_members(document: Any) -> Any:
    """A JSON document without the values of secret members."""
    match document:
        case dict():
            return {
                name: HIDDEN if _is_secret(name) and value else _without_members(value)
                for name, value in document.items()
            }
        case list():
            return [_without_members(each) for each in document]
    return document


class Exchanges:
    """The exchanges of a driver that nobody has taken yet. Safe between threads."""

    def __init__(self) -> None:
        self._ended: deque[Exchange] = deque(maxlen=MOST)
        self._turn = Lock()

    def asked(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Asked:
        """A request, for a block in which it is sent and `answered`; what is raised there is why it was not."""
        return Asked(self, (method, url, headers, body))

    def note(self, exchange: Exchange) -> None:
        """Add one that has ended."""
        with self._turn:
            self._ended.append(exchange)

    def taken(self) -> tuple[Exchange, ...]:
        """Those that ended since the last time, in the order in which they began."""
        if not self._ended:
            return ()
        with self._turn:
            ended = tuple(self._ended)
            self._ended.clear()
        return tuple(sorted(ended, key=attrgetter("started")))


class Asked:
    """A request under way: a context manager, that notes it among `exchanges` when it ends."""

    def __init__(self, exchanges: Exchanges, sent: tuple[str, str, Mapping[str, str], bytes]) -> None:
        self._exchanges, self._sent = exchanges, sent
        self._came: tuple[int, str, Mapping[str, str], bytes] = (0, "", {}, b"")

    def __enter__(self) -> Self:
        self._started, self._begun = datetime.now(UTC), time.perf_counter()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        seconds = time.perf_counter() - self._begun
        why = "" if kind is None else f"{kind.__name__}: {error}"
        self._exchanges.note(Exchange(*self._sent, self._started, seconds, *self._came, why))

    def answered(self, status: int, reason: str, headers: Mapping[str, str], body: bytes) -> None:
        """It was answered."""
        self._came = status, reason, headers, body
