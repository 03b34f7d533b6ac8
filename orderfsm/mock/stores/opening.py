"""Opening a database: its URL, an engine for it, and our tables in it."""

from __future__ import annotations

import sqlite3
import time
from functools import partial
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy import event, exc
from sqlalchemy.engine import URL, make_url

from orderfsm.extras import needs
from orderfsm.invalid import InvalidValue
from orderfsm.questions import ORDER_LIFECYCLE

from .schema import COUNTERS, FIRST_VALUES, IDS_NAME, META, SCHEMA, SCHEMA_NAME, SHARED, TABLES
from .statements import IDENTIFIED, SCHEMA_VERSION

if TYPE_CHECKING:
    from sqlalchemy.engine.interfaces import DBAPIConnection

    from orderfsm.identity import Identity

    from .backends import Backend
    from .connections import Connection

_TIMEOUT = 10  # seconds for a connection to PostgreSQL
_OLDEST_SQLITE = (3, 35)  # the first with RETURNING
_ACCEPTED = ("sqlite:///PATH", "postgresql://USER:PASSWORD@HOST:PORT/DATABASE")
_DRIVERS = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg", "postgresql+psycopg": "postgresql+psycopg"}


def parsed_url(text: str) -> URL:
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
        raise InvalidValue("database URL", shown_url(url), _ACCEPTED)
    return url.set(drivername=_DRIVERS[url.drivername])


def shown_url(url: URL) -> str:
    """The URL without user, password and options."""
    kind = url.get_backend_name()
    return URL.create(kind, host=url.host, port=url.port, database=url.database).render_as_string()


def engine_of(url: URL, patience: float) -> sa.Engine:
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
        url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool, connect_args={"timeout": patience}, paramstyle="named"
    )
    # What is committed is in SQLite's log, and outlives the process; if the machine dies, the last may be lost.
    event.listen(engine, "connect", partial(_say_at_first, "PRAGMA synchronous=NORMAL"))
    return engine


def _say_at_first(statement: str, raw: DBAPIConnection, _: object) -> None:
    raw.cursor().execute(statement)
    raw.commit()


def prepare(connection: Connection, backend: Backend, shown: str, identity: Identity) -> None:
    """Create the tables in an empty database; `InvalidValue` if there are others.

    So it is if they are ours, of another version, or were made for orders that are identified in another way.
    """
    connection.say(backend.begin, *backend.before_creation)
    inspector = sa.inspect(connection.sql)
    names = inspector.get_table_names()
    if names:
        ours = META.name in names and {c["name"] for c in inspector.get_columns(META.name)} == {*META.c.keys()}
        found = connection.first(SCHEMA_VERSION) if ours else None
        if found is None:
            raise InvalidValue(f"tables in {shown}", ", ".join(sorted(names)), ["none", "those of orderfsm"])
        if found[0] != SCHEMA:
            raise InvalidValue(f"schema version of {shown}", found[0], [SCHEMA])
        identified = connection.first(IDENTIFIED)
        key = ORDER_LIFECYCLE.identity.key if identified is None else identified[0]
        if key != identity.key:
            raise InvalidValue(f"ids in {shown}", key, [f"{identity.key}, as the table has them"])
    else:
        _create(connection, backend, identity)
    connection.raw.commit()


def _create(connection: Connection, backend: Backend, identity: Identity) -> None:
    TABLES.create_all(connection.sql, tables=backend.tables, checkfirst=False)
    connection.say(*backend.after_creation)
    connection.change(sa.insert(META), {"name": SCHEMA_NAME, "value": SCHEMA})
    connection.change(sa.insert(META), {"name": IDS_NAME, "value": identity.key})
    connection.change(sa.insert(SHARED), {"id": 1, "clock_offset": 0.0, "completions": "", "faults_revision": 0})
    if COUNTERS in backend.tables:
        for name, first in FIRST_VALUES.items():
            connection.change(sa.insert(COUNTERS), {"name": name, "value": first})


def write_ahead(connection: Connection, patience: float) -> None:
    """Let SQLite keep a write-ahead log from now on. For that it does not wait for another process, so we do."""
    deadline = time.monotonic() + patience
    while True:
        try:
            connection.raw.cursor().execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return
