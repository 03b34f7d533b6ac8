"""The clocks that clients go by: the machine's, or one that jumps, which a test has put in their place.

A client that has to wait asks `jump` first, and sleeps only if no clock jumps. What was jumped over is part of
`monotonic`, by which deadlines go: it is gone as if somebody had slept.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@attrs.define(eq=False)
class _Clock:
    """A clock in the place of the machine's: the time it says, what moves it, and how far it jumped."""

    now: Callable[[], float]
    advance: Callable[[float], object]
    jumped: float = 0.0


_CLOCKS: list[_Clock] = []
"""The last one counts, in all threads."""


def wall() -> float:
    """Seconds since the epoch. The clock is asked at each call: what a test puts in place of `time.time` answers."""
    for clock in _CLOCKS[-1:]:
        return clock.now()
    return time.time()


def monotonic() -> float:
    """Seconds that do not go back as long as a clock is there, those that were jumped over among them."""
    return time.monotonic() + sum(clock.jumped for clock in _CLOCKS)


def jumps() -> bool:
    """Whether there is a clock that jumps, so that nobody has to sleep."""
    return bool(_CLOCKS)


def jump(seconds: float) -> bool:
    """Let so many seconds be over, if a clock jumps; False: one has to sleep."""
    for clock in _CLOCKS[-1:]:
        clock.advance(seconds)
        clock.jumped += seconds
        return True
    return False


@contextmanager
def going_by(now: Callable[[], float], advance: Callable[[float], object]) -> Iterator[None]:
    """Let the clients of this process go by the clock `now`, and move it by `advance` instead of sleeping."""
    clock = _Clock(now, advance)
    _CLOCKS.append(clock)
    try:
        yield
    finally:
        _CLOCKS.remove(clock)


@contextmanager
def autojump() -> Iterator[None]:
    """Let no client of this process sleep until the block ends: its clock jumps to where it would have woken up.

    >>> with autojump():
    ...     before = wall()
    ...     jump(3600)
    ...     wall() - before >= 3600
    True
    True
    """
    jumps: list[float] = []
    with going_by(lambda: time.time() + sum(jumps), jumps.append):
        yield
