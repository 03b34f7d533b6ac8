"""The tables of a database."""

from __future__ import annotations

import re
from typing import Any

import sqlalchemy as sa

from .store import FIRST_ID

SCHEMA = "4"
"""The version of the tables below. A database keeps the one that it was made with; another one is an error."""


class Verbatim(sa.Text):
    """Any text. What a database does not take, NUL and lone surrogates, becomes a backslash and four digits."""

    @staticmethod
    def written(text: str | None) -> str | None:
        """`text` as it stands in a row."""
        if text is None or (text.isascii() and "\\" not in text and "\0" not in text):
            return text
        return re.sub("[\0\\\\\ud800-\udfff]", lambda match: f"\\{ord(match[0]):04x}", text)

    @staticmethod
    def read(text: str | None) -> str | None:
        """What stands in a row as it was given."""
        if text is None or "\\" not in text:
            return text
        return re.sub(r"\\([0-9a-f]{4})", lambda match: chr(int(match[1], 16)), text)


TABLES = sa.MetaData()
NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # SQLite's integers have 64 bits

META = sa.Table(
    "meta",
    TABLES,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)
SCHEMA_NAME, IDS_NAME = "orderfsm schema", "orderfsm ids"

COPIED: dict[str, sa.Column[Any]] = {
    "version": sa.Column("version", NUMBER, nullable=False),
    "product_code": sa.Column("product_code", Verbatim, nullable=False),
    "validate_type": sa.Column("validate_type", Verbatim, nullable=False),
    "holds_unit": sa.Column("holds_unit", sa.Boolean, nullable=False),
    "reads": sa.Column("reads", NUMBER, nullable=False),
    "created": sa.Column("created", sa.Double, nullable=False),
    "entered": sa.Column("entered", sa.Double, nullable=False),
    "updated": sa.Column("updated", sa.Double, nullable=False),
    "issued": sa.Column("issued", sa.Double),
    "expires": sa.Column("expires", sa.Double),
    "due": sa.Column("due", sa.Double),
    "under_way": sa.Column("under_way", sa.Boolean, nullable=False),
    "ends": sa.Column("ends", sa.Double),
    "details": sa.Column("details", Verbatim, nullable=False),
    "csr": sa.Column("csr", Verbatim),
    "certificate": sa.Column("certificate", Verbatim),
    "private_key": sa.Column("private_key", Verbatim),
}
"""The columns that are a record's attributes as they are."""

ORDERS = sa.Table(
    "orders",
    TABLES,
    sa.Column("id", NUMBER, primary_key=True, autoincrement=False),  # its number
    sa.Column("state", sa.Text, nullable=False),  # its table's, as `rows` writes them
    sa.Column("previous", sa.Text),
    sa.Column("domain", sa.Text, nullable=False),  # in which a keyword is looked for
    sa.Column("domains", sa.Text, nullable=False),  # JSON
    sa.Column("tags", sa.Text, nullable=False),  # JSON
    *COPIED.values(),
)
sa.Index("orders_in_state", ORDERS.c.state, ORDERS.c.id)
_DUE = ORDERS.c.due.is_not(None)
sa.Index("orders_due", ORDERS.c.under_way, ORDERS.c.due, ORDERS.c.id, sqlite_where=_DUE, postgresql_where=_DUE)

# How many orders are in each state, kept by triggers: to count them would take the longer the more there are. In
# PostgreSQL each connection counts in a part of its own, as changes would wait for each other in a common one. In
# SQLite they are also counted by blocks of numbers, large ones and small ones, by which a page far behind is found.
TALLY = sa.Table(
    "tally",
    TABLES,
    sa.Column("state", sa.Text, primary_key=True),
    sa.Column("level", sa.Integer, primary_key=True, autoincrement=False),  # WHOLE, or the bits of a block's numbers
    sa.Column("part", NUMBER, primary_key=True, autoincrement=False),
    sa.Column("number", NUMBER, nullable=False),
    sqlite_with_rowid=False,
)
WHOLE = 0
BLOCKS = (14, 7)
"""How many bits the numbers of a block differ in: of a large one, and of a small one."""

HISTORY = sa.Table(
    "history",
    TABLES,
    sa.Column("seq", NUMBER, primary_key=True),
    sa.Column("time", sa.Double, nullable=False),
    sa.Column("order_id", NUMBER, nullable=False, index=True),
    sa.Column("trigger", sa.Text, nullable=False),
    sa.Column("code", Verbatim),
    sa.Column("state", sa.Text),
    sa.Column("new_order_id", NUMBER),
)

PACKAGES = sa.Table(
    "packages",
    TABLES,
    sa.Column("product_code", Verbatim, primary_key=True),
    sa.Column("total", NUMBER, nullable=False),
    sa.Column("used", NUMBER, nullable=False),
    sa.Column("issued", NUMBER, nullable=False),
)

SHARED = sa.Table(  # one row
    "shared",
    TABLES,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("clock_offset", sa.Double, nullable=False),
    sa.Column("completions", sa.Text, nullable=False),
    sa.Column("faults_revision", NUMBER, nullable=False),
)

FAULTS = sa.Table(
    "faults",
    TABLES,
    sa.Column("number", NUMBER, primary_key=True),
    sa.Column("rule", sa.Text, nullable=False),  # JSON
    sa.Column("times", NUMBER),  # how often it still applies
    sqlite_autoincrement=True,
)

NONCES = sa.Table(
    "nonces",
    TABLES,
    sa.Column("nonce", Verbatim, primary_key=True),
    sa.Column("expires", sa.Double, nullable=False, index=True),
    sqlite_with_rowid=False,
)

HITS = sa.Table(
    "hits",
    TABLES,
    sa.Column("name", Verbatim, primary_key=True),
    sa.Column("period", NUMBER, nullable=False),
    sa.Column("hits", NUMBER, nullable=False),
)

SETTINGS = sa.Table(
    "settings",
    TABLES,
    sa.Column("name", Verbatim, primary_key=True),
    sa.Column("value", Verbatim, nullable=False),
)

NOTES = sa.Table(
    "notes",
    TABLES,
    sa.Column("kind", Verbatim, primary_key=True),
    sa.Column("key", Verbatim, primary_key=True),
    sa.Column("text", Verbatim, nullable=False),
    sqlite_with_rowid=False,
)

# Numbers that count up: in PostgreSQL sequences, for which nobody waits; in SQLite, where one at a time writes, rows.
ORDER_IDS = sa.Sequence("order_ids", start=FIRST_ID, data_type=sa.BigInteger, metadata=TABLES)
DRAWS = sa.Sequence("draws", start=0, minvalue=0, data_type=sa.BigInteger, metadata=TABLES)
COUNTERS = sa.Table(
    "counters",
    TABLES,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Integer, nullable=False),
    sqlite_with_rowid=False,
)
FIRST_VALUES = {"order_ids": FIRST_ID, "draws": 0, "changes": 0}
