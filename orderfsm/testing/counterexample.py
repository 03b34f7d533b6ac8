"""What shows a violation: the program that failed, with the fewest calls."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import attrs

from orderfsm.spec import Event
from orderfsm.trace import Events

from .model import Account, Contradiction
from .report import Violation
from .script import script
from .session import TRIES, tell
from .shrink import shrunk
from .steps import Observe, as_json, renumbered

if TYPE_CHECKING:
    from collections.abc import Callable

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.spec import State
    from orderfsm.trace import Line

    from .concurrent import Problem
    from .races import Raced
    from .session import Done, Failure, Session
    from .steps import Program

SHRINKING = 20.0
"""Seconds for which a program is shrunk at most."""


@attrs.frozen
class Counterexample:
    """How a program failed, and what was done."""

    failure: Failure
    done: tuple[Done, ...]

    def others_may_have(self, session: Session) -> bool:
        """Whether the table explains it if owner, CA and calendar act by themselves."""
        account = Account(session.lifecycle, Events.PARTIAL, units=session.units, ours=session.ours)
        if any(each.result is None for each in self.done):
            return False
        try:
            for each in self.done:
                account.time_passes()
                tell(account, each.step, each.result)
        except Contradiction:
            return False
        return True

    def violation(self, session: Session, part: str) -> Violation:
        """It, for a report; `part` is the part of the check that found it."""
        failure = self.failure
        why = session.lifecycle.explain(failure.state, failure.trigger)
        return Violation(
            state=failure.state,
            trigger=failure.trigger,
            expected=failure.expected,
            got=failure.got,
            part=part,
            rule=f"{why.reason} ({why.basis})",
            reference=why.reference,
            calls=tuple(as_json(each.step, each.got) for each in self.done),
            script=script(session.driver, session.units, failure, self.done),
        )


def fewest_calls(
    session: Session, failure: Failure, is_new: Callable[[Failure], bool], deadline: float = math.inf
) -> Counterexample:
    """The program that was just played and failed, shrunk while it fails in that way, or in another that `is_new`.

    It is not shrunk any more after `deadline`, a time of `time.monotonic`.
    """
    found = Counterexample(failure, tuple(session.done))
    until = min(deadline, time.monotonic() + SHRINKING)

    def fails(program: Program) -> Program | None:
        nonlocal found
        again = _failure(session, program, failure) if time.monotonic() < until else None
        if again is None or not (again.names(failure) or is_new(again)):
            return None
        found = Counterexample(again, tuple(session.done))
        return session.program

    session.give_up_orders()
    program = session.program
    fails(renumbered(shrunk(fails(program) or program, fails)))
    return found


def _failure(session: Session, program: Program, like: Failure) -> Failure | None:
    """How a program fails; None if it does not, or if only one of it and `like` is passing.

    Where others act as well, it has more than one try. What passes must come every time.
    """
    again: Failure | None = None
    for _ in range(TRIES if like.passing or session.events is Events.PARTIAL else 1):
        again = session.play(program, like)
        session.give_up_orders()
        if again is not None and again.passing is not like.passing:
            again = None
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
    """What clients were told in a race and cannot be, and what was done before it."""
    done = tuple(as_json(each.step, each.got) for each in raced.done if not isinstance(each.step, Observe))
    violation = of_clients(raced.problem, lifecycle, raced.race.state)
    return attrs.evolve(violation, calls=done + violation.calls)


def of_clients(problem: Problem, lifecycle: Lifecycle, state: State | None = None) -> Violation:
    """What concurrent clients were told and cannot be; the call that nothing explains accuses itself.

    `state` is the one in which its order was before all calls, if that is known.
    """
    history, culprit = problem.history, problem.culprit
    if state is None and history is not None and history.possible:
        state = history.possible[0]
    why = lifecycle.explain(state, culprit.trigger)
    return Violation(
        state=state,
        trigger=culprit.trigger,
        expected="answers that the table explains in some order of the calls",
        got=problem.sentence,
        part="concurrent",
        rule=f"{why.reason} ({why.basis})",
        reference=why.reference,
        calls=tuple(map(_of_client, problem.lines)),
        picture=problem.picture,
    )
