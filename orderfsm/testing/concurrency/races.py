"""Races: clients that make a call each at the same moment, on one order, or for the last unit of a package.

All pairs of what is allowed in a state are tried; and every call, also reads and refused ones, with every event that
its state allows. A server that looks first and acts a moment later is caught by two of its own answers, or by what is
read after them, which no order of the calls explains: a call that writes its record back undoes what came between.
"""

from __future__ import annotations

from itertools import combinations_with_replacement, cycle, islice, product
from typing import TYPE_CHECKING

import attrs

from orderfsm.testing.model.roles import roles
from orderfsm.testing.model.session import CannotForce
from orderfsm.testing.model.steps import UNITS, Observe
from orderfsm.testing.programs.ways import ways

from .clients import meet, seen_after
from .run import found_in, of_quota

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orderfsm.identity import Id
    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import State, Trigger
    from orderfsm.testing.model.failure import Done
    from orderfsm.testing.model.session import Session
    from orderfsm.testing.programs.ways import Pilot

    from .run import Problem

RACERS = (2, 4)
"""How many clients race: first so few that two calls show what is wrong, then more."""


@attrs.frozen
class Race:
    """Clients that fire the two `triggers` by turns on one order in `state`; if that is None, for a package's units."""

    state: State | None
    triggers: tuple[Trigger, Trigger]
    units: int
    racers: int


@attrs.frozen
class Raced:
    """A race that came to something that cannot be: what was `done` before it, and the `problem`."""

    race: Race
    done: tuple[Done, ...]
    problem: Problem


def races(lifecycle: Lifecycle, clients: int) -> Iterator[Race]:
    """Every pair of triggers that change something in the same state, for at most so many clients.

    Creates race for the last unit, and where there are enough of them. Two clients: every other call, and an event.
    """
    known = roles(lifecycle)
    for racers, state in product(RACERS, lifecycle.state_rules):
        changing = [row.trigger for row in lifecycle.outgoing(state)]
        for pair in combinations_with_replacement(changing, 2):
            for units in (1, UNITS) if state is None and known.counting is not None else (UNITS,):
                yield Race(state, pair, units, min(racers, clients))
        events = [trigger for trigger in changing if not lifecycle.by_client(trigger)]
        others = [each for each in known.on_an_order if each in lifecycle.table[state] and each not in changing]
        for pair in product(others, events) if racers == RACERS[0] else ():
            yield Race(state, pair, UNITS, min(racers, clients))


def raced(session: Session, pilot: Pilot, race: Race, deadline: float) -> list[Raced]:
    """Let clients race once; what cannot be of their answers. `CannotForce` if the race cannot be prepared."""
    pilot.begin(race.units)
    begun: set[Id] = set()
    try:
        order = _brought(session, pilot, race)
        prepared = tuple(session.done)
        states = frozenset([None]) if order is None else session.account.states(order)
        order_id = None if order is None else session.account.ids[order]
        before = session.quota()
        triggers = list(islice(cycle(race.triggers), race.racers))
        recording = session.wait_for(meet(session.driver, session.lifecycle, order_id, states, triggers))
        begun |= recording.orders
        if order_id is not None:
            recording.lines += seen_after(session.seen(order_id), order_id, recording, session.lifecycle)
        after = session.quota()
    finally:
        session.give_up_orders(begun)
    session.checked += len(recording.lines)
    initial = {} if order_id is None else {order_id: states}
    problems, _ = found_in(recording, session.lifecycle, session.events, deadline, initial)
    if before is not None and after is not None:
        problems += of_quota(recording.lines, session.lifecycle, before, after)
    return [Raced(race, prepared, problem) for problem in problems]


def _brought(session: Session, pilot: Pilot, race: Race) -> int | None:
    """The order of a race, in its state; None if creates race."""
    if race.units < UNITS and not session.ours:
        raise CannotForce
    if race.state is None:
        return None
    order = pilot.bring(ways(session.lifecycle, race.state))
    session.do(Observe(order))
    return order
