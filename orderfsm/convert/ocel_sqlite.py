"""OCEL 2.0 as a database of SQLite."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orderfsm import scratch
from orderfsm.invalid import InvalidValue
from orderfsm.streams import unpacked

from . import ocel
from .ocel import ALWAYS, Happened, Object, Written

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from orderfsm.trace import Events
    from orderfsm.trace.tables import Tables

    from .mapping import Event

_SQL = {"string": "TEXT", "integer": "INTEGER", "float": "REAL", "boolean": "BOOLEAN"}
_MAGIC = b"SQLite format 3\0"
_OURS = ("ocel_id", "ocel_time", "ocel_changed_field")


def write(log: Written, path: str) -> None:
    """Write the log into an empty file."""
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode = OFF")
        database.execute("PRAGMA synchronous = OFF")
        database.execute("BEGIN")
        _create(database, log)
        tables = {what: _tables(types) for what, types in (("event", log.event_types), ("object", log.object_types))}
        for each in log.objects():
            database.execute("INSERT INTO object VALUES (?, ?)", (each.name, each.type))
            values = [each.name, ALWAYS, None, *_values(each.attributes, log.object_types[each.type])]
            _insert(database, f"object_{tables['object'][each.type]}", values)
            for name, qualifier in each.related:
                database.execute("INSERT INTO object_object VALUES (?, ?, ?)", (each.name, name, qualifier))
        for happened in log.events():
            database.execute("INSERT INTO event VALUES (?, ?)", (happened.name, happened.type))
            values = [happened.name, happened.time, *_values(happened.attributes, log.event_types[happened.type])]
            _insert(database, f"event_{tables['event'][happened.type]}", values)
            for name, qualifier in happened.related:
                database.execute("INSERT INTO event_object VALUES (?, ?, ?)", (happened.name, name, qualifier))
        database.execute("COMMIT")


def _create(database: sqlite3.Connection, log: Written) -> None:
    for what, types in (("event", log.event_types), ("object", log.object_types)):
        _table(database, f"{what}_map_type", "ocel_type TEXT PRIMARY KEY", "ocel_type_map TEXT")
        known = f"ocel_type TEXT REFERENCES {what}_map_type (ocel_type)"
        _table(database, what, "ocel_id TEXT PRIMARY KEY", known)
        itself = f"REFERENCES {what} (ocel_id)"
        always = (
            [f"ocel_id TEXT PRIMARY KEY {itself}", "ocel_time TIMESTAMP"]
            if what == "event"
            else [f"ocel_id TEXT {itself}", "ocel_time TIMESTAMP", "ocel_changed_field TEXT"]
        )
        for name, table in _tables(types).items():
            database.execute(f"INSERT INTO {what}_map_type VALUES (?, ?)", (name, table))  # noqa: S608
            own = [f"{_quoted(key)} {_SQL[kind]}" for key, kind in types[name].items()]
            _table(database, f"{what}_{table}", *always, *own)
    for what, one, other in (("event", "event", "object"), ("object", "source", "target")):
        columns = [
            f"ocel_{one}_id TEXT REFERENCES {what} (ocel_id)",
            f"ocel_{other}_id TEXT REFERENCES object (ocel_id)",
            "ocel_qualifier TEXT",
        ]
        _table(database, f"{what}_object", *columns, f"PRIMARY KEY (ocel_{one}_id, ocel_{other}_id, ocel_qualifier)")


def _table(database: sqlite3.Connection, name: str, *columns: str) -> None:
    database.execute(f"CREATE TABLE {_quoted(name)} ({', '.join(columns)})")


def _tables(types: Mapping[str, Any]) -> dict[str, str]:
    """What the tables of some types are called: as they are, of letters and digits alone, and each otherwise."""
    found: dict[str, str] = {}
    for name in types:
        plain = re.sub(r"\W", "", name, flags=re.ASCII)
        taken = {"", "object", "map_type", *map(str.casefold, found.values())}
        found[name] = f"{plain}_{len(found)}" if plain.casefold() in taken else plain
    return found


def _values(attributes: Mapping[str, Any], declared: Mapping[str, str]) -> list[Any]:
    return [attributes.get(key) for key in declared]


def _insert(database: sqlite3.Connection, table: str, values: list[Any]) -> None:
    places = ", ".join("?" * len(values))
    database.execute(f"INSERT INTO {_quoted(table)} VALUES ({places})", values)  # noqa: S608  # the name is quoted


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


# -- reading -----------------------------------------------------------------------------------------------------------


def read(path: str, name: str, tables: Tables) -> Iterator[Event | Events]:
    """The events of a log, by types; then whether all are among them."""
    try:
        with _opened(path, name) as database:
            yield from ocel.read(_objects(database), _events(database), tables)
    except (sqlite3.Error, KeyError, TypeError) as error:
        raise InvalidValue("OCEL file", name, [f"a database with the tables of OCEL 2.0 ({error})"]) from error


@contextmanager
def _opened(path: str, name: str) -> Iterator[sqlite3.Connection]:
    """The database, which nothing writes to; out of what it is compressed by."""
    with ExitStack() as stack:
        file = Path(path).absolute()
        with unpacked(path, name) as stream, file.open("rb") as itself:
            if stream.read(len(_MAGIC)) != itself.read(len(_MAGIC)):
                file = stack.enter_context(scratch.folder()) / "log.sqlite"
                with unpacked(path, name) as whole, file.open("wb") as copy:
                    shutil.copyfileobj(whole, copy)
        database = stack.enter_context(closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)))
        database.execute("PRAGMA trusted_schema = OFF")
        yield database


def _objects(database: sqlite3.Connection) -> Iterator[Object]:
    """The objects; an attribute that changes has its first value."""
    for kind, row in _rows(database, "object"):
        if not row.get("ocel_changed_field"):
            yield Object(str(row["ocel_id"]), kind, _said(row))


def _events(database: sqlite3.Connection) -> Iterator[Happened]:
    database.execute(
        "CREATE TEMP TABLE related AS SELECT ocel_event_id AS event, "
        "json_group_array(json_array(ocel_object_id, ocel_qualifier)) AS objects FROM event_object GROUP BY 1"
    )
    database.execute("CREATE INDEX temp.events ON related (event)")
    for kind, row in _rows(database, "event"):
        found = database.execute("SELECT objects FROM related WHERE event = ?", (row["ocel_id"],)).fetchone()
        related = [(str(each), qualifier or "") for each, qualifier in json.loads(found[0])] if found else []
        yield Happened(str(row["ocel_id"]), kind, str(row["ocel_time"]), _said(row), related)


def _rows(database: sqlite3.Connection, what: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The rows of the tables of all types of events or objects, each with its type."""
    for kind, table in database.execute(f"SELECT ocel_type, ocel_type_map FROM {what}_map_type").fetchall():  # noqa: S608
        rows = database.execute(f"SELECT * FROM {_quoted(f'{what}_{table}')}")  # noqa: S608
        names, booleans = [column[0] for column in rows.description], set()
        for _, name, declared, *_ in database.execute(f"PRAGMA table_info({_quoted(f'{what}_{table}')})"):
            if declared == "BOOLEAN":
                booleans.add(name)
        for row in rows:
            said = dict(zip(names, row, strict=True))
            yield kind, said | {key: bool(said[key]) for key in booleans if said[key] is not None}


def _said(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if value is not None and key not in _OURS}
