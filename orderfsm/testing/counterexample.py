"""What violates the table, for a report: a program that failed, or what concurrent clients were told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from orderfsm.tables.orders import Event
from orderfsm.trace import Events

from .concurrency.clients import WHO_LOOKS
from .model.account import Account, tell
from .model.contradiction import Kind
from .model.steps import Observe, as_json
from .programs.script import script
from .report import Violation

if TYPE_CHECKING:
    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import State, Trigger
    from orderfsm.trace import Line

    from .concurrency.races import Raced
    from .concurrency.run import Problem
    from .model.failure import Failure
    from .model.session import Session


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
