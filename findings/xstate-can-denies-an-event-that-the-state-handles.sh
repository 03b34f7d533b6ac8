#!/usr/bin/env bash
# xstate 5.33.3 (npm).
# snapshot.can(event) is false for an event whose transition has neither target nor action, although the state lists the
# event among those that it handles. In a table of what is allowed, "a read changes nothing" so reads as "not allowed".
# Seen: on: {read: {}} false, {read: {target: "a"}} true, an event that is not there false; getNextTransitions names
# read.
# One would guess: `can` answers whether the state has a transition for the event.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --silent --no-audit --no-fund --prefix "$folder" xstate@5.33.3
cd "$folder"
timeout 60 node --input-type=module - <<'EOF'
import assert from "node:assert/strict";
import { createMachine, getInitialSnapshot, getNextTransitions } from "xstate";

const can = (on) => getInitialSnapshot(createMachine({ initial: "a", states: { a: { on } } })).can({ type: "read" });
const bare = createMachine({ initial: "a", states: { a: { on: { read: {} } } } });
const seen = {
  "read: {}": can({ read: {} }),
  "read: {target: a}": can({ read: { target: "a" } }),
  "no read": can({}),
  "listed": getNextTransitions(getInitialSnapshot(bare)).map((transition) => transition.eventType),
};
console.log(seen);
assert.deepEqual(seen, { "read: {}": false, "read: {target: a}": true, "no read": false, listed: ["read"] });
EOF
