"""A port that is served from a thread or a process, and that ends as soon as nobody is being answered any more."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import uvicorn

from .connection import Limits, protocol

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator
    from types import FrameType

    from starlette.types import ASGIApp, Scope

ENDING = "orderfsm.ending"
"""Under this key of the ASGI state a port keeps an `asyncio.Event`, which is set when it is told to end."""

GRACE = 1.0
"""Seconds that calls may go on after that."""

_TICK = 1.0  # seconds between two looks at the time, for the `Date` of answers
_LOOK = 0.002  # seconds between two looks at whether the last connection is closed


class Port(uvicorn.Server):
    """The uvicorn server of one of our applications: quiet, with limits, with the extension that faults need.

    Unlike uvicorn's own it does not sleep when it is told to end.
    """

    def __init__(self, app: ASGIApp, limits: Limits | None = None) -> None:
        limits = Limits() if limits is None else limits
        super().__init__(
            uvicorn.Config(
                app,
                http=protocol(limits),
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=limits.idle,
            )
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending: asyncio.Event

    def end(self) -> None:
        """Let it end; from any thread, and whether or not it has begun."""
        self.should_exit = True
        if self._loop is not None:
            with suppress(RuntimeError):  # it has ended already
                self._loop.call_soon_threadsafe(self._ending.set)

    # -- what uvicorn calls ------------------------------------------------------------------------------------------

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End by a signal."""
        super().handle_exit(sig, frame)
        self.end()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen."""
        self._ending = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self.lifespan.state[ENDING] = self._ending
        await super().startup(sockets)

    async def main_loop(self) -> None:
        """Serve until told to end."""
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), _TICK)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more calls, and wait for those under way, at most for `GRACE`; `run` cancels what is left."""
        self._ending.set()
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        with suppress(TimeoutError):
            async with asyncio.timeout(GRACE):
                await self._all_answered()

    async def _all_answered(self) -> None:
        state = self.server_state
        while state.tasks or state.connections:
            await (asyncio.wait(state.tasks) if state.tasks else asyncio.sleep(_LOOK))


def _ending(scope: Scope) -> asyncio.Event | None:
    return scope.get("state", {}).get(ENDING)  # type: ignore[no-any-return]


def is_ending(scope: Scope) -> bool:
    """Whether the port ends on which a request came; never, if it is none of these."""
    ending = _ending(scope)
    return ending is not None and ending.is_set()


async def pause(scope: Scope, seconds: float) -> None:
    """Wait so many seconds, or until the port ends on which a request came."""
    ending = _ending(scope)
    if ending is None:
        await asyncio.sleep(seconds)
        return
    with suppress(TimeoutError):
        await asyncio.wait_for(ending.wait(), seconds)


@contextmanager
def served(app: ASGIApp, listener: socket.socket, limits: Limits | None = None) -> Iterator[None]:
    """Serve `app` at `listener` from a thread."""
    port = Port(app, limits)
    thread = threading.Thread(target=port.run, kwargs={"sockets": [listener]}, name="orderfsm mock", daemon=True)
    thread.start()
    try:
        yield
    finally:
        port.end()
        thread.join()
