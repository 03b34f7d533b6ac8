#!/usr/bin/env bash
# SQLAlchemy 2.1.9 on SQLite (the module of Python 3.11 or newer).
# A compare-and-set is an UPDATE with the old value in WHERE, and "no row changed" says that somebody was faster. With
# RETURNING the result's rowcount is 0 on SQLite whether rows changed or not; only the rows themselves tell.
# Seen: UPDATE: rowcount 1, then 0. UPDATE .. RETURNING: rowcount 0 with one row to fetch, then 0 with none.
# One would guess: rowcount is the number of rows that matched, with RETURNING as without it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${PYTHON:-python3}
"$python" -m pip install -qq --no-compile --no-warn-conflicts --target "$folder" \
  sqlalchemy==2.1.9
cd "$folder"
PYTHONPATH=$folder timeout 60 "$python" -S - <<'EOF'
from sqlalchemy import Column, Integer, MetaData, String, Table, create_engine

orders = Table("orders", MetaData(), Column("id", Integer, primary_key=True), Column("state", String))
engine = create_engine("sqlite://")
seen = []
with engine.begin() as connection:
    orders.metadata.create_all(connection)
    connection.execute(orders.insert(), [{"id": 1, "state": "a"}])
    for old, new in (("a", "b"), ("a", "b")):
        seen.append(connection.execute(orders.update().where(orders.c.state == old).values(state=new)).rowcount)
    for old, new in (("b", "c"), ("b", "c")):
        update = orders.update().where(orders.c.state == old).values(state=new).returning(orders.c.id)
        result = connection.execute(update)
        seen.append((result.rowcount, result.all()))
print(f"UPDATE, rowcount: {seen[:2]}")
print(f"UPDATE .. RETURNING, rowcount and rows: {seen[2:]}")
assert seen == [1, 0, (0, [(1,)]), (0, [])], "this has changed"
EOF
