"""The state of an audit that goes on: one row for each order, and each distinct history once.

A Parquet file. A row says which history an order has, how long that is, and when its lines were; the histories, and
what was counted, are in the file's own metadata. Short histories are kept as they are; of longer ones, what they do to
where an order may stand.

The metadata also holds the SHA-256 of the whole file, as it is with zeros in that place: no byte of a state changes
unnoticed.
"""

from __future__ import annotations

import json
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import attrs
import pyarrow as pa
import pyarrow.parquet as pq

from orderfsm.audit.columns import id_columns, pc, type_of_ids
from orderfsm.audit.judging.judge import History, Judge
from orderfsm.audit.reading.symbols import Meanings, Symbol
from orderfsm.invalid import InvalidValue
from orderfsm.outputs import written_whole
from orderfsm.trace import Events

from .digest import DIGEST_KEY, NO_DIGEST, digest_in, seal
from .histories import history_as_json, history_from_json, reading_of, said_of, witness

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from os import PathLike

    from orderfsm.audit.judging.judged_orders import JudgedOrders
    from orderfsm.audit.report import Violation
    from orderfsm.lifecycle import Lifecycle
    from orderfsm.trace.tables import Tables

VERSION, OF_SEVERAL = VERSIONS = 2, 3
"""Of a state of one table, and of one that has several."""

_KEY = b"orderfsm.audit"

MOST_FILES = 10_000
"""How many files a state remembers, the last ones: whoever gives an older one again has lines that come too late."""

_ROWS = {
    "history": pa.int64(),
    "lines": pa.int64(),
    "first": pa.int64(),
    "last": pa.int64(),
    "verdict": pa.string(),
    "wrong": pa.int64(),
    "file": pa.string(),
    "line": pa.int64(),
    "witnessed": pa.string(),
}
"""After the order's id, which stands under the table's own key. `verdict`: on the order, when the state was kept;
`wrong`: which line of the order's was its violation, `file` and `line` where it stood, and `witnessed` who was behind
it, and what was before."""


@attrs.define
class Knowledge:
    """What an audit knows of the lines so far, but for the rows of its orders.

    `symbols` and `histories` are numbered from 1, in this order. `headers`: what the files said of their events.
    `files`: the names of those that were read, by the SHA-256 of what is in them. `days`: how many lines were of which
    day, counted from 1970 on.
    """

    symbols: list[Symbol] = attrs.field(factory=list)
    histories: list[History] = attrs.field(factory=list)
    headers: set[Events] = attrs.field(factory=set)
    events: int = 0
    other: int = 0
    bad_lines: int = 0
    answers: Counter[tuple[str, str]] = attrs.field(factory=Counter)
    files: dict[str, str] = attrs.field(factory=dict)
    days: Counter[int] = attrs.field(factory=Counter)

    def learn(self, found: Meanings, headers: Iterable[Events], files: Mapping[str, str]) -> None:
        """Count what a log says."""
        self.files |= files
        self.symbols = list(found.symbols)
        self.headers |= set(headers)
        self.events += found.events
        self.other += found.other
        self.bad_lines += sum(each.times for each in found.bad)
        self.answers.update(found.answers)


def load(file: str | PathLike[str], tables: Tables) -> dict[str, Knowledge]:
    """The state in `file`, of each table by its name.

    An `InvalidValue` if that is none, or a damaged one, or of a table that is not judged, or of another edition.
    """
    with _ours(file):
        with Path(file).open("rb") as stream:
            found = digest_in(stream)
        if found is not None and found.kept != found.is_:
            raise _Damaged
        said = json.loads((pq.read_metadata(file).metadata or {})[_KEY])
        version = said["version"]
        every = said.get("tables", [said])
        editions = {each.get("table", "orders"): each["edition"] for each in every}
        if found is None and version in VERSIONS:
            raise _Damaged
    judged = {table.name: table for table in tables.judged}
    for table, edition in editions.items():
        if table not in judged:
            names = ", ".join(map(repr, judged))
            raise InvalidValue("state of table", table, [f"one of {names}: each table has a state of its own"])
        if version not in VERSIONS or edition != judged[table].edition:
            expected = f"{judged[table].edition} (version {VERSION}); rescan all lines"
            raise InvalidValue("state of edition", f"{edition} (version {version})", [expected])
    with _ours(file):
        return {name: _knowledge(each, judged[name]) for name, each in zip(editions, every, strict=True)}


def _knowledge(said: Mapping[str, Any], lifecycle: Lifecycle) -> Knowledge:
    symbols = [Symbol(reading_of(each[:3], lifecycle), each[3]) for each in said["symbols"]]
    judge = Judge(symbols, Events.PARTIAL, lifecycle)
    return Knowledge(
        symbols=symbols,
        histories=[history_from_json(each, judge) for each in said["histories"]],
        headers={Events(each) for each in said["headers"]},
        events=said["events"],
        other=said["other"],
        bad_lines=said["bad_lines"],
        answers=Counter({(operation, answer): count for operation, answer, count in said["answers"]}),
        files=dict(said["files"]),
        days=Counter(dict(said.get("days", ()))),
    )


class _Damaged(Exception):
    """A state that is not as it was written."""


@contextmanager
def _ours(file: str | PathLike[str]) -> Iterator[None]:
    try:
        yield
    except _Damaged as error:
        accepted = "an undamaged one, as orderfsm audit wrote it; or a rescan of all lines"
        raise InvalidValue("state file", str(file), [accepted]) from error
    except (pa.ArrowException, LookupError, TypeError, AttributeError, ValueError, OSError) as error:
        raise InvalidValue("state file", str(file), ["one that orderfsm audit wrote"]) from error


class Kept(NamedTuple):
    """What a state keeps of one table: what is known `so_far`, and what all orders came to."""

    so_far: Knowledge
    judged_orders: JudgedOrders
    violations: Sequence[Violation]
    judge: Judge


def save(tables: Sequence[Kept], file: str | PathLike[str]) -> None:
    """Write what is known of these tables; at once or not at all."""
    ids = id_columns(each.judge.lifecycle for each in tables)
    schema = pa.schema([*ids.items(), *_ROWS.items()])
    every = []
    with written_whole(file) as path:
        # Statistics would stand in the footer as texts of any kind.
        with pq.ParquetWriter(path, schema, compression="zstd", store_schema=False, write_statistics=False) as writer:
            for table in tables:
                said, history_of = _said(table)
                every.append(said)
                key = table.judge.lifecycle.identity.key
                for orders, *others in _rows(table, history_of):
                    none = {name: pa.nulls(len(orders), kind) for name, kind in ids.items()}
                    arrays = [*(none | {key: orders}).values(), *others]
                    writer.write_batch(pa.record_batch(arrays, schema=schema))
            alone = len(every) == 1
            document = {"version": VERSION, **every[0]} if alone else {"version": OF_SEVERAL, "tables": every}
            writer.add_key_value_metadata({_KEY.decode(): json.dumps(document), DIGEST_KEY: NO_DIGEST})
        seal(path)


def _said(table: Kept) -> tuple[dict[str, Any], list[int]]:
    """What is kept of a table besides its rows, and the number of each variant's history."""
    so_far, judged_orders, _, judge = table
    numbers: dict[object, int] = {}
    kept = []
    history_of = []
    for _, history in judged_orders.variants:
        key = history.codes, id(history.summary)
        if key not in numbers:
            kept.append(History(summary=judge.summary(history)) if history.is_long else history)
            numbers[key] = len(kept)
        history_of.append(numbers[key])
    said = {
        "table": judge.lifecycle.name,
        "edition": judge.lifecycle.edition,
        "symbols": [[*said_of(symbol.reading), symbol.timed] for symbol in so_far.symbols],
        "histories": [history_as_json(each) for each in kept],
        "headers": sorted(so_far.headers),
        "events": so_far.events,
        "other": so_far.other,
        "bad_lines": so_far.bad_lines,
        "answers": [[*key, count] for key, count in sorted(so_far.answers.items())],
        "files": list(so_far.files.items())[-MOST_FILES:],
        "days": sorted(so_far.days.items()),
    }
    return said, history_of


def _rows(table: Kept, history_of: Sequence[int]) -> Iterator[list[pa.Array]]:
    """A table's ids, and the columns `_ROWS`."""
    _, judged_orders, found, judge = table
    columns = [
        pa.array(history_of, pa.int64()),
        pa.array([each.history.lines for each in judged_orders.variants], pa.int64()),
        pa.array([str(each.ruling.finding) for each in judged_orders.variants], pa.string()),
        pa.array([each.ruling.line for each in judged_orders.variants], pa.int64()),
    ]
    wrong_orders = pa.array([each.order_id for each in found], type_of_ids(judge.lifecycle.identity))
    seen = [
        pa.array([each.file for each in found], pa.string()),
        pa.array([each.line for each in found], pa.int64()),
        pa.array([witness(each) for each in found], pa.string()),
    ]
    for batch in judged_orders.rows():
        orders, which, first, last = batch.columns
        history, lines, verdict, wrong = (column.take(which) for column in columns)
        its = pc.index_in(orders, value_set=wrong_orders)
        yield [orders, history, lines, first, last, verdict, wrong, *(column.take(its) for column in seen)]
