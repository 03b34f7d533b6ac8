"""The audit: whatever the engine, the files and the days, it finds what a plain fold by the core finds."""

from __future__ import annotations

import re

import pytest
from company import (
    BAD,
    COMPLETE,
    ENGINES,
    FEW,
    PARTIAL,
    SOME,
    folded,
    found,
    lines,
    moment,
    parted,
    write_jsonl,
    write_parquet,
)
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("duckdb", reason="the extra `audit` is not installed")

from orderfsm import Event, InvalidValue, Operation
from orderfsm.audit import audit, simulate
from orderfsm.trace import Line, read, replay


@pytest.fixture(autouse=True)
def _quiet(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("engine", ENGINES)
@FEW
@given(
    some=lines(),
    bad=st.lists(st.sampled_from(BAD), max_size=3),
    cuts=st.lists(st.integers(0, 30), max_size=3),
    events=st.sampled_from([None, COMPLETE]),
)
def test_any_partition_into_files_gives_what_a_fold_by_the_core_gives(engine, some, bad, cuts, events, tmp_path):  # noqa: PLR0917
    files = [
        write_jsonl(tmp_path / f"{number}.jsonl", part, events)
        for number, part in enumerate(parted([*some, *bad], cuts))
    ]
    try:
        expected = folded(replay(read(files)))
    except InvalidValue as nothing_was_read:
        with pytest.raises(InvalidValue, match=re.escape(str(nothing_was_read))):
            audit(files, engine=engine)
    else:
        assert found(audit(files, engine=engine)) == expected


@pytest.mark.parametrize("typed", [True, False], ids=["typed", "text"])
@pytest.mark.parametrize("engine", ENGINES)
@FEW
@given(some=lines(), cut=st.integers(0, 30))
def test_parquet_says_what_json_lines_say(engine, typed, some, cut, tmp_path):
    parts = parted(some, [cut])
    texts = [write_jsonl(tmp_path / f"{number}.jsonl", part) for number, part in enumerate(parts)]
    tables = [write_parquet(tmp_path / f"{number}.parquet", part, typed=typed) for number, part in enumerate(parts)]
    expected = folded(replay(read(texts)))
    expected["violations"] = [(a, b, c.replace("jsonl", "parquet"), *rest) for a, b, c, *rest in expected["violations"]]
    assert found(audit(tables, engine=engine)) == expected


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("length", [1, 12, 13, 24, 25, 26, 61, 300])
def test_histories_longer_than_the_packed_words_are_judged_whole(engine, length, tmp_path):
    create = Line(time=moment(0), order_id=7, trigger=Operation.CREATE)
    steps = [
        (Operation.DESCRIBE, "domain_verify"),
        (Operation.DESCRIBE, "CHECKING"),
        (Operation.CANCEL, None),
        (Event.SUBMITTED, None),
    ]
    some = [create] + [
        Line(time=moment(at), order_id=7, trigger=trigger, state=word)
        for at in range(1, length)
        for trigger, word in [steps[at % 4]]
    ]
    for wrong in ([], [Line(time=moment(length), order_id=7, trigger=Operation.RENEW)]):
        files = [write_jsonl(tmp_path / "log.jsonl", some + wrong, COMPLETE)]
        assert found(audit(files, engine=engine)) == folded(replay(read(files)))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("digits", [0, 3, 5, 6, 23])
def test_times_are_compared_to_the_24th_digit(engine, digits, tmp_path):
    late, soon = (f".{'1' * digits}{digit}" for digit in (2, 1))
    some = [
        Line(time=moment(0, late), order_id=7, trigger=Operation.DELETE),
        Line(time=moment(0, soon), order_id=7, trigger=Operation.CANCEL),
        Line(time=moment(0), order_id=7, trigger=Operation.CREATE),
    ]
    files = [write_jsonl(tmp_path / "log.jsonl", some, COMPLETE)]
    assert audit(files, engine=engine).conforms == 1


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_all_events_are_in_a_log_only_if_every_file_says_so(form, tmp_path):
    for name, events in (("a", COMPLETE), ("c", PARTIAL)):
        simulate(tmp_path / name, orders=10, bad=0, days=30, events=events, format=form)
    assert audit(write_parquet(tmp_path / "silent.parquet", SOME)).violates == 0
    trouble = write_jsonl(tmp_path / "trouble.jsonl", [SOME[0], SOME[1]], COMPLETE)
    assert audit([trouble, tmp_path / "a"]).violates == 1
    assert audit([trouble, tmp_path / "c"]).violates == 0
    assert audit([trouble, tmp_path / "c"], events=COMPLETE).violations[0].order_id == 7


@pytest.mark.parametrize("engine", ENGINES)
def test_a_renewal_that_names_its_own_order_is_two_lines_of_it(engine, tmp_path):
    some = [Line(time=moment(0), order_id=7, trigger=Operation.RENEW, new_order_id=7)]
    files = [write_jsonl(tmp_path / "log.jsonl", some)]
    report = audit(files, engine=engine)
    assert found(report) == folded(replay(read(files)))
    assert report.violations[0].index == 0
