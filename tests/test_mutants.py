"""The conformance kit catches every broken server, with a counterexample of at most six calls."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest

pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")
pytest.importorskip("alibabacloud_cas20200407", reason="the extra `client` is not installed")

from mutants import MUTANTS, SERVERS, STORES, TABLES
from mutants.catch import BEGINS, check, row
from mutants.threaded import threaded

from orderfsm.mock import mock_cas
from orderfsm.mock.review import Review
from orderfsm.testing import HTTPDriver, ServiceDriver
from orderfsm.trace import Events, Finding

PAGE = (Path(__file__).parent.parent / "docs" / "conformance.md").read_text()
LISTED = PAGE.partition(BEGINS)[2].partition("\n\n")[0].splitlines()
MOST_CALLS = 6
A_FEW = slice(None, None, 40)
PRODUCT = "digicert-free-1-free"


def name(mutant):
    """The name of a test."""
    return mutant.name.replace(" ", "_")


def caught(mutant, driver, events=Events.COMPLETE):
    """The report that says that a mutant violates the table."""
    report = check(mutant, driver, events)
    assert report.verdict is Finding.VIOLATES, report
    assert len(report.violations[0].calls) <= MOST_CALLS, report
    return report


def without_time(line):
    """A line of the table but for its seconds; and, where clients call at once or at random, but for its calls."""
    cells = line.split(" | ")
    return cells[:3] if cells[1] == "systematic" else cells[:2]


def in_process(mutant):
    """A mutant is caught in process, as the table in docs/conformance.md says."""
    report = caught(mutant, ServiceDriver(mutant.make()))
    assert without_time(row(mutant, report, 0)) in map(without_time, LISTED), "make mutants prints the table"


def test_the_table_has_every_mutant_once():
    assert [line.split(" | ")[0].removeprefix("| ") for line in LISTED] == [mutant.name for mutant in MUTANTS]
    assert f"<summary>The {len(MUTANTS)} broken servers of orders</summary>" in PAGE
    assert len(MUTANTS) >= 40


@contextmanager
def served(service):
    """The URLs of the API port and of the control port, while our server serves them."""
    with mock_cas(service) as server:
        yield server.api, server.control


def over_http(mutant):
    """A mutant is caught through its two ports."""
    with threaded(mutant.make()) if mutant.clients else served(mutant.make()) as (api, control):
        caught(mutant, HTTPDriver(api, control))


def by_calls_alone(mutant):
    """A mutant is caught through the API port alone."""
    service = mutant.make(review=Review.parse(mutant.review, reject_share=0.4), random=Random(1))
    service.put_package(PRODUCT, mutant.units)
    with served(service) as (api, _):
        caught(mutant, HTTPDriver(api), Events.COMPLETE if mutant.review == "manual" else Events.PARTIAL)


BY_CALLS = [mutant for mutant in MUTANTS if mutant.by_calls]


@pytest.mark.parametrize("mutant", [*SERVERS, *STORES, *TABLES[A_FEW]], ids=name)
def test_a_mutant_is_caught_and_listed(mutant):
    in_process(mutant)


@pytest.mark.parametrize("mutant", MUTANTS[A_FEW], ids=name)
def test_a_mutant_is_caught_over_http(mutant):
    over_http(mutant)


@pytest.mark.parametrize("mutant", BY_CALLS[A_FEW], ids=name)
def test_a_mutant_is_caught_by_calls_alone(mutant):
    by_calls_alone(mutant)


@pytest.mark.long
@pytest.mark.parametrize("mutant", TABLES, ids=name)
def test_every_mutant_of_the_table_is_caught_and_listed(mutant):
    in_process(mutant)


@pytest.mark.long
@pytest.mark.parametrize("mutant", MUTANTS, ids=name)
def test_every_mutant_is_caught_over_http(mutant):
    over_http(mutant)


@pytest.mark.long
@pytest.mark.parametrize("mutant", BY_CALLS, ids=name)
def test_every_mutant_that_calls_can_show_is_caught_by_them_alone(mutant):
    by_calls_alone(mutant)
