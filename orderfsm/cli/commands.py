"""The commands. Each asks the spec and prints the answer; none has a rule of its own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

import orderfsm as spec
from orderfsm import drawing, wire
from orderfsm.errors import Unreachable
from orderfsm.export import document
from orderfsm.lifecycle import Verdict
from orderfsm.ways import Plan

if TYPE_CHECKING:
    from collections.abc import Callable

    from orderfsm.spec import State, Trigger

EXIT_OF = {Verdict.LEGAL: 0, Verdict.ILLEGAL: 1, Verdict.UNDECIDED: 3}

as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")


class _Parsed(click.ParamType):  # type: ignore[type-arg]
    """A word of the command line, read by one of `wire`'s parsers."""

    def __init__(self, name: str, parse: Callable[[str], Any]) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ARG002
        return self._parse(value) if isinstance(value, str) else value


TRIGGER = _Parsed("trigger", wire.parse_trigger)
STATES = _Parsed("state", wire.parse_states)


@click.group(name="orderfsm", no_args_is_help=True)
@click.version_option(spec.__version__)
def orderfsm() -> None:
    """The life of an Alibaba Cloud certificate order: what is allowed, why, and how to get where you want."""


@orderfsm.command()
@as_json
def table(*, as_json: bool) -> int:
    """Print the table: every transition, with its basis and reference."""
    if as_json:
        return _print_json(document())
    rows: list[tuple[str, ...]] = [("FROM", "TRIGGER", "TO", "QUOTA", "BASIS", "REFERENCE")]
    for row in spec.ORDER_LIFECYCLE.transitions:
        quota = f"{row.quota:+d}" if row.quota else ""
        quota += f" within {row.quota_within // 86_400} days" if row.quota_within else ""
        more = f", creates {row.creates}" if row.creates else ""
        rows.append((_name(row.source), row.trigger, f"{_name(row.target)}{more}", quota, row.basis, row.reference))
    return _print_columns(rows)


@orderfsm.command()
@click.argument("trigger", type=TRIGGER)
@click.option("--state", "states", type=STATES, required=True, help="State, Type, Status, or none.")
@as_json
def check(trigger: Trigger, states: frozenset[State | None], *, as_json: bool) -> int:
    """Say whether TRIGGER is allowed: exit 0 if it is, 1 if not, 3 if the state is too vague to tell."""
    answer = _answer(trigger, states)
    code = EXIT_OF[answer["verdict"]]
    if as_json:
        _print_json(answer)
        return code
    click.echo(answer["verdict"])
    for state in _ordered(states):
        click.echo(f"  {spec.explain(state, trigger)}")
    return code


@orderfsm.command()
@click.argument("trigger", type=TRIGGER)
@click.option("--state", "states", type=STATES, required=True, help="State, Type, Status, or none.")
@as_json
def explain(trigger: Trigger, states: frozenset[State | None], *, as_json: bool) -> int:
    """Say why TRIGGER is allowed or refused, who says so, and what to do instead."""
    answer = _answer(trigger, states)
    whys = [spec.explain(state, trigger) for state in _ordered(states)]
    answer["reason"] = " ".join(why.reason for why in whys)
    ways = {_triggers(why.instead) for why in whys}
    answer["instead"] = list(ways.pop()) if len(ways) == 1 else []
    if as_json:
        return _print_json(answer)
    for why in whys:
        click.echo(f"{_name(why.state)}: {why.verdict}")
        click.echo(f"  why:      {why.reason}")
        click.echo(f"  says who: {why.basis}, {why.reference}")
        click.echo(f"  allowed:  {', '.join(why.allowed) or 'nothing that changes anything'}")
        if why.instead:
            click.echo(f"  instead:  {why.instead}")
    return 0


@orderfsm.command()
@click.option("--from", "starts", type=STATES, required=True, help="State, Type, Status, or none.")
@click.option("--to", "goals", type=STATES, required=True, help="State, Type or Status.")
@click.option("--events", is_flag=True, help="Also wait for what others do.")
@as_json
def plan(starts: frozenset[State | None], goals: frozenset[State | None], *, events: bool, as_json: bool) -> int:
    """Print the shortest way from one state to another; exit 1 if there is none."""
    plans = [_nearest(start, goals, events=events) for start in _ordered(starts)]
    found = [way for way in plans if isinstance(way, Plan)]
    same = len({_triggers(way) for way in found}) == 1 and len(found) == len(plans)
    way = found[0] if same else None
    if as_json:
        steps = [{"source": s.source, "trigger": s.trigger, "target": s.target} for s in way.steps] if way else []
        ends = [_one_or_all(_ordered(states)) for states in (starts, goals)]
        _print_json({"from": way.start if way else ends[0], "to": way.goal if way else ends[1], "steps": steps})
    elif way is None:
        for start, plan_or_none in zip(_ordered(starts), plans, strict=True):
            click.echo(f"from {_name(start)}: {plan_or_none}" if isinstance(plan_or_none, Plan) else plan_or_none)
    else:
        _print_way(way)
    return 0 if way else 3 if found else 1


def _nearest(start: State | None, goals: frozenset[State | None], *, events: bool) -> Plan | Unreachable:
    """The shortest way to any of `goals`, or why there is none."""
    ways, problem = [], None
    for goal in _ordered(goals):
        try:
            ways.append(spec.plan(start, goal, events=events))
        except Unreachable as error:
            problem = error
    return min(ways, key=lambda way: len(way.steps), default=problem)  # type: ignore[return-value]


def _print_way(way: Plan) -> None:
    for number, step in enumerate(way.steps, 1):
        actor = spec.ORDER_LIFECYCLE.actor(step)
        who = "" if actor is spec.Actor.CLIENT else f"  (wait: {actor})"
        click.echo(f"{number}. {step.trigger}: {_name(step.source)} -> {step.target}{who}")
    if not way.steps:
        click.echo("nothing to do")


def _one_or_all(states: list[State | None]) -> Any:
    return states[0] if len(states) == 1 else states


@orderfsm.command()
@as_json
def diagram(*, as_json: bool) -> int:
    """Print the table as a mermaid state diagram."""
    drawn = drawing.mermaid()
    if as_json:
        return _print_json({"format": "mermaid", "text": drawn})
    click.echo(drawn, nl=False)
    return 0


@orderfsm.command()
@as_json
def demo(*, as_json: bool) -> int:
    """Hold guard and mock against each other: delete in every state, with the official SDK, over HTTP."""
    from . import demo as demonstration

    report = demonstration.run(say=(lambda _: None) if as_json else click.echo)
    if as_json:
        _print_json(report)
    return 0 if report["agreed"] else 1


def _answer(trigger: Trigger, states: frozenset[State | None]) -> dict[str, Any]:
    """What `check` and `explain` say of a set of possible states.

    `allowed` is what is allowed in every one of them; the basis is the weakest one.
    """
    whys = [spec.explain(state, trigger) for state in _ordered(states)]
    bases, references = {why.basis for why in whys}, dict.fromkeys(why.reference for why in whys)
    return {
        "operation": trigger,
        "states": [why.state for why in whys],
        "verdict": spec.judge(states, trigger),
        "next": _ordered(spec.narrow(states, trigger, accepted=True)),
        "allowed": [name for name in whys[0].allowed if all(name in why.allowed for why in whys)],
        "basis": max(bases, key=list(spec.Basis).index),
        "reference": "; ".join(references),
    }


def _triggers(way: Plan | None) -> tuple[Trigger, ...]:
    return tuple(step.trigger for step in way.steps) if way else ()


def _ordered(states: frozenset[State | None]) -> list[State | None]:
    return [state for state in spec.ORDER_LIFECYCLE.state_rules if state in states]


def _name(state: State | None) -> str:
    return "none" if state is None else state


def _print_json(answer: object) -> int:
    click.echo(json.dumps(answer, indent=2, ensure_ascii=False))
    return 0


def _print_columns(rows: list[tuple[str, ...]]) -> int:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return 0
