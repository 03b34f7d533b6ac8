"""Traces of orders that never were: several years of a company's calls, with violations planted where we know of them.

Some thousands of scripts are written one by one (see `scripts`). Orders are then made of them by the million: ids, and
times in office hours.
"""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import attrs
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from orderfsm.audit.columns import EVENTS_KEY, SAID, SECOND, key_of, pc, type_of_ids
from orderfsm.invalid import InvalidValue
from orderfsm.questions import ORDER_LIFECYCLE
from orderfsm.rows import DAY, Trigger
from orderfsm.trace import Events, Outcome, header, instant_of

from .scripts import HOUR, Author, Script

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from os import PathLike

    from numpy.typing import NDArray

    from orderfsm.identity import Id
    from orderfsm.lifecycle import Lifecycle

Format = Literal["jsonl", "jsonl.gz", "parquet"]
PLANTED = "planted.json"
"""The file that lists the violations."""

_OFFICE = (9 * HOUR, 18 * HOUR)
_MILLISECONDS = 1_000

_FIRST_ID = 100_000_001


@attrs.frozen(kw_only=True)
class Simulated:
    """What was written: the name of the `table`, how many `orders`, `lines` and `violations`, and the `files`."""

    table: str
    orders: int
    lines: int
    violations: int
    files: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The document of `orderfsm simulate`."""
        return attrs.asdict(self)


@attrs.frozen(eq=False)
class _Scripts:
    """Scripts as columns: where each begins, how long it is, and its steps one after the other."""

    ids: NDArray[np.int64]
    index: NDArray[np.int64]
    begin: NDArray[np.int64]
    length: NDArray[np.int64]
    said: NDArray[np.int32]
    after: NDArray[np.float64]
    office: NDArray[np.bool_]
    second: NDArray[np.bool_]
    begins: NDArray[np.bool_]

    @classmethod
    def of(cls, scripts: list[Script], words: dict[Any, int], lifecycle: Lifecycle) -> _Scripts:
        steps = [step for script in scripts for step in script.steps]
        length = np.array([len(script.steps) for script in scripts])
        return cls(
            ids=np.array([script.ids for script in scripts]),
            index=np.array([script.index for script in scripts]),
            begin=np.cumsum(length) - length,
            length=length,
            said=np.array([words.setdefault(step.said, len(words)) for step in steps], np.int32),
            after=np.array([step.after for step in steps]),
            office=np.array([lifecycle.by_client(step.trigger) for step in steps]),
            second=np.array([step.second for step in steps]),
            begins=np.array([step.begins for step in steps]),
        )


class _Lines(NamedTuple):
    """Lines as columns; `said` is what is said, by its number."""

    time: NDArray[np.int64]
    order: NDArray[np.int64]
    said: NDArray[np.int32]
    new_order: NDArray[np.int64]

    def take(self, which: NDArray[Any] | slice) -> _Lines:
        return _Lines(self.time[which], self.order[which], self.said[which], self.new_order[which])

    @classmethod
    def joined(cls, parts: list[_Lines]) -> _Lines:
        columns: Any = zip(*parts, strict=True)
        return cls(*map(np.concatenate, columns))


def simulate(
    directory: str | PathLike[str],
    *,
    orders: int,
    seed: int = 0,
    bad: float = 0.001,
    days: int = 1_095,
    events: Events = Events.COMPLETE,
    format: Format = "jsonl",  # noqa: A002
    progress: Callable[[int], object] | None = None,
    lifecycle: Lifecycle = ORDER_LIFECYCLE,
) -> Simulated:
    """Write the trace of `orders` orders of the table into `directory`, a file for each month; the same for a `seed`.

    The orders begin in the `days` from 2023-01-01 on, in office hours (UTC); a share `bad` of them violates the table.
    Each of these is listed in `planted.json`: `{"table", "violations": [{"order_id", "index"}]}`, the id under the
    table's own key. With partial `events` only calls are written, as in an audit log. `progress` is told how many
    orders more are done. A directory that already holds files is an `InvalidValue`.
    """
    _check(orders, bad, days, format)
    author = Author(lifecycle, Events(events), Random(seed))
    folder = Path(directory)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InvalidValue("directory", str(folder), ["one that is empty, or does not exist yet"])
    folder.mkdir(parents=True, exist_ok=True)
    words: dict[Any, int] = {}
    pool = min(max(orders, 200), 10_000)
    good = [author.good() for _ in range(pool)]
    singles = [script for script in good if script.ids == 1]
    wrong = [author.bad() for _ in range(max(min(pool, round(orders * bad)), 1))]
    scripts = _Scripts.of([*good, *wrong, singles[0]], words, lifecycle)
    writer = _Writer(folder, format, Events(events), list(words), lifecycle)
    planted = []
    for lines, wrong_ones, done in _chunks(scripts, good=pool, orders=orders, bad=bad, days=days, seed=seed):
        writer.add(lines)
        planted += wrong_ones
        if progress is not None:
            progress(done)
    writer.close()
    identity = lifecycle.identity
    violations = [{identity.key: identity.new(order), "index": index} for order, index in planted]
    (folder / PLANTED).write_text(json.dumps({"table": lifecycle.name, "violations": violations}) + "\n")
    return Simulated(
        table=lifecycle.name, orders=orders, lines=writer.lines, violations=len(planted), files=tuple(writer.files)
    )


def _check(orders: int, bad: float, days: int, format_: str) -> None:
    if orders < 1:
        raise InvalidValue("orders", orders, ["a number of 1 or more"])
    if not 0 <= bad <= 1:
        raise InvalidValue("share of bad orders", bad, ["a number in 0 .. 1"])
    if not 1 <= days <= 36_500:
        raise InvalidValue("days", days, ["a number in 1 .. 36500"])
    if format_ not in get_args(Format):
        raise InvalidValue("format", format_, get_args(Format))


_CHUNK, _AT_ONCE = 500_000, 200_000


def _chunks(
    scripts: _Scripts, *, good: int, orders: int, bad: float, days: int, seed: int
) -> Iterator[tuple[_Lines, list[tuple[int, int]], int]]:
    """Lines in order of time, the violations among them, and how many orders more they are.

    Orders are numbered as they begin. Of each chunk of them, only lines are ready that are older than the next chunk.
    """
    random = np.random.default_rng(seed)
    first, span = instant_of("2023-01-01T00:00:00Z")[0], days * DAY
    kept: list[_Lines] = []
    wrong = len(scripts.ids) - 1 - good
    for begin in range(0, orders, _CHUNK):
        size = min(_CHUNK, orders - begin)
        limits = [first + span * place / orders for place in (begin, begin + size)]
        chosen = _chosen(random, scripts, size=size, good=good, wrong=wrong, bad=bad)
        start = np.sort(random.uniform(limits[0], limits[1], len(chosen)))
        ids = scripts.ids[chosen]
        base = _FIRST_ID + begin + np.cumsum(ids) - ids
        lines = _Lines.joined([*kept, _performed(random, scripts, chosen, base, start)])
        lines = lines.take(np.argsort(lines.time, kind="stable"))
        ready = len(lines.time)
        if begin + size < orders:
            ready = int(np.searchsorted(lines.time, int(limits[1]) * _MILLISECONDS))
        kept = [lines.take(slice(ready, None))]
        index = scripts.index[chosen]
        violations = list(zip(base[index >= 0].tolist(), index[index >= 0].tolist(), strict=True))
        yield lines.take(slice(ready)), violations, size


def _chosen(
    random: np.random.Generator, scripts: _Scripts, *, size: int, good: int, wrong: int, bad: float
) -> NDArray[np.int64]:
    """As many scripts as have `size` orders together."""
    chosen = random.integers(0, good, size)
    is_bad = random.random(size) < bad
    chosen[is_bad] = random.integers(good, good + wrong, int(is_bad.sum()))
    upto = np.cumsum(scripts.ids[chosen])
    chosen = chosen[upto <= size]
    missing = size - int(scripts.ids[chosen].sum())
    return np.append(chosen, np.full(missing, len(scripts.ids) - 1))


def _performed(
    random: np.random.Generator,
    scripts: _Scripts,
    chosen: NDArray[np.int64],
    base: NDArray[np.int64],
    start: NDArray[np.float64],
) -> _Lines:
    """The lines of the chosen scripts, begun at `start` (seconds), with ids from `base` on."""
    length = scripts.length[chosen]
    ends = np.cumsum(length)
    begins = ends - length
    step = np.repeat(scripts.begin[chosen] - begins, length) + np.arange(ends[-1] if len(ends) else 0)
    time = np.zeros(len(step), np.int64)
    by_length = np.argsort(-length, kind="stable")
    clock = start.copy()
    for number in range(int(length.max(initial=0))):
        active = by_length[: int((length > number).sum())]
        at = begins[active] + number
        steps = step[at]
        wait = scripts.after[steps] * random.exponential(size=len(active)) if number else 0.0
        moment = clock[active] + wait
        moment = np.where(scripts.office[steps], _in_office_hours(random, moment), moment)
        milliseconds = np.floor(moment * _MILLISECONDS).astype(np.int64)
        if number:
            milliseconds = np.maximum(milliseconds, time[at - 1] + 1)
        time[at] = milliseconds
        clock[active] = milliseconds / _MILLISECONDS
    order = np.repeat(base, length) + scripts.second[step]
    new_order = np.where(scripts.begins[step], order + 1, 0)
    return _Lines(time, order, scripts.said[step], new_order)


def _in_office_hours(random: np.random.Generator, moment: NDArray[np.float64]) -> NDArray[np.float64]:
    """`moment` (seconds since 1970), or one within the first hour of the next working day if nobody is at work then."""
    day, second = np.divmod(moment, DAY)
    begin, end = _OFFICE
    weekday = (day + 3) % 7
    late = (second >= end) | (weekday >= 5)
    day = day + late
    weekday = (day + 3) % 7
    day = day + np.where(weekday >= 5, 7 - weekday, 0)
    away = late | (second < begin)
    return np.where(away, day * DAY + begin + random.uniform(0, HOUR, len(moment)), moment)


class _Writer:
    """Writes lines, which come in order of time, into one file for each month."""

    def __init__(self, folder: Path, format_: Format, events: Events, words: list[Any], lifecycle: Lifecycle) -> None:
        self._folder, self._format, self._events = folder, format_, events
        self._identity = lifecycle.identity
        self._month = ""
        self._file: Any = None
        self.lines = 0
        self.files: list[str] = []
        apart = key_of(SECOND, lifecycle)
        said = [_fields(*word, apart=apart, is_event=not lifecycle.by_client(word[0])) for word in words]
        self._texts = pa.array([json.dumps(fields)[1:-1] for fields in said])
        keys = [key for column in SAID if (key := key_of(column, lifecycle))]
        self._columns = {key: pa.array([fields.get(key) for fields in said], pa.string()) for key in keys}

    def add(self, lines: _Lines) -> None:
        if not len(lines.time):
            return
        months = lines.time.astype("datetime64[ms]").astype("datetime64[M]")
        cuts = np.flatnonzero(np.diff(months.astype(np.int64))) + 1
        for begin, end in zip([0, *cuts.tolist()], [*cuts.tolist(), len(months)], strict=True):
            self._into(str(months[begin]), lines.take(slice(begin, end)))
        self.lines += len(lines.time)

    def _into(self, month: str, lines: _Lines) -> None:
        if month != self._month:
            self.close()
            self._month = month
            name = str(self._folder / f"{month}.{self._format}")
            self.files.append(name)
            self._file = self._opened(name)
        if self._format == "parquet":
            self._file.write_table(self._table(lines), row_group_size=1_000_000)
            return
        for begin in range(0, len(lines.time), _AT_ONCE):
            self._file.write(self._json(lines.take(slice(begin, begin + _AT_ONCE))))

    def _opened(self, name: str) -> Any:
        if self._format == "parquet":
            return pq.ParquetWriter(name, self._schema, compression="zstd")
        compression = "gzip" if self._format.endswith(".gz") else None
        stream = pa.output_stream(name, compression=compression)
        stream.write(f"{header(self._events)}\n".encode())
        return stream

    @property
    def _schema(self) -> Any:
        time = ("time", pa.timestamp("ms", "UTC"))
        key, kind = self._identity.key, type_of_ids(self._identity)
        columns = [time, (key, kind), *((name, pa.string()) for name in self._columns)]
        schema = pa.schema([*columns, (f"new_{key}", kind)])
        return schema.with_metadata({EVENTS_KEY: self._events.encode()})

    def _table(self, lines: _Lines) -> Any:
        said = [pc.take(column, pa.array(lines.said)) for column in self._columns.values()]
        new_order = pc.if_else(pa.array(lines.new_order > 0), self._ids(lines.new_order), None)
        time = pa.array(lines.time.astype("datetime64[ms]")).cast(pa.timestamp("ms", "UTC"))
        return pa.table([time, self._ids(lines.order), *said, new_order], schema=self._schema)

    def _ids(self, numbers: NDArray[np.int64], form: Callable[[Id], str] = str) -> Any:
        """The ids of these numbers; of those that are texts, what `form` makes of them."""
        if not self._identity.is_text:
            return pa.array(numbers)
        distinct, which = np.unique(numbers, return_inverse=True)
        texts = [form(self._identity.new(number)) for number in distinct.tolist()]
        return pa.array(texts, pa.string()).take(pa.array(which))

    def _json(self, lines: _Lines) -> Any:
        time = pc.strftime(pa.array(lines.time.astype("datetime64[ms]")), format="%Y-%m-%dT%H:%M:%SZ")
        key = self._identity.key
        ids, new = (self._ids(numbers, json.dumps).cast(pa.string()) for numbers in (lines.order, lines.new_order))
        new_order = pc.binary_join_element_wise(f', "new_{key}": ', new, "")
        joined = pc.binary_join_element_wise(
            '{"time": "',
            time,
            f'", "{key}": ',
            ids,
            ", ",
            pc.take(self._texts, pa.array(lines.said)),
            pc.if_else(pa.array(lines.new_order > 0), new_order, ""),
            "}\n",
            "",
        )
        begin, end = (
            int.from_bytes(joined.buffers()[1][at : at + 4].to_pybytes(), "little") for at in (0, 4 * len(joined))
        )
        return joined.buffers()[2][begin:end]

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _fields(
    trigger: Trigger,
    outcome: Outcome,
    code: str | None,
    state: str | None,
    second: str | None,
    *,
    apart: str,
    is_event: bool,
) -> dict[str, str]:
    """A line's keys and what stands there, the second word as `apart`; an event has no outcome."""
    fields = {
        "event" if is_event else "operation": str(trigger),
        "outcome": None if is_event else str(outcome),
        "code": code,
        "state": state,
        apart: second,
    }
    return {key: value for key, value in fields.items() if value is not None}
