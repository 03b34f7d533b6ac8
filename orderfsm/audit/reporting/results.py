"""What an audit found of each order, as a Parquet file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from orderfsm.audit.columns import CONTEXT, id_columns, pc, type_of_ids
from orderfsm.outputs import written_whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from os import PathLike

    from orderfsm.audit.judging.judged_orders import JudgedOrders
    from orderfsm.audit.report import Seen, Violation

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
    "stands": pa.list_(pa.string()),
    "waits": pa.bool_(),
    "unseen": pa.bool_(),
    "refusals": pa.int64(),
    "foreseeable": pa.int64(),
    "lines": pa.int64(),
    "first": pa.timestamp("us", "UTC"),
    "last": pa.timestamp("us", "UTC"),
    **_LINE,
    "before": _BEFORE,
}
"""From `said` on: the line of the violation, if there is one, and the lines before it."""


def write_results(file: str | PathLike[str], found: Sequence[tuple[JudgedOrders, Sequence[Violation]]]) -> None:
    """Write one row for each order into `file`; the ids of each table stand under its own key."""
    ids = id_columns(orders.lifecycle for orders, _ in found)
    schema = pa.schema([*ids.items(), *_FOUND.items()])
    with written_whole(file) as path, pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for judged_orders, violations in found:
            key = judged_orders.lifecycle.identity.key
            for batch in _batches(judged_orders, violations):
                others = {name: pa.nulls(len(batch[0]), kind) for name, kind in ids.items()}
                writer.write_batch(pa.record_batch([*(others | {key: batch[0]}).values(), *batch[1:]], schema=schema))


def _batches(judged_orders: JudgedOrders, wrong: Sequence[Violation]) -> Iterator[list[pa.Array]]:
    """The columns of one table's orders."""
    ids = pa.array([each.order_id for each in wrong], type_of_ids(judged_orders.lifecycle.identity))
    lines = [*map(_line, wrong), {}]
    # The last of each is for the orders that have none.
    of_violations = [
        pa.array([*(each.is_new for each in wrong), False], pa.bool_()),
        *(pa.array([each.get(key) for each in lines], kind) for key, kind in _LINE.items()),
        pa.array([*([_line(seen) for seen in each.before] for each in wrong), []], _BEFORE),
    ]
    rulings = [each.ruling for each in judged_orders.variants]
    judged = [each.judgement for each in rulings]
    columns = [
        pa.array([str(each.verdict) for each in judged], pa.string()),
        pa.array([each.index for each in judged], pa.int64()),
        pa.array([list(each.possible) for each in judged], pa.list_(pa.string())),
        pa.array([list(map(str, each.legal)) for each in judged], pa.list_(pa.string())),
        pa.array([each.holds_quota for each in judged], pa.bool_()),
        pa.array([list(each.ends) for each in judged], pa.list_(pa.string())),
        pa.array([judged_orders.waits(each) for each in rulings], pa.bool_()),
        pa.array([each.unseen for each in rulings], pa.bool_()),
        pa.array([sum(each.refused.values()) for each in rulings], pa.int64()),
        pa.array([each.foreseeable for each in rulings], pa.int64()),
        pa.array([each.history.lines for each in judged_orders.variants], pa.int64()),
    ]
    for batch in judged_orders.rows():
        found = [column.take(batch.column(1)) for column in columns]
        times = [batch.column(at).cast(pa.timestamp("us", "UTC")) for at in (2, 3)]
        its = pc.index_in(batch.column(0), value_set=ids).fill_null(len(wrong))
        new, *seen = (column.take(its) for column in of_violations)
        yield [batch.column(0), found[0], new, *found[1:], *times, *seen]


def _line(seen: Seen) -> dict[str, Any]:
    return {"said": str(seen.said), "time": seen.time, "file": seen.file, "line": seen.line, **seen.who}
