"""Paths through a lifecycle: breadth-first searches over the table's states."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, overload

import attrs

from .invalid import InvalidValue, Unreachable
from .rows import Actor

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from .rows import State, Transition, Trigger
    from .table import Table


WAITED_FOR = (Actor.OWNER, Actor.CA, Actor.CALENDAR, Actor.SERVICE)
"""Who may move the order while one waits. The console is not among them: a person there is not waited for."""


@attrs.frozen
class Plan(Sequence["Trigger"]):
    """A path from `start` to `goal`: its `steps`, and `waits`, the events among them with who makes each happen.

    As a sequence, it is that of its `triggers`: what is called or waited for, in order.
    """

    start: State | None
    goal: State | None
    steps: tuple[Transition, ...]
    waits: tuple[tuple[Trigger, Actor], ...]

    @classmethod
    def of(cls, lifecycle: Table, start: State | None, steps: tuple[Transition, ...]) -> Plan:
        """The plan that consists of `steps`, rows of `lifecycle` of which each begins where the one before it ends."""
        waits = tuple((row.trigger, lifecycle.actor(row)) for row in steps if lifecycle.actor(row) is not Actor.CLIENT)
        return cls(start, steps[-1].target if steps else start, steps, waits)

    @property
    def state(self) -> State | None:
        """The same as `start`, by the name that `orderfsm.plan` has for it."""
        return self.start

    @property
    def triggers(self) -> tuple[Trigger, ...]:
        """What is called or waited for, in order."""
        return tuple(step.trigger for step in self.steps)

    def __len__(self) -> int:
        return len(self.steps)

    @overload
    def __getitem__(self, index: int) -> Trigger: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Trigger, ...]: ...
    def __getitem__(self, index: int | slice) -> Trigger | tuple[Trigger, ...]:
        return self.triggers[index]

    def __str__(self) -> str:
        actors: dict[Trigger, Actor] = dict(self.waits)
        words = [
            f"wait for {trigger} ({actors[trigger]})" if trigger in actors else trigger for trigger in self.triggers
        ]
        return ", then ".join(words) or "nothing to do"


def plan(lifecycle: Table, start: State | None, goal: State | None, *, events: bool, grave: bool) -> Plan:
    """A shortest path between two members, as `orderfsm.plan` finds it; else `Unreachable`."""
    steps = shortest(lifecycle, start, lambda state: state == goal, events=events, grave=grave)
    if steps is None:
        means = "operations or events" if events else "operations alone"
        raise Unreachable(start, goal, means, lifecycle.name_of(None))
    return Plan.of(lifecycle, start, steps)


def reachable(lifecycle: Table, start: State | None, by: Collection[Actor]) -> frozenset[State | None]:
    """The members that can be got to, as `orderfsm.reachable` finds them; `InvalidValue` for what is no Actor."""
    for actor in by:
        if actor not in tuple(Actor):
            raise InvalidValue("actor", actor, Actor)
    found = {start}
    frontier = deque(found)
    while frontier:
        for row in lifecycle.outgoing(frontier.popleft()):
            if lifecycle.actor(row) in by and row.target not in found:
                found.add(row.target)
                frontier.append(row.target)
    return frozenset(found)


def shortest(
    lifecycle: Table,
    start: State | None,
    is_goal: Callable[[State | None], bool],
    *,
    events: bool,
    grave: bool = False,
) -> tuple[Transition, ...] | None:
    """The steps to the nearest goal, or None if there is none.

    They are operations, without those that are grave unless `grave`, and the events that complete an operation; with
    `events`, all events. Of equally short paths, the first: in each state the client's own calls come before what
    others do, then the order of the table decides, in which what fails stands after what succeeds.
    """

    def usable(row: Transition) -> bool:
        rule = lifecycle.trigger_rules[row.trigger]
        if rule.actor is Actor.CLIENT:
            return grave or not rule.grave
        return events or rule.follows is not None

    paths: dict[State | None, tuple[Transition, ...]] = {start: ()}
    frontier = deque([start])
    while frontier:
        state = frontier.popleft()
        if is_goal(state):
            return paths[state]
        for row in sorted(lifecycle.outgoing(state), key=lambda row: lifecycle.actor(row) is not Actor.CLIENT):
            if row.target in lifecycle.table and usable(row) and row.target not in paths:
                paths[row.target] = (*paths[state], row)
                frontier.append(row.target)
    return None
