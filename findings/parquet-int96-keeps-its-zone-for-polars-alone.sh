#!/usr/bin/env bash
# PyArrow 26.0.1, DuckDB 2.0.1 and Polars 2.1.0.
# INT96, in which Spark and others long wrote times, has no place for a zone; PyArrow stores the column's zone in a note
# of its own beside it. Of the three only Polars looks there for INT96: PyArrow does not read back what it wrote.
# Seen: midnight in UTC, zone Asia/Shanghai: Polars 2026-01-01 08:00+08:00; PyArrow and DuckDB 2026-01-01 00:00, no
# zone.
# One would guess: as for other times in Parquet, all three know the zone, or none does.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${PYTHON:-python3}
"$python" -m pip install -qq --no-compile --no-warn-conflicts --target "$folder" \
  pyarrow==26.0.1 duckdb==2.0.1 polars==2.1.0
cd "$folder"
PYTHONPATH=$folder timeout 60 "$python" -S - <<'EOF'
from datetime import UTC, datetime

import duckdb
import polars
import pyarrow
from pyarrow import parquet

midnight = pyarrow.array([datetime(2026, 1, 1, tzinfo=UTC)], pyarrow.timestamp("us", "Asia/Shanghai"))
table = pyarrow.table({"time": midnight})
seen = {}
for name, old in (("INT64", False), ("INT96", True)):
    parquet.write_table(table, "log.parquet", use_deprecated_int96_timestamps=old)
    seen[name] = {
        "pyarrow": parquet.read_schema("log.parquet").field("time").type.tz,
        "duckdb": duckdb.sql("SELECT DISTINCT typeof(time) FROM 'log.parquet'").fetchall()[0][0],
        "polars": polars.read_parquet("log.parquet").schema["time"].time_zone,
    }
for name, value in seen.items():
    print(f"{name}: {value}")
zone = "Asia/Shanghai"
assert seen == {
    "INT64": {"pyarrow": zone, "duckdb": "TIMESTAMP WITH TIME ZONE", "polars": zone},
    "INT96": {"pyarrow": None, "duckdb": "TIMESTAMP", "polars": zone},
}, "this has changed"
EOF
