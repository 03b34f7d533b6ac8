"""Connections as the ports take them: how long a client may take, how much it may send, and how a fault ends one."""

from __future__ import annotations

import json
import logging
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import attrs
from starlette.responses import JSONResponse
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from orderfsm.mock.message import Request

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterable

    from starlette.types import Receive, Scope, Send

    from orderfsm.mock.message import Response

LOG = logging.getLogger("orderfsm.mock")
"""What an operator should know, one line each: on standard error, where nobody says otherwise."""

MAX_BODY = 1 << 20
"""Bytes that a request's body may have; a larger one is answered with 413."""

TRANSPORT = "orderfsm.transport"
"""The ASGI extension with which `Protocol` gives an application the connection, to end it too early."""

_NO_CONTENT = HTTPStatus.NO_CONTENT
_METHODS = {b"GET", b"POST"}
_LINGER = 2.0  # seconds in which a client can read why it was turned away


@attrs.frozen(kw_only=True)
class Limits:
    """What a client may take of a port; times in seconds, sizes in bytes.

    `arrival` is for a request to arrive whole, the first from the connection's beginning on; `idle` the time until the
    next one; `reading` the time in which it must read something of a long answer. `target` is the size of a URL,
    `head` that of all header fields, `fields` their number, `connections` how many a port has.
    """

    arrival: float = 30.0
    idle: int = 30
    reading: float = 30.0
    target: int = 1 << 16
    head: int = 1 << 16
    fields: int = 200
    connections: int = 500


class TooLarge(Exception):
    """A body of more than `MAX_BODY` bytes."""

    def response(self) -> JSONResponse:
        """What it is answered."""
        return JSONResponse({"Code": "RequestTooLarge", "Message": f"at most {MAX_BODY} bytes"}, 413)


async def read_body(scope: Scope, receive: Receive) -> bytes | None:
    """The body of a request; None if the client hung up before its end. A part of a request is never carried out.

    Raises `TooLarge`, and then nothing of it is kept.
    """
    body: bytes = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if not message.get("more_body", False) and len(body) <= MAX_BODY:
            return body
        if max(len(body), _announced(scope)) > MAX_BODY:
            _complain(scope.get("client"), f"a body of more than {MAX_BODY} bytes was refused")
            raise TooLarge


def _announced(scope: Scope) -> int:
    """How many bytes a body has, as far as its header says."""
    return next((int(v[:20]) for name, v in scope["headers"] if name == b"content-length" and v.isdigit()), 0)


def decoded(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Header fields as texts, of those that are there twice the last."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}


def fields(response: Response, length: int) -> list[tuple[bytes, bytes]]:
    """The header fields of a response of which `length` bytes of a body are sent."""
    encoded = [(name.encode(), value.encode()) for name, value in response.headers.items()]
    if response.status != _NO_CONTENT:
        encoded.append((b"content-length", b"%d" % length))
    return encoded


async def _fail(error: Exception, _scope: Scope, _receive: Receive, _send: Send) -> None:
    raise error


def _complain(client: Any, what: str) -> None:
    LOG.warning("orderfsm: %s: %s", "a client" if client is None else f"{client[0]} port {client[1]}", what)


class Protocol(HttpToolsProtocol):
    """Uvicorn's HTTP protocol, with limits, and with an extension that lets faults end the connection.

    Where the application has a function `at_once`, as that of the API port on memory, a request without a body is
    answered by it as it arrives, which takes half the time of an ASGI call.
    """

    def __init__(self, *arguments: Any, limits: Limits | None = None, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._limits = Limits() if limits is None else limits
        self._arriving = True  # a request, or the first
        self._in_head = True
        self._received = 0  # bytes of what arrives
        self._turned_away = self._answered = False
        self._port: Any = self.app
        self._at_once: Callable[[Request], Response] | None = getattr(self.app, "at_once", None)
        self._deadline: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None

    # -- what arrives ------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Let a connection in, if there are not too many, and wait for its first request."""
        super().connection_made(transport)
        self._extensions: dict[str, dict[object, object]] = {TRANSPORT: {"transport": transport}}
        if len(self.connections) > self._limits.connections:
            self._turn_away(503, "TooManyConnections", f"more than {self._limits.connections} connections")
        else:
            self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget its limits."""
        for timer in (self._deadline, self._unread):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what arrived, as long as it is within the limits."""
        if self._turned_away:
            return
        self._received += len(data)
        super().data_received(data)
        if self._arriving:
            self._bound()
        elif self._deadline is None and self.timeout_keep_alive_task is None and self._at_rest:
            self._expect()

    def _bound(self) -> None:
        """See to a request of which a part is here."""
        most = self._limits.target + self._limits.head
        if self._turned_away or self.transport.is_closing():
            return
        if self._in_head and self._received > most:
            self._turn_away(*self._too_large(incomplete=True))
        elif self._received > most + 16 * MAX_BODY:
            self._cut_off("sent far more than a request may have")
        elif self._deadline is None:
            self._expect()

    def on_message_begin(self) -> None:
        """Offer the extension to the application."""
        super().on_message_begin()
        self.scope["extensions"] = self._extensions
        self._arriving = self._in_head = True

    def on_headers_complete(self) -> None:
        """Begin to answer; what is too large is answered by that."""
        self._in_head = False
        self.scope["headers"] = self.headers[:]  # fields that come after the body mean nothing here
        if not self._fits():
            self._hand_to(self._refusal())
            return
        request = None if self._at_once is None else self._whole()
        if self._at_once is None or request is None:
            super().on_headers_complete()
            return
        try:
            response = self._at_once(request)
        except Exception as error:  # noqa: BLE001  (uvicorn logs it, and answers)
            self._hand_to(partial(_fail, error))
            return
        if response.is_plain:
            self._answer(response)
        else:
            self._hand_to(partial(self._port.deliver, response, request))

    def on_message_complete(self) -> None:
        """A request is here."""
        self._arriving, self._received = False, 0
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        if self._answered:
            self._answered = False
        else:
            super().on_message_complete()

    def _hand_to(self, app: Any) -> None:
        """Let another application answer this request."""
        ours, self.app = self.app, app
        super().on_headers_complete()
        self.app = ours

    def _refusal(self) -> JSONResponse:
        status, code, message = self._too_large()
        _complain(self.client, f"{message}: refused")
        return JSONResponse({"Code": code, "Message": message}, status, {"connection": "close"})

    # -- what is answered at once ------------------------------------------------------------------------------------

    def _whole(self) -> Request | None:
        """The request, if it ends with its head and nothing stands in the way of its answer; else uvicorn's way."""
        parser: Any = self.parser
        url, method = self.url, parser.get_method()
        if (
            not (url == b"/" or url.startswith(b"/?"))
            or b"#" in url
            or method not in _METHODS
            or parser.get_http_version() != "1.1"
            or not self._at_rest
            or self.flow.write_paused
            or self.transport.is_closing()
        ):
            return None
        headers = decoded(self.headers)
        if headers.get("content-length", "0") != "0" or "transfer-encoding" in headers:
            return None
        return Request(method.decode(), "/", url[2:].decode("latin-1"), headers)

    def _answer(self, response: Response) -> None:
        """Write a response in one piece, without a task for it."""
        self._answered = True
        parser: Any = self.parser
        keeps_alive = parser.should_keep_alive()
        head = [*self.server_state.default_headers, *fields(response, len(response.body))]
        if not keeps_alive:
            head.append((b"connection", b"close"))
        lines = [b"%b: %b\r\n" % field for field in head]
        self.transport.write(b"".join([STATUS_LINE[response.status], *lines, b"\r\n", response.body]))
        self.server_state.total_requests += 1
        self._unset_keepalive_if_required()
        if keeps_alive:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )
        else:
            self.transport.close()

    # -- how large it may be -----------------------------------------------------------------------------------------

    def _fits(self) -> bool:
        limits = self._limits
        if len(self.headers) > limits.fields:
            return False
        if 0 < self._received <= min(limits.target, limits.head):  # 0: it came together with the request before it
            return True
        size = sum(len(name) + len(value) for name, value in self.headers)
        return len(self.url) <= limits.target and size <= limits.head

    def _too_large(self, *, incomplete: bool = False) -> tuple[int, str, str]:
        limits = self._limits
        if len(self.url or b"") > limits.target:
            return 414, "URITooLong", f"a URL of more than {limits.target} bytes"
        if not incomplete and len(self.headers) > limits.fields:
            return 431, "HeaderFieldsTooLarge", f"more than {limits.fields} header fields"
        return 431, "HeaderFieldsTooLarge", f"header fields of more than {limits.head} bytes"

    # -- what takes too long -----------------------------------------------------------------------------------------

    def _expect(self) -> None:
        self._deadline = self.loop.call_later(self._limits.arrival, self._overdue)

    def _overdue(self) -> None:
        self._deadline = None
        if self.transport.is_closing():
            return
        if self.flow.read_paused:  # it is we who let it wait
            self._expect()
            return
        message = f"no complete request within {self._limits.arrival:g} s"
        if self._at_rest:
            self._turn_away(408, "RequestTimeout", message)
        else:
            self._cut_off(message)

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection on which nothing was asked for long, even if its last answer was never read."""
        self.transport.abort()

    def pause_writing(self) -> None:
        """Wait for the client to read, but not for ever."""
        super().pause_writing()
        self._unread = self.loop.call_later(self._limits.reading, self._unheard)

    def resume_writing(self) -> None:
        """The client reads."""
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None
        super().resume_writing()

    def _unheard(self) -> None:
        self._cut_off(f"read nothing of an answer for {self._limits.reading:g} s")

    @property
    def _at_rest(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    # -- turning away ------------------------------------------------------------------------------------------------

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP."""
        self._turn_away(400, "InvalidRequest", msg, complain=False)  # uvicorn did

    def _cut_off(self, why: str) -> None:
        """End the connection at once, in the middle of whatever it is."""
        _complain(self.client, f"{why}: closed")
        if self.cycle is not None:
            self.cycle.disconnected = True
        self.transport.abort()

    def _turn_away(self, status: int, code: str, message: str, *, complain: bool = True) -> None:
        """Answer without the application; then nothing is read any more, and the connection ends."""
        if complain:
            _complain(self.client, f"{message}: refused")
        self._turned_away = True
        body = json.dumps({"Code": code, "Message": message}).encode()
        fields = f"content-type: application/json\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        self.transport.write(f"HTTP/1.1 {status} \r\n{fields}".encode() + body)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(_LINGER, self.transport.abort)


def protocol(limits: Limits) -> Any:
    """`Protocol` with these limits, as uvicorn takes it."""
    return partial(Protocol, limits=limits)
