"""The table as one JSON document, and the JSON Schema of such documents."""

from __future__ import annotations

import itertools
import json
import os
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from orderfsm import wire
from orderfsm.errors import BY_CODE
from orderfsm.extras import needs
from orderfsm.invalid import InvalidValue
from orderfsm.questions import ORDER_LIFECYCLE
from orderfsm.tables.orders import Operation

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import State, StateRule, Transition, TriggerRule


def document(lifecycle: Lifecycle = ORDER_LIFECYCLE) -> dict[str, Any]:
    """Everything that `lifecycle` says, in table order, ready for JSON; no order is `null`.

    * `edition`, `states` (by value), `transitions` (the rows);
    * `state_rules`: what the API calls each state and which errors it refuses with; `triggers`: who fires each, and
      whether it concerns the account alone, in which case it is allowed in every state and in no row;
    * `refusals`: every state and trigger that no row allows, with the error that the model raises and the one that the
      service answers;
    * `vocabularies`: the states that each `Type` and each `Status` may mean; `error_codes`; `quota`: what the rows do
      to a package, in units.

    `quota_within`, `within` and `before_end` are in seconds. `note` is empty, or the part of a documented rule that is
    inferred.
    """
    return {
        "edition": lifecycle.edition,
        "states": [rule.state for rule in lifecycle.states if rule.state is not None],
        "transitions": [_row(row) for row in lifecycle.transitions],
        "state_rules": [_state(rule) for rule in lifecycle.states],
        "triggers": [_trigger(rule) for rule in lifecycle.triggers],
        "refusals": list(_refusals(lifecycle)),
        "vocabularies": {
            "Type": _words(wire.types(lifecycle), lifecycle),
            "Status": _words(wire.statuses(lifecycle), lifecycle),
        },
        "error_codes": [
            {"code": error.code, "http_status": error.http_status, "text": error.text} for error in BY_CODE.values()
        ],
        "quota": [
            {"source": row.source, "trigger": row.trigger, "units": row.quota, "within": row.quota_within}
            for row in lifecycle.transitions
            if row.quota
        ],
    }


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of `document()`.

    A row may have no key that the schema does not name: it could be a condition that a reader must not miss.
    """
    text = files("orderfsm.export").joinpath("schema.json").read_text(encoding="utf-8")
    return cast("dict[str, Any]", json.loads(text))


def read(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The document in the file `path`; `InvalidValue` if it is not valid by `schema()`, `OSError` if it cannot be read.

    It needs jsonschema, which the extra `cli` brings.
    """
    with needs("cli"):
        from jsonschema import Draft202012Validator
        from jsonschema.exceptions import best_match

    expected = "what `orderfsm export json` writes"
    try:
        read = json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise InvalidValue("document", os.fspath(path), [f"{expected}; it is not JSON ({error})"]) from error
    wrong = best_match(Draft202012Validator(schema()).iter_errors(read))
    if wrong is not None:
        why = wrong.message if len(wrong.message) < 100 else f"it breaks `{wrong.validator}` of the schema"
        raise InvalidValue("document", os.fspath(path), [f"{expected}; {wrong.json_path} is wrong: {why}"])
    for rule, trigger in itertools.product(read["state_rules"], read["triggers"]):
        pair = rule["state"], trigger["trigger"]
        said = [row for row in read["transitions"] if (row["source"], row["trigger"]) == pair]
        said += [each for each in read["refusals"] if (each["state"], each["trigger"]) == pair]
        if len(said) + trigger["account"] != 1:
            named = f"{pair[0] or 'no order'}, {pair[1]}"
            raise InvalidValue("document", os.fspath(path), [f"{expected}; {named} is not one row or one refusal"])
    return cast("dict[str, Any]", read)


def as_json(lifecycle: Lifecycle = ORDER_LIFECYCLE) -> str:
    """`document()` as text: the same for the same table, so that two editions differ only where a rule does."""
    return f"{json.dumps(document(lifecycle), indent=2, ensure_ascii=False)}\n"


def _row(row: Transition) -> dict[str, Any]:
    return {
        "source": row.source,
        "trigger": row.trigger,
        "target": row.target,
        "basis": row.basis,
        "reference": row.reference,
        "quota": row.quota,
        "quota_within": row.quota_within,
        "creates": row.creates,
        "note": row.note,
    }


def _state(rule: StateRule) -> dict[str, Any]:
    return {
        "state": rule.state,
        "words": rule.words,
        "type": rule.type,
        "status": rule.status,
        "terminal": rule.terminal,
        "certified": rule.certified,
        "model_code": rule.model_code,
        "service_code": rule.service_code,
        "basis": rule.basis,
        "reference": rule.reference,
    }


def _trigger(rule: TriggerRule) -> dict[str, Any]:
    return {
        "trigger": rule.trigger,
        "name": rule.trigger.name.lower(),
        "kind": "operation" if isinstance(rule.trigger, Operation) else "event",
        "actor": rule.actor,
        "account": rule.account,
        "abandons": rule.abandons,
        "before_end": rule.before_end,
        "fails": rule.fails,
        "basis": rule.basis,
        "reference": rule.reference,
    }


def _refusals(lifecycle: Lifecycle) -> Iterator[dict[str, Any]]:
    for state, rows in lifecycle.table.items():
        model, service = lifecycle.refusals[state], lifecycle.service_refusals[state]
        for trigger, row in rows.items():
            if row is None:
                rule = lifecycle.trigger_rules[trigger]
                yield {
                    "state": state,
                    "trigger": trigger,
                    "code": model.code,
                    "http_status": model.http_status,
                    "service_code": service.code,
                    "service_http_status": service.http_status,
                    "basis": rule.basis,
                    "reference": rule.reference,
                }


def _words(vocabulary: Mapping[str, frozenset[State | None]], lifecycle: Lifecycle) -> dict[str, list[State | None]]:
    """The vocabulary in table order; a word that names no state comes last."""
    return {word: [state for state in lifecycle.state_rules if state in states] for word, states in vocabulary.items()}
