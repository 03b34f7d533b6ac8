"""The connections of a process to its database."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from sqlalchemy import exc

from orderfsm.invalid import OrderFSMError

from .store import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import sqlalchemy as sa
    from sqlalchemy.engine.interfaces import DBAPIConnection

    from orderfsm.errors import ServiceError

    from .compiled import Compiler, Parameters

NONE: Parameters = {}
"""No parameters."""


class Undone(Exception):
    """A change found that it must not be: `error` is what to say, None that the order is no longer what it was."""

    def __init__(self, error: ServiceError | None = None) -> None:
        super().__init__(error)
        self.error = error


class Connection:
    """A connection as SQLAlchemy sees it, and as the driver does, by which all goes that has to be fast."""

    def __init__(self, sql: sa.Connection, raw: DBAPIConnection, compiler: Compiler) -> None:
        self.sql = sql
        self.raw = raw
        self._compiler = compiler
        self._cursor: Any = raw.cursor()

    def say(self, *statements: str) -> None:
        """Say to the database what has no parameters and no answer."""
        for statement in statements:
            self._cursor.execute(statement)

    def all(self, statement: Any, parameters: Parameters = NONE) -> Sequence[Any]:
        """What `statement` finds, rows as tuples."""
        found: Sequence[Any] = self._executed(statement, parameters).fetchall()
        return found

    def first(self, statement: Any, parameters: Parameters = NONE) -> Any:
        """The first row that `statement` finds, or None."""
        rows = self.all(statement, parameters)
        return rows[0] if rows else None

    def scalar(self, statement: Any, parameters: Parameters = NONE) -> Any:
        """The one value that `statement` answers."""
        row = self.first(statement, parameters)
        if row is None:
            raise LookupError("no row was found where one must be")
        return row[0]

    def change(self, statement: Any, parameters: Parameters = NONE) -> int:
        """How many rows `statement` changed."""
        return int(self._executed(statement, parameters).rowcount)

    @contextmanager
    def at_one_time(self) -> Iterator[None]:
        """What is read in the block is as of one moment; for SQLite."""
        if self.raw.in_transaction:
            yield
            return
        self.say("BEGIN")
        yield
        self.say("COMMIT")

    def close(self) -> None:
        """End it, whatever state it is in. In SQLite a row that was not fetched would keep it, and its locks, alive."""
        with suppress(self.raw.Error):
            self._cursor.close()
        self.sql.invalidate()
        self.sql.close()

    def _executed(self, statement: Any, parameters: Parameters) -> Any:
        compiled = self._compiler(statement, parameters)
        return self._cursor.execute(compiled.text, compiled.bound(parameters), **compiled.options)


class File:
    """An SQLite file, which somebody may remove. Who has it open does not notice, and writes what nobody will read."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._known: tuple[int, int] | None = None

    def check(self) -> None:
        """`StoreError` if it is not there any more, or is another one."""
        try:
            found = os.stat(self._path)  # noqa: PTH116  (before every call)
        except OSError as error:
            if self._known is not None:
                raise StoreError(f"the database file is gone ({error.strerror})") from error
            return
        if self._known is None:
            self._known = found.st_dev, found.st_ino
        elif self._known != (found.st_dev, found.st_ino):
            raise StoreError("the database file was replaced by another one")


class Connections:
    """The connections of a process, each lent to one thread at a time, and closed if anything went wrong.

    SQLAlchemy's own pool takes as long for a loan as a read takes. Who waits longer than `patience` seconds for one,
    or whom the database fails, gets a `StoreError`.
    """

    def __init__(self, engine: sa.Engine, compiler: Compiler, number: int, patience: float, file: File | None) -> None:
        self._engine = engine
        self._compiler = compiler
        self._file = file
        self._number = number
        self._patience = patience
        self._places = threading.Semaphore(number)
        self._idle: list[Connection] = []
        # ValueError, LookupError: what SQLite's driver makes of a damaged file.
        self._errors = (exc.SQLAlchemyError, engine.dialect.loaded_dbapi.Error, ValueError, LookupError)

    @contextmanager
    def lend(self) -> Iterator[Connection]:
        """A connection for as long as the block takes."""
        if self._file is not None:
            self._file.check()
        if not self._places.acquire(timeout=self._patience):
            raise StoreError(f"all {self._number} connections to the database waited {self._patience:g} s for it")
        try:
            try:
                connection = self._taken()
            except self._errors as error:
                raise StoreError(_reason(error)) from error
            try:
                yield connection
            except Undone:
                self._idle.append(connection)
                raise
            except BaseException as error:
                connection.close()
                self.close()  # if the server went away, they are lost too
                if isinstance(error, self._errors) and not isinstance(error, OrderFSMError):
                    raise StoreError(_reason(error)) from error
                raise
            self._idle.append(connection)
        finally:
            self._places.release()

    @contextmanager
    def failing(self) -> Iterator[None]:
        """Where the database may fail: then with a `StoreError`."""
        try:
            yield
        except self._errors as error:
            raise StoreError(_reason(error)) from error

    def _taken(self) -> Connection:
        try:
            return self._idle.pop()
        except IndexError:
            sql = self._engine.connect()
            raw = sql.connection.dbapi_connection
            assert raw is not None
            return Connection(sql, raw, self._compiler)

    def close(self) -> None:
        """Close those that are not lent."""
        while self._idle:
            self._taken().close()


def _reason(error: BaseException) -> str:
    """What the database says, on one line; without its DETAIL, in which a row may stand, and its key in the row."""
    said = str(getattr(error, "orig", None) or error).partition("DETAIL:")[0]
    return " ".join(said.split()) or type(error).__name__
