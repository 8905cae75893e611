// The lab: who answered each client's pings, tenth by tenth of a second, and what each click cost.

import { $, inSeconds, list, many, node as tag, of, say, show } from "./dom.js";

const SPAN = 20000; // ms
const TENTH = 100;
const SOME = 10; // of so many pings one may be late, more are lost
const SHOWN = 6; // outages

export function lab(view, model) {
  show($("lab"), view.mode === "lab");
  if (view.mode !== "lab") return;
  say($("lab-note"), `pings every few ms, the last ${SPAN / 1000} s`);
  outages(view, model);
  lanes(view, model);
}

function outages(view, model) {
  const found = [...model.section("lab", "outages")].slice(-SHOWN).reverse();
  list($("outages"), found.length ? found : [["", null]], ([key]) => key, (each) => JSON.stringify(each), ([, each]) => each
    ? of("div", { class: "outage", "data-hurt": longest(each) > 0 },
      of("p", { class: "act" }, tag(each.node, view.hue(each.node)), ` ${each.label}`),
      of("p", { class: "cost" }, of("b", {}, longest(each) ? inSeconds(longest(each)) : each.addresses ? "0 ms" : "—")),
      of("p", { class: "who" }, each.addresses
        ? Object.entries(each.ms).map(([client, ms]) => `${client} ${inSeconds(ms)}`).join(" · ")
        : "it led nothing"))
    : of("p", { class: "hint" }, "Cut, freeze or kill a node below, and see here how long its addresses went without an answer."));
}

function longest(outage) {
  return Math.max(0, ...Object.values(outage.ms));
}

export function lanes(view, model) {
  if (view.mode !== "lab") return;
  const now = model.now();
  const found = [];
  for (const [client, tenths] of [...model.answers].sort()) {
    const newest = tenths[tenths.length - 1];
    const joint = Object.values(newest.lanes).some((each) => each.length > 3);
    if (joint) found.push({ client, address: many(Object.values(newest.lanes).reduce((sum, each) => sum + each[3], 0), "address", "addresses"), joint });
    else for (const address of Object.keys(newest.lanes)) found.push({ client, address, joint });
  }
  list($("lanes"), found, (each) => `${each.client} ${each.address}`, () => "", (each) =>
    of("div", { class: "lane", "data-joint": each.joint },
      of("span", { class: "label" }, of("b", {}, each.client), " ", of("span", { class: "mono" }, each.address)),
      of("canvas", { role: "img" }),
      of("span", { class: "who" })));
  const events = model.events.filter((each) => each.by[0] === "lab" && now - each.at < SPAN);
  let at = 0;
  for (const each of found) {
    const row = $("lanes").children[at];
    at += 1;
    draw(row, each, model.answers.get(each.client), { now, events, view });
  }
  legend(view);
}

function draw(row, lane, tenths, { now, events, view }) {
  const canvas = row.children[1];
  const scale = window.devicePixelRatio || 1;
  const width = canvas.clientWidth;
  const height = canvas.clientHeight;
  if (!width) return;
  if (canvas.width !== Math.round(width * scale)) {
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
  }
  const pen = canvas.getContext("2d");
  const style = getComputedStyle(document.documentElement);
  const bad = style.getPropertyValue("--bad");
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, width, height);
  const x = (t) => width - ((now - t) / SPAN) * width;
  let who = "";
  let named = -1e9;
  tenths.forEach((tenth, index) => {
    const before = index ? tenths[index - 1].t : 0;
    const left = Math.floor(x(tenth.t - before < 3 * TENTH ? before : tenth.t - TENTH));
    const wide = Math.floor(x(tenth.t)) - left;
    if (left + wide < 0) return;
    if (lane.joint) {
      stack(pen, Object.values(tenth.lanes), left, wide, height, view, bad);
      return;
    }
    const [name, ok, sent] = tenth.lanes[lane.address] || ["", 0, 0];
    const next = tenths[index + 1]?.lanes[lane.address];
    // What was under way at the end of a tenth is answered in the next one; of the newest nobody knows.
    const late = next ? Math.max(0, next[1] - next[2]) : sent / 2;
    const silent = !name || !ok;
    const part = !silent && ok + late < sent - Math.max(1, sent / SOME);
    pen.fillStyle = silent ? bad : view.hue(name);
    pen.fillRect(left, silent ? height * 0.3 : 0, wide, silent ? height * 0.4 : height);
    if (part) {
      pen.fillStyle = bad;
      pen.fillRect(left, height * 0.55, wide, height * 0.45);
    }
    if (!silent && (name !== who || left - named > 220) && left > 0) {
      named = left;
      who = name;
      pen.fillStyle = "#fff";
      pen.font = "600 11px system-ui, sans-serif";
      pen.textBaseline = "middle";
      const text = pen.measureText(name).width;
      if (left + text + 8 < width) row.names = [...(row.names || []), [name, left + 4]];
    }
  });
  pen.fillStyle = "#fff";
  for (const [name, left] of row.names || []) pen.fillText(name, left, height / 2 + 1);
  row.names = [];
  pen.fillStyle = style.getPropertyValue("--ink");
  for (const each of events) pen.fillRect(x(each.at) - 0.75, 0, 1.5, height);
  const last = tenths[tenths.length - 1].lanes;
  const now_ = lane.joint ? Object.keys(last).join(" ") : last[lane.address]?.[1] ? last[lane.address][0] : "nobody";
  if (row.children[2].look !== now_) {
    row.children[2].look = now_;
    row.children[2].replaceChildren(lane.joint ? now_ : tag(now_ === "nobody" ? "" : now_, view.hue(now_)));
    canvas.setAttribute("aria-label", `${lane.client} to ${lane.address}: answered by ${now_}`);
  }
}

/** Many addresses: how many of them each node answers, what was lost on top. */
function stack(pen, shares, left, wide, height, view, bad) {
  const total = Math.max(1, shares.reduce((sum, each) => sum + each[3], 0));
  let y = height;
  for (const [name, ok, sent, count] of [...shares].sort((a, b) => (a[0] < b[0] ? -1 : 1))) {
    const answered = name && sent ? Math.min(1, (ok + count) / sent) : 0; // one of each may be under way
    const tall = (count / total) * height;
    pen.fillStyle = bad;
    pen.fillRect(left, y - tall, wide, tall);
    pen.fillStyle = view.hue(name);
    pen.fillRect(left, y - tall * answered, wide, tall * answered);
    y -= tall;
  }
}

function legend(view) {
  const look = view.nodes.map((each) => each.name).join();
  if ($("legend").look === look) return;
  $("legend").look = look;
  $("legend").replaceChildren("answered by ", ...view.nodes.flatMap((each) => [tag(each.name, view.hue(each.name)), " "]),
    of("span", { class: "none" }, of("i", { "aria-hidden": "true" }), "no answer"));
}
