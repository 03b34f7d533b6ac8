"""What a log costs that mixes orders and instances: `python -m benchmarks.mixed` audits it beside logs of one alone.

All are simulated, of about as many lines each; in the mixed one half of the lines are of instances, and the lines of
both stand in the same file, one after the other as they come. In each of the interleaved rounds each log is audited
once; compared is the processor time per line, by the medians.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from heapq import merge
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.core import machine
from orderfsm.audit import audit, simulate
from orderfsm.tables import named

if TYPE_CHECKING:
    from collections.abc import Iterator

ORDERS, INSTANCES, MIXED = LOGS = ("orders", "instances", "mixed")
LINES_OF = {ORDERS: 4.65, INSTANCES: 8.6}
"""How many lines a simulated order has, and an instance."""


def simulated(folder: Path, lines: int, form: str) -> Path:
    """The three logs; the mixed one is of halves of its own."""
    for share, place in ((1, folder), (2, folder / "halves")):
        for number, (name, each) in enumerate(LINES_OF.items()):
            orders = round(lines / share / each)
            simulate(place / name, orders=orders, seed=share + number, format=form, lifecycle=named(name))  # type: ignore[arg-type]
    (folder / MIXED).mkdir()
    halves = [sorted((folder / "halves" / name).glob(f"*.{form}")) for name in LINES_OF]
    (_jsonl if form == "jsonl" else _parquet)(halves, folder / MIXED / f"log.{form}")
    return folder


def _jsonl(halves: list[list[Path]], file: Path) -> None:
    def lines(files: list[Path]) -> Iterator[str]:
        for each in files:
            with each.open() as stream:
                next(stream)
                yield from stream

    with file.open("w") as stream:
        stream.write('{"trace": 1, "events": "complete"}\n')
        # Every line begins with its time.
        stream.writelines(merge(*map(lines, halves)))


def _parquet(halves: list[list[Path]], file: Path) -> None:
    tables = [pq.read_table(each) for files in halves for each in files]
    metadata = tables[0].schema.metadata
    joined = pa.concat_tables(tables, promote_options="default").sort_by("time")
    pq.write_table(joined.replace_schema_metadata(metadata), file, compression="zstd", row_group_size=1_000_000)


def main() -> None:
    """Measure, and print a table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--lines", type=int, default=1_000_000)
    arguments.add_argument("--rounds", type=int, default=5)
    chosen = arguments.parse_args()
    rows = [
        ("audit, DuckDB", "lines", *(f"{name}, us a line" for name in LOGS), "mixed : orders", "target"),
        ("---",) * 7,
    ]
    for form in ("parquet", "jsonl"):
        with tempfile.TemporaryDirectory() as temporary:
            folder = simulated(Path(temporary), chosen.lines, form)
            took: dict[str, list[float]] = {name: [] for name in LOGS}
            for _ in range(chosen.rounds):
                for name in LOGS:
                    start = time.process_time()
                    report = audit(folder / name)
                    took[name].append((time.process_time() - start) / (report.events + report.other) * 1e6)
        us = {name: median(times) for name, times in took.items()}
        cells = (f"{us[name]:.2f}" for name in LOGS)
        rows.append((form, f"{chosen.lines:,}", *cells, f"{us[MIXED] / us[ORDERS]:.2f}", "at most 1.1"))
    table = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    sys.stdout.write(f"{machine()}\n\n{table}")


if __name__ == "__main__":
    main()
