"""Files that are written: checked before any work is done, and there whole or not at all."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from orderfsm import scratch
from orderfsm.invalid import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator


def check_target(kind: str, file: str | os.PathLike[str] | None, taken: Collection[str] = ()) -> None:
    """An `InvalidValue` if there can be no such file, or it is one of those `taken`; before any work is done."""
    if file is None:
        return
    if Path(file).is_dir() or not Path(file).absolute().parent.is_dir():
        raise InvalidValue(kind, os.fspath(file), ["a file in a directory that exists"])
    if os.path.realpath(file) in map(os.path.realpath, taken):
        raise InvalidValue(kind, os.fspath(file), ["a file that is not read or written otherwise"])


def stamp(file: str | os.PathLike[str] | None) -> object:
    """Something else after the file was written, or replaced; None if there is none."""
    if file is None or not Path(file).exists():
        return None
    status = Path(file).stat()
    return status.st_ino, status.st_mtime_ns, status.st_size


@contextmanager
def written_whole(file: str | os.PathLike[str]) -> Iterator[str]:
    """Gives a path to write to, which then takes the place of `file`; if anything fails, `file` stays as it was."""
    target = os.path.realpath(file)
    if Path(target).exists() and not Path(target).is_file():
        yield target  # a device, a pipe
        return
    with scratch.beside(Path(target)) as part:
        yield str(part)
        part.replace(target)
