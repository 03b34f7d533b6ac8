"""What both kinds of database are asked and told in the same words."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from .schema import (
    FAULTS,
    HISTORY,
    IDS_NAME,
    META,
    NONCES,
    NUMBER,
    ORDERS,
    PACKAGES,
    SCHEMA_NAME,
    SETTINGS,
    SHARED,
    TALLY,
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
TAKE = COUNT.where(PACKAGES.c.used < PACKAGES.c.total)

IS_SHARED = sa.select(SHARED.c.clock_offset, SHARED.c.completions, SHARED.c.faults_revision)
ADVANCE = sa.update(SHARED).values(clock_offset=SHARED.c.clock_offset + sa.bindparam("seconds"))
COMPLETE = sa.update(SHARED).values(completions=sa.bindparam("mode"))
SET_CLOCK = sa.update(SHARED).values(clock_offset=0.0)
FAULTS_CHANGED = sa.update(SHARED).values(faults_revision=SHARED.c.faults_revision + 1)
RULES = sa.select(SHARED.c.faults_revision, FAULTS).select_from(SHARED.outerjoin(FAULTS, sa.true()))
RULES = RULES.order_by(FAULTS.c.number)
ADD_FAULT = sa.insert(FAULTS).inline()
TIMES = sa.select(FAULTS.c.times).where(FAULTS.c.number == sa.bindparam("fault"))
TAKE_FAULT = sa.update(FAULTS).where(FAULTS.c.number == sa.bindparam("fault"), FAULTS.c.times > 0)
TAKE_FAULT = TAKE_FAULT.values(times=FAULTS.c.times - 1)
FORGET_SPENT = sa.delete(FAULTS).where(FAULTS.c.number == sa.bindparam("fault"), FAULTS.c.times == 0)

FORGET_EXPIRED = sa.delete(NONCES).where(NONCES.c.expires < sa.bindparam("now"))
SETTING = sa.select(SETTINGS.c.value).where(SETTINGS.c.name == sa.bindparam("setting"))


def _literal(name: str) -> sa.BindParameter[int]:
    """A parameter that stands in the statement itself: PostgreSQL plans badly for a limit that it does not know."""
    return sa.bindparam(name, type_=NUMBER, literal_execute=True)


def _in_state(state: str, *, newest: bool) -> sa.Select[Any]:
    """Ids of the first `most` orders in a state, of those greater than `after`, read off the index."""
    ids = sa.select(ORDERS.c.id).where(ORDERS.c.state == state, ORDERS.c.id > sa.bindparam("after"))
    ids = ids.order_by(ORDERS.c.id.desc() if newest else ORDERS.c.id).limit(_literal("most"))
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
def listed(
    states: tuple[str, ...], *, newest: bool = False, contains: sa.ColumnElement[bool] | None = None
) -> sa.Select[Any]:
    """A part of the orders in `states`, or of those that match the keyword.

    Without one it is read off the index, state by state, and merged; to look at all takes longer the more there are.
    """
    if contains is None:
        ids = sa.union_all(*(_in_state(state, newest=newest) for state in states)).subquery()
    else:
        ids = sa.select(ORDERS.c.id).where(ORDERS.c.state.in_(states), contains).subquery()
    part = sa.select(ids).order_by(ids.c.id.desc() if newest else ids.c.id)
    part = part.limit(_literal("limit")).offset(_literal("skipped"))
    shown = part.subquery()
    records = sa.select(ORDERS).join(shown, shown.c.id == ORDERS.c.id)
    return records.order_by(ORDERS.c.id.desc() if newest else ORDERS.c.id)


@lru_cache(maxsize=256)
def number(states: tuple[str, ...], contains: sa.ColumnElement[bool] | None = None) -> sa.Select[Any]:
    """How many orders there are in `states`, or how many of them match the keyword."""
    if contains is None:
        return sa.select(sa.func.coalesce(sa.func.sum(TALLY.c.number), 0)).where(TALLY.c.state.in_(states))
    return sa.select(sa.func.count()).select_from(ORDERS).where(ORDERS.c.state.in_(states), contains)


@lru_cache(maxsize=256)
def page(states: tuple[str, ...], contains: sa.ColumnElement[bool] | None) -> sa.Select[Any]:
    """A part of the orders in `states`, and last in each row how many there are."""
    how_many: sa.ColumnElement[int] = number(states, contains).scalar_subquery()
    return listed(states, contains=contains).add_columns(how_many)
