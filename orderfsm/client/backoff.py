"""How often what failed in passing is tried again, and after which pauses."""

from __future__ import annotations

from random import uniform
from typing import TYPE_CHECKING

from .steps import Pause

if TYPE_CHECKING:
    from .sdk import Answer

RETRIES = 3
"""How often a call whose answer was lost is sent again, and how often a read that failed."""

BASE = 0.05
"""Seconds of the first pause, and by how many a pause is longer at most by chance."""

CAP = 5.0
"""Seconds up to which pauses grow."""

_DOUBLINGS = 60  # more than separate any base from its cap; the number of failures has no bound


def backoff(attempt: int, answer: Answer | None = None) -> Pause:
    """The pause after failure number `attempt`, from 1, of a call or a read; or what a throttled `answer` asks for."""
    return growing(attempt, answer, base=BASE, cap=CAP)


def growing(attempt: int, answer: Answer | None, *, base: float, cap: float) -> Pause:
    """The pause after failure number `attempt`, from 1: `base` seconds, doubled with each up to `cap`, and jitter.

    The jitter is at most `base`. If a throttled `answer` asks for a longer pause, it is that.
    """
    asked = answer.retry_after if answer is not None and answer.retry_after else 0
    return Pause(max(asked, min(cap, base * 2 ** min(attempt - 1, _DOUBLINGS)) + uniform(0, base)))
