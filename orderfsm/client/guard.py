"""An official SDK client that asks the table before it calls."""

from __future__ import annotations

import time
from functools import cache, wraps
from typing import TYPE_CHECKING, Any, TypeVar

from orderfsm import wire
from orderfsm.errors import InvalidValue, NotFoundOrder
from orderfsm.extras import needs
from orderfsm.lifecycle import ORDER_LIFECYCLE, Lifecycle, Verdict
from orderfsm.spec import Operation

from .errors import local
from .sdk import method_name

with needs("client"):
    from alibabacloud_cas20200407.client import Client
    from alibabacloud_cas20200407.models import DescribeCertificateStateRequest
    from Tea.exceptions import TeaException

if TYPE_CHECKING:
    from collections.abc import Callable

    from orderfsm.spec import State

C = TypeVar("C", bound=Client)


def guard(client: C, *, grace: float = 10, lifecycle: Lifecycle = ORDER_LIFECYCLE) -> C:
    """A client like `client`, of a subclass of its class, that refuses locally what the table refuses.

    Before a call that the table rules (cancel, delete, cancel for package, renew) it reads the order's state once, with
    the synchronous methods as with the asynchronous ones. If the call is illegal in every state that the answer may
    mean, it raises without sending the call: an `OrderStateError` (or `NotFoundOrder`) that is an instance of the SDK's
    own exception as well, and names all those states in `possible`. Everything else is sent: what is legal in some of
    the states, and what follows a read that failed or answered an unknown word.

    The service is eventually consistent after a create: for a while it may not find the new order, and clients poll
    until it does. So for `grace` seconds after this client created an order, "not found" refuses nothing. Ten seconds
    are our choice; the service documents no limit.

    Raises `InvalidValue` if `client` is not a client of the official SDK. The guarded client shares the connection
    settings of `client`, which stays as it was.
    """
    if not isinstance(client, Client):
        raise InvalidValue("client", client, ["an alibabacloud_cas20200407 Client"])
    cls: Any = type(client)
    guarded: C = object.__new__(_guarded_class(cls))
    guarded.__dict__.update(client.__dict__, _guard=_Guard(grace, lifecycle))
    return guarded


def refuse_illegal(
    operation: Operation,
    answer: str | Exception | None,
    *,
    just_created: bool = False,
    lifecycle: Lifecycle = ORDER_LIFECYCLE,
) -> None:
    """Raise the local refusal if `operation` is illegal in every state that a read's `answer` may mean.

    `answer` is the `Type` that the read answered, or the error with which it failed. An answer from which nothing
    follows refuses nothing: an unknown word, an error other than NotFoundOrder, and NotFoundOrder for an order that was
    `just_created`.
    """
    states = _possible(answer, just_created=just_created, lifecycle=lifecycle)
    if states and lifecycle.judge(states, operation) is Verdict.ILLEGAL:
        raise local(lifecycle, states, operation)


def _possible(answer: str | Exception | None, *, just_created: bool, lifecycle: Lifecycle) -> frozenset[State | None]:
    """The states that a read's answer may mean; empty if nothing follows from it."""
    if isinstance(answer, Exception):
        gone = isinstance(answer, TeaException) and answer.code == NotFoundOrder.code and not just_created
        return frozenset([None]) if gone else frozenset()
    try:
        return wire.states_from_type(answer, lifecycle)  # type: ignore[arg-type]  # None is an unknown word
    except InvalidValue:
        return frozenset()


class _Guard:
    """What a guarded client keeps: its table, and the orders that it created within the last `grace` seconds."""

    def __init__(self, grace: float, lifecycle: Lifecycle) -> None:
        self._grace = grace
        self._lifecycle = lifecycle
        self._created: dict[str, float] = {}

    def created(self, order_id: object) -> None:
        """Remember that this client created an order just now; forget the orders whose grace is over."""
        now = time.monotonic()
        recent = {other: at for other, at in self._created.items() if now - at < self._grace}
        self._created = recent | {str(order_id): now}

    def check(self, operation: Operation, order_id: object, answer: str | Exception | None) -> None:
        """Raise the local refusal if `answer`, of a read of the order, says that `operation` is illegal."""
        age = time.monotonic() - self._created.get(str(order_id), float("-inf"))
        refuse_illegal(operation, answer, just_created=age < self._grace, lifecycle=self._lifecycle)


_CREATING = {row.trigger for row in ORDER_LIFECYCLE.transitions if row.source is None or row.creates is not None}
_RULED = {row.trigger for row in ORDER_LIFECYCLE.transitions if row.source is not None and row.changes}


@cache
def _guarded_class(cls: Any) -> type[Any]:
    """A subclass of `cls` whose methods for ruled and for creating operations ask the guard.

    Only `..._with_options` and `..._with_options_async` are replaced: the short forms call them.
    """
    methods: dict[str, Any] = {}
    for operation in Operation:
        name = f"{method_name(operation)}_with_options"
        call, call_async = getattr(cls, name), getattr(cls, f"{name}_async")
        if operation in _CREATING:
            call, call_async = _remembering(call), _remembering_async(call_async)
        if operation in _RULED:
            call, call_async = _checking(operation, call), _checking_async(operation, call_async)
        if operation in _CREATING | _RULED:
            methods |= {name: call, f"{name}_async": call_async}
    return type(f"Guarded{cls.__name__}", (cls,), methods)


def _checking(operation: Operation, call: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(call)
    def checked(self: Any, request: Any, runtime: Any) -> Any:
        if request.order_id is not None:
            asked = DescribeCertificateStateRequest(order_id=request.order_id)
            try:
                answer = self.describe_certificate_state_with_options(asked, runtime).body.type
            except Exception as error:  # noqa: BLE001  # whatever the read failed with, the call is the service's to judge
                answer = error
            self._guard.check(operation, request.order_id, answer)
        return call(self, request, runtime)

    return checked


def _checking_async(operation: Operation, call: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(call)
    async def checked(self: Any, request: Any, runtime: Any) -> Any:
        if request.order_id is not None:
            asked = DescribeCertificateStateRequest(order_id=request.order_id)
            try:
                answer = (await self.describe_certificate_state_with_options_async(asked, runtime)).body.type
            except Exception as error:  # noqa: BLE001  # as above
                answer = error
            self._guard.check(operation, request.order_id, answer)
        return await call(self, request, runtime)

    return checked


def _remembering(call: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(call)
    def remembered(self: Any, request: Any, runtime: Any) -> Any:
        response = call(self, request, runtime)
        self._guard.created(response.body.order_id)
        return response

    return remembered


def _remembering_async(call: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(call)
    async def remembered(self: Any, request: Any, runtime: Any) -> Any:
        response = await call(self, request, runtime)
        self._guard.created(response.body.order_id)
        return response

    return remembered
