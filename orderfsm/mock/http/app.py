"""The two ports as ASGI applications: the way from ASGI to `handle` and back, and nothing of what is answered."""

from __future__ import annotations

import asyncio
import socket
import struct
import uuid
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.routing import Mount

from orderfsm.invalid import OrderFSMError
from orderfsm.mock.cas.gateway import HOST
from orderfsm.mock.message import Request, Response
from orderfsm.mock.stores.store import StoreError
from orderfsm.tables import api

from . import dashboard
from .connection import TRANSPORT, TooLarge, read_body
from .control import Control, forbidden, unavailable
from .same_origin import SameOrigin
from .threads import DEADLINE, Threads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.routing import BaseRoute
    from starlette.types import Receive, Scope, Send

    from orderfsm.mock.cas.service import Service


def create_app(service: Service, *, deadline: float = DEADLINE) -> Starlette:
    """The API port of `service`; where it verifies no signature, it answers no web page of somewhere else.

    If its store may wait for others, calls run in threads; one that takes longer than `deadline` seconds is answered
    `Error`.
    """
    threads = Threads(deadline) if service.store.blocking else None
    door = [] if service.verifies else [Middleware(SameOrigin, refusal=_forbidden)]
    return _application(_Port(service, threads), middleware=door)


def create_control_app(service: Service, *, deadline: float = DEADLINE, exposed: bool = False) -> Starlette:
    """The control port of `service`, and its dashboard.

    It answers only requests whose `Host` is an address or `localhost` (if `exposed`: or a name that no stranger can
    register), and whose `Origin`, if there is one, is itself: a web page somewhere else cannot reach it through a
    visitor's browser.
    """
    threads = Threads(deadline)
    port = _Port(Control(service), threads if service.store.blocking else None)
    return _application(
        port,
        dashboard.routes(service, threads.run),
        middleware=[Middleware(SameOrigin, refusal=forbidden, guards_reads=False, strict=not exposed)],
        exception_handlers={StoreError: _failed, TimeoutError: _failed, TooLarge: _too_large},  # of the dashboard
    )


def _application(port: _Port, routes: Sequence[BaseRoute] = (), **options: Any) -> Starlette:
    app = Starlette(routes=[*routes, Mount("/", app=port)], **options)
    app.router.default = port  # what is at no path, as in `OPTIONS *`
    return app


def _forbidden(reason: str) -> Response:
    """The API port's answer to what is turned away before it is looked at."""
    message = f"{reason}; where access keys are set, only the signature decides"
    return Response.of(403, api.error_body("Forbidden", message, str(uuid.uuid4()).upper(), HOST))


class _Port:
    """The ASGI application of anything that has a `handle`, and a `gave_up` for what takes too long."""

    def __init__(self, handler: Service | Control, threads: Threads | None) -> None:
        self._handler = handler
        self._threads = threads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await read_body(scope, receive)
        except TooLarge as error:
            await error.response()(scope, receive, send)
            return
        if body is None:
            return
        request = Request(
            method=scope["method"],
            path=scope["path"],
            query=scope["query_string"].decode("latin-1"),
            headers={name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]},
            body=body,
        )
        response = await self._response(request)
        if response.transport in {"reset", "truncate"}:
            await _break_off(scope, receive, send, response)
        else:
            await _send(send, response)

    async def _response(self, request: Request) -> Response:
        try:
            if self._threads is None:
                response = self._handler.handle(request)
            else:
                response = await self._threads.run(self._handler.handle, request)
            if response.delay:
                await asyncio.sleep(response.delay)
            return response
        except TimeoutError:
            return self._handler.gave_up(request, _LATE)
        except asyncio.CancelledError:
            return self._handler.gave_up(request, "the server ends")


_LATE = "the store did not answer in time"


async def _failed(_request: Any, error: Exception) -> JSONResponse:
    response = unavailable(str(error) or _LATE)
    return JSONResponse(response.json, response.status)


async def _too_large(_request: Any, error: Exception) -> JSONResponse:
    assert isinstance(error, TooLarge)
    return error.response()


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
    extension = scope.get("extensions", {}).get(TRANSPORT)
    if extension is None:
        raise OrderFSMError(
            f"this server cannot let an answer perish by {response.transport!r}: `mock_cas` and `orderfsm serve` can"
        )
    transport: asyncio.Transport = extension["transport"]
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
