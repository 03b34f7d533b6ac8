#!/usr/bin/env bash
# pm4py 2.7.23.11 on pandas 3.1.1, OCEL 2.0 in JSON.
# An event of OCEL 2.0 may be related to one object more than once, with qualifiers that say in which part. read_ocel2
# keeps one of them, the last; an event that is related to no object is not read at all. Neither is said, and what is
# written again lacks both.
# Seen: a renewal related to order 1 as `old` and as `payer`, and to order 2 as `new`: (1, payer), (2, new); a listing
# of the account, which concerns no order: gone; two events of three.
# One would guess: what the format allows is kept, or refused; qualifiers are what is new in 2.0.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${PYTHON:-python3}
"$python" -m pip install -qq --no-compile --no-warn-conflicts --target "$folder" \
  pm4py==2.7.23.11 pandas==3.1.1
cd "$folder"
PYTHONPATH=$folder timeout 100 "$python" -S - <<'EOF'
import contextlib
import io
import json
import warnings

with contextlib.redirect_stderr(io.StringIO()):  # a greeting
    import pm4py
warnings.simplefilter("ignore")


def event(number, kind, *related):
    links = [{"objectId": order, "qualifier": part} for order, part in related]
    return {"id": f"e{number}", "type": kind, "time": f"2026-01-0{number}T00:00:00Z", "relationships": links}


events = [
    event(1, "create", ("1", "subject")),
    event(2, "renew", ("1", "old"), ("1", "payer"), ("2", "new")),
    event(3, "list"),
]
document = {
    "objectTypes": [{"name": "order", "attributes": []}],
    "eventTypes": [{"name": each["type"], "attributes": []} for each in events],
    "objects": [{"id": number, "type": "order"} for number in "12"],
    "events": events,
}
with open("log.json", "w") as file:
    json.dump(document, file)
log = pm4py.read_ocel2("log.json")
parts = log.relations[log.relations["ocel:eid"] == "e2"]
seen = {
    "events": log.events["ocel:activity"].tolist(),
    "parts in the renewal": sorted(zip(parts["ocel:oid"].tolist(), parts["ocel:qualifier"].tolist())),
}
for what, value in seen.items():
    print(f"{what}: {value}")
assert seen == {
    "events": ["create", "renew"],
    "parts in the renewal": [("1", "payer"), ("2", "new")],
}, "this has changed"
EOF
