"""The one expression that every engine works out: lines sorted into histories, and each history packed into words.

The n-th line of an order puts its symbol into the n-th place of the order's words, whose sums are then the history. So
only a running count, sums and groups are needed, which every engine has; equal histories are equal words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import narwhals as nw

from orderfsm.audit.reading.symbols import Meanings, in_range, is_id, no_id, with_symbols

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from orderfsm.audit.engines.engine import Engine, Frame
    from orderfsm.audit.reading.log import Log

_WORD_BITS = 62
_WORDS = 2


@attrs.frozen
class Packing:
    """How histories are packed: so many `bits` for each line, the lowest for the first one.

    With `tied` the lowest bit of each says that the line may have come before the one before it.
    """

    bits: int
    tied: bool = False

    @property
    def in_a_word(self) -> int:
        """How many lines a word holds."""
        return _WORD_BITS // self.bits

    @property
    def lines(self) -> int:
        """How many lines all words hold."""
        return self.in_a_word * _WORDS

    @property
    def words(self) -> list[str]:
        """The names of the columns."""
        return [f"word{number}" for number in range(_WORDS)]

    def codes(self, words: Iterable[int]) -> Iterator[int]:
        """What stands in the words: twice a symbol's number, plus 1 for a line that is tied to the last."""
        return self._unpacked(words) if self.tied else (2 * symbol for symbol in self._unpacked(words))

    def _unpacked(self, words: Iterable[int]) -> Iterator[int]:
        mask = (1 << self.bits) - 1
        for each in words:
            word = each
            while word:
                yield word & mask
                word >>= self.bits


def judged_lines(engine: Engine, log: Log, meanings: Meanings, only: Frame | None = None) -> Frame:
    """The lines that say something of an order: `order_id`, `symbol`, when, and where they stand.

    `only`: of the orders in its column `order_id`.
    """
    identity = log.lifecycle.identity
    names_one = is_id("new_order_id", identity)
    good = log.lines.filter(is_id("order_id", identity) & in_range() & (no_id("new_order_id", identity) | names_one))
    own = with_symbols(engine, _of(good, only), meanings.codes, meanings.keys).select(*_columns(log))
    if not meanings.begun:
        return own
    naming = good.filter(names_one)
    begun = _of(naming.with_columns(order_id=nw.col("new_order_id"), place=nw.col("place") + 1), only)
    return nw.concat([own, with_symbols(engine, begun, meanings.begun, meanings.keys).select(*_columns(log))])


def _of(lines: Frame, only: Frame | None) -> Frame:
    return lines if only is None else lines.join(only.select("order_id"), on="order_id", how="semi")


def _columns(log: Log) -> list[str]:
    return ["order_id", "symbol", *_order(log)]


def _order(log: Log) -> list[str]:
    """The columns by which the lines of an order are sorted; those of one whole second stand together."""
    return ["instant", *(["finer"] if log.finer else []), *(["whole"] if log.whole else []), "place"]


def numbered(lines: Frame, log: Log) -> Frame:
    """`lines` with the number `n` of each among its order's, from 0; a line that may have come earlier is marked.

    Lines of whole seconds, and in the same one, may have happened in any order.
    """
    order = _order(log)
    count = nw.col("place").cum_count().over("order_id", order_by=order)
    if not log.whole:
        return lines.with_columns(n=count.cast(nw.Int64) - 1)
    before = {name: nw.col(name).shift(1).over("order_id", order_by=order) for name in ("instant", "whole")}
    lines = lines.with_columns(
        n=count.cast(nw.Int64) - 1, instant_before=before["instant"], whole_before=before["whole"]
    )
    tied = nw.col("whole") & nw.col("whole_before") & (nw.col("instant") == nw.col("instant_before"))
    return lines.with_columns(symbol=nw.col("symbol") * 2 + nw.when(tied).then(nw.lit(1)).otherwise(nw.lit(0)))


def packed(lines: Frame, how: Packing) -> Frame:
    """Each order's first lines in words, how many lines it has, and when the first and the last was."""
    return (
        _valued(lines, how)
        .group_by("order_id")
        .agg(**_sums(how), lines=nw.len().cast(nw.Int64), first=nw.col("instant").min(), last=nw.col("instant").max())
    )


def in_pieces(lines: Frame, how: Packing) -> Frame:
    """Histories of any length: `order_id`, the number of the `piece`, and its words; sorted."""
    lines = lines.with_columns(piece=nw.col("n") // how.lines, n=nw.col("n") % how.lines)
    return _valued(lines, how).group_by("order_id", "piece").agg(**_sums(how)).sort("order_id", "piece")


def _valued(lines: Frame, how: Packing) -> Frame:
    """`lines` with the `value` of each: its symbol, shifted into its place in a word."""
    shift = nw.lit(2.0) ** (nw.col("n") % how.in_a_word * how.bits)
    return lines.with_columns(value=nw.col("symbol") * shift.cast(nw.Int64))


def _sums(how: Packing) -> dict[str, nw.Expr]:
    """The words: each the sum of the values that belong there."""
    n, sums = nw.col("n"), {}
    for word, begin in zip(how.words, range(0, how.lines, how.in_a_word), strict=True):
        inside = (n >= begin) & (n < begin + how.in_a_word)
        sums[word] = nw.when(inside).then(nw.col("value")).otherwise(nw.lit(0)).sum().cast(nw.Int64)
    return sums
