"""Paths through a lifecycle: breadth-first searches over the table's states."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import count
from typing import TYPE_CHECKING, overload

import attrs

from . import showing
from .invalid import InvalidValue, Unreachable
from .rows import Actor

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from .rows import State, Transition, Trigger
    from .table import Table


WAITED_FOR = (Actor.OWNER, Actor.CA, Actor.CALENDAR, Actor.SERVICE)
"""Who may move the order while one waits. The console is not among them: a person there is not waited for."""


@attrs.frozen(repr=False)
class Plan(Sequence["Trigger"]):
    """A path from `start` to `goal`: its `steps`, and `waits`, the events among them with who makes each happen.

    As a sequence, it is that of its `triggers`: what is called or waited for, in order.
    """

    start: State | None
    goal: State | None
    steps: tuple[Transition, ...]
    waits: tuple[tuple[Trigger, Actor], ...]
    _takes: Mapping[Trigger, tuple[float, float]] = attrs.field(factory=dict, eq=False, repr=False)

    @classmethod
    def of(cls, lifecycle: Table, start: State | None, steps: tuple[Transition, ...]) -> Plan:
        """The plan that consists of `steps`, rows of `lifecycle` of which each begins where the one before it ends."""
        waits = tuple((row.trigger, lifecycle.actor(row)) for row in steps if lifecycle.actor(row) is not Actor.CLIENT)
        rules = [lifecycle.trigger_rules[trigger] for trigger, _ in waits]
        takes = {rule.trigger: rule.takes for rule in rules if rule.takes is not None}
        return cls(start, steps[-1].target if steps else start, steps, waits, takes)

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
            f"wait for {trigger} ({actors[trigger]}{self._time(trigger)})" if trigger in actors else trigger
            for trigger in self.triggers
        ]
        return ", then ".join(words) or "nothing to do"

    def __repr__(self) -> str:
        return f"Plan({self.start} -> {self.goal}: {', '.join(self.triggers) or 'nothing to do'})"

    def _repr_html_(self) -> str:  # as IPython calls it
        """Its steps, each with where it begins, who makes it, where it leads, and the source of that rule."""
        actors: dict[Trigger, Actor] = dict(self.waits)
        rows = [
            (
                str(number),
                str(row.source or "nothing yet"),
                showing.joined("wait for " if row.trigger in actors else None, showing.code(row.trigger)),
                f"{actors[row.trigger]}{self._time(row.trigger)}" if row.trigger in actors else "you",
                str(row.target),
                row.quota_text,
                showing.joined(f"{row.basis}: ", showing.source(row.reference)),
            )
            for number, row in enumerate(self.steps, 1)
        ]
        return showing.card(
            f"From {self.start or 'nothing yet'} to {self.goal}" if rows else "Nothing to do",
            showing.table(("", "in", "step", "by", "leads to", "quota", "source"), rows, most=len(rows)),
        )

    def _time(self, event: Trigger) -> str:
        """How long an event that completes a call takes, where the table says so: `, 3 to 6 seconds`."""
        return f", {time_taken(*self._takes[event])}" if event in self._takes else ""


def time_taken(least: float, most: float) -> str:
    """A time of so many seconds as people say it: `3 to 6 seconds`, `10 seconds to 20 minutes`."""
    (low, small), (high, large) = (_said(seconds) for seconds in (least, most))
    return f"{low} to {high} {large}" if small == large else f"{low} {small} to {high} {large}"


def _said(seconds: float) -> tuple[str, str]:
    for unit, length in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length and seconds % length == 0:
            return f"{seconds / length:g}", unit
    return f"{seconds:g}", "seconds"


def plan(
    lifecycle: Table, start: State | None, goal: State | None, *, events: bool, grave: bool, age: float | None = None
) -> Plan:
    """A shortest path between two members, as `orderfsm.plan` finds it; else `Unreachable`."""

    def is_goal(state: State | None) -> bool:
        return state == goal

    steps = shortest(lifecycle, start, is_goal, events=events, grave=grave, age=age)
    if steps is None:
        means = "operations or events" if events else "operations alone"
        unasked = None if grave else shortest(lifecycle, start, is_goal, events=events, grave=True, age=age)
        if unasked is not None:
            named = dict.fromkeys(row.trigger for row in unasked if lifecycle.trigger_rules[row.trigger].grave)
            means = f"{means} without {' and '.join(named)}, which no plan takes unless it is asked to"
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
    age: float | None = None,
) -> tuple[Transition, ...] | None:
    """The steps to the nearest goal, or None if there is none.

    They are operations, without those that are grave unless `grave`, and the events that complete an operation; with
    `events`, all events, but as few as possible that nobody hopes for. Of equally short paths, the first: in each state
    the client's own calls come before what others do, then the order of the table decides.
    """

    def adverse(row: Transition) -> tuple[int, int] | None:
        """How bad it is: whether a failure, and whether an end, which is sure to come. None: it is not to be taken."""
        rule = lifecycle.trigger_rules[row.trigger]
        if rule.actor is Actor.CLIENT:
            return (0, 0) if (grave or not rule.grave) and row.holds_at(age) else None
        if rule.follows is not None:
            return (0, 0)
        is_end = rule.actor is Actor.CALENDAR
        return (rule.adverse and not is_end, rule.adverse and is_end) if events else None

    # Paths, sorted by how many of their steps are failures, ends, and steps at all, and then by when they were found.
    paths: list[tuple[int, int, int, int, State | None, tuple[Transition, ...]]] = [(0, 0, 0, 0, start, ())]
    found = count(1)
    known: set[State | None] = set()
    while paths:
        failures, ends, length, _, state, steps = paths.pop(0)
        if is_goal(state):
            return steps
        if state in known:
            continue
        known.add(state)
        for row in sorted(lifecycle.outgoing(state), key=lambda row: lifecycle.actor(row) is not Actor.CLIENT):
            worse = adverse(row)
            if worse is not None and row.target in lifecycle.table and row.target not in known:
                path = (failures + worse[0], ends + worse[1], length + 1, next(found), row.target, (*steps, row))
                paths.append(path)
        paths.sort()
    return None
