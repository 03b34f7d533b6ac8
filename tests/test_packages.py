"""Two packages: what happens to orders of one leaves the units of the other alone, and who is accused is who did it."""

from __future__ import annotations

import pytest

pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")
pytest.importorskip("alibabacloud_cas20200407", reason="the extra `client` is not installed")

from mutants import SERVERS, TABLES

from orderfsm import Event, InvalidValue, Operation, State
from orderfsm.mock import Service, mock_cas
from orderfsm.testing import HTTPDriver, Result, ServiceDriver, check_conformance
from orderfsm.testing.model.failure import Kind
from orderfsm.trace import Finding

DELETABLE = {State.PENDING_APPLICATION, State.VERIFY_FAIL}


def failed(name):
    """What the mutant of that name is accused of."""
    mutant = next(each for each in SERVERS if each.name == name)
    report = check_conformance(ServiceDriver(mutant.make()), events="complete", random=0, seed=1, budget=1e6)
    assert report.verdict is Finding.VIOLATES
    return set(report.failed)


@pytest.mark.parametrize(
    "name",
    [
        "a unit always comes back to the default package",
        "a deletion gives a unit of every other package back as well",
        "a deletion gives two units back",
    ],
)
def test_only_the_deletion_that_gives_back_wrongly_is_accused(name):
    assert failed(name) == {(state, Operation.DELETE, Kind.QUOTA) for state in DELETABLE}


def test_a_refused_read_that_takes_a_unit_is_accused_and_not_the_call_before_it():
    assert failed("a refused describe takes a unit") == {(State.DELETED, Operation.DESCRIBE, Kind.QUOTA)}


def test_a_list_that_is_wrong_stops_no_trial():
    name = "the list shows the status before the last change"
    assert failed(name) == {(None, Operation.LIST, kind) for kind in (Kind.STATE_MACHINE, Kind.SHAPES)}


def test_a_step_without_effect_is_accused_and_not_what_was_called_before_somebody_looked():
    name = "domain_validated in pending_review leaves the order there"
    mutant = next(each for each in TABLES if each.name == name)
    report = check_conformance(ServiceDriver(mutant.make()), events="complete", random=0, seed=1, budget=1e6)
    assert set(report.failed) == {(State.PENDING_REVIEW, Event.DOMAIN_VALIDATED, Kind.STATE_MACHINE)}


class OnePackage(Service):
    """A mock with a single package."""

    def put_package(self, product_code, total):
        if product_code != "digicert-free-1-free":
            raise InvalidValue("product code", product_code, ["digicert-free-1-free"])
        return super().put_package(product_code, total)


def test_a_second_package_that_cannot_be_set_is_done_without():
    with mock_cas(OnePackage()) as server:
        driver = HTTPDriver(server.api, server.control)
        report = check_conformance(driver, events="complete", random=0, budget=1e6, only=["deleted"], seed=1)
    assert report.verdict is Finding.CONFORMS, str(report)
    assert set(report.coverage.values()) == {Result.PASSED}
    assert driver.packages == 1
