#!/usr/bin/env bash
# xstate 5.33.3 (npm).
# A machine that has reached a final state at the top is done, and an actor then ignores every event. But can() says
# true, transition() leaves the final state with a snapshot that is still "done", and getShortestPaths walks on and
# finds states that no actor can reach. createMachine takes `on` in a final state without complaint.
# Seen: after `end`, `reopen`: actor: closed; can: true; transition(): other, status done; paths: open, closed, other.
# One would guess: "done" is final for the functions on which the actor is built, too, and so for tests made of paths.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --silent --no-audit --no-fund --prefix "$folder" xstate@5.33.3
cd "$folder"
timeout 60 node --input-type=module - <<'EOF'
import assert from "node:assert/strict";
import { createActor, createMachine, getInitialSnapshot, transition } from "xstate";
import { getShortestPaths } from "xstate/graph";

const machine = createMachine({
  initial: "open",
  states: {
    open: { on: { end: "closed" } },
    closed: { type: "final", on: { reopen: "other" } },
    other: {},
  },
});
const actor = createActor(machine).start();
actor.send({ type: "end" });
actor.send({ type: "reopen" });
const [done] = transition(machine, getInitialSnapshot(machine), { type: "end" });
const [after] = transition(machine, done, { type: "reopen" });
const seen = {
  actor: [actor.getSnapshot().value, actor.getSnapshot().status],
  can: done.can({ type: "reopen" }),
  transition: [after.value, after.status],
  paths: getShortestPaths(machine).map((path) => path.state.value),
};
console.log(seen);
assert.deepEqual(seen, {
  actor: ["closed", "done"],
  can: true,
  transition: ["other", "done"],
  paths: ["open", "closed", "other"],
});
EOF
