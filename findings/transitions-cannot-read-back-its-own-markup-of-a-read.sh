#!/usr/bin/env bash
# transitions 0.9.3.
# MarkupMachine writes a machine as a dictionary and makes a machine of one. Of a row that changes nothing (an internal
# transition, dest=None) it leaves out the destination, and then cannot read what it wrote.
# Seen: {"trigger": "read", "source": "open"} is written; making a machine of it is a TypeError (dest is missing). Rows
# that lead somewhere, the same state included, come back.
# One would guess: what the class wrote it reads; the markup is there to be stored.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${PYTHON:-python3}
"$python" -m pip install -qq --no-compile --no-warn-conflicts --target "$folder" \
  transitions==0.9.3
cd "$folder"
PYTHONPATH=$folder timeout 60 "$python" -S - <<'EOF'
from transitions.extensions.markup import MarkupMachine


def again(destination):
    machine = MarkupMachine(
        states=["open", "closed"], transitions=[["read", "open", destination]], initial="open", auto_transitions=False
    )
    row = {key: machine.markup["transitions"][0].get(key) for key in ("trigger", "source", "dest")}
    try:
        return row, MarkupMachine(markup=machine.markup).state
    except TypeError as error:
        return row, type(error).__name__


seen = {destination: again(destination) for destination in ("closed", "=", None)}
for what, value in seen.items():
    print(f"dest={what}: {value}")
assert {key: value[1] for key, value in seen.items()} == {"closed": "open", "=": "open", None: "TypeError"}, "changed"
assert seen[None][0]["dest"] is None, "this has changed"
EOF
