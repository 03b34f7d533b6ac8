"""The command line: answers, JSON, and the exit codes 0 yes, 1 no, 2 bad input, 3 undecided."""

from __future__ import annotations

import json
import subprocess
import sys

import attrs
import pytest

pytest.importorskip("click", reason="the extra `cli` is not installed")

from orderfsm import ORDER_LIFECYCLE, Event, Operation, State, Transition, can
from orderfsm.cli import main
from orderfsm.cli.commands import MODULES, cli
from orderfsm.drawing import mermaid
from orderfsm.export import FORMATS, exported
from orderfsm.tables.orders import DELETE_PAGE


@pytest.fixture
def run(capsys):
    """Run a command line: the exit status, standard output and standard error."""

    def run(line):
        status = main(line.split())
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


def test_a_refused_deletion_names_the_states_from_which_it_is_allowed(run):
    status, out, err = run("check delete --state issued")
    assert (status, err) == (1, "")
    assert out.startswith("illegal\n")
    assert "pending_application and verify_fail" in out


@pytest.mark.parametrize("state", [None, *State])
@pytest.mark.parametrize("trigger", [*Operation, *Event])
def test_check_exits_as_the_table_says(run, state, trigger):
    status, out, _ = run(f"check {trigger.name} --state {state or 'none'} --json")
    answer = json.loads(out)
    assert status == (0 if can(state, trigger) else 1)
    assert answer["operation"] == trigger
    assert answer["states"] == [state]
    assert answer["verdict"] == ("legal" if can(state, trigger) else "illegal")
    row = ORDER_LIFECYCLE.table[state][trigger]
    assert answer["next"] == ([] if row is None else [row.target])
    assert answer["allowed"] == list(ORDER_LIFECYCLE.allowed(state))
    why = ORDER_LIFECYCLE.explain(state, trigger)
    assert (answer["basis"], answer["reference"]) == (why.basis, why.reference)


def test_a_word_that_names_several_states_is_judged_as_that_set(run):
    status, out, _ = run("check renew --state certificate --json")
    answer = json.loads(out)
    assert status == 3
    assert answer["verdict"] == "undecided"
    assert answer["states"] == ["issued", "about_to_expire", "expired", "revoked"]
    assert answer["next"] == ["about_to_expire"]
    assert run("check delete --state CHECKING")[0] == 1
    assert json.loads(run("check delete --state checking --json")[1])["allowed"] == ["CancelOrderRequest"]


def test_the_basis_for_several_states_is_the_weakest(run):
    assert json.loads(run("check cancel_for_package --state certificate --json")[1])["basis"] == "inferred"


def test_explain_says_why_from_which_source_and_what_instead_and_exits_0(run):
    status, out, _ = run("explain delete --state process --json")
    answer = json.loads(out)
    assert status == 0
    assert answer["reason"].startswith("DeleteCertificateRequest is not allowed in being_reviewed, only in")
    assert answer["instead"] == ["CancelOrderRequest", "DeleteCertificateRequest"]
    reason = ORDER_LIFECYCLE.explain(State.ISSUED, Operation.DELETE).reason
    status, out, _ = run("explain delete --state issued")
    assert status == 0
    assert out.splitlines() == [
        "issued: illegal",
        f"  why:      {reason}",
        f"  source:   documented, {DELETE_PAGE}",
        "  allowed:  CancelCertificateForPackageRequest",
        "  instead:  CancelCertificateForPackageRequest",
    ]
    assert json.loads(run("explain delete --state certificate --json")[1])["instead"] == []
    assert run("explain delete --state payed")[1].startswith("pending_application: legal")


def test_what_is_inferred_in_a_documented_rule_is_said(run):
    note = ORDER_LIFECYCLE.transition(State.PENDING_APPLICATION, Operation.DELETE).note
    assert json.loads(run("explain delete --state payed --json")[1])["note"] == note
    for line in ("explain delete --state payed", "check delete --state payed", "table"):
        assert note in run(line)[1]
    assert "note:" not in run("explain delete --state verify_fail")[1]


def test_a_plan_is_its_steps(run):
    status, out, _ = run("plan --from process --to deleted --json")
    assert status == 0
    assert json.loads(out) == {
        "table": "orders",
        "from": "being_reviewed",
        "to": "deleted",
        "steps": [
            {"source": "being_reviewed", "trigger": "CancelOrderRequest", "target": "pending_application"},
            {"source": "pending_application", "trigger": "DeleteCertificateRequest", "target": "deleted"},
        ],
    }
    status, out, _ = run("plan --from none --to certificate --events")
    assert (status, out.splitlines()[1]) == (0, "2. domain_validated: pending_review -> being_reviewed  (wait: owner)")
    assert run("plan --from issued --to issued")[1] == "nothing to do\n"


def test_no_plan_exits_1_and_several_that_differ_exit_3(run):
    assert run("plan --from issued --to deleted")[:2] == (
        1,
        "deleted cannot be reached from issued by operations alone\n",
    )
    status, out, _ = run("plan --from issued --to deleted --json")
    assert (status, json.loads(out)) == (1, {"table": "orders", "from": "issued", "to": "deleted", "steps": []})
    assert run("plan --from CHECKING --to deleted")[0] == 0
    status, out, _ = run("plan --from unknow --to deleted --json")
    assert (status, json.loads(out)["steps"]) == (3, [])


def test_the_table_is_printed_row_by_row(run):
    status, out, _ = run("table --json")
    document = json.loads(out)
    assert status == 0
    assert document["edition"] == ORDER_LIFECYCLE.edition
    assert document["states"] == [state.value for state in State]
    for row, written in zip(ORDER_LIFECYCLE.transitions, document["transitions"], strict=True):
        assert written == json.loads(json.dumps(attrs.asdict(row)))
    heading, *lines = run("table")[1].splitlines()
    assert heading.split() == ["FROM", "TRIGGER", "TO", "QUOTA", "BASIS", "REFERENCE", "NOTE"]
    for row, line in zip(ORDER_LIFECYCLE.transitions, lines, strict=True):
        texts = (row.source or "none", row.trigger, row.target, row.quota_text, row.basis, row.reference, row.note)
        assert all(text in line for text in texts), line


def test_the_diagram_is_the_drawing(run):
    assert run("diagram") == (0, mermaid(), "")
    assert json.loads(run("diagram --json")[1]) == {"table": "orders", "format": "mermaid", "text": mermaid()}


@pytest.mark.parametrize("form", FORMATS)
def test_export_prints_a_form_or_writes_it_to_a_file(run, form, tmp_path):
    assert run(f"export {form}") == (0, exported(form), "")
    file = tmp_path / "written"
    assert run(f"export {form} -o {file}") == (0, "", "")
    assert file.read_text(encoding="utf-8") == exported(form)
    assert json.loads(run(f"export {form} --json")[1]) == {"table": "orders", "format": form, "text": exported(form)}
    assert json.loads(run(f"export {form} --json -o {file}")[1]) == {
        "table": "orders",
        "format": form,
        "file": str(file),
    }


def test_the_table_as_json_is_the_exported_one(run):
    assert json.loads(run("table --json")[1]) == json.loads(exported("json"))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("export pdf", "'pdf' is not one of 'json', "),
        ("export json -o /no/such/folder/f", "/no/such/folder/f"),
        ("check remove --state issued", "trigger 'remove': expected cancel, delete, "),
        ("check delete --state isued", "state 'isued': expected none, pending_application, "),
        ("plan --from nowhere --to issued", "state 'nowhere': expected none, "),
        ("check delete", "Missing option '--state'"),
        ("check", "Missing argument 'TRIGGER'"),
        ("frobnicate", f"No such command 'frobnicate'. Commands: {', '.join(MODULES)}."),
        ("table --yaml", "No such option"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(run, line, message):
    status, out, err = run(line)
    assert (status, out) == (2, "")
    assert err.startswith("orderfsm: ")
    assert message.lower() in err.lower()
    assert err.count("\n") == 1


@pytest.mark.parametrize("command", ["check", "explain", "plan"])
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_the_help_of_a_question_names_what_it_takes(run, command, flag):
    status, out, _ = run(f"{command} {flag}")
    named = set(out.replace(",", " ").replace(")", " ").replace("(", " ").split())
    assert status == 0
    assert named >= {*State, "none"}
    if command != "plan":
        assert named >= {operation.name.lower() for operation in Operation} | {*Event}


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("check delet --state issued", "delete"),
        ("explain delete --state CHECKNG", "checking"),
        ("plan --from proces --to deleted", "process"),
    ],
)
def test_a_misspelt_word_is_told_what_was_meant(run, line, meant):
    status, _, err = run(line)
    assert status == 2
    assert err.endswith(f"did you mean {meant}?\n")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("chek delete --state issued", "No such command 'chek'. Did you mean 'check'? Commands: "),
        ("check delete --table instanses --state issued", "did you mean instances?"),
        ("conform http://127.0.0.1:9 --only isued", "did you mean issued?"),
    ],
)
def test_a_misspelt_command_table_or_action_is_told_what_was_meant(run, line, meant):
    if line.startswith("conform"):
        pytest.importorskip("hypothesis", reason="the extra `testing` is not installed")
        pytest.importorskip("alibabacloud_cas20200407", reason="the extra `testing` is not installed")
    status, _, err = run(line)
    assert (status, meant in err) == (2, True)


@pytest.mark.parametrize("state", ["pending_review", "Pending Review", "PENDING REVIEW", "domain_verify"])
@pytest.mark.parametrize("trigger", ["cancel", "CANCEL", "CancelOrderRequest"])
def test_the_documents_and_the_api_s_words_are_taken(capsys, state, trigger):
    assert main(["check", trigger, "--state", state, "--quiet"]) == 0
    assert main(["check", "delete", "--state", state, "--quiet"]) == 1
    assert can(state, trigger)
    assert capsys.readouterr() == ("", "")


def test_what_holds_in_several_states_is_said_once(run):
    _, out, _ = run("check delete --state UNKNOW")
    assert out.count("https://") == 1
    assert out.count("is not allowed") == 1
    assert "\n  Allowed in pending_review and being_reviewed: CancelOrderRequest. First: CancelOrderRequest, " in out
    assert "\n  Allowed in expired and revoked: nothing that changes anything.\n" in out
    _, out, _ = run("explain delete --state UNKNOW")
    assert out.count("https://") == 1
    assert "\nexpired and revoked: illegal\n" in out
    _, out, _ = run("check describe --state UNKNOW")
    assert out.count("is allowed in") == 1


@pytest.mark.parametrize("trigger", ORDER_LIFECYCLE.trigger_rules)
def test_every_state_and_its_answer_is_in_an_explanation_of_all(run, trigger):
    states = [state or "none" for state in ORDER_LIFECYCLE.state_rules]
    _, out, _ = run(f"explain {trigger} " + " ".join(f"--state {state}" for state in states))
    verdicts = {}
    for line in out.splitlines():
        named, _, verdict = line.rpartition(": ")
        if not line.startswith(" ") and verdict in {"legal", "illegal"}:
            verdicts |= dict.fromkeys(named.replace(" and ", ", ").split(", "), verdict)
    expected = {state or "none": can(state, trigger) for state in ORDER_LIFECYCLE.state_rules}
    assert {state: verdict == "legal" for state, verdict in verdicts.items()} == expected


@pytest.mark.parametrize(
    ("line", "legal"),
    [
        ("check delete --state issued", False),
        ("check delete --state verify_fail", True),
        ("check renew --state certificate", None),
        ("explain delete --state issued", False),
    ],
)
def test_the_json_of_an_answer_says_whether_it_is_legal(run, line, legal):
    assert json.loads(run(f"{line} --json")[1])["legal"] is legal


def test_a_way_of_no_steps_is_found(run):
    assert run("plan --from issued --to issued") == (0, "nothing to do\n", "")
    status, out, _ = run("plan --from issued --to issued --json")
    assert (status, json.loads(out)["steps"]) == (0, [])


def test_help_and_version(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    status, out, _ = run("--help")
    assert status == 0
    assert "..." not in out.replace("[ARGS]...", "")  # no command's help is cut off
    assert "3 if that depends on which" in " ".join(run("plan --help")[1].split())
    assert run("--version")[1].startswith("orderfsm, version 0.")
    status, out, _ = run("")
    assert (status, "Usage: orderfsm" in out) == (2, True)


def test_the_demo_agrees_everywhere_and_exits_0(run):
    pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")
    pytest.importorskip("alibabacloud_cas20200407", reason="the extra `client` is not installed")
    status, out, err = run("demo --json")
    report = json.loads(out)
    assert (status, err, report["agreed"]) == (0, "", True)
    assert [attempt["state"] for attempt in report["attempts"]] == [state.value for state in State]
    accepted = [attempt["state"] for attempt in report["attempts"] if attempt["guard"] == "accepted"]
    assert accepted == ["pending_application", "verify_fail"]
    assert [step["held"] for step in report["plan"]][1:] == [report["plan"][0]["held"] + n for n in (1, 1, 0)]


def test_the_demo_leads_an_instance_from_purchase_to_deletion(run):
    pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")
    models = pytest.importorskip("alibabacloud_cas20200407.models", reason="the extra `client` is not installed")
    if not hasattr(models, "GetInstanceDetailRequest"):
        pytest.skip("this SDK knows no instances")
    life = json.loads(run("demo --json")[1])["instance"]
    assert [(step["call"], step["server"], step["words"]) for step in life] == [
        ("UpdateInstance", "accepted", "inactive/-"),
        ("ApplyCertificate", "accepted", "inactive/-"),
        ("CancelPendingCertificate", "OperationDenied.StatusNotSupport", "pending/-"),
        ("DeleteInstance", "InvalidStatus.DeleteProtection", "pending/-"),
        ("CancelPendingCertificate", "accepted", "pending/-"),
        ("RefundInstance", "CouldNotRefund.NotSupport", "pending/-"),
        ("RefundInstance", "accepted", "normal/-"),
        ("DeleteInstance", "InvalidStatus.DeleteProtection", "normal/-"),
        ("DeleteInstance", "accepted", "refund/-"),
        ("GetInstanceDetail", "NotFound", "NotFound"),
    ]
    assert {step["agree"] for step in life} == {True}
    assert [step["call"] for step in life if step["guard"] == "stops it"] == ["DeleteInstance"]


def test_the_demo_exits_1_when_guard_and_server_disagree(run, monkeypatch):
    pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")
    demo = pytest.importorskip("orderfsm.cli.demo", reason="the extra `client` is not installed")
    from orderfsm.mock import mock_cas

    lax = ORDER_LIFECYCLE.with_rows(Transition(State.ISSUED, Operation.DELETE, State.DELETED, "inferred", "a test"))
    monkeypatch.setattr(demo, "mock_cas", lambda: mock_cas(lifecycle=lax))
    status, out, _ = run("demo")
    assert (status, "They do NOT agree." in out, "NO\n" in out) == (1, True, True)


def test_it_runs_as_a_program_and_stops_quietly_when_nobody_reads():
    program = [sys.executable, "-m", "orderfsm.cli", "table"]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    done = subprocess.run(program, capture_output=True, check=True)
    assert done.stdout.startswith(b"FROM")


def test_a_state_given_twice_is_either_of_them(run):
    assert run("check delete --state issued --state process")[0] == 1
    assert run("check delete --state issued --state payed")[0] == 3


def test_a_dash_is_standard_output_for_an_export(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["export", "mermaid"]) == 0
    expected = capsys.readouterr().out
    assert main(["export", "mermaid", "-o", "-"]) == 0
    assert capsys.readouterr().out == expected
    assert list(tmp_path.iterdir()) == []


def test_a_question_imports_no_other_command_and_no_room_above_the_core():
    asked = "import sys, orderfsm.cli; orderfsm.cli.main(['check', 'delete', '--state', 'issued']); print(*sys.modules)"
    imported = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True).stdout.split()
    rooms = {name.split(".")[1] for name in imported if name.startswith("orderfsm.")}
    assert {"cli", "questions"} <= rooms
    assert not rooms & {"audit", "client", "drawing", "export", "machine", "mock", "testing", "trace"}
    assert "orderfsm.tables.instances" not in imported


@pytest.mark.parametrize("name", MODULES)
def test_each_command_stands_where_it_is_looked_for(name):
    command = cli.get_command(None, name)
    assert command is not None
    assert command.name == name
