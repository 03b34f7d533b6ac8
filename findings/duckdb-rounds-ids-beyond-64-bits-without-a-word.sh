#!/usr/bin/env bash
# DuckDB 2.0.1.
# One id from 2**64 on makes read_json type the whole column DOUBLE; ids from 2**63 on are exact (HUGEINT) until they
# are written to Parquet, which has no such type here: DuckDB writes DOUBLE. Neither warns.
# Seen: 18446744073709551621 is read as 1.8446744073709552e+19, and the 1 beside it as 1.0;
# 9223372036854775813 is read exactly, and comes back from Parquet as 9.223372036854776e+18.
# One would guess: DuckDB has integers of 128 bits, so that ids are exact up to there, in files too, or refused.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${PYTHON:-python3}
"$python" -m pip install -qq --no-compile --no-warn-conflicts --target "$folder" \
  duckdb==2.0.1
cd "$folder"
PYTHONPATH=$folder timeout 60 "$python" -S - <<'EOF'
from pathlib import Path

import duckdb

seen = {}
for large in (2**63 + 5, 2**64 + 5):
    Path("log.jsonl").write_text(f'{{"order_id": 1}}\n{{"order_id": {large}}}\n')
    seen["read", large] = duckdb.sql("SELECT typeof(order_id), order_id FROM 'log.jsonl'").fetchall()
duckdb.sql(f"COPY (SELECT {2**63 + 5}::HUGEINT AS order_id) TO 'log.parquet'")
seen["written, read again"] = duckdb.sql("SELECT typeof(order_id), order_id FROM 'log.parquet'").fetchall()
for what, value in seen.items():
    print(f"{what}: {value}")
assert seen == {
    ("read", 2**63 + 5): [("HUGEINT", 1), ("HUGEINT", 2**63 + 5)],
    ("read", 2**64 + 5): [("DOUBLE", 1.0), ("DOUBLE", float(2**64 + 5))],
    "written, read again": [("DOUBLE", float(2**63 + 5))],
}, "this has changed"
EOF
