#!/usr/bin/env bash
# PyArrow 26.0.1.
# pyarrow.json types a column of RFC 3339 times timestamp[s] where all are whole seconds, converts offsets and forgets
# that there was a zone; if one has a fraction the column is text. Nothing but the data decides.
# Seen: whole seconds: timestamp[s], 2026-01-01T00:00:00+08:00 as 2025-12-31 16:00:00; a fraction: string; and so the
# files of two days cannot be put together.
# One would guess: a type that holds the zone and any fraction, or text in either case.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${PYTHON:-python3}
"$python" -m pip install -qq --no-compile --no-warn-conflicts --target "$folder" \
  pyarrow==26.0.1
cd "$folder"
PYTHONPATH=$folder timeout 60 "$python" -S - <<'EOF'
import io

import pyarrow
from pyarrow import json


def read(*times):
    return json.read_json(io.BytesIO("".join(f'{{"time": "{time}"}}\n' for time in times).encode()))


monday = read("2026-01-01T00:00:00+08:00", "2026-01-01T00:00:00Z")
tuesday = read("2026-01-02T00:00:00Z", "2026-01-02T00:00:00.5Z")
seen = {
    "whole seconds": (str(monday.schema.field("time").type), [str(time) for time in monday["time"].to_pylist()]),
    "one with a fraction": str(tuesday.schema.field("time").type),
}
try:
    seen["both days"] = pyarrow.concat_tables([monday, tuesday]).num_rows
except pyarrow.ArrowInvalid as error:
    seen["both days"] = type(error).__name__
for what, value in seen.items():
    print(f"{what}: {value}")
assert seen == {
    "whole seconds": ("timestamp[s]", ["2025-12-31 16:00:00", "2026-01-01 00:00:00"]),
    "one with a fraction": "string",
    "both days": "ArrowInvalid",
}, "this has changed"
EOF
