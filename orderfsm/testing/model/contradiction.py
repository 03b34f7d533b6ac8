"""What of an answer the table does not explain."""

from __future__ import annotations

from enum import StrEnum
from typing import TypeAlias

Once: TypeAlias = tuple[object, ...]
"""What every program would fail of: what is told once has the same one."""


class Kind(StrEnum):
    """What a contradiction is about; the gravest first."""

    STATE_MACHINE = "state machine"
    QUOTA = "quota"
    CODES = "codes"
    SHAPES = "shapes"


class Contradiction(Exception):
    """What of an answer the table does not explain: what was `expected`, and what was `got` instead.

    `passing`: the server did not answer, or failed, or was busy. That contradicts the table only if it does so always.
    `itself`: it is the answer's own fault, and shows no effect of what was done before. `once`: what it is of, if every
    program would show it. `fatal`: nobody knows any more where the orders are, so that nothing after it can be judged.
    """

    def __init__(
        self,
        expected: str,
        got: str,
        kind: Kind = Kind.STATE_MACHINE,
        *,
        passing: bool = False,
        fatal: bool | None = None,
        itself: bool = False,
        once: Once | None = None,
    ) -> None:
        super().__init__(expected, got)
        self.expected, self.got, self.kind, self.passing = expected, got, kind, passing
        self.fatal = passing or (kind is Kind.STATE_MACHINE if fatal is None else fatal)
        self.itself, self.once = itself, once

    def __str__(self) -> str:
        return f"expected {self.expected}, got {self.got}"
