// The life cycle in JavaScript, held against its test vectors: node vectors.mjs lifecycle.json vectors.json
// It needs no Python, only these two files, which `orderfsm export json` and `orderfsm export vectors` write.
import { readFileSync } from "node:fs";
const [rules, vectors] = process.argv.slice(2).map((file) => JSON.parse(readFileSync(file, "utf8")));
const by = (key, list) => Object.fromEntries(list.map((each) => [[].concat(key).map((name) => each[name]), each]));
const states = rules.state_rules.map((rule) => rule.state), somewhere = states.filter((s) => s !== null);
const of = by("state", rules.state_rules), trigger = by("trigger", rules.triggers), codes = by("code", rules.error_codes);
const refusal = by(["state", "trigger"], rules.refusals), silent = by(["state", "trigger"], rules.silences), words = {};
for (const each of Object.values(rules.vocabularies)) for (const word in each) words[word] = [...(words[word] ?? []), ...each[word]];
for (const s of somewhere) words[s] = [s, ...(words[s] ?? [])]; // a state's own name is a word too
const inOrder = (found) => states.filter((s) => found.includes(s)), call = (t) => trigger[t].kind === "operation";
const moves = rules.transitions.filter((row) => row.target !== row.source || row.creates).sort((a, b) => call(b.trigger) - call(a.trigger));
const next = Object.fromEntries(rules.transitions.map((row) => [[row.source, row.trigger], row.target]));
for (const { account, trigger: t } of rules.triggers) if (account) for (const s of states) next[[s, t]] = s;
const open = rules.fields.some((field) => !field.closed); // the API may have more words
const can = (s, t) => [s, t] in next, unsaid = (s, t) => [s, t] in silent;
const after = (s, t) => (can(s, t) ? [next[[s, t]]] : unsaid(s, t) ? somewhere : []); // of silence anything may come
const count = (n, s = null) => n && moves.reduce((sum, row) => sum + (row.source === s && 1 + count(n - 1, row.target)), 0);
const planned = (t, events, calls) => (call(t) ? calls && !trigger[t].grave : events || (calls && trigger[t].follows));
function paths(from, events, calls, found = new Map([[from, []]])) { // the shortest to every state, calls before events
  for (const [s, path] of found) for (const { source, trigger: t, target } of moves)
    if (source === s && planned(t, events, calls) && !found.has(target)) found.set(target, [...path, t]);
  return found; }
function explained(s, { operation, event: t = operation, outcome, code, state }, favour) { // where a line leads from s
  const means = codes[code]?.means, gone = !of[[s]].found;
  if (outcome === "unknown" || means === "perhaps" || (outcome === "refused" && !code && favour)) return [...after(s, t), s];
  const word = state && (words[state] ?? (favour && open ? somewhere : []));
  if (outcome !== "refused") return after(s, t).filter((reached) => !word || word.includes(reached));
  if (unsaid(s, t)) return [s]; // it may have been refused, however that was said
  const fits = { state_forbids: !can(s, t) && !gone, not_found: gone, not_carried_out: can(s, t) };
  return (!code ? !can(s, t) || gone : code === "SomethingNew" ? favour : (fits[means] ?? true)) ? [s] : []; }
function judge({ lines, events }) { // the states possible after each line, read strictly and in the order's favour
  let runs = Array(2).fill(next[[null, lines[0].operation]] && lines[0].outcome === "accepted" ? [null] : states);
  for (const [index, line] of lines.entries()) {
    const possible = runs.map((set) => inOrder(set.flatMap((s) => [...paths(s, events === "partial", false).keys()])));
    const legal = Object.keys(trigger).filter((t) => possible[1].some((s) => can(s, t)));
    runs = possible.map((set, favour) => inOrder(set.flatMap((s) => explained(s, line, favour))));
    if (!runs[1].length) return { verdict: "violates", index, possible: possible[1], legal }; }
  return { verdict: runs[0].length ? "conforms" : "undecided", index: null, possible: [], legal: [] }; }
const answers = { traces: judge, plans: ({ from, to, events }) => ({ steps: paths(from, events, true).get(to) ?? null }),
  pairs: ({ state: s, trigger: t }) => can(s, t) ? { outcome: "accepted", next: next[[s, t]] }
    : unsaid(s, t) ? { outcome: "silent" } : { outcome: "refused", next: s, ...refusal[[s, t]] },
  histories: ({ triggers: ts }) => ({ states: ts.map((_, n) => ts.slice(0, n + 1).reduce((s, t) => next[[s, t]], null)) }),
  updates: ({ vocabulary, word, trigger: t }, set = rules.vocabularies[vocabulary][word]) => ({
    states: set, refused: set.filter((s) => !can(s, t)), accepted: inOrder(set.flatMap((s) => after(s, t))),
    verdict: set.every((s) => can(s, t)) ? "legal" : set.some((s) => can(s, t) || unsaid(s, t)) ? "undecided" : "illegal" }) };
const wrong = Object.entries(answers).flatMap(([kind, answer]) => vectors[kind].map((vector) => [kind, vector, answer(vector)]))
  .filter(([, vector, got]) => Object.keys(vector).some((key) => JSON.stringify({ ...vector, ...got }[key]) !== JSON.stringify(vector[key])));
if (new Set(vectors.histories.map((v) => `${v.triggers}`)).size !== count(vectors.length)) wrong.push(["histories", "are not all"]);
console.log(Object.keys(answers).map((kind) => `${vectors[kind].length} ${kind}`).join(", "), wrong.length ? JSON.stringify(wrong) : "pass");
process.exitCode = wrong.length ? 1 : 0;
