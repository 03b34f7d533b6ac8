"""A mock as people write them, with 20 units: a small fault never hides a grave one, and a leak is no shortage."""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager

import pytest

pytest.importorskip("flask", reason="flask is not installed")
pytest.importorskip("alibabacloud_cas20200407", reason="the extra `client` is not installed")

from mutants.sloppy import (
    Bugs,
    DeletesInReview,
    DeletesInReviewAndLeaks,
    GivesTwice,
    Leaks,
    LeaksByCancelForPackage,
    sloppy,
)
from werkzeug.serving import make_server

from orderfsm import Operation, State
from orderfsm.testing import HTTPDriver, Result, check_conformance
from orderfsm.testing.model.failure import Kind
from orderfsm.trace import Finding

IN_REVIEW = (State.PENDING_REVIEW, Operation.DELETE, Kind.STATE_MACHINE)
DELETED = (State.PENDING_APPLICATION, Operation.DELETE, Kind.QUOTA)
CANCELLED_FOR_PACKAGE = (State.PENDING_APPLICATION, Operation.CANCEL_FOR_PACKAGE, Kind.QUOTA)


@contextmanager
def served(bugs, units=20, *, polite=True):
    """A driver for the mock of an afternoon."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", 0, sloppy(bugs, units, polite=polite), threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield HTTPDriver(f"http://127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def checked(bugs, units=20, *, polite=True, **options):
    """The report on it."""
    with served(bugs, units, polite=polite) as driver:
        return check_conformance(driver, events="complete", random=0, seed=1, budget=1e6, **options)


@pytest.mark.parametrize("units", [20, pytest.param(100_000, marks=pytest.mark.long)])
def test_two_grave_bugs_come_first_of_many_small_ones(units):
    report = checked(DeletesInReviewAndLeaks(), units, polite=False)
    assert report.verdict is Finding.VIOLATES
    assert [violation.key for violation in report.violations[:2]] == [IN_REVIEW, DELETED]
    assert {violation.kind for violation in report.violations[2:]} >= {Kind.CODES}
    gravity = [list(Kind).index(violation.kind) for violation in report.violations]
    assert gravity == sorted(gravity)
    # To show that the list ignores a keyword takes orders; with few units none is left for the least grave.
    shown = [violation for violation in report.violations if units > 20 or violation.kind is not Kind.SHAPES]
    assert all(len(violation.calls) <= 5 for violation in shown)


@pytest.mark.parametrize(
    ("bugs", "keys"),
    [
        (DeletesInReview(), {IN_REVIEW}),
        (Leaks(), {DELETED}),
        (LeaksByCancelForPackage(), {CANCELLED_FOR_PACKAGE}),
        (GivesTwice(), {DELETED, CANCELLED_FOR_PACKAGE}),
    ],
    ids=lambda given: type(given).__name__,
)
def test_each_bug_alone_is_the_only_violation_and_no_shortage(bugs, keys):
    report = checked(bugs, only=["pending_application", "pending_review", "delete", "cancel_for_package"])
    assert report.verdict is Finding.VIOLATES
    assert set(report.failed) == keys
    assert report.reason == ""


def test_where_units_are_lost_some_are_kept_to_show_it_and_that_is_said():
    report = checked(Leaks())
    [violation] = report.violations
    assert [call.get("call") for call in violation.calls] == [
        *(Operation.CREATE, Operation.DESCRIBE_PACKAGE, Operation.CANCEL, Operation.DELETE, Operation.DESCRIBE_PACKAGE)
    ]
    assert "units are lost, and the last 6 were kept to show that" in report.not_forced.values()
    assert "because units are lost" in str(report)


@pytest.mark.long
def test_it_conforms_where_it_has_no_bug():
    report = checked(Bugs())
    assert report.verdict is Finding.CONFORMS, str(report)
    assert report.counted(Result.PASSED) == 40


@pytest.mark.long
def test_careless_codes_and_shapes_stop_no_trial():
    report = checked(Bugs(), polite=False)
    assert {kind for _, _, kind in report.failed} == {Kind.CODES, Kind.SHAPES}
    tried = {state for (state, _), result in report.coverage.items() if result in {Result.PASSED, Result.FAILED}}
    assert tried == {None, State.PENDING_REVIEW, State.PENDING_APPLICATION, State.DELETED}
    assert Operation.CANCEL not in {trigger for state, trigger, _ in report.failed if state is not None}


def test_an_operation_that_the_server_does_not_have_is_not_offered_and_no_violation_unless_that_is_asked_for():
    renewals = {"polite": False, "only": ["renew", "deleted"], "exclude": ["none"]}
    report = checked(Bugs(), **renewals)
    strict = checked(Bugs(), **renewals, strict_operations=True)
    assert report.failed == ()
    assert set(report.coverage.values()) == {Result.NOT_OFFERED}
    assert str(report).count("not offered: renew") == 1
    assert report.verdict is Finding.UNDECIDED, "nothing was checked"
    assert {trigger for _, trigger, _ in strict.failed} == {Operation.RENEW}
    assert strict.verdict is Finding.VIOLATES
