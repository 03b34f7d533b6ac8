"""The table as JSON: everything that it says, by a schema, and nothing that it does not say."""

from __future__ import annotations

import copy
import json

import attrs
import oracle
import pytest

jsonschema = pytest.importorskip("jsonschema", reason="the extra `cli` is not installed")

from tables import table

from orderfsm import ORDER_LIFECYCLE, Basis, Event, InvalidValue, Operation, State, Transition
from orderfsm.errors import BY_CODE
from orderfsm.export import FORMATS, diff, document, exported, read, schema
from orderfsm.tables.orders import STATES, TRANSITIONS, TRIGGERS, VOCABULARIES

DOCUMENT = json.loads(exported("json"))
VALIDATOR = jsonschema.Draft202012Validator(schema())
PAIRS = [(state, trigger) for state in (None, *State) for trigger in (*Operation, *Event)]


def test_the_schema_is_one_and_the_document_is_valid_by_it():
    VALIDATOR.check_schema(schema())
    VALIDATOR.validate(DOCUMENT)


@pytest.mark.parametrize(
    "table",
    [
        ORDER_LIFECYCLE.without(TRANSITIONS[4]),
        table(()),
        attrs.evolve(ORDER_LIFECYCLE, transitions=TRANSITIONS, edition="another"),
    ],
    ids=["one row less", "no row", "another edition"],
)
def test_another_table_is_valid_too(table):
    VALIDATOR.validate(document(table))


def test_it_says_everything_that_the_table_says():
    assert (DOCUMENT["table"], DOCUMENT["noun"], DOCUMENT["edition"]) == ("orders", "order", ORDER_LIFECYCLE.edition)
    identity = ORDER_LIFECYCLE.identity._asdict()
    assert (identity.pop("others"), identity.pop("opaque")) == ((), False)
    assert DOCUMENT["identity"] == identity
    assert DOCUMENT["states"] == [*State]
    assert DOCUMENT["transitions"] == [attrs.asdict(row) | {"at_once": [], "optional_after": []} for row in TRANSITIONS]
    for said, rule in zip(DOCUMENT["state_rules"], STATES, strict=True):
        gone = rule.state in {None, State.DELETED}
        codes = {
            "model_code": "NotFoundOrder" if rule.state is None else "OrderStateError",
            "service_code": "NotFoundOrder" if gone else "OrderStateError",
        }
        words = dict(zip(("type", "status"), rule.read_as or (None, None), strict=True))
        assert said == {k: v for k, v in rule._asdict().items() if k != "read_as"} | words | codes
    for said, rule in zip(DOCUMENT["triggers"], TRIGGERS, strict=True):
        fails = {"fails": rule.fails and rule.fails.code}
        kind = "operation" if isinstance(rule.trigger, Operation) else "event"
        assert said == rule._asdict() | fails | {"name": rule.trigger.name.lower(), "kind": kind}
    codes = [(error.code, error.http_status, error.text, error.means) for error in BY_CODE.values()]
    assert [tuple(each.values()) for each in DOCUMENT["error_codes"]] == codes
    assert [tuple(each.values()) for each in DOCUMENT["fields"]] == [
        (each.field, each.field.lower(), each.operation, each.unspecific, each.closed, "", []) for each in VOCABULARIES
    ]
    quota = [(row.source, row.trigger, row.quota, row.quota_within) for row in TRANSITIONS if row.quota]
    assert [tuple(each.values()) for each in DOCUMENT["quota"]] == quota
    assert DOCUMENT["silences"] == []


@pytest.mark.parametrize(("state", "trigger"), PAIRS)
def test_a_reader_of_the_document_allows_what_the_documents_allow_and_refuses_the_rest(state, trigger):
    """Row, read of the account or refusal: every pair is exactly one of them, as the oracle says."""
    after = oracle.after(state or "no order", trigger.name.lower())
    rows = [row for row in DOCUMENT["transitions"] if (row["source"], row["trigger"]) == (state, trigger)]
    account = [rule for rule in DOCUMENT["triggers"] if rule["trigger"] == trigger and rule["account"]]
    refusals = [each for each in DOCUMENT["refusals"] if (each["state"], each["trigger"]) == (state, trigger)]
    assert len(rows + account + refusals) == 1
    assert bool(refusals) is (after is None)
    if rows:
        assert rows[0]["target"] == after
    for refusal in refusals:
        gone = state in {None, State.DELETED}
        assert (refusal["code"], refusal["http_status"]) == (
            ("NotFoundOrder", 404) if state is None else ("OrderStateError", 403)
        )
        assert (refusal["service_code"], refusal["service_http_status"]) == (
            ("NotFoundOrder", 404) if gone else ("OrderStateError", 403)
        )
        documented = trigger in {Operation.DELETE, Operation.CANCEL, Operation.RENEW}
        assert refusal["basis"] == ("documented" if documented else "inferred")


def test_the_vocabularies_say_which_states_each_word_may_mean():
    certified = ["issued", "about_to_expire", "expired", "revoked"]
    every = [state for state in State if state is not State.DELETED]
    types, statuses = DOCUMENT["vocabularies"]["Type"], DOCUMENT["vocabularies"]["Status"]
    assert (types["certificate"], types["unknow"], types["process"]) == (certified, every, ["being_reviewed"])
    assert (statuses["CHECKING"], statuses["NOTACTIVATED"]) == (["pending_review", "being_reviewed"], every)
    assert (list(types)[-1], list(statuses)[-1]) == ("unknow", "NOTACTIVATED")


def leaves(node, path=()):
    """Every path to a key in a document, in the first element of each list."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield (*path, key)
            yield from leaves(value, (*path, key))
    elif isinstance(node, list) and node:
        yield from leaves(node[0], (*path, 0))


def damaged(path, damage):
    """The document, with what stands at `path` damaged."""
    copied = copy.deepcopy(DOCUMENT)
    *way, last = path
    place = copied
    for key in way:
        place = place[key]
    damage(place, last)
    return copied


PATHS = [path for path in leaves(DOCUMENT) if path[:1] != ("vocabularies",) or len(path) < 3]


WHOLE = {"table", "title", "noun", "identity", "code_prefix", "silences", "fields"}
RULES = {"holds", "found", "grave", "follows", "takes", "fails", "passes", "means"}
RULES |= {"within", "edits", "adverse", "certifies", "term", "because", "apart", "elsewhere"}
RULES |= {"at_once", "optional", "optional_after", "strength", "seen", "fails_strength", "due"}


def is_new(path):
    """Whether documents of orderfsm 0.1 lack that key."""
    return path[0] != "quota" and path[-1] in (WHOLE if len(path) == 1 else RULES)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: ".".join(map(str, path)))
def test_a_document_with_a_key_missing_or_of_the_wrong_kind_is_not_valid(path):
    assert VALIDATOR.is_valid(damaged(path, lambda place, key: place.pop(key))) is is_new(path)
    assert not VALIDATOR.is_valid(damaged(path, lambda place, key: place.update({key: [[]]})))


def test_a_document_of_0_1_is_read_with_the_defaults_and_says_of_none_of_its_rules_that_it_changed(tmp_path):
    old = {key: value for key, value in DOCUMENT.items() if key not in WHOLE}
    for name in ("transitions", "state_rules", "triggers", "refusals", "error_codes"):
        old[name] = [{key: value for key, value in rule.items() if key not in RULES} for rule in old[name]]
    file = tmp_path / "old.json"
    file.write_text(json.dumps(old), encoding="utf-8")
    read_again = read(file)
    for key in WHOLE - {"fields"}:
        assert read_again[key] == DOCUMENT[key]
    unsaid = {"found", "fails", "means"}
    for name in ("transitions", "state_rules", "triggers", "refusals"):
        assert read_again[name] == [{k: v for k, v in rule.items() if k not in unsaid} for rule in DOCUMENT[name]]
    assert diff(old, DOCUMENT).changes == diff(read_again, DOCUMENT).changes == diff(DOCUMENT, old).changes == ()


def test_a_row_with_a_condition_that_the_schema_does_not_know_is_not_valid():
    assert not VALIDATOR.is_valid(damaged(("transitions", 0, "quota"), lambda row, _: row.update(only_on_mondays=True)))
    assert VALIDATOR.is_valid(damaged(("edition",), lambda top, _: top.update(more="said")))


def test_a_changed_rule_changes_its_own_lines_and_no_others():
    row = ORDER_LIFECYCLE.transition(State.VERIFY_FAIL, Operation.DELETE)
    at = TRANSITIONS.index(row)
    changed = table((*TRANSITIONS[:at], attrs.evolve(row, basis=Basis.INFERRED), *TRANSITIONS[at + 1 :]))
    old, new = exported("json").splitlines(), exported("json", changed).splitlines()
    assert len(old) == len(new)
    assert [(a.strip(), b.strip()) for a, b in zip(old, new, strict=True) if a != b] == [
        ('"basis": "documented",', '"basis": "inferred",')
    ]


@pytest.mark.parametrize("form", FORMATS)
def test_a_form_is_the_same_text_for_the_same_table_and_another_for_another(form):
    again = table(TRANSITIONS)
    assert exported(form) == exported(form, again)
    assert exported(form).endswith("\n")
    row = Transition(State.EXPIRED, Operation.DELETE, State.DELETED, Basis.INFERRED, "r")
    assert exported(form, again.with_rows(row)) != exported(form)


@pytest.mark.parametrize("form", ["pdf", None, ["json"]])
def test_an_unknown_form_is_named_with_those_that_there_are(form):
    with pytest.raises(InvalidValue, match=r"format .*: expected json, "):
        exported(form)
