"""The forms of the instances' table say everything that it says: windows, edits, absent words, what passes and why."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from functools import cache
from pathlib import Path

import attrs
import pytest

from orderfsm.drawing import dot, mermaid
from orderfsm.export import diff, divergences, document, exported, read, schema
from orderfsm.rows import DAY, Term, Window
from orderfsm.tables.instances import (
    LIFECYCLE,
    Event,
    Operation,
    RefundNotSupport,
    State,
)

DOCUMENT = json.loads(exported("json", LIFECYCLE))
CHANGING = [row for row in LIFECYCLE.transitions if row.changes]
CONSUMER = Path(__file__).parent.parent / "examples" / "vectors.mjs"


def by(name, **key):
    """The one entry of a list in the document that has these values."""
    (found,) = [each for each in DOCUMENT[name] if {k: each[k] for k in key} == key]
    return found


def with_trigger(trigger, **changed):
    """The instances with the rule of a trigger changed."""
    rules = tuple(rule._replace(**changed) if rule.trigger is trigger else rule for rule in LIFECYCLE.triggers)
    return attrs.evolve(LIFECYCLE, triggers=rules)


def with_row(source, trigger, **changed):
    """The instances with a row changed."""
    old = LIFECYCLE.transition(source, trigger)
    rows = tuple(attrs.evolve(row, **changed) if row is old else row for row in LIFECYCLE.transitions)
    return attrs.evolve(LIFECYCLE, transitions=rows)


# -- JSON --------------------------------------------------------------------------------------------------------------


def test_the_document_is_valid_by_its_schema_and_can_be_read_back(tmp_path):
    validators = pytest.importorskip("jsonschema", reason="the extra `cli` is not installed")
    validators.Draft202012Validator(schema(LIFECYCLE)).validate(DOCUMENT)
    file = tmp_path / "instances.json"
    file.write_text(json.dumps(DOCUMENT), encoding="utf-8")
    assert read(file) == DOCUMENT


def test_it_says_what_ids_are_and_how_those_of_orders_begin_in_the_same_lists():
    assert DOCUMENT["identity"] == {
        "key": "instance_id",
        "parameter": "InstanceId",
        "form": "cas-cn-{}",
        "longest": 128,
        "others": ["cas-ivauto-", "cas-upload-"],
    }


def test_a_refund_holds_for_seven_days_and_is_too_late_afterwards():
    window = {"seconds": 7 * DAY, "code": "CouldNotRefund.OverTime"}
    within = {(row["source"], row["trigger"]): row["within"] for row in DOCUMENT["transitions"] if row["within"]}
    assert within == {(state, "RefundInstance"): window for state in ("unused", "idle", "revoked")}
    assert by("error_codes", code="CouldNotRefund.OverTime")["means"] == "too_late"


def test_an_update_edits_and_nothing_else_does():
    edits = {(row["source"], row["trigger"]) for row in DOCUMENT["transitions"] if row["edits"]}
    states = ("unused", "idle", "issued", "about_to_expire", "certificate_expired", "revoked")
    assert edits == {(state, "UpdateInstance") for state in states}


def test_triggers_say_what_nobody_hopes_for_what_brings_a_certificate_and_what_ends():
    def those(key, value=True):
        return {each["trigger"] for each in DOCUMENT["triggers"] if each[key] == value}

    ends = {"certificate_ended", "subscription_neared_end", "subscription_ended"}
    assert those("adverse") == {"submission_failed", "review_failed", "certificate_revoked", "shut_down", *ends}
    assert those("certifies") == {"certificate_issued"}
    assert those("term", "subscription") == {"subscription_neared_end", "subscription_ended"}
    assert those("grave") == {"CreateInstance", "RevokeCertificate"}
    completions = {each["trigger"]: each["follows"] for each in DOCUMENT["triggers"] if each["follows"]}
    assert completions == {
        "purchase_settled": "CreateInstance",
        "submission_accepted": "ApplyCertificate",
        "withdrawal_completed": "CancelPendingCertificate",
        "revocation_completed": "RevokeCertificate",
        "refund_completed": "RefundInstance",
    }


def test_a_refusal_that_passes_says_why_it_is_too_early():
    passing = {(each["state"], each["trigger"]): each["because"] for each in DOCUMENT["refusals"] if each["passes"]}
    assert passing == {
        ("submitting", "CancelPendingCertificate"): "the submission is still being taken up",
        ("settling", "RefundInstance"): "the purchase is still being settled",
        ("withdrawing", "RefundInstance"): "the withdrawal has not landed yet",
        ("refunding", "DeleteInstance"): "the refund has not landed yet",
    }


def test_an_absent_word_is_an_empty_one_and_a_state_that_is_never_read_has_none():
    assert by("state_rules", state="unused")["certificatestatus"] == ""
    assert by("state_rules", state="refunding")["certificatestatus"] == ["", "revoked"]
    assert by("state_rules", state="deleted")["certificatestatus"] is None
    absent = DOCUMENT["vocabularies"]["CertificateStatus"][""]
    assert absent[:6] == ["settling", "unused", "submitting", "pending", "withdrawing", "idle"]
    assert [each["elsewhere"] for each in DOCUMENT["fields"]] == [["ListInstances"]] * 2


# -- what changed ------------------------------------------------------------------------------------------------------


def changes(new, old=LIFECYCLE):
    """Where, what, and whom it breaks, from one table to another."""
    return [(each.where, each.what, [*each.breaks]) for each in diff(document(old), document(new)).changes]


REFUND = LIFECYCLE.transition(State.UNUSED, Operation.REFUND)
REFUSALS = LIFECYCLE.refusal_rules
UNUSED = "unused, RefundInstance"
BOTH = ["client", "mock"]


def longer(days):
    """The refund of an unused instance with another window."""
    return with_row(State.UNUSED, Operation.REFUND, within=days and Window(days * DAY, REFUND.within.error))


@pytest.mark.parametrize(
    ("new", "change"),
    [
        (longer(5), (UNUSED, "it was allowed within 7 days, is allowed within 5 days now", ["client"])),
        (longer(9), (UNUSED, "it was allowed within 7 days, is allowed within 9 days now", ["mock"])),
        (longer(None), (UNUSED, "it was allowed within 7 days, is allowed always now", ["mock"])),
        (
            with_row(State.UNUSED, Operation.REFUND, within=Window(7 * DAY, RefundNotSupport)),
            (
                UNUSED,
                "the error of who is late was CouldNotRefund.OverTime, is CouldNotRefund.NotSupport now",
                BOTH,
            ),
        ),
        (
            with_row(State.UNUSED, Operation.UPDATE, edits=False),
            ("unused, UpdateInstance", "edits was yes, is no now", BOTH),
        ),
        (
            with_trigger(Event.REVIEW_FAILED, adverse=False),
            ("trigger review_failed", "adverse was yes, is no now", []),
        ),
        (
            with_trigger(Event.CERTIFICATE_ISSUED, certifies=False),
            ("trigger certificate_issued", "certifies was yes, is no now", BOTH),
        ),
        (
            with_trigger(Event.SUBSCRIPTION_ENDED, term=Term.CERTIFICATE),
            ("trigger subscription_ended", "term was subscription, is certificate now", BOTH),
        ),
        (
            attrs.evolve(LIFECYCLE, refusal_rules=(REFUSALS[0]._replace(because="so it is"), *REFUSALS[1:])),
            (
                "submitting, CancelPendingCertificate",
                "because was the submission is still being taken up, is so it is now",
                [],
            ),
        ),
        (
            attrs.evolve(LIFECYCLE, identity=LIFECYCLE.identity._replace(others=())),
            ("ids", "others was cas-ivauto- or cas-upload-, is none now", BOTH),
        ),
        (
            attrs.evolve(LIFECYCLE, vocabularies=tuple(each._replace(apart="") for each in LIFECYCLE.vocabularies)),
            ("field CertificateStatus", "apart was certificate_state, is none now", BOTH),
        ),
        (
            attrs.evolve(LIFECYCLE, vocabularies=tuple(each._replace(elsewhere=()) for each in LIFECYCLE.vocabularies)),
            ("field Status", "elsewhere was ListInstances, is none now", BOTH),
        ),
        (
            attrs.evolve(
                LIFECYCLE,
                states=tuple(
                    rule._replace(read_as=("normal", "issued")) if rule.state is State.IDLE else rule
                    for rule in LIFECYCLE.states
                ),
            ),
            ("state idle", "its CertificateStatus was absent, is issued now", BOTH),
        ),
    ],
    ids=[
        "shorter",
        "longer",
        "always",
        "late",
        "edits",
        "adverse",
        "certifies",
        "term",
        "because",
        "ids",
        "apart",
        "elsewhere",
        "absent word",
    ],
)
def test_what_a_new_column_says_is_told_with_whom_it_breaks(new, change):
    assert change in changes(new)


def test_a_field_that_is_answered_elsewhere_as_well_must_be_answered_by_a_mock():
    less = attrs.evolve(LIFECYCLE, vocabularies=tuple(each._replace(elsewhere=()) for each in LIFECYCLE.vocabularies))
    assert changes(LIFECYCLE, less) == [
        (f"field {field}", "elsewhere was none, is ListInstances now", ["mock"])
        for field in ("Status", "CertificateStatus")
    ]


def test_nothing_changes_from_the_instances_to_themselves():
    assert changes(LIFECYCLE) == []


# -- vectors -----------------------------------------------------------------------------------------------------------


@cache
def vectors():
    """What a consumer must answer."""
    return json.loads(exported("vectors", LIFECYCLE))


def test_two_words_of_one_answer_decide_more_than_either():
    said = {
        (each["answer"]["Status"], each["answer"]["CertificateStatus"], each["trigger"]): each
        for each in vectors()["readings"]
    }
    assert said["normal", "issued", "RefundInstance"]["verdict"] == "illegal"
    assert said["normal", "", "RefundInstance"]["states"] == ["idle", "refunding"]
    assert said["pending", "", "CancelPendingCertificate"]["refused"] == ["submitting", "withdrawing"]
    assert not any(words[:2] == ("inactive", "issued") for words in said)
    alone = next(
        each for each in vectors()["updates"] if (each["word"], each["trigger"]) == ("normal", "RefundInstance")
    )
    assert alone["verdict"] == "undecided"


def read_alike(trace):
    """The last line of a trace, if it is a read that shows two words."""
    return {key: trace["lines"][-1].get(key) for key in ("operation", "state", "certificate_state")}


def test_traces_have_reads_that_show_two_words():
    shown = [trace for trace in vectors()["traces"] if "certificate_state" in trace["lines"][-1]]
    withdrawn = {"operation": "GetInstanceDetail", "state": "normal", "certificate_state": ""}
    verdicts = {trace["verdict"] for trace in shown if read_alike(trace) == withdrawn}
    assert verdicts == {"conforms", "violates"}
    new = [trace["verdict"] for trace in shown if read_alike(trace)["certificate_state"] == "a new word"]
    assert new
    assert set(new) <= {"undecided", "violates"}


def test_the_last_second_of_a_window_still_counts():
    assert vectors()["windows"][:2] == [
        {"state": "unused", "trigger": "RefundInstance", "age": 604_800, "outcome": "accepted"},
        {
            "state": "unused",
            "trigger": "RefundInstance",
            "age": 604_801,
            "outcome": "late",
            "code": "CouldNotRefund.OverTime",
        },
    ]


def test_a_plan_waits_for_what_nobody_hopes_for_only_where_there_is_no_other_way():
    plans = {(each["from"], each["to"], each["events"]): each["steps"] for each in vectors()["plans"]}
    assert plans["pending", "deleted", False] == [
        "CancelPendingCertificate",
        "withdrawal_completed",
        "RefundInstance",
        "refund_completed",
        "DeleteInstance",
    ]
    assert plans["pending", "idle", True] == ["CancelPendingCertificate", "withdrawal_completed"]
    assert plans["unused", "closed", True] == ["shut_down"]
    assert plans[None, "unused", True] is None


def consumed(folder, given):
    """What the JavaScript consumer says of vectors, by the rules of the instances: its exit status and its output."""
    if not shutil.which("node"):
        pytest.skip("node is not on this machine")
    files = folder / "lifecycle.json", folder / "vectors.json"
    for file, content in zip(files, (DOCUMENT, given), strict=True):
        file.write_text(json.dumps(content), encoding="utf-8")
    done = subprocess.run(["node", CONSUMER, *files], capture_output=True, text=True, timeout=300, check=False)
    return done.returncode, done.stdout + done.stderr


def test_a_consumer_in_another_language_passes_them(tmp_path):
    status, said = consumed(tmp_path, vectors())
    assert (status, said.strip().endswith("pass")) == (0, True), said[:1000]


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        ("readings", {"verdict": "legal"}),
        ("readings", {"states": ["issued"]}),
        ("traces", {"verdict": "undecided"}),
        ("windows", {"outcome": "accepted"}),
        ("windows", {"code": "CouldNotRefund.NotSupport"}),
    ],
)
def test_it_does_not_pass_wrong_ones(tmp_path, kind, wrong):
    given = [each for each in vectors()[kind] if kind != "traces" or "certificate_state" in each["lines"][-1]]
    last = given[1]
    status, said = consumed(tmp_path, vectors() | {"traces": [], kind: [last | wrong]})
    assert status == 1
    assert said.count(f'["{kind}"') == 1


# -- statecharts -------------------------------------------------------------------------------------------------------


def test_the_statecharts_say_windows_times_and_what_passes():
    config = json.loads(exported("xstate", LIFECYCLE))["states"]
    refund = config["idle"]["on"]["RefundInstance"]["meta"]
    assert refund["within"] == {"seconds": 604_800, "code": "CouldNotRefund.OverTime"}
    landing = config["withdrawing"]["on"]["withdrawal_completed"]["meta"]
    assert (landing["follows"], landing["takes"]) == ("CancelPendingCertificate", [10, 1200])
    assert config["submitting"]["meta"]["passes"] == {
        "CancelPendingCertificate": "the submission is still being taken up"
    }
    assert config["idle"]["meta"]["certificatestatus"] == ""
    ours = "{urn:orderfsm}"
    states = {state.get("id"): state for state in ET.fromstring(exported("scxml", LIFECYCLE).encode())}
    assert states["refunding"].get(f"{ours}read_as") == "inactive normal"
    assert states["refunding"].get(f"{ours}read_as.certificatestatus") == "absent revoked"
    assert states["submitting"].get(f"{ours}passes") == "CancelPendingCertificate"
    rows = {(state, row.get("event")): row for state, each in states.items() for row in each}
    assert rows["idle", "RefundInstance"].get(f"{ours}within") == "604800"
    assert rows["idle", "RefundInstance"].get(f"{ours}late_code") == "CouldNotRefund.OverTime"
    assert rows["withdrawing", "withdrawal_completed"].get(f"{ours}takes") == "10 1200"
    assert rows["ending", "subscription_ended"].get(f"{ours}before_end") == "0"
    assert rows["issued", "UpdateInstance"].get(f"{ours}edits") == "true"
    assert {state for state, each in states.items() if each.get(f"{ours}gone")} == {"none", "deleted"}


# -- for people --------------------------------------------------------------------------------------------------------


def test_mermaid_and_dot_draw_every_row_and_say_how_long_a_refund_is_possible():
    drawn = re.findall(r"^    (\S+) --> (\S+) : (.*)", mermaid(LIFECYCLE), re.MULTILINE)
    assert {(source, target, label.split(", ")[0].split()[-1]) for source, target, label in drawn} == {
        (row.source or "[*]", row.target, row.trigger) for row in CHANGING
    }
    assert "idle --> refunding : RefundInstance, within 7 days, *" in mermaid(LIFECYCLE)
    assert "10 seconds to 20 minutes after CancelPendingCertificate; observed: " in dot(LIFECYCLE)


def section(heading):
    """What stands under a heading of the page of markdown."""
    return exported("markdown", LIFECYCLE).split(f"## {heading}\n\n")[1].split("\n\n## ")[0]


def test_the_markdown_says_both_words_of_every_state():
    lines = section("States").splitlines()
    assert "| `unused` | pending use | `inactive` | absent |" in "\n".join(lines)
    assert sum(line.startswith("| `") for line in lines) == len(State)


def test_the_markdown_says_times_windows_and_what_is_too_early():
    matrix = section("Which operations change an instance, and to which state")
    assert "| `settling` | `inactive` | ? | ? | | | | |" in matrix
    assert "→ `refunding` within 7 days" in matrix
    rows = section("Every transition")
    assert "`refunding`, within 7 days, later `CouldNotRefund.OverTime`" in rows
    assert "`unused`, changes what the instance says" in rows
    triggers = section("What is peculiar to some triggers")
    assert (
        "| `withdrawal_completed` | service | completes `CancelPendingCertificate`, 10 seconds to 20 minutes"
        in triggers
    )
    assert "| `certificate_neared_end` | calendar | 30 days before the end of the certificate |" in triggers
    assert "| `CreateInstance` | client | no plan takes it unasked |" in triggers
    assert "(the submission is still being taken up; the same call succeeds later, by itself)" in section(
        "Everything else is refused"
    )


def test_the_list_of_what_no_document_says_has_absent_words_and_every_silence():
    lines = divergences(LIFECYCLE).splitlines()
    assert any("| `idle` | that it reads as `normal`, absent (observed) |" in line for line in lines)
    silent = [pair for pair in itertools.product(State, (*Operation, *Event)) if LIFECYCLE.is_silent(*pair)]
    assert len(silent) > 26
    for silence in LIFECYCLE.silences:
        where = ", ".join(f"`{state}`" for state in silence.states)
        assert any(line.startswith(f"| {where}: {', '.join(silence.triggers)} |") for line in lines)
