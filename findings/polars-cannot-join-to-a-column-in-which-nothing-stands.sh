#!/usr/bin/env bash
# Polars 2.1.0.
# A column that is null in every row has the type Null. Put under one another, it takes the other frame's type; as the
# key of a join it is an error, although nothing could match.
# Seen: ids of one day ("a") joined to those of a day without any (null): SchemaError; concat of the same two: String;
# DuckDB joins them to nothing.
# One would guess: Null joins with every type, as it does in concat: of most days' logs the column is text.
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

monday = polars.read_ndjson(b'{"id": "a"}')
sunday = polars.read_ndjson(b'{"id": null}')
seen = {"types": (str(monday.schema["id"]), str(sunday.schema["id"]))}
seen["concat"] = str(polars.concat([monday, sunday]).schema["id"])
try:
    seen["join"] = monday.join(sunday, on="id").height
except polars.exceptions.SchemaError as error:
    seen["join"] = type(error).__name__
seen["DuckDB"] = duckdb.sql("SELECT count(*) FROM monday JOIN sunday USING (id)").fetchall()[0][0]
for what, value in seen.items():
    print(f"{what}: {value}")
assert seen == {"types": ("String", "Null"), "concat": "String", "join": "SchemaError", "DuckDB": 0}, "this has changed"
EOF
