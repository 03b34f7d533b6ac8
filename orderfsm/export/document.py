"""The table as one JSON document, and the JSON Schema of such documents."""

from __future__ import annotations

import copy
import itertools
import json
import os
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import attrs

from orderfsm.extras import needs
from orderfsm.invalid import InvalidValue
from orderfsm.questions import ORDER_LIFECYCLE
from orderfsm.words import meanings

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from orderfsm.errors import ServiceError
    from orderfsm.identity import Identity
    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import State, StateRule, Transition, Trigger, TriggerRule, Vocabulary


def document(lifecycle: Lifecycle = ORDER_LIFECYCLE) -> dict[str, Any]:
    """Everything that `lifecycle` says, in table order, ready for JSON; no order is `null`.

    * `table` (its name), `edition`, `title`, `noun` (what an order is called), `identity` (what ids are), `code_prefix`
      (with which codes mean the same as without), `states` (by value), `transitions` (the rows);
    * `state_rules`: what the API calls each state, under the name of each vocabulary in small letters (`type`,
      `status`: the word, a list if it may be one of several, or null; an empty word: the answer has not that field),
      and with which error everything is refused there, null where that depends on the trigger; `triggers`: who fires
      each, and whether it concerns the account alone, in which case it is allowed in every state and in no row;
    * `refusals`: every state and trigger that no row allows, with the error that the model raises and the one that the
      service answers, whether the same call `passes` later, and why it is refused, if the state does not say that;
      `silences`: every state and trigger of which the sources say nothing;
    * `fields`: which operations answer the words of each vocabulary; `vocabularies`: the states that each word may
      mean; `error_codes`; `quota`: what the rows do to a package, in units.

    An empty code, whose HTTP status is null: the documents name none there, so any will do. `strength` is MUST or
    SHOULD, where the documents use that word.

    `quota_within`, `within`, `before_end` and `takes` are in seconds; a row that holds only `within` a time says with
    which `code` it is refused later. `note` is empty, or the part of a documented rule that is inferred.
    `InvalidValue` for a table that has not all this under different names.
    """
    fields = _fields(lifecycle)
    return {
        "table": lifecycle.name,
        "edition": lifecycle.edition,
        "title": lifecycle.title,
        "noun": lifecycle.noun,
        "identity": _identity(lifecycle.identity),
        "code_prefix": lifecycle.code_prefix,
        "states": [rule.state for rule in lifecycle.states if rule.state is not None],
        "transitions": [row_said(row) for row in lifecycle.transitions],
        "state_rules": [_state(rule, lifecycle) for rule in lifecycle.states],
        "triggers": [_trigger(rule, lifecycle) for rule in lifecycle.triggers],
        "refusals": list(_refusals(lifecycle)),
        "silences": list(_silences(lifecycle)),
        "fields": [_field(each) for each in fields.values()],
        "vocabularies": {
            field: {word: ordered(states, lifecycle) for word, states in meanings(lifecycle, each).items()}
            for field, each in fields.items()
        },
        "error_codes": [
            said(error, "code", "http_status", "text", "means") for error in lifecycle.codes.errors if error.code
        ],
        "quota": [
            {"source": row.source, "trigger": row.trigger, "units": row.quota, "within": row.quota_within}
            for row in lifecycle.transitions
            if row.quota
        ],
    }


def schema(lifecycle: Lifecycle = ORDER_LIFECYCLE) -> dict[str, Any]:
    """The JSON Schema (2020-12) of `document(lifecycle)`.

    Tables differ in it by their vocabularies alone. A rule may have no key that the schema does not name: it could be a
    condition that a reader must not miss. What it does not require, documents of orderfsm 0.1 lack; `default` says what
    they mean by that, if they mean anything.
    """
    return _schema(_fields(lifecycle))


def read(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The document in the file `path`; `InvalidValue` if it is not valid by its schema, `OSError` if it can't be read.

    What a document of orderfsm 0.1 lacks is there by its default. It needs jsonschema, which the extra `cli` brings.
    """
    with needs("cli"):
        from jsonschema import Draft202012Validator
        from jsonschema.exceptions import best_match

    expected = "what `orderfsm export json` writes"
    try:
        read = json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise InvalidValue("document", os.fspath(path), [f"{expected}; it is not JSON ({error})"]) from error
    wrong = best_match(Draft202012Validator(_schema_of(read)).iter_errors(read))
    if wrong is not None:
        why = wrong.message if len(wrong.message) < 100 else f"it breaks `{wrong.validator}` of the schema"
        raise InvalidValue("document", os.fspath(path), [f"{expected}; {wrong.json_path} is wrong: {why}"])
    read = completed(read)
    ruled = [(row["source"], row["trigger"]) for row in read["transitions"]]
    ruled += [(each["state"], each["trigger"]) for each in (*read["refusals"], *read["silences"])]
    for rule, trigger in itertools.product(read["state_rules"], read["triggers"]):
        pair = rule["state"], trigger["trigger"]
        if ruled.count(pair) + trigger["account"] != 1:
            where = f"no {read['noun']}" if pair[0] is None else pair[0]
            accepted = f"{expected}; {where}, {pair[1]} is not one row, one refusal or one silence"
            raise InvalidValue("document", os.fspath(path), [accepted])
    return read


def completed(document: Mapping[str, Any]) -> dict[str, Any]:
    """A valid document with the defaults of the schema where it says nothing; itself is left as it is."""
    known = _schema_of(document)
    whole = _with_defaults(document, known)
    for name, rule in known["properties"].items():
        kind = rule.get("items", {}).get("$ref", "").rpartition("/")[2]
        if name in whole and known["$defs"].get(kind, {}).get("type") == "object":
            whole[name] = [_with_defaults(each, known["$defs"][kind]) for each in whole[name]]
    return whole


def as_json(lifecycle: Lifecycle) -> str:
    """`document()` as text: the same for the same table, so that two editions differ only where a rule does."""
    return f"{json.dumps(document(lifecycle), indent=2, ensure_ascii=False)}\n"


# -- the schema --------------------------------------------------------------------------------------------------------


def _with_defaults(part: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    defaults = {name: rule["default"] for name, rule in known["properties"].items() if "default" in rule}
    return copy.deepcopy(defaults | {**part})


def _schema_of(document: Any) -> dict[str, Any]:
    """The schema of what may be a document, by the vocabularies that it says it has."""
    fields = document.get("vocabularies") if isinstance(document, dict) else None
    proper = isinstance(fields, dict) and not any(field.lower() in _RULE for field in fields)
    return _schema(cast("dict[str, Any]", fields) if proper else _fields(ORDER_LIFECYCLE))


def _schema(fields: Iterable[str]) -> dict[str, Any]:
    """The schema that is in the package, which is that of the orders, with these fields for theirs."""
    known = json.loads(files("orderfsm.export").joinpath("schema.json").read_text(encoding="utf-8"))
    vocabularies, rule = known["properties"]["vocabularies"], known["$defs"]["state_rule"]
    for field in vocabularies["required"]:
        rule["required"].remove(field.lower())
        del rule["properties"][field.lower()]
    vocabularies["required"] = [*fields]
    vocabularies["properties"] = {field: {"$ref": "#/$defs/vocabulary"} for field in fields}
    rule["required"] += [field.lower() for field in fields]
    rule["properties"] |= {field.lower(): {"$ref": "#/$defs/read_as"} for field in fields}
    return cast("dict[str, Any]", known)


def _fields(lifecycle: Lifecycle) -> dict[str, Vocabulary]:
    """The vocabularies by their fields; `InvalidValue` if their names would hide something in a document."""
    keys = {*_RULE}
    for vocabulary in lifecycle.vocabularies:
        if vocabulary.key in keys:
            accepted = f"one whose name in small letters is not that of another, or one of {', '.join(_RULE)}"
            raise InvalidValue("field", vocabulary.field, [accepted])
        keys.add(vocabulary.key)
    return {vocabulary.field: vocabulary for vocabulary in lifecycle.vocabularies}


# -- what stands in it -------------------------------------------------------------------------------------------------

_RULE = ("state", "words", "found", "terminal", "certified", "model_code", "service_code", "basis", "reference")
"""The keys of every state's rule, those for its words aside."""


def said(rule: object, *fields: str) -> dict[str, Any]:
    """What a rule says in `fields`."""
    return {field: getattr(rule, field) for field in fields}


def read_as(rule: StateRule, lifecycle: Lifecycle) -> dict[str, str | list[str] | None]:
    """What a state is read as, by the vocabularies' keys: null for nothing, a list if it may be one of several."""
    words = {each.key: rule.readings(at) for at, each in enumerate(lifecycle.vocabularies)}
    return {key: [*some] if len(some) > 1 else next(iter(some), None) for key, some in words.items()}


def errors(state: State | None, trigger: Trigger, lifecycle: Lifecycle) -> dict[str, Any]:
    """With which error the model refuses a trigger, and with which the service does."""
    model, service = lifecycle.refusal(state, trigger), lifecycle.service_refusal(state, trigger).error
    return {
        "code": model.error.code,
        "http_status": _status(model.error),
        "service_code": service.code,
        "service_http_status": _status(service),
        "passes": model.passes,
    }


def _status(error: type[ServiceError]) -> int | None:
    """The HTTP status of an error; None if the documents do not even name its code."""
    return error.http_status if error.code else None


def _identity(identity: Identity) -> dict[str, Any]:
    """What ids are; what most are not is left out."""
    said = identity._asdict()
    rare = {"others": [*said.pop("others")], "opaque": said.pop("opaque")}
    return said | {key: value for key, value in rare.items() if value}


def row_said(row: Transition) -> dict[str, Any]:
    """Everything that a row says."""
    window = row.within
    within = None if window is None else {"seconds": window.seconds, "code": window.error.code}
    happened = {"at_once": [*row.at_once], "optional_after": [*row.optional_after]}
    return attrs.asdict(row) | {"within": within} | happened


def _field(vocabulary: Vocabulary) -> dict[str, Any]:
    read = said(vocabulary, "field", "key", "operation", "unspecific", "closed", "apart")
    return read | {"elsewhere": [*vocabulary.elsewhere]}


def _state(rule: StateRule, lifecycle: Lifecycle) -> dict[str, Any]:
    refused = [trigger for trigger, row in lifecycle.table[rule.state].items() if row is None]
    return {
        "state": rule.state,
        "words": rule.words,
        **read_as(rule, lifecycle),
        **said(rule, "found", "terminal", "certified"),
        "model_code": _only(lifecycle.refusal(rule.state, trigger).error.code for trigger in refused),
        "service_code": _only(lifecycle.service_refusal(rule.state, trigger).error.code for trigger in refused),
        "basis": rule.basis,
        "reference": rule.reference,
    }


def _only(codes: Iterable[str]) -> str | None:
    """The code that all of them are; null if they differ."""
    several = {*codes}
    return several.pop() if len(several) == 1 else None


def _trigger(rule: TriggerRule, lifecycle: Lifecycle) -> dict[str, Any]:
    return {
        "trigger": rule.trigger,
        "name": rule.trigger.name.lower(),
        "kind": "operation" if lifecycle.by_client(rule.trigger) else "event",
        **said(rule, "actor", "account"),
        **_nature(rule),
        "basis": rule.basis,
        "reference": rule.reference,
    }


def _nature(rule: TriggerRule) -> dict[str, Any]:
    """What kind of a call or an event a trigger is."""
    return {
        **said(rule, "abandons", "grave", "adverse", "certifies", "seen", "due", "before_end", "term", "follows"),
        "takes": None if rule.takes is None else [*rule.takes],
        "fails": None if rule.fails is None else rule.fails.code,
        "fails_strength": rule.fails_strength,
    }


def trigger_said(rule: TriggerRule) -> dict[str, Any]:
    """What is peculiar to a trigger: what most have not is left out."""
    said = _nature(rule)
    if rule.before_end is None:
        del said["term"]
    return {key: value for key, value in said.items() if value is not None and value is not False}


def _refusals(lifecycle: Lifecycle) -> Iterator[dict[str, Any]]:
    for state, rows in lifecycle.table.items():
        for trigger in (trigger for trigger, row in rows.items() if row is None):
            rule, refusal = lifecycle.trigger_rules[trigger], lifecycle.refusal(state, trigger)
            yield {
                "state": state,
                "trigger": trigger,
                **errors(state, trigger, lifecycle),
                "because": refusal.because,
                "basis": refusal.basis or rule.basis,
                "reference": refusal.reference or rule.reference,
                "strength": refusal.strength,
            }


def _silences(lifecycle: Lifecycle) -> Iterator[dict[str, Any]]:
    for state, trigger in itertools.product(lifecycle.state_rules, lifecycle.trigger_rules):
        if lifecycle.is_silent(state, trigger):
            yield {"state": state, "trigger": trigger, "reference": lifecycle.silence(state, trigger).reference}


def ordered(states: Collection[State | None], lifecycle: Lifecycle) -> list[State | None]:
    """States in table order."""
    return [state for state in lifecycle.state_rules if state in states]
