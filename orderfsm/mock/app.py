"""The two ports as ASGI applications: nothing but the way from ASGI to `handle` and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.routing import Mount

from .control import Control
from .message import Request

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from .service import Service

MAX_BODY = 1 << 20


def create_app(service: Service) -> Starlette:
    """The API port of `service`."""
    return Starlette(routes=[Mount("/", app=_Port(service))])


def create_control_app(service: Service) -> Starlette:
    """The control port of `service`."""
    return Starlette(routes=[Mount("/", app=_Port(Control(service)))])


class _Port:
    """The ASGI application of anything that has a `handle`."""

    def __init__(self, handler: Service | Control) -> None:
        self._handler = handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False) and len(body) <= MAX_BODY
        response = self._handler.handle(
            Request(
                method=scope["method"],
                path=scope["path"],
                query=scope["query_string"].decode("latin-1"),
                headers={name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]},
                body=body[:MAX_BODY],
            )
        )
        headers = {**response.headers, "content-length": str(len(response.body))}
        await send(
            {
                "type": "http.response.start",
                "status": response.status,
                "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            }
        )
        await send({"type": "http.response.body", "body": response.body})
