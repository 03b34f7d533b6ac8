#!/usr/bin/env bash
# pyrate-limiter 4.5.1.
# try_acquire blocks by default until there is room and then returns True, so that its answer looks like one that need
# not be read. A weight that is larger than the limit is answered False at once, without an error, also with a timeout.
# Seen: 1 of 3: True; 5 of 3: False in no time, with blocking=True, and with timeout=5.
# One would guess: an error that the weight can never fit; or, as it blocks, waiting until the timeout.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${PYTHON:-python3}
"$python" -m pip install -qq --no-compile --no-warn-conflicts --target "$folder" \
  pyrate-limiter==4.5.1
cd "$folder"
PYTHONPATH=$folder timeout 60 "$python" -S - <<'EOF'
import time

from pyrate_limiter import Duration, Limiter, Rate


def ask(**how):
    begin = time.monotonic()
    answer = Limiter(Rate(3, Duration.SECOND)).try_acquire("order", **how)
    return answer, "at once" if time.monotonic() - begin < 1 else "after waiting"


seen = {
    "weight 1": ask(weight=1),
    "weight 5": ask(weight=5),
    "weight 5, blocking": ask(weight=5, blocking=True),
    "weight 5, timeout 5": ask(weight=5, timeout=5),
}
for what, value in seen.items():
    print(f"{what}: {value}")
no = False, "at once"
assert list(seen.values()) == [(True, "at once"), no, no, no], "this has changed"
EOF
