"""Reading an order as exactly as the API allows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .arguments import id_of
from .connection import Connection
from .errors import naming
from .observation import Observation, everything

if TYPE_CHECKING:
    from orderfsm.identity import Id
    from orderfsm.lifecycle import Lifecycle

    from .preflight import Preflight
    from .steps import Process


def observe(client: Any, order_id: Id, *, lifecycle: Lifecycle | None = None) -> Observation:
    """Read the order: by itself, and if that leaves several states possible, by the list of orders as well.

    `client` is a client of the official SDK, guarded or not. `lifecycle` is the table of the order; None: the one of
    orders or of instances whose ids look like `order_id`. A read that is throttled or not answered is repeated a
    bounded number of times. Raises the SDK's exception if no read succeeds; an order that is not found is an
    observation, whose `states` are None and DELETED; DELETED alone if this client met the order before.
    """
    connection = Connection.of(client, order_id, lifecycle)
    return connection.run(_observing(connection.preflight, order_id))


async def observe_async(client: Any, order_id: Id, *, lifecycle: Lifecycle | None = None) -> Observation:
    """`observe` with the SDK's asynchronous methods."""
    connection = Connection.of(client, order_id, lifecycle)
    return await connection.run_async(_observing(connection.preflight, order_id))


def _observing(preflight: Preflight, order_id: Id) -> Process[Observation]:
    lifecycle = preflight.lifecycle
    order_id = id_of(order_id, lifecycle)
    with naming(order_id, lifecycle.noun):
        observation = yield from preflight.reading.read_until(order_id, lambda seen: len(seen.states - {None}) == 1)
        if observation.error is not None and observation.states == everything(lifecycle):
            raise observation.error
        return observation
