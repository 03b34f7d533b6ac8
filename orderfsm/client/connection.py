"""Where processes meet the network: the SDK's methods, and the one place where clients sleep."""

from __future__ import annotations

import asyncio
import time
from copy import copy
from threading import TIMEOUT_MAX
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary

import attrs

from orderfsm.clocks import jump
from orderfsm.invalid import InvalidValue

from .preflight import TABLES, Preflight, Preflights
from .sdk import Answer, Client, RuntimeOptions, answer_or_raise, method_name, require_offered
from .steps import Pause, Process, Step, run, run_async

if TYPE_CHECKING:
    from orderfsm.lifecycle import Lifecycle

T = TypeVar("T")

USUAL_TIMEOUT = 10_000
"""Milliseconds that the SDK waits for an answer unless it is told otherwise."""

_PREFLIGHTS: WeakKeyDictionary[Any, Preflights] = WeakKeyDictionary()
"""What was seen through each client that is not guarded."""


@attrs.frozen
class Connection:
    """Performs the steps of processes through the unguarded methods of an SDK `client`, with the SDK's `runtime`.

    `unguarded` is the class whose methods these are: that of the client, or of the one that it was made from.
    """

    client: Any
    unguarded: Any
    preflight: Preflight
    runtime: Any

    @classmethod
    def of(cls, client: Any, order_id: object = None, lifecycle: Lifecycle | None = None) -> Connection:
        """The connection of a client, guarded or not; `InvalidValue` for what is no client of the official SDK.

        It is for orders of the table `lifecycle`; if that is None, of the client's table whose ids look like `order_id`
        does, or of its first one.
        """
        if not issubclass(type(client), Client):  # isinstance is true of mocks of it
            raise InvalidValue("client", client, ["an alibabacloud_cas20200407 Client (for tests, one of mock_cas)"])
        unguarded = getattr(client, "_unguarded", type(client))
        preflights = vars(client).get("_preflight") or _PREFLIGHTS.setdefault(client, Preflights(TABLES))
        if lifecycle is not None:
            require_offered(lifecycle, unguarded)
            return cls(client, unguarded, preflights.of(lifecycle), RuntimeOptions())
        return cls(client, unguarded, preflights.of_id(order_id), RuntimeOptions())

    def run(self, process: Process[T]) -> T:
        """The result of `process`, by the SDK's synchronous methods."""
        return run(process, self.perform)

    async def run_async(self, process: Process[T]) -> T:
        """The result of `process`, by the SDK's asynchronous methods."""
        return await run_async(process, self.perform_async)

    def perform(self, step: Step) -> Answer | None:
        """What a step comes to, by the SDK's synchronous methods."""
        if isinstance(step, Pause):
            if not jump(step.seconds):
                time.sleep(min(step.seconds, TIMEOUT_MAX))
            return None
        method = getattr(self.unguarded, f"{method_name(step.operation)}_with_options")
        try:
            response = method(self.client, step.request, self._runtime(step.timeout))
        except Exception as error:  # noqa: BLE001  # raised again if it is no answer
            return answer_or_raise(step.operation, error, self.preflight.lifecycle, lenient=step.lenient)
        return Answer.of_response(step.operation, response, self.preflight.lifecycle)

    async def perform_async(self, step: Step) -> Answer | None:
        """The same by the asynchronous ones."""
        if isinstance(step, Pause):
            await asyncio.sleep(0 if jump(step.seconds) else step.seconds)
            return None
        method = getattr(self.unguarded, f"{method_name(step.operation)}_with_options_async")
        try:
            async with asyncio.timeout(step.timeout):
                response = await method(self.client, step.request, self._runtime(step.timeout))
        except Exception as error:  # noqa: BLE001  # raised again if it is no answer
            return answer_or_raise(step.operation, error, self.preflight.lifecycle, lenient=step.lenient)
        return Answer.of_response(step.operation, response, self.preflight.lifecycle)

    def _runtime(self, timeout: float | None) -> Any:
        """The SDK's settings of a call that shall not wait longer than `timeout` seconds for bytes to come."""
        if timeout is None:
            return self.runtime
        runtime = copy(self.runtime)
        for name in ("connect_timeout", "read_timeout"):
            usual = getattr(runtime, name, None) or getattr(self.client, f"_{name}", None) or USUAL_TIMEOUT
            setattr(runtime, name, max(1, int(min(usual, timeout * 1000))))
        return runtime
