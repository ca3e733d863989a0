// Journals that tests make up, record by record.

export const HEAD = '{"journal":1,"by":"socketio-server 0.1.0","began":1795273034419,"redacted":true}';

/** The records of one session. */
export class Script {
  lines = [];
  #session;
  #began;
  #time;
  #websocket;

  constructor(session, next = 1, began = 0) {
    this.#session = session;
    this.next = next;
    this.#began = began;
    this.#time = began;
  }

  /** What comes is of that time, in milliseconds since the session began. */
  at(time) {
    this.#time = this.#began + time;
    return this;
  }

  /** One more record; gives its number. */
  add(record) {
    const at = this.#time - this.#began;
    const session = record.session === null ? {} : { session: this.#session, at };
    this.lines.push(JSON.stringify({ n: this.next, time: this.#time, ...session, ...record, session: record.session === null ? undefined : this.#session }));
    return this.next++;
  }

  request(method, transport, { opens = false, target = "" } = {}) {
    const sid = opens ? "" : `&sid=sid${this.#session}`;
    const address = `127.0.0.1:${50_000 + this.#session}`;
    const headers = [["host", "127.0.0.1"], ["user-agent", "a test"]];
    return this.add({ ...(opens && { session: null }), direction: "in", kind: "request", method, target: target || `/socket.io/?EIO=4&transport=${transport}${sid}`, headers, address, secure: false });
  }

  response(from, status, raw = "") {
    return this.add({ direction: "out", from, raw, kind: "response", status, headers: [] });
  }

  open({ transport, revision = 4, pingInterval = 25000, pingTimeout = 20000 }) {
    const raw = `0${JSON.stringify({ sid: `sid${this.#session}`, upgrades: [], pingInterval, pingTimeout, maxPayload: 1e6 })}`;
    const request = this.request("GET", transport, { opens: true });
    this.add({ from: request, kind: "opened", sid: `sid${this.#session}`, transport, revision, base64: false });
    if (transport === "websocket") this.#websocket = request;
    if (this.#websocket) this.packet("out", raw, "open");
    else {
      this.add({ direction: "out", carrier: "get", from: request, raw, kind: "packet", packet: "open", binary: false });
      this.response(request, 200, raw);
    }
    return this;
  }

  /** Goes by WebSocket from here on, or by one that is tried out. */
  over(request, carrier = "websocket") {
    this.#websocket = request;
    this.carrier = carrier;
    return this;
  }

  /** A packet in a frame of its own. */
  packet(direction, raw, packet) {
    const carrier = this.carrier ?? "websocket";
    const frame = this.add({ direction, carrier, from: this.#websocket, raw, kind: "frame", opcode: "text", fin: true });
    this.last = this.add({ direction, carrier, from: frame, raw, kind: "packet", packet, binary: false });
    return this;
  }

  /** A Socket.IO event in `42…`. */
  event(direction, raw) {
    this.packet(direction, raw, "message");
    const payload = raw.slice(raw.indexOf("["));
    this.add({ direction, from: this.last, raw: payload, kind: "socket_packet", packet: "event", nsp: "/", attachments: 0, payload: JSON.parse(payload) });
    return this;
  }
}

/** A session that comes by polling, moves to a WebSocket, says something and goes. */
export function upgrading(number, next = 1, began = 0) {
  const script = new Script(number, next, began).open({ transport: "polling" }).at(5);
  const post = script.request("POST", "polling");
  const body = script.add({ direction: "in", from: post, raw: "40", kind: "body" });
  const connect = script.add({ direction: "in", carrier: "post", from: body, raw: "40", kind: "packet", packet: "message", binary: false });
  script.add({ direction: "in", from: connect, kind: "socket_packet", packet: "connect", nsp: "/", attachments: 0 });
  script.add({ kind: "joined", nsp: "/", socket: `socket${number}` });
  script.response(post, 200, "ok");
  const poll = script.request("GET", "polling");
  const joined = `40{"sid":"socket${number}"}`;
  const packet = script.add({ direction: "out", carrier: "get", from: poll, raw: joined, kind: "packet", packet: "message", binary: false });
  script.add({ direction: "out", from: packet, raw: joined.slice(2), kind: "socket_packet", packet: "connect", nsp: "/", attachments: 0, payload: JSON.parse(joined.slice(2)) });
  script.response(poll, 200, joined);
  script.at(9);
  const upgrade = script.request("GET", "websocket");
  script.response(upgrade, 101);
  script.add({ from: upgrade, kind: "probe_opened" });
  const waiting = script.request("GET", "polling");
  script.over(upgrade, "probe").at(11).packet("in", "2probe", "ping").packet("out", "3probe", "pong");
  script.add({ direction: "out", carrier: "get", from: waiting, raw: "6", kind: "packet", packet: "noop", binary: false });
  script.response(waiting, 200, "6");
  script.at(13).packet("in", "5", "upgrade");
  script.add({ from: upgrade, kind: "upgraded" });
  script.over(upgrade).at(14).event("out", '42["welcome",{"you":"guest-1"}]').at(40).event("in", '42["message","hello"]').at(60);
  script.add({ kind: "closed", reason: "transport close" });
  script.add({ kind: "left", nsp: "/", socket: `socket${number}`, reason: "transport close" });
  script.add({ kind: "ended" });
  return script;
}
