"""Which table a line belongs to: the one under whose key its id stands; without an id, the one that has its trigger."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from orderfsm import tables
from orderfsm.invalid import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from orderfsm.lifecycle import Lifecycle


def absent(value: Any) -> bool:
    """Whether a value says nothing: None, an empty text, or what is not even equal to itself (NaN, NaT)."""
    return value is None or value == "" or value != value  # noqa: PLR0124


def ids_under_several(keys: Iterable[str]) -> InvalidValue:
    """The error of a line that has ids under several keys: nobody knows which of them it is about."""
    return InvalidValue("ids under", tuple(keys), ["one of them: a line is of one table"])


class Keys(NamedTuple):
    """A table, and the keys that are its own in a line: of the id, of that of a second order, and of a second word."""

    lifecycle: Lifecycle
    order: str
    new_order: str
    apart: str


@lru_cache(maxsize=32)
def keys_of(lifecycle: Lifecycle) -> Keys:
    """The keys of a table; that of a second word is empty if it tells no field apart."""
    own = lifecycle.identity.key
    apart = next((vocabulary.apart for vocabulary in lifecycle.vocabularies if vocabulary.apart), "")
    return Keys(lifecycle, own, f"new_{own}", apart)


class Tables:
    """Tables, each with a key of its own for ids: those by which lines are `judged`, and `others` whose lines count.

    >>> from orderfsm.trace.tables import tables_of
    >>> tables_of(None).of({"instance_id": "cas-cn-68n1mm16", "operation": "DeleteInstance"}).lifecycle.name
    'instances'
    """

    def __init__(self, judged: tuple[Lifecycle, ...], others: tuple[Lifecycle, ...] = ()) -> None:
        self.judged, self.others, self.known = judged, others, (*judged, *others)
        self.first = self.known[0]
        self.places = {table.identity.key: place for place, table in enumerate(judged)}
        """Where each table stands among the judged ones, by its key."""
        self._keys = tuple(map(keys_of, self.known))
        self._first, *further = self._keys
        self._key = self._first.order
        self._further = tuple(keys.order for keys in further)

    def of(self, fields: Mapping[str, Any]) -> Keys:
        """The table of the line that has these `fields`; the first one if none of them has anything to do with it.

        `InvalidValue` for ids under several keys.
        """
        for key in self._further:
            if key in fields:
                break
        else:
            if self._key in fields:
                return self._first
        named = [keys for keys in self._keys if not absent(fields.get(keys.order))]
        if len(named) > 1:
            raise ids_under_several(keys.order for keys in named)
        return named[0] if named else keys_of(self.with_operation(fields.get("operation")) or self.first)

    def with_operation(self, operation: object) -> Lifecycle | None:
        """The first table that has this operation."""
        if not isinstance(operation, str):
            return None
        return next((table for table in self.known if operation in table.operations), None)

    @property
    def operations(self) -> Iterator[str]:
        """The operations of those that are judged."""
        return (operation for table in self.judged for operation in table.operations)

    @property
    def accepted(self) -> list[str]:
        """Each one that is judged, and what its lines have, in words."""
        return [f"{table.name}, whose lines have {table.identity.key}" for table in self.judged]


@lru_cache(maxsize=32)
def tables_of(lifecycle: Lifecycle | None) -> Tables:
    """The tables of this package; with `lifecycle` that one is judged alone, and the others with other keys count."""
    every = tuple(map(tables.named, tables.NAMES))
    if lifecycle is None:
        return Tables(every)
    own = lifecycle.identity.key
    return Tables((lifecycle,), tuple(table for table in every if table.identity.key != own))


def noun_of(judged: tuple[Lifecycle, ...]) -> str:
    """What the orders of these tables are called in a text: `order`, `order or instance`."""
    return " or ".join(dict.fromkeys(table.noun for table in judged))
