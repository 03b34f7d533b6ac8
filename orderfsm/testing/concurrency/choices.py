"""What a client calls next, and on which order: of what may be called, most often what is legal."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from orderfsm.errors import Meaning
from orderfsm.tables.api import meaning_of
from orderfsm.tables.orders import Operation
from orderfsm.testing.drivers.answers import word_of
from orderfsm.trace import Outcome
from orderfsm.wire import types

if TYPE_CHECKING:
    from collections.abc import Collection
    from random import Random

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import State, Transition, Trigger
    from orderfsm.testing.drivers.driver import Answer

ORDERS = 4
"""How many orders the clients work on at a time; now and then more, up to twice as many."""

FILLING, EXCEEDING = 0.5, 0.05
"""How often a client creates an order where there are fewer, and where there are enough."""

PROGRESS, READING = 0.55, 0.2
"""How often a client does what it believes to be legal, and how often it reads; else it calls anything."""

LOSING = 0.1
"""How often a client may end an order in a way that never gives its unit back, so that the package lasts."""


class Choices:
    """What can be called on an order, and what a client chooses of it."""

    def __init__(self, lifecycle: Lifecycle, left_out: Collection[Trigger]) -> None:
        self.lifecycle = lifecycle
        self.anywhere = frozenset(lifecycle.state_rules)
        self._words = types(lifecycle)
        possible = [row for row in lifecycle.transitions if row.trigger not in left_out]
        rows = [row for row in possible if row.source is not None]
        self._targets = {
            row.trigger: frozenset(other.target for other in rows if other.trigger == row.trigger) for row in rows
        }
        self.creates = [row for row in possible if row.source is None]
        self._operations = [trigger for trigger in self._targets if isinstance(trigger, Operation)]
        changing = {row.trigger for row in rows if row.changes}
        reads = [operation for operation in self._operations if operation not in changing]
        self._reads = reads or self._operations
        ends = {rule.state for rule in lifecycle.states if rule.terminal}
        self._losing = [row for row in rows if row.target in ends and not row.gives_back(age=0)]
        self._impossible: set[Trigger] = set(left_out)

    @property
    def are_none(self) -> bool:
        """Whether nothing can be created, or nothing be called on an order."""
        return not (self.creates and self._operations)

    def draw(self, states: frozenset[State | None], random: Random) -> Trigger:
        """What to do with an order that is in one of `states`."""
        rows = [row for state in states for row in self.lifecycle.outgoing(state)]
        if random.random() >= LOSING:
            rows = [row for row in rows if row not in self._losing]
        progress = sorted({row.trigger for row in rows if row.source is not None} - self._impossible)
        drawn = random.random()
        if not progress or drawn >= PROGRESS + READING:
            return random.choice(self._possible(self._operations))
        if drawn >= PROGRESS or states == self.anywhere:
            return random.choice(self._possible(self._reads))
        return random.choice(progress)

    def draw_create(self, random: Random) -> Transition:
        """How to create an order."""
        return random.choice([row for row in self.creates if row.trigger not in self._impossible] or self.creates)

    def _possible(self, operations: list[Operation]) -> list[Operation]:
        return [operation for operation in operations if operation not in self._impossible] or operations

    def means(self, states: frozenset[State | None], trigger: Trigger, answer: Answer) -> frozenset[State | None]:
        """Where an order that was in one of `states` may be by an answer, if nobody else called."""
        if answer.outcome is Outcome.ACCEPTED:
            return self._words.get(word_of(answer) or "", self._targets[trigger])
        meaning = meaning_of(answer.code)
        if meaning is Meaning.NOT_FOUND:
            return frozenset([None])
        refused = meaning is Meaning.STATE_FORBIDS
        return (self.lifecycle.narrow(states, trigger, accepted=False) if refused else None) or self.anywhere

    def never(self, trigger: Trigger) -> None:
        """The driver cannot fire `trigger`."""
        self._impossible.add(trigger)


class Pool:
    """The orders that the clients work on, and where each may be by the last answer that any of them got.

    A finished order stays for a few calls more; then a new one takes its place. Safe between threads.
    """

    def __init__(self, lifecycle: Lifecycle, linger: int) -> None:
        self._lifecycle = lifecycle
        self._linger = linger
        self._lock = threading.Lock()
        self._states: dict[int, frozenset[State | None]] = {}
        self._left: dict[int, int] = {}
        self._creating = 0

    def pick(self, random: Random) -> tuple[int, frozenset[State | None]] | None:
        """An order to work on, and where it may be; None if one is to be created, and `created` is to be told."""
        with self._lock:
            orders = len(self._states) + self._creating
            wanted = FILLING if orders < ORDERS else EXCEEDING if orders < 2 * ORDERS else 0
            if not self._states or random.random() < wanted:
                self._creating += 1
                return None
            order_id = random.choice(list(self._states))
            states = self._states[order_id]
            if all(state is None or self._lifecycle.state_rules[state].terminal for state in states):
                left = self._left[order_id] = self._left.get(order_id, self._linger) - 1
                if left <= 0:
                    del self._states[order_id]
            return order_id, states

    def created(self) -> None:
        """The create that was asked for was answered."""
        with self._lock:
            self._creating -= 1

    def add(self, order_id: int, states: frozenset[State | None]) -> None:
        """Work on a new order."""
        with self._lock:
            self._states[order_id] = states

    def learn(self, order_id: int, states: frozenset[State | None]) -> None:
        """An answer said where an order may be."""
        with self._lock:
            if order_id in self._states:
                self._states[order_id] = states
