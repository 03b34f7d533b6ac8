#!/usr/bin/env bash
# fastparquet 2026.9.0 with pandas 3.1.1.
# pandas 3 keeps times in the unit in which they came; texts and Python's own become microseconds. fastparquet counts on
# nanoseconds: as INT96 it writes any other unit as a moment of 1970, and times of whole seconds even as ordinary
# integers. Nothing is raised, and every reader takes the file as it is.
# Seen: 2026-08-05 06:10:01 comes back as that time from integers of ms, us and ns and from INT96 of ns; as 1970 from
# integers of s and from INT96 of s, ms and us.
# One would guess: a writer of Parquet that takes the type takes its unit into account, or refuses it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${PYTHON:-python3}
"$python" -m pip install -qq --no-compile --no-warn-conflicts --target "$folder" \
  fastparquet==2026.9.0 pandas==3.1.1 pyarrow==26.0.1
cd "$folder"
PYTHONPATH=$folder timeout 60 "$python" -S -W ignore - <<'EOF'
import fastparquet
import pandas
from pyarrow import parquet

time = pandas.Series(pandas.to_datetime(["2026-08-05 06:10:01"]))
print(f"pandas reads a text as {time.dtype}")
seen = {}
for times in ("int64", "int96"):
    for unit in ("s", "ms", "us", "ns"):
        fastparquet.write("log.parquet", pandas.DataFrame({"time": time.dt.as_unit(unit)}), times=times)
        seen[times, unit] = parquet.read_table("log.parquet")["time"][0].as_py().year
for what, value in seen.items():
    print(f"{what}: {value}")
assert time.dtype == "datetime64[us]", "this has changed"
assert [what for what, year in seen.items() if year == 2026] == [
    ("int64", "ms"),
    ("int64", "us"),
    ("int64", "ns"),
    ("int96", "ns"),
], "this has changed"
assert set(seen.values()) == {1970, 2026}, "this has changed"
EOF
