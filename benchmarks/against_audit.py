"""The audit of JSON beside older builds, and beside DuckDB alone, which reads, sorts and groups the same fields."""

from __future__ import annotations

import resource
import time
from typing import TYPE_CHECKING

from benchmarks import logs
from benchmarks.rows import OLDER, Goal, Run, row

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ALONE = "DuckDB alone"
LISTS = """
SELECT history, count(*)
FROM (SELECT list({said} ORDER BY {time}) AS history FROM read_json({files}, columns = {{{columns}}}) {where}
  GROUP BY {order})
GROUP BY history"""
TRACE = {
    "said": "(operation, event, outcome, code, state)",
    "time": "time",
    "order": "order_id",
    "where": "",
    "columns": "time: 'TIMESTAMP', order_id: 'BIGINT', new_order_id: 'BIGINT', operation: 'VARCHAR', event: 'VARCHAR', "
    "outcome: 'VARCHAR', code: 'VARCHAR', state: 'VARCHAR'",
}
EVENTS = {
    "said": '("eventName", "errorCode", "responseElements"."Type")',
    "time": '"eventTime"',
    "order": 'coalesce("requestParameters"."OrderId", "responseElements"."OrderId")',
    "where": """WHERE "serviceName" = 'Cas'""",
    "columns": """"eventId": 'VARCHAR', "eventTime": 'TIMESTAMP', "eventName": 'VARCHAR', "serviceName": 'VARCHAR', """
    """"errorCode": 'VARCHAR', "requestParameters": 'STRUCT("OrderId" VARCHAR)', """
    """"responseElements": 'STRUCT("OrderId" VARCHAR, "Type" VARCHAR)'""",
}


def _trace(run: Run) -> Path:
    return logs.trace(run.folder / "trace", 1_000_000 if run.long else 200_000)


def _delivered(run: Run, form: logs.Form, *, files: int = logs.FILES) -> Path:
    return logs.deliveries(run.folder / f"events-{files}-{form}", 400_000 if run.long else 100_000, form, files=files)


def _processor() -> float:
    """Seconds of processor time so far, those of processes that ended included."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def audited(folder: Path, unit: str) -> dict[str, float]:
    """An audit of all files in a folder."""
    from orderfsm.audit import audit

    start, computed = time.perf_counter(), _processor()
    report = audit([str(file) for file in sorted(folder.glob("*.json*")) if file.name != "planted.json"])
    took, computed = time.perf_counter() - start, _processor() - computed
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {f"{unit}/s": (report.events + report.other) / took, "s": took, "s of CPU": computed, "MB": peak}


def alone(folder: Path, unit: str, query: Mapping[str, str]) -> dict[str, float]:
    """The same files, read, sorted and grouped by DuckDB, which judges nothing."""
    import duckdb

    files = [str(file) for file in sorted(folder.glob("*.json*")) if file.name != "planted.json"]
    start, computed = time.perf_counter(), _processor()
    with duckdb.connect() as connection:
        connection.execute("SET enable_progress_bar = false")
        connection.execute("SET preserve_insertion_order = false")
        found = connection.execute(LISTS.format(files=files, **query))
        lines = sum(count * len(history) for history, count in found.fetchall())
    took, computed = time.perf_counter() - start, _processor() - computed
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {f"{unit}/s": lines / took, "s": took, "s of CPU": computed, "MB": peak}


@row(
    "`audit` of a trace as JSON Lines, a file for each month",
    Goal("lines/s", 3.5, OLDER),
    Goal("s", 1.5, ALONE),
    peers={ALONE: lambda run: alone(_trace(run), "lines", TRACE)},
)
def json_lines(run: Run) -> dict[str, float]:
    """JSON Lines."""
    return audited(_trace(run), "lines")


@row(
    "`audit` of ActionTrail deliveries, events as lines",
    Goal("events/s", 6, OLDER),
    Goal("s", 2.5, ALONE),
    peers={ALONE: lambda run: alone(_delivered(run, "jsonl"), "events", EVENTS)},
)
def event_lines(run: Run) -> dict[str, float]:
    """Events as lines."""
    return audited(_delivered(run, "jsonl"), "events")


@row(
    "`audit` of ActionTrail deliveries, events as lines, compressed",
    Goal("events/s", 6, OLDER),
    Goal("s", 2.5, ALONE),
    peers={ALONE: lambda run: alone(_delivered(run, "jsonl.gz"), "events", EVENTS)},
)
def event_lines_gz(run: Run) -> dict[str, float]:
    """Events as compressed lines."""
    return audited(_delivered(run, "jsonl.gz"), "events")


@row(
    "`audit` of ActionTrail deliveries, each one array",
    Goal("events/s", 6, OLDER),
    Goal("s", 2.5, ALONE),
    peers={ALONE: lambda run: alone(_delivered(run, "json"), "events", EVENTS)},
)
def event_arrays(run: Run) -> dict[str, float]:
    """Events in arrays."""
    return audited(_delivered(run, "json"), "events")


@row(
    "`audit` of one big array of events, beside the same as lines of one file",
    Goal("MB", 1.3, "as lines"),
    peers={"as lines": lambda run: audited(_delivered(run, "jsonl", files=1), "events")},
    rounds=3,
)
def one_array(run: Run) -> dict[str, float]:
    """One array."""
    return audited(_delivered(run, "json", files=1), "events")


@row(
    "`audit` of ten times the lines of a trace, per line beside the smaller one",
    Goal("s for a million lines", 1.05, "a tenth"),
    peers={"a tenth": lambda run: _growth(run, 1)},
    rounds=3,
)
def growth(run: Run) -> dict[str, float]:
    """Ten times the lines."""
    return _growth(run, 10)


def _growth(run: Run, times: int) -> dict[str, float]:
    found = audited(logs.trace(run.folder / f"trace-{times}", times * (100_000 if run.long else 40_000)), "lines")
    return {"s for a million lines": 1e6 / found["lines/s"]}
