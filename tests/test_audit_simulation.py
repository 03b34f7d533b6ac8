"""Simulated logs: the same for the same seed, with exactly the violations that were planted."""

from __future__ import annotations

import json

import pytest
from company import (
    ENGINES,
    folded,
    found,
)

pytest.importorskip("duckdb", reason="the extra `audit` is not installed")

from orderfsm import InvalidValue
from orderfsm.audit import audit, simulate
from orderfsm.trace import Events, Line, read, replay


@pytest.fixture(autouse=True)
def _quiet(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("form", ["jsonl", "jsonl.gz", "parquet"])
@pytest.mark.parametrize("events", Events)
def test_of_a_simulated_log_exactly_the_planted_violations_are_found(form, events, tmp_path):
    written = simulate(tmp_path / "log", orders=1_000, seed=4, bad=0.02, events=events, format=form)
    planted = json.loads((tmp_path / "log" / "planted.json").read_text())["violations"]
    for engine in ENGINES:
        report = audit(tmp_path / "log", engine=engine)
        assert (report.orders, report.events, report.undecided, report.bad_lines) == (1_000, written.lines, 0, 0)
        assert [(v.order_id, v.index) for v in report.violations] == sorted(
            (p["order_id"], p["index"]) for p in planted
        )
    assert written.violations == len(planted) > 5
    if form != "parquet":
        assert found(report) == folded(replay(read(written.files)))


def test_a_simulated_log_is_the_same_for_the_same_seed_and_in_order_of_time(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        simulate(tmp_path / name, orders=300, seed=seed)
    texts = {name: [file.read_text() for file in sorted((tmp_path / name).iterdir())] for name in "abc"}
    assert texts["a"] == texts["b"] != texts["c"]
    instants = [x.instant for x in read(sorted((tmp_path / "a").glob("*.jsonl"))) if isinstance(x, Line)]
    assert instants == sorted(instants)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"orders": 0}, "orders 0"),
        ({"bad": 2}, "share of bad orders 2"),
        ({"format": "csv"}, "format 'csv'"),
        ({"days": 0}, "days 0"),
    ],
)
def test_what_cannot_be_simulated_is_an_error(settings, named, tmp_path):
    with pytest.raises(InvalidValue, match=named):
        simulate(tmp_path / "log", **{"orders": 10} | settings)


def test_nothing_is_written_into_a_directory_that_holds_files(tmp_path):
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(InvalidValue, match="one that is empty"):
        simulate(tmp_path, orders=10)
