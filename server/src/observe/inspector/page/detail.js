// One record: its layers from the outside in, its bytes and what each part of them means.

import { parts } from "./bytes.js";
import { el, visible } from "./dom.js";
import { bytesOf, whole } from "./journal.js";
import { decode, hex, rule, table } from "./parts.js";
import { RULES } from "./rules.js";
import { LAYER_NAMES, duration, meaning, nameOf, who } from "./words.js";

/** The most of a text that is shown. */
const TEXT = 20_000;
/** The most records that are named of those that came out of one. */
const CHILDREN = 12;

const section = (title, ...content) => el("section", {}, el("h3", {}, title), ...content);

/** `open(entry)`, `look(session)` and `explain(line, revision)` are called for what is chosen. */
export function detail(entry, model, { open, look, explain }) {
  const record = whole(entry);
  const session = model.sessions.get(entry.session);
  const means = meaning(record, session);
  const explained = [entry, ...model.sources(entry).reverse()].find((one) => !session?.plain && isExplained(whole(one)));
  const top = session && el("button", { className: "link", onclick: () => look(session) }, `Session #${session.number}`);
  if (top) top.dataset.key = "session";
  return [
    el("p", { className: "eyebrow" }, LAYER_NAMES[entry.layer], top && " · ", top),
    el("h2", {}, visible(nameOf(record).slice(0, 200))),
    means && el("p", { className: "means" }, `${visible(means)}.`),
    el("p", { className: "where" }, place(entry, record, session)),
    breach(record),
    layers(entry, model, open),
    explained && el("p", {}, el("button", { className: "link", onclick: () => explain(explained.line, session?.revision) }, "Explain each byte")),
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

/** Whether the explainer takes the bytes of a record. An attachment means nothing without its packet. */
function isExplained({ kind, carrier, opcode, fin, binary, raw }) {
  if (typeof raw !== "string") return false;
  return (kind === "body" && !raw.startsWith("d=")) || (kind === "frame" && opcode === "text" && fin) || (kind === "packet" && carrier === "get" && !binary);
}

/** The rule that a record says was broken. */
function breach({ kind, rule: broken, fault }) {
  const id = kind === "violation" ? broken : kind === "refused" ? fault : undefined;
  if (id === undefined || !Object.hasOwn(RULES, id)) return undefined;
  const [, section, answer] = RULES[id];
  return rule({ id, section, answer });
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

function headers(pairs) {
  return el("dl", { className: "facts headers" }, ...pairs.flatMap(([name, value]) => [el("dt", {}, visible(name)), el("dd", {}, el("code", {}, visible(value)))]));
}

function code(text) {
  const shown = text.length > TEXT ? `${text.slice(0, TEXT)}\n… ${text.length - TEXT} more characters` : text;
  return el("pre", { className: "code", tabIndex: 0 }, shown.split("\n").map(visible).join("\n"));
}
