// The address of the page says what it shows: #table/state?to=...&from=...&walk=...&why=...
const addressOf = (name, state) => (name === tables[0].name ? "" : `${encodeURIComponent(name)}/`) + encodeURIComponent(state);

/** Puts what is shown into the address: as another entry of the history, or in the place of the last one. */
function remember(how) {
  const asked = new URLSearchParams();
  if (goal !== null) asked.set("to", goal);
  if (walk?.triggers.length) {
    asked.set("from", walk.from);
    asked.set("walk", walk.triggers.map(encodeURIComponent).join(","));
  }
  if (opened !== null) asked.set("why", opened);
  const hash = `#${addressOf(answers.name, chosen)}${asked.size ? `?${asked}` : ""}`;
  if (hash !== (location.hash || "#")) history[how](null, "", hash);
}

/** Shows what the address says; what it says that is none of the table's is left out. */
function begin() {
  const [path, query] = location.hash.slice(1).split(/\?(.*)/s);
  const [name, word] = path.includes("/") ? path.split("/").map(decoded) : [tables[0].name, decoded(path)];
  const asked = new URLSearchParams(query);
  use(tables.find((table) => table.name === name) ?? tables[0]);
  const known = (state) => state !== null && Object.hasOwn(answers.states, state);
  const to = asked.get("to");
  goal = known(to) ? to : null;
  const from = asked.get("from");
  const triggers = (asked.get("walk") ?? "").split(",").map(decoded);
  walk = known(from) ? { from, triggers: stepsOf(from, triggers).map((step) => step.trigger) } : null;
  move(known(word) ? word : Object.keys(answers.states)[0]);
  opened = asked.get("why");
  if (opened !== null) show();
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

addEventListener("hashchange", begin);
begin();
