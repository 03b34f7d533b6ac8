"""An audit's lines, wherever they come from, in the columns of `LINES`; and what the readers found besides."""

from __future__ import annotations

import json
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs
import narwhals as nw
import pyarrow as pa
import pyarrow.parquet as pq

from orderfsm.audit.columns import (
    BESIDE,
    EVENTS_KEY,
    FIRST,
    LAST,
    LINES,
    SAID,
    UNITS,
    at_place,
    key_of,
    row_at,
    schema_of,
)
from orderfsm.audit.engines.engine import Beside
from orderfsm.invalid import InvalidValue
from orderfsm.trace import Events
from orderfsm.trace.tables import ids_under_several, tables_of

from .context import Contexts, of_files
from .layouts import layouts, named
from .parsing import Parser, parse_rows
from .symbols import no_id

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from orderfsm.audit.engines.engine import Engine, Frame, Parse, Parsed, Source
    from orderfsm.lifecycle import Lifecycle
    from orderfsm.trace.tables import Tables

    from .layouts import Part


@attrs.frozen(kw_only=True)
class Log:
    """The `lines` of the table `lifecycle`, one of the `tables` of a log, and what the readers found besides them.

    Lines without an id are among those of the first of the tables. `headers`: what the files say of their events;
    `names`: of the files, by their numbers; `finer`: times may be finer than microseconds; `whole`: some files are
    deliveries of ActionTrail; `typed`: the numbers of those that an engine reads itself, or 0 for a frame; `contexts`:
    who was behind lines.
    """

    lines: Frame
    lifecycle: Lifecycle
    tables: Tables
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
    lifecycle: Lifecycle | None = None,
) -> list[Log]:
    """The lines of files, by tables: typed Parquet as the engine reads it, everything else as the core does, once.

    There is a log for each table of which there may be lines, and at least one. Of `lifecycle` alone, if it is given;
    lines of others are among those without an id. `progress` is told how many lines more the core has read.
    """
    tables = tables_of(lifecycle)
    parts: list[tuple[Part, list[Source]]] = []
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
        mapped[source.number] = names = named(schema.names, columns, source.name, tables)
        found = layouts(schema, names, tables)
        if not found or not _is_safe(source, names["time"], found[0].layout.unit):
            to_parse.append(source)
            continue
        for part in found:
            alike = next((files for other, files in parts if other == part), None)
            if alike is None:
                parts.append((part, [source]))
            else:
                alike.append(source)
    frames = Frames(engine, tables)
    for part, files in parts:
        frames.add(part, engine.typed(files, part.layout))
    parsed: list[Parsed] = []
    lines: Frame | None = None
    if to_parse:
        lines, parsed = engine.parsed(to_parse, partial(_parser, mapped, tables), schema_of(tables.judged), progress)
        headers |= {each.events for each in parsed if each.source.number not in mapped}
        if lines is not None:
            whole = any(each.whole for each in parsed)
            frames.add_parsed(_without_duplicates(engine, lines) if whole else lines, parsed)
    return frames.logs(
        headers=frozenset(headers),
        names=[source.name for source in sources],
        finer=any(each.finer for each in parsed) or any(part.layout.unit == "ns" for part, _ in parts),
        whole=any(each.whole for each in parsed),
        typed=frozenset(source.number for _, files in parts for source in files),
        contexts=of_files(
            sources,
            columns,
            {each.source.number for each in parsed if each.whole},
            tables,
            partial(_bytes_of, engine, lines),
        ),
    )


class Frames:
    """The frames of each table's lines, in the columns `LINES`."""

    def __init__(self, engine: Engine, tables: Tables) -> None:
        self._engine, self._tables = engine, tables
        self._frames: dict[str, list[Frame]] = {}

    def add(self, part: Part, lines: Frame) -> None:
        """Lines that an engine reads itself."""
        self._frames.setdefault(part.table.identity.key, []).append(_own(part, lines) if part.layout.beside else lines)

    def add_parsed(self, lines: Frame, parsed: Iterable[Parsed]) -> None:
        """Lines that the core read, of all tables."""
        judged = self._tables.judged
        if len(judged) == 1:
            self._frames.setdefault(judged[0].identity.key, []).append(lines)
            return
        there = sorted(set().union(*(each.tables for each in parsed))) or [0]
        for place in there:
            identity = judged[place].identity
            its = nw.col("table") == place
            chosen = (
                lines if len(there) == 1 else lines.filter(its | (nw.col("table") < 0) if place == there[0] else its)
            )
            if identity.is_text:
                chosen = chosen.with_columns(order_id=nw.col("text_id"), new_order_id=nw.col("new_text_id"))
            self._frames.setdefault(identity.key, []).append(chosen.select(*LINES))

    def logs(self, **found: Any) -> list[Log]:
        """A log for each table of which there may be lines."""
        tables = [table for table in self._tables.judged if table.identity.key in self._frames]
        if not tables:
            tables = [self._tables.first]
            empty = pa.schema([schema_of((tables[0],)).field(name) for name in LINES]).empty_table()
            self._frames[tables[0].identity.key] = [self._engine.small(empty)]
        joined = ((table, self._frames[table.identity.key]) for table in tables)
        return [
            Log(
                lines=nw.concat(frames) if len(frames) > 1 else frames[0],
                lifecycle=table,
                tables=self._tables,
                **found,
            )
            for table, frames in joined
        ]


def _own(part: Part, lines: Frame) -> Frame:
    """The lines of one table among those of a file in which others have ids as well.

    A line with two ids is a bad line of the first of their tables; one of a table that is not judged is another line.
    """
    beside, has_id = nw.col(BESIDE), ~no_id("order_id", part.table.identity)
    own = has_id & (beside != int(Beside.EARLIER))
    elsewhere = ~has_id & ((beside == int(Beside.NOTHING)) | (beside == int(Beside.OTHER)))
    lines = lines.filter(own | elsewhere if part.home else own)
    keys = [key_of("order_id", part.table), *(name for name, _, _ in part.layout.beside)]
    several = json.dumps([str(ids_under_several(keys)), json.dumps(dict.fromkeys(keys, "..."))])
    unsaid = beside != int(Beside.NOTHING)
    return lines.with_columns(
        *(nw.when(~unsaid).then(nw.col(key)).alias(key) for key in SAID),
        bad=nw.when(unsaid & has_id).then(nw.lit(several)).otherwise(nw.col("bad")),
        whole=nw.col("whole") | (unsaid & ~has_id),
    ).select(*LINES)


def _bytes_of(engine: Engine, lines: Frame | None, places: Collection[int]) -> dict[int, int]:
    """Where the objects begin in their files that stand at some places, as far as their lines tell."""
    if lines is None or not places:
        return {}
    wanted = engine.small(pa.table({"place": pa.array(places, pa.int64())}))
    known = lines.filter(~nw.col("byte").is_null()).join(wanted, on="place", how="semi").select("place", "byte")
    return dict(zip(*engine.table(known).to_pydict().values(), strict=True))


def _without_duplicates(engine: Engine, lines: Frame) -> Frame:
    """One line for each `event_id`: the first."""
    lines = engine.keep(lines)
    known = lines.filter(~nw.col("event_id").is_null())
    first = known.group_by("event_id").agg(place=nw.col("place").min()).select("place")
    alone = lines.filter(nw.col("event_id").is_null())
    return nw.concat([known.join(first, on="place", how="semi"), alone])


def _parser(mapped: Mapping[int, Mapping[str, str]], tables: Tables) -> Parse:
    """What reads one file after the other: JSON, or Parquet, whose columns are `mapped` by the file's number."""
    parser = Parser(tables)

    def parse(parsed: Parsed) -> Iterator[pa.RecordBatch]:
        names = mapped.get(parsed.source.number)
        if names is None:
            return parser.parse(parsed)
        return parse_rows(parsed, fields_of(_batches(parsed.source, names), names), tables)

    return parse


def _batches(source: Source, names: Mapping[str, str]) -> Iterator[pa.RecordBatch]:
    with _undamaged(source):
        yield from pq.ParquetFile(source.path).iter_batches(columns=list(names.values()))


def fields_of(batches: Iterable[pa.RecordBatch], names: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """The rows of a table as fields of the trace format."""
    for batch in batches:
        for row in zip(*(_values(batch.column(name)) for name in names.values()), strict=True):
            yield dict(zip(names, row, strict=True))


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
    except pa.ArrowNotImplementedError as error:
        accepted = f"one whose columns are of types that Arrow has ({error}): read it by what wrote it, give the frame"
        raise InvalidValue("Parquet file", source.name, [accepted]) from error
    except (pa.ArrowException, OSError) as error:
        raise InvalidValue("Parquet file", source.name, [f"an undamaged one ({error})"]) from error
