#!/usr/bin/env bash
# narwhals 2.29.0 on Polars 2.1.0, DuckDB 2.0.1 and PyArrow 26.0.1.
# A NaN counts as the largest number where the engine sorts it so, and compares false with everything where it follows
# IEEE 754; narwhals leaves that to the engine, and the engines do not even agree with themselves.
# Seen: NaN > 0 is true on Polars and DuckDB, false on PyArrow; the largest of 1 and NaN is NaN on DuckDB alone; sorted,
# NaN stands after 1 on Polars and DuckDB and before it on PyArrow.
# One would guess: NaN > 0 is false everywhere, as in Python, or at least wherever max() passes NaN over.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${PYTHON:-python3}
"$python" -m pip install -qq --no-compile --no-warn-conflicts --target "$folder" \
  narwhals==2.29.0 polars==2.1.0 duckdb==2.0.1 pyarrow==26.0.1
cd "$folder"
PYTHONPATH=$folder timeout 60 "$python" -S - <<'EOF'
import duckdb
import narwhals
import polars
import pyarrow

ENGINES = {"polars": polars.from_arrow, "duckdb": duckdb.from_arrow, "pyarrow": lambda table: table}
TABLE = pyarrow.table({"x": [float("nan"), 1.0]})


def ask(question):
    frames = (narwhals.from_native(made(TABLE)).lazy() for made in ENGINES.values())
    return [[str(x) for x in question(frame).collect().to_arrow()["x"].to_pylist()] for frame in frames]


x = narwhals.col("x")
seen = {
    "x > 0": ask(lambda frame: frame.select(x > 0)),
    "max": ask(lambda frame: frame.select(x.max())),
    "sorted": ask(lambda frame: frame.sort("x")),
}
print(list(ENGINES))
for what, value in seen.items():
    print(f"{what}: {value}")
assert seen == {
    "x > 0": [["True", "True"], ["True", "True"], ["False", "True"]],
    "max": [["1.0"], ["nan"], ["1.0"]],
    "sorted": [["1.0", "nan"], ["1.0", "nan"], ["nan", "1.0"]],
}, "this has changed"
EOF
