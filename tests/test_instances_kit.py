"""The kit carries the table of instances: the mock conforms, by hand, by its clock and by calls alone."""

from __future__ import annotations

import json
import subprocess
import sys
from random import Random

import attrs
import pytest

pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")
pytest.importorskip("alibabacloud_cas20200407", reason="the extra `client` is not installed")
pytest.importorskip("hypothesis", reason="the extra `testing` is not installed")

from mutants.instances import AT_ONCE, Broken
from suites import run_pytest

from orderfsm import InvalidValue, Operation
from orderfsm.mock import Service, mock_cas
from orderfsm.mock.cas.choices import Choices
from orderfsm.tables.instances import LIFECYCLE, Event, State, StatusNotSupport
from orderfsm.tables.instances import Operation as Call
from orderfsm.testing import HTTPDriver, Result, ServiceDriver, check_conformance
from orderfsm.testing.model.roles import roles
from orderfsm.testing.programs.ways import shortest_way
from orderfsm.trace import Events, Finding

AGES = 1e6
ALL = {(state, trigger) for state, rows in LIFECYCLE.table.items() for trigger in rows}


class Unforced(ServiceDriver):
    """Drives a service by its API alone."""

    def __init__(self, service):
        super().__init__(service, lifecycle=LIFECYCLE)
        self._control = None


def check(driver, **options):
    """The report on a driver."""
    return check_conformance(driver, lifecycle=LIFECYCLE, **{"random": 0, "seed": 1, "budget": AGES, **options})


def passed(report):
    """The pairs that passed."""
    return {pair for pair, result in report.coverage.items() if result is Result.PASSED}


# -- what the table says of its triggers -------------------------------------------------------------------------------


def test_an_update_comes_before_what_submits_it():
    assert roles(LIFECYCLE).submits == {Call.APPLY: Call.UPDATE}


def test_the_service_may_submit_by_itself_where_something_can_be_applied_for():
    unasked = {state: [row.trigger for row in rows] for state, rows in roles(LIFECYCLE).unasked.items() if rows}
    assert unasked == {state: [Event.AUTO_SUBMITTED] for state in (State.UNUSED, State.IDLE, State.ABOUT_TO_EXPIRE)}


def test_a_way_is_one_that_a_client_goes():
    """No way leads over the end of the subscription and the console, if it goes without."""
    way = [row.trigger for row in shortest_way(LIFECYCLE, None, State.ISSUED)]
    assert way == [
        Call.PURCHASE,
        Event.PURCHASE_SETTLED,
        Call.APPLY,
        Event.SUBMISSION_ACCEPTED,
        Event.CERTIFICATE_ISSUED,
    ]


# -- a correct server --------------------------------------------------------------------------------------------------


@pytest.mark.long
def test_the_mock_conforms_in_every_pair_of_which_the_sources_speak():
    report = check(ServiceDriver(Service(), lifecycle=LIFECYCLE), random=20)
    assert report.verdict is Finding.CONFORMS, str(report)
    assert (passed(report), report.events) == (ALL, Events.COMPLETE)


SOME = ("unused", "submitting", "pending", "withdrawing", "refunding")


def test_the_mock_conforms_from_the_purchase_to_the_refund():
    report = check(ServiceDriver(Service(), lifecycle=LIFECYCLE), only=SOME, concurrent=(2, 10))
    assert report.verdict is Finding.CONFORMS, str(report)
    assert passed(report) == {pair for pair in ALL if pair[0] in SOME}


def test_no_silent_pair_is_tried():
    silent = []

    class Watched(Service):
        def handle(self, request):
            action, given = request.headers["x-acs-action"], request.parameters
            record = self.store.get(given.get("InstanceId", "-"))
            if record is not None and action in tuple(Call) and LIFECYCLE.is_silent(record.state, Call(action)):
                silent.append((record.state, action))
            return super().handle(request)

    report = check(ServiceDriver(Watched(), lifecycle=LIFECYCLE), only=("settling", "refunding", "revoking"))
    assert report.verdict is Finding.CONFORMS, str(report)
    assert silent == []


def test_a_server_that_submits_with_the_update_conforms():
    service = Service(choices=Choices(auto_submits=True, needs_contacts=True))
    report = check(ServiceDriver(service, lifecycle=LIFECYCLE), only=("unused", "submitting", "idle"))
    assert report.verdict is Finding.CONFORMS, str(report)
    assert (State.UNUSED, Call.APPLY) in passed(report)


def test_a_server_without_a_control_port_is_bought_from():
    report = check(Unforced(Service(takes=AT_ONCE)), patience=0.02, only=("unused", "pending", "idle", "refunded"))
    assert report.verdict is Finding.CONFORMS, str(report)
    tried = {(State.UNUSED, Call.REFUND), (State.PENDING, Call.CANCEL), (State.REFUNDED, Call.DELETE)}
    assert passed(report) >= tried
    assert report.coverage[State.PENDING, Event.CERTIFICATE_ISSUED] is Result.NOT_FORCED


def test_ids_that_are_not_found_may_be_404_and_have_another_code():
    class Another(Broken):
        def failed(self, _operation, _given, status, body):
            if body["Code"] != LIFECYCLE.not_found.code:
                return status, body
            return 404, body | {"Code": "InvalidInstanceId.NotFound"}

    report = check(ServiceDriver(Another(), lifecycle=LIFECYCLE), only=("none", "deleted"))
    assert report.verdict is Finding.CONFORMS, str(report)


def test_an_operation_that_the_server_has_not_is_not_offered():
    class Without(Broken):
        def handle(self, request):
            lacking = request.headers["x-acs-action"] in (Call.TASK, Call.COUNTS, Call.PURCHASE)
            changed = {**request.headers, "x-acs-action": "NoSuchAction", "x-acs-version": "2020-04-07"}
            return super().handle(attrs.evolve(request, headers=changed) if lacking else request)

    report = check(ServiceDriver(Without(), lifecycle=LIFECYCLE), only=("unused", "none"))
    assert report.verdict is Finding.CONFORMS, str(report)
    assert report.coverage[State.UNUSED, Call.TASK] is Result.NOT_OFFERED


# -- what passes, and what is completed --------------------------------------------------------------------------------


class ByHandOnly(Service):
    """What is under way is completed when it is told to, and never by the clock."""

    def put_completions(self, _mode):
        super().put_completions("manual")


def test_what_the_clock_does_not_complete_is_a_violation():
    report = check(ServiceDriver(ByHandOnly(), lifecycle=LIFECYCLE), only=("withdrawing",), fail_fast=True)
    violation = report.violations[0]
    assert (violation.state, violation.trigger) == (State.WITHDRAWING, Event.WITHDRAWAL_COMPLETED)
    assert violation.expected == "withdrawal_completed within 1200 seconds"
    assert violation.calls[-1] == {"wait": "withdrawal_completed", "instance": 1, "got": "withdrawing"}


def test_how_long_a_revocation_takes_is_nobodys_to_judge():
    report = check(ServiceDriver(ByHandOnly(), lifecycle=LIFECYCLE), only=("revoking",))
    assert report.verdict is Finding.CONFORMS, str(report)


class Rejects(Broken):
    """A withdrawal that came too early is refused for ever."""

    def __init__(self, **options):
        super().__init__(**options)
        self.refusals = set()

    def before(self, action, given):
        return StatusNotSupport if action == Call.CANCEL and given["InstanceId"] in self.refusals else None

    def failed(self, action, given, status, body):
        if action == Call.CANCEL:
            self.refusals.add(given.get("InstanceId"))
        return status, body


def test_what_passes_must_pass():
    report = check(ServiceDriver(Rejects(), lifecycle=LIFECYCLE), only=("submitting", "pending"), fail_fast=True)
    assert report.verdict is Finding.VIOLATES
    assert report.violations[0].expected == "accepted"


# -- over HTTP ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server():
    """A mock of which everything under way is completed at once, by the clock."""
    with mock_cas(Service(takes=AT_ONCE, random=Random(1))) as served:
        yield served


def conform(*arguments):
    """The exit status and the report of `orderfsm conform`."""
    command = [sys.executable, "-m", "orderfsm.cli", "conform", *arguments, "--json", "--random", "0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert not done.stderr, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_the_command_takes_the_table(server):
    only = [word for state in ("refunding", "refunded") for word in ("--only", state)]
    status, report = conform(server.api, "--control", server.control, "--table", "instances", "--budget", "1h", *only)
    assert (status, report["table"], report["verdict"]) == (0, "instances", "conforms")
    assert {pair["result"] for pair in report["coverage"]} == {"passed"}


def test_pytest_has_a_test_for_each_pair(server, tmp_path):
    """`--orderfsm-table instances`: names say what is tried, and the server is left as it was found."""
    (tmp_path / "test_mine.py").write_text("def test_of_mine():\n    pass\n")
    options = ("--orderfsm-endpoint", server.api, "--orderfsm-control", server.control, "--orderfsm-table", "instances")
    done = run_pytest(tmp_path, "-vv", *options, "-k", "test_delete")
    assert done.returncode == 0, done.stdout
    assert "test_delete_is_accepted_when_refunded PASSED" in done.stdout
    assert "test_delete_is_refused_when_refunding PASSED" in done.stdout
    assert "when_ending" not in done.stdout, "the sources say nothing of it"
    assert server.service.completions == "clock"


def test_a_check_leaves_the_completions_to_the_clock():
    service = Service()
    check(ServiceDriver(service, lifecycle=LIFECYCLE), only=("none", "CreateInstance"))
    assert service.completions == "clock"


def test_the_command_waits_as_long_as_it_is_told(server):
    arguments = ("--table", "instances", "--patience", "0.02s", "--budget", "1h", "--only", "refunded")
    status, report = conform(server.api, *arguments)
    assert (status, report["verdict"]) == (0, "conforms")
    results = {(pair["state"], pair["trigger"]): pair["result"] for pair in report["coverage"]}
    assert results["refunded", "DeleteInstance"] == "passed"


def test_a_violation_is_a_program_that_shows_it(tmp_path):
    """The script runs with the official SDK alone, and prints the answer that is wrong."""
    broken = LIFECYCLE.without(LIFECYCLE.transition(State.PENDING, Call.CANCEL))
    with mock_cas(Service(instances=broken)) as server:
        driver = HTTPDriver(server.api, server.control, lifecycle=LIFECYCLE)
        report = check(driver, only=("pending", "CancelPendingCertificate"), fail_fast=True)
        script = tmp_path / "script.py"
        script.write_text(report.violations[0].script)
        done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "OperationDenied.StatusNotSupport (HTTP 400)" in done.stdout
    assert done.stdout.endswith("expected of the last answer: accepted\n")


def test_a_driver_of_orders_takes_no_third_table():
    other = attrs.evolve(LIFECYCLE.without(LIFECYCLE.transition(None, Call.PURCHASE)), name="mine")
    assert HTTPDriver("http://127.0.0.1:1", lifecycle=other).lifecycle is other
    import other_table

    with pytest.raises(InvalidValue, match="AnnounceParcel"):
        HTTPDriver("http://127.0.0.1:1", lifecycle=other_table.LIFECYCLE)
    assert Operation.LIST not in LIFECYCLE.trigger_rules
