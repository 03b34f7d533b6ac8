"""An official SDK client that asks the table before it calls, and the service after an answer was lost."""

from __future__ import annotations

from functools import lru_cache, wraps
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from orderfsm.invalid import InvalidValue

from .call import Divergence, calling
from .connection import Connection
from .preflight import TABLES, Mode, Preflights
from .roles import roles
from .sdk import Client, id_field, method_name, offers, require_offered

if TYPE_CHECKING:
    from collections.abc import Callable

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import Operation


C = TypeVar("C", bound=Client)
_Methods: TypeAlias = "tuple[Callable[..., Any], Callable[..., Any]]"


def guard(
    client: C,
    *,
    mode: str = "enforce",
    trust: str = "inferred",
    max_age: float = 0,
    grace: float = 10,
    on_divergence: Callable[[Divergence], object] | None = None,
    lifecycle: Lifecycle | None = None,
) -> C:
    """A client like `client`, of a subclass of its class, that refuses locally what the table refuses.

    Before a call that a table rules (of orders cancel, delete, cancel for package, renew; of instances update, apply,
    cancel, revoke, refund, delete) it reads the order's state once, with the synchronous methods as with the
    asynchronous ones. If the call is illegal in every state that the answer may mean, it raises without sending the
    call: an `OrderStateError` (or `NotFoundOrder`) that is an instance of the SDK's own exception as well, and names
    all those states in `possible`. Everything else is sent: what is legal in some of the states, of which the table's
    sources say nothing, or which is refused in one of them only for now; and what follows a read that failed or
    answered an unknown word. A refusal by the service has the same class as a local one.

    * `mode`: `enforce`; `warn` logs a warning where it would refuse, and sends the call; `off` does nothing at all.
    * `trust`: which refusals are made here: only those that the documents state (`documented`), also those that were
      `observed`, or all, also those that are `inferred`.
    * `max_age`: how many seconds an observation serves for further calls, instead of a new read.
    * `grace`: for how many seconds after this client created an order "not found" refuses nothing, because the service
      is eventually consistent after a create. It ends when this client deletes the order. Ten are our choice; the
      service documents no limit. Where the service completes calls later, so long also the words may lag behind a call
      that it accepted.
    * `on_divergence`: called with a `Divergence` when the service refuses what the table allows, or accepts what it
      refuses, and nothing that it does by itself meanwhile explains that. The order is then read again, and the call,
      if it was refused and still is allowed, sent once more.
    * `lifecycle`: the one table to go by; None: that of orders and that of instances, each for its operations.

    If an answer is lost (timeout, broken connection, HTTP 5xx), the order is read: if the call was carried out, it
    returns as if it had been answered; if not, it is sent again, at most three times; if that cannot be told, it raises
    `OutcomeUnknown`. A create or a renewal is sent again only when no order that it may have made is in the list.

    Each error about an order names it, and has its `order_id`. What is no OrderId, in a call that the table rules,
    raises `InvalidValue`, and nothing is sent.

    Raises `InvalidValue` if `client` is not a client of the official SDK (a mock of one is not), for a setting that is
    none, and for a table of which the SDK's client has not all operations, or with no read of one order's state. The
    guarded client shares the connection settings of `client`, which stays as it was.
    """
    bare = Connection.of(client).unguarded
    tables = tuple(table for table in TABLES if _offered(table, bare)) if lifecycle is None else (lifecycle,)
    settings = {"mode": mode, "trust": trust, "max_age": max_age, "grace": grace, "on_divergence": on_divergence}
    preflights = Preflights(tables, **settings)
    guarded: C = object.__new__(_guarded_class(bare, tables))
    guarded.__dict__.update(client.__dict__, _preflight=preflights)
    return guarded


def _offered(table: Lifecycle, cls: Any) -> bool:
    """Whether the SDK has the operations of the table: older versions have none of instances."""
    try:
        require_offered(table, cls)
    except InvalidValue:
        return False
    return True


@lru_cache
def _guarded_class(cls: Any, tables: tuple[Lifecycle, ...]) -> type[Any]:
    """A subclass of `cls` whose methods for ruled and creating operations, and for reads, ask the guard.

    Only `..._with_options` and `..._with_options_async` are replaced: the short forms call them. An operation that
    several of the `tables` have belongs to the first of these.
    """
    members: dict[str, Any] = {"_unguarded": cls}
    if cls.__repr__ is object.__repr__:
        members["__repr__"] = _named
    for lifecycle in reversed(tables):
        require_offered(lifecycle, cls)
        its = roles(lifecycle)
        creating = tuple(operation for operation in its.creating if offers(cls, operation))
        wrapped = dict.fromkeys(its.ruled + creating, _asking) | dict.fromkeys(its.fields, _noting)
        for operation, made in wrapped.items():
            name = f"{method_name(operation)}_with_options"
            methods = made(lifecycle, operation, getattr(cls, name), getattr(cls, f"{name}_async"))
            members[name], members[f"{name}_async"] = methods
    return type(f"Guarded{cls.__name__}", (cls,), members)


def _named(self: Any) -> str:
    """A guarded client as a text: where it calls, and what it does with a call that must fail. No secrets."""
    return f"{type(self).__name__}({getattr(self, '_endpoint', '')!r}, mode={str(self._preflight.of().mode)!r})"


def _asking(
    lifecycle: Lifecycle, operation: Operation, call: Callable[..., Any], call_async: Callable[..., Any]
) -> _Methods:
    """The methods that ask the guard before the call."""
    named = id_field(lifecycle)

    def asked(self: Any, request: Any, runtime: Any) -> Connection | None:
        """None if the guard has nothing to say: it is off, or the order that the call is about is not named."""
        preflight = self._preflight.of(lifecycle)
        unnamed = operation not in lifecycle.creates and getattr(request, named, request) is None
        return None if unnamed or preflight.mode is Mode.OFF else Connection(self, self._unguarded, preflight, runtime)

    @wraps(call)
    def asking(self: Any, request: Any, runtime: Any) -> Any:
        if (connection := asked(self, request, runtime)) is None:
            return call(self, request, runtime)
        return connection.run(calling(connection.preflight, operation, request))

    @wraps(call_async)
    async def asking_async(self: Any, request: Any, runtime: Any) -> Any:
        if (connection := asked(self, request, runtime)) is None:
            return await call_async(self, request, runtime)
        return await connection.run_async(calling(connection.preflight, operation, request))

    return asking, asking_async


def _noting(
    lifecycle: Lifecycle, operation: Operation, call: Callable[..., Any], call_async: Callable[..., Any]
) -> _Methods:
    """The methods that take note of what the call was answered."""

    @wraps(call)
    def noting(self: Any, request: Any, runtime: Any) -> Any:
        response = call(self, request, runtime)
        self._preflight.of(lifecycle).reading.saw_response(operation, request, response)
        return response

    @wraps(call_async)
    async def noting_async(self: Any, request: Any, runtime: Any) -> Any:
        response = await call_async(self, request, runtime)
        self._preflight.of(lifecycle).reading.saw_response(operation, request, response)
        return response

    return noting, noting_async
