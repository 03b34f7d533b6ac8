// Runs a machine config through XState: what it does with every event in every state.
//
// It reads the config from standard input, and writes {"initial", "pairs", "paths"}: for each pair of a state and an
// event that the config names {"state", "event", "accepted", "next", "status", "entered", "pure"}, the next state of an
// actor, its status, whether it entered a state, and the next state of transition(); and the events of the shortest path
// to each state that has one.

"use strict";

const { createActor, createMachine, transition } = require("xstate");
const { getShortestPaths } = require("xstate/graph");

const config = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
const states = Object.keys(config.states);
states.forEach((state) => (config.states[state].entry = "enter"));
let entered = false;
const machine = createMachine(config).provide({ actions: { enter: () => (entered = true) } });
const events = [...new Set(states.flatMap((state) => Object.keys(config.states[state].on)))];

const pairs = states.flatMap((state) =>
  events.map((type) => {
    const snapshot = machine.resolveState({ value: state });
    const actor = createActor(machine, { snapshot }).start();
    const accepted = actor.getSnapshot().can({ type });
    entered = false;
    actor.send({ type });
    const { value: next, status } = actor.getSnapshot();
    const [pure] = transition(machine, snapshot, { type });
    return { state, event: type, accepted, next, status, entered, pure: pure.value };
  }),
);
const paths = getShortestPaths(machine, { events: events.map((type) => ({ type })) }).map((path) => [
  path.state.value,
  path.steps.map((step) => step.event.type).filter((type) => type !== "xstate.init"),
]);
const initial = createActor(machine).start().getSnapshot().value;
process.stdout.write(JSON.stringify({ initial, pairs, paths: Object.fromEntries(paths) }));
