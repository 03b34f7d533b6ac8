"""What a client of ours raises: the table's errors and the official SDK's at once.

Code written for the SDK (``except TeaException as e: if e.code == "OrderStateError"``) goes on working, and code that
knows orderfsm finds every field of `OrderStateError`. The SDK's constructor is never called: it takes other arguments,
and assigns fields that are properties here.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from orderfsm.errors import (
    CreateCertificateRequestFailed,
    DeleteFail,
    NotFoundOrder,
    NotFoundPackage,
    NotRemainCount,
    OrderStateError,
    Refusal,
    ServiceError,
)
from orderfsm.explanation import Explanation, explain
from orderfsm.extras import needs
from orderfsm.invalid import OrderFSMError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from Tea.exceptions import TeaException as SDKError

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import Operation, State, Trigger

    from .observation import Observation
else:
    with needs("client"):
        try:
            from alibabacloud_tea_openapi.exceptions import ClientException as SDKError
        except ModuleNotFoundError:  # tea-openapi before 0.4 raises Tea's own exception
            from Tea.exceptions import TeaException as SDKError


class _SDKFields(ServiceError, SDKError):
    """The fields of the SDK's exception: those of `theirs`, if the service sent it, else those that it would have."""

    name = "ClientException"
    request_id = retry_after = stack = None
    description = detail = "None"  # what the SDK has there when the service says nothing
    access_denied_detail = accessDeniedDetail = None  # noqa: N815
    _message: str | None = None
    _data: dict[str, Any] | None = None

    def __init__(self, *args: object) -> None:
        Exception.__init__(self, *args)

    def say(self, theirs: Exception) -> None:
        """Take over the fields of `theirs`, the SDK's exception for what the service answered."""
        fields = dict(vars(theirs))
        self._message, self._data = fields.pop("message", None), fields.pop("data", None)
        settable = {name for name in fields if not isinstance(getattr(type(self), name, None), property)}
        vars(self).update({name: fields[name] for name in settable - {"code", "stack"}})

    @property
    def local(self) -> bool:
        """Whether the call was refused here, and not by the service."""
        return self._data is None

    @property
    def message(self) -> str:
        """What the service said; for a local refusal, what was refused, why, and what to do instead."""
        return super().message if self._message is None else self._message

    @property
    def data(self) -> dict[str, Any]:
        """The body that the service answered, or would have answered."""
        if self._data is None:
            return {"Code": self.code, "Message": self.message, "statusCode": self.http_status}
        return self._data

    @property
    def status_code(self) -> int:
        """The HTTP status that the service answered, or would have answered."""
        return int(self.data.get("statusCode", self.http_status))

    statusCode = status_code  # noqa: N815

    def __str__(self) -> str:
        return f"{self._about}{self.message}"


class _SDKRefusal(_SDKFields, Refusal):
    """A refusal by the order's state.

    Made as `(lifecycle, states, trigger)`: a client knows only in which `states` the order may be. If that is more than
    one, `state` is None, `allowed` are the operations allowed in all of them, and `instead` is a plan only if the same
    one serves in all of them. Made of a message alone if the service refused what the table allows.
    """

    @property
    def explanation(self) -> Explanation | None:
        """Why it is refused in every possible state, from which source, and what to do instead."""
        return explain(*self.args) if len(self.args) == 3 else None

    def __str__(self) -> str:
        if self.local or self.explanation is None:
            return super().__str__()
        return f"{super().__str__()} {self.explanation}"


class SDKOrderStateError(_SDKRefusal, OrderStateError):
    """An `OrderStateError` that is an SDK exception as well, raised here or by the service."""


class SDKNotFoundOrder(_SDKRefusal, NotFoundOrder):
    """A `NotFoundOrder` that is an SDK exception as well, raised here or by the service."""


class SDKNotFoundPackage(_SDKFields, NotFoundPackage):
    """A `NotFoundPackage` that is an SDK exception as well."""


class SDKNotRemainCount(_SDKFields, NotRemainCount):
    """A `NotRemainCount` that is an SDK exception as well."""


class SDKCreateCertificateRequestFailed(_SDKFields, CreateCertificateRequestFailed):
    """A `CreateCertificateRequestFailed` that is an SDK exception as well."""


class SDKDeleteFail(_SDKFields, DeleteFail):
    """A `DeleteFail` that is an SDK exception as well."""


_BY_CODE: dict[str, type[_SDKFields]] = {
    error.code: error
    for error in (
        SDKOrderStateError,
        SDKNotFoundOrder,
        SDKNotFoundPackage,
        SDKNotRemainCount,
        SDKCreateCertificateRequestFailed,
        SDKDeleteFail,
    )
}


def refused_here(lifecycle: Lifecycle, states: Collection[State | None], trigger: Trigger) -> _SDKRefusal:
    """The refusal of `trigger` for an order that is in one of `states`, in all of which it is illegal."""
    gone = {lifecycle.service_refusals[state] for state in states} == {NotFoundOrder}
    return (SDKNotFoundOrder if gone else SDKOrderStateError)(lifecycle, frozenset(states), trigger)


def refused_by_service(
    theirs: Exception, lifecycle: Lifecycle, states: Collection[State | None], trigger: Trigger
) -> Exception:
    """`theirs`, the SDK's exception, as the table's error as well if its code is documented; else as it is.

    `states` are those in which the service may have refused `trigger`; if empty, the table does not explain it.
    """
    combined = _BY_CODE.get(getattr(theirs, "code", "") or "")
    if combined is None:
        return theirs
    explained = states and issubclass(combined, Refusal)
    error = combined(lifecycle, frozenset(states), trigger) if explained else combined()
    error.say(theirs)
    return error


@contextmanager
def naming(order_id: int | str | None) -> Iterator[None]:
    """Errors that are raised within bear `order_id`; ours name it in their text, all others in a note."""
    try:
        yield
    except Exception as error:
        if order_id is not None and getattr(error, "order_id", None) is None:
            error.order_id = order_id  # type: ignore[attr-defined]
            if not isinstance(error, OrderFSMError) and not hasattr(error, "__notes__"):
                error.add_note(f"order {order_id}")
        raise


class UnreadableAnswer(OrderFSMError, SDKError):
    """A call was answered with success, and with a body that is none of those that the API documents for it.

    Made as `UnreadableAnswer(operation, problem)`. Whether the call did anything is not known.
    """

    code = name = None

    def __init__(self, operation: Operation, problem: str) -> None:
        Exception.__init__(self, operation, problem)

    @property
    def message(self) -> str:
        """What cannot be read, and why."""
        operation, problem = self.args
        return f"the answer to {operation} cannot be read: {problem}"

    def __str__(self) -> str:
        return f"{self._about}{self.message}"


class OutcomeUnknown(OrderFSMError, SDKError):
    """The answer to a call was lost, and what was read afterwards does not tell whether it was carried out.

    `operation` and `order_id` say which call (no id for a create). `observation` is the last that was read of the
    order, or None. `candidates` are the ids of the orders of which one may be the order that a lost create or renewal
    made. The exception of the lost call is its `__cause__`.
    """

    code = name = None

    def __init__(
        self,
        operation: Operation,
        order_id: int | str | None,
        observation: Observation | None = None,
        candidates: Collection[int] = (),
    ) -> None:
        Exception.__init__(self, operation, order_id, observation, tuple(candidates))
        self.operation = operation
        self.order_id = order_id
        self.observation = observation
        self.candidates = tuple(candidates)

    @property
    def message(self) -> str:
        """Which call it was, and all that is known."""
        about = "" if self.order_id is None else f" of order {self.order_id}"
        known = ""
        if self.observation is not None:
            known = f"; the order was last read as {self.observation}"
        if self.candidates:
            known += f"; it may have made one of the orders {', '.join(map(str, self.candidates))}"
        return f"whether {self.operation}{about} was carried out is unknown{known}"

    def __str__(self) -> str:
        return self.message
