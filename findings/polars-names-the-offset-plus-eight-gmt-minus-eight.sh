#!/usr/bin/env bash
# Polars 2.1.0 and PyArrow 26.0.1.
# A column whose zone is an offset of whole hours, as pandas and PyArrow make them of RFC 3339 texts, gets the zone of
# that offset in the time zone database, whose names have the other sign. It is then of another type than the same times
# with another zone, and cannot be joined to them or compared with them. Offsets that are no whole hours have no name
# there: an error.
# Seen: +08:00: Etc/GMT-8; +00:00: UTC; +05:30: ComputeError; times of +08:00 compared with UTC: SchemaError.
# One would guess: the offset stays an offset, or becomes UTC, and instants compare with instants.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${PYTHON:-python3}
"$python" -m pip install -qq --no-compile --no-warn-conflicts --target "$folder" \
  polars==2.1.0 pyarrow==26.0.1
cd "$folder"
PYTHONPATH=$folder timeout 60 "$python" -S - <<'EOF'
import polars
import pyarrow


def column(zone):
    return polars.from_arrow(pyarrow.table({"time": pyarrow.array([0], pyarrow.timestamp("us", zone))}))["time"]


def tried(ask):
    try:
        return ask()
    except polars.exceptions.PolarsError as error:
        return type(error).__name__


seen = {zone: tried(lambda: column(zone).dtype.time_zone) for zone in ("+08:00", "-03:00", "+00:00", "+05:30")}
seen["equal instants"] = tried(lambda: (column("+08:00") == column("UTC")).all())
for what, value in seen.items():
    print(f"{what}: {value}")
assert seen == {
    "+08:00": "Etc/GMT-8",
    "-03:00": "Etc/GMT+3",
    "+00:00": "UTC",
    "+05:30": "ComputeError",
    "equal instants": "SchemaError",
}, "this has changed"
EOF
