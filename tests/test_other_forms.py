"""The forms, drawings, machine and coverage of another table, that of parcels: all of them say what it says."""

from __future__ import annotations

import asyncio
import copy
import inspect
import itertools
import json
import os
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from enum import StrEnum
from pathlib import Path

import attrs
import node_packages
import pytest
from chromium import chromium
from other_table import LIFECYCLE, SILENCES, TRIGGERS, Event, NotMoving, Operation, State
from test_drawing import SVG, Picture, meet, overlaps, wide, words

from orderfsm import ORDER_LIFECYCLE, InvalidValue, Order, OrderStateError, trace
from orderfsm import State as OrderState
from orderfsm.coverage import covering
from orderfsm.drawing import dot, mermaid, svg
from orderfsm.errors import Unspecified
from orderfsm.export import diff, divergences, document, exported, read, schema
from orderfsm.identity import Identity
from orderfsm.machine import AsyncOrderMachine, OrderMachine
from orderfsm.rows import RefusalRule, StateRule, Transition, Vocabulary

DOCUMENT = json.loads(exported("json", LIFECYCLE))
PAIRS = [*itertools.product((None, *State), (*Operation, *Event))]
SILENT = [pair for pair in PAIRS if LIFECYCLE.is_silent(*pair)]
CHANGING = [row for row in LIFECYCLE.transitions if row.changes]
CONSUMER = Path(__file__).parent.parent / "examples" / "vectors.mjs"


def by(name, **key):
    """The one entry of a list in the document that has these values."""
    (found,) = [each for each in DOCUMENT[name] if {k: each[k] for k in key} == key]
    return found


# -- JSON --------------------------------------------------------------------------------------------------------------


def is_valid(said, lifecycle=LIFECYCLE):
    """Whether it is valid by the schema of a table."""
    validators = pytest.importorskip("jsonschema", reason="the extra `cli` is not installed")
    validators.Draft202012Validator.check_schema(schema(lifecycle))
    return validators.Draft202012Validator(schema(lifecycle)).is_valid(said)


def test_the_document_is_valid_by_its_own_schema_and_not_by_that_of_the_orders():
    assert is_valid(DOCUMENT)
    assert not is_valid(json.loads(exported("json")))
    assert not is_valid(DOCUMENT, ORDER_LIFECYCLE)


def test_it_names_the_table_what_its_orders_are_called_and_what_their_ids_are():
    assert DOCUMENT["table"] == LIFECYCLE.name
    assert (DOCUMENT["noun"], DOCUMENT["title"]) == ("parcel", "The life of a parcel")
    assert DOCUMENT["identity"] == {"key": "parcel_id", "parameter": "ParcelId", "form": "pa-{:06}", "longest": 128}


def test_words_stand_under_the_names_of_the_tables_fields_as_a_list_where_there_are_several():
    assert (by("state_rules", state="redirecting")["phase"], by("state_rules", state="redirecting")["place"]) == (
        ["moving", "waiting"],
        "moving",
    )
    assert (by("state_rules", state="lost")["phase"], by("state_rules", state="lost")["place"]) == ("moving", None)
    assert DOCUMENT["vocabularies"]["Place"]["moving"] == ["in_transit", "redirecting"]
    assert DOCUMENT["vocabularies"]["Phase"]["waiting"] == ["announced", "redirecting", "at_locker"]
    assert by("fields", field="Place")["closed"]
    assert by("fields", field="Phase") | {"unspecific": "unknown", "operation": "TrackParcel"} == by(
        "fields", field="Phase"
    )


def test_every_pair_is_one_row_one_refusal_or_one_silence_or_a_read_of_the_account():
    for state, trigger in PAIRS:
        rows = [row for row in DOCUMENT["transitions"] if (row["source"], row["trigger"]) == (state, trigger)]
        refusals = [each for each in DOCUMENT["refusals"] if (each["state"], each["trigger"]) == (state, trigger)]
        silences = [each for each in DOCUMENT["silences"] if (each["state"], each["trigger"]) == (state, trigger)]
        account = [trigger] if trigger is Operation.OVERVIEW else []
        assert len(rows + refusals + silences + account) == 1
        assert bool(silences) is ((state, trigger) in SILENT)
    assert len(SILENT) == 3


def test_each_refusal_has_its_own_code_and_says_whether_the_call_succeeds_later():
    passing = by("refusals", state="redirecting", trigger="RedirectParcel")
    assert (passing["code"], passing["http_status"], passing["passes"]) == ("NotMoving", 422, True)
    assert (passing["basis"], passing["reference"]) == ("observed", "2026-08")
    assert [each["trigger"] for each in DOCUMENT["refusals"] if each["passes"]] == ["RedirectParcel"]
    assert by("refusals", state="delivered", trigger="WithdrawParcel")["code"] == "OutOfReach"
    assert by("refusals", state="erased", trigger="WithdrawParcel")["service_code"] == "NoSuchParcel"
    assert by("state_rules", state="delivered")["model_code"] is None
    assert by("state_rules", state="in_transit")["model_code"] == "WrongPhase"
    assert (by("state_rules", state="erased")["model_code"], by("state_rules", state="erased")["service_code"]) == (
        None,
        "NoSuchParcel",
    )


def test_triggers_say_who_fires_them_what_they_complete_and_what_no_plan_takes():
    assert {each["trigger"] for each in DOCUMENT["triggers"] if each["kind"] == "operation"} == {*Operation}
    redirected = by("triggers", trigger="redirected")
    assert (redirected["actor"], redirected["follows"], redirected["takes"]) == (
        "service",
        "RedirectParcel",
        [60, 600],
    )
    assert [each["trigger"] for each in DOCUMENT["triggers"] if each["grave"]] == ["DestroyParcel"]
    assert by("triggers", trigger="EraseParcel")["fails"] == "EraseFailed"
    assert by("error_codes", code="EraseFailed")["means"] == "not_carried_out"


@pytest.fixture
def written(tmp_path):
    """A file with a document."""

    def write(said):
        file = tmp_path / "lifecycle.json"
        file.write_text(json.dumps(said), encoding="utf-8")
        return file

    return write


def test_a_file_of_it_can_be_read(written):
    pytest.importorskip("jsonschema", reason="the extra `cli` is not installed")
    assert read(written(DOCUMENT)) == DOCUMENT


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda said: said["silences"].pop(), "at_locker, RedirectParcel is not one row, one refusal or one silence"),
        (lambda said: said["silences"].append(dict(said["silences"][0], state=None)), "no parcel, WithdrawParcel is"),
        (lambda said: said["silences"][0].update(only="on mondays"), "$.silences[0] is wrong"),
        (lambda said: said["transitions"][0].update(only="on mondays"), "$.transitions[0] is wrong"),
        (lambda said: said["state_rules"][0].update(type="moving"), "$.state_rules[0] is wrong"),
        (lambda said: said["state_rules"][0].pop("place"), "'place' is a required property"),
        (lambda said: said["vocabularies"].pop("Place"), "('place' was unexpected)"),
        (lambda said: said["vocabularies"].update(State={}), "is wrong"),
        (lambda said: said.update(vocabularies=[]), "$.vocabularies is wrong"),
    ],
    ids=["silence missing", "said twice", "condition", "of a row", "word", "no word", "field", "hiding", "no fields"],
)
def test_a_reader_misses_nothing_that_the_file_says(written, damage, said):
    pytest.importorskip("jsonschema", reason="the extra `cli` is not installed")
    damaged = copy.deepcopy(DOCUMENT)
    damage(damaged)
    with pytest.raises(InvalidValue, match=re.escape(said)):
        read(written(damaged))


@pytest.mark.parametrize("field", ["State", "Found", "phase"])
def test_a_field_whose_name_would_hide_another_key_is_refused(field):
    fields = (*LIFECYCLE.vocabularies[:1], Vocabulary(Operation.TRACK, field))
    with pytest.raises(InvalidValue, match=f"field '{field}': expected one whose name in small letters is not"):
        document(attrs.evolve(LIFECYCLE, vocabularies=fields))


# -- vectors -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def given():
    """The vectors of the parcels."""
    if "lifecycle" not in inspect.signature(trace.loads).parameters:
        pytest.skip("traces of other tables cannot be read yet")
    return json.loads(exported("vectors", LIFECYCLE))


def consumed(folder, vectors, table=LIFECYCLE):
    """What the JavaScript consumer says of vectors, by the rules of a table: its exit status and its output."""
    if not shutil.which("node"):
        pytest.skip("node is not on this machine")
    files = folder / "lifecycle.json", folder / "vectors.json"
    for file, content in zip(files, (document(table), vectors), strict=True):
        file.write_text(json.dumps(content), encoding="utf-8")
    done = subprocess.run(["node", CONSUMER, *files], capture_output=True, text=True, timeout=300, check=False)
    return done.returncode, done.stdout + done.stderr


def test_the_same_consumer_passes_them(tmp_path, given):
    status, said = consumed(tmp_path, given)
    assert (status, said.strip().endswith("pass")) == (0, True), said


def first(vectors, **values):
    """The first of some vectors that has these values."""
    return next(each for each in vectors if {key: each[key] for key in values} == values)


@pytest.mark.parametrize(
    ("kind", "chosen", "wrong"),
    [
        ("pairs", {"state": "at_locker", "trigger": "RedirectParcel"}, {"outcome": "refused"}),
        ("pairs", {"state": "redirecting", "trigger": "RedirectParcel"}, {"passes": False}),
        ("pairs", {"state": "lost", "trigger": "WithdrawParcel"}, {"code": "WrongPhase"}),
        ("updates", {"word": "locker", "trigger": "RedirectParcel"}, {"verdict": "illegal"}),
        ("updates", {"word": "locker", "trigger": "RedirectParcel"}, {"accepted": []}),
        ("updates", {"vocabulary": "Place", "word": "moving"}, {"states": ["in_transit"]}),
        ("plans", {"from": "redirecting", "to": "in_transit", "events": False}, {"steps": None}),
        ("plans", {"from": "at_locker", "to": "erased", "events": True}, {"steps": ["DestroyParcel"]}),
    ],
)
def test_it_does_not_pass_wrong_ones(tmp_path, given, kind, chosen, wrong):
    vectors = copy.deepcopy(given)
    first(vectors[kind], **chosen).update(wrong)
    status, said = consumed(tmp_path, vectors)
    assert status == 1
    assert said.count(f'["{kind}"') == 1, said


def test_it_finds_a_table_that_refuses_what_the_sources_leave_open(tmp_path, given):
    status, said = consumed(tmp_path, given, attrs.evolve(LIFECYCLE, silences=()))
    assert status == 1
    for kind in ("pairs", "updates", "traces"):
        assert f'["{kind}"' in said


def test_pairs_are_silent_where_the_sources_are_and_plans_wait_for_completions_but_take_nothing_grave(given):
    assert given["table"] == LIFECYCLE.name
    silent = [(pair["state"], pair["trigger"]) for pair in given["pairs"] if pair["outcome"] == "silent"]
    assert silent == SILENT
    plans = {(each["from"], each["to"], each["events"]): each["steps"] for each in given["plans"]}
    assert plans["redirecting", "in_transit", False] == ["redirected"]
    assert plans["in_transit", "at_locker", False] is None
    assert plans["at_locker", "erased", False] is None
    assert plans["at_locker", "erased", True] == ["picked_up", "EraseParcel"]
    assert {line["parcel_id"] for each in given["traces"] for line in each["lines"]} == {"pa-000007"}
    assert {code for each in given["traces"] for code in [each["lines"][-1].get("code")]} >= {
        "NotMoving",
        "EraseFailed",
        "TooManyRequests.User",
    }


# -- statecharts -------------------------------------------------------------------------------------------------------


def test_xstate_allows_what_the_table_allows_and_the_config_names_what_is_silent():
    config = json.loads(exported("xstate", LIFECYCLE))
    assert config["id"] == "parcel"
    assert config["states"]["redirecting"]["meta"]["phase"] == ["moving", "waiting"]
    silent = {(s, t) for s, state in config["states"].items() for t in state["meta"].get("silent", ())}
    assert silent == {*SILENT}
    node_packages.install_node_packages()
    environment = os.environ | {"NODE_PATH": str(node_packages.INSTALLED / "node_modules")}
    command = ["node", node_packages.NODE / "xstate.cjs"]
    done = subprocess.run(
        command, input=json.dumps(config), env=environment, capture_output=True, text=True, check=True
    )
    said = {(each["state"], each["event"]): each for each in json.loads(done.stdout)["pairs"]}
    assert len(said) == len(PAIRS)
    for state, trigger in PAIRS:
        row = LIFECYCLE.table[state].get(trigger)
        answer = said[state or "none", trigger]
        assert answer["accepted"] is (row is not None)
        assert answer["next"] == ((state if row is None else row.target) or "none")


def test_scxml_is_named_for_a_parcel_and_names_what_is_silent():
    root = ET.fromstring(exported("scxml", attrs.evolve(LIFECYCLE, noun="registered parcel")).encode())
    assert root.get("name") == "registered_parcel"
    states = {state.get("id"): state for state in root}
    silent = {(s, t) for s, each in states.items() for t in each.get("{urn:orderfsm}silent", "").split()}
    assert silent == {*SILENT}
    assert states["redirecting"].get("{urn:orderfsm}read_as") == "moving waiting"


# -- drawings ----------------------------------------------------------------------------------------------------------

PICTURE = Picture(svg(LIFECYCLE))


def test_every_row_that_changes_something_is_an_edge_in_every_drawing():
    expected = {(row.source or "", row.target) for row in CHANGING}
    assert set(PICTURE.labels) == expected
    assert {(row.source or "[*]", row.target, row.trigger) for row in CHANGING} == {
        (source, target, label.split(", ")[0].split()[-1])
        for source, target, label in re.findall(r"^    (\S+) --> (\S+) : (.*)", mermaid(LIFECYCLE), re.MULTILINE)
    }
    drawn = re.findall(r'^  "(\S+)" -> "(\S+)" \[', dot(LIFECYCLE), re.MULTILINE)
    assert sorted(drawn) == sorted((row.source or "none", str(row.target)) for row in CHANGING)


def test_what_is_written_there_is_about_parcels():
    texts = [words(text) for text in PICTURE.root.iter(f"{SVG}text")]
    assert PICTURE.root.get("aria-label") == "The life of a parcel"
    assert "no parcel" in texts
    assert "new parcel: announced" in texts
    assert "a new parcel in announced" in mermaid(LIFECYCLE)
    assert dot(LIFECYCLE).startswith('digraph "parcel" {')
    for drawn in (svg(LIFECYCLE, current=State.LOST), mermaid(LIFECYCLE), dot(LIFECYCLE)):
        assert not re.search(
            "quota|certificate|package| order[ :,]", re.sub("<style>.*?</style>", "", drawn, flags=re.DOTALL)
        )
    assert "where the parcel is now" in svg(LIFECYCLE, current=State.LOST)
    assert "redirecting, being redirected, Phase moving or waiting, Place moving" in svg(LIFECYCLE)


def test_an_observed_rule_has_a_mark_of_its_own_in_every_drawing():
    strands = [strand.get("class").split()[-1] for strand in PICTURE.strands()]
    assert (strands.count("observed"), strands.count("inferred")) == (2, 2)
    assert all(
        (strand.find(f"{SVG}circle") is not None) is (strand.get("class").split()[-1] in {"observed", "inferred"})
        for strand in PICTURE.strands()
    )
    texts = [words(text) for text in PICTURE.root.iter(f"{SVG}text")]
    assert "(service) redirected *" in texts
    assert "erase ?" in texts
    assert {"?  inferred", "*  observed; the others are documented"} <= {*texts}
    assert "redirecting --> in_transit : (service) redirected, *\n" in mermaid(LIFECYCLE)
    assert dot(LIFECYCLE).count('arrowtail="dot"') == dot(LIFECYCLE).count('arrowtail="odot"') == 2


def test_states_without_a_place_stand_in_layers_and_nothing_lies_upon_anything_else():
    boxes = dict(PICTURE.boxes())
    assert boxes[""][1] < boxes["announced"][1] < boxes["in_transit"][1] < boxes["lost"][1] < boxes["delivered"][1]
    assert max(boxes, key=lambda state: boxes[state][1]) == "erased"
    assert overlaps(boxes.items(), PICTURE.estimated()) == []
    assert not PICTURE.feet
    taken = [wide(box, -1) for box in boxes.values()] + [rect for _, rect in PICTURE.estimated()]
    for leg in itertools.chain(*PICTURE.legs()):
        assert not [rect for rect in taken if meet(leg, rect)]


def test_a_table_that_is_given_places_is_drawn_anew():
    moved = attrs.evolve(LIFECYCLE, places={None: (350, 500)})
    assert moved == LIFECYCLE
    assert dict(Picture(svg(moved)).boxes())[""] == (300, 480, 400, 520)
    assert dict(Picture(svg(LIFECYCLE)).boxes())[""][1] == 16


# -- pages -------------------------------------------------------------------------------------------------------------


def section(page, heading):
    """What stands under a heading of the page of markdown."""
    return page.split(f"## {heading}\n\n")[1].split("\n\n## ")[0]


def test_the_markdown_is_about_parcels_and_says_what_is_silent():
    page = exported("markdown", LIFECYCLE)
    assert page.startswith("# The life of a parcel\n")
    assert not re.search("quota|certificate|package|order", page)
    assert "| `at_locker` | `waiting` | | ? | | | → `erased` |" in section(
        page, "Which operations change a parcel, and to which state"
    )
    assert section(page, "Of this the sources say nothing").splitlines()[2:] == [
        "| `RedirectParcel` | `at_locker` | terms of carriage |",
        "| `WithdrawParcel` | `in_transit`, `redirecting` | terms of carriage |",
    ]
    refused = section(page, "Everything else is refused")
    assert "| `WithdrawParcel` | (no parcel), `at_locker`, `delivered`, `returned`, `lost`, `erased` |" in refused
    assert "in `announced`: `WrongPhase`, but `NotMoving` for `RedirectParcel`;" in refused
    assert "`NotMoving` (the same call succeeds later, by itself) for `RedirectParcel`;" in refused
    assert refused.endswith("and the service answers `NoSuchParcel`.")
    assert "| `redirecting` | being redirected | `moving` or `waiting` | `moving` | | observed: a parcel of" in page
    assert "`unknown` names no state: it may mean any that has a word." in page
    assert "| `EraseFailed` | 500 |" in page


def test_a_table_that_is_never_read_and_says_a_bar_is_a_page_too():
    bar = StateRule(None, "no | parcel", (), LIFECYCLE.states[0].basis, "terms", found=False)
    unread = [rule._replace(read_as=()) for rule in LIFECYCLE.states[1:]]
    page = exported("markdown", attrs.evolve(LIFECYCLE, vocabularies=(), states=(bar, *unread)))
    assert "| state | the documents' words | terminal | source |" in page
    assert "no \\| parcel" in page
    assert "name" not in section(page, "States")


def test_the_list_of_what_no_document_says_has_the_observed_and_the_silent():
    lines = divergences(LIFECYCLE).splitlines()
    assert "| `lost`: EraseParcel → `erased` | that it is allowed | terms of carriage |" in lines
    assert "| `redirecting`: redirected → `in_transit` | that it is allowed (observed) | a parcel of 2026-08 |" in lines
    assert "| `lost` | that it reads as `moving` (observed) | a parcel of 2026-09 |" in lines
    passing = "that it is refused with `NotMoving`, and succeeds later by itself (observed)"
    assert f"| `redirecting`: RedirectParcel | {passing} | 2026-08 |" in lines
    assert "| `at_locker`: RedirectParcel | nothing: it may be allowed, or refused | terms of carriage |" in lines


def test_a_click_shows_what_is_silent_beside_what_is_refused(tmp_path):
    file = tmp_path / "lifecycle.html"
    beside = Transition(State.REDIRECTING, Event.ARRIVED, State.IN_TRANSIT, "documented", "r")
    file.write_text(exported("html", LIFECYCLE.with_rows(beside)), encoding="utf-8")
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 700, "height": 900})
        errors = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(file.as_uri())
        assert page.title() == page.locator("h1").inner_text() == "The life of a parcel"
        assert page.locator("#state h2").inner_text() == "no parcel"
        for state in (None, *State):
            page.locator(f'.state[data-state="{state or ""}"]').click()
            listed = {
                name: page.locator(f'[data-list="{name}"] > ul > [data-trigger]').evaluate_all(
                    "all => all.map((e) => e.dataset.trigger)"
                )
                for name in ("silent", "refused", "calls")
            }
            assert listed["silent"] == [trigger for where, trigger in SILENT if where == state]
            refused = {trigger for trigger, row in LIFECYCLE.table[state].items() if row is None}
            assert {*listed["refused"]} == refused - ({beside.trigger} if state is beside.source else set())
            assert listed["calls"] == list(LIFECYCLE.allowed(state))
        page.locator('.state[data-state="lost"]').click()
        assert "creates another parcel in announced" in page.locator('[data-list="calls"]').inner_text()
        page.locator('.state[data-state="redirecting"]').click()
        assert "Phase moving or waiting, Place moving" in page.locator("#state .words").inner_text()
        page.select_option("#goal", "in_transit")
        assert page.locator(".label text.lit").count() == page.locator(".strand.lit").count() == 1
        assert errors == []


# -- what changed ------------------------------------------------------------------------------------------------------


def changes(new, old=LIFECYCLE):
    """Where, what, and whom it breaks, from one table to another."""
    return [(each.where, each.what, [*each.breaks]) for each in diff(document(old), document(new)).changes]


def test_nothing_changes_from_the_parcels_to_themselves():
    assert diff(DOCUMENT, document(LIFECYCLE)).as_json() == {
        "table": LIFECYCLE.name,
        "old": LIFECYCLE.edition,
        "new": LIFECYCLE.edition,
        "breaks": [],
        "changes": [],
    }


def test_what_was_silent_and_is_said_now_can_break_whoever_took_it_for_the_other():
    refused = attrs.evolve(LIFECYCLE, silences=SILENCES[1:])
    row = Transition(State.AT_LOCKER, Operation.REDIRECT, State.REDIRECTING, "documented", "r")
    allowed = refused.with_rows(row)
    where, unsaid = "at_locker, RedirectParcel", "neither allowed nor refused"
    assert changes(refused) == [(where, f"was {unsaid}, is refused now", ["client"])]
    assert changes(LIFECYCLE, refused) == [(where, f"was refused, is {unsaid} now", ["mock"])]
    assert changes(allowed) == [(where, f"was {unsaid}, is allowed now and leads to redirecting", ["mock"])]
    assert changes(LIFECYCLE, allowed) == [(where, f"was allowed, is {unsaid} now", ["client"])]
    other = attrs.evolve(LIFECYCLE, silences=(SILENCES[0]._replace(reference="r"), SILENCES[1]))
    assert changes(other) == [(where, "reference was terms of carriage, is r now", [])]


def with_trigger(trigger, **changed):
    """The parcels with the rule of a trigger changed."""
    rules = tuple(rule._replace(**changed) if rule.trigger is trigger else rule for rule in TRIGGERS)
    return attrs.evolve(LIFECYCLE, triggers=rules)


def with_first_refusal(**changed):
    """The parcels with their first refusal changed."""
    first, *rules = LIFECYCLE.refusal_rules
    return attrs.evolve(LIFECYCLE, refusal_rules=(first._replace(**changed), *rules))


REDIRECTION = "redirecting, RedirectParcel"
REPLACEMENT = LIFECYCLE.transition(State.LOST, Operation.REPLACE)
HELD = LIFECYCLE.without(REPLACEMENT).with_rows(attrs.evolve(REPLACEMENT, holds=1))


@pytest.mark.parametrize(
    ("new", "change"),
    [
        (
            with_trigger(Operation.WITHDRAW, grave=True),
            ("trigger WithdrawParcel", "grave was no, is yes now", []),
        ),
        (
            with_trigger(Event.REDIRECTED, takes=(60, 900)),
            ("trigger redirected", "takes was 60 or 600, is 60 or 900 now", ["client", "mock"]),
        ),
        (
            with_trigger(Event.REDIRECTED, follows=None),
            ("trigger redirected", "follows was RedirectParcel, is none now", ["client", "mock"]),
        ),
        (with_first_refusal(passes=False), (REDIRECTION, "passes was yes, is no now", ["client"])),
        (with_first_refusal(basis=None), (REDIRECTION, "basis was observed, is documented now", [])),
        (with_first_refusal(reference="r"), (REDIRECTION, "reference was 2026-08, is r now", [])),
        (
            attrs.evolve(LIFECYCLE, identity=Identity("box", "ParcelId", "pa-{:06}")),
            ("ids", "key was parcel_id, is box now", ["client", "mock"]),
        ),
        (attrs.evolve(LIFECYCLE, noun="box", title="T"), ("the whole", "noun was parcel, is box now", [])),
        (HELD, ("lost, ReplaceParcel", "the units that the second order holds was 0, is 1 now", ["client"])),
        (
            attrs.evolve(
                LIFECYCLE, vocabularies=(LIFECYCLE.vocabularies[0], LIFECYCLE.vocabularies[1]._replace(closed=False))
            ),
            ("field Place", "closed was yes, is no now", ["client", "mock"]),
        ),
    ],
    ids=["grave", "takes", "follows", "passes", "basis", "reference", "id", "noun", "holds", "closed"],
)
def test_what_a_table_says_besides_its_rows_is_told_too(new, change):
    assert change in changes(new)
    assert changes(LIFECYCLE) == []


def test_a_refusal_with_another_code_can_break_both():
    first, *rules = LIFECYCLE.refusal_rules
    found = changes(attrs.evolve(LIFECYCLE, refusal_rules=(first, RefusalRule(NotMoving, (Operation.ERASE,)), *rules)))
    assert (
        "announced, EraseParcel",
        "the error of the model was WrongPhase 409, is NotMoving 422 now",
        ["client"],
    ) in (found)
    assert {where.split(", ")[-1] for where, _, _ in found} == {"EraseParcel"}


def test_a_field_that_comes_or_goes_is_told_once_and_its_words_not_one_by_one():
    states = tuple(rule._replace(read_as=rule.read_as[:1]) for rule in LIFECYCLE.states)
    less = attrs.evolve(LIFECYCLE, vocabularies=LIFECYCLE.vocabularies[:1], states=states)
    assert changes(less) == [("field Place", "is gone", ["client", "mock"])]
    assert changes(LIFECYCLE, less) == [("field Place", "is new: a mock must answer it", ["mock"])]


def test_no_parcel_is_called_so_in_a_diff_too():
    less = LIFECYCLE.without(LIFECYCLE.transition(None, Operation.ANNOUNCE))
    assert changes(less) == [("no parcel, AnnounceParcel", "was allowed, is refused now", ["client"])]


# -- the machine -------------------------------------------------------------------------------------------------------


def test_a_parcel_of_the_machine_begins_where_the_create_leads():
    parcel = OrderMachine(lifecycle=LIFECYCLE)
    assert parcel.state is State.ANNOUNCED
    assert AsyncOrderMachine(lifecycle=LIFECYCLE).state is State.ANNOUNCED
    with pytest.raises(InvalidValue, match="state None: expected announced, in_transit"):
        OrderMachine(lifecycle=LIFECYCLE.without(LIFECYCLE.transition(None, Operation.ANNOUNCE)))


def test_it_moves_by_the_tables_own_triggers_the_completions_of_the_service_among_them():
    parcel = OrderMachine(lifecycle=LIFECYCLE)
    assert parcel.handed_in()
    assert parcel.redirect()
    assert parcel.may_redirected()
    assert parcel.redirected()
    assert parcel.state is State.IN_TRANSIT
    assert not hasattr(parcel, "announce")
    assert parcel.track()
    assert parcel.overview()
    with pytest.raises(OrderStateError) as caught:
        parcel.erase()
    assert caught.value.code == "WrongPhase"


@pytest.mark.parametrize(("state", "trigger"), PAIRS[len(LIFECYCLE.triggers) :])
def test_the_machine_agrees_with_the_table_and_raises_where_the_sources_are_silent(state, trigger):
    parcel, name = OrderMachine(initial=state, lifecycle=LIFECYCLE), trigger.name.lower()
    if trigger is Operation.ANNOUNCE:
        assert not hasattr(parcel, name)
    elif (state, trigger) in SILENT:
        for ask in (f"may_{name}", name):
            with pytest.raises(Unspecified, match=f"do not say whether {trigger} is allowed in {state}"):
                getattr(parcel, ask)()
        assert parcel.state is state
    else:
        row = LIFECYCLE.table[state][trigger]
        assert getattr(parcel, f"may_{name}")() is (row is not None)
        if row is None:
            with pytest.raises(OrderStateError):
                getattr(parcel, name)()
        else:
            assert getattr(parcel, name)()
        assert parcel.state is (state if row is None else row.target)


def test_the_asynchronous_machine_raises_it_too():
    async def redirected():
        await AsyncOrderMachine(initial=State.AT_LOCKER, lifecycle=LIFECYCLE).redirect()

    with pytest.raises(Unspecified):
        asyncio.run(redirected())


# -- Order -------------------------------------------------------------------------------------------------------------


def test_an_order_is_none_of_another_table_not_even_where_both_have_a_state_of_the_same_name():
    class Alike(StrEnum):
        ISSUED = "issued"

    rule = LIFECYCLE.states[1]._replace(state=Alike.ISSUED)
    alike = attrs.evolve(LIFECYCLE, states=(*LIFECYCLE.states, rule))
    with pytest.raises(InvalidValue, match="lifecycle of an Order"):
        Order(7, OrderState.ISSUED).allowed(alike)


# -- coverage ----------------------------------------------------------------------------------------------------------


def test_silent_pairs_are_rules_of_which_nothing_can_be_tried():
    rules = [pair for pair in PAIRS if pair not in SILENT and pair[1] is not Operation.OVERVIEW]
    with covering(LIFECYCLE) as watched:
        for pair in SILENT:
            with pytest.raises(Unspecified):
                watched.can(*pair)
            watched.explain(*pair)
            watched.judge({pair[0]}, pair[1])
            watched.narrow({pair[0]}, pair[1], accepted=True)
        assert watched.coverage.tried == frozenset()
        for pair in rules:
            watched.can(*pair)
    rows, refusals = len(LIFECYCLE.transitions), len(rules) - len(LIFECYCLE.transitions)
    said = f"rows tried: {rows} of {rows}, refusals tried: {refusals} of {refusals}"
    assert str(watched.coverage) == said
    assert watched.coverage.as_json()["table"] == LIFECYCLE.name
    assert "at_locker, at the locker, Phase waiting, Place locker, 12 of 12 rules tried" in watched.coverage.svg()


def test_the_report_calls_no_parcel_so():
    with covering(LIFECYCLE) as watched:
        assert "  no parcel: announce -> announced" in str(watched.coverage).splitlines()


def test_a_machine_of_parcels_is_watched_as_well():
    with covering(LIFECYCLE) as watched:
        OrderMachine(lifecycle=watched).handed_in()
        assert watched.coverage.tried == {(State.ANNOUNCED, Event.HANDED_IN)}
