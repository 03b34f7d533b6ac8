"""The errors that are raised, and what their codes mean.

The seven that the documents list for calls about certificate orders stand here, by the names that everybody knows
them by; codes, HTTP statuses and texts are those of the error table on the page of DeleteCertificateRequest. A table
says which of its errors stand where; another table has classes of its own, of `OrderStateError` and `NotFound`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar

from .invalid import InvalidLifecycle, InvalidValue, OrderFSMError, Unreachable

if TYPE_CHECKING:
    from .explanation import Explanation
    from .paths import Plan
    from .rows import Basis, State, Trigger
    from .table import Table

__all__ = [
    "BY_CODE",
    "CreateCertificateRequestFailed",
    "DeleteFail",
    "InternalError",
    "InvalidLifecycle",
    "InvalidValue",
    "Meaning",
    "NotConforming",
    "NotFound",
    "NotFoundOrder",
    "NotFoundPackage",
    "NotRemainCount",
    "OrderFSMError",
    "OrderStateError",
    "Refusal",
    "ServiceError",
    "Unreachable",
    "Unspecified",
]


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
    TOO_LATE = "too_late"
    """The order's state allows the call, but the time in which it might be made is over."""
    PERHAPS = "perhaps"
    """The call was carried out, or it was not."""
    THROTTLED = "throttled"
    KEPT_OUT = "kept_out"
    """The caller is not who may call, or did not sign properly."""
    NOT_OFFERED = "not_offered"
    """The server has no such operation."""
    MALFORMED = "malformed"
    TURNED_AWAY = "turned_away"
    """Nothing was done, for a reason that is not the order's state."""

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


class NotConforming(OrderFSMError, AssertionError):
    """A history or a server that breaks the rules of the table, or of which that could not be decided.

    The message is the report as text; `report` is the report itself.
    """

    @property
    def report(self) -> object:
        """What was found."""
        return self.args[0]


class Unspecified(OrderFSMError):
    """The table's sources say nothing of `trigger` in `state`, so it is neither allowed nor refused.

    Made as `Unspecified(lifecycle, state, trigger)`.
    """

    @property
    def state(self) -> State | None:
        """The state of the order; None if there is no order."""
        return self.args[1]  # type: ignore[no-any-return]

    @property
    def trigger(self) -> Trigger:
        """What was asked about: an operation or an event."""
        return self.args[2]  # type: ignore[no-any-return]

    @property
    def reference(self) -> str:
        """The document that comes nearest."""
        lifecycle: Table = self.args[0]
        return lifecycle.silence(self.state, self.trigger).reference

    def __str__(self) -> str:
        lifecycle: Table = self.args[0]
        asked = f"{self.trigger} is allowed in {lifecycle.name_of(self.state)}"
        return f"{self._about}the sources do not say whether {asked}; nearest: {self.reference}"


class ServiceError(OrderFSMError):
    """An error that the service documents: its `code`, what that `means`, its `http_status` and documented `text`.

    An empty `code` says that the documents name none, so that any will do.

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
        from .explanation import explain

        return explain(self.args[0], [self.args[1]], self.args[2])

    @property
    def passes(self) -> bool:
        """Whether the same call succeeds later, by itself; in every possible state."""
        return (why := self.explanation) is not None and why.passes

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
    def allowed(self) -> tuple[Any, ...]:
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

    @property
    def _noun(self) -> str:
        return self.args[0].noun if len(self.args) > 2 else self.noun

    @property
    def _about(self) -> str:
        return "" if self.order_id is None else f"{self._noun} {self.order_id}: "


class NotFound(Refusal):
    """There is no such order."""

    code = "NotFound"
    http_status = 404
    text = "the specified order was not found"
    means = Meaning.NOT_FOUND

    @property
    def _about(self) -> str:
        return "" if self.order_id is None else f"no {self._noun} {self.order_id}: "


class OrderStateError(Refusal):
    """The order's state does not allow that."""

    code = "OrderStateError"
    http_status = 403
    text = "the status of the certificate order is invalid"
    means = Meaning.STATE_FORBIDS


class NotFoundOrder(NotFound):
    """There is no such order."""

    code = "NotFoundOrder"
    text = "the specified certificate order was not found"


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
