"""The tables as one interactive page, which needs no network: everything that it can answer stands in it."""

from __future__ import annotations

import json
import re
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from orderfsm import trace
from orderfsm.drawing import fields_of, mark, state_name, states_at_once, svg, time_of
from orderfsm.explanation import standing, with_article
from orderfsm.tables import NAMES, named

from .document import said
from .vectors import plan_or_none

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import State, Transition, Trigger


SCRIPTS = ("page.js", "walk.js", "address.js")
"""The parts of the page's script, in the order in which they are run."""

BEGIN = "2026-01-01T00:00:00Z"
"""When every walk begins: a step of it takes a minute."""

FIRST, OTHERS = 100_000_001, 50
"""The number of which the id of the order that walks is made, and how many others it can begin."""


def html(lifecycle: Lifecycle) -> str:
    """A page on which to click a state: what is allowed there and why, what leads out, the shortest plan to any other.

    An order can be walked through the table, one trigger at a time; its history stands beside it as lines of a trace,
    which `orderfsm replay` takes as they are. The address of the page says all that it shows.

    With a table of this package it shows the others too, one at a time, and that one first; a table of one's own stands
    alone. Every answer was worked out by the table's own questions; the page's script only shows it. Its content
    security policy forbids to load anything.
    """
    static = files("orderfsm.export").joinpath("static")
    style, page, *scripts = (static.joinpath(name).read_text("utf-8") for name in ("page.css", "page.html", *SCRIPTS))
    others = [named(name) for name in NAMES if name != lifecycle.name] if lifecycle.name in NAMES else []
    tables = [_answers(each) for each in (lifecycle, *others)]
    answers = json.dumps(tables, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    parts = {
        "title": escape(lifecycle.title),
        "edition": escape(lifecycle.edition),
        "style": style,
        "drawing": svg(lifecycle),
        "other drawings": "".join(f"<template>{svg(each)}</template>\n" for each in others),
        "answers": answers,
        "script": "\n".join(scripts),
    }
    return re.sub("<!-- (.*?) -->", lambda found: parts[found[1]], page)


def _answers(lifecycle: Lifecycle) -> dict[str, Any]:
    states = [*lifecycle.state_rules]
    return {
        **said(lifecycle, "name", "title", "edition", "noun"),
        "a_noun": with_article(lifecycle.noun),
        "trace": {
            "header": json.loads(trace.header()),
            "begin": BEGIN,
            "key": lifecycle.identity.key,
            "ids": [lifecycle.identity.new(FIRST + at) for at in range(1 + OTHERS * bool(lifecycle.renewals))],
        },
        "states": {_key(state): _state(lifecycle, state) for state in states},
        "rules": {
            _key(state): [_rule(lifecycle, state, trigger) for trigger in lifecycle.trigger_rules] for state in states
        },
        "plans": {_key(state): {_key(goal): _plan(lifecycle, state, goal) for goal in states} for state in states},
    }


def _key(state: State | None) -> str:
    """The state's value, empty for no order: as in the drawing."""
    return state or ""


def _state(lifecycle: Lifecycle, state: State | None) -> dict[str, Any]:
    rule = lifecycle.state_rules[state]
    return {
        "name": state_name(state, lifecycle),
        "words": [rule.words, *fields_of(rule, lifecycle)],
        **said(rule, "terminal", "basis", "reference"),
    }


def _rule(lifecycle: Lifecycle, state: State | None, trigger: Trigger) -> dict[str, Any]:
    row = lifecycle.table[state].get(trigger)
    why = lifecycle.explain(state, trigger)
    return {
        "trigger": trigger,
        "actor": lifecycle.trigger_rules[trigger].actor,
        "by_client": lifecycle.by_client(trigger),
        "allowed": row is not None,
        "silent": lifecycle.is_silent(state, trigger),
        "changes": row is not None and row.changes,
        "target": None if row is None else _key(row.target),
        "quota": "" if row is None else row.quota_text,
        "within": "" if row is None or row.within is None else str(row.within),
        "edits": row is not None and row.edits,
        "passes": why.passes,
        "creates": None if row is None or row.creates is None else state_name(row.creates, lifecycle),
        "reason": why.reason,
        "instead": None if why.instead is None else str(why.instead),
        "at_once": [] if row is None else [*map(_key, states_at_once(row, lifecycle))],
        "refusable": row is not None and row.may_be_refused,
        "standing": standing(why.basis, why.strength),
        "mark": mark(why.basis),
        "reference": why.reference,
        "note": why.note,
        "line": _line(lifecycle, state, trigger),
    }


def _line(lifecycle: Lifecycle, state: State | None, trigger: Trigger) -> dict[str, Any] | None:
    """The line of a trace that a trigger in `state` leaves, without its time and the order's id.

    None where nobody knows what becomes of it, and for what says nothing of an order: reads of the account, events that
    cannot happen, and creates that are refused.
    """
    row = lifecycle.table[state].get(trigger)
    refused = row is None
    if trigger in lifecycle.account_reads or lifecycle.is_silent(state, trigger):
        return None
    if refused and (trigger in lifecycle.creates or not lifecycle.by_client(trigger)):
        return None
    line = trace.Line(
        time=BEGIN,
        trigger=trigger,
        order_id=lifecycle.identity.new(FIRST),
        outcome=trace.Outcome.REFUSED if refused else trace.Outcome.ACCEPTED,
        code=lifecycle.service_refusal(state, trigger).error.code or None if refused else None,
        state=state if trigger in lifecycle.reads and not refused else None,
        lifecycle=lifecycle,
    )
    written: dict[str, Any] = json.loads(trace.dumps(line))
    return {key: value for key, value in written.items() if key not in {"time", lifecycle.identity.key}}


def _plan(lifecycle: Lifecycle, state: State | None, goal: State | None) -> list[dict[str, Any]] | None:
    """The shortest plan by operations; else also with what others do; else with what no plan takes unasked; or null."""
    ways: Iterable[dict[str, bool]] = ({"events": False}, {"events": True}, {"events": True, "grave": True})
    plans = (plan_or_none(lifecycle, state, goal, **by) for by in ways)
    plan = next((each for each in plans if each is not None), None)
    return None if plan is None else [_step(lifecycle, row) for row in plan.steps]


def _step(lifecycle: Lifecycle, row: Transition) -> dict[str, Any]:
    return {
        "source": _key(row.source),
        "trigger": row.trigger,
        "target": _key(row.target),
        "actor": lifecycle.actor(row),
        "by_client": lifecycle.by_client(row.trigger),
        "time": time_of(row, lifecycle),
        "grave": lifecycle.trigger_rules[row.trigger].grave,
    }
