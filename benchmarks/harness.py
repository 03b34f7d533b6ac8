"""Measuring side by side: nanoseconds, bytes and import times, as medians of interleaved rounds.

A round takes one sample of everything that is compared, so that whatever else the machine does hits all alike.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import tracemalloc
from statistics import median
from timeit import Timer
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

BATCH = 0.005
"""The least seconds that a batch of one statement runs."""


@attrs.frozen(eq=False)
class Statement:
    """Code to be timed, with the `names` that it uses as its globals.

    `loop` is a loop of its own around the code, which stands at `{}`; `times` is how often one run of it does what is
    measured.
    """

    code: str
    names: Mapping[str, Any]
    loop: str = "{}"
    times: int = 1

    def timer(self) -> Timer:
        """A timer of the code in its loop."""
        return Timer(self.loop.format(self.code), globals=dict(self.names))

    def overhead(self) -> Timer:
        """A timer of the loop alone."""
        return Timer(self.loop.format("pass"), globals=dict(self.names))


class _Batch:
    """As many runs of a statement as take `BATCH`."""

    def __init__(self, statement: Statement) -> None:
        self.timer, self.overhead = statement.timer(), statement.overhead()
        self.runs = 1
        while self.timer.timeit(self.runs) < BATCH:
            self.runs *= 2
        self.times = self.runs * statement.times

    def sample(self) -> float:
        """Nanoseconds of one time, the loop's own subtracted."""
        return (self.timer.timeit(self.runs) - self.overhead.timeit(self.runs)) / self.times * 1e9


def nanoseconds(statements: Iterable[Statement], rounds: int) -> dict[Statement, float]:
    """The median cost of each statement over `rounds` interleaved rounds."""
    batches = {statement: _Batch(statement) for statement in statements}
    samples: dict[Statement, list[float]] = {statement: [] for statement in batches}
    for _ in range(rounds):
        for statement, batch in batches.items():
            samples[statement].append(batch.sample())
    return {statement: median(taken) for statement, taken in samples.items()}


def bytes_each(create: Callable[[int], object], ids: Sequence[int]) -> float:
    """What one object that `create` makes of an id holds in memory besides that id, by tracemalloc, over all `ids`."""
    kept: list[object] = [None] * len(ids)
    gc.collect()
    tracemalloc.start()
    try:
        for index, order_id in enumerate(ids):
            kept[index] = create(order_id)
        gc.collect()
        return tracemalloc.get_traced_memory()[0] / len(ids)
    finally:
        tracemalloc.stop()


def import_milliseconds(modules: Iterable[tuple[str, ...]], rounds: int) -> dict[tuple[str, ...], float]:
    """The median time to import the last module of each tuple once those before it are imported.

    Each sample is a fresh interpreter's own clock around the import. A first round, which is not counted, leaves the
    bytecode compiled.
    """
    samples: dict[tuple[str, ...], list[float]] = {key: [] for key in modules}
    for number in range(rounds + 1):
        for key, taken in samples.items():
            sample = _import_once(key)
            if number:
                taken.append(sample)
    return {key: median(taken) for key, taken in samples.items()}


def _import_once(modules: tuple[str, ...]) -> float:
    *before, last = modules
    code = f"""
import {", ".join(["time", *before])}
start = time.perf_counter()
import {last}
print((time.perf_counter() - start) * 1000)
"""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", code]
    child = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return float(child.stdout)
