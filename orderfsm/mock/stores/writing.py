"""How changes get into a database: many of a thread together where one at a time writes, each by itself where many do.

A change is a function of a connection. If it consists of `several` statements, it may raise `Undone` when some of it is
done, and then nothing is; another one raises that only as long as it has done nothing.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from .connections import Undone
from .store import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from .connections import Connection, Connections

T = TypeVar("T")

_ATTEMPTS = 20
_AGAIN = frozenset({"40001", "40P01"})  # serialization_failure, deadlock_detected


@contextmanager
def transaction(connections: Connections, begin: str) -> Iterator[Connection]:
    """A connection in a transaction, which is committed at the end of the block, or undone by an error."""
    with connections.lend() as connection:
        connection.say(begin)
        try:
            yield connection
        except Undone:
            connection.raw.rollback()
            raise
        connection.raw.commit()


class Apart:
    """Each change by itself, for a database in which many write at once. It is tried again if the database asks so."""

    def __init__(self, reading: Connections, writing: Connections, begin: str) -> None:
        self._reading = reading
        self._writing = writing
        self._begin = begin

    def read(self, read: Callable[[Connection], T]) -> T:
        """What `read` finds."""
        with self._reading.lend() as connection:
            return read(connection)

    def write(self, change: Callable[[Connection], T], *, several: bool = False) -> T:
        """What `change` answers, committed; one statement needs no transaction."""
        attempt = self._transact if several else self._say
        for _ in range(_ATTEMPTS - 1):
            try:
                return attempt(change)
            except StoreError as error:
                if getattr(error.__cause__, "sqlstate", None) not in _AGAIN:
                    raise
        return attempt(change)

    def _say(self, change: Callable[[Connection], T]) -> T:
        with self._writing.lend() as connection:
            return change(connection)

    def _transact(self, change: Callable[[Connection], T]) -> T:
        with transaction(self._writing, self._begin) as connection:
            return change(connection)


class InTurn:
    """All changes of a thread in a block by one transaction, for SQLite, where one at a time writes.

    It begins with the first of them, and from then on the thread also reads what is not committed yet. It ends with the
    first error of the database: all is undone. Outside of a block each change is a transaction.
    """

    def __init__(
        self,
        reading: Connections,
        writing: Connections,
        begin: str,
        turn: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._reading = reading
        self._writing = writing
        self._turn = turn
        self._begin = begin
        self._local = _Local()

    def read(self, read: Callable[[Connection], T]) -> T:
        """What `read` finds."""
        block = self._local.block
        if block is not None and block.is_open:
            return block.do(read)
        with self._reading.lend() as connection:
            return read(connection)

    def write(self, change: Callable[[Connection], T], *, several: bool = False) -> T:
        """What `change` answers: committed, or to be committed with the block."""
        block = self._local.block
        if block is None:
            with self._transaction() as connection:
                return change(connection)
        block.begin()
        return block.do(_in_savepoint(change) if several else change)

    @contextmanager
    def together(self) -> Iterator[Callable[[], bool]]:
        """The changes of this thread in the block are committed at its end."""
        block = self._local.block = _Block(self._transaction)
        try:
            yield block.waits
            block.end()
        finally:
            self._local.block = None
            block.leave()

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        with self._turn(), transaction(self._writing, self._begin) as connection:
            yield connection


class _Block:
    """The transaction of a thread, when it has begun."""

    def __init__(self, transaction: Callable[[], AbstractContextManager[Connection]]) -> None:
        self._transaction = transaction()
        self._connection: Connection | None = None
        self._failure: StoreError | None = None
        self._relied_on = False

    @property
    def is_open(self) -> bool:
        return self._connection is not None

    def waits(self) -> bool:
        """Whether anything is done that is not committed yet; who is told so relies on it."""
        self._relied_on = self._relied_on or self.is_open
        return self.is_open

    def begin(self) -> None:
        """Begin the transaction; once it could not, or was undone, there is no other one."""
        if self._failure is not None:
            raise self._failure
        if self._connection is None:
            try:
                self._connection = self._transaction.__enter__()
            except StoreError as error:
                self._failure = error
                raise

    def do(self, act: Callable[[Connection], T]) -> T:
        """What `act` answers; if it fails, the whole transaction is undone."""
        assert self._connection is not None
        try:
            return act(self._connection)
        except Undone:
            raise
        except BaseException as error:
            self._connection = None
            self._failure = StoreError("what was to be committed together was undone")
            self._transaction.__exit__(type(error), error, error.__traceback__)
            raise

    def end(self) -> None:
        """Commit."""
        if self._connection is not None:
            self._connection = None
            self._transaction.__exit__(None, None, None)
        elif self._failure is not None and self._relied_on:
            raise self._failure

    def leave(self) -> None:
        """Undo what is not committed."""
        if self._connection is not None:
            self._connection = None
            self._transaction.__exit__(Undone, Undone(), None)


class _Local(threading.local):
    block: _Block | None = None


def _in_savepoint(change: Callable[[Connection], T]) -> Callable[[Connection], T]:
    """`change`, which undoes itself alone."""

    def do(connection: Connection) -> T:
        connection.say("SAVEPOINT change")
        try:
            result = change(connection)
        except Undone:
            connection.say("ROLLBACK TO change", "RELEASE change")
            raise
        connection.say("RELEASE change")
        return result

    return do
