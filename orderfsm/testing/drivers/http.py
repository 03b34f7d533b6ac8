"""A driver for any server that speaks the API over HTTP: by the official SDK, and a control port if there is one."""

from __future__ import annotations

import json
import os
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from zlib import MAX_WBITS, decompress

from orderfsm.invalid import InvalidValue
from orderfsm.questions import ORDER_LIFECYCLE
from orderfsm.tables import api
from orderfsm.trace import Outcome
from orderfsm.urls import without_credentials

from .cas import CASDriver, of_json, takes_quota
from .connections import Connections
from .driver import Answer, NoAnswer, kept_out, throttled
from .exchanges import Exchanges
from .orders import OTHER_PRODUCT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from orderfsm.client import sdk
    from orderfsm.client.connect import Transport
    from orderfsm.lifecycle import Lifecycle

PRODUCT = "digicert-free-1-free"
"""The package that is used unless another is named: the API's own default."""

ANY_KEY = ("test", "test")
"""The access key for servers that accept every key."""

PACKED = frozenset(["gzip", "x-gzip", "deflate"])
"""How a body may be encoded though nobody asked for that; others are read as they came."""

GZIP_OR_DEFLATE = MAX_WBITS + 32
"""How `zlib` is told to find out which of them something is."""

THROTTLED_TRIES = 5
"""How often a call that was throttled is made again."""

KEYS = "ORDERFSM_ACCESS_KEYS"
"""The environment variable that names access keys: `id:secret,id:secret`."""


def key_of_environment() -> tuple[str, str]:
    """The first access key that the environment names, else one that only servers accept that verify no signature."""
    first = os.environ.get(KEYS, "").split(",")[0]
    key_id, _, secret = first.partition(":")
    if first and not (key_id and secret):
        raise InvalidValue(KEYS, "entry 1", ["id:secret,id:secret"])
    return (key_id, secret) if first else ANY_KEY


class HTTPDriver(CASDriver):
    """Drives the server at `api_url` through the official SDK, signing with `key`, an access key's id and secret.

    At `control_url` is its control port (PROTOCOLS.md §2), by which events are forced, states are read, and the account
    is emptied before each program: **everything in it is lost**. Without a control port, only what calls can do is
    checked, in an account that nobody else uses meanwhile; the units that orders hold are given back where the API can.

    Without a scheme, a URL of this machine is http, and another API URL https. `product` is the package that is used,
    with a control port beside a second one; `timeout` is how many seconds an answer may take. `lifecycle` is a table of
    the certificate service: of orders or of instances; else `InvalidValue`. Safe between threads.
    """

    def __init__(
        self,
        api_url: str,
        control_url: str | None = None,
        *,
        key: tuple[str, str] = ANY_KEY,
        product: str = PRODUCT,
        timeout: float = 10.0,
        lifecycle: Lifecycle = ORDER_LIFECYCLE,
    ) -> None:
        from orderfsm.client import sdk
        from orderfsm.client.connect import connect, url_of

        self.exchanges = Exchanges()
        self.control_url = None if control_url is None else url_of_control(control_url)
        control = None if self.control_url is None else ControlClient(self.control_url, timeout, self.exchanges)
        super().__init__(lifecycle, control)
        self.api_url = url_of(api_url).geturl().rstrip("/")
        second = [] if control_url is None or product == OTHER_PRODUCT else [OTHER_PRODUCT]
        self.products = [product, *second] if takes_quota(lifecycle) else []
        self._client = connect(api_url, key=key, transport=transport(self.api_url, self.exchanges))
        milliseconds = int(timeout * 1000)
        self._runtime = sdk.RuntimeOptions(connect_timeout=milliseconds, read_timeout=milliseconds)
        self._timeout = timeout

    def probe(self) -> None:
        """`NoAnswer` if there is no server, or none that lets us in. One that lacks a read is there."""
        from orderfsm.client import sdk

        came = sdk.Answer(Outcome.UNKNOWN)
        for operation, parameters in self._calls.probes:
            came = self._sent(operation, parameters)
            if _answer(came).outcome is not Outcome.UNKNOWN and not kept_out(_answer(came)):
                break
        else:
            answer = _answer(came)
            why = "" if answer.outcome is not Outcome.UNKNOWN else f" ({' '.join(str(came.error).split()):.200})"
            raise NoAnswer(f"{self.api_url}: {answer}{why}")
        if self._control is not None:
            self._control.ask("GET", f"{self._calls.home}/1")

    def request(self, action: str, parameters: Mapping[str, Any], *, version: str = api.VERSION) -> Answer:
        """A call that is throttled is made again."""
        for _ in range(THROTTLED_TRIES):
            came = self._sent(action, parameters, version)
            answer = _answer(came)
            if not throttled(answer):
                return answer
            time.sleep(min(came.retry_after or 1.0, self._timeout))
        return _answer(self._sent(action, parameters, version))

    def _sent(self, action: str, parameters: Mapping[str, Any], version: str = api.VERSION) -> sdk.Answer:
        """What came of a call, as it came: an older SDK's models lack fields."""
        from orderfsm.client import sdk

        return sdk.send_raw(self._client, action, version, parameters, self._runtime)


def _answer(came: sdk.Answer) -> Answer:
    """What the answer that the SDK got says."""
    if came.response is not None:
        return of_json(came.response["statusCode"], came.response.get("body"))
    if came.code is None:
        return Answer.unknown()
    return of_json(getattr(came.error, "statusCode", None) or 500, getattr(came.error, "data", None))


def url_of_control(text: str) -> str:
    """The URL of a control port; `InvalidValue` if it is none."""
    try:
        url = urlsplit(text if "://" in text else f"http://{text}")
        if url.scheme == "http" and url.hostname and url.port != 0 and not (url.path.strip("/") or url.query):
            return url.geturl().rstrip("/")
    except ValueError:
        pass  # a port that is none
    raise InvalidValue("control URL", without_credentials(text), ["http://HOST:PORT"])


def transport(api_url: str, exchanges: Exchanges) -> Transport:
    """What sends the requests that the SDK made and signed, and gives it what is answered; it notes both.

    Over plain HTTP and without a proxy, it does that on connections of its own: the SDK's way through `requests` takes
    three times as long. That is still gone where the server sends the caller elsewhere, and with `DEBUG=sdk`.
    """
    from orderfsm.client.connect import goes_straight

    url = urlsplit(api_url)
    keeps = url.scheme == "http" and goes_straight(url)
    connections = Connections(url.hostname or "", url.port or 80, keeps_all=True)

    def send(by_sdk: Callable[..., Any], url_of: Callable[[Any], str], request: Any, runtime: dict[str, Any]) -> Any:
        body = request.body.encode() if isinstance(request.body, str) else request.body or b""
        asked_for = url_of(request)
        if keeps and isinstance(body, bytes) and os.environ.get("DEBUG", "").lower() != "sdk":
            target = asked_for.partition("://")[2].partition("/")[2]
            headers = {"Accept-Encoding": "identity", **request.headers, "Content-Length": str(len(body))}
            limits = runtime["connectTimeout"] / 1000, runtime["readTimeout"] / 1000
            with exchanges.asked(request.method, asked_for, headers, body) as asked:
                reply = connections.ask(request.method, f"/{target}", headers, body, limits)
                is_packed = reply.headers.get("content-encoding", "").strip().lower() in PACKED
                answer = decompress(reply.body, GZIP_OR_DEFLATE) if is_packed else reply.body
                asked.answered(reply.status, reply.reason, reply.headers, answer)
            if not 300 <= reply.status < 400:
                return SimpleNamespace(
                    status_code=reply.status,
                    status_message=reply.reason,
                    headers=reply.headers,
                    body=answer,
                    response=None,
                )
        with exchanges.asked(
            request.method, asked_for, request.headers, body if isinstance(body, bytes) else b""
        ) as asked:
            came = by_sdk(request, runtime)
            asked.answered(came.status_code, came.status_message or "", came.headers, came.body or b"")
        return came

    return send


class ControlClient:
    """A client of a control port."""

    def __init__(self, url: str, timeout: float, exchanges: Exchanges | None = None) -> None:
        parts = urlsplit(url)
        self._url = without_credentials(url)
        self._connections = Connections(parts.hostname or "", parts.port or 80, keeps_all=False)
        host = parts.netloc.rpartition("@")[2]
        self._headers = {"Host": host, "Accept-Encoding": "identity", "Content-Type": "application/json"}
        self._timeout = timeout
        self._exchanges = Exchanges() if exchanges is None else exchanges

    def ask(self, method: str, path: str, document: object = None) -> tuple[int, Any]:
        """The status and the JSON of an answer; `NoAnswer` if none comes."""
        body = b"" if document is None else json.dumps(document).encode()
        headers = self._headers | ({"Content-Length": str(len(body))} if body or method != "GET" else {})
        try:
            with self._exchanges.asked(method, self._url + path, headers, body) as asked:
                reply = self._connections.ask(method, path, headers, body, (self._timeout, self._timeout))
                asked.answered(reply.status, reply.reason, reply.headers, reply.body)
            return reply.status, json.loads(reply.body) if reply.body else None
        except (OSError, ValueError) as error:
            raise NoAnswer(f"{method} {self._url}{path}: {error!r}") from error
