// One line of a journal, as docs/journal.md describes it, and what of it is kept at hand.

/** The version of the format that is read. */
const VERSION = 1;

/** The layers, outermost first. What belongs to none is about the session itself. */
export const LAYERS = ["http", "websocket", "engineio", "socketio", "session"];

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
};

/** The journal's head, or an error that says in words why this is none. */
export function readHead(line) {
  const head = parse(line);
  if (typeof head?.journal !== "number") throw new Error("This is not a journal: its first line has no “journal” in it.");
  if (head.journal !== VERSION) throw new Error(`This journal is of version ${head.journal}; this page reads version ${VERSION}.`);
  return head;
}

/**
 * What is kept of a record: what lists and lanes ask for all the time. The rest is read from `line` again when it
 * is shown. Nothing if the line is no record.
 */
export function readRecord(line) {
  const record = parse(line);
  if (typeof record?.n !== "number" || typeof record.kind !== "string") return undefined;
  const { n, time = 0, at, session, from, kind, direction, carrier } = record;
  return { n, time, at, session, from, kind, layer: LAYER_OF[kind] ?? "session", direction, carrier, type: type(record), line, children: undefined };
}

/** All of a record. */
export const whole = (entry) => JSON.parse(entry.line);

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
