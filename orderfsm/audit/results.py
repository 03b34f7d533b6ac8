"""What an audit found of each order, as a Parquet file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orderfsm.extras import needs

from .targets import written_whole

with needs("audit"):
    import pyarrow as pa
    import pyarrow.parquet as pq

if TYPE_CHECKING:
    from os import PathLike

    from .outcomes import Outcomes

SCHEMA = pa.schema(
    [
        ("order_id", pa.int64()),
        ("verdict", pa.string()),
        ("index", pa.int64()),
        ("possible", pa.list_(pa.string())),
        ("legal", pa.list_(pa.string())),
        ("holds_quota", pa.bool_()),
        ("lines", pa.int64()),
        ("first", pa.timestamp("us", "UTC")),
        ("last", pa.timestamp("us", "UTC")),
    ]
)


def write_results(file: str | PathLike[str], outcomes: Outcomes) -> None:
    """Write one row for each order into `file`."""
    judged = [each.verdict.judgement for each in outcomes.every]
    columns = [
        pa.array([str(each.verdict) for each in judged], pa.string()),
        pa.array([each.index for each in judged], pa.int64()),
        pa.array([list(each.possible) for each in judged], pa.list_(pa.string())),
        pa.array([list(map(str, each.legal)) for each in judged], pa.list_(pa.string())),
        pa.array([each.holds_quota for each in judged], pa.bool_()),
        pa.array([each.history.lines for each in outcomes.every], pa.int64()),
    ]
    with written_whole(file) as path, pq.ParquetWriter(path, SCHEMA, compression="zstd") as writer:
        for batch in outcomes.rows():
            found = [column.take(batch.column(1)) for column in columns]
            times = [batch.column(at).cast(pa.timestamp("us", "UTC")) for at in (2, 3)]
            writer.write_batch(pa.record_batch([batch.column(0), *found, *times], schema=SCHEMA))
