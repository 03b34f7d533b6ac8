"""The lines that are not as the trace format says."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import narwhals as nw
import pyarrow as pa

from orderfsm.audit.columns import ABSENT, IDS, LINE_BITS, SAID, key_of, moment
from orderfsm.audit.reading.symbols import KINDS, Combination, kinds
from orderfsm.outputs import written_whole
from orderfsm.trace import BadLine, unreadable
from orderfsm.trace.files import fields_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from os import PathLike

    from orderfsm.audit.engines.engine import Engine, Frame
    from orderfsm.audit.reading.log import Log


def check_files(engine: Engine, logs: Sequence[tuple[Log, Sequence[Combination]]]) -> None:
    """An `InvalidValue` if of a file (or of the frame) that the engine reads itself all lines are bad.

    `logs`: of each table, with the combinations that are bad.
    """
    log = logs[0][0]
    if not (log.typed and any(bad for _, bad in logs)):
        return
    number = nw.col("place") // (2 << LINE_BITS) if log.names else nw.lit(0, nw.Int64)

    def counted(frames: Iterable[Frame]) -> Counter[int]:
        found: Counter[int] = Counter()
        for lines in frames:
            counts = lines.with_columns(number=number).group_by("number").agg(count=nw.len()).select("number", "count")
            found.update(dict(zip(*engine.table(counts).to_pydict().values(), strict=True)))
        return found

    of_all = counted(log.lines for log, _ in logs)
    of_bad = counted(_bad(engine, log, bad) for log, bad in logs if bad)
    for file in sorted(log.typed):
        if of_all[file] and of_all[file] == of_bad[file]:
            only = [
                (attrs.evolve(log, lines=log.lines.filter(number == file)) if log.names else log, bad)
                for log, bad in logs
                if bad
            ]
            first = next(line for each, bad in only for line in bad_lines_of(engine, each, bad))
            raise unreadable(log.names[file] if log.names else "the frame", first)


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
    time = moment(row.pop("instant"))
    said = {key: value for column, value in row.items() if (key := key_of(column, log.lifecycle))}
    fields = {"time": time, **said}
    found = fields_in(fields, file, line, log.tables)
    text = json.dumps({key: value for key, value in fields.items() if value is not None})
    reason = found.reason if isinstance(found, BadLine) else "not as the format says"
    return BadLine(file, line, reason, text[:80])


def write_bad_lines(bad: Iterable[BadLine], file: str | PathLike[str]) -> None:
    """Write them to `file` as JSON Lines: `{"file", "line", "reason", "text"}`."""
    with written_whole(file) as path, Path(path).open("w", encoding="utf-8") as stream:
        for each in bad:
            said = {"file": each.file, "line": each.line, "reason": each.reason, "text": each.text}
            stream.write(json.dumps(said) + "\n")
