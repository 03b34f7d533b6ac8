"""The conformance kit beside an older build: over HTTP against the mock of the same build, and in process."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from benchmarks.rows import OLDER, Goal, Lacking, Run, row

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAMS, SEED = 100, 7
COMMAND = [sys.executable, "-c", "import sys; from orderfsm.cli import main; sys.exit(main())"]


@contextmanager
def served() -> Iterator[dict[str, str]]:
    """The URLs of a mock in a process of its own, which has ended after that."""
    process = subprocess.Popen([*COMMAND, "serve"], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
    finally:
        process.terminate()
        process.wait()


@row(
    f"`orderfsm conform` against the mock of the same build, {PROGRAMS} random programs; CPU is that of both",
    Goal("s", 1 / 2.5, OLDER),
)
def http(_run: Run) -> dict[str, float]:
    begun = time.perf_counter()
    with served() as urls:
        asked = ["--random", str(PROGRAMS), "--seed", str(SEED), "--budget", "800s", "--json"]
        command = [*COMMAND, "conform", urls["api"], "--control", urls["control"], *asked]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - begun
    if "is not installed" in done.stderr:
        raise Lacking(done.stderr.strip())
    report = json.loads(done.stdout)
    assert report["verdict"] == "conforms", report
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    answers = report["checked"]
    return {"s": seconds, "answers/s": answers / seconds, "s of CPU": used.ru_utime + used.ru_stime, "answers": answers}


@row(f"`check_conformance` of the mock in process, {PROGRAMS} random programs: CPU")
def in_process(_run: Run) -> dict[str, float]:
    from orderfsm.mock import Service
    from orderfsm.testing import ServiceDriver, check_conformance

    begun = time.process_time()
    report = check_conformance(ServiceDriver(Service()), random=PROGRAMS, seed=SEED, budget=800)
    used = time.process_time() - begun
    assert str(report.verdict) == "conforms", report
    return {"s of CPU": used, "answers/s": report.checked / used}
