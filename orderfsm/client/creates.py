"""A client's own creates: those under way, and the orders that they made lately."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

LATELY = 3600
"""Seconds for which an order is remembered that this client created, at least."""


@attrs.define(eq=False)
class Creates:
    """The creates of a client. An order is new for `grace` seconds by `clock`; may be asked from several threads."""

    grace: float
    clock: Callable[[], float]
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False)
    _created: dict[str, float] = attrs.field(factory=dict, init=False)
    _underway: Counter[Hashable] = attrs.field(factory=Counter, init=False)

    def created(self, order_id: int | str) -> None:
        """Remember that this client created an order just now."""
        now = self.clock()
        with self._lock:
            while self._created and now - self._created[first := next(iter(self._created))] > max(self.grace, LATELY):
                del self._created[first]
            self._created[str(order_id)] = now

    def just_created(self, order_id: int | str) -> bool:
        """Whether this client created the order within the last `grace` seconds."""
        return self.clock() - self._created.get(str(order_id), float("-inf")) < self.grace

    def not_new(self, order_id: int | str) -> None:
        """From now on, that the order is not found means that it is gone, however young it is."""
        with self._lock:
            self._created.pop(str(order_id), None)

    def known_orders(self) -> frozenset[str]:
        """The orders that this client created lately, and knows of."""
        return frozenset(self._created)

    @contextmanager
    def underway(self, about: Hashable) -> Iterator[Callable[[], bool]]:
        """A create is under way; gives the question whether another one that is `about` the same is, too."""
        with self._lock:
            self._underway[about] += 1
        try:
            yield lambda: self._underway[about] > 1
        finally:
            with self._lock:
                self._underway[about] -= 1
                self._underway += Counter()  # keep what is positive
