"""Turns at writing into an SQLite file."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, cast

try:
    import fcntl
except ModuleNotFoundError:  # Windows
    fcntl = cast("Any", None)
_HAS_LOCKS = fcntl is not None

if TYPE_CHECKING:
    from collections.abc import Iterator


class Turn:
    """Whose turn it is to write into an SQLite file: of the threads of a process, and of the processes, by a lock file.

    SQLite itself lets them sleep and try again, longer each time: with a few processes one may not get its turn for
    seconds. Where there is no such lock, that is how they wait. It is a courtesy: who waited `patience` seconds writes
    without it, and SQLite's own lock decides. So a process that is stopped in its turn holds up nobody for long.
    """

    def __init__(self, path: str, patience: float) -> None:
        self._path = path
        self._patience = patience
        self._lock = threading.Lock()
        self._file: int | None = None
        self._granted = threading.Condition()
        self._queueing = False  # a thread of ours waits for the lock file
        self._wanted = False  # and somebody for that thread

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Wait for the turn, and have it for as long as the block takes."""
        if not self._lock.acquire(timeout=self._patience):
            yield
            return
        held = False
        try:
            held = _HAS_LOCKS and self._held()
            yield
        finally:
            if held and self._file is not None:
                fcntl.flock(self._file, fcntl.LOCK_UN)
            self._lock.release()

    def _held(self) -> bool:
        """Whether the lock file is ours by now; False if it cannot be had, or not in time."""
        if self._queueing:
            return False  # it took too long before; until it comes nobody else need wait as long
        try:
            if self._file is None:
                self._file = self._opened()
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return self._queued()
        except OSError:
            return False
        return True

    def _opened(self) -> int:
        return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def _queued(self) -> bool:
        """Wait in a thread, since the wait for a lock file has no limit: the thread may be left behind."""
        with self._granted:
            self._queueing = self._wanted = True
            threading.Thread(target=self._queue, name="orderfsm turn", daemon=True).start()
            self._granted.wait_for(lambda: not self._queueing, self._patience)
            self._wanted = False
            return not self._queueing

    def _queue(self) -> None:
        file: int | None = None
        with suppress(OSError):
            file = self._opened()
            fcntl.flock(file, fcntl.LOCK_EX)
        with self._granted:
            unused = file
            if self._wanted and file is not None:
                unused, self._file = self._file, file
            if unused is not None:
                os.close(unused)
            self._queueing = False
            self._granted.notify()

    def close(self) -> None:
        """Let go of the lock file, until the next turn."""
        if self._lock.acquire(timeout=self._patience):
            try:
                if self._file is not None:
                    os.close(self._file)
                    self._file = None
            finally:
                self._lock.release()
