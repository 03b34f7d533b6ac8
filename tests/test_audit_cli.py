"""`orderfsm audit` and `orderfsm simulate`: what they print, and how they exit."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime

import pytest
from company import moment, write_jsonl

pytest.importorskip("click", reason="the extra `cli` is not installed")
pytest.importorskip("duckdb", reason="the extra `audit` is not installed")

from orderfsm import Event, Operation
from orderfsm.cli import main
from orderfsm.trace import Events, Line


def line(second, order_id, trigger, **fields):
    return Line(time=moment(second), order_id=order_id, trigger=trigger, **fields)


CONFORMS = [line(1, 7, Operation.CREATE), line(3, 7, Operation.CANCEL)]
VIOLATES = [line(1, 8, Operation.CREATE), line(2, 8, Operation.DELETE)]
UNDECIDED = [line(1, 9, Operation.CREATE), line(2, 9, Operation.DESCRIBE, state="suspended")]


@pytest.fixture
def audit(tmp_path, capsys, monkeypatch):
    """Write a log and audit it: the exit status, standard output and standard error."""
    monkeypatch.chdir(tmp_path)

    def run(some, *options):
        write_jsonl(tmp_path / "log.jsonl", some, Events.COMPLETE)
        status = main(["audit", "log.jsonl", *options])
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


@pytest.mark.parametrize(
    ("some", "status"), [(CONFORMS, 0), (CONFORMS + VIOLATES, 1), (CONFORMS + UNDECIDED, 3), ([], 0)]
)
def test_the_exit_status_is_the_verdict(some, status, audit):
    assert audit(some)[0] == status


def test_text_names_the_violation_the_commonest_histories_and_who_holds_quota(audit):
    refused = line(4, 7, Operation.CANCEL, outcome="refused", code="OrderStateError")
    status, out, err = audit([*CONFORMS, refused, *VIOLATES, "nonsense"])
    assert (status, err) == (1, "")
    assert out.splitlines() == [
        "log.jsonl:6: order 8 violates the table: DeleteCertificateRequest accepted",
        "  it could only be in:  pending_review",
        "  allowed there:        CancelOrderRequest, DescribeCertificateState, ListUserCertificateOrder, "
        "DescribePackageState, domain_validated, review_failed",
        "  when and who:         2026-08-05T06:00:02Z",
        "  the lines before it:  log.jsonl:5: CreateCertificateRequest accepted, 2026-08-05T06:00:01Z",
        "",
        "The commonest of 2 histories:",
        "           1  conforms: CreateCertificateRequest accepted; CancelOrderRequest accepted; "
        "CancelOrderRequest refused by the state",
        "           1  violates: CreateCertificateRequest accepted; DeleteCertificateRequest accepted",
        "",
        "Orders that hold a unit of quota: 1. The longest without a line:",
        "         0.0  days: order 7",
        "",
        "Where orders that conform stand after their last line:",
        "           1  pending_application",
        "",
        "Refusals, and how many a check before the call would have saved:",
        "           1  CancelOrderRequest, 1 saved",
        "",
        "With the most of them that it would have saved:",
        "           1  order 7",
        "",
        "Errors:",
        "           1  CancelOrderRequest: OrderStateError",
        "",
        "violates: of 2 orders 1 conform, 1 violate the table, 0 are undecided; lines: 5 about them, 0 others, 1 bad "
        "(in orderfsm-bad-lines.jsonl)",
    ]


def test_undecided_orders_are_named(audit):
    status, out, _ = audit(UNDECIDED)
    assert (status, out.splitlines()[0]) == (3, "Undecided orders: 9")
    assert json.loads(audit(UNDECIDED, "--json")[1])["undecided_orders"] == [9]


def test_steps_that_a_log_of_calls_alone_does_not_tell_are_counted_apart(audit, tmp_path):
    write_jsonl(tmp_path / "calls.jsonl", [*CONFORMS, line(4, 7, Operation.DELETE)], Events.PARTIAL)
    assert main(["audit", "calls.jsonl", "--format", "html", "-o", "page.html"]) == 0
    page = (tmp_path / "page.html").read_text()
    assert "2 steps are not drawn, since the lines do not say from which state" in page
    assert ">create +1: 1<" in page
    assert ">cancel<" in page


def test_orders_that_conform_only_with_events_that_nobody_saw_are_counted(audit):
    assert "of 2 orders 1 conform, 1 violate" in audit(CONFORMS + VIOLATES)[1]
    unseen = audit(CONFORMS + VIOLATES, "--events", "partial")[1]
    assert "of 2 orders 2 conform (1 only with events that nobody saw), 0 violate" in unseen
    page = audit(CONFORMS + VIOLATES, "--events", "partial", "--format", "html")[1]
    assert "<dt>of these, only with events that nobody saw</dt><dd>1</dd>" in page


@pytest.mark.parametrize("option", [["--json"], ["--format", "json"]], ids=str)
def test_json_is_the_document_of_the_protocol(option, audit):
    status, out, err = audit(CONFORMS + VIOLATES + UNDECIDED, *option)
    answer = json.loads(out)
    assert (status, err) == (1, "")
    assert {
        key: answer[key] for key in ("orders", "events", "bad_lines", "conforms", "violates", "undecided", "other")
    } == {
        "orders": 3,
        "events": 6,
        "bad_lines": 0,
        "conforms": 1,
        "violates": 1,
        "undecided": 1,
        "other": 0,
    }
    assert answer["holding_quota"] == 1
    (violation,) = answer["violations"]
    assert (violation["order_id"], violation["index"], violation["possible"]) == (8, 1, ["pending_review"])


def test_html_is_a_page_with_the_flow_over_the_drawn_lifecycle(audit, tmp_path):
    events = [line(5, 10, Operation.CREATE), line(6, 10, Event.DOMAIN_VALIDATED)]
    spoiled = line(7, 11, Operation.CANCEL, outcome="refused", code="<script>")
    status, out, _ = audit([*CONFORMS, *VIOLATES, *events, spoiled], "--format", "html")
    assert status == 1
    assert out.startswith("<!doctype html>")
    assert ">create +1: 3<" in out
    assert ">(owner) domain validated: 1<" in out
    assert out.count("<script>") == 1  # the page's own
    assert "&lt;script&gt;" in out
    assert audit(CONFORMS, "--format", "html", "-o", "page.html")[:2] == (0, "")
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")


def test_parquet_is_a_row_for_each_order(audit, tmp_path):
    import pyarrow.parquet as pq

    assert audit(CONFORMS + VIOLATES, "--format", "parquet", "-o", "orders.parquet")[:2] == (1, "")
    assert pq.read_table(tmp_path / "orders.parquet").column("order_id").to_pylist() == [7, 8]


def test_top_is_how_many_are_listed(audit):
    assert json.loads(audit(CONFORMS + VIOLATES, "--json", "--top", "1")[1])["distinct_histories"] == 2
    assert len(json.loads(audit(CONFORMS + VIOLATES, "--json", "--top", "1")[1])["histories"]) == 1


def test_a_state_goes_on(audit):
    assert audit(CONFORMS, "--state", "state")[0] == 0
    assert audit([line(9, 7, Operation.RENEW)], "--state", "state")[0] == 1
    assert audit([line(9, 7, Operation.RENEW)], "--state", "state")[0] == 2
    assert audit(CONFORMS, "--state", "state", "--rescan")[0] == 0


LATER = [line(9, 7, Operation.DESCRIBE)]


@pytest.mark.parametrize(
    ("first", "second", "options", "statuses"),
    [
        (VIOLATES, LATER, [], (1, 0)),
        (VIOLATES, LATER, ["--exit-on", "all"], (1, 1)),
        (VIOLATES, [line(9, 7, Operation.CREATE), line(10, 7, Operation.DELETE)], [], (1, 1)),
        (UNDECIDED, LATER, [], (3, 0)),
        (UNDECIDED, LATER, ["--exit-on", "all"], (3, 3)),
        (UNDECIDED, [*VIOLATES, *LATER], [], (3, 1)),
        (UNDECIDED, [line(9, 9, Operation.RENEW)], [], (3, 1)),
        (CONFORMS, [line(9, 7, Operation.DESCRIBE, state="suspended")], [], (0, 3)),
    ],
    ids=str,
)
def test_what_an_earlier_audit_found_does_not_decide_the_exit_status_again(first, second, options, statuses, audit):
    assert tuple(audit(day, "--state", "state", *options)[0] for day in (first, second)) == statuses


def test_what_is_new_is_told_apart_and_comes_first(audit):
    audit([*VIOLATES, *UNDECIDED], "--state", "state")
    day = [line(9, 4, Operation.CREATE), line(10, 4, Operation.DELETE), *LATER, "nonsense"]
    status, out, _ = audit(day, "--state", "state")
    said = out.splitlines()
    assert (status, said[0]) == (1, "log.jsonl:3: order 4 violates the table: DeleteCertificateRequest accepted")
    known = said.index("Violations that earlier audits found: 1")
    assert said[known + 1] == "  log.jsonl:3: order 8: DeleteCertificateRequest accepted"
    assert said[-1] == (
        "since the last audit: 1 new violations, 0 newly undecided; lines: 3 about orders, 0 others, 1 bad"
    )


def test_json_tells_what_is_new(audit):
    audit([*VIOLATES, *UNDECIDED], "--state", "state")
    answer = json.loads(audit(LATER, "--state", "state", "--json")[1])
    assert (answer["verdict"], answer["violates"], answer["undecided"]) == ("violates", 1, 1)
    assert answer["new"] == {
        "verdict": "conforms",
        "goes_on": True,
        "violates": 0,
        "undecided": 0,
        "events": 1,
        "other": 0,
        "bad_lines": 0,
    }
    assert [each["new"] for each in answer["violations"]] == [False]
    first = json.loads(audit(VIOLATES, "--json")[1])
    assert (first["new"]["goes_on"], first["new"]["violates"], first["violations"][0]["new"]) == (False, 1, True)


def test_the_page_shows_the_verdict_then_the_new_violations_then_those_of_earlier_audits_then_the_rest(audit):
    audit(VIOLATES, "--state", "state")
    day = [
        line(9, 4, Operation.CREATE, client="<b>ci</b>"),
        line(10, 4, Operation.DELETE, extra={"user": "<i>alice</i>", "source_ip": "203.0.113.9"}),
        line(20, 4, Operation.DESCRIBE),
    ]
    page = audit(day, "--state", "state", "--format", "html")[1]
    marks = [
        '<span class="violates">violates</span></h1>',
        "Since the last audit: 1 new violations",
        "<h2>New violations</h2>",
        '<td class="number" data-of="id">4</td>',
        "2026-08-05T06:00:10Z",
        "&lt;i&gt;alice&lt;/i&gt;",
        "203.0.113.9",
        "the lines before it",
        "&lt;b&gt;ci&lt;/b&gt;",
        "<h2>Violations that earlier audits found</h2>",
        '<td class="number" data-of="id">8</td>',
        "<h2>The histories as flow</h2>",
    ]
    at = [page.index(mark) for mark in marks]
    assert at == sorted(at)
    assert "<i>alice" not in page


def test_text_says_who_was_behind_a_violation_and_from_where(audit):
    day = [
        line(1, 8, Operation.CREATE, client="ci"),
        line(2, 8, Operation.DELETE, extra={"user": "alice", "access_key_id": "LTAI5t", "source_ip": "203.0.113.9"}),
    ]
    out = audit(day)[1]
    who = "user alice, access key id LTAI5t, source ip 203.0.113.9"
    assert f"  when and who:         2026-08-05T06:00:02Z, {who}\n" in out
    before = "log.jsonl:2: CreateCertificateRequest accepted, 2026-08-05T06:00:01Z, client ci"
    assert f"  the lines before it:  {before}\n" in out


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["missing.jsonl"], "path 'missing.jsonl': expected a file"),
        ([], "PATH"),
        (["log.jsonl", "--engine", "dask"], "engine 'dask': expected duckdb, polars, spark"),
        (["log.jsonl", "--memory-limit", "much"], "memory limit 'much'"),
        (["log.jsonl", "--master", "local"], "master 'local'"),
        (["log.jsonl", "--format", "parquet"], "output None: expected a file"),
        (["log.jsonl", "--column", "time"], "column 'time': expected KEY=NAME"),
        (["log.jsonl", "--top", "-1"], "top"),
        (["log.jsonl", "--memory-limit", "1KB"], "engine duckdb: Out of Memory Error"),
        (["log.jsonl", "--state", "none/state"], "state file 'none/state': expected a file in a directory that exists"),
        (["log.jsonl", "--bad-lines", "."], "file for bad lines '.': expected a file"),
        (["log.jsonl", "--format", "html", "-o", "none/page.html"], "output 'none/page.html': expected a file"),
        (
            ["log.jsonl", "--state", "plain.parquet"],
            "state file 'plain.parquet': expected one that orderfsm audit wrote",
        ),
        (["log.jsonl", "--state", "log.jsonl"], "state file 'log.jsonl': expected a file that is not read"),
        (["log.jsonl", "--bad-lines", "s", "--state", "s"], "file for bad lines 's': expected a file that is not"),
        (["/dev/null"], "path '/dev/null': expected a file"),
        (["log.jsonl", "--memory-limit", "99999999TB"], "memory limit '99999999TB': expected a size"),
        (["log.jsonl", "-o", "./log.jsonl"], "output './log.jsonl': expected a file that is not read"),
        (["log.jsonl", "-o", "s", "--state", "s"], "output 's': expected a file that is not read"),
        (["log.jsonl", "--rescan"], "state file None: expected one to begin anew"),
        (["log.jsonl", "--json", "--format", "html"], "format 'html': expected json"),
        (["cut.jsonl.gz"], "gzip file 'cut.jsonl.gz': expected an undamaged one"),
        (["plain.jsonl.gz"], "lines of 'plain.jsonl.gz': expected one that can be read; line 1 is none: line 'plain'"),
        (["log.jsonl", "plain.parquet"], "lines of 'plain.parquet': expected one that can be read"),
        (["cut.parquet"], "Parquet file 'cut.parquet': expected an undamaged one"),
        (["cut.jsonl.gz", "--engine", "polars"], "gzip file 'cut.jsonl.gz': expected an undamaged one"),
        (["table.csv"], "file 'table.csv': expected JSON Lines in UTF-8 or UTF-16, plain or compressed"),
    ],
    ids=str,
)
def test_bad_input_exits_2_with_one_line(arguments, named, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_jsonl(tmp_path / "log.jsonl", CONFORMS)
    (tmp_path / "cut.jsonl.gz").write_bytes(gzip.compress((tmp_path / "log.jsonl").read_bytes())[:-9])
    for name in ("plain.jsonl.gz", "plain.parquet"):
        (tmp_path / name).write_text("plain")
    (tmp_path / "cut.parquet").write_bytes(b"PAR1" + bytes(9))
    (tmp_path / "table.csv").write_text("order_id,time,event\n7,2026-08-05T06:10:01Z,submitted\n")
    before = {file.name for file in tmp_path.iterdir()}
    assert main(["audit", *arguments]) == 2
    said = capsys.readouterr()
    assert named in said.err
    assert {file.name for file in tmp_path.iterdir()} == before
    assert (said.out, said.err.count("\n")) == ("", 1)


@pytest.mark.parametrize("write", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("by", ["-", "/dev/fd"])
def test_standard_input_and_pipes_are_read_once(write, by, audit, tmp_path, capsys, stream):  # noqa: PLR0917
    expected = json.loads(audit(CONFORMS + VIOLATES, "--json")[1])
    name = stream(by, write((tmp_path / "log.jsonl").read_bytes()))
    assert main(["audit", name, "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    for said in (expected["violations"][0], *expected["violations"][0]["before"]):
        said["file"] = name
    assert found == expected


def test_of_one_of_several_files_in_which_nothing_can_be_read_it_is_named_whatever_it_is(audit, tmp_path, capsys):
    import pyarrow as pa
    import pyarrow.parquet as pq

    audit(CONFORMS)
    rows = {
        "time": [datetime(2026, 8, 5, tzinfo=UTC)],
        "order_id": [7],
        "operation": ["delete"],
        "outcome": ["accepted"],
    }
    pq.write_table(pa.table(rows), tmp_path / "short.parquet")
    pq.write_table(pa.table(rows | {"time": ["never"]}), tmp_path / "text.parquet")
    (tmp_path / "binary.jsonl").write_bytes(bytes(range(1, 256)))
    for name in ("short.parquet", "text.parquet", "binary.jsonl"):
        for engine in ("duckdb", "polars"):
            assert main(["audit", "log.jsonl", name, "--engine", engine, "--bad-lines", "bad"]) == 2
            said = capsys.readouterr()
            assert (said.out, said.err.count("\n")) == ("", 1)
            assert f"lines of '{name}': expected one that can be read; line 1 is none" in said.err
    assert not (tmp_path / "bad").exists()


def test_a_terminal_sees_how_many_lines_a_second_and_standard_output_does_not(audit, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    status, out, err = audit(CONFORMS, "--json")
    assert (status, json.loads(out)["orders"]) == (0, 1)
    assert "  2 lines, " in err
    assert "100%" in err
    assert "lines/s" in err


def test_simulate_says_what_it_wrote(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["simulate", "--orders", "200", "--seed", "5", "--bad", "0.05", "-o", "log", "--json"]) == 0
    written = json.loads(capsys.readouterr().out)
    assert written["orders"] == 200
    assert main(["audit", "log", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["violates"] == written["violations"] > 0
    assert main(["simulate", "--orders", "200", "-o", "log"]) == 2
    assert "one that is empty" in capsys.readouterr().err
