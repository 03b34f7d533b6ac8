"use strict";
// Shows the answers that stand in the page. It knows no rule: every answer was worked out from the tables.
const tables = JSON.parse(document.getElementById("answers").textContent);
const panel = document.getElementById("state");
const drawings = [document.querySelector("svg.orderfsm")];
for (const template of document.querySelectorAll("template")) drawings.push(template.content.querySelector("svg"));
let answers = tables[0];
let drawing = drawings[0];
let chosen = "";
let goal = null;
let opened = null; // the trigger of which it is told why

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** A reference: its words, and its address as a link. */
function reference(text) {
  return text.split(/(https:\/\/[^\s;]+)/).map((part, at) => (at % 2 ? element("a", { href: part, rel: "noreferrer" }, part) : part));
}

function stateButton(state) {
  const button = element("button", { type: "button", "data-go": state }, answers.states[state].name);
  button.addEventListener("click", () => choose(state));
  return button;
}

/** One trigger in the chosen state: a button to take it, what it does, and behind it why, and who says so. */
function ruleItem(rule) {
  const summary = element("summary", {}, element("b", {}, rule.trigger), rule.by_client ? "" : ` (${rule.actor})`);
  if (rule.changes) summary.append(" \u2192 ", stateButton(rule.target), ...rule.at_once.flatMap((state) => [" or at once ", stateButton(state)]));
  if (rule.edits) summary.append(`, changes what the ${answers.noun} says`);
  if (rule.refusable) summary.append(", may be refused");
  if (rule.within) summary.append(`, ${rule.within}`);
  if (rule.passes) summary.append(" (too early: passes later)");
  if (rule.quota) summary.append(`, quota ${rule.quota}`);
  if (rule.creates) summary.append(`, creates another ${answers.noun} in ${rule.creates}`);
  if (rule.mark) summary.append(` ${rule.mark}`);
  const facts = element("dl");
  const fact = (name, ...said) => facts.append(element("dt", {}, name), element("dd", { class: name }, ...said));
  fact("why", rule.reason);
  if (rule.instead) fact("instead", rule.instead);
  fact("source", `${rule.standing}: `, ...reference(rule.reference));
  if (rule.note) fact("note", rule.note);
  if (rule.silent) fact("walk", "none: nobody knows where it leads");
  const kinds = [rule.by_client ? "client" : "others", rule.silent ? "silent" : rule.allowed ? "allowed" : "refused"];
  const details = element("details", rule.trigger === opened ? { open: "" } : {}, summary, facts);
  details.addEventListener("toggle", () => {
    if (details.open === (opened === rule.trigger)) return;
    opened = details.open ? rule.trigger : null;
    remember("replaceState");
  });
  return element("li", { class: kinds.join(" "), "data-trigger": rule.trigger }, details, ...takeButton(rule));
}

function ruleList(name, title, rules) {
  const list = rules.length ? element("ul", {}, ...rules.map(ruleItem)) : element("p", { class: "nothing" }, "nothing");
  return element("div", { "data-list": name }, element("h3", {}, title), list);
}

function planList() {
  const others = Object.keys(answers.states).filter((state) => state !== chosen);
  const choice = element("select", { id: "goal" }, element("option", { value: "-" }, "choose a state"));
  for (const state of others) choice.append(element("option", { value: state }, answers.states[state].name));
  choice.value = goal ?? "-";
  choice.addEventListener("change", () => {
    goal = choice.value === "-" ? null : choice.value;
    show();
    remember("pushState");
    document.getElementById("goal").focus();
  });
  const way = element("div", { "data-list": "plan" }, element("h3", {}, element("label", { for: "goal" }, "The shortest way to "), choice));
  const steps = planned();
  if (goal !== null && steps === null) way.append(element("p", { class: "nothing" }, "There is no way."));
  if (steps !== null && steps.length) way.append(takePlanButton(steps));
  if (steps !== null) way.append(element("ol", {}, ...steps.map((step) => element(
    "li", { class: step.by_client ? "client" : "others", "data-trigger": step.trigger },
    step.by_client ? "" : `wait for the ${step.actor}: `, element("b", {}, step.trigger), " \u2192 ", stateButton(step.target),
    step.time ? ` (${step.time})` : "", step.grave ? " (cannot be taken back, or costs money)" : "",
  ))));
  return way;
}

function planned() {
  return goal === null ? null : answers.plans[chosen][goal];
}

function show() {
  const state = answers.states[chosen];
  const rules = answers.rules[chosen];
  const silent = rules.filter((rule) => rule.silent);
  showWalk();
  panel.replaceChildren(
    element("h2", {}, state.name, ...(state.terminal ? [element("span", { class: "mark" }, "terminal")] : [])),
    element("p", { class: "words" }, `${state.words.join(", ")} (${state.basis}: `, ...reference(state.reference), ")"),
    ruleList("calls", "A client may call", rules.filter((rule) => rule.changes && rule.by_client)),
    ruleList("events", "Others may do", rules.filter((rule) => rule.changes && !rule.by_client)),
    planList(),
    ruleList("reads", "Can be read by", rules.filter((rule) => rule.allowed && !rule.changes)),
    ruleList("refused", "Refused", rules.filter((rule) => !rule.allowed && !rule.silent)),
    ...(silent.length ? [ruleList("silent", "The sources do not say", silent)] : []),
  );
  light();
}

/** Marks the chosen state in the drawing, and lights up the rows of the plan, or else of the walk. */
function light() {
  const steps = planned() ?? walked();
  const visited = new Set(steps.flatMap((step) => [step.source, step.target]));
  for (const group of drawing.querySelectorAll(".state")) {
    group.classList.toggle("current", group.dataset.state === chosen);
    group.classList.toggle("visited", visited.has(group.dataset.state));
    group.setAttribute("aria-pressed", String(group.dataset.state === chosen));
  }
  for (const lit of drawing.querySelectorAll(".lit")) lit.classList.remove("lit");
  for (const { source, trigger, target } of steps) {
    const between = `[data-source="${CSS.escape(source)}"][data-target="${CSS.escape(target)}"]`;
    for (const text of drawing.querySelectorAll(`.label${between} text[data-trigger="${CSS.escape(trigger)}"]`)) {
      const kind = text.classList.contains("event") ? "event" : "operation";
      const marked = ["inferred", "observed"].map((basis) => (text.classList.contains(basis) ? `.${basis}` : `:not(.${basis})`)).join("");
      text.classList.add("lit");
      for (const strand of drawing.querySelectorAll(`.edge${between} .strand.${kind}${marked}`)) strand.classList.add("lit");
    }
  }
}

/** Shows a state, and that in the address. */
function choose(state) {
  move(state);
  remember("pushState");
}

function move(state) {
  chosen = state;
  opened = null;
  if (goal === state) goal = null;
  show();
}

function press(group, act) {
  group.addEventListener("click", act);
  group.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    act();
  });
}

for (const each of drawings) {
  each.setAttribute("role", "group");
  for (const group of each.querySelectorAll(".state")) {
    group.setAttribute("tabindex", "0");
    group.setAttribute("role", "button");
    press(group, () => choose(group.dataset.state));
  }
  for (const group of each.querySelectorAll(".stub")) group.addEventListener("click", () => choose(group.dataset.target));
  for (const label of each.querySelectorAll(".label[data-source]")) {
    label.addEventListener("click", ({ target }) => {
      const { trigger } = target.closest("[data-trigger]")?.dataset ?? {};
      if (label.dataset.source !== chosen) choose(label.dataset.source);
      else if (trigger) take([trigger]);
    });
  }
}

/** Shows another table, from its first state on. */
function use(table) {
  const shown = drawings[tables.indexOf(table)];
  drawing.replaceWith(shown);
  if (answers !== table) [goal, walk] = [null, null];
  [answers, drawing] = [table, shown];
  document.title = document.querySelector("h1").textContent = table.title;
  document.getElementById("edition").textContent = `Edition ${table.edition} of the table`;
  for (const button of document.querySelectorAll("#tables button")) button.setAttribute("aria-pressed", String(button.dataset.table === table.name));
}

for (const table of tables.length > 1 ? tables : []) {
  const button = element("button", { type: "button", "data-table": table.name }, table.title);
  button.addEventListener("click", () => {
    use(table);
    choose(Object.keys(table.states)[0]);
  });
  document.getElementById("tables").append(button);
}
