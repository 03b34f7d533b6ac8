#!/usr/bin/env bash
# narwhals 2.29.0 on Polars 2.1.0, DuckDB 2.0.1 and PyArrow 26.0.1.
# One expression, col.cast(Int64), gives other numbers, or an error, by the engine under it; narwhals' Int64 is a type
# of all of them, the rule by which something becomes one is not.
# Seen: 1.5 is 1 on Polars, 2 on DuckDB, an error on PyArrow; "1_000" is 1000 on DuckDB and an error on the others,
# " 7" likewise; 1.0 as a text is "1" on PyArrow and "1.0" on the others.
# One would guess: the one API means one thing: it does for division, for joins of nulls and for the sign of %.
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


def cast(value, dtype):
    answers = []
    for made in ENGINES.values():
        frame = narwhals.from_native(made(pyarrow.table({"x": [value]}))).lazy()
        try:
            answers.append(frame.select(narwhals.col("x").cast(dtype)).collect().to_arrow()["x"][0].as_py())
        except Exception:
            answers.append("error")
    return answers


seen = {
    "1.5 as Int64": cast(1.5, narwhals.Int64),
    "' 7' as Int64": cast(" 7", narwhals.Int64),
    "'1_000' as Int64": cast("1_000", narwhals.Int64),
    "1.0 as String": cast(1.0, narwhals.String),
}
print(list(ENGINES))
for what, value in seen.items():
    print(f"{what}: {value}")
assert seen == {
    "1.5 as Int64": [1, 2, "error"],
    "' 7' as Int64": ["error", 7, "error"],
    "'1_000' as Int64": ["error", 1000, "error"],
    "1.0 as String": ["1.0", "1.0", "1"],
}, "this has changed"
EOF
