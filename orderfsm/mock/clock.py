"""The movable clock by which certificates expire."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Clock:
    """Seconds since the epoch: `source` (the machine's clock), moved by as much as it was advanced."""

    def __init__(self, source: Callable[[], float] = time.time) -> None:
        self._source = source
        self.offset = 0.0

    def now(self) -> float:
        """The time now."""
        return self._source() + self.offset

    def advance(self, seconds: float) -> None:
        """Move the clock forward (or, if negative, back)."""
        self.offset += seconds

    def reset(self) -> None:
        """Go back to the source's time."""
        self.offset = 0.0
