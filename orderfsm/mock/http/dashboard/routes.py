"""The routes by which the dashboard is served."""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import re
from base64 import b64encode
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import attrs
from starlette.convertors import IntegerConvertor, StringConvertor, register_url_convertor
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from orderfsm.drawing import STYLE
from orderfsm.errors import NotFound, Refusal, ServiceError
from orderfsm.identity import LONGEST
from orderfsm.invalid import InvalidValue
from orderfsm.mock.cas.gateway import GatewayError
from orderfsm.mock.http.connection import read_body
from orderfsm.mock.http.port import is_ending, pause
from orderfsm.mock.stores.store import StoreError

from .forms import FORMS, happen
from .rendering import KEYS, STATIC, link, page

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

    from orderfsm.identity import Id
    from orderfsm.mock.cas.service import Service

POLL = 0.25
"""Seconds between two looks at the service's revision."""

_STYLE_HASH = b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": (
        f"default-src 'none'; script-src 'self'; style-src 'self' 'sha256-{_STYLE_HASH}'; connect-src 'self'; "
        "img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "referrer-policy": "same-origin",  # with none at all, a form's Origin would be null
    "x-content-type-options": "nosniff",
}


class _OrderId(IntegerConvertor):
    """As many digits as an OrderId can have: of far more, `int` makes no number."""

    regex = "[0-9]{1,19}"


class _InstanceId(StringConvertor):
    """What an id that is a text may be, but for what ends a part of a path."""

    regex = f"[!-.0->@-~]{{1,{LONGEST}}}"


register_url_convertor("order_id", _OrderId())
register_url_convertor("instance_id", _InstanceId())


def routes(service: Service, run: Callable[..., Awaitable[Any]], api: str = "") -> list[Route]:
    """The dashboard of `service`: `GET /`, and what it needs under `/dashboard/`. `run` runs a call in a thread.

    `api` is the URL of the API port, if that is known, for programs that call it.
    """
    pages = _Pages(service, run, api)
    forms = [route for name in FORMS for route in pages.of_form(name)]
    chosen = [
        route
        for path in ("orders/{id:order_id}", "instances/{id:instance_id}")
        for route in (
            Route(f"/dashboard/{path}", pages.order),
            Route(f"/dashboard/{path}/events", pages.order),
            Route(f"/dashboard/{path}/events", pages.happen, methods=["POST"]),
        )
    ]
    return [
        Route("/", pages.home),
        *chosen,
        *forms,
        Route("/dashboard/stream", pages.stream),
        Route("/dashboard/dashboard.css", partial(_static, "dashboard.css", "text/css")),
        Route("/dashboard/dashboard.js", partial(_static, "dashboard.js", "text/javascript")),
    ]


@attrs.frozen
class _Pages:
    """What the routes answer. Whatever asks the service runs in a thread: its store may be a database."""

    service: Service
    run: Callable[..., Awaitable[Any]]
    api: str

    async def home(self, request: Request) -> Response:
        return await self._answer(request, None)

    async def order(self, request: Request) -> Response:
        return await self._answer(request, request.path_params["id"])

    async def happen(self, request: Request) -> Response:
        """A button: let the event of a form happen, and go back to the order."""
        order_id = request.path_params["id"]
        return await self._submitted(request, order_id, partial(happen, self.service, order_id))

    def of_form(self, name: str) -> list[Route]:
        """The routes of a form: what it does, and the page on which it is, for those who load its answer anew."""

        async def submitted(request: Request) -> Response:
            return await self._submitted(request, _chosen(request), partial(FORMS[name], self.service))

        async def back(request: Request) -> Response:
            return RedirectResponse(link(_chosen(request), _asked(request)), 303, headers=_HEADERS)

        path = f"/dashboard/{name}"
        return [Route(path, submitted, methods=["POST"]), Route(path, back)]

    async def _answer(self, request: Request, order_id: Id | None, **more: Any) -> Response:
        answer: Response = await self.run(partial(self._page, _asked(request), self._api(request), order_id, **more))
        return answer

    async def _submitted(self, request: Request, order_id: Id | None, act: Callable[..., Id | None]) -> Response:
        """Do what a form says, and go back; or show the page with what is wrong."""
        body = await read_body(request.scope, request.receive)
        fields = parse_qsl((body or b"").decode("utf-8", "replace"))
        given = {name: value.strip() for name, value in fields if value.strip()}
        try:
            begun = await self.run(act, given)
        except (InvalidValue, GatewayError) as error:
            return await self._answer(request, order_id, problem=str(error), given=given, status=400)
        except NotFound as error:
            return await self._answer(request, order_id, problem=error.text, given=given, status=404)
        except (Refusal, ServiceError) as error:
            return await self._answer(request, order_id, problem=str(error), given=given, status=409)
        return RedirectResponse(link(order_id if begun is None else begun, _asked(request)), 303, headers=_HEADERS)

    async def stream(self, request: Request) -> Response:
        """Server-sent events: the revision now, and again whenever it has changed."""
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return _Stream(self._revisions(request), media_type="text/event-stream", headers=headers)

    async def _revisions(self, request: Request) -> AsyncIterator[str]:
        yield "retry: 500\n\n"
        last = None
        while not (is_ending(request.scope) or await request.is_disconnected()):
            try:
                revision = await self.run(self.service.revision)
            except (StoreError, TimeoutError):
                return  # the page says that the mock is gone, and asks again
            if revision != last:
                yield f"data: {revision}\n\n"
                last = revision
            await pause(request.scope, POLL)

    def _page(
        self,
        asked: Mapping[str, Any],
        api: str,
        order_id: Id | None,
        *,
        problem: str = "",
        status: int = 200,
        **more: Any,
    ) -> Response:
        try:
            body = page(self.service, order_id=order_id, problem=problem, api=api, **more, **asked)
        except InvalidValue as error:
            body, status = page(self.service, order_id=order_id, problem=str(error), api=api, **more), 400
        return HTMLResponse(body, status, _HEADERS)

    def _api(self, request: Request) -> str:
        """The URL of the API port, as whoever asks can reach it: one that listens everywhere, at the host asked for."""
        api = urlsplit(self.api)
        if not api.hostname or not _is_anywhere(api.hostname):
            return self.api
        host = request.url.netloc.removesuffix(f":{request.url.port}")
        return f"http://{host}:{api.port}"


def _is_anywhere(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def _asked(request: Request) -> dict[str, str | None]:
    """What the page is asked for."""
    return {key: request.query_params.get(key) or None for key in KEYS}


def _chosen(request: Request) -> Id | None:
    """The order or the instance that was chosen where a form is; None if there was none, or if it cannot be one."""
    text = request.query_params.get("chosen", "")
    if re.fullmatch(_OrderId.regex, text):
        return int(text)
    return text if re.fullmatch(_InstanceId.regex, text) else None


class _Stream(StreamingResponse):
    """A response without an end, which a server that ends may cancel: then it is complete."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        except asyncio.CancelledError:
            await send({"type": "http.response.body", "body": b""})


async def _static(name: str, media_type: str, _request: Request) -> Response:
    return FileResponse(STATIC / name, media_type=media_type, headers={**_HEADERS, "cache-control": "no-cache"})
