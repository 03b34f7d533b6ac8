"""The dashboard: what the mock holds, live; buttons for what the table allows and for nothing else; no secret."""

from __future__ import annotations

import json
import re
import threading
import urllib.error
import urllib.parse
import urllib.request
from html.parser import HTMLParser
from types import SimpleNamespace

import pytest

pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")
pytest.importorskip("jinja2", reason="the extra `mock` is not installed")

import attrs
import oracle
from chromium import POOR_CONTRAST, chromium

from orderfsm import ORDER_LIFECYCLE, Actor, Event, InvalidValue, Operation, State, plan
from orderfsm.mock import Request, Service
from orderfsm.mock.faults import Fault
from orderfsm.mock.http import dashboard
from orderfsm.mock.http.dashboard import chosen, fields
from orderfsm.mock.http.dashboard.rendering import STATIC
from orderfsm.trace import Outcome
from orderfsm.wire import type_of

CONTACT = {"Email": "a@example.com", "Phone": "1", "Username": "u", "ValidateType": "DNS"}
HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>\N{RIGHT-TO-LEFT OVERRIDE}&amp;'


def call(service, operation, **parameters):
    """One call of the API port."""
    headers = {"x-acs-version": "2020-04-07", "x-acs-action": operation}
    return service.handle(Request("POST", "/", {k.replace("_", "."): v for k, v in parameters.items()}, headers)).json


def created(service, **parameters):
    """The id of a new order."""
    return call(service, Operation.CREATE, **{**CONTACT, "Domain": "example.com", **parameters})["OrderId"]


def order_in(service, state):
    """The id of a new order, walked to `state`, and read there."""
    order_id = created(service, Domain=f"{state.value.replace('_', '-')}.example.com")
    for step in plan(State.PENDING_REVIEW, state, events=True).steps:
        if ORDER_LIFECYCLE.actor(step) is Actor.CLIENT:
            call(service, step.trigger, OrderId=order_id)
        else:
            service.happen(order_id, step.trigger)
    call(service, Operation.DESCRIBE, OrderId=order_id)
    return order_id


@pytest.fixture
def service():
    return Service()


class Page(HTMLParser):
    """A page, taken apart by the standard library's parser."""

    def __init__(self, html):
        super().__init__()
        self.buttons, self.tags, self.text, self.lit, self.path = [], [], [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        """Note what there is."""
        found = dict(attributes)
        self.tags.append((tag, found))
        if tag == "button" and found.get("name") == "Event":
            self.buttons.append(found["value"])
        if "strand" in (found.get("class") or "") and "lit" in found["class"].split():
            self.lit.append(found["class"])

    def handle_data(self, data):
        """Note what it says."""
        self.text.append(data)

    @property
    def words(self):
        """All its text, each gap one space."""
        return " ".join("".join(self.text).split())


# -- from data to HTML -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", State)
def test_there_is_a_button_for_every_event_that_is_allowed_and_for_nothing_else(service, state):
    shown = Page(dashboard.page(service, order_id=order_in(service, state)))
    assert sorted(shown.buttons) == sorted(event for event in Event if oracle.after(state.value, event.value))
    actions = re.search(r"What its client can call now(.*?)(Domain|$)", shown.words)
    said = actions.group(1) if actions else ""
    changing = [
        operation
        for operation in Operation
        if oracle.after(state.value, operation.name.lower()) and operation.name.lower() not in {"describe", "list"}
    ]
    for operation in Operation:
        expected = operation in changing and operation is not Operation.DESCRIBE_PACKAGE
        assert (operation.value in said.split()) is expected, operation


@pytest.mark.parametrize("state", State)
def test_no_certificate_and_no_key_is_on_any_page(service, state):
    order_id = order_in(service, state)
    record = service.store.get(order_id)
    certified = type_of(state) == "certificate"
    assert (record.private_key is not None) is certified
    html = dashboard.page(service, order_id=order_id) + dashboard.page(service)
    assert "BEGIN" not in html
    for secret in filter(None, (record.private_key, record.certificate)):
        assert not [line for line in secret.splitlines()[1:-1] if line in html]


def test_what_is_shown_of_an_order_is_picked_field_by_field(service):
    record = service.order(order_in(service, State.ISSUED))
    shown = set(fields.of_order(record))
    assert not shown & {"certificate", "private_key", "csr"}


class Hostile(Service):
    """A service whose every text is an attack."""

    def _worse(self, record):
        worse = {
            "domains": (HOSTILE,),
            "product_code": HOSTILE,
            "validate_type": HOSTILE,
            "tags": ((HOSTILE, HOSTILE),),
        }
        return attrs.evolve(record, **worse)

    def order(self, order_id):
        return self._worse(super().order(order_id))

    def latest(self, *asked):
        return [self._worse(record) for record in super().latest(*asked)]

    def fault_rules(self):
        return [{"Operation": HOSTILE, "OrderId": HOSTILE, "Times": HOSTILE, "Code": HOSTILE}]

    def history(self, order_id=None):  # noqa: ARG002
        attack = dict.fromkeys(["time", "code", "state", "new_order_id"], HOSTILE)
        return [SimpleNamespace(trigger=Event.SUBMITTED, outcome=Outcome.ACCEPTED, **attack)]


def test_hostile_text_is_shown_and_not_obeyed():
    service = Hostile()
    order_id = created(service)
    service.put_package(HOSTILE, 3)
    html = dashboard.page(service, order_id=order_id, problem=HOSTILE)
    shown = Page(html)
    assert "<script>alert" not in html
    assert not [tag for tag, _ in shown.tags if tag in {"img", "iframe", "object"}]
    assert [found.get("src") for tag, found in shown.tags if tag == "script"] == ["/dashboard/dashboard.js"]
    assert not [name for _, found in shown.tags for name in found if name.startswith("on") or name == "style"]
    assert shown.words.count("<script>alert(1)</script>") >= 10


def test_the_page_asks_nothing_of_any_other_place(service):
    html = dashboard.page(service, order_id=order_in(service, State.ISSUED))
    for _, found in Page(html).tags:
        for name in ("href", "src", "action"):
            assert found.get(name, "/").startswith(("/", "#", "data:,"))
    script = (STATIC / "dashboard.js").read_text()
    style = (STATIC / "dashboard.css").read_text()
    assert not re.search(r"https?://|@import|url\(", script + style)


def listed(shown):
    """The ids of the orders that a page lists, in their order, and where its links lead, by their keys."""
    keys = {key: found.get("href") for _, found in shown.tags if (key := found.get("data-key"))}
    return [int(key.removeprefix("order-")) for key in keys if re.fullmatch("order-[0-9]+", key)], keys


def test_newest_first_and_no_more_than_a_hundred_on_a_page(service):
    service.put_package("digicert-free-1-free", 500)
    ids = [created(service) for _ in range(203)][::-1]
    seen = []
    for page, words in ((None, "1 to 100"), ("2", "101 to 200"), ("3", "201 to 203"), ("4", "201 to 203")):
        shown = Page(dashboard.page(service, page=page))
        seen.append(listed(shown)[0])
        assert "Orders 203" in shown.words
        assert f"{words} of 203, newest first." in shown.words
        assert f"page {min(int(page or 1), 3)} of 3" in shown.words
    assert seen == [ids[:100], ids[100:200], ids[200:], ids[200:]]


def test_links_lead_to_the_pages_around_and_stay_within_a_state(service):
    service.put_package("digicert-free-1-free", 500)
    for _ in range(401):
        created(service)

    def links(**asked):
        keys = listed(Page(dashboard.page(service, **asked)))[1]
        return {key.removeprefix("page-"): href for key, href in keys.items() if key.startswith("page-")}

    assert links() == {"older": "/?page=2", "oldest": "/?page=5"}
    assert links(page="3") == {"newest": "/", "newer": "/?page=2", "older": "/?page=4", "oldest": "/?page=5"}
    assert links(page="5", state="pending_review") == {
        "newest": "/?state=pending_review",
        "newer": "/?state=pending_review&page=4",
    }
    keys = listed(Page(dashboard.page(service, page="5", state="pending_review")))[1]
    assert keys["state-issued"] == "/?state=issued"
    (order_id,) = listed(Page(dashboard.page(service, page="5")))[0]
    assert (
        listed(Page(dashboard.page(service, page="5")))[1][f"order-{order_id}"]
        == f"/dashboard/orders/{order_id}?page=5"
    )


@pytest.mark.parametrize("key", ["page", "instance_page"])
@pytest.mark.parametrize("page", ["0", "-1", "1.5", "x", "\u00b2", "9" * 13])
def test_what_is_no_page_is_an_error_that_says_so(service, key, page):
    with pytest.raises(InvalidValue, match=f"{key} .*: expected a number from 1"):
        dashboard.page(service, **{key: page})


def test_orders_are_filtered_by_state(service):
    issued, _ = order_in(service, State.ISSUED), order_in(service, State.VERIFY_FAIL)
    shown = Page(dashboard.page(service, state="issued"))
    assert listed(shown)[0] == [issued]
    assert listed(shown)[1][f"order-{issued}"] == f"/dashboard/orders/{issued}?state=issued"
    assert "1 to 1 of 1 in issued, newest first." in shown.words
    assert "None of 2 in revoked." in Page(dashboard.page(service, state="revoked")).words
    with pytest.raises(InvalidValue, match="state 'nowhere': expected"):
        dashboard.page(service, state="nowhere")


def test_the_way_that_an_order_took_is_lit_up(service):
    shown = Page(dashboard.page(service, order_id=order_in(service, State.ISSUED)))
    assert len(shown.lit) == 3 + 1  # create, domain validated, review passed; and the legend
    assert [f["data-state"] for _, f in shown.tags if (f.get("class") or "").startswith("state current")] == ["issued"]
    assert "The life of a certificate order, now issued" in {found.get("aria-label") for _, found in shown.tags}


def test_a_renewed_order_begins_where_the_renewal_put_it(service):
    old = order_in(service, State.ABOUT_TO_EXPIRE)
    new = call(service, Operation.RENEW, OrderId=old, Csr="")["OrderId"]
    call(service, Operation.DESCRIBE, OrderId=new)
    service.happen(new, Event.SUBMITTED)
    shown = Page(dashboard.page(service, order_id=new))
    assert len(shown.lit) == 1 + 1
    assert f"/dashboard/orders/{new}" in [
        found.get("href") for _, found in Page(dashboard.page(service, order_id=old)).tags
    ]


def test_what_no_table_explains_lights_up_nothing():
    assert chosen.way(ORDER_LIFECYCLE, [Event.REVIEW_PASSED, Operation.DELETE]) == []
    assert chosen.way(ORDER_LIFECYCLE, []) == []


def test_an_order_that_is_gone_still_tells_how_its_life_went(service):
    order_id = order_in(service, State.DELETED)
    shown = Page(dashboard.page(service, order_id=order_id))
    assert "This order is gone" in shown.words
    assert "NotFoundOrder" in shown.words  # the read after its end
    assert not shown.buttons
    assert len(shown.lit) == 3 + 1


@pytest.mark.parametrize("order_id", [1, 2**63, 10**40])
def test_an_order_that_never_was_is_no_error(service, order_id):
    assert f"There is no order {order_id}." in Page(dashboard.page(service, order_id=order_id)).words


def test_a_long_history_is_cut_and_says_so(service):
    order_id = created(service)
    for _ in range(chosen.SHOWN_LINES + 10):
        call(service, Operation.DESCRIBE, OrderId=order_id)
    words = Page(dashboard.page(service, order_id=order_id)).words
    assert f"The last {chosen.SHOWN_LINES} of {chosen.SHOWN_LINES + 11} lines." in words
    assert words.count("accepted: pending review") == chosen.SHOWN_LINES


def test_packages_faults_and_clock_are_shown(service):
    order_in(service, State.ISSUED)
    service.put_package("wosign-dv", 0)
    service.add_fault(Fault.parse({"Operation": "DeleteCertificateRequest", "Times": 2, "Code": "Error", "Delay": 1.5}))
    words = Page(dashboard.page(service)).words
    assert "digicert-free-1-free 20 1 19" in words
    assert "wosign-dv 0 0 0" in words
    assert "DeleteCertificateRequest 2 more" in words
    assert "Code Error" in words
    assert "Delay 1.5 s" in words
    assert re.search(r"Clock \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", words)


# -- over HTTP ---------------------------------------------------------------------------------------------------------


def fetch(url, form=None, **headers):
    """Status, headers and body."""
    body = None if form is None else urllib.parse.urlencode(form).encode()
    opener = urllib.request.build_opener(NoRedirect)
    try:
        with opener.open(urllib.request.Request(url, body, headers), timeout=300) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read().decode()


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """Lets a test see a redirection."""

    def redirect_request(self, *_args):
        """Do not follow."""


def test_pages_are_never_stored_and_obey_no_foreign_script(server):
    status, headers, body = fetch(server.control + "/")
    assert status == 200
    assert body.lstrip().lower().startswith("<!doctype html>")
    assert headers["cache-control"] == "no-store"
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for name in ("dashboard.css", "dashboard.js"):
        assert fetch(f"{server.control}/dashboard/{name}")[0] == 200


def test_wrong_addresses_are_answered_clearly(server):
    status, _, body = fetch(server.control + "/?state=nowhere")
    assert status == 400
    assert "state &#39;nowhere&#39;: expected" in body
    for number in ("seven", "9" * 20, "9" * 5000):
        status, _, body = fetch(f"{server.control}/dashboard/orders/{number}")
        assert (status, json.loads(body)["Code"]) == (404, "NotFound")
    assert fetch(f"{server.control}/dashboard/secret")[0] == 404
    assert fetch(f"{server.control}/dashboard/../service.py")[0] == 404


def test_a_button_works_without_the_script(server):
    order_id = created(server.service)
    events = f"{server.control}/dashboard/orders/{order_id}/events"
    status, headers, _ = fetch(events, {"Event": "domain_validated"})
    assert (status, headers["location"]) == (303, f"/dashboard/orders/{order_id}")
    assert server.service.order(order_id).order.state is State.BEING_REVIEWED
    assert fetch(events, {"Event": "domain_validated"})[0] == 409
    for nonsense in ({"Event": "no_such_event"}, {"Event": "CancelOrderRequest"}, {}):
        assert fetch(events, nonsense)[0] == 400
    assert fetch(f"{server.control}/dashboard/orders/1/events", {"Event": "submitted"})[0] == 404
    assert server.service.order(order_id).order.state is State.BEING_REVIEWED


def test_another_sites_form_pushes_no_button(server):
    order_id = created(server.service)
    events = f"{server.control}/dashboard/orders/{order_id}/events"
    assert fetch(events, {"Event": "domain_validated"}, Origin="https://evil.example")[0] == 403
    assert fetch(events, {"Event": "domain_validated"}, Host="evil.example")[0] == 403
    assert server.service.order(order_id).order.state is State.PENDING_REVIEW


def test_the_stream_tells_of_every_change_and_ends_with_the_reader(server):
    with urllib.request.urlopen(server.control + "/dashboard/stream", timeout=300) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        revisions = (int(line.split()[1]) for line in iter(stream.readline, b"") if line.startswith(b"data:"))
        first = next(revisions)
        created(server.service)
        assert next(revisions) > first
    assert fetch(server.control + "/health")[0] == 200


def test_an_open_page_does_not_keep_the_mock_from_ending():
    from orderfsm.mock import mock_cas

    ended = threading.Event()
    with mock_cas() as running:
        stream = urllib.request.urlopen(running.control + "/dashboard/stream", timeout=300)
        threading.Thread(target=lambda: (stream.read(), ended.set()), daemon=True).start()
    assert ended.wait(300)
    stream.close()


# -- in Chromium -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser():
    with chromium() as started:
        yield started


@pytest.fixture
def visit(browser, server):
    """Opens a page of the control port, and holds it to have no error."""
    errors, pages = [], []

    def opened(path="/", tolerated="nothing", **options):
        page = browser.new_page(viewport={"width": 1400, "height": 900}, **options)
        page.on(
            "console",
            lambda said: errors.append(said.text) if said.type == "error" and tolerated not in said.text else None,
        )
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: errors.append(request.url) if not allowed(request.url) else None)
        page.set_default_timeout(10_000)
        page.goto(server.control + path)
        pages.append(page)
        return page

    def allowed(url):
        return url.startswith((server.control, "data:"))

    yield opened
    for page in pages:
        page.close()
    assert not errors


def lit_lines(page):
    """The lit lines of the drawing, without the legend's."""
    return page.locator("svg .edge > .strand.lit").count()


def test_from_the_sdks_create_to_issued_without_a_reload(server, visit):
    cas = pytest.importorskip("alibabacloud_cas20200407.models", reason="the extra `client` is not installed")
    page = visit()
    page.wait_for_selector("#status.live")
    page.evaluate("window.sameDocument = true")
    assert page.locator("#orders tbody tr").count() == 0
    request = cas.CreateCertificateRequestRequest(
        product_code="digicert-free-1-free",
        domain="shop.example.com",
        email="a@example.com",
        phone="1",
        username="u",
        validate_type="DNS",
    )
    order_id = server.client().create_certificate_request(request).body.order_id
    page.click(f"text={order_id}")
    page.wait_for_selector(f"#order-title:has-text('Order {order_id}')")
    assert page.url.endswith(f"/dashboard/orders/{order_id}")
    for button, state, lines in [("domain validated", "being reviewed", 2), ("review passed", "issued", 3)]:
        page.get_by_role("button", name=button).click()
        page.wait_for_selector(f"#order-title .badge:text-is('{state}')")
        assert page.locator("#orders tbody .badge").inner_text() == state
        assert lit_lines(page) == lines
        assert page.locator("svg > .current").get_attribute("data-state") == state.replace(" ", "_")
    assert page.get_by_role("button", name="review passed").count() == 0
    assert page.evaluate("window.sameDocument") is True
    assert server.service.order(order_id).order.state is State.ISSUED


def test_a_browser_turns_pages_without_a_reload(server, visit):
    server.put_package("digicert-free-1-free", 150)
    server.order(count=150)
    page = visit()
    page.wait_for_selector("#status.live")
    page.evaluate("window.sameDocument = true")
    for words, number, rows in (("older", 2, 50), ("newer", 1, 100)):
        page.get_by_role("link", name=words).click()
        page.wait_for_selector(f".pages :text-is('page {number} of 2')")
        assert page.locator("#orders tbody tr").count() == rows
    page.go_back()
    page.wait_for_selector(".pages :text-is('page 2 of 2')")
    assert page.evaluate("window.sameDocument") is True


def test_what_others_do_is_seen_live_and_read_aloud(server, visit):
    order_id = created(server.service)
    page = visit(f"/dashboard/orders/{order_id}")
    page.wait_for_selector("#status.live")
    server.service.happen(order_id, Event.REVIEW_FAILED)
    page.wait_for_selector("#order-title .badge:text-is('verify fail')")
    assert page.locator("#news").inner_text() == f"Order {order_id} is now verify fail."
    call(server.service, Operation.DELETE, OrderId=order_id)
    page.wait_for_selector("text=This order is gone")
    assert page.locator("#orders tbody tr").count() == 0


@pytest.mark.parametrize("state", State)
def test_a_browser_shows_no_button_for_what_is_illegal(server, visit, state):
    """Every event in every state: there is a button if and only if it may happen."""
    order_id = order_in(server.service, state)
    page = visit(f"/dashboard/orders/{order_id}")
    page.wait_for_selector("#status.live")
    shown = page.locator("button[name=Event]:visible").evaluate_all("all => all.map(button => button.value)")
    assert sorted(shown) == sorted(event for event in Event if oracle.after(state.value, event.value))
    assert "PRIVATE KEY" not in page.content()


def test_a_button_that_came_too_late_says_why(server, visit):
    order_id = created(server.service)
    page = visit(f"/dashboard/orders/{order_id}", tolerated="409 (Conflict)")
    page.route(
        "**/orders/*/events", lambda route: (server.service.happen(order_id, "domain_validated"), route.continue_())
    )
    page.get_by_role("button", name="domain validated").click()
    page.wait_for_selector("#problem:has-text('domain_validated is not allowed in being_reviewed')")
    page.wait_for_selector("#order-title .badge:text-is('being reviewed')")


def test_everything_can_be_done_with_the_keyboard(server, visit):
    order_id = created(server.service)
    page = visit()
    page.wait_for_selector("#status.live")

    def tab_to(key):
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.dataset.key") == key:
                around = "document.activeElement, document.activeElement.matches('.row') ? '::after' : null"
                outline = page.evaluate(f"getComputedStyle({around}).outlineStyle")
                assert outline == "solid"
                return
        pytest.fail(f"no way to {key} by Tab")

    tab_to(f"order-{order_id}")
    page.keyboard.press("Enter")
    page.wait_for_selector(f"#order-title:has-text('Order {order_id}')")
    assert page.evaluate("document.activeElement.dataset.key") == f"order-{order_id}"
    tab_to("event-domain_validated")
    page.keyboard.press("Enter")
    page.wait_for_selector("#order-title .badge:text-is('being reviewed')")
    assert page.evaluate("document.activeElement.id") == "order-title"  # its button is gone
    tab_to("event-review_passed")
    page.keyboard.press("Space")
    page.wait_for_selector("#order-title .badge:text-is('issued')")
    assert server.service.order(order_id).order.state is State.ISSUED


def test_a_change_elsewhere_leaves_the_focus_where_it_is(server, visit):
    order_id = created(server.service)
    page = visit(f"/dashboard/orders/{order_id}")
    page.wait_for_selector("#status.live")
    page.get_by_role("button", name="review failed").focus()
    call(server.service, Operation.DESCRIBE, OrderId=order_id)
    page.wait_for_selector("text=accepted: pending review")
    assert page.evaluate("document.activeElement.value") == "review_failed"


def test_a_whole_row_is_a_link_also_for_the_middle_button(server, visit):
    ids = [created(server.service, Domain=f"shop-{number}.example.com") for number in range(3)]
    page = visit()
    page.wait_for_selector("#status.live")
    page.click("#orders td:text-is('shop-1.example.com')", force=True)  # the link lies upon all of the row
    page.wait_for_selector(f"#order-title:has-text('Order {ids[1]}')")
    with page.context.expect_page() as opened:
        page.click("#orders td:text-is('shop-2.example.com')", button="middle", force=True)
    opened.value.wait_for_url(f"**/dashboard/orders/{ids[2]}")
    opened.value.close()
    assert page.url.endswith(f"/dashboard/orders/{ids[1]}")


def test_what_is_typed_is_searched_at_once_and_the_back_button_leads_out_again(server, visit):
    order_in(server.service, State.ISSUED), order_in(server.service, State.VERIFY_FAIL)
    page = visit()
    page.wait_for_selector("#status.live")
    page.evaluate("window.sameDocument = true")
    page.get_by_role("searchbox").type("Verify f")
    page.wait_for_selector("text=None of 2 with Verify f in a domain.")
    page.get_by_role("searchbox").type("ail")
    page.wait_for_selector("#orders tbody tr:only-child .badge:text-is('verify fail')")
    assert page.url.endswith("/?q=Verify+fail")
    page.click("#orders tbody tr")
    page.wait_for_selector("#order-title .badge:text-is('verify fail')")
    assert page.url.endswith("?q=Verify+fail")
    page.go_back()
    page.get_by_role("searchbox").fill("")
    page.wait_for_selector("#orders tbody tr:nth-child(2)")
    page.go_forward()
    page.wait_for_selector("#orders tbody tr:only-child")
    assert page.get_by_role("searchbox").input_value() == "Verify fail"
    assert page.evaluate("window.sameDocument") is True


def test_a_state_that_is_clicked_in_the_drawing_is_listed(server, visit):
    order_in(server.service, State.ISSUED), order_in(server.service, State.VERIFY_FAIL)
    page = visit()
    page.click(".drawing .state[data-state=issued]")
    page.wait_for_selector("#orders tbody tr:only-child .badge:text-is('issued')")
    assert page.url.endswith("/?state=issued")


def test_a_first_order_is_made_by_a_button_and_its_program_can_be_copied(server, visit):
    page = visit()
    page.wait_for_selector("#status.live")
    page.evaluate("window.sameDocument = true")
    page.evaluate("navigator.clipboard.writeText = async (text) => { window.copied = text; }")
    page.get_by_role("button", name="Copy the program: curl").click()
    page.wait_for_selector("button:text-is('Copied')")
    assert page.evaluate("window.copied").startswith(f"curl {server.api} ")
    page.locator("#orders form").get_by_role("button", name="Create").click()
    page.wait_for_selector("#order-title:has-text('Order') .badge:text-is('pending review')")
    (record,) = server.service.latest(2)
    assert page.url.endswith(f"/dashboard/orders/{record.id}")
    assert page.evaluate("window.sameDocument") is True


def test_forms_say_what_is_wrong_and_keep_what_was_typed_while_the_page_changes(server, visit):
    page = visit(tolerated="400 (Bad Request)")
    page.wait_for_selector("#status.live")
    page.evaluate("window.sameDocument = true")
    page.click("summary:text-is('New fault')")
    page.get_by_label("Calls").select_option("DeleteCertificateRequest")
    page.get_by_label("Times").fill("often")
    page.get_by_label("Code").fill("DeleteFail")
    page.get_by_role("button", name="Add the fault").click()
    page.wait_for_selector("#problem:has-text(\"Times 'often': expected an integer in 1 ..\")")
    server.service.add_fault(Fault(operation="create", code="Error"))
    page.wait_for_selector("#faults tbody tr")
    assert page.get_by_label("Times").input_value() == "often"
    page.get_by_label("Times").fill("3")
    page.get_by_role("button", name="Add the fault").click()
    page.wait_for_selector("#faults tbody tr:nth-child(2)")
    assert page.locator("#problem").inner_text() == ""
    assert page.get_by_label("Times").input_value() == ""
    rule = server.service.fault_rules()[1]
    assert (rule["Operation"], rule["Times"], rule["Code"]) == ("DeleteCertificateRequest", 3, "DeleteFail")
    page.get_by_role("button", name="Remove all faults").click()
    page.wait_for_selector("#faults :text('None: every call')")
    before, was = server.service.clock.offset, float(page.get_attribute("#time time", "data-now"))
    page.get_by_role("button", name="Move the clock").click()
    page.wait_for_function("(was) => document.querySelector('#time time').dataset.now - was >= 86400", arg=was)
    assert server.service.clock.offset - before == pytest.approx(86_400)
    assert page.evaluate("window.sameDocument") is True


@pytest.mark.parametrize("chosen", [None, State.ISSUED])
def test_nothing_is_wider_than_the_window(server, visit, chosen):
    page = visit("/" if chosen is None else f"/dashboard/orders/{order_in(server.service, chosen)}?q=example")
    server.service.begin("issued", {"Domain": "-".join(["long"] * 12) + ".example.com"})
    page.wait_for_selector("#orders tbody tr")
    page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
    for width in (390, 700, 1280, 1920):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") == width


def test_everything_has_a_name_to_be_read_aloud_and_forms_are_named_by_their_section(server, visit):
    page = visit(f"/dashboard/orders/{order_in(server.service, State.ISSUED)}")
    page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
    unnamed = page.evaluate("""() => [...document.querySelectorAll("input, select, button, a, svg[role=img], meter")]
        .filter(e => e.type !== "hidden" && !e.closest("svg:not([role])") && !(e.labels && e.labels.length)
            && !e.getAttribute("aria-label") && !e.textContent.trim())
        .map(e => e.outerHTML.slice(0, 80))""")
    assert unnamed == []
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(ids) == len(set(ids))


def test_filter_and_back_button(server, visit):
    order_in(server.service, State.ISSUED), order_in(server.service, State.VERIFY_FAIL)
    page = visit()
    page.get_by_role("link", name="verify fail 1", exact=True).click()
    page.wait_for_selector("#orders tbody tr:only-child .badge:text-is('verify fail')")
    page.go_back()
    page.wait_for_selector("#orders tbody tr:nth-child(2)")
    page.wait_for_selector("#orders nav [aria-current]:text-is('any state')")


def luminance(page, script):
    """How bright a colour is that the page computed, 0 to 255."""
    red, green, blue = map(int, re.findall(r"\d+", page.evaluate(script))[:3])
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark(server, visit, scheme):
    page = visit(f"/dashboard/orders/{order_in(server.service, State.ISSUED)}", color_scheme=scheme)
    behind = luminance(page, "getComputedStyle(document.querySelector('#order')).backgroundColor")
    drawn = luminance(page, "getComputedStyle(document.querySelector('svg')).backgroundColor")
    text = luminance(page, "getComputedStyle(document.querySelector('svg .name')).fill")
    dark = scheme == "dark"
    assert (behind < 60, drawn < 60, text > 180) == (dark, dark, dark)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/", "/dashboard/orders/{}"])
def test_text_stands_out_from_what_is_behind_it(server, visit, scheme, path):
    """WCAG AA: 4.5 to 1, for every text of the page and of the drawing."""
    order_id = order_in(server.service, State.ISSUED)
    server.service.add_fault(Fault.parse({"Operation": "*", "Times": 0x7F, "Code": "Error"}))
    page = visit(path.format(order_id), color_scheme=scheme)
    page.wait_for_selector("#status.live")
    assert page.evaluate(POOR_CONTRAST) == []


def test_without_a_script_links_and_buttons_do_the_same(server, visit):
    order_id = created(server.service)
    page = visit(java_script_enabled=False)
    page.click(f"text={order_id}")
    page.get_by_role("button", name="domain validated").click()
    page.wait_for_selector("#order-title .badge:text-is('being reviewed')")
    assert page.url.endswith(f"/dashboard/orders/{order_id}")


def test_it_says_when_the_mock_is_gone(browser):
    from orderfsm.mock import mock_cas

    page = browser.new_page()
    with mock_cas() as running:
        page.goto(running.control)
        page.wait_for_selector("#status.live")
    page.wait_for_selector("#status.lost", timeout=10_000)
    page.close()


def test_the_control_ports_json_is_where_it_was(server):
    order_id = created(server.service)
    assert json.loads(fetch(f"{server.control}/orders/{order_id}")[2])["State"] == "pending_review"
    assert json.loads(fetch(f"{server.control}/health")[2]) == {"status": "ok", "orders": 1}
