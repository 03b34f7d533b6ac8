"""The two ports as ASGI applications: the way from ASGI to `handle` and back, and nothing of what is answered."""

from __future__ import annotations

import asyncio
import socket
import struct
import uuid
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.routing import Mount

from orderfsm.invalid import OrderFSMError
from orderfsm.mock.cas.gateway import failure
from orderfsm.mock.message import Request, Response
from orderfsm.mock.stores.store import StoreError

from . import dashboard
from .connection import TRANSPORT, TooLarge, decoded, fields, read_body
from .control import Control, forbidden, unavailable
from .port import pause
from .same_origin import SameOrigin, objection
from .threads import DEADLINE, Threads

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from orderfsm.mock.cas.service import Service


def create_app(service: Service, *, deadline: float = DEADLINE) -> ASGIApp:
    """The API port of `service`; where it verifies no signature, it answers no web page of somewhere else.

    If its store may wait for others, calls run in threads; one that takes longer than `deadline` seconds is answered
    `Error`.
    """
    threads = Threads(deadline, service.store.together) if service.store.blocking else None
    return _Port(service if service.verifies else _SameOriginOnly(service), threads)


def create_control_app(
    service: Service, *, deadline: float = DEADLINE, exposed: bool = False, api: str = ""
) -> Starlette:
    """The control port of `service`, and its dashboard, which says how to call the API port at the URL `api`.

    It answers only requests whose `Host` is an address or `localhost` (if `exposed`: or a name that no stranger can
    register), and whose `Origin`, if there is one, is itself: a web page somewhere else cannot reach it through a
    visitor's browser.
    """
    threads = Threads(deadline)
    port = _Port(Control(service), threads if service.store.blocking else None)
    app = Starlette(
        routes=[*dashboard.routes(service, threads.run, api), Mount("/", app=port)],
        middleware=[Middleware(SameOrigin, refusal=forbidden, guards_reads=False, strict=not exposed)],
        exception_handlers={StoreError: _failed, TimeoutError: _failed, TooLarge: _too_large},  # of the dashboard
    )
    app.router.default = port  # what is at no path, as in `OPTIONS *`
    return app


class _SameOriginOnly:
    """A service that answers no web page of somewhere else."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.gave_up = service.gave_up

    def handle(self, request: Request) -> Response:
        reason = objection(request.method, request.headers)
        if reason is None:
            return self._service.handle(request)
        message = f"{reason}; where access keys are set, only the signature decides"
        return failure("Forbidden", 403, message, str(uuid.uuid4()).upper())


class _Port:
    """The ASGI application of anything that has a `handle`, and a `gave_up` for what takes too long.

    What it can answer without waiting, `at_once` does; it is None if that may be nothing.
    """

    def __init__(self, handler: Service | _SameOriginOnly | Control, threads: Threads | None) -> None:
        self._handler = handler
        self._threads = threads
        self.at_once = handler.handle if threads is None else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
            return
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
            headers=decoded(scope["headers"]),
            body=body,
        )
        await self.deliver(await self._response(request), request, scope, receive, send)

    async def _response(self, request: Request) -> Response:
        try:
            if self._threads is None:
                return self._handler.handle(request)
            return await self._threads.run(self._handler.handle, request)
        except TimeoutError:
            return self._handler.gave_up(request, _LATE)
        except StoreError as error:
            return self._handler.gave_up(request, str(error))
        except asyncio.CancelledError:
            return self._handler.gave_up(request, _ENDS)

    async def deliver(self, response: Response, request: Request, scope: Scope, receive: Receive, send: Send) -> None:
        """Send `response` when its time has come, or let it perish as it says."""
        try:
            if response.delay:
                await pause(scope, response.delay)
        except asyncio.CancelledError:
            response = self._handler.gave_up(request, _ENDS)
        if response.transport in {"reset", "truncate"}:
            await _break_off(scope, receive, send, response)
        else:
            body = b"" if response.transport == "empty" else response.body
            await send(_start(response, len(body)))
            await send({"type": "http.response.body", "body": body})


async def _live(receive: Receive, send: Send) -> None:
    """Agree to a server's beginning and end: there is nothing to do."""
    while (event := (await receive())["type"]) != "lifespan.shutdown":
        await send({"type": f"{event}.complete"})
    await send({"type": f"{event}.complete"})


_LATE, _ENDS = "the store did not answer in time", "the server ends"


async def _failed(_request: Any, error: Exception) -> JSONResponse:
    response = unavailable(str(error) or _LATE)
    return JSONResponse(response.json, response.status)


async def _too_large(_request: Any, error: Exception) -> JSONResponse:
    assert isinstance(error, TooLarge)
    return error.response()


def _start(response: Response, length: int) -> Message:
    return {"type": "http.response.start", "status": response.status, "headers": fields(response, length)}


async def _break_off(scope: Scope, receive: Receive, send: Send, response: Response) -> None:
    """Reset the connection before the answer, or close it after half of the body."""
    extension = scope.get("extensions", {}).get(TRANSPORT)
    if extension is None:
        raise OrderFSMError(
            f"this server cannot let an answer perish by {response.transport!r}: `mock_cas` and `orderfsm serve` can"
        )
    transport: asyncio.Transport = extension["transport"]
    if response.transport == "truncate":
        await send(_start(response, len(response.body)))
        half = response.body[: len(response.body) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})
        transport.close()
    else:
        connection: socket.socket = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    while (await receive())["type"] != "http.disconnect":
        pass
