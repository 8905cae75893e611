// What several nodes share: a bar, and each one's part in words.

import { node as tag, of } from "./dom.js";

const NAMED = 4; // nodes, each in words

export function percent(part) {
  return `${Math.round(part * 100)} %`;
}

/** As much of a bar, from 0 to 1. */
export function stretch(part, hue) {
  const made = of("i", { hue });
  made.style.setProperty("--part", part.toFixed(3));
  return made;
}

/** `parts` are [{node, part}]; `what` is shared, in words. */
export function partsOf(parts, view, what) {
  const words = parts.map((each) => `${each.node} ${percent(each.part)}`).join(", ");
  const bar = of("span", { class: "part-bar", role: "img", "aria-label": `${what}: ${words}` },
    parts.map((each) => stretch(each.part, view.hue(each.node))));
  return of("span", { class: "parts", title: `${what}: ${words}` }, bar, parts.length > NAMED
    ? `${parts.length} nodes`
    : parts.flatMap((each) => [of("span", { class: "part" }, tag(each.node, view.hue(each.node)), of("small", {}, ` ${percent(each.part)}`)), " "]));
}

/** What it is that nodes share, by how they do. */
export function shared(by) {
  return by === "connection" ? "new connections" : "clients";
}
