// The page's loop: messages in, at most one drawing for each picture of the screen out; keys; what may be done.

import { $, many, mark, of, say } from "./dom.js";
import { ask, help } from "./dialogs.js";
import { lab, lanes } from "./lanes.js";
import { Model } from "./model.js";
import { events, latest, ribbon } from "./moves.js";
import { addresses, ages, lan, nodes, problems, shown, verdict } from "./sections.js";

const RETRY = 1500; // ms
const OLD = 6000; // ms without a word
const REST = 30000; // ms after which a page that nobody sees asks no more
const FRESH = 8000; // ms in which an address that has moved is marked
const BUSY = 400; // services, from which on drawing waits for more changes
const PATIENCE = 60; // ms
const THEMES = ["", "dark", "light"];

const model = new Model();
let source = null;
let heard = 0;
let view = model.view();
let due = new Set();
let frame = 0;
let later = 0;
let leaders = new Map(); // service -> its leader as drawn last
let moved = new Map(); // service -> when its leader changed

// The token comes in the address's last part, which browsers keep to themselves, and leaves the address bar at once.
const token = new URLSearchParams(location.hash.slice(1)).get("token") || sessionStorage.getItem("token") || "";
if (location.hash) {
  if (token) sessionStorage.setItem("token", token);
  history.replaceState(null, "", location.pathname + location.search);
}

const act = (what, name) =>
  ask(`v1/act/${what}/${encodeURIComponent(name)}`, { method: "POST", headers: { authorization: `Bearer ${token}` } });

const mayAct = () => (token && model.hello.acts.length ? act : null);

function tell(text) {
  $("foot").replaceChildren(of("p", { class: "problem warning", role: "alert" }, text));
  clearTimeout(tell.timer);
  tell.timer = setTimeout(foot, 8000);
}

function foot() {
  const text = { speaker: "It only shows. To drain: roost drain, or roost dashboard.", dashboard: token ? "" : "It only shows: open it with its token to drain.", lab: token ? "Everything here is real: speakers, packets, kernels. Ctrl-C in the terminal ends it." : "It only shows: open it with its token to break things." };
  $("foot").replaceChildren(of("p", {}, `roost ${model.hello.version || ""}  ${text[view.mode] || ""}`));
}

// -- what comes in -----------------------------------------------------------------------------------

function connect() {
  source?.close();
  source = new EventSource("v1/live");
  source.onmessage = (event) => {
    heard = Date.now();
    const message = JSON.parse(event.data);
    const changed = model.take(message);
    if (model.ready) draw(changed);
    if (message.ready) foot();
  };
  source.onopen = () => { heard = Date.now(); };
  source.onerror = () => {
    live();
    if (source.readyState === EventSource.CLOSED) setTimeout(() => { if (!document.hidden) connect(); }, RETRY);
  };
}

let resting = 0;
document.addEventListener("visibilitychange", () => {
  clearTimeout(resting);
  if (document.hidden) resting = setTimeout(() => { source?.close(); source = null; }, REST);
  else if (!source || source.readyState === EventSource.CLOSED) connect();
});

function live() {
  const open = source && source.readyState === EventSource.OPEN;
  const state = !model.ready ? "wait" : open && Date.now() - heard < OLD ? "on" : "off";
  mark($("live"), "state", state);
  say($("live"), { wait: "connecting", on: "live", off: heard ? `not live: as of ${many(Math.round((Date.now() - heard) / 1000), "second")} ago` : "no connection" }[state]);
}

// -- what is drawn -----------------------------------------------------------------------------------

function draw(what) {
  due.add(what);
  // What the clients see comes many times a second; that many rows change at once is not worth as many drawings.
  if (what === "answers" || view.services.length > BUSY) later = later || setTimeout(soon, PATIENCE);
  else soon();
}

function soon() {
  clearTimeout(later);
  later = 0;
  frame = frame || requestAnimationFrame(() => {
    frame = 0;
    const now = due;
    due = new Set();
    paint(now);
  });
}

function paint(what) {
  if (!what.has("all")) {
    lanes(view, model);
    return;
  }
  view = model.view();
  notice();
  verdict(view, model);
  problems(view);
  nodes(view, model, mayAct(), moved, tell);
  latest(model, view);
  events(model, view);
  addresses(view, model);
  lan(view);
  lab(view, model);
  live();
}

/** Notice whose leader is another than a moment ago. */
function notice() {
  const now = Date.now();
  for (const { name, leader } of view.services) {
    if (leaders.size && leaders.has(name) && leaders.get(name) !== leader) moved.set(name, now);
  }
  leaders = new Map(view.services.map((each) => [each.name, each.leader]));
  for (const [name, when] of moved) if (now - when > FRESH) moved.delete(name);
}

setInterval(() => {
  live();
  if (!model.ready || document.hidden) return;
  ages(model);
  ribbon(model, view);
  const before = moved.size;
  notice();
  if (moved.size !== before) draw("all");
}, 1000);
window.addEventListener("resize", () => draw("all"));

// -- keys --------------------------------------------------------------------------------------------

const GO = { n: "nodes", m: "events", a: "rows", c: "lab" };

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || $("dialog").open) return;
  if (event.target === $("filter")) {
    if (event.key === "Escape") { $("filter").value = ""; filter(); $("filter").blur(); }
    if (event.key === "ArrowDown") row(event, $("rows").firstElementChild);
    return;
  }
  if (event.key === "/") { event.preventDefault(); $("filter").focus(); }
  else if (event.key === "?") help(view.mode);
  else if (event.key === "t") theme();
  else if (GO[event.key] && !$(GO[event.key]).closest("[hidden]")) go($(GO[event.key]));
  else if (event.target.matches("[data-row]")) {
    if (event.key === "ArrowDown") row(event, event.target.nextElementSibling);
    if (event.key === "ArrowUp") row(event, event.target.previousElementSibling || $("filter"));
  }
});

function go(section) {
  section.scrollIntoView({ block: "center" });
  (section.querySelector("button:not([disabled])") || section).focus({ preventScroll: true });
}

function row(event, next) {
  if (!next) return;
  event.preventDefault();
  if (next.matches("[data-row]")) {
    $("rows").querySelector('[tabindex="0"]')?.setAttribute("tabindex", "-1");
    next.tabIndex = 0;
  }
  next.focus();
}

function filter() {
  shown.filter = $("filter").value;
  addresses(view, model);
}

function theme() {
  const next = THEMES[(THEMES.indexOf(document.documentElement.dataset.theme || "") + 1) % THEMES.length];
  document.documentElement.dataset.theme = next;
  localStorage.setItem("theme", next);
  draw("all");
}

document.documentElement.dataset.theme = localStorage.getItem("theme") || "";
$("theme").addEventListener("click", theme);
$("help").addEventListener("click", () => help(view.mode));
$("filter").addEventListener("input", filter);
$("more").addEventListener("click", () => { shown.rows += 400; addresses(view, model); });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw("all"));
connect();
