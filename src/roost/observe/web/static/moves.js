// What moved of late: a ribbon of who led how much, and the events with their reasons.

import { $, age, clock, inSeconds, list, many, node as tag, of } from "./dom.js";

const SPAN = 10 * 60 * 1000; // ms of the ribbon, at most
const LEAST = 20 * 1000;
const SHOWN = 60; // events
const QUIET = new Set(["services", "service", "from", "to", "why", "silent_s", "node"]);

export function latest(model, view) {
  const moves = model.moves(view);
  const last = moves[moves.length - 1];
  const element = $("latest");
  const print = last ? last.key + view.hue(last.facts.to) + String(last.facts.silent_s) : "";
  if (element.look !== print) {
    element.look = print;
    element.replaceChildren(...(last ? [
      of("b", {}, subject(last)), " ", ...arrow(last, view), " ",
      of("span", { "data-since": last.at }, age(model.now() - last.at)),
      of("small", {}, reason(last))] : [of("small", {}, "nothing has moved lately")]));
  }
}

export function events(model, view) {
  list($("events"), gathered(model, view), (each) => each.key, (each) => each.group ? each.key + each.group.length
    : JSON.stringify([each, view.hue(each.facts.from), view.hue(each.facts.to), outage(model, each)]),
  (each, before) => (each.group ? apart(each, before, model, view) : line(each, model, view)));
  ribbon(model, view);
}

/** The latest events first; in a row, those that one speaker alone tells of, which was cut off, are one. */
function gathered(model, view) {
  const found = [];
  for (const each of model.events.slice(-SHOWN).reverse()) {
    const before = found[found.length - 1];
    if (!each.astray && !model.isAlone(each, view)) found.push(each);
    else if (before?.group && before.by === each.by[0]) before.group.push(each);
    else found.push({ group: [each], by: each.by[0] });
  }
  for (const each of found) if (each.group) each.key = `apart ${each.group[each.group.length - 1].key}`;
  return found;
}

function apart(each, before, model, view) {
  const open = Boolean(before?.querySelector("details")?.open);
  return of("li", { class: "event apart" }, of("time", {}, clock(each.group[0].at)),
    of("details", { open }, of("summary", { "data-name": each.key }, tag(each.by, view.hue(each.by)), ` alone took it otherwise (${each.group.length})`),
      of("ol", {}, each.group.map((one) => line(one, model, view)))));
}

function line(each, model, view) {
  return of("li", { class: `event ${each.level}`, "data-what": each.what },
      of("time", { datetime: each.time, title: each.time }, clock(each.at)),
      each.what === "lead moved"
        ? of("div", {}, of("p", {}, of("b", {}, subject(each)), " ", ...arrow(each, view)),
          of("p", { class: "why" }, reason(each)))
        : of("div", {}, of("p", {}, each.by[0] === "lab" ? of("b", {}, each.text) : `${view.mode === "speaker" ? "" : `${each.by.join(", ")}: `}${each.text}`, outage(model, each)),
          of("p", { class: "why" }, each.facts.why ? String(each.facts.why) : facts(each))));
}

function subject(event) {
  const { service, services } = event.facts;
  if (service) return service;
  return event.count > 3 ? many(event.count, "service") : (services || []).join(", ");
}

function arrow(event, view) {
  const { from, to } = event.facts;
  return [from ? tag(from, view.hue(from)) : null, of("span", { class: "arrow", "aria-label": "moved to" }, "→"), tag(to, view.hue(to))].filter(Boolean);
}

function reason(event) {
  const { why, silent_s: silent } = event.facts;
  return [why || "", silent === undefined ? "" : `announced ${inSeconds(silent * 1000)} after the last sign of life`].filter(Boolean).join("; ");
}

function facts(event) {
  return Object.entries(event.facts).filter(([name, value]) => !QUIET.has(name) && value !== null).map(([name, value]) => `${name} ${Array.isArray(value) ? value.join(" ") : value}`).join(", ")
    + (event.count > 1 && event.facts.addresses && event.count > event.facts.addresses.length ? `, ${event.count} in all` : "");
}

/** What came of something that was done in the lab. */
function outage(model, event) {
  if (event.by[0] !== "lab") return "";
  for (const each of model.section("lab", "outages").values()) {
    if (each.node === event.facts.node && each.label === event.what && Math.abs(Date.parse(each.time) - event.at) < 5) {
      const longest = Math.max(0, ...Object.values(each.ms));
      return longest ? `: ${inSeconds(longest)} without an answer` : ": no answer lost";
    }
  }
  return "";
}

/** Draw who led how many services, going back from now through what moved. */
export function ribbon(model, view) {
  const canvas = $("ribbon");
  const scale = window.devicePixelRatio || 1;
  const width = canvas.clientWidth;
  const height = canvas.clientHeight;
  if (!width || !height) return;
  if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
  }
  const draw = canvas.getContext("2d");
  draw.setTransform(scale, 0, 0, scale, 0, 0);
  draw.clearRect(0, 0, width, height);
  const moves = model.moves(view);
  const now = model.now();
  const oldest = Math.min(now - 1000, ...model.events.slice(0, 1).map((each) => each.at));
  const span = Math.min(SPAN, Math.max(LEAST, (now - oldest) * 1.05));
  const x = (at) => width - ((now - at) / span) * width;
  const counts = new Map(view.nodes.map((each) => [each.name, each.weight]));
  counts.set("", view.services.filter((each) => !each.leader).length);
  const total = Math.max(1, view.services.length);
  const style = getComputedStyle(document.documentElement);
  const foot = height - 14;
  let right = width;
  const column = (left) => {
    let y = foot;
    for (const [name, count] of counts) {
      const tall = (Math.max(0, count) / total) * foot;
      draw.fillStyle = name ? view.hue(name) : style.getPropertyValue("--bad");
      if (tall > 0) draw.fillRect(Math.max(0, left), y - tall, right - Math.max(0, left) + 0.5, tall);
      y -= tall;
    }
    right = left;
  };
  for (let at = moves.length - 1; at >= 0 && right > 0; at -= 1) {
    const { facts: { from, to }, count, at: when } = moves[at];
    column(x(when));
    counts.set(to || "", (counts.get(to || "") || 0) - count);
    counts.set(from || "", (counts.get(from || "") || 0) + count);
  }
  if (right > x(oldest)) column(x(oldest));
  draw.fillStyle = style.getPropertyValue("--ink");
  for (const each of model.events) if (each.by[0] === "lab" && x(each.at) > 0) draw.fillRect(x(each.at), 0, 1.5, foot);
  draw.fillStyle = style.getPropertyValue("--muted");
  draw.font = "11px system-ui, sans-serif";
  draw.textBaseline = "bottom";
  draw.fillText(span < 120000 ? `${Math.round(span / 1000)} s ago` : `${Math.round(span / 60000)} min ago`, 0, height);
  draw.textAlign = "right";
  draw.fillText("now", width, height);
  draw.textAlign = "left";
  canvas.setAttribute("aria-label", `Who leads how many services: ${view.nodes.map((each) => `${each.name} ${each.leads.length}`).join(", ")}`);
}
