"""An audit's lines, wherever they come from, in the columns of `LINES`; and what the readers found besides."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs
import narwhals as nw
import pyarrow as pa
import pyarrow.parquet as pq

from orderfsm.audit.columns import EVENTS_KEY, FIRST, LAST, UNITS, at_place, key_of, row_at, schema_of
from orderfsm.invalid import InvalidValue
from orderfsm.questions import ORDER_LIFECYCLE
from orderfsm.trace import Events

from .context import Contexts, of_files
from .layouts import layout, named
from .parsing import parse, parse_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from orderfsm.audit.engines.engine import Engine, Frame, Layout, Parsed, Source
    from orderfsm.identity import Identity
    from orderfsm.lifecycle import Lifecycle


@attrs.frozen(kw_only=True)
class Log:
    """The `lines`, which are of the table `lifecycle`, and what the readers found besides them.

    `headers`: what the files say of their events; `names`: of the files, by their numbers; `finer`: times may be finer
    than microseconds; `whole`: some files are deliveries of ActionTrail; `typed`: the numbers of those that an engine
    reads itself, or 0 for a frame; `contexts`: who was behind lines.
    """

    lines: Frame
    lifecycle: Lifecycle
    headers: frozenset[Events]
    names: Sequence[str]
    finer: bool = False
    whole: bool = False
    typed: frozenset[int] = frozenset()
    contexts: Contexts = attrs.field(factory=lambda: lambda _places: {}, eq=False)

    def at(self, place: int) -> tuple[str | None, int]:
        """The file of the line at a `place`, None for a frame, and the line's number there."""
        if not self.names:
            return None, row_at(place)
        number, line = at_place(place)
        return self.names[number], line


def read_files(
    engine: Engine,
    sources: Sequence[Source],
    columns: Mapping[str, str] | None = None,
    progress: Callable[[int], object] = lambda _lines: None,
    lifecycle: Lifecycle = ORDER_LIFECYCLE,
) -> Log:
    """The lines of files: typed Parquet as the engine reads it, everything else as the core does, once.

    `progress` is told how many lines more the core has read.
    """
    identity, schema_of_lines = lifecycle.identity, schema_of(lifecycle.identity)
    layouts: list[tuple[Layout, list[Source]]] = []
    to_parse: list[Source] = []
    headers: set[Events] = set()
    mapped: dict[int, Mapping[str, str]] = {}
    for source in sources:
        if not source.is_parquet:
            to_parse.append(source)
            continue
        schema = _schema(source)
        said = (schema.metadata or {}).get(EVENTS_KEY, b"partial").decode("utf-8", "replace")
        if said not in set(Events):
            raise InvalidValue(f"{EVENTS_KEY.decode()} of {source.name}", said, Events)
        headers.add(Events(said))
        mapped[source.number] = names = named(schema.names, columns, source.name, identity)
        found = layout(schema, names, identity)
        if found is None or not _is_safe(source, names["time"], found.unit):
            to_parse.append(source)
        else:
            alike = next((files for other, files in layouts if other == found), None)
            if alike is None:
                layouts.append((found, [source]))
            else:
                alike.append(source)
    frames = [engine.typed(files, found) for found, files in layouts]
    parsed: list[Parsed] = []
    if to_parse:
        lines, parsed = engine.parsed(to_parse, partial(_parse, mapped, lifecycle), schema_of_lines, progress)
        frames += [] if lines is None else [lines]
        headers |= {each.events for each in parsed if each.source.number not in mapped}
    if not frames:
        frames = [engine.small(schema_of_lines.empty_table())]
    return Log(
        lines=nw.concat(frames) if len(frames) > 1 else frames[0],
        lifecycle=lifecycle,
        headers=frozenset(headers),
        names=[source.name for source in sources],
        finer=any(each.finer for each in parsed) or any(found.unit == "ns" for found, _ in layouts),
        whole=any(each.whole for each in parsed),
        typed=frozenset(source.number for _, files in layouts for source in files),
        contexts=of_files(sources, columns, {each.source.number for each in parsed if each.whole}, lifecycle),
    )


def without_duplicates(engine: Engine, log: Log) -> Log:
    """One line for each `event_id`: the first."""
    if not log.whole:
        return log
    lines = engine.keep(log.lines)
    known = lines.filter(~nw.col("event_id").is_null())
    first = known.group_by("event_id").agg(place=nw.col("place").min()).select("place")
    alone = lines.filter(nw.col("event_id").is_null())
    return attrs.evolve(log, lines=nw.concat([known.join(first, on="place", how="semi"), alone]))


def _parse(mapped: Mapping[int, Mapping[str, str]], lifecycle: Lifecycle, parsed: Parsed) -> Iterator[pa.RecordBatch]:
    names = mapped.get(parsed.source.number)
    if names is None:
        return parse(parsed, lifecycle)
    return parse_rows(parsed, fields_of(_batches(parsed.source, names), names, lifecycle.identity), lifecycle)


def _batches(source: Source, names: Mapping[str, str]) -> Iterator[pa.RecordBatch]:
    with _undamaged(source):
        yield from pq.ParquetFile(source.path).iter_batches(columns=list(names.values()))


def fields_of(
    batches: Iterable[pa.RecordBatch], names: Mapping[str, str], identity: Identity
) -> Iterator[dict[str, Any]]:
    """The rows of a table as fields of the trace format."""
    keys = [key_of(column, identity) for column in names]
    for batch in batches:
        for row in zip(*(_values(batch.column(name)) for name in names.values()), strict=True):
            yield dict(zip(keys, row, strict=True))


def _values(column: pa.Array) -> list[Any]:
    """What is in a column; times as texts, since Python has no nanoseconds, and none after the year 9999."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _values(column.dictionary_decode())
    if pa.types.is_timestamp(kind):
        return [None if each is None else _moment(each, kind.unit) for each in column.cast(pa.int64()).to_pylist()]
    found: list[Any] = (column.cast(pa.float32()) if pa.types.is_float16(kind) else column).to_pylist()
    return [each.decode("utf-8", "replace") if isinstance(each, bytes) else each for each in found]


def _moment(value: int, unit: str) -> str:
    """The time that is so many units after 1970, in RFC 3339."""
    seconds, fraction = divmod(value, UNITS[unit])
    digits = len(str(UNITS[unit])) - 1
    try:
        moment = (datetime(1970, 1, 1) + timedelta(seconds=seconds)).isoformat()  # noqa: DTZ001  # of UTC
    except OverflowError:
        return f"{seconds} s after 1970"
    return f"{moment}.{fraction:0{digits}}Z" if digits else f"{moment}Z"


def _schema(source: Source) -> pa.Schema:
    with _undamaged(source):
        return pq.read_schema(source.path)


def _is_safe(source: Source, name: str, unit: str) -> bool:
    """Whether every engine reads the times of a file as they are.

    INT96, an old type, is taken for nanoseconds, but not by all; of times in milliseconds some end in no year from 1 to
    9999, at which one engine fails, and another goes round.
    """
    with _undamaged(source):
        metadata = pq.read_metadata(source.path)
    places = [at for at in range(metadata.num_columns) if metadata.schema.column(at).path == name]
    if unit == "ns":
        return all(metadata.schema.column(at).physical_type != "INT96" for at in places)
    if unit == "us":
        return True
    for group in range(metadata.num_row_groups):
        for at in places:
            known = metadata.row_group(group).column(at).statistics
            if known is None or not known.has_min_max:
                return False
            if known.min_raw // UNITS[unit] < FIRST or known.max_raw // UNITS[unit] > LAST:
                return False
    return True


@contextmanager
def _undamaged(source: Source) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise InvalidValue("Parquet file", source.name, [f"an undamaged one ({error})"]) from error
