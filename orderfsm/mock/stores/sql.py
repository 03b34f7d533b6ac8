"""The store in a database, SQLite or PostgreSQL: for several processes, and for what shall outlive them.

An order is a row, and a change of it one compare-and-set: the row is replaced if its version is still the one that was
read. All that belongs to a change is in one transaction. `Store` says what the methods promise.
"""

from __future__ import annotations

import json
import time
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from orderfsm.errors import NotFoundPackage
from orderfsm.extras import needs
from orderfsm.identity import MAX_ID
from orderfsm.invalid import InvalidValue
from orderfsm.questions import ORDER_LIFECYCLE

from .store import PATIENCE, UNTIL_RESET, Shared, StoreError

with needs("mock"):
    import sqlalchemy as sa

    from . import statements
    from .backends import LINES, POSTGRESQL, SQLITE, counted
    from .changes import Change
    from .compiled import Compiler
    from .connections import NONE, Connection, Connections, File, Undone
    from .opening import engine_of, parsed_url, prepare, shown_url, write_ahead
    from .pages import Page
    from .rows import Rows, package_of, searchable
    from .schema import FAULTS, HISTORY, NOTES, ORDERS, PACKAGES, SETTINGS, TALLY, Verbatim
    from .turn import Turn
    from .writing import Apart, InTurn

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from orderfsm.identity import Id
    from orderfsm.lifecycle import Lifecycle
    from orderfsm.mock.faults import Fault
    from orderfsm.mock.records import Happening, Package, Record
    from orderfsm.rows import State

    from .compiled import Parameters
    from .store import Changes, Together

READING, WRITING = 4, 8
"""How many connections a process has at most to read and to write, besides those that stream a history.

They are apart, so that changes that wait for a lock leave the reads a way.
"""

_PURGE_EVERY = 60  # seconds

T = TypeVar("T")


class SQLStore:
    """A `Store` in the database at `url`: `sqlite:///PATH` or `postgresql://USER:PASSWORD@HOST:PORT/DATABASE`.

    In an empty database it creates its tables. `InvalidValue` if the database cannot be opened, has others' tables, or
    another schema version. Safe between threads and between processes; a process that forks makes it afterwards.
    `lifecycle` is the table whose orders it holds, besides those that it is told to `hold`; if their ids are texts, the
    number must be legible in them.

    A change waits at most `patience` seconds for others, for its turn and for the database's locks; then, as whenever
    the database fails, it is a `StoreError`, and nothing is done.
    """

    blocking = True

    def __init__(self, url: str, *, patience: float = PATIENCE, lifecycle: Lifecycle = ORDER_LIFECYCLE) -> None:
        parsed = parsed_url(url)
        self._rows = Rows()
        self._rows.hold(lifecycle)
        on_sqlite = parsed.get_backend_name() == "sqlite"
        self._backend = SQLITE if on_sqlite else POSTGRESQL
        self._patience = patience
        # In SQLite a change waits twice: for its turn, and for those that know no turns.
        self._engine = engine_of(parsed, patience / 2 if on_sqlite else patience)
        file = File(str(parsed.database)) if on_sqlite else None
        compiler = Compiler(self._engine.dialect)
        self._reading = Connections(self._engine, compiler, READING, patience, file)
        self._writing = Connections(self._engine, compiler, WRITING, patience, file)
        self._turn = Turn(f"{parsed.database}-turn", patience / 2) if on_sqlite else None
        self.together: Together | None = None
        self._database: Apart | InTurn = Apart(self._reading, self._writing, self._backend.begin)
        if self._turn is not None:
            self._database = InTurn(self._reading, self._writing, self._backend.begin, self._turn)
            self.together = self._database.together
        self._shared: tuple[Any, Shared] = (None, Shared())
        self._purge_at = time.monotonic() + _PURGE_EVERY
        self._open(shown_url(parsed))

    def _open(self, shown: str) -> None:
        try:
            with self._writing.lend() as connection:
                prepare(connection, self._backend, shown, self._rows.lifecycles[0].identity)
                if self._backend is SQLITE:
                    write_ahead(connection, self._patience)
        except StoreError as error:
            raise InvalidValue("database", shown, [f"one that can be opened ({error})"]) from None

    # -- orders --------------------------------------------------------------------------------------------------------

    def hold(self, lifecycle: Lifecycle) -> None:
        self._rows.hold(lifecycle)

    def new_id(self) -> int:
        return self._counted(self._backend.order_id)

    def get(self, order_id: Id) -> Record | None:
        number = self._rows.number_of(order_id)
        found = None if number is None else self._first(statements.GET, {"order_id": number}, self._rows.record)
        return found if found is not None and found.id == order_id else None

    def commit(
        self, old: Record | None, new: Record | None, begun: Record | None, happened: Iterable[Happening]
    ) -> bool:
        """`old` is there if its version is; the order then gets the next one, even if `new` is None."""
        change = Change(self._rows, old, new, begun, happened)
        try:
            if self._backend is POSTGRESQL:
                done = self._database.write(change.write_at_once)
                if done is not None:
                    return done
            several = change.several or self._backend is POSTGRESQL
            return self._database.write(partial(change.write, self._backend), several=several)
        except Undone as undone:
            if undone.error is not None:
                raise undone.error from None
            return False

    def select(self, states: Collection[State], keyword: str, offset: int, limit: int) -> tuple[list[Record], int]:
        """With a keyword it counts all that match it: in SQLite by an index, if it has three letters."""
        if not states:
            return [], 0
        search, sought = self._backend.search(searchable(keyword)) if keyword else (None, NONE)
        page = Page(self._rows.texts(states), min(offset, MAX_ID), min(limit, MAX_ID), search, sought)
        rows, total = self._database.read(page.in_blocks if self._backend is SQLITE else page.read)
        return [_made(self._rows.record, row) for row in rows], total

    def after(self, states: Collection[State], number: int, limit: int) -> list[Record]:
        return self._listed(states, number, limit)

    def latest(self, states: Collection[State], limit: int) -> list[Record]:
        return self._listed(states, 0, limit, newest=True)

    def _listed(self, states: Collection[State], after: int, limit: int, *, newest: bool = False) -> list[Record]:
        if not states:
            return []
        part = {"after": min(after, MAX_ID), "most": min(limit, MAX_ID), "limit": min(limit, MAX_ID), "skipped": 0}
        return self._all(statements.listed(self._rows.texts(states), newest=newest), part, self._rows.record)

    def count(self, states: Collection[State]) -> int:
        return self._number(statements.number(self._rows.texts(states))) if states else 0

    def due(self, now: float, kind: type[State] | None = None, *, completions: bool = True) -> list[Id]:
        """At most 100."""
        due = statements.due(self._rows.prefix(kind), completions=completions)
        return self._all(due, {"now": now}, lambda row: self._rows.id_of(*row))

    def history(self, order_id: Id | None = None) -> Iterator[Happening]:
        """By time, then as it was committed. All lines are as of the first one that is taken."""
        if order_id is None:
            return self._stream()
        number = self._rows.number_of(order_id) or 0
        told = self._all(statements.TOLD_OF_ORDER, {"order": number}, self._rows.happening)
        return (happening for happening in told if happening.order_id == order_id)

    def _stream(self) -> Iterator[Happening]:
        with self._reading.failing(), self._engine.connect() as sql:
            sql.exec_driver_sql("BEGIN")  # PostgreSQL reads bit by bit only in a transaction
            with sql.execution_options(yield_per=1000).execute(statements.TOLD) as rows:
                yield from (_made(self._rows.happening, row) for row in rows)

    def revision(self) -> int:
        """In PostgreSQL it also grows when other things happen there."""
        return self._number(self._backend.revision)

    # -- packages ------------------------------------------------------------------------------------------------------

    def package(self, product_code: str) -> Package:
        package = self._first(statements.PACKAGE, {"code": product_code}, package_of)
        if package is None:
            raise NotFoundPackage
        return package

    def packages(self) -> list[Package]:
        return sorted(self._all(sa.select(PACKAGES), {}, package_of), key=lambda package: package.product_code)

    def put_package(self, product_code: str, total: int) -> Package:

        def change(connection: Connection) -> Package:
            self._changed(connection)
            return _made(package_of, connection.first(self._backend.buy, {"code": product_code, "size": total}))

        return self._database.write(change, several=True)

    # -- what processes share ------------------------------------------------------------------------------------------

    def shared(self) -> Shared:
        row = self._first(statements.IS_SHARED, NONE, tuple)
        if row is None:
            raise StoreError("the database is damaged: its row of the table shared is gone")
        known, shared = self._shared
        if known != row:
            offset, completions, _ = row
            rules = self._all(statements.RULES, NONE, self._rows.fault)
            shared = Shared(offset, tuple(rules), completions)
            self._shared = row, shared
        return shared

    def advance(self, seconds: float) -> None:
        self._share((statements.ADVANCE, {"seconds": seconds}))

    def put_completions(self, mode: str) -> None:
        self._share((statements.COMPLETE, {"mode": mode}))

    def add_fault(self, fault: Fault) -> None:
        rule = {"rule": json.dumps(fault.as_json()), "times": fault.times}
        self._share((statements.ADD_FAULT, rule), (statements.FAULTS_CHANGED, {}))

    def clear_faults(self) -> None:
        self._share((sa.delete(FAULTS), {}), (statements.FAULTS_CHANGED, {}))

    def _share(self, *changes: tuple[Any, Parameters]) -> None:
        def change(connection: Connection) -> None:
            for statement, parameters in changes:
                connection.change(statement, parameters)
            self._changed(connection)

        self._database.write(change, several=True)

    def take_fault(self, number: int) -> bool:
        times = self._first(statements.TIMES, {"fault": number}, tuple)
        if times is None or times == (None,):
            return times is not None

        def change(connection: Connection) -> bool:
            if not connection.change(statements.TAKE_FAULT, {"fault": number}):
                return False
            connection.change(statements.FORGET_SPENT, {"fault": number})
            connection.change(statements.FAULTS_CHANGED)
            self._changed(connection)
            return True

        return self._database.write(change, several=True)

    def draw(self) -> int:
        return self._counted(self._backend.draw)

    def remember_nonce(self, nonce: str, until: float) -> bool:
        now = time.time()
        if time.monotonic() > self._purge_at:
            self._purge_at = time.monotonic() + _PURGE_EVERY
            self._changed_by(statements.FORGET_EXPIRED, {"now": now})
        return self._changed_by(self._backend.nonce, {"nonce": nonce, "expires": until, "now": now}) == 1

    def hit(self, key: str, window: int) -> int:
        return self._counted(self._backend.hit, {"key": key, "window": window})

    def setting(self, name: str, make: Callable[[], str]) -> str:
        """Of several that ask first at the same time each may make one; all get the same."""
        value = self._first(statements.SETTING, {"setting": name}, _text_of)
        if value is None:
            self._changed_by(self._backend.setting, {"name": name, "value": make()})
            return self.setting(name, make)
        return value

    def note(self, kind: str, key: str) -> str | None:
        return self._first(statements.NOTE, {"of": kind, "at": key}, _text_of)

    def notes(self, kind: str) -> dict[str, str]:
        return dict(self._all(statements.ALL_NOTED, {"of": kind}, lambda row: (_text(row[0]), _text(row[1]))))

    def write_notes(self, changes: Changes) -> bool:
        """In one order, so that no two wait for each other."""

        def change(connection: Connection) -> None:
            for (kind, key), (old, new) in sorted(changes.items()):
                at = {"of": kind, "at": key, "old": old}
                if old is None and new is None:
                    done = connection.first(statements.NOTE, {"of": kind, "at": key}) is None
                elif old is None:
                    done = connection.change(self._backend.add_note, {"kind": kind, "key": key, "text": new}) > 0
                elif new is None:
                    done = connection.change(statements.DROP_NOTE, at) > 0
                else:
                    done = connection.change(statements.CHANGE_NOTE, {**at, "new": new}) > 0
                if not done:
                    raise Undone
            self._changed(connection)

        try:
            self._database.write(change, several=True)
        except Undone:
            return False
        return True

    def reset(self) -> None:

        def change(connection: Connection) -> None:
            connection.say(*self._backend.alone)
            self._changed(connection, LINES + 1)
            for table in (ORDERS, TALLY, HISTORY, PACKAGES, FAULTS, NOTES):
                connection.change(sa.delete(table))
            connection.say(*self._backend.forgetting)
            connection.change(sa.delete(SETTINGS).where(SETTINGS.c.name.startswith(UNTIL_RESET)))
            connection.change(statements.FAULTS_CHANGED)
            connection.change(statements.SET_CLOCK)

        self._database.write(change, several=True)

    def close(self) -> None:
        self._reading.close()
        self._writing.close()
        self._engine.dispose()
        if self._turn is not None:
            self._turn.close()

    # -- inside --------------------------------------------------------------------------------------------------------

    def _all(self, statement: Any, parameters: Parameters, make: Callable[[Any], T]) -> list[T]:
        """What `make` makes of each row that is found."""
        rows = self._database.read(lambda connection: connection.all(statement, parameters))
        return [_made(make, row) for row in rows]

    def _first(self, statement: Any, parameters: Parameters, make: Callable[[Any], T]) -> T | None:
        """What `make` makes of the first row that is found; None if none is."""
        row = self._database.read(lambda connection: connection.first(statement, parameters))
        return None if row is None else _made(make, row)

    def _number(self, statement: Any, parameters: Parameters = NONE) -> int:
        """The number that is found."""
        return int(self._database.read(lambda connection: connection.scalar(statement, parameters)))

    def _counted(self, statement: Any, parameters: Parameters = NONE) -> int:
        """The number that a change by one statement answers."""
        return int(self._database.write(lambda connection: connection.scalar(statement, parameters)))

    def _changed_by(self, statement: Any, parameters: Parameters) -> int:
        """How many rows one statement changes."""
        return self._database.write(lambda connection: connection.change(statement, parameters))

    def _changed(self, connection: Connection, by: Any = None) -> None:
        """Let the revision grow, where it would not by itself."""
        if self._backend is SQLITE:
            connection.scalar(self._backend.changed if by is None else counted("changes", by))


def _text_of(row: Any) -> str:
    return _text(row[0])


def _text(value: Any) -> str:
    return str(Verbatim.read(value))


def _made(make: Callable[[Any], T], row: Any) -> T:
    """What `make` makes of a row; `StoreError` if it is none that was ever written."""
    try:
        return make(row)
    except Exception as error:
        raise StoreError(f"the database is damaged: a row cannot be read ({type(error).__name__}: {error})") from error
