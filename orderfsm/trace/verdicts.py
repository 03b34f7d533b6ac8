"""What a judge says: of a history, where it breaks the rules, and of a trace of many orders."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

import attrs

from orderfsm import showing
from orderfsm.errors import NotConforming
from orderfsm.questions import ORDER_LIFECYCLE
from orderfsm.verdict import Uncertain

if TYPE_CHECKING:
    from orderfsm.identity import Id
    from orderfsm.lifecycle import Lifecycle
    from orderfsm.rows import State, Trigger

    from .lines import BadLine
    from .reading import Reading


class Finding(Uncertain, StrEnum):
    """The verdict on a history. It is no condition: compare it, or ask the report for its `ok`."""

    CONFORMS = "conforms"
    VIOLATES = "violates"
    UNDECIDED = "undecided"

    @classmethod
    def of_all(cls, *, violating: int, undecided: int) -> Finding:
        """The verdict on many orders: one that violates the table decides the whole, then one that is undecided."""
        if violating:
            return cls.VIOLATES
        return cls.UNDECIDED if undecided else cls.CONFORMS


class _HasVerdict(Protocol):
    @property
    def verdict(self) -> Finding: ...


class Judged(Uncertain):
    """What has a `verdict` on histories or a server. It is no condition: ask `ok`."""

    __slots__ = ()
    _instead = "ask its `.ok`, or call `.raise_for_violations()`"

    @property
    def ok(self: _HasVerdict) -> bool:
        """Whether it conforms: not if it violates the table, nor if that is undecided."""
        return self.verdict is Finding.CONFORMS

    def raise_for_violations(self: _HasVerdict) -> None:
        """`NotConforming`, with the report as its message, unless it conforms."""
        if self.verdict is not Finding.CONFORMS:
            raise NotConforming(self)

    @property
    def badge(self: _HasVerdict) -> showing.Html:
        """The verdict in its colour."""
        finding = self.verdict
        return showing.badge(finding, None if finding is Finding.UNDECIDED else finding is Finding.CONFORMS)


@attrs.frozen
class Judgement(Judged):
    """The verdict on one order's history.

    If it violates the table: `index` of the first line after which no run is left (from 0, in order of time, without
    account lines and bad lines), the states `possible` just before it, unseen events counted in (None: no order), and
    the triggers that are `legal` in one of them. `holds_quota`: the history conforms, no renewal began the order
    without a unit, and it holds its unit of the package wherever it may stand. `ends` are the states, in table order,
    in which an order that conforms may stand after its last line, unseen events not counted in.
    """

    verdict: Finding
    index: int | None = None
    possible: tuple[State | None, ...] = ()
    legal: tuple[Trigger, ...] = ()
    holds_quota: bool = False
    lifecycle: Lifecycle = attrs.field(default=ORDER_LIFECYCLE, eq=False, repr=False)
    ends: tuple[State | None, ...] = attrs.field(default=(), eq=False, repr=False)

    def __str__(self) -> str:
        if self.index is None:
            return str(self.verdict)
        return (
            f"{self.verdict} at line {self.index}: it could only be in "
            f"{', '.join(map(self.lifecycle.name_of, self.possible))}, where {', '.join(self.legal)} are allowed"
        )

    def _repr_html_(self) -> str:  # as IPython calls it
        name = self.lifecycle.name_of
        return showing.card(
            f"a history of one {self.lifecycle.noun}" if self.index is None else f"at line {self.index}",
            showing.facts(
                ("could only be in", ", ".join(map(name, self.possible))),
                ("allowed there", ", ".join(self.legal)),
                ("may now be in", ", ".join(map(name, self.ends))),
                ("quota", "it holds its unit" if self.holds_quota else None),
            ),
            said=self.badge,
        )


@attrs.frozen
class Violation:
    """Where an order breaks the rules: `file` and `line`, and what is `said` there; the rest is as in `Judgement`."""

    order_id: Id
    index: int
    file: str
    line: int
    said: Reading
    possible: tuple[State | None, ...]
    legal: tuple[Trigger, ...]
    lifecycle: Lifecycle = attrs.field(default=ORDER_LIFECYCLE, eq=False, repr=False)

    def __str__(self) -> str:
        return (
            f"{self.file}:{self.line}: {self.lifecycle.noun} {self.order_id} violates the table: {self.said}\n"
            f"  it could only be in:  {', '.join(map(self.lifecycle.name_of, self.possible))}\n"
            f"  allowed there:        {', '.join(self.legal)}"
        )

    def as_json(self) -> dict[str, Any]:
        """The violation in the document of `orderfsm replay`; no order is `null`."""
        return {
            self.lifecycle.identity.key: self.order_id,
            "file": self.file,
            "line": self.line,
            "possible": [state if state is None else str(state) for state in self.possible],
            "legal": list(map(str, self.legal)),
        }


@attrs.frozen(kw_only=True)
class Report(Judged):
    """What a trace of many orders comes to.

    `orders`: how many were judged. `lines`: how many there are, without headers and empty ones; `account_lines`,
    `other_lines`, of tables by which nothing was judged, and `bad_lines` are among them. `violations`, and the ids of
    the orders that are `undecided` or are `holding_quota` (see `Judgement`), go by order id. In a trace of several
    tables they go by table first, and `parts` are the reports on each, without its lines.
    """

    orders: int
    lines: int
    account_lines: int
    bad_lines: tuple[BadLine, ...]
    violations: tuple[Violation, ...]
    undecided: tuple[Id, ...]
    holding_quota: tuple[Id, ...]
    lifecycle: Lifecycle = attrs.field(default=ORDER_LIFECYCLE, eq=False, repr=False)
    other_lines: int = 0
    parts: tuple[Report, ...] = ()

    @property
    def conforms(self) -> int:
        """How many orders conform."""
        return self.orders - len(self.violations) - len(self.undecided)

    @property
    def verdict(self) -> Finding:
        """The verdict on all orders together."""
        return Finding.of_all(violating=len(self.violations), undecided=len(self.undecided))

    def __str__(self) -> str:
        """What `orderfsm replay` prints: the first violations, undecided orders and bad lines, then the counts."""
        parts = self.parts or (self,)
        undecided = [
            f"{part.lifecycle.noun} {order} is undecided: a line of it can be read in two ways"
            for part in parts
            for order in part.undecided
        ]
        bad = [f"bad line: {line}" for line in self.bad_lines]
        return "\n".join(
            [
                *_first(list(map(str, self.violations)), "violations"),
                *_first(undecided, f"undecided {parts[0].lifecycle.noun if len(parts) == 1 else 'order'}s"),
                *_first(bad, "bad lines"),
                f"{self.verdict}: {self._summary}",
            ]
        )

    @property
    def _summary(self) -> str:
        what = ", ".join(f"{part.orders} {part.lifecycle.noun}s" for part in self.parts or (self,))
        other = f", {self.other_lines} of other tables" if self.other_lines else ""
        return (
            f"{what}, {self.conforms} conform, {len(self.violations)} violate the "
            f"table, {len(self.undecided)} are undecided; {self.lines} lines, {len(self.bad_lines)} of them bad{other}"
        )

    def _repr_html_(self) -> str:  # as IPython calls it
        """The counts, then the first violations, undecided orders and bad lines."""
        rows = [
            (
                f"{each.lifecycle.noun} {each.order_id}",
                f"{each.file}:{each.line}",
                str(each.said),
                ", ".join(map(each.lifecycle.name_of, each.possible)),
                ", ".join(each.legal),
            )
            for each in self.violations
        ]
        columns = ("", "line", "said", "could only be in", "allowed there")
        undecided = [(f"{part.lifecycle.noun} {order}",) for part in self.parts or (self,) for order in part.undecided]
        bad = [(str(line),) for line in self.bad_lines]
        return showing.card(
            self._summary,
            showing.table(columns, rows, most=SHOWN),
            showing.folded("undecided", showing.table(("a line can be read in two ways",), undecided, most=SHOWN)),
            showing.folded("bad lines", showing.table(("not read",), bad, most=SHOWN)),
            said=self.badge,
        )

    def as_json(self) -> dict[str, Any]:
        """The document of `orderfsm replay`.

        Of a trace of several tables it also says how the orders of each of them came out, or how many lines are `other`
        ones: of the account, or of a table by which nothing was judged.
        """
        document: dict[str, Any] = {
            "table": ",".join(part.lifecycle.name for part in self.parts or (self,)),
            "verdict": str(self.verdict),
            "orders": self.orders,
            "lines": self.lines,
            "bad_lines": len(self.bad_lines),
            "violations": [violation.as_json() for violation in self.violations],
            "undecided": list(self.undecided),
        }
        if self.parts or self.other_lines:
            document["other"] = self.account_lines + self.other_lines
        if self.parts:
            document["tables"] = {part.lifecycle.name: part.counts for part in self.parts}
        return document

    @property
    def counts(self) -> dict[str, Any]:
        """How the orders came out, in numbers."""
        return {
            "verdict": str(self.verdict),
            "orders": self.orders,
            "conforms": self.conforms,
            "violates": len(self.violations),
            "undecided": len(self.undecided),
        }


SHOWN = 20
"""How many violations, undecided orders and bad lines the text of a report names; `as_json` has all."""


def _first(texts: list[str], what: str) -> list[str]:
    more = len(texts) - SHOWN
    return texts[:SHOWN] + ([f"... {more} more {what}"] if more > 0 else [])
