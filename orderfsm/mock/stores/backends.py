"""SQLite and PostgreSQL: what each of them says in its own way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from .schema import (
    BLOCKS,
    COUNTERS,
    DRAWS,
    HISTORY,
    HITS,
    NONCES,
    NOTES,
    ORDER_IDS,
    ORDERS,
    PACKAGES,
    SETTINGS,
    TABLES,
    WHOLE,
)
from .statements import FEW, Search

if TYPE_CHECKING:
    from collections.abc import Callable

    from .compiled import Parameters


@attrs.frozen
class Backend:
    """A kind of database: how to begin a transaction, and what to say before and after the tables are created.

    `alone` shuts other writers out of a transaction, `forgetting` follows on all orders' removal. `search` says how a
    keyword is looked for, with the parameters for that. The other fields are statements.
    """

    begin: str
    before_creation: tuple[str, ...]
    after_creation: tuple[str, ...]
    alone: tuple[str, ...]
    forgetting: tuple[str, ...]
    tables: tuple[sa.Table, ...]
    search: Callable[[str], tuple[Search, Parameters]]
    order_id: Any
    begin_order: Any
    draw: Any
    revision: Any
    changed: Any
    buy: Any
    nonce: Any
    hit: Any
    setting: Any
    add_note: Any


def _upserts(insert: Callable[[sa.Table], Any]) -> dict[str, Any]:
    """The inserts that meet a row which is there already; each database has its own `insert` for them."""
    buy = insert(PACKAGES).values(product_code=sa.bindparam("code"), total=sa.bindparam("size"), used=0, issued=0)
    buy = buy.on_conflict_do_update(index_elements=["product_code"], set_={"total": buy.excluded.total})
    nonce = insert(NONCES).inline()
    nonce = nonce.on_conflict_do_update(  # one that has expired is as good as new
        index_elements=["nonce"],
        set_={"expires": nonce.excluded.expires},
        where=NONCES.c.expires < sa.bindparam("now"),
    )
    hit = insert(HITS).values(name=sa.bindparam("key"), period=sa.bindparam("window"), hits=1)
    hits = sa.case((HITS.c.period == hit.excluded.period, HITS.c.hits + 1), else_=1)
    hit = hit.on_conflict_do_update(index_elements=["name"], set_={"hits": hits, "period": hit.excluded.period})
    begin_order = insert(ORDERS).inline().on_conflict_do_nothing(index_elements=["id"])
    return {
        "begin_order": begin_order,
        "buy": buy.returning(*PACKAGES.c),
        "nonce": nonce,
        "hit": hit.returning(HITS.c.hits),
        "setting": insert(SETTINGS).inline().on_conflict_do_nothing(index_elements=["name"]),
        "add_note": insert(NOTES).inline().on_conflict_do_nothing(index_elements=["kind", "key"]),
    }


def counted(name: str, by: Any = 1) -> Any:
    """The value of a counter, which then grows."""
    counted = sa.update(COUNTERS).where(COUNTERS.c.name == name).values(value=COUNTERS.c.value + by)
    return counted.returning(COUNTERS.c.value - by)


# In SQLite each line of the history is a change; what changes without a line, or takes the lines away, is counted.
LINES = sa.func.coalesce(sa.select(sa.func.max(HISTORY.c.seq)).scalar_subquery(), 0)

# The index by which SQLite finds a keyword: of each order's domain all that are three letters in a row.
GRAMS = sa.table("grams", sa.column("rowid", sa.Integer))
_GRAM, _MOST_GRAMS = 3, 12

_MATCH = sa.text("grams MATCH :grams")

_CONTAINS = sa.func.instr(ORDERS.c.domain, sa.bindparam("keyword")) > 0
_SCAN = Search(ORDERS, _CONTAINS)
_INDEXED = Search(
    ORDERS.join(GRAMS, GRAMS.c.rowid == ORDERS.c.id),
    sa.and_(_MATCH, _CONTAINS),
    sa.select(GRAMS.c.rowid).where(_MATCH).limit(FEW + 1),
    _SCAN,
)
_POSITIONED = Search(ORDERS, sa.func.strpos(ORDERS.c.domain, sa.bindparam("keyword", type_=sa.Text)) > 0)


def _in_sqlite(keyword: str) -> tuple[Search, Parameters]:
    """By the index, if the keyword is long enough: what has some of its letters is then looked at."""
    if len(keyword) < _GRAM:
        return _SCAN, {"keyword": keyword}
    starts = [*range(0, len(keyword) - _GRAM, _GRAM), len(keyword) - _GRAM][:_MOST_GRAMS]
    grams = (keyword[at : at + _GRAM].replace('"', '""') for at in starts)
    return _INDEXED, {"keyword": keyword, "grams": " ".join(f'"{gram}"' for gram in grams)}


def _in_postgresql(keyword: str) -> tuple[Search, Parameters]:
    return _POSITIONED, {"keyword": keyword}


def _counts(by: int, row: str) -> str:
    """What counts an order in its state and its blocks, in a trigger of SQLite in which it is `row`."""
    parts = [f"({row}.state, {WHOLE}, 0, {by})"]
    parts += [f"({row}.state, {bits}, {row}.id >> {bits}, {by})" for bits in BLOCKS]
    return f"INSERT INTO tally VALUES {', '.join(parts)} ON CONFLICT DO UPDATE SET number = number + ({by});"  # noqa: S608


_INDEX_NEW = "INSERT INTO grams (rowid, domain) VALUES (new.id, new.domain);"
_UNINDEX_OLD = "INSERT INTO grams (grams, rowid, domain) VALUES ('delete', old.id, old.domain);"

SQLITE = Backend(
    begin="BEGIN IMMEDIATE",
    before_creation=(),
    after_creation=(
        """
        CREATE VIRTUAL TABLE grams USING
        fts5(domain, content='', columnsize=0, detail=none, tokenize='trigram case_sensitive 1')
        """,
        f"CREATE TRIGGER order_begun AFTER INSERT ON orders BEGIN {_counts(+1, 'new')} {_INDEX_NEW} END",
        f"""
        CREATE TRIGGER order_renamed AFTER UPDATE OF domain ON orders WHEN new.domain <> old.domain
        BEGIN {_UNINDEX_OLD} {_INDEX_NEW} END
        """,
        f"""
        CREATE TRIGGER order_moved AFTER UPDATE OF state ON orders WHEN new.state <> old.state
        BEGIN {_counts(-1, "old")} {_counts(+1, "new")} END
        """,
    ),
    alone=(),
    forgetting=("INSERT INTO grams (grams) VALUES ('delete-all')",),
    tables=tuple(TABLES.sorted_tables),
    search=_in_sqlite,
    order_id=counted("order_ids"),
    draw=counted("draws"),
    revision=sa.select(COUNTERS.c.value + LINES).where(COUNTERS.c.name == "changes"),
    changed=counted("changes"),
    **_upserts(sqlite.insert),
)

# In PostgreSQL a revision is how many transactions have ended. A counter would be a row for which all changes wait.
POSTGRESQL = Backend(
    begin="BEGIN ISOLATION LEVEL READ COMMITTED",
    before_creation=("SELECT pg_advisory_xact_lock(7021805934)",),  # a number that nobody else uses
    after_creation=(
        # Lost if the server crashes, which does no harm; and so nobody waits until they are on the disk.
        "ALTER TABLE nonces SET UNLOGGED",
        "ALTER TABLE hits SET UNLOGGED",
        """
        CREATE FUNCTION count_order() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE mine integer := pg_backend_pid() % 64;
        BEGIN
            IF TG_OP = 'UPDATE' THEN
                INSERT INTO tally VALUES (OLD.state, 0, mine, -1)
                    ON CONFLICT (state, level, part) DO UPDATE SET number = tally.number - 1;
            END IF;
            INSERT INTO tally VALUES (NEW.state, 0, mine, 1)
                ON CONFLICT (state, level, part) DO UPDATE SET number = tally.number + 1;
            RETURN NULL;
        END $$
        """,
        "CREATE TRIGGER order_begun AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION count_order()",
        """
        CREATE TRIGGER order_moved AFTER UPDATE OF state ON orders FOR EACH ROW
            WHEN (NEW.state <> OLD.state) EXECUTE FUNCTION count_order()
        """,
    ),
    forgetting=(),
    alone=("LOCK TABLE orders, tally, history, packages, faults, notes, shared IN EXCLUSIVE MODE",),
    tables=tuple(table for table in TABLES.sorted_tables if table is not COUNTERS),
    search=_in_postgresql,
    order_id=sa.select(ORDER_IDS.next_value()),
    draw=sa.select(DRAWS.next_value()),
    revision=sa.text(
        "SELECT CAST(CAST(pg_snapshot_xmax(seen) AS text) AS bigint) - (SELECT count(*) FROM pg_snapshot_xip(seen))"
        " FROM pg_current_snapshot() AS seen"
    ),
    changed=None,
    **_upserts(postgresql.insert),
)
