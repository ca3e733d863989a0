// What each part of some bytes means, layer by layer: a payload, its packets, the Socket.IO packet in one.

import { decode } from "./parts.js";

const SEPARATOR = "\x1e";
/** How many packets and arguments are looked at one by one. */
const MOST = 100;

const ENGINE = {
  0: ["open", "the session's id and its rules"],
  1: ["close", "the session is over"],
  2: ["ping", "are you there?"],
  3: ["pong", "yes, I am"],
  4: ["message", "the rest belongs to Socket.IO"],
  5: ["upgrade", "everything goes by WebSocket from now on"],
  6: ["noop", "nothing: it only answers a waiting GET"],
};

const SOCKET = {
  0: ["CONNECT", "join a namespace"],
  1: ["DISCONNECT", "leave a namespace"],
  2: ["EVENT", "an event with its arguments"],
  3: ["ACK", "the answer to an event"],
  4: ["CONNECT_ERROR", "the client can't join the namespace"],
  5: ["BINARY_EVENT", "an event with attachments"],
  6: ["BINARY_ACK", "an answer with attachments"],
};

/**
 * The parts of `bytes`: `{start, end, depth, text, means}`, offsets in bytes, outer parts before what is in them.
 * `form` is `payload` (a body, of one packet or more), `packet` (as text), or `binary`.
 */
export function parts(bytes, form, { revision = 4, socketio = true } = {}) {
  if (form === "binary") return [binary(bytes)];
  const text = decode(bytes);
  if (text === undefined) return form === "payload" && revision === 3 ? binaryPayload(bytes) : [binary(bytes)];
  const found = new Parts(text, revision, socketio);
  if (form === "packet") found.packet(0, text.length, 0);
  else if (revision === 3) found.countedPayload();
  else found.payload();
  return found.inBytes();
}

function binary(bytes) {
  return { start: 0, end: bytes.length, depth: 0, text: "", means: `${bytes.length} bytes as they are: a binary message` };
}

/** Collects parts of a text, with offsets in UTF-16 units first. */
class Parts {
  #list = [];
  #text;
  #revision;
  #socketio;

  constructor(text, revision, socketio) {
    this.#text = text;
    this.#revision = revision;
    this.#socketio = socketio;
  }

  /** Engine.IO 4: a separator stands between packets. */
  payload() {
    const packets = this.#text.split(SEPARATOR);
    let at = 0;
    packets.slice(0, MOST).forEach((packet, index) => {
      if (index > 0) {
        this.#add(at, at + 1, 0, "separator: another packet follows");
        at += 1;
      }
      this.packet(at, at + packet.length, 0);
      at += packet.length;
    });
    if (packets.length > MOST) this.#add(at, this.#text.length, 0, `${packets.length - MOST} more packets`);
  }

  /** Engine.IO 3: each packet stands behind its length in characters. */
  countedPayload() {
    let at = 0;
    for (let count = 0; at < this.#text.length && count < MOST; count++) {
      const length = /^(\d+):/.exec(this.#text.slice(at, at + 12));
      if (!length) return this.#add(at, this.#text.length, 0, "the length is missing, with which every packet of a payload begins");
      const start = at + length[0].length;
      this.#add(at, start, 0, `a packet of ${length[1]} characters follows`);
      at = Math.min(start + Number(length[1]), this.#text.length);
      this.packet(start, at, 0);
    }
  }

  packet(start, end, depth) {
    const type = this.#text[start];
    if (start === end) return this.#add(start, end, depth, "an empty packet: its type is missing");
    if (type === "b") {
      // Revision 3 writes the type, which is 4, between the two.
      const head = this.#revision === 3 ? 2 : 1;
      this.#add(start, start + head, depth, "a binary message, as base64");
      const base64 = this.#text.slice(start + head, end).replace(/=+$/, "");
      return this.#add(start + head, end, depth + 1, `${Math.floor((base64.length * 3) / 4)} bytes`);
    }
    const known = ENGINE[type];
    if (!known) return this.#add(start, end, depth, "no packet begins like this");
    this.#add(start, start + 1, depth, `Engine.IO ${known[0]}: ${known[1]}`);
    const rest = this.#text.slice(start + 1, end);
    if (rest === "") return undefined;
    if (type === "4") return this.#socketio ? this.#socket(start + 1, end, depth + 1) : this.#add(start + 1, end, depth + 1, "the message");
    if (rest === "probe") return this.#add(start + 1, end, depth + 1, "“probe”: a test of this WebSocket before the upgrade");
    if (type === "0") return this.#add(start + 1, end, depth + 1, "the session's id, its possible upgrades, its heartbeat and the largest payload, as JSON");
    return this.#add(start + 1, end, depth + 1, "the packet's payload");
  }

  /** `<type>[<attachments>-][<namespace>,][<id>][<payload>]` */
  #socket(start, end, depth) {
    const type = this.#text[start];
    const known = SOCKET[type];
    if (!known) return this.#add(start, end, depth, "no Socket.IO packet begins like this");
    this.#add(start, start + 1, depth, `Socket.IO ${known[0]}: ${known[1]}`);
    const rest = this.#text.slice(start + 1, end);
    let at = start + 1;
    const next = (pattern, means) => {
      const found = pattern.exec(rest.slice(at - start - 1))?.[0];
      if (found) this.#add(at, (at += found.length), depth, means(found));
    };
    if (type === "5" || type === "6") {
      next(/^\d+-/, (count) => (count === "1-" ? "1 attachment follows in its own message" : `${parseInt(count, 10)} attachments follow, each in its own message`));
    }
    next(/^\/[^,]*,?/, (nsp) => `the namespace ${nsp.replace(/,$/, "")}`);
    next(/^\d+/, (id) => (type === "3" || type === "6" ? `it answers the event with id ${id}` : `id ${id}: the sender waits for an answer`));
    if (at < end) this.#payload(at, end, depth, type);
  }

  #payload(start, end, depth, type) {
    const json = this.#text.slice(start, end);
    const value = parse(json);
    if (value === undefined) return this.#add(start, end, depth, "this should be JSON, but isn't");
    if (!Array.isArray(value)) {
      const means = type === "4" ? "why not, as JSON" : "the payload, as JSON";
      return this.#add(start, end, depth, means);
    }
    const event = type === "2" || type === "5";
    this.#add(start, end, depth, event ? "payload: the event's name and its arguments" : "payload: the arguments of the answer");
    elements(json, MOST).forEach(([from, to], index) => {
      this.#add(start + from, start + to, depth + 1, event && index === 0 ? "the event's name" : argument(value[index], event ? index : index + 1));
    });
  }

  #add(start, end, depth, means) {
    this.#list.push({ start, end, depth, text: this.#text.slice(start, end), means });
  }

  /** The parts with their offsets in bytes. */
  inBytes() {
    const places = [...new Set(this.#list.flatMap(({ start, end }) => [start, end]))].sort((a, b) => a - b);
    const offsets = new Map();
    let [unit, byte] = [0, 0];
    for (const place of places) {
      byte += encoder.encode(this.#text.slice(unit, place)).length;
      unit = place;
      offsets.set(place, byte);
    }
    return this.#list.map((part) => ({ ...part, start: offsets.get(part.start), end: offsets.get(part.end) }));
  }
}

const encoder = new TextEncoder();

function argument(value, number) {
  if (value?._placeholder === true) return `attachment ${value.num} goes here`;
  const type = value === null ? "null" : Array.isArray(value) ? "an array" : typeof value === "object" ? "an object" : `a ${typeof value}`;
  return `argument ${number}: ${type}`;
}

/** Where the first elements of a JSON array, which is known to be one, begin and end. */
export function elements(json, most) {
  const found = [];
  let depth = 0;
  let start;
  for (let at = 0; at < json.length && found.length < most; at++) {
    const char = json[at];
    if (char === '"') {
      start ??= at;
      for (at += 1; json[at] !== '"'; at++) if (json[at] === "\\") at += 1;
    } else if ((char === "," && depth === 1) || (char === "]" && depth === 1)) {
      if (start !== undefined) found.push([start, start + json.slice(start, at).trimEnd().length]);
      start = undefined;
      if (char === "]") break;
    } else if (char === "[" || char === "{") {
      if (depth > 0) start ??= at;
      depth += 1;
    } else if (char === "]" || char === "}") {
      depth -= 1;
    } else if (!/\s/.test(char)) {
      start ??= at;
    }
  }
  return found;
}

/** Engine.IO 3 with binary: 0 for text or 1 for bytes, the length in digits of one byte each, 255, the packet. */
function binaryPayload(bytes) {
  const list = [];
  let at = 0;
  while (at < bytes.length && list.length < 2 * MOST) {
    const end = bytes.indexOf(255, at);
    if (bytes[at] > 1 || end < 0) {
      list.push({ start: at, end: bytes.length, depth: 0, text: "", means: "no packet of a binary payload begins like this" });
      break;
    }
    const length = Number(bytes.slice(at + 1, end).join(""));
    const text = bytes[at] === 0;
    list.push({ start: at, end: end + 1, depth: 0, text: "", means: `${length} ${text ? "characters of text" : "bytes"} follow` });
    at = Math.min(end + 1 + length, bytes.length);
    list.push({ start: end + 1, end: at, depth: 1, text: text ? decode(bytes.slice(end + 1, at)) ?? "" : "", means: text ? "a packet as text" : "a packet of bytes, its type in the first" });
  }
  return list;
}

function parse(json) {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}
