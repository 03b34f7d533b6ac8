"""Lines by their sorts: whatever stands in a file, they say what the core says of each, one by one."""

from __future__ import annotations

import gzip
import json

import attrs
import pytest
from company import FEW, SOME, delivered
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

np = pytest.importorskip("numpy", reason="the extra `audit` is not installed")
pytest.importorskip("duckdb", reason="the extra `audit` is not installed")

from orderfsm import InvalidValue, streams
from orderfsm.audit import audit
from orderfsm.audit.engines import workers
from orderfsm.audit.engines.engine import Parsed, Source
from orderfsm.audit.reading import forms, outlines, shapes, values
from orderfsm.audit.reading.parsing import Parser
from orderfsm.tables import acme, instances
from orderfsm.trace import Line, instant_of
from orderfsm.trace.files import keys_read, line_in
from orderfsm.trace.tables import tables_of

DAYS = ["2026-08-05", "2024-02-29", "2026-02-29", "0001-01-01", "1969-12-31", "9899-12-31", "2026-13-01", "2026-04-31"]
CLOCKS = ["06:10:01", "00:00:00", "23:59:59", "23:59:60", "24:00:00", "06:60:00"]
FRACTIONS = ["", ".5", ".25", ".123456", ".1234567", ".000000", "."]
ZONES = ["Z", "z", "+08:00", "-03:30", "+24:00", "+0800", "+08"]
TIMES = st.builds("{}{}{}{}{}".format, *map(st.sampled_from, (DAYS, ["T", " ", "t"], CLOCKS, FRACTIONS, ZONES)))
ORDERS = st.sampled_from(
    ["7", "123451222", str(2**63 - 1), str(2**63), "0", "07", "-7", "7.0", "7e1", "null", "true", "", '"x"', "1" * 5000]
)
# TIME and ORDER stand for the two values, wherever that is.
LINES = [
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
    '{"time": "TIME", "order_id": ORDER, "event": "submitted", "started": "ORDER", "ended": NaN}',
    '{"time": "TIME", "order_id": ORDER, "event": "submitted", "started": 0.5, "client": [{}, "ORDER"]}',
    '{"time": "TIME", "order_id": ORDER, "event": "submitted", "extra": "\u2028\u00fc\\ud800\\n"}',
    '{"time": "TIME", "order_id": ORDER, "event": "submitted", "extra": "\\x"}',
    '{"time": "TIME", "order_id": ORDER, "event": "submitted", "extra": "a\tb"}',
    '{"t\\u0069me": "TIME", "order_id": ORDER, "event": "submitted"}',
    '{"time" : "TIME" , "order_id"\t:ORDER, "event": "submitted"}\r',
    '{"time": "TIME", "order_id": ORDER, "event": "submitted", "instance_id": "ORDER"}',
    '{"time": "TIME", "instance_id": "cas-ORDER", "operation": "DeleteInstance", "outcome": "accepted"}',
    '{"time": "TIME", "instance_id": "ORDER", "operation": "GetInstanceDetail", "outcome": "accepted", '
    '"state": "issued", "certificate_state": ""}',
    '{"time": "TIME", "order_url": "https://ca.example/o/ORDER", "operation": "finalize", "outcome": "refused", '
    '"code": "orderNotReady"}',
    '{"time": "TIME", "operation": "DescribePackageState", "outcome": "accepted"}',
    '{"time": "TIME", "order_id": ORDER, "operation": "DescribeCertificateState", "outcome": "accepted", '
    '"state": ["ORDER"]}',
    '{"time": "TIME", "order_id": ORDER, "operation": "DescribeCertificateState", "outcome": "accepted", '
    '"state": {"ORDER": 1}}',
    '{"time": "TIME", "order_id": ORDER, "operation": "CancelOrderRequest", "outcome": "refused", "code": "ORDER"}',
    '{"time": "TIME", "order_id": ORDER, "event": "submitted", "text": "} {\\"Events\\": [ORDER]}"}',
    '{"time": "TIME", "order_id": ORDER, "event": "submitted"} garbage',
    '{"time": "TIME", "order_id": ORDER, "event": "submitted"}{"time": "TIME", "order_id": 9, "event": "submitted"}',
    '{"time": "TIME", "order_id": ORDER,\n "event": "submitted"}',
    '{"time": "TIME", "order_id": ORDER, "event": "submitted", "x": "\n"}',
    '[{"time": "TIME", "order_id": ORDER, "event": "submitted"}, {"time": "TIME", "order_id": 5, "event": "issued"}]',
    '{"Events": [{"time": "TIME", "order_id": ORDER, "event": "submitted"}], "x": "ORDER"}',
    '["time": "TIME", "order_id": ORDER]',
    '{"time": "TIME", "order_id": ORDER',
    '{"trace": 1, "events": "complete"}',
    '{"trace": 1, "events": "partial", "x": "ORDER"}',
    "nonsense",
    "  ",
]
EVENT = (
    '{"eventId": "ORDER", "eventTime": "TIME", "serviceName": "Cas", "eventName": "NAME", "errorCode": null, '
    '"requestParameters": {"OrderId": ORDER}, "responseElements": {"Type": "issued"}}'
)
EVENTS = [
    *(EVENT.replace("NAME", name) for name in ("CancelOrderRequest", "DescribeCertificateState", "RunInstances")),
    EVENT.replace("NAME", "CreateCertificateRequest").replace("requestParameters", "requestParameterJson"),
    EVENT.replace("NAME", "CancelOrderRequest").replace('{"OrderId": ORDER}', '"{\\"OrderId\\": ORDER}"'),
    EVENT.replace("NAME", "CancelOrderRequest").replace('{"OrderId": ORDER}', '{"OrderId": ["ORDER"]}'),
    EVENT.replace("NAME", "CancelOrderRequest").replace("null", '""'),
    EVENT.replace("NAME", "CancelOrderRequest").replace("null", "5"),
    EVENT.replace("NAME", "CancelOrderRequest").replace('"Cas"', '"ORDER"'),
    EVENT.replace("NAME", "CreateCertificateRequest").replace("requestParameters", "x").replace("Type", "OrderId"),
    EVENT.replace("NAME", "RenewCertificateOrderForPackageRequest").replace('"Type": "issued"', '"OrderId": ORDER'),
    EVENT.replace("NAME", "CancelOrderRequest").replace('"Type": "issued"', '"OrderId": ORDER, "Type": ["ORDER"]'),
    EVENT.replace("NAME", "CreateInstance").replace("Cas", "Bss").replace('"Type"', '"InstanceId"'),
    EVENT.replace("NAME", "GetTaskAttribute").replace("OrderId", "TaskId"),
    '{"event": ' + EVENT.replace("NAME", "CancelOrderRequest") + "}",
    '{"event": "{\\"eventName\\": \\"CancelOrderRequest\\", \\"eventId\\": \\"ORDER\\"}"}',
    '{"eventName": ["CancelOrderRequest"], "serviceName": "Cas", "eventId": {"x": "ORDER"}}',
    '{"eventName": "CancelOrderRequest", "serviceName": "Cas", "eventId": ORDER, "eventTime": "TIME"}',
    '{"time": "TIME", "order_id": ORDER, "event": "submitted"}',
    "nonsense",
]
BETWEEN = ["\n", "\n", "\n\n", ",\n", "\r\n", "", " ", ",", "\ufeff\n", "\x1e"]
SURE = [("2026-08-05T06:10:01Z", "7"), ("2026-08-05T06:10:01Z", "8"), ("2024-02-29T06:10:01Z", "9")]
VALUES = st.tuples(TIMES | st.just("2026-08-05T06:10:01Z"), ORDERS | st.just("7"))


def filled(text, time, order):
    return text.replace("TIME", time).replace("ORDER", order)


@st.composite
def texts(draw, kinds):
    """Some of these kinds of lines, each several times, with what may stand around them."""
    some = draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=3))
    pairs = [(text, *each) for each in [*SURE, *SURE, *draw(st.lists(VALUES, max_size=8))] for text in some]
    if draw(st.booleans()):
        pairs = draw(st.permutations(pairs))
    objects = [filled(*each) for each in pairs]
    between = draw(st.sampled_from(BETWEEN))
    around = draw(
        st.sampled_from(["{}", "{}", "{}\n", "[{}]", "[{}", "[\n{}\n]\n", '{{"Events": [{}]}}', "\ufeff{}\n"])
    )
    text = around.format(between.join(objects)).encode("utf-8", "surrogatepass")
    return text.replace(b"5", b"\xff", 1) if draw(st.sampled_from([True, *[False] * 9])) else text


def read(text, file, tables, monkeypatch, *, by_sort):
    """All that is read in a file, in the order of its lines; or the error."""
    file.write_bytes(text)
    parsed = Parsed(Source(str(file), 3))
    with monkeypatch.context() as patch:
        if not by_sort:
            patch.setattr(shapes.Shapes, "find", lambda *_, **__: None)
        try:
            rows = [row for batch in Parser(tables).parse(parsed) for row in batch.to_pylist()]
        except InvalidValue as error:
            return str(error)
    with streams.opened(file) as stream:
        whole = stream.read()
    starts = [row.pop("byte") for row in rows]
    assert all(start is None or whole.startswith(b"{", start) for start in starts)
    return sorted(rows, key=lambda row: row["place"]), parsed.events, parsed.finer, parsed.tables, parsed.whole


TABLES = [tables_of(None), tables_of(instances.LIFECYCLE), tables_of(acme.LIFECYCLE)]
MANY = settings(max_examples=settings().max_examples * 3, suppress_health_check=[HealthCheck.function_scoped_fixture])


@MANY
@given(text=texts(LINES), tables=st.sampled_from(TABLES), fewest=st.sampled_from([1, 200, 1 << 13]))
def test_lines_of_a_trace_say_what_the_core_says_of_each(text, tables, fewest, tmp_path, monkeypatch):
    monkeypatch.setattr(streams, "_FEWEST", fewest)
    one, other = (read(text, tmp_path / "log", tables, monkeypatch, by_sort=each) for each in (True, False))
    assert one == other


@MANY
@given(text=texts(EVENTS), tables=st.sampled_from(TABLES[:2]), fewest=st.sampled_from([1, 200, 1 << 13]))
def test_events_of_actiontrail_say_what_the_core_says_of_each(text, tables, fewest, tmp_path, monkeypatch):
    monkeypatch.setattr(streams, "_FEWEST", fewest)
    one, other = (read(text, tmp_path / "log", tables, monkeypatch, by_sort=each) for each in (True, False))
    assert one == other


LINE = '{"time": "2026-08-05T06:10:01Z", "order_id": 7, "operation": "CancelOrderRequest", "outcome": "accepted"}'
CANCELLED = EVENT.replace("NAME", "CancelOrderRequest").replace("TIME", "2026-08-05T06:10:01Z")


@pytest.mark.parametrize(
    ("form", "text"),
    [
        (forms.Traced, LINE + "\n"),
        (forms.Traced, LINE.replace("}", ', "x": "\\u00fc"}\r\n')),
        (forms.Traced, LINE.replace("}", ', "started": 1785910201.5, "client": 3}\n')),
        (forms.Delivered, CANCELLED + "\n"),
        (forms.Delivered, CANCELLED.replace("ORDER", '"7"').replace('""', '"')),
    ],
)
def test_of_a_thousand_lines_of_one_sort_the_core_reads_a_few(form, text, tmp_path, monkeypatch):
    asked = []
    row = form.row
    monkeypatch.setattr(form, "row", lambda self, *given: asked.append(given) or row(self, *given))
    some = [text.replace("ORDER", str(number)) for number in range(1000)]
    lines = "".join(some) if some[0].endswith("\n") else "[" + ",".join(some) + "]"
    (tmp_path / "log.json").write_text(lines, newline="")
    parsed = Parsed(Source(str(tmp_path / "log.json"), 0))
    assert sum(batch.num_rows for batch in Parser(tables_of(None)).parse(parsed)) == 1000
    # Those of the first piece of text, in which no sort is known, two that are tried, and the last of an array.
    assert len(asked) < 8192 * 2 / len(text) + 10


def lines_and_their_outlines(lines, tmp_path, monkeypatch, fewest=1 << 10):
    """What is read in these lines, many times after each other; and how many of them were found by their outlines."""
    found = []
    of = outlines.Outlines.of
    monkeypatch.setattr(outlines.Outlines, "of", lambda *given: found.append(of(*given)) or found[-1])
    monkeypatch.setattr(streams, "_FEWEST", fewest)
    text = "".join(f"{line}\n" for line in lines).encode()
    one, other = (read(text, tmp_path / "log", TABLES[0], monkeypatch, by_sort=each) for each in (True, False))
    assert one == other
    return sum(int(np.count_nonzero(each != outlines.NONE)) for each in found)


def test_lines_that_differ_in_their_digits_only_have_one_outline(tmp_path, monkeypatch):
    more = LINE.replace("}", ', "started": 10.25, "client": "worker-1", "x": [0, -7]}')
    lines = [(LINE, more)[at % 2].replace("7", str(100 + at)).replace("06:1", f"0{at % 7}:1") for at in range(200)]
    assert lines_and_their_outlines(lines, tmp_path, monkeypatch) > 100


@pytest.mark.parametrize(
    "line",
    [
        LINE.replace('"accepted"', '"refused", "code": "Error10"'),
        LINE.replace("}", ', "k1": 1}'),
    ],
)
def test_no_outline_is_learnt_if_digits_may_decide_what_a_line_says(line, tmp_path, monkeypatch):
    lines = [line.replace("7", str(100 + at)).replace("10}", f"{10 + at % 5}}}") for at in range(200)]
    assert not lines_and_their_outlines(lines, tmp_path, monkeypatch)


def test_long_lines_are_not_remembered(tmp_path, monkeypatch):
    line = LINE.replace("}", f', "x": "{"y" * outlines.LONGEST}"}}')
    lines = [line.replace("7", str(1000 + at)) for at in range(2000)]
    assert not lines_and_their_outlines(lines, tmp_path, monkeypatch, fewest=1 << 13)


def test_a_number_that_begins_with_zero_is_none_whatever_outline_its_line_has(tmp_path, monkeypatch):
    line = LINE.replace("}", ', "started": STARTED, "x": X}')
    pairs = [("12.5", "31"), ("10.5", "31"), ("02.5", "31"), ("12.5", "01")]
    some = [line.replace("STARTED", pairs[at % 4 if at > 100 else 0][0]) for at in range(200)]
    lines = [each.replace("X", pairs[at % 4 if at > 100 else 0][1]) for at, each in enumerate(some)]
    assert lines_and_their_outlines(lines, tmp_path, monkeypatch) > 100


def test_so_many_structures_that_not_all_are_learnt_say_what_the_core_says(tmp_path, monkeypatch):
    keys = [f'"k{number}": {number}' for number in range(280)]
    lines = [LINE.replace("}", ", " + ", ".join(keys[:number]) + "}") for number in range(1, 280)]
    text = "".join(line.replace("7", str(at)) + "\n" for at in (1, 2, 3, 4) for line in lines).encode()
    one, other = (read(text, tmp_path / "log", TABLES[0], monkeypatch, by_sort=each) for each in (True, False))
    assert one == other


@given(TIMES | st.datetimes().map(lambda each: each.isoformat() + "Z"))
def test_a_time_is_what_the_core_reads_or_left_to_it(text):
    encoded = np.frombuffer(text.encode() + bytes(values.PADDING), np.uint8)
    (found,), (plain,) = values.instants(encoded, np.array([0]), np.array([len(text)]))
    if plain:
        seconds, fraction = instant_of(text)
        assert found == seconds * 10**6 + int(fraction.ljust(6, "0"))


@given(st.lists(ORDERS | st.integers().map(str) | st.text("0123456789", max_size=20), min_size=1))
def test_a_number_is_an_id_of_at_most_18_digits_or_left_to_the_core(texts):
    ends = np.cumsum([len(each) for each in texts])
    encoded = np.frombuffer("".join(texts).encode() + bytes(values.PADDING), np.uint8)
    found, plain = values.integers(encoded, np.concatenate([[0], ends[:-1]]), ends)
    for text, number, is_plain in zip(texts, found.tolist(), plain.tolist(), strict=True):
        assert is_plain == (0 < len(text) <= 18 and text.isdigit() and text[0] != "0")
        assert not is_plain or number == int(text)


@FEW
@given(line=st.sampled_from(LINES), key=st.text(min_size=1), value=st.text() | st.integers() | st.lists(st.text()))
def test_keys_that_are_not_read_change_nothing(line, key, value):
    tables = tables_of(None)
    fields = json.loads(filled(LINES[0], *SURE[0]))
    if key not in keys_read(tables):
        one, other = (line_in(json.dumps(each).encode(), "", 1, tables) for each in (fields, {key: value} | fields))
        assert isinstance(one, Line)
        assert one == attrs.evolve(other, extra={})


def test_a_second_process_reads_what_this_one_reads(tmp_path, monkeypatch):
    files = []
    for number in range(6):
        events = [json.dumps(delivered(line, f"{number}-{at}")) for at, line in enumerate(SOME)]
        files.append(tmp_path / f"{number}.json.gz")
        files[-1].write_bytes(gzip.compress(("[" + ",".join(events) + "]").encode()))
    expected = audit(files)
    monkeypatch.setattr(workers, "WORTH", 0)
    told = []
    assert audit(files, progress=lambda *each: told.append(each)) == expected
    assert told
    files[3].write_bytes(b"nothing")
    with pytest.raises(InvalidValue, match=r"3\.json\.gz"):
        audit(files)
    files[1].write_bytes(b"nothing")
    with pytest.raises(InvalidValue, match=r"1\.json\.gz"):
        audit(files)


def test_what_a_process_had_that_ended_early_is_read_by_this_one(tmp_path, monkeypatch):
    for number in range(6):
        (tmp_path / f"{number}.jsonl").write_text(LINE.replace("7", str(number + 1)) + "\n")
    expected = audit(tmp_path)
    monkeypatch.setattr(workers, "WORTH", 0)
    monkeypatch.setattr(workers.sys, "executable", "/bin/false")
    assert audit(tmp_path) == expected
