"""The page of an audit: verdict and violations first, what is new, along the time; and a table of violations as CSV."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import attrs
import pytest
from chromium import chromium
from company import COMPLETE, PARTIAL, moment, write_jsonl
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("duckdb", reason="the extra `audit` is not installed")

from orderfsm import Operation
from orderfsm.audit import audit
from orderfsm.audit.reporting import page as pages
from orderfsm.audit.reporting.page import page
from orderfsm.audit.reporting.table import violations_csv
from orderfsm.audit.reporting.timeline import DAYS, MONTHS, timeline
from orderfsm.trace import Line

WHO = {
    "user": "alice",
    "user_type": "ram-user",
    "access_key_id": "LTAI5t",
    "source_ip": "203.0.113.9",
    "event_id": "e-1",
}


@pytest.fixture(autouse=True)
def _quiet(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A report out of which others are made."""
    return audit(write_jsonl(tmp_path_factory.mktemp("made") / "log.jsonl", deleted_too_early(7), COMPLETE))


def deleted_too_early(order, day="2026-08-05", extra=WHO):
    """An order that was deleted while it was reviewed."""
    return [
        Line(time=f"{day}T06:00:0{second}Z", order_id=order, trigger=trigger, extra=extra)
        for second, trigger in enumerate([Operation.CREATE, Operation.DELETE])
    ]


def report_of(some, events=COMPLETE, **options):
    return audit(write_jsonl(Path("log.jsonl"), some, events), **options)


# -- CSV ---------------------------------------------------------------------------------------------------------------


def test_csv_has_a_row_for_each_violation_with_who_and_when():
    (row,) = csv.DictReader(io.StringIO(violations_csv(report_of(deleted_too_early(7)).violations)))
    known = {key: value for key, value in row.items() if value}
    assert known == WHO | {
        "table": "orders",
        "id": "7",
        "new": "true",
        "time": "2026-08-05T06:00:01Z",
        "said": "DeleteCertificateRequest accepted",
        "index": "1",
        "possible": "pending_review",
        "legal": known["legal"],
        "file": "log.jsonl",
        "line": "3",
    }
    assert "CancelOrderRequest" in known["legal"].split()


@pytest.mark.parametrize("text", ["=HYPERLINK(0)", "+1", "-1", "@SUM(1)", "\tx"])
def test_no_text_of_a_log_is_a_formula_in_a_spreadsheet(text):
    report = report_of(deleted_too_early(7, extra={"user": text}))
    (row,) = csv.DictReader(io.StringIO(violations_csv(report.violations)))
    assert row["user"] == f"'{text}"


# -- along the time ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("last", "names"),
    [
        ("2026-08-05", ["2026-08-05"]),
        ("2026-08-07", ["2026-08-05", "2026-08-06", "2026-08-07"]),
        ("2026-12-31", ["2026-08", "2026-09", "2026-10", "2026-11", "2026-12"]),
        ("2050-01-01", [str(year) for year in range(2026, 2051)]),
    ],
)
def test_a_short_log_is_shown_by_days_a_longer_one_by_months_or_years(last, names):
    found = timeline(report_of(deleted_too_early(7) + deleted_too_early(8, last)))
    assert [each.name for each in found] == names
    assert sum(each.lines for each in found) == 4
    assert [(found[at].lines > 0, len(found[at].violations) > 0) for at in (0, -1)] == [(True, True)] * 2


@given(days=st.lists(st.integers(-719_162, 2_932_896), max_size=5), found=st.integers(0, 2_932_896))
def test_whatever_the_days_no_line_is_lost_and_there_are_few_periods(made, days, found):
    wrong = attrs.evolve(made.violations[0], time=found * 86_400_000_000)
    periods = timeline(attrs.evolve(made, days=dict.fromkeys(days, 2), violations=(wrong,)))
    assert sum(each.lines for each in periods) == 2 * len(set(days))
    assert sum(len(each.violations) for each in periods) == 1
    assert len(periods) <= max(DAYS, MONTHS) or len(periods[0].name) == 4


def test_the_document_says_how_many_lines_were_of_which_day():
    report = report_of(deleted_too_early(7) + deleted_too_early(8, "2026-08-07")[:1])
    assert report.as_json()["days"] == {"2026-08-05": 2, "2026-08-07": 1}


# -- the page ----------------------------------------------------------------------------------------------------------


def test_the_page_says_in_the_picture_itself_which_steps_are_not_drawn():
    calls = [
        Line(time=moment(at), order_id=7, trigger=each)
        for at, each in enumerate([Operation.CREATE, Operation.CANCEL_FOR_PACKAGE])
    ]
    drawn = page(report_of(calls, PARTIAL))
    (picture,) = re.findall(r"<svg [^>]*orderfsm.*?</svg>", drawn, re.DOTALL)
    assert "1 of 2 steps are not drawn" in picture
    assert "steps are not drawn" not in page(report_of(deleted_too_early(7)[:1]))


def test_the_page_is_bounded_whatever_is_found(monkeypatch):
    monkeypatch.setattr(pages, "SHOWN", 3)
    report = report_of([line for order in range(1, 9) for line in deleted_too_early(order)])
    shown = page(report)
    assert shown.count('<tr id="orders-') == 3
    assert "The first 3 of 8; <code>--format csv</code> has all." in shown
    (listed,) = json.loads(re.findall(r'id="listed">(.*?)</script>', shown)[0])
    assert listed["ids"] == [*range(1, 9)]


def test_nothing_from_a_log_is_markup(tmp_path):
    evil = {"user": "</script><script>alert(1)</script>", "source_ip": "<img src=x onerror=alert(1)>"}
    shown = page(report_of(deleted_too_early(7, extra=evil)))
    assert "<script>alert" not in shown
    assert "<img" not in shown


def test_the_page_leads_from_a_violation_to_its_history_and_into_the_drawing(tmp_path):
    some = [line for order in range(1, 13) for line in deleted_too_early(order, f"2026-08-{order:02}")]
    (tmp_path / "page.html").write_text(page(report_of(some)))
    with chromium() as browser:
        context = browser.new_context(viewport={"width": 390, "height": 800}, accept_downloads=True)
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        shown, wrong = context.new_page(), []
        shown.on("pageerror", lambda error: wrong.append(error))  # noqa: PLW0108  # a builtin takes no attributes
        shown.goto((tmp_path / "page.html").as_uri())
        assert shown.evaluate("document.documentElement.scrollWidth") == 390
        row = shown.locator("#orders-1")
        row.locator("summary").click()
        row.get_by_role("link", name="CreateCertificateRequest").click()
        assert shown.locator(".label.shown [data-trigger=CreateCertificateRequest]").is_visible()
        row.get_by_role("link", name="pending review").click()
        assert shown.locator(".state.shown").get_attribute("data-state") == "pending_review"
        assert shown.locator(".label.shown").count() == 0
        shown.locator(".time a").last.evaluate("each => each.dispatchEvent(new MouseEvent('click', {bubbles: true}))")
        assert shown.url.endswith("#orders-12")
        assert shown.locator("#orders-12").is_visible()  # though it was folded
        shown.get_by_role("button", name="copy the ids").click()
        shown.get_by_text("copied").wait_for()
        assert shown.evaluate("navigator.clipboard.readText()").split() == [str(order) for order in range(1, 13)]
        with shown.expect_download() as download:
            shown.get_by_role("button", name="download as CSV").click()
        with Path(download.value.path()).open(newline="") as file:
            assert [each["id"] for each in csv.DictReader(file)] == [str(order) for order in range(1, 13)]
        assert wrong == []
