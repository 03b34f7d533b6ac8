"""Where an audit's lines come from: files, directories, globs and pipes, and what is in each file."""

from __future__ import annotations

import glob
import json
import os
import shutil
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from orderfsm.audit.engines.engine import Source
from orderfsm.invalid import InvalidValue
from orderfsm.streams import STANDARD_INPUT, is_parquet, opened, values

from .actiontrail import is_delivered

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SUFFIXES = (".jsonl", ".ndjson", ".gz", ".bz2", ".xz", ".zst", ".parquet", ".pq")
"""How the names of the files end that are taken from a directory."""

BAD_LINES = "orderfsm-bad-lines.jsonl"
"""The file in which the command line puts bad lines."""

_TABLES = {"_delta_log": "Delta", "metadata/*.metadata.json": "Iceberg", ".hoodie": "Hudi"}
"""What stands beside the files of a table of which its own log says which files count."""


def find(paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> list[Source]:
    """The files that `paths` name: files as given, those of a directory and of a glob by name, and each only once.

    From a directory, also from those in it whose names do not begin with `_` or `.`, the files are taken whose names
    end in one of `SUFFIXES`, but for `BAD_LINES`. `-` is standard input, and a pipe is a file as well. A path that
    names nothing is an `InvalidValue`, and so is a Parquet file of a table (Delta, Iceberg, Hudi): which of its files
    count is not said by their names.
    """
    given = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    names: dict[str, str] = {}
    for path in given:
        if not isinstance(path, str | os.PathLike) or not os.fspath(path):
            raise InvalidValue("path", path, ["a file, a directory or a glob"])
        for name in _files(os.fspath(path)):
            names.setdefault(os.path.realpath(name), name)
    if not names:
        raise InvalidValue("paths", given, ["at least one file"])
    _check_tables(names.values())
    return [Source(name, number) for number, name in enumerate(names.values())]


def _files(path: str) -> Sequence[str]:
    if path == STANDARD_INPUT or _is_pipe(path) or Path(path).is_file():
        return [path]
    if Path(path).is_dir():
        found = sorted(str(file) for file in _inside(Path(path)))
    else:
        found = sorted(name for name in glob.glob(path, recursive=True) if Path(name).is_file())  # noqa: PTH207  # absolute patterns as well
    if not found:
        endings = f"files ending in {', '.join(SUFFIXES)}"
        raise InvalidValue("path", path, [f"a file, a glob that fits one, - or a pipe, or a directory with {endings}"])
    return found


def _inside(folder: Path) -> Iterable[Path]:
    for file in folder.rglob("*"):
        hidden = any(name.startswith(("_", ".")) for name in file.relative_to(folder).parts[:-1])
        if not hidden and file.name.lower().endswith(SUFFIXES) and file.name != BAD_LINES and file.is_file():
            yield file


def _is_pipe(path: str) -> bool:
    try:
        return stat.S_ISFIFO(Path(path).stat().st_mode)
    except (OSError, ValueError):
        return False


def _check_tables(names: Iterable[str]) -> None:
    """An `InvalidValue` if one of the files is of a table that says elsewhere which of them count."""
    known: dict[Path, str | None] = {}
    for name in names:
        if name == STANDARD_INPUT or _is_pipe(name):
            continue
        for folder in Path(name).absolute().parents:
            if folder not in known:
                known[folder] = next((kind for mark, kind in _TABLES.items() if any(folder.glob(mark))), None)
            kind = known[folder]
            if kind is not None and is_parquet(name):
                raise InvalidValue(
                    "path", name, [f"a frame of the {kind} table {folder}, whose own log says which files count"]
                )


def spooled(sources: Sequence[Source], folder: Path) -> list[Source]:
    """The sources, with what pipes and standard input give put aside in `folder`, as it is there only once."""
    found = []
    for source in sources:
        is_input = source.name == STANDARD_INPUT
        if is_input or _is_pipe(source.name):
            path = folder / f"piped-{source.number}"
            with path.open("wb") as file:
                if is_input:
                    shutil.copyfileobj(sys.stdin.buffer, file)
                else:
                    with Path(source.name).open("rb") as pipe:
                        shutil.copyfileobj(pipe, file)
            found.append(attrs.evolve(source, path=str(path)))
        else:
            found.append(source)
    return found


def is_actiontrail(source: Source) -> bool:
    """Whether a JSON file is a delivery of ActionTrail; its first JSON object tells."""
    with opened(source.path, source.name) as stream:
        for _, value in values(stream, source.name):
            try:
                found = json.loads(value) if isinstance(value, bytes) else value
            except (ValueError, RecursionError):
                continue
            if isinstance(found, dict):
                return is_delivered(found)
    return False
