// What records mean, in words for somebody who sees them for the first time.

const SOCKET_NAMES = {
  connect: "CONNECT",
  disconnect: "DISCONNECT",
  event: "EVENT",
  ack: "ACK",
  connect_error: "CONNECT_ERROR",
  binary_event: "BINARY_EVENT",
  binary_ack: "BINARY_ACK",
};

export const LAYER_NAMES = {
  http: "HTTP",
  websocket: "WebSocket",
  engineio: "Engine.IO",
  socketio: "Socket.IO",
  application: "Application",
  session: "Session",
};

/** Why a session ended, or a socket left: what the server calls it, and what that means. */
const REASONS = {
  "transport close": "the connection was closed, as when the user leaves or reloads a page",
  "transport error": "the connection broke off, or a request did not fit",
  "ping timeout": "the client did not answer a ping in time",
  "parse error": "the client sent something invalid",
  "forced close": "the client broke a rule",
  "forced server close": "the server's application ended it",
  "server shutting down": "the server was stopped",
  "client namespace disconnect": "the client left the namespace",
  "server namespace disconnect": "the application disconnected the socket",
};

/** A word of a table, and nothing for what every object has by itself. */
const word = (table, key) => (Object.hasOwn(table, key) ? table[key] : undefined);

export const reasonWords = (reason) => word(REASONS, reason) ?? "";

export const who = (direction) => word({ in: "client → server", out: "server → client" }, direction) ?? "";

/** The name of a record: `GET /socket.io/?…`, `text frame`, `message`, `EVENT chat`. */
export function nameOf(record) {
  switch (record.kind) {
    case "request":
      return `${record.method} ${record.target}`;
    case "response":
      return String(record.status);
    case "body":
      return "body";
    case "refused":
      return `refused: ${record.fault}`;
    case "aborted":
      return "aborted";
    case "frame":
      return `${record.opcode} frame${record.fin ? "" : ", not the last"}`;
    case "packet":
      return record.packet;
    case "socket_packet":
      return word(SOCKET_NAMES, record.packet) ?? String(record.packet);
    case "attachment":
      return "attachment";
    case "note":
      return `${record.source} ${record.name}`;
    case "violation":
      return record.rule;
    default:
      return record.kind.replaceAll("_", " ");
  }
}

/** What it means, in a few words. */
export function meaning(record, session) {
  switch (record.kind) {
    case "request":
      return request(record);
    case "response":
      return response(record, session);
    case "body":
      return "what the POST brings";
    case "refused":
      return record.reason ?? `answered with code ${record.code}`;
    case "aborted":
      return "the client left before the answer";
    case "frame":
      return frame(record);
    case "packet":
      return packet(record, session);
    case "socket_packet":
      return socketPacket(record);
    case "attachment":
      return "the bytes for a placeholder";
    case "opened":
      return `a session begins, by ${transportName(record.transport)}, revision ${record.revision}`;
    case "plain_opened":
      return "a plain WebSocket, without Engine.IO and Socket.IO";
    case "plain_ended":
      return `closed with ${record.code}${record.reason ? `, ${record.reason}` : ""}`;
    case "probe_opened":
      return "a WebSocket is open, to be probed while polling goes on";
    case "probe_dropped":
      return "the probing WebSocket is closed; polling goes on";
    case "upgraded":
      return "the session uses the WebSocket from now on";
    case "closed":
      return `${record.reason}: ${reasonWords(record.reason) || "the session is over"}`;
    case "ended":
      return "the server has freed the session";
    case "joined":
      return `a socket joined ${record.nsp}`;
    case "left":
      return `${record.nsp}: ${record.reason}`;
    case "room_joined":
      return `into room “${record.room}” of ${record.nsp}`;
    case "room_left":
      return `out of room “${record.room}” of ${record.nsp}`;
    case "note":
      return [record.text, record.took !== undefined && `took ${duration(record.took)}`].filter(Boolean).join(" · ");
    case "violation":
      return record.text;
    case "limit":
      return `a limit was met: ${record.limit}`;
    case "lost":
      return `${record.records} records came too fast and are missing`;
    case "full":
      return "the journal has reached its limit";
    default:
      return "";
  }
}

export const transportName = (transport) => word({ polling: "polling", websocket: "WebSocket" }, transport) ?? String(transport);

function request({ method, target }) {
  const query = new URLSearchParams(target.split("?")[1] ?? "");
  const [sid, transport] = [query.has("sid"), query.get("transport")];
  if (!query.has("EIO") && !transport) return "";
  if (method === "OPTIONS") return "may a page of another origin send requests?";
  if (transport === "websocket") return sid ? "opens a WebSocket to probe" : "asks for a session by WebSocket";
  if (!sid) return "asks for a session";
  return method === "POST" ? "brings packets" : "asks for packets, and waits";
}

function response({ status, raw }, session) {
  if (status === 101) return "it is a WebSocket from now on";
  if (status >= 400) return typeof raw === "string" ? raw.slice(0, 200) : "an error";
  if (raw === "ok") return "taken";
  if (session?.revision === 4 && typeof raw === "string" && /^[0-6b]/.test(raw)) return `brings ${count(raw.split("\x1e").length, "packet")}`;
  return "";
}

function frame({ opcode, fin, compressed }) {
  if (!fin || opcode === "continuation") return "a fragment of a message";
  if (compressed !== undefined) return `${count(compressed, "byte")} on the wire, compressed`;
  return word({ close: "the WebSocket is closed", ping: "WebSocket's own ping", pong: "WebSocket's own pong" }, opcode) ?? "";
}

function packet({ packet, carrier, direction, binary, raw }, session) {
  const probe = carrier === "probe";
  switch (packet) {
    case "open":
      return "the session and its rules";
    case "close":
      return "the session is over";
    case "ping":
      return probe ? "does this WebSocket work?" : "are you there?";
    case "pong":
      return probe ? "it works" : "yes";
    case "upgrade":
      return "I use the WebSocket from now on";
    case "noop":
      return "answers a waiting GET";
    case "message":
      if (binary) return session?.socketio ? "bytes that belong to the previous packet" : "bytes";
      if (raw === "40" && direction === "in") return "4 message, 0 CONNECT: may I come in?";
      return "";
    default:
      return "";
  }
}

function socketPacket({ packet, nsp, id, direction, payload, attachments }) {
  const place = nsp === "/" ? "" : ` in ${nsp}`;
  const more = attachments > 0 ? `, ${attachments} ${attachments === 1 ? "attachment" : "attachments"} to come` : "";
  switch (packet) {
    case "connect":
      return direction === "in" ? `asks to join ${nsp}` : `you are in ${nsp}`;
    case "disconnect":
      return direction === "in" ? `leaves ${nsp}` : `has to leave ${nsp}`;
    case "connect_error":
      return `can't join ${nsp}`;
    case "event":
    case "binary_event":
      if (!Array.isArray(payload)) return "its payload can't be read";
      return `“${typeof payload[0] === "string" ? payload[0] : JSON.stringify(payload[0])}”${place}${id === undefined ? "" : `, wants answer ${id}`}${more}`;
    case "ack":
    case "binary_ack":
      return `answer ${id}${place}${more}`;
    default:
      return "";
  }
}

/** What a session is doing, or how it ended, in a word or two. */
export function stateOf(session) {
  if (!session.live) return session.reason ?? "ended";
  if (session.plain) return "plain WebSocket";
  if (session.upgrade === "probing") return "probing";
  return session.transport ? transportName(session.transport) : "?";
}

const BROWSERS = [[/\bEdg(?:A|iOS)?\/(\d+)/, "Edge"], [/\bOPR\/(\d+)/, "Opera"], [/\b(?:Firefox|FxiOS)\/(\d+)/, "Firefox"], [/\b(?:HeadlessChrome|Chrome|CriOS)\/(\d+)/, "Chrome"], [/\bVersion\/(\d+)[\d.]* (?:Mobile\/\S+ )?Safari\//, "Safari"]];

/** The name of the program in a `User-Agent`: `Firefox 128`, `okhttp/4.9`. */
export function agentName(agent) {
  if (!agent) return "";
  for (const [pattern, name] of BROWSERS) {
    const found = pattern.exec(agent);
    if (found) return `${name} ${found[1]}`;
  }
  return agent.split(/[ (]/)[0].slice(0, 40);
}

/** `12.3 ms`, `4.56 s`, `3 min 20 s`. */
export function duration(milliseconds) {
  const rounded = (value, digits) => Number(value.toFixed(digits));
  if (milliseconds < 1) return `${rounded(milliseconds, 3)} ms`;
  if (milliseconds < 1000) return `${rounded(milliseconds, 1)} ms`;
  if (milliseconds < 120_000) return `${rounded(milliseconds / 1000, milliseconds < 10_000 ? 2 : 1)} s`;
  const [minutes, seconds] = [Math.floor(milliseconds / 60_000), Math.round((milliseconds % 60_000) / 1000)];
  return seconds > 0 ? `${minutes} min ${seconds} s` : `${minutes} min`;
}

const number = new Intl.NumberFormat("en");
export const count = (n, one, many = `${one}s`) => `${number.format(n)} ${n === 1 ? one : many}`;
