// The life cycle in JavaScript, held against its test vectors: node vectors.mjs lifecycle.json vectors.json
// It needs no Python, only these two files, which `orderfsm export json` and `orderfsm export vectors` write.
import { readFileSync } from "node:fs";
const [rules, vectors] = process.argv.slice(2).map((file) => JSON.parse(readFileSync(file, "utf8")));
const by = (key, list) => Object.fromEntries(list.map((each) => [[].concat(key).map((name) => each[name]), each]));
const states = rules.state_rules.map((rule) => rule.state), somewhere = states.filter((s) => s !== null);
const of = by("state", rules.state_rules), trigger = by("trigger", rules.triggers), codes = by("code", rules.error_codes);
const refusal = by(["state", "trigger"], rules.refusals), silent = by(["state", "trigger"], rules.silences), words = {};
const apart = rules.fields.find((field) => field.apart) ?? {}, firsts = {}, add = (map, word, set) => (map[word] = [...(map[word] ?? []), ...set]);
for (const [field, each] of Object.entries({ ...rules.vocabularies, state: Object.fromEntries(somewhere.map((s) => [s, [s]])) }))
  for (const word in each) for (const map of field === apart.field ? [words] : [words, firsts]) add(map, word, each[word]);
const inOrder = (found) => states.filter((s) => found.includes(s)), call = (t) => trigger[t].kind === "operation";
const moves = rules.transitions.filter((row) => row.target !== row.source || row.creates || row.edits).sort((a, b) => call(b.trigger) - call(a.trigger));
const rows = by(["source", "trigger"], rules.transitions), can = (s, t) => [s, t] in rows, unsaid = (s, t) => [s, t] in silent;
for (const { account, trigger: t } of rules.triggers) if (account) for (const s of states) rows[[s, t]] = { target: s };
const open = rules.fields.some((field) => !field.closed), after = (s, t) => (can(s, t) ? [rows[[s, t]].target] : unsaid(s, t) ? somewhere : []);
const count = (n, s = null) => n && moves.reduce((sum, row) => sum + (row.source === s && 1 + count(n - 1, row.target)), 0);
const planned = (t, events) => call(t) ? !trigger[t].grave : events || trigger[t].follows, grim = ({ adverse, actor }) => adverse ? (actor === "calendar" ? 1 : 1e3) : 0;
const reached = (from, events, found = new Set([from])) => { for (const s of found) for (const row of moves) if (events && row.source === s && !call(row.trigger)) found.add(row.target); return [...found]; };
function way(from, to, events, queue = [[0, [], from]], known = new Set(), next = null) { // the fewest failures, then ends, then steps
  while ((next = queue.shift()) && next[2] !== to) {
    for (const { source, trigger: t, target } of known.has(next[2]) ? [] : moves) if (source === next[2] && planned(t, events)) queue.push([next[0] + grim(trigger[t]), [...next[1], t], target]);
    known.add(next[2]) && queue.sort((a, b) => a[0] - b[0] || a[1].length - b[1].length); } return next?.[1] ?? null; }
function heard({ state, [apart.apart]: second }, favour) { // the states that the word of a line, or its two words, may mean
  const known = (map, word) => map[word] ?? (favour && open ? somewhere : []), other = apart.field && rules.vocabularies[apart.field];
  return second === undefined ? state && known(words, state) : known(firsts, state).filter((s) => known(other, second).includes(s)); }
function explained(s, line, favour, { operation, event: t = operation, outcome, code } = line) { // where a line leads from s
  const means = codes[code]?.means, gone = !of[[s]].found, word = heard(line, favour);
  if (outcome === "unknown" || means === "perhaps" || (outcome === "refused" && !code && favour)) return [...after(s, t), s];
  if (outcome !== "refused") return after(s, t).filter((reached) => !word || word.includes(reached));
  const fits = { state_forbids: !can(s, t) && !gone, not_found: gone, not_carried_out: can(s, t) };
  return unsaid(s, t) || (!code ? !can(s, t) || gone : code === "SomethingNew" ? favour : (fits[means] ?? true)) ? [s] : []; }
function judge({ lines, events }) { // the states possible after each line, read strictly and in the order's favour
  let runs = Array(2).fill(rows[[null, lines[0].operation]] && lines[0].outcome === "accepted" ? [null] : states);
  for (const [index, line] of lines.entries()) {
    const possible = runs.map((set) => inOrder(set.flatMap((s) => reached(s, events === "partial"))));
    runs = possible.map((set, favour) => inOrder(set.flatMap((s) => explained(s, line, favour))));
    if (!runs[1].length) return { verdict: "violates", index, possible: possible[1], legal: Object.keys(trigger).filter((t) => possible[1].some((s) => can(s, t))) }; }
  return { verdict: runs[0].length ? "conforms" : "undecided", index: null, possible: [], legal: [] }; }
const judged = (set, t) => ({ states: set, refused: set.filter((s) => !can(s, t)), accepted: inOrder(set.flatMap((s) => after(s, t))),
  verdict: set.every((s) => can(s, t)) ? "legal" : set.some((s) => can(s, t) || unsaid(s, t)) ? "undecided" : "illegal" });
const answers = { traces: judge, plans: ({ from, to, events }) => ({ steps: way(from, to, events) }),
  pairs: ({ state: s, trigger: t }) => can(s, t) ? { outcome: "accepted", next: rows[[s, t]].target } : silent[[s, t]] ? { outcome: "silent" } : { outcome: "refused", next: s, ...refusal[[s, t]] },
  histories: ({ triggers: ts }) => ({ states: ts.map((_, n) => ts.slice(0, n + 1).reduce((s, t) => rows[[s, t]]?.target, null)) }),
  updates: ({ vocabulary, word, trigger: t }) => judged(rules.vocabularies[vocabulary][word], t),
  readings: ({ answer, trigger: t }) => judged(states.filter((s) => Object.entries(answer).every(([field, word]) => rules.vocabularies[field][word].includes(s))), t),
  windows: ({ state: s, trigger: t, age }, { seconds, code } = rows[[s, t]]?.within ?? {}) => age <= seconds ? { outcome: "accepted" } : { outcome: "late", code } };
const wrong = Object.entries(answers).flatMap(([kind, answer]) => vectors[kind].map((vector) => [kind, vector, answer(vector)]))
  .filter(([, vector, got]) => Object.keys(vector).some((key) => JSON.stringify({ ...vector, ...got }[key]) !== JSON.stringify(vector[key])));
if (new Set(vectors.histories.map((v) => `${v.triggers}`)).size !== count(vectors.length)) wrong.push(["histories", "are not all"]);
console.log(Object.keys(answers).map((kind) => `${vectors[kind].length} ${kind}`).join(", "), wrong.length ? JSON.stringify(wrong) : "pass");
process.exitCode = wrong.length ? 1 : 0;
