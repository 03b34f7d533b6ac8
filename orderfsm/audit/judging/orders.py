"""The orders of a log, and of a state: how an engine sorts, packs and groups their histories."""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import attrs
import narwhals as nw

from orderfsm.audit.columns import moment
from orderfsm.invalid import InvalidValue

from .judge import History
from .packing import Packing, judged_lines, numbered, packed, whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from os import PathLike

    from orderfsm.audit.engines.engine import Engine, Frame
    from orderfsm.audit.reading.log import Log
    from orderfsm.audit.reading.symbols import Meanings
    from orderfsm.identity import Id

KNOWN = ("verdict", "wrong", "file", "line", "witnessed")
"""What an earlier audit found of an order: the verdict; which of its lines was the violation, where that stood, and who
was behind it, as a state keeps that."""


@attrs.frozen
class Orders:
    """The orders of a log, and of a state with the histories that are `known` of them.

    In the `frame` there is for each order its id; the number of its `known` history, 0 for none; its new lines, as far
    as the words hold them, and how many `lines` these are; when the `first` and the `last` of all was; `KNOWN`.
    """

    engine: Engine
    log: Log
    how: Packing
    frame: Frame
    _pieces: Frame
    _meanings: Meanings
    _known: Sequence[History]

    @classmethod
    def of(
        cls,
        engine: Engine,
        log: Log,
        meanings: Meanings,
        *,
        known: Sequence[History],
        state_file: str | PathLike[str] | None,
        tell: Callable[[int], object],
    ) -> Orders:
        """Sort and pack; `tell` hears how many lines are done.

        `state_file` holds the rows of the orders that have `known` histories; None if there are none. A line that is
        not later than what it has of its order is an `InvalidValue`.
        """
        how = Packing(meanings.bits + log.whole, log.whole)
        with engine.watch(lambda share: tell(int(share * meanings.lines))):
            pieces = engine.keep(packed(numbered(judged_lines(engine, log, meanings), log), how))
        tell(meanings.lines)
        new = whole(engine, pieces).select("order_id", *how.words, "lines", "first", "last")
        if state_file is None:
            nothing = {key: nw.lit(None, nw.Int64 if key in {"wrong", "line"} else nw.String) for key in KNOWN}
            frame = new.with_columns(known=nw.lit(0, nw.Int64), **nothing)
        else:
            frame = engine.keep(_with_known(engine, log, new, engine.scan([str(state_file)]), how))
        return cls(engine, log, how, frame, pieces, meanings, (History(), *known))

    def lines(self, only: Frame) -> Frame:
        """The new lines of the orders in `only`, numbered in the order of each order's history."""
        return numbered(judged_lines(self.engine, self.log, self._meanings, only), self.log)

    @property
    def short(self) -> Frame:
        """The orders whose new lines the words hold."""
        return self.frame.filter(nw.col("lines") <= self.how.lines)

    def distinct(self) -> Iterator[tuple[tuple[int, ...], History, int]]:
        """Each distinct history of the short ones.

        Its number of before and its words, by which its orders are found; the whole history; how many orders have it.
        """
        grouped = self.short.group_by("known", *self.how.words).agg(count=nw.len().cast(nw.Int64))
        for batch in self.engine.stream(grouped):
            for known, *words, count in _rows(batch):
                yield (known, *words), self.history(known).and_then(tuple(self.how.codes(words))), count

    def long(self) -> Iterator[tuple[Id, int, History]]:
        """Each order with more new lines than the words hold: its id, its history's number of before, its history."""
        longer = self.frame.filter(nw.col("lines") > self.how.lines).select("order_id", "known")
        known_of = {order: known for batch in self.engine.stream(longer) for order, known in _rows(batch)}
        if not known_of:
            return
        pieces = self._pieces.join(longer.select("order_id"), on="order_id", how="semi").sort("order_id", "piece")
        batches = self.engine.stream(pieces.select("order_id", "piece", *self.how.words))
        for order, found in groupby((row for batch in batches for row in _rows(batch)), itemgetter(0)):
            codes = tuple(code for _, _, *words in found for code in self.how.codes(words))
            yield order, known_of[order], self.history(known_of[order]).and_then(codes)

    def history(self, known: int) -> History:
        """The history of before that has this number."""
        return self._known[known]

    def totals(self) -> tuple[int, int | None, int | None]:
        """How many orders there are, and when the first and the last of all lines was."""
        frame = self.frame.select(
            orders=nw.len().cast(nw.Int64), first=nw.col("first").min(), last=nw.col("last").max()
        )
        ((orders, first, last),) = _rows(self.engine.table(frame))
        return orders, first, last


def _rows(table: Any) -> Iterator[tuple[Any, ...]]:
    """The rows of a table, or of a batch of one."""
    return zip(*(column.to_pylist() for column in table.columns), strict=True)


def _with_known(engine: Engine, log: Log, new: Frame, state: Frame, how: Packing) -> Frame:
    rows = state.filter(~nw.col(log.lifecycle.identity.key).is_null()).select(
        *KNOWN, order_id=log.lifecycle.identity.key, known="history", first_known="first", last_known="last"
    )
    joined = new.join(rows, on="order_id", how="left")
    _refuse_earlier(engine, joined, log)
    first = nw.when(nw.col("first_known").is_null()).then(nw.col("first")).otherwise(nw.col("first_known"))
    columns = ["order_id", *how.words, "lines", "first", "last", "known", *KNOWN]
    touched = joined.with_columns(first=first, known=nw.col("known").fill_null(0)).select(*columns)
    nothing = dict.fromkeys([*how.words, "lines"], nw.lit(0, nw.Int64))
    others = rows.join(new, on="order_id", how="anti").with_columns(
        **nothing, first=nw.col("first_known"), last=nw.col("last_known")
    )
    return nw.concat([touched, others.select(*columns)])


def _refuse_earlier(engine: Engine, joined: Frame, log: Log) -> None:
    early = joined.filter(~nw.col("last_known").is_null() & (nw.col("first") <= nw.col("last_known")))
    for order, first, last in _rows(
        engine.table(early.select("order_id", "first", "last_known").sort("first").head(1))
    ):
        its = (nw.col("order_id") == order) | (nw.col("new_order_id") == order)
        places = engine.table(log.lines.filter(its & (nw.col("instant") == first)).select("place").head(1))
        file, line = log.at(places.column(0)[0].as_py())
        where = f"the frame, row {line}," if file is None else f"{file}, line {line},"
        later = f"one later than {moment(last)}, which the state has; or a rescan of all lines"
        asked = f"was {where} audited before, or a part of it?"
        raise InvalidValue("time", f"{moment(first)} of {log.lifecycle.noun} {order}", [f"{later} ({asked})"])
