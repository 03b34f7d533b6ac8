// The life cycle in JavaScript, held against its test vectors: node vectors.mjs lifecycle.json vectors.json
// It needs no Python, only these two files, which `orderfsm export json` and `orderfsm export vectors` write.
import { readFileSync } from "node:fs";
const [rules, vectors] = process.argv.slice(2).map((file) => JSON.parse(readFileSync(file, "utf8")));
const states = rules.state_rules.map((rule) => rule.state), words = { ...rules.vocabularies.Type, ...rules.vocabularies.Status };
const inOrder = (found) => states.filter((s) => found.includes(s)), call = (trigger) => /[A-Z]/.test(trigger);
const moves = rules.transitions.filter((row) => row.target !== row.source || row.creates).sort((a, b) => call(b.trigger) - call(a.trigger));
const next = Object.fromEntries(rules.transitions.map((row) => [[row.source, row.trigger], row.target]));
for (const { account, trigger } of rules.triggers) if (account) for (const s of states) next[[s, trigger]] = s;
const can = (s, t) => [s, t] in next, after = (s, t) => (can(s, t) ? [next[[s, t]]] : []);
const gone = (s) => rules.state_rules.find((rule) => rule.state === s).service_code === "NotFoundOrder";
const refusal = (s, t) => rules.refusals.find((each) => each.state === s && each.trigger === t);
const count = (n, s = null) => n && moves.reduce((sum, row) => sum + (row.source === s && 1 + count(n - 1, row.target)), 0);
function paths(from, events, calls, found = new Map([[from, []]])) { // the shortest to every state, calls before events
  for (const [s, path] of found) for (const { source, trigger: t, target } of moves)
    if (source === s && (call(t) ? calls : events) && !found.has(target)) found.set(target, [...path, t]);
  return found; }
function explained(s, { operation, event: t = operation, outcome, code, state }, favour) { // where a line leads from s
  if (outcome === "unknown" || code === "Error" || (outcome === "refused" && !code && favour)) return [...after(s, t), s];
  const word = state && (words[state] ?? (favour ? states : []));
  if (outcome !== "refused") return after(s, t).filter((reached) => !word || word.includes(reached));
  const fits = { OrderStateError: !can(s, t) && !gone(s), NotFoundOrder: gone(s), DeleteFail: can(s, t), SomethingNew: favour };
  return (code ? fits[code] ?? true : !can(s, t) || gone(s)) ? [s] : []; }
function judge({ lines, events }) { // the states possible after each line, read strictly and in the order's favour
  let runs = Array(2).fill(next[[null, lines[0].operation]] && lines[0].outcome === "accepted" ? [null] : states);
  for (const [index, line] of lines.entries()) {
    const possible = runs.map((set) => inOrder(set.flatMap((s) => [...paths(s, events === "partial", false).keys()])));
    const legal = rules.triggers.map((rule) => rule.trigger).filter((t) => possible[1].some((s) => can(s, t)));
    runs = possible.map((set, favour) => inOrder(set.flatMap((s) => explained(s, line, favour))));
    if (!runs[1].length) return { verdict: "violates", index, possible: possible[1], legal }; }
  return { verdict: runs[0].length ? "conforms" : "undecided", index: null, possible: [], legal: [] }; }
const answers = { traces: judge, plans: ({ from, to, events }) => ({ steps: paths(from, events, true).get(to) ?? null }),
  pairs: ({ state: s, trigger: t }) => can(s, t) ? { outcome: "accepted", next: next[[s, t]] } : { outcome: "refused", next: s, ...refusal(s, t) },
  histories: ({ triggers: ts }) => ({ states: ts.map((_, n) => ts.slice(0, n + 1).reduce((s, t) => next[[s, t]], null)) }),
  updates: ({ vocabulary, word, trigger: t }, set = rules.vocabularies[vocabulary][word]) => ({
    states: set, verdict: set.every((s) => can(s, t)) ? "legal" : set.some((s) => can(s, t)) ? "undecided" : "illegal",
    accepted: inOrder(set.flatMap((s) => after(s, t))), refused: set.filter((s) => !can(s, t)) }) };
const wrong = Object.entries(answers).flatMap(([kind, answer]) => vectors[kind].map((vector) => [kind, vector, answer(vector)]))
  .filter(([, vector, got]) => Object.keys(vector).some((key) => JSON.stringify({ ...vector, ...got }[key]) !== JSON.stringify(vector[key])));
if (new Set(vectors.histories.map((v) => `${v.triggers}`)).size !== count(vectors.length)) wrong.push(["histories", "are not all"]);
console.log(Object.keys(answers).map((kind) => `${vectors[kind].length} ${kind}`).join(", "), wrong.length ? JSON.stringify(wrong) : "pass");
process.exitCode = wrong.length ? 1 : 0;
