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

from .document import read_as, said

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import State, Transition

NONE = "none"
"""The name of the state in which there is no order."""


def xstate(lifecycle: Lifecycle) -> str:
    """The config that XState's `createMachine` takes, as JSON.

    A state's `meta` has the API's words for it (a list where it may be one of several), its `tags` are `terminal` and
    `certified`; a transition's `meta` has the row's basis, reference, quota and the rest.
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
        | ({"silent": silent} if (silent := _silent(lifecycle, state)) else {}),
        "tags": [tag for tag, holds in (("terminal", rule.terminal), ("certified", rule.certified)) if holds],
        "on": {
            row.trigger: {
                "target": row.target or NONE,
                "meta": {"actor": lifecycle.actor(row)}
                | said(row, "basis", "reference", "quota", "quota_within", "creates", "holds", "note"),
            }
            for row in _rows(lifecycle, state)
        },
    }


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
    read_as, silent = " ".join(rule.readings(0)), " ".join(_silent(lifecycle, state))
    remarks = _remarks(words=rule.words, read_as=read_as, terminal=rule.terminal, silent=silent)
    yield f"  <state id={quoteattr(state or NONE)}{remarks}>"
    for row in _rows(lifecycle, state):
        remarks = _remarks(
            actor=lifecycle.actor(row),
            basis=row.basis,
            reference=row.reference,
            quota=row.quota_text,
            creates=row.creates,
            note=row.note,
        )
        yield f"    <transition event={quoteattr(row.trigger)} target={quoteattr(row.target or NONE)}{remarks}/>"
    yield "  </state>"


def _remarks(**remarks: str | bool | None) -> str:
    """Attributes of our own namespace, without those that say nothing."""
    said = {name: "true" if value is True else value for name, value in remarks.items() if value}
    return "".join(f" orderfsm:{name}={quoteattr(value)}" for name, value in said.items())


def _rows(lifecycle: Lifecycle, state: State | None) -> list[Transition]:
    """What is allowed in `state`, in the order of the triggers; the account's reads among it."""
    return [row for row in lifecycle.table[state].values() if row is not None]


def _silent(lifecycle: Lifecycle, state: State | None) -> list[str]:
    """The triggers of which the sources say nothing in `state`."""
    return [trigger for trigger in lifecycle.trigger_rules if lifecycle.is_silent(state, trigger)]


def _machine_name(lifecycle: Lifecycle) -> str:
    """The noun as a name, which has no spaces."""
    return "_".join(lifecycle.noun.split())
