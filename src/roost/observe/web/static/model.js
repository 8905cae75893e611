// What the server has said, and what follows from it when several speakers say it. No element is touched here.

const HUES = ["#3f7fd0", "#e08a1e", "#2b9d75", "#b45aa6", "#1aa0b4", "#94743a", "#7d70f2", "#8f9a2f"];
const DARK = 3000; // ms: the same move told by several speakers within that is one
const EVENTS = 400;
const NAMED = 8; // services that the server names of one move
const LANE = 300; // tenths of a second

export class Model {
  constructor() {
    this.hello = { mode: "", acts: [] };
    this.offset = 0; // the server's clock less this one's
    this.reset();
  }

  reset() {
    this.sources = new Map();
    this.events = [];
    this.answers = new Map(); // client -> [{t, lanes}]
    this.ready = false;
  }

  now() {
    return Date.now() + this.offset;
  }

  /** Take a message. Returns what it changed: "all", "answers". */
  take(message) {
    if (message.hello) {
      this.reset();
      this.hello = message.hello;
      this.offset = message.hello.now * 1000 - Date.now();
      return "all";
    }
    if (message.ready) {
      this.ready = true;
      return "all";
    }
    if (message.gone) {
      this.sources.delete(message.source);
      return "all";
    }
    if (message.tell) return this.#tell(message.source, message.tell);
    const source = this.#source(message.source);
    for (const [section, values] of Object.entries(message.set || {})) {
      const known = source.get(section) || new Map();
      source.set(section, known);
      for (const [key, value] of Object.entries(values)) {
        if (value === null) known.delete(key);
        else known.set(key, value);
      }
      if (section === "self" && values.cut_off) this.#wasCutOff(message.source);
    }
    return "all";
  }

  #source(name) {
    if (!this.sources.has(name)) this.sources.set(name, new Map());
    return this.sources.get(name);
  }

  #tell(source, kinds) {
    for (const each of kinds.answers || []) {
      const lane = this.answers.get(each.client) || [];
      this.answers.set(each.client, lane);
      lane.push(each);
      if (lane.length > LANE) lane.shift();
    }
    for (const each of kinds.events || []) this.#happened(source, each);
    return kinds.events ? "all" : "answers";
  }

  /** Keep events in order; what several speakers tell of one move is one event, with the best of their words. */
  #happened(source, event) {
    const at = Date.parse(event.time);
    const one = { ...event, at, by: [source], key: `${at} ${source} ${event.what} ${JSON.stringify(event.facts)}`, astray: this.#isCutOff(source) };
    if (event.what === "lead moved") {
      const known = this.events.find((each) => isSame(each, one));
      if (known) {
        known.by.push(source);
        known.astray = known.astray && one.astray;
        if (event.facts.silent_s !== undefined || event.count > known.count) Object.assign(known, { facts: event.facts, count: Math.max(event.count, known.count) });
        return;
      }
    }
    let place = this.events.length;
    while (place > 0 && this.events[place - 1].at > at) place -= 1;
    this.events.splice(place, 0, one);
    if (this.events.length > EVENTS) this.events.shift();
  }

  #isCutOff(source) {
    return this.section(source, "self").get("cut_off") === true;
  }

  /** What a node took for true just before it noticed that it hears nobody was an error. */
  #wasCutOff(source) {
    for (const each of this.events) if (each.at > this.now() - DARK && each.by.every((by) => by === source)) each.astray = true;
  }

  /** Moves that speakers agree on, as far as there are several. */
  moves(view) {
    return this.events.filter((each) => each.what === "lead moved" && !this.isAlone(each, view));
  }

  isAlone(event, view) {
    return event.what === "lead moved" && (event.astray || event.by.length * 2 < view.sound);
  }

  section(source, name) {
    return this.sources.get(source)?.get(name) || new Map();
  }

  /** What the page shows: nodes, services, problems, round trips; who says so counts by how well it can know. */
  view() {
    const speakers = [...this.sources].filter(([, sections]) => sections.has("self"))
      .map(([name, sections]) => ({ name, sections, self: sections.get("self"), why: sections.get("reach")?.get("why") || "" }));
    const sound = speakers.filter((each) => !each.why && each.self.get("settled") && !each.self.get("cut_off"));
    const trusted = sound.length ? sound : speakers;
    const services = this.#services(speakers, trusted);
    const nodes = this.#nodes(speakers, trusted, services);
    const hues = new Map(nodes.map((each, at) => [each.name, HUES[at % HUES.length]]));
    const astray = new Set(speakers.filter((each) => !sound.includes(each)).map((each) => each.name));
    return {
      mode: this.hello.mode,
      me: this.hello.me,
      now: () => this.now(),
      astray,
      speakers,
      sound: sound.length,
      services,
      nodes,
      hue: (name) => hues.get(name) || "#8a8f98",
      problems: this.#problems(speakers),
      probes: new Map(speakers.map((each) => [each.name, each.sections.get("probes") || new Map()]).sort(([a], [b]) => order(a, b))),
      finding: this.section("", "finding").get("why") || "",
    };
  }

  #services(speakers, trusted) {
    const found = new Map();
    for (const { name: speaker, sections, why } of speakers) {
      for (const [name, row] of sections.get("services") || []) {
        let service = found.get(name);
        if (!service) {
          service = { name, addresses: row.addresses, leaders: new Map(), here: [], connections: 0, passing: [] };
          found.set(name, service);
        }
        if (row.here && !why) service.here.push(speaker);
        if (row.connections && !why) service.connections += row.connections;
        for (const [holder, count] of Object.entries(row.passing_on || {})) service.passing.push({ by: speaker, holder, count });
      }
    }
    for (const { name: speaker, sections } of trusted) {
      for (const [name, row] of sections.get("services") || []) {
        const leaders = found.get(name).leaders;
        const word = row.leader || "";
        const known = leaders.get(word) || { by: [], since: 0 };
        leaders.set(word, known);
        known.by.push(speaker);
        known.since = Math.max(known.since, Date.parse(row.since));
      }
    }
    for (const service of found.values()) {
      // The leader's own word weighs most where words differ: it is the one that answers.
      const said = [...service.leaders].sort(([a, one], [b, other]) =>
        other.by.length + other.by.includes(b) / 2 - (one.by.length + one.by.includes(a) / 2));
      [service.leader, { since: service.since }] = said[0] || ["", { since: 0 }];
      this.#share(service, speakers);
      service.differ = said.slice(1).map(([leader, { by }]) => `${by.join(", ")}: ${leader || "nobody"}`);
    }
    return [...found.values()].sort((a, b) => order(a.name, b.name));
  }

  /** Who has which part of it, by the leader's word, else by anybody's; who share its clients answer all for it. */
  #share(service, speakers) {
    const row = (each) => each.sections.get("services")?.get(service.name);
    const told = speakers.filter((each) => !each.why && row(each)?.shares);
    const source = told.find((each) => each.name === service.leader) || told[0];
    const { shared_by: by = "", shares = {} } = source ? row(source) : {};
    service.shared = by;
    service.parts = Object.entries(shares).map(([node, part]) => ({ node, part })).sort((a, b) => order(a.node, b.node));
    service.answerers = by === "client" && service.parts.length ? service.parts.map((each) => each.node) : [service.leader];
  }

  #nodes(speakers, trusted, services) {
    const found = new Map();
    const lab = this.section("lab", "nodes");
    for (const { name: speaker, sections } of [...trusted, ...speakers.filter((each) => !trusted.includes(each))]) {
      for (const [name, member] of sections.get("members") || []) {
        const node = found.get(name) || { name, words: [] };
        found.set(name, node);
        node.words.push({ by: speaker, ...member });
      }
    }
    for (const name of lab.keys()) if (!found.has(name)) found.set(name, { name, words: [] });
    for (const node of found.values()) {
      const speaker = speakers.find((each) => each.name === node.name);
      const able = new Set(trusted.map((each) => each.name));
      const others = node.words.filter((each) => able.has(each.by) && each.by !== node.name);
      const words = others.length ? others : node.words;
      const counts = new Map();
      for (const each of words) counts.set(each.verdict, (counts.get(each.verdict) || 0) + 1);
      const [verdict] = [...counts].sort((a, b) => b[1] - a[1])[0] || ["unknown"];
      const word = words.find((each) => each.verdict === verdict) || {};
      Object.assign(node, {
        verdict: verdict === "alive" && word.draining ? "draining" : verdict,
        address: word.address || "",
        evidence: word.evidence === "this node" ? "" : word.evidence || "",
        since: Date.parse(word.since) || 0,
        silent: speaker ? speaker.why : "",
        cutOff: Boolean(speaker && !speaker.why && speaker.self.get("cut_off")),
        settled: speaker ? Boolean(speaker.self.get("settled")) : true,
        clients: speaker ? speaker.self.get("clients") : null,
        responders: speaker ? speaker.self.get("responders") || [] : [],
        faults: lab.get(node.name)?.faults || [],
        runs: lab.get(node.name)?.runs ?? true,
        leads: services.filter((each) => each.answerers.includes(node.name)),
        weight: services.reduce((sum, each) => sum + weight(each, node.name), 0),
        takes: services.filter((each) => !each.answerers.includes(node.name) && each.parts.some((one) => one.node === node.name)),
      });
    }
    return [...found.values()].sort((a, b) => order(a.name, b.name));
  }

  #problems(speakers) {
    const found = new Map();
    for (const { name, sections, why } of speakers) {
      if (why) {
        // In the lab it is seen at the node; what a dead speaker complained of last is no news.
        const text = `${name}: ${why}`;
        found.set(text, { key: text, kind: "no word", severity: "warning", text, cure: "is `roost speaker` running there?", by: [] });
        continue;
      }
      for (const each of (sections.get("problems") || new Map()).values()) {
        // What is said of one node by several, and by itself, is said once, in the words of another.
        const [about] = /`roost (drain|forget) [^`\s]+/.exec(each.cure) || [];
        const key = `${each.kind} ${about || each.text}`;
        const known = found.get(key);
        const own = each.text.includes("this node");
        const text = this.hello.mode === "speaker" ? each.text : each.text.replaceAll("this node", name);
        if (!known) found.set(key, { ...each, text, own, key, by: [name] });
        else {
          known.by.push(name);
          if (known.own) Object.assign(known, { text, own });
        }
      }
    }
    return [...found.values()].sort((a, b) => (a.severity === "critical" ? 0 : 1) - (b.severity === "critical" ? 0 : 1));
  }
}

/** How much of a service a node answers for, from 0 to 1. */
function weight(service, node) {
  if (service.shared !== "client") return service.leader === node ? 1 : 0;
  return service.parts.find((each) => each.node === node)?.part || 0;
}

/** Whether two speakers tell of one move, each perhaps of a part of it. */
function isSame(known, one) {
  if (known.what !== one.what || known.by.includes(one.by[0]) || Math.abs(known.at - one.at) > DARK) return false;
  if ((known.facts.from || "") !== (one.facts.from || "") || (known.facts.to || "") !== (one.facts.to || "")) return false;
  if (known.count > NAMED || one.count > NAMED) return true;
  const [few, all] = [named(known), named(one)].sort((a, b) => a.length - b.length);
  return few.every((each) => all.includes(each));
}

function named(event) {
  return event.facts.services || [event.facts.service];
}

/** Names as people count: n2 before n10. */
const collator = new Intl.Collator("en", { numeric: true });
export const order = collator.compare;
