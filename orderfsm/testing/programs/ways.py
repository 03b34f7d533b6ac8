"""Ways through the table to each state, and how an order of a server is brought along them."""

from __future__ import annotations

import time
from contextlib import suppress
from functools import lru_cache, partial
from itertools import count, pairwise, product
from operator import eq
from typing import TYPE_CHECKING, TypeAlias

import attrs

from orderfsm.errors import Meaning
from orderfsm.paths import WAITED_FOR, shortest
from orderfsm.rows import Actor
from orderfsm.testing.drivers.driver import NoAnswer
from orderfsm.testing.model.failure import Contradiction
from orderfsm.testing.model.session import MOST_STEPS_TO_GIVE_UP, CannotForce
from orderfsm.testing.model.steps import (
    UNITS,
    Buy,
    Call,
    Create,
    Happen,
    Observe,
    Place,
    ReadQuota,
    Wait,
    begun_by,
    orders_of,
    trigger_of,
)
from orderfsm.trace import Events, Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import State, Transition, Trigger
    from orderfsm.testing.model.session import Session

    Way: TypeAlias = tuple[Transition, ...]

ATTEMPTS = 8
"""How many orders are created until one comes by itself to where it must be."""

AT_ONCE = 2
"""How many where the server may pass the place at once: it always does, or never."""

LEAST_LOOKS = 5
"""How often it is looked at least whether others moved an order, however slow the server is."""

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


@lru_cache(maxsize=1024)
def shortest_way(lifecycle: Lifecycle, start: State | None, goal: State | None) -> Way | None:
    """A shortest way from a state to another one; None if there is none.

    If possible by nothing that is grave, and then by nothing that a person does at the console.
    """
    is_there = partial(eq, goal)
    for grave, table in product((False, True), (_without_console(lifecycle), lifecycle)):
        way = shortest(table, start, is_there, events=True, grave=grave)
        if way is not None:
            return way
    return None


@lru_cache(maxsize=64)
def _without_console(lifecycle: Lifecycle) -> Lifecycle:
    rows = tuple(row for row in lifecycle.transitions if lifecycle.actor(row) is not Actor.CONSOLE)
    return attrs.evolve(lifecycle.plain, transitions=rows)


class Pilot:
    """Brings orders of a session to states: row by row, or, where others act as well, by what is left to do.

    Where others must act, it waits for `patience` seconds. What the server does not let it do is `CannotForce`. It
    `is_frugal` where units are lost, so that no order is created that is not needed, and it `must_wait` where the
    service completes things by itself, and cannot be made to.
    """

    def __init__(self, session: Session, patience: float) -> None:
        self.session = session
        self.lifecycle = session.lifecycle
        self.is_frugal = self.must_wait = False
        self._patience = patience
        self._out_of_reach: dict[State | None, CannotForce] = {}
        """The states to which no order could be brought, and why."""
        self._stuck: set[State | None] = set()
        self._barred: set[Way] = set()
        self._last = 0

    def begin(self, units: int | None = UNITS, *, by_the_clock: bool = False) -> None:
        """Begin a program."""
        self.session.begin(units, by_the_clock=by_the_clock)
        self._last = 0

    def bring(self, ways: Sequence[Way], package: int = 1) -> int:
        """The number of a new order of a package that went the first of `ways` that the server lets it go."""
        bring = self._approach if self.session.events is Events.PARTIAL else self._go
        why = CannotForce()
        for way in ways:
            if way not in self._barred:
                try:
                    return bring(way, package)
                except NoUnits:
                    raise
                except CannotForce as error:
                    why = error if str(error) else why
                    self._barred.add(way)
                except Contradiction as found:
                    if not found.passing and self.session.failure(found).once is None:
                        self._barred.add(way)
                    raise
        if ways and not self.session.roles.costs:
            self._out_of_reach.setdefault(ways[0][-1].target, why)
        raise why

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
        order, rest = self._placed(way) or (self._begin(way[0], package), way[1:])
        for before, row in zip((way[0], *rest), rest, strict=False):
            if row.trigger in before.at_once and self.session.account.states(order) == {row.target}:
                continue
            try:
                fired = self.fire(row.trigger, order)
            except CannotForce:
                self.must_wait |= row.trigger in self.session.roles.completed[row.source]
                raise
            if self.session.account.states(order) != {row.target}:  # as it is if the server was faster
                self.expect_accepted()
            order = fired
        return order

    def _placed(self, way: Way) -> tuple[int, Way] | None:
        """The number of a new order whose create is completed, and the rest of its way; None if none is."""
        create, *rest = way
        if not rest or not self.session.places:
            return None
        if self.lifecycle.trigger_rules[rest[0].trigger].follows != create.trigger:
            return None
        number = self._number()
        try:
            self.session.do(Place(create.trigger, number))
        except CannotForce:
            return None
        self.expect_accepted()
        return number, tuple(rest[1:])

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
        if self.session.ours or not self.session.roles.costs:
            return
        for order in list(self.session.account.ids):
            with suppress(CannotForce):
                self._give_up(order)
                if self.session.roles.counting is not None:
                    self.session.do(ReadQuota(self.session.roles.counting))

    def _give_up(self, order: int) -> None:
        for _ in range(MOST_STEPS_TO_GIVE_UP):
            giving_up = self.session.giving_up(self.look(order))
            if not giving_up:
                return
            self.fire(giving_up[0].trigger, order)

    def fire(self, trigger: Trigger, order: int = 0, package: int = 1) -> int:
        """Fire a trigger on an order; the number of the order that it creates, of a package, else of the order.

        What an order is to submit is filled in before, where that is allowed.
        """
        if not self.lifecycle.by_client(trigger):
            self.session.do(Happen(trigger, order))
            return order
        edit = self.session.roles.submits.get(trigger)
        states = self.session.account.states(order) if edit is not None else frozenset()
        silent = any(edit is not None and self.lifecycle.is_silent(state, edit) for state in states)
        if edit is not None and not silent and any(self._allows(state, edit) for state in states):
            with suppress(CannotForce):
                self.session.do(Call(edit, order))
        creates = trigger in self.lifecycle.creates
        begins = self._number() if creates or trigger in self.lifecycle.renewals else None
        if creates and begins is not None:
            self.session.do(Create(trigger, begins, package))
        else:
            self.session.do(Call(trigger, order, begins))
        return order if begins is None else begins

    def flaw(self, trigger: Trigger, order: int) -> None:
        """Fire a trigger so that it cannot be carried out."""
        self.session.do(Call(trigger, order, flawed=True))

    def _allows(self, state: State | None, trigger: Trigger) -> bool:
        return self.lifecycle.table[state].get(trigger) is not None

    def buy(self, trigger: Trigger, again: int | None = None) -> int:
        """The number of an order that was bought, or that is bought `again`."""
        number = self._number()
        self.session.do(Buy(trigger, number, again))
        return number

    def complete(self, event: Trigger, order: int) -> None:
        """Let the service complete something: by its clock if that is to do it, else by force, else by waiting."""
        if not self.session.by_the_clock or self.session.events is Events.PARTIAL:
            with suppress(CannotForce):
                self.session.do(Happen(event, order))
                return
        self.session.do(Wait(event, order))

    def _number(self) -> int:
        self._last += 1
        return self._last

    def _approach(self, way: Way, package: int) -> int:
        """The number of one that got where `way` leads, although others moved it as well, by what was left to do.

        Where an order costs something, other ways to a place that was not reached are not tried.
        """
        goal, costs = way[-1].target, self.session.roles.costs
        passed = [row.source for before, row in pairwise(way) if row.trigger not in before.at_once]
        for state in (goal, *([] if costs else passed)):
            if state in self._out_of_reach:
                raise self._out_of_reach[state]
        attempts = AT_ONCE if any(row.at_once for row in way) else ATTEMPTS
        for _ in range(attempts):
            order = self._begin(way[0], package)
            try:
                if self._follow(order, way):
                    return order
            except CannotForce:
                if not costs:
                    raise
        why = CannotForce()
        if costs:
            self._out_of_reach[goal] = why
        raise why

    def _follow(self, order: int, way: Way) -> bool:
        """Whether the order got to the end of `way`, or, where words alone do not tell it, may well have got there.

        It is believed to be where it was last brought, as long as it may be there. From where `way` does not lead, the
        shortest one is gone. `CannotForce` where neither the server nor others move it on.
        """
        goal = way[-1].target
        ahead = [row.target for row in self.lifecycle.outgoing(None)]
        for _ in range(MOST_STEPS):
            states = self.look(order)
            if len(states) > 1 and not self._tells_little:
                return False
            ahead = list(states) if len(states) == 1 else [state for state in ahead if state in states]
            if not ahead or ahead[0] == goal:
                return bool(ahead)
            at = next((at for at, row in enumerate(way) if row.source == ahead[0]), None)
            left = shortest_way(self.lifecycle, ahead[0], goal) if at is None else way[at:]
            if not left:
                return False
            row = left[0]
            why = CannotForce()
            try:
                if row.trigger in self.session.roles.completed[row.source]:
                    self.complete(row.trigger, order)
                else:
                    self.fire(row.trigger, order)
                    self.expect_accepted()
                ahead = [each.target for each in left]
                continue
            except CannotForce as error:
                why = error
            ahead = [row.source, *(each.target for each in left)]
            if not self._wait(order, row):
                raise why
        return False

    def may_be_in(self, order: int, state: State) -> bool:
        """Whether an order is in a state, as far as can be told."""
        states = self.session.account.states(order)
        if order in self.session.account.unsettled:
            return False
        return states == {state} or (self._tells_little and state in states and self.session.events is Events.PARTIAL)

    @property
    def _tells_little(self) -> bool:
        """Whether what the service completes by itself need not show in what is read."""
        return any(self.session.roles.completed.values())

    def look(self, order: int) -> frozenset[State | None]:
        """The states that an order is seen in, unless the last answer said in which one it is since."""
        last = self.session.done[-1]
        said = last.words and last.accepted and order in begun_by(last.step) | orders_of(last.step)
        is_read = trigger_of(last.step) in self.session.roles.reads
        if not said or is_read or len(self.session.account.states(order)) > 1:
            self.session.do(Observe(order))
        return self.session.account.states(order)

    def _wait(self, order: int, row: Transition) -> bool:
        """Whether others move an order on: after a while, or, as some servers do, when it has been read often enough.

        Where once nothing came of waiting, nothing is waited for again.
        """
        if row.source in self._stuck or self.lifecycle.actor(row) not in {Actor.CLIENT, *WAITED_FOR}:
            return False
        if not self.session.account.may_leave(row.source):
            return False
        until = time.monotonic() + self._patience
        reads = False
        for looks in count(1):
            if time.monotonic() > until and looks > LEAST_LOOKS:
                break
            with suppress(CannotForce):
                if self.session.roles.read is not None and not reads:
                    self.session.do(Call(self.session.roles.read, order))
            if self.look(order) != {row.source}:
                return True
            reads = isinstance(self.session.done[-1].result, dict)
            time.sleep(self._patience / 50)
        self._stuck.add(row.source)
        return False
