#!/usr/bin/env bash
# sismic 1.6.14 and python-statemachine 3.2.2 (as an SCXML interpreter).
# When a final state at the top is reached, sismic leaves it too: the configuration of a finished chart is empty,
# whichever of its ends it reached. SCXML's interpreters keep the final state active.
# Seen: a chart with the ends `issued` and `refused`: sismic: [] after either; python-statemachine: issued, refused.
# One would guess: the state in which a chart stopped is the one that it answers; a test that asks an order for its
# state after the end finds none.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${PYTHON:-python3}
"$python" -m pip install -qq --no-compile --no-warn-conflicts --target "$folder" \
  sismic==1.6.14 python-statemachine==3.2.2
cd "$folder"
PYTHONPATH=$folder timeout 60 "$python" -S - <<'EOF'
from sismic.interpreter import Interpreter
from sismic.io import import_from_yaml
from statemachine.io.scxml.processor import SCXMLProcessor

YAML = """
statechart:
  name: order
  root state:
    name: order
    initial: open
    states:
      - name: open
        transitions:
          - {event: issue, target: issued}
          - {event: refuse, target: refused}
      - {name: issued, type: final}
      - {name: refused, type: final}
"""
SCXML = """
<scxml xmlns="http://www.w3.org/2005/07/scxml" version="1.0" initial="open">
  <state id="open"><transition event="issue" target="issued"/><transition event="refuse" target="refused"/></state>
  <final id="issued"/><final id="refused"/>
</scxml>
"""


def by_sismic(event):
    interpreter = Interpreter(import_from_yaml(YAML))
    interpreter.execute()
    interpreter.queue(event).execute()
    return interpreter.configuration, interpreter.final


def by_scxml(event):
    processor = SCXMLProcessor()
    processor.parse_scxml("order", SCXML)
    chart = processor.start()
    chart.send(event)
    return [state.id for state in chart.configuration], chart.is_terminated


seen = {event: (by_sismic(event), by_scxml(event)) for event in ("issue", "refuse")}
for event, (sismic, scxml) in seen.items():
    print(f"after {event}: sismic {sismic}, python-statemachine {scxml}")
assert seen == {
    "issue": (([], True), (["issued"], True)),
    "refuse": (([], True), (["refused"], True)),
}, "this has changed"
EOF
