#!/usr/bin/env bash
# DuckDB 2.0.1.
# Casting a text with an offset to TIMESTAMP, naming that type for read_json, or comparing such a text with a TIMESTAMP
# drops the offset: the clock on the wall is kept, the instant is not. What read_json types by itself, strptime with %z
# and a cast to TIMESTAMPTZ keep the instant.
# Seen: 2026-01-01T00:00:00+08:00 is 2026-01-01 00:00 by one way and 2025-12-31 16:00 (UTC) by the other.
# One would guess: the instant is kept, as where DuckDB types the text itself, or a text with an offset is refused.
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

TEXT, FORMAT = "2026-01-01T00:00:00+08:00", "%Y-%m-%dT%H:%M:%S%z"
WALL, INSTANT = "2026-01-01 00:00:00", "2025-12-31 16:00:00"
Path("log.jsonl").write_text(f'{{"time": "{TEXT}"}}\n')
duckdb.sql("SET TimeZone = 'UTC'")
ways = {
    "cast to TIMESTAMP": f"'{TEXT}'::TIMESTAMP",
    "cast to TIMESTAMPTZ": f"'{TEXT}'::TIMESTAMPTZ::TIMESTAMP",
    "strptime": f"strptime('{TEXT}', '{FORMAT}')::TIMESTAMP",
    "read_json": "(SELECT time::TIMESTAMP FROM read_json('log.jsonl'))",
    "read_json, told TIMESTAMP": "(SELECT time FROM read_json('log.jsonl', columns = {time: 'TIMESTAMP'}))",
}
seen = {way: str(duckdb.sql(f"SELECT {expression}").fetchall()[0][0]) for way, expression in ways.items()}
seen["its instant = the text"] = str(duckdb.sql(f"SELECT TIMESTAMP '{INSTANT}' = '{TEXT}'").fetchall()[0][0])
for way, value in seen.items():
    print(f"{way}: {value}")
assert seen == {
    "cast to TIMESTAMP": WALL,
    "cast to TIMESTAMPTZ": INSTANT,
    "strptime": INSTANT,
    "read_json": INSTANT,
    "read_json, told TIMESTAMP": WALL,
    "its instant = the text": "False",
}, "this has changed"
EOF
