// The list of records: which of a journal's are shown, and how a row looks.

import { bytesOf, whole } from "./journal.js";
import { $, el, visible } from "./dom.js";
import { Queue } from "./queue.js";
import { Rows } from "./rows.js";
import { meaning, nameOf } from "./words.js";

/** The most of what is on the wire that a row shows, in characters. */
const LONGEST = 240;

const DEPTH = { http: 0, websocket: 0, engineio: 1, socketio: 2, application: 2, session: 0 };

export class List {
  rows;
  #model;
  #test = () => true;
  /** What is shown of the model: all entries for which the test holds, up to where they were looked at. */
  #shown = new Queue();
  #highest = 0;
  #relative = false;

  /** `open(entry)` is called for Enter or a click, `later()` asks for `render()`. */
  constructor({ open, moved, later }) {
    this.rows = new Rows($("records"), {
      follows: true,
      make,
      draw: (row, index) => this.#draw(row, this.#shown.at(index)),
      open: (index) => open(this.#shown.at(index)),
      moved: (index) => moved(this.#shown.at(index)),
      later,
    });
  }

  get length() {
    return this.#shown.length;
  }

  get active() {
    return this.#shown.at(this.rows.active);
  }

  /** Shows another journal, or other records of it. Times are those of the session if there is just one. */
  ask(model, test, relative) {
    const active = this.active;
    this.#model = model;
    this.#test = test;
    this.#relative = relative;
    this.#shown = new Queue();
    this.#highest = 0;
    for (const entry of model.entries) this.#look(entry);
    this.rows.active = active ? this.#indexOf(active) : -1;
    this.rows.follow = this.rows.active < 0;
    this.rows.redraw();
    this.rows.resize(this.length);
    if (this.rows.active >= 0) this.rows.show(this.rows.active);
  }

  /** Looks at what has come since. */
  update() {
    const { entries } = this.#model;
    let from = entries.length;
    while (from > 0 && entries.at(from - 1).n > this.#highest) from -= 1;
    for (let index = from; index < entries.length; index++) this.#look(entries.at(index));
    const first = entries.at(0)?.n ?? Infinity;
    let fallen = 0;
    for (; this.#shown.length > 0 && this.#shown.at(0).n < first; fallen++) this.#shown.shift();
    this.rows.resize(this.length, fallen);
  }

  /** Makes this entry the active one, if it is shown. */
  activate(entry) {
    const index = this.#indexOf(entry);
    if (index >= 0) this.rows.move(index);
    return index >= 0;
  }

  /** The first entry from this time on. */
  from(time) {
    return this.#shown.at(Math.min(this.length - 1, this.#shown.search((entry) => entry.time >= time)));
  }

  #look(entry) {
    this.#highest = Math.max(this.#highest, entry.n);
    if (this.#test(entry)) this.#shown.push(entry);
  }

  #indexOf(entry) {
    const index = this.#shown.search(({ n }) => n >= entry.n);
    return this.#shown.at(index) === entry ? index : -1;
  }

  #draw(row, entry) {
    const record = whole(entry);
    const session = this.#model.sessions.get(entry.session);
    const [time, number, arrow, what, means] = row.children;
    const at = this.#relative && session ? Math.max(0, entry.time - session.began) : entry.time;
    row.className = `record ${entry.layer} ${entry.direction ?? "neither"} kind-${kindClass(entry)}${row.classList.contains("active") ? " active" : ""}`;
    row.dataset.depth = DEPTH[entry.layer];
    time.textContent = `${(at / 1000).toFixed(3)}`;
    number.textContent = entry.session === undefined ? "" : `#${entry.session}`;
    arrow.firstElementChild.textContent = { in: "→", out: "←" }[entry.direction] ?? "·";
    arrow.lastElementChild.textContent = { in: "from the client", out: "from the server" }[entry.direction] ?? "";
    const [name, digits, rest] = what.children;
    const shown = excerpt(entry, record);
    name.textContent = shown.name;
    digits.textContent = shown.digits;
    rest.textContent = shown.rest;
    means.textContent = visible(meaning(record, session));
  }
}

/** A word for the style sheet, of those that it knows. */
function kindClass({ kind, type }) {
  if (kind === "violation" || kind === "refused") return "breach";
  if (["aborted", "limit", "lost", "full", "probe_dropped"].includes(kind)) return "warning";
  if (kind === "response" && Number(type) >= 400) return "breach";
  return "plain";
}

function make() {
  const cell = (name, ...content) => el("span", { className: name }, ...content);
  return el("div", {}, cell("time"), cell("number"), cell("arrow", el("span", { ariaHidden: "true" }), el("span", { className: "hidden" })), cell("what", el("b"), el("em"), el("code")), cell("means"));
}

/** The name, the digits that say the type, and what follows them. */
function excerpt(entry, record) {
  const raw = rawText(record);
  switch (entry.kind) {
    case "request":
      return { name: record.method, digits: "", rest: cut(record.target) };
    case "packet": {
      const digits = record.binary ? "" : raw.slice(0, 1);
      return { name: record.packet, digits, rest: cut(raw.slice(digits.length)) };
    }
    case "frame":
    case "response":
    case "body":
    case "attachment":
      return { name: nameOf(record), digits: "", rest: cut(raw) };
    case "socket_packet": {
      const nsp = record.nsp === "/" ? "" : `${record.nsp} `;
      return { name: nameOf(record), digits: "", rest: cut(`${nsp}${raw}`) };
    }
    case "opened":
      return { name: "opened", digits: "", rest: cut(String(record.sid)) };
    case "joined":
    case "left":
      return { name: entry.kind, digits: "", rest: cut(`${record.nsp} ${record.socket}`) };
    case "room_joined":
    case "room_left":
      return { name: nameOf(record), digits: "", rest: cut(`${record.nsp} ${record.room}`) };
    default:
      return { name: visible(nameOf(record)), digits: "", rest: "" };
  }
}

const cut = (text) => visible(text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text);

function rawText(record) {
  if (typeof record.raw === "string") return record.raw;
  const bytes = bytesOf(record);
  if (!bytes) return "";
  const hex = [...bytes.slice(0, 40)].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
  return bytes.length > 40 ? `${hex} … ${bytes.length} bytes` : hex;
}
