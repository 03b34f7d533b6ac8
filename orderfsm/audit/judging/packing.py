"""The one expression that every engine works out: lines sorted into histories, and each history packed into words.

The n-th line of an order puts its symbol into the n-th place of the order's words, whose sums are then the history. So
only a running count, sums and groups are needed, which every engine has; equal histories are equal words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import narwhals as nw

from orderfsm.audit.columns import IDS
from orderfsm.audit.reading.symbols import FITTING, KINDS, UNFIT, Meanings, in_range, is_id, no_id, with_symbols

from .judge import LONGEST

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orderfsm.audit.engines.engine import Engine, Frame
    from orderfsm.audit.reading.log import Log

_WORD_BITS = 62
_WORDS = 2
"""The fewest words of a history; more, if these do not hold so many lines as a history may have that is kept whole."""


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
        return self.in_a_word * len(self.words)

    @property
    def words(self) -> list[str]:
        """The names of the columns."""
        return [f"word{number}" for number in range(max(_WORDS, -(-LONGEST // self.in_a_word)))]

    def codes(self, words: Iterable[int]) -> list[int]:
        """What stands in the words: twice a symbol's number, plus 1 for a line that is tied to the last."""
        mask, twice = (1 << self.bits) - 1, not self.tied
        found = []
        for each in words:
            word = each
            while word:
                found.append((word & mask) << twice)
                word >>= self.bits
        return found


def judged_lines(engine: Engine, log: Log, meanings: Meanings, only: Frame | None = None) -> Frame:
    """The lines that say something of an order: `order_id`, `symbol`, when, and where they stand.

    `only`: of the orders in its column `order_id`.
    """
    names_one = _fits("names", meanings, log)
    good = _where(log.lines, _fits("ordered", meanings, log), _fits("dated", meanings, log))
    if UNFIT in meanings.kinds["names"]:
        good = good.filter(no_id("new_order_id", log.lifecycle.identity) | names_one)
    own = with_symbols(engine, _of(good, only), meanings.codes, meanings.keys).select(*_columns(log))
    if not meanings.begun:
        return own
    naming = _where(good, names_one)
    begun = _of(naming.with_columns(order_id=nw.col("new_order_id"), place=nw.col("place") + 1), only)
    return nw.concat([own, with_symbols(engine, begun, meanings.begun, meanings.keys).select(*_columns(log))])


def _fits(kind: str, meanings: Meanings, log: Log) -> nw.Expr | None:
    """Whether an id, or a time, stands in a line and is one; None if that is known of every line.

    What no line has is not looked for: whether a text is an id costs as much as to read it.
    """
    occurring = meanings.kinds[kind]
    if occurring <= {FITTING}:
        return None
    if kind == "dated":
        return in_range()
    column, identity = IDS[KINDS.index(kind)], log.lifecycle.identity
    return is_id(column, identity) if UNFIT in occurring else ~no_id(column, identity)


def _where(lines: Frame, *conditions: nw.Expr | None) -> Frame:
    """The lines of which all conditions hold, as far as there are any."""
    for condition in conditions:
        lines = lines if condition is None else lines.filter(condition)
    return lines


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
    """Each order's lines in pieces of as many as the words hold; the last one has what is left.

    In each row: `order_id`, the number of the `piece`, its words, how many `lines` it has, and when the `first` and the
    `last` of them was.
    """
    n = nw.col("n")
    shift = nw.lit(2.0) ** (n % how.in_a_word * how.bits)
    piece = nw.when(n < how.lines).then(nw.lit(0, nw.Int64)).otherwise(n // how.lines)
    inside = nw.when(n < how.lines).then(n).otherwise(n % how.lines)
    valued = lines.with_columns(value=nw.col("symbol") * shift.cast(nw.Int64), piece=piece.cast(nw.Int64), n=inside)
    return valued.group_by("order_id", "piece").agg(
        **_sums(how), lines=nw.len().cast(nw.Int64), first=nw.col("instant").min(), last=nw.col("instant").max()
    )


def whole(engine: Engine, pieces: Frame) -> Frame:
    """Each order's first piece, with how many lines it has in all, and when the last of these was."""
    first, rest = pieces.filter(nw.col("piece") == 0), pieces.filter(nw.col("piece") > 0)
    if not engine.table(rest.select("piece").head(1)).num_rows:
        return first
    more = engine.keep(rest.group_by("order_id").agg(more=nw.col("lines").sum(), latest=nw.col("last").max()))
    last = nw.when(nw.col("latest").is_null()).then(nw.col("last")).otherwise(nw.col("latest"))
    lines = nw.col("lines") + nw.col("more").fill_null(0)
    return first.join(more, on="order_id", how="left").with_columns(lines=lines.cast(nw.Int64), last=last)


def _sums(how: Packing) -> dict[str, nw.Expr]:
    """The words: each the sum of the values that belong there."""
    n, sums = nw.col("n"), {}
    for word, begin in zip(how.words, range(0, how.lines, how.in_a_word), strict=True):
        inside = (n >= begin) & (n < begin + how.in_a_word)
        sums[word] = nw.when(inside).then(nw.col("value")).otherwise(nw.lit(0)).sum().cast(nw.Int64)
    return sums
