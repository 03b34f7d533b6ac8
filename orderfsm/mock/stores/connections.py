"""The connections of a process to its database."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import attrs
from sqlalchemy import exc

from orderfsm.invalid import OrderFSMError

from .store import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import sqlalchemy as sa
    from sqlalchemy.engine.interfaces import DBAPIConnection

    from orderfsm.errors import ServiceError

    Parameters = Mapping[str, Any]


class Undone(Exception):
    """A change found that it must not be: `error` is what to say, None that the order is no longer what it was."""

    def __init__(self, error: ServiceError | None = None) -> None:
        super().__init__(error)
        self.error = error


@attrs.frozen
class Connection:
    """A connection as SQLAlchemy sees it, and as the driver does, where to begin and end a transaction costs little."""

    sql: sa.Connection
    raw: DBAPIConnection

    def say(self, *statements: str) -> None:
        """Say to the database what has no parameters and no answer."""
        for statement in statements:
            self.raw.cursor().execute(statement)

    def all(self, statement: Any, parameters: Parameters | None = None) -> Sequence[Any]:
        """What `statement` finds."""
        return self.sql.execute(statement, parameters).fetchall()

    def first(self, statement: Any, parameters: Parameters | None = None) -> Any:
        """The first row that `statement` finds, or None."""
        return self.sql.execute(statement, parameters).first()

    def scalar(self, statement: Any, parameters: Parameters | None = None) -> Any:
        """The one value that `statement` answers."""
        return self.sql.execute(statement, parameters).scalar_one()

    def change(self, statement: Any, parameters: Parameters | Sequence[Parameters] | None = None) -> int:
        """How many rows `statement` changed."""
        return self.sql.execute(statement, parameters).rowcount


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

    def __init__(self, engine: sa.Engine, number: int, patience: float, file: File | None) -> None:
        self._engine = engine
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
                connection.sql.invalidate()
                connection.sql.close()
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
            return Connection(sql, raw)

    def close(self) -> None:
        """Close those that are not lent."""
        while self._idle:
            connection = self._taken()
            connection.sql.invalidate()
            connection.sql.close()


def _reason(error: BaseException) -> str:
    """What the database says, on one line; without its DETAIL, in which a row may stand, and its key in the row."""
    said = str(getattr(error, "orig", None) or error).partition("DETAIL:")[0]
    return " ".join(said.split()) or type(error).__name__
