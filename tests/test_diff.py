"""What changed between two editions, and whom it can break."""

from __future__ import annotations

import json
import re
from enum import StrEnum

import attrs
import pytest

pytest.importorskip("jsonschema", reason="the extra `cli` is not installed")

from tables import table

from orderfsm import ORDER_LIFECYCLE, Basis, Event, Operation, State, Transition
from orderfsm.cli import main
from orderfsm.errors import NotFoundOrder
from orderfsm.export import diff, document, exported
from orderfsm.rows import DAY, Actor, RefusalRule, StateRule, TriggerRule
from orderfsm.tables.orders import STATES, TRANSITIONS, TRIGGERS

PAIRS = [(state, trigger) for state in (None, *State) for trigger in (*Operation, *Event)]
REFUSED = [pair for pair in PAIRS if not ORDER_LIFECYCLE.can(*pair)]
OLD = document()


def name(value):
    """A readable name for a test."""
    return value or "none"


def changes(new, old=None):
    """Where, what, and whom it breaks, from one table to another."""
    found = diff(document(old) if old else OLD, document(new)).changes
    return [(change.where, change.what, [*change.breaks]) for change in found]


def with_row(row, **changed):
    """The table with a row changed, at its place."""
    return table(tuple(attrs.evolve(each, **changed) if each == row else each for each in TRANSITIONS))


ISSUED_CANCEL = ORDER_LIFECYCLE.transition(State.ISSUED, Operation.CANCEL_FOR_PACKAGE)
DELETION = ORDER_LIFECYCLE.transition(State.VERIFY_FAIL, Operation.DELETE)


def test_nothing_changes_from_an_edition_to_itself():
    assert changes(ORDER_LIFECYCLE) == []
    assert diff(OLD, json.loads(exported("json"))).changes == ()


@pytest.mark.parametrize("row", TRANSITIONS, ids=lambda row: f"{name(row.source)}-{row.trigger}")
def test_what_is_no_more_allowed_can_break_a_client_and_the_reverse_a_mock(row):
    where = f"{row.source or 'no order'}, {row.trigger}"
    less = ORDER_LIFECYCLE.without(row)
    assert changes(less) == [(where, "was allowed, is refused now", ["client"])]
    ((there, what, breaks),) = [each for each in changes(ORDER_LIFECYCLE, less) if each[0] != "rows"]
    assert (there, what, breaks) == (where, f"was refused, is allowed now and leads to {row.target}", ["mock"])


@pytest.mark.parametrize(("state", "trigger"), REFUSED, ids=name)
def test_whatever_is_newly_allowed_can_break_a_mock_alone(state, trigger):
    more = ORDER_LIFECYCLE.with_rows(Transition(state, trigger, State.DELETED, Basis.INFERRED, "r"))
    where = f"{state or 'no order'}, {trigger}"
    assert changes(more) == [(where, "was refused, is allowed now and leads to deleted", ["mock"])]
    assert diff(OLD, document(more)).breaks == ("mock",)


@pytest.mark.parametrize(
    ("row", "changed", "what", "breaks"),
    [
        (DELETION, {"target": State.REVOKED}, "led to deleted, leads to revoked now", ["client", "mock"]),
        (DELETION, {"quota": 0}, "its effect on quota was -1, is +0 now", ["client"]),
        (DELETION, {"quota_within": 2 * DAY}, "its effect on quota was -1, is -1 within 2 days now", ["client"]),
        (
            ISSUED_CANCEL,
            {"quota_within": 28 * DAY},
            "its effect on quota was -1 within 30 days, is -1 within 28 days now",
            ["client"],
        ),
        (ISSUED_CANCEL, {"quota_within": None}, "its effect on quota was -1 within 30 days, is -1 now", ["mock"]),
        (
            DELETION,
            {"creates": State.PENDING_APPLICATION},
            "the second order that it creates was none, is pending_application now",
            ["client", "mock"],
        ),
        (DELETION, {"basis": Basis.INFERRED}, "basis was documented, is inferred now", []),
        (DELETION, {"reference": "r"}, f"reference was {DELETION.reference}, is r now", []),
        (DELETION, {"note": "n"}, "note was none, is n now", []),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
def test_a_changed_row_is_told_field_by_field(row, changed, what, breaks):
    assert changes(with_row(row, **changed)) == [(f"{row.source}, {row.trigger}", what, breaks)]


def with_state(state, **changed):
    """The table with the rule of a state changed."""
    rules = tuple(rule._replace(**changed) if rule.state == state else rule for rule in STATES)
    return table(TRANSITIONS, rules)


def with_trigger(trigger, **changed):
    """The table with the rule of a trigger changed."""
    rules = tuple(rule._replace(**changed) if rule.trigger == trigger else rule for rule in TRIGGERS)
    return table(TRANSITIONS, STATES, rules)


def test_another_word_of_the_api_can_break_both():
    other = with_state(State.REVOKED, read_as=("revoked", "REVOKED"))
    found = changes(other)
    assert found[0] == ("state revoked", "its Type was certificate, is revoked now", ["client", "mock"])
    assert ("Type revoked", "is new: a client may read a word that it does not know", ["client"]) in found
    meant = "meant issued, about_to_expire, expired or revoked, means issued, about_to_expire or expired now"
    assert ("Type certificate", meant, ["client"]) in found
    found = changes(ORDER_LIFECYCLE, other)
    assert ("Type revoked", "is gone: a mock must not answer it any more", ["mock"]) in found


def test_another_error_of_the_service_can_break_both_and_of_the_model_a_client():
    implied, *found = changes(with_state(State.DELETED, found=True))
    assert implied == ("state deleted", "found was no, is yes now", ["client", "mock"])
    refused = [trigger for state, trigger in REFUSED if state is State.DELETED]
    assert len(found) == len(refused)
    what = "the error of the service was NotFoundOrder 404, is OrderStateError 403 now"
    assert {each[1:2] + tuple(each[2]) for each in found} == {(what, "client", "mock")}
    gone = RefusalRule(NotFoundOrder, states=(State.DELETED,))
    found = changes(table(refusal_rules=(gone, *ORDER_LIFECYCLE.refusal_rules)))
    assert len(found) == len(refused)
    assert {tuple(breaks) for _, _, breaks in found} == {("client",)}


def test_what_a_state_implies_and_who_fires_a_trigger():
    assert changes(with_state(State.EXPIRED, terminal=False)) == [("state expired", "terminal was yes, is no now", [])]
    assert changes(with_state(State.EXPIRED, words="over")) == [("state expired", "words was expired, is over now", [])]
    assert changes(with_trigger(Event.SUBMITTED, actor=Actor.OWNER)) == [
        ("trigger submitted", "actor was console, is owner now", ["client", "mock"])
    ]
    assert changes(with_trigger(Event.EXPIRY_NEARED, before_end=60 * DAY)) == [
        ("trigger expiry_neared", "before_end was 2592000, is 5184000 now", ["client", "mock"])
    ]
    assert changes(with_trigger(Operation.RENEW, abandons=True)) == [
        (f"trigger {Operation.RENEW}", "abandons was no, is yes now", [])
    ]
    documented = changes(with_trigger(Event.SUBMITTED, basis=Basis.DOCUMENTED))
    assert ("trigger submitted", "basis of its refusal was inferred, is documented now", []) in documented


class More(StrEnum):
    """A state and an operation of the future."""

    SUSPENDED = "suspended"
    SUSPEND = "SuspendRequest"


def test_new_states_and_triggers_are_told_once_with_what_is_allowed():
    suspended = StateRule(More.SUSPENDED, "suspended", ("suspended", "SUSPENDED"), Basis.DOCUMENTED, "r")
    suspend = TriggerRule(More.SUSPEND, Actor.CLIENT, Basis.DOCUMENTED, "r")
    rows = (
        Transition(State.ISSUED, More.SUSPEND, More.SUSPENDED, Basis.DOCUMENTED, "r"),
        Transition(More.SUSPENDED, Operation.CANCEL, State.PENDING_APPLICATION, Basis.DOCUMENTED, "r"),
    )
    future = table((*TRANSITIONS, *rows), (*STATES, suspended), (*TRIGGERS, suspend))
    reads = f"{Operation.LIST}, {Operation.DESCRIBE_PACKAGE}"
    found = [each for each in changes(future) if each[0].split()[0] in {"state", "trigger"}]
    assert found == [
        ("state suspended", f"is new; allowed there: {reads} and {Operation.CANCEL}", ["mock"]),
        ("trigger SuspendRequest", "is new; allowed in: issued", ["mock"]),
    ]
    back = [each for each in changes(ORDER_LIFECYCLE, future) if each[0].split()[0] in {"state", "trigger"}]
    assert [(where, breaks) for where, _, breaks in back] == [
        ("state suspended", ["client"]),
        ("trigger SuspendRequest", ["client"]),
    ]
    idle = table(TRANSITIONS, STATES, (*TRIGGERS, suspend))
    assert changes(idle) == [("trigger SuspendRequest", "is new; allowed in: nothing", [])]


def test_error_codes_and_the_order_of_rows():
    other = json.loads(exported("json"))
    other["error_codes"][0]["http_status"] = 400
    other["error_codes"][1]["text"] = "t"
    last = other["error_codes"].pop()
    other["error_codes"].append(last | {"code": "New"})
    found = {change.where: [*change.breaks] for change in diff(OLD, other).changes}
    codes = [each["code"] for each in OLD["error_codes"]]
    assert found == {
        f"error {codes[0]}": ["client", "mock"],
        f"error {codes[1]}": [],
        f"error {codes[-1]}": [],
        "error New": ["client"],
    }
    ((where, what, breaks),) = changes(table(TRANSITIONS[::-1]))
    assert (where, breaks) == ("rows", [])
    assert what.startswith("stand in another order")


# -- the command -------------------------------------------------------------------------------------------------------


@pytest.fixture
def run(capsys, tmp_path):
    """Compare two documents, or texts, by the command line: the exit status, standard output and standard error."""

    def run(old, new, *options):
        files = [tmp_path / "old.json", tmp_path / "new.json"]
        for file, content in zip(files, (old, new), strict=True):
            file.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        status = main(["diff", *map(str, files), *options])
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


def test_it_says_what_changed_and_exits_1_if_somebody_can_break(run):
    less = document(attrs.evolve(ORDER_LIFECYCLE.without(DELETION), edition="next"))
    status, out, _ = run(OLD, less)
    assert (status, out.splitlines()[0]) == (1, f"from {OLD['edition']} to next: 1 change")
    cells = ["client", "verify_fail, DeleteCertificateRequest", "was allowed, is refused now"]
    assert re.split("  +", out.splitlines()[2]) == cells
    status, out, _ = run(OLD, less, "--json")
    assert (status, json.loads(out)) == (1, diff(OLD, less).as_json())
    assert json.loads(out)["breaks"] == ["client"]
    assert run(less, OLD)[0] == 1


def test_it_exits_0_if_nobody_can_break(run):
    assert run(OLD, OLD)[:2] == (0, f"from {OLD['edition']} to {OLD['edition']}: no changes\n")
    status, out, _ = run(OLD, document(with_row(DELETION, note="n")), "--json")
    assert (status, json.loads(out)["breaks"], len(json.loads(out)["changes"])) == (0, [], 1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("no JSON", "it is not JSON"),
        ("[]", "$ is wrong: [] is not of type 'object'"),
        ({"edition": "e"}, "is a required property"),
        (OLD | {"states": [7]}, "$.states[0] is wrong: 7 is not"),
        (OLD | {"refusals": OLD["refusals"][1:]}, "is not one row, one refusal or one silence"),
        (OLD | {"transitions": OLD["transitions"] + OLD["transitions"][:1]}, "it breaks `uniqueItems` of the schema"),
    ],
    ids=["no JSON", "list", "keys missing", "wrong value", "pair missing", "row twice"],
)
def test_what_is_no_document_is_named_in_one_line_and_exits_2(run, content, message):
    for files in ((content, OLD), (OLD, content)):
        status, out, err = run(*files)
        assert (status, out) == (2, "")
        assert message in err
        assert err.count("\n") == 1
    assert main(["diff", "nowhere.json", "nowhere.json"]) == 2
