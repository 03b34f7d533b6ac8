"""The table as a statechart: a machine config for XState 5, and SCXML.

Both name states by State value (`none`: there is no order yet) and events by API action or Event value. A trigger that
is refused has no transition; nor has one of which the sources say nothing there, so that `silent` names these for each
state that has any. A row that stays in its state names it as its target, so that interpreters report it as
taken. No state is `final`: interpreters stop there, and the account, say, can be read in every state; terminal states
are marked in the way that each language has for remarks.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import quoteattr

from orderfsm.words import named

from .document import read_as, row_said, said, trigger_said

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import State, StateRule, Transition, Trigger

NONE = "none"
"""The name of the state in which there is no order."""


def xstate(lifecycle: Lifecycle) -> str:
    """The config that XState's `createMachine` takes, as JSON.

    A state's `meta` has the API's words for it (a list where it may be one of several), what the sources are `silent`
    about, and what is refused and `passes` later by itself, with why; its `tags` are `terminal`, `certified` and `gone`
    (no more found). A transition's `meta` has what the row says, and what is peculiar to its trigger.
    """
    config = {
        "id": _machine_name(lifecycle),
        "initial": NONE,
        "states": {state or NONE: _xstate_state(lifecycle, state) for state in lifecycle.state_rules},
    }
    return f"{json.dumps(config, indent=2, ensure_ascii=False)}\n"


def _xstate_state(lifecycle: Lifecycle, state: State | None) -> dict[str, Any]:
    rule = lifecycle.state_rules[state]
    return {
        "description": rule.words,
        "meta": read_as(rule, lifecycle)
        | said(rule, "basis", "reference")
        | ({"silent": silent} if (silent := _silent(lifecycle, state)) else {})
        | ({"passes": passing} if (passing := _passing(lifecycle, state)) else {}),
        "tags": [tag for tag, holds in _tags(rule).items() if holds],
        "on": {
            row.trigger: {
                "target": row.target or NONE,
                "meta": _trigger(lifecycle, row)
                | {key: value for key, value in row_said(row).items() if key not in {"source", "trigger", "target"}},
            }
            for row in _rows(lifecycle, state)
        },
    }


def _tags(rule: StateRule) -> dict[str, bool]:
    return {"terminal": rule.terminal, "certified": rule.certified, "gone": not rule.found}


def scxml(lifecycle: Lifecycle) -> str:
    """The table as SCXML 1.0 without a data model.

    What SCXML has no words for stands in attributes of the namespace `urn:orderfsm`, which interpreters ignore.
    """
    return "\n".join(
        [
            '<?xml version="1.0" encoding="UTF-8"?>',
            '<scxml xmlns="http://www.w3.org/2005/07/scxml" xmlns:orderfsm="urn:orderfsm" version="1.0"'
            f' name={quoteattr(_machine_name(lifecycle))} datamodel="null" initial="{NONE}"'
            f" orderfsm:edition={quoteattr(lifecycle.edition)}>",
            *(line for state in lifecycle.state_rules for line in _scxml_state(lifecycle, state)),
            "</scxml>",
            "",
        ]
    )


def _scxml_state(lifecycle: Lifecycle, state: State | None) -> Iterator[str]:
    rule = lifecycle.state_rules[state]
    remarks = _remarks(
        words=rule.words,
        **{_read_as(at, each.key): [*map(named, rule.readings(at))] for at, each in enumerate(lifecycle.vocabularies)},
        **_tags(rule),
        **said(rule, "basis", "reference"),
        silent=_silent(lifecycle, state),
        passes=[*_passing(lifecycle, state)],
    )
    yield f"  <state id={quoteattr(state or NONE)}{remarks}>"
    for row in _rows(lifecycle, state):
        row_says = row_said(row) | {"quota": row.quota_text, "quota_within": None, "holds": row.holds or None}
        if row.within is not None:
            row_says |= {"within": row.within.seconds, "late_code": row.within.error.code}
        remarks = _remarks(
            **_trigger(lifecycle, row),
            **{key: value for key, value in row_says.items() if key not in {"source", "trigger", "target"}},
        )
        yield f"    <transition event={quoteattr(row.trigger)} target={quoteattr(row.target or NONE)}{remarks}/>"
    yield "  </state>"


def _read_as(at: int, key: str) -> str:
    """What the words of a field are called in SCXML: `read_as` those of the first, `read_as.place` those of another."""
    return f"read_as.{key}" if at else "read_as"


def _remarks(**remarks: Any) -> str:
    """Attributes of our own namespace, without those that say nothing; lists are separated by spaces."""
    return "".join(f" orderfsm:{name}={quoteattr(_remark(value))}" for name, value in remarks.items() if _says(value))


def _says(value: Any) -> bool:
    return value is not None and value is not False and value not in ("", [])


def _remark(value: Any) -> str:
    return "true" if value is True else " ".join(map(_remark, value)) if isinstance(value, list) else str(value)


def _trigger(lifecycle: Lifecycle, row: Transition) -> dict[str, Any]:
    """Who fires the trigger of a row, and what else there is to say of it."""
    return {"actor": lifecycle.actor(row)} | trigger_said(lifecycle.trigger_rules[row.trigger])


def _rows(lifecycle: Lifecycle, state: State | None) -> list[Transition]:
    """What is allowed in `state`, in the order of the triggers; the account's reads among it."""
    return [row for row in lifecycle.table[state].values() if row is not None]


def _passing(lifecycle: Lifecycle, state: State | None) -> dict[Trigger, str]:
    """What is refused in `state`, and succeeds later by itself: the triggers, and why."""
    refused = [trigger for trigger, row in lifecycle.table[state].items() if row is None]
    rules = {trigger: lifecycle.refusal(state, trigger) for trigger in refused}
    return {trigger: rule.because for trigger, rule in rules.items() if rule.passes}


def _silent(lifecycle: Lifecycle, state: State | None) -> list[str]:
    """The triggers of which the sources say nothing in `state`."""
    return [trigger for trigger in lifecycle.trigger_rules if lifecycle.is_silent(state, trigger)]


def _machine_name(lifecycle: Lifecycle) -> str:
    """The noun as a name, which has no spaces."""
    return "_".join(lifecycle.noun.split())
