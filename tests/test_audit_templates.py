"""Lines of one template: read by the first of them, they say what the core says of each."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("pyarrow", reason="the extra `audit` is not installed")

from orderfsm import Event
from orderfsm.audit.reading import templates
from orderfsm.trace import Line, loads
from orderfsm.trace.files import line_in
from orderfsm.trace.tables import tables_of

DAYS = ["2026-08-05", "2024-02-29", "2026-02-29", "0001-01-01", "1969-12-31"]
CLOCKS = ["06:10:01", "00:00:00", "23:59:59", "23:59:60", "24:00:00", "06:60:00"]
FRACTIONS = ["", ".5", ".25", ".123456", ".1234567", ".000000"]
ZONES = ["Z", "z", "+08:00", "-03:30", "+24:00"]
TIMES = st.builds("{}{}{}{}{}".format, *map(st.sampled_from, (DAYS, ["T", " ", "t"], CLOCKS, FRACTIONS, ZONES)))
ORDERS = st.sampled_from(["7", "123451222", str(2**63 - 1), str(2**63), "0", "07", "-7", "7.0", "7e1", "null", "true"])
# TIME and ORDER stand for the two values, wherever that is.
TEXTS = [
    '{"time": "TIME", "order_id": ORDER, "operation": "CancelOrderRequest", "outcome": "accepted"}',
    '{"order_id": "ORDER", "operation": "CancelOrderRequest", "outcome": "accepted", "time": "TIME"}',
    '{"event":"submitted","order_id":ORDER,"time":"TIME"}',
    '{"event": "submitted", "x": {"time": "TIME", "order_id": ORDER}, "time": "2026-08-05T06:10:01Z", "order_id": 5}',
    '{"time": "TIME", "order_id": ORDER, "event": "submitted", "order_id": 5}',
    '{"time": "TIME", "order_id": ORDER, "event": "submitted", "time": "2026-08-05T06:10:01Z"}',
    '{"time": "TIME", "order_id": ORDER.5, "event": "submitted"}',
    '{"time": "TIME", "order_id": ORDER, "event": "exploded"}',
    '{"time": "TIME", "order_id": ORDER, "operation": "RenewCertificateOrderForPackageRequest", "new_order_id": ORDER, '
    '"outcome": "accepted"}',
    '{"x": "\\"time\\": \\"TIME\\", \\"order_id\\": ORDER", "event": "submitted", "time": "TIME", "order_id": ORDER}',
    '{"time": "TIME", "order_id": ORDER, "event": "submitted", "started": 1}',
    '{"time": "TIME", "order_id": ORDER, "event": "submitted", "extra": "\u2028\u00fc"}',
    '["time": "TIME", "order_id": ORDER]',
    '{"time": "TIME", "order_id": ORDER',
]


@pytest.fixture
def read(monkeypatch):
    """What the core is asked to read."""
    asked = []
    monkeypatch.setattr(templates, "line_in", lambda text, *where: asked.append(text) or line_in(text, *where))
    return asked


def row(line):
    """Everything that a line says but its time and order, and where it stands."""
    if not isinstance(line, Line):
        return None, None, line.line, ("bad", line.reason, line.text)
    seconds, fraction = line.instant
    said = (line.trigger, line.outcome, line.code, line.state, line.new_order_id, line.started, fraction[6:])
    return seconds * 10**6 + int(fraction[:6].ljust(6, "0")), line.order_id, line.number, said


SURE = [("2026-08-05T06:10:01Z", "7"), ("2026-08-05T06:10:01Z", "8"), ("2024-02-29T06:10:01Z", "9")]
VALUES = st.tuples(TIMES | st.just("2026-08-05T06:10:01Z"), ORDERS | st.just("7"))


def filled(text, time, order):
    return text.replace("TIME", time).replace("ORDER", order).encode()


@given(st.lists(st.sampled_from(TEXTS), min_size=1, max_size=2), st.lists(VALUES, max_size=10))
def test_each_line_says_what_the_core_says_of_it(some, values):
    pairs = [(text, *each) for each in [*SURE, *values] for text in some]
    texts = [(at, filled(*each)) for at, each in enumerate(pairs, 1)]
    expected = [row(loads(text, "a.jsonl", at)) for at, text in texts]
    assert list(templates.read_by_template(texts, "a.jsonl", row, tables_of(None))) == expected


@pytest.mark.parametrize("text", TEXTS[:3])
def test_the_core_reads_the_first_two_of_a_template_and_tries_two_more(text, read):
    texts = [(at, filled(text, f"2026-08-05T06:10:{at:02}Z", str(at))) for at in range(1, 60)]
    found = [
        (order, number) for _, order, number, _ in templates.read_by_template(texts, "a.jsonl", row, tables_of(None))
    ]
    assert found == [(at, at) for at in range(1, 60)]
    times = ["2026-08-05T06:10:01Z", "2026-08-05T06:10:02Z", "2001-02-03T04:05:06Z", "2007-08-09T10:11:12Z"]
    assert [json.loads(text)["time"] for text in read] == times


def test_only_so_many_texts_are_remembered(read, monkeypatch):
    monkeypatch.setattr(templates, "_MOST", 3)
    texts = [
        (at, f'{{"time": "2026-08-05T06:10:01Z", "order_id": 7, "event": "{each}"}}'.encode())
        for at, each in enumerate([*list(Event)[:4], *list(Event)[:1]], 1)
    ]
    assert list(templates.read_by_template(texts, "a", row, tables_of(None))) == [
        row(loads(text, "a", at)) for at, text in texts
    ]
    assert read == [text for _, text in texts]
