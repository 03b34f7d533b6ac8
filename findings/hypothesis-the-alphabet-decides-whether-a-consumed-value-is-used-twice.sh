#!/usr/bin/env bash
# hypothesis 6.170.17, stateful tests.
# A rule that takes one value with consumes(bundle) and another of the same bundle may be given the same value for
# both, or never, and what decides is the alphabetical order of the arguments' names.
# Seen: consumed `a`, used `z`: never the same in 300 runs; used `a`, consumed `z`: new(); take(a=b_0, z=b_0).
# One would guess: a consumed value is gone for the rest of the rule; or the order in which @rule was written decides.
# Where it hurts: "delete this order and read another" tests nothing of the kind after its arguments are renamed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${PYTHON:-python3}
"$python" -m pip install -qq --no-compile --no-warn-conflicts --target "$folder" \
  hypothesis==6.170.17
cd "$folder"
PYTHONPATH=$folder timeout 60 "$python" -S - <<'EOF'
from hypothesis import HealthCheck, settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, rule, run_state_machine_as_test

SETTINGS = settings(
    max_examples=300,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.filter_too_much],
)


class Same(Exception):
    pass


class Orders(RuleBasedStateMachine):
    orders = Bundle("orders")
    made = 0

    @rule(target=orders)
    def new(self):
        self.made += 1
        return self.made


class ConsumesFirst(Orders):
    @rule(z=Orders.orders, a=consumes(Orders.orders))
    def take(self, a, z):
        if a == z:
            raise Same


class ConsumesLast(Orders):
    @rule(z=consumes(Orders.orders), a=Orders.orders)
    def take(self, a, z):
        if a == z:
            raise Same


def meets(machine):
    try:
        run_state_machine_as_test(machine, settings=SETTINGS)
    except Same:
        return True
    return False


seen = {machine.__name__: meets(machine) for machine in (ConsumesFirst, ConsumesLast)}
for machine, same in seen.items():
    print(f"{machine}: the same value twice: {same}")
assert seen == {"ConsumesFirst": False, "ConsumesLast": True}, "this has changed"
EOF
