// What opens over the page: why an address is where it is, what would move, a drain with its counts, help.

import { $, age, many, node as tag, of, prose } from "./dom.js";
import { partsOf, percent, shared, stretch } from "./shares.js";

const AGAIN = 400; // ms between two looks at a drain
const NAMED = 12;
let opened = 0; // what comes late for a dialog that was closed is dropped

export async function ask(path, options = {}) {
  const answer = await fetch(path, { cache: "no-store", ...options });
  const data = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(data.error || `the server answers ${answer.status}`);
  return data;
}

function open(title, ...body) {
  opened += 1;
  $("dialog-title").replaceChildren(...[title].flat());
  $("dialog-body").replaceChildren(...body);
  if (!$("dialog").open) $("dialog").showModal();
  return opened;
}

function fill(turn, ...body) {
  if (turn === opened && $("dialog").open) $("dialog-body").replaceChildren(...body.flat().filter(Boolean));
}

async function filled(title, question, draw) {
  const turn = open(title, of("p", { class: "hint" }, "asking …"));
  try {
    const data = await question();
    fill(turn, ...draw(data));
  } catch (error) {
    fill(turn, of("p", { class: "problem critical" }, String(error.message || error)));
  }
}

export function explain(view, key) {
  const see = (name) => tag(name, view.hue(name));
  return filled(key, () => ask(`v1/explain/${encodeURIComponent(key)}`), (found) => [
    ...led(found, view, see),
    of("p", { class: "why" }, `since ${age(view.now() - Date.parse(found.since))}: ${found.change}`),
    ...found.problems.map((each) => of("p", { class: "problem warning" }, each)),
    of("h3", {}, "Who comes next, and why"),
    of("ol", { class: "places" }, found.places.map((place) => of("li", {},
      see(place.node), " ", of("span", { class: "verdict-word" }, place.verdict), place.share ? of("b", {}, ` ${percent(place.share)}`) : null, of("p", { class: "why" }, place.why),
      place.verdict !== "alive" && of("p", { class: "why" }, place.evidence)))),
    ...checks(found, view, see),
    found.exclusions.length > 0 && of("h3", {}, "Out"),
    of("ul", { class: "places" }, found.exclusions.map((each) => of("li", {}, see(each.node), of("p", { class: "why" }, each.why)))),
    found.passing_on.length > 0 && of("h3", {}, "Connections passed on"),
    of("ul", { class: "places" }, found.passing_on.map((each) => of("li", {},
      of("span", { class: "mono" }, each.address), " to ", see(each.node), each.connections === null ? ", not counted yet" : `: ${many(each.connections, "connection")}`))),
    found.clients.length > 0 && of("h3", {}, `Clients that asked for it: ${found.clients_known}`),
    found.clients.length > 0 && of("p", { class: "mono clients" }, found.clients.map((each) => of("span", { title: each.mac }, each.address))),
    found.leader && of("p", { class: "acts" }, of("button", { onclick: () => whatIf(view, found.leader, "down") }, `What if ${found.leader} dies?`)),
  ]);
}

/** Who answers for it: one node, or several, each a part of its clients, or of its new connections. */
function led(found, view, see) {
  const by = found.sharing?.by || "";
  const parts = by ? found.places.filter((each) => each.share).map((each) => ({ node: each.node, part: each.share })) : [];
  const joint = by === "client" && parts.length > 0;
  return [
    of("p", {}, of("b", {}, found.service), " ", of("span", { class: "mono" }, found.addresses.join(" ")), joint ? " is shared" : [" is led by ", see(found.leader)]),
    parts.length > 0 && of("p", { class: "why" }, `${shared(by)} go to`, partsOf(parts, view, shared(by))),
    ...(found.mute || []).map((name) => of("p", { class: "problem warning" }, `${name} does not answer its share: those that watch it stand in`)),
  ];
}

/** What is checked on the node that was asked, as it stands. */
function checks(found, view, see) {
  if (!found.checks?.length) return [];
  return [
    of("h3", {}, "Checks on ", see(found.asked || view.me)),
    of("ul", { class: "places" }, found.checks.map((each) => of("li", {},
      of("span", { class: `verdict-word ${each.state === "well" ? "well" : "look"}` }, `${{ well: "●", failing: "✗" }[each.state] || "○"} ${each.state}`),
      " ", of("span", { class: "mono" }, each.check),
      of("p", { class: "why" }, [each.since ? `since ${age(view.now() - Date.parse(each.since))}` : "", each.why, each.output].filter(Boolean).join("; "))))),
  ];
}

export function whatIf(view, name, how) {
  const other = how === "down" ? "drain" : "down";
  const words = { down: `If ${name} dies`, drain: `If ${name} is drained` };
  return filled(words[how], () => ask(`v1/what-if?${how}=${encodeURIComponent(name)}`), (found) => [
    ...moves(view, found),
    of("p", { class: "acts" }, of("button", { onclick: () => whatIf(view, name, other) }, `${words[other]} …`)),
  ]);
}

/** Moves with the same way and reason are one. */
function moves(view, found) {
  const groups = new Map();
  for (const each of found.moves) {
    const key = JSON.stringify([each.before, each.after, each.why, each.shares]);
    groups.set(key, [...(groups.get(key) || []), each]);
  }
  const see = (name) => tag(name, view.hue(name));
  const total = Math.max(1, found.total);
  return [
    found.moves.length ? null : of("p", {}, "nothing would move"),
    of("ul", { class: "places" }, [...groups.values()].map((alike) => of("li", {},
      ...way(alike[0], view, see, of("b", {}, many(alike.length, "service"))),
      alike[0].sharing?.by !== "client" && of("p", { class: "bar-of", "aria-hidden": "true" }, stretch(alike.length / total, view.hue(alike[0].after))),
      of("p", { class: "mono" }, alike.slice(0, NAMED).flatMap((each) => each.addresses).join("  ") + (alike.length > NAMED ? ` and ${alike.length - NAMED} more` : "")),
      of("p", { class: "why" }, alike[0].why)))),
    of("p", { class: "hint" }, `${found.staying} of ${found.total} services stay where they are`),
  ].filter(Boolean);
}

/** From whom it would go to whom; the parts before and after, where it is shared. */
function way(move, view, see, count) {
  const leads = of("p", {}, see(move.before), " → ", see(move.after), " ", count);
  if (!move.shares) return [leads];
  const by = shared(move.sharing.by);
  const parts = (all) => partsOf(Object.entries(all).map(([node, part]) => ({ node, part })), view, by);
  return [
    move.sharing.by === "client" ? of("p", {}, `${by}: `, count) : leads,
    of("p", {}, of("small", {}, "now"), parts(move.shares.before), of("small", {}, "then"), parts(move.shares.after)),
  ];
}

/** `act(what, node)` does it, null where this page may not. */
export async function offerDrain(view, model, name, act) {
  const draining = view.nodes.find((each) => each.name === name)?.verdict === "draining";
  const turn = open(["Drain ", tag(name, view.hue(name))], of("div", {}), of("div", {}));
  const [above, below] = $("dialog-body").children;
  const command = (undo) => of("p", {}, "On any node: ", of("code", {}, `roost drain ${name}${undo ? " --undo" : ""}`));
  const button = (what, text) => of("button", {
    class: what === "drain" ? "harm" : "mend",
    onclick: async (event) => {
      event.target.disabled = true;
      try {
        await act(what, name);
        if (turn === opened) follow(turn, below, name);
        above.replaceChildren(...offers(what === "drain"));
        above.querySelector("button")?.focus();
      } catch (error) {
        below.replaceChildren(of("p", { class: "problem critical" }, String(error.message || error)));
      }
    },
  }, text);
  const offers = (is) => [
    of("p", { class: "why" }, is
      ? `${name} leads only what no other node can, and serves the connections that are open there.`
      : `Its addresses are handed over, the successors answering first; open connections go on. ${name} stays a member.`),
    act ? of("p", { class: "acts" }, is ? button("undrain", `Let ${name} lead again`) : button("drain", `Drain ${name}`)) : command(is),
  ];
  above.replaceChildren(...offers(draining));
  if (draining) return follow(turn, below, name);
  try {
    const found = await ask(`v1/what-if?drain=${encodeURIComponent(name)}`);
    if (turn === opened && !below.hasChildNodes()) below.replaceChildren(...moves(view, found));
  } catch (error) {
    if (turn === opened) below.replaceChildren(of("p", { class: "problem warning" }, String(error.message || error)));
  }
  return undefined;
}

/** Show how far a drain is, as the node itself says, until the dialog is closed. */
async function follow(turn, where, name) {
  let most = 0;
  while (turn === opened && $("dialog").open) {
    try {
      const found = await ask(`v1/drain/${encodeURIComponent(name)}`);
      if (turn === opened) where.replaceChildren(...progress(found, most));
      most = Math.max(most, found.leads || 0);
    } catch (error) {
      where.replaceChildren(of("p", { class: "problem warning" }, String(error.message || error)));
    }
    await new Promise((resolve) => { setTimeout(resolve, AGAIN); });
  }
}

function progress(found, most) {
  if (!found.known) return [of("p", { class: "hint" }, "no word from it yet …")];
  const done = found.draining && found.leads === 0 && found.connections === 0 && found.quiet >= 1;
  const state = !found.draining ? "It leads again." : done ? "● Done: nothing depends on this node any more." : "◐ Under way …";
  const figure = (value, words) => of("div", { class: "figure" }, of("b", {}, value), of("span", {}, words));
  return [
    of("p", { class: done ? "well" : "" }, of("b", {}, state)),
    of("p", { class: "bar-of", "aria-hidden": "true" }, stretch(most ? 1 - found.leads / most : 1, "#2b9d75")),
    of("div", { class: "figures" },
      figure(found.leads.toLocaleString("en"), found.leads === 1 ? "address is led here still" : "addresses are led here still"),
      figure(found.connections.toLocaleString("en"), found.connections === 1 ? "connection is open here" : "connections are open here"),
      figure(found.packets.toLocaleString("en"), "packets came for addresses of others"),
      figure(`${found.quiet.toFixed(1)} s`, "since the last one")),
  ];
}

export function help(mode) {
  const key = (name, text) => of("li", {}, of("kbd", {}, name), " ", text);
  open("Keys and signs",
    of("ul", { class: "keys" },
      key("Tab", "to the next button; Enter presses it"), key("/", "filter the addresses"), key("↑ ↓", "from row to row of the table"),
      key("n", "to the nodes"), key("m", "to what moved"), key("a", "to the addresses"),
      mode === "lab" && key("c", "to what the clients see"),
      key("t", "dark, light, as the system"), key("Esc", "close"), key("?", "this")),
    of("p", {}, "● well  ◐ look at it  ✗ broken; colours stand for nodes, and repeat what words say."),
    of("p", { class: "why" }, ...prose("Ages are by the server's clock. What is told twice by several speakers is shown once. All this is in `roost status --json`, too.")));
}

$("dialog").addEventListener("close", () => { opened += 1; });
$("dialog").addEventListener("click", (event) => { if (event.target === $("dialog")) $("dialog").close(); });
