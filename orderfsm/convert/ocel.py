"""OCEL 2.0, whichever way it is written: what its types, objects and events are.

An order is an object of the type that its table's name is, and has its id as an attribute. A line is an event about its
order; about the order that it begins, if it is a renewal; and about the client. What is about no order is about the
object `account`, which also says whether all events are in the log.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from orderfsm import scratch
from orderfsm.trace.tables import keys_of

from .attributes import KINDS, OURS, REST, happening, kind_of
from .mapping import ACCOUNT, Event, events_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from orderfsm.trace import Events
    from orderfsm.trace.tables import Tables

    from .spool import Spool

CLIENT = "client"
"""The type of those who called."""

ALWAYS = "1970-01-01T00:00:00Z"
"""The time of an object's attribute that does not change."""

MOST = 200
"""How many attributes an event type has at most; what else its events say stands in the rest."""

Related: TypeAlias = "tuple[str, str]"
"""An object that something is about, by its id, and what that is to it."""


class Object(NamedTuple):
    """An object: its id, type and attributes, and other objects it is related to."""

    name: str
    type: str
    attributes: Mapping[str, Any]
    related: Sequence[Related] = ()


class Happened(NamedTuple):
    """An event: its id, type, time and attributes, and the objects that it is about."""

    name: str
    type: str
    time: str
    attributes: Mapping[str, Any]
    related: Sequence[Related]


# -- writing -----------------------------------------------------------------------------------------------------------


class Written:
    """The lines of a spool as OCEL. `object_types` and `event_types` have the types of their attributes, by name."""

    def __init__(self, lines: Spool, events: Events) -> None:
        self._lines, self._events = lines, events
        own = {
            table.name: {table.identity.key: "string" if table.identity.is_text else "integer"}
            for table in lines.tables.values()
        }
        self.object_types = own | {ACCOUNT: {OURS: "string"}, CLIENT: {"name": "string"}}
        self.event_types = {name: self._declared(kinds) for name, kinds in sorted(lines.kinds.items())}

    def _declared(self, kinds: Mapping[str, set[type]]) -> dict[str, str]:
        """The attributes of an event type: what is of one type in all its events, and named like no other."""
        ids = {key for table in self._lines.tables.values() for key in keys_of(table)[1:2]}
        named: dict[str, str] = {}
        for key, types in kinds.items():
            known = {KINDS.get(each) for each in types}
            kind = known.pop() if len(known) == 1 else None
            unsaid = key not in {"time", "operation", "event"} | ids
            if kind and unsaid and kind_of(key, "") and key.casefold() not in map(str.casefold, named):
                named[key] = kind
            if len(named) == MOST:
                break
        return named | {REST: "string"}

    def objects(self) -> Iterator[Object]:
        """All objects."""
        yield Object(ACCOUNT, ACCOUNT, {OURS: str(self._events)})
        for name in self._lines.people():
            yield Object(f"{CLIENT}/{name}", CLIENT, {"name": name})
        for key, order, seconds in self._lines.named():
            table = self._lines.tables[key]
            related = [(f"{table.name}/{second}", "renewed as") for second in seconds]
            yield Object(f"{table.name}/{order}", table.name, {key: order}, related)

    def events(self) -> Iterator[Happened]:
        """All events, in the order of the lines."""
        for put in self._lines.lines():
            table = self._lines.tables[put.key]
            declared = self.event_types[put.name]
            time, attributes, rest = happening(put.fields, put.key, declared.__contains__)
            if rest:
                attributes[REST] = json.dumps(rest)
            about = [(ACCOUNT, ACCOUNT) if put.order is None else (f"{table.name}/{put.order}", table.noun)]
            if put.new_order is not None:
                about.append((f"{table.name}/{put.new_order}", f"new {table.noun}"))
            if put.who is not None:
                about.append((f"{CLIENT}/{put.who}", CLIENT))
            yield Happened(f"line-{put.number}", put.name, time, attributes, about)


# -- reading -----------------------------------------------------------------------------------------------------------


def read(objects: Iterable[Object], happened: Iterable[Happened], tables: Tables) -> Iterator[Event | Events]:
    """The events of a log, then whether all are among them: first the `objects` are gone through, then what `happened`.

    Ids stand under the keys of the `tables`.
    """
    with _known(objects, tables) as (about, ours):
        for number, each in enumerate(happened, 1):
            at = each.name.removeprefix("line-")
            place = int(at) if ours is not None and at.isdecimal() else number
            yield Event(place, each.type, each.time, each.attributes, about(each.related), ours)
        yield events_of(ours)


@contextmanager
def _known(
    objects: Iterable[Object], tables: Tables
) -> Iterator[tuple[Callable[[Sequence[Related]], dict[str, Any]], str | None]]:
    """What tells the ids of the order that an event is about; and what a log of ours says of its events."""
    keys = {
        name.casefold(): each.identity.key
        for each in reversed(tables.known)
        for name in (each.noun, f"{each.noun}s", each.name)
    }
    ours: str | None = None
    with scratch.folder() as folder, closing(sqlite3.connect(folder / "objects.sqlite")) as store:
        store.execute("PRAGMA journal_mode = OFF")
        store.execute("CREATE TABLE objects (name TEXT PRIMARY KEY, key, id) WITHOUT ROWID")

        def rows() -> Iterator[tuple[str, str, Any]]:
            nonlocal ours
            for each in objects:
                ours = each.attributes.get(OURS, ours)
                key = keys.get(each.type.casefold())
                if key is not None:
                    yield each.name, key, each.attributes.get(key, each.name.removeprefix(f"{each.type}/"))

        store.executemany("INSERT OR REPLACE INTO objects VALUES (?, ?, ?)", rows())

        def about(related: Sequence[Related]) -> dict[str, Any]:
            for name, qualifier in related:
                if not qualifier.startswith("new "):
                    found = store.execute("SELECT key, id FROM objects WHERE name = ?", (name,)).fetchone()
                    if found:
                        return dict([found])
            return {}

        yield about, ours
