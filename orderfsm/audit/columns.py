"""The columns in which lines go through an engine, whichever it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyarrow import compute

from orderfsm.rows import DAY
from orderfsm.trace.tables import keys_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from orderfsm.identity import Identity
    from orderfsm.lifecycle import Lifecycle

SECOND = "certificate_state"
"""The column of the second word, so called here whatever a table's own key is."""

SAID = ("operation", "event", "outcome", "code", "state", SECOND)
"""What a line says, as text: these together decide what it means."""

INTERVAL = ("started", "ended")

IDS = ("order_id", "new_order_id")
"""The columns of ids, so called here whatever a table's own key is."""

FORMAT = ("time", "order_id", *SAID, "new_order_id", *INTERVAL)
"""The columns of the trace format that an audit reads."""

CONTEXT = (
    "client",
    "user",
    "user_type",
    "principal_id",
    "access_key_id",
    "account_id",
    "source_ip",
    "region",
    "event_id",
    "request_id",
)
"""What a line may say besides: who was behind it, from where, and what the service called it. It is not judged."""

ABSENT = "\0null\0"
"""Stands for null where columns are compared."""

EVENTS_KEY = b"orderfsm.events"
"""In a Parquet file's own metadata: what the header of a JSON Lines file says of its events."""

UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
"""How many of each unit of time a second has."""

FIRST, LAST = -62_135_596_800, 253_402_300_799
"""The first and the last second of the years 1 to 9999, since 1970: what RFC 3339 can say."""

LINE_BITS = 40
"""`place` is twice the file's number, shifted by so many bits, plus the line's; a line that also begins a second order
stands there one place further."""

LINES = ("instant", "order_id", "place", "finer", "new_order_id", "event_id", "bad", *SAID, "timed", "whole", "byte")
"""Lines as engines see them. `instant`: microseconds since 1970; `finer`: the digits after that, the 7th to the 24th of
the second's fraction; `event_id`: what ActionTrail calls it; `bad`: why it is a bad line and how it begins, as JSON, if
a reader found that out; `timed`: the call has an interval; `whole`: its time is a whole second, within which anything
may have been first; `byte`: where in the text of its file it begins, if a reader knows it."""

OF_SEVERAL = ("table", "text_id", "new_text_id")
"""What stands besides where lines of several tables are together: the place of the table among those that are judged,
-1 if the line is of none of them; and ids that are texts, while `order_id` has those that are numbers."""

BESIDE = "beside"
"""What else has an id in a line that an engine reads: see `Layout`."""

TYPES = {
    **dict.fromkeys(("instant", "place", "finer", "byte"), pa.int64()),
    **dict.fromkeys(("timed", "whole"), pa.bool_()),
}
"""The types of those columns that are neither ids nor texts."""

pc: Any = compute
"""Its functions are made when it is imported; no type checker sees them."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def type_of_ids(identity: Identity) -> pa.DataType:
    """The type of a column of ids."""
    return pa.string() if identity.is_text else pa.int64()


def id_columns(tables: Iterable[Lifecycle]) -> dict[str, pa.DataType]:
    """The columns in which files of ours have the ids of these tables, each under its own key."""
    return {table.identity.key: type_of_ids(table.identity) for table in tables}


@lru_cache(maxsize=32)
def schema_of(judged: tuple[Lifecycle, ...]) -> pa.Schema:
    """The columns `LINES` for lines of these tables; if there are several, and `OF_SEVERAL`."""
    ids = type_of_ids(judged[0].identity) if len(judged) == 1 else pa.int64()
    types = TYPES | dict.fromkeys(IDS, ids) | {"table": pa.int8()}
    names = LINES if len(judged) == 1 else (*LINES, *OF_SEVERAL)
    return pa.schema([(name, types.get(name, pa.string())) for name in names])


def key_of(column: str, lifecycle: Lifecycle) -> str:
    """What the trace format calls a column: `new_order_id` of parcels is `new_parcel_id`; empty if it has no such."""
    keys = keys_of(lifecycle)
    return {"order_id": keys.order, "new_order_id": keys.new_order, SECOND: keys.apart}.get(column, column)


def keys_in(judged: Sequence[Lifecycle]) -> list[str]:
    """What the trace format calls all columns of lines of these tables."""
    keys = (key_of(column, table) for column in FORMAT for table in judged)
    return list(dict.fromkeys(filter(None, keys)))


def place(file: int, line: int) -> int:
    """The `place` of a line, counted from 1, in the file of this number."""
    return ((file << LINE_BITS) + line) * 2


def at_place(place: int) -> tuple[int, int]:
    """The number of the file, and of the line in it."""
    return place >> (LINE_BITS + 1), (place >> 1) & ((1 << LINE_BITS) - 1)


def row_at(place: int) -> int:
    """The number of the row in a frame, which may have more than a file has lines: Spark leaves gaps."""
    return place >> 1


def date_of(day: int) -> str:
    """A day, counted from 1970 on, as an ISO date."""
    return (moment(day * DAY * 10**6) or "").partition("T")[0]


def moment(instant: int | None) -> str | None:
    """A time in microseconds since 1970 as RFC 3339 text."""
    if instant is None:
        return None
    try:
        return (_EPOCH + timedelta(microseconds=instant)).isoformat().replace("+00:00", "Z")
    except OverflowError:
        return f"{instant / 1e6:.0f} s after 1970"
