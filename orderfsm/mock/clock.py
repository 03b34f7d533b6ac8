"""The movable clock by which certificates expire and reviews end, and how times and durations are said."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from orderfsm.invalid import InvalidValue

from .stores.store import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

LAST_TIME = 7_258_118_400.0
"""How far the clock can be moved: to the year 2200, in seconds since the epoch."""


def machine_time() -> float:
    """The machine's clock, asked for at each call: what a test puts in the place of `time.time` is what answers."""
    return time.time()


def seconds(kind: str, value: float | timedelta, longest: float, why: str = "") -> float:
    """`value`, seconds or a timedelta, in seconds; `InvalidValue` of that `kind` if they are not in 0 .. `longest`."""
    given = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given <= longest:
        raise InvalidValue(kind, value, [f"seconds in 0 .. {math.floor(longest)}, or a timedelta{why}"])
    return given


def instant(at: float) -> str:
    """A time, in seconds since the epoch, as RFC 3339 has it; `StoreError` if what was kept is none."""
    try:
        return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    except (OverflowError, ValueError, OSError):
        raise StoreError(f"the database is damaged: {at!r} is no time") from None


class Clock:
    """Seconds since the epoch: `source` (the machine's clock), moved by `offset` seconds, which a service sets."""

    def __init__(self, source: Callable[[], float] = machine_time) -> None:
        self._source = source
        self.offset = 0.0

    def now(self) -> float:
        """The time now."""
        return self._source() + self.offset
