"""The interactive page: an order walks as the table says, and what it leaves behind is a trace that conforms."""

from __future__ import annotations

import json
import random
from urllib.parse import quote, unquote

import pytest
from chromium import POOR_CONTRAST, chromium
from other_table import LIFECYCLE as PARCELS

from orderfsm import ORDER_LIFECYCLE, Operation, State, trace
from orderfsm.export import exported
from orderfsm.tables import acme, instances

TABLES = {"orders": ORDER_LIFECYCLE, "instances": instances.LIFECYCLE, "acme": acme.LIFECYCLE, PARCELS.name: PARCELS}


@pytest.fixture(scope="module")
def browser():
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The pages by their tables: one of all tables of the package, and one of the parcels."""
    folder = tmp_path_factory.mktemp("pages")
    (folder / "life.html").write_text(exported("html"), encoding="utf-8")
    (folder / "parcels.html").write_text(exported("html", PARCELS), encoding="utf-8")
    return {name: folder / ("parcels.html" if name == PARCELS.name else "life.html") for name in TABLES}


@pytest.fixture
def visit(browser, files):
    """Opens a page without a network, and holds it to have no error and to ask for nothing."""
    errors, pages = [], []

    def opened(address="", name="orders", **options):
        page = browser.new_page(viewport={"width": 1280, "height": 900}, **options)
        page.context.set_offline(True)
        page.on("console", lambda said: errors.append(said.text) if said.type in {"error", "warning"} else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda asked: errors.append(asked.url) if not asked.url.startswith("file:") else None)
        page.set_default_timeout(10_000)
        page.goto(f"{files[name].as_uri()}{address or f'#{quote(name)}/'}")
        pages.append(page)
        return page

    yield opened
    for page in pages:
        page.close()
    assert not errors


def take(page, *triggers):
    """Press the buttons of these triggers, one after the other."""
    for trigger in triggers:
        page.click(f'[data-take="{trigger}"]')


def traced(page):
    """The lines of the walk as they stand on the page."""
    return page.locator("#trace").text_content()


def replayed(text, lifecycle):
    """What the judge says of a trace."""
    entries = [trace.Header("page", trace.Events(json.loads(text.splitlines()[0])["events"]))]
    entries += [trace.loads(line, lifecycle=lifecycle) for line in text.splitlines()[1:]]
    return trace.replay(entries, lifecycle=lifecycle)


def has_button(lifecycle, state, trigger):
    """Whether somebody knows what becomes of a trigger there, and it says something of an order."""
    if lifecycle.is_silent(state, trigger) or trigger in lifecycle.account_reads:
        return False
    refused = lifecycle.table[state].get(trigger) is None
    return not refused or (lifecycle.by_client(trigger) and trigger not in lifecycle.creates)


# -- walks -------------------------------------------------------------------------------------------------------------

EVERY_STEP = """() => Object.keys(answers.states).flatMap((state) => {
  walk = null;
  choose(state);
  return [...document.querySelectorAll("[data-take]")].map((button) => button.dataset.take).map((trigger) => {
    [walk, chosen] = [null, state];
    take([trigger]);
    return [state, trigger, chosen, document.getElementById("trace").textContent];
  });
})"""


@pytest.mark.parametrize("name", TABLES)
def test_every_trigger_of_which_somebody_knows_what_becomes_can_be_taken_and_leads_where_the_table_says(visit, name):
    lifecycle = TABLES[name]
    taken = {}
    for state, trigger, target, text in visit(name=name).evaluate(EVERY_STEP):
        taken[state or None, trigger] = target or None
        report = replayed(text, lifecycle)
        assert str(report.verdict) == "conforms", (state, trigger, report)
    expected = {}
    for state, trigger in ((state, trigger) for state in lifecycle.state_rules for trigger in lifecycle.trigger_rules):
        if has_button(lifecycle, state, trigger):
            row = lifecycle.table[state].get(trigger)
            expected[state, trigger] = state if row is None else row.target
    assert taken == expected


RANDOM_WALKS = """([walks, steps, seed]) => {
  const drawn = (number) => (seed = (seed * 1103515245 + 12345) % 2147483648) % number;
  return [...Array(walks)].map(() => {
    walk = null;
    choose("");
    for (let at = 0; at < steps; at += 1) {
      const buttons = document.querySelectorAll("#state .allowed [data-take], #state .refused [data-take]");
      if (buttons.length) buttons[drawn(buttons.length)].click();
    }
    return document.getElementById("trace").textContent;
  });
}"""


@pytest.mark.parametrize("name", TABLES)
def test_whatever_an_order_took_its_history_conforms(visit, name):
    seen = set()
    for text in visit(name=name).evaluate(RANDOM_WALKS, [8, 15, random.Random(name).randrange(2**31)]):
        report = replayed(text, TABLES[name])
        assert str(report.verdict) == "conforms", (text, report)
        seen |= {key for line in text.splitlines()[1:] for key in json.loads(line)}
    assert {"time", TABLES[name].identity.key, "operation", "outcome", "event", "state"} <= seen


def test_replay_takes_the_lines_as_they_are_copied(visit, tmp_path, capsys):
    from orderfsm.cli import main

    page = visit()
    page.evaluate("navigator.clipboard.writeText = async (text) => { window.copied = text; }")
    take(page, "CreateCertificateRequest", "domain_validated", "DeleteCertificateRequest", "review_passed")
    take(page, "DescribeCertificateState", "expiry_neared", "RenewCertificateOrderForPackageRequest")
    page.get_by_role("button", name="Copy the trace").click()
    page.wait_for_selector("button:text-is('Copied')")
    file = tmp_path / "walk.jsonl"
    file.write_text(page.evaluate("window.copied"), encoding="utf-8")
    assert main(["replay", str(file), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["verdict"], said["lines"], said["orders"], said["bad_lines"]) == ("conforms", 7, 2, 0)
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert lines[0] == {"trace": 1, "events": "complete"}
    assert lines[3] == {
        "time": "2026-01-01T00:02:00Z",
        "order_id": 100000001,
        "operation": "DeleteCertificateRequest",
        "outcome": "refused",
        "code": "OrderStateError",
    }
    assert (lines[5]["state"], lines[7]["new_order_id"]) == ("issued", 100000002)


def test_a_trigger_in_the_drawing_is_taken_from_the_state_where_the_order_is(visit):
    page = visit()
    label = page.locator('.label[data-source=""] text[data-trigger="CreateCertificateRequest"]')
    label.click()
    page.wait_for_selector("#state h2:text-is('pending review')")
    page.locator('.label[data-source="issued"] text[data-trigger="expiry_neared"]').click()
    page.wait_for_selector("#state h2:text-is('issued')")  # the order is not there: that state is shown
    assert len(traced(page).splitlines()) == 2
    assert page.locator("#walk .where").inner_text() == "1 step from no order; now in pending review"
    assert page.locator(".edge .strand.lit").count() == 1


def test_a_step_from_elsewhere_is_the_first_of_another_order(visit):
    page = visit()
    take(page, "CreateCertificateRequest")
    page.locator(".state[data-state=verify_fail]").click()
    take(page, "DeleteCertificateRequest")
    assert page.locator("#walk .where").inner_text() == "1 step from verify fail; now in deleted"
    page.go_back()
    page.go_back()
    assert page.locator("#walk .where").inner_text() == "1 step from no order; now in pending review"


def test_a_plan_is_taken_at_once(visit):
    page = visit()
    page.select_option("#goal", "issued")
    page.click("#take-plan")
    assert page.locator("#state h2").inner_text() == "issued"
    steps = [json.loads(line) for line in traced(page).splitlines()[1:]]
    assert [step.get("operation") or step["event"] for step in steps][1:] == ["domain_validated", "review_passed"]


def test_undo_and_start_over(visit):
    page = visit()
    take(page, "CreateCertificateRequest", "domain_validated")
    page.click("#undo")
    assert page.locator("#state h2").inner_text() == "pending review"
    assert page.evaluate("document.activeElement.id") == "undo"
    take(page, "CancelOrderRequest")
    page.click("#start-over")
    assert page.locator("#state h2").inner_text() == "no order"
    assert page.locator("#trace").count() == 0
    page.go_back()
    assert traced(page).count("CancelOrderRequest") == 1


# -- the address -------------------------------------------------------------------------------------------------------


def shown(page):
    """All that the address may say."""
    return {
        "title": page.locator("h1").inner_text(),
        "state": page.locator("#state h2").inner_text(),
        "trace": traced(page) if page.locator("#trace").count() else None,
        "goal": page.locator("#goal").input_value(),
        "why": page.locator("#state details[open]").evaluate_all(
            "all => all.map(e => e.parentElement.dataset.trigger)"
        ),
    }


def test_the_address_says_what_is_shown_and_the_back_button_undoes_each_step(visit):
    page = visit()
    seen = [shown(page)]

    def then(act):
        act()
        page.wait_for_timeout(0)
        seen.append(shown(page))

    then(lambda: page.get_by_role("button", name="The life of a certificate instance").click())
    then(lambda: take(page, "CreateInstance"))
    then(lambda: take(page, "purchase_settled"))
    then(lambda: page.select_option("#goal", "issued"))
    then(lambda: page.locator(".state[data-state=idle]").click())
    page.locator('[data-list="refused"] details summary').first.click()
    page.wait_for_selector("#state details[open]")
    page.wait_for_function("location.hash.includes('why=')")
    last = shown(page)
    assert last["why"]
    assert last["goal"] == "issued"
    again = visit(page.evaluate("location.hash"))
    assert shown(again) == last
    for before in seen[-2::-1]:
        page.go_back()
        assert shown(page) == before
    for after in (*seen[1:-1], last):
        page.go_forward()
        assert shown(page) == after


@pytest.mark.parametrize(
    "address",
    [
        "#nowhere",
        "#nothing/issued",
        "#%E0%A4%A/%zz",
        "#issued?to=nowhere&from=nowhere&walk=review_passed",
        "#issued?from=&walk=review_passed",  # it cannot happen there
        "#issued?walk=" + quote("<img src=x onerror=alert(1)>"),
        "#constructor?from=constructor&to=__proto__&walk=toString&why=constructor",
    ],
)
def test_what_an_address_says_that_is_not_in_the_table_is_left_out(visit, address):
    page = visit(address)
    assert page.locator("#trace").count() == 0
    assert page.locator("#state h2").inner_text() in {"issued", "no order"}
    take(page, *(["expiry_neared"] if "issued" in address and "nothing" not in address else []))


def test_a_walk_that_an_address_tells_goes_as_far_as_the_table_lets_it(visit):
    page = visit("#issued?from=&walk=CreateCertificateRequest,domain_validated,expiry_neared,review_passed")
    assert len(traced(page).splitlines()) == 3
    assert page.locator("#walk .where").inner_text() == "2 steps from no order; now in being reviewed"


# -- how it looks ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_can_be_read_at_every_width_in_light_and_in_dark(visit, scheme):
    walk = quote("CreateCertificateRequest,domain_validated,DeleteCertificateRequest,review_passed")
    page = visit(f"#issued?from=&walk={walk}&to=deleted", color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
    assert page.evaluate(POOR_CONTRAST) == []
    for width in (390, 700, 1280, 1920):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") == width


def test_silent_pairs_have_no_button_and_say_why(visit):
    page = visit(name=PARCELS.name)
    page.locator(".state[data-state=at_locker]").click()
    silent = page.locator('[data-list="silent"] li')
    assert silent.locator("[data-take]").count() == 0
    assert "none: nobody knows where it leads" in silent.first.text_content()


def test_everything_can_be_walked_with_the_keyboard(visit):
    page = visit()
    page.locator('[data-take="CreateCertificateRequest"]').focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "walk-title"
    page.keyboard.press("Tab")
    for _ in range(30):
        if page.evaluate("document.activeElement.dataset.take") == "CancelOrderRequest":
            break
        page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert unquote(page.evaluate("location.hash")).endswith("from=&walk=CreateCertificateRequest,CancelOrderRequest")
    assert page.locator("#state h2").inner_text() == State.PENDING_APPLICATION.replace("_", " ")
    assert Operation.CANCEL in traced(page)
