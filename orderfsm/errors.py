"""The errors: invalid input, inconsistent tables, and the seven error codes that the documents list for order calls.

Codes, HTTP statuses and texts are those of the error table on the page of DeleteCertificateRequest.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .explanation import Explanation
    from .lifecycle import Lifecycle
    from .paths import Plan
    from .spec import Basis, Operation, State, Trigger


class OrderFSMError(Exception):
    """The base class of every error that orderfsm itself raises."""

    order_id: int | str | None = None
    """The order that it is about, where whoever raised it said so; an attribute of the instance, which pickle keeps."""

    @property
    def _about(self) -> str:
        """What its text begins with: the order that it is about."""
        return "" if self.order_id is None else f"order {self.order_id}: "


class InvalidValue(OrderFSMError, ValueError):
    """A value that means nothing here: a misspelt name, a member of the wrong enum, an order id out of range.

    It is never an answer to a question: "not a state" is not "illegal in that state". Made as
    `InvalidValue(kind, value, accepted[, close])`: `kind` says what was expected ("state", "order id"), `value` is what
    was given, `accepted` lists what is accepted, and `close` may have been meant, for the message.
    """

    def __init__(self, kind: str, value: object, accepted: Iterable[str | None], close: str = "") -> None:
        super().__init__(kind, value, tuple(accepted), close)

    @property
    def value(self) -> object:
        """What was given."""
        return self.args[1]

    @property
    def accepted(self) -> tuple[str | None, ...]:
        """What would have been accepted."""
        return self.args[2]  # type: ignore[no-any-return]

    def __str__(self) -> str:
        try:
            shown = repr(self.value)
        except Exception:  # noqa: BLE001  # a value that cannot even be shown, as an int of 5,000 digits
            shown = f"of type {type(self.value).__name__}"
        shown = shown if len(shown) <= 200 else f"{shown[:120]}...{shown[-77:]}"  # the end of a path is its name
        close = f"; did you mean {self.args[3]}?" if self.args[3] else ""
        return f"{self.args[0]} {shown}: expected {', '.join(map(str, self.accepted))}{close}"


class InvalidLifecycle(OrderFSMError, ValueError):
    """An inconsistent table; `problems` says why, one sentence each."""

    @property
    def problems(self) -> tuple[str, ...]:
        """Everything that is wrong with the table."""
        return self.args

    def __str__(self) -> str:
        return "; ".join(self.problems)


class Unreachable(OrderFSMError):
    """No path leads from `state` to `goal`.

    Made as `Unreachable(state, goal[, means])`: `means` says by what steps, for the message ("operations alone").
    Either may be a frozenset: no path leads from any of `states` to any of `goals`.
    """

    def __init__(
        self,
        state: State | frozenset[State | None] | None,
        goal: State | frozenset[State | None] | None,
        means: str = "operations or events",
    ) -> None:
        super().__init__(state, goal, means)

    @property
    def states(self) -> frozenset[State | None]:
        """The states that the order may be in, None among them for no order."""
        return _set(self.args[0])

    @property
    def goals(self) -> frozenset[State | None]:
        """The states of which it should have reached one."""
        return _set(self.args[1])

    @property
    def state(self) -> State | None:
        """The state of the order; None if there is no order, or if several states are possible."""
        return _only(self.states)

    @property
    def goal(self) -> State | None:
        """The state that it should have reached; None if there are several."""
        return _only(self.goals)

    def __str__(self) -> str:
        start, goal = (" or ".join(sorted(state or "no order" for state in each)) for each in (self.states, self.goals))
        return f"{self._about}{goal} cannot be reached from {start} by {self.args[2]}"


def _set(one_or_more: State | frozenset[State | None] | None) -> frozenset[State | None]:
    return one_or_more if isinstance(one_or_more, frozenset) else frozenset([one_or_more])


def _only(states: frozenset[State | None]) -> State | None:
    return next(iter(states)) if len(states) == 1 else None


class Meaning(StrEnum):
    """What an error code says of the call that was answered with it."""

    STATE_FORBIDS = "state_forbids"
    NOT_FOUND = "not_found"
    NOT_CARRIED_OUT = "not_carried_out"
    """The order's state allows the call, but the service could not carry it out."""
    NOT_CREATED = "not_created"
    """No order was created, for another reason than quota."""
    NO_PACKAGE = "no_package"
    NO_UNIT = "no_unit"
    PERHAPS = "perhaps"
    """The call was carried out, or it was not."""
    THROTTLED = "throttled"
    KEPT_OUT = "kept_out"
    """The caller is not who may call, or did not sign properly."""
    NOT_OFFERED = "not_offered"
    """The server has no such operation."""
    MALFORMED = "malformed"

    @property
    def of_the_state(self) -> bool:
        """Whether the order's state, or that there is no order, is why the call was refused."""
        return self in {Meaning.STATE_FORBIDS, Meaning.NOT_FOUND}

    @property
    def of_the_backend(self) -> bool:
        """Whether the service could not carry out what the table allows."""
        return self in {Meaning.NOT_CARRIED_OUT, Meaning.NOT_CREATED}

    @property
    def passing(self) -> bool:
        """Whether it says nothing of the order's state, and the same call may go well if it is made again."""
        return self.of_the_backend or self in {Meaning.PERHAPS, Meaning.THROTTLED, Meaning.KEPT_OUT}


class Uncertain:
    """What has three values, or says more than yes or no: as a condition it is a TypeError, like `pandas.NA`.

    A member of an enum, or of a class whose `_instead` is what to write in a condition, for the message.
    """

    __slots__ = ()
    _instead: ClassVar[str] = ""

    def __bool__(self) -> NoReturn:
        cls = type(self)
        instead = self._instead or f"compare it, as in `... is {cls.__name__}.{next(iter(cls)).name}`"  # type: ignore[call-overload]
        raise TypeError(f"{cls.__name__} is no condition: {instead}")


class NotConforming(OrderFSMError, AssertionError):
    """A history or a server that breaks the rules of the table, or of which that could not be decided.

    The message is the report as text; `report` is the report itself.
    """

    @property
    def report(self) -> object:
        """What was found."""
        return self.args[0]


class ServiceError(OrderFSMError):
    """An error that the service documents: its `code`, what that `means`, its `http_status` and documented `text`.

    It takes at most one argument: the message, if it is not to be the documented text.
    """

    code: ClassVar[str]
    http_status: ClassVar[int]
    text: ClassVar[str]
    means: ClassVar[Meaning]

    @property
    def status_code(self) -> int:
        """The same as `http_status`, by the SDK's name."""
        return self.http_status

    @property
    def message(self) -> str:
        """The message given, else the documented text."""
        return str(self.args[0]) if self.args else self.text

    def __str__(self) -> str:
        return f"{self._about}{self.message}"


class Refusal(ServiceError):
    """A call that the table refuses.

    Made as `Refusal(lifecycle, state, trigger[, index])`, or as `Refusal(message)` for a refusal received from a
    server; then the fields that need the table are None or empty. Raising one only stores its arguments: the other
    fields and the message are worked out when they are asked for. All of them survive pickle, copy and
    ``raise ... from``.
    """

    @property
    def explanation(self) -> Explanation | None:
        """Why it is refused, from which source, and what to do instead."""
        if len(self.args) < 3:
            return None
        lifecycle: Lifecycle = self.args[0]
        return lifecycle.explain(self.args[1], self.args[2])

    @property
    def state(self) -> State | None:
        """The state of the order; None if there is no order, or if the state is not known for certain."""
        return None if (why := self.explanation) is None else why.state

    @property
    def possible(self) -> frozenset[State | None]:
        """The states that the order may be in, None among them for no order; empty if nothing is known."""
        return frozenset() if (why := self.explanation) is None else frozenset(why.states)

    @property
    def trigger(self) -> Trigger | None:
        """What was refused: an Operation or an Event."""
        return None if (why := self.explanation) is None else why.trigger

    @property
    def operation(self) -> Trigger | None:
        """The same as `trigger`."""
        return self.trigger

    @property
    def allowed(self) -> tuple[Operation, ...]:
        """The operations that would change something in every possible state, in table order."""
        return () if (why := self.explanation) is None else tuple(why.allowed)

    @property
    def basis(self) -> Basis | None:
        """DOCUMENTED or INFERRED; None for a refusal made of a message alone."""
        return None if (why := self.explanation) is None else why.basis

    @property
    def reference(self) -> str | None:
        """The document that states the rule, or the nearest one."""
        return None if (why := self.explanation) is None else why.reference

    @property
    def instead(self) -> Plan | None:
        """What to do instead; see `Explanation.instead`."""
        return None if (why := self.explanation) is None else why.instead

    @property
    def index(self) -> int | None:
        """In a replay, the position of the refused trigger, counted from 0; else None."""
        return self.args[3] if len(self.args) > 3 else None

    @property
    def message(self) -> str:
        """What was refused, in which state, what is allowed there, what to do first, and the source of the rule."""
        if self.explanation is None:
            return super().message
        return str(self.explanation) if self.index is None else f"trigger {self.index}: {self.explanation}"


class NotFoundPackage(ServiceError):
    """No package of that product was bought."""

    code = "NotFoundPackage"
    http_status = 404
    text = "no certificate resource plans were purchased"
    means = Meaning.NO_PACKAGE


class NotRemainCount(ServiceError):
    """The package has no unit left."""

    code = "NotRemainCount"
    http_status = 404
    text = "the certificate quota is insufficient"
    means = Meaning.NO_UNIT


class CreateCertificateRequestFailed(ServiceError):
    """The service could not create the order."""

    code = "CreateCertificateRequestFailed"
    http_status = 403
    text = "the request failed to be created"
    means = Meaning.NOT_CREATED


class NotFoundOrder(Refusal):
    """There is no such order."""

    code = "NotFoundOrder"
    http_status = 404
    text = "the specified certificate order was not found"
    means = Meaning.NOT_FOUND

    @property
    def _about(self) -> str:
        return "" if self.order_id is None else f"no order {self.order_id}: "


class OrderStateError(Refusal):
    """The order's state does not allow that."""

    code = "OrderStateError"
    http_status = 403
    text = "the status of the certificate order is invalid"
    means = Meaning.STATE_FORBIDS


class DeleteFail(ServiceError):
    """The deletion is allowed, but the service could not carry it out."""

    code = "DeleteFail"
    http_status = 403
    text = "the certificate application order failed to be deleted"
    means = Meaning.NOT_CARRIED_OUT


class InternalError(ServiceError):
    """The service failed; its code is `Error`."""

    code = "Error"
    http_status = 500
    text = "an error occurred"
    means = Meaning.PERHAPS


BY_CODE: dict[str, type[ServiceError]] = {
    error.code: error
    for error in (
        NotFoundPackage,
        NotRemainCount,
        CreateCertificateRequestFailed,
        NotFoundOrder,
        OrderStateError,
        DeleteFail,
        InternalError,
    )
}
"""The error class of each of the seven documented codes."""

# Codes of the gateway that stands before every Alibaba Cloud API, and of the flow control behind it, by how they begin.
_GATEWAY = {
    "Throttling": Meaning.THROTTLED,
    "FlowControl": Meaning.THROTTLED,
    "ServiceUnavailable": Meaning.PERHAPS,
    "InternalError": Meaning.PERHAPS,
    "MissingSignature": Meaning.KEPT_OUT,
    "MissingAccessKey": Meaning.KEPT_OUT,
    "MissingSecurityToken": Meaning.KEPT_OUT,
    "IncompleteSignature": Meaning.KEPT_OUT,
    "Signature": Meaning.KEPT_OUT,
    "InvalidSignature": Meaning.KEPT_OUT,
    "InvalidAccessKey": Meaning.KEPT_OUT,
    "InvalidSecurityToken": Meaning.KEPT_OUT,
    "InvalidTimeStamp": Meaning.KEPT_OUT,
    "Forbidden": Meaning.KEPT_OUT,
    "NoPermission": Meaning.KEPT_OUT,
    "InvalidAction.NotFound": Meaning.NOT_OFFERED,
    "UnsupportedHTTPMethod": Meaning.MALFORMED,
}
_PARAMETERS = {"Missing": "MissingParameter", "Invalid": "InvalidParameter"}
"""How codes begin that go on with a parameter's name, or with this: malformed."""

_MEANINGS = (
    {code: error.means for code, error in BY_CODE.items()}
    | _GATEWAY
    | dict.fromkeys(_PARAMETERS.values(), Meaning.MALFORMED)
)


def meaning_of(code: str | None) -> Meaning | None:
    """What an error code means: one of the seven documented ones, or one of the gateway; None if nobody knows it.

    >>> from orderfsm.errors import meaning_of
    >>> meaning_of("OrderStateError"), meaning_of("Throttling.Api"), meaning_of("SomethingNew")
    (<Meaning.STATE_FORBIDS: 'state_forbids'>, <Meaning.THROTTLED: 'throttled'>, None)
    """
    general = general_code(code)
    return None if general is None else _MEANINGS[general]


def general_code(code: str | None) -> str | None:
    """The code that means the same, without what it adds; of those there are few. None if nobody knows it.

    >>> from orderfsm.errors import general_code
    >>> general_code("OrderStateError"), general_code("Throttling.Api"), general_code("InvalidDomainName")
    ('OrderStateError', 'Throttling', 'InvalidParameter')
    """
    if code is None or code in BY_CODE:
        return code
    if not code.isascii() or not code.replace(".", "").isalnum():
        return None
    known = next((beginning for beginning in _GATEWAY if _goes_on(code, beginning, (".", ""))), None)
    if known is not None or not code.isalnum():
        return known
    return next((general for beginning, general in _PARAMETERS.items() if _goes_on(code, beginning)), None)


def _goes_on(code: str, beginning: str, with_: tuple[str, ...] = ()) -> bool:
    """Whether `code` begins so, and goes on with another word or with one of these."""
    following = code[len(beginning) : len(beginning) + 1]
    return code.startswith(beginning) and (following in with_ or following.isupper())
