#!/usr/bin/env bash
# pyrate-limiter 4.5.1.
# try_acquire takes a name, which is what is counted. A Limiter that was made from rates has one bucket for all names:
# the name is written down and decides nothing; a limit for each name needs a factory of buckets of one's own.
# Seen: one a minute: "delete" is let through, then "describe" is refused though nobody had asked for it.
# One would guess: a limit for each name, as the key of other limiters means it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${PYTHON:-python3}
"$python" -m pip install -qq --no-compile --no-warn-conflicts --target "$folder" \
  pyrate-limiter==4.5.1
cd "$folder"
PYTHONPATH=$folder timeout 60 "$python" -S - <<'EOF'
from pyrate_limiter import Duration, InMemoryBucket, Limiter, Rate

limiter = Limiter(Rate(1, Duration.MINUTE))
seen = {name: limiter.try_acquire(name, blocking=False) for name in ("delete", "describe")}
each = {name: Limiter(InMemoryBucket([Rate(1, Duration.MINUTE)])) for name in seen}
seen["describe, of a limiter of its own"] = [each[name].try_acquire(name, blocking=False) for name in each][-1]
for what, value in seen.items():
    print(f"{what}: {value}")
assert seen == {"delete": True, "describe": False, "describe, of a limiter of its own": True}, "this has changed"
EOF
