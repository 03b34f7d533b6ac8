"""`pytest --orderfsm-endpoint URL --orderfsm-control URL`: a test for each state and trigger of a server."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

import pytest

pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")
pytest.importorskip("alibabacloud_cas20200407", reason="the extra `client` is not installed")

import plain
from suites import run_pytest

from orderfsm import ORDER_LIFECYCLE, Basis, Event, Operation, State, Transition
from orderfsm.mock import Service, mock_cas
from orderfsm.testing.naming import name_of

STATES = (None, *State)
NAMES = {name_of(ORDER_LIFECYCLE, state, trigger) for state in STATES for trigger in (*Operation, *Event)}


@pytest.fixture
def tests_of(tmp_path):
    """Run pytest against a server, in a directory with a test of its own: its exit status, output and JUnit results.

    Without a report, its standard error instead of these.
    """
    (tmp_path / "test_mine.py").write_text("def test_of_mine():\n    pass\n")

    def run(*options, report=True, **how):
        wanted, report = report, tmp_path / "junit.xml"
        done = run_pytest(tmp_path, f"--junit-xml={report}", *options, **how)
        if not wanted:
            return done.returncode, done.stdout, done.stderr
        results = {}
        for case in ET.parse(report).iter("testcase"):
            results[case.get("name")] = next((child.tag for child in case), "passed")
        return done.returncode, done.stdout + done.stderr, results

    return run


def test_names_are_sentences():
    assert {
        "test_delete_is_refused_when_issued",
        "test_delete_is_accepted_when_verify_fail",
        "test_create_is_accepted_when_there_is_no_order",
        "test_create_creates_another_order_when_issued",
        "test_review_passed_is_refused_when_there_is_no_order",
    } <= NAMES
    assert len(NAMES) == len(STATES) * (len(Operation) + len(Event))


def test_without_an_endpoint_there_are_none(tests_of):
    assert tests_of(installed=True)[2] == {"test_of_mine": "passed"}


def test_there_is_one_for_each_state_and_trigger_beside_those_that_were_there(server, tests_of):
    status, _, results = tests_of(
        "--orderfsm-endpoint", server.api, "--orderfsm-control", server.control, "-k", "describe or mine"
    )
    assert status == 0
    assert set(results) == {"test_of_mine", *(name for name in NAMES if "describe" in name)}
    assert set(results.values()) == {"passed"}


def test_what_calls_alone_cannot_force_is_skipped_and_said(server, tests_of):
    status, out, results = tests_of("--orderfsm-endpoint", server.api, "-k", "delete_is or submitted", "-rs")
    assert status == 0
    assert results["test_delete_is_refused_when_pending_review"] == "passed"
    assert results["test_delete_is_refused_when_issued"] == "skipped"
    assert results["test_submitted_is_accepted_when_pending_application"] == "skipped"
    assert "this state or event could not be forced" in out


def test_a_violation_fails_its_test_alone_and_its_program_is_written_if_it_is_asked_for(tests_of, tmp_path):
    row = ORDER_LIFECYCLE.transition(State.VERIFY_FAIL, Operation.DELETE)
    with mock_cas(Service(lifecycle=ORDER_LIFECYCLE.without(row))) as server:
        status, out, results = tests_of(
            *("--orderfsm-endpoint", server.api, "--orderfsm-control", server.control),
            *("-k", "delete_is or mine", "--orderfsm-repro", str(tmp_path / "programs")),
        )
    assert status == 1
    assert [name for name, result in results.items() if result == "failure"] == [
        "test_delete_is_accepted_when_verify_fail"
    ]
    assert "DeleteCertificateRequest in verify_fail: expected accepted, got OrderStateError (HTTP 403)" in out
    assert "  3. DeleteCertificateRequest(order=1): OrderStateError (HTTP 403)" in out
    [program] = (tmp_path / "programs").iterdir()
    assert f"as a program: {program}" in out
    assert "from alibabacloud_cas20200407.client import Client" in program.read_text()
    assert "import Client" not in out
    assert "Traceback" not in out


DELETED_TOO = (State.PENDING_REVIEW, State.BEING_REVIEWED, State.ISSUED, State.EXPIRED)
"""States in which a broken table lets an order be deleted."""


def test_each_of_several_pairs_that_violate_fails_its_own_test_and_none_is_skipped(tests_of):
    rows = [Transition(state, Operation.DELETE, State.DELETED, Basis.INFERRED, "nobody") for state in DELETED_TOO]
    with mock_cas(Service(lifecycle=ORDER_LIFECYCLE.with_rows(*rows))) as server:
        urls = ("--orderfsm-endpoint", server.api, "--orderfsm-control", server.control)
        _, out, results = tests_of(*urls, "-k", "delete_is")
    expected = {name_of(ORDER_LIFECYCLE, state, Operation.DELETE) for state in DELETED_TOO}
    assert {name for name, result in results.items() if result == "failure"} == expected
    assert "skipped" not in results.values()
    for state in DELETED_TOO:
        assert f"DeleteCertificateRequest in {state}: expected OrderStateError (HTTP 403), got accepted" in out


def test_what_accuses_a_pair_without_a_test_fails_the_test_that_found_it(tests_of):
    row = ORDER_LIFECYCLE.transition(State.PENDING_REVIEW, Operation.CANCEL)
    with mock_cas(Service(lifecycle=ORDER_LIFECYCLE.without(row))) as server:
        status, out, results = tests_of(
            "--orderfsm-endpoint", server.api, "-k", "describe_is_accepted_when_pending_application"
        )
    assert status == 1
    assert results == {"test_describe_is_accepted_when_pending_application": "failure"}
    assert "CancelOrderRequest in pending_review: expected accepted" in out


def test_random_programs_are_one_test_more(server, tests_of):
    where = ("--orderfsm-endpoint", server.api, "--orderfsm-control", server.control, "-k", "random")
    assert "test_random_programs" not in tests_of(*where)[2]
    assert tests_of(*where, "--orderfsm-random", "2", "--orderfsm-seed", "1")[2] == {"test_random_programs": "passed"}


def test_what_is_left_when_the_budget_ends_is_skipped_and_said(server, tests_of):
    status, out, results = tests_of(
        "--orderfsm-endpoint", server.api, "-k", "delete_is", "--orderfsm-budget", "1e-9", "-rs"
    )
    assert status == 0
    assert [*results.values()].count("skipped") >= len(results) - 1
    assert "the budget ended before everything was tried" in out


@pytest.mark.long
def test_our_mock_passes_them_all(server, tests_of):
    status, _, results = tests_of("--orderfsm-endpoint", server.api, "--orderfsm-control", server.control)
    assert status == 0
    assert results == dict.fromkeys(["test_of_mine", *NAMES], "passed")


@pytest.mark.parametrize(
    "dist",
    [
        "load",
        *(pytest.param(each, marks=pytest.mark.long) for each in ("worksteal", "loadgroup", "loadscope", "loadfile")),
    ],
)
def test_one_worker_of_xdist_plays_all_tests_of_the_server(server, tests_of, dist):
    status, out, results = tests_of(
        *("--orderfsm-endpoint", server.api, "--orderfsm-control", server.control),
        *("-n", "2", "--dist", dist, "-vv", "-k", "describe or delete_is or mine"),
    )
    assert status == 0, out
    assert results == dict.fromkeys(
        [name for name in NAMES if "describe" in name or "delete_is" in name] + ["test_of_mine"], "passed"
    )
    workers = {line.split("]")[0] for line in out.splitlines() if "PASSED orderfsm::" in line}
    assert len(workers) == 1


def test_each_worker_for_itself_is_refused(server, tests_of):
    status, out, _ = tests_of("--orderfsm-endpoint", server.api, "-n", "2", "--dist", "each")
    assert status == pytest.ExitCode.USAGE_ERROR
    assert "share an account" in out


OF_A_NEW_ONE = """
import http.client, json, urllib.parse

def ask(url, method, path, body=None):
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc, timeout=300)
    connection.request(method, path, body)
    response = connection.getresponse()
    return response.status, json.loads(response.read())

def of_a_new_one(mock_cas):
    create = "/?Action=CreateCertificateForPackageRequest&Version=2020-04-07&Domain=a.example"
    assert [ask(mock_cas.api, "GET", create)[0] for _ in range(21)] == [200] * 20 + [404]

test_one = test_another = of_a_new_one
"""


def test_a_server_of_elsewhere_is_reset_to_what_a_new_one_has(server, tmp_path, tests_of, monkeypatch):
    (tmp_path / "test_cas.py").write_text(OF_A_NEW_ONE)
    assert tests_of("test_cas.py")[0] == 0
    monkeypatch.setenv("ORDERFSM_CAS_ENDPOINT", server.api)
    monkeypatch.setenv("ORDERFSM_CAS_CONTROL", server.control)
    assert tests_of("test_cas.py")[0] == 0


@pytest.mark.parametrize("control", ["http://127.0.0.1:1", "http://127.0.0.1:99999", "ftp://127.0.0.1"])
def test_a_control_port_that_is_none_is_named_in_one_line(server, tmp_path, tests_of, monkeypatch, control):
    (tmp_path / "test_cas.py").write_text("def test_one(mock_cas):\n    pass\n")
    monkeypatch.setenv("ORDERFSM_CAS_ENDPOINT", server.api)
    monkeypatch.setenv("ORDERFSM_CAS_CONTROL", control)
    status, out, _ = tests_of("test_cas.py")
    assert status == 1
    assert f"ORDERFSM_CAS_CONTROL: {'' if control.endswith(':1') else 'control URL '}" in out
    assert control in out
    assert "Traceback" not in out
    assert "_socket" not in out


def test_a_server_that_each_test_resets_is_not_shared_by_workers(server, tmp_path, tests_of, monkeypatch):
    (tmp_path / "test_cas.py").write_text("def test_one(mock_cas):\n    pass\n")
    monkeypatch.setenv("ORDERFSM_CAS_ENDPOINT", server.api)
    monkeypatch.setenv("ORDERFSM_CAS_CONTROL", server.control)
    assert tests_of("test_cas.py")[0] == 0
    status, out, _ = tests_of("test_cas.py", "-n", "2")
    assert status == 1
    assert "ORDERFSM_CAS_CONTROL names one server, which each test resets" in out


def test_a_skip_names_the_option_that_may_force_it(server, tests_of):
    _, out, _ = tests_of("--orderfsm-endpoint", server.api, "-k", "submitted_is_accepted_when_pending_app", "-rs")
    assert "this state or event could not be forced; --orderfsm-control URL names a control port that may" in out


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--orderfsm-endpoint", "http://127.0.0.1:1"], "--orderfsm-endpoint: http://127.0.0.1:1: no answer ("),
        (["--orderfsm-endpoint", "127.0.0.1:1"], "--orderfsm-endpoint: http://127.0.0.1:1: no answer ("),
        (["--orderfsm-endpoint", "ftp://x"], "--orderfsm-endpoint: endpoint 'ftp://x': expected a host"),
        (["--orderfsm-endpoint", "API", "--orderfsm-control", "http://127.0.0.1:1"], "--orderfsm-control: GET http://"),
        (["--orderfsm-endpoint", "API", "--orderfsm-control", "x://y"], "--orderfsm-control: control URL 'x://y'"),
    ],
)
def test_a_server_that_is_not_there_is_a_usage_error(server, tests_of, options, named):
    given = [server.api if option == "API" else option for option in options]
    status, out, err = tests_of(*given, "-k", "delete_is", report=False)
    assert status == pytest.ExitCode.USAGE_ERROR
    assert f"ERROR: {named}" in err
    assert "Traceback" not in out + err


def test_a_read_that_is_lacking_fails_its_own_tests_alone(tests_of):
    def spoil(what):
        return plain.refusal(404, "NotFound") if what == Operation.LIST else None

    with plain.served(spoil=spoil) as server:
        urls = ("--orderfsm-endpoint", server.api, "--orderfsm-control", server.control)
        status, out, results = tests_of(*urls, "-k", "delete_is or list_is_accepted_when_issued")
    assert status == 1
    assert {name for name, result in results.items() if result != "passed"} == {"test_list_is_accepted_when_issued"}
    assert results["test_list_is_accepted_when_issued"] == "failure"
    assert "ListUserCertificateOrder in no order: expected an answer" in out
    assert "Traceback" not in out


def test_an_operation_that_the_server_does_not_have_is_skipped_and_said(tests_of):
    def spoil(what):
        return plain.refusal(404, "InvalidAction.NotFound") if what == Operation.LIST else None

    with plain.served(spoil=spoil) as server:
        urls = ("--orderfsm-endpoint", server.api, "--orderfsm-control", server.control)
        status, out, results = tests_of(*urls, "-k", "list_is_accepted_when_issued", "-rs")
    assert status == 0
    assert results["test_list_is_accepted_when_issued"] == "skipped"
    assert "the server does not offer this operation" in out


def test_what_is_left_out_has_no_test_and_is_never_called(tests_of):
    calls = []
    with plain.served(spoil=calls.append) as server:
        urls = ("--orderfsm-endpoint", server.api, "--orderfsm-control", server.control)
        only = ("--orderfsm-only", "payed", "--orderfsm-only", "delete", "--orderfsm-only", "cancel")
        status, _, results = tests_of(*urls, *only, "--orderfsm-exclude", "cancel")
    assert status == 0
    assert set(results) == {"test_of_mine", "test_delete_is_accepted_when_pending_application"}
    assert Operation.DELETE in calls
    assert Operation.CANCEL not in calls


def test_what_a_baseline_names_is_an_expected_failure_and_what_is_not_found_any_more_passes_unexpectedly(
    tests_of, tmp_path
):
    row = ORDER_LIFECYCLE.transition(State.VERIFY_FAIL, Operation.DELETE)
    baseline = tmp_path / "known.json"
    known = [
        {"state": state, "trigger": Operation.DELETE, "kind": "state machine"} for state in ("verify_fail", "issued")
    ]
    baseline.write_text(json.dumps({"known": known}))
    with mock_cas(Service(lifecycle=ORDER_LIFECYCLE.without(row))) as server:
        urls = ("--orderfsm-endpoint", server.api, "--orderfsm-control", server.control, "--orderfsm-only", "delete")
        only = ("--orderfsm-only", "verify_fail", "--orderfsm-only", "issued")
        status, out, _ = tests_of(*urls, *only, "--orderfsm-baseline", str(baseline), "-rxX")
        assert status == 0
        assert "XFAIL orderfsm::test_delete_is_accepted_when_verify_fail - known before" in out
        assert "XPASS orderfsm::test_delete_is_refused_when_issued - known before" in out
        baseline.write_text(json.dumps({"known": [known[0] | {"kind": "codes"}]}))
        status, _, results = tests_of(*urls, *only, "--orderfsm-baseline", str(baseline))
        assert (status, results["test_delete_is_accepted_when_verify_fail"]) == (1, "failure")


def test_an_operation_that_the_server_does_not_have_fails_where_that_is_asked_for(tests_of):
    def spoil(what):
        return plain.refusal(404, "InvalidAction.NotFound") if what == Operation.LIST else None

    with plain.served(spoil=spoil) as server:
        urls = ("--orderfsm-endpoint", server.api, "--orderfsm-control", server.control)
        only = ("--orderfsm-only", "list", "--orderfsm-only", "issued", "--orderfsm-strict-operations")
        status, _, results = tests_of(*urls, *only)
    assert (status, results["test_list_is_accepted_when_issued"]) == (1, "failure")


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--orderfsm-only", "delet"], "only 'delet': expected "),
        (["--orderfsm-only", "issued", "--orderfsm-exclude", "ISSUED"], "exclude ['ISSUED']"),
        (["--orderfsm-baseline", "/nonexistent/x"], "/nonexistent/x"),
    ],
    ids=str,
)
def test_a_choice_that_is_none_is_a_usage_error(server, tests_of, options, named):
    status, out, err = tests_of("--orderfsm-endpoint", server.api, *options, report=False)
    assert status == pytest.ExitCode.USAGE_ERROR
    assert named in err
    assert "Traceback" not in out + err
