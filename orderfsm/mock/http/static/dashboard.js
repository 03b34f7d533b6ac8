// Keeps the page up to date, and lets buttons and links work without loading it anew. Without this script they work too.
"use strict";

const status = document.getElementById("status");
const problem = document.getElementById("problem");
const news = document.getElementById("news");
let revision = status.dataset.revision;
let busy = false;
let again = false;

/** The element with the keyboard's focus, if it can be found again after its section was replaced. */
function focused(section) {
  const element = document.activeElement;
  return section.contains(element) ? element.dataset.key || "title" : null;
}

function focusAgain(section, key) {
  const same = key && section.querySelector(`[data-key="${CSS.escape(key)}"]`);
  (same || section.querySelector("h2")).focus({ preventScroll: true });
}

/** Replace those parts of the page that are different in `fresh`, and keep focus and scrolling. */
function replace(fresh) {
  for (const section of document.querySelectorAll("[data-live]")) {
    const other = fresh.getElementById(section.id);
    if (!other || other.innerHTML === section.innerHTML) continue;
    const key = focused(section);
    const scrolled = [...section.querySelectorAll(".scroll")].map((element) => element.scrollTop);
    section.replaceChildren(...other.childNodes);
    section.querySelectorAll(".scroll").forEach((element, at) => { element.scrollTop = scrolled[at] || 0; });
    if (key) focusAgain(section, key);
  }
  document.title = fresh.title;
}

function chosenState() {
  const badge = document.querySelector("#order-title .badge");
  return [document.getElementById("order-title").firstChild.textContent.trim(), badge ? badge.textContent : "gone"];
}

/** Fetch the page again and show what has changed; while that is going on, remember to do it once more. */
async function refresh() {
  if (busy) { again = true; return; }
  busy = true;
  try {
    const before = chosenState();
    const answer = await fetch(location.href, { headers: { accept: "text/html" } });
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    revision = fresh.getElementById("status").dataset.revision;
    replace(fresh);
    const after = chosenState();
    if (before[0] === after[0] && before[1] !== after[1]) news.textContent = `${after[0]} is now ${after[1]}.`;
    status.textContent = "live";
    status.className = "live";
  } catch {
    status.textContent = "the mock does not answer";
    status.className = "lost";
  } finally {
    busy = false;
  }
  if (again) { again = false; setTimeout(refresh, 100); }
}

async function happen(events, event) {
  problem.textContent = "";
  try {
    const answer = await fetch(events, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ Event: event }),
    });
    if (!answer.ok) problem.textContent = (await answer.json()).Message;
  } catch {
    problem.textContent = "The mock does not answer.";
  }
  await refresh();
}

document.addEventListener("submit", (submitted) => {
  const { events } = submitted.target.dataset;
  if (!events) return;
  submitted.preventDefault();
  happen(events, submitted.submitter.value);
});

document.addEventListener("click", (clicked) => {
  const link = clicked.target.closest("a[data-swap]");
  if (!link || clicked.button || clicked.metaKey || clicked.ctrlKey || clicked.shiftKey || clicked.altKey) return;
  clicked.preventDefault();
  problem.textContent = "";
  history.pushState(null, "", link.href);
  refresh();
});

addEventListener("popstate", refresh);

const stream = new EventSource("/dashboard/stream");
stream.addEventListener("open", () => { status.textContent = "live"; status.className = "live"; });
stream.addEventListener("message", (message) => { if (message.data !== revision) refresh(); });
stream.addEventListener("error", () => {
  status.textContent = "not connected; trying again";
  status.className = "lost";
  revision = null;
});

setInterval(() => {
  const time = document.querySelector("#clock time");
  if (!time.started) time.started = performance.now();
  const now = new Date(Number(time.dataset.now) * 1000 + performance.now() - time.started);
  time.textContent = now.toISOString().slice(0, 19).replace("T", " ");
}, 1000);
