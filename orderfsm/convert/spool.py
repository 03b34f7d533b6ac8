"""Lines put aside on disk, so that they can be given in another order: a log may be larger than memory."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from contextlib import closing, contextmanager
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from orderfsm import scratch
from orderfsm.trace.files import fields_of

from .attributes import kind_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orderfsm.identity import Id
    from orderfsm.lifecycle import Lifecycle
    from orderfsm.trace import Line

MOST = 10_000
"""Of how many keys of a trigger the types are told."""

_BATCH = 1_000

_encode = json.JSONEncoder(default=str).encode

Rank: TypeAlias = tuple[int, int, str]
"""Which line comes first: that of the first file; in one that was written here, by number; in others, by time."""


class Put(NamedTuple):
    """A line that was put aside: its number among all, from 1; its table's key, and its order's id, if it has one.

    And the second order's id, who was behind it, and its fields in the trace format.
    """

    number: int
    key: str
    order: Id | None
    new_order: Id | None
    who: str | None
    fields: dict[str, Any]

    @property
    def name(self) -> str:
        """Its operation or event."""
        return str(self.fields.get("operation") or self.fields["event"])


class Spool:
    """Lines on disk. `kinds`: of which types the values of each key were, by the trigger of the line."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._waiting: list[tuple[Any, ...]] = []
        self._last: Rank | None = None
        self._in_order = True
        self.tables: dict[str, Lifecycle] = {}
        self.kinds: defaultdict[str, defaultdict[str, set[type]]] = defaultdict(lambda: defaultdict(set))
        self.count = 0
        for statement in (
            "PRAGMA journal_mode = OFF",
            "PRAGMA synchronous = OFF",
            "BEGIN",
            "CREATE TABLE lines (file, at, finer, about TEXT, key, id, new_id, who, fields)",
        ):
            connection.execute(statement)

    def of_one_type(self) -> set[str]:
        """The keys whose values are all of one type."""
        types: defaultdict[str, set[type]] = defaultdict(set)
        for kinds in self.kinds.values():
            for key, some in kinds.items():
                types[key] |= some
        return {key for key, some in types.items() if len(some) == 1}

    def put(self, line: Line, rank: Rank) -> None:
        """Put a line aside."""
        fields, identity = fields_of(line), line.lifecycle.identity
        self.tables.setdefault(identity.key, line.lifecycle)
        kinds = self.kinds[str(line.trigger)]
        for key, value in fields.items():
            if len(kinds) < MOST or key in kinds:
                kinds[key].add(str if isinstance(value, str) else type(value))
        self._in_order = self._in_order and (self._last is None or self._last <= rank)
        self._last = rank
        about = "" if line.order_id is None else f"{identity.key} {line.order_id}"
        said = _encode(fields)
        self._waiting.append((*rank, about, identity.key, line.order_id, line.new_order_id, who(fields), said))
        self.count += 1
        if len(self._waiting) == _BATCH:
            self._flush()

    def lines(self) -> Iterator[Put]:
        """The lines in their order."""
        return map(_put, self._rows("SELECT rowid, key, id, new_id, who, fields FROM lines ORDER BY rowid"))

    def orders(self) -> Iterator[Iterator[Put]]:
        """The lines of each order, by its first line; those that are about no order stand together, as if of one."""
        rows = self._rows(
            "SELECT rowid, key, id, new_id, who, fields, MIN(rowid) OVER (PARTITION BY about) AS first FROM lines "
            "ORDER BY first, rowid"
        )
        for _, some in groupby(rows, itemgetter(-1)):
            yield map(_put, some)

    def named(self) -> Iterator[tuple[str, Id, list[Id]]]:
        """The key and the id of each order that is named, and the second orders that it was renewed as."""
        rows = self._rows(
            "SELECT key, id, new_id FROM lines WHERE id NOT NULL UNION "
            "SELECT key, new_id, NULL FROM lines WHERE new_id NOT NULL ORDER BY 1, 2, 3"
        )
        for (key, order), some in groupby(rows, itemgetter(0, 1)):
            yield key, order, [second for *_, second in some if second is not None]

    def orders_named(self) -> int:
        """How many orders are named."""
        return sum(1 for _ in self.named())

    def people(self) -> Iterator[str]:
        """Who was behind the lines, each once."""
        yield from (name for (name,) in self._rows("SELECT DISTINCT who FROM lines WHERE who NOT NULL ORDER BY who"))

    def _rows(self, query: str) -> Iterator[tuple[Any, ...]]:
        self._flush()
        if not self._in_order:
            self._connection.execute("CREATE TABLE ordered AS SELECT * FROM lines ORDER BY file, at, finer, rowid")
            self._connection.execute("DROP TABLE lines")
            self._connection.execute("ALTER TABLE ordered RENAME TO lines")
            self._in_order = True
        return iter(self._connection.execute(query))

    def _flush(self) -> None:
        self._connection.executemany("INSERT INTO lines VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", self._waiting)
        self._waiting.clear()


@contextmanager
def spool() -> Iterator[Spool]:
    """An empty spool in the directory for temporary files; it is gone in the end."""
    with scratch.folder() as folder, closing(sqlite3.connect(folder / "lines.sqlite", isolation_level=None)) as one:
        yield Spool(one)


def who(fields: dict[str, Any]) -> str | None:
    """Who was behind a line: its client, or the user that an audit trail names."""
    names = (fields.get(key) for key in ("client", "user"))
    return next((name for name in names if name and kind_of("who", name) == "string"), None)


def _put(row: tuple[Any, ...]) -> Put:
    number, key, order, new_order, behind, fields, *_ = row
    return Put(number, key, order, new_order, behind, json.loads(fields))
