"""`orderfsm replay`: what it prints, and how it exits."""

from __future__ import annotations

import gzip
import json

import pytest

pytest.importorskip("click", reason="the extra `cli` is not installed")

from orderfsm import Event, Operation, State, trace
from orderfsm.cli import main

TIME = "2026-08-05T06:10:{:02}Z"


def line(second, order_id, trigger, **fields):
    return trace.Line(time=TIME.format(second), order_id=order_id, trigger=trigger, **fields)


CONFORMS = [
    line(1, 7, Operation.CREATE),
    line(2, 7, Event.DOMAIN_VALIDATED),
    line(3, 7, Operation.CANCEL),
    line(4, 7, Operation.DELETE),
]
VIOLATES = [line(1, 8, Operation.CREATE), line(2, 8, Operation.DELETE)]
UNDECIDED = [line(1, 9, Operation.CREATE), line(2, 9, Operation.DESCRIBE, state="suspended")]


@pytest.fixture
def replay(tmp_path, capsys):
    """Write a trace and replay it: the exit status, standard output and standard error."""

    def run(lines, *options, name="trace.jsonl"):
        file = tmp_path / name
        trace.write(lines, file)
        status = main(["replay", str(file), *options])
        said = capsys.readouterr()
        return status, said.out.replace(f"{tmp_path}/", ""), said.err

    return run


def test_a_trace_that_conforms_exits_0(replay):
    status, out, err = replay(CONFORMS)
    assert (status, err) == (0, "")
    assert out == ("conforms: 1 orders, 1 conform, 0 violate the table, 0 are undecided; 4 lines, 0 of them bad\n")


def test_a_violation_is_named_with_its_line_and_what_was_possible_and_exits_1(replay):
    status, out, _ = replay(CONFORMS + VIOLATES)
    assert status == 1
    assert out.splitlines()[0] == "trace.jsonl:7: order 8 violates the table: DeleteCertificateRequest accepted"
    assert "it could only be in:  pending_review" in out
    assert "allowed there:        CancelOrderRequest" in out
    assert out.splitlines()[-1].startswith("violates: 2 orders, 1 conform, 1 violate the table")


def test_an_undecided_order_exits_3(replay):
    status, out, _ = replay(CONFORMS + UNDECIDED)
    assert status == 3
    assert "order 9 is undecided" in out


def test_one_violation_decides_the_whole(replay):
    assert replay(UNDECIDED + VIOLATES)[0] == 1


def test_json_is_the_document_of_the_protocol(replay):
    status, out, err = replay(CONFORMS + VIOLATES + UNDECIDED, "--json")
    answer = json.loads(out)
    assert (status, err) == (1, "")
    (violation,) = answer.pop("violations")
    counts = {"orders": 3, "lines": 8, "bad_lines": 0, "undecided": [9]}
    assert answer == {"table": "orders", "verdict": "violates", **counts}
    assert violation.pop("file").endswith("trace.jsonl")
    assert "CancelOrderRequest" in violation.pop("legal")
    assert violation == {"order_id": 8, "line": 7, "possible": [State.PENDING_REVIEW]}


def test_events_may_be_said_to_be_missing(replay):
    assert replay(VIOLATES, "--events", "partial")[0] == 0
    assert replay(VIOLATES, "--events", "complete")[0] == 1


def test_compressed_files_and_bad_lines(tmp_path, capsys):
    file = tmp_path / "trace.jsonl.gz"
    text = f"{trace.header()}\nnot a line\n{trace.dumps(CONFORMS[0])}\n"
    file.write_bytes(gzip.compress(text.encode(), mtime=0))
    assert main(["replay", str(file)]) == 0
    out = capsys.readouterr().out
    assert f"bad line: {file}:2: line 'not a line': expected a JSON object" in out
    assert out.endswith("2 lines, 1 of them bad\n")


NOTHING = {
    "text": b"not json\n",
    "binary": bytes(range(256)),
    "Parquet": b"PAR1" + bytes(90),
    "CSV": b"order_id,time\n7,2026-08-05\n",
    "an envelope that nobody knows": b'{"Things": []}\n',
    "lines with short names": trace.dumps(CONFORMS[0]).replace(Operation.CREATE, "create").encode(),
    "a wrong encoding": trace.dumps(CONFORMS[0]).encode("cp037"),
    "damaged": gzip.compress(bytes(999), mtime=0)[:-9],
}


@pytest.mark.parametrize("content", NOTHING.values(), ids=NOTHING)
def test_a_file_of_which_nothing_can_be_read_exits_2_and_is_named(content, tmp_path, capsys, replay):
    assert replay(CONFORMS)[0] == 0
    bad = tmp_path / "bad.jsonl"
    bad.write_bytes(content)
    for files in ([bad], [tmp_path / "trace.jsonl", bad]):
        assert main(["replay", *map(str, files), "--json"]) == 2
        said = capsys.readouterr()
        assert (said.out, said.err.count("\n")) == ("", 1)
        assert str(bad) in said.err


@pytest.mark.parametrize("content", [b"", b"\n", b"[]", gzip.compress(b"", mtime=0), trace.header().encode()], ids=str)
def test_a_file_in_which_nothing_stands_exits_0(content, tmp_path):
    (tmp_path / "empty").write_bytes(content)
    assert main(["replay", str(tmp_path / "empty")]) == 0


@pytest.mark.parametrize("write", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("by", ["-", "/dev/fd"])
def test_standard_input_and_pipes_are_files_as_others(by, write, replay, tmp_path, stream, capsys, monkeypatch):  # noqa: PLR0917
    status, out, _ = replay(VIOLATES, "--json")
    name = stream(by, write((tmp_path / "trace.jsonl").read_bytes()))
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert main(["replay", name, "--json"]) == status == 1
    assert capsys.readouterr().out == out.replace("trace.jsonl", name)


def test_many_violations_are_cut_off_in_text_only(replay):
    many = []
    for number in range(1, 31):
        many += [line(1, number, Operation.CREATE), line(2, number, Operation.DELETE)]
    assert "... 10 more violations" in replay(many)[1]
    assert len(json.loads(replay(many, "--json")[1])["violations"]) == 30


@pytest.mark.parametrize(
    ("arguments", "named"),
    [(["missing.jsonl"], "missing.jsonl"), ([], "FILE"), (["missing.jsonl", "--events", "some"], "some")],
    ids=str,
)
def test_bad_input_exits_2_with_one_line(arguments, named, capsys):
    assert main(["replay", *arguments]) == 2
    said = capsys.readouterr()
    assert named in said.err
    assert (said.out, said.err.count("\n")) == ("", 1)


def test_a_terminal_sees_how_far_it_is_and_standard_output_does_not(replay, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    status, out, err = replay(VIOLATES, "--json")
    assert (status, json.loads(out)["verdict"]) == (1, "violates")
    assert "reading" in err
    assert "100%" in err
