"""Questions about ways through a lifecycle: breadth-first searches over at most ten states."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import attrs

from .errors import InvalidValue, Unreachable
from .spec import Actor

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from .lifecycle import Lifecycle, Verdict
    from .spec import Basis, Event, Operation, State, Transition, Trigger


@attrs.frozen
class Plan:
    """A shortest way: `steps` from `start` to `goal`, and `waits`, the events among them with who makes them happen."""

    start: State | None
    goal: State | None
    steps: tuple[Transition, ...]
    waits: tuple[tuple[Event, Actor], ...]

    def __str__(self) -> str:
        actors: dict[Trigger, Actor] = dict(self.waits)
        return ", then ".join(_in_words(step, actors.get(step.trigger)) for step in self.steps) or "nothing to do"


@attrs.frozen
class Explanation:
    """Why `lifecycle` allows or refuses `trigger` in `state`, who says so, what to do instead: all when asked."""

    lifecycle: Lifecycle
    state: State | None
    trigger: Trigger

    @property
    def _row(self) -> Transition | None:
        return self.lifecycle.table[self.state][self.trigger]

    @property
    def verdict(self) -> Verdict:
        """LEGAL or ILLEGAL."""
        return self.lifecycle.judge([self.state], self.trigger)

    @property
    def target(self) -> State | None:
        """The state after the step; None if it is refused."""
        return None if self._row is None else self._row.target

    @property
    def allowed(self) -> tuple[Operation, ...]:
        """The operations that would change something in this state, in table order."""
        return self.lifecycle.allowed(self.state)

    @property
    def basis(self) -> Basis:
        """Whether the documents say so."""
        return (self._row or self.lifecycle.trigger_rules[self.trigger]).basis

    @property
    def reference(self) -> str:
        """Which document says so."""
        return (self._row or self.lifecycle.trigger_rules[self.trigger]).reference

    @property
    def reason(self) -> str:
        """Where the step leads, or where alone it would be allowed: one sentence."""
        row = self._row
        if row is None:
            sources = [_where(state) for state, rows in self.lifecycle.table.items() if rows[self.trigger] is not None]
            only = f"only {' and '.join(sources).replace(' and in ', ' and ')}" if sources else "nor anywhere else"
            return f"{self.trigger} is not allowed {_where(self.state)}, {only}."
        leads = f"leads to {row.target}" if row.changes else "changes nothing"
        begins = f" and begins another order in {row.creates}" if row.creates is not None else ""
        return f"{self.trigger} is allowed {_where(self.state)}: it {leads}{begins}."

    @property
    def instead(self) -> Plan | None:
        """A way that serves the caller's purpose where the step is refused; None if it is legal, or if there is none.

        Who wanted to give the order up gets the shortest way to end it; who wanted anything else, the way to where
        it is allowed.
        """
        if self._row is not None or self.state is None:
            return None
        return _way_instead(self.lifecycle, self.state, self.trigger)

    def __str__(self) -> str:
        words = [self.reason]
        if self._row is None:
            words.append(f"Allowed here: {', '.join(self.allowed) or 'nothing that changes anything'}.")
        if self.instead:
            first = "First" if self.instead.steps[-1].trigger == self.trigger else "Instead"
            words.append(f"{first}: {self.instead}.")
        return f"{' '.join(words)} ({self.basis}: {self.reference})"


def plan(lifecycle: Lifecycle, start: State | None, goal: State | None, *, events: bool) -> Plan:
    """See `orderfsm.plan`."""
    steps = _shortest(lifecycle, start, lambda reached: reached == goal, events=events)
    if steps is None:
        raise Unreachable(start, goal, "operations or events" if events else "operations alone")
    return _as_plan(lifecycle, start, steps)


def reachable(lifecycle: Lifecycle, start: State | None, by: Collection[Actor]) -> frozenset[State | None]:
    """See `orderfsm.reachable`."""
    for actor in by:
        if actor not in tuple(Actor):
            raise InvalidValue("actor", actor, Actor)
    found = {start}
    frontier = deque(found)
    while frontier:
        for row in lifecycle.ways_out(frontier.popleft()):
            if lifecycle.actor(row) in by and row.target not in found:
                found.add(row.target)
                frontier.append(row.target)
    return frozenset(found)


def problems(lifecycle: Lifecycle) -> Iterator[str]:
    """What keeps a table from being a good one, a sentence each; see `Lifecycle.verify`."""
    yield from _bad_rows(lifecycle)
    yield from _bad_states(lifecycle)
    yield from _bad_values(lifecycle)


def _bad_rows(lifecycle: Lifecycle) -> Iterator[str]:
    for row in lifecycle.transitions:
        named = f"{row.source or 'no order'} --{row.trigger}--> {row.target}"
        if row.target is None or row.target not in lifecycle.table:
            yield f"{named}: {row.target!r} is not a state"
        if row.creates is not None and row.creates not in lifecycle.table:
            yield f"{named}: {row.creates!r}, in which it creates an order, is not a state"
        if not row.reference:
            yield f"{named}: no reference"
    for rule in lifecycle.triggers:
        if not rule.reference:
            yield f"the refusal of {rule.trigger}: no reference"


def _bad_states(lifecycle: Lifecycle) -> Iterator[str]:
    reached = reachable(lifecycle, None, tuple(Actor))
    for state, rule in lifecycle.state_rules.items():
        way_out = any(row.target != state for row in lifecycle.ways_out(state))
        if state not in reached:
            yield f"{state} cannot be reached"
        if not way_out and not rule.terminal:
            yield f"{state} is a dead end that is not marked terminal"
        if way_out and rule.terminal:
            yield f"{state} is marked terminal, but a way leads out of it"


def _bad_values(lifecycle: Lifecycle) -> Iterator[str]:
    kinds: dict[str, type] = {}
    members = [rule.state for rule in lifecycle.states] + [rule.trigger for rule in lifecycle.triggers]
    for member in filter(None, members):
        other = kinds.setdefault(str(member), type(member))
        if other is not type(member):
            yield f"{str(member)!r} stands in {other.__name__} and in {type(member).__name__}"


def _shortest(
    lifecycle: Lifecycle, start: State | None, found: Callable[[State | None], bool], *, events: bool
) -> tuple[Transition, ...] | None:
    """The steps to the nearest state that is `found`; of equally short ways, the first in table order."""
    ways: dict[State | None, tuple[Transition, ...]] = {start: ()}
    frontier = deque([start])
    while frontier:
        state = frontier.popleft()
        if found(state):
            return ways[state]
        for row in lifecycle.ways_out(state):
            if row.target not in ways and (events or lifecycle.actor(row) is Actor.CLIENT):
                ways[row.target] = (*ways[state], row)
                frontier.append(row.target)
    return None


def _way_instead(lifecycle: Lifecycle, state: State, trigger: Trigger) -> Plan | None:
    if lifecycle.trigger_rules[trigger].abandons:
        steps = _shortest(lifecycle, state, lambda reached: lifecycle.state_rules[reached].terminal, events=False)
    else:
        steps = _shortest(lifecycle, state, lambda reached: lifecycle.can(reached, trigger), events=True)
        steps = steps and (*steps, lifecycle.transition(steps[-1].target, trigger))
    return _as_plan(lifecycle, state, steps) if steps else None


def _as_plan(lifecycle: Lifecycle, start: State | None, steps: tuple[Transition, ...]) -> Plan:
    waits = tuple((row.trigger, lifecycle.actor(row)) for row in steps if lifecycle.actor(row) is not Actor.CLIENT)
    return Plan(start, steps[-1].target if steps else start, steps, waits)  # type: ignore[arg-type]


def _where(state: State | None) -> str:
    return "without an order" if state is None else f"in {state}"


def _in_words(step: Transition, actor: Actor | None) -> str:
    return step.trigger if actor is None else f"wait for {step.trigger} ({actor})"
