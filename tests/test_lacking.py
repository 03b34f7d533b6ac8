"""A server that lacks a read, or refuses it, violates that read; everything else is judged."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("click", reason="the extra `cli` is not installed")
pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")
pytest.importorskip("alibabacloud_cas20200407", reason="the extra `client` is not installed")

import plain

from orderfsm import ORDER_LIFECYCLE, Event, Operation, State, Transition
from orderfsm.cli import main
from orderfsm.mock import Service
from orderfsm.rows import Basis
from orderfsm.testing import Answer, NoAnswer, Result, ServiceDriver, check_conformance
from orderfsm.trace import Finding

READS = (Operation.DESCRIBE, Operation.LIST, Operation.DESCRIBE_PACKAGE)
PAIRS = {(state, trigger) for state in (None, *State) for trigger in (*Operation, *Event)}
NO_SUCH_ACTION = plain.refusal(404, "InvalidAction.NotFound")
WAYS = {
    "no such action": NO_SUCH_ACTION,
    "not found": plain.refusal(404, "NotFound"),
    "it fails": plain.refusal(500, "Error"),
    "no JSON object": (200, ["this", "is", "no", "answer"]),
    "a text": (404, "not found"),
}


def of(report, result):
    """The pairs that had a result."""
    return {pair for pair, each in report.coverage.items() if each is result}


def deletes(state):
    """A table in which a certificate order can be deleted in one more state."""
    return ORDER_LIFECYCLE.with_rows(Transition(state, Operation.DELETE, State.DELETED, Basis.INFERRED, "nobody"))


class Lacking(ServiceDriver):
    """A driver of which one method never reads anything."""

    def __init__(self, method, came, service=None):
        super().__init__(Service() if service is None else service)

        def none(*_, **__):
            if came is not None:
                raise came

        setattr(self, method, none)


@pytest.mark.parametrize("passing", [pytest.param(True, marks=pytest.mark.long), False], ids=["in passing", "for good"])
@pytest.mark.parametrize(
    ("method", "trigger"),
    [("observe", Operation.DESCRIBE), ("orders", Operation.LIST), ("quota", Operation.DESCRIBE_PACKAGE)],
)
def test_a_read_that_gets_no_answer_is_one_violation_and_the_rest_is_judged(method, trigger, passing):
    driver = Lacking(method, NoAnswer("nothing came", passing=passing), Service(lifecycle=deletes(State.ISSUED)))
    report = check_conformance(driver, random=0, seed=1, budget=200)
    accused = {(violation.state, violation.trigger): violation for violation in report.violations}
    assert len(report.violations) == 2
    assert (State.ISSUED, Operation.DELETE) in accused
    read = next(violation for pair, violation in accused.items() if pair[1] is trigger)
    assert (read.expected, read.got) == ("an answer", "nothing came")
    assert {trigger} >= {pair[1] for pair in of(report, Result.NOT_FORCED)}


@pytest.mark.parametrize("method", ["observe", *(pytest.param(m, marks=pytest.mark.long) for m in ("orders", "quota"))])
def test_a_read_that_the_driver_cannot_do_is_no_violation(method):
    report = check_conformance(Lacking(method, None), random=2, seed=1, budget=200, concurrent=(2, 5))
    assert report.verdict is Finding.CONFORMS, str(report)
    assert len(of(report, Result.PASSED)) >= len(PAIRS) - len(State) - 1


def test_a_read_that_is_refused_in_one_state_is_a_violation_there():
    class Refusing(ServiceDriver):
        def call(self, operation, order_id):
            if operation is Operation.DESCRIBE and State.ISSUED in self.observe(order_id):
                return Answer.refused("OrderStateError", http_status=403, body=plain.refusal(403, "OrderStateError")[1])
            return super().call(operation, order_id)

    report = check_conformance(Refusing(Service(lifecycle=deletes(State.EXPIRED))), random=0, seed=1, budget=200)
    assert of(report, Result.FAILED) >= {(State.ISSUED, Operation.DESCRIBE), (State.EXPIRED, Operation.DELETE)}
    assert {pair for pair in of(report, Result.NOT_FORCED) if pair[0] is State.ISSUED} == set()


# The SDK leaves the connection of an answer that it cannot read to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
STEPS = ("--budget", "3600s", "--only", "cancel")
"""What bounds a run by what is tried, and not by the clock."""


@pytest.fixture
def conform(capsys):
    """The exit status, the document and the standard error of `orderfsm conform --json`."""

    def run(*arguments):
        status = main(["conform", *arguments, "--random", "0", "--json"])
        printed = capsys.readouterr()
        return status, json.loads(printed.out) if printed.out else None, printed.err

    return run


@pytest.mark.parametrize(
    ("way", "has_control"),
    [
        ("it fails", True),
        ("not found", False),
        *(pytest.param(way, control, marks=pytest.mark.long) for way in WAYS for control in (True, False)),
    ],
)
@pytest.mark.parametrize("read", READS, ids=lambda read: read.name.lower())
def test_over_http_a_read_that_is_lacking_is_a_violation_and_no_traceback(conform, read, way, has_control):
    with plain.served(spoil=lambda what: WAYS[way] if what == read else None) as server:
        arguments = [server.api, *(["--control", server.control] if has_control else []), "--strict-operations"]
        status, document, err = conform(*arguments, *STEPS, "--only", read)
    assert (status, err) == (1, "")
    assert {violation["trigger"] for violation in document["violations"]} == {read}
    passed = {(p["state"], p["trigger"]) for p in document["coverage"] if p["result"] == "passed"}
    assert {trigger for _, trigger in passed} - {read}


@pytest.mark.parametrize("has_control", [True, pytest.param(False, marks=pytest.mark.long)])
@pytest.mark.parametrize("read", READS, ids=lambda read: read.name.lower())
def test_over_http_a_read_that_the_server_says_it_does_not_have_is_not_offered_and_no_violation(
    conform, read, has_control
):
    with plain.served(spoil=lambda what: NO_SUCH_ACTION if what == read else None) as server:
        arguments = [server.api, *(["--control", server.control] if has_control else [])]
        status, document, err = conform(*arguments, "--budget", "300", "--only", "pending_review", "--only", read.name)
    assert (document["violations"], err) == ([], "")
    assert status == 3, "nothing else was tried"
    results = {(each["trigger"], each["result"]) for each in document["coverage"]}
    assert results == {(read, "not offered")}


@pytest.mark.parametrize(
    ("what", "document"),
    [
        ("GET /orders/", (500, {"Code": "Error"})),
        ("GET /orders/", (404, {"Code": "NotFound"})),
        ("GET /orders/", (404, "no such page")),
        ("GET /orders/", (200, {"OrderId": 1, "State": "half_issued"})),
        ("GET /orders/", (200, {"OrderId": 1})),
        ("POST /reset", (404, {"Code": "NotFound"})),
        ("POST /reset", (500, {"Code": "Error"})),
        ("PUT /packages/", (500, {"Code": "Error"})),
        ("POST /orders/", (404, "no such page")),
        ("POST /orders/", (500, {"Code": "Error"})),
        ("POST /orders/", (501, {})),
    ],
)
def test_a_control_port_that_lacks_a_request_ends_in_no_traceback(conform, what, document):
    with plain.served(spoil=lambda asked: document if (asked or "").startswith(what) else None) as server:
        status, said, err = conform(
            server.api, "--control", server.control, *STEPS, "--only", "describe", "--only", "review_passed"
        )
    assert status in {0, 1, 3}
    assert err == ""
    accused = {violation["trigger"] for violation in said["violations"]}
    allowed = {"GET /orders/": {Operation.DESCRIBE}, "POST /orders/": {*Event}, "PUT /packages/": {*Operation}}
    assert accused <= allowed.get(what, set())
    if what == "GET /orders/":
        assert accused == {Operation.DESCRIBE}
