"""What the histories of an audit came to, and the orders that have them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import attrs

from orderfsm.extras import needs
from orderfsm.trace import Finding

from .columns import at_place
from .orders import PLACE
from .report import Held, Violation

with needs("audit"):
    import narwhals as nw
    import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .engines.engine import Engine
    from .orders import Orders
    from .tally import Tally
    from .verdicts import History, Judge, Verdict


class Outcome(NamedTuple):
    """What a history came to."""

    verdict: Verdict
    history: History


_FOUND = {"outcome": pa.int64(), "at": pa.int64(), "violates": pa.bool_(), "undecided": pa.bool_(), "holds": pa.bool_()}


class _Table:
    """The columns `_FOUND`, by the `keys` by which orders find theirs."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = list(keys)
        self.rows: list[tuple[Any, ...]] = []

    def join(self, orders: nw.LazyFrame[Any], engine: Engine) -> nw.LazyFrame[Any]:
        """The `orders` that find any."""
        kinds = dict.fromkeys(self._keys, pa.int64()) | _FOUND
        columns = list(zip(*self.rows, strict=True)) or [()] * len(kinds)
        arrays = [pa.array(column, kind) for column, kind in zip(columns, kinds.values(), strict=True)]
        table = pa.table(arrays, list(kinds))
        joined = orders.join(engine.small(table), on=self._keys, how="inner")
        return joined.select("order_id", "first", "last", *PLACE, *_FOUND)


@attrs.frozen
class Outcomes:
    """What `every` distinct history came to, each long one by itself.

    In the frame `found` there is for each order its id, when its `first` and its `last` line was, `PLACE`, the number
    of its outcome, `at` which of its new lines it violates the table (-1 if at an earlier one, or not at all), whether
    it does, or is undecided, and whether it holds quota.
    """

    every: Sequence[Outcome]
    found: nw.LazyFrame[Any]
    _orders: Orders

    @classmethod
    def of(cls, orders: Orders, judge: Judge, tally: Tally, *, all_orders: bool) -> Outcomes:
        """Judge each history, and count it; if not `all_orders`, those that conform and hold no quota are not found."""
        by_words, by_order = _Table(["known", *orders.how.words]), _Table(["order_id"])
        every: list[Outcome] = []

        def settle(table: _Table, key: tuple[int, ...], known: int, history: History, count: int) -> None:
            verdict = judge(history)
            tally.add(history, verdict, count)
            violates, undecided = (verdict.judgement.verdict is each for each in (Finding.VIOLATES, Finding.UNDECIDED))
            if all_orders or violates or undecided or verdict.judgement.holds_quota:
                at = -1 if verdict.line is None else verdict.line - orders.history(known).lines
                table.rows.append((*key, len(every), max(at, -1), violates, undecided, verdict.judgement.holds_quota))
                every.append(Outcome(verdict, history))

        for key, history, count in orders.distinct():
            settle(by_words, key, key[0], history, count)
        for order, known, history in orders.long():
            settle(by_order, (order,), known, history, 1)
        found = by_words.join(orders.short, orders.engine)
        if by_order.rows:
            found = nw.concat([found, by_order.join(orders.frame, orders.engine)])
        return cls(every, found, orders)

    def rows(self) -> Iterator[pa.RecordBatch]:
        """The orders by their ids: id, number of the outcome, when the first and the last line was."""
        return self._orders.engine.stream(self.found.select("order_id", "outcome", "first", "last").sort("order_id"))

    def violations(self) -> list[Violation]:
        """The violations by order id, each with its line."""
        engine, log = self._orders.engine, self._orders.log
        wrong = engine.keep(self.found.filter(nw.col("violates")).select("order_id", "outcome", "at", *PLACE))
        rows = engine.table(wrong.sort("order_id")).to_pylist()
        if not rows:
            return []
        at = wrong.select("order_id", n="at")
        placed = self._orders.lines(wrong).join(at, on=["order_id", "n"], how="inner").select("order_id", "place")
        places = {row["order_id"]: at_place(row["place"]) for row in engine.table(placed).to_pylist()}
        violations = []
        for row in rows:
            verdict = self.every[row["outcome"]].verdict
            # The state knows where another line stood, if it has since turned out that a renewal began the order.
            file, line = (row["file"], row["line"]) if row["wrong"] == verdict.line else (None, None)
            if row["order_id"] in places:
                number, line = places[row["order_id"]]
                file = log.names[number] if log.names else None
            judgement, said = verdict.judgement, verdict.said
            if judgement.index is not None and said is not None:
                violations.append(
                    Violation(row["order_id"], judgement.index, file, line, said, judgement.possible, judgement.legal)
                )
        return violations

    def undecided(self) -> tuple[int, ...]:
        """The ids of the orders that are undecided."""
        rows = self._orders.engine.table(self.found.filter(nw.col("undecided")).select("order_id").sort("order_id"))
        return tuple(rows.column(0).to_pylist())

    def held(self, end: int | None, top: int) -> tuple[Held, ...]:
        """The orders that hold quota and whose last line is the longest before the log's `end`."""
        holding = self.found.filter(nw.col("holds")).select("order_id", "last").sort("last", "order_id").head(top)
        rows = self._orders.engine.table(holding).to_pylist()
        return tuple(Held(row["order_id"], row["last"], (end or 0) - row["last"]) for row in rows)
