"""What shows a violation: the program that failed, with the fewest calls."""

from __future__ import annotations

import math
import time
from itertools import count, takewhile
from typing import TYPE_CHECKING, Any

import attrs

from orderfsm.tables.orders import Event
from orderfsm.trace import Events

from .clients import WHO_LOOKS
from .model import Account, Kind
from .report import Violation
from .script import script
from .session import READS, TRIES, tell
from .shrink import shrunk
from .steps import Observe, Program, ReadQuota, as_json, begun_by, orders_of, renumbered, trigger_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import State, Trigger
    from orderfsm.trace import Line

    from .concurrent import Problem
    from .races import Raced
    from .session import Done, Failure, Session
    from .steps import Step

PLAYS = 500
"""How often a program is played at most to shrink it."""


def others_may_have(failure: Failure, session: Session) -> bool:
    """Whether the table explains a failure if owner, CA and calendar act by themselves."""
    packages = len(session.packages)
    account = Account(session.lifecycle, Events.PARTIAL, units=failure.units, ours=session.ours, packages=packages)
    if failure.done[-1].result is None:
        return False
    for each in failure.done:
        account.time_passes()
        told = [] if each.result is None else tell(account, each.step, each.result)
        if any(wrong.kind is failure.kind for wrong in told):
            return False
    return True


def violation_of(failure: Failure, session: Session, part: str) -> Violation:
    """A failure, for a report; `part` is the part of the check that found it."""
    why = session.lifecycle.explain(failure.state, failure.trigger)
    return Violation(
        state=failure.state,
        trigger=failure.trigger,
        kind=failure.kind,
        expected=failure.expected,
        got=failure.got,
        part=part,
        rule=f"{why.reason} ({why.basis})",
        reference=why.reference,
        calls=tuple(as_json(each.step, each.got) for each in failure.done),
        script=script(session.driver, failure.units, failure, failure.done),
    )


def exact(session: Session, failure: Failure) -> Failure:
    """A failure, which accuses the step that is wrong: what earlier steps did is looked for after each of them.

    That is done where more than one step came since the last look at what is wrong: at the state of an order, or at a
    count of units. An answer that is wrong may also be the effect of a step before, at which nobody looked.
    """
    last = failure.done[-1].step
    steps = [each.step for each in failure.done]
    answered = not isinstance(last, Observe | ReadQuota)
    if failure.itself or (answered and (failure.kind is not Kind.STATE_MACHINE or not orders_of(last))):
        return failure
    look = Observe(*orders_of(last)) if answered else last
    reads = READS if isinstance(look, ReadQuota) else frozenset()
    since = list(takewhile(lambda step: step != look, reversed(steps[:-1])))
    unseen = sum(trigger_of(step) not in {None, *reads} for step in since)
    if len(since) < len(steps) - 1 and unseen == (0 if answered else 1):
        return failure
    looks: list[Step] = [ReadQuota(number) for number in session.packages] if isinstance(look, ReadQuota) else []
    looked = list(looks)
    for step in steps:
        begun = begun_by(step)
        looks += [Observe(begun)] if begun is not None and isinstance(look, Observe) else []
        looked += [step, *(() if isinstance(step, Observe) else looks)]
    found = session.play(Program(tuple(looked), failure.units), lambda found: found.kind is failure.kind)
    session.give_up_orders()
    return failure if found is None else found


def fewest_calls(
    session: Session, failure: Failure, is_new: Callable[[Failure], bool], until: float = math.inf
) -> Failure:
    """A failure with its program shrunk while it fails in that way, or in another that `is_new`.

    It ends `until` a time of `time.monotonic`, or after so many `PLAYS`.
    """
    found = failure
    plays = count(1)

    def fails(program: Program) -> Program | None:
        nonlocal found
        is_over = next(plays) > PLAYS or time.monotonic() > until
        again = None if is_over else _failure(session, program, failure, is_new)
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
    moved = [each.step for each in before if _has_moved(each)]
    about = orders_of(last.step) or {order for step in moved[-1:] for order in _orders(step)}
    kept = [step for step in moved if _orders(step) & about]
    if isinstance(last.step, ReadQuota):
        kept[1:1] = [last.step]
    program = Program((*kept, last.step), failure.units)
    if not kept or len(program) >= len(failure.done):
        return failure
    return _failure(session, program, failure, lambda _other: False) or failure


def _has_moved(done: Done) -> bool:
    """Whether a step was accepted, and is one that changes something."""
    return done.accepted and trigger_of(done.step) not in READS


def _orders(step: Step) -> set[int]:
    begun = begun_by(step)
    return {*orders_of(step), *(() if begun is None else (begun,))}


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
        if (again is None) is like.passing:
            break
    return again


def _of_client(line: Line) -> dict[str, Any]:
    """A call of a concurrent client, for a report: an order is given by its id; started and ended are seconds."""
    told = line.state or line.code or line.outcome
    when = {"client": line.client, "started": line.started, "ended": line.ended}
    return {
        "force" if isinstance(line.trigger, Event) else "call": line.trigger,
        "order": line.order_id,
        **when,
        "got": told,
    }


def of_race(raced: Raced, lifecycle: Lifecycle) -> Violation:
    """What clients were told in a race and cannot be, and what was done before it.

    What was seen after the race is the doing of the first of those that raced.
    """
    done = tuple(as_json(each.step, each.got) for each in raced.done if not isinstance(each.step, Observe))
    seen = raced.problem.culprit.client == WHO_LOOKS
    violation = of_clients(raced.problem, lifecycle, raced.race.state, raced.race.triggers[0] if seen else None)
    return attrs.evolve(violation, calls=done + violation.calls)


def of_clients(
    problem: Problem, lifecycle: Lifecycle, state: State | None = None, trigger: Trigger | None = None
) -> Violation:
    """What concurrent clients were told and cannot be; it accuses `trigger`, or else the call that nothing explains.

    `state` is the one in which its order was before all calls, if that is known.
    """
    history, culprit = problem.history, problem.culprit
    if state is None and history is not None and history.possible:
        state = history.possible[0]
    accused = culprit.trigger if trigger is None else trigger
    why = lifecycle.explain(state, accused)
    return Violation(
        state=state,
        trigger=accused,
        kind=Kind.STATE_MACHINE if history is not None else Kind.QUOTA,
        expected="answers that the table explains in some order of the calls",
        got=problem.sentence,
        part="concurrent",
        rule=f"{why.reason} ({why.basis})",
        reference=why.reference,
        calls=tuple(map(_of_client, problem.lines)),
        picture=problem.picture,
    )
