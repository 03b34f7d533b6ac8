#!/usr/bin/env bash
# gunicorn 27.0.1.
# Since 25.1 each server listens at a control socket, by default at one place for each user ($XDG_RUNTIME_DIR, else
# ~/.gunicorn). A second server takes the first one's away, in silence; whichever ends first removes it for both.
# Seen: two servers, one socket file, both logs say that they listen there; `gunicornc -c "show stats"` answers for the
# second; the first ends: no file, and the second, which runs on, can no longer be reached.
# One would guess: a name by process id or port, or a refusal to start, as for a pidfile. --control-socket names a place
# of one's own.
set -euo pipefail
folder=$(mktemp -d)
servers=()
stop() {
  for server in "${servers[@]}"; do kill "$server" 2>/dev/null || true; done
  wait
  rm -rf "$folder"
}
trap stop EXIT
python=${PYTHON:-python3}
"$python" -m pip install -qq --no-compile --no-warn-conflicts --target "$folder" \
  gunicorn==27.0.1
cd "$folder"
echo 'application = lambda environ, start: start("200 OK", []) and [] or [b"ok"]' > app.py
mkdir home
export HOME=$folder/home PYTHONPATH=$folder
unset XDG_RUNTIME_DIR
sockets() { find home -type s | wc -l; }
for number in 1 2; do
  "$python" -S -m gunicorn --bind 127.0.0.1:0 --graceful-timeout 1 app:application > "$number.log" 2>&1 &
  servers+=($!)
  for _ in $(seq 100); do
    grep -q 'Control socket listening' "$number.log" && break
    sleep 0.2
  done
done
said=$(cat 1.log 2.log | grep -o 'Control socket listening at .*' | sort -u | wc -l)
both=$(sockets)
asked=$(timeout 20 "$python" -S -m gunicorn.ctl.cli -c "show stats" -j | grep -o '"pid": [0-9]*' | tr -dc 0-9)
[ "$asked" = "${servers[1]}" ] && answers="the second" || answers="another"
kill "${servers[0]}"
wait "${servers[0]}" || true
left=$(sockets)
kill -0 "${servers[1]}" && second=runs
echo "places that the logs of both name: $said; sockets: $both; gunicornc asks $answers"
echo "the first has ended: sockets: $left; the second $second"
[ "$said $both $left $second, $answers" = "1 1 0 runs, the second" ]
