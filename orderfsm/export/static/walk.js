// An order that walks through the table, and its history as lines of a trace.
const walkPanel = document.getElementById("walk");
let walk = null; // where it began, and the triggers that it took

const ruleOf = (state, trigger) => answers.rules[state].find((rule) => rule.trigger === trigger);

/** The steps that triggers lead through from a state, as far as somebody knows what becomes of them. */
function stepsOf(from, triggers) {
  const steps = [];
  let source = from;
  for (const trigger of triggers) {
    const rule = ruleOf(source, trigger);
    if (!rule?.line) break;
    const target = rule.target ?? source; // what is refused moves nothing
    steps.push({ source, trigger, target, rule });
    source = target;
  }
  return steps;
}

const walked = () => (walk === null ? [] : stepsOf(walk.from, walk.triggers));
const whereItIs = () => walked().at(-1)?.target ?? walk.from;

/** The order takes these triggers. It is another order if the last one is not in the state that is shown. */
function take(triggers) {
  const before = walk !== null && whereItIs() === chosen ? walk : { from: chosen, triggers: [] };
  walkTo({ from: before.from, triggers: [...before.triggers, ...stepsOf(chosen, triggers).map((step) => step.trigger)] });
}

function walkTo(other) {
  walk = other;
  move(whereItIs());
  remember("pushState");
}

/** The button by which the order takes a trigger, in a list; an empty one where nobody knows what becomes of it. */
function takeButton(rule) {
  if (!rule.line) return [];
  const words = rule.allowed ? "take" : "try";
  const button = element("button", { type: "button", class: "take", "data-take": rule.trigger, "aria-label": `${words} ${rule.trigger}` }, words);
  button.addEventListener("click", () => {
    take([rule.trigger]);
    walkPanel.querySelector("h2").focus({ preventScroll: true });
  });
  return [button];
}

function takePlanButton(steps) {
  const button = element("button", { type: "button", class: "take", id: "take-plan" }, "take this way");
  button.addEventListener("click", () => take(steps.map((step) => step.trigger)));
  return button;
}

/** The history of the walk in the trace format, one JSON document a line. */
function traceLines() {
  const { header, begin: first, key, ids } = answers.trace;
  let others = 0;
  const lines = walked().map(({ rule }, at) => {
    const time = new Date(Date.parse(first) + 60_000 * at).toISOString().replace(".000", "");
    const line = { time, [key]: ids[0], ...rule.line };
    if (rule.allowed && rule.creates) line[`new_${key}`] = ids[1 + (others++ % (ids.length - 1))];
    return line;
  });
  return [header, ...lines].map((line) => JSON.stringify(line));
}

function walkButton(id, words, act) {
  const button = element("button", { type: "button", id }, words);
  button.addEventListener("click", act);
  return button;
}

async function copyTrace({ target }) {
  const trace = document.getElementById("trace");
  try {
    await navigator.clipboard.writeText(trace.textContent);
    target.textContent = "Copied";
  } catch { // some browsers let no page write to the clipboard
    getSelection().selectAllChildren(trace);
    target.textContent = "Selected: copy it";
  }
}

function showWalk() {
  const heading = element("h2", { id: "walk-title", tabindex: "-1" }, `The walk of ${answers.a_noun}`);
  const steps = walked();
  walkPanel.hidden = false;
  if (!steps.length) {
    walkPanel.replaceChildren(heading, element("p", { class: "nothing" },
      "Take a trigger below, or click one that leads out of the marked state: its history will stand here, as lines of a trace."));
    return;
  }
  const unstated = steps.filter(({ rule }) => rule.mark).length;
  walkPanel.replaceChildren(
    heading,
    element("p", { class: "where" },
      `${steps.length} ${steps.length === 1 ? "step" : "steps"} from ${answers.states[walk.from].name}; now in `, stateButton(whereItIs()),
      unstated ? `; ${unstated} by rules that no document states` : ""),
    element("pre", { id: "trace", tabindex: "0", role: "region", "aria-label": "Its history as lines of a trace" }, `${traceLines().join("\n")}\n`),
    element("p", { class: "buttons" },
      walkButton("undo", "Undo", () => {
        walkTo({ from: walk.from, triggers: walk.triggers.slice(0, -1) });
        (document.getElementById("undo") ?? document.getElementById("walk-title")).focus();
      }),
      walkButton("start-over", "Start over", () => walkTo({ from: walk.from, triggers: [] })),
      walkButton("copy", "Copy the trace", copyTrace)),
    element("p", { class: "nothing" }, "orderfsm replay takes these lines as they are, from a file or standard input."),
  );
  const trace = document.getElementById("trace");
  trace.scrollTop = trace.scrollHeight;
}
