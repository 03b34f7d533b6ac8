"""Folders and files for the time of some work, which nothing outlives: not even those of a process that was killed.

While a process uses one, it holds a lock on it, of which the operating system lets go when the process ends, however
that comes about. So the next one can tell what was left behind, and removes it. Where there are no such locks
(Windows), what a killed process leaves stays.
"""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX = "orderfsm-scratch-"
"""How the folders are named, in the directory for temporary files."""

SUFFIX = ".orderfsm-part"
"""How files that are being written are named: as the file whose place they will take, a dot, eight digits, this."""

_DIGITS = 8

_LOCK = "in-use"


@contextmanager
def folder() -> Iterator[Path]:
    """An empty folder that is removed in the end; those that killed processes of the same user left go as well."""
    for left in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):
            ours = fcntl is not None and left.lstat().st_uid == os.getuid() and not left.is_symlink()
            if ours and not _is_in_use(left / _LOCK):
                shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=PREFIX) as name, _locked(Path(name, f"{_LOCK}-soon")) as lock:
        # Whoever finds it by its name finds it locked.
        lock.rename(Path(name, _LOCK))
        yield Path(name)


@contextmanager
def beside(file: Path) -> Iterator[Path]:
    """A new file beside `file`, to be written and to take its place; removed if it is still there in the end.

    Those that killed processes left beside it go as well.
    """
    with suppress(OSError):
        for left in file.parent.iterdir():
            digits = left.name.removeprefix(f"{file.name}.").removesuffix(SUFFIX)
            if left.name == f"{file.name}.{digits}{SUFFIX}" and len(digits) == _DIGITS and not _is_in_use(left):
                left.unlink(missing_ok=True)
    part = file.with_name(f"{file.name}.{secrets.token_hex(_DIGITS // 2)}{SUFFIX}")
    with _locked(part):
        try:
            yield part
        finally:
            part.unlink(missing_ok=True)


@contextmanager
def _locked(file: Path) -> Iterator[Path]:
    """A new file, and a lock on it."""
    with file.open("x+b") as held:
        if fcntl is None:
            held.close()
        else:
            with suppress(OSError):  # a file system without locks
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield file


def _is_in_use(file: Path) -> bool:
    """Whether a process holds a lock on a file; also if that cannot be told."""
    if fcntl is None:
        return True
    try:
        with os.fdopen(os.open(file, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)) as found:
            fcntl.flock(found, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    return False
