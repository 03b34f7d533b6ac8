"""Where calls run that may have to wait, so that an event loop need not."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

FEW = 4
"""How many threads work as long as none of them waits long."""

MANY = 256
"""How many there are at most, those that wait included."""

STALL = 0.05
"""Seconds in which no call ended, after which one more thread begins."""

DEADLINE = 60.0
"""Seconds after which nobody waits for a call any more."""


class Threads:
    """Threads that run the calls of event loops.

    A few do, as more would only take turns; when all of them wait, for a lock of a database say, others take over.
    They keep no process from ending, however long they wait.
    """

    def __init__(self, deadline: float = DEADLINE) -> None:
        self._deadline = deadline
        self._calls: SimpleQueue[_Call] = SimpleQueue()
        self._lock = threading.Lock()
        self._number = 0
        self._idle = 0
        self._ended = 0

    async def run(self, call: Callable[..., T], *arguments: Any) -> T:
        """What `call` returns or raises, from a thread; `TimeoutError` if it is not done in time.

        One that had not begun by then is never carried out.
        """
        loop = asyncio.get_running_loop()
        waiting = _Call(loop, loop.create_future(), call, arguments)
        if self._idle == 0 and self._number < FEW:
            self._begin()
        self._calls.put(waiting)
        watch = loop.call_later(STALL, self._look, waiting, self._ended, STALL)
        try:
            result: T = await waiting.future
            return result
        finally:
            watch.cancel()
            waiting.over = True

    def _look(self, waiting: _Call, ended: int, waited: float) -> None:
        """See to a call that takes long."""
        if waiting.over or waiting.future.done():
            return
        if waited >= self._deadline:
            waiting.future.set_exception(TimeoutError())
            return
        if not waiting.begun and ended == self._ended:
            self._begin()
        then = min(STALL, self._deadline - waited)
        waiting.loop.call_later(then, self._look, waiting, self._ended, waited + then)

    def _begin(self) -> None:
        with self._lock:
            if self._number < MANY:
                self._number += 1
                threading.Thread(target=self._work, name="orderfsm call", daemon=True).start()

    def _work(self) -> None:
        while True:
            with self._lock:
                if self._idle >= FEW:
                    self._number -= 1
                    return
                self._idle += 1
            waiting = self._calls.get()
            with self._lock:
                self._idle -= 1
            waiting.run()
            self._ended += 1


class _Call:
    """A call that an event loop waits for."""

    __slots__ = ("_arguments", "_call", "begun", "future", "loop", "over")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, future: asyncio.Future[Any], call: Callable[..., Any], arguments: Any
    ) -> None:
        self.loop, self.future, self._call, self._arguments = loop, future, call, arguments
        self.begun = self.over = False

    def run(self) -> None:
        """Run it, unless nobody waits for it any more, and tell."""
        if self.over or self.future.done():
            return
        self.begun = True
        result, error = None, None
        try:
            result = self._call(*self._arguments)
        except BaseException as raised:  # noqa: BLE001  (whoever waits gets it)
            error = raised
        with suppress(RuntimeError):  # the loop has ended
            self.loop.call_soon_threadsafe(self._tell, result, error)

    def _tell(self, result: Any, error: BaseException | None) -> None:
        if not self.future.done():
            if error is None:
                self.future.set_result(result)
            else:
                self.future.set_exception(error)
