// A small Socket.IO client, written to be read.
//
// Two protocols lie on top of each other, and each message on the wire shows both:
//
//     4 2 ["message","hello"]
//     │ └─ Socket.IO: 2 is an EVENT, its name and arguments are a JSON array
//     └─── Engine.IO: 4 is a message; what follows belongs to the layer above
//
// Engine.IO (class Session) carries packets over what the network lets through: it begins with
// plain HTTP requests, which pass everywhere, and moves to a WebSocket when one can be opened.
// Socket.IO (class Client) gives the packets a meaning: events, acknowledgements, and coming back
// after a loss.
//
// This client speaks text and the namespace `/` only. The official client can do more; it does
// nothing different with what is here.

/** Several packets in one HTTP body stand side by side, with the ASCII record separator between. */
const SEPARATOR = "\x1e";

/** The first character of an Engine.IO packet. */
const OPEN = "0", CLOSE = "1", PING = "2", PONG = "3", MESSAGE = "4", UPGRADE = "5", NOOP = "6";

/** The second character, after Engine.IO's `4`: the type of a Socket.IO packet. */
const CONNECT = "0", DISCONNECT = "1", EVENT = "2", ACK = "3", CONNECT_ERROR = "4";

/**
 * A turn of the event loop later. Whoever waited for the answer that a packet was goes on before the next packet is
 * read, as it is by WebSocket, where each message comes in a turn of its own.
 */
function nextTurn() {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = resolve;
    port2.postMessage(null);
  });
}

/**
 * One Engine.IO session, from its handshake to its end. It doesn't come back: whoever lost one
 * opens another.
 *
 * `events` are called as it goes: `open()`, `message(text)`, `upgrade()`, `ping()`,
 * `close(reason)`, and `wire(direction, carrier, text)` with all that is sent ("out") and
 * received ("in") by a "GET", a "POST" or the WebSocket ("WS").
 */
class Session {
  transport = "polling";
  upgradedIn; // milliseconds, once it is
  #events;
  #query = new URLSearchParams({ EIO: "4", transport: "polling" });
  #path;
  #settings; // what the server's open packet said
  #queue = []; // packets that wait to be sent
  #polling; // the promise of the loop of GETs
  #posting; // the promise of the POST under way
  #paused = false; // polling stops for the last step of an upgrade
  #ended = false;
  #abort = new AbortController();
  #socket;
  #watchdog;

  constructor(path, events) {
    this.#path = path;
    this.#events = events;
  }

  open(upgrade) {
    this.#polling = this.#handshake(upgrade).catch((error) => this.#end(error.message));
  }

  // ── The handshake ──────────────────────────────────────────────────────────────────────────
  //
  //   GET /socket.io/?EIO=4&transport=polling
  //   0{"sid":"lv_VI97…","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,…}
  //
  // A GET without a `sid` asks for a session; EIO=4 names the protocol's revision. The answer is
  // an open packet. Every later request carries the `sid`, which is the key to the session: who
  // knows it can speak in it, so it belongs into no log.

  async #handshake(upgrade) {
    this.#events.wire("out", "GET", `${this.#path}?${this.#query}`);
    const [packet] = (await this.#request("GET")).split(SEPARATOR);
    if (packet[0] !== OPEN) throw new Error("the server's first packet is not an open packet");
    this.#settings = JSON.parse(packet.slice(1));
    this.#query.set("sid", this.#settings.sid);
    this.#expectPing();
    this.#events.open();
    if (upgrade && this.#settings.upgrades.includes("websocket")) this.#probe();
    await this.#poll();
  }

  // ── Long polling ───────────────────────────────────────────────────────────────────────────
  //
  // To receive, keep one GET open: the server answers it as soon as it has something to say, and
  // the next one follows at once. To send, POST. There may be one GET and one POST at a time; the
  // server takes a second one for a mistake and ends the session.

  async #poll() {
    while (!this.#ended && !this.#paused) {
      const payload = await this.#request("GET");
      for (const packet of payload.split(SEPARATOR)) {
        if (this.#ended) break;
        this.#receive(packet);
        await nextTurn();
      }
    }
    this.#polling = undefined;
  }

  async #post() {
    while (!this.#ended && !this.#paused && this.#queue.length) {
      const payload = this.#takePayload();
      this.#events.wire("out", "POST", payload);
      await this.#request("POST", payload); // answered `ok` once the packets are accepted
    }
    this.#posting = undefined;
  }

  /** As many waiting packets as fit into `maxPayload` bytes, the server's limit for one body. */
  #takePayload() {
    const bytes = (packet) => new TextEncoder().encode(packet).length;
    let size = bytes(this.#queue[0]), count = 1;
    while (count < this.#queue.length) {
      size += 1 + bytes(this.#queue[count]); // 1 for the separator
      if (size > this.#settings.maxPayload) break;
      count += 1;
    }
    return this.#queue.splice(0, count).join(SEPARATOR);
  }

  async #request(method, body) {
    const url = `${this.#path}?${this.#query}`;
    const response = await fetch(url, { method, body, cache: "no-store", signal: this.#abort.signal });
    const text = await response.text();
    // A refusal is JSON: {"code":1,"message":"Session ID unknown"}
    if (!response.ok) throw new Error(`${method} answered ${response.status} ${text}`);
    if (method === "GET") this.#events.wire("in", "GET", text);
    return text;
  }

  // ── The upgrade ────────────────────────────────────────────────────────────────────────────
  //
  //   WebSocket /socket.io/?EIO=4&transport=websocket&sid=…
  //   → 2probe     a ping by the new way, while messages still go the old one
  //   ← 3probe     the pong: WebSockets pass here, in both directions
  //   ← 6          (to the open GET) a noop, so that it comes back and polling can stop
  //   → 5          from here on everything goes by WebSocket
  //
  // Nothing is lost and nothing overtakes: `5` is sent only after the last GET and POST are back.
  // If any step fails, the WebSocket is dropped and polling goes on as if nothing had been tried.

  #probe() {
    const started = performance.now();
    const query = new URLSearchParams(this.#query);
    query.set("transport", "websocket");
    const url = `${this.#path}?${query}`;
    this.#events.wire("out", "WS", url);
    const socket = new WebSocket(url.replace(/^http/, "ws"));

    socket.onopen = () => this.#transmit(socket, PING + "probe");
    socket.onmessage = async ({ data }) => {
      this.#events.wire("in", "WS", data);
      if (data !== PONG + "probe") return socket.close();
      this.#paused = true;
      socket.onclose = () => this.#resume();
      await this.#polling;
      await this.#posting;
      if (!this.#paused || socket.readyState !== WebSocket.OPEN) return;
      socket.onmessage = (event) => {
        this.#events.wire("in", "WS", event.data);
        this.#receive(event.data);
      };
      socket.onclose = () => this.#end("the WebSocket closed");
      this.#transmit(socket, UPGRADE);
      this.#socket = socket;
      this.transport = "websocket";
      this.upgradedIn = Math.round(performance.now() - started);
      this.#events.upgrade();
      this.#flush();
    };
    // Aborted with the session, so that no probe outlives it.
    this.#abort.signal.addEventListener("abort", () => socket.close());
  }

  #resume() {
    if (this.#ended) return;
    this.#paused = false;
    this.#polling ??= this.#poll().catch((error) => this.#end(error.message));
    this.#flush();
  }

  #transmit(socket, packet) {
    this.#events.wire("out", "WS", packet);
    socket.send(packet); // one packet is one text frame; a separator is never needed
  }

  // ── Packets, in and out ────────────────────────────────────────────────────────────────────

  send(text) {
    this.#queue.push(MESSAGE + text);
    this.#flush();
  }

  #flush() {
    if (this.#socket) {
      for (const packet of this.#queue.splice(0)) this.#transmit(this.#socket, packet);
    } else if (this.#queue.length && !this.#posting && !this.#paused) {
      this.#posting = this.#post().catch((error) => this.#end(error.message));
    }
  }

  #receive(packet) {
    switch (packet[0]) {
      case PING:
        // The server pings every `pingInterval`; a client that doesn't answer within
        // `pingTimeout` is taken for gone.
        this.#queue.push(PONG);
        this.#flush();
        this.#expectPing();
        return this.#events.ping();
      case MESSAGE:
        return this.#events.message(packet.slice(1));
      case CLOSE:
        return this.#end("the server closed the session");
      case NOOP: // says nothing; it only brings a waiting GET home
        return;
    }
  }

  /** And a server whose ping doesn't come is taken for gone by us: the other half of the rule. */
  #expectPing() {
    clearTimeout(this.#watchdog);
    const { pingInterval, pingTimeout } = this.#settings;
    this.#watchdog = setTimeout(() => this.#end("no ping came in time"), pingInterval + pingTimeout);
  }

  #end(reason) {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#watchdog);
    this.#abort.abort();
    this.#socket?.close();
    this.#events.close(reason);
  }

  /** Leaves. A WebSocket says so by closing, and the server sees a poll that is given up. */
  close() {
    this.#end("closed by this page");
  }
}

/**
 * A Socket.IO client in the namespace `/`.
 *
 * `onstate({name, …})` says how it stands: "connecting"; "polling" and "websocket" (`upgradedIn`
 * milliseconds) while connected; "waiting" (`delay` milliseconds, `reason`) to connect again; and
 * "closed" (`reason`), which it stays. `onping()` and `onwire(…)` are the session's, passed on.
 */
export class Client {
  onstate = () => {};
  onping = () => {};
  onwire = () => {};
  connected = false;
  #path;
  #upgrade;
  #session;
  #handlers = new Map();
  #acks = new Map(); // by id: what to do with an answer that is still to come
  #nextAck = 0;
  #attempt = 0;
  #retry;

  /**
   * `path` is a URL, relative to the page's. It has no `/` in front here: a proxy may serve the page and the
   * endpoint together under a prefix of its own, such as `/chat/`. `upgrade: false` stays with polling.
   */
  constructor({ path = "socket.io/", upgrade = true } = {}) {
    this.#path = new URL(path, location.href).href;
    this.#upgrade = upgrade;
  }

  /** Calls `handler` with the arguments of each event `name`. */
  on(name, handler) {
    this.#handlers.set(name, handler);
  }

  connect() {
    clearTimeout(this.#retry);
    this.#drop("reconnecting");
    this.onstate({ name: "connecting" });
    // What a session that was replaced still has to say concerns nobody.
    const current = (handler) => (...values) => session === this.#session && handler(...values);
    const session = new Session(this.#path, {
      // The session is open, but nobody listens yet: a client must ask into a namespace first,
      // with `40`, or `40/admin,` for another one than `/`, and may add what it has to prove who
      // it is: `40{"token":"…"}`.
      open: current(() => session.send(CONNECT)),
      message: current((text) => this.#receive(text)),
      upgrade: current(() => this.connected && this.#online()),
      close: current((reason) => this.#lost(reason)),
      ping: current(() => this.onping()),
      wire: current((...record) => this.onwire(...record)),
    });
    this.#session = session;
    session.open(this.#upgrade);
  }

  /**
   * Sends an event and resolves to the server's answer. On the wire a number after the type asks
   * for one, and the answer bears the same number:
   *
   *     → 420["name","ada"]
   *     ← 430[{"ok":true,"name":"ada"}]
   *
   * It rejects when there is no connection, or when it is lost before the answer has come: then
   * nobody knows whether the event arrived, and only the caller knows if sending twice is harmless.
   */
  call(name, ...values) {
    return new Promise((resolve, reject) => {
      if (!this.connected) return reject(new Error("not connected"));
      const id = this.#nextAck++;
      this.#acks.set(id, { resolve, reject });
      this.#session.send(EVENT + id + JSON.stringify([name, ...values]));
    });
  }

  #receive(text) {
    const [, type, id, json] = /^(\d)(\d*)(.*)$/s.exec(text) ?? [];
    const value = json ? JSON.parse(json) : undefined;
    switch (type) {
      case CONNECT: // 0{"sid":"…"}: we are in. This sid is public, unlike the session's.
        this.connected = true;
        this.#attempt = 0;
        return this.#online();
      case EVENT: {
        // 2["message",{"from":"ada","text":"hello"}]
        const [name, ...values] = value;
        const answer = this.#handlers.get(name)?.(...values);
        if (id) this.#session.send(ACK + id + JSON.stringify([answer]));
        return;
      }
      case ACK: {
        // 30[{"ok":true}]
        const answer = this.#acks.get(Number(id));
        this.#acks.delete(Number(id));
        return answer?.resolve(value[0]);
      }
      case CONNECT_ERROR: // 4{"message":"…"}: refused. Asking again would not change the answer.
        return this.#stop(`the server refused: ${value.message}`);
      case DISCONNECT: // 1: the server wants us out, so we don't come back unasked.
        return this.#stop("the server disconnected this page");
    }
  }

  #online() {
    const { transport, upgradedIn } = this.#session;
    this.onstate({ name: transport, upgradedIn });
  }

  #stop(reason) {
    this.#drop(reason);
    this.onstate({ name: "closed", reason });
  }

  /**
   * Tries again after one second, two, four, at most five; each time somewhere between half and
   * one and a half of that, so that a thousand clients of a restarted server don't come at once.
   */
  #lost(reason) {
    this.#drop(reason);
    const delay = Math.min(5000, 1000 * 2 ** this.#attempt++) * (0.5 + Math.random());
    this.#retry = setTimeout(() => this.connect(), delay);
    this.onstate({ name: "waiting", delay, reason });
  }

  #drop(reason) {
    const session = this.#session;
    this.#session = undefined;
    session?.close();
    this.connected = false;
    for (const { reject } of this.#acks.values()) reject(new Error(reason));
    this.#acks.clear();
  }
}
