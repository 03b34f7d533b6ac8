"""How mutants are caught: the check that is made of each, and the table of what came of it."""

from __future__ import annotations

import time

from orderfsm.testing import ServiceDriver, check_conformance
from orderfsm.trace import Events

CLIENTS = (8, 50)
"""Clients, and calls of each, where only they can see what is wrong."""

SEED = 1
BUDGET = 1e6
BEGINS = "| mutant | caught by | calls | seconds |\n| --- | --- | --- | --- |\n"


def check(mutant, driver, events=Events.COMPLETE, **options):
    """The report on a mutant behind a driver, up to the first violation."""
    random, concurrent = (0, CLIENTS) if mutant.clients else (200, None)
    return check_conformance(
        driver,
        lifecycle=mutant.lifecycle,
        events=events,
        random=random,
        concurrent=concurrent,
        seed=SEED,
        fail_fast=True,
        budget=BUDGET,
        only=mutant.only,
        **options,
    )


def row(mutant, report, seconds):
    """A line of the table."""
    violation = report.violations[0]
    return f"| {mutant.name} | {violation.part} | {len(violation.calls)} | {seconds:.2f} |\n"


def table(mutants):
    """The lines of the table, one after another."""
    yield BEGINS
    for mutant in mutants:
        begun = time.perf_counter()
        report = check(mutant, ServiceDriver(mutant.make(), lifecycle=mutant.lifecycle))
        yield row(mutant, report, time.perf_counter() - begun)
