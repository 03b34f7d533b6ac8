"""The state of an audit that goes on: one row for each order, and each distinct history once.

A Parquet file. A row says which history an order has, how long that is, and when its lines were; the histories, and
what was counted, are in the file's own metadata. Short histories are kept as they are; of longer ones, what they do to
where an order may stand.

The metadata also holds the SHA-256 of the whole file, as it is with zeros in that place: no byte of a state changes
unnoticed.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import attrs

from orderfsm.extras import needs
from orderfsm.invalid import InvalidValue
from orderfsm.trace import Events, Run

from .arrangements import Stuck
from .meanings import Symbol
from .targets import written_whole
from .verdicts import Assumption, History, Judge, Summary
from .witnessed import reading_of, said_of, trigger_of, witness

with needs("audit"):
    import pyarrow as pa
    import pyarrow.parquet as pq
    from pyarrow import compute

pc: Any = compute  # its functions are made when it is imported

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from os import PathLike

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.trace import Possible

    from .meanings import Meanings
    from .outcomes import Outcomes
    from .report import Violation

VERSION = 2
_KEY = b"orderfsm.audit"

_DIGEST = "orderfsm.sha256"
_NO_DIGEST = "0" * 64
_MARK = _DIGEST.encode() + b"\x18\x40"
"""What stands before the digest in the footer, as Thrift writes it: the key, then that a text of 64 bytes follows. No
other text of the footer has a control character."""

_TAIL = 8
"""The end of a Parquet file: how long the footer is, in 4 bytes, and 4 bytes that are always the same."""

_CHUNK = 1 << 20

MOST_FILES = 10_000
"""How many files a state remembers, the last ones: whoever gives an older one again has lines that come too late."""

ROWS = pa.schema(
    [
        ("order_id", pa.int64()),
        ("history", pa.int64()),
        ("lines", pa.int64()),
        ("first", pa.int64()),
        ("last", pa.int64()),
        ("verdict", pa.string()),
        ("wrong", pa.int64()),
        ("file", pa.string()),
        ("line", pa.int64()),
        ("witnessed", pa.string()),
    ]
)
"""`verdict`: on the order, when the state was kept; `wrong`: which line of the order's was its violation, `file` and
`line` where it stood, and `witnessed` who was behind it, and what was before."""


@attrs.define
class State:
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


def load(file: str | PathLike[str], lifecycle: Lifecycle) -> State:
    """The state in `file`; an `InvalidValue` if that is none, or a damaged one, or of another edition of the table."""
    with _ours(file):
        with Path(file).open("rb") as stream:
            found = _digest_in(stream)
        if found is not None and found.kept != found.is_:
            raise _Damaged
        said = json.loads((pq.read_metadata(file).metadata or {})[_KEY])
        version, edition = said["version"], said["edition"]
        if found is None and version == VERSION:
            raise _Damaged
    if (version, edition) != (VERSION, lifecycle.edition):
        expected = f"{lifecycle.edition} (version {VERSION}); rescan all lines"
        raise InvalidValue("state of edition", f"{edition} (version {version})", [expected])
    with _ours(file):
        symbols = [Symbol(reading_of(each[:3]), each[3]) for each in said["symbols"]]
        judge = Judge(symbols, Events.PARTIAL, lifecycle)
        return State(
            symbols=symbols,
            histories=[_history(each, judge) for each in said["histories"]],
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
    state: State,
    outcomes: Outcomes,
    violations: Iterable[Violation],
    file: str | PathLike[str],
    judge: Judge,
) -> None:
    """Write the state, with what all orders came to; at once or not at all."""
    numbers: dict[object, int] = {}
    kept = []
    history_of = []
    for _, history in outcomes.every:
        key = history.codes, id(history.summary)
        if key not in numbers:
            kept.append(History(summary=judge.summary(history)) if history.is_long else history)
            numbers[key] = len(kept)
        history_of.append(numbers[key])
    said = {
        "version": VERSION,
        "edition": judge.lifecycle.edition,
        "symbols": [[*said_of(symbol.reading), symbol.timed] for symbol in state.symbols],
        "histories": [_written(each) for each in kept],
        "headers": sorted(state.headers),
        "events": state.events,
        "other": state.other,
        "bad_lines": state.bad_lines,
        "answers": [[*key, count] for key, count in sorted(state.answers.items())],
        "files": list(state.files.items())[-MOST_FILES:],
    }
    columns = [
        pa.array(history_of, pa.int64()),
        pa.array([each.history.lines for each in outcomes.every], pa.int64()),
        pa.array([str(each.verdict.judgement.verdict) for each in outcomes.every], pa.string()),
        pa.array([each.verdict.line for each in outcomes.every], pa.int64()),
    ]
    found = list(violations)
    wrong_orders = pa.array([each.order_id for each in found], pa.int64())
    seen = [
        pa.array([each.file for each in found], pa.string()),
        pa.array([each.line for each in found], pa.int64()),
        pa.array([witness(each) for each in found], pa.string()),
    ]
    with written_whole(file) as path:
        # Statistics would stand in the footer as texts of any kind.
        with pq.ParquetWriter(path, ROWS, compression="zstd", store_schema=False, write_statistics=False) as writer:
            for batch in outcomes.rows():
                orders, which, first, last = batch.columns
                history, lines, verdict, wrong = (column.take(which) for column in columns)
                its = pc.index_in(orders, value_set=wrong_orders)
                arrays = [orders, history, lines, first, last, verdict, wrong, *(column.take(its) for column in seen)]
                writer.write_batch(pa.record_batch(arrays, schema=ROWS))
            writer.add_key_value_metadata({_KEY.decode(): json.dumps(said), _DIGEST: _NO_DIGEST})
        _seal(path)


# -- what is in a file, as one number ----------------------------------------------------------------------------------


def digest(file: str | PathLike[str]) -> str:
    """The SHA-256 of what is in a file."""
    with Path(file).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


class _Digest(NamedTuple):
    """The digest that is `kept` in a state, where that stands, and what it is really, zeros in that place."""

    kept: bytes
    at: int
    is_: bytes


def _digest_in(stream: IO[bytes]) -> _Digest | None:
    """The digest in a Parquet file; None if it has none."""
    size = stream.seek(0, os.SEEK_END)
    if size < _TAIL:
        return None
    stream.seek(size - _TAIL)
    begins = size - _TAIL - int.from_bytes(stream.read(4), "little")
    if begins < 0:
        return None
    stream.seek(begins)
    footer = stream.read()
    at = footer.rfind(_MARK) + len(_MARK)
    kept = footer[at : at + len(_NO_DIGEST)]
    if at < len(_MARK):
        return None
    found = hashlib.sha256()
    stream.seek(0)
    for chunk in iter(lambda: stream.read(min(_CHUNK, begins - stream.tell())), b""):
        found.update(chunk)
    found.update(footer[:at] + _NO_DIGEST.encode() + footer[at + len(kept) :])
    return _Digest(kept, begins + at, found.hexdigest().encode())


def _seal(file: str) -> None:
    """Put the digest of a state that was just written into it."""
    with Path(file).open("r+b") as stream:
        found = _digest_in(stream)
        if found is None or found.kept != _NO_DIGEST.encode():
            raise AssertionError("a state has a place for its digest")
        stream.seek(found.at)
        stream.write(found.is_)


# -- as JSON -----------------------------------------------------------------------------------------------------------


def _written(history: History) -> Any:
    if history.summary is None:
        return list(history.codes)
    summary = history.summary
    return {
        "lines": summary.lines,
        "named": summary.named,
        "timed": summary.timed,
        "ways": [[list(way), _way(found)] for way, found in summary.ways.items()],
        "refused": [
            [str(events), [[str(trigger), foreseen, count] for (trigger, foreseen), count in counts.items()]]
            for events, counts in summary.refused.items()
        ],
    }


def _way(found: Any) -> Any:
    if isinstance(found, Stuck):
        return {"index": found.index, "line": found.line, "said": said_of(found.said), "possible": list(found.possible)}
    return [[_runs(possible.strict), _runs(possible.favour)] for possible in found]


def _runs(runs: Iterable[Run]) -> list[Any]:
    return sorted(([run.state, list(run.lost)] for run in runs), key=repr)


def _history(said: Any, judge: Judge) -> History:
    if isinstance(said, list):
        return History(tuple(said))
    ways = {Assumption(Events(way[0]), way[1], way[2]): found for way, found in said["ways"]}
    summary = Summary(
        lines=said["lines"],
        named=said["named"],
        timed=said["timed"],
        ways={way: _read_way(found, way, judge) for way, found in ways.items()},
        refused={
            Events(events): {(trigger_of(trigger), foreseen): count for trigger, foreseen, count in counts}
            for events, counts in said["refused"]
        },
    )
    return History(summary=summary)


def _read_way(found: Any, way: Assumption, judge: Judge) -> Any:
    if isinstance(found, dict):
        states = tuple(judge.lifecycle.state(state) for state in found["possible"])
        return Stuck(found["index"], found["line"], reading_of(found["said"]), states)
    machine = judge.machine(way.events, late=way.late)

    def possible(strict: Any, favour: Any) -> Possible:
        return machine.possible(
            *([Run(judge.lifecycle.state(s), tuple(lost)) for s, lost in runs] for runs in (strict, favour))
        )

    return tuple(possible(*each) for each in found)
