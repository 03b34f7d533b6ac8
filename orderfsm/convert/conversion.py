"""From files to a file: read, put in order, written."""

from __future__ import annotations

import gzip
import io
import json
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs

from orderfsm import scratch
from orderfsm.extras import needs
from orderfsm.invalid import InvalidValue
from orderfsm.outputs import check_target, written_whole
from orderfsm.streams import STANDARD_INPUT, unpacked
from orderfsm.trace import BadLine, Entry, Events, Header, Line, all_or_some, header, line_of, unreadable
from orderfsm.trace.tables import tables_of

from . import ocel, ocel_json, ocel_sqlite, ocel_xml, recorded, xes
from .formats import kind_of, written_as
from .mapping import entry
from .spool import Spool, spool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from orderfsm.lifecycle import Lifecycle
    from orderfsm.trace.tables import Tables

    from .spool import Rank

Paths: TypeAlias = "str | os.PathLike[str] | Iterable[str | os.PathLike[str]]"

TOLD = 20
"""How many bad lines are told."""

_STEP = 10_000

LOGS = {"xes": xes, "ocel-json": ocel_json, "ocel-xml": ocel_xml, "ocel-sqlite": ocel_sqlite}
"""What reads logs."""


@attrs.frozen
class Converted:
    """What was written: the `format`, how many `lines`, and of how many `orders`; whether all `events` are among them.

    Left out were so many `other` lines, of tables that were not asked for, of other services, or delivered twice; and
    so many `bad_lines`, of which `bad` are the first.
    """

    format: str
    lines: int
    orders: int
    events: Events
    other: int = 0
    bad_lines: int = 0
    bad: tuple[BadLine, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The document of `orderfsm convert`."""
        bad = [{"file": each.file, "line": each.line, "reason": each.reason} for each in self.bad]
        return attrs.asdict(self, filter=lambda field, _: field.name != "bad") | {"bad": bad}


@attrs.define
class _Read:
    """What was read besides lines."""

    headers: set[Events] = attrs.field(factory=set)
    other: int = 0
    bad_lines: int = 0
    bad: list[BadLine] = attrs.field(factory=list)

    def add(self, more: _Read, most: int | None) -> None:
        """Count what was read of one more file."""
        self.headers |= more.headers
        self.other += more.other
        self.bad_lines += more.bad_lines
        self.bad = (self.bad + more.bad)[:most]


def convert(
    paths: Paths,
    file: str | os.PathLike[str],
    *,
    to: str | None = None,
    columns: Mapping[str, str] | None = None,
    lifecycle: Lifecycle | None = None,
    progress: Callable[[int], object] = lambda _lines: None,
) -> Converted:
    """Write what stands in files into `file`, in another format.

    `paths` are files in any of the `FORMATS`, also compressed, as Parquet (whose columns may have names of their own in
    `columns`) or as ActionTrail delivers them; `-` is standard input. `to` is one of the `FORMATS`; if None, the name
    of `file` says it: `.xes`, `.jsonocel` or `.json`, `.xmlocel` or `.xml`, `.sqlite`, `.jsonl`; what is text goes
    through gzip if `.gz` follows. `-` is standard output. With `lifecycle` lines of other tables are left out.
    `progress` is told how many lines were read.

    What stands in `file` has the order of the lines: in a log of ours by their numbers, in another tool's by time.
    `InvalidValue` for a path, a format or a file that is none of these, for one in which lines stand and none can be
    read, and for one that is read and written; then nothing is written.
    """
    name = os.fspath(file)
    form = written_as(name, to)
    sources = _sources(paths)
    if name == STANDARD_INPUT and form == "ocel-sqlite":
        raise InvalidValue("output", name, ["a file: a database is not for standard output"])
    if name != STANDARD_INPUT:
        check_target("output", name, sources)
    with spool() as lines:
        found = _put(lines, sources, columns, lifecycle, progress)
        events = all_or_some(None, found.headers)
        _write(lines, events, form, name)
        return Converted(
            form, lines.count, lines.orders_named(), events, found.other, found.bad_lines, tuple(found.bad)
        )


def read(
    paths: Paths, *, columns: Mapping[str, str] | None = None, lifecycle: Lifecycle | None = None
) -> Iterator[Entry]:
    """What stands in files of any format that `convert` reads: a `Header`, then the bad lines, then the lines in order.

    The header says of all of them whether all events are there. Arguments and errors are those of `convert`.
    """
    with spool() as lines:
        found = _put(lines, _sources(paths), columns, lifecycle, most=None)
        yield Header("", all_or_some(None, found.headers))
        yield from found.bad
        for put in lines.lines():
            line = line_of(put.fields, "", put.number, lines.tables[put.key])
            if isinstance(line, BadLine):
                raise AssertionError("a line that was read can be read")
            yield line


def write(
    entries: Iterable[Entry], file: str | os.PathLike[str], *, to: str | None = None, events: Events | None = None
) -> Converted:
    """Write lines, as `orderfsm.trace.read` gives them, into `file`; `to` is as in `convert`.

    `events` says whether all events are among them; if None, their headers do.
    """
    name = os.fspath(file)
    form = written_as(name, to)
    found = _Read()
    with spool() as lines:
        for number, each in enumerate(entries):
            _take(each, lines, found, (0, number, ""), TOLD)
        said = all_or_some(events, found.headers)
        _write(lines, said, form, name)
        return Converted(form, lines.count, lines.orders_named(), said, 0, found.bad_lines, tuple(found.bad))


# -- reading -----------------------------------------------------------------------------------------------------------


def _sources(paths: Paths) -> list[str]:
    """The files that are named; those of a directory, and of a glob, as an audit takes them."""
    given = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    names: list[str] = []
    for path in (os.fspath(each) for each in given):
        if path == STANDARD_INPUT or Path(path).is_file() or Path(path).is_fifo():
            names.append(path)
        else:
            with needs("audit"):
                from orderfsm.audit.reading.sources import find
            names += [source.name for source in find(path)]
    if not names:
        raise InvalidValue("paths", given, ["at least one file"])
    return names


def _put(
    lines: Spool,
    sources: list[str],
    columns: Mapping[str, str] | None,
    lifecycle: Lifecycle | None,
    progress: Callable[[int], object] = lambda _lines: None,
    *,
    most: int | None = TOLD,
) -> _Read:
    found, tables = _Read(), tables_of(lifecycle)
    for number, name in enumerate(sources):
        told, here = lines.count, _Read()
        with _path(name) as path:
            before = lines.count
            for each, (at, finer) in _entries(path, name, columns, tables):
                is_others = isinstance(each, Line) and each.lifecycle not in tables.judged
                _take(None if is_others else each, lines, here, (number, at, finer), most)
                if lines.count - told == _STEP:
                    progress(_STEP)
                    told = lines.count
        progress(lines.count - told)
        if lines.count == before and here.bad:
            raise unreadable(name, here.bad[0])
        found.add(here, most)
    return found


def _take(each: Entry | None, lines: Spool, found: _Read, rank: Rank, most: int | None) -> None:
    if isinstance(each, Line):
        lines.put(each, rank)
    elif isinstance(each, Header):
        found.headers.add(each.events)
    elif isinstance(each, BadLine):
        found.bad_lines += 1
        if most is None or len(found.bad) < most:
            found.bad.append(each)
    else:
        found.other += 1


@contextmanager
def _path(name: str) -> Iterator[str]:
    """Where the bytes of a file are, which may be looked at more than once."""
    if name != STANDARD_INPUT and not Path(name).is_fifo():
        yield name
        return
    with scratch.folder() as folder:
        path = folder / "piped"
        with path.open("wb") as file, unpacked(name) as stream:
            while piece := stream.read(1 << 20):
                file.write(piece)
        yield str(path)


def _entries(
    path: str, name: str, columns: Mapping[str, str] | None, tables: Tables
) -> Iterator[tuple[Entry | None, tuple[int, str]]]:
    """What stands in a file, each with its rank there."""
    kind = kind_of(path, name)
    if kind in LOGS:
        for event in LOGS[kind].read(path, name, tables):
            yield (Header(name, event), (0, "")) if isinstance(event, Events) else entry(event, name, tables)
        return
    found = (
        recorded.of_parquet(path, name, tables, columns) if kind == "parquet" else recorded.of_json(path, name, tables)
    )
    for number, each in enumerate(found):
        yield each, (number, "")


# -- writing -----------------------------------------------------------------------------------------------------------


def _write(lines: Spool, events: Events, form: str, name: str) -> None:
    if name == STANDARD_INPUT:
        _write_text(lines, events, form, sys.stdout.write)
        return
    with written_whole(name) as path:
        if form == "ocel-sqlite":
            ocel_sqlite.write(ocel.Written(lines, events), path)
            return
        with gzip.open(path, "wb") if name.lower().endswith(".gz") else Path(path).open("wb") as stream:
            text = io.TextIOWrapper(stream, "utf-8", newline="\n", write_through=False)
            _write_text(lines, events, form, text.write)
            text.flush()


def _write_text(lines: Spool, events: Events, form: str, out: Callable[[str], object]) -> None:
    if form == "jsonl":
        out(header(events) + "\n")
        for put in lines.lines():
            out(json.dumps(put.fields) + "\n")
    elif form == "xes":
        xes.write(lines, events, out)
    else:
        (ocel_json if form == "ocel-json" else ocel_xml).write(ocel.Written(lines, events), out)
