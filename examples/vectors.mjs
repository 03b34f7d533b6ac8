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
const inOrder = (found) => states.filter((s) => found.includes(s)), call = (t) => trigger[t].kind === "operation", open = rules.fields.some((field) => !field.closed);
const moves = rules.transitions.filter((row) => row.target !== row.source || row.creates || row.edits).sort((a, b) => call(b.trigger) - call(a.trigger));
const rows = by(["source", "trigger"], rules.transitions), can = (s, t) => [s, t] in rows, unsaid = (s, t) => [s, t] in silent, past = rules.transitions.flatMap((row) => row.optional_after);
for (const { account, trigger: t } of rules.triggers) if (account) for (const s of states) rows[[s, t]] = { target: s, at_once: [], optional_after: [] };
const after = (s, t, told = true, row = rows[[s, t]]) => row ? (told ? row.at_once : []).reduce((found, e) => [...found, ...found.flatMap((from) => rows[[from, e]]?.target ?? [])], [row.target]) : unsaid(s, t) ? somewhere : [];
const count = (n, s = null) => n && moves.reduce((sum, row) => sum + (row.source === s && 1 + count(n - 1, row.target)), 0);
const planned = (t, events) => call(t) ? !trigger[t].grave : events || trigger[t].follows, grim = ({ adverse, actor }) => adverse ? (actor === "calendar" ? 1 : 1e3) : 0;
// A run is a state, whether something happened that a read has yet to show, and what else happened to the order.
const others = rules.transitions.filter((row) => !call(row.trigger)), shown = ([, owes]) => !owes, put = (runs, run) => (runs.some((each) => each.length === run.length && each.every((part, n) => part === run[n])) ? runs : [...runs, run]);
const went = ([, owes, ...since], t, to, alone) => [to, owes || (alone && trigger[t].seen), ...(past.includes(t) ? [...new Set([...since, t])].sort() : since)];
const unseen = (runs, from = others, more = runs.flatMap((run) => from.filter((row) => row.source === run[0]).map((row) => went(run, row.trigger, row.target, true))).reduce(put, runs)) => (more.length > runs.length ? unseen(more, from) : runs), hidden = (runs) => unseen(runs, others.filter((row) => !trigger[row.trigger].seen));
function way(from, to, events, queue = [[0, [], from]], known = new Set(), next = null) { // the fewest failures, then ends, then steps
  while ((next = queue.shift()) && next[2] !== to) { for (const { source, trigger: t, target } of known.has(next[2]) ? [] : known.add(next[2]) && moves)
      if (source === next[2] && planned(t, events)) queue.push([next[0] + grim(trigger[t]), [...next[1], t], target]); queue.sort((a, b) => a[0] - b[0] || a[1].length - b[1].length); } return next?.[1] ?? null; }
function heard({ state, [apart.apart]: second }, favour) { // the states that the word of a line, or its two words, may mean
  const known = (map, word) => map[word] ?? (favour && open ? somewhere : []), other = apart.field && rules.vocabularies[apart.field];
  return second === undefined ? state && known(words, state) : known(firsts, state).filter((s) => known(other, second).includes(s)); }
function explained(run, line, favour, partial, { operation, event: t = operation, outcome, code } = line, [s, owes, ...since] = run) { // where a line leads
  const row = rows[[s, t]], means = codes[code?.replace(rules.code_prefix, "")]?.means, word = heard(line, favour), owed = owes && !(word && !moves.some((move) => move.trigger === t));
  const led = after(s, t, !!word).filter((to) => !owes || to === s).map((to) => went([s, owed, ...since], t, to)), moved = !word ? led : (partial ? unseen(led) : led).filter(([to, owing]) => word.includes(to) && !owing === !owed);
  const lost = outcome === "unknown" || means === "perhaps" || (outcome === "refused" && !code && favour), gone = !of[[s]].found;
  if (lost || outcome !== "refused") return lost ? [...moved, run] : moved;
  const may = row ? row.optional || row.optional_after.some((e) => since.includes(e)) : unsaid(s, t) || refusal[[s, t]].service_code === "";
  return may || (!code ? !row || gone : code === "SomethingNew" ? favour : ({ state_forbids: !row && !gone, not_found: gone, not_carried_out: !!row }[means] ?? true)) ? [run] : []; }
function judge({ lines, events }, runs = [[[null]], [[null]]], lost = null) { // the runs possible after each line, read strictly and in the order's favour
  for (const [index, line] of lines.entries()) {
    const partial = events === "partial", possible = runs.map((set) => (partial ? unseen(set) : set)), sure = possible[1].filter(shown);
    runs = possible.map((set, favour) => set.flatMap((run) => explained(run, line, favour, partial)).reduce(put, []));
    lost = runs[1].some(shown) ? null : lost ?? [index, inOrder((sure.length ? sure : possible[1]).map(([s]) => s))]; }
  const [index, possible] = lost ?? [null, []], legal = Object.keys(trigger).filter((t) => possible.some((s) => can(s, t)));
  return { verdict: lost ? "violates" : runs[0].some(shown) ? "conforms" : "undecided", index, possible, legal }; }
const judged = (set, t) => ({ states: set, refused: set.filter((s) => !can(s, t) || rows[[s, t]].optional || rows[[s, t]].optional_after.length), accepted: inOrder(set.flatMap((s) => after(s, t))),
  verdict: set.every((s) => can(s, t)) ? "legal" : set.some((s) => can(s, t) || unsaid(s, t)) ? "undecided" : "illegal" });
const answers = { traces: judge, plans: ({ from, to, events }) => ({ steps: way(from, to, events) }), updates: ({ vocabulary, word, trigger: t }) => judged(rules.vocabularies[vocabulary][word], t),
  pairs: ({ state: s, trigger: t }) => can(s, t) ? { outcome: "accepted", next: rows[[s, t]].target } : silent[[s, t]] ? { outcome: "silent" } : { outcome: "refused", next: s, ...refusal[[s, t]] },
  histories: ({ triggers: ts }) => ({ states: ts.map((_, n) => ts.slice(0, n + 1).reduce((s, t) => rows[[s, t]]?.target, null)) }),
  readings: ({ answer, trigger: t }) => judged(states.filter((s) => Object.entries(answer).every(([field, word]) => rules.vocabularies[field][word].includes(s))), t),
  windows: ({ state: s, trigger: t, age }, { seconds, code } = rows[[s, t]]?.within ?? {}) => age <= seconds ? { outcome: "accepted" } : { outcome: "late", code } };
const wrong = Object.entries(answers).flatMap(([kind, answer]) => vectors[kind].map((vector) => [kind, vector, answer(vector)]))
  .filter(([, vector, got]) => Object.keys(vector).some((key) => JSON.stringify({ ...vector, ...got }[key]) !== JSON.stringify(vector[key])));
if (new Set(vectors.histories.map((v) => `${v.triggers}`)).size !== count(vectors.length)) wrong.push(["histories", "are not all"]);
console.log(Object.keys(answers).map((kind) => `${vectors[kind].length} ${kind}`).join(", "), wrong.length ? JSON.stringify(wrong) : "pass"), (process.exitCode = wrong.length ? 1 : 0);
