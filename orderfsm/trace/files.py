"""Trace files, read and written: JSON Lines, compressed or not, with a header or without one."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, cast

from orderfsm import streams
from orderfsm.invalid import InvalidValue
from orderfsm.streams import Find, Found, Readable, Value, is_parquet, name_of, opened

from .lines import (
    BadLine,
    Entry,
    Events,
    Header,
    Line,
    Outcome,
    events_of,
    id_of,
    none_if_absent,
    trigger_of,
    word_or_none,
)
from .tables import Tables, keys_of, tables_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from orderfsm.lifecycle import Lifecycle

_EXCERPT = 80
_KEYS = ("time", "operation", "event", "outcome", "code", "state", "client", "started", "ended")
_HEADER_KEYS = ("trace", "events")


def read(
    paths: Readable | Iterable[Readable],
    *,
    progress: Callable[[int], object] | None = None,
    lifecycle: Lifecycle | None = None,
) -> Iterator[Entry]:
    """What stands in the trace files `paths` (or in the one), file by file: a `Header`, then line after line.

    The lines are each of the table of this package under whose key its id stands, or of `lifecycle`, which comes before
    one of them with the same key; one of another table is a bad line.

    They are paths, `-` for standard input, or open files; compressed by gzip, bzip2, xz or zstd, or not, whatever they
    are called. Objects may also follow each other otherwise than line by line, or stand in an array: see `streams`. Bad
    lines are given as `BadLine`, empty ones not at all. A header between the lines, as in files that were joined, says
    nothing if it is like the first; else it is a bad line, and counts as of another file. `progress` is told now and
    then how many bytes more of a file were read. An `InvalidValue` for Parquet, which this reader does not take, and
    for what else is no JSON, or is damaged; `OSError` for a file that cannot be read.
    """
    one = isinstance(paths, str | os.PathLike) or hasattr(paths, "read") or not isinstance(paths, Iterable)
    files = cast("list[Readable]", [paths] if one else list(cast("Iterable[Readable]", paths)))
    for file in files:
        if not (isinstance(file, str | os.PathLike) or hasattr(file, "read")):
            raise InvalidValue("trace file", file, ["a path, - for standard input, or an open file"])
        if isinstance(file, str | os.PathLike) and Path(file).is_file() and is_parquet(os.fspath(file)):
            raise InvalidValue("trace file", os.fspath(file), ["JSON Lines; Parquet is for orderfsm.audit"])
    known = tables_of(lifecycle)
    return (
        entry if isinstance(entry, Header | BadLine) else line_in(entry[1], name_of(file), entry[0], known)
        for file in files
        for entry in texts(file, progress=progress)
    )


def texts(
    file: Readable, *, name: str | None = None, progress: Callable[[int], object] | None = None
) -> Iterator[Header | BadLine | tuple[int, Value]]:
    """What stands in one trace file before it is made out: a `Header`, then each line's number and its text, or object.

    Empty lines are left out. Of several headers each that says something else is given after a `BadLine`. `name` is
    what the file is called, if not what it is; `progress` and errors are as in `read`.
    """
    for batch in batches(file, name=name, progress=progress):
        yield from [batch] if isinstance(batch, Header | BadLine) else cast("Iterable[tuple[int, Value]]", batch)


def batches(
    file: Readable,
    *,
    name: str | None = None,
    progress: Callable[[int], object] | None = None,
    find: Find | None = None,
) -> Iterator[Header | BadLine | Found | Iterable[tuple[int, Value]]]:
    """The same, with the lines in batches, each to be read before the next: nothing is done line by line.

    What `find` finds is given instead of the lines; it finds no headers.
    """
    name = name_of(file) if name is None else name
    taken = 0

    def took(count: int) -> None:
        nonlocal taken
        taken += count

    with opened(file, name, took) as stream:
        for batch in _headed(streams.batches(stream, name, find), name):
            yield batch
            if progress is not None and taken:
                progress(taken)
                taken = 0
        if progress is not None:
            progress(taken)


def loads(text: str | Value, file: str = "", number: int = 0, lifecycle: Lifecycle | None = None) -> Line | BadLine:
    """The line that `text` is, or that the object is: of a table of this package, or of `lifecycle` alone.

    `file` and `number` say where it stands.
    """
    known = tables_of(lifecycle)
    return _judged(line_in(text, file, number, known), text, known)


def line_of(
    fields: Mapping[str, Any], file: str = "", number: int = 0, lifecycle: Lifecycle | None = None
) -> Line | BadLine:
    """The line that has these `fields`, as `loads` gives it: for lines that are not JSON text.

    >>> from orderfsm.trace import line_of
    >>> line_of({"time": "2026-08-05T06:10:01Z", "order_id": 7, "event": "review_passed"}).trigger
    <Event.REVIEW_PASSED: 'review_passed'>
    """
    known = tables_of(lifecycle)
    return _judged(fields_in(fields, file, number, known), fields, known)


def _judged(line: Line | BadLine, said: str | bytes | Mapping[str, Any], tables: Tables) -> Line | BadLine:
    """`line`; a bad one if it is of a table by which it shall not be judged."""
    if isinstance(line, BadLine) or line.lifecycle in tables.judged:
        return line
    key = line.lifecycle.identity.key
    wrong = InvalidValue("table of the line with", key, tables.accepted)
    if line.order_id is None:
        wrong = InvalidValue("operation", str(line.trigger), tables.operations)
    return BadLine(line.file, line.number, str(wrong), _excerpt(said))


def line_in(text: str | Value, file: str, number: int, tables: Tables) -> Line | BadLine:
    """The line that `text` is, or that the object is, of one of these tables."""
    if isinstance(text, dict):
        return fields_in(text, file, number, tables)
    try:
        return _line(_json_object(text), file, number, tables)
    except InvalidValue as error:
        return BadLine(file, number, str(error), _excerpt(text))


def fields_in(fields: Mapping[str, Any], file: str, number: int, tables: Tables) -> Line | BadLine:
    """The line that has these `fields`, of one of these tables."""
    try:
        return _line(_without_nulls(fields), file, number, tables)
    except InvalidValue as error:
        return BadLine(file, number, str(error), _excerpt(fields))


def fields_of(line: Line) -> dict[str, Any]:
    """The fields of `line` in the trace format, as `line_of` takes them."""
    key, is_operation = line.lifecycle.identity.key, line.lifecycle.by_client(line.trigger)
    second = {} if line.certificate_state is None else {keys_of(line.lifecycle).apart: line.certificate_state}
    said = {
        "time": line.time,
        key: line.order_id,
        "operation" if is_operation else "event": line.trigger,
        "outcome": line.outcome if is_operation else None,
        "code": line.code,
        "state": line.state,
        **second,
        f"new_{key}": line.new_order_id,
        "client": line.client,
        "started": line.started,
        "ended": line.ended,
    }
    if line.extra:
        said = {**line.extra, **said}
    return {key: value for key, value in said.items() if value is not None}


def dumps(line: Line) -> str:
    """`line` as JSON, without a newline."""
    return _encode(fields_of(line))


def header(events: Events = Events.COMPLETE) -> str:
    """The header of a trace as JSON, without a newline.

    >>> from orderfsm.trace import header
    >>> header()
    '{"trace": 1, "events": "complete"}'
    """
    return json.dumps({"trace": 1, "events": events_of(events)})


def write(lines: Iterable[Line], file: str | os.PathLike[str], events: Events = Events.COMPLETE) -> None:
    """Write a header and `lines` to the path `file`, through gzip if its name ends in `.gz`."""
    first = header(events)
    name = os.fspath(file)
    with gzip.open(name, "wb") if name.endswith(".gz") else Path(name).open("wb") as stream:
        stream.write(f"{first}\n".encode())
        stream.writelines(f"{dumps(line)}\n".encode() for line in lines)


def _headed(
    found: Iterable[Found | tuple[bytes, Iterable[tuple[int, Value]]]], name: str
) -> Iterator[Header | BadLine | Found | Iterable[tuple[int, Value]]]:
    head: Header | None = None
    for batch in found:
        if isinstance(batch, Found):
            if head is None:
                head = Header(name)
                yield head
            yield batch
            continue
        text, lines = batch
        if head is not None and text and b'"trace"' not in text:
            yield lines
            continue
        for number, value in lines:
            may_be = head is None or (b'"trace"' in value if isinstance(value, bytes) else "trace" in value)
            other = _header(value, name) if may_be else None
            if head is None:
                head = other or Header(name)
                yield head
            elif other is not None and other.events is not head.events:
                accepted = f"{header(head.events)} as on line 1, since files were joined here; or each file by itself"
                reason = str(InvalidValue("header", header(other.events), [accepted]))
                yield BadLine(name, number, reason, header(other.events))
                yield other
            if other is None:
                yield [(number, value)]
    if head is None:
        yield Header(name)


def _header(text: Value, name: str) -> Header | None:
    """The header that `text` is; None if it is anything else."""
    try:
        fields = _without_nulls(text) if isinstance(text, dict) else _json_object(text)
        if _looks_like_a_header(fields) and fields["trace"] == 1:
            return Header(name, events_of(none_if_absent(fields.get("events")) or Events.PARTIAL))
    except InvalidValue:
        pass
    return None


def _looks_like_a_header(fields: Mapping[str, Any]) -> bool:
    return "trace" in fields and "operation" not in fields and "event" not in fields


def _line(fields: dict[str, Any], file: str, number: int, tables: Tables) -> Line:
    if _looks_like_a_header(fields):
        raise InvalidValue("header", fields, [f'{header()}, or "partial", as first line'])
    lifecycle, order, new_order, apart = tables.of(fields)
    take, identity = fields.pop, lifecycle.identity
    operation, event = none_if_absent(take("operation", None)), none_if_absent(take("event", None))
    if (operation is None) == (event is None):
        raise InvalidValue("operation and event", (operation, event), ["exactly one of them"])
    is_event = operation is None
    try:
        trigger = trigger_of("event", event, lifecycle) if is_event else trigger_of("operation", operation, lifecycle)
    except InvalidValue:
        _check_table(fields, tables)
        if is_event or order in fields:
            raise
        raise InvalidValue("operation", operation, tables.operations) from None
    outcome = none_if_absent(take("outcome", None))
    if outcome is None and is_event:
        outcome = Outcome.ACCEPTED
    line: Line = Line.__new__(Line)
    line.__attrs_init__(  # its trigger is known  # pyright: ignore[reportAttributeAccessIssue]
        time=take("time", None),
        order_id=id_of(take(order, None), identity),
        trigger=trigger,
        outcome=outcome,
        code=take("code", None),
        state=take("state", None),
        certificate_state=word_or_none(take(apart, None)) if apart else None,
        new_order_id=id_of(take(new_order, None), identity),
        client=take("client", None),
        started=take("started", None),
        ended=take("ended", None),
        extra=fields,
        file=file,
        number=number,
        lifecycle=lifecycle,
    )
    return line


def _check_table(fields: Mapping[str, Any], tables: Tables) -> None:
    """An `InvalidValue` if a line, whose trigger nobody knows, has an id under another table's key."""
    keys = {table.identity.key for table in tables.known}
    others = [key for key in fields if key.endswith(("_id", "_url")) and not key.startswith("new_")]
    if others and keys.isdisjoint(fields):
        raise InvalidValue("table of the line with", others[0], tables.accepted)


def _json_object(text: str | bytes) -> dict[str, Any]:
    """The JSON object that `text` is, less what is null."""
    try:
        value = _decode(text if isinstance(text, str) else text.decode())
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise InvalidValue("line", _excerpt(text), ["a JSON object"])
    return _without_nulls(value) if None in value.values() else value


def keys_read(tables: Tables) -> frozenset[str]:
    """The keys that decide what a line of one of these tables says; others are kept as they are."""
    own = (key for table in tables.known for key in keys_of(table)[1:] if key)
    return frozenset({*_KEYS, *_HEADER_KEYS, *own})


def _without_nulls(value: Mapping[str, Any]) -> dict[str, Any]:
    return {key: member for key, member in value.items() if member is not None}


def _no_such_number(constant: str) -> NoReturn:
    raise ValueError(constant)  # NaN and Infinity, which are Python's JSON only


_encode = json.JSONEncoder().encode
_decode = json.JSONDecoder(parse_constant=_no_such_number).decode


def _excerpt(said: str | bytes | Mapping[str, Any]) -> str:
    text = said if isinstance(said, str | bytes) else json.dumps(said, default=str)
    start = text[:_EXCERPT]
    return (start if isinstance(start, str) else start.decode("utf-8", "replace")).strip()
