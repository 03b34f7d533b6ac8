#!/usr/bin/env bash
# DuckDB 2.0.1.
# A text that looks like a UUID is typed UUID by read_json, and comes back in lower case; read_csv leaves it a text.
# Seen: the same id out of JSON is 9d3b8a54-..., out of CSV 9D3B8A54-..., and a join of the two finds nothing as text.
# One would guess: an id in quotes is a text, and stays as it was written, as in CSV and in every other JSON reader.
# Where it hurts: cloud APIs write ids of requests and events as upper-case UUIDs; what DuckDB exports matches none.
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

EVENT = "9D3B8A54-4F2E-4C3D-9F5E-1E5A7B1C2D3E"
Path("log.jsonl").write_text(f'{{"event_id": "{EVENT}"}}\n')
Path("log.csv").write_text(f"event_id,n\n{EVENT},1\n")
seen = {
    name: duckdb.sql(f"SELECT typeof(event_id), event_id::VARCHAR FROM '{name}'").fetchall()[0]
    for name in ("log.jsonl", "log.csv")
}
duckdb.sql("COPY (FROM 'log.jsonl') TO 'again.jsonl'")
seen["again.jsonl"] = Path("again.jsonl").read_text().strip()
seen["equal as texts"] = duckdb.sql(
    "SELECT count(*) FROM 'log.jsonl' j, 'log.csv' c WHERE j.event_id::VARCHAR = c.event_id"
).fetchall()[0][0]
for what, value in seen.items():
    print(f"{what}: {value}")
assert seen == {
    "log.jsonl": ("UUID", EVENT.lower()),
    "log.csv": ("VARCHAR", EVENT),
    "again.jsonl": f'{{"event_id":"{EVENT.lower()}"}}',
    "equal as texts": 0,
}, "this has changed"
EOF
