"""Ways through the table to each state, and how an order of a server is brought along them."""

from __future__ import annotations

import time
from contextlib import suppress
from functools import partial
from operator import eq
from typing import TYPE_CHECKING, TypeAlias

from orderfsm.errors import Meaning
from orderfsm.paths import WAITED_FOR, shortest
from orderfsm.rows import Actor
from orderfsm.testing.drivers.driver import NoAnswer
from orderfsm.testing.model.failure import Contradiction
from orderfsm.testing.model.session import MOST_STEPS_TO_GIVE_UP, CannotForce
from orderfsm.testing.model.steps import UNITS, Call, Create, Happen, Observe, ReadQuota
from orderfsm.trace import Events, Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import State, Transition, Trigger
    from orderfsm.testing.model.session import Session

    Way: TypeAlias = tuple[Transition, ...]

ATTEMPTS = 8
"""How many orders are created until one comes by itself to where it must be."""

MOST_STEPS = 100
"""Steps in which an order that others move as well must be where it should."""


class NoUnits(CannotForce):
    """The package has no unit left for an order."""

    def __init__(self) -> None:
        super().__init__("no unit of the package was left")


def ways(lifecycle: Lifecycle, state: State | None) -> list[Way]:
    """Ways from no order to `state`: a shortest one; it and a cycle back; one by each other row that leads there."""
    first = shortest_way(lifecycle, None, state)
    if first is None:
        return []
    found = [first, *((*first, *cycle) for cycle in _cycles(lifecycle, state)[:1])]
    for row in lifecycle.transitions:
        before = shortest_way(lifecycle, None, row.source)
        lands = row.creates if row.creates is not None else row.target
        if row.source is not None and row.changes and lands == state and before is not None:
            found.append((*before, row))
    return list(dict.fromkeys(found))


def three_times(lifecycle: Lifecycle, state: State | None) -> list[Way]:
    """Ways from no order that come to `state` for the third time, the shortest first."""
    first = None if state is None else shortest_way(lifecycle, None, state)
    return [] if first is None else [(*first, *cycle, *cycle) for cycle in _cycles(lifecycle, state)]


def _cycles(lifecycle: Lifecycle, state: State | None) -> list[Way]:
    """Ways from a state to itself through another one, the shortest first."""
    rows = [row for row in lifecycle.outgoing(state) if row.target != state]
    back = [(row, shortest_way(lifecycle, row.target, state)) for row in rows]
    return sorted(((row, *way) for row, way in back if way is not None), key=len)


def shortest_way(lifecycle: Lifecycle, start: State | None, goal: State | None) -> Way | None:
    """A shortest way from a state to another one, if possible by nothing that is grave; None if there is none."""
    is_there = partial(eq, goal)
    way = shortest(lifecycle, start, is_there, events=True)
    return shortest(lifecycle, start, is_there, events=True, grave=True) if way is None else way


class Pilot:
    """Brings orders of a session to states: row by row, or, where others act as well, by what is left to do.

    Where others must act, it waits for `patience` seconds. What the server does not let it do is `CannotForce`. It
    `is_frugal` where units are lost, so that no order is created that is not needed.
    """

    def __init__(self, session: Session, patience: float) -> None:
        self.session = session
        self.lifecycle = session.lifecycle
        self.is_frugal = False
        self._patience = patience
        self._out_of_reach: set[State | None] = set()
        self._stuck: set[State | None] = set()
        self._barred: set[Way] = set()
        self._last = 0

    def begin(self, units: int | None = UNITS) -> None:
        """Begin a program."""
        self.session.begin(units)
        self._last = 0

    def bring(self, ways: Sequence[Way], package: int = 1) -> int:
        """The number of a new order of a package that went the first of `ways` that the server lets it go."""
        bring = self._approach if self.session.events is Events.PARTIAL else self._go
        for way in ways:
            if way not in self._barred:
                try:
                    return bring(way, package)
                except NoUnits:
                    raise
                except CannotForce:
                    self._barred.add(way)
                except Contradiction as found:
                    if not found.passing and self.session.failure(found).once is None:
                        self._barred.add(way)
                    raise
        raise CannotForce

    def orders_move_by_themselves(self) -> bool:
        """Whether an order that is only looked at is moved, as owner, CA or calendar may."""
        rows = self.lifecycle.transitions
        states = dict.fromkeys(row.source for row in rows if self.lifecycle.actor(row) in WAITED_FOR)
        return any(self._moves_by_itself(state) for state in states)

    def _moves_by_itself(self, state: State | None) -> bool:
        self.begin()
        try:
            order = self.bring(ways(self.lifecycle, state))
            created = any(row.target == state for row in self.lifecycle.outgoing(None))
            before = frozenset([state]) if created else self.session.seen(self.session.account.ids[order])
            until = time.monotonic() + self._patience
            while before and time.monotonic() < until:
                if self.session.peek(order) != before:
                    return True
                time.sleep(self._patience / 50)
        except (CannotForce, Contradiction, NoAnswer):
            return False
        finally:
            self.session.give_up_orders()
        return False

    def _go(self, way: Way, package: int) -> int:
        """The number of a new order that went `way`, row by row."""
        order = self._begin(way[0], package)
        for row in way[1:]:
            fired = self.fire(row.trigger, order)
            self.expect_accepted()
            order = fired
        return order

    def expect_accepted(self) -> None:
        """`CannotForce` if the last call was refused, although the table allows it."""
        answer = self.session.done[-1].result
        if self.lifecycle.codes.meaning_of(answer.code) is Meaning.NO_UNIT:
            raise NoUnits
        if answer.outcome is not Outcome.ACCEPTED:
            raise CannotForce(f"the server answered {answer}")

    def _begin(self, create: Transition, package: int) -> int:
        """The number of a new order, created as `create` says or, if the driver cannot, in another way to there."""
        alike = [row for row in self.lifecycle.outgoing(None) if row.target == create.target]
        why = CannotForce()
        for row in sorted(alike, key=lambda row: row != create):
            try:
                order = self.fire(row.trigger, package=package)
            except CannotForce as error:
                why = error
                continue
            self.expect_accepted()
            return order
        raise why

    def give_up(self) -> None:
        """Where the account cannot be emptied, give up the program's orders: each unit of theirs is to come back."""
        if self.session.ours:
            return
        for order in list(self.session.account.ids):
            with suppress(CannotForce):
                self._give_up(order)
                if self.session.roles.counting is not None:
                    self.session.do(ReadQuota(self.session.roles.counting))

    def _give_up(self, order: int) -> None:
        for _ in range(MOST_STEPS_TO_GIVE_UP):
            giving_up = self.session.giving_up(self._look(order))
            if not giving_up:
                return
            self.fire(giving_up[0].trigger, order)

    def fire(self, trigger: Trigger, order: int = 0, package: int = 1) -> int:
        """Fire a trigger on an order; the number of the order that it creates, of a package, else of the order."""
        if not self.lifecycle.by_client(trigger):
            self.session.do(Happen(trigger, order))
            return order
        creates = trigger in self.lifecycle.creates
        begins = self._number() if creates or trigger in self.lifecycle.renewals else None
        if creates and begins is not None:
            self.session.do(Create(trigger, begins, package))
        else:
            self.session.do(Call(trigger, order, begins))
        return order if begins is None else begins

    def _number(self) -> int:
        self._last += 1
        return self._last

    def _approach(self, way: Way, package: int) -> int:
        """The number of one that got where `way` leads, although others moved it as well, by what was left to do."""
        goal = way[-1].target
        for _ in range(0 if goal in self._out_of_reach else ATTEMPTS):
            order = self._begin(way[0], package)
            if self._follow(order, goal):
                return order
        self._out_of_reach.add(goal)
        raise CannotForce

    def _follow(self, order: int, goal: State | None) -> bool:
        """Whether the order got to `goal`."""
        for _ in range(MOST_STEPS):
            states = self._look(order)
            way = shortest_way(self.lifecycle, next(iter(states)), goal) if len(states) == 1 else None
            if states == {goal} or not way:
                return states == {goal}
            with suppress(CannotForce):
                self.fire(way[0].trigger, order)
                continue
            if not self._wait(order, way[0]):
                return False
        return False

    def _look(self, order: int) -> frozenset[State | None]:
        self.session.do(Observe(order))
        return self.session.account.states(order)

    def _wait(self, order: int, row: Transition) -> bool:
        """Whether others move an order on: after a while, or, as some servers do, when it has been read often enough.

        Where once nothing came of waiting, nothing is waited for again.
        """
        if row.source in self._stuck or self.lifecycle.actor(row) not in {Actor.CLIENT, *WAITED_FOR}:
            return False
        until = time.monotonic() + self._patience
        while time.monotonic() < until:
            with suppress(CannotForce):
                if self.session.roles.read is not None:
                    self.session.do(Call(self.session.roles.read, order))
            if self._look(order) != {row.source}:
                return True
            time.sleep(self._patience / 50)
        self._stuck.add(row.source)
        return False
