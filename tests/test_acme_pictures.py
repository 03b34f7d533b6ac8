"""The picture of a real server: the life of an ACME order, and in red what the server does instead."""

from __future__ import annotations

import copy
import itertools
import json
import re

import pytest

pytest.importorskip("acme", reason="the extra `acme` is not installed")

from acme_servers.picture import file_of, picture
from acme_servers.recording import FLAWED, key, rows
from acme_servers.table import RECORDED
from test_drawing import SVG, Picture, meet, overlaps, wide

from orderfsm.tables.acme import LIFECYCLE, Event, Operation, State

RECORDINGS = json.loads(RECORDED.read_text())


def came(what, outcome, after):
    return {"came": [what], "outcomes": [outcome], "after": after}


def right(state, trigger, particular):
    """What a server answers that does as the RFC says."""
    row = LIFECYCLE.table[state].get(trigger)
    if "twice" in particular:
        return {"came": ["200 valid", "403 orderNotReady"], "outcomes": ["accepted", "refused"], "after": "valid"}
    if row is None or particular:
        return came("403 orderNotReady", "refused", state.value)
    return came("200", "accepted", row.target.value)


@pytest.fixture
def recording():
    """Of a server that is right."""
    answers = {key(*row): right(*row) for row in rows()}
    return {"server": "example", "version": "1.0", "answers": copy.deepcopy(answers)}


def red(drawn):
    """The arrows of what was seen: from where to where, and what is written at them."""
    return {
        ends: seen
        for ends in drawn.labels
        if (seen := [line.removesuffix(" *") for title, line in drawn.lines(ends) if "answered" in title])
    }


def test_a_server_that_is_right_has_nothing_in_red(recording):
    drawn = Picture(picture(recording))
    assert red(drawn) == {}
    assert set(drawn.states) == {"", *State}


def test_a_status_that_orders_do_not_have_is_a_box_of_its_own(recording):
    for state in (State.PENDING, State.READY, State.VALID):
        recording["answers"][key(state, Operation.DEACTIVATE_AUTHORIZATION)] = came("200", "accepted", "deactivated")
    drawn = Picture(picture(recording))
    said = ["deactivate authorization"]
    assert red(drawn) == {(state, "deactivated"): said for state in ("pending", "ready", "valid")}
    assert drawn.states["deactivated"].find(f"{SVG}title").text == "deactivated, no status of an order: example 1.0"
    assert drawn.root.get("aria-label") == "The life of an ACME order, and in red what example 1.0 does instead"
    assert "*  observed: example 1.0" in picture(recording)


def test_what_changes_nothing_or_too_much_is_an_arrow_too(recording):
    answers = recording["answers"]
    answers[key(State.PENDING, Event.AUTHORIZATION_FAILED)] = came("done", "accepted", "pending")
    answers[key(State.READY, Operation.FINALIZE, FLAWED)] = came("400 badCSR", "refused", "processing")
    answers[key(State.VALID, Operation.FINALIZE)] = came("200 valid", "accepted", "valid")
    assert red(Picture(picture(recording))) == {
        ("pending", "pending"): ["authorization failed"],
        ("ready", "processing"): ["finalize with a csr for another name"],
        ("valid", "valid"): ["finalize"],
    }


def test_the_red_is_of_the_picture_alone_in_light_and_dark(recording):
    assert picture(recording).count(".orderfsm .observed { --operation: ") == 2
    assert picture(recording).count("</style>") == 1


@pytest.mark.parametrize("recorded", RECORDINGS, ids=lambda recorded: recorded["server"])
def test_the_picture_in_the_docs_is_what_was_recorded_and_can_be_read(recorded):
    assert file_of(recorded).read_text(encoding="utf-8") == picture(recorded)
    drawn = Picture(picture(recorded))
    assert red(drawn)
    assert overlaps(drawn.boxes(), drawn.estimated()) == []
    assert not drawn.feet
    for one, other in itertools.combinations(drawn.legs(), 2):
        assert not [(a, b) for a in one for b in other if meet(a, wide(b, 1))]


def test_the_readme_says_how_often_each_server_departs_and_in_how_many_calls_that_is_shown():
    readme = " ".join((RECORDED.parents[1] / "README.md").read_text(encoding="utf-8").split())
    for each in RECORDINGS:
        version = each["version"].partition("+")[0]
        assert re.search(rf"\b{len(each['departures'])} (times )?in {each['server']} {version}\b", readme)
    lengths = {len(departure["calls"]) for each in RECORDINGS for departure in each["departures"]}
    assert (min(lengths), max(lengths)) == (3, 5)
    assert "shown by three to five calls each" in readme
