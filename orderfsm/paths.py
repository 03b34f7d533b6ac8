"""Paths through a lifecycle: breadth-first searches over the table's states."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, overload

import attrs

from .errors import InvalidValue, Unreachable
from .spec import Actor

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from .lifecycle import Lifecycle
    from .spec import Event, State, Transition, Trigger


WAITED_FOR = (Actor.OWNER, Actor.CA, Actor.CALENDAR)
"""Who may move the order while one waits. The console is not among them: a person there is not waited for."""


@attrs.frozen
class Plan(Sequence["Trigger"]):
    """A path from `start` to `goal`: its `steps`, and `waits`, the events among them with who makes each happen.

    As a sequence, it is that of its `triggers`: what is called or waited for, in order.
    """

    start: State | None
    goal: State | None
    steps: tuple[Transition, ...]
    waits: tuple[tuple[Event, Actor], ...]

    @classmethod
    def of(cls, lifecycle: Lifecycle, start: State | None, steps: tuple[Transition, ...]) -> Plan:
        """The plan that consists of `steps`, rows of `lifecycle` of which each begins where the one before it ends."""
        waits = tuple((row.trigger, lifecycle.actor(row)) for row in steps if lifecycle.actor(row) is not Actor.CLIENT)
        return cls(start, steps[-1].target if steps else start, steps, waits)  # type: ignore[arg-type]

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


def plan(lifecycle: Lifecycle, start: State | None, goal: State | None, *, events: bool) -> Plan:
    """See `orderfsm.plan`."""
    steps = shortest(lifecycle, start, lambda state: state == goal, events=events)
    if steps is None:
        raise Unreachable(start, goal, "operations or events" if events else "operations alone")
    return Plan.of(lifecycle, start, steps)


def reachable(lifecycle: Lifecycle, start: State | None, by: Collection[Actor]) -> frozenset[State | None]:
    """See `orderfsm.reachable`."""
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
    lifecycle: Lifecycle, start: State | None, is_goal: Callable[[State | None], bool], *, events: bool
) -> tuple[Transition, ...] | None:
    """The steps to the nearest goal, or None if there is none.

    Of equally short paths, the first: in each state the client's own calls come before what others do, then the order
    of the table decides, in which what fails stands after what succeeds.
    """
    paths: dict[State | None, tuple[Transition, ...]] = {start: ()}
    frontier = deque([start])
    while frontier:
        state = frontier.popleft()
        if is_goal(state):
            return paths[state]
        for row in sorted(lifecycle.outgoing(state), key=lambda row: lifecycle.actor(row) is not Actor.CLIENT):
            usable = row.target in lifecycle.table and (events or lifecycle.actor(row) is Actor.CLIENT)
            if usable and row.target not in paths:
                paths[row.target] = (*paths[state], row)
                frontier.append(row.target)
    return None
