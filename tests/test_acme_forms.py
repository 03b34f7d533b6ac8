"""The forms of the table of ACME orders: what happens at once, what may be refused, any code, MUST and SHOULD."""

from __future__ import annotations

import copy
import itertools
import json
import os
import shutil
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import attrs
import node_packages
import pytest
from chromium import chromium
from test_drawing import Picture, meet, overlaps, rectangles, wide

from orderfsm.coverage import covering
from orderfsm.drawing import WIDTH, dot, mermaid, svg
from orderfsm.errors import Unspecified
from orderfsm.export import diff, divergences, document, exported, read, schema
from orderfsm.machine import OrderMachine
from orderfsm.tables.acme import LIFECYCLE, Event, Operation, State

DOCUMENT = json.loads(exported("json", LIFECYCLE))
PAIRS = [*itertools.product((None, *State), (*Operation, *Event))]
CHANGING = [row for row in LIFECYCLE.transitions if row.changes]
CONSUMER = Path(__file__).parent.parent / "examples" / "vectors.mjs"
URN = "urn:ietf:params:acme:error:"


def by(name, **key):
    """The one entry of a list in the document that has these values."""
    (found,) = [each for each in DOCUMENT[name] if {k: each[k] for k in key} == key]
    return found


# -- JSON --------------------------------------------------------------------------------------------------------------


def test_the_document_is_valid_by_its_schema_and_can_be_read_back(tmp_path):
    validators = pytest.importorskip("jsonschema", reason="the extra `cli` is not installed")
    validators.Draft202012Validator(schema(LIFECYCLE)).validate(DOCUMENT)
    file = tmp_path / "acme.json"
    file.write_text(json.dumps(DOCUMENT), encoding="utf-8")
    assert read(file) == DOCUMENT


def test_ids_are_addresses_and_codes_begin_with_the_namespace():
    assert (DOCUMENT["table"], DOCUMENT["noun"], DOCUMENT["code_prefix"]) == ("acme", "order", URN)
    assert DOCUMENT["identity"]["opaque"] is True
    assert "opaque" not in json.loads(exported("json"))["identity"]


def test_a_row_says_what_happens_at_once_and_what_the_server_need_not_do():
    assert by("transitions", trigger="newOrder")["at_once"] == ["all_authorizations_valid"]
    assert by("transitions", trigger="finalize")["at_once"] == ["issued"]
    assert by("transitions", trigger="newOrder")["optional"] is True
    assert by("transitions", trigger="revokeCert")["optional_after"] == ["revokeCert"]
    assert by("transitions", source="ready", trigger="readOrder")["optional_after"] == []


def test_strength_is_said_of_rows_refusals_and_what_fails():
    strengths = {(each["source"], each["trigger"]): each["strength"] for each in DOCUMENT["transitions"]}
    assert {key: word for key, word in strengths.items() if word} == {
        ("pending", "expired"): "SHOULD",
        ("ready", "expired"): "SHOULD",
        ("valid", "revokeCert"): "MUST",
    }
    refused = {(each["state"], each["trigger"]) for each in DOCUMENT["refusals"] if each["strength"] == "MUST"}
    assert refused == {(state, "finalize") for state in ("pending", "processing", "valid", "invalid")}
    finalize = by("triggers", trigger="finalize")
    assert (finalize["fails"], finalize["fails_strength"]) == ("badCSR", "SHOULD")
    assert {each["trigger"] for each in DOCUMENT["triggers"] if each["seen"]} == {
        "all_authorizations_valid",
        "authorization_failed",
        "expired",
    }


def test_where_the_rfc_names_no_code_the_code_is_empty_and_no_status_is_said():
    for each in DOCUMENT["refusals"]:
        named = each["trigger"] == "finalize" and each["state"] is not None
        assert (each["code"], each["http_status"]) == (("orderNotReady", 403) if named else ("", None))
        assert (each["service_code"], each["service_http_status"]) == (each["code"], each["http_status"])
    assert [each["code"] for each in DOCUMENT["error_codes"]] == ["orderNotReady", "badCSR"]
    assert by("state_rules", state="ready")["model_code"] == ""
    assert by("state_rules", state="pending")["model_code"] is None


# -- what changed ------------------------------------------------------------------------------------------------------


def with_row(source, trigger, **changed):
    """The table with a row changed."""
    old = LIFECYCLE.transition(source, trigger)
    rows = [attrs.evolve(row, **changed) if row is old else row for row in LIFECYCLE.transitions]
    return attrs.evolve(LIFECYCLE, transitions=rows)


def with_trigger(trigger, **changed):
    """The table with the rule of a trigger changed."""
    rules = [rule._replace(**changed) if rule.trigger is trigger else rule for rule in LIFECYCLE.triggers]
    return attrs.evolve(LIFECYCLE, triggers=rules)


def changes(new):
    """Where, what, and whom it breaks, from the table to another."""
    return [(each.where, each.what, " ".join(each.breaks)) for each in diff(DOCUMENT, document(new)).changes]


FINALIZE, REVOKE = "ready, finalize", "valid, revokeCert"
NOT_READY, ANYTHING = LIFECYCLE.refusal_rules


@pytest.mark.parametrize(
    ("new", "change"),
    [
        (
            with_row(State.READY, Operation.FINALIZE, at_once=()),
            (FINALIZE, "at_once was issued, is none now", "mock"),
        ),
        (
            with_row(State.READY, Operation.FINALIZE, at_once=(Event.ISSUED, Event.FAILED)),
            (FINALIZE, "at_once was issued, is issued or failed now", "client"),
        ),
        (
            with_row(State.READY, Operation.FINALIZE, at_once=(Event.FAILED,)),
            (FINALIZE, "at_once was issued, is failed now", "client mock"),
        ),
        (
            with_row(None, Operation.NEW_ORDER, optional=False),
            ("no order, newOrder", "optional was yes, is no now", "mock"),
        ),
        (
            with_row(State.READY, Operation.FINALIZE, optional=True),
            (FINALIZE, "optional was no, is yes now", "client"),
        ),
        (
            with_row(State.VALID, Operation.REVOKE_CERT, optional_after=()),
            (REVOKE, "optional_after was revokeCert, is none now", "mock"),
        ),
        (
            with_row(State.VALID, Operation.REVOKE_CERT, strength=None),
            (REVOKE, "strength was MUST, is none now", ""),
        ),
        (with_trigger(Event.ISSUED, seen=True), ("trigger issued", "seen was no, is yes now", "mock")),
        (with_trigger(Event.EXPIRED, seen=False), ("trigger expired", "seen was yes, is no now", "client")),
        (
            with_trigger(Operation.FINALIZE, fails_strength=None),
            ("trigger finalize", "fails_strength was SHOULD, is none now", ""),
        ),
        (
            attrs.evolve(LIFECYCLE, refusal_rules=[ANYTHING]),
            ("valid, finalize", "the error of the service was orderNotReady 403, is any code now", "client mock"),
        ),
        (
            attrs.evolve(LIFECYCLE, refusal_rules=[NOT_READY._replace(strength=None), ANYTHING]),
            ("valid, finalize", "strength was MUST, is none now", ""),
        ),
        (
            attrs.evolve(LIFECYCLE, code_prefix=""),
            ("error codes", f"code_prefix was {URN}, is none now", "client mock"),
        ),
        (
            attrs.evolve(LIFECYCLE, identity=LIFECYCLE.identity._replace(opaque=False)),
            ("ids", "opaque was yes, is no now", "client mock"),
        ),
    ],
    ids=lambda value: f"{value[0]}, {value[1].split(' was ')[0]}".replace(" ", "_") if type(value) is tuple else "",
)
def test_what_a_new_column_says_is_told_with_whom_it_breaks(new, change):
    assert change in changes(new)


def test_nothing_changes_from_the_table_to_itself():
    assert changes(LIFECYCLE) == []


# -- vectors -----------------------------------------------------------------------------------------------------------

GIVEN = json.loads(exported("vectors", LIFECYCLE))


def one(kind, **values):
    """The one vector that has these values."""
    (found,) = [each for each in GIVEN[kind] if {key: each[key] for key in values} == values]
    return found


def ending(*steps, events="partial"):
    """The verdict on the trace whose last lines are these: an event, an operation, with its state or refusal."""
    (verdict,) = {
        trace["verdict"]
        for trace in GIVEN["traces"]
        if trace["events"] == events
        and [{k: v for k, v in line.items() if k not in {"time", "order_url"}} for line in trace["lines"]] == [*steps]
    }
    return verdict


def called(operation, state=None, outcome="accepted", code=None):
    line = {"operation": operation, "outcome": outcome, "state": state, "code": code}
    return {key: value for key, value in line.items() if value is not None}


def test_an_update_counts_in_what_happens_at_once_and_what_may_be_refused():
    finalize = one("updates", word="ready", trigger="finalize")
    assert (finalize["accepted"], finalize["refused"]) == (["processing", "valid"], [])
    deactivate = one("updates", word="ready", trigger="deactivateAuthorization")
    assert (deactivate["verdict"], deactivate["accepted"], deactivate["refused"]) == ("legal", ["invalid"], ["ready"])
    assert one("updates", word="valid", trigger="revokeCert")["refused"] == ["valid"]


NEW, EVENT = called("newOrder"), {"event": "all_authorizations_valid"}


def test_a_trace_in_which_finalize_is_accepted_in_pending_violates():
    assert ending(NEW, called("finalize")) == "violates"
    assert ending(NEW, EVENT, called("finalize")) == "conforms"


def test_a_read_shows_what_nobody_told_and_only_that_read():
    assert ending(NEW, called("readOrder", "ready")) == "conforms"
    assert ending(NEW, called("readOrder", "ready"), events="complete") == "violates"
    assert ending(NEW, called("readOrder"), called("readOrder", "invalid")) == "conforms"


def test_the_word_of_an_accepted_call_is_the_state_after_it():
    assert ending(NEW, EVENT, called("finalize", "valid"), events="complete") == "conforms"
    assert ending(NEW, EVENT, called("finalize", "invalid"), events="partial") == "conforms"
    assert ending(NEW, EVENT, called("finalize", "invalid"), events="complete") == "violates"
    assert ending(NEW, EVENT, called("finalize", "ready"), events="complete") == "violates"
    assert ending(NEW, EVENT, called("finalize", "a new word"), events="partial") == "violates"


def test_a_certificate_that_is_revoked_may_be_refused_and_no_other():
    way = NEW, EVENT, called("finalize"), {"event": "issued"}
    for operation in ("downloadCertificate", "revokeCert"):
        for code in (None, "SomethingNew"):
            refused = called(operation, outcome="refused", code=code)
            assert ending(*way, called("revokeCert"), refused, events="complete") == "conforms"
        assert ending(*way, called(operation, outcome="refused", code="orderNotReady"), events="complete") == "violates"


def test_a_code_means_the_same_with_the_namespace():
    way = NEW, EVENT, called("finalize")
    for prefix in ("", URN):
        refused = called("finalize", outcome="refused", code=f"{prefix}orderNotReady")
        assert ending(*way, refused, events="complete") == "conforms"


def consumed(folder, given):
    """What the JavaScript consumer says of vectors, by the rules of this table: its exit status and its output."""
    if not shutil.which("node"):
        pytest.skip("node is not on this machine")
    files = folder / "lifecycle.json", folder / "vectors.json"
    for file, content in zip(files, (DOCUMENT, given), strict=True):
        file.write_text(json.dumps(content), encoding="utf-8")
    done = subprocess.run(["node", CONSUMER, *files], capture_output=True, text=True, timeout=300, check=False)
    return done.returncode, done.stdout + done.stderr


def test_the_consumer_in_another_language_passes_them(tmp_path):
    status, said = consumed(tmp_path, GIVEN)
    assert (status, said.strip().endswith("pass")) == (0, True), said[:1000]


def opposite(trace):
    """The trace with a verdict that is not its own."""
    return trace | {"verdict": {"conforms": "violates"}.get(trace["verdict"], "conforms")}


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        ("updates", one("updates", word="ready", trigger="finalize") | {"accepted": ["processing"]}),
        ("updates", one("updates", word="ready", trigger="deactivateAuthorization") | {"refused": []}),
        ("updates", one("updates", word="valid", trigger="revokeCert") | {"refused": []}),
        ("traces", [opposite(trace) for trace in GIVEN["traces"]]),
    ],
    ids=["at once", "optional", "optional after", "every verdict"],
)
def test_it_does_not_pass_wrong_ones(tmp_path, kind, wrong):
    given = copy.deepcopy(GIVEN)
    given[kind] = wrong if isinstance(wrong, list) else [wrong]
    status, said = consumed(tmp_path, given)
    assert (status, said.count(f'["{kind}"')) == (1, len(given[kind]))


# -- statecharts -------------------------------------------------------------------------------------------------------


def test_xstate_allows_what_the_table_allows_and_says_what_it_has_no_words_for():
    config = json.loads(exported("xstate", LIFECYCLE))
    finalize = config["states"]["ready"]["on"]["finalize"]["meta"]
    assert (finalize["at_once"], finalize["fails"], finalize["fails_strength"]) == (["issued"], "badCSR", "SHOULD")
    assert config["states"]["pending"]["on"]["expired"]["meta"]["seen"] is True
    assert config["states"]["pending"]["on"]["expired"]["meta"]["strength"] == "SHOULD"
    node_packages.install_node_packages()
    environment = os.environ | {"NODE_PATH": str(node_packages.INSTALLED / "node_modules")}
    command = ["node", node_packages.NODE / "xstate.cjs"]
    done = subprocess.run(
        command, input=json.dumps(config), env=environment, capture_output=True, text=True, check=True
    )
    said = {(each["state"], each["event"]): each for each in json.loads(done.stdout)["pairs"]}
    for state, trigger in PAIRS:
        row = LIFECYCLE.table[state].get(trigger)
        answer = said[state or "none", trigger]
        assert answer["accepted"] is (row is not None)
        assert answer["next"] == ((state if row is None else row.target) or "none")


def test_scxml_says_it_in_attributes():
    ours = "{urn:orderfsm}"
    states = {state.get("id"): state for state in ET.fromstring(exported("scxml", LIFECYCLE).encode())}
    rows = {(state, row.get("event")): row for state, each in states.items() for row in each}
    assert rows["ready", "finalize"].get(f"{ours}at_once") == "issued"
    assert rows["none", "newOrder"].get(f"{ours}optional") == "true"
    assert rows["valid", "revokeCert"].get(f"{ours}optional_after") == "revokeCert"
    assert rows["valid", "revokeCert"].get(f"{ours}strength") == "MUST"
    assert rows["ready", "readOrder"].get(f"{ours}strength") is None
    assert states["valid"].get(f"{ours}silent") == "deactivateAuthorization authorization_failed expired"


# -- drawings ----------------------------------------------------------------------------------------------------------

PICTURE = Picture(svg(LIFECYCLE))


def test_every_drawing_says_where_an_order_may_be_at_once():
    assert "ready --> processing : finalize, or valid at once" in mermaid(LIFECYCLE)
    assert "[*] --> pending : newOrder, or ready at once" in mermaid(LIFECYCLE)
    assert r'[label="finalize\nor valid at once", ' in dot(LIFECYCLE)
    assert [line for _, line in PICTURE.lines(("ready", "processing"))] == ["finalize", "or valid at once"]
    assert "documented SHOULD: RFC 8555, section 7.4" in dot(LIFECYCLE)
    (title, _), *_ = PICTURE.lines(("valid", "valid"))
    assert title == "revokeCert, the service may refuse it (documented MUST: RFC 8555, section 7.6)"


def test_the_figure_stands_upright_as_in_the_rfc_and_nothing_lies_upon_anything_else():
    boxes = dict(PICTURE.boxes())
    middles = {name: ((box[0] + box[2]) / 2, box[1]) for name, box in boxes.items()}
    down = [middles[name] for name in ("", "pending", "ready", "processing", "valid")]
    assert len({x for x, _ in down}) == 1
    assert [y for _, y in down] == sorted(y for _, y in down)
    assert middles["invalid"][0] > down[0][0]
    assert set(PICTURE.labels) == {(row.source or "", row.target) for row in CHANGING}
    assert overlaps(PICTURE.boxes(), PICTURE.estimated()) == []
    assert not PICTURE.feet
    for one_edge, other in itertools.combinations(PICTURE.legs(), 2):
        assert not [(a, b) for a in one_edge for b in other if meet(a, wide(b, 1))]
    taken = [rect for _, rect in PICTURE.estimated()] + [wide(rect, -1) for _, rect in PICTURE.boxes()]
    for leg in itertools.chain(*PICTURE.legs()):
        assert not [rect for rect in taken if meet(leg, rect)]
    assert 'class="stub"' not in svg(LIFECYCLE)


def test_as_chromium_draws_it_nothing_lies_upon_anything_else():
    with chromium() as browser:
        page = browser.new_page(viewport={"width": WIDTH, "height": 900})
        page.set_content(f'<!doctype html><body style="margin: 0">{svg(LIFECYCLE)}')
        labels = rectangles(page, ".label text")
        assert len(labels) == len(CHANGING) + 2
        assert overlaps(rectangles(page, ".box"), labels) == []


# -- for people --------------------------------------------------------------------------------------------------------


def section(heading):
    """What stands under a heading of the page of markdown."""
    return exported("markdown", LIFECYCLE).split(f"## {heading}\n\n")[1].split("\n\n## ")[0]


def test_the_markdown_says_where_it_leads_at_once_and_what_may_be_refused():
    matrix = section("Which operations change an order, and to which state")
    assert "| `ready` | `ready` | → `processing` or `valid` | → `invalid` | |" in matrix
    rows = section("Every transition")
    assert "`pending`, or at once `ready`, but the service may refuse it |" in rows
    assert "`valid`, changes what the order says, but the service may refuse it after `revokeCert` |" in rows
    assert "documented SHOULD: RFC 8555, section 7.4 |" in rows


def test_the_markdown_says_any_code_in_words_and_never_an_empty_one():
    page = exported("markdown", LIFECYCLE)
    assert "``" not in page
    assert "``" not in divergences(LIFECYCLE)
    refused = section("Everything else is refused")
    assert (
        "in no order: any code; in `pending`: any code, but `orderNotReady` for `finalize`; in `ready`: any" in refused
    )
    assert "documented MUST: RFC 8555, section 7.4" in refused
    errors = section("Error codes")
    assert errors.count("\n| `") == 2
    assert errors.endswith(f"On the wire they begin with `{URN}`.\n")


def test_the_markdown_says_what_happens_unseen_and_what_should_change_nothing():
    peculiar = section("What is peculiar to some triggers")
    assert "| `finalize` | client | may be allowed and fail, with `badCSR`, which SHOULD change nothing |" in peculiar
    assert "| `all_authorizations_valid` | ca | does not happen unseen |" in peculiar


def test_the_page_shows_it_beside_the_other_tables(tmp_path):
    file = tmp_path / "acme.html"
    file.write_text(exported("html", LIFECYCLE), encoding="utf-8")
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 700, "height": 900})
        errors = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(file.as_uri())
        assert page.locator("#tables button").count() == 3
        page.locator('.state[data-state="ready"]').click()
        calls = page.locator('[data-list="calls"]').inner_text()
        assert "finalize → processing or at once valid" in calls
        assert "deactivateAuthorization → invalid, may be refused" in calls
        page.locator('.state[data-state="pending"]').click()
        finalize = page.locator('[data-list="refused"] [data-trigger="finalize"]')
        assert finalize.locator("dd.source").text_content() == "documented MUST: RFC 8555, section 7.4"
        assert finalize.locator("dd.instead").text_content().startswith("wait for all_authorizations_valid")
        assert page.evaluate("document.documentElement.scrollWidth") <= 700
        page.locator('[data-list="silent"] [data-trigger="newOrder"]').wait_for()
        assert errors == []


# -- the machine, coverage, the engine ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("state", "trigger"), [(state, trigger) for state, trigger in PAIRS if state is not None])
def test_the_machine_agrees_with_the_table(state, trigger):
    machine = OrderMachine(initial=state, lifecycle=LIFECYCLE)
    method = getattr(machine, trigger.name.lower(), None)
    if LIFECYCLE.is_silent(state, trigger):
        if method is not None:
            with pytest.raises(Unspecified):
                method()
        return
    row = LIFECYCLE.table[state][trigger]
    if trigger in LIFECYCLE.creates:
        assert method is None
    elif row is None:
        with pytest.raises(LIFECYCLE.refusal(state, trigger).error):
            method()
        assert machine.state is state
    else:
        assert method()
        assert machine.state is row.target


def test_coverage_counts_every_pair_that_is_not_silent():
    with covering(LIFECYCLE) as watched:
        for state, trigger in PAIRS:
            if not LIFECYCLE.is_silent(state, trigger):
                watched.can(state, trigger)
    assert str(watched.coverage) == "rows tried: 24 of 24, refusals tried: 35 of 35"


@pytest.mark.parametrize("state", [*State])
def test_an_engine_of_the_mock_lives_by_it(state):
    pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")
    from orderfsm.mock import Clock, MemoryStore
    from orderfsm.mock.engine import Engine
    from orderfsm.trace import Events, Finding, replay

    engine = Engine(LIFECYCLE, MemoryStore(), Clock(lambda: 1_800_000_000.0))
    for trigger in (trigger for trigger in LIFECYCLE.trigger_rules if not LIFECYCLE.is_silent(state, trigger)):
        order = engine.place(state)
        fire = engine.fire if LIFECYCLE.by_client(trigger) else engine.happen
        row = LIFECYCLE.table[state][trigger]
        if row is None:
            with pytest.raises(LIFECYCLE.service_refusal(state, trigger).error):
                fire(order.id, trigger)
        else:
            fire(order.id, trigger)
        assert engine.store.get(order.id).state is (state if row is None else row.target)
    assert replay(engine.history(), lifecycle=LIFECYCLE, events=Events.COMPLETE).verdict is Finding.CONFORMS
