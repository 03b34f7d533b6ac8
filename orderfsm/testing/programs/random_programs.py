"""Random programs: any steps on a few orders of a server.

What is drawn does not depend on what the server did: each move finds something to do. So a seed repeats it.
"""

from __future__ import annotations

import math
import time
from contextlib import suppress
from functools import partial
from itertools import product
from random import Random
from typing import TYPE_CHECKING, Any

from orderfsm.testing.model.failure import Contradiction
from orderfsm.testing.model.roles import roles
from orderfsm.testing.model.session import CannotForce
from orderfsm.testing.model.steps import UNITS, Call, Observe, ReadAccount, ReadList, ReadQuota, told
from orderfsm.words import meanings

from .ways import Pilot, shortest_way

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import TypeAlias

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import State, Trigger
    from orderfsm.testing.model.failure import Failure
    from orderfsm.testing.model.session import Session
    from orderfsm.testing.model.steps import Step

    Choices: TypeAlias = Sequence[Sequence[Any]]
    """Kinds of things of which one is drawn: first a kind, then one of that."""

POOL = 3
"""How many orders a program has at a time that are not at their end: so few that each gets far."""

ENDED = 2
"""How many that are at their end it still uses: the last ones."""

STEPS = 40
"""Steps of a random program at most."""

PLACES = range(POOL + ENDED)
"""Places of orders among those that a program uses."""

SIZES = (1, 2, UNITS)
"""The units of the packages that programs begin with."""


class Violated(AssertionError):
    """The server contradicts the table; the message says where, and what was done."""


def failing_program(
    session: Session,
    programs: int,
    seed: int,
    deadline: float = math.inf,
    is_new: Callable[[Failure], bool] = lambda _failure: True,
) -> Failure | None:
    """Play random programs in a session until one fails, `programs` were played, or `time.monotonic` is at `deadline`.

    Returns how one failed. A failure that is not `is_new` is none; the program goes on after it if it can. In each
    program some moves are left out, so that others are made more often.
    """
    if not creates(session.lifecycle):
        return None
    random = Random(seed)
    drawn_for = moves(session.lifecycle, flaws=session.flaws)
    pilot = Pilot(session, patience=0)
    for _ in range(programs):
        share = random.random()
        kept = [name for name in drawn_for if random.random() >= share] or [random.choice([*drawn_for])]
        units = random.choice(SIZES)
        steps = [(name, _drawn(random, drawn_for[name])) for name in random.choices(kept, k=STEPS)]
        if time.monotonic() > deadline:
            return None
        program = RandomProgram(session, pilot, deadline, is_new)
        with suppress(Violated):
            program.begin(units)
            for name, given in steps:
                getattr(program, name)(**given)
        session.give_up_orders()
        if program.failure is not None:
            return program.failure
    return None


def _drawn(random: Random, choices: Mapping[str, Choices]) -> dict[str, Any]:
    return {name: random.choice(random.choice(kinds)) for name, kinds in choices.items()}


def moves(lifecycle: Lifecycle, *, flaws: bool) -> dict[str, dict[str, Choices]]:
    """The methods of `RandomProgram`, each with what is drawn for it; `flaws`: also what cannot be carried out."""
    known = roles(lifecycle)
    return {
        **({"flaw": {"place": [PLACES], "trigger": [known.flawed]}} if flaws and known.flawed else {}),
        "create": {"operation": [creates(lifecycle)], "package": [(1, 2)]},
        "fire": {"place": [PLACES], "trigger": [known.fired]},
        "move": {"place": [PLACES], "choice": [range(6)]},
        "bring": {"place": [PLACES], "goal": [[*filter(None, lifecycle.state_rules)]], "trigger": [known.fired]},
        "read": {"read": _reads(lifecycle)},
    }


def creates(lifecycle: Lifecycle) -> list[Trigger]:
    """The operations by which a client can create an order."""
    return [operation for operation in lifecycle.operations if operation in lifecycle.creates]


def _reads(lifecycle: Lifecycle) -> list[Sequence[Step | int]]:
    """What reads and changes nothing; a number is the place of an order to observe."""
    known = roles(lifecycle)
    reads: list[Sequence[Step | int]] = [PLACES]
    if known.counting is not None:
        reads.append([ReadQuota(known.counting)])
    if known.listing is not None and known.lists is not None:
        words = list(meanings(lifecycle, known.listing))
        asked = product([*[None] * len(words), *words], range(1, 4), range(1, 6))
        reads.append([ReadList(known.lists, word, page=page, size=size) for word, page, size in asked])
    if known.told:
        reads.append([ReadAccount(each) for each in known.told])
    if known.on_an_order:
        no_ids = (*known.malformed, known.unknown_id)
        reads.append([Call(operation, no_id) for operation, no_id in product(known.on_an_order, no_ids)])
    return reads


class RandomProgram:
    """A random program on a few orders of a session; after the `deadline` nothing is done.

    `failure` is how it failed in a way that `is_new`; then it is `Violated`.
    """

    def __init__(self, session: Session, pilot: Pilot, deadline: float, is_new: Callable[[Failure], bool]) -> None:
        self.session, self.pilot = session, pilot
        self.failure: Failure | None = None
        self._deadline, self._is_new = deadline, is_new
        self._goes_on = True

    def begin(self, units: int) -> None:
        """Begin a program with one order."""
        self.pilot.begin(units)
        self.create_any()

    def create_any(self) -> None:
        """Create an order, in the first way that the table has."""
        self.create(creates(self.session.lifecycle)[0])

    def create(self, operation: Trigger, package: int = 1) -> None:
        """Create an order, unless there are enough."""
        if len(self.living()) < POOL:
            package = min(package, self.session.packages[-1])
            self.attempt(lambda: self.pilot.fire(operation, package=package))

    def fire(self, place: int, trigger: Trigger) -> None:
        """Fire any trigger on an order."""
        orders = self.orders()
        if orders:
            self.attempt(lambda: self.pilot.fire(trigger, _at(orders, place)))

    def flaw(self, place: int, trigger: Trigger) -> None:
        """Fire one on an order so that it cannot be carried out, where it is a call, or an event that is allowed."""
        orders, lifecycle = self.orders(), self.session.lifecycle
        if orders:
            order = _at(orders, place)
            states = self.session.account.states(order)
            if lifecycle.by_client(trigger) or all(lifecycle.table[state].get(trigger) for state in states):
                self.attempt(lambda: self.pilot.flaw(trigger, order))

    def move(self, place: int, choice: int) -> None:
        """Fire one that changes something, so that orders get far; create one if all are at their end."""
        living = self.living()
        if not living:
            self.create_any()
            return
        order = _at(living, place)
        states = sorted(self.session.account.states(order), key=str)
        rows = [row for state in states for row in self.session.lifecycle.outgoing(state)]
        if rows:
            self.attempt(lambda: self.pilot.fire(_at(rows, choice).trigger, order))

    def bring(self, place: int, goal: State, trigger: Trigger) -> None:
        """Bring an order on a shortest way to any state that it can come to, and fire any trigger there."""
        living = self.living()
        if not living:
            self.create_any()
            return
        order = _at(living, place)
        start = min(self.session.account.states(order), key=str)
        way = shortest_way(self.session.lifecycle, start, goal) or ()
        for fired in (*(row.trigger for row in way), trigger):
            self.attempt(partial(self.pilot.fire, fired, order))

    def read(self, read: Step | int) -> None:
        """Read something, or call with an id that no order has."""
        orders = self.orders()
        if not isinstance(read, int):
            self.attempt(lambda: self.session.do(read))
        elif orders:
            self.attempt(lambda: self.session.do(Observe(_at(orders, read))))

    def living(self) -> list[int]:
        """The orders that may not be at their end."""
        account, rules = self.session.account, self.session.lifecycle.state_rules
        return [order for order in account.ids if not all(rules[state].terminal for state in account.states(order))]

    def orders(self) -> list[int]:
        """These, and the last ones that are."""
        living = self.living()
        return [*living, *[order for order in self.session.account.ids if order not in living][-ENDED:]]

    def attempt(self, act: Callable[[], Any]) -> None:
        """Do something; a contradiction ends the program, and fails unless it is a passing one."""
        self._goes_on = self._goes_on and time.monotonic() < self._deadline
        if not self._goes_on:
            return
        with suppress(CannotForce):
            for failure in filter(self._is_new, self.failures_of(act)):
                self.failure = failure
                done = "\n".join(f"  {told(each.step, self.session.lifecycle)}: {each.got}" for each in failure.done)
                raise Violated(f"{failure}. What was done:\n{done}")

    def failures_of(self, act: Callable[[], Any]) -> list[Failure]:
        """Do something, and count if it was refused: how it failed, not in passing."""
        known = len(self.session.found)
        try:
            act()
            counting = self.session.roles.counting
            if self.session.done[-1].refused and counting is not None:
                for package in self.session.packages:
                    self.session.do(ReadQuota(counting, package))
        except Contradiction as found:
            self._goes_on = False
            return [] if found.passing else [self.session.failure(found)]
        return self.session.found[known:]


def _at(choices: list[Any], place: int) -> Any:
    return choices[place % len(choices)]
