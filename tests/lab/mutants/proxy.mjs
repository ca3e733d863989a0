// A proxy between `check` and our server, which makes it a server with one fault: it changes the answers to requests, and the packets of
// both directions, whatever carries them.

import { once } from "node:events";
import { Agent, createServer, request as ask } from "node:http";
import { connect } from "node:net";
import { FrameReader, frame } from "./frames.mjs";

const TEXT = 1, BINARY = 2;

/** The packets of a payload: of revision 3 with their lengths, of revision 4 with separators. */
function split(body, revision) {
  if (revision !== "3") return body.split("\x1e");
  const packets = [];
  for (let rest = body; rest; ) {
    const length = parseInt(rest, 10), from = rest.indexOf(":") + 1;
    if (!from || !(length >= 0)) return [body];
    packets.push(rest.slice(from, from + length));
    rest = rest.slice(from + length);
  }
  return packets;
}

const joined = (packets, revision, separator = "\x1e") => packets.map((packet) => (revision === "3" ? `${packet.length}:${packet}` : packet)).join(revision === "3" ? "" : separator);

/** What a fault may be: each hook gets what passes and the session's state, and returns what passes instead. */
const RIGHT = {
  request: async () => undefined, // an answer of its own
  answer: async (answer) => answer,
  payload: (packets) => packets,
  in: (packet) => [packet],
  out: (packet) => [packet],
  bytes: (bytes) => [bytes],
  frameIn: (one) => [one],
  frameOut: (one) => [one],
  separator: "\x1e",
};

export class Proxy {
  #fault;
  #upstream;
  #server;
  #sessions = new Map();
  #agent = new Agent({ keepAlive: true });

  constructor(upstream, fault) {
    this.#upstream = new URL(upstream);
    this.#fault = { ...RIGHT, ...fault };
    this.#server = createServer((request, response) => this.#exchange(request, response).catch(() => response.destroy()));
    this.#server.on("upgrade", (request, socket, head) => this.#websocket(request, socket, head).catch(() => socket.destroy()));
  }

  async listen() {
    await once(this.#server.listen(0, "127.0.0.1"), "listening");
    return `http://127.0.0.1:${this.#server.address().port}`;
  }

  close() {
    this.#server.close();
    this.#server.closeAllConnections();
    this.#agent.destroy();
  }

  /** What the fault remembers of a session; of a handshake, nothing yet. */
  #session(query) {
    const sid = query.get("sid");
    if (!sid) return { query };
    if (!this.#sessions.has(sid)) this.#sessions.set(sid, { sid, polls: 0, parked: 0 });
    return Object.assign(this.#sessions.get(sid), { query });
  }

  async #exchange(request, response) {
    const query = new URL(request.url, "http://x").searchParams;
    const session = this.#session(query);
    const text = request.headers["content-type"] !== "application/octet-stream";
    const chunks = await request.toArray();
    let body = Buffer.concat(chunks);
    let own = session.dead ? { status: 400, body: "" } : await this.#fault.request(request, session, body);
    if (request.method === "POST" && text && !own) {
      const packets = this.#fault.payload(split(body.toString(), query.get("EIO")));
      const passed = packets.flatMap((packet) => (packet.startsWith("b") ? [packet] : this.#fault.in(packet, session)));
      body = Buffer.from(joined(passed, query.get("EIO")));
      // All that was in it is kept from the server.
      if (packets.length && !passed.length) own = { status: 200, headers: {}, body: "ok" };
    }
    const answer = own ?? (await this.#ask(request, body, session));
    const passed = await this.#fault.answer(answer, request, session);
    if (!response.destroyed) response.writeHead(passed.status, { ...passed.headers, "content-length": Buffer.byteLength(passed.body) }).end(passed.body);
  }

  async #ask(request, body, session) {
    const { hostname, port } = this.#upstream;
    const headers = { ...request.headers };
    delete headers["transfer-encoding"];
    if (body?.length || request.method === "POST") headers["content-length"] = body?.length ?? 0;
    // In revision 3, text is easier to change than a binary payload.
    const path = session.query.get("EIO") === "3" ? `${request.url}&b64=1` : request.url;
    const asked = ask({ hostname, port, path, method: request.method, headers, agent: this.#agent }).end(body);
    request.socket.once("close", () => asked.destroy());
    const parks = request.method === "GET" ? 1 : 0;
    session.parked += parks;
    const [answer] = await once(asked, "response").finally(() => (session.parked -= parks));
    let content = Buffer.concat(await answer.toArray());
    const { ["content-length"]: _, ["transfer-encoding"]: __, ...fields } = answer.headers;
    if (request.method === "GET" && answer.statusCode === 200 && !/octet-stream/.test(fields["content-type"])) {
      const revision = session.query.get("EIO");
      const packets = split(content.toString(), revision).flatMap((packet) => this.#packetOut(packet, session));
      content = packets.length ? joined(packets, revision, this.#fault.separator) : joined(["6"], revision);
    } else if (request.method === "GET" && answer.statusCode === 200) {
      content = this.#fault.bytes(content, session)[0] ?? "";
    }
    return { status: answer.statusCode, headers: fields, body: content };
  }

  #packetOut(packet, session) {
    if (!/^b/.test(packet)) return this.#fault.out(packet, session);
    const digit = packet.startsWith("b4") && session.query.get("EIO") === "3" ? 2 : 1;
    return this.#fault.bytes(Buffer.from(packet.slice(digit), "base64"), session).map((bytes) => packet.slice(0, digit) + bytes.toString("base64"));
  }

  async #websocket(request, socket, head) {
    const query = new URL(request.url, "http://x").searchParams;
    const session = this.#session(query);
    session.upgrading = Boolean(session.sid);
    const { hostname, port } = this.#upstream;
    const upstream = connect(Number(port), hostname);
    for (const [one, other] of [[socket, upstream], [upstream, socket]]) one.on("error", () => other.destroy()).on("close", () => other.destroy());
    const lines = request.rawHeaders.flatMap((name, at, all) => (at % 2 ? [] : [`${name}: ${all[at + 1]}`]));
    upstream.write(`${request.method} ${request.url} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`);
    // The head of the answer passes as it is.
    let first = Buffer.alloc(0);
    let end;
    while ((end = first.indexOf("\r\n\r\n")) < 0) first = Buffer.concat([first, (await once(upstream, "data"))[0]]);
    const refused = !first.subarray(0, 12).includes("101");
    if (refused && this.#fault.accept) return this.#fault.accept(request, socket);
    socket.write(first.subarray(0, end + 4));
    if (refused) return socket.end(first.subarray(end + 4));
    const carry = (from, to, masked, early, change) => {
      const reader = new FrameReader();
      const take = (chunk) => {
        for (const one of reader.read(chunk)) {
          for (const changed of change(one)) if (!to.destroyed) to.write(frame(changed, masked));
          if (session.dead) return socket.destroy();
        }
      };
      if (early.length) take(early);
      from.on("data", take).on("end", () => to.end());
    };
    const packets = (change) => (one) => one.opcode === TEXT && one.fin ? change(one.payload.toString(), session).map((packet) => ({ ...one, payload: Buffer.from(packet) })) : [one];
    const bytes = (one) => (one.opcode === BINARY ? this.#fault.bytes(one.payload, session).map((payload) => ({ ...one, payload })) : [one]);
    carry(socket, upstream, true, head, (one) => this.#fault.frameIn(one, session).flatMap(packets(this.#fault.in)));
    carry(upstream, socket, false, first.subarray(end + 4), (one) => this.#fault.frameOut(one, session).flatMap(packets(this.#fault.out)).flatMap(bytes));
  }
}
