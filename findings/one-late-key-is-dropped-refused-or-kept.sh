#!/usr/bin/env bash
# Polars 2.1.0, DuckDB 2.0.1 and PyArrow 26.0.1 on one file of JSON Lines.
# An error's code stands in a log only where there was an error. If the first comes late, Polars drops the key, DuckDB
# stops and names the line, PyArrow makes a column of it.
# Seen: `code` in line 30,001 of 30,001: Polars: columns operation, order_id; DuckDB: an error about line 30001 and an
# unknown key; PyArrow: the code.
# One would guess: readers that type a file by its first lines agree at least that a column may come later.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${PYTHON:-python3}
"$python" -m pip install -qq --no-compile --no-warn-conflicts --target "$folder" \
  polars==2.1.0 duckdb==2.0.1 pyarrow==26.0.1
cd "$folder"
PYTHONPATH=$folder timeout 60 "$python" -S - <<'EOF'
import json

import duckdb
import polars
from pyarrow import json as arrow

with open("log.jsonl", "w") as file:
    for number in range(30_000):
        file.write(json.dumps({"operation": "read", "order_id": number}) + "\n")
    file.write(json.dumps({"operation": "delete", "order_id": 1, "code": "OrderStateError"}) + "\n")
seen = {"polars": polars.read_ndjson("log.jsonl").columns}
try:
    seen["duckdb"] = [column for column in duckdb.sql("FROM 'log.jsonl'").to_arrow_table().column_names]
except duckdb.Error as error:
    seen["duckdb"] = type(error).__name__, "30001" in str(error), "unknown key" in str(error)
seen["pyarrow"] = arrow.read_json("log.jsonl").slice(30_000).to_pylist()[0]["code"]
for what, value in seen.items():
    print(f"{what}: {value}")
assert seen == {
    "polars": ["operation", "order_id"],
    "duckdb": ("InvalidInputException", True, True),
    "pyarrow": "OrderStateError",
}, "this has changed"
EOF
