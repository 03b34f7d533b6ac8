"""What `benchmarks.against` compares: rows, each of them a function that takes one sample in a process of its own.

In that process `orderfsm` is this build or an older one, and this package is this build's. So a module of rows imports
at its top nothing that an older build may lack, and adapts inside its functions.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

THIS, OLDER = "this build", "older build"
"""The two contenders of every row."""

ROUNDS = 5
"""How often each contender of a row is sampled, unless the row says."""

PREFIX = "against_"
"""How the names of the modules begin in which rows stand."""


class Lacking(Exception):
    """What a sample needs and is not here, as one line: a program, a library, a method of an older build."""


@attrs.frozen
class Run:
    """One run of the comparison: a `folder` that all its samples share, and whether it may take `long`."""

    folder: Path
    long: bool


@attrs.frozen
class Goal:
    """What a figure of this build is to be: `times` that `of` a contender, or `times` alone, in the figure's own unit.

    At least that if more of it is better, else at most.
    """

    figure: str
    times: float
    of: str | None = OLDER


@attrs.frozen
class Row:
    """What is compared: `says` what it is, `samples` are taken of each contender, by its name."""

    name: str
    says: str
    goals: tuple[Goal, ...]
    rounds: int
    module: str
    samples: Mapping[str, Callable[[Run], Mapping[str, float]]]


ROWS: dict[str, Row] = {}
"""All rows that were declared, by name."""


def row(
    says: str,
    *goals: Goal,
    peers: Mapping[str, Callable[[Run], Mapping[str, float]]] | None = None,
    rounds: int = ROUNDS,
) -> Callable[[Callable[[Run], Mapping[str, float]]], Callable[[Run], Mapping[str, float]]]:
    """Declare the function below as a row, sampled with both builds, and `peers`, other functions, beside it.

    A sample gives figures by their units, the same from each contender: `{"requests/s": 9100.0, "CPU, µs": 95.0}`. Of
    what ends in `/s` more is better, of everything else less. It raises `Lacking` if it cannot be taken here. The row's
    name is that of the function, behind that of its module: `memory` in `against_mock` is `mock-memory`.
    """

    def declare(sample: Callable[[Run], Mapping[str, float]]) -> Callable[[Run], Mapping[str, float]]:
        module = sample.__module__
        room = module.rpartition(".")[2].removeprefix(PREFIX)
        name = f"{room}-{sample.__name__}".replace("_", "-")
        ROWS[name] = Row(name, says, goals, rounds, module, {THIS: sample, OLDER: sample, **(peers or {})})
        return sample

    return declare


def load() -> dict[str, Row]:
    """All rows, by name."""
    for path in sorted(Path(__file__).parent.glob(f"{PREFIX}*.py")):
        import_module(f"benchmarks.{path.stem}")
    return ROWS


def sample() -> None:
    """Take the sample that the arguments name: module, row, contender, folder, and `long` or nothing.

    The last line of standard output is a JSON object: `figures`, or what is `lacking`.
    """
    module, name, contender, folder, *long = sys.argv[1:]
    import_module(module)
    try:
        said: dict[str, object] = {"figures": dict(ROWS[name].samples[contender](Run(Path(folder), bool(long))))}
    except Lacking as error:
        said = {"lacking": str(error)}
    sys.stdout.write(f"\n{json.dumps(said)}\n")
