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
from typing import TYPE_CHECKING

import attrs
import pyarrow as pa
import pyarrow.parquet as pq

from orderfsm.audit.columns import pc, type_of_ids
from orderfsm.audit.judging.judge import History, Judge
from orderfsm.audit.reading.symbols import Meanings, Symbol
from orderfsm.audit.reporting.outputs import written_whole
from orderfsm.invalid import InvalidValue
from orderfsm.trace import Events

from .digest import DIGEST_KEY, NO_DIGEST, digest_in, seal
from .histories import history_as_json, history_from_json, reading_of, said_of, witness

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from os import PathLike

    from orderfsm.audit.judging.judged_orders import JudgedOrders
    from orderfsm.audit.report import Violation
    from orderfsm.lifecycle import Lifecycle

VERSION = 2
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
    `files`: the names of those that were read, by the SHA-256 of what is in them.
    """

    symbols: list[Symbol] = attrs.field(factory=list)
    histories: list[History] = attrs.field(factory=list)
    headers: set[Events] = attrs.field(factory=set)
    events: int = 0
    other: int = 0
    bad_lines: int = 0
    answers: Counter[tuple[str, str]] = attrs.field(factory=Counter)
    files: dict[str, str] = attrs.field(factory=dict)

    def learn(self, found: Meanings, headers: Iterable[Events], files: Mapping[str, str]) -> None:
        """Count what a log says."""
        self.files |= files
        self.symbols = list(found.symbols)
        self.headers |= set(headers)
        self.events += found.events
        self.other += found.other
        self.bad_lines += sum(each.times for each in found.bad)
        self.answers.update(found.answers)


def load(file: str | PathLike[str], lifecycle: Lifecycle) -> Knowledge:
    """The state in `file`; an `InvalidValue` if that is none, or a damaged one, or of another table or edition."""
    with _ours(file):
        with Path(file).open("rb") as stream:
            found = digest_in(stream)
        if found is not None and found.kept != found.is_:
            raise _Damaged
        said = json.loads((pq.read_metadata(file).metadata or {})[_KEY])
        version, edition, table = said["version"], said["edition"], said.get("table", "orders")
        if found is None and version == VERSION:
            raise _Damaged
    if table != lifecycle.name:
        raise InvalidValue("state of table", table, [f"one of {lifecycle.name!r}: each table has a state of its own"])
    if (version, edition) != (VERSION, lifecycle.edition):
        expected = f"{lifecycle.edition} (version {VERSION}); rescan all lines"
        raise InvalidValue("state of edition", f"{edition} (version {version})", [expected])
    with _ours(file):
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


def save(
    so_far: Knowledge,
    judged_orders: JudgedOrders,
    violations: Iterable[Violation],
    file: str | PathLike[str],
    judge: Judge,
) -> None:
    """Write what is known `so_far`, and what all orders came to; at once or not at all."""
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
        "version": VERSION,
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
    }
    columns = [
        pa.array(history_of, pa.int64()),
        pa.array([each.history.lines for each in judged_orders.variants], pa.int64()),
        pa.array([str(each.ruling.finding) for each in judged_orders.variants], pa.string()),
        pa.array([each.ruling.line for each in judged_orders.variants], pa.int64()),
    ]
    found = list(violations)
    identity = judge.lifecycle.identity
    schema = pa.schema([(identity.key, type_of_ids(identity)), *_ROWS.items()])
    wrong_orders = pa.array([each.order_id for each in found], schema.types[0])
    seen = [
        pa.array([each.file for each in found], pa.string()),
        pa.array([each.line for each in found], pa.int64()),
        pa.array([witness(each) for each in found], pa.string()),
    ]
    with written_whole(file) as path:
        # Statistics would stand in the footer as texts of any kind.
        with pq.ParquetWriter(path, schema, compression="zstd", store_schema=False, write_statistics=False) as writer:
            for batch in judged_orders.rows():
                orders, which, first, last = batch.columns
                history, lines, verdict, wrong = (column.take(which) for column in columns)
                its = pc.index_in(orders, value_set=wrong_orders)
                arrays = [orders, history, lines, first, last, verdict, wrong, *(column.take(its) for column in seen)]
                writer.write_batch(pa.record_batch(arrays, schema=schema))
            writer.add_key_value_metadata({_KEY.decode(): json.dumps(said), DIGEST_KEY: NO_DIGEST})
        seal(path)
