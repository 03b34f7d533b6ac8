"""The movable clock by which certificates expire and reviews end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Clock:
    """Seconds since the epoch: `source` (the machine's clock), moved by `offset` seconds, which a service sets."""

    def __init__(self, source: Callable[[], float] = time.time) -> None:
        self._source = source
        self.offset = 0.0

    def now(self) -> float:
        """The time now."""
        return self._source() + self.offset
