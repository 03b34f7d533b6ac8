#!/usr/bin/env bash
# click 8.5.1.
# The decorators put options on the function; the first command that is made of it takes them away. A second command of
# the same function, under another name, has no options and fails only when it is called.
# Seen: of `show = option("--state")(show)`: command("show") has --state, command("explain") has none; calling it with
# the option is a usage error (2), without it a TypeError.
# One would guess: decorating a function changes nothing that another decoration sees, or the second command is refused.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${PYTHON:-python3}
"$python" -m pip install -qq --no-compile --no-warn-conflicts --target "$folder" \
  click==8.5.1
cd "$folder"
PYTHONPATH=$folder timeout 60 "$python" -S - <<'EOF'
import click
from click.testing import CliRunner


@click.option("--state", default="issued")
def show(state):
    click.echo(state)


commands = {name: click.command(name)(show) for name in ("show", "explain")}
seen = {}
for name, command in commands.items():
    seen[f"{name}: options"] = [parameter.name for parameter in command.params]
    result = CliRunner().invoke(command, ["--state", "ready"])
    seen[f"{name} --state ready"] = result.exit_code, result.output.strip().split("\n")[-1]
    seen[f"{name}: raises"] = type(CliRunner().invoke(command).exception).__name__
for what, value in seen.items():
    print(f"{what}: {value}")
assert seen["show: options"] == ["state"] and seen["show --state ready"] == (0, "ready"), "this has changed"
assert seen["explain: options"] == [] and seen["explain --state ready"][0] == 2, "this has changed"
assert seen["explain: raises"] == "TypeError", "this has changed"
EOF
