#!/usr/bin/env bash
# transitions 0.9.3.
# A HierarchicalMachine splits the names of its states at every underscore: "pending_review" beside "pending" becomes a
# child of it, without a word, and inherits its triggers. The same names as members of an Enum are a ValueError.
# Seen: `cancel`, written for pending alone, is refused in pending_review by Machine and done by HierarchicalMachine;
# with "issued" and "being_reviewed" a state "being" appears that nobody wrote.
# One would guess: a flat list of states means the same to both, or the name is refused as an Enum's member is.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${PYTHON:-python3}
"$python" -m pip install -qq --no-compile --no-warn-conflicts --target "$folder" \
  transitions==0.9.3
cd "$folder"
PYTHONPATH=$folder timeout 60 "$python" -S - <<'EOF'
import enum

from transitions import Machine, MachineError
from transitions.extensions import HierarchicalMachine

STATES = ["pending", "pending_review", "gone"]
ROWS = [["submit", "pending", "pending_review"], ["cancel", "pending", "gone"]]


def cancel_in_review(machine_class):
    machine = machine_class(states=STATES, transitions=ROWS, initial="pending", auto_transitions=False)
    machine.submit()
    try:
        machine.cancel()
    except MachineError:
        return "refused"
    return f"now {machine.state}"


seen = {machine_class.__name__: cancel_in_review(machine_class) for machine_class in (Machine, HierarchicalMachine)}
other = HierarchicalMachine(states=["issued", "being_reviewed"], initial="issued", auto_transitions=False)
seen["states at the top"] = list(other.states)
try:
    HierarchicalMachine(states=enum.Enum("State", STATES), initial="pending", auto_transitions=False)
except ValueError as error:
    seen["as an Enum"] = type(error).__name__
for what, value in seen.items():
    print(f"{what}: {value}")
assert seen == {
    "Machine": "refused",
    "HierarchicalMachine": "now gone",
    "states at the top": ["issued", "being"],
    "as an Enum": "ValueError",
}, "this has changed"
EOF
