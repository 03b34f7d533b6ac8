"""Where an audit's lines come from: files, directories and globs, and what is in each file."""

from __future__ import annotations

import codecs
import glob
import gzip
import json
import os
import zlib
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

import attrs

from orderfsm.errors import InvalidValue

from .actiontrail import is_delivered

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

SUFFIXES = (".jsonl", ".gz", ".parquet")
"""How the names of the files end that are taken from a directory."""

BAD_LINES = "orderfsm-bad-lines.jsonl"
"""The file in which the command line puts bad lines."""


@attrs.frozen
class Source:
    """A file, and its `number` among all: lines of one time go by it."""

    name: str
    number: int

    @property
    def is_parquet(self) -> bool:
        """Whether engines read it themselves."""
        return self.name.lower().endswith(".parquet")


def find(paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> list[Source]:
    """The files that `paths` name: files as given, those of a directory and of a glob by name, and each only once.

    From a directory, also from those in it, the files are taken whose names end in one of `SUFFIXES`, but for
    `BAD_LINES`. A path that names nothing is an `InvalidValue`.
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
    return [Source(name, number) for number, name in enumerate(names.values())]


def _files(path: str) -> Sequence[str]:
    if Path(path).is_dir():
        inside = (str(file) for file in Path(path).rglob("*") if file.is_file())
        found = sorted(name for name in inside if name.lower().endswith(SUFFIXES) and Path(name).name != BAD_LINES)
    elif Path(path).is_file():
        found = [path]
    else:
        found = sorted(name for name in glob.glob(path, recursive=True) if Path(name).is_file())  # noqa: PTH207  # absolute patterns as well
    if not found:
        accepted = f"a file, a glob that fits one, or a directory with files ending in {', '.join(SUFFIXES)}"
        raise InvalidValue("path", path, [accepted])
    return found


@contextmanager
def opened(name: str) -> Iterator[IO[bytes]]:
    """The file's bytes, without compression; a damaged gzip file is an `InvalidValue`."""
    with Path(name).open("rb") as file, gzip.open(file) if name.endswith(".gz") else nullcontext(file) as stream:
        try:
            yield cast("IO[bytes]", stream)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise InvalidValue("gzip file", name, [f"an undamaged one ({error})"]) from error


def is_actiontrail(name: str) -> bool:
    """Whether a JSON file is a delivery of ActionTrail: an array, or lines, of events; its first JSON object tells."""
    with opened(name) as stream:
        for number, line in enumerate(stream):
            text = (line.removeprefix(codecs.BOM_UTF8) if number == 0 else line).strip()
            try:
                found = json.loads(text)
            except (ValueError, RecursionError):
                if text.startswith(b"[") and text[1:].lstrip()[:1] in {b"", b"{"}:
                    return True  # an array of several lines
                continue
            for each in found if isinstance(found, list) else [found]:
                if isinstance(each, dict):
                    return is_delivered(each)
    return False
