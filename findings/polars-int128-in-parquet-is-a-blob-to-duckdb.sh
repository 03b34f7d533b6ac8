#!/usr/bin/env bash
# Polars 2.1.0 and DuckDB 2.0.1.
# Polars reads large ids of JSON Lines as Int128 and writes them to Parquet as 16 bytes with a note of its own; DuckDB,
# which has integers of 128 bits too, sees bytes. Handed over in memory the column is refused.
# Seen: a file of order ids is BLOB in DuckDB, and HUGEINT there compares with none of them; as a frame: an error.
# One would guess: Int128 and HUGEINT are the same numbers, Parquet and Arrow are how the two libraries talk.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${PYTHON:-python3}
"$python" -m pip install -qq --no-compile --no-warn-conflicts --target "$folder" \
  polars==2.1.0 duckdb==2.0.1 pyarrow==26.0.1
cd "$folder"
PYTHONPATH=$folder timeout 60 "$python" -S - <<'EOF'
import duckdb
import polars

log = polars.read_ndjson(b'{"order_id": 1}\n{"order_id": 18446744073709551621}\n')
log.write_parquet("log.parquet")
seen = {
    "Polars reads JSON": (str(log.schema["order_id"]), log["order_id"].to_list()),
    "Polars reads its Parquet": str(polars.read_parquet("log.parquet").schema["order_id"]),
    "DuckDB reads its Parquet": duckdb.sql("SELECT DISTINCT typeof(order_id) FROM 'log.parquet'").fetchall(),
}
try:
    seen["DuckDB reads the frame"] = duckdb.sql("SELECT order_id FROM log").fetchall()
except duckdb.Error as error:
    seen["DuckDB reads the frame"] = type(error).__name__
for what, value in seen.items():
    print(f"{what}: {value}")
assert seen == {
    "Polars reads JSON": ("Int128", [1, 18446744073709551621]),
    "Polars reads its Parquet": "Int128",
    "DuckDB reads its Parquet": [("BLOB",)],
    "DuckDB reads the frame": "InvalidInputException",
}, "this has changed"
EOF
