"""`orderfsm table`, `check`, `explain`, `plan`, `demo`: the spec is asked, and the answer printed."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from orderfsm.explanation import NOTHING, listed, standing
from orderfsm.explanation import explain as explain_states
from orderfsm.invalid import Unreachable
from orderfsm.paths import Plan, time_taken
from orderfsm.questions import ORDER_LIFECYCLE
from orderfsm.rows import Actor, State, Transition, Trigger
from orderfsm.verdict import Verdict

from .choice import STATES, TRIGGER, in_table, notes, union
from .printing import DURATION, as_csv, as_json, print_columns, print_json, say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from orderfsm.explanation import Explanation
    from orderfsm.lifecycle import Lifecycle

EXIT_OF = {Verdict.LEGAL: 0, Verdict.ILLEGAL: 1, Verdict.UNDECIDED: 3}


def _name(state: State | None) -> str:
    """A state as it is written on the command line."""
    return "none" if state is None else state


in_states = click.option(
    "--state",
    "states",
    type=STATES,
    required=True,
    multiple=True,
    callback=union,
    help="State, Type, Status, or none; if given again, any of them is possible.",
)
at_age = click.option(
    "--age",
    type=DURATION,
    metavar="DURATION",
    help="How long ago it began, such as 8d; else every call counts as in time.",
)
_STATES = ", ".join(_name(state) for state in ORDER_LIFECYCLE.state_rules)
_OPERATIONS = ", ".join(trigger.name.lower() for trigger in ORDER_LIFECYCLE.operations)
WORDS = f"""TRIGGER is an operation ({_OPERATIONS}), by its name or API action, or an event
({", ".join(ORDER_LIFECYCLE.events)}). A state is one of {_STATES}, or what the API or its documents call it (process,
CHECKING, "pending review"), or FIELD=WORD, also of several fields of one answer (Status=normal,CertificateStatus=, of
which the second is absent). With --table they are those of the other table."""


@click.command()
@in_table
@as_csv
@as_json
def table(lifecycle: Lifecycle, *, as_csv: bool, as_json: bool) -> int:
    """Print every transition, with its quota, basis and reference."""
    if as_json:
        from orderfsm.export import document

        return print_json(document(lifecycle))
    from orderfsm.drawing import states_at_once

    quota = any(row.quota for row in lifecycle.transitions)
    rows: list[tuple[str, ...]] = [("FROM", "TRIGGER", "TO", *["QUOTA"] * quota, "BASIS", "REFERENCE", "NOTE")]
    for row in lifecycle.transitions:
        target = _name(row.target) + (f", creates {row.creates}" if row.creates else "")
        target += ("" if row.within is None else f", {row.within}") + (", edited" if row.edits else "")
        target += "".join(f", or {state} at once" for state in states_at_once(row, lifecycle))
        target += ", may be refused" if row.may_be_refused else ""
        effect = [row.quota_text] * quota
        basis = standing(row.basis, row.strength)
        rows.append((_name(row.source), row.trigger, target, *effect, basis, row.reference, row.note))
    return print_columns(rows, as_csv=as_csv, below=("REFERENCE", "NOTE"))


@click.command(epilog=WORDS)
@click.argument("trigger", type=TRIGGER)
@in_states
@at_age
@in_table
@click.option("-q", "--quiet", is_flag=True, help="Print nothing; the exit status is the answer.")
@as_json
def check(
    trigger: Trigger,
    states: frozenset[State | None],
    age: float | None,
    lifecycle: Lifecycle,
    *,
    quiet: bool,
    as_json: bool,
) -> int:
    """Say whether TRIGGER is allowed.

    Exit 0 if it is, 1 if it is not, 3 if it is in some of the states that --state may mean, or if nobody says.
    """
    why = explain_states(lifecycle, states, trigger, age)
    if as_json:
        print_json(_noted(why.as_json()))
    elif not quiet:
        say(str(why.verdict))
        by_source: dict[str, list[Explanation]] = {}
        for each in _alike(why):
            by_source.setdefault(_source(each), []).append(each)
        for source, alike in by_source.items():
            _say_why(alike)
            say(f"  source:  {source}")
        _say_notes()
    return EXIT_OF[why.verdict]


def _say_why(alike: list[Explanation]) -> None:
    """The answers from one source: the rule once for all states, and for those of each answer what to do there."""
    rule, states = alike[0], [state for each in alike for state in each.states]
    if len(alike) > 1:
        rule = explain_states(rule.lifecycle, states, rule.trigger, rule.age)
    say(f"  {rule.gathered}")
    for each in alike:
        if each.legal is False:
            where = each.where if len(alike) > 1 else "here" if len(states) == 1 else "there"
            say(f"  Allowed {where}: {listed(each.allowed) or NOTHING}. {each.advice}".rstrip())
    for each in alike:
        if each.note:
            say(f"  note:    {each.note}" + (f" ({each.where})" if len(alike) > 1 else ""))


def _alike(why: Explanation) -> Iterator[Explanation]:
    """The explanation for each of the states, or one for several of which the same is to be said."""
    if len(why.states) == 1:
        yield why
        return
    groups: dict[tuple[Any, ...], list[State | None]] = {}
    for state in why.states:
        each = explain_states(why.lifecycle, [state], why.trigger, why.age)
        instead = None if each.instead is None else each.instead.triggers
        said = (each.verdict, each.legal, each.allowed, instead, _source(each), each.note)
        groups.setdefault(said, []).append(state)
    for states in groups.values():
        yield explain_states(why.lifecycle, states, why.trigger, why.age)


def _source(why: Explanation) -> str:
    return f"{standing(why.basis, why.strength)}, {why.reference}"


def _noted(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer, with what the words that were asked for may mean as well, if they may."""
    said = "; ".join(filter(None, [answer.get("note", ""), *notes()]))
    return answer | {"note": said} if said else answer


def _say_notes() -> None:
    for note in notes():
        say(f"note: {note}")


@click.command(epilog=WORDS)
@click.argument("trigger", type=TRIGGER)
@in_states
@at_age
@in_table
@as_json
def explain(
    trigger: Trigger, states: frozenset[State | None], age: float | None, lifecycle: Lifecycle, *, as_json: bool
) -> int:
    """Say why TRIGGER is allowed or refused, and what to do instead.

    For every state that --state may mean, with the source of the rule. Exit 0 whatever the answer.
    """
    why = explain_states(lifecycle, states, trigger, age)
    if as_json:
        return print_json(_noted(why.as_json()))
    alike = list(_alike(why))
    shared = len(alike) > 1 and len(set(map(_source, alike))) == 1
    for each in alike:
        say(f"{listed([_name(state) for state in each.states])}: {each.verdict}")
        say(f"  why:      {each.gathered}")
        if not shared:
            say(f"  source:   {_source(each)}")
        if each.note:
            say(f"  note:     {each.note}")
        say(f"  allowed:  {', '.join(each.allowed) or NOTHING}")
        if each.instead is not None:
            say(f"  instead:  {each.instead}")
    if shared:
        say(f"source:  {_source(alike[0])}")
    _say_notes()
    return 0


@click.command(epilog=f"A state is one of {_STATES}, or what the API or its documents call it.")
@click.option("--from", "starts", type=STATES, required=True, help="State, Type, Status, or none.")
@click.option("--to", "goals", type=STATES, required=True, help="State, Type or Status.")
@click.option("--events", is_flag=True, help="Also wait for what others do.")
@click.option("--grave", is_flag=True, help="Also calls that cannot be taken back, or cost money.")
@at_age
@in_table
@as_json
def plan(
    starts: frozenset[State | None], goals: frozenset[State | None], lifecycle: Lifecycle, *, as_json: bool, **by: Any
) -> int:
    """Print a shortest path from one state to another.

    Exit 1 if there is none, 3 if that depends on which of the states that --from may mean it is.
    """
    ends = _ordered(goals, lifecycle)
    plan = partial(lifecycle.plan, **by)
    plans = {start: _nearest(plan, start, ends) for start in _ordered(starts, lifecycle)}
    found = [path for path in plans.values() if isinstance(path, Plan)]
    same = len({path.triggers for path in found}) == 1 and len(found) == len(plans)
    path = found[0] if same else None
    if as_json:
        rows = path.steps if path is not None else ()
        steps = [_step(row, lifecycle) for row in rows]
        start, goal = map(_one_or_all, (list(plans), ends)) if path is None else (path.start, path.goal)
        print_json(_noted({"table": lifecycle.name, "from": start, "to": goal, "steps": steps}))
    elif path is not None:
        _print_path(path, lifecycle)
    else:
        for start, plan_or_error in plans.items():
            text = str(plan_or_error)
            say(f"from {_name(start)}: {text}" if isinstance(plan_or_error, Plan) else text)
    if not as_json:
        _say_notes()
    return 0 if path is not None else 3 if found else 1


def _nearest(plan: Callable[..., Plan], start: State | None, goals: list[State | None]) -> Plan | Unreachable:
    """A shortest path to the nearest of `goals`, or the error that says why there is none."""
    plans: list[Plan] = []
    errors: list[Unreachable] = []
    for goal in goals:
        try:
            plans.append(plan(start, goal))
        except Unreachable as error:
            errors.append(error)
    return min(plans, key=lambda plan: len(plan.steps)) if plans else errors[-1]


def _print_path(path: Plan, lifecycle: Lifecycle) -> None:
    for number, step in enumerate(path.steps, 1):
        rule = lifecycle.trigger_rules[step.trigger]
        time = f", {time_taken(*rule.takes)}" if rule.takes else ""
        who = "" if rule.actor is Actor.CLIENT else f"  (wait: {rule.actor}{time})"
        say(f"{number}. {step.trigger}: {_name(step.source)} -> {step.target}{who}")
    if not path.steps:
        say("nothing to do")


def _step(row: Transition, lifecycle: Lifecycle) -> dict[str, Any]:
    """A step of a plan; what the service completes says how many seconds that takes, the least and the most."""
    takes = lifecycle.trigger_rules[row.trigger].takes
    step = {"source": row.source, "trigger": row.trigger, "target": row.target}
    return step | ({"takes": [*takes]} if takes else {})


def _one_or_all(states: list[State | None]) -> Any:
    return states[0] if len(states) == 1 else states


@click.command()
@as_json
def demo(*, as_json: bool) -> int:
    """Check that guard and mock agree on deletion in every state.

    The official SDK deletes an order in each state, through the guard and without it. Exit 1 if they disagree.
    """
    from . import demo as demonstration

    if as_json:
        report = demonstration.run(lambda _: None, lambda _: None)
        print_json(report)
    else:
        report = demonstration.run(say, print_columns)
    return 0 if report["agreed"] else 1


def _ordered(states: frozenset[State | None], lifecycle: Lifecycle) -> list[State | None]:
    return [state for state in lifecycle.state_rules if state in states]
