"""What both kinds of database are asked and told in the same words."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import attrs
import sqlalchemy as sa

from .compiled import PLANNED_ANEW
from .schema import (
    FAULTS,
    HISTORY,
    IDS_NAME,
    META,
    NONCES,
    NOTES,
    NUMBER,
    ORDERS,
    PACKAGES,
    SCHEMA_NAME,
    SETTINGS,
    SHARED,
    TALLY,
    WHOLE,
)

_MAX_DUE = 100

SCHEMA_VERSION = sa.select(META.c.value).where(META.c.name == SCHEMA_NAME)
IDENTIFIED = sa.select(META.c.value).where(META.c.name == IDS_NAME)

GET = sa.select(ORDERS).where(ORDERS.c.id == sa.bindparam("order_id"))
REPLACE = sa.update(ORDERS).where(
    ORDERS.c.id == sa.bindparam("old_id"), ORDERS.c.version == sa.bindparam("old_version")
)
TOUCH = REPLACE.values(version=ORDERS.c.version + 1)

TELL = sa.insert(HISTORY).inline()
TOLD = sa.select(*list(HISTORY.c)[1:]).order_by(HISTORY.c.time, HISTORY.c.seq)
TOLD_OF_ORDER = TOLD.where(HISTORY.c.order_id == sa.bindparam("order"))

PACKAGE = sa.select(PACKAGES).where(PACKAGES.c.product_code == sa.bindparam("code"))
COUNT = sa.update(PACKAGES).where(PACKAGES.c.product_code == sa.bindparam("code"))
COUNT = COUNT.values(
    used=PACKAGES.c.used + sa.bindparam("more_used"), issued=PACKAGES.c.issued + sa.bindparam("more_issued")
)
TAKE = COUNT.where(PACKAGES.c.used + sa.bindparam("more_used") <= PACKAGES.c.total)

IS_SHARED = sa.select(SHARED.c.clock_offset, SHARED.c.completions, SHARED.c.faults_revision)
ADVANCE = sa.update(SHARED).values(clock_offset=SHARED.c.clock_offset + sa.bindparam("seconds"))
COMPLETE = sa.update(SHARED).values(completions=sa.bindparam("mode"))
SET_CLOCK = sa.update(SHARED).values(clock_offset=0.0)
FAULTS_CHANGED = sa.update(SHARED).values(faults_revision=SHARED.c.faults_revision + 1)
RULES = sa.select(FAULTS).order_by(FAULTS.c.number)
ADD_FAULT = sa.insert(FAULTS).inline()
TIMES = sa.select(FAULTS.c.times).where(FAULTS.c.number == sa.bindparam("fault"))
TAKE_FAULT = sa.update(FAULTS).where(FAULTS.c.number == sa.bindparam("fault"), FAULTS.c.times > 0)
TAKE_FAULT = TAKE_FAULT.values(times=FAULTS.c.times - 1)
FORGET_SPENT = sa.delete(FAULTS).where(FAULTS.c.number == sa.bindparam("fault"), FAULTS.c.times == 0)

FORGET_EXPIRED = sa.delete(NONCES).where(NONCES.c.expires < sa.bindparam("now"))
SETTING = sa.select(SETTINGS.c.value).where(SETTINGS.c.name == sa.bindparam("setting"))

_OF_KIND = NOTES.c.kind == sa.bindparam("of")
_NOTED = sa.and_(_OF_KIND, NOTES.c.key == sa.bindparam("at"))
NOTE = sa.select(NOTES.c.text).where(_NOTED)
ALL_NOTED = sa.select(NOTES.c.key, NOTES.c.text).where(_OF_KIND)
CHANGE_NOTE = sa.update(NOTES).where(_NOTED, NOTES.c.text == sa.bindparam("old")).values(text=sa.bindparam("new"))
DROP_NOTE = sa.delete(NOTES).where(_NOTED, NOTES.c.text == sa.bindparam("old"))

FEW = 500


@attrs.frozen(eq=False)
class Search:
    """How orders are looked for by a keyword: where, and which of those match.

    If `probe` finds more than `FEW`, an index is no help, and it is done `otherwise`.
    """

    among: sa.FromClause
    matches: sa.ColumnElement[bool]
    probe: sa.Executable | None = None
    otherwise: Search | None = None


def _number(name: str) -> sa.BindParameter[int]:
    return sa.bindparam(name, type_=NUMBER)


def _in_state(state: str, *, newest: bool) -> sa.Select[Any]:
    """Ids of the first `most` orders in a state, of those greater than `after`, read off the index."""
    ids = sa.select(ORDERS.c.id).where(ORDERS.c.state == state, ORDERS.c.id > sa.bindparam("after"))
    ids = ids.order_by(ORDERS.c.id.desc() if newest else ORDERS.c.id).limit(_number("most"))
    return sa.select(ids.subquery())


@lru_cache(maxsize=64)
def due(prefix: str, *, completions: bool) -> sa.Executable:
    """Numbers and states of the first orders that are due, of those whose states begin with `prefix`.

    They are read off their index, for which the states must not look as if they could be.
    """
    sought = ORDERS.c.under_way.in_([sa.false(), sa.true()] if completions else [sa.false()])
    of_table = sa.func.substr(ORDERS.c.state, 1, len(prefix)) == prefix
    found = sa.select(ORDERS.c.id, ORDERS.c.state).where(sought, ORDERS.c.due <= sa.bindparam("now"), of_table)
    return found.order_by(ORDERS.c.due, ORDERS.c.id).limit(_MAX_DUE)


@lru_cache(maxsize=256)
def listed(states: tuple[str, ...], *, newest: bool = False) -> sa.Select[Any]:
    """A part of the orders in `states`, read off the index, state by state, and merged."""
    return _part(sa.union_all(*(_in_state(state, newest=newest) for state in states)).subquery(), newest=newest)


def _part(ids: sa.FromClause, *, newest: bool = False) -> sa.Select[Any]:
    """A part of the orders that have those ids. PostgreSQL plans badly for a limit that it does not know."""
    part = sa.select(ids.c.id).order_by(ids.c.id.desc() if newest else ids.c.id)
    shown = part.limit(_number("limit")).offset(_number("skipped")).subquery()
    records = sa.select(ORDERS).join(shown, shown.c.id == ORDERS.c.id)
    records = records.order_by(ORDERS.c.id.desc() if newest else ORDERS.c.id)
    return records.execution_options(**{PLANNED_ANEW: True})


@lru_cache(maxsize=256)
def number(states: tuple[str, ...], search: Search | None = None) -> sa.Select[Any]:
    """How many orders there are in `states`, or how many of them match the keyword."""
    if search is not None:
        return sa.select(sa.func.count()).select_from(_found(states, search).subquery())
    counted = TALLY.c.level == WHOLE, _is_in(TALLY.c.state, states)
    return sa.select(sa.func.coalesce(sa.func.sum(TALLY.c.number), 0)).where(*counted)


def _found(states: tuple[str, ...], search: Search) -> sa.Select[Any]:
    """The ids of those in `states` that match the keyword."""
    return sa.select(ORDERS.c.id).select_from(search.among).where(_is_in(ORDERS.c.state, states), search.matches)


def _is_in(column: sa.Column[str], states: tuple[str, ...]) -> sa.ColumnElement[bool]:
    return column.in_([sa.literal(state) for state in states])


@lru_cache(maxsize=256)
def blocks(states: tuple[str, ...], level: int) -> sa.Executable:
    """Blocks of numbers between two, in order, and how many orders in `states` each has."""
    counted = TALLY.c.level == level, _is_in(TALLY.c.state, states)
    between = TALLY.c.part.between(sa.bindparam("first"), sa.bindparam("last"))
    found = sa.select(TALLY.c.part, sa.func.sum(TALLY.c.number)).where(*counted, between)
    return found.group_by(TALLY.c.part).order_by(TALLY.c.part)


@lru_cache(maxsize=256)
def every(states: tuple[str, ...], search: Search) -> sa.Executable:
    """All orders in `states` that match the keyword."""
    found = _found(states, search).subquery()
    return sa.select(ORDERS).join(found, found.c.id == ORDERS.c.id).order_by(ORDERS.c.id)


@lru_cache(maxsize=256)
def page(states: tuple[str, ...], search: Search | None) -> sa.Select[Any]:
    """A part of the orders in `states`, and last in each row how many there are."""
    part = listed(states) if search is None else _part(_found(states, search).subquery())
    return part.add_columns(number(states, search).scalar_subquery())
