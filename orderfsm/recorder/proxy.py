"""The recorder: a proxy on loopback that passes on what ACME clients and a server say, and writes what that was."""

from __future__ import annotations

import ssl
import threading
from collections import Counter, defaultdict
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

import attrs

from orderfsm import scratch
from orderfsm.invalid import InvalidValue, OrderFSMError
from orderfsm.tables.acme import Operation
from orderfsm.trace import Events, dumps, header

from . import authority
from .observer import Answer, Asked, Exchange, Observer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from os import PathLike

    from orderfsm.trace import Line

HOST = "localhost"
_ADDRESS = "127.0.0.1"
SECONDS = 100
"""How long a server may take for an answer."""

_MOST = 1 << 20
"""How many bytes a request may have."""
_OF_THE_CONNECTION = {
    *("connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"),
    *("content-length", "accept-encoding", "expect"),
}
"""The headers that are not passed on: they are about one connection, or ask for what cannot be read."""


class Unanswered(OrderFSMError):
    """The server that was to be recorded does not answer as one."""


@attrs.frozen
class Totals:
    """What was recorded: the `requests`, the `lines` of calls and the `events`, of how many `orders`.

    `unanswered`: requests to which no answer came. `unread`: what nothing could be made of, and how often.
    """

    requests: int
    orders: int
    lines: int
    events: int
    unanswered: int
    unread: Mapping[str, int]

    def as_json(self) -> dict[str, Any]:
        """The last document of `orderfsm record`."""
        return {**attrs.asdict(self), "unread": dict(self.unread)}

    def __str__(self) -> str:
        said = (
            f"{self.requests:,} requests: {self.lines:,} lines and {self.events:,} events of {self.orders:,} orders, "
            f"{self.unanswered:,} without an answer, {sum(self.unread.values()):,} that could not be read"
        )
        return "\n".join([said, *(f"  {count:,} times {what}" for what, count in self.unread.items())])


@attrs.frozen
class Recording:
    """A recorder that runs: the URL of the `directory` that clients are to be given, and the `ca` file to trust.

    The `ca` is None if the recorder speaks plain HTTP, or has a certificate that it was given.
    """

    directory: str
    ca: Path | None
    _recorder: _Recorder

    @property
    def totals(self) -> Totals:
        """What was recorded so far."""
        return self._recorder.totals


@contextmanager
def recording(
    directory: str,
    out: str | PathLike[str],
    *,
    port: int = 0,
    ca: str | PathLike[str] | None = None,
    certificate: tuple[str | PathLike[str], str | PathLike[str]] | None = None,
) -> Iterator[Recording]:
    """Record the traffic of the server with this `directory` URL into the new file `out`, while the block lasts.

    The recorder listens at `port` of loopback (0: any free one), by HTTPS if the server does. Then its certificate and
    key are the files `certificate`, or it makes some, with an authority whose file is `ca` of what is given. `ca` here
    is the authority of the server, a file in PEM, if it is not one of the system's.

    Requests about one order are passed on one after the other, so that the file has them in the order in which they
    happened. `InvalidValue` for a file that exists, and for a server that does not name its URLs by the host that it
    is asked for: nobody could sign for it through a proxy. `Unanswered` if it does not answer.
    """
    with ExitStack() as stack:
        server = _Server(directory, ca)
        context = None
        trusted: Path | None = None
        if server.is_https:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            if certificate is None:
                trusted, own, key = authority.make(stack.enter_context(scratch.folder()))
                context.load_cert_chain(own, key)
            else:
                _load(context, *certificate)
        listener = _listening(port, context)
        stack.callback(listener.server_close)
        url = f"{server.parts.scheme}://{HOST}:{listener.server_address[1]}{server.path}"
        resources = server.resources(url)
        recorder = listener.recorder = _Recorder(server, stack.enter_context(_new_file(out)))
        recorder.observer.directory(url, resources)
        thread = threading.Thread(target=listener.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        stack.callback(thread.join)
        stack.callback(listener.shutdown)
        yield Recording(url, trusted, recorder)


def _load(context: ssl.SSLContext, certificate: str | PathLike[str], key: str | PathLike[str]) -> None:
    try:
        context.load_cert_chain(certificate, key)
    except OSError as error:
        raise InvalidValue(
            "certificate and key", (str(certificate), str(key)), [f"two files in PEM ({error})"]
        ) from error


@contextmanager
def _new_file(out: str | PathLike[str]) -> Iterator[IO[str]]:
    try:
        file = Path(out).open("x", encoding="utf-8")  # noqa: SIM115
    except FileExistsError as error:
        raise InvalidValue("output", str(out), ["a file that does not exist yet"]) from error
    with file:
        file.write(f"{header(Events.PARTIAL)}\n")
        file.flush()
        yield file


class _Server:
    """The server that is recorded."""

    def __init__(self, directory: str, ca: str | PathLike[str] | None) -> None:
        self.parts = _checked(directory)
        self.is_https = self.parts.scheme == "https"
        self.origin = f"{self.parts.scheme}://{self.parts.netloc}"
        self.path = (self.parts.path or "/") + (f"?{self.parts.query}" if self.parts.query else "")
        self._context = None
        if self.is_https:
            try:
                self._context = ssl.create_default_context(cafile=ca)
            except OSError as error:
                raise InvalidValue("CA file", str(ca), [f"one in PEM ({error})"]) from error

    def resources(self, directory: str) -> Mapping[str, Any]:
        """What its directory names, if it is asked for by the URL of the recorder's `directory`."""
        parts = urlsplit(directory)
        answer = self.ask("GET", self.path, {"Host": parts.netloc}, b"")
        resources = answer.says if answer.accepted else {}
        where = resources.get(Operation.NEW_ORDER)
        if not isinstance(where, str):
            raise InvalidValue("directory", self.parts.geturl(), [f"one of RFC 8555; it answers {answer.status}"])
        if urlsplit(where)[:2] != parts[:2]:
            own = f"{parts.scheme}://{parts.netloc}"
            accepted = (
                "one that names its URLs by the host that it is asked for, since they are signed; its "
                f"{Operation.NEW_ORDER} is {where}: let it take {own} for its own address, and start the recorder "
                f"with --port {parts.port}"
            )
            raise InvalidValue("server", self.origin, [accepted])
        return resources

    def ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """What it answers; `Unanswered` if no whole answer comes."""
        host, port = self.parts.hostname or "", self.parts.port
        connection: HTTPConnection
        if self._context is None:
            connection = HTTPConnection(host, port, timeout=SECONDS)
        else:
            connection = HTTPSConnection(host, port, timeout=SECONDS, context=self._context)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.putheader("Connection", "close")
            if body or method == "POST":
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body or None)
            response = connection.getresponse()
            return Answer.of(response.status, response.getheaders(), response.read())
        except (OSError, HTTPException, ValueError) as error:
            raise Unanswered(f"no answer from {self.origin}: {error or type(error).__name__}") from error
        finally:
            connection.close()


def _checked(directory: str) -> SplitResult:
    try:
        parts = urlsplit(directory)
        is_url = parts.scheme in {"http", "https"} and parts.hostname and (parts.port is None or parts.port > 0)
        if is_url and parts.username is None and not parts.fragment:
            return parts
    except ValueError:
        pass
    raise InvalidValue("directory", directory, ["the URL of an ACME server's directory, by http or https"])


class _Recorder:
    """Passes requests on, and writes what they say."""

    def __init__(self, server: _Server, out: IO[str]) -> None:
        self.observer = Observer(server.origin)
        self._server, self._out = server, out
        self._lock = threading.Lock()
        self._turns: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._counts: Counter[str] = Counter()

    @property
    def totals(self) -> Totals:
        """What was recorded so far."""
        with self._lock:
            counts = {name: self._counts[name] for name in ("requests", "lines", "events", "unanswered")}
            return Totals(orders=self.observer.orders, unread=dict(self.observer.unread), **counts)

    def passed_on(self, asked: Asked, path: str, headers: Mapping[str, str], body: bytes) -> Answer | None:
        """What the server answers to a request; None if nothing. It is written before it is given."""
        with ExitStack() as stack:
            with self._lock:
                turns = [self._turns[order] for order in self.observer.about(asked)]
            for turn in turns:
                stack.enter_context(turn)
            started = datetime.now(UTC)
            try:
                answer = self._server.ask(asked.method, path, headers, body)
            except Unanswered:
                answer = None
            ended = datetime.now(UTC)
            with self._lock:
                self._counts["requests"] += 1
                self._counts["unanswered"] += answer is None
                for line in self.observer.saw(Exchange(asked, answer, started, ended)):
                    self._write(line)
            return answer

    def _write(self, line: Line) -> None:
        self._counts["lines" if line.lifecycle.by_client(line.trigger) else "events"] += 1
        self._out.write(f"{dumps(line)}\n")
        self._out.flush()


class _Listener(ThreadingHTTPServer):
    """Listens for clients; the handshake is made in the thread of each of them."""

    daemon_threads = True
    block_on_close = False
    recorder: _Recorder
    context: ssl.SSLContext | None

    def get_request(self) -> tuple[Any, Any]:
        connection, address = super().get_request()
        connection.settimeout(SECONDS)
        if self.context is not None:
            connection = self.context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away, or did not trust the certificate, has been told already."""


def _listening(port: int, context: ssl.SSLContext | None) -> _Listener:
    try:
        listener = _Listener((_ADDRESS, port), _Handler)
    except (OSError, OverflowError) as error:
        raise InvalidValue("port", port, [f"one of loopback that is free ({error})"]) from error
    listener.context = context
    return listener


class _Handler(BaseHTTPRequestHandler):
    """One client's connection."""

    protocol_version = "HTTP/1.1"
    server: _Listener  # pyright: ignore[reportIncompatibleVariableOverride]

    def _pass_on(self) -> None:
        length = self.headers.get("Content-Length") or "0"
        if "Transfer-Encoding" in self.headers or not length.isdecimal() or int(length) > _MOST:
            self.close_connection = True
            self.send_error(411)
            return
        body = self.rfile.read(int(length))
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _OF_THE_CONNECTION}
        asked = Asked.of(self.command, f"//{self.headers.get('Host', '')}{self.path}", body)
        answer = self.server.recorder.passed_on(asked, self.path, headers, body)
        if answer is None:
            self.send_error(502, "no answer from the server")
            return
        self.send_response_only(answer.status)
        for name, value in answer.sent:
            if name.lower() not in _OF_THE_CONNECTION:
                self.send_header(name, value)
        if self.command == "HEAD":
            self.end_headers()
            return
        if answer.status not in {204, 304}:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    do_GET = do_HEAD = do_POST = _pass_on  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """It is written to the trace, and nowhere else."""
