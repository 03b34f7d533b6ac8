"""The command line asks any table, by `--table package.module:ATTRIBUTE`."""

from __future__ import annotations

import json

import pytest
from other_table import LIFECYCLE, Operation, State

pytest.importorskip("click", reason="the extra `cli` is not installed")

from orderfsm.cli import main
from orderfsm.export import FORMATS, exported

NAME = "other_table:LIFECYCLE"


@pytest.fixture
def run(capsys):
    """Run a command line with the parcels' table: the exit status, standard output and standard error."""

    def run(line, *, json_too=False):
        status = main([*line.split(), "--table", NAME, *(["--json"] if json_too else [])])
        said = capsys.readouterr()
        return status, json.loads(said.out) if json_too and said.out else said.out, said.err

    return run


@pytest.mark.parametrize(
    ("line", "status", "verdict"),
    [
        ("check redirect --state in_transit", 0, "legal"),
        ("check RedirectParcel --state announced", 1, "illegal"),
        ("check withdraw --state in_transit", 3, "undecided"),
        ("check erase --state moving", 3, "undecided"),
        ("check erase --state none", 1, "illegal"),
    ],
)
def test_a_check_answers_by_that_table(run, line, status, verdict):
    assert run(line)[:2] == (status, run(line)[1])
    found, document, err = run(line, json_too=True)
    assert (found, document["verdict"], document["table"], err) == (status, verdict, NAME, "")


def test_a_word_of_two_fields_means_what_it_may_mean_in_either(run):
    states = run("check erase --state moving", json_too=True)[1]["states"]
    assert states == ["in_transit", "redirecting", "lost"]


def test_an_explanation_is_of_parcels(run):
    out = run("explain redirect --state redirecting")[1]
    assert "the same call passes when redirected has happened" in out
    assert "observed, 2026-08" in out
    assert "do not say whether WithdrawParcel is allowed" in run("explain withdraw --state in_transit")[1]


def test_a_plan_waits_for_completions_and_takes_nothing_grave_unless_it_is_told_to(run):
    steps = run("plan --from redirecting --to in_transit", json_too=True)[1]
    assert [step["trigger"] for step in steps["steps"]] == ["redirected"]
    assert run("plan --from at_locker --to erased")[0] == 1
    assert run("plan --from at_locker --to erased --grave")[1] == "1. DestroyParcel: at_locker -> erased\n"
    assert "(wait: owner)" in run("plan --from at_locker --to erased --events")[1]


def test_the_table_is_printed_without_a_quota_that_it_has_not(run):
    status, out, _ = run("table")
    assert status == 0
    assert out.count("\n") == len(LIFECYCLE.transitions) + 1
    assert "QUOTA" not in out
    assert "lost, creates announced" in out


@pytest.mark.parametrize("form", FORMATS)
def test_every_form_is_exported(run, form):
    status, document, _ = run(f"export {form}", json_too=True)
    assert (status, document["table"], document["text"]) == (0, NAME, exported(form, LIFECYCLE))


def test_the_diagram_is_drawn(run):
    assert run("diagram", json_too=True)[1] == {
        "table": NAME,
        "format": "mermaid",
        "text": exported("mermaid", LIFECYCLE),
    }


def test_a_log_is_replayed(run, tmp_path):
    log = tmp_path / "parcels.jsonl"
    lines = [
        {"operation": Operation.ANNOUNCE, "outcome": "accepted"},
        {"operation": Operation.TRACK, "outcome": "accepted", "state": "moving"},
        {"operation": Operation.ERASE, "outcome": "accepted"},
        {"operation": Operation.WITHDRAW, "outcome": "accepted"},
    ]
    log.write_text(
        "".join(
            json.dumps({"time": f"2026-08-05T06:10:0{at}Z", "parcel_id": "pa-000007"} | line) + "\n"
            for at, line in enumerate(lines)
        )
    )
    status, report, _ = run(f"replay {log}", json_too=True)
    assert (status, report["table"]) == (1, NAME)
    (violation,) = report["violations"]
    assert (violation["parcel_id"], violation["line"]) == ("pa-000007", 4)
    assert violation["possible"] == [State.ERASED]
    assert "parcel pa-000007 violates the table" in run(f"replay {log}")[1]


def test_a_log_of_another_table_is_bad_input(run, tmp_path, capsys):
    log = tmp_path / "parcels.jsonl"
    log.write_text('{"time": "2026-08-05T06:10:00Z", "parcel_id": "pa-1", "operation": "AnnounceParcel"}\n')
    assert main(["replay", str(log)]) == 2
    assert "whose lines have order_id" in capsys.readouterr().err
    created = '{"time": "2026-08-05T06:10:00Z", "order_id": 7, "operation": "CreateCertificateRequest", '
    log.write_text(created + '"outcome": "accepted"}\n')
    status, out, err = run(f"replay {log}")
    assert (status, out) == (2, "")
    assert "they are all of other tables" in err


def test_what_is_simulated_is_audited(run, tmp_path):
    pytest.importorskip("duckdb", reason="the extra `audit` is not installed")
    status, planted, _ = run(f"simulate --orders 300 --bad 0.05 --seed 5 -o {tmp_path / 'logs'}", json_too=True)
    assert (status, planted["table"]) == (0, NAME)
    status, report, _ = run(f"audit {tmp_path / 'logs'}", json_too=True)
    assert (status, report["table"]) == (1, NAME)
    told = json.loads((tmp_path / "logs" / "planted.json").read_text())["violations"]
    assert {each["parcel_id"] for each in report["violations"]} == {each["parcel_id"] for each in told}
    assert report["violates"] == len(told) > 0


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("conform http://127.0.0.1:1", "AnnounceParcel"),
        ("serve", "other_table:LIFECYCLE"),
    ],
)
def test_what_a_room_does_not_offer_for_a_table_is_one_clear_error(run, line, said):
    if line == "serve":
        pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")
    else:
        pytest.importorskip("alibabacloud_cas20200407", reason="the extra `client` is not installed")
    status, out, err = run(line)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert said in err


def test_what_is_no_table_is_said(capsys):
    assert main(["check", "delete", "--state", "issued", "--table", "invoices"]) == 2
    assert "table 'invoices': expected orders" in capsys.readouterr().err
