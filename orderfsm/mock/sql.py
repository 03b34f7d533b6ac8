"""The store in a database, SQLite or PostgreSQL: for several processes, and for what shall outlive them.

An order is a row, and a change of it one compare-and-set: the row is replaced if its version is still the one that was
read. All that belongs to a change is in one transaction. `store.Store` says what the methods promise.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
import threading
import time
from contextlib import contextmanager, nullcontext, suppress
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

import attrs

from orderfsm.errors import NotFoundPackage, NotRemainCount
from orderfsm.extras import needs
from orderfsm.identity import MAX_ID
from orderfsm.invalid import InvalidValue, OrderFSMError
from orderfsm.order import Order
from orderfsm.tables.orders import Event, Operation, State

from .faults import Fault
from .records import Happening, Package, Record
from .store import FIRST_ID, PATIENCE, Shared, StoreError

with needs("mock"):
    import sqlalchemy as sa
    from sqlalchemy import event, exc
    from sqlalchemy.dialects import postgresql
    from sqlalchemy.dialects import sqlite as sqlite_dialect
    from sqlalchemy.engine import URL, make_url

try:
    import fcntl
except ModuleNotFoundError:  # Windows
    fcntl = cast("Any", None)
_HAS_LOCKS = fcntl is not None

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from sqlalchemy.engine.interfaces import DBAPIConnection

    from orderfsm.errors import ServiceError

    Parameters = Mapping[str, Any]

SCHEMA = "1"
"""The version of the tables below. A database keeps the one that it was made with; another one is an error."""

READING, WRITING = 4, 8
"""How many connections a process has at most to read and to write, besides those that stream a history.

They are apart, so that changes that wait for a lock leave the reads a way.
"""

_MAX_DUE = 100
_TIMEOUT = 10  # seconds for a connection to PostgreSQL
_PURGE_EVERY = 60  # seconds
_ATTEMPTS = 20
_AGAIN = frozenset({"40001", "40P01"})  # serialization_failure, deadlock_detected
_OLDEST_SQLITE = (3, 35)  # the first with RETURNING
_STATES = {state.value: state for state in State}
_TRIGGERS = {trigger.value: trigger for trigger in (*Operation, *Event)}

T = TypeVar("T")

# -- tables ------------------------------------------------------------------------------------------------------------


class Verbatim(sa.types.TypeDecorator[str]):
    """Any text. What a database does not take, NUL and lone surrogates, becomes a backslash and four digits."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:  # noqa: ARG002
        """As it is written."""
        if value is None or (value.isascii() and "\\" not in value and "\0" not in value):
            return value
        return re.sub("[\0\\\\\ud800-\udfff]", lambda match: f"\\{ord(match[0]):04x}", value)

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> str | None:  # noqa: ARG002
        """As it was given."""
        if value is None or "\\" not in value:
            return value
        return re.sub(r"\\([0-9a-f]{4})", lambda match: chr(int(match[1], 16)), value)


_TABLES = sa.MetaData()
_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # SQLite's integers have 64 bits

_META = sa.Table(
    "meta",
    _TABLES,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)
_SCHEMA_NAME = "orderfsm schema"

_COPIED: dict[str, sa.Column[Any]] = {
    "version": sa.Column("version", _NUMBER, nullable=False),
    "product_code": sa.Column("product_code", Verbatim, nullable=False),
    "validate_type": sa.Column("validate_type", Verbatim, nullable=False),
    "holds_unit": sa.Column("holds_unit", sa.Boolean, nullable=False),
    "reads": sa.Column("reads", _NUMBER, nullable=False),
    "created": sa.Column("created", sa.Double, nullable=False),
    "entered": sa.Column("entered", sa.Double, nullable=False),
    "updated": sa.Column("updated", sa.Double, nullable=False),
    "issued": sa.Column("issued", sa.Double),
    "expires": sa.Column("expires", sa.Double),
    "due": sa.Column("due", sa.Double),
    "csr": sa.Column("csr", Verbatim),
    "certificate": sa.Column("certificate", Verbatim),
    "private_key": sa.Column("private_key", Verbatim),
}
"""The columns that are a record's attributes as they are."""

_ORDERS = sa.Table(
    "orders",
    _TABLES,
    sa.Column("id", _NUMBER, primary_key=True, autoincrement=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("previous", sa.Text),
    sa.Column("domain", sa.Text, nullable=False),  # in which a keyword is looked for
    sa.Column("domains", sa.Text, nullable=False),  # JSON
    sa.Column("tags", sa.Text, nullable=False),  # JSON
    *_COPIED.values(),
)
_DUE = _ORDERS.c.due.is_not(None)
sa.Index("orders_in_state", _ORDERS.c.state, _ORDERS.c.id)
sa.Index("orders_due", _ORDERS.c.due, _ORDERS.c.id, sqlite_where=_DUE, postgresql_where=_DUE)

# How many orders are in each state, kept by triggers: to count them would take the longer the more there are. In
# PostgreSQL each connection counts in a row of its own, as changes would wait for each other in a common one.
_TALLY = sa.Table(
    "tally",
    _TABLES,
    sa.Column("state", sa.Text, primary_key=True),
    sa.Column("part", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("number", _NUMBER, nullable=False),
    sqlite_with_rowid=False,
)

_HISTORY = sa.Table(
    "history",
    _TABLES,
    sa.Column("seq", _NUMBER, primary_key=True),
    sa.Column("time", sa.Double, nullable=False),
    sa.Column("order_id", _NUMBER, nullable=False, index=True),
    sa.Column("trigger", sa.Text, nullable=False),
    sa.Column("code", Verbatim),
    sa.Column("state", sa.Text),
    sa.Column("new_order_id", _NUMBER),
)

_PACKAGES = sa.Table(
    "packages",
    _TABLES,
    sa.Column("product_code", Verbatim, primary_key=True),
    sa.Column("total", _NUMBER, nullable=False),
    sa.Column("used", _NUMBER, nullable=False),
    sa.Column("issued", _NUMBER, nullable=False),
)

_SHARED = sa.Table(  # one row
    "shared",
    _TABLES,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("clock_offset", sa.Double, nullable=False),
    sa.Column("faults_revision", _NUMBER, nullable=False),
)

_FAULTS = sa.Table(
    "faults",
    _TABLES,
    sa.Column("number", _NUMBER, primary_key=True),
    sa.Column("rule", sa.Text, nullable=False),  # JSON
    sa.Column("times", _NUMBER),  # how often it still applies
    sqlite_autoincrement=True,
)

_NONCES = sa.Table(
    "nonces",
    _TABLES,
    sa.Column("nonce", Verbatim, primary_key=True),
    sa.Column("expires", sa.Double, nullable=False, index=True),
    sqlite_with_rowid=False,
)

_HITS = sa.Table(
    "hits",
    _TABLES,
    sa.Column("name", Verbatim, primary_key=True),
    sa.Column("period", _NUMBER, nullable=False),
    sa.Column("hits", _NUMBER, nullable=False),
)

_SETTINGS = sa.Table(
    "settings",
    _TABLES,
    sa.Column("name", Verbatim, primary_key=True),
    sa.Column("value", Verbatim, nullable=False),
)

# Numbers that count up: in PostgreSQL sequences, for which nobody waits; in SQLite, where one at a time writes, rows.
_ORDER_IDS = sa.Sequence("order_ids", start=FIRST_ID, data_type=sa.BigInteger, metadata=_TABLES)
_DRAWS = sa.Sequence("draws", start=0, minvalue=0, data_type=sa.BigInteger, metadata=_TABLES)
_COUNTERS = sa.Table(
    "counters",
    _TABLES,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Integer, nullable=False),
    sqlite_with_rowid=False,
)
_FIRST_VALUES = {"order_ids": FIRST_ID, "draws": 0, "changes": 0}

# -- statements --------------------------------------------------------------------------------------------------------

_SCHEMA_VERSION = sa.select(_META.c.value).where(_META.c.name == _SCHEMA_NAME)

_GET = sa.select(_ORDERS).where(_ORDERS.c.id == sa.bindparam("order_id"))
_BEGIN = sa.insert(_ORDERS).inline()
_REPLACE = sa.update(_ORDERS).where(
    _ORDERS.c.id == sa.bindparam("old_id"), _ORDERS.c.version == sa.bindparam("old_version")
)
_TOUCH = _REPLACE.values(version=_ORDERS.c.version + 1)
_IS_DUE = sa.select(_ORDERS.c.id).where(_ORDERS.c.due <= sa.bindparam("now"))
_IS_DUE = _IS_DUE.order_by(_ORDERS.c.due, _ORDERS.c.id).limit(_MAX_DUE)

_TELL = sa.insert(_HISTORY).inline()
_TOLD = sa.select(*list(_HISTORY.c)[1:]).order_by(_HISTORY.c.time, _HISTORY.c.seq)
_TOLD_OF_ORDER = _TOLD.where(_HISTORY.c.order_id == sa.bindparam("order"))

_PACKAGE = sa.select(_PACKAGES).where(_PACKAGES.c.product_code == sa.bindparam("code"))
_COUNT = sa.update(_PACKAGES).where(_PACKAGES.c.product_code == sa.bindparam("code"))
_COUNT = _COUNT.values(
    used=_PACKAGES.c.used + sa.bindparam("more_used"), issued=_PACKAGES.c.issued + sa.bindparam("more_issued")
)
_TAKE = _COUNT.where(_PACKAGES.c.used < _PACKAGES.c.total)

_IS_SHARED = sa.select(_SHARED.c.clock_offset, _SHARED.c.faults_revision)
_ADVANCE = sa.update(_SHARED).values(clock_offset=_SHARED.c.clock_offset + sa.bindparam("seconds"))
_SET_CLOCK = sa.update(_SHARED).values(clock_offset=0.0)
_FAULTS_CHANGED = sa.update(_SHARED).values(faults_revision=_SHARED.c.faults_revision + 1)
_RULES = sa.select(_SHARED.c.faults_revision, _FAULTS).select_from(_SHARED.outerjoin(_FAULTS, sa.true()))
_RULES = _RULES.order_by(_FAULTS.c.number)
_ADD_FAULT = sa.insert(_FAULTS).inline()
_TIMES = sa.select(_FAULTS.c.times).where(_FAULTS.c.number == sa.bindparam("fault"))
_TAKE_FAULT = sa.update(_FAULTS).where(_FAULTS.c.number == sa.bindparam("fault"), _FAULTS.c.times > 0)
_TAKE_FAULT = _TAKE_FAULT.values(times=_FAULTS.c.times - 1)
_FORGET_SPENT = sa.delete(_FAULTS).where(_FAULTS.c.number == sa.bindparam("fault"), _FAULTS.c.times == 0)

_FORGET_EXPIRED = sa.delete(_NONCES).where(_NONCES.c.expires < sa.bindparam("now"))
_SETTING = sa.select(_SETTINGS.c.value).where(_SETTINGS.c.name == sa.bindparam("setting"))


def _literal(name: str) -> sa.BindParameter[int]:
    """A parameter that stands in the statement itself: PostgreSQL plans badly for a limit that it does not know."""
    return sa.bindparam(name, type_=_NUMBER, literal_execute=True)


def _in_state(state: str, *, newest: bool) -> sa.Select[Any]:
    """Ids of the first `most` orders in a state, of those greater than `after`, read off the index."""
    ids = sa.select(_ORDERS.c.id).where(_ORDERS.c.state == state, _ORDERS.c.id > sa.bindparam("after"))
    ids = ids.order_by(_ORDERS.c.id.desc() if newest else _ORDERS.c.id).limit(_literal("most"))
    return sa.select(ids.subquery())


@lru_cache(maxsize=256)
def _list(
    states: tuple[str, ...], *, newest: bool = False, contains: sa.ColumnElement[bool] | None = None
) -> sa.Select[Any]:
    """A part of the orders in `states`, or of those that match the keyword.

    Without one it is read off the index, state by state, and merged; to look at all takes longer the more there are.
    """
    if contains is None:
        ids = sa.union_all(*(_in_state(state, newest=newest) for state in states)).subquery()
    else:
        ids = sa.select(_ORDERS.c.id).where(_ORDERS.c.state.in_(states), contains).subquery()
    part = sa.select(ids).order_by(ids.c.id.desc() if newest else ids.c.id)
    part = part.limit(_literal("limit")).offset(_literal("skipped"))
    shown = part.subquery()
    listed = sa.select(_ORDERS).join(shown, shown.c.id == _ORDERS.c.id)
    return listed.order_by(_ORDERS.c.id.desc() if newest else _ORDERS.c.id)


@lru_cache(maxsize=256)
def _number(states: tuple[str, ...], contains: sa.ColumnElement[bool] | None = None) -> sa.Select[Any]:
    """How many orders there are in `states`, or how many of them match the keyword."""
    if contains is None:
        return sa.select(sa.func.coalesce(sa.func.sum(_TALLY.c.number), 0)).where(_TALLY.c.state.in_(states))
    return sa.select(sa.func.count()).select_from(_ORDERS).where(_ORDERS.c.state.in_(states), contains)


@lru_cache(maxsize=256)
def _page(states: tuple[str, ...], contains: sa.ColumnElement[bool] | None) -> sa.Select[Any]:
    """A part of the orders in `states`, and last in each row how many there are."""
    number: sa.ColumnElement[int] = _number(states, contains).scalar_subquery()
    return _list(states, contains=contains).add_columns(number)


# -- what each database says in its own way ----------------------------------------------------------------------------


@attrs.frozen
class Backend:
    """A kind of database: how to begin a transaction, and what to say before and after the tables are created.

    `alone` shuts other writers out of a transaction. The other fields are statements.
    """

    begin: str
    before_creation: tuple[str, ...]
    after_creation: tuple[str, ...]
    alone: tuple[str, ...]
    tables: tuple[sa.Table, ...]
    contains: sa.ColumnElement[bool]
    order_id: Any
    draw: Any
    revision: Any
    changed: Any
    buy: Any
    nonce: Any
    hit: Any
    setting: Any


def _upserts(insert: Callable[[sa.Table], Any]) -> dict[str, Any]:
    """The inserts that meet a row which is there already; each database has its own `insert` for them."""
    buy = insert(_PACKAGES).values(product_code=sa.bindparam("code"), total=sa.bindparam("size"), used=0, issued=0)
    buy = buy.on_conflict_do_update(index_elements=["product_code"], set_={"total": buy.excluded.total})
    nonce = insert(_NONCES).inline()
    nonce = nonce.on_conflict_do_update(  # one that has expired is as good as new
        index_elements=["nonce"],
        set_={"expires": nonce.excluded.expires},
        where=_NONCES.c.expires < sa.bindparam("now"),
    )
    hit = insert(_HITS).values(name=sa.bindparam("key"), period=sa.bindparam("window"), hits=1)
    hits = sa.case((_HITS.c.period == hit.excluded.period, _HITS.c.hits + 1), else_=1)
    hit = hit.on_conflict_do_update(index_elements=["name"], set_={"hits": hits, "period": hit.excluded.period})
    return {
        "buy": buy.returning(*_PACKAGES.c),
        "nonce": nonce.execution_options(preserve_rowcount=True),
        "hit": hit.returning(_HITS.c.hits),
        "setting": insert(_SETTINGS).inline().on_conflict_do_nothing(index_elements=["name"]),
    }


def _counted(name: str, by: Any = 1) -> Any:
    """The value of a counter, which then grows."""
    counted = sa.update(_COUNTERS).where(_COUNTERS.c.name == name).values(value=_COUNTERS.c.value + by)
    return counted.returning(_COUNTERS.c.value - by)


# In SQLite each line of the history is a change; what changes without a line, or takes the lines away, is counted.
_LINES = sa.func.coalesce(sa.select(sa.func.max(_HISTORY.c.seq)).scalar_subquery(), 0)

_SQLITE = Backend(
    begin="BEGIN IMMEDIATE",
    before_creation=(),
    after_creation=(
        """
        CREATE TRIGGER order_begun AFTER INSERT ON orders
        BEGIN
            INSERT INTO tally VALUES (new.state, 0, 1) ON CONFLICT DO UPDATE SET number = number + 1;
        END
        """,
        """
        CREATE TRIGGER order_moved AFTER UPDATE OF state ON orders WHEN new.state <> old.state
        BEGIN
            UPDATE tally SET number = number - 1 WHERE state = old.state;
            INSERT INTO tally VALUES (new.state, 0, 1) ON CONFLICT DO UPDATE SET number = number + 1;
        END
        """,
    ),
    alone=(),
    tables=tuple(_TABLES.sorted_tables),
    contains=sa.func.instr(_ORDERS.c.domain, sa.bindparam("keyword")) > 0,
    order_id=_counted("order_ids"),
    draw=_counted("draws"),
    revision=sa.select(_COUNTERS.c.value + _LINES).where(_COUNTERS.c.name == "changes"),
    changed=_counted("changes"),
    **_upserts(sqlite_dialect.insert),
)

# In PostgreSQL a revision is how many transactions have ended. A counter would be a row for which all changes wait.
_POSTGRESQL = Backend(
    begin="BEGIN ISOLATION LEVEL READ COMMITTED",
    before_creation=("SELECT pg_advisory_xact_lock(7021805934)",),  # a number that nobody else uses
    after_creation=(
        # Lost if the server crashes, which does no harm; and so nobody waits until they are on the disk.
        "ALTER TABLE nonces SET UNLOGGED",
        "ALTER TABLE hits SET UNLOGGED",
        """
        CREATE FUNCTION count_order() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE mine integer := pg_backend_pid() % 64;
        BEGIN
            IF TG_OP = 'UPDATE' THEN
                INSERT INTO tally VALUES (OLD.state, mine, -1)
                    ON CONFLICT (state, part) DO UPDATE SET number = tally.number - 1;
            END IF;
            INSERT INTO tally VALUES (NEW.state, mine, 1)
                ON CONFLICT (state, part) DO UPDATE SET number = tally.number + 1;
            RETURN NULL;
        END $$
        """,
        "CREATE TRIGGER order_begun AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION count_order()",
        """
        CREATE TRIGGER order_moved AFTER UPDATE OF state ON orders FOR EACH ROW
            WHEN (NEW.state <> OLD.state) EXECUTE FUNCTION count_order()
        """,
    ),
    alone=("LOCK TABLE orders, tally, history, packages, faults, shared IN EXCLUSIVE MODE",),
    tables=tuple(table for table in _TABLES.sorted_tables if table is not _COUNTERS),
    contains=sa.func.strpos(_ORDERS.c.domain, sa.bindparam("keyword", type_=sa.Text)) > 0,
    order_id=sa.select(_ORDER_IDS.next_value()),
    draw=sa.select(_DRAWS.next_value()),
    revision=sa.text(
        "SELECT CAST(CAST(pg_snapshot_xmax(seen) AS text) AS bigint) - (SELECT count(*) FROM pg_snapshot_xip(seen))"
        " FROM pg_current_snapshot() AS seen"
    ),
    changed=None,
    **_upserts(postgresql.insert),
)


# -- rows and records --------------------------------------------------------------------------------------------------


def _row(record: Record) -> dict[str, Any]:
    row = {name: getattr(record, name) for name in _COPIED}
    row["id"] = record.id
    row["state"] = record.order.state.value
    row["previous"] = None if record.previous is None else record.previous.value
    row["domain"] = _searchable(",".join(record.domains))
    row["domains"] = json.dumps(record.domains)
    row["tags"] = json.dumps(record.tags)
    return row


def _record(row: Sequence[Any]) -> Record:
    order_id, state, previous, _, domains, tags, *copied = row
    return Record(
        order=Order(order_id, _STATES[state]),
        previous=None if previous is None else _STATES[previous],
        domains=tuple(json.loads(domains)),
        tags=tuple((key, value) for key, value in json.loads(tags)),
        **dict(zip(_COPIED, copied, strict=True)),
    )


def _searchable(text: str) -> str:
    """`text` without what no database takes; no domain has any of it, so that a keyword that does finds nothing."""
    return text if text.isascii() and "\0" not in text else re.sub("[\0\ud800-\udfff]", "\ufffd", text)


def _line(happening: Happening) -> dict[str, Any]:
    line = happening._asdict()
    line["trigger"] = happening.trigger.value
    line["state"] = None if happening.state is None else happening.state.value
    return line


def _happening(row: Sequence[Any]) -> Happening:
    at, order_id, trigger, code, state, new_order_id = row
    return Happening(at, order_id, _TRIGGERS[trigger], code, None if state is None else _STATES[state], new_order_id)


def _values(states: Collection[State]) -> tuple[str, ...]:
    return tuple(sorted({state.value for state in states}))


# -- connections -------------------------------------------------------------------------------------------------------


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


# -- opening -----------------------------------------------------------------------------------------------------------

_ACCEPTED = ("sqlite:///PATH", "postgresql://USER:PASSWORD@HOST:PORT/DATABASE")
_DRIVERS = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg", "postgresql+psycopg": "postgresql+psycopg"}


def _url(text: str) -> URL:
    """The URL, with the driver that is used. An error shows none of it that may be a password."""
    kind = text.partition(":")[0].rpartition("@")[2]
    if not kind.startswith("sqlite") and text.count("@") > 1:  # then nobody knows where the password ends
        raise InvalidValue("database URL", f"{kind}:...", [*_ACCEPTED, "%40 for an @ in any of these"])
    try:
        url = make_url(text)
    except (exc.ArgumentError, ValueError):
        raise InvalidValue("database URL", f"{kind}:...", _ACCEPTED) from None
    if url.drivername not in _DRIVERS:
        raise InvalidValue("database URL", f"{url.drivername}:...", _ACCEPTED)
    if url.drivername == "sqlite" and (url.database or "").partition(":")[0] in {"", "file"}:
        raise InvalidValue("database URL", _shown(url), _ACCEPTED)
    return url.set(drivername=_DRIVERS[url.drivername])


def _shown(url: URL) -> str:
    """The URL without user, password and options."""
    kind = url.get_backend_name()
    return URL.create(kind, host=url.host, port=url.port, database=url.database).render_as_string()


def _engine(url: URL, patience: float) -> sa.Engine:
    """An engine on which each statement is its own transaction, unless one was begun, and waits so long for locks."""
    if url.get_backend_name() == "postgresql":
        options = {} if "connect_timeout" in url.query else {"connect_timeout": _TIMEOUT}
        with needs("postgres"):
            engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool, connect_args=options)
        event.listen(engine, "connect", partial(_say_at_first, f"SET lock_timeout = {max(1, int(patience * 1000))}"))
        return engine
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        raise InvalidValue("SQLite", sqlite3.sqlite_version, [f"{'.'.join(map(str, _OLDEST_SQLITE))} or newer"])
    engine = sa.create_engine(
        url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool, connect_args={"timeout": patience}
    )
    # What is committed is in SQLite's log, and outlives the process; if the machine dies, the last may be lost.
    event.listen(engine, "connect", partial(_say_at_first, "PRAGMA synchronous=NORMAL"))
    return engine


def _say_at_first(statement: str, raw: DBAPIConnection, _: object) -> None:
    raw.cursor().execute(statement)
    raw.commit()


def _prepare(connection: Connection, backend: Backend, shown: str) -> None:
    """Create the tables in an empty database; `InvalidValue` if there are others, or ours of another version."""
    connection.say(backend.begin, *backend.before_creation)
    inspector = sa.inspect(connection.sql)
    names = inspector.get_table_names()
    if names:
        ours = _META.name in names and {c["name"] for c in inspector.get_columns(_META.name)} == {*_META.c.keys()}
        found = connection.first(_SCHEMA_VERSION) if ours else None
        if found is None:
            raise InvalidValue(f"tables in {shown}", ", ".join(sorted(names)), ["none", "those of orderfsm"])
        if found.value != SCHEMA:
            raise InvalidValue(f"schema version of {shown}", found.value, [SCHEMA])
    else:
        _create(connection, backend)
    connection.raw.commit()


def _create(connection: Connection, backend: Backend) -> None:
    _TABLES.create_all(connection.sql, tables=backend.tables, checkfirst=False)
    connection.say(*backend.after_creation)
    connection.change(sa.insert(_META), {"name": _SCHEMA_NAME, "value": SCHEMA})
    connection.change(sa.insert(_SHARED), {"id": 1, "clock_offset": 0.0, "faults_revision": 0})
    if _COUNTERS in backend.tables:
        connection.change(sa.insert(_COUNTERS), [{"name": n, "value": first} for n, first in _FIRST_VALUES.items()])


def _write_ahead(connection: Connection, patience: float) -> None:
    """Let SQLite keep a write-ahead log from now on. For that it does not wait for another process, so we do."""
    deadline = time.monotonic() + patience
    while True:
        try:
            return connection.say("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.01)


# -- the store ---------------------------------------------------------------------------------------------------------


class SQLStore:
    """A `Store` in the database at `url`: `sqlite:///PATH` or `postgresql://USER:PASSWORD@HOST:PORT/DATABASE`.

    In an empty database it creates its tables. `InvalidValue` if the database cannot be opened, has others' tables, or
    another schema version. Safe between threads and between processes; a process that forks makes it afterwards.

    A change waits at most `patience` seconds for others, for its turn and for the database's locks; then, as whenever
    the database fails, it is a `StoreError`, and nothing is done.
    """

    blocking = True

    def __init__(self, url: str, *, patience: float = PATIENCE) -> None:
        parsed = _url(url)
        on_sqlite = parsed.get_backend_name() == "sqlite"
        self._backend = _SQLITE if on_sqlite else _POSTGRESQL
        self._patience = patience
        # In SQLite a change waits twice: for its turn, and for those that know no turns.
        self._engine = _engine(parsed, patience / 2 if on_sqlite else patience)
        file = File(str(parsed.database)) if on_sqlite else None
        self._reading = Connections(self._engine, READING, patience, file)
        self._writing = Connections(self._engine, WRITING, patience, file)
        self._turn = Turn(f"{parsed.database}-turn", patience / 2) if on_sqlite else None
        self._rules: tuple[int, tuple[tuple[int, Fault], ...]] = (-1, ())
        self._purge_at = time.monotonic() + _PURGE_EVERY
        self._open(_shown(parsed))

    def _open(self, shown: str) -> None:
        try:
            with self._writing.lend() as connection:
                _prepare(connection, self._backend, shown)
                if self._backend is _SQLITE:
                    _write_ahead(connection, self._patience)
        except StoreError as error:
            raise InvalidValue("database", shown, [f"one that can be opened ({error})"]) from None

    # -- orders ------------------------------------------------------------------------------------------------------

    def new_id(self) -> int:
        """See `Store`."""
        return self._counted(self._backend.order_id)

    def get(self, order_id: int) -> Record | None:
        """See `Store`."""
        return self._first(_GET, {"order_id": order_id}, _record) if 0 < order_id <= MAX_ID else None

    def commit(
        self, old: Record | None, new: Record | None, begun: Record | None, happened: Iterable[Happening]
    ) -> bool:
        """See `Store`. `old` is there if its version is; the order then gets the next one, even if `new` is None."""
        lines = [_line(happening) for happening in happened]

        def change(connection: Connection) -> bool:
            if old is not None:
                _replace(connection, old, new)
            if begun is not None:
                connection.change(_BEGIN, _row(begun))
            if lines:
                connection.change(_TELL, lines)
            else:
                self._changed(connection)
            # Packages last: until the end others wait for them.
            if old is not None and new is not None:
                used, issued = new.holds_unit - old.holds_unit, _was_issued(new) - _was_issued(old)
                _count(connection, old.product_code, used, issued)
            if begun is not None:
                used, issued = int(begun.holds_unit), int(_was_issued(begun))
                _count(connection, begun.product_code, used, issued, free=begun.holds_unit)
            return True

        try:
            return self._transact(change)
        except Undone as undone:
            if undone.error is not None:
                raise undone.error from None
            return False

    def select(self, states: Collection[State], keyword: str, offset: int, limit: int) -> tuple[list[Record], int]:
        """See `Store`; with a keyword it looks at every order."""
        if not states:
            return [], 0
        values, contains = _values(states), self._backend.contains if keyword else None
        part = {"limit": min(limit, MAX_ID), "skipped": min(offset, MAX_ID)}
        sought = {"keyword": _searchable(keyword)} if keyword else {}
        among = {} if keyword else {"after": 0, "most": min(offset + limit, MAX_ID)}
        asked = {**part, **sought, **among}
        found = self._all(_page(values, contains), asked, lambda row: (_record(row[:-1]), row[-1]))
        if not found:
            return [], self._number(_number(values, contains), sought)
        return [record for record, _ in found], int(found[0][1])

    def after(self, states: Collection[State], order_id: int, limit: int) -> list[Record]:
        """See `Store`."""
        return self._listed(states, order_id, limit)

    def latest(self, states: Collection[State], limit: int) -> list[Record]:
        """See `Store`."""
        return self._listed(states, 0, limit, newest=True)

    def _listed(self, states: Collection[State], after: int, limit: int, *, newest: bool = False) -> list[Record]:
        if not states:
            return []
        part = {"after": min(after, MAX_ID), "most": min(limit, MAX_ID), "limit": min(limit, MAX_ID), "skipped": 0}
        return self._all(_list(_values(states), newest=newest), part, _record)

    def count(self, states: Collection[State]) -> int:
        """See `Store`."""
        return self._number(_number(_values(states))) if states else 0

    def due(self, now: float) -> list[int]:
        """See `Store`; at most 100."""
        return self._all(_IS_DUE, {"now": now}, lambda row: int(row.id))

    def history(self, order_id: int | None = None) -> Iterator[Happening]:
        """See `Store`: by time, then as it was committed. All lines are as of the first one that is taken."""
        if order_id is None:
            return self._stream()
        return iter(self._all(_TOLD_OF_ORDER, {"order": min(order_id, MAX_ID)}, _happening))

    def _stream(self) -> Iterator[Happening]:
        with self._reading.failing(), self._engine.connect() as sql:
            sql.exec_driver_sql("BEGIN")  # PostgreSQL reads bit by bit only in a transaction
            with sql.execution_options(yield_per=1000).execute(_TOLD) as rows:
                yield from (_made(_happening, row) for row in rows)

    def revision(self) -> int:
        """See `Store`; in PostgreSQL it also grows when other things happen there."""
        return self._number(self._backend.revision)

    # -- packages ----------------------------------------------------------------------------------------------------

    def package(self, product_code: str) -> Package:
        """See `Store`."""
        package = self._first(_PACKAGE, {"code": product_code}, _package)
        if package is None:
            raise NotFoundPackage
        return package

    def packages(self) -> list[Package]:
        """See `Store`."""
        return sorted(self._all(sa.select(_PACKAGES), {}, _package), key=lambda package: package.product_code)

    def put_package(self, product_code: str, total: int) -> Package:
        """See `Store`."""

        def change(connection: Connection) -> Package:
            self._changed(connection)
            return _made(_package, connection.first(self._backend.buy, {"code": product_code, "size": total}))

        return self._transact(change)

    # -- what processes share ----------------------------------------------------------------------------------------

    def shared(self) -> Shared:
        """See `Store`."""
        shared = self._first(_IS_SHARED, {}, tuple)
        if shared is None:
            raise StoreError("the database is damaged: its row of the table shared is gone")
        offset, revision = shared
        known, faults = self._rules
        if known != revision:
            rules = self._all(_RULES, {}, lambda row: (row[0], None if row.number is None else _fault(*row[1:])))
            faults = tuple(rule for _, rule in rules if rule is not None)
            self._rules = rules[0][0], faults
        return Shared(offset, faults)

    def advance(self, seconds: float) -> None:
        """See `Store`."""
        self._share((_ADVANCE, {"seconds": seconds}))

    def add_fault(self, fault: Fault) -> None:
        """See `Store`."""
        self._share((_ADD_FAULT, {"rule": json.dumps(fault.as_json()), "times": fault.times}), (_FAULTS_CHANGED, {}))

    def clear_faults(self) -> None:
        """See `Store`."""
        self._share((sa.delete(_FAULTS), {}), (_FAULTS_CHANGED, {}))

    def _share(self, *changes: tuple[Any, Parameters]) -> None:
        def change(connection: Connection) -> None:
            for statement, parameters in changes:
                connection.change(statement, parameters)
            self._changed(connection)

        self._transact(change)

    def take_fault(self, number: int) -> bool:
        """See `Store`."""
        times = self._first(_TIMES, {"fault": number}, tuple)
        if times is None or times == (None,):
            return times is not None

        def change(connection: Connection) -> bool:
            if not connection.change(_TAKE_FAULT, {"fault": number}):
                return False
            connection.change(_FORGET_SPENT, {"fault": number})
            connection.change(_FAULTS_CHANGED)
            self._changed(connection)
            return True

        return self._transact(change)

    def draw(self) -> int:
        """See `Store`."""
        return self._counted(self._backend.draw)

    def remember_nonce(self, nonce: str, until: float) -> bool:
        """See `Store`."""
        now = time.time()
        if time.monotonic() > self._purge_at:
            self._purge_at = time.monotonic() + _PURGE_EVERY
            self._transact(lambda connection: connection.change(_FORGET_EXPIRED, {"now": now}))
        return self._changed_by(self._backend.nonce, {"nonce": nonce, "expires": until, "now": now}) == 1

    def hit(self, key: str, window: int) -> int:
        """See `Store`."""
        return self._counted(self._backend.hit, {"key": key, "window": window})

    def setting(self, name: str, make: Callable[[], str]) -> str:
        """See `Store`. Of several that ask first at the same time each may make one; all get the same."""
        value = self._first(_SETTING, {"setting": name}, lambda row: str(row.value))
        if value is None:
            self._changed_by(self._backend.setting, {"name": name, "value": make()})
            return self.setting(name, make)
        return value

    def reset(self) -> None:
        """See `Store`."""

        def change(connection: Connection) -> None:
            connection.say(*self._backend.alone)
            self._changed(connection, _LINES + 1)
            for table in (_ORDERS, _TALLY, _HISTORY, _PACKAGES, _FAULTS):
                connection.change(sa.delete(table))
            connection.change(_FAULTS_CHANGED)
            connection.change(_SET_CLOCK)

        self._transact(change)

    def close(self) -> None:
        """See `Store`."""
        self._reading.close()
        self._writing.close()
        self._engine.dispose()
        if self._turn is not None:
            self._turn.close()

    # -- inside ------------------------------------------------------------------------------------------------------

    def _in_turn(self) -> AbstractContextManager[None]:
        """Where only one may write at a time, wait for that."""
        return nullcontext() if self._turn is None else self._turn()

    def _all(self, statement: Any, parameters: Parameters, make: Callable[[Any], T]) -> list[T]:
        """What `make` makes of each row that is found."""
        with self._reading.lend() as connection:
            rows = connection.all(statement, parameters)
        return [_made(make, row) for row in rows]

    def _first(self, statement: Any, parameters: Parameters, make: Callable[[Any], T]) -> T | None:
        """What `make` makes of the first row that is found; None if none is."""
        with self._reading.lend() as connection:
            row = connection.first(statement, parameters)
        return None if row is None else _made(make, row)

    def _number(self, statement: Any, parameters: Parameters | None = None) -> int:
        """The number that is found."""
        with self._reading.lend() as connection:
            return int(connection.scalar(statement, parameters))

    def _counted(self, statement: Any, parameters: Parameters | None = None) -> int:
        """The number that a change by one statement answers."""
        with self._in_turn(), self._writing.lend() as connection:
            return int(connection.scalar(statement, parameters))

    def _changed_by(self, statement: Any, parameters: Parameters) -> int:
        """How many rows one statement changes."""
        with self._in_turn(), self._writing.lend() as connection:
            return connection.change(statement, parameters)

    def _changed(self, connection: Connection, by: Any = None) -> None:
        """Let the revision grow, where it would not by itself."""
        if self._backend is _SQLITE:
            connection.scalar(self._backend.changed if by is None else _counted("changes", by))

    def _transact(self, change: Callable[[Connection], T]) -> T:
        """What `change` returns, in a transaction: called again if the database asks for that, undone by `Undone`."""
        for _ in range(_ATTEMPTS - 1):
            try:
                return self._attempt(change)
            except StoreError as error:
                if getattr(getattr(error.__cause__, "orig", None), "sqlstate", None) not in _AGAIN:
                    raise
        return self._attempt(change)

    def _attempt(self, change: Callable[[Connection], T]) -> T:
        with self._in_turn(), self._writing.lend() as connection:
            connection.say(self._backend.begin)
            try:
                result = change(connection)
            except Undone:
                connection.raw.rollback()
                raise
            connection.raw.commit()
            return result


def _made(make: Callable[[Any], T], row: Any) -> T:
    """What `make` makes of a row; `StoreError` if it is none that was ever written."""
    try:
        return make(row)
    except Exception as error:
        raise StoreError(f"the database is damaged: a row cannot be read ({type(error).__name__}: {error})") from error


def _package(row: Any) -> Package:
    return Package(*row)


def _fault(number: int, rule: str, times: int | None) -> tuple[int, Fault]:
    return number, Fault.parse(json.loads(rule) | {"Times": times})


def _replace(connection: Connection, old: Record, new: Record | None) -> None:
    current = {"old_id": old.id, "old_version": old.version}
    if new is None:
        replaced = connection.change(_TOUCH, current)
    else:
        replaced = connection.change(_REPLACE, {**_row(new), "version": old.version + 1, **current})
    if not replaced:
        raise Undone


def _was_issued(record: Record) -> bool:
    return record.issued is not None


def _count(connection: Connection, code: str, used: int, issued: int, *, free: bool = False) -> None:
    """Let `used` more units of a package be held, `free` ones if that is asked, and `issued` more orders be issued."""
    if not used and not issued:
        return
    counts = {"code": code, "more_used": used, "more_issued": issued}
    if not connection.change(_TAKE if free else _COUNT, counts):
        known = connection.first(_PACKAGE, {"code": code})
        raise Undone(NotFoundPackage() if known is None else NotRemainCount())
