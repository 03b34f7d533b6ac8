"""What an audit found of each order, as a Parquet file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from orderfsm.audit.columns import CONTEXT, pc, type_of_ids

from .outputs import written_whole

if TYPE_CHECKING:
    from collections.abc import Iterable
    from os import PathLike

    from orderfsm.audit.judging.judged_orders import JudgedOrders
    from orderfsm.audit.report import Seen, Violation
    from orderfsm.identity import Identity

_LINE = {
    "said": pa.string(),
    "time": pa.timestamp("us", "UTC"),
    "file": pa.string(),
    "line": pa.int64(),
    **dict.fromkeys(CONTEXT, pa.string()),
}

_BEFORE = pa.list_(pa.struct(_LINE))
_FOUND = {
    "verdict": pa.string(),
    "new": pa.bool_(),
    "index": pa.int64(),
    "possible": pa.list_(pa.string()),
    "legal": pa.list_(pa.string()),
    "holds_quota": pa.bool_(),
    "lines": pa.int64(),
    "first": pa.timestamp("us", "UTC"),
    "last": pa.timestamp("us", "UTC"),
    **_LINE,
    "before": _BEFORE,
}
"""From `said` on: the line of the violation, if there is one, and the lines before it."""


def write_results(
    file: str | PathLike[str], judged_orders: JudgedOrders, violations: Iterable[Violation], identity: Identity
) -> None:
    """Write one row for each order into `file`; the ids stand under the table's own key."""
    schema, wrong = pa.schema([(identity.key, type_of_ids(identity)), *_FOUND.items()]), list(violations)
    ids = pa.array([each.order_id for each in wrong], schema.types[0])
    lines = [*map(_line, wrong), {}]
    # The last of each is for the orders that have none.
    of_violations = [
        pa.array([*(each.is_new for each in wrong), False], pa.bool_()),
        *(pa.array([each.get(key) for each in lines], kind) for key, kind in _LINE.items()),
        pa.array([*([_line(seen) for seen in each.before] for each in wrong), []], _BEFORE),
    ]
    judged = [each.ruling.judgement for each in judged_orders.variants]
    columns = [
        pa.array([str(each.verdict) for each in judged], pa.string()),
        pa.array([each.index for each in judged], pa.int64()),
        pa.array([list(each.possible) for each in judged], pa.list_(pa.string())),
        pa.array([list(map(str, each.legal)) for each in judged], pa.list_(pa.string())),
        pa.array([each.holds_quota for each in judged], pa.bool_()),
        pa.array([each.history.lines for each in judged_orders.variants], pa.int64()),
    ]
    with written_whole(file) as path, pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in judged_orders.rows():
            found = [column.take(batch.column(1)) for column in columns]
            times = [batch.column(at).cast(pa.timestamp("us", "UTC")) for at in (2, 3)]
            its = pc.index_in(batch.column(0), value_set=ids).fill_null(len(wrong))
            new, *seen = (column.take(its) for column in of_violations)
            arrays = [batch.column(0), found[0], new, *found[1:], *times, *seen]
            writer.write_batch(pa.record_batch(arrays, schema=schema))


def _line(seen: Seen) -> dict[str, Any]:
    return {"said": str(seen.said), "time": seen.time, "file": seen.file, "line": seen.line, **seen.who}
