"""The commands. Each asks the spec and prints the answer; none has a rule of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

import orderfsm as api
from orderfsm.explanation import explain as explain_states
from orderfsm.export import document, exported
from orderfsm.invalid import OrderFSMError, Unreachable
from orderfsm.paths import Plan
from orderfsm.questions import ORDER_LIFECYCLE
from orderfsm.verdict import Verdict

from .audit import audit, simulate
from .conform import conform
from .export import diff, drift, export
from .orders import orders
from .printing import STATES, TRIGGER, as_json, print_columns, print_json, union
from .replay import replay
from .serve import serve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orderfsm.rows import State, Trigger

EXIT_OF = {Verdict.LEGAL: 0, Verdict.ILLEGAL: 1, Verdict.UNDECIDED: 3}


class WrongUsage(OrderFSMError):
    """A command line that names no command, or not what the command takes; the message says what is wrong."""


in_states = click.option(
    "--state",
    "states",
    type=STATES,
    required=True,
    multiple=True,
    callback=union,
    help="State, Type, Status, or none; if given again, any of them is possible.",
)
_STATES = ", ".join(state or "none" for state in ORDER_LIFECYCLE.state_rules)
WORDS = f"""TRIGGER is an operation ({", ".join(trigger.name.lower() for trigger in api.Operation)}), by its name or API
action, or an event ({", ".join(api.Event)}). A state is one of {_STATES}, or what the API or its documents call it
(process, CHECKING, "pending review")."""


def run(arguments: Sequence[str] | None) -> int:
    """Run the command given by `arguments`; return the exit status, or raise `WrongUsage`."""
    try:
        return int(cli.main(arguments, prog_name="orderfsm", standalone_mode=False) or 0)
    except click.exceptions.NoArgsIsHelpError as usage:
        click.echo(usage.format_message())
        return 2
    except click.UsageError as usage:
        at_the_top = usage.ctx is not None and usage.ctx.command is cli
        commands = f" Commands: {', '.join(cli.commands)}." if at_the_top else ""
        raise WrongUsage(usage.format_message() + commands) from usage
    except click.ClickException as error:
        raise WrongUsage(error.format_message()) from error
    except click.Abort as abort:
        raise WrongUsage("interrupted") from abort


@click.group(no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(api.__version__)
def cli() -> None:
    """The life cycle of an Alibaba Cloud certificate order: what is allowed, why, and how to reach another state."""


cli.add_command(serve)
cli.add_command(orders)
cli.add_command(replay)
cli.add_command(conform)
cli.add_command(export)
cli.add_command(diff)
cli.add_command(drift)
cli.add_command(audit)
cli.add_command(simulate)


@cli.command()
@as_json
def table(*, as_json: bool) -> int:
    """Print every transition, with its quota, basis and reference."""
    if as_json:
        return print_json(document())
    rows: list[tuple[str, ...]] = [("FROM", "TRIGGER", "TO", "QUOTA", "BASIS", "REFERENCE", "NOTE")]
    for row in ORDER_LIFECYCLE.transitions:
        target = _name(row.target) + (f", creates {row.creates}" if row.creates else "")
        rows.append((_name(row.source), row.trigger, target, row.quota_text, row.basis, row.reference, row.note))
    return print_columns(rows)


@cli.command(epilog=WORDS)
@click.argument("trigger", type=TRIGGER)
@in_states
@as_json
def check(trigger: Trigger, states: frozenset[State | None], *, as_json: bool) -> int:
    """Say whether TRIGGER is allowed.

    Exit 0 if it is, 1 if it is not, 3 if it is in some of the states that --state may mean.
    """
    why = explain_states(ORDER_LIFECYCLE, states, trigger)
    if as_json:
        print_json(why.as_json())
    else:
        click.echo(str(why.verdict))
        for state in why.states:
            click.echo(f"  {api.explain(state, trigger)}")
    return EXIT_OF[why.verdict]


@cli.command(epilog=WORDS)
@click.argument("trigger", type=TRIGGER)
@in_states
@as_json
def explain(trigger: Trigger, states: frozenset[State | None], *, as_json: bool) -> int:
    """Say why TRIGGER is allowed or refused, and what to do instead.

    For every state that --state may mean, with the source of the rule. Exit 0 whatever the answer.
    """
    if as_json:
        return print_json(explain_states(ORDER_LIFECYCLE, states, trigger).as_json())
    for state in _ordered(states):
        why = api.explain(state, trigger)
        click.echo(f"{_name(state)}: {why.verdict}")
        click.echo(f"  why:      {why.reason}")
        click.echo(f"  source:   {why.basis}, {why.reference}")
        if why.note:
            click.echo(f"  note:     {why.note}")
        click.echo(f"  allowed:  {', '.join(why.allowed) or 'nothing that changes anything'}")
        if why.instead is not None:
            click.echo(f"  instead:  {why.instead}")
    return 0


@cli.command(epilog=f"A state is one of {_STATES}, or what the API or its documents call it.")
@click.option("--from", "starts", type=STATES, required=True, help="State, Type, Status, or none.")
@click.option("--to", "goals", type=STATES, required=True, help="State, Type or Status.")
@click.option("--events", is_flag=True, help="Also wait for what others do.")
@as_json
def plan(starts: frozenset[State | None], goals: frozenset[State | None], *, events: bool, as_json: bool) -> int:
    """Print a shortest path from one state to another.

    Exit 1 if there is none, 3 if that depends on which of the states that --from may mean it is.
    """
    plans = {start: _nearest(start, goals, events=events) for start in _ordered(starts)}
    found = [path for path in plans.values() if isinstance(path, Plan)]
    same = len({path.triggers for path in found}) == 1 and len(found) == len(plans)
    path = found[0] if same else None
    if as_json:
        rows = path.steps if path is not None else ()
        steps = [{"source": row.source, "trigger": row.trigger, "target": row.target} for row in rows]
        ends = [_one_or_all(_ordered(states)) for states in (starts, goals)]
        start, goal = ends if path is None else (path.start, path.goal)
        print_json({"from": start, "to": goal, "steps": steps})
    elif path is not None:
        _print_path(path)
    else:
        for start, plan_or_error in plans.items():
            text = str(plan_or_error)
            click.echo(f"from {_name(start)}: {text}" if isinstance(plan_or_error, Plan) else text)
    return 0 if path is not None else 3 if found else 1


def _nearest(start: State | None, goals: frozenset[State | None], *, events: bool) -> Plan | Unreachable:
    """A shortest path to the nearest of `goals`, or the error that says why there is none."""
    plans: list[Plan] = []
    errors: list[Unreachable] = []
    for goal in _ordered(goals):
        try:
            plans.append(api.plan(start, goal, events=events))
        except Unreachable as error:
            errors.append(error)
    return min(plans, key=lambda plan: len(plan.steps)) if plans else errors[-1]


def _print_path(path: Plan) -> None:
    for number, step in enumerate(path.steps, 1):
        actor = ORDER_LIFECYCLE.actor(step)
        who = "" if actor is api.Actor.CLIENT else f"  (wait: {actor})"
        click.echo(f"{number}. {step.trigger}: {_name(step.source)} -> {step.target}{who}")
    if not path.steps:
        click.echo("nothing to do")


def _one_or_all(states: list[State | None]) -> Any:
    return states[0] if len(states) == 1 else states


@cli.command()
@as_json
def diagram(*, as_json: bool) -> int:
    """Print the table as a mermaid state diagram: `export mermaid`."""
    drawn = exported("mermaid")
    if as_json:
        return print_json({"format": "mermaid", "text": drawn})
    click.echo(drawn, nl=False)
    return 0


@cli.command()
@as_json
def demo(*, as_json: bool) -> int:
    """Check that guard and mock agree on deletion in every state.

    The official SDK deletes an order in each state, through the guard and without it. Exit 1 if they disagree.
    """
    from . import demo as demonstration

    report = demonstration.run(say=(lambda _: None) if as_json else click.echo)
    if as_json:
        print_json(report)
    return 0 if report["agreed"] else 1


def _ordered(states: frozenset[State | None]) -> list[State | None]:
    return [state for state in ORDER_LIFECYCLE.state_rules if state in states]


def _name(state: State | None) -> str:
    return "none" if state is None else state
