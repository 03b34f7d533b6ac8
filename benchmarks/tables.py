"""The lines of the two tables, and how they are printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

TARGETS = ("what", "orderfsm", "compared to", "baseline", "ratio", "target", "met")
PEERS = (
    "library",
    "may I? legal, ns",
    "may I? illegal, ns",
    "transition, ns",
    "refusal, ns",
    "create, ns",
    "bytes",
    "import, ms",
)


@attrs.frozen
class Target:
    """One thing measured beside its baseline; `limit` is for the ratio or, if `absolute`, for ours in its own unit."""

    name: str
    ours: float
    baseline_name: str
    baseline: float
    limit: float | None
    unit: str = "ns"
    absolute: bool = False

    @property
    def ratio(self) -> float:
        """How many times the baseline ours is."""
        return self.ours / self.baseline

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None if there is none."""
        return None if self.limit is None else (self.ours if self.absolute else self.ratio) <= self.limit

    def cells(self) -> list[str]:
        """The line as it is printed."""
        return [
            self.name,
            _amount(self.ours, self.unit),
            self.baseline_name,
            _amount(self.baseline, self.unit),
            f"{self.ratio:.2f}",
            "-" if self.limit is None else f"at most {self.limit:g} {self.unit if self.absolute else 'x'}",
            {None: "-", True: "yes", False: "**no**"}[self.met],
        ]


@attrs.frozen(kw_only=True)
class Peer:
    """What one library costs: nanoseconds, bytes and milliseconds; None where it has no public way."""

    name: str
    legal: float | None = None
    illegal: float | None = None
    transition: float
    refusal: float
    create: float
    bytes: float
    import_ms: float

    def cells(self) -> list[str]:
        """The line as it is printed."""
        whole = (self.legal, self.illegal, self.transition, self.refusal, self.create, self.bytes)
        return [self.name, *("-" if number is None else f"{number:,.0f}" for number in whole), f"{self.import_ms:.1f}"]


def markdown(head: Sequence[str], lines: Iterable[Target | Peer]) -> str:
    """The lines as a markdown table."""
    rows = [list(head), ["---"] * len(head), *(line.cells() for line in lines)]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _amount(number: float, unit: str) -> str:
    return f"{number:.{1 if unit == 'ms' else 0}f} {unit}"
