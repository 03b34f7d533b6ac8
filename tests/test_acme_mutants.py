"""The kit catches every broken ACME server, and accuses what is broken; others are right in their own way, and conform.

In process, and over HTTP as a client meets them: some of them, and with the mark `long` all.
"""

from __future__ import annotations

import pytest

pytest.importorskip("hypothesis", reason="the extra `testing` is not installed")
pytest.importorskip("cryptography", reason="the extra `mock` is not installed")

from mutants.acme import ANY, MUTANTS, RIGHT

from orderfsm.tables.acme import LIFECYCLE
from orderfsm.testing import check_conformance
from orderfsm.trace import Events, Finding

MOST_CALLS = 6
BUDGET = 1e6


def name(mutant):
    """The name of a test."""
    return mutant.name.replace(" ", "_").replace(",", "")


def check(mutant, driver=None, **options):
    """The report on a server, by a driver of it."""
    driver = mutant.driver() if driver is None else driver
    return check_conformance(driver, lifecycle=LIFECYCLE, seed=1, budget=BUDGET, **options)


def accused(mutant, report):
    """The first violation, which accuses what is wrong with a mutant."""
    assert report.verdict is Finding.VIOLATES, str(report)
    violation = report.violations[0]
    if mutant.accused != ANY:
        state, trigger = mutant.accused
        assert violation.trigger == trigger, str(report)
        assert violation.state == state or violation.picture, str(report)  # clients that race may meet it earlier
        assert violation.flawed == mutant.flawed, str(report)
        assert len(violation.calls) <= MOST_CALLS, str(report)


def test_there_are_more_than_eighty_mutants_and_each_has_a_name_of_its_own():
    names = [each.name for each in (*MUTANTS, *RIGHT)]
    assert len(set(names)) == len(names)
    assert len(MUTANTS) >= 80
    assert sum(each.real for each in MUTANTS) >= 12


@pytest.mark.parametrize("mutant", MUTANTS, ids=name)
def test_a_broken_server_is_caught_and_what_is_broken_is_accused_in_few_calls(mutant):
    accused(mutant, check(mutant, random=100, fail_fast=True))


@pytest.mark.parametrize("server", RIGHT, ids=name)
def test_a_server_that_is_right_in_its_own_way_conforms(server):
    report = check(server, random=20)
    assert report.verdict is Finding.CONFORMS, str(report)


@pytest.mark.parametrize("server", [each for each in RIGHT if each.driver().forces], ids=name)
def test_where_everything_can_be_made_to_happen_all_of_it_is_told(server):
    report = check(server, random=20, events=Events.COMPLETE)
    assert report.verdict is Finding.CONFORMS, str(report)


def over_http(server, **options):
    """The report on a server that is met over HTTP."""
    pytest.importorskip("acme", reason="the extra `acme` is not installed")
    from acme_servers import free_port
    from acme_wire import serving

    from orderfsm.testing.drivers.acme import AcmeDriver

    port = free_port()
    with serving(server.make(), port) as directory, AcmeDriver(directory, http_port=port) as driver:
        return check(server, driver, **options)


MET = [each for each in MUTANTS if each.wire]


@pytest.mark.parametrize("mutant", MET[::8], ids=name)
def test_a_client_finds_it_over_http(mutant):
    accused(mutant, over_http(mutant, random=100, fail_fast=True))


@pytest.mark.long
@pytest.mark.parametrize("mutant", MET, ids=name)
def test_a_client_finds_every_one_over_http(mutant):
    accused(mutant, over_http(mutant, random=100, fail_fast=True))


@pytest.mark.parametrize("server", [each for each in RIGHT if each.wire][::6], ids=name)
def test_a_client_finds_nothing_over_http_where_nothing_is_wrong(server):
    report = over_http(server, random=0)
    assert report.verdict is Finding.CONFORMS, str(report)
