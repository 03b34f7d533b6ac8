"""The rulings on the histories of an audit, and the orders that have them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import attrs
import narwhals as nw
import pyarrow as pa

from orderfsm.audit.columns import type_of_ids
from orderfsm.audit.keeping.histories import witnessed
from orderfsm.audit.report import BEFORE, WITH_BEFORE, Avoidable, Held, Seen, Violation
from orderfsm.trace import Finding, Reading

from .judge import History, Judge, Ruling, is_tied
from .orders import KNOWN, Orders

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from orderfsm.audit.engines.engine import Engine, Frame
    from orderfsm.identity import Id
    from orderfsm.lifecycle import Lifecycle

    from .counts import Counts


class _Wrong(NamedTuple):
    """The row of an order that violates the table."""

    order_id: Id
    variant: int
    at: int
    verdict: str | None
    wrong: int | None
    file: str | None
    line: int | None
    witnessed: str | None

    @property
    def is_new(self) -> bool:
        return self.verdict != Finding.VIOLATES


class _Stands(NamedTuple):
    """When a line was, and where it stands."""

    time: int
    place: int


class Variant(NamedTuple):
    """A distinct history, and the ruling on it."""

    ruling: Ruling
    history: History


_FOUND = {
    "variant": pa.int64(),
    "at": pa.int64(),
    **dict.fromkeys(("violates", "undecided", "holds", "waits"), pa.bool_()),
    "foreseeable": pa.int64(),
}


class _Table:
    """The columns `_FOUND`, by the keys by which orders find theirs; their types are `keys`."""

    def __init__(self, keys: Mapping[str, pa.DataType]) -> None:
        self._keys = dict(keys)
        self.rows: list[tuple[Any, ...]] = []

    def join(self, orders: Frame, engine: Engine) -> Frame:
        """The `orders` that find any."""
        kinds = self._keys | _FOUND
        columns = list(zip(*self.rows, strict=True)) or [()] * len(kinds)
        arrays = [pa.array(column, kind) for column, kind in zip(columns, kinds.values(), strict=True)]
        table = pa.table(arrays, list(kinds))
        joined = orders.join(engine.small(table), on=list(self._keys), how="inner")
        return joined.select("order_id", "first", "last", *KNOWN, *_FOUND)


@attrs.frozen
class JudgedOrders:
    """The orders of a log, judged; `variants` are their distinct histories, each long one by itself.

    In the frame `found` there is for each order its id, when its `first` and its `last` line was, `KNOWN`, the number
    of its variant, `at` which of its new lines it violates the table (-1 if at an earlier one, or not at all), whether
    it does, or is undecided, whether it holds quota, whether it waits for its client, and how many of its refusals were
    `foreseeable`.
    """

    variants: Sequence[Variant]
    found: Frame
    _orders: Orders
    _judge: Judge

    @classmethod
    def of(cls, orders: Orders, judge: Judge, counts: Counts, *, all_orders: bool) -> JudgedOrders:
        """Judge each history, and count it.

        If not `all_orders`, those are not found that conform, of which nothing else is listed.
        """
        by_words = _Table(dict.fromkeys(["known", *orders.how.words], pa.int64()))
        by_order = _Table({"order_id": type_of_ids(judge.lifecycle.identity)})
        variants: list[Variant] = []

        def settle(table: _Table, key: tuple[Id, ...], known: int, history: History, count: int) -> None:
            ruling = judge(history)
            counts.add(history, ruling, count)
            violates, undecided = (ruling.finding is each for each in (Finding.VIOLATES, Finding.UNDECIDED))
            holds, waits = ruling.judgement.holds_quota, judge.waits(ruling)
            if all_orders or violates or undecided or holds or waits or ruling.foreseeable:
                at = -1 if ruling.line is None else ruling.line - orders.history(known).lines
                found = violates, undecided, holds, waits, ruling.foreseeable
                table.rows.append((*key, len(variants), max(at, -1), *found))
                variants.append(Variant(ruling, history))

        for key, history, count in orders.distinct():
            settle(by_words, key, key[0], history, count)
        for order, known, history in orders.long():
            settle(by_order, (order,), known, history, 1)
        found = by_words.join(orders.short, orders.engine)
        if by_order.rows:
            found = nw.concat([found, by_order.join(orders.frame, orders.engine)])
        return cls(variants, found, orders, judge)

    @property
    def lifecycle(self) -> Lifecycle:
        """The table of the orders."""
        return self._judge.lifecycle

    def waits(self, ruling: Ruling) -> bool:
        """Whether an order that has this ruling waits for its client."""
        return self._judge.waits(ruling)

    def rows(self) -> Iterator[pa.RecordBatch]:
        """The orders by their ids: id, number of the variant, when the first and the last line was."""
        return self._orders.engine.stream(self.found.select("order_id", "variant", "first", "last").sort("order_id"))

    def violations(self) -> list[Violation]:
        """The violations by order id, each with its line, who was behind it, and the lines before it."""
        engine = self._orders.engine
        wrong = engine.keep(self.found.filter(nw.col("violates")).select("order_id", "variant", "at", *KNOWN))
        rows = [_Wrong(**row) for row in engine.table(wrong.sort("order_id")).to_pylist()]
        if not rows:
            return []
        near = self._near(wrong)
        told = {row.order_id for row in sorted(rows, key=lambda row: (not row.is_new, row.order_id))[:WITH_BEFORE]}
        before = {row.order_id: self._before(row) for row in rows if row.order_id in told}
        places = {near[row.order_id, row.at].place for row in rows if row.at >= 0}
        places |= {
            near[order, n].place
            for order, lines in before.items()
            for n, _ in lines
            if n is not None and (order, n) in near
        }
        who = self._orders.log.contexts(places) if places else {}

        def seen(order: Id, n: int | None, said: Reading) -> Seen:
            stands = None if n is None else near.get((order, n))
            if stands is None:
                return Seen(said)
            return Seen(said, stands.time, *self._orders.log.at(stands.place), who.get(stands.place, {}))

        violations = []
        for row in rows:
            ruling = self.variants[row.variant].ruling
            judgement = ruling.judgement
            if judgement.index is None or ruling.said is None:
                continue
            lines = tuple(seen(row.order_id, n, said) for n, said in before.get(row.order_id, ()))
            if row.at >= 0:
                at = seen(row.order_id, row.at, ruling.said)
            elif row.wrong == ruling.line:
                time, who_was, lines = witnessed(row.witnessed, self._judge.lifecycle)
                at = Seen(ruling.said, time, row.file, row.line, who_was)
            else:
                # An earlier audit read the line, and did not take it for a violation: a renewal has turned out since to
                # have begun the order, say. Nobody knows any more where it stood.
                at = Seen(ruling.said)
            violations.append(
                Violation(
                    **attrs.asdict(at, recurse=False),
                    order_id=row.order_id,
                    index=judgement.index,
                    possible=judgement.possible,
                    legal=judgement.legal,
                    before=lines,
                    is_new=row.is_new,
                    lifecycle=self._judge.lifecycle,
                )
            )
        return violations

    def _near(self, wrong: Frame) -> dict[tuple[Id, int], _Stands]:
        """When the new lines around a violation were, and where they stand; by order, and by number among its lines."""
        at = wrong.filter(nw.col("at") >= 0).select("order_id", "at")
        lines = self._orders.lines(at).join(at, on="order_id", how="inner")
        n = nw.col("n")
        near = lines.filter((n >= nw.col("at") - BEFORE) & (n <= nw.col("at") + BEFORE))
        columns = self._orders.engine.table(near.select("order_id", "n", "instant", "place")).columns
        rows = zip(*(column.to_pylist() for column in columns), strict=True)
        return {(order, number): _Stands(time, place) for order, number, time, place in rows}

    def _before(self, row: _Wrong) -> list[tuple[int | None, Reading]]:
        """What an order's lines before its violation say, each with its number among the new ones, if it is one.

        Those of the same second may have been before it as well.
        """
        ruling, history = self.variants[row.variant]
        at = (ruling.line or 0) - (history.summary.lines if history.summary else 0)
        if at < 0:
            return []
        codes = history.codes
        end = at + 1
        while end < len(codes) and end <= at + BEFORE and is_tied(codes[end]):
            end += 1
        new_from = at - row.at if row.at >= 0 else len(codes)
        chosen = [*range(max(at - BEFORE, 0), at), *range(at + 1, end)]
        readings = self._judge.readings([codes[each] for each in chosen])
        return [
            (each - new_from if each >= new_from else None, said) for each, said in zip(chosen, readings, strict=True)
        ]

    def undecided(self) -> tuple[tuple[Id, ...], int]:
        """The ids of the orders that are undecided; and how many of them were not at the last audit."""
        rows = self.found.filter(nw.col("undecided")).select("order_id", "verdict").sort("order_id")
        ids, before = self._orders.engine.table(rows).columns
        return tuple(ids.to_pylist()), sum(each != Finding.UNDECIDED for each in before.to_pylist())

    def held(self, end: int | None, top: int) -> tuple[Held, ...]:
        """The orders that hold quota and whose last line is the longest before the log's `end`."""
        return self._oldest("holds", end, top)

    def left(self, end: int | None, top: int) -> tuple[Held, ...]:
        """The orders that wait for their client, likewise."""
        return self._oldest("waits", end, top)

    def avoidable(self, top: int) -> tuple[Avoidable, ...]:
        """The orders with the most refusals that a check before the call would have saved."""
        count = nw.col("foreseeable")
        chosen = self.found.filter(count > 0).with_columns(less=-count).sort("less", "order_id").head(top)
        rows = self._orders.engine.table(chosen.select("order_id", "foreseeable")).to_pylist()
        key = self._judge.lifecycle.identity.key
        return tuple(Avoidable(row["order_id"], row["foreseeable"], key) for row in rows)

    def _oldest(self, column: str, end: int | None, top: int) -> tuple[Held, ...]:
        chosen = self.found.filter(nw.col(column)).select("order_id", "last").sort("last", "order_id").head(top)
        rows = self._orders.engine.table(chosen).to_pylist()
        key = self._judge.lifecycle.identity.key
        return tuple(Held(row["order_id"], row["last"], (end or 0) - row["last"], key) for row in rows)
