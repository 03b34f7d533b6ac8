"""An audit that goes on from a state: whatever the days, it finds what one run over all lines finds."""

from __future__ import annotations

import gzip
import json
import os

import attrs
import pytest
from company import (
    COMPLETE,
    ENGINES,
    FEW,
    SOME,
    delivered,
    in_days,
    lines,
    moment,
    placeless,
    write_jsonl,
    write_parquet,
)
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("duckdb", reason="the extra `audit` is not installed")

import pyarrow as pa
import pyarrow.parquet as pq

from orderfsm import ORDER_LIFECYCLE, Event, InvalidValue, Operation
from orderfsm.audit import audit
from orderfsm.audit.keeping.state_file import load
from orderfsm.trace import Line
from orderfsm.trace.tables import tables_of

CREATE = Line(time=moment(0), order_id=7, trigger=Operation.CREATE)


@pytest.fixture(autouse=True)
def _quiet(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("engine", ENGINES)
@FEW
@given(some=lines(), cuts=st.lists(st.integers(0, 40), max_size=4), events=st.sampled_from([None, COMPLETE]))
def test_any_grouping_of_days_gives_what_one_run_gives(engine, some, cuts, events, tmp_path, monkeypatch):  # noqa: PLR0917
    monkeypatch.setattr("orderfsm.audit.judging.judge.LONGEST", 4)
    (tmp_path / "state").unlink(missing_ok=True)
    files = [write_jsonl(tmp_path / f"{number}.jsonl", day, events) for number, day in enumerate(in_days(some, cuts))]
    for file in files:
        last = audit(file, engine=engine, state=tmp_path / "state")
    whole = audit(files, engine=engine)
    assert placeless(last) == placeless(whole)
    places = {violation.order_id: (violation.file, violation.line) for violation in whole.violations}
    for violation in last.violations:
        assert (violation.file, violation.line) in {places[violation.order_id], (None, None)}


def test_a_state_remembers_where_a_violation_stood(tmp_path):
    first, second = (tmp_path / f"{day}.jsonl" for day in (1, 2))
    create, delete = (
        Line(time=moment(at), order_id=7, trigger=t) for at, t in enumerate((Operation.CREATE, Operation.DELETE))
    )
    write_jsonl(first, [create, delete], COMPLETE)
    write_jsonl(second, [Line(time=moment(9), order_id=7, trigger=Operation.CANCEL)], COMPLETE)
    for file in (first, second):
        (violation,) = audit(file, state=tmp_path / "state").violations
        assert (violation.file, violation.line, violation.index) == (str(first), 3, 1)


def test_a_renewal_may_turn_out_to_have_begun_an_order_whose_violation_was_another_line(tmp_path):
    first, second = (tmp_path / f"{day}.jsonl" for day in (1, 2))
    validated = Line(time=moment(0), order_id=9, trigger=Event.DOMAIN_VALIDATED)
    create = Line(time=moment(1), order_id=9, trigger=Operation.CREATE)
    write_jsonl(first, [validated, create])
    write_jsonl(second, [Line(time=moment(2), order_id=7, trigger=Operation.RENEW, new_order_id=9)])
    (violation,) = audit(first, state=tmp_path / "state").violations
    assert (violation.index, violation.line) == (1, 2)
    (violation,) = audit(second, state=tmp_path / "state").violations
    assert (violation.index, violation.file, violation.line) == (0, None, None)


@pytest.mark.parametrize("longest", [1, 20])
def test_an_order_that_a_renewal_began_holds_no_quota_on_a_later_day_either(longest, tmp_path, monkeypatch):
    monkeypatch.setattr("orderfsm.audit.judging.judge.LONGEST", longest)
    days = [
        [Line(time=moment(0), order_id=7, trigger=Operation.RENEW, new_order_id=9)],
        [Line(time=moment(at), order_id=9, trigger=Operation.DESCRIBE, state="payed") for at in (1, 2, 3)],
        [Line(time=moment(4), order_id=9, trigger=Operation.DESCRIBE, state="payed")],
    ]
    for number, day in enumerate(days):
        file = write_jsonl(tmp_path / f"{number}.jsonl", day)
        report = audit(file, state=tmp_path / "state")
    assert (report.conforms, report.holding_quota) == (2, 0)


def test_a_line_that_is_not_later_than_the_states_is_an_error_unless_all_is_scanned_again(tmp_path):
    file, state = tmp_path / "log.jsonl", tmp_path / "state"
    some = [Line(time=moment(5), order_id=7, trigger=Operation.CREATE)]
    write_jsonl(file, some)
    audit(file, state=state)
    before = state.read_bytes()
    write_jsonl(file, [*SOME[2:], *some])
    with pytest.raises(
        InvalidValue, match=r"06:00:05Z of order 7': .* one later .* rescan .*was .*log.jsonl, line 2, audited"
    ):
        audit(file, state=state)
    frame = pq.read_table(write_parquet(tmp_path / "log.parquet", some))
    with pytest.raises(InvalidValue, match=r"order 7': .*was the frame, row 1, audited before"):
        audit(frame, state=state)
    assert state.read_bytes() == before
    assert audit(file, state=state, rescan=True).orders == 2


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("kind", ["jsonl", "parquet", "trail"])
def test_the_same_file_again_is_told_to_have_been_audited_before_whatever_its_name(engine, kind, tmp_path):
    one, other, state = tmp_path / f"1.{kind}", tmp_path / f"2.{kind}", tmp_path / "state"
    if kind == "parquet":
        one, other = tmp_path / "1.parquet", tmp_path / "2.parquet"
        write_parquet(one, SOME)
    elif kind == "jsonl":
        write_jsonl(one, [Line(time=moment(0), order_id=None, trigger=Operation.LIST)])
    else:
        one, other = tmp_path / "1.jsonl", tmp_path / "2.jsonl"
        one.write_text(json.dumps(delivered(CREATE, "1", serviceName="Ecs")) + "\n")
    audit(one, engine=engine, state=state)
    before = state.read_bytes()
    other.write_bytes(one.read_bytes())
    for file in (one, other):
        expected = f"{file.name}': expected one that was not audited before: the state has what is in it, from .*1\\."
        with pytest.raises(InvalidValue, match=expected):
            audit(
                [write_jsonl(tmp_path / "later.jsonl", [attrs.evolve(CREATE, order_id=9)]), file],
                engine=engine,
                state=state,
            )
    assert state.read_bytes() == before
    assert audit([one, other], engine=engine, state=state, rescan=True).events == 2 * (3 if kind == "parquet" else 0)


@pytest.mark.parametrize("by", ["-", "/dev/fd"])
def test_what_a_pipe_gives_again_is_told_to_have_been_audited_before(by, tmp_path, stream):
    file = write_jsonl(tmp_path / "1.jsonl", [CREATE])
    content = (tmp_path / "1.jsonl").read_bytes()
    assert audit(stream(by, content), state=tmp_path / "state").orders == 1
    for given_ in (file, stream(by, content)):
        with pytest.raises(InvalidValue, match=rf"file '{given_}': .* from {by}"):
            audit(given_, state=tmp_path / "state")


def test_files_without_a_line_may_be_the_same_every_day(tmp_path):
    for day in range(3):
        write_jsonl(tmp_path / f"{day}.jsonl", [], COMPLETE)
        (tmp_path / f"{day}.gz").write_bytes(gzip.compress(b"", mtime=0))
        report = audit([tmp_path / f"{day}.jsonl", tmp_path / f"{day}.gz"], state=tmp_path / "state")
    assert report.ok


def test_a_state_remembers_only_so_many_files(tmp_path, monkeypatch):
    monkeypatch.setattr("orderfsm.audit.keeping.state_file.MOST_FILES", 2)
    files = [write_jsonl(tmp_path / f"{day}.jsonl", [attrs.evolve(CREATE, order_id=day)]) for day in (1, 2, 3)]
    for file in files:
        audit(file, state=tmp_path / "state")
    for file, named in zip(files, ("one later than", "audited before", "audited before"), strict=True):
        with pytest.raises(InvalidValue, match=named):
            audit(file, state=tmp_path / "state")


def test_a_file_that_is_no_state_is_an_error(tmp_path):
    write_jsonl(tmp_path / "log.jsonl", [])
    (tmp_path / "state").write_text("nothing")
    with pytest.raises(InvalidValue, match="one that orderfsm audit wrote"):
        audit(tmp_path / "log.jsonl", state=tmp_path / "state")


def test_a_state_is_kept_only_once_the_report_was_delivered_and_nobody_else_wrote_it(tmp_path):
    file, state = write_jsonl(tmp_path / "log.jsonl", SOME), tmp_path / "state"
    with pytest.raises(ZeroDivisionError):
        audit(file, state=state, deliver=lambda _: 1 / 0)
    assert not state.exists()
    other = write_jsonl(tmp_path / "other.jsonl", SOME[2:])

    def meanwhile():
        if not state.exists():
            audit(other, state=state)

    with pytest.raises(InvalidValue, match="one that no other audit writes meanwhile"):
        audit(file, state=state, progress=lambda what, *_: what == "sorting" and meanwhile())
    assert audit(file, state=state, rescan=True).orders == 2
    (tmp_path / "link").symlink_to(state)
    audit(write_jsonl(tmp_path / "later.jsonl", [attrs.evolve(CREATE, order_id=9)]), state=tmp_path / "link")
    assert (tmp_path / "link").is_symlink()


@pytest.mark.parametrize("said", ["[]", "5", "{}", '{"version": 1, "edition": "?"}', '{"version": 2, "edition": "1"}'])
def test_a_state_that_is_damaged_is_an_error(said, tmp_path):

    pq.write_table(pa.table({}).replace_schema_metadata({"orderfsm.audit": said}), tmp_path / "state")
    with pytest.raises(InvalidValue, match="expected"):
        audit(write_jsonl(tmp_path / "log.jsonl", SOME), state=tmp_path / "state")


@pytest.fixture
def a_state(tmp_path):
    """A small state: of a violation, a history that was summed up, and a file."""
    long = [Line(time=moment(at), order_id=9, trigger=Operation.DESCRIBE) for at in range(22)]
    audit(write_jsonl(tmp_path / "log.jsonl", [*SOME, *long], COMPLETE), state=tmp_path / "state")
    return tmp_path / "state"


def test_one_flipped_bit_anywhere_in_a_state_is_noticed(a_state):
    whole = a_state.read_bytes()
    assert load(a_state, tables_of(None))["orders"].files
    with a_state.open("r+b", buffering=0) as stream:
        for at, byte in enumerate(whole):
            os.pwrite(stream.fileno(), bytes([byte ^ 1 << at % 8]), at)
            with pytest.raises(InvalidValue, match="state"):
                load(a_state, tables_of(None))
            os.pwrite(stream.fileno(), bytes([byte]), at)
    assert load(a_state, tables_of(None))["orders"].files


def test_a_state_that_is_cut_off_grown_or_of_zeros_is_noticed(a_state):
    whole = a_state.read_bytes()
    with a_state.open("r+b") as stream:
        for size in range(len(whole) - 1, -1, -1):
            stream.truncate(size)
            with pytest.raises(InvalidValue, match=r"state.*orderfsm audit wrote"):
                load(a_state, tables_of(None))
    spoiled = [whole + b"x", whole + whole, b"x" + whole, bytes(len(whole)), whole[:4] + bytes(8) + whole[12:]]
    for each in spoiled:
        a_state.write_bytes(each)
        with pytest.raises(InvalidValue, match=r"state.*(orderfsm audit wrote|rescan of all lines)"):
            load(a_state, tables_of(None))


@pytest.mark.parametrize(
    ("key", "value", "named"),
    [
        ("version", 1, r"\(version 1\)': expected .*rescan all lines"),
        ("version", 99, r"\(version 99\)': expected .*rescan all lines"),
        ("events", "many", "expected an undamaged one"),
        ("histories", [[99]], "expected an undamaged one"),
        ("answers", None, "expected an undamaged one"),
    ],
)
def test_a_state_that_was_edited_or_is_of_another_version_is_one_clear_error(key, value, named, a_state, tmp_path):

    table = pq.read_table(a_state)
    said = json.loads(table.schema.metadata[b"orderfsm.audit"]) | {key: value}
    pq.write_table(table.replace_schema_metadata({"orderfsm.audit": json.dumps(said)}), a_state)
    with pytest.raises(InvalidValue, match=named):
        audit(write_jsonl(tmp_path / "later.jsonl", [attrs.evolve(CREATE, order_id=5)]), state=a_state)


def test_a_state_of_another_edition_of_the_table_is_one_clear_error(a_state):
    with pytest.raises(InvalidValue, match=f"state of edition '{ORDER_LIFECYCLE.edition} .*expected next .*rescan"):
        load(a_state, tables_of(attrs.evolve(ORDER_LIFECYCLE, edition="next")))


def test_what_fails_in_the_middle_leaves_the_files_as_they_were(tmp_path, monkeypatch):
    log = write_jsonl(tmp_path / "log.jsonl", SOME)
    for name in ("state", "results"):
        (tmp_path / name).write_text("old")
    monkeypatch.setattr("orderfsm.audit.judging.judged_orders.JudgedOrders.rows", lambda _: 1 / 0)
    for target in ({"state": tmp_path / "state", "rescan": True}, {"results": tmp_path / "results"}):
        with pytest.raises(ZeroDivisionError):
            audit(log, **target)
    assert sorted((file.name, file.read_text()) for file in tmp_path.iterdir() if file.name != "log.jsonl") == [
        ("results", "old"),
        ("state", "old"),
    ]
