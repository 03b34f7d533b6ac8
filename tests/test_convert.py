"""Traces as XES and OCEL 2.0, and back: the same lines in the same order, whatever is in them."""

from __future__ import annotations

import bz2
import gzip
import json
import re
import tracemalloc
import urllib.request
import warnings
from datetime import UTC, datetime

import attrs
import pytest
from company import COMPLETE, FEW, PARTIAL, delivered, lines
from hypothesis import example, given
from hypothesis import strategies as st
from other_table import LIFECYCLE as PARCELS
from other_table import Event as Happens
from other_table import Operation as Parcel

pytest.importorskip("click", reason="the extra `cli` is not installed")
pytest.importorskip("ijson", reason="the extra `convert` is not installed")

from orderfsm import InvalidValue, Operation, convert, trace
from orderfsm.cli import main
from orderfsm.tables import instances
from orderfsm.trace import BadLine, Events, Header, Line

LOGS = {"xes": ".xes", "ocel-json": ".jsonocel", "ocel-xml": ".xmlocel", "ocel-sqlite": ".sqlite"}
ALL = [each for each in convert.FORMATS if each != "jsonl"]
TIME = "2026-08-05T06:10:02Z"
MIXED = [
    Line(time=TIME, order_id=7, trigger=Operation.CREATE),
    Line(
        time="2026-08-05T06:10:01Z",
        order_id="cas-cn-7",
        trigger="GetInstanceDetail",
        certificate_state="",
        lifecycle=instances.LIFECYCLE,
    ),
    Line(time="2026-08-05T06:10:00Z", trigger=Operation.DESCRIBE_PACKAGE),
    Line(time="2026-08-05T06:10:03Z", order_id=7, trigger=Operation.RENEW, new_order_id=8, client="alice"),
    Line(time="2026-08-05T06:10:03Z", order_id=8, trigger=Operation.DELETE, outcome="refused", code="OrderStateError"),
]
STRANGE = Line(
    time="2026-06-30T23:59:60Z",
    order_id=7,
    trigger=Operation.CREATE,
    extra={
        "note": "\tspaces \n that\r XML turns into others & <'\"> ",
        "no_xml": "\0 \ud800 \uffff",
        "large": 2**63,
        "deep": {"": [None, {}]},
        "a b": True,
    },
)


def said(entries):
    """The fields of lines, in which alone they are compared: not where they stood."""
    return [json.loads(trace.dumps(each)) for each in entries if isinstance(each, Line)]


def there_and_back(some, folder, to, events=COMPLETE, lifecycle=None):
    """What a log of this format says that was written of these lines: its header's events, and the lines."""
    file = folder / f"log{LOGS[to]}"
    convert.write(some, file, to=to, events=events)
    head, *read = convert.read(file, lifecycle=lifecycle)
    assert not [each for each in read if isinstance(each, BadLine)]
    return head.events, said(read)


# What JSON can hold: texts of any characters, numbers of any size, and whatever is nested.
SCALARS = st.one_of(st.text(max_size=8), st.integers(), st.floats(allow_nan=False), st.booleans())
KEYS = st.one_of(
    st.sampled_from(
        ["note", "Note", "user", "client", "n", "value", "object", "ocel_id", "orderfsm.rest", "concept:name"]
    ),
    st.text(max_size=8),
)
TAKEN = {"time", "operation", "event", "outcome", "code", "state", "client", "started", "ended", "trace", "events"}
TAKEN |= {"order_id", "new_order_id", "instance_id", "order_url"}
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner | st.none(), max_size=2) | st.dictionaries(st.text(max_size=3), inner | st.none(), max_size=2)
    ),
    max_leaves=4,
)
EXTRA = st.dictionaries(KEYS.filter(lambda key: key not in TAKEN), VALUES, max_size=4)
WHEN = st.one_of(
    st.sampled_from(
        [
            "2026-08-05T06:10:01Z",
            "2026-08-05 06:10:01.1234567+08",
            "2026-08-05t06:10:01.5z",
            "2026-06-30T23:59:60Z",
            "0001-01-01T00:00:00+23:59",
            "9999-12-31T23:59:59.999999999-23:00",
        ]
    ),
    st.builds(
        lambda at, offset: f"{at.isoformat()}{offset}",
        st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1)),  # noqa: DTZ001  # the offset follows
        st.sampled_from(["Z", "+08:00", "-13:30", "+14:00", "+23"]),
    ),
)


@st.composite
def anything(draw):
    """Lines of orders that say whatever JSON can hold, of any time."""
    some = draw(lines())
    return [
        attrs.evolve(
            each,
            time=draw(WHEN),
            extra=draw(EXTRA),
            client=draw(st.none() | VALUES),
        )
        for each in some
    ]


@pytest.mark.parametrize("to", ALL)
@FEW
@given(some=anything(), events=st.sampled_from(Events))
@example(some=[], events=COMPLETE)
@example(some=[STRANGE], events=PARTIAL)
def test_what_is_written_reads_as_the_same_lines_in_the_same_order(to, some, events, tmp_path):
    assert there_and_back(some, tmp_path, to, events) == (events, said(some))


@pytest.mark.parametrize("to", ALL)
def test_orders_instances_and_lines_of_the_account_stand_in_one_log(to, tmp_path):
    assert there_and_back(MIXED, tmp_path, to) == (COMPLETE, said(MIXED))


@pytest.mark.parametrize("to", ALL)
def test_any_table_passes_through(to, tmp_path):
    some = [
        Line(time=f"2026-08-05T06:10:0{number}Z", id=f"qa-{number % 2}", trigger=trigger, lifecycle=PARCELS)
        for number, trigger in enumerate([Parcel.ANNOUNCE, Parcel.ANNOUNCE, Happens.HANDED_IN, Parcel.TRACK])
    ]
    assert there_and_back(some, tmp_path, to, lifecycle=PARCELS) == (COMPLETE, said(some))


@pytest.mark.parametrize("to", ALL)
def test_of_several_tables_one_may_be_asked_for(to, tmp_path):
    file = tmp_path / f"log{LOGS[to]}"
    convert.write(MIXED, file, events=PARTIAL)
    done = convert.convert(file, tmp_path / "trace.jsonl", lifecycle=instances.LIFECYCLE)
    assert (done.lines, done.other, done.bad_lines) == (1, 4, 0)
    assert said(trace.read(tmp_path / "trace.jsonl")) == said(MIXED[1:2])


# -- other tools -------------------------------------------------------------------------------------------------------


def pm4py_reads(file):
    """A log as pm4py reads it."""
    pm4py = pytest.importorskip("pm4py", reason="pm4py is not installed")
    readers = {
        ".xes": pm4py.read_xes,
        ".jsonocel": pm4py.read_ocel2_json,
        ".xmlocel": pm4py.read_ocel2_xml,
        ".sqlite": pm4py.read_ocel2_sqlite,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return readers[file.suffix](str(file))


def pm4py_writes(log, file):
    pm4py = pytest.importorskip("pm4py", reason="pm4py is not installed")
    writers = {
        ".xes": pm4py.write_xes,
        ".jsonocel": pm4py.write_ocel2_json,
        ".xmlocel": pm4py.write_ocel2_xml,
        ".sqlite": pm4py.write_ocel2_sqlite,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        writers[file.suffix](log, str(file))


def test_pm4py_reads_each_order_as_a_case_and_each_line_as_an_event(tmp_path):
    convert.write(MIXED, tmp_path / "log.xes")
    log = pm4py_reads(tmp_path / "log.xes")
    seen = zip(log["case:concept:name"], log["concept:name"], log["lifecycle:transition"], strict=True)
    assert set(seen) == {
        ("7", "CreateCertificateRequest", "complete"),
        ("7", "RenewCertificateOrderForPackageRequest", "complete"),
        ("8", "DeleteCertificateRequest", "ate_abort"),
        ("cas-cn-7", "GetInstanceDetail", "complete"),
        ("account", "DescribePackageState", "complete"),
    }
    by_order = log.set_index("orderfsm.line")["time:timestamp"]
    assert [at.isoformat() for at in by_order.sort_index()] == [f"{each.time[:-1]}+00:00" for each in MIXED]


@pytest.mark.parametrize("to", [each for each in ALL if each != "xes"])
def test_pm4py_reads_orders_and_clients_as_objects_that_events_are_about(to, tmp_path):
    file = tmp_path / f"log{LOGS[to]}"
    convert.write(MIXED, file)
    log = pm4py_reads(file)
    kinds = dict(zip(log.objects["ocel:oid"], log.objects["ocel:type"], strict=True))
    assert kinds == {
        "orders/7": "orders",
        "orders/8": "orders",
        "instances/cas-cn-7": "instances",
        "client/alice": "client",
        "account": "account",
    }
    related = zip(
        log.relations["ocel:activity"], log.relations["ocel:oid"], log.relations["ocel:qualifier"], strict=True
    )
    assert {each for each in related if each[0].startswith("Renew")} == {
        ("RenewCertificateOrderForPackageRequest", "orders/7", "order"),
        ("RenewCertificateOrderForPackageRequest", "orders/8", "new order"),
        ("RenewCertificateOrderForPackageRequest", "client/alice", "client"),
    }
    assert log.o2o.to_numpy().tolist() == [["orders/7", "orders/8", "renewed as"]]


@pytest.mark.parametrize("to", ALL)
def test_what_pm4py_has_read_and_written_says_the_same(to, tmp_path):
    written, again = (tmp_path / f"{name}{LOGS[to]}" for name in ("written", "again"))
    convert.write(MIXED, written)
    pm4py_writes(pm4py_reads(written), again)
    judged = [trace.replay(convert.read(file)) for file in (written, again)]
    assert judged[0].as_json()["orders"] == judged[1].as_json()["orders"] == 3
    words = ("operation", "event", "outcome", "code", "new_order_id", "order_id", "instance_id")
    kept = [[[key, each.get(key)] for each in said(convert.read(file)) for key in words] for file in (written, again)]
    assert kept[0] == kept[1]


def test_the_database_has_all_keys_that_ocel_asks_for(tmp_path):
    pytest.importorskip("pm4py", reason="pm4py is not installed")
    from pm4py.objects.ocel.validation import ocel20_rel_validation

    convert.write(MIXED, tmp_path / "log.sqlite")
    satisfied, unsatisfied = ocel20_rel_validation.apply(str(tmp_path / "log.sqlite"))
    assert (len(satisfied), unsatisfied) == (24, [])


@pytest.mark.parametrize("to", ALL)
def test_a_reader_in_rust_counts_the_same_events_objects_and_relations(to, tmp_path):
    r4pm = pytest.importorskip("r4pm", reason="r4pm is not installed")
    file = tmp_path / f"log{LOGS[to]}"
    convert.write(MIXED, file)
    if to == "xes":
        log, _ = r4pm.df.import_xes(str(file))
        assert sorted(log["orderfsm.line"]) == [1, 2, 3, 4, 5]
        assert sorted(log["case:concept:name"]) == ["7", "7", "8", "account", "cas-cn-7"]
    else:
        log = r4pm.df.import_ocel(str(file))
        counts = {name: log[name].height for name in ("events", "objects", "relations", "o2o")}
        assert counts == {"events": 5, "objects": 5, "relations": 7, "o2o": 1}


# -- where lines come from ---------------------------------------------------------------------------------------------


def test_the_history_of_the_mock_opens_as_it_was_told(tmp_path):
    mock = pytest.importorskip("orderfsm.mock", reason="the extra `mock` is not installed")
    with mock.mock_cas() as server:
        server.order(state="verify_fail")
        server.instance(domain="example.com")
        history = tmp_path / "history.jsonl"
        history.write_bytes(urllib.request.urlopen(f"{server.control}/history", timeout=20).read())
    for to in ALL:
        log = tmp_path / f"history{LOGS[to]}"
        done = convert.convert(history, log)
        assert (done.orders, done.events, done.bad_lines) == (2, COMPLETE, 0)
        assert said(convert.read(log)) == said(trace.read(history))
        read = pm4py_reads(log)
        assert len(read if to == "xes" else read.events) == done.lines > 3


def test_a_delivery_of_actiontrail_says_who_was_behind_it(tmp_path):
    pytest.importorskip("duckdb", reason="the extra `audit` is not installed")
    line = Line(time="2026-08-05T06:10:02Z", order_id=7, trigger=Operation.DELETE)
    event = delivered(line, "one") | {"userIdentity": {"userName": "bob", "accessKeyId": "LTAI5t"}}
    other = event | {"serviceName": "Ecs", "eventId": "two"}
    file = tmp_path / "trail.json"
    file.write_text(json.dumps([event, event, other]))
    done = convert.convert(file, tmp_path / "log.jsonocel")
    assert (done.lines, done.other, done.bad_lines, done.events) == (1, 2, 0, PARTIAL)
    (read,) = said(convert.read(tmp_path / "log.jsonocel"))
    assert (read["order_id"], read["user"], read["access_key_id"]) == (7, "bob", "LTAI5t")
    log = json.loads((tmp_path / "log.jsonocel").read_text())
    assert {each["objectId"] for each in log["events"][0]["relationships"]} == {"orders/7", "client/bob"}


def test_parquet_keeps_its_other_columns_and_says_whether_all_events_are_there(tmp_path):
    pytest.importorskip("duckdb", reason="the extra `audit` is not installed")
    import pyarrow as pa
    import pyarrow.parquet as pq

    at = datetime(2026, 8, 5, 6, 10, tzinfo=UTC)
    table = pa.table(
        {"time": [at], "oid": [7], "operation": ["DeleteCertificateRequest"], "outcome": ["accepted"], "cost": [1.5]}
    )
    pq.write_table(table.replace_schema_metadata({"orderfsm.events": "complete"}), tmp_path / "log.parquet")
    head, line = convert.read(tmp_path / "log.parquet", columns={"order_id": "oid"})
    assert head.events is COMPLETE
    assert (line.order_id, line.extra) == (7, {"cost": 1.5})


def test_a_log_of_another_tool_is_read_by_the_same_words(tmp_path):
    (tmp_path / "other.xes").write_text(
        """<log><trace><string key="concept:name" value="7"/>
        <event><string key="concept:name" value="DeleteCertificateRequest"/><string key="org:resource" value="bob"/>
        <date key="time:timestamp" value="2026-08-05T06:10:02"/></event>
        <event><string key="concept:name" value="CancelOrderRequest"/><date key="time:timestamp"
        value="2026-08-05T06:10:01+00:00"/><string key="lifecycle:transition" value="ate_abort"/></event>
        <event><string key="concept:name" value="Coffee"/></event></trace></log>"""
    )
    head, bad, *read = convert.read(tmp_path / "other.xes")
    assert head == Header("", PARTIAL)
    assert bad.line == 3
    assert "Coffee" in bad.reason
    assert [(str(each.trigger), each.order_id, str(each.outcome), each.client) for each in read] == [
        ("CancelOrderRequest", 7, "refused", None),
        ("DeleteCertificateRequest", 7, "accepted", "bob"),
    ]


@pytest.mark.parametrize("kind", ["orders", "order", "Orders"])
def test_an_object_whose_type_is_a_table_or_its_noun_is_an_order(kind, tmp_path):
    file = tmp_path / "other.json"
    event = {"id": "e", "type": "CancelOrderRequest", "time": "2026-08-05T06:10:01Z"}
    objects = [{"id": "x", "type": "Invoice"}, {"id": "7", "type": kind}]
    related = [{"objectId": each["id"], "qualifier": ""} for each in objects]
    file.write_text(json.dumps({"events": [event | {"relationships": related}], "objects": objects}))
    _, line = convert.read(file)
    assert (line.order_id, line.outcome) == (7, "accepted")


# -- what is no log ----------------------------------------------------------------------------------------------------

BOMB = """<?xml version="1.0"?><!DOCTYPE log [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>
<log><trace><string key="concept:name" value="&b;"/></trace></log>"""
READS = """<?xml version="1.0"?><!DOCTYPE log [<!ENTITY a SYSTEM "file:///etc/passwd">]>
<log xes.version="1.0"><string key="x" value="1"/>&a;</log>"""


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (BOMB, "one without a document type"),
        (READS, "one without a document type"),
        (BOMB.replace("<log><trace>", "<log><objects/><trace>"), "one without a document type"),
        ("<log><trace>", "one that is well formed"),
        ("<html></html>", "whose root is <log>; this one's is <html>"),
        ('{"events": [{"id": "e"}], "objects": []}', "the members of OCEL 2.0"),
        ('{"events": [{"id": "e"', "an undamaged one"),
        ('{"ocel:global-log": {"ocel:version": "1.0"}}', "this is OCEL 1.0"),
        ("SQLite format 3\0 and nothing more", "a database with the tables of OCEL 2.0"),
        ("nonsense", "one that can be read"),
    ],
)
def test_what_is_no_log_is_one_error_that_says_why(text, says, tmp_path):
    file, written = tmp_path / "log", tmp_path / "trace.jsonl"
    file.write_text(text)
    with pytest.raises(InvalidValue, match=re.escape(says)):
        convert.convert(file, written)
    assert not written.exists()


@pytest.mark.parametrize(
    ("file", "to", "says"),
    [
        ("log.txt", None, "a name that ends in .xes"),
        ("log.xes", "pdf", "format 'pdf'"),
        ("-", None, "a name that ends"),
    ],
)
def test_a_format_that_is_none_is_refused_before_anything_is_read(file, to, says, tmp_path):
    with pytest.raises(InvalidValue, match=re.escape(says)):
        convert.convert(tmp_path / "nowhere", file, to=to)


def test_what_is_compressed_is_read_and_written(tmp_path):
    convert.write(MIXED, tmp_path / "log.xes.gz")
    assert gzip.decompress((tmp_path / "log.xes.gz").read_bytes()).startswith(b"<?xml")
    assert said(convert.read(tmp_path / "log.xes.gz")) == said(MIXED)
    convert.write(MIXED, tmp_path / "log.sqlite")
    (tmp_path / "packed").write_bytes(bz2.compress((tmp_path / "log.sqlite").read_bytes()))
    assert said(convert.read(tmp_path / "packed")) == said(MIXED)


def test_bad_lines_are_left_out_and_told(tmp_path, capsys):
    file = tmp_path / "log.jsonl"
    trace.write(MIXED, file)
    with file.open("a") as stream:
        stream.write("nonsense\n")
    assert main(["convert", str(file), "-o", str(tmp_path / "log.xes"), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["lines"], told["orders"], told["bad_lines"], told["format"]) == (5, 3, 1, "xes")
    assert (told["bad"][0]["file"], told["bad"][0]["line"]) == (str(file), 7)
    assert main(["convert", str(tmp_path / "log.xes"), "-o", "-", "--to", "jsonl"]) == 0
    out = capsys.readouterr()
    assert [json.loads(line) for line in out.out.splitlines()[1:]] == said(MIXED)
    assert "5 lines of 3 orders" in out.err


def test_no_more_than_a_few_lines_are_held_at_a_time(tmp_path):
    """Of 4 times as many lines the peak is not even twice as high."""
    peaks = []
    for count in (2_000, 8_000):
        some = (Line(time=TIME, order_id=1 + number % 999, trigger=Operation.CREATE) for number in range(count))
        tracemalloc.start()
        convert.write(some, tmp_path / "log.xes")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 2 * peaks[0]
