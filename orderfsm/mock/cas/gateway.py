"""What stands before the orders: the errors with which the gateway turns a request away, and how any failure looks."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import attrs

from orderfsm.invalid import OrderFSMError
from orderfsm.mock.message import Response
from orderfsm.tables import api

if TYPE_CHECKING:
    from orderfsm.errors import ServiceError


class Product(NamedTuple):
    """A product behind the gateway: its name, and its host, as failures have them."""

    name: str
    host: str


CAS = Product("cas", "cas.aliyuncs.com")
ALIDNS = Product("Alidns", "alidns.aliyuncs.com")


class GatewayError(OrderFSMError):
    """A request that never reaches the orders: `code`, `http_status` and `message` as the gateway answers them.

    `retry_after`, in milliseconds, is when to try again. `repeated` is what the message ends with where it is answered:
    a part of the request, which the error itself does not show, so that it gets into no log.
    """

    repeated = ""

    def __init__(self, code: str, http_status: int, message: str, retry_after: int | None = None) -> None:
        super().__init__(code, http_status, message, retry_after)
        self.code, self.http_status, self.message, self.retry_after = code, http_status, message, retry_after

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


def not_offered() -> GatewayError:
    """The answer to an action that there is not."""
    return GatewayError("InvalidAction.NotFound", 404, "The specified API is not found, check your action and version.")


def missing(name: str) -> GatewayError:
    """The answer to a required parameter that is absent or empty."""
    return GatewayError(f"Missing{name}", 400, f"{name} is mandatory for this action.")


def invalid(name: str, accepted: str) -> GatewayError:
    """The answer to a parameter that cannot be what it should be."""
    return GatewayError(f"Invalid{name}", 400, f"The specified {name} is invalid: expected {accepted}.")


def failure(
    code: str,
    http_status: int,
    message: str,
    request_id: str,
    *,
    retry_after: int | None = None,
    product: Product = CAS,
) -> Response:
    """The answer of a product to a call that failed; `retry_after`, in milliseconds, stands in its header."""
    response = Response.of(http_status, api.error_body(code, message, request_id, product.host, product.name))
    if retry_after is None:
        return response
    return attrs.evolve(response, headers={**response.headers, "x-acs-retry-after": str(retry_after)})


def refusal(
    error: ServiceError | type[ServiceError] | GatewayError, request_id: str, product: Product = CAS
) -> Response:
    """The answer that an error is."""
    if isinstance(error, GatewayError):
        message = error.message + error.repeated
        return failure(
            error.code, error.http_status, message, request_id, retry_after=error.retry_after, product=product
        )
    return failure(error.code, error.http_status, error.text, request_id, product=product)
