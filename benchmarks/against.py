"""An older build beside this one, in one run: `python -m benchmarks.against REVISION [ROW ...]`.

The rows stand in the modules `against_*.py`; README.md says how to write one.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import tempfile
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import attrs

from benchmarks import rows, tables
from benchmarks.core import machine

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from benchmarks.rows import Goal, Row, Run

ROOT = Path(__file__).parent.parent
PATIENCE = 900
"""Seconds that one sample may take."""


class Failed(Exception):
    """A sample that ended in an error: the end of what it said."""


@attrs.frozen
class Measured:
    """The samples of a row, by contender and figure, and why contenders are left out."""

    row: Row
    samples: dict[str, list[dict[str, float]]]
    left_out: dict[str, str]

    def figures(self) -> list[str]:
        """The figures that this build has."""
        return list(self.samples[rows.THIS][0]) if self.samples[rows.THIS] else []

    def median(self, contender: str, figure: str) -> float:
        """The median of a contender's figure."""
        return median(each[figure] for each in self.samples[contender])


def extract(revision: str, folder: Path) -> str:
    """Put the package of an older build into `folder`; the short name of its commit."""

    def git(*arguments: str) -> bytes:
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=True).stdout

    commit = git("rev-parse", "--verify", "--short", f"{revision}^{{commit}}").decode().strip()
    with tarfile.open(fileobj=io.BytesIO(git("archive", commit, "orderfsm"))) as archive:
        archive.extractall(folder, filter="data")
    return commit


def take(row: Row, contender: str, run: Run, older: Path) -> dict[str, float]:
    """One sample, from a process of its own; nothing that it started lives on."""
    roots = [older, ROOT] if contender == rows.OLDER else [ROOT]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPATH"] = os.pathsep.join(map(str, roots))
    environment["HYPOTHESIS_NO_PLUGINS"] = "1"  # an older build may not have the one that is installed
    code = "from benchmarks.rows import sample; sample()"
    command = [sys.executable, "-c", code, row.module, row.name, contender, str(run.folder), *["long"][: run.long]]
    process = subprocess.Popen(
        command,
        cwd=run.folder,  # where no package lies that would be taken for a build
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        said, complained = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        raise Failed(f"not done in {PATIENCE} s") from None
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    if process.returncode:
        raise Failed(complained.strip()[-2000:] or f"exit status {process.returncode}")
    document: dict[str, Any] = json.loads(said.splitlines()[-1])
    if "lacking" in document:
        raise rows.Lacking(document["lacking"])
    return document["figures"]  # type: ignore[no-any-return]


def measure(row: Row, run: Run, older: Path, rounds: int | None) -> Measured:
    """A row's samples: in each round one of every contender, each time beginning with another."""
    contenders = list(row.samples)
    measured = Measured(row, {contender: [] for contender in contenders}, {})
    for number in range(row.rounds if rounds is None else rounds):
        first = number % len(contenders)
        for contender in contenders[first:] + contenders[:first]:
            if contender in measured.left_out:
                continue
            try:
                measured.samples[contender].append(take(row, contender, run, older))
            except rows.Lacking as error:
                measured.left_out[contender] = str(error)
            except Failed as error:
                measured.left_out[contender] = "failed"
                sys.stderr.write(f"{row.name}, {contender}: {error}\n")
    return measured


# -- what is printed -------------------------------------------------------------------------------------------------


def lines(measured: Measured, commit: str) -> Iterator[list[str]]:
    """The lines of a row: one for each figure and contender beside this build, or one that says why there are none."""
    row = measured.row
    others = [contender for contender in row.samples if contender != rows.THIS]
    for figure in measured.figures():
        ours = measured.median(rows.THIS, figure)
        start = [row.name, _amount(ours, figure)]
        for goal in row.goals:
            if goal.of is None and goal.figure == figure:
                yield [*start, "-", "-", "-", *_against(goal, ours)]
        for contender in others:
            name = commit if contender == rows.OLDER else contender
            if contender in measured.left_out:
                yield [*start, name, measured.left_out[contender], "-", "-", "-"]
                continue
            theirs = measured.median(contender, figure)
            ratio = ours / theirs if theirs else float("inf")
            goals = [goal for goal in row.goals if (goal.figure, goal.of) == (figure, contender)]
            for end in [_against(goal, ratio) for goal in goals] or [["-", "-"]]:
                yield [*start, name, _amount(theirs, figure), f"{ratio:.2f}", *end]
    if not measured.figures():
        yield [row.name, measured.left_out[rows.THIS], "-", "-", "-", "-", "-"]


def _against(goal: Goal, reached: float) -> list[str]:
    """The cells of a goal, and whether it is met."""
    more = goal.figure.endswith("/s")
    met = reached >= goal.times if more else reached <= goal.times
    unit = goal.figure if goal.of is None else "x"
    return [f"at {'least' if more else 'most'} {goal.times:.3g} {unit}", "yes" if met else "**no**"]


def _amount(value: float, figure: str) -> str:
    return f"{value:,.0f} {figure}" if value >= 100 else f"{value:.3g} {figure}"


def _print(line: Iterable[str]) -> None:
    sys.stdout.write(f"| {' | '.join(line)} |\n")
    sys.stdout.flush()


def main() -> None:
    """Measure the rows that were asked for, and print a line for each comparison as soon as it is known."""
    known = rows.load()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.against", description="An older build beside this one.")
    parser.add_argument("revision", metavar="REVISION", help="the older build: a commit of this repository")
    parser.add_argument("rows", metavar="ROW", nargs="*", help="names of rows, * and ? as in a shell; default: all")
    parser.add_argument("--long", action="store_true", help="the sizes that take long")
    parser.add_argument("--rounds", type=int, help="samples of each contender; default: as each row says")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all samples there, too")
    arguments = parser.parse_args()
    chosen = [each for name, each in known.items() if any(fnmatchcase(name, asked) for asked in arguments.rows or "*")]
    if not chosen or (arguments.rounds is not None and arguments.rounds < 1):
        parser.error(f"nothing to measure; the rows are {', '.join(known)}")
    with tempfile.TemporaryDirectory(prefix="orderfsm-against-") as name:
        folder, older = Path(name, "shared"), Path(name, "older")
        folder.mkdir()
        try:
            commit = extract(arguments.revision, older)
        except subprocess.CalledProcessError as error:
            parser.error(f"no build of {arguments.revision!r}: {error.stderr.decode().strip()}")
        run = rows.Run(folder, arguments.long)
        sys.stdout.write(f"{machine()}; medians of interleaved rounds\n\n")
        sys.stdout.write("".join(f"* `{each.name}`: {each.says}\n" for each in chosen) + "\n")
        for line in (tables.TARGETS, ["---"] * len(tables.TARGETS)):
            _print(line)
        done = []
        for each in chosen:
            done.append(measure(each, run, older, arguments.rounds))
            for line in lines(done[-1], commit):
                _print(line)
    if arguments.json:
        document = {"machine": machine(), "revision": commit, "rows": {each.row.name: each.samples for each in done}}
        arguments.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    if any("failed" in each.left_out.values() for each in done):
        sys.exit(1)


if __name__ == "__main__":
    main()
