"""The door of a port: it turns away what a browser was lured into sending by a page of somewhere else.

Such a page can send requests that need nobody's leave (a link, a form, a picture), which the browser marks by `Origin`
or `Sec-Fetch-Site`; and it can let its own name point at this machine, so that nothing marks them but `Host`. SDKs and
programs such as curl send no mark, and the name or address that they were given.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.responses import Response as ASGIResponse

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Receive, Scope, Send

    from orderfsm.mock.message import Response

NO_STRANGERS = (".aliyuncs.com", ".home.arpa", ".internal", ".local", ".localhost", ".svc", ".test")
"""How names end that nobody can register: the vendor's, those that are reserved (RFC 6761, 6762, 8375), a cluster's."""


class SameOrigin:
    """ASGI middleware that answers what pages of somewhere else sent by `refusal`, which is given the reason.

    `Host` must be an address or `localhost`; unless `strict`, it may also be a name that no stranger can let point
    here: one without a dot, as containers have them, or one of `NO_STRANGERS`. With `guards_reads`, a GET too may be
    refused by its `Sec-Fetch-Site`; otherwise a link may lead here.
    """

    def __init__(
        self, app: ASGIApp, refusal: Callable[[str], Response], *, guards_reads: bool = True, strict: bool = False
    ) -> None:
        self._app, self._refusal, self._guards_reads, self._strict = app, refusal, guards_reads, strict

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it."""
        reason = self._objection(scope) if scope["type"] == "http" else None
        if reason is None:
            await self._app(scope, receive, send)
        else:
            response = self._refusal(reason)
            await ASGIResponse(response.body, response.status, response.headers)(scope, receive, send)

    def _objection(self, scope: Scope) -> str | None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        host = headers.get("host", "")
        if not self._is_ours(host):
            return f"the Host {host[:100]!r} may be the name of any web page: use an address, or localhost"
        from_here = headers.get("sec-fetch-site") in {None, "same-origin", "none"}
        leads_here = not self._guards_reads and scope["method"] in {"GET", "HEAD"}
        if headers.get("origin") in {None, f"http://{host}", f"https://{host}"} and (from_here or leads_here):
            return None
        return "a web page of somewhere else sent this"

    def _is_ours(self, host: str) -> bool:
        try:
            name = (urlsplit(f"//{host}").hostname or "").removesuffix(".")
            if name == "localhost" or (not self._strict and ("." not in name or name.endswith(NO_STRANGERS))):
                return True
            return bool(ipaddress.ip_address(name))
        except ValueError:
            return False
