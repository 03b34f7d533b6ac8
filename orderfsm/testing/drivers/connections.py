"""Connections to a server over plain HTTP that are kept from one request to the next."""

from __future__ import annotations

import io
import re
import socket
from http.client import HTTPException, HTTPResponse
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import finalize

if TYPE_CHECKING:
    from collections.abc import Mapping

AT_A_TIME, LONGEST_HEAD = 65536, 65536
"""Bytes that are read at once, and bytes of the head of an answer, at most."""

END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
STATUS = re.compile(r"HTTP/1\.([01]) ([2-5]\d\d)(?: ([^\r]*))?\r?")
"""The first line of an answer that is the last to its request."""

WITHOUT_BODY = ("204", "304")
"""The statuses of answers that have no body, whatever their length is said to be."""

LENGTH = re.compile("[0-9]{1,15}")
TELLING = 0.1
"""Seconds in which a server that closes each connection without a word has closed the first."""

UNUSUAL = frozenset(["transfer-encoding", "content-encoding"])
"""Fields by which a body is not as it stands."""


class Reply(NamedTuple):
    """An answer: its status, reason, fields by their names in lower case, and body."""

    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes


class Connections:
    """The connections to a host and port. Safe between threads, each of which has one for as long as a request takes.

    With `keeps_all`, as many are kept as were in use at once. Else one is, and none while another one is in use: there
    are servers that do not see a second one before the first is closed. None is where the server closes them after an
    answer that does not say so: nobody would know what became of a request on the next one.
    """

    def __init__(self, host: str, port: int, *, keeps_all: bool) -> None:
        self._address = host, port
        self._keeps_all = keeps_all
        self._kept: list[_Connection] = []
        self._asking = 0
        self._are_kept: bool | None = None
        """Whether the server keeps connections; None as long as nobody knows."""
        self._turn = Lock()
        finalize(self, _close, self._kept)

    def ask(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes, timeout: tuple[float, float]
    ) -> Reply:
        """What a request is answered; `timeout` is how many seconds it may take to connect, and bytes to come.

        `OSError` if that takes longer, and if no answer comes that can be read.
        """
        head = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        request = "\r\n".join(head).encode("latin-1") + body
        connecting, waiting = timeout
        with self._turn:
            self._asking += 1
            connection = self._kept.pop() if self._kept else None
        was_kept = connection is not None and not connection.is_stale()
        may_be_kept = answered = False
        try:
            if connection is None or not was_kept:
                stale, connection = connection, _Connection(self._address, connecting)
                if stale is not None:
                    stale.close()
            connection.socket.settimeout(waiting)
            reply, may_be_kept = connection.ask(request, method)
            answered = True
            if may_be_kept and self._are_kept is None:
                self._are_kept = not connection.is_stale(TELLING)
        except HTTPException as error:
            raise ConnectionError(repr(error)) from error
        finally:
            with self._turn:
                self._asking -= 1
                if was_kept and not answered:
                    self._are_kept = False
                is_kept = may_be_kept and self._are_kept and (self._keeps_all or not self._asking)
                if is_kept and connection is not None:
                    self._kept.append(connection)
            if connection is not None and not is_kept:
                connection.close()
        return reply


def _close(connections: list[_Connection]) -> None:
    while connections:
        connections.pop().close()


class _Connection:
    """A connection on which one request follows the other."""

    def __init__(self, address: tuple[str, int], timeout: float) -> None:
        self.socket = socket.create_connection(address, timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def is_stale(self, within: float = 0.0) -> bool:
        """Whether the server closed it, or sent what nobody asked for, or does so within so many seconds."""
        self.socket.settimeout(within)
        try:
            self.socket.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, TimeoutError):
            return False
        except OSError:
            pass
        return True

    def ask(self, request: bytes, method: str) -> tuple[Reply, bool]:
        """What a request is answered, and whether the connection may be kept.

        An answer whose head says how long it is is read here; what any other is, `http.client` knows.
        """
        self.socket.sendall(request)
        received = b""
        while (end := END_OF_HEAD.search(received)) is None:
            more = self.socket.recv(AT_A_TIME)
            received += more
            if not more or len(received) > LONGEST_HEAD:
                return self._unusual(received, method)
        first, *fields = received[: end.start()].decode("latin-1").split("\n")
        status = STATUS.fullmatch(first)
        headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
        length = "0" if status and status[2] in WITHOUT_BODY else headers.get("content-length", "")
        is_usual = LENGTH.fullmatch(length) and len(headers) == len(fields) and UNUSUAL.isdisjoint(headers)
        if status is None or not is_usual:
            return self._unusual(received, method)
        body = received[end.end() :]
        while len(body) < int(length):
            more = self.socket.recv(AT_A_TIME)
            if not more:
                raise ConnectionError(f"the answer ended after {len(body)} of {length} bytes")
            body += more
        closes = status[1] == "0" or headers.get("connection", "").lower() == "close"
        reply = Reply(int(status[2]), status[3] or "", headers, body[: int(length)])
        return reply, not closes and len(body) == int(length)

    def _unusual(self, begun: bytes, method: str) -> tuple[Reply, bool]:
        with self.socket.makefile("rb") as rest:
            response = HTTPResponse(_Begun(begun, rest), method=method)  # type: ignore[arg-type]  # all that it uses
            response.begin()
            body = response.read()
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Reply(response.status, response.reason, headers, body), False

    def close(self) -> None:
        """Close it, whatever was sent."""
        self.socket.close()


class _Begun(io.RawIOBase):
    """An answer whose first bytes were read before the rest; it is made the file of a socket by `http.client`."""

    def __init__(self, begun: bytes, rest: io.BufferedReader) -> None:
        self._begun, self._rest = begun, rest

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._begun:
            return self._rest.readinto1(buffer)
        part = self._begun[: len(buffer)]
        self._begun = self._begun[len(part) :]
        buffer[: len(part)] = part
        return len(part)
