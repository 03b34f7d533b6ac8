"""Real ACME servers, held against RFC 8555: the kit finds where each departs from it, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytest.importorskip("acme", reason="the extra `acme` is not installed")
pytest.importorskip("hypothesis", reason="the extra `testing` is not installed")

from acme_servers import Unavailable
from acme_servers.recording import FLAWED, TWICE, departs, key, record, rows
from acme_servers.table import keep

from orderfsm.tables.acme import Event, Operation, State

FINALIZE, DEACTIVATE = Operation.FINALIZE, Operation.DEACTIVATE_AUTHORIZATION
READ, REVOKE, FAILED = Operation.READ_ORDER, Operation.REVOKE_CERT, Event.AUTHORIZATION_FAILED

EXPECTED = {
    "pebble": {
        (State.INVALID, READ, ""): "deactivated",
    },
    "acme2certifier": {
        (State.PENDING, FAILED, ""): "status pending",
        (State.PENDING, DEACTIVATE, ""): "status pending",
        (State.READY, DEACTIVATE, ""): "status ready",
        (State.READY, FINALIZE, FLAWED): "status processing",
    },
    "acmeeh": {
        (State.READY, FINALIZE, FLAWED): "status processing",
        (State.READY, FINALIZE, TWICE): "accepted from ",
        (State.VALID, FINALIZE, ""): "accepted",
        (State.VALID, FINALIZE, FLAWED): "accepted",
    },
    "serles": {
        (State.PENDING, DEACTIVATE, ""): "status pending",
        (State.READY, DEACTIVATE, ""): "status ready",
        (State.READY, FINALIZE, TWICE): "accepted from ",
        (State.VALID, REVOKE, ""): "unauthorized",
    },
}
"""What the kit finds of each server, and how what it got ends or begins."""

BY_CHANCE = {
    # Deactivated once it was finalized: the kit knows that it was processing, or has seen that it is valid.
    "pebble": {(State.READY, FINALIZE, TWICE), (State.PROCESSING, READ, ""), (State.VALID, READ, "")},
    "acme2certifier": {(State.READY, FINALIZE, TWICE)},
}
"""What it finds in some runs: that more than one of the finalizes at once is accepted, too, in a few races of each."""

FOLDER = "ORDERFSM_ACME_REPORTS"
"""The environment variable that names a folder for what was recorded."""


LONG = {"acme2certifier", "acmeeh", "serles"}


def server(name):
    """A parameter; the tests of one server are for one process of pytest-xdist, which asks the server once."""
    return pytest.param(name, marks=[pytest.mark.xdist_group(name), *([pytest.mark.long] if name in LONG else [])])


@pytest.fixture(scope="module", params=map(server, EXPECTED))
def recorded(request):
    """What was recorded of a server, and the kit's report."""
    try:
        recording, report = record(request.param)
    except Unavailable as error:
        pytest.skip(str(error))
    if FOLDER in os.environ:
        keep(Path(os.environ[FOLDER]), recording, report)
    return recording, report


def test_the_kit_finds_where_a_real_server_departs_and_nothing_else(recorded):
    recording, report = recorded
    found = {(each["state"], each["trigger"], each["particular"]): each["got"] for each in recording["departures"]}
    name = recording["server"]
    assert set(found) - BY_CHANCE.get(name, set()) == set(EXPECTED[name]), f"{report}"
    for row, got in EXPECTED[name].items():
        assert got in found[row], f"{report}"
    assert recording["verdict"] == "violates"


def test_every_counterexample_has_a_section_and_few_calls(recorded):
    for each in recorded[0]["departures"]:
        assert each["reference"].startswith("RFC 8555, section "), each
        assert 3 <= len(each["calls"]) <= 5, each


def test_what_single_calls_show_is_what_the_kit_finds(recorded):
    """Each call was made once in each state as well, and judged by itself: the kit missed nothing that it reached.

    A race is lost now and then: the kit, which runs many, may find one that was not lost in a single try.
    """
    recording, _ = recorded
    name = recording["server"]
    found = {(each["state"], each["trigger"], each["particular"]) for each in recording["departures"]}
    shown = {row for row in rows() if departs(*row, recording["answers"][key(*row)])}
    assert shown - found <= UNNAMED.get(name, set()) | BY_CHANCE.get(name, set())
    alone = {row for row in rows() if row[2] != TWICE}
    assert found & alone - BY_CHANCE.get(name, set()) <= shown


UNNAMED = {
    # The word is one that orders do not have: that is said of the read that showed it, once.
    "pebble": {(state, DEACTIVATE, "") for state in (State.PENDING, State.READY, State.PROCESSING, State.VALID)},
    # An order is in processing only because a CSR was refused, which is a departure: nothing is built on it.
    "acme2certifier": {(State.PROCESSING, DEACTIVATE, "")},
    "acmeeh": {(State.PROCESSING, each, "") for each in (FINALIZE, DEACTIVATE)}
    | {(State.PROCESSING, FINALIZE, FLAWED)},
}
"""What single calls show, and the kit does not name, with the reason."""
