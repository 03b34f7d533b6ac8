"""Failures, shown with the fewest calls: programs that fail, made as short as they can be, and exact."""

from __future__ import annotations

import math
import time
from itertools import chain, combinations, count, takewhile
from typing import TYPE_CHECKING

import attrs

from orderfsm.testing.model.failure import Kind
from orderfsm.testing.model.session import TRIES
from orderfsm.testing.model.steps import Observe, Program, ReadQuota, begun_by, orders_of, renumbered, trigger_of
from orderfsm.trace import Events

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from orderfsm.testing.model.failure import Failure
    from orderfsm.testing.model.session import Session
    from orderfsm.testing.model.steps import Step

PLAYS = 500
"""How often a program is played at most to shrink it."""

FEW_ORDERS = 2
"""A program with more orders is first tried with one or two of them alone."""


def exact(session: Session, failure: Failure) -> Failure:
    """A failure, which accuses the step that is wrong: what earlier steps did is looked for after each of them.

    That is done where more than one step came since the last look at what is wrong: at the state of an order, or at a
    count of units. An answer that is wrong may also be the effect of a step before, at which nobody looked.
    """
    by_looking = _by_looking(session, failure)
    if by_looking is not None:
        return by_looking
    last = failure.done[-1].step
    steps = [each.step for each in failure.done]
    answered = not isinstance(last, Observe | ReadQuota)
    if failure.itself or (answered and (failure.kind is not Kind.STATE_MACHINE or not orders_of(last))):
        return failure
    look = Observe(*orders_of(last)) if answered else last
    reads = session.roles.reads if isinstance(look, ReadQuota) else frozenset()
    since = list(takewhile(lambda step: step != look, reversed(steps[:-1])))
    unseen = sum(trigger_of(step) not in {None, *reads} for step in since)
    if len(since) < len(steps) - 1 and unseen == (0 if answered else 1):
        return failure
    looks: list[Step] = (
        [attrs.evolve(look, package=each) for each in session.packages] if isinstance(look, ReadQuota) else []
    )
    looked = list(looks)
    for step in steps:
        looks += map(Observe, begun_by(step)) if isinstance(look, Observe) else ()
        looked += [step, *(() if isinstance(step, Observe) else looks)]
    found = session.play(attrs.evolve(failure.program, steps=tuple(looked)), lambda found: found.kind is failure.kind)
    session.give_up_orders()
    return failure if found is None else found


def _by_looking(session: Session, failure: Failure) -> Failure | None:
    """The failure of the read alone, where a call that was refused is accused after another read of the same order."""
    *before, last = failure.done
    acted = next((each for each in reversed(before) if not isinstance(each.step, Observe)), None)
    looks = [at for at, each in enumerate(before) if each.step == last.step]
    if not isinstance(last.result, dict) or acted is None or not acted.refused or not looks:
        return None
    steps = (*(each.step for each in before[: looks[-1] + 1]), last.step)
    found = session.play(attrs.evolve(failure.program, steps=steps), lambda found: found.kind is failure.kind)
    session.give_up_orders()
    return found


def fewest_calls(
    session: Session, failure: Failure, is_new: Callable[[Failure], bool], until: float = math.inf
) -> Failure:
    """A failure with its program shrunk while it fails in that way, or in another that `is_new`.

    It ends `until` a time of `time.monotonic`, or after so many `PLAYS`.
    """
    found = failure
    plays = count(1)
    known: dict[Program, Failure | None] = {}

    def fails(program: Program) -> Program | None:
        nonlocal found
        if program not in known:
            is_over = next(plays) > PLAYS or time.monotonic() > until
            again = None if is_over else _failure(session, program, failure, is_new)
            if not is_over and (again is not None or session.account.is_sure):
                known[program] = again
        else:
            again = known[program]
        if again is None:
            return None
        found = again
        return again.program

    program = found.program
    fails(renumbered(shrunk(fails(program) or program, fails)))
    return found


def without_bystanders(session: Session, failure: Failure) -> Failure:
    """A failure with nothing in its program but what moved the order that it is about, if it fails in the same way.

    It costs one order, where the units of more are not to be had.
    """
    *before, last = failure.done
    moved = [each.step for each in before if each.accepted and trigger_of(each.step) not in session.roles.reads]
    about = orders_of(last.step) or {order for step in moved[-1:] for order in _orders(step)}
    acted = [each.step for each in before if not isinstance(each.step, Observe)][-1:]
    kept = [step for step in moved if _orders(step) & about]
    kept += [step for step in acted if isinstance(last.step, Observe) and orders_of(step) & about and step not in kept]
    if isinstance(last.step, ReadQuota):
        kept[1:1] = [last.step]
    program = attrs.evolve(failure.program, steps=(*kept, last.step))
    if not kept or len(program) >= len(failure.done):
        return failure
    return _failure(session, program, failure, lambda _other: False) or failure


def _orders(step: Step) -> frozenset[int]:
    return orders_of(step) | begun_by(step)


def _failure(session: Session, program: Program, like: Failure, is_new: Callable[[Failure], bool]) -> Failure | None:
    """How a program fails, if it does so as `like`, or in a way that `is_new`; None if only one of them is passing.

    Where others act as well, it has more than one try. What passes must come every time. A new way must be told by the
    answer itself: of an effect that is seen later, a shorter program may accuse the wrong call.
    """

    def wanted(failure: Failure) -> bool:
        tells_itself = failure.itself or not isinstance(failure.done[-1].step, Observe | ReadQuota)
        return failure.passing is like.passing and (failure.names(like) or (tells_itself and is_new(failure)))

    again: Failure | None = None
    for _ in range(TRIES if like.passing or session.events is Events.PARTIAL else 1):
        again = session.play(program, wanted, like)
        session.give_up_orders()
        if (again is None) is like.passing or (not like.passing and session.account.is_sure):
            break
    return again


def shrunk(program: Program, fails: Callable[[Program], Program | None]) -> Program:
    """The shortest program found that still fails: no order and no run of steps can be left out of it.

    `fails` plays a program and returns the part of it that was played until it failed; None if it did not. It may say
    None to everything to end the search.
    """
    program = _with_few_orders(program, fails)
    size = len(program) // 2
    while size > 0:
        program = _without_runs(program, size, fails)
        size //= 2
    size = len(program) - 1
    while size > 0:
        shorter = _without_runs(program, size, fails, stride=1)
        size = size - 1 if len(shorter) == len(program) else len(shorter) - 1
        program = shorter
    return program


def _with_few_orders(program: Program, fails: Callable[[Program], Program | None]) -> Program:
    """`program` with as few of its orders as it fails with."""
    begun = [*chain.from_iterable(map(begun_by, program.steps))]
    sizes = range(1, min(FEW_ORDERS + 1, len(begun)))
    few = (set(orders) for size in sizes for orders in combinations(begun, size))
    for orders in few:
        failed = fails(_only(program, orders))
        if failed is not None:
            return failed
    for order in begun:
        program = fails(_only(program, set(begun) - {order})) or program
    return program


def _without_runs(
    program: Program, size: int, fails: Callable[[Program], Program | None], stride: int | None = None
) -> Program:
    """`program` without those of its runs of `size` steps that it fails without; the last step always stays."""
    at = len(program) - 1
    while at > 0:
        start = max(0, at - size)
        shorter = fails(_closed(program, [*program.steps[:start], *program.steps[at:]]))
        if shorter is None:
            at -= min(at, stride or size)
        else:
            program, at = shorter, min(start, len(shorter) - 1)
    return program


def _only(program: Program, orders: set[int]) -> Program:
    return _closed(program, (step for step in program.steps if begun_by(step) <= orders))


def _closed(program: Program, steps: Iterable[Step]) -> Program:
    """A program of those of `steps` whose orders are there."""
    there: set[int] = set()
    kept = []
    for step in steps:
        if orders_of(step) <= there:
            there |= begun_by(step)
            kept.append(step)
    return attrs.evolve(program, steps=tuple(kept))
