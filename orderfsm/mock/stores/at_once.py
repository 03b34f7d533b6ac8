"""A whole change as one statement, for PostgreSQL: to begin, to commit and each step in between is a way there."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from .schema import HISTORY, ORDERS, PACKAGES

if TYPE_CHECKING:
    from collections.abc import Iterable

UNDONE = "22012"
"""What PostgreSQL says, a division by zero, where some of the change can be done and some cannot: then nothing is."""

NEW, BEGUN, LINE = "new_{}", "begun_{}", "line_{}_{}"
"""The names of parameters: of an order as it shall be, of one that begins, of the lines of the history."""

_COLUMNS = list(ORDERS.c)
_TOLD = list(HISTORY.c)[1:]


@lru_cache(maxsize=256)
def statement(changed: tuple[str, ...] | None, lines: int, counts: str, *, begins: bool) -> sa.Executable:
    """What replaces an order, if its columns are `changed`, `begins` another one, tells `lines`, and counts a package.

    Each step is taken only if those before it are. It answers whether anything was done. `counts` is "" if no package
    is counted, "take" if units are taken and must be free, "give" if they are given back, "note" if no package need
    be there.
    """
    steps = []
    if changed is not None:
        steps.append(_replaced(changed))
    if begins:
        steps.append(_begun(steps))
    counted = []
    if counts:
        counted.append(_counted(steps, takes=counts == "take"))
    must = [*steps, *(counted if counts != "note" else ())]
    failed = sa.and_(_done(must[:1]), sa.not_(_done(must[1:]))) if len(must) > 1 else sa.false()
    answer = sa.select(_done(must), sa.func.div(1, sa.case((failed, 0), else_=1)))
    told = [_told(steps, lines)] if lines else []
    return answer.add_cte(*steps, *told, *counted)


def _replaced(changed: Iterable[str]) -> sa.CTE:
    values: dict[str, Any] = {name: sa.bindparam(NEW.format(name), type_=ORDERS.c[name].type) for name in changed}
    found = ORDERS.c.id == sa.bindparam("old_id"), ORDERS.c.version == sa.bindparam("old_version")
    replaced = sa.update(ORDERS).where(*found).values(version=ORDERS.c.version + 1, **values)
    return replaced.returning(ORDERS.c.id).cte("replaced")


def _begun(steps: Iterable[sa.CTE]) -> sa.CTE:
    row = sa.select(*(sa.bindparam(BEGUN.format(column.name), type_=column.type) for column in _COLUMNS))
    begun = postgresql.insert(ORDERS).from_select(_COLUMNS, row.where(_done(steps)))
    return begun.on_conflict_do_nothing(index_elements=["id"]).returning(ORDERS.c.id).cte("begun")


def _told(steps: Iterable[sa.CTE], lines: int) -> sa.CTE:
    rows = [
        sa.select(*(sa.bindparam(LINE.format(at, column.name), type_=column.type) for column in _TOLD))
        for at in range(lines)
    ]
    told = sa.union_all(*rows).subquery() if lines > 1 else rows[0].subquery()
    return sa.insert(HISTORY).from_select(_TOLD, sa.select(told).where(_done(steps))).cte("told")


def _counted(steps: Iterable[sa.CTE], *, takes: bool) -> sa.CTE:
    used = PACKAGES.c.used + sa.bindparam("more_used")
    counted = sa.update(PACKAGES).where(PACKAGES.c.product_code == sa.bindparam("code"), _done(steps))
    if takes:
        counted = counted.where(used <= PACKAGES.c.total)
    counted = counted.values(used=used, issued=PACKAGES.c.issued + sa.bindparam("more_issued"))
    return counted.returning(PACKAGES.c.product_code).cte("counted")


def _done(steps: Iterable[sa.CTE]) -> sa.ColumnElement[bool]:
    return sa.and_(sa.true(), *(sa.exists().select_from(step) for step in steps))
