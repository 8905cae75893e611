// The few ways in which this page makes and changes elements. Texts from elsewhere only ever become text nodes.

export const $ = (id) => document.getElementById(id);

/** An element: `of("p", {class: "x", onclick: f}, "text", child, ...)`; null and false children are left out. */
export function of(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) attribute(element, name, value);
  element.append(...children.flat().filter((each) => each !== null && each !== undefined && each !== false));
  return element;
}

function attribute(element, name, value) {
  if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
  else if (name === "hue") element.style.setProperty("--hue", value);
  else if (value === true) element.setAttribute(name, "");
  else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
}

/** Set a text, if it is another one. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function show(element, visible) {
  if (element.hidden === visible) element.hidden = !visible;
}

export function mark(element, name, value) {
  if (element.dataset[name] !== value) element.dataset[name] = value;
}

/**
 * Let `parent` have one child for each item, in order, made anew only where `print(item)` has changed: what has
 * the focus keeps it.
 */
export function list(parent, items, key, print, make) {
  const known = new Map(Array.from(parent.children, (child) => [child.dataset.key, child]));
  let at = parent.firstElementChild;
  for (const item of items) {
    const name = key(item);
    const look = print(item);
    let child = known.get(name);
    known.delete(name);
    if (!child || child.look !== look) {
      const made = make(item, child);
      made.dataset.key = name;
      made.look = look;
      if (child) {
        const path = focusPath(child);
        if (at === child) at = made;
        child.replaceWith(made);
        refocus(made, path);
      }
      child = made;
    }
    if (child === at) at = at.nextElementSibling;
    else parent.insertBefore(child, at);
  }
  for (const gone of known.values()) gone.remove();
}

/** Where the focus is in an element: the name of its button, or null. */
function focusPath(element) {
  const active = document.activeElement;
  return active && element.contains(active) ? active.dataset.name || "" : null;
}

function refocus(element, name) {
  if (name === null) return;
  const found = name ? element.querySelector(`[data-name="${CSS.escape(name)}"]`) : null;
  const target = found && !found.disabled ? found : element.matches("button, [tabindex]") ? element : element.querySelector("button");
  target?.focus({ preventScroll: true });
}

/** A time on the wall of the server, as an age. */
export function age(milliseconds) {
  const seconds = Math.max(0, milliseconds / 1000);
  if (seconds < 1) return "just now";
  if (seconds < 90) return `${Math.floor(seconds)} s ago`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 129600) return `${Math.round(seconds / 3600)} h ago`;
  return `${Math.round(seconds / 86400)} d ago`;
}

export function many(count, one, more = `${one}s`) {
  return `${count.toLocaleString("en")} ${count === 1 ? one : more}`;
}

export function clock(time) {
  return new Date(time).toTimeString().slice(0, 8);
}

export function inSeconds(ms) {
  return ms === 0 ? "0 ms" : ms < 10 ? `${ms.toFixed(1)} ms` : ms < 10000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/** A node's name with its colour, and a sign that does not need it. */
export function node(name, hue, extra = {}) {
  return name
    ? of("span", { class: "node", hue, ...extra }, of("i", { "aria-hidden": "true" }), name)
    : of("span", { class: "node nobody", ...extra }, "nobody");
}

/** Text in which `commands` between backquotes are code. */
export function prose(text) {
  return text.split("`").map((part, at) => (at % 2 ? of("code", {}, part) : part));
}
