"""The command line asks the instances' table: two words at once, ages, and what a word may mean besides."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("click", reason="the extra `cli` is not installed")

from orderfsm.cli import main
from orderfsm.export import FORMATS, exported
from orderfsm.tables.instances import LIFECYCLE
from orderfsm.wire import parse_states


@pytest.fixture
def run(capsys):
    """Run a command line with the instances' table: the exit status, standard output and standard error."""

    def run(line, *, json_too=False):
        status = main([*line.split(), "--table", "instances", *(["--json"] if json_too else [])])
        said = capsys.readouterr()
        return status, json.loads(said.out) if json_too and said.out else said.out, said.err

    return run


@pytest.mark.parametrize(
    ("line", "status", "verdict"),
    [
        ("check refund --state IDLE", 0, "legal"),
        ("check RefundInstance --state issued", 1, "illegal"),
        ("check update --state settling", 3, "undecided"),
        ("check refund --state normal", 3, "undecided"),
        ("check refund --state Status=pending", 1, "illegal"),
        ("check refund --state Status=normal,CertificateStatus=issued", 1, "illegal"),
        ("check refund --state status=NORMAL,certificatestatus=WillExpire", 1, "illegal"),
        ("check apply --state Status=normal,CertificateStatus=expired", 0, "legal"),
        ("check cancel --state Status=pending,CertificateStatus=", 3, "undecided"),
        ("check purchase --state none", 0, "legal"),
        ("check refund --state unused --age 7d", 0, "legal"),
        ("check refund --state unused --age 169h", 1, "illegal"),
    ],
)
def test_a_check_answers_by_the_words_of_one_answer(run, line, status, verdict):
    found, document, err = run(line, json_too=True)
    assert (found, document["verdict"], document["table"], err) == (status, verdict, "instances", "")
    assert run(line)[:2] == (status, run(line)[1])
    assert run(line)[1].splitlines()[0] == verdict


def test_two_words_mean_the_states_of_which_an_answer_may_say_both():
    def meant(word):
        return {str(state) for state in parse_states(word, LIFECYCLE)}

    assert meant("Status=normal,CertificateStatus=") == {"idle", "refunding"}
    assert meant("CertificateStatus=revoked") >= {"revoked", "revoked_reapplying", "refunded"}
    assert meant("pending") == {"pending"}
    assert len(meant("Status=pending")) == 9
    assert meant("unused") == meant("UNUSED") == meant("pending use") == {"unused"}


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("Stats=normal", "field 'Stats': expected Status, CertificateStatus"),
        ("Status=lost", "Status 'lost': expected inactive, pending"),
        ("CertificateStatus=isued", "CertificateStatus 'isued': expected absent, issued, willExpire"),
        ("Status=inactive,CertificateStatus=issued", "expected words that may stand in one answer"),
        ("Status=", "Status '': expected inactive"),
        ("lost", "state 'lost': expected none, settling"),
    ],
)
def test_what_no_answer_says_is_named_with_what_is_accepted(run, word, said):
    status, out, err = run(f"check refund --state {word}")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert said in err


@pytest.mark.parametrize("command", ["check cancel --state", "explain cancel --state", "plan --to deleted --from"])
def test_of_a_word_that_is_a_state_and_a_word_of_a_field_the_state_is_meant_and_the_answer_says_so(run, command):
    note = "pending is taken for the state; read as Status it may be submitting, pending, withdrawing, reissuing"
    assert note in run(f"{command} pending")[1]
    document = run(f"{command} pending", json_too=True)[1]
    assert document["note"].startswith(note)
    assert document["note"].endswith(": write Status=pending")
    for word in ("submitting", "Status=pending", "closed"):
        assert "is taken for the state" not in run(f"{command} {word}")[1]
    assert "read as CertificateStatus it may be issued, revoking" in run("explain cancel --state issued")[1]


def test_an_order_has_no_such_word(capsys):
    assert main(["check", "delete", "--state", "verify_fail"]) == 0
    assert "is taken for" not in capsys.readouterr().out


def test_a_refund_that_is_too_late_says_with_which_error(run):
    out = run("explain refund --state unused --age 8d")[1]
    assert "RefundInstance is not allowed in unused any more, only within 7 days of its beginning" in out
    assert "CouldNotRefund.OverTime" in out
    document = run("check refund --state unused --age 8d", json_too=True)[1]
    assert (document["legal"], document["next"], document["instead"]) == (False, [], [])
    assert run("plan --from unused --to deleted --age 8d")[0] == 1
    assert run("check refund --state unused --age soon")[0] == 2


def test_a_refusal_that_passes_says_why_and_what_it_waits_for(run):
    out = run("explain cancel --state submitting")[1]
    assert "Too early: the submission is still being taken up; the same call" in out
    assert "submission_accepted has happened" in out
    assert "wait for submission_accepted (service, 5 seconds to 5 minutes), then CancelPendingCertificate" in out


def test_a_plan_prints_its_waits_with_their_times(run):
    status, out, _ = run("plan --from withdrawing --to deleted")
    assert (status, out.splitlines()) == (
        0,
        [
            "1. withdrawal_completed: withdrawing -> idle  (wait: service, 10 seconds to 20 minutes)",
            "2. RefundInstance: idle -> refunding",
            "3. refund_completed: refunding -> refunded  (wait: service, 3 seconds to 20 minutes)",
            "4. DeleteInstance: refunded -> deleted",
        ],
    )
    steps = run("plan --from withdrawing --to deleted", json_too=True)[1]["steps"]
    assert [step.get("takes") for step in steps] == [[10, 1200], None, [3, 1200], None]


def test_a_plan_revokes_and_buys_only_if_it_is_told_to(run):
    assert run("plan --from issued --to deleted")[0] == 1
    out = run("plan --from issued --to deleted --grave")[1]
    assert "1. RevokeCertificate: issued -> revoking" in out
    assert "2. revocation_completed: revoking -> revoked  (wait: service)" in out
    assert run("plan --from none --to unused")[0] == 1
    assert "1. CreateInstance: none -> settling" in run("plan --from none --to unused --grave")[1]


def test_the_table_is_printed_and_drawn(run):
    status, out, _ = run("table")
    assert (status, out.count("\n")) == (0, len(LIFECYCLE.transitions) + 1)
    assert "within 7 days" in out
    assert run("diagram")[1] == exported("mermaid", LIFECYCLE)


@pytest.mark.parametrize("form", FORMATS)
def test_every_form_is_exported(run, form):
    status, document, _ = run(f"export {form}", json_too=True)
    assert (status, document["table"], document["text"]) == (0, "instances", exported(form, LIFECYCLE))
