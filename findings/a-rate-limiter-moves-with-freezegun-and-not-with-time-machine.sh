#!/usr/bin/env bash
# freezegun 1.5.5 and time-machine 3.6.0, with pyrate-limiter 4.5.1.
# A limiter that goes by time.monotonic is moved by freezegun, which replaces that clock too, and not by time-machine,
# which moves the calendar alone. Tests that are told to be equal are not.
# Seen: one a minute, taken; an hour later: freezegun lets the next one through, time-machine does not.
# One would guess: both move what waits for an hour, or neither does: time-machine is offered in freezegun's place.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${PYTHON:-python3}
"$python" -m pip install -qq --no-compile --no-warn-conflicts --target "$folder" \
  freezegun==1.5.5 time-machine==3.6.0 pyrate-limiter==4.5.1
cd "$folder"
PYTHONPATH=$folder timeout 60 "$python" -S - <<'EOF'
from datetime import UTC, datetime, timedelta

import freezegun
import time_machine
from pyrate_limiter import Duration, Limiter, Rate

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def taken():
    limiter = Limiter(Rate(1, Duration.MINUTE))
    limiter.try_acquire("order", blocking=False)
    return limiter


seen = {}
with freezegun.freeze_time(NOON) as clock:
    limiter = taken()
    clock.tick(timedelta(hours=1))
    seen["freezegun"] = datetime.now(UTC) - NOON >= timedelta(hours=1), limiter.try_acquire("order", blocking=False)
with time_machine.travel(NOON) as clock:
    limiter = taken()
    clock.shift(timedelta(hours=1))
    seen["time-machine"] = datetime.now(UTC) - NOON >= timedelta(hours=1), limiter.try_acquire("order", blocking=False)
for what, value in seen.items():
    print(f"{what}: an hour later: {value[0]}; the limiter lets one through: {value[1]}")
assert seen == {"freezegun": (True, True), "time-machine": (True, False)}, "this has changed"
EOF
