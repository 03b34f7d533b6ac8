"""Refusals that are the table's errors and the official SDK's at once.

Code that was written for the SDK (``except TeaException as e: if e.code == "OrderStateError"``) goes on working, and
code that knows orderfsm finds every field of `OrderStateError`. The SDK's constructor is never called: it takes other
arguments, and assigns fields that are properties here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orderfsm.errors import NotFoundOrder, OrderStateError, Refusal, ServiceError
from orderfsm.extras import needs

if TYPE_CHECKING:
    from Tea.exceptions import TeaException as SDKError
else:
    with needs("client"):
        try:
            from alibabacloud_tea_openapi.exceptions import ClientException as SDKError
        except ModuleNotFoundError:  # the SDK of before 3.0 raises Tea's own exception
            from Tea.exceptions import TeaException as SDKError


class _SDKFields(Refusal, SDKError):
    """The fields of the SDK's exception, worked out of the refusal's own."""

    name = "ClientException"
    request_id = retry_after = stack = None
    description = detail = "None"  # what the SDK has there when the service says nothing
    access_denied_detail = accessDeniedDetail = None  # noqa: N815

    def __init__(self, *args: object) -> None:
        Exception.__init__(self, *args)

    @property
    def data(self) -> dict[str, Any]:
        """The body that the service would have answered."""
        return {"Code": self.code, "Message": self.message, "statusCode": self.http_status}

    @property
    def status_code(self) -> int:
        """The HTTP status that the service would have answered."""
        return self.http_status

    statusCode = status_code  # noqa: N815

    def __str__(self) -> str:
        return self.message


class LocalOrderStateError(OrderStateError, _SDKFields):
    """The guard's refusal: an `OrderStateError` and an SDK exception."""


class LocalNotFoundOrder(NotFoundOrder, _SDKFields):
    """The guard's refusal where there is no order: a `NotFoundOrder` and an SDK exception."""


def local(refusal: ServiceError) -> Refusal:
    """`refusal`, as raised by the table, as the error that is the SDK's too."""
    combined = LocalNotFoundOrder if isinstance(refusal, NotFoundOrder) else LocalOrderStateError
    return combined(*refusal.args)
