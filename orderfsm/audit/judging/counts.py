"""What is counted over the distinct histories of an audit."""

from __future__ import annotations

from collections import Counter
from heapq import nlargest, nsmallest
from typing import TYPE_CHECKING, NamedTuple

from orderfsm.audit.report import Common, Refused

if TYPE_CHECKING:
    from orderfsm.rows import State, Transition, Trigger
    from orderfsm.trace import Finding

    from .judge import History, Judge, Ruling


class _Listed(NamedTuple):
    orders: int
    ruling: Ruling


class Counts:
    """Counts histories as they are judged."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self.lifecycle = judge.lifecycle
        self._refused: Counter[tuple[Trigger, bool]] = Counter()
        self._listed: dict[tuple[int, ...], _Listed] = {}
        self.findings: Counter[Finding] = Counter()
        self._standing: Counter[tuple[State | None, ...]] = Counter()
        self.holding = self.longer = self.unseen = self.waiting = 0

    def add(self, history: History, ruling: Ruling, orders: int) -> None:
        """Count a history that so many `orders` have."""
        self.findings[ruling.finding] += orders
        self.holding += orders * ruling.judgement.holds_quota
        self.unseen += orders * ruling.unseen
        self.waiting += orders * self._judge.waits(ruling)
        if ruling.judgement.ends:
            self._standing[ruling.judgement.ends] += orders
        for key, times in ruling.refused.items():
            self._refused[key] += times * orders
        if history.is_long:
            self.longer += orders
        else:
            counted = self._listed.get(history.codes, _Listed(0, ruling)).orders
            self._listed[history.codes] = _Listed(counted + orders, ruling)

    @property
    def distinct(self) -> int:
        """How many distinct histories there were, the longer ones aside."""
        return len(self._listed)

    def commonest(self, top: int) -> tuple[Common, ...]:
        """The histories that most orders have.

        Ties go by what is said, not by its number: so they are the same on every engine, whatever was read first.
        """
        least = min(nlargest(top, (listed.orders for listed in self._listed.values())), default=0)
        chosen = nsmallest(
            top,
            (
                (-listed.orders, [str(reading) for reading in self._judge.readings(codes)], codes)
                for codes, listed in self._listed.items()
                if listed.orders >= least
            ),
        )
        return tuple(
            Common(tuple(self._judge.readings(codes)), -count, self._listed[codes].ruling.finding)
            for count, _, codes in chosen
        )

    def standing(self) -> dict[str, int]:
        """How many of the orders that conform stand where after their last line, most first."""
        name_of = self.lifecycle.name_of
        named = ((" or ".join(map(name_of, states)), orders) for states, orders in self._standing.items())
        return dict(sorted(named, key=lambda each: (-each[1], each[0])))

    def flow(self) -> dict[Transition | None, int]:
        """How often orders took each row of the table; None: their lines do not say which one."""
        rows: dict[int, Transition | None] = {}
        flow: Counter[int] = Counter()
        for codes, listed in self._listed.items():
            for step in self._judge.steps(codes, listed.ruling):
                # A row is the same object wherever it is taken; what is in it costs more to hash.
                flow[id(step)] += listed.orders
                rows[id(step)] = step
        return {rows[key]: count for key, count in flow.items()}

    def refusals(self) -> dict[str, Refused]:
        """How often each operation was refused by the state of the order, or because there is none."""
        return {
            str(each): Refused(self._refused[each, True] + self._refused[each, False], self._refused[each, True])
            for each in sorted({trigger for trigger, _ in self._refused})
        }
