"""The lines that are not as the trace format says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import narwhals as nw
import pyarrow as pa

from orderfsm.audit.columns import ABSENT, IDS, LINE_BITS, SAID, key_of, moment
from orderfsm.audit.reading.symbols import KINDS, Combination, kinds
from orderfsm.trace import BadLine, line_of, unreadable

from .outputs import written_whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from os import PathLike

    from orderfsm.audit.engines.engine import Engine, Frame
    from orderfsm.audit.reading.log import Log


def check_files(engine: Engine, log: Log, bad: Sequence[Combination]) -> None:
    """An `InvalidValue` if of a file (or of the frame) that the engine reads itself all lines are bad."""
    if not (log.typed and bad):
        return
    number = nw.col("place") // (2 << LINE_BITS) if log.names else nw.lit(0, nw.Int64)
    counts = [
        dict(zip(*engine.table(counted).to_pydict().values(), strict=True))
        for counted in (
            lines.with_columns(number=number).group_by("number").agg(count=nw.len()).select("number", "count")
            for lines in (log.lines, _bad(engine, log, bad))
        )
    ]
    for file in sorted(log.typed):
        if file in counts[0] and counts[0][file] == counts[1].get(file):
            only = attrs.evolve(log, lines=log.lines.filter(number == file)) if log.names else log
            raise unreadable(log.names[file] if log.names else "the frame", next(bad_lines_of(engine, only, bad)))


def bad_lines_of(engine: Engine, log: Log, bad: Sequence[Combination]) -> Iterator[BadLine]:
    """The lines of these combinations, none of which means anything, in the order of the files."""
    lines = _bad(engine, log, bad).select(*SAID, *IDS, "instant", "bad", "place").sort("place")
    for batch in engine.stream(lines):
        for row in batch.to_pylist():
            yield _bad_line(row, log)


def _bad(engine: Engine, log: Log, bad: Sequence[Combination]) -> Frame:
    texts = {key: f"said_{key}" for key in SAID}
    table = pa.table(
        {
            **{texts[key]: [ABSENT if (text := getattr(each, key)) is None else text for each in bad] for key in SAID},
            **{key: [getattr(each, key) for each in bad] for key in KINDS},
        }
    )
    filled = {texts[key]: nw.col(key).fill_null(ABSENT) for key in SAID}
    return (
        log.lines.filter(~nw.col("whole"))  # those are not bad, but of other services
        .with_columns(**filled, **kinds(log.lifecycle.identity))
        .join(engine.small(table), on=table.column_names, how="semi")
    )


def _bad_line(row: dict[str, Any], log: Log) -> BadLine:
    file, line = log.at(row.pop("place"))
    file = file or ""
    bad = row.pop("bad")
    if bad is not None:
        return BadLine(file, line, *json.loads(bad))
    identity = log.lifecycle.identity
    time = moment(row.pop("instant"))
    fields = {"time": time, **{key_of(column, identity): value for column, value in row.items()}}
    found = line_of(fields, file, line, log.lifecycle)
    text = json.dumps({key: value for key, value in fields.items() if value is not None})
    reason = found.reason if isinstance(found, BadLine) else "not as the format says"
    return BadLine(file, line, reason, text[:80])


def write_bad_lines(bad: Iterable[BadLine], file: str | PathLike[str]) -> None:
    """Write them to `file` as JSON Lines: `{"file", "line", "reason", "text"}`."""
    with written_whole(file) as path, Path(path).open("w", encoding="utf-8") as stream:
        for each in bad:
            said = {"file": each.file, "line": each.line, "reason": each.reason, "text": each.text}
            stream.write(json.dumps(said) + "\n")
