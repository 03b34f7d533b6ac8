"""Requests and responses without I/O, and the errors with which a gateway turns a request away."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import attrs

from orderfsm.errors import OrderFSMError

if TYPE_CHECKING:
    from collections.abc import Mapping


def _parameters(query: str | Mapping[str, Any]) -> dict[str, str]:
    if isinstance(query, str):
        return dict(parse_qsl(query, keep_blank_values=True))
    return {name: str(value) for name, value in query.items()}


def _headers(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


@attrs.frozen
class Request:
    """An HTTP request: `query` as a string or a mapping, `headers` in any case, `body` as bytes."""

    method: str = "POST"
    path: str = "/"
    query: dict[str, str] = attrs.field(factory=dict, converter=_parameters)
    headers: dict[str, str] = attrs.field(factory=dict, converter=_headers)
    body: bytes = b""

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters of the query string, and those of a form in the body; the query's win."""
        if not self.body:
            return self.query
        return _parameters(self.body.decode("utf-8", "replace")) | self.query


@attrs.frozen
class Response:
    """An HTTP response: `status`, `headers`, and `body` as bytes.

    It is to be sent after `delay` seconds; `transport` is how a fault lets it perish: `reset`, `truncate`, `empty`,
    or None.
    """

    status: int
    body: bytes = b""
    headers: dict[str, str] = attrs.field(factory=lambda: {"content-type": "application/json;charset=utf-8"})
    delay: float = 0.0
    transport: str | None = None

    @classmethod
    def of(cls, status: int, document: object) -> Response:
        """A response whose body is `document` as JSON."""
        return cls(status, json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode())

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)


class GatewayError(OrderFSMError):
    """A request that never reaches the orders: `code`, `http_status` and `message` as the gateway answers them.

    `retry_after`, in milliseconds, is when to try again.
    """

    def __init__(self, code: str, http_status: int, message: str, retry_after: int | None = None) -> None:
        super().__init__(code, http_status, message, retry_after)
        self.code, self.http_status, self.message, self.retry_after = code, http_status, message, retry_after


def missing(name: str) -> GatewayError:
    """The answer to a required parameter that is absent or empty."""
    return GatewayError(f"Missing{name}", 400, f"{name} is mandatory for this action.")


def invalid(name: str, accepted: str) -> GatewayError:
    """The answer to a parameter that cannot be what it should be."""
    return GatewayError(f"Invalid{name}", 400, f"The specified {name} is invalid: expected {accepted}.")
