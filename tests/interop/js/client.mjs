// One interface to four major versions of socket.io-client, as far as the scenarios see them.

import { createRequire } from "node:module";

const require = createRequire(import.meta.url);

export const versions = ["1.7.4", "2.5.0", "3.1.3", "4.8.4"];

export const modes = {
  "polling": { transports: ["polling"], ends: "polling" },
  "websocket": { transports: ["websocket"], ends: "websocket" },
  "upgrade": { transports: ["polling", "websocket"], ends: "websocket" },
};

const patience = 5_000;

// Listened to from the start, so that nothing that comes with the connect is missed.
const events = ["auth", "message-back", "bcast", "room", "tick", "left", "connect", "disconnect"];

/** Settles as the promise does, or fails once `patience` is over. */
export async function within(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} did not come within ${patience} ms`)), patience);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

// Not URLSearchParams: clients 1 and 2 take its `+` for a plus.
const queryString = (fields) =>
  Object.entries(fields)
    .map(([key, value]) => `${encodeURIComponent(key)}=${encodeURIComponent(value)}`)
    .join("&");

/** What has arrived for one event and was not taken yet: each item is the event's arguments. */
class Inbox {
  #name;
  #items = [];
  #waiting = [];
  #watching = () => {};

  constructor(name) {
    this.#name = name;
  }

  put(item) {
    const waiting = this.#waiting.shift();
    if (waiting) waiting(item);
    else this.#items.push(item);
    this.#watching();
  }

  get length() {
    return this.#items.length;
  }

  async next() {
    if (this.#items.length > 0) return this.#items.shift();
    return within(new Promise((resolve) => this.#waiting.push(resolve)), `"${this.#name}"`);
  }

  /** Waits until one is there, and leaves it. */
  async some() {
    const arrival = new Promise((resolve) => (this.#watching = resolve));
    if (this.#items.length === 0) await within(arrival, `"${this.#name}"`);
  }

  async take(count) {
    const items = [];
    while (items.length < count) items.push(await this.next());
    return items;
  }
}

/** One socket: a client in a namespace. */
export class Client {
  #inboxes = new Map();
  #version;

  /** `from` is another client whose Engine.IO session is shared. */
  constructor(version, mode, url, { namespace = "/", auth, query, from, ...options } = {}) {
    this.#version = version;
    this.mode = mode;
    options = { forceNew: true, reconnection: false, transports: [...modes[mode].transports], ...options };
    if (this.major >= 3) Object.assign(options, { auth, query });
    // Clients 1 and 2 know no auth: what stands in the namespace's query goes with the CONNECT.
    const search = this.major >= 3 ? "" : queryString({ ...auth, ...query });
    if (from) {
      this.socket = from.socket.io.socket(namespace, search ? { query: search } : options);
    } else {
      const lookup = require(`socket.io-client-${this.major}`);
      this.socket = lookup(url + namespace + (search ? `?${search}` : ""), options);
    }
    for (const event of events) {
      const inbox = new Inbox(event);
      this.#inboxes.set(event, inbox);
      this.socket.on(event, (...args) => inbox.put(args));
    }
    // Clients 1 and 2 hand an ERROR packet's data to `error`; later ones make an Error of it.
    const refusals = new Inbox("a refusal");
    this.#inboxes.set("refusal", refusals);
    this.socket.on(this.major >= 3 ? "connect_error" : "error", (error) => {
      refusals.put([this.major >= 3 ? { message: error.message, data: error.data } : error]);
    });
  }

  get major() {
    return Number(this.#version[0]);
  }

  get transport() {
    return this.socket.io.engine.transport.name;
  }

  inbox(event) {
    return this.#inboxes.get(event);
  }

  /** The arguments of the next `event` that arrives, or has arrived. */
  next(event) {
    return this.inbox(event).next();
  }

  /** Waits for the connect and, where the mode has one, for the upgrade. */
  async ready() {
    await this.next("connect");
    if (this.mode === "upgrade") await this.upgraded();
    if (this.transport !== modes[this.mode].ends) throw new Error(`it is on ${this.transport}`);
    return this;
  }

  /** Waits until the session is on a WebSocket. */
  async upgraded() {
    if (this.transport === "websocket") return;
    await within(new Promise((resolve) => this.socket.io.engine.once("upgrade", resolve)), "the upgrade");
  }

  /** Why the server refused the namespace: `{ message, data }`, or whatever clients 1 and 2 were given. */
  async refusal() {
    return (await this.next("refusal"))[0];
  }

  emit(event, ...args) {
    this.socket.emit(event, ...args);
  }

  on(event, handler) {
    this.socket.on(event, handler);
  }

  /** Emits the event and waits for its ack: the arguments of the ack. */
  call(event, ...args) {
    const ack = new Promise((resolve) => this.socket.emit(event, ...args, (...answer) => resolve(answer)));
    return within(ack, `the ack of "${event}"`);
  }

  /** Emits `message` and waits for what comes back. */
  async echo(...args) {
    this.emit("message", ...args);
    return this.next("message-back");
  }

  close() {
    this.socket.disconnect();
    this.socket.io.engine?.close();
  }
}
