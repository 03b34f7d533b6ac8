"""What one `commit` changes in a database: an order, the one that it begins, lines of the history, packages."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from orderfsm.errors import NotFoundPackage, NotRemainCount

from . import at_once, statements
from .connections import Undone
from .schema import ORDERS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orderfsm.mock.records import Happening, Record

    from .backends import Backend
    from .compiled import Parameters
    from .connections import Connection
    from .rows import Rows


class Change:
    """A change as rows: `new` where `old` is, `begun`, and what happened.

    `several` says that it may turn out that it must not be when some of it is done already.
    """

    def __init__(
        self,
        rows: Rows,
        old: Record | None,
        new: Record | None,
        begun: Record | None,
        happened: Iterable[Happening],
    ) -> None:
        self._replacing: Parameters | None = None
        self._touches = new is None
        self._beginning = None if begun is None else rows.row_of(begun)
        self._lines = [rows.line_of(happening) for happening in happened]
        self._used: Counter[str] = Counter()
        self._issued: Counter[str] = Counter()
        if old is not None:
            self._replacing = {"old_id": old.number, "old_version": old.version}
            if new is not None:
                self._replacing |= {**rows.changes_of(old, new), "version": old.version + 1}
                self._count(old.product_code, new.holds_unit - old.holds_unit, _was_issued(new) - _was_issued(old))
        if begun is not None:
            self._count(begun.product_code, int(begun.holds_unit), int(_was_issued(begun)))
        self.several = (old is not None) + (begun is not None) + len(self._used) > 1

    def _count(self, product_code: str, used: int, issued: int) -> None:
        """`used` more units of a package are held, and `issued` more of its orders are issued."""
        if used:
            self._used[product_code] += used
        if issued:
            self._issued[product_code] += issued

    def write(self, backend: Backend, connection: Connection) -> bool:
        """Write it; False if it must not be and nothing is done, `Undone` if some of it is."""
        if self._replacing is not None:
            statement = statements.TOUCH if self._touches else statements.REPLACE
            if not connection.change(statement, self._replacing):
                return False
        if self._beginning is not None and not connection.change(backend.begin_order, self._beginning):
            if self._replacing is None:
                return False
            raise Undone
        for line in self._lines:
            connection.change(statements.TELL, line)
        if not self._lines and backend.changed is not None:
            connection.scalar(backend.changed)
        self._write_counts(connection)
        return True

    def write_at_once(self, connection: Connection) -> bool | None:
        """Write it as one statement, to PostgreSQL; False if it must not be.

        None if that does not say why: if some of it could be done and some could not, or two packages are counted.
        """
        codes = {*self._used, *self._issued}
        if len(codes) > 1:
            return None
        given: dict[str, Any] = {}
        changed = None
        if self._replacing is not None:
            new = {name: value for name, value in self._replacing.items() if name in ORDERS.c and name != "version"}
            given = {at_once.NEW.format(name): value for name, value in new.items()}
            given |= {name: self._replacing[name] for name in ("old_id", "old_version")}
            changed = tuple(new)
        if self._beginning is not None:
            given |= {at_once.BEGUN.format(name): value for name, value in self._beginning.items()}
        for at, line in enumerate(self._lines):
            given |= {at_once.LINE.format(at, name): value for name, value in line.items()}
        counts = ""
        for code in codes:
            used = self._used[code]
            counts = "take" if used > 0 else "give" if used else "note"
            given |= {"code": code, "more_used": used, "more_issued": self._issued[code]}
        begins = self._beginning is not None
        statement = at_once.statement(changed, len(self._lines), counts, begins=begins)
        try:
            return bool(connection.scalar(statement, given))
        except connection.raw.DataError as error:
            if error.sqlstate == at_once.UNDONE:
                return None
            raise

    def _write_counts(self, connection: Connection) -> None:
        """Packages come last: until the end others wait for them."""
        for code in sorted({*self._used, *self._issued}):
            used = self._used[code]
            counts = {"code": code, "more_used": used, "more_issued": self._issued[code]}
            if not connection.change(statements.TAKE if used > 0 else statements.COUNT, counts) and used:
                known = connection.first(statements.PACKAGE, {"code": code})
                raise Undone(NotFoundPackage() if known is None else NotRemainCount())


def _was_issued(record: Record) -> bool:
    return record.issued is not None
