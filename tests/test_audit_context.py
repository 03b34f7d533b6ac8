"""Who was behind a violation, when and from where: the same on every engine, from files and from frames."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma

import attrs
import pytest
from company import delivered, moment, write_jsonl, write_parquet

pytest.importorskip("duckdb", reason="the extra `audit` is not installed")

from orderfsm import InvalidValue, Operation
from orderfsm.audit import audit
from orderfsm.audit.columns import CONTEXT
from orderfsm.trace import Events, Line, dumps, header

ENGINES = ["duckdb", "polars"]
CREATE, DESCRIBE, DELETE = (
    Line(time=moment(at), order_id=7, trigger=each)
    for at, each in enumerate((Operation.CREATE, Operation.DESCRIBE, Operation.DELETE))
)
OTHER = Line(time=moment(1), order_id=8, trigger=Operation.CREATE)
SECRET = "wJalrXUtnFEMI-not-to-be-shown"


def event(line, number):
    """An event of ActionTrail, with everything that its documents list."""
    return delivered(
        line,
        f"event-{number}",
        acsRegion="cn-hangzhou",
        requestId=f"request-{number}",
        sourceIpAddress=f"203.0.113.{number}",
        userAgent="Terraform",
        recipientAccountId="1234567890",
        requestParameters={"OrderId": str(line.order_id), "Csr": SECRET, "AccessKeySecret": SECRET},
        additionalEventData={"SecurityToken": SECRET},
        userIdentity={
            "type": "ram-user",
            "principalId": "28815334868278****",
            "accountId": "1234567890",
            "accessKeyId": f"LTAI-{number}",
            "userName": "alice",
            "sessionContext": {"attributes": {"mfaAuthenticated": SECRET}},
            "accessKeySecret": SECRET,
        },
    )


def who(number):
    return {
        "user": "alice",
        "user_type": "ram-user",
        "principal_id": "28815334868278****",
        "access_key_id": f"LTAI-{number}",
        "account_id": "1234567890",
        "source_ip": f"203.0.113.{number}",
        "region": "cn-hangzhou",
        "event_id": f"event-{number}",
        "request_id": f"request-{number}",
    }


def trail(file, some, *, array=False, wrapped=False):
    events = [event(line, number) for number, line in enumerate(some, 1)]
    events = [{"event": each} for each in events] if wrapped else events
    text = json.dumps(events) if array else "".join(json.dumps(each) + "\n" for each in events)
    file.write_bytes(gzip.compress(text.encode()) if file.suffix == ".gz" else text.encode())
    return str(file)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("name", "form"),
    [("a.gz", {"array": True}), ("a.jsonl", {}), ("a.jsonl", {"wrapped": True})],
    ids=["array", "lines", "wrapped"],
)
def test_a_violation_in_an_action_trail_says_who_when_and_from_where(engine, name, form, tmp_path):
    file = trail(tmp_path / name, [OTHER, CREATE, DESCRIBE, DELETE], **form)
    report = audit(file, engine=engine, events=Events.COMPLETE)
    (violation,) = report.violations
    assert (violation.file, violation.line, violation.who) == (file, 4, who(4))
    assert [(each.line, each.who) for each in violation.before] == [(2, who(2)), (3, who(3))]
    document = report.as_json()
    (said,) = document["violations"]
    assert (said["time"], said["user"], said["source_ip"]) == (moment(2), "alice", "203.0.113.4")
    assert [(each["time"], each["said"], each["event_id"]) for each in said["before"]] == [
        (moment(0), "CreateCertificateRequest accepted", "event-2"),
        (moment(1), "DescribeCertificateState accepted", "event-3"),
    ]
    assert SECRET not in json.dumps(document)


FORMS = {
    "lines": lambda texts: "".join(f"{text}\n" for text in texts),
    "lines ended by CR": "\r".join,
    "lines and empty ones": lambda texts: "\n".join(f"\n\r\n{text}" for text in texts),
    "nothing between them": "".join,
    "text between them": "--".join,
    "printed over lines": lambda texts: "\n".join(json.dumps(json.loads(text), indent=2) for text in texts),
    "an array": lambda texts: f"[{', '.join(texts)}]",
    "an array of lines": lambda texts: "[\n" + ",\n".join(texts) + "\n]",
    "a line, then an array": lambda texts: f"{texts[0]}\n[{','.join(texts[1:])}]\n",
    "what queries answer": lambda texts: f'{{"Events": [{texts[0]}]}}\n{{"N": 1, "Events": [{",".join(texts[1:])}]}}',
}
ENCODINGS = {
    "UTF-8": str.encode,
    "with a mark": lambda text: text.encode("utf-8-sig"),
    "UTF-16": lambda text: text.encode("utf-16"),
    "gzip": lambda text: gzip.compress(text.encode()),
    "joined gzip": lambda text: gzip.compress(text.encode()[:300]) + gzip.compress(text.encode()[300:]),
    "bzip2": lambda text: bz2.compress(text.encode()),
    "xz of UTF-16": lambda text: lzma.compress(text.encode("utf-16-be")),
}
SEEN = [
    attrs.evolve(line, extra={"user": f"user-{number}"})
    for number, line in enumerate([OTHER, CREATE, DESCRIBE, DELETE], 1)
]


def as_trail(line):
    return json.dumps(delivered(line, line.time + line.extra["user"], userIdentity={"userName": line.extra["user"]}))


@pytest.mark.parametrize("write", [as_trail, dumps], ids=["ActionTrail", "trace"])
@pytest.mark.parametrize(
    ("form", "encode"),
    [*((form, str.encode) for form in FORMS.values()), *((FORMS["an array"], encode) for encode in ENCODINGS.values())],
    ids=[*FORMS, *ENCODINGS],
)
def test_whatever_a_file_is_who_was_behind_a_violation_is_read_from_the_same_line(form, encode, write, tmp_path):
    file = tmp_path / "a.log"
    file.write_bytes(encode(form([write(each) for each in SEEN])))
    (violation,) = audit(file, events=Events.COMPLETE).violations
    assert violation.who["user"] == "user-4"
    assert [each.who["user"] for each in violation.before] == ["user-2", "user-3"]
    assert [each.line for each in (*violation.before, violation)] == sorted(
        {each.line for each in (*violation.before, violation)}
    )


@pytest.mark.parametrize("engine", ENGINES)
def test_of_several_files_each_says_it_of_its_own_lines(engine, tmp_path, stream):
    files = []
    for order, (write, form) in enumerate(
        (write, form) for write in (as_trail, dumps) for form in ("lines", "an array", "nothing between them")
    ):
        some = [attrs.evolve(each, order_id=order + 10, extra={"user": f"{order}-{each.time}"}) for each in SEEN[1:]]
        files.append(tmp_path / f"{order}.jsonl")
        files[-1].write_text(FORMS[form]([write(each) for each in some]))
    for by in ("/dev/fd", "-"):
        order = len(files)
        some = [attrs.evolve(each, order_id=order + 10, extra={"user": f"{order}-{each.time}"}) for each in SEEN[1:]]
        files.append(stream(by, gzip.compress(FORMS["nothing between them"](list(map(dumps, some))).encode())))
    violations = audit(files, engine=engine, events=Events.COMPLETE).violations
    assert [(each.order_id, each.file, each.who["user"]) for each in violations] == [
        (order + 10, str(file), f"{order}-{DELETE.time}") for order, file in enumerate(files)
    ]
    assert [[line.who["user"] for line in each.before] for each in violations] == [
        [f"{order}-{line.time}" for line in (CREATE, DESCRIBE)] for order in range(len(files))
    ]


def test_headers_between_joined_logs_move_no_line(tmp_path):
    one, other = (header(events) + "\n" for events in (Events.COMPLETE, Events.PARTIAL))
    texts = [dumps(each) + "\n" for each in SEEN]
    (tmp_path / "a").write_text(one + texts[0] + one + texts[1] + "\n" + other + texts[2] + texts[3])
    report = audit(tmp_path / "a", events=Events.COMPLETE)
    assert report.bad_lines == 1
    (violation,) = report.violations
    assert [(each.line, each.who["user"]) for each in (*violation.before, violation)] == [
        (4, "user-2"),
        (7, "user-3"),
        (8, "user-4"),
    ]


def test_lines_of_the_same_second_stand_among_those_before_since_they_may_have_been_first(tmp_path):
    same = [attrs.evolve(each, time=moment(0)) for each in (DELETE, CREATE)]
    renewed = attrs.evolve(DELETE, time=moment(0), trigger=Operation.RENEW)
    file = trail(tmp_path / "a.jsonl", [renewed, *same, attrs.evolve(DESCRIBE, time=moment(5))])
    (violation,) = audit(file, events=Events.COMPLETE).violations
    assert (violation.line, [each.line for each in violation.before]) == (2, [1, 3])


TOLD = [
    {"client": "ci", "user": "alice", "source_ip": "203.0.113.1", "colour": "red"},
    {"client": 7, "region": "cn-hangzhou"},
    {"user": "bob", "event_id": "e-3"},
]
EXPECTED = [
    {"client": "ci", "user": "alice", "source_ip": "203.0.113.1"},
    {"client": "7", "region": "cn-hangzhou"},
    {"user": "bob", "event_id": "e-3"},
]


def told():
    return [
        attrs.evolve(
            line, client=said.get("client"), extra={key: text for key, text in said.items() if key != "client"}
        )
        for line, said in zip([CREATE, DESCRIBE, DELETE], TOLD, strict=True)
    ]


def table_of(file, *, typed):
    """The same lines as Parquet; `user` has a name of its own there."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(write_parquet(file, [CREATE, DESCRIBE, DELETE], typed=typed))
    for key in ("client", "user", "source_ip", "region", "event_id"):
        column = pa.array([each.get(key) for each in EXPECTED], pa.string())
        table = table.append_column("who did it" if key == "user" else key, column)
    pq.write_table(table, file, row_group_size=1)
    return str(file)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("form", ["jsonl", "jsonl.gz", "typed", "text"])
def test_lines_of_traces_say_it_as_far_as_they_carry_it(engine, form, tmp_path):
    if form.startswith("jsonl"):
        file = tmp_path / f"log.{form}"
        write_jsonl(tmp_path / "log.jsonl", told(), Events.COMPLETE)
        if form.endswith("gz"):
            file.write_bytes(gzip.compress((tmp_path / "log.jsonl").read_bytes()))
        columns, first = None, 2
    else:
        file = table_of(tmp_path / "log.parquet", typed=form == "typed")
        columns, first = {"user": "who did it"}, 1
    (violation,) = audit(file, engine=engine, columns=columns, events=Events.COMPLETE).violations
    assert violation.who == EXPECTED[2]
    assert [(each.line, each.who) for each in violation.before] == [(first, EXPECTED[0]), (first + 1, EXPECTED[1])]


@pytest.mark.parametrize("typed", [True, False], ids=["typed", "text"])
@pytest.mark.parametrize("kind", ["polars", "polars lazy", "pandas", "pyarrow", "duckdb"])
def test_rows_of_frames_say_it_too(kind, typed, tmp_path):
    file = table_of(tmp_path / "log.parquet", typed=typed)
    (violation,) = audit(frame_of(kind, file), columns={"user": "who did it"}, events=Events.COMPLETE).violations
    assert (violation.file, violation.line, violation.who) == (None, 3, EXPECTED[2])
    assert [(each.line, each.who) for each in violation.before] == [(1, EXPECTED[0]), (2, EXPECTED[1])]


def frame_of(kind, file):
    if kind.startswith("polars"):
        frame = pytest.importorskip("polars").scan_parquet(file)
        return frame if kind == "polars lazy" else frame.collect()
    if kind == "pandas":
        return pytest.importorskip("pandas").read_parquet(file)
    if kind == "pyarrow":
        return pytest.importorskip("pyarrow.parquet").read_table(file)
    return pytest.importorskip("duckdb").connect().read_parquet(file)


def test_a_column_that_is_not_judged_may_hold_anything(tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.read_parquet(table_of(tmp_path / "log.parquet", typed=True))
    for clients, told in (([7, {"a": 1}, "ci"], ["7", None, "ci"]), ([None, float("nan"), b"ci"], [None, None, "ci"])):
        (violation,) = audit(frame.assign(client=clients), events=Events.COMPLETE).violations
        assert [each.who.get("client") for each in (*violation.before, violation)] == told


def test_a_column_of_context_that_is_not_there_is_one_clear_error(tmp_path):
    file = write_parquet(tmp_path / "log.parquet", [CREATE])
    with pytest.raises(InvalidValue, match="whom, which holds the user"):
        audit(file, columns={"user": "whom"})


@pytest.mark.parametrize("engine", ENGINES)
def test_a_state_keeps_who_was_behind_a_violation(engine, tmp_path):
    days = [
        trail(tmp_path / "1.jsonl", [CREATE, DESCRIBE, DELETE]),
        write_jsonl(tmp_path / "2.jsonl", [attrs.evolve(OTHER, time=moment(9))]),
    ]
    first, second = (audit(day, engine=engine, state=tmp_path / "state", events=Events.COMPLETE) for day in days)
    assert first.violations[0].who == who(3)
    assert second.violations == tuple(attrs.evolve(each, is_new=False) for each in first.violations)


def test_of_lines_that_an_earlier_audit_read_the_order_is_known(tmp_path):
    days = [trail(tmp_path / f"{number}.jsonl", [line]) for number, line in enumerate((CREATE, DELETE))]
    for day in days:
        report = audit(day, state=tmp_path / "state", events=Events.COMPLETE)
    (violation,) = report.violations
    assert [(str(each.said), each.time, each.who) for each in violation.before] == [
        ("CreateCertificateRequest accepted", None, {})
    ]


def test_only_so_many_lines_before_are_told(tmp_path, monkeypatch):
    reads = [attrs.evolve(DESCRIBE, time=moment(at)) for at in range(1, 40)]
    file = write_jsonl(tmp_path / "log.jsonl", [CREATE, *reads, attrs.evolve(DELETE, time=moment(50))], Events.COMPLETE)
    (violation,) = audit(file).violations
    assert [each.line for each in violation.before] == list(range(22, 42))
    monkeypatch.setattr("orderfsm.audit.judging.judged_orders.WITH_BEFORE", 0)
    (violation,) = audit(file).violations
    assert (violation.line, violation.before) == (42, ())


def test_what_is_no_text_and_no_number_is_not_told_and_long_texts_are_cut(tmp_path):
    extra = {"user": {"secret": SECRET}, "region": ["cn"], "event_id": "x" * 1000, "source_ip": "\ud800"}
    file = write_jsonl(tmp_path / "log.jsonl", [CREATE, attrs.evolve(DELETE, extra=extra)], Events.COMPLETE)
    (violation,) = audit(file).violations
    assert violation.who == {"event_id": "x" * 256, "source_ip": "\\ud800"}


def test_results_say_it_for_each_order(tmp_path):
    import pyarrow.parquet as pq

    file = trail(tmp_path / "a.jsonl", [OTHER, CREATE, DESCRIBE, DELETE])
    audit(file, events=Events.COMPLETE, results=tmp_path / "out.parquet")
    violating, conforming = pq.read_table(tmp_path / "out.parquet").to_pylist()
    assert {key: violating[key] for key in CONTEXT if violating[key]} == who(4)
    assert (violating["new"], violating["said"], violating["file"], violating["line"]) == (
        True,
        "DeleteCertificateRequest accepted",
        file,
        4,
    )
    assert violating["time"].isoformat() == "2026-08-05T06:00:02+00:00"
    assert [each["event_id"] for each in violating["before"]] == ["event-2", "event-3"]
    assert (conforming["new"], conforming["user"], conforming["time"], conforming["before"]) == (False, None, None, [])
