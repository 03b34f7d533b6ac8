"""Who writes Parquet: pandas, fastparquet, PyArrow, Polars and DuckDB, every type that each has.

Whatever is written is about two orders, of which the first was deleted right after it was created.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

TIMES = [dt.datetime(2026, 8, 5, 6, 10, second, tzinfo=dt.UTC) for second in (1, 2, 3)]
DELETED_AT = 1_785_910_202
CALLS = ["CreateCertificateRequest", "DeleteCertificateRequest", "CancelOrderRequest"]
EIGHT = dt.timezone(dt.timedelta(hours=8))
NARROW = ["int8", "uint8", "int16", "uint16"]


def rows(first, second):
    return {"time": TIMES, "order_id": [first, first, second], "operation": CALLS, "outcome": ["accepted"] * 3}


# -- pandas, and fastparquet behind it -------------------------------------------------------------------------------


def pandas_of(change):
    return lambda first, second: change(pd.DataFrame(rows(first, second)))


def typed(**types):
    return pandas_of(lambda frame: frame.astype(types))


def timed(change):
    return pandas_of(lambda frame: frame.assign(time=change(frame["time"])))


WIDE = [
    "int32",
    "int64",
    "uint32",
    "uint64",
    "Int64",
    "UInt64",
    "float32",
    "float64",
    "Float64",
    "category",
    "string",
    "object",
]
PANDAS = {
    **{f"ids of {kind}": typed(order_id=kind) for kind in NARROW + WIDE},
    "ids of decimals": pandas_of(lambda frame: frame.assign(order_id=frame["order_id"].map(Decimal))),
    "ids of categories of texts": pandas_of(
        lambda frame: frame.astype({"order_id": str}).astype({"order_id": "category"})
    ),
    "words of categories": typed(operation="category", outcome="category"),
    "codes of NaN": pandas_of(lambda frame: frame.assign(code=float("nan"))),
    "codes of None": pandas_of(lambda frame: frame.assign(code=None)),
    "times in an index": pandas_of(lambda frame: frame.set_index("time")),
    **{f"times of {unit}": timed(lambda time, unit=unit: time.dt.as_unit(unit)) for unit in ("s", "ms", "us", "ns")},
    "naive times": timed(lambda time: time.dt.tz_localize(None)),
    "times of a zone": timed(lambda time: time.dt.tz_convert("Asia/Shanghai")),
    "times of an offset": timed(lambda time: time.dt.tz_convert(EIGHT)),
    "times of texts": timed(lambda time: time.astype(str)),
}  # fmt: skip


def by_pandas(make, path, first, second):
    make(first, second).to_parquet(path, engine="pyarrow")


def by_fastparquet(make, path, first, second, times="int64"):
    pytest.importorskip("fastparquet").write(path, make(first, second), times=times)


# -- PyArrow ---------------------------------------------------------------------------------------------------------


def arrow_of(change=lambda table: table, **options):
    return lambda first, second: (change(pa.table(rows(first, second))), options)


def column(name, change):
    return lambda table: table.set_column(table.column_names.index(name), name, change(table[name].combine_chunks()))


def cast(name, kind, **options):
    return arrow_of(column(name, lambda values: values.cast(kind)), **options)


PLAIN = {"use_dictionary": False}
ARROW = {
    **{f"ids of {kind}": cast("order_id", kind) for kind in ("int8", "uint8")},
    **{f"ids of {kind}": cast("order_id", kind) for kind in (pa.decimal128(38, 0), pa.decimal256(50, 0))},
    "ids of large texts": cast("order_id", pa.large_string()),
    "ids of decimals that are integers": cast("order_id", pa.decimal128(19, 0), store_decimal_as_integer=True),
    "ids of a dictionary": arrow_of(column("order_id", lambda ids: ids.dictionary_encode())),
    "ids as differences": arrow_of(column_encoding={"order_id": "DELTA_BINARY_PACKED"}, **PLAIN),
    "ids as streams": arrow_of(use_byte_stream_split=["order_id"], **PLAIN),
    "no dictionary": arrow_of(**PLAIN),
    "no schema of Arrow's": arrow_of(store_schema=False),
    "version 1.0": arrow_of(version="1.0"),
    "pages of version 2.0": arrow_of(data_page_version="2.0"),
    **{f"compressed by {each}": arrow_of(compression=each) for each in ("zstd", "brotli", "lz4", "gzip", "none")},
    "times of INT96": arrow_of(use_deprecated_int96_timestamps=True),
    "times of INT96 and a zone": cast(
        "time", pa.timestamp("us", "Asia/Shanghai"), use_deprecated_int96_timestamps=True
    ),
    "codes of nothing": arrow_of(lambda table: table.append_column("code", pa.nulls(3))),
}  # fmt: skip


def by_pyarrow(make, path, first, second):
    table, options = make(first, second)
    pq.write_table(table, path, **options)


# -- Polars ----------------------------------------------------------------------------------------------------------


def polars_of(*changes, **columns):
    return lambda first, second: pl.DataFrame(rows(first, second)).with_columns(*changes, **columns)


ID, TIME = pl.col("order_id"), pl.col("time")
POLARS = {
    **{f"ids of {kind}": polars_of(ID.cast(kind)) for kind in (pl.Int8, pl.UInt8, pl.Float16, pl.Float32, pl.UInt64)},
    **{f"ids of {kind}": polars_of(ID.cast(kind)) for kind in (pl.Decimal(38, 0), pl.Decimal(20, 2), pl.String)},
    "ids of bytes": polars_of(ID.cast(pl.String).cast(pl.Binary)),
    "ids of categories": polars_of(ID.cast(pl.String).cast(pl.Categorical), pl.col("operation").cast(pl.Categorical)),
    "operations of an enum": polars_of(pl.col("operation").cast(pl.Enum(CALLS))),
    "codes of nothing": polars_of(code=pl.lit(None)),
    **{f"times of {unit}": polars_of(TIME.dt.cast_time_unit(unit)) for unit in ("ms", "us", "ns")},
    "naive times": polars_of(TIME.dt.replace_time_zone(None)),
    "times of a zone": polars_of(TIME.dt.convert_time_zone("Asia/Shanghai")),
    "times of an offset": polars_of(TIME.dt.convert_time_zone("Etc/GMT-8")),
}


def by_polars(make, path, first, second):
    make(first, second).write_parquet(path)


def by_a_sink(make, path, first, second):
    make(first, second).lazy().sink_parquet(path)


# -- DuckDB ----------------------------------------------------------------------------------------------------------


def duckdb_of(options="", **columns):
    chosen = {"time": "time", "order_id": "order_id", "operation": "operation", "outcome": "outcome"} | columns
    return ", ".join(f"{what} AS {name}" for name, what in chosen.items()), options


def relation(connection, make, first, second):
    connection.execute("SET TimeZone = 'Asia/Shanghai'")
    return connection.from_arrow(pa.table(rows(first, second))).project(make[0])


DUCKDB = {
    **{
        f"ids of {kind}": duckdb_of(order_id=f"order_id::{kind}")
        for kind in ("TINYINT", "UTINYINT", "UBIGINT", "HUGEINT", "UHUGEINT", "BIGNUM", "DOUBLE", "DECIMAL(18, 3)",
                     "DECIMAL(38, 0)", "VARCHAR")
    },
    **{f"ids of {kind}": duckdb_of(order_id=f"order_id::VARCHAR::{kind}") for kind in ("BLOB", "JSON")},
    "operations of an enum": duckdb_of(operation="operation::ENUM('{}', '{}', '{}')".format(*CALLS)),
    "an id of events of its own": duckdb_of(event_id="uuid()"),
    "version 2": duckdb_of(", PARQUET_VERSION V2"),
    **{f"times of {kind}": duckdb_of(time=f"time::{kind}") for kind in ("TIMESTAMPTZ", "TIMESTAMPTZ_NS", "VARCHAR")},
    **{
        f"times of {kind}": duckdb_of(time=f"timezone('UTC', time)::{kind}")
        for kind in ("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS")
    },
}  # fmt: skip


def by_duckdb(make, path, first, second):
    with duckdb.connect() as connection:
        source = relation(connection, make, first, second)
        connection.execute(f"COPY (SELECT * FROM source) TO '{path}' (FORMAT parquet{make[1]})")
        del source


# -- all of them -----------------------------------------------------------------------------------------------------

OF_1970 = {"times of s": 1_785}
"""What fastparquet writes for times in seconds, in seconds since 1970."""
WRITERS = {
    "pandas": (by_pandas, PANDAS, {}),
    "fastparquet": (by_fastparquet, PANDAS, OF_1970),
    "PyArrow": (by_pyarrow, ARROW, {}),
    "Polars": (by_polars, POLARS, {}),
    "a sink of Polars": (by_a_sink, POLARS, {}),
    "DuckDB": (by_duckdb, DUCKDB, {}),
}


def written(folder, write, types, elsewhen):
    """A file for each type, about orders of its own, and what `seen` is to say of them."""
    violations = {}
    for number, (name, make) in enumerate(types.items()):
        first = 2 * number + 1
        write(make, folder / f"{name}.parquet", first, first + 1)
        violations[first] = elsewhen.get(name, DELETED_AT)
    return 2 * len(types), 3 * len(types), 0, violations


def seen(report):
    """How many orders, lines and bad lines there are, and the violations: which order, and when, in seconds."""
    violations = {each.order_id: each.time // 1_000_000 for each in report.violations}
    return report.orders, report.events, report.bad_lines, violations
