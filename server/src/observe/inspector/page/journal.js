// One line of a journal, as docs/journal.md describes it, and what of it is kept at hand.

/** The version of the format that is read. */
const VERSION = 1;

/** The layers, outermost first. What belongs to none is about the session itself. */
export const LAYERS = ["http", "websocket", "engineio", "socketio", "application", "session"];

const LAYER_OF = {
  request: "http",
  body: "http",
  refused: "http",
  response: "http",
  aborted: "http",
  frame: "websocket",
  packet: "engineio",
  socket_packet: "socketio",
  attachment: "socketio",
  note: "application",
};

/** The journal's head, or an error that says in words why this is none. */
export function readHead(line) {
  const head = parse(line);
  if (typeof head?.journal !== "number") throw new Error("This is not a journal: its first line has no field “journal”.");
  if (head.journal !== VERSION) throw new Error(`This journal has version ${head.journal}; this page reads version ${VERSION}.`);
  if (typeof head.began !== "number" || Number.isNaN(new Date(head.began).getTime())) throw new Error("This journal does not say when it began.");
  return head;
}

/**
 * A record, and the entry that is kept of it: what lists and lanes ask for all the time. The rest is read from its
 * `line` again when it is shown. Nothing if the line is no record.
 */
export function readRecord(line) {
  const record = parse(line);
  if (!Number.isFinite(record?.n) || !Number.isFinite(record.time) || !isSound(record)) return undefined;
  const { n, time, session, from, kind, direction, carrier } = record;
  const layer = Object.hasOwn(LAYER_OF, kind) ? LAYER_OF[kind] : "session";
  return { record, entry: { n, time, session, from, kind, layer, direction, carrier, took: record.took, type: type(record), line, children: undefined } };
}

/** All of a record. */
export const whole = (entry) => JSON.parse(entry.line);

/** What a record of that kind has to have. */
const STRINGS = {
  request: ["method", "target"],
  refused: ["fault"],
  opened: ["sid", "transport"],
  closed: ["reason"],
  frame: ["opcode"],
  packet: ["packet"],
  socket_packet: ["packet", "nsp"],
  joined: ["nsp", "socket"],
  left: ["nsp", "socket", "reason"],
  room_joined: ["nsp", "room"],
  room_left: ["nsp", "room"],
  violation: ["rule", "text"],
  limit: ["limit"],
  note: ["nsp", "source", "name", "text"],
};

/** What it may have, whatever its kind. */
const NUMBERS = ["session", "from", "status", "code", "revision", "id", "attachments", "records", "took"];
const WORDS = ["reason", "address", "direction", "carrier"];

/** Whether what is read of a record is what it should be: somebody may have edited the file. */
function isSound({ kind, raw, headers = [], ...record }) {
  const isString = (value) => typeof value === "string";
  const isPair = (pair) => Array.isArray(pair) && pair.length === 2 && pair.every(isString);
  const named = Object.hasOwn(STRINGS, kind) ? STRINGS[kind] : [];
  return isString(kind) && named.every((name) => isString(record[name]))
    && NUMBERS.every((name) => record[name] === undefined || typeof record[name] === "number")
    && WORDS.every((name) => record[name] === undefined || isString(record[name]))
    && (raw === undefined || isString(raw) || isBase64(raw?.base64))
    && Array.isArray(headers) && headers.every(isPair);
}

const isBase64 = (text) => typeof text === "string" && /^[A-Za-z0-9+/]*={0,2}$/.test(text) && text.length % 4 === 0;

/** What it is, in one word: `GET`, `200`, `text`, `message`, `event`. */
function type(record) {
  switch (record.kind) {
    case "request":
      return String(record.method);
    case "response":
      return String(record.status);
    case "frame":
      return String(record.opcode);
    case "packet":
    case "socket_packet":
      return String(record.packet);
    case "note":
      return record.source;
    default:
      return record.kind;
  }
}

function parse(line) {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

/** The bytes in a record's `raw`, or none. */
export function bytesOf({ raw }) {
  if (raw === undefined) return undefined;
  if (typeof raw === "string") return new TextEncoder().encode(raw);
  return Uint8Array.from(atob(raw.base64), (char) => char.charCodeAt(0));
}
