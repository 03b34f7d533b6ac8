"""What lines mean, as symbols: the core is asked once for each distinct combination of what stands in them."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import attrs

from orderfsm.audit.columns import ABSENT, FIRST, LAST, LINES, SAID
from orderfsm.errors import OrderStateError
from orderfsm.extras import needs
from orderfsm.tables.api import general_code
from orderfsm.tables.orders import Operation
from orderfsm.trace import BadLine, Line, Outcome, line_of, readings

with needs("audit"):
    import narwhals as nw
    import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from orderfsm.audit.engines.engine import Engine
    from orderfsm.lifecycle import Lifecycle
    from orderfsm.trace import Reading

_Key: TypeAlias = tuple[str | bool | None, ...]
"""The five texts, and whether the call has an interval."""

_TIME = "2026-08-05T06:10:01Z"
_ORDER, _OTHER_ORDER = 1, 2
OUT_OF_RANGE = "of no year from 1 to 9999"
_KEYS = (*SAID, "timed")
KINDS = ("ordered", "names", "dated")
"""What decides, besides the texts, whether a line is a bad one."""
_FLAGS = (*KINDS, "timed", "whole")


MOST = 10_000
"""So many combinations are told apart whatever stands in them."""
OTHERS = "(others)"
_WHERE: dict[str, dict[str, str]] = {
    "operation": {"outcome": "accepted"},
    "event": {},
    "outcome": {"operation": Operation.CANCEL, "code": OrderStateError.code},
    "code": {"operation": Operation.CANCEL, "outcome": "refused"},
    "state": {"operation": Operation.DESCRIBE, "outcome": "accepted"},
}
"""A line in which each of the texts says something."""


class Symbol(NamedTuple):
    """What a line says of an order, and whether the call has an interval."""

    reading: Reading
    timed: bool


class Combination(NamedTuple):
    """Lines that say the same: the five texts, and what else decides what a line means.

    `ordered`: whether there is an id (0 none, 1 yes, 2 one that is none); `names`: likewise of a new order; `dated`: of
    a time; `timed`: an interval; `whole`: of a whole second. `times`: how many there are.
    """

    operation: str | None
    event: str | None
    outcome: str | None
    code: str | None
    state: str | None
    ordered: int
    names: int
    dated: int
    timed: bool
    whole: bool
    times: int

    @property
    def said(self) -> tuple[str | None, ...]:
        """The five texts."""
        return self[:5]

    def fields(self) -> dict[str, Any]:
        """A line of this kind, as fields of the trace format."""
        ids = (None, _ORDER, -1)
        times = (None, _TIME, OUT_OF_RANGE)
        return {
            **dict(zip(SAID, self.said, strict=True)),
            "time": times[self.dated],
            "order_id": ids[self.ordered],
            "new_order_id": _OTHER_ORDER if self.names == 1 else ids[self.names],
            "started": 0 if self.timed else None,
        }


@attrs.frozen(kw_only=True)
class Meanings:
    """What the lines of a log mean.

    `symbols`: what is said of orders, numbered from 1. `codes`: the symbol's number, by the five texts and `timed`;
    `begun` likewise, for what a line says of the order that it names. `bad`: combinations that are bad lines. `events`,
    `other`, `lines`: how many lines are about orders, about none, and there are at all. `answers`: how often each
    operation met each outcome (`accepted`, `unknown`, or the refusal's code, empty if it has none). `keys`: the columns
    in which lines differ.
    """

    symbols: Sequence[Symbol]
    codes: dict[_Key, int]
    begun: dict[_Key, int]
    bad: list[Combination]
    events: int
    other: int
    lines: int
    answers: dict[tuple[str, str], int]
    keys: tuple[str, ...]

    @property
    def bits(self) -> int:
        """How many a symbol's number takes."""
        return max(len(self.symbols).bit_length(), 1)


def combinations(engine: Engine, lines: nw.LazyFrame[Any]) -> tuple[list[Combination], nw.LazyFrame[Any]]:
    """The distinct combinations in a log, in no order, and its lines.

    If there are very many, codes and states stand in both without what makes no difference (`InvalidParameter` for
    `InvalidDomainName`), and texts that nobody knows are `OTHERS`: they all mean the same.
    """
    found = list(islice(_combinations(engine, lines), MOST + 1))
    if len(found) > MOST:
        lines = engine.keep(_folded(engine, lines))
        found = list(_combinations(engine, lines))
    return found, lines


def _combinations(engine: Engine, lines: nw.LazyFrame[Any]) -> Iterator[Combination]:
    grouped = (
        lines.select(*SAID, "timed", "whole", **kinds()).group_by(*SAID, *_FLAGS).agg(count=nw.len().cast(nw.Int64))
    )
    for batch in engine.stream(grouped.select(*SAID, *_FLAGS, "count")):
        for row in batch.to_pylist():
            yield Combination(*row.values())


def _folded(engine: Engine, lines: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """`lines` with texts of which there are few."""
    for key in SAID:
        texts = [text for batch in engine.stream(lines.select(key).unique()) for text in batch.column(0).to_pylist()]
        known = {text: general for text in texts if text is not None and (general := _general(key, text)) is not None}
        table = {key: pa.array(known, pa.string()), "general": pa.array(known.values(), pa.string())}
        joined = lines.join(engine.small(pa.table(table)), on=key, how="left")
        text = nw.when(~nw.col(key).is_null()).then(nw.col("general").fill_null(OTHERS))
        lines = joined.with_columns(text.alias(key)).select(*LINES)
    return lines


def _general(key: str, text: str) -> str | None:
    """The text that means the same as `text` where it stands as `key`, for all that do; None if nobody knows it."""
    line = line_of(_WHERE[key] | {"time": _TIME, "order_id": _ORDER, key: text})
    if not isinstance(line, Line) or any(reading.vague for reading in readings(line, _ORDER)):
        return None
    return {"code": general_code(text), "state": text.lower()}.get(key, text)


def kinds() -> dict[str, nw.Expr]:
    """The columns `KINDS`, as `Combination` has them."""
    ids = {"ordered": _kind_of_id("order_id"), "names": _kind_of_id("new_order_id")}
    return {**ids, "dated": _kind("instant", in_range())}


def in_range() -> nw.Expr:
    """Whether a line has a time, and it is one that can be said."""
    return (nw.col("instant") >= FIRST * 10**6) & (nw.col("instant") < (LAST + 1) * 10**6)


def _kind_of_id(name: str) -> nw.Expr:
    return _kind(name, nw.col(name) > 0)


def _kind(name: str, fits: nw.Expr) -> nw.Expr:
    """0 of a column that is null, 1 of one that fits, else 2."""
    valid = nw.when(fits).then(nw.lit(1, nw.Int64)).otherwise(nw.lit(2, nw.Int64))
    return nw.when(nw.col(name).is_null()).then(nw.lit(0, nw.Int64)).otherwise(valid)


def meanings(found: Sequence[Combination], known: Sequence[Symbol], lifecycle: Lifecycle) -> Meanings:
    """What these combinations mean; the symbols that are `known` keep their numbers."""
    symbols = {symbol: number for number, symbol in enumerate(known, 1)}
    codes: dict[_Key, int] = {}
    begun: dict[_Key, int] = {}
    bad, events, other = [], 0, 0
    answers: dict[tuple[str, str], int] = {}
    for each in sorted(found, key=lambda one: tuple(map(repr, one))):
        if each.whole and each.operation is None and each.event is None:
            other += each.times  # of another service
            continue
        line = line_of(each.fields())
        if isinstance(line, BadLine):
            bad.append(each)
            continue
        if isinstance(line.trigger, Operation):
            answer = (line.code or "") if line.outcome is Outcome.REFUSED else str(line.outcome)
            operation = str(line.trigger)
            answers[operation, answer] = answers.get((operation, answer), 0) + each.times
        if line.of_the_account:
            other += each.times
            continue
        events += each.times
        key = (*each.said, each.timed)
        for order, table in ((_ORDER, codes), (_OTHER_ORDER, begun)):
            for reading in readings(line, order, lifecycle):
                table[key] = symbols.setdefault(Symbol(reading, each.timed), len(symbols) + 1)
    return Meanings(
        symbols=list(symbols),
        codes=codes,
        begun=begun,
        bad=bad,
        events=events,
        other=other,
        lines=sum(each.times for each in found),
        answers=answers,
        keys=tuple(key for key in _KEYS if len({getattr(each, key) for each in found}) > 1) or ("operation",),
    )


def with_symbols(
    engine: Engine, lines: nw.LazyFrame[Any], table: dict[_Key, int], keys: Sequence[str]
) -> nw.LazyFrame[Any]:
    """`lines` with their `symbol` in `table`, without those that have none; `keys` tell them apart.

    No engine finds null equal to null, so that it stands as `ABSENT`.
    """
    columns = list(zip(*table, strict=True)) if table else [()] * len(_KEYS)
    small = {
        key: pa.array(column, pa.bool_()) if key == "timed" else pa.array(map(_present, column), pa.string())
        for key, column in zip(_KEYS, columns, strict=True)
        if key in keys
    }
    symbols = engine.small(pa.table({**small, "symbol": pa.array(table.values(), pa.int64())}))
    filled = lines.with_columns(nw.col(key).fill_null(ABSENT) for key in keys if key != "timed")
    return filled.join(symbols, on=list(keys), how="inner")


def _present(value: object) -> str:
    return ABSENT if value is None else str(value)
