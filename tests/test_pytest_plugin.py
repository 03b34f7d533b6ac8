"""`pytest --orderfsm-endpoint URL --orderfsm-control URL`: a test for each state and trigger of a server."""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest

pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")
pytest.importorskip("alibabacloud_cas20200407", reason="the extra `client` is not installed")

from orderfsm import ORDER_LIFECYCLE, Event, Operation, State
from orderfsm.mock import Service, mock_cas
from orderfsm.testing.pytest_suite import name_of

STATES = (None, *State)
NAMES = {name_of(ORDER_LIFECYCLE, state, trigger) for state in STATES for trigger in (*Operation, *Event)}


@pytest.fixture
def tests_of(tmp_path):
    """Run pytest against a server, in a directory with a test of its own: its exit status, output and JUnit results."""
    (tmp_path / "test_mine.py").write_text("def test_of_mine():\n    pass\n")

    def run(*options):
        report = tmp_path / "junit.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junit-xml={report}", *options]
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "COV_"))}
        done = subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False, env=environment
        )
        results = {}
        for case in ET.parse(report).iter("testcase"):
            results[case.get("name")] = next((child.tag for child in case), "passed")
        return done.returncode, done.stdout, results

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
    assert tests_of()[2] == {"test_of_mine": "passed"}


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
