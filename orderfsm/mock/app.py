"""The two ports as ASGI applications: the way from ASGI to `handle` and back, and nothing of what is answered."""

from __future__ import annotations

import asyncio
import socket
import struct
import uuid
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from orderfsm import wire

from . import dashboard
from .control import Control, forbidden
from .message import Request, Response
from .same_origin import SameOrigin
from .service import HOST

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.routing import BaseRoute
    from starlette.types import Receive, Scope, Send

    from .service import Service

MAX_BODY = 1 << 20
"""Bytes that a request's body may have; a larger one is answered with 413."""

TRANSPORT = "orderfsm.transport"
"""The ASGI extension with which `Protocol` gives an application the connection, to end it too early."""


class Protocol(HttpToolsProtocol):
    """Uvicorn's HTTP protocol, with an extension that lets faults end the connection."""

    def on_message_begin(self) -> None:
        """Offer the extension to the application."""
        super().on_message_begin()
        self.scope["extensions"] = {TRANSPORT: {"transport": self.transport}}


def create_app(service: Service) -> Starlette:
    """The API port of `service`; where it verifies no signature, it answers no web page of somewhere else."""
    return _application(_Port(service), [] if service.verifies else [Middleware(SameOrigin, refusal=_forbidden)])


def create_control_app(service: Service) -> Starlette:
    """The control port of `service`, and its dashboard.

    It answers only requests whose `Host` is an address or `localhost`, and whose `Origin`, if there is one, is itself:
    a web page somewhere else cannot reach it through a visitor's browser.
    """
    door = Middleware(SameOrigin, refusal=forbidden, guards_reads=False, strict=True)
    return _application(_Port(Control(service)), [door], dashboard.routes(service))


def _application(port: _Port, middleware: list[Middleware], routes: Sequence[BaseRoute] = ()) -> Starlette:
    app = Starlette(routes=[*routes, Mount("/", app=port)], middleware=middleware)
    app.router.default = port  # what is at no path, as in `OPTIONS *`
    return app


def _forbidden(reason: str) -> Response:
    """The API port's answer to what is turned away before it is looked at."""
    message = f"{reason}; where access keys are set, only the signature decides"
    return Response.of(403, wire.error_body("Forbidden", message, str(uuid.uuid4()).upper(), HOST))


class _Port:
    """The ASGI application of anything that has a `handle`."""

    def __init__(self, handler: Service | Control) -> None:
        self._handler = handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await _body(receive)
        except _TooLarge:
            await _send(send, Response.of(413, {"Code": "RequestTooLarge", "Message": f"at most {MAX_BODY} bytes"}))
            return
        if body is None:
            return
        response = self._handler.handle(
            Request(
                method=scope["method"],
                path=scope["path"],
                query=scope["query_string"].decode("latin-1"),
                headers={name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]},
                body=body,
            )
        )
        if response.delay:
            await asyncio.sleep(response.delay)
        if response.transport in {"reset", "truncate"}:
            await _break_off(scope, receive, send, response)
        else:
            await _send(send, response)


class _TooLarge(Exception):
    """A body of more than `MAX_BODY` bytes."""


async def _body(receive: Receive) -> bytes | None:
    """The body of a request; None if the client hung up before its end. A part of a request is never carried out."""
    body: bytes = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if len(body) > MAX_BODY:
            raise _TooLarge
        if not message.get("more_body", False):
            return body


async def _send(send: Send, response: Response) -> None:
    body = b"" if response.transport == "empty" else response.body
    await _start(send, response, len(body))
    await send({"type": "http.response.body", "body": body})


async def _start(send: Send, response: Response, length: int) -> None:
    headers = [(name.encode(), value.encode()) for name, value in response.headers.items()]
    if response.status != HTTPStatus.NO_CONTENT:
        headers.append((b"content-length", str(length).encode()))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})


async def _break_off(scope: Scope, receive: Receive, send: Send, response: Response) -> None:
    """Reset the connection before the answer, or close it after half of the body."""
    transport: asyncio.Transport = scope["extensions"][TRANSPORT]["transport"]
    if response.transport == "truncate":
        await _start(send, response, len(response.body))
        half = response.body[: len(response.body) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})
        transport.close()
    else:
        connection: socket.socket = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    while (await receive())["type"] != "http.disconnect":
        pass
