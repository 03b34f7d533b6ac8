#!/usr/bin/env bash
# transitions 0.9.3.
# With queued=True a trigger that is fired inside a callback returns True, whatever becomes of it; if no row allows it,
# the error comes out of the outer trigger, whose own transition was made, and the rest of the queue is thrown away.
# Seen: go() moves a -> b and raises MachineError about `bad`; inside, bad() had returned True; `later`, which is
# allowed in b and was queued after it, never runs.
# One would guess: who fired the wrong trigger gets the error, or at least no True, and the others are carried out.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${PYTHON:-python3}
"$python" -m pip install -qq --no-compile --no-warn-conflicts --target "$folder" \
  transitions==0.9.3
cd "$folder"
PYTHONPATH=$folder timeout 60 "$python" -S - <<'EOF'
from transitions import Machine, MachineError


class Order:
    def __init__(self):
        self.inner = []

    def fire(self):
        self.inner += [self.bad(), self.later()]


order = Order()
Machine(
    order,
    states=["a", "b", "c"],
    transitions=[
        {"trigger": "go", "source": "a", "dest": "b", "after": "fire"},
        ["bad", "a", "c"],
        ["later", "b", "c"],
    ],
    initial="a",
    auto_transitions=False,
    queued=True,
)
try:
    outer = order.go()
except MachineError as error:
    outer = type(error).__name__
seen = {"inner": order.inner, "outer": outer, "state": order.state}
for what, value in seen.items():
    print(f"{what}: {value}")
assert seen == {"inner": [True, True], "outer": "MachineError", "state": "b"}, "this has changed"
EOF
