"""An audit's lines, wherever they come from, in the columns of `LINES`; and what the readers found besides."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs

from orderfsm.errors import InvalidValue
from orderfsm.extras import needs
from orderfsm.trace import Events

from .columns import EVENTS_KEY, SCHEMA
from .context import Contexts, of_files
from .layouts import layout, named
from .parsing import Parsed, parse, parse_rows

with needs("audit"):
    import narwhals as nw
    import pyarrow as pa
    import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from .engines.engine import Engine, Layout
    from .sources import Source


@attrs.frozen(kw_only=True)
class Log:
    """The `lines`, and what the readers found besides them.

    `headers`: what the files say of their events; `names`: of the files, by their numbers; `finer`: times may be finer
    than microseconds; `whole`: some files are deliveries of ActionTrail; `contexts`: who was behind lines.
    """

    lines: nw.LazyFrame[Any]
    headers: frozenset[Events]
    names: Sequence[str]
    finer: bool = False
    whole: bool = False
    contexts: Contexts = attrs.field(factory=lambda: lambda _places: {}, eq=False)


def read_files(
    engine: Engine,
    sources: Sequence[Source],
    columns: Mapping[str, str] | None = None,
    progress: Callable[[int], object] | None = None,
) -> Log:
    """The lines of files: typed Parquet as the engine reads it, everything else as the core does, once.

    `progress` is told how many lines more the core has read.
    """
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
        mapped[source.number] = names = named(schema.names, columns, source.name)
        found = layout(schema, names)
        if found is None or (found.unit == "ns" and not _has_nanoseconds(source, names["time"])):
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
        lines, parsed = engine.parsed(to_parse, partial(_parse, mapped), progress)
        frames += [] if lines is None else [lines]
        headers |= {each.events for each in parsed if each.source.number not in mapped}
    if not frames:
        frames = [engine.small(SCHEMA.empty_table())]
    return Log(
        lines=nw.concat(frames) if len(frames) > 1 else frames[0],
        headers=frozenset(headers),
        names=[source.name for source in sources],
        finer=any(each.finer for each in parsed) or any(found.unit == "ns" for found, _ in layouts),
        whole=any(each.whole for each in parsed),
        contexts=of_files(sources, columns, {each.source.number for each in parsed if each.whole}),
    )


def _parse(mapped: Mapping[int, Mapping[str, str]], parsed: Parsed) -> Iterator[pa.RecordBatch]:
    names = mapped.get(parsed.source.number)
    if names is None:
        return parse(parsed)
    return parse_rows(parsed, fields_of(_batches(parsed.source.name, names), names))


def _batches(file: str, names: Mapping[str, str]) -> Iterator[pa.RecordBatch]:
    with _undamaged(file):
        yield from pq.ParquetFile(file).iter_batches(columns=list(names.values()))


def fields_of(batches: Iterable[pa.RecordBatch], names: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """The rows of a table as fields of the trace format."""
    keys = {name: key for key, name in names.items()}
    for batch in batches:
        for row in batch.to_pylist():
            yield {keys[name]: _as_said(keys[name], value) for name, value in row.items() if name in keys}


def _as_said(key: str, value: Any) -> Any:
    """A value as the format has it: a time without a zone is UTC, text may be bytes, and an id a number of any kind."""
    match value:
        case datetime():
            return (value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)).isoformat()
        case bytes():
            return value.decode("utf-8", "replace")
        case float() | Decimal() if key.endswith("order_id") and value == value // 1:
            return int(value)
    return value


def _schema(source: Source) -> pa.Schema:
    with _undamaged(source.name):
        return pq.read_schema(source.name)


def _has_nanoseconds(source: Source, name: str) -> bool:
    """Whether its times are really in nanoseconds: those of INT96, an old type, are read as such, but not by all."""
    with _undamaged(source.name):
        schema = pq.read_metadata(source.name).schema
    return any(column.path == name and column.physical_type != "INT96" for column in schema)


@contextmanager
def _undamaged(name: str) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise InvalidValue("Parquet file", name, [f"an undamaged one ({error})"]) from error
