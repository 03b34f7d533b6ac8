"""Where calls run that may have to wait, so that an event loop need not."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from orderfsm.mock.stores.store import Together

T = TypeVar("T")

FEW = 4
"""How many threads work as long as none of them waits long."""

MANY = 256
"""How many there are at most, those that wait included."""

MOST = 32
"""How many calls are carried out together at most."""

STALL = 0.05
"""Seconds in which no call ended, after which one more thread begins."""

DEADLINE = 60.0
"""Seconds after which nobody waits for a call any more."""


class Threads:
    """Threads that run the calls of event loops.

    A few do, as more would only take turns; when all of them wait, for a lock of a database say, others take over.
    They keep no process from ending, however long they wait.

    With `together`, a store's, one does: it runs the calls that wait one after the other in such a block, and answers
    them when that has ended. If nothing of them came to be, it runs each in a block of its own.
    """

    def __init__(self, deadline: float = DEADLINE, together: Together | None = None) -> None:
        self._deadline = deadline
        self._few = FEW if together is None else 1
        self._together = together or _by_itself
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
        if self._idle == 0 and self._number < self._few:
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
                if self._idle >= self._few:
                    self._number -= 1
                    return
                self._idle += 1
            first = self._calls.get()
            with self._lock:
                self._idle -= 1
            self._run(first)

    def _run(self, first: _Call, most: int = MOST) -> None:
        """Run a call and, as long as anything waits to be committed, those behind it; then answer them."""
        calls = [first]
        try:
            with self._together() as waits:
                first.run()
                while waits() and len(calls) < most and (call := self._next()) is not None:
                    calls.append(call)
                    call.run()
        except Exception as error:  # noqa: BLE001  (whoever waits gets it)
            if len(calls) > 1:
                for call in calls:
                    self._run(call, 1)
                return
            first.fail(error)
        for loop in {call.loop: None for call in calls}:
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(_tell, [call for call in calls if call.loop is loop])
        self._ended += len(calls)

    def _next(self) -> _Call | None:
        try:
            return self._calls.get_nowait()
        except Empty:
            return None


class _Call:
    """A call that an event loop waits for."""

    __slots__ = ("_arguments", "_call", "_error", "_result", "begun", "future", "loop", "over")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, future: asyncio.Future[Any], call: Callable[..., Any], arguments: Any
    ) -> None:
        self.loop, self.future, self._call, self._arguments = loop, future, call, arguments
        self._result: Any = None
        self._error: BaseException | None = None
        self.begun = self.over = False

    def run(self) -> None:
        """Run it, unless nobody waits for it any more."""
        if self.over or self.future.done():
            return
        self.begun = True
        self._result = self._error = None
        try:
            self._result = self._call(*self._arguments)
        except BaseException as raised:  # noqa: BLE001  (whoever waits gets it)
            self._error = raised

    def fail(self, error: Exception) -> None:
        """Whatever it did, it came to nothing."""
        self._result, self._error = None, error

    def tell(self) -> None:
        """Give whoever waits its result, in the thread of their loop."""
        if self.future.done():
            return
        if self._error is None:
            self.future.set_result(self._result)
        else:
            self.future.set_exception(self._error)


def _tell(calls: Iterable[_Call]) -> None:
    for call in calls:
        call.tell()


@contextmanager
def _by_itself() -> Iterator[Callable[[], bool]]:
    yield bool  # nothing waits to be committed
