"""Histories in which the lines of one second may have happened in any order.

A history is a sequence of groups; the lines of a group may have happened in any order. It conforms if some arrangement
of them does. Of one that violates the table, the arrangement is named in which most lines are explained; of several
such, the first in the order in which the lines were delivered.

Where an order may stand after some groups is a *front*: for each arrangement that explains all of them, what is
possible after it; equal ones once, in the order of delivery.
"""

from __future__ import annotations

from itertools import pairwise
from operator import attrgetter
from typing import TYPE_CHECKING, TypeAlias

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from orderfsm.rows import State
    from orderfsm.trace import Automaton, Possible, Reading, Run

MOST = 2_000
"""How many ways through the lines of one second are followed one by one."""

_BOTH = (attrgetter("strict"), attrgetter("favour"))

Front: TypeAlias = "tuple[Possible, ...]"


@attrs.frozen
class Stuck:
    """Where no arrangement goes on.

    `index` counts in the arrangement that goes furthest, `line` in the lines as given; what that line `said`; the
    states `possible` just before it. `front`: what goes on all the same, and explains it if a later read shows what
    happened.
    """

    index: int
    line: int
    said: Reading
    possible: tuple[State | None, ...]
    front: Front = ()


def follow(
    machine: Automaton, way: Front | Stuck, readings: Sequence[Reading], tied: Sequence[bool], before: int = 0
) -> Front | Stuck:
    """Where `way` comes to by these lines, of which a `tied` one may have come before the last one.

    `before`: how many lines the order had already.
    """
    stuck, front = (way, way.front) if isinstance(way, Stuck) else (None, way)
    if not front:
        return way
    for begin, end in groups(tied):
        after = _after(machine, front, readings[begin:end])
        if isinstance(after, Stuck):
            here = Stuck(before + begin + after.index, before + begin + after.line, after.said, after.possible)
            return attrs.evolve(stuck, front=()) if stuck is not None else here
        if any(possible.explained for possible in after):
            stuck = None
        elif stuck is None:
            states = {state for possible in front for state in machine.states_before_next(possible.favour)}
            in_order = tuple(state for state in machine.lifecycle.state_rules if state in states)
            stuck = Stuck(before + end - 1, before + end - 1, readings[end - 1], in_order)
        front = after
    return front if stuck is None else attrs.evolve(stuck, front=front)


def groups(tied: Sequence[bool]) -> Iterator[tuple[int, int]]:
    """Where each group of lines begins and ends."""
    begins = [at for at, is_tied in enumerate(tied) if not is_tied or at == 0]
    return pairwise([*begins, len(tied)])


def _after(machine: Automaton, front: Front, group: Sequence[Reading]) -> Front | Stuck:
    """Where `front` comes to by the lines of a group: every arrangement is tried, in the order of delivery.

    Where two arrangements of the same lines come to the same, only the first goes on. Of more than `MOST` ways, what is
    possible is put together.
    """
    reached: dict[Possible, None] = {}
    furthest, stuck = -1, None
    seen = set()
    stack = [(possible, tuple(range(len(group)))) for possible in reversed(front)]
    while stack:
        key = possible, left = stack.pop()
        if key in seen:
            continue
        seen.add(key)
        if len(seen) > MOST:
            return _together(machine, front, group)
        if not left:
            reached[possible] = None
            continue
        if len(group) - len(left) > furthest:
            furthest, stuck = len(group) - len(left), key
        following = [(machine.step(possible, group[at]), without) for at, without in _each(group, left)]
        stack += [(after, without) for after, without in reversed(following) if after.favour]
    if reached or stuck is None:
        return tuple(reached)
    possible, left = stuck
    return Stuck(furthest, left[0], group[left[0]], machine.states_before_next(possible.favour))


def _each(group: Sequence[Reading], left: tuple[int, ...]) -> Iterator[tuple[int, tuple[int, ...]]]:
    """The lines that may come next, of equal ones only the first; and what is left then."""
    tried = set()
    for at in left:
        if group[at] not in tried:
            tried.add(group[at])
            yield at, tuple(other for other in left if other != at)


def _together(machine: Automaton, front: Front, group: Sequence[Reading]) -> Front | Stuck:
    """Where `front` comes to by the lines of a group, whatever the arrangement: all that is possible, as one.

    Runs are followed one by one. A line that moves no order is taken as soon as it explains where a run stands: whoever
    takes it later could have taken it then. That leaves few ways, however many such lines there are.
    """
    favour, left = _ends(machine, {run for possible in front for run in possible.favour}, group, strict=False)
    if left:
        states = machine.states_before_next(favour)
        return Stuck(len(group) - len(left), left[0], group[left[0]], states)
    strict, left = _ends(machine, {run for possible in front for run in possible.strict}, group, strict=True)
    together = machine.possible([] if left else strict, favour)
    # The last line may also be one that moves no order; then others may have acted just before it.
    last = [machine.step(together, reading) for reading in dict.fromkeys(group) if not machine.moves(reading)]
    return (machine.possible(*({run for each in (together, *last) for run in runs(each)} for runs in _BOTH)),)


def _ends(
    machine: Automaton, runs: set[Run], group: Sequence[Reading], *, strict: bool
) -> tuple[set[Run], tuple[int, ...]]:
    """The runs that come furthest in a group, and which of its lines are left to them, the first of several such."""

    def step(run: Run, at: int) -> frozenset[Run]:
        alone = machine.possible([run] if strict else [], [run])
        after = machine.step(alone, group[at])
        return after.strict if strict else after.favour

    ends: dict[tuple[int, ...], set[Run]] = {}
    seen = set()
    stack = [(run, tuple(range(len(group)))) for run in runs]
    while stack:
        run, left = stack.pop()
        left = tuple(at for at in left if machine.moves(group[at]) or run not in step(run, at))
        if (run, left) in seen:
            continue
        seen.add((run, left))
        ends.setdefault(left, set()).add(run)
        stack += [(after, without) for at, without in _each(group, left) for after in step(run, at)]
    furthest = min(ends, key=lambda left: (len(left), left), default=tuple(range(len(group))))
    return ends.get(furthest, set()), furthest
