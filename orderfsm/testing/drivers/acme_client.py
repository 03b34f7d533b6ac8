"""An ACME client, for drivers: signed requests of one account, and a server of answers to http-01."""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

import attrs

from orderfsm.errors import Meaning
from orderfsm.extras import needs
from orderfsm.invalid import InvalidValue, OrderFSMError
from orderfsm.tables.acme import LIFECYCLE
from orderfsm.trace import Outcome
from orderfsm.urls import without_credentials

from .driver import Answer, NoAnswer, kept_out, says_nothing, throttled
from .exchanges import Exchange, Exchanges

with needs("acme"):
    import requests
    from acme import errors, messages
    from acme.client import ClientNetwork, ClientV2
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from josepy.b64 import b64encode
    from josepy.interfaces import JSONDeSerializable
    from josepy.jwa import ES256
    from josepy.jwk import JWKEC

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CONTACT = "mailto:orderfsm@orderfsm.test"

REQUIRED = ("newNonce", "newAccount", "newOrder")
"""What a directory has at least."""

UNANSWERED = (requests.RequestException, errors.Error, ValueError)
"""What the libraries raise where no answer came; older versions of acme a ValueError where none could connect."""

LOOPBACK = ("127.0.0.1", "localhost", "::1")

TRIES = 3
"""How often a request is made that the server keeps out, beside the second time that is the library's own."""

PAUSE = 0.2
"""Seconds after which a server that was busy is asked again, if it does not say."""

WELL_KNOWN = "/.well-known/acme-challenge/"


class _Payload(JSONDeSerializable):
    """A JSON object, as it is."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document

    def to_partial_json(self) -> Mapping[str, Any]:
        return self._document

    @classmethod
    def from_json(cls, jobj: Any) -> _Payload:
        return cls(jobj)


@attrs.frozen
class Came:
    """An answer as it came: what it says, its JSON object if it is one, its text, and its headers.

    The object of a refusal is a problem, whose `status` is HTTP's, so that it is no `body` of the answer.
    """

    answer: Answer
    document: Mapping[str, Any] | None
    text: str
    headers: Mapping[str, str]
    retry_after: float
    """Seconds after which the server wants to be asked again; 0 if it does not say."""

    @classmethod
    def of(cls, response: requests.Response) -> Came:
        """Of a response: a problem's code without its prefix; an empty one where the server names none."""
        try:
            document = response.json()
        except ValueError:
            document = None
        document = document if isinstance(document, dict) else None
        if response.ok:
            answer = Answer.accepted(http_status=response.status_code, body=document)
        else:
            answer = Answer.refused(_code(response.url, document or {}), http_status=response.status_code)
        wait = (ClientV2.retry_after(response, 0) - datetime.now()).total_seconds()  # noqa: DTZ005  # as it counts
        return cls(answer, document, response.text, response.headers, max(wait, 0.0))


def _code(url: str, problem: Mapping[str, Any]) -> str:
    """The code of a problem that came from `url`: what stands there alone is relative to it (RFC 7807, section 3.1)."""
    kind = str(problem.get("type") or "")
    return kind.removeprefix(LIFECYCLE.code_prefix) if ":" in kind else kind and urljoin(url, kind)


class Client:
    """An account of its own at the server whose directory is at `url`; `OrderFSMError` if there is none to be had.

    Safe between threads: each request has a network, with its nonces, that no other has meanwhile.
    """

    def __init__(self, url: str, ca: str | None, timeout: float, exchanges: Exchanges) -> None:
        self._ca, self._timeout = ca, timeout
        self._is_near = urlsplit(url).hostname in LOOPBACK
        self._key = JWKEC(key=ec.generate_private_key(ec.SECP256R1()))
        self._account: messages.RegistrationResource | None = None
        self._idle: list[ClientNetwork] = []
        self._exchanges = exchanges
        self.directory = self._found(url)
        try:
            came = self._registered(contact=[CONTACT])
            if LIFECYCLE.codes.meaning_of(came.answer.code) is Meaning.MALFORMED:  # it may not like the address
                came = self._registered()
        except NoAnswer as error:
            raise OrderFSMError(f"{without_credentials(url)}: no account: {error}") from None
        address = came.headers.get("Location")
        if came.answer.outcome is not Outcome.ACCEPTED or address is None:
            why = (came.document or {}).get("detail", "no Location in the answer")
            raise OrderFSMError(f"{without_credentials(url)}: no account: {came.answer}: {why}")
        self._account = messages.RegistrationResource(uri=address, body=messages.Registration())
        self._idle.clear()

    def _registered(self, **fields: Any) -> Came:
        return self.post(self.directory["newAccount"], {"termsOfServiceAgreed": True, **fields})

    def proof(self, token: str) -> str:
        """What is to be found at a token's address: its key authorization."""
        return f"{token}.{b64encode(self._key.thumbprint()).decode()}"

    def post(self, url: str, document: Mapping[str, Any] | None = None, *, repeats: bool = False) -> Came:
        """The answer to a signed request, without a document a POST-as-GET; `NoAnswer` if none comes.

        It is made again where the server keeps it out, as for its nonce, or where there were too many; a read, and what
        `repeats`, also where the server was busy; as long after as the server says, if that is not too long.
        """
        until = time.monotonic() + self._timeout / 2
        tries = 0
        while True:
            tries += 1
            came = self._posted(url, None if document is None else _Payload(document))
            may_have_been_done = document is not None and not repeats
            busy = throttled(came.answer, LIFECYCLE)
            busy |= says_nothing(came.answer, LIFECYCLE) and not may_have_been_done
            is_last = tries == TRIES or time.monotonic() + came.retry_after > until
            if is_last or not (busy or kept_out(came.answer, LIFECYCLE)):
                return came
            time.sleep(max(came.retry_after, PAUSE) if busy else 0.0)

    def read(self, url: str) -> Mapping[str, Any]:
        """The JSON object at an address; an empty one if it is refused."""
        came = self.post(url)
        return (came.document or {}) if came.answer.outcome is Outcome.ACCEPTED else {}

    def _posted(self, url: str, payload: _Payload | None) -> Came:
        came: list[requests.Response] = []
        network = self._network()
        network.session.hooks["response"] = [self._note, lambda response, *_, **__: came.append(response)]
        try:
            network.post(url, payload, new_nonce_url=self.directory["newNonce"])
        except UNANSWERED as error:
            if not came or came[-1].request.method != "POST":
                raise NoAnswer(f"POST {url}: {_reason(error)}") from None
        self._idle.append(network)
        return Came.of(came[-1])

    def _note(self, response: requests.Response, *_: object, **__: object) -> None:
        sent: Any = response.request
        self._exchanges.note(
            Exchange(
                method=sent.method,
                url=sent.url,
                headers=sent.headers,
                body=sent.body.encode() if isinstance(sent.body, str) else sent.body or b"",
                started=datetime.now(UTC) - response.elapsed,
                seconds=response.elapsed.total_seconds(),
                status=response.status_code,
                reason=response.reason or "",
                answer_headers=response.headers,
                answer=response.content,
            )
        )

    def _network(self) -> ClientNetwork:
        """One that is idle, else a new one. What was interrupted is not used again."""
        with suppress(IndexError):
            return self._idle.pop()
        trusted: Any = self._ca or (self._is_near and os.environ.get("REQUESTS_CA_BUNDLE")) or True
        network = ClientNetwork(
            self._key,
            self._account,
            alg=ES256,
            verify_ssl=trusted,
            user_agent="orderfsm",
            timeout=self._timeout,  # type: ignore[arg-type]  # seconds, and parts of them
        )
        network.session.hooks["response"] = [self._note]
        network.session.trust_env = not self._is_near  # a proxy is asked even for a server of this machine
        return network

    def _found(self, url: str) -> Mapping[str, str]:
        shown = without_credentials(url)
        try:
            document = self._network().get(url).json()
        except requests.exceptions.SSLError as error:
            raise OrderFSMError(f"{shown}: its certificate is not trusted ({_reason(error)}); name its CA") from None
        except UNANSWERED as error:
            raise OrderFSMError(f"{shown}: no ACME directory: {_reason(error)}") from None
        missing = [name for name in REQUIRED if not isinstance(document, dict) or name not in document]
        if missing:
            raise OrderFSMError(f"{shown}: no ACME directory: it has no {missing[0]}")
        return dict(document)


def _reason(error: Exception) -> str:
    """An error of the libraries in one line: what the system said first, if that is among its causes."""
    reason: BaseException = error
    cause: BaseException | None = error
    while cause is not None:
        reason = cause if isinstance(cause, OSError) else reason
        cause = cause.__cause__ or cause.__context__
    return " ".join(f"{type(reason).__name__} {reason}".split())[:200]


def csr_for(names: Sequence[str]) -> bytes:
    """A request for these names, in DER, with a key that nobody keeps."""
    subject = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
    builder = x509.CertificateSigningRequestBuilder(x509.Name([])).add_extension(subject, critical=False)
    return builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()).public_bytes(
        serialization.Encoding.DER
    )


def directory_of(text: str) -> str:
    """The URL of a directory; `InvalidValue` if it is none."""
    with suppress(ValueError):  # a port that is none
        parts = urlsplit(text)
        if parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0:
            return text
    raise InvalidValue(
        "directory", without_credentials(text), ["the URL of an ACME directory, https://HOST[:PORT]/..."]
    )


class Proofs:
    """Answers to http-01 on `host` and `port`, until it is closed: `texts` by token. `asked` counts the questions.

    Only the path is looked at: a server may ask through a proxy, which this then is. `OrderFSMError` if the port is
    taken.
    """

    def __init__(self, host: str, port: int) -> None:
        self.texts: dict[str, str] = {}
        self.asked = 0
        self.host = host
        try:
            self._server = ThreadingHTTPServer((host, port), self._handler())
        except (OSError, OverflowError) as error:
            raise OrderFSMError(f"http-01 port {host}:{port}: {error}") from None
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proofs = self

        class Handler(BaseHTTPRequestHandler):
            timeout, wbufsize = 5.0, -1  # in one packet

            def do_GET(self) -> None:
                proofs.asked += 1
                before, _, token = urlsplit(self.path).path.rpartition(WELL_KNOWN)
                text = None if before else proofs.texts.get(token)
                content = b"" if text is None else text.encode()
                self.send_response(404 if text is None else 200)
                self.send_header("Content-Type", "application/octet-stream")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Nothing."""

        return Handler
