"""What lines mean, as symbols: the core is asked once for each distinct combination of what stands in them."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import attrs
import narwhals as nw
import pyarrow as pa

from orderfsm.audit.columns import ABSENT, FIRST, IDS, LAST, LINES, SAID, key_of
from orderfsm.trace import BadLine, Outcome, Reading, readings
from orderfsm.trace.files import fields_in
from orderfsm.trace.reading import words_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from orderfsm.audit.engines.engine import Engine, Frame
    from orderfsm.identity import Identity
    from orderfsm.lifecycle import Lifecycle
    from orderfsm.trace.tables import Tables

_Key: TypeAlias = tuple[str | bool | None, ...]
"""The texts, and whether the call has an interval."""

_TIME = "2026-08-05T06:10:01Z"
_ORDER, _OTHER_ORDER = 1, 2
"""The numbers of which ids are made."""
_NO_ID = " "
"""An id that no table has."""
OUT_OF_RANGE = "of no year from 1 to 9999"
_KEYS = (*SAID, "timed")
KINDS = ("ordered", "names", "dated")
"""What decides, besides the texts, whether a line is a bad one."""
_FLAGS = (*KINDS, "timed", "whole")
NOTHING, FITTING, UNFIT = range(3)
"""What `KINDS` tell apart: nothing stands there, what is to stand there, or something else."""

MOST = 10_000
"""So many combinations are told apart whatever stands in them."""
OTHERS = "(others)"


class Symbol(NamedTuple):
    """What a line says of an order, and whether the call has an interval."""

    reading: Reading
    timed: bool


class Combination(NamedTuple):
    """Lines that say the same: their texts, and what else decides what a line means.

    `ordered`: whether there is an id (`NOTHING`, `FITTING` or `UNFIT`); `names`: likewise of a new order; `dated`: of a
    time; `timed`: an interval; `whole`: of a whole second. `times`: how many there are.
    """

    operation: str | None
    event: str | None
    outcome: str | None
    code: str | None
    state: str | None
    certificate_state: str | None
    ordered: int
    names: int
    dated: int
    timed: bool
    whole: bool
    times: int

    @property
    def said(self) -> tuple[str | None, ...]:
        """The texts."""
        return self[:6]

    def fields(self, lifecycle: Lifecycle) -> dict[str, Any]:
        """A line of this kind and table, as fields of the trace format."""
        times, identity = (None, _TIME, OUT_OF_RANGE), lifecycle.identity
        ids = zip(IDS, (self.ordered, self.names), (_ORDER, _OTHER_ORDER), strict=True)
        said = {key: text for column, text in zip(SAID, self.said, strict=True) if (key := key_of(column, lifecycle))}
        return {
            **said,
            "time": times[self.dated],
            **{key_of(key, lifecycle): (None, identity.new(number), _NO_ID)[kind] for key, kind, number in ids},
            "started": 0 if self.timed else None,
        }


@attrs.frozen(kw_only=True)
class Meanings:
    """What the lines of a log mean.

    `symbols`: what is said of orders, numbered from 1. `codes`: the symbol's number, by the texts and `timed`;
    `begun` likewise, for what a line says of the order that it names. `bad`: combinations that are bad lines. `events`,
    `other`, `others`, `lines`: how many lines are about orders, about none, among these of tables that are not judged
    or of other services, and there are at all. `answers`: how often each
    operation met each outcome (`accepted`, `unknown`, or the refusal's code, empty if it has none). `keys`: the columns
    in which lines differ; `kinds`: what there is of each of `KINDS`.
    """

    symbols: Sequence[Symbol]
    codes: dict[_Key, int]
    begun: dict[_Key, int]
    bad: list[Combination]
    events: int
    other: int
    others: int
    lines: int
    answers: dict[tuple[str, str], int]
    keys: tuple[str, ...]
    kinds: Mapping[str, frozenset[int]]

    @property
    def bits(self) -> int:
        """How many a symbol's number takes."""
        return max(len(self.symbols).bit_length(), 1)


def combinations(engine: Engine, lines: Frame, lifecycle: Lifecycle) -> tuple[list[Combination], Frame]:
    """The distinct combinations in a log of this table, in no order, and its lines.

    If there are very many, codes and states stand in both without what makes no difference (`InvalidParameter` for
    `InvalidDomainName`), and texts that nobody knows are `OTHERS`: they all mean the same.
    """
    found = list(islice(_combinations(engine, lines, lifecycle.identity), MOST + 1))
    if len(found) > MOST:
        lines = engine.keep(_folded(engine, lines, lifecycle))
        found = list(_combinations(engine, lines, lifecycle.identity))
    return found, lines


def _combinations(engine: Engine, lines: Frame, identity: Identity) -> Iterator[Combination]:
    sorts = lines.select(*SAID, "timed", "whole", **kinds(identity))
    grouped = sorts.group_by(*SAID, *_FLAGS).agg(count=nw.len().cast(nw.Int64))
    for batch in engine.stream(grouped.select(*SAID, *_FLAGS, "count")):
        for row in batch.to_pylist():
            yield Combination(*row.values())


def _folded(engine: Engine, lines: Frame, lifecycle: Lifecycle) -> Frame:
    """`lines` with texts of which there are few."""
    for key in SAID:
        texts = [text for batch in engine.stream(lines.select(key).unique()) for text in batch.column(0).to_pylist()]
        known = {
            text: general
            for text in texts
            if text is not None and (general := _general(key, text, lifecycle)) is not None
        }
        table = {key: pa.array(known, pa.string()), "general": pa.array(known.values(), pa.string())}
        joined = lines.join(engine.small(pa.table(table)), on=key, how="left")
        text = nw.when(~nw.col(key).is_null()).then(nw.col("general").fill_null(OTHERS))
        lines = joined.with_columns(text.alias(key)).select(*LINES)
    return lines


def _general(key: str, text: str, lifecycle: Lifecycle) -> str | None:
    """The text that means the same as `text` where it stands as `key`, for all that do; None if nobody knows it."""
    if not text:
        return text
    match key:
        case "code":
            return lifecycle.codes.general(text)
        case "state":
            return words_of(lifecycle).first(text)
        case "certificate_state":
            return words_of(lifecycle).second(text)
        case "outcome":
            known: Collection[str] = tuple(Outcome)
        case _:
            known = lifecycle.operations if key == "operation" else lifecycle.events
    return text if text in known else None


def kinds(identity: Identity) -> dict[str, nw.Expr]:
    """The columns `KINDS`, as `Combination` has them."""
    ids = {kind: _kind(no_id(key, identity), is_id(key, identity)) for kind, key in zip(KINDS, IDS, strict=False)}
    return {**ids, "dated": _kind(nw.col("instant").is_null(), in_range())}


def in_range() -> nw.Expr:
    """Whether a line has a time, and it is one that can be said."""
    return (nw.col("instant") >= FIRST * 10**6) & (nw.col("instant") < (LAST + 1) * 10**6)


def is_id(column: str, identity: Identity) -> nw.Expr:
    """Whether an id stands in a column, as `identity` says what that is."""
    value = nw.col(column)
    if not identity.is_text:
        return value > 0
    length = value.str.len_chars()
    return ~value.str.contains("[^!-~]") & (length > 0) & (length <= identity.longest)


def no_id(column: str, identity: Identity) -> nw.Expr:
    """Whether nothing stands in a column of ids."""
    value = nw.col(column)
    return value.is_null() | (value == "") if identity.is_text else value.is_null()


def _kind(absent: nw.Expr, fits: nw.Expr) -> nw.Expr:
    valid = nw.when(fits).then(nw.lit(FITTING, nw.Int64)).otherwise(nw.lit(UNFIT, nw.Int64))
    return nw.when(absent).then(nw.lit(NOTHING, nw.Int64)).otherwise(valid)


def meanings(found: Sequence[Combination], known: Sequence[Symbol], lifecycle: Lifecycle, tables: Tables) -> Meanings:
    """What these combinations of a log of one of the `tables` mean; the symbols that are `known` keep their numbers."""
    identity = lifecycle.identity
    symbols = {symbol: number for number, symbol in enumerate(known, 1)}
    codes: dict[_Key, int] = {}
    begun: dict[_Key, int] = {}
    bad, events, other, others = [], 0, 0, 0
    answers: dict[tuple[str, str], int] = {}
    for each in sorted(found, key=lambda one: tuple(map(repr, one))):
        if each.whole and each.operation is None and each.event is None:
            others += each.times
            continue
        line = fields_in(each.fields(lifecycle), "", 0, tables)
        if isinstance(line, BadLine):
            bad.append(each)
            continue
        if line.lifecycle is not lifecycle and line.lifecycle not in tables.judged:
            others += each.times
            continue
        if line.lifecycle.by_client(line.trigger):
            answer = (line.code or "") if line.outcome is Outcome.REFUSED else str(line.outcome)
            operation = str(line.trigger)
            answers[operation, answer] = answers.get((operation, answer), 0) + each.times
        if line.of_the_account:
            other += each.times
            continue
        events += each.times
        key = (*each.said, each.timed)
        for order, table in ((identity.new(_ORDER), codes), (identity.new(_OTHER_ORDER), begun)):
            for reading in readings(line, order, lifecycle):
                table[key] = symbols.setdefault(Symbol(reading, each.timed), len(symbols) + 1)
    return Meanings(
        symbols=list(symbols),
        codes=codes,
        begun=begun,
        bad=bad,
        events=events,
        other=other + others,
        others=others,
        lines=sum(each.times for each in found),
        answers=answers,
        keys=tuple(key for key in _KEYS if len({getattr(each, key) for each in found}) > 1) or ("operation",),
        kinds={kind: frozenset(getattr(each, kind) for each in found) for kind in KINDS},
    )


def with_symbols(engine: Engine, lines: Frame, table: dict[_Key, int], keys: Sequence[str]) -> Frame:
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
