#!/usr/bin/env bash
# transitions 0.9.3.
# prepare_event and finalize_event read like the two ends of one bracket. A question (may_go) runs the first and not the
# second; a trigger that no row allows runs the second and not the first. Only a trigger that has a row runs both.
# Seen: go: prepare, finalize; may_go: prepare; go where it is not allowed: finalize.
# One would guess: whatever was prepared is finalized, as with setup and teardown. A lock that is taken in the one and
# given back in the other stays taken after a question.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${PYTHON:-python3}
"$python" -m pip install -qq --no-compile --no-warn-conflicts --target "$folder" \
  transitions==0.9.3
cd "$folder"
PYTHONPATH=$folder timeout 60 "$python" -S - <<'EOF'
from transitions import Machine, MachineError


def calls(initial, trigger):
    ran = []
    machine = Machine(
        states=["open", "closed"],
        transitions=[["go", "open", "closed"]],
        initial=initial,
        auto_transitions=False,
        prepare_event=lambda: ran.append("prepare"),
        finalize_event=lambda: ran.append("finalize"),
    )
    try:
        getattr(machine, trigger)()
    except MachineError:
        ran.append("refused")
    return ran


seen = {f"{trigger} in {state}": calls(state, trigger) for state in ("open", "closed") for trigger in ("go", "may_go")}
for what, value in seen.items():
    print(f"{what}: {value}")
assert seen == {
    "go in open": ["prepare", "finalize"],
    "may_go in open": ["prepare"],
    "go in closed": ["finalize", "refused"],
    "may_go in closed": [],
}, "this has changed"
EOF
