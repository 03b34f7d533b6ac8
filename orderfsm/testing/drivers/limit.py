"""A limit to the time that a call of a driver may take, which may be one that never returns."""

from __future__ import annotations

import asyncio
import inspect
import signal
import threading
import time
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from .driver import NoAnswer, given

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterator

    from .driver import Driver

    T = TypeVar("T")


TIMEOUT = 15.0
"""Seconds that a call of a driver may take, unless it is said otherwise."""

AGAIN = 0.5
"""Seconds after which a call that goes on all the same is interrupted again."""


class Overdue(BaseException):
    """A call took too long. It passes through what handles every `Exception`, as drivers do."""


class Cancelled(Overdue):
    """It was awaited, and has been cancelled."""


def within(seconds: float, call: Callable[[], T]) -> T:
    """What `call` returns; `Overdue` if that takes longer.

    In the main thread a timer interrupts it where it is, for there are drivers that must stay in the thread that made
    them. Where no timer can do that, another thread makes the call, and is left behind.
    """
    if hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread():
        with _alarm(seconds):
            return call()
    return _elsewhere(seconds, call)


async def within_async(seconds: float, work: Awaitable[T]) -> T:
    """What `work` comes to; `Cancelled` if that takes longer."""
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            return await work
    except TimeoutError:
        if limit.expired():
            raise Cancelled from None
        raise


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """Raise `Overdue` after that time, unless an alarm that was set before comes first; that one is set again."""
    left, interval = signal.getitimer(signal.ITIMER_REAL)
    if 0 < left <= seconds:
        yield
        return
    begun = time.monotonic()
    armed = True

    def ring(_signal: int, _frame: Any) -> None:
        if armed:
            raise Overdue

    before = signal.signal(signal.SIGALRM, ring)
    try:
        # It rings again: an exception that is raised while garbage is collected is lost.
        signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN)
        yield
    finally:
        armed = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if left:
            signal.setitimer(signal.ITIMER_REAL, max(left - (time.monotonic() - begun), 1e-6), interval)


class LimitedDriver:
    """A driver of which each call may take so many `seconds`."""

    def __init__(self, driver: Driver, seconds: float) -> None:
        self._driver = driver
        self._seconds = seconds
        self._loop: asyncio.Runner | None = None

    def can(self, method: str) -> bool:
        """Whether the driver has a method that not every driver has."""
        return callable(getattr(self._driver, method, None))

    def ask(self, method: str, *arguments: Any, **named: Any) -> Any:
        """What a method of the driver gives, awaited if it must be; `NoAnswer` if it takes too long.

        `InvalidValue` if it is not what that method gives.
        """
        try:
            value = within(self._seconds, partial(getattr(self._driver, method), *arguments, **named))
            if inspect.isawaitable(value):
                value = within(2 * self._seconds, partial(self.wait_for, within_async(self._seconds, value)))
        except Overdue as overdue:
            if not isinstance(overdue, Cancelled):
                self.close()
            raise NoAnswer(f"{method}: no answer in {self._seconds:g} seconds") from None
        return given(method, value)

    def wait_for(self, work: Coroutine[Any, Any, T]) -> T:
        """What a coroutine comes to, in the loop in which everything of this driver is done."""
        if self._loop is None:
            self._loop = asyncio.Runner()
        return self._loop.run(work)

    def close(self) -> None:
        """Close that loop; the next coroutine gets a new one."""
        loop, self._loop = self._loop, None
        if loop is not None:
            with suppress(RuntimeError):  # in a thread that was left behind, it is still running
                loop.close()


def _elsewhere(seconds: float, call: Callable[[], T]) -> T:
    """What `call` returns in a thread of its own."""
    came: Future[T] = Future()

    def run() -> None:
        try:
            came.set_result(call())
        except BaseException as error:  # noqa: BLE001  # it is raised where the call was asked for
            came.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    try:
        return came.result(seconds)
    except TimeoutError:
        if came.done():
            raise
        raise Overdue from None
