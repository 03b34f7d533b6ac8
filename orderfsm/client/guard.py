"""An official SDK client that asks the table before it calls."""

from __future__ import annotations

import time
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from orderfsm import wire
from orderfsm.errors import InvalidValue, Refusal
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

C = TypeVar("C", bound=Client)


def guard(client: C, *, grace: float = 10, lifecycle: Lifecycle = ORDER_LIFECYCLE) -> C:
    """A client like `client`, of a subclass of its class, that refuses locally what the table refuses.

    Before a call that the table rules (cancel, delete, cancel for package, renew) it reads the order's state once. If
    the call is illegal in every state that the answer may mean, it raises without sending the call: an
    `OrderStateError` (or `NotFoundOrder`) that is an instance of the SDK's own exception as well. Everything else
    goes to the service: what is undecided, what could not be read, and an order that cannot be read yet, less than
    `grace` seconds after this client created it.
    """
    if not isinstance(client, Client):
        raise InvalidValue("client", client, ["an alibabacloud_cas20200407 Client"])
    cls: Any = type(client)
    guarded: C = object.__new__(_guarded_class(cls))
    guarded.__dict__.update(client.__dict__, _guard=_Guard(grace, lifecycle))
    return guarded


class _Guard:
    """What a guarded client knows: its table, and the orders that it created a moment ago."""

    def __init__(self, grace: float, lifecycle: Lifecycle) -> None:
        self.grace = grace
        self.lifecycle = lifecycle
        self._created: dict[int, float] = {}

    def created(self, order_id: int) -> None:
        """Remember that this client created an order just now; forget those that are older than the grace."""
        now = time.monotonic()
        self._created = {other: at for other, at in self._created.items() if now - at < self.grace} | {order_id: now}

    def check(self, operation: Operation, order_id: int, read: Callable[[], str]) -> None:
        """Raise unless `operation` may succeed on the order whose `Type` is what `read` returns."""
        try:
            states = wire.states_from_type(read(), self.lifecycle)
        except InvalidValue:
            return
        except TeaException as error:
            age = time.monotonic() - self._created.get(order_id, float("-inf"))
            if error.code != "NotFoundOrder" or age < self.grace:
                return
            states = frozenset([None])
        if self.lifecycle.judge(states, operation) is Verdict.ILLEGAL:
            first = next(state for state in self.lifecycle.state_rules if state in states)
            try:
                self.lifecycle.check(first, operation)
            except Refusal as refusal:
                raise local(refusal) from None


@cache
def _guarded_class(cls: Any) -> type[Any]:
    """A subclass of `cls` whose methods for ruled and for creating operations ask the guard.

    Only the `..._with_options` forms are replaced: the short forms call them.
    """
    methods: dict[str, Any] = {}
    for operation in Operation:
        name = f"{method_name(operation)}_with_options"
        if operation in _CREATES:
            methods[name] = _remembering(getattr(cls, name))
        elif operation in _RULED:
            methods[name] = _checking(operation, getattr(cls, name))
    return type(f"Guarded{cls.__name__}", (cls,), methods)


_CREATES = {row.trigger for row in ORDER_LIFECYCLE.transitions if row.source is None}
_RULED = {row.trigger for row in ORDER_LIFECYCLE.transitions if row.source is not None and row.changes}


def _checking(operation: Operation, call: Callable[..., Any]) -> Callable[..., Any]:
    def checked(self: Any, request: Any, runtime: Any) -> Any:
        def read() -> str:
            asked = DescribeCertificateStateRequest(order_id=request.order_id)
            return str(self.describe_certificate_state_with_options(asked, runtime).body.type)

        if request.order_id is not None:
            self._guard.check(operation, request.order_id, read)
        return call(self, request, runtime)

    return checked


def _remembering(call: Callable[..., Any]) -> Callable[..., Any]:
    def remembered(self: Any, request: Any, runtime: Any) -> Any:
        response = call(self, request, runtime)
        self._guard.created(response.body.order_id)
        return response

    return remembered
