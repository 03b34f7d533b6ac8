#!/usr/bin/env bash
# pm4py 2.7.23.11 on pandas 3.1.1.
# read_xes gives a data frame, or with return_legacy_log_object=True a list of traces. In the frame two traces of one
# name are one case, whose events follow as they stand, and a trace without events is none; in the list they are what
# the file says.
# Seen: traces 7, 7 and an empty 8: two cases in the list beside an empty one; in the frame one,
# created-issued-created-cancelled.
# One would guess: the two are forms of the same log; a name that stands twice is kept apart or refused.
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
import warnings

with contextlib.redirect_stderr(io.StringIO()):  # a greeting
    import pm4py
warnings.simplefilter("ignore")


def trace(name, *events):
    called = '<string key="concept:name" value="{}"/>'.format
    lines = (f'<event>{called(what)}<date key="time:timestamp" value="{when}"/></event>' for what, when in events)
    return f'<trace>{called(name)}{"".join(lines)}</trace>'


def read(*traces, **options):
    with open("log.xes", "w") as file:
        file.write(f'<log xes.version="1.0" xmlns="http://www.xes-standard.org/">{"".join(traces)}</log>')
    with contextlib.redirect_stderr(io.StringIO()):  # a bar
        return pm4py.read_xes("log.xes", **options)


traces = [
    trace("7", ("created", "2026-01-01T00:00:00Z"), ("issued", "2026-01-03T00:00:00Z")),
    trace("7", ("created", "2026-01-02T00:00:00Z"), ("cancelled", "2026-01-04T00:00:00Z")),
    trace("8"),
]
frame, listed = read(*traces), read(*traces, return_legacy_log_object=True)
seen = {
    "frame": sorted(pm4py.get_variants(frame)),
    "list": [[event["concept:name"] for event in events] for events in listed],
}
for what, value in seen.items():
    print(f"{what}: {value}")
assert seen == {
    "frame": [("created", "issued", "created", "cancelled")],
    "list": [["created", "issued"], ["created", "cancelled"], []],
}, "this has changed"
EOF
