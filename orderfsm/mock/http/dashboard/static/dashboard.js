// Keeps the page up to date, and lets links and forms work without loading it anew. Without this script they work too.
"use strict";

const status = document.getElementById("status");
const problem = document.getElementById("problem");
const news = document.getElementById("news");
const search = document.getElementById("search");
const PAUSE = 150; // milliseconds after the last key, until it is searched
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
  (same || section.querySelector("h2") || section.closest("section").querySelector("h2")).focus({ preventScroll: true });
}

/** Replace those parts of the page that are different in `fresh`, and keep focus and scrolling. */
function replace(fresh) {
  const before = chosenState();
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
  revision = fresh.getElementById("status").dataset.revision;
  const after = chosenState();
  if (before[0] === after[0] && before[1] !== after[1]) news.textContent = `${after[0]} is now ${after[1]}.`;
}

function chosenState() {
  const badge = document.querySelector("#order-title .badge");
  return [document.getElementById("order-title").firstChild.textContent.trim(), badge ? badge.textContent : "gone"];
}

const parsed = async (answer) => new DOMParser().parseFromString(await answer.text(), "text/html");

function tell(words, kind) {
  status.textContent = words;
  status.className = kind;
}

/** Fetch the page again and show what has changed; while that is going on, remember to do it once more. */
async function refresh() {
  if (busy) { again = true; return; }
  busy = true;
  try {
    const fresh = await parsed(await fetch(location.href, { headers: { accept: "text/html" } }));
    replace(fresh);
    tell("live", "live");
  } catch {
    tell("the mock does not answer", "lost");
  } finally {
    busy = false;
  }
  if (again) { again = false; setTimeout(refresh, 100); }
}

function go(href) {
  problem.textContent = "";
  if (href !== location.href) history.pushState(null, "", href);
  refresh();
}

/** The address of a form, which leads back to what the page shows now. */
function addressOf(form) {
  const address = new URL(form.action);
  address.search = location.search;
  const [, id] = location.pathname.match(/^\/dashboard\/(?:orders|instances)\/([^/]+)$/) || [];
  if (id && !address.pathname.endsWith("/events")) address.searchParams.set("chosen", decodeURIComponent(id));
  return address;
}

/** Send a form, and show the page that is answered: with what was done, or with what is wrong. */
async function send(form, submitter) {
  problem.textContent = "";
  const fields = new URLSearchParams(new FormData(form));
  if (submitter && submitter.name) fields.append(submitter.name, submitter.value);
  try {
    const answer = await fetch(addressOf(form), { method: "POST", body: fields, headers: { accept: "text/html" } });
    const fresh = await parsed(answer);
    if (answer.ok) {
      if (answer.url !== location.href) history.pushState(null, "", answer.url);
      if (!form.closest("[data-live]")) form.reset();
    }
    replace(fresh);
    problem.textContent = fresh.getElementById("problem").textContent;
  } catch {
    problem.textContent = "The mock does not answer.";
  }
}

/** Look for what is written in the field, on the first page of both lists. */
function look(how) {
  const wanted = new URL(location.href);
  for (const key of ["q", "page", "instance_page"]) wanted.searchParams.delete(key);
  const words = search.elements.q.value.trim();
  if (words) wanted.searchParams.set("q", words);
  if (wanted.href === location.href) return;
  history[how](null, "", wanted.href);
  refresh();
}

let typing;
search.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(look, PAUSE, "replaceState");
});

document.addEventListener("submit", (submitted) => {
  submitted.preventDefault();
  clearTimeout(typing);
  if (submitted.target === search) look("pushState");
  else send(submitted.target, submitted.submitter);
});

document.addEventListener("click", async (clicked) => {
  const link = clicked.target.closest("a[data-swap]");
  if (link && !(clicked.button || clicked.metaKey || clicked.ctrlKey || clicked.shiftKey || clicked.altKey)) {
    clicked.preventDefault();
    go(link.href);
    search.elements.q.value = new URL(link.href).searchParams.get("q") || "";
  }
  const state = clicked.target.closest(".drawing .state[data-state]");
  if (state) {
    const { list } = state.closest(".drawing").dataset;
    document.querySelector(`[data-key="${CSS.escape(`${list}-${state.dataset.state || "any"}`)}"]`)?.click();
  }
  const copy = clicked.target.closest("button.copy");
  if (copy) {
    await navigator.clipboard.writeText(copy.parentElement.querySelector("pre").textContent);
    copy.textContent = "Copied";
    setTimeout(() => { copy.textContent = "Copy"; }, 1500);
  }
});

addEventListener("popstate", () => {
  search.elements.q.value = new URL(location.href).searchParams.get("q") || "";
  refresh();
});

const stream = new EventSource("/dashboard/stream");
stream.addEventListener("open", () => tell("live", "live"));
stream.addEventListener("message", (message) => { if (message.data !== revision) refresh(); });
stream.addEventListener("error", () => {
  tell("not connected; trying again", "lost");
  revision = null;
});

setInterval(() => {
  const time = document.querySelector("#time time");
  if (!time.started) time.started = performance.now();
  const now = new Date(Number(time.dataset.now) * 1000 + performance.now() - time.started);
  time.textContent = now.toISOString().slice(0, 19).replace("T", " ");
}, 1000);
