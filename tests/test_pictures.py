"""The forms for people: Graphviz and mermaid draw what the table says; the page answers what the table answers."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections import Counter
from enum import StrEnum

import node_packages
import oracle
import pytest
from chromium import chromium

from orderfsm import ORDER_LIFECYCLE, Actor, Basis, Event, Operation, State, Unreachable, explain, plan
from orderfsm.drawing import mermaid
from orderfsm.export import exported
from orderfsm.lifecycle import Lifecycle
from orderfsm.rows import StateRule, Transition, TriggerRule
from orderfsm.tables.orders import STATES, TRANSITIONS

ROWS = [row for row in TRANSITIONS if row.changes]
TERMINAL = {State.EXPIRED, State.REVOKED, State.DELETED}


@pytest.fixture(scope="module")
def browser():
    """One headless browser for all of these tests."""
    with chromium() as running:
        yield running


# -- dot ---------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def parsed():
    """The graph as Graphviz parses and lays it out."""
    if not shutil.which("dot"):
        pytest.skip("no Graphviz: apt-get install graphviz")
    done = subprocess.run(["dot", "-Tjson"], input=exported("dot"), capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return json.loads(done.stdout)


def test_graphviz_draws_one_edge_for_each_row_that_changes_something(parsed):
    names = {node["_gvid"]: node["name"] for node in parsed["objects"]}
    drawn = Counter(
        (names[edge["tail"]], names[edge["head"]], edge["label"].split("\\n")[0].split()[-1])
        for edge in parsed["edges"]
    )
    assert drawn == Counter((row.source or "none", row.target, row.trigger) for row in ROWS)
    assert set(names.values()) == {"none", *State}


def test_in_graphviz_kinds_are_told_apart_without_colour(parsed):
    kinds = Counter((edge["style"], edge["arrowhead"], edge.get("arrowtail")) for edge in parsed["edges"])
    expected = Counter()
    for row in ROWS:
        line = ("dashed", "vee") if isinstance(row.trigger, Event) else ("solid", "normal")
        expected[*line, "odot" if row.basis is Basis.INFERRED else None] += 1
    assert kinds == expected
    assert {node["name"] for node in parsed["objects"] if node.get("peripheries") == "2"} == TERMINAL
    for edge in parsed["edges"]:
        assert edge["label"].endswith("?") is ("arrowtail" in edge)


# -- mermaid -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def drawn_by_mermaid(browser):
    """What mermaid draws of a text, without the network: the number of ways, their labels, the names of the boxes."""
    node_packages.install_node_packages()
    page = browser.new_page()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.set_content("<body></body>")
    page.add_script_tag(path=node_packages.INSTALLED / "node_modules" / "mermaid" / "dist" / "mermaid.min.js")

    def draw(text):
        drawn = page.evaluate(
            """async (text) => {
              mermaid.initialize({ startOnLoad: false });
              document.body.innerHTML = (await mermaid.render("drawn", text)).svg;
              const words = (selector) => [...document.querySelectorAll(selector)].map((e) => e.textContent.trim());
              return { edges: document.querySelectorAll("path.transition").length, labels: words(".edgeLabel .label"),
                       nodes: words(".node .nodeLabel") };
            }""",
            text,
        )
        assert asked == []
        return drawn["edges"], Counter(filter(None, drawn["labels"])), {name for name in drawn["nodes"] if name}

    yield draw
    page.close()


def test_mermaid_draws_every_row(drawn_by_mermaid):
    written = [line.split(" : ")[1] for line in exported("mermaid").splitlines() if " : " in line]
    assert drawn_by_mermaid(exported("mermaid")) == (len(ROWS) + len(TERMINAL), Counter(written), {*State})


@pytest.mark.parametrize(
    "name",
    [
        "in transit",
        "in-transit",
        "at:home",
        "1st",
        "state",
        "end",
        "note",
        "root",
        "a; b",
        "a::b",
        "<b>",
        "a & b",
        "a #59; b",
        'a "b"',
        "état",
    ],
)
def test_mermaid_draws_names_that_are_marks_of_its_own(drawn_by_mermaid, name):
    class Named(StrEnum):
        FIRST = "first"
        ODD = name

    class Trigger(StrEnum):
        MOVE = f"to {name}"

    states = [StateRule(state, str(state), (), Basis.DOCUMENTED, "d") for state in (None, *Named)]
    rows = [Transition(None, Trigger.MOVE, Named.FIRST, Basis.DOCUMENTED, "d")]
    rows += [Transition(Named.FIRST, Trigger.MOVE, Named.ODD, Basis.DOCUMENTED, "d")]
    triggers = [TriggerRule(Trigger.MOVE, Actor.CLIENT, Basis.DOCUMENTED, "d")]
    odd = Lifecycle(tuple(rows), tuple(states), tuple(triggers), "1", name="odd", noun="thing")
    assert drawn_by_mermaid(mermaid(odd)) == (2, Counter({f"to {name}": 2}), {"first", name})


# -- markdown ----------------------------------------------------------------------------------------------------------


def rows_under(heading):
    """The cells of the table under a heading, line by line; spaces and code marks left out."""
    section = exported("markdown").split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines]


def test_the_markdown_says_every_row_with_its_source():
    lines = rows_under("Every transition")
    written = {(line[0], line[1]): line for line in lines}
    for row in TRANSITIONS:
        _, _, actor, target, quota, source = written[row.source or "(no order)", row.trigger]
        assert actor == ORDER_LIFECYCLE.actor(row)
        assert target.startswith(row.target)
        assert quota == row.quota_text
        assert source.startswith(f"{row.basis}: [")
        assert row.reference.split("https://")[1].split()[0] in source
        assert row.note in source
    assert len(lines) == len(TRANSITIONS) + 2  # and the two reads of the account


def test_the_markdown_says_where_each_trigger_is_refused():
    for trigger, refused, _ in rows_under("Everything else is refused"):
        name = (Operation(trigger) if trigger in set(Operation) else Event(trigger)).name.lower()
        expected = [state for state in ("no order", *oracle.STATES) if oracle.after(state, name) is None]
        assert [word.strip(" `()") for word in refused.split(",")] == expected


# -- the page ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def page(browser, tmp_path_factory):
    """The page, opened from a file in a window 700 px wide."""
    file = tmp_path_factory.mktemp("page") / "lifecycle.html"
    file.write_text(exported("html"), encoding="utf-8")
    opened = browser.new_page(viewport={"width": 700, "height": 900})
    opened.asked, opened.errors = [], []
    opened.on("request", lambda request: opened.asked.append(request.url))
    opened.on("pageerror", lambda error: opened.errors.append(str(error)))
    opened.on("console", lambda message: opened.errors.append(message.text))
    opened.goto(file.as_uri())
    yield opened
    opened.close()


def click(page, state):
    """Click a state in the drawing."""
    page.locator(f'.state[data-state="{state or ""}"]').click()


def listed(page, name):
    """The triggers in one of the lists of the chosen state."""
    script = f"""[...document.querySelectorAll('[data-list="{name}"] [data-trigger]')].map((e) => e.dataset.trigger)"""
    return page.evaluate(script)


def said(page):
    """The facts behind every trigger of the chosen state."""
    return page.evaluate(
        """() => Object.fromEntries([...document.querySelectorAll("details")].map((details) => [
          details.parentElement.dataset.trigger,
          Object.fromEntries([...details.querySelectorAll("dd")].map((dd) => [dd.className, dd.textContent])),
        ]))"""
    )


@pytest.mark.parametrize("state", [None, *State])
def test_a_click_on_a_state_shows_what_is_allowed_and_why(page, state):
    click(page, state)
    assert page.locator("#state h2").inner_text().split("\n")[0].startswith((state or "no order").replace("_", " "))
    assert page.locator("#state h2 .mark").count() == (state in TERMINAL)
    after = {t: oracle.after(state or "no order", t.name.lower()) for t in (*Operation, *Event)}
    reads = {Operation.DESCRIBE, Operation.LIST, Operation.DESCRIBE_PACKAGE}
    assert set(listed(page, "calls")) == {t for t in Operation if after[t] and t not in reads}
    assert set(listed(page, "events")) == {t for t in Event if after[t]}
    assert set(listed(page, "reads")) == {t for t in reads if after[t]}
    assert set(listed(page, "refused")) == {t for t in after if not after[t]}
    facts = said(page)
    for trigger in after:
        why = explain(state, trigger)
        expected = {"why": why.reason, "source": f"{why.basis}: {why.reference}"}
        if why.instead:
            expected["instead"] = str(why.instead)
        if why.note:
            expected["note"] = why.note
        assert facts[trigger] == expected
    rule = next(rule for rule in STATES if rule.state == state)
    assert re.search(rf"^{rule.words}\b", page.locator("#state .words").inner_text())
    assert page.locator(".state.current").get_attribute("data-state") == (state or "")


@pytest.mark.parametrize("state", [None, *State])
def test_the_shortest_plan_to_any_other_state_is_shown_and_lit_up(page, state):
    click(page, state)
    for goal in State:
        if goal is state:
            continue
        page.select_option("#goal", goal.value)
        try:
            steps = plan(state, goal).steps
        except Unreachable:
            try:
                steps = plan(state, goal, events=True).steps
            except Unreachable:
                steps = ()
        assert listed(page, "plan") == [step.trigger for step in steps]
        waits = page.locator('[data-list="plan"] li.others').count()
        assert waits == sum(ORDER_LIFECYCLE.actor(step) is not Actor.CLIENT for step in steps)
        assert page.locator(".label text.lit:not(.note)").count() == len(steps)
        assert page.locator('[data-list="plan"] .nothing').count() == (not steps)


def test_states_are_links_to_one_another_and_keys_work_as_clicks(page):
    click(page, State.BEING_REVIEWED)
    page.locator('[data-list="calls"] [data-go="pending_application"]').click()
    assert page.locator("#state h2").inner_text() == "pending application"
    assert page.url.partition("?")[0].endswith("#pending_application")
    page.locator('.state[data-state="issued"]').focus()
    page.keyboard.press("Enter")
    assert page.locator("#state h2").inner_text() == "issued"
    page.evaluate("location.hash = '#deleted'")
    page.wait_for_function("document.querySelector('#state h2').textContent.startsWith('deleted')")
    assert page.locator('.state[aria-pressed="true"]').get_attribute("data-state") == "deleted"


def test_references_are_links_and_nothing_is_loaded(page):
    click(page, State.ISSUED)
    links = page.locator("#state a").evaluate_all("all => all.map((a) => a.href)")
    assert {row.reference.split("https://")[1].split()[0] for row in TRANSITIONS if row.source is State.ISSUED} <= {
        link.removeprefix("https://") for link in links
    }
    assert [url for url in page.asked if not url.startswith("file:")] == []
    assert len({url.split("#")[0] for url in page.asked}) == 1
    assert page.errors == []
    assert "default-src 'none'" in exported("html")


def test_it_fits_700_px_in_light_and_dark(page):
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for state in State:
            click(page, state)
            assert page.evaluate("document.documentElement.scrollWidth") <= 700
        ink, paper = page.evaluate(
            "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
        )
        brightness = [sum(map(int, re.findall(r"\d+", color)[:3])) for color in (ink, paper)]
        assert (brightness[0] < brightness[1]) is (scheme == "light")
