"""The conformance kit catches every broken server of instances, with a counterexample of at most eight calls."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")
pytest.importorskip("alibabacloud_cas20200407", reason="the extra `client` is not installed")
pytest.importorskip("hypothesis", reason="the extra `testing` is not installed")

from mutants.catch import BEGINS, check, row
from mutants.instances import AT_ONCE, INSTANCES, SERVERS, STORES, TABLES
from mutants.threaded import threaded

from orderfsm.mock import mock_cas
from orderfsm.tables.instances import LIFECYCLE
from orderfsm.testing import HTTPDriver, ServiceDriver
from orderfsm.trace import Events, Finding

PAGE = (Path(__file__).parent.parent / "docs" / "conformance.md").read_text()
LISTED = PAGE.rpartition(BEGINS)[2].partition("\n\n")[0].splitlines()
MOST_CALLS = 8
A_FEW = slice(None, None, 40)


def name(mutant):
    """The name of a test."""
    return mutant.name.replace(" ", "_")


def caught(mutant, driver, events=Events.COMPLETE, **options):
    """The report that says that a mutant violates the table."""
    report = check(mutant, driver, events, **options)
    assert report.verdict is Finding.VIOLATES, report
    assert len(report.violations[0].calls) <= MOST_CALLS, report
    return report


def without_time(line):
    """A line of the table but for its seconds; and, where clients call at once or at random, but for its calls."""
    cells = line.split(" | ")
    return cells[:3] if cells[1] == "systematic" else cells[:2]


def in_process(mutant):
    """A mutant is caught in process, as the table in docs/conformance.md says."""
    report = caught(mutant, ServiceDriver(mutant.make(), lifecycle=LIFECYCLE))
    assert without_time(row(mutant, report, 0)) in map(without_time, LISTED), "make mutants prints the table"


def over_http(mutant):
    """A mutant is caught through its two ports."""
    if mutant.clients:
        with threaded(mutant.make()) as (api, control):
            caught(mutant, HTTPDriver(api, control, lifecycle=LIFECYCLE))
    else:
        with mock_cas(mutant.make()) as server:
            caught(mutant, HTTPDriver(server.api, server.control, lifecycle=LIFECYCLE))


def by_calls_alone(mutant):
    """A mutant is caught through the API port alone."""
    with mock_cas(mutant.make(takes=AT_ONCE, random=Random(1))) as server:
        caught(mutant, HTTPDriver(server.api, lifecycle=LIFECYCLE), Events.PARTIAL, patience=0.05)


BY_CALLS = [mutant for mutant in INSTANCES if mutant.by_calls]


def test_the_table_has_every_mutant_once():
    assert [line.split(" | ")[0].removeprefix("| ") for line in LISTED] == [mutant.name for mutant in INSTANCES]
    assert f"<summary>The {len(INSTANCES)} broken servers of instances</summary>" in PAGE
    assert len(INSTANCES) >= 80


@pytest.mark.parametrize("mutant", [*SERVERS, *STORES, *TABLES[A_FEW]], ids=name)
def test_a_mutant_is_caught_and_listed(mutant):
    in_process(mutant)


@pytest.mark.parametrize("mutant", INSTANCES[A_FEW], ids=name)
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
@pytest.mark.parametrize("mutant", INSTANCES, ids=name)
def test_every_mutant_is_caught_over_http(mutant):
    over_http(mutant)


@pytest.mark.long
@pytest.mark.parametrize("mutant", BY_CALLS, ids=name)
def test_every_mutant_that_calls_can_show_is_caught_by_them_alone(mutant):
    by_calls_alone(mutant)
