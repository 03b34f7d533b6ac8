"""The drawing of the instances can be read, and the interactive page shows both tables."""

from __future__ import annotations

import itertools
from functools import cache

import pytest
from chromium import chromium
from test_drawing import SVG, Picture, meet, overlaps, rectangles, wide, words

from orderfsm import ORDER_LIFECYCLE, explain
from orderfsm import State as OrderState
from orderfsm.drawing import WIDTH, svg
from orderfsm.export import exported
from orderfsm.rows import Actor, Basis
from orderfsm.tables import NAMES
from orderfsm.tables.instances import LIFECYCLE, Event, Operation, State

ROWS = [row for row in LIFECYCLE.transitions if row.changes]


@cache
def picture():
    """The drawing, which takes a second, once."""
    return Picture(svg(LIFECYCLE))


def stubs():
    """The lines that are cut short, by their ends."""
    return {
        (each.get("data-source"), each.get("data-target")): each
        for each in picture().root
        if each.get("class") == "stub"
    }


def pills():
    """The rectangle of every name at which a line ends that is cut short."""
    for ends, stub in stubs().items():
        box = stub.find(f"{SVG}rect[@class='end']")
        x, y, width, height = (float(box.get(name)) for name in ("x", "y", "width", "height"))
        yield ends, (x, y, x + width, y + height)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.source}-{row.trigger}")
def test_every_row_is_a_line_of_its_edges_label_told_apart_without_colour(row):
    said = [line for title, line in picture().lines((row.source or "", row.target)) if title.startswith(row.trigger)]
    (line,) = said
    name, actor = row.trigger.name.lower().replace("_", " "), LIFECYCLE.actor(row)
    assert line.startswith(name if actor is Actor.CLIENT else f"({actor}) {name}")
    assert line.endswith({Basis.INFERRED: "?", Basis.OBSERVED: "*"}.get(row.basis, line[-1]))
    assert ("first 7 d" in line) is (row.within is not None)


def test_a_completion_says_in_its_tooltip_how_long_it_takes():
    titles = [title for title, _ in picture().lines(("withdrawing", "idle"))]
    assert titles[0].startswith("withdrawal_completed, 10 seconds to 20 minutes after CancelPendingCertificate (obs")


def test_every_state_is_a_box_that_says_both_words():
    assert set(picture().states) == {"", *State}
    said = picture().states["refunding"].find(f"{SVG}title").text
    assert said == "refunding, refund under way, Status inactive or normal, CertificateStatus absent or revoked"


def test_labels_overlap_neither_one_another_nor_boxes_nor_the_names_at_which_lines_end():
    assert overlaps([*picture().boxes(), *pills()], picture().estimated()) == []
    assert overlaps(picture().boxes(), pills()) == []
    assert not picture().feet


def test_lines_cross_neither_one_another_nor_labels_nor_boxes():
    for one, other in itertools.combinations(picture().legs(), 2):
        assert not [(a, b) for a in one for b in other if meet(a, wide(b, 1))]
    taken = [rect for _, rect in picture().estimated()]
    taken += [wide(rect, -1) for _, rect in (*picture().boxes(), *pills())]
    for leg in itertools.chain(*picture().legs()):
        assert not [rect for rect in taken if meet(leg, rect)]


def test_a_line_that_would_cross_others_ends_at_the_name_of_where_it_leads():
    assert 0 < len(stubs()) < len(picture().edges) / 2
    for (_, target), stub in stubs().items():
        assert words(stub.find(f"{SVG}text")) == target.replace("_", " ")
    ways = dict(picture().ways())
    for ends, box in pills():
        assert any(meet(wide(box, 12), (x, y, x + 1, y + 1)) for x, y in ways[ends][-1:])
    texts = [text.text for text in picture().root.iter(f"{SVG}text")]
    assert "leads to the state of that name" in texts
    assert "only so many days after it began" in texts


def test_of_the_orders_nothing_is_cut_short():
    assert 'class="stub"' not in svg()


def test_as_chromium_draws_it_nothing_lies_upon_anything_else():
    with chromium() as browser:
        page = browser.new_page(viewport={"width": WIDTH, "height": 900})
        page.set_content(f'<!doctype html><body style="margin: 0">{svg(LIFECYCLE)}')
        labels = rectangles(page, ".label text")
        assert len(labels) == len(ROWS)
        assert overlaps(rectangles(page, ".box, .end"), labels) == []
        for (_, name), (_, box) in zip(rectangles(page, ".stub text"), rectangles(page, ".stub .end"), strict=False):
            assert box[0] < name[0] < name[2] < box[2]


# -- the page ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The page of the default table, opened from a file in a window 700 px wide."""
    file = tmp_path_factory.mktemp("page") / "tables.html"
    file.write_text(exported("html"), encoding="utf-8")
    with chromium() as browser:
        opened = browser.new_page(viewport={"width": 700, "height": 900})
        opened.asked, opened.errors, opened.address = [], [], file.as_uri()
        opened.on("request", lambda request: opened.asked.append(request.url))
        opened.on("pageerror", lambda error: opened.errors.append(str(error)))
        opened.on("console", lambda message: opened.errors.append(message.text))
        opened.goto(opened.address)
        yield opened


def use(page, table):
    """Show another table."""
    page.locator(f'#tables button[data-table="{table}"]').click()


def listed(page, name):
    """The triggers in one of the lists of the chosen state."""
    script = f"""[...document.querySelectorAll('[data-list="{name}"] [data-trigger]')].map((e) => e.dataset.trigger)"""
    return page.evaluate(script)


def test_the_page_shows_one_table_at_a_time_the_default_one_first(page):
    titles = "The life of a certificate order", "The life of a certificate instance"
    for table, title, state in (("orders", titles[0], OrderState.ISSUED), ("instances", titles[1], State.WITHDRAWING)):
        use(page, table)
        assert page.title() == page.locator("h1").inner_text() == title
        assert page.locator("svg.orderfsm").count() == 1
        page.locator(f'.state[data-state="{state}"]').click()
        assert page.locator("#state h2").inner_text() == state.replace("_", " ")
    assert page.url.endswith("#instances/withdrawing")
    page.select_option("#goal", "refunded")
    use(page, "orders")
    assert page.locator("#goal").input_value() == "-"
    use(page, "instances")
    assert page.locator('#tables button[aria-pressed="true"]').inner_text() == titles[1]


@pytest.mark.parametrize("state", [None, *State])
def test_a_click_on_a_state_of_an_instance_shows_what_is_allowed_and_why(page, state):
    use(page, "instances")
    page.locator(f'.state[data-state="{state or ""}"]').click()
    rows = LIFECYCLE.table[state]
    changing = {trigger for trigger, row in rows.items() if row is not None and row.changes}
    assert set(listed(page, "calls")) == changing & {*Operation}
    assert set(listed(page, "events")) == changing & {*Event}
    assert set(listed(page, "refused")) == {trigger for trigger, row in rows.items() if row is None}
    assert set(listed(page, "silent")) == {t for t in (*Operation, *Event) if LIFECYCLE.is_silent(state, t)}
    for trigger in LIFECYCLE.trigger_rules:
        why = page.locator(f'[data-list] > ul > [data-trigger="{trigger}"] dd.why').text_content()
        assert why == explain(state, trigger, LIFECYCLE).reason


def test_windows_times_what_passes_and_what_is_grave_are_said(page):
    use(page, "instances")
    page.locator('.state[data-state="idle"]').click()
    assert "RefundInstance \u2192 refunding, within 7 days *" in page.locator('[data-list="calls"]').inner_text()
    assert "changes what the instance says" in page.locator('[data-list="calls"]').inner_text()
    page.locator('.state[data-state="submitting"]').click()
    assert "CancelPendingCertificate (too early: passes later) *" in page.locator('[data-list="refused"]').inner_text()
    page.select_option("#goal", "deleted")
    steps = page.locator('[data-list="plan"] li').all_inner_texts()
    assert "wait for the service: submission_accepted \u2192 pending (5 seconds to 5 minutes after Apply" in steps[0]
    assert len(steps) == 6
    page.locator('.state[data-state=""]').click()
    page.select_option("#goal", "unused")
    assert "(cannot be taken back, or costs money)" in page.locator('[data-list="plan"] li').first.inner_text()


def test_the_name_at_which_a_line_ends_is_a_link_to_the_state(page):
    use(page, "instances")
    page.locator('.stub[data-source="closed"]').click()
    assert page.locator("#state h2").inner_text().startswith("deleted")


def test_an_address_names_table_and_state(page):
    page.evaluate("location.hash = '#instances/revoking'")
    page.wait_for_function("document.querySelector('#state h2').textContent === 'revoking'")
    page.evaluate("location.hash = '#verify_fail'")
    page.wait_for_function("document.querySelector('#state h2').textContent === 'verify fail'")
    assert page.title() == "The life of a certificate order"


@pytest.mark.parametrize("width", [700, 1200])
def test_it_loads_nothing_fits_the_window_and_says_no_error(page, width):
    page.set_viewport_size({"width": width, "height": 900})
    use(page, "instances")
    for state in State:
        page.locator(f'.state[data-state="{state}"]').click()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert {url.split("#")[0] for url in page.asked} == {page.address}
    assert page.errors == []


def test_the_page_of_the_instances_begins_with_them_and_that_of_ones_own_table_stands_alone():
    assert "<title>The life of a certificate instance</title>" in exported("html", LIFECYCLE)
    assert exported("html", LIFECYCLE).count("<template>") == len(NAMES) - 1
    other_table = pytest.importorskip("other_table")
    assert "<template>" not in exported("html", other_table.LIFECYCLE)
    assert exported("html", ORDER_LIFECYCLE) == exported("html")
