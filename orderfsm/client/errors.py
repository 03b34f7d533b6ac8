"""What a client of ours raises: the table's errors and the official SDK's at once.

Code written for the SDK (``except TeaException as e: if e.code == "OrderStateError"``) goes on working, and code that
knows orderfsm finds every field of `OrderStateError`. The SDK's constructor is never called: it takes other arguments,
and assigns fields that are properties here.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from orderfsm.errors import NotFoundOrder, OrderStateError, Refusal, ServiceError
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

    of: ClassVar[type[ServiceError]]
    """The error of the table that it is."""
    name = "ClientException"
    request_id = retry_after = stack = None
    description = detail = "None"  # what the SDK has there when the service says nothing
    access_denied_detail = accessDeniedDetail = None  # noqa: N815
    _message: str | None = None
    _data: dict[str, Any] | None = None

    def __init__(self, *args: object) -> None:
        Exception.__init__(self, *args)

    def __reduce__(self) -> tuple[Any, ...]:
        return _made, (self.of, self.args), vars(self)

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


_COMBINED: dict[type[ServiceError], type[_SDKFields]] = {}


def combined(error: type[ServiceError]) -> type[_SDKFields]:
    """The subclass of `error` that is an SDK exception as well, raised here or by the service: `SDK` and its name."""
    if error not in _COMBINED:
        base = _SDKRefusal if issubclass(error, Refusal) else _SDKFields
        about = f"A `{error.__name__}` that is an SDK exception as well, raised here or by the service."
        made: type[Any] = type(
            f"SDK{error.__name__}", (base, error), {"__doc__": about, "__module__": __name__, "of": error}
        )
        return _COMBINED.setdefault(error, made)
    return _COMBINED[error]


def _made(error: type[ServiceError], args: tuple[object, ...]) -> _SDKFields:
    return combined(error)(*args)


SDKOrderStateError = combined(OrderStateError)
SDKNotFoundOrder = combined(NotFoundOrder)


def refused_here(lifecycle: Lifecycle, states: Collection[State | None], trigger: Trigger) -> _SDKRefusal:
    """The refusal of `trigger` for an order that is in one of `states`, in all of which it is illegal.

    It is the one of the table, or what those of these states have in common; "not found" only if it is gone in all.
    """
    existing = [state for state in lifecycle.state_rules if state in states and state not in lifecycle.gone]
    first, *others = [lifecycle.refusal(state, trigger).error for state in existing] or [lifecycle.not_found]
    common = [each for each in first.__mro__ if hasattr(each, "code") and all(issubclass(one, each) for one in others)]
    return combined(common[0] if common else OrderStateError)(lifecycle, frozenset(states), trigger)  # type: ignore[return-value]


def refused_by_service(
    theirs: Exception, lifecycle: Lifecycle, states: Collection[State | None], trigger: Trigger
) -> Exception:
    """`theirs`, the SDK's exception, as the table's error as well if it knows the code; else as it is.

    `states` are those in which the service may have refused `trigger`; if empty, the table does not explain it.
    """
    known = lifecycle.codes.by_code.get(getattr(theirs, "code", "") or "")
    if known is None:
        return theirs
    explained = states and issubclass(known, Refusal)
    error = combined(known)(lifecycle, frozenset(states), trigger) if explained else combined(known)()
    error.say(theirs)
    return error


@contextmanager
def naming(order_id: int | str | None, noun: str) -> Iterator[None]:
    """Errors that are raised within bear `order_id`; ours name it in their text as a `noun`, all others in a note."""
    try:
        yield
    except Exception as error:
        if isinstance(error, OrderFSMError) and error.noun != noun:
            error.noun = noun
        if order_id is not None and getattr(error, "order_id", None) is None:
            error.order_id = order_id  # type: ignore[attr-defined]
            if not isinstance(error, OrderFSMError) and not hasattr(error, "__notes__"):
                error.add_note(f"{noun} {order_id}")
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
        candidates: Collection[int | str] = (),
    ) -> None:
        Exception.__init__(self, operation, order_id, observation, tuple(candidates))
        self.operation = operation
        self.order_id = order_id
        self.observation = observation
        self.candidates = tuple(candidates)

    @property
    def message(self) -> str:
        """Which call it was, and all that is known."""
        about = "" if self.order_id is None else f" of {self.noun} {self.order_id}"
        known = ""
        if self.observation is not None:
            known = f"; the {self.noun} was last read as {self.observation}"
        if self.candidates:
            known += f"; it may have made one of the {self.noun}s {', '.join(map(str, self.candidates))}"
        return f"whether {self.operation}{about} was carried out is unknown{known}"

    def __str__(self) -> str:
        return self.message
