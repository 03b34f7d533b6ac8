"""What a mock was asked, request by request, and what it answered: what the history of orders does not tell."""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING, Any

import attrs

from orderfsm.mock.cas.signature import REQUIRED_PARAMETERS

if TYPE_CHECKING:
    from orderfsm.mock.cas.service import Service
    from orderfsm.mock.message import Request, Response

KEPT = 10_000
"""How many are kept: the last ones."""

_OF_THE_PROTOCOL = {*REQUIRED_PARAMETERS, "Action", "Format", "RegionId", "SecurityToken", "SignatureType", "Version"}
_CODE = re.compile(rb'"Code":"([^"]*)"|<Code>([^<]*)</Code>')


@attrs.frozen
class Exchange:
    """A request that came to the API port, and the answer that it got, or would have got if it did not perish."""

    request: Request = attrs.field(repr=False)
    response: Response = attrs.field(repr=False)

    @property
    def action(self) -> str:
        """What was called, as the API names it: `DeleteCertificateRequest`."""
        return self.request.headers.get("x-acs-action") or self.request.parameters.get("Action", "")

    @property
    def parameters(self) -> dict[str, str]:
        """What it was called with, by the API's names, without what belongs to every call."""
        return {name: value for name, value in self.request.parameters.items() if name not in _OF_THE_PROTOCOL}

    @property
    def status(self) -> int:
        """The HTTP status of the answer."""
        return self.response.status

    @property
    def code(self) -> str | None:
        """The error code of the answer; None if it is none."""
        found = _CODE.search(self.response.body) if self.status >= 400 else None
        return (found[1] or found[2]).decode() if found else None

    @property
    def transport(self) -> str | None:
        """How the answer perished, by a fault: `reset`, `truncate` or `empty`; None if it arrived."""
        return self.response.transport

    def __str__(self) -> str:
        said = ", ".join(f"{name}={value}" for name, value in self.parameters.items())
        return f"{self.action}({said}): {self.transport or self.code or self.status}"


class Noted:
    """A service that notes what it is asked: `exchanges`, the last `KEPT` of them."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.exchanges: deque[Exchange] = deque(maxlen=KEPT)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._service, name)

    def handle(self, request: Request) -> Response:
        response = self._service.handle(request)
        self.exchanges.append(Exchange(request, response))
        return response
