"""What a client has seen: what it read of orders lately, and which orders there are, or were."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import attrs

from .observation import Observation

if TYPE_CHECKING:
    from collections.abc import Callable

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import State

MEMORY = 100_000
"""How many orders are remembered to have been met: of one that is not found, that tells a deleted one from none."""


@attrs.define(eq=False)
class Memory:
    """Observations, each for `max_age` seconds by `clock`, and the orders that were met; for several threads.

    The orders are those of the table `lifecycle`.
    """

    max_age: float
    clock: Callable[[], float]
    lifecycle: Lifecycle
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False)
    _seen: dict[str, Observation] = attrs.field(factory=dict, init=False)
    _met: dict[str, None] = attrs.field(factory=dict, init=False)

    def observation(
        self, order_id: int | str, states: frozenset[State | None], word: str | None, **rest: Any
    ) -> Observation:
        """What was learned of an order just now; remembered for `max_age` seconds."""
        now = datetime.now(UTC)
        observation = Observation(order_id, states, word, now, self.clock(), lifecycle=self.lifecycle, **rest)
        if self.max_age:
            with self._lock:
                while self._seen and observation.at - self._seen[first := next(iter(self._seen))].at > self.max_age:
                    del self._seen[first]
                self._seen.pop(str(order_id), None)
                self._seen[str(order_id)] = attrs.evolve(observation, body=None, error=None)
        return observation

    def remembered(self, order_id: int | str) -> Observation | None:
        """The last observation of the order, if it is younger than `max_age`."""
        seen = self._seen.get(str(order_id))
        return seen if seen is not None and self.clock() - seen.at < self.max_age else None

    def forget(self, order_id: int | str) -> None:
        """Forget what was observed of the order: something happened to it, and nobody knows what."""
        with self._lock:
            self._seen.pop(str(order_id), None)

    def met(self, order_id: int | str) -> None:
        """Remember that there is, or was, such an order."""
        with self._lock:
            self._met[str(order_id)] = None
            if len(self._met) > MEMORY:
                del self._met[next(iter(self._met))]

    def has_met(self, order_id: int | str) -> bool:
        """Whether it is remembered that there is, or was, such an order."""
        return str(order_id) in self._met
