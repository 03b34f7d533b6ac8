"""The door of a port: it turns away what a browser was lured into sending by a page of somewhere else.

Such a page can send requests that need nobody's leave (a link, a form, a picture), which the browser marks by `Origin`
or `Sec-Fetch-Site`; and it can let its own name point at this machine, so that nothing marks them but `Host`. SDKs and
programs such as curl send no mark, and the name or address that they were given.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.responses import Response as ASGIResponse

from .connection import decoded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.types import ASGIApp, Receive, Scope, Send

    from orderfsm.mock.message import Response

NO_STRANGERS = (".aliyuncs.com", ".home.arpa", ".internal", ".local", ".localhost", ".svc", ".test")
"""How names end that nobody can register: the vendor's, those that are reserved (RFC 6761, 6762, 8375), a cluster's."""


def objection(
    method: str, headers: Mapping[str, str], *, guards_reads: bool = True, strict: bool = False
) -> str | None:
    """Why a request is turned away, by its method and its headers, whose names are in lower case; None if it is not.

    `Host` must be an address or `localhost`; unless `strict`, it may also be a name that no stranger can let point
    here: one without a dot, as containers have them, or one of `NO_STRANGERS`. With `guards_reads`, a GET too may be
    refused by its `Sec-Fetch-Site`; otherwise a link may lead here.
    """
    host = headers.get("host", "")
    if not _is_ours(host, strict):
        return f"the Host {host[:100]!r} may be the name of any web page: use an address, or localhost"
    from_here = headers.get("sec-fetch-site") in {None, "same-origin", "none"}
    leads_here = not guards_reads and method in {"GET", "HEAD"}
    if headers.get("origin") in {None, f"http://{host}", f"https://{host}"} and (from_here or leads_here):
        return None
    return "a web page of somewhere else sent this"


@lru_cache(maxsize=64)
def _is_ours(host: str, strict: bool) -> bool:
    try:
        name = (urlsplit(f"//{host}").hostname or "").removesuffix(".")
        if name == "localhost" or (not strict and ("." not in name or name.endswith(NO_STRANGERS))):
            return True
        return bool(ipaddress.ip_address(name))
    except ValueError:
        return False


class SameOrigin:
    """ASGI middleware that answers by `refusal`, which is given the reason, where there is an `objection`."""

    def __init__(
        self, app: ASGIApp, refusal: Callable[[str], Response], *, guards_reads: bool = True, strict: bool = False
    ) -> None:
        self._app, self._refusal, self._guards_reads, self._strict = app, refusal, guards_reads, strict

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it."""
        reason = None
        if scope["type"] == "http":
            headers = decoded(scope["headers"])
            reason = objection(scope["method"], headers, guards_reads=self._guards_reads, strict=self._strict)
        if reason is None:
            await self._app(scope, receive, send)
        else:
            response = self._refusal(reason)
            await ASGIResponse(response.body, response.status, response.headers)(scope, receive, send)
