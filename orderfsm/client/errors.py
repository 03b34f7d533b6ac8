"""Refusals that are the table's errors and the official SDK's at once.

Code written for the SDK (``except TeaException as e: if e.code == "OrderStateError"``) goes on working, and code that
knows orderfsm finds every field of `OrderStateError`. The SDK's constructor is never called: it takes other arguments,
and assigns fields that are properties here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orderfsm.errors import NotFoundOrder, OrderStateError, Refusal
from orderfsm.explanation import Explanation, explain
from orderfsm.extras import needs

if TYPE_CHECKING:
    from collections.abc import Collection

    from Tea.exceptions import TeaException as SDKError

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.spec import State, Trigger
else:
    with needs("client"):
        try:
            from alibabacloud_tea_openapi.exceptions import ClientException as SDKError
        except ModuleNotFoundError:  # SDK versions before 3.0 raise Tea's own exception
            from Tea.exceptions import TeaException as SDKError


class _LocalRefusal(Refusal, SDKError):
    """A refusal without a call, with the fields of the SDK's exception.

    Made as `(lifecycle, states, trigger)`: a client knows only in which `states` the order may be. If that is more than
    one, `state` is None, `allowed` are the operations allowed in all of them, and `instead` is a plan only if the same
    one serves in all of them.
    """

    name = "ClientException"
    request_id = retry_after = stack = None
    description = detail = "None"  # what the SDK has there when the service says nothing
    access_denied_detail = accessDeniedDetail = None  # noqa: N815

    def __init__(self, *args: object) -> None:
        Exception.__init__(self, *args)

    @property
    def explanation(self) -> Explanation | None:
        """Why it is refused in every possible state, from which source, and what to do instead."""
        return explain(*self.args) if len(self.args) == 3 else None

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


class LocalOrderStateError(OrderStateError, _LocalRefusal):
    """The guard's refusal: an `OrderStateError` and an SDK exception."""


class LocalNotFoundOrder(NotFoundOrder, _LocalRefusal):
    """The guard's refusal where there is no order: a `NotFoundOrder` and an SDK exception."""


def local(lifecycle: Lifecycle, states: Collection[State | None], trigger: Trigger) -> Refusal:
    """The guard's refusal of `trigger` for an order that is in one of `states`, in all of which it is illegal."""
    errors = {lifecycle.refusals[state] for state in states}
    combined = LocalNotFoundOrder if errors == {NotFoundOrder} else LocalOrderStateError
    return combined(lifecycle, frozenset(states), trigger)
