// Runs a machine config through XState: what it does with every event in every state.
//
// It reads the config from standard input, and writes one JSON list: {"state", "event", "accepted", "next"} for each
// pair of a state and an event that the config names.

"use strict";

const { createActor, createMachine } = require("xstate");

const config = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
const machine = createMachine(config);
const states = Object.keys(config.states);
const events = [...new Set(states.flatMap((state) => Object.keys(config.states[state].on)))];

const pairs = states.flatMap((state) =>
  events.map((type) => {
    const actor = createActor(machine, { snapshot: machine.resolveState({ value: state }) }).start();
    const accepted = actor.getSnapshot().can({ type });
    actor.send({ type });
    return { state, event: type, accepted, next: actor.getSnapshot().value };
  }),
);
process.stdout.write(JSON.stringify({ initial: createActor(machine).start().getSnapshot().value, pairs }));
