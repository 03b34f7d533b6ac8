"""What a client has seen and made: what it read of orders lately, which there are or were, and its own creates."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import attrs

from .observation import Observation

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import State

MEMORY = 100_000
"""How many orders are remembered to have been met: of one that is not found, that tells a deleted one from none."""

LATELY = 3600
"""Seconds for which an order is remembered that this client created, at least."""


@attrs.define(eq=False)
class Memory:
    """What was observed of orders of `lifecycle`, for `max_age` seconds; which were met; which this client created.

    An order is new for `grace` seconds after that. Both are seconds of `clock`; it may be asked from several threads.
    """

    max_age: float
    grace: float
    clock: Callable[[], float]
    lifecycle: Lifecycle
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False)
    _seen: dict[str, Observation] = attrs.field(factory=dict, init=False)
    _met: dict[str, None] = attrs.field(factory=dict, init=False)
    _led: dict[str, tuple[float, frozenset[State | None]]] = attrs.field(factory=dict, init=False)
    _created: dict[str, float] = attrs.field(factory=dict, init=False)
    _underway: Counter[Hashable] = attrs.field(factory=Counter, init=False)

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

    def led(self, order_id: int | str, states: frozenset[State | None]) -> None:
        """Remember that a call was accepted just now that led the order to one of `states`."""
        now = self.clock()
        with self._lock:
            while self._led and now - self._led[first := next(iter(self._led))][0] > self.grace:
                del self._led[first]
            self._led.pop(str(order_id), None)
            if self.grace:
                self._led[str(order_id)] = now, states

    def led_to(self, order_id: int | str) -> frozenset[State | None]:
        """The states to one of which a call led the order within the last `grace` seconds; perhaps none."""
        at, states = self._led.get(str(order_id), (float("-inf"), frozenset()))
        return states if self.clock() - at < self.grace else frozenset()

    def met(self, order_id: int | str) -> None:
        """Remember that there is, or was, such an order."""
        with self._lock:
            self._met[str(order_id)] = None
            if len(self._met) > MEMORY:
                del self._met[next(iter(self._met))]

    def has_met(self, order_id: int | str) -> bool:
        """Whether it is remembered that there is, or was, such an order."""
        return str(order_id) in self._met

    def created(self, order_id: int | str) -> None:
        """Remember that this client created an order just now."""
        self.met(order_id)
        now = self.clock()
        with self._lock:
            while self._created and now - self._created[first := next(iter(self._created))] > max(self.grace, LATELY):
                del self._created[first]
            self._created[str(order_id)] = now

    def created_lately(self) -> frozenset[str]:
        """The orders that this client created in the last hour, at least, and that it did not delete."""
        return frozenset(self._created)

    def is_new(self, order_id: int | str) -> bool:
        """Whether this client created the order within the last `grace` seconds."""
        return self.clock() - self._created.get(str(order_id), float("-inf")) < self.grace

    def not_new(self, order_id: int | str) -> None:
        """From now on, that the order is not found means that it is gone, however young it is."""
        with self._lock:
            self._created.pop(str(order_id), None)

    @contextmanager
    def creating(self, about: Hashable) -> Iterator[Callable[[], bool]]:
        """A create is under way; gives the question whether another one that is `about` the same is, too."""
        with self._lock:
            self._underway[about] += 1
        try:
            yield lambda: self._underway[about] > 1
        finally:
            with self._lock:
                self._underway[about] -= 1
                self._underway += Counter()  # keep what is positive
