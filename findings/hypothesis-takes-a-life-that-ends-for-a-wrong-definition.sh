#!/usr/bin/env bash
# hypothesis 6.170.17, stateful tests.
# When no rule's precondition holds any more, the run does not end: it is an InvalidDefinition, as if the machine had
# been written wrongly. A life cycle with a last state needs a rule that is always allowed and does nothing.
# Seen: open -> closed with one rule: InvalidDefinition ("no progress can be made"); with an idle rule: it passes.
# One would guess: a run is a number of steps *at most*, so that one that can go no further is simply over.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${PYTHON:-python3}
"$python" -m pip install -qq --no-compile --no-warn-conflicts --target "$folder" \
  hypothesis==6.170.17
cd "$folder"
PYTHONPATH=$folder timeout 60 "$python" -S - <<'EOF'
from hypothesis import settings
from hypothesis.errors import InvalidDefinition
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

SETTINGS = settings(max_examples=20, derandomize=True, database=None, deadline=None)


class Order(RuleBasedStateMachine):
    is_open = True

    @precondition(lambda self: self.is_open)
    @rule()
    def close(self):
        self.is_open = False


class OrderThatMayRest(Order):
    @rule()
    def rest(self):
        pass


def run(machine):
    try:
        run_state_machine_as_test(machine, settings=SETTINGS)
    except InvalidDefinition as error:
        return type(error).__name__
    return "passes"


seen = {machine.__name__: run(machine) for machine in (Order, OrderThatMayRest)}
for machine, outcome in seen.items():
    print(f"{machine}: {outcome}")
assert seen == {"Order": "InvalidDefinition", "OrderThatMayRest": "passes"}, "this has changed"
EOF
