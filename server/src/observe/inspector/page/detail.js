// One record: its layers from the outside in, its bytes and what each part of them means.

import { decode, dump, parts } from "./bytes.js";
import { el, visible } from "./dom.js";
import { bytesOf, whole } from "./journal.js";
import { RULES } from "./rules.js";
import { LAYER_NAMES, duration, meaning, nameOf, who } from "./words.js";

/** The most bytes that are shown at first, and the most of a text. */
const BYTES = 1024;
const TEXT = 20_000;
/** The most records that are named of those that came out of one. */
const CHILDREN = 12;

const section = (title, ...content) => el("section", {}, el("h3", {}, title), ...content);

/** `open(entry)` and `look(session)` are called for what is chosen. */
export function detail(entry, model, open, look) {
  const record = whole(entry);
  const session = model.sessions.get(entry.session);
  const means = meaning(record, session);
  const top = session && el("button", { className: "link", onclick: () => look(session) }, `Session #${session.number}`);
  if (top) top.dataset.key = "session";
  return [
    el("p", { className: "eyebrow" }, LAYER_NAMES[entry.layer], top && " · ", top),
    el("h2", {}, visible(nameOf(record).slice(0, 200))),
    means && el("p", { className: "means" }, `${visible(means)}.`),
    el("p", { className: "where" }, place(entry, record, session)),
    rule(record),
    layers(entry, model, open),
    ...content(entry, record, model, session),
    record.payload !== undefined && section("Payload", code(JSON.stringify(record.payload, undefined, 2))),
    record.headers && section("Headers", headers(record.headers)),
  ];
}

function place(entry, record, session) {
  const by = { get: "by the answer to a GET", post: "by a POST", websocket: "by WebSocket", probe: "by the probing WebSocket" }[entry.carrier];
  const at = session ? `${duration(entry.time - session.began)} into the session` : `${duration(entry.time)} into the journal`;
  return [who(entry.direction), by, at, `record ${record.n}`].filter(Boolean).join(" · ");
}

/** The rule that is broken, where it stands, and what the server does. */
function rule({ kind, rule, fault }) {
  const id = kind === "violation" ? rule : kind === "refused" ? fault : undefined;
  if (id === undefined || !Object.hasOwn(RULES, id)) return undefined;
  const [, section, answer] = RULES[id];
  const address = link(section);
  const where = address ? el("a", { className: "link", href: address, target: "_blank", rel: "noreferrer" }, section) : section;
  return el("div", { className: "rule" }, el("code", {}, id), el("p", {}, "This breaks ", where, ". The server ", answer.replaceAll("`", ""), "."));
}

/** Where a section can be read. */
function link(section) {
  const anchor = section.match(/"([^"]*)"$/)?.[1].toLowerCase().replace(/[^a-z0-9]+/g, "-");
  if (section.startsWith("Engine.IO protocol 4")) return `https://socket.io/docs/v4/engine-io-protocol/#${anchor}`;
  if (section.startsWith("Socket.IO protocol 5")) return `https://socket.io/docs/v4/socket-io-protocol/#${anchor}`;
  const rfc = /^RFC 6455, section (.*)$/.exec(section);
  return rfc ? `https://www.rfc-editor.org/rfc/rfc6455#section-${rfc[1]}` : undefined;
}

/** The records that it came out of and those that came out of it, each of which can be opened. */
function layers(entry, model, open) {
  const outside = [...model.sources(entry), entry];
  const inside = (entry.children ?? []).slice(0, CHILDREN);
  const gone = entry.from !== undefined && !model.source(entry);
  const items = [...outside, ...inside].map((other, index) => {
    const record = whole(other);
    const button = el(
      "button",
      { className: `layer ${other.layer}`, onclick: () => open(other) },
      el("span", { className: "layer-name" }, other.kind === "violation" ? "Breach" : LAYER_NAMES[other.layer]),
      el("span", { className: "layer-what" }, visible(nameOf(record).slice(0, 120))),
    );
    if (other === entry) button.setAttribute("aria-current", "true");
    button.dataset.key = `layer ${other.n}`;
    const item = el("li", {}, button);
    item.style.setProperty("--depth", Math.min(index, outside.length));
    return item;
  });
  return section("Layers", gone && el("p", { className: "quiet" }, "The record that contained it is no longer here."), el("ol", { className: "nest" }, ...items));
}

/** The bytes: in parts, and as a dump. */
function content(entry, record, model, session) {
  const source = wire(entry, record, model, session);
  const bytes = bytesOf(source.record);
  if (!bytes || bytes.length === 0) return [];
  const { revision, socketio } = session ?? {};
  const known = source.form ? parts(bytes, source.form, { revision, socketio }) : [];
  const view = [];
  if (known.length > 0) view.push(section("What each part means", table(known)));
  view.push(section(`Bytes, ${bytes.length.toLocaleString("en")} of them`, hex(bytes, known)));
  const text = decode(bytes);
  if (known.length === 0 && text !== undefined) view.push(section("Text", code(text)));
  return view;
}

/** What is shown as bytes, and what it is: a Socket.IO packet has its header in the Engine.IO packet around it. */
function wire(entry, record, model, session) {
  switch (entry.kind) {
    case "socket_packet": {
      const packet = model.source(entry);
      return packet ? { record: whole(packet), form: whole(packet).binary ? "binary" : "packet" } : { record };
    }
    case "packet":
      return { record, form: record.binary ? "binary" : "packet" };
    case "attachment":
      return { record, form: "binary" };
    case "frame":
      if (record.opcode === "text" && record.fin && !session?.plain) return { record, form: "packet" };
      return { record, form: record.opcode === "binary" ? "binary" : undefined };
    case "body":
      return { record, form: "payload" };
    case "response":
      return { record, form: answersPoll(entry, model) ? "payload" : undefined };
    case "violation":
    case "refused": {
      // What was wrong is in what it came out of.
      const source = model.source(entry);
      return source ? wire(source, whole(source), model, session) : { record };
    }
    default:
      return { record };
  }
}

function answersPoll(entry, model) {
  const request = model.source(entry);
  return request?.type === "GET" && entry.type === "200" && whole(request).target.includes("transport=polling");
}

function table(known) {
  const rows = known.map(({ start, end, depth, text, means }, index) => {
    const row = el(
      "tr",
      { tabIndex: -1 },
      el("td", { className: "offset" }, String(start)),
      el("td", {}, el("code", {}, visible(text.length > 60 ? `${text.slice(0, 60)}…` : text) || (end > start ? "" : "(nothing)"))),
      el("td", {}, means),
    );
    row.dataset.part = index;
    row.style.setProperty("--depth", depth);
    row.className = `tint-${index % 6}`;
    return row;
  });
  const head = el("tr", {}, ...["At", "On the wire", "Means"].map((name) => el("th", { scope: "col" }, name)));
  return el("table", { className: "parts" }, el("thead", {}, head), el("tbody", {}, ...rows));
}

/** A hex dump with the text beside it, in the tints of the parts. */
function hex(bytes, known, most = BYTES) {
  // Sixteen bytes a line, as is usual, have no room beside the list.
  const width = matchMedia("(min-width: 110rem)").matches ? 16 : 8;
  const tint = (offset) => {
    // The innermost part is the last that has it.
    const index = known.findLastIndex(({ start, end }) => offset >= start && offset < end);
    return index < 0 ? "" : `tint-${index % 6}`;
  };
  const rows = dump(bytes, width, most / width).map(({ offset, bytes }) => el(
    "div",
    { className: "dump-row" },
    el("span", { className: "offset" }, offset.toString(16).padStart(4, "0")),
    el("span", {}, ...runs(bytes, offset, tint, (byte) => byte.toString(16).padStart(2, "0"), " ")),
    el("span", { className: "ascii", ariaHidden: "true" }, ...runs(bytes, offset, tint, (byte) => (byte > 31 && byte < 127 ? String.fromCharCode(byte) : "·"), "")),
  ));
  const view = el("div", { className: `dump by-${width}`, tabIndex: 0, role: "group", ariaLabel: "Hexadecimal" }, ...rows);
  if (bytes.length > most) {
    const more = el("button", { className: "link" }, `Show more of the other ${(bytes.length - most).toLocaleString("en")} bytes`);
    more.onclick = () => view.replaceWith(hex(bytes, known, most * 16));
    view.append(more);
  }
  return view;
}

/** Neighbours of one tint as one element. */
function runs(bytes, offset, tint, write, between) {
  const found = [];
  bytes.forEach((byte, index) => {
    const className = tint(offset + index);
    const last = found.at(-1);
    if (last?.className === className) last.text += between + write(byte);
    else found.push({ className, text: write(byte) });
  });
  return found.flatMap(({ className, text }, index) => [index > 0 && between, el("span", { className }, text)]);
}

function headers(pairs) {
  return el("dl", { className: "facts headers" }, ...pairs.flatMap(([name, value]) => [el("dt", {}, visible(name)), el("dd", {}, el("code", {}, visible(value)))]));
}

function code(text) {
  const shown = text.length > TEXT ? `${text.slice(0, TEXT)}\n… ${text.length - TEXT} more characters` : text;
  return el("pre", { tabIndex: 0 }, shown.split("\n").map(visible).join("\n"));
}
