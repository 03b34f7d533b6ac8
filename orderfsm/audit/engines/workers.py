"""Who reads the files that the core must read: this process, and others beside it, each a file at a time.

Another process is this module, run as a program. It is told on its standard input what to do, and answers on its
standard output, in pickles: nothing else of the program that asked for it, such as its main module, is run again.
"""

from __future__ import annotations

import os
import pickle
import queue
import subprocess
import sys
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeAlias, cast

import pyarrow.parquet as pq

from orderfsm.audit.columns import SAID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import pyarrow as pa

    from .engine import Parse, Parsed

WORTH = 1 << 24
"""From so many bytes on, a second process is worth its start."""
_MOST = 4
"""How many processes there are at the most, with this one."""

_WRITTEN: dict[str, Any] = {"compression": "lz4", "use_dictionary": [*SAID, "bad"], "write_statistics": False}
"""How the files are written: texts that repeat have a dictionary, and numbers, which hardly do, are as they are."""

Done: TypeAlias = "Callable[[int], object]"


def put_aside(
    sources: Sequence[Parsed], parser: Callable[[], Parse], folder: Path, schema: pa.Schema, progress: Done
) -> list[str]:
    """The Parquet files into which the lines of these sources were written; what else is found is put into these.

    `progress` is told how many lines more there are. The error of the first source that has one is raised.
    """
    left = deque(sources)
    told: queue.SimpleQueue[int | None] = queue.SimpleQueue()
    size = sum(Path(each.source.path).stat().st_size for each in sources if each.source.path)
    others = min(len(sources), os.cpu_count() or 1, _MOST) - 1 if size >= WORTH else 0
    files = [str(folder / f"parsed-{number}.parquet") for number in range(others + 1)]

    def run(number: int) -> bool:
        try:
            return (_elsewhere if number else _here)(left, parser, files[number], schema, told.put)
        finally:
            told.put(None)

    with ThreadPoolExecutor(len(files)) as pool:
        running = [pool.submit(run, number) for number in range(len(files))]
        try:
            for _ in running:
                while (lines := told.get()) is not None:
                    progress(lines)
        except BaseException:
            left.clear()
            raise
    written = [file for file, each in zip(files, running, strict=True) if each.result()]
    # What a process had that did not come to its end.
    last = str(folder / "parsed.parquet")
    written += [last] if left and _here(left, parser, last, schema, progress) else []
    for each in sources:
        if each.error is not None:
            raise each.error
    return written


def _next(left: deque[Parsed]) -> Iterator[Parsed]:
    """The sources that are left, as long as no other takes them."""
    while left:
        try:
            yield left.popleft()
        except IndexError:
            return


def _here(left: deque[Parsed], parser: Callable[[], Parse], file: str, schema: pa.Schema, done: Done) -> bool:
    """Write the lines of the sources that are left into one file; whether there are any.

    `done` is told how many lines more they are. After an error no other source is begun.
    """

    def ended(parsed: Parsed) -> None:
        if parsed.error is not None:
            left.clear()

    return _written(_next(left), parser(), file, schema, done=done, ended=ended)


def _written(
    sources: Iterable[Parsed],
    parse: Parse,
    file: str,
    schema: pa.Schema,
    *,
    done: Done,
    ended: Callable[[Parsed], object],
) -> bool:
    """Write the lines of sources into one file; whether there are any. `ended` is told after each source."""
    writer = None
    try:
        for parsed in sources:
            try:
                for batch in parse(parsed):
                    writer = writer or pq.ParquetWriter(file, schema, **_WRITTEN)
                    writer.write_batch(batch)
                    done(batch.num_rows)
            except Exception as error:  # noqa: BLE001  # raised in the end
                parsed.error = error
            ended(parsed)
    finally:
        if writer is not None:
            writer.close()
    return writer is not None


def _elsewhere(left: deque[Parsed], parser: Callable[[], Parse], file: str, schema: pa.Schema, done: Done) -> bool:
    """The same by another process. If that does not come to its end, all that it had is left."""
    mine: list[Parsed] = []
    try:
        task = pickle.dumps((parser, file, schema))
        with _started() as process:
            to, back = cast("IO[bytes]", process.stdin), cast("IO[bytes]", process.stdout)
            try:
                to.write(task)
                for parsed in _next(left):
                    mine.append(parsed)
                    to.write(pickle.dumps(parsed))
                    to.flush()
                    while isinstance(said := pickle.load(back), int):  # noqa: S301  # ours
                        done(said)
                    for name in ("tables", "events", "whole", "finer", "error"):
                        setattr(parsed, name, getattr(said, name))
                    if parsed.error is not None:
                        left.clear()
                to.write(pickle.dumps(None))
                to.flush()
                return bool(pickle.load(back))  # noqa: S301  # ours
            finally:
                process.kill()
    except (OSError, EOFError, pickle.PickleError, AttributeError, TypeError):
        left.extend(mine)
        return False


def _started() -> subprocess.Popen[bytes]:
    """This module as a program, which finds everything where this one does."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(  # noqa: S603  # ours
        [sys.executable, "-m", __name__],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def main() -> None:
    """Do what standard input asks for, until it is None; tell of each source how it went on, and what was found."""
    asked, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)

    def tell(what: Any) -> None:
        answers.write(pickle.dumps(what))
        answers.flush()

    parser, file, schema = pickle.load(asked)  # noqa: S301  # of the process that started this one
    tell(_written(iter(lambda: pickle.load(asked), None), parser(), file, schema, done=tell, ended=tell))  # noqa: S301  # ours


if __name__ == "__main__":
    main()
