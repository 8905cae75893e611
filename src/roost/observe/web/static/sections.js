// The verdict, the problems, the nodes, the addresses and the heat map of the LAN.

import { $, age, inSeconds, list, many, mark, node as tag, of, prose, say, show } from "./dom.js";
import { explain, offerDrain, whatIf } from "./dialogs.js";
import { partsOf, percent, shared } from "./shares.js";

const CHIPS = 12; // addresses of a node shown one by one
const ROWS = 30; // of the table, until more are asked for
const SIGNS = { alive: "●", draining: "◐", suspect: "◐", leaving: "◐", damped: "◐", outdated: "◐", "not ready": "◐" };
const LAB = [
  ["cut", "Cut", "Its switch port is blocked, without a word", (each) => !each.faults.includes("cut")],
  ["heal", "Heal", "Its switch port forwards again", (each) => each.faults.includes("cut")],
  ["freeze", "Freeze", "SIGSTOP: its speaker hangs", (each) => each.runs && !each.faults.includes("frozen")],
  ["thaw", "Thaw", "SIGCONT: its speaker goes on", (each) => each.faults.includes("frozen") && each.runs],
  ["kill", "Kill", "SIGKILL: its speaker is gone, its host lives", (each) => each.runs],
  ["stop", "Stop", "SIGTERM: its speaker hands over and leaves", (each) => each.runs && !each.faults.includes("frozen")],
  ["start", "Start", "Its speaker starts again", (each) => !each.runs],
];

export const shown = { rows: ROWS, filter: "" };

export function verdict(view, model) {
  const critical = view.problems.filter((each) => each.severity === "critical").length;
  const lost = view.nodes.filter((each) => isLost(each.verdict) || each.cutOff);
  const state = !view.speakers.length ? "wait" : critical ? "critical" : view.problems.length ? "warning" : "well";
  mark($("verdict"), "state", state);
  say($("verdict").querySelector(".sign"), { well: "●", warning: "◐", critical: "✗", wait: "○" }[state]);
  const counts = view.problems.length ? `${many(view.problems.length, "problem")}; ` : "";
  const worst = view.problems[0]?.kind || "";
  const headline = state === "wait" ? view.finding || "Looking for speakers …" : state === "well" ? "All is well"
    : lost.length ? `${names(lost)} ${lost.length === 1 ? "is" : "are"} lost` : worst === "draining" ? `${names(view.nodes.filter((each) => each.verdict === worst))} draining`
        : worst[0].toUpperCase() + worst.slice(1);
  say($("headline"), headline);
  const addresses = view.services.reduce((sum, each) => sum + (each.leader ? each.addresses.length : 0), 0);
  const all = view.services.reduce((sum, each) => sum + each.addresses.length, 0);
  const leaders = view.nodes.filter((each) => each.leads.length).length;
  const nobody = all - addresses ? `, ${many(all - addresses, "address", "addresses")} by nobody` : "";
  say($("subline"), view.speakers.length
    ? `${counts}${many(addresses, "address", "addresses")} led by ${leaders} of ${many(view.nodes.length, "node")}${nobody}` : "");
  document.title = { well: "● roost", warning: `◐ ${headline}`, critical: `✗ ${headline}`, wait: "roost" }[state];
  const where = { speaker: `as ${model.hello.me} sees it`, dashboard: many(view.speakers.length, "speaker"), lab: "lab" };
  say($("where"), where[view.mode] || "");
}

function names(nodes) {
  const few = nodes.slice(0, 3).map((each) => each.name).join(", ");
  return nodes.length > 3 ? `${few} and ${nodes.length - 3} more` : few;
}

export function isLost(verdict) {
  return ["unreachable", "dead", "process gone"].includes(verdict);
}

export function problems(view) {
  show($("problems"), view.problems.length > 0);
  list($("problems").firstElementChild, view.problems, (each) => each.key,
    (each) => JSON.stringify(each), (each) =>
      of("li", { class: `problem ${each.severity}` },
        of("span", { class: "sign" }, `${each.severity === "critical" ? "✗" : "◐"} ${each.severity}`),
        of("div", {},
          of("p", {}, of("b", {}, each.kind), `: ${each.text}`),
          of("p", { class: "cure" }, "→ ", ...prose(each.cure))),
        view.mode !== "speaker" && each.by.length > 0 && of("p", { class: "by" }, "said by ", each.by.map((name) => [tag(name, view.hue(name)), " "]).flat())));
}

/** `moved`: services whose leader has just changed; `tell(text)` is for what went wrong. */
export function nodes(view, model, act, moved, tell) {
  const may = (what) => model.hello.acts.includes(what) && act !== null;
  list($("nodes"), view.nodes, (each) => each.name,
    (each) => JSON.stringify([each, view.hue(each.name), each.leads.filter((one) => moved.has(one.name)).length, act !== null]),
    (each) => {
      const lost = isLost(each.verdict);
      const state = each.cutOff ? "cut off" : each.verdict;
      const signs = lost || each.cutOff ? "✗" : SIGNS[each.verdict] || "○";
      const kind = lost || each.cutOff ? "lost" : each.verdict === "alive" ? "well" : "look";
      const addresses = each.leads.reduce((sum, one) => sum + one.addresses.length, 0);
      const chips = [...each.leads, ...each.takes].flatMap((one) => one.addresses.map((address) => [one, address]));
      const note = each.silent || (["alive", "draining"].includes(each.verdict) ? "" : each.evidence);
      return of("article", { class: "card", hue: view.hue(each.name), "data-kind": kind, "aria-label": `node ${each.name}` },
        of("header", {},
          of("h3", {}, each.name),
          of("span", { class: `verdict-word ${kind}` }, `${signs} ${state}`),
          of("p", { class: "leads", title: "addresses that it answers for" }, of("b", {}, addresses.toLocaleString("en")), of("span", {}, addresses === 1 ? "address" : "addresses"))),
        of("p", { class: "address" }, each.address,
          each.clients ? of("span", { title: "clients that asked for what it answers" }, ` · ${many(each.clients, "client")}`) : ""),
        each.faults.length > 0 && of("p", { class: "faults" }, each.faults.map((fault) => of("span", {}, fault))),
        note && of("p", { class: "evidence" }, note),
        of("p", { class: "chips" },
          chips.slice(0, CHIPS).map(([one, address]) =>
            of("button", { class: "chip", "data-name": address, "data-moved": moved.has(one.name), title: `${one.name}: why is it here?`, onclick: () => explain(view, address) }, address, partOf(one, each.name))),
          chips.length > CHIPS && of("button", { class: "chip more", "data-name": "more", onclick: () => only(each.name) }, `+ ${(chips.length - CHIPS).toLocaleString("en")} more`)),
        of("p", { class: "acts" },
          of("button", { "data-name": "what-if", onclick: () => whatIf(view, each.name, "down"), disabled: lost }, "What if it dies?"),
          of("button", { "data-name": "drain", onclick: () => offerDrain(view, model, each.name, may("drain") ? act : null), disabled: lost }, each.verdict === "draining" ? "Draining …" : "Drain …")),
        view.mode === "lab" && of("p", { class: "acts break", role: "group", "aria-label": `break or heal ${each.name}` },
          LAB.filter(([what, , , fits]) => may(what) && fits(each)).map(([what, label, title]) =>
            of("button", { "data-name": pair(what), class: ["heal", "thaw", "start"].includes(what) ? "mend" : "harm", title, onclick: () => act(what, each.name).catch((error) => tell(error.message)) }, label))));
    });
}

/** Which part of a shared address a node has, for its chip. */
function partOf(service, node) {
  const own = service.parts.find((each) => each.node === node);
  return own ? of("small", {}, ` ${percent(own.part)}`) : null;
}

/** The same name for a button and for the one that takes its place, which then keeps the focus. */
function pair(what) {
  return { heal: "cut", thaw: "freeze", start: "kill" }[what] || what;
}

/** Show only what a filter passes, and go there. */
function only(text) {
  $("filter").value = shown.filter = text;
  $("filter").dispatchEvent(new Event("input"));
  $("addresses").scrollIntoView();
  $("filter").focus({ preventScroll: true });
}

export function addresses(view, model) {
  const wanted = shown.filter.toLowerCase().split(/\s+/).filter(Boolean);
  const passes = (each) => wanted.every((word) =>
    each.name.toLowerCase().includes(word) || (each.leader || "nobody").toLowerCase() === word || each.addresses.some((address) => address.includes(word)));
  const found = wanted.length ? view.services.filter(passes) : view.services;
  const few = found.slice(0, shown.rows);
  const counted = wanted.length ? `${found.length.toLocaleString("en")} of ${view.services.length.toLocaleString("en")} services` : many(view.services.length, "service");
  say($("addresses-note"), counted);
  show($("more"), found.length > few.length);
  say($("more"), `${(found.length - few.length).toLocaleString("en")} more …`);
  list($("rows"), few, (each) => each.name,
    (each) => JSON.stringify([each.leader, each.addresses, each.since, each.connections, each.parts, notes(each, view), view.hue(each.leader)]),
    (each) => of("button", { class: "row", "data-lost": !each.leader, "data-shared": each.parts.length > 0, "data-row": true, tabindex: "-1", onclick: () => explain(view, each.name) },
      of("span", { class: "what" }, of("b", {}, each.name), " ", of("span", { class: "mono" }, each.addresses.join("  "))),
      of("span", { class: "leader" },
        (each.shared !== "client" || !each.parts.length) && tag(each.leader, view.hue(each.leader)),
        each.parts.length > 0 && partsOf(each.parts, view, shared(each.shared))),
      of("span", { class: "since", "data-since": each.since }, age(model.now() - each.since)),
      of("span", { class: "open", title: "connections that are open" }, each.connections ? many(each.connections, "connection") : ""),
      of("span", { class: "notes" }, notes(each, view).join("; "))));
  const first = $("rows").firstElementChild;
  if (first && !$("rows").querySelector('[tabindex="0"]')) first.tabIndex = 0;
}

function notes(service, view) {
  const found = service.passing.map(({ by, holder, count }) =>
    `${by} passes ${count === null ? "connections" : many(count, "connection")} on to ${holder}`);
  const astray = service.here.filter((each) => view.astray.has(each));
  const sound = service.here.filter((each) => !view.astray.has(each));
  if (sound.some((each) => !service.answerers.includes(each)) && sound.length > 1) found.push(`answered by ${sound.join(" and ")}`);
  if (astray.length && service.here.length > 1) found.push(`${astray.join(", ")}, cut off, answers too`);
  if (service.differ.length) found.push(`differs: ${service.differ.join("; ")}`);
  return found;
}

export function ages(model) {
  for (const each of document.querySelectorAll("[data-since]")) say(each, age(model.now() - Number(each.dataset.since)));
}

export function lan(view) {
  const from = [...view.probes].filter(([, row]) => row.size).map(([name]) => name);
  show($("lan"), from.length > 0);
  if (!from.length) return;
  const to = view.nodes.map((each) => each.name);
  const dense = to.length > 12;
  say($("lan-note"), dense ? "from row to column" : "from row to column; each node watches three others at most");
  mark($("heat"), "dense", String(dense));
  const lost = new Set(view.nodes.filter((each) => isLost(each.verdict)).map((each) => each.name));
  const rows = ["", ...from];
  list($("heat"), rows, (name) => `row ${name}`, (name) => `${name} ${to} ${[...lost]} ` + JSON.stringify([...(view.probes.get(name) || [])]),
    (name) => of("tr", {}, name === ""
      ? [of("td", {}), ...to.map((each) => of("th", { scope: "col" }, tag(each, view.hue(each))))]
      : [of("th", { scope: "row" }, tag(name, view.hue(name))), ...to.map((each) => cell(name, each, view.probes.get(name).get(each), lost, dense))]));
}

function cell(from, to, trips, lost, dense) {
  if (from === to) return of("td", { class: "self" });
  if (lost.has(to)) return of("td", { class: "none", title: `${to} is lost` }, "✗");
  const trip = trips && (trips.echo || trips.arp);
  if (!trip) return of("td", { class: "unwatched", title: `${from} does not watch ${to}` }, "·");
  const [mean, , longest] = trip;
  const heat = Math.min(1, Math.max(0, Math.log10(Math.max(mean, 1) / 20) / 3)); // 20 µs to 20 ms
  const text = mean < 1000 ? `${mean} µs` : inSeconds(mean / 1000);
  const all = Object.entries(trips).map(([kind, [each]]) => `${kind === "arp" ? "ARP or ND" : "ICMP echo"} ${each} µs`);
  const made = of("td", { class: "trip", title: `${from} to ${to}: ${all.join(", ")}; longest of late ${longest} µs` }, dense ? "" : text);
  made.style.setProperty("--heat", heat.toFixed(2));
  return made;
}
