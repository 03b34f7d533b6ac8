"""What an audit costs: `python -m benchmarks.audit` measures it beside its baselines, on simulated Parquet.

In each of the interleaved rounds the same files are audited, sorted and grouped by DuckDB alone, and folded by plain
Python; pm4py replays a part of them, and is compared per event. The memory of a large log is that of a process of its
own, which runs under a limit.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.core import machine
from orderfsm import ORDER_LIFECYCLE
from orderfsm.audit import audit, simulate
from orderfsm.trace import Events, Reading, automaton, judge_readings, line_of, readings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SAID = ("operation", "event", "outcome", "code", "state")
SQL = """
SELECT history, count(*)
FROM (
  SELECT list({said} ORDER BY time) AS history
  FROM read_parquet('{files}')
  GROUP BY order_id
)
GROUP BY history"""
COLUMNS = "(operation, event, outcome, code, state)"
HASHED = "hash(operation, event, outcome, code, state)"
MEMORY_LIMIT = "2500MB"


def seconds(work: Callable[[], object]) -> float:
    """How long it takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def bare(folder: Path, said: str) -> Callable[[], object]:
    """DuckDB's own sort and group, which judges nothing."""

    def run() -> object:
        with duckdb.connect() as connection:
            connection.execute("SET enable_progress_bar = false")
            connection.execute("SET preserve_insertion_order = false")
            return connection.execute(SQL.format(said=said, files=folder / "*.parquet")).fetchall()

    return run


def plain(folder: Path) -> int:
    """A plain fold: every order's lines sorted and led through the core's automaton. How many violate the table."""
    histories: defaultdict[int, list[tuple[Any, Reading]]] = defaultdict(list)
    known: dict[tuple[Any, ...], list[Reading]] = {}
    for time_, order, new_order, *said in rows(folder):
        key = (*said, new_order is not None)
        if key not in known:
            fields = dict(zip(SAID, said, strict=True))
            line: Any = line_of({"time": "2026-08-05T06:10:01Z", "order_id": 1, "new_order_id": new_order, **fields})
            known[key] = [*readings(line, 1), *(readings(line, new_order) if new_order else [])]
        histories[order].append((time_, known[key][0]))
        if new_order is not None:
            histories[new_order].append((time_, known[key][1]))
    machine_ = automaton(ORDER_LIFECYCLE, Events.COMPLETE, late=False)
    wrong = 0
    for history in histories.values():
        history.sort(key=lambda moment: moment[0])
        wrong += judge_readings([reading for _, reading in history], machine_).index is not None
    return wrong


def rows(folder: Path) -> Iterator[tuple[Any, ...]]:
    """The lines of a log as tuples."""
    for file in sorted(folder.glob("*.parquet")):
        for batch in pq.ParquetFile(file).iter_batches(columns=["time", "order_id", "new_order_id", *SAID]):
            columns = [
                batch.column("time").cast("int64"),
                *(batch.column(key) for key in ("order_id", "new_order_id", *SAID)),
            ]
            yield from zip(*(column.to_pylist() for column in columns), strict=True)


def token_replay(folder: Path) -> tuple[Callable[[], object], int]:
    """pm4py's token replay of a log on a Petri net of the table, and how many events that are."""
    import pm4py
    from pm4py.objects.petri_net.obj import Marking, PetriNet
    from pm4py.objects.petri_net.utils import petri_utils

    events = [
        (str(order), f"{operation or event} {outcome} {code or ''}", time_)
        for time_, order, _, operation, event, outcome, code, _ in rows(folder)
    ]
    cases, activities, times = zip(*events, strict=True)
    columns = {
        "case:concept:name": pa.array(cases),
        "concept:name": pa.array(activities),
        "time:timestamp": pa.array(times, pa.timestamp("ms", "UTC")),
    }
    frame = pa.table(columns).to_pandas()
    net = PetriNet("table")
    places = {state: PetriNet.Place(str(state)) for state in ORDER_LIFECYCLE.state_rules}
    net.places.update(places.values())
    for state, table in ORDER_LIFECYCLE.table.items():
        for trigger, row in table.items():
            said = "accepted" if ORDER_LIFECYCLE.by_client(trigger) else "None"
            refusal = f"{trigger} refused {ORDER_LIFECYCLE.service_refusal(state, trigger).error.code}"
            label, target = (refusal, state) if row is None else (f"{trigger} {said} ", row.target)
            step = PetriNet.Transition(f"{state} {label}", label)
            net.transitions.add(step)
            petri_utils.add_arc_from_to(places[state], step, net)
            petri_utils.add_arc_from_to(step, places[target], net)
    start, end = Marking({places[None]: 1}), Marking()

    def run() -> object:
        return pm4py.conformance_diagnostics_token_based_replay(frame, net, start, end)

    return run, len(frame)


PEAK = """
import sys, time
from pathlib import Path
from orderfsm.audit import audit
start = time.perf_counter()
report = audit(sys.argv[1], memory_limit=sys.argv[2])
took = time.perf_counter() - start
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(took, int(status["VmHWM"].split()[0]) / 1024, report.events, report.violates)
"""


def alone(folder: Path) -> tuple[float, float, int, int]:
    """Seconds, megabytes, events and violations of an audit in a process of its own, under `MEMORY_LIMIT`."""
    command = [sys.executable, "-c", PEAK, str(folder), MEMORY_LIMIT]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return float(said[0]), float(said[1]), int(said[2]), int(said[3])


def main() -> None:
    """Measure, and print tables."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--orders", type=int, default=1_000_000)
    arguments.add_argument("--times", type=int, default=10, help="how many times as large the large log is; 0: none")
    arguments.add_argument("--rounds", type=int, default=3)
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        small, part, large = folder / "small", folder / "part", folder / "large"
        written = simulate(small, orders=chosen.orders, seed=7, format="parquet")
        simulate(part, orders=20_000, seed=8, format="parquet")
        replay, events = token_replay(part)
        works: dict[str, Callable[[], object]] = {
            "audit": lambda: audit(small),
            "columns": bare(small, COLUMNS),
            "hashed": bare(small, HASHED),
            "plain": lambda: plain(small),
            "pm4py": replay,
        }
        taken: dict[str, list[float]] = {name: [] for name in works}
        for _ in range(chosen.rounds):
            for name, work in works.items():
                taken[name].append(seconds(work))
        _print(written.lines, {name: median(times) for name, times in taken.items()}, events)
        if chosen.times:
            simulate(large, orders=chosen.orders * chosen.times, seed=9, format="parquet")
            _print_large(alone(small), alone(large))


def _print(lines: int, took: dict[str, float], events: int) -> None:
    ours = took["audit"]
    table = [
        ("what", "seconds", "compared to ours", "target"),
        ("---",) * 4,
        (f"`audit`, DuckDB, {lines:,} lines of Parquet", f"{ours:.2f}", "", ""),
        _line("DuckDB alone, the same columns", took["columns"], ours / took["columns"], "ours at most 1.6 of it"),
        _line("DuckDB alone, each line hashed to a number", took["hashed"], ours / took["hashed"], ""),
        _line("a plain Python fold", took["plain"], took["plain"] / ours, "at least 8 times ours"),
        _line(
            f"pm4py token replay, {events:,} lines, per line",
            took["pm4py"],
            took["pm4py"] / events / (ours / lines),
            "at least 15 times ours",
        ),
    ]
    sys.stdout.write(f"{machine()}\n\n" + "".join(f"| {' | '.join(row)} |\n" for row in table))
    sys.stdout.write(f"\nDuckDB alone:\n{SQL.format(said=COLUMNS, files='*.parquet')}\n\nor with {HASHED}\n\n")


def _line(name: str, took: float, ratio: float, target: str) -> tuple[str, ...]:
    return name, f"{took:.2f}", f"{ratio:.2f}", target


def _print_large(small: tuple[float, float, int, int], large: tuple[float, float, int, int]) -> None:
    growth = large[0] / small[0] / (large[2] / small[2])
    table = [
        (f"under a limit of {MEMORY_LIMIT}", "seconds", "peak memory"),
        ("---",) * 3,
        *(
            (f"{events:,} lines about orders", f"{took:.1f}", f"{peak:,.0f} MB")
            for took, peak, events, _ in (small, large)
        ),
    ]
    sys.stdout.write("".join(f"| {' | '.join(row)} |\n" for row in table))
    sys.stdout.write(f"\nThe large log takes {growth:.2f} of what is proportional (target: at most 1.25).\n")


if __name__ == "__main__":
    main()
