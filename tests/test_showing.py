"""Values show themselves in a notebook: well-formed, complete, and nothing that came from outside is markup."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import other_table
import pytest
from chromium import chromium
from hypothesis import given
from hypothesis import strategies as st

import orderfsm
from orderfsm import ORDER_LIFECYCLE, Operation, Order, State, Transition, explain, plan, showing
from orderfsm.coverage import covering
from orderfsm.machine import OrderMachine
from orderfsm.tables import NAMES, named
from orderfsm.trace import BadLine, Line, judge, replay

TABLES = [*map(named, NAMES), other_table.LIFECYCLE]
VOID = {"br", "hr", "img", "link", "meta"}
EVIL = "<script>alert(1)</script>\"'><img src=x onerror=y>&amp;"


class Page(HTMLParser):
    """The text and the tags of some HTML; what is opened is closed."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.text, self.tags, self.attributes, self._open, self.classes = "", [], [], [], set()
        self.feed(html)
        self.close()
        assert not self._open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]
        self.classes |= set((dict(attrs).get("class") or "").split())
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if "style" not in self._open:
            self.text += data


def shown(value):
    """What a notebook shows of a value, light or dark, without a script, and nothing that is loaded."""
    html = value._repr_html_()
    assert html.startswith('<div class="orderfsm-shown"><style>')
    page = Page(html)
    assert not {"script", "img", "iframe", "link"} & set(page.tags)
    assert not [name for name in page.attributes if name.startswith("on")]
    assert not re.search(r"url\(|@import", html)
    return page


# -- the table ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lifecycle", TABLES, ids=lambda each: each.name)
def test_a_table_shows_its_picture_and_every_row_that_changes_something(lifecycle):
    page = shown(lifecycle)
    assert "svg" in page.tags
    assert lifecycle.title in page.text
    for row in lifecycle.transitions:
        assert not row.changes or row.trigger in page.text
    assert lifecycle._repr_svg_().partition("<svg")[2] in lifecycle._repr_html_()


def test_a_variant_of_a_table_shows_what_is_different():
    row = ORDER_LIFECYCLE.transition(State.VERIFY_FAIL, Operation.DELETE)
    assert ORDER_LIFECYCLE.without(row)._repr_html_() != ORDER_LIFECYCLE._repr_html_()
    assert "28 rows" in shown(ORDER_LIFECYCLE.without(row)).text


def test_only_a_table_that_is_shown_loads_what_draws_it():
    """The one arrow that goes up in the house is by name; `tests/test_import.py` sees all others."""
    root = Path(orderfsm.__file__).parent
    by_name = re.compile(r'import_module\(\s*"(orderfsm[^"]*)"')
    files = {path.relative_to(root): by_name.findall(path.read_text("utf-8")) for path in root.rglob("*.py")}
    assert {str(file): set(names) for file, names in files.items() if names} == {"lifecycle.py": {"orderfsm.drawing"}}


# -- answers -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lifecycle", TABLES, ids=lambda each: each.name)
def test_an_explanation_shows_verdict_reason_and_source_for_every_pair(lifecycle):
    for state in lifecycle.state_rules:
        for trigger in lifecycle.trigger_rules:
            why = lifecycle.explain(state, trigger)
            page = shown(why)
            assert why.verdict in page.text
            assert why.reason in page.text
            assert str(why.basis) in page.text
            assert why.instead is None or str(why.instead) in page.text
            assert showing.mood(why.legal) in page.classes


def test_the_source_of_an_explanation_is_a_link():
    why = explain(State.ISSUED, Operation.DELETE)
    assert f'href="{why.reference}"' in why._repr_html_()


def test_an_explanation_of_several_states_says_what_is_allowed_in_each():
    page = shown(explain("certificate", Operation.RENEW))
    assert "in about_to_expire" in page.text
    assert "undecided" in page.text


@pytest.mark.parametrize("lifecycle", TABLES, ids=lambda each: each.name)
def test_a_plan_shows_its_steps_and_who_makes_them(lifecycle):
    plans = []
    for state in lifecycle.state_rules:
        try:
            plans.append(lifecycle.plan(None, state, events=True, grave=True))
        except orderfsm.Unreachable:
            continue
    assert len(plans) > 3
    for each in plans:
        page = shown(each)
        assert page.tags.count("tr") == len(each) + bool(len(each))
        for trigger, actor in each.waits:
            assert f"wait for {trigger}" in page.text
            assert str(actor) in page.text


def test_a_plan_is_short_as_a_text_too():
    assert repr(plan(State.BEING_REVIEWED, State.DELETED)) == (
        "Plan(being_reviewed -> deleted: CancelOrderRequest, DeleteCertificateRequest)"
    )
    assert repr(plan(State.DELETED, State.DELETED)) == "Plan(deleted -> deleted: nothing to do)"


def test_coverage_shows_how_much_was_tried_and_what_was_not():
    with covering() as lifecycle:
        Order(7, State.VERIFY_FAIL).apply(Operation.DELETE, lifecycle)
    page = shown(lifecycle.coverage)
    assert {"svg", "details"} <= set(page.tags)
    assert "rows tried: 1 of 29, refusals tried: 0 of 121" in page.text
    assert "28 rows never tried" in page.text


def test_a_machine_says_where_its_model_is():
    order = OrderMachine(initial=State.BEING_REVIEWED)
    assert repr(order) == "OrderMachine(being_reviewed)"
    order.cancel()
    assert repr(order) == "OrderMachine(pending_application)"
    order.add_model(type("Model", (), {})())
    assert repr(order) == "OrderMachine(2 models)"


def test_a_guarded_client_says_where_it_calls_and_nothing_secret():
    pytest.importorskip("alibabacloud_cas20200407", reason="the extra `client` is not installed")
    from alibabacloud_cas20200407.client import Client
    from alibabacloud_tea_openapi.models import Config

    from orderfsm.client import guard

    config = Config(access_key_id="LTAI-id", access_key_secret="the-secret", endpoint="cas.example.com")
    said = repr(guard(Client(config), mode="warn"))
    assert said == "GuardedClient('cas.example.com', mode='warn')"


# -- histories and reports ---------------------------------------------------------------------------------------------


def delete(client, started, ended, **answer):
    return Line(
        time="2026-08-05T06:10:01Z",
        order_id=7,
        trigger=Operation.DELETE,
        client=client,
        started=started,
        ended=ended,
        **answer,
    )


def test_concurrent_calls_are_lanes_and_the_one_that_nothing_explains_is_marked():
    pytest.importorskip("alibabacloud_cas20200407", reason="the extra `client` is not installed")
    from orderfsm.testing import check_history

    check = check_history([delete("a", 0.1, 0.4), delete(EVIL, 0.3, 0.5)], initial={State.VERIFY_FAIL})
    page = shown(check)
    assert f"client {EVIL}" in page.text
    assert re.findall(r'class="badge (\w+)"[^>]*>([^<]+)', check._repr_html_()) == [
        ("bad", "violates"),
        ("good", "delete: accepted"),
        ("bad", "delete: accepted"),
    ]


def test_a_judgement_says_where_and_what_could_be():
    page = shown(judge([delete(None, None, None), delete(None, None, None)]))
    assert "violates at line 1" in page.text
    assert "could only be in" in page.text


def of_lines(text):
    """The report on a violation and a bad line, of a file of that name."""
    lines = [
        Line(time="2026-08-05T06:10:01Z", order_id=7, trigger=Operation.DELETE, file=text, number=1),
        Line(time="2026-08-05T06:10:02Z", order_id=7, trigger=Operation.DELETE, file=text, number=2),
        BadLine(file=text, line=3, reason=text, text=text),
    ]
    return replay(lines)


@given(st.text(max_size=40) | st.from_regex(r"<[a-z]+[ />&][a-z=\"']*", fullmatch=True))
def test_what_a_trace_says_is_never_markup(text):
    assert shown(of_lines(text)).tags == shown(of_lines("plain")).tags


def test_nothing_of_a_log_is_markup():
    line = Line(time="2026-08-05T06:10:02Z", order_id=7, trigger=Operation.DELETE, file=EVIL, number=2, code=EVIL)
    first = Line(time="2026-08-05T06:10:01Z", order_id=7, trigger=Operation.DELETE)
    assert EVIL in shown(replay([first, line])).text


def test_a_conformance_report_shows_each_pair_and_the_calls_that_show_a_violation():
    pytest.importorskip("uvicorn", reason="the extra `mock` is not installed")
    pytest.importorskip("alibabacloud_cas20200407", reason="the extra `client` is not installed")
    from orderfsm import testing
    from orderfsm.mock import Service

    row = Transition(State.ISSUED, Operation.DELETE, State.DELETED, "inferred", "nobody")
    driver = testing.ServiceDriver(Service(lifecycle=ORDER_LIFECYCLE.with_rows(row)))
    report = testing.check_conformance(driver, events="complete", random=0, seed=1, budget=1e6, only=["issued"])
    page = shown(report)
    marks = re.findall(r'<td class="(\w*)" title="([^"]*)">(.)</td>', report._repr_html_())
    assert len(marks) == len(report.coverage)
    assert [title for kind, title, _ in marks if kind == "bad"] == ["DeleteCertificateRequest in issued: failed"]
    (violation,) = report.violations
    for text in (violation.expected, violation.got, violation.rule, *violation.told):
        assert text in page.text
    assert violation.script in page.text
    assert violation.rule in shown(violation).text


def test_an_audit_shows_who_did_it_and_when():
    pytest.importorskip("duckdb", reason="the extra `audit` is not installed")
    import pandas

    from orderfsm.audit import audit

    rows = [
        {
            "time": f"2026-08-05T06:10:0{second}Z",
            "order_id": 7,
            "operation": "DeleteCertificateRequest",
            "outcome": "accepted",
            "user": EVIL,
        }
        for second in (1, 2)
    ]
    page = shown(audit(pandas.DataFrame(rows)))
    assert "2026-08-05T06:10:02Z" in page.text
    assert f"user {EVIL}" in page.text
    assert "svg" in page.tags


# -- light or dark -----------------------------------------------------------------------------------------------------

PAPER = {"light": "rgb(255, 255, 255)", "dark": "rgb(21, 27, 34)"}


def test_it_is_light_or_dark_as_the_notebook_says_and_else_as_the_reader_prefers():
    card = ORDER_LIFECYCLE._repr_html_()
    hosts = {
        '<body data-jp-theme-light="true">': "light",
        '<body data-jp-theme-light="false">': "dark",
        '<body class="vscode-light">': "light",
        '<body class="vscode-dark">': "dark",
        '<body data-md-color-scheme="slate">': "dark",
        '<html theme="dark"><body>': "dark",
        "<body>": None,
    }
    colour = "found => getComputedStyle(document.querySelector(found)).backgroundColor"
    with chromium() as browser:
        for preferred in ("light", "dark"):
            tab = browser.new_page(color_scheme=preferred)
            for host, said in hosts.items():
                tab.set_content(host + card)
                for part in (".orderfsm-shown", ".orderfsm-shown svg"):
                    assert tab.evaluate(colour, part) == PAPER[said or preferred], (host, preferred, part)


# -- the pieces --------------------------------------------------------------------------------------------------------


def test_a_table_says_how_many_rows_are_left_out_and_has_no_empty_column():
    html = showing.table(("a", "b"), [(str(number), "") for number in range(25)])
    page = Page(html)
    assert page.tags.count("tr") == 1 + showing.SHOWN
    assert "… 5 more" in page.text
    assert "<th>b</th>" not in html


def test_only_web_addresses_become_links():
    html = showing.source("https://example.com/<a>; javascript:alert(1); RFC 8555 7.1")
    assert re.findall(r'href="([^"]*)"', html) == ["https://example.com/&lt;a&gt;"]
    assert "javascript:alert(1)" in Page(html).text
