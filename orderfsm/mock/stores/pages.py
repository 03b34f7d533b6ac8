"""Pages of orders: where one begins that is far behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from orderfsm.identity import MAX_ID

from . import statements
from .connections import NONE
from .schema import BLOCKS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .compiled import Parameters
    from .connections import Connection
    from .statements import Search

_NEAR = 200
"""How many orders are skipped one by one, which takes less than to look for their blocks."""


@attrs.frozen
class Page:
    """The orders in `states`, as they stand in rows, after the first `offset`, `limit` at most, and how many there are.

    Those that match a keyword, if there is a `search` for one: `sought` are its parameters.
    """

    states: tuple[str, ...]
    offset: int
    limit: int
    search: Search | None = None
    sought: Parameters = NONE

    def read(self, connection: Connection, after: int = 0, skipped: int | None = None) -> tuple[Sequence[Any], int]:
        """Its rows, and how many orders there are, by one statement.

        Of those whose numbers are greater than `after`, so many are `skipped`, by default as many as the offset says.
        """
        skipped = self.offset if skipped is None else skipped
        asked = {"limit": self.limit, "skipped": skipped, **self.sought}
        if self.search is None:
            asked |= {"after": after, "most": min(skipped + self.limit, MAX_ID)}
        found = connection.all(statements.page(self.states, self.search), asked)
        if found:
            return [row[:-1] for row in found], int(found[0][-1])
        return [], int(connection.scalar(statements.number(self.states, self.search), self.sought))

    def in_blocks(self, connection: Connection) -> tuple[Sequence[Any], int]:
        """The same, where the orders of blocks are counted: it takes hardly longer the farther behind it is."""
        if self.search is not None:
            return self._found(connection, self.search)
        if self.offset < _NEAR:
            return self.read(connection)
        with connection.at_one_time():
            return self.read(connection, *self._begins(connection))

    def _found(self, connection: Connection, search: Search) -> tuple[Sequence[Any], int]:
        if search.probe is None:
            return self.read(connection)
        if len(connection.all(search.probe, self.sought)) > statements.FEW:
            return attrs.evolve(self, search=search.otherwise).read(connection)
        rows = connection.all(statements.every(self.states, search), self.sought)
        return rows[self.offset :][: self.limit], len(rows)

    def _begins(self, connection: Connection) -> tuple[int, int]:
        """The number after which the small block begins in which it begins, and how many are to be skipped in that."""
        skipped, part, outer = self.offset, 0, MAX_ID.bit_length()
        for bits in BLOCKS:
            first = part << (outer - bits)
            between = {"first": first, "last": first + (1 << (outer - bits)) - 1}
            for part, number in connection.all(statements.blocks(self.states, bits), between):  # noqa: B007
                if skipped < number:
                    break
                skipped -= number
            else:
                return MAX_ID, 0
            outer = bits
        return (part << outer) - 1, skipped
