// The two WebSocket clients of Node that people have, made to look alike.

import WebSocket from "ws";
import websocket from "websocket";

export const clients = { ws: openWs, websocket: openWebSocketNode };

const patience = 10_000;

/** What a promise comes to, unless it takes too long. */
export function within(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} did not come within ${patience} ms`)), patience);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** A handshake that was refused. */
export class Refused extends Error {
  constructor(response) {
    const reason = response.headers["x-websocket-reject-reason"];
    super(`${response.statusCode} ${reason}`);
    Object.assign(this, { status: response.statusCode, reason });
  }
}

/** Messages in the order in which they come: strings and Buffers. */
class Connection {
  #messages = [];
  #waiting = [];

  constructor(raw) {
    this.raw = raw;
    this.closed = new Promise((resolve) => raw.on("close", (code, reason) => resolve([code, `${reason}`])));
  }

  came(message) {
    const next = this.#waiting.shift();
    if (next) next(message);
    else this.#messages.push(message);
  }

  next() {
    if (this.#messages.length > 0) return Promise.resolve(this.#messages.shift());
    return within(new Promise((resolve) => this.#waiting.push(resolve)), "a message");
  }

  async nextObject() {
    return JSON.parse(await this.next());
  }
}

/** npm's `ws`. */
async function openWs(url, { protocols = [], origin } = {}) {
  const raw = new WebSocket(url, protocols, { origin });
  const connection = new Connection(raw);
  raw.on("message", (bytes, binary) => connection.came(binary ? bytes : bytes.toString()));
  await within(
    new Promise((resolve, reject) => {
      raw.on("open", resolve);
      raw.on("error", reject);
      raw.on("unexpected-response", (_, response) => reject(new Refused(response)));
    }),
    "the connection",
  );
  return Object.assign(connection, {
    protocol: raw.protocol,
    send: (message) => raw.send(message),
    ping: (text) => raw.ping(text),
    pong: () => within(new Promise((resolve) => raw.once("pong", (bytes) => resolve(`${bytes}`))), "a pong"),
    close: (code, reason) => raw.close(code, reason),
  });
}

/** npm's `websocket`, which is WebSocket-Node. */
async function openWebSocketNode(url, { protocols = [], origin } = {}) {
  const client = new websocket.client();
  const connection = await within(
    new Promise((resolve, reject) => {
      // What came with the answer to the handshake is given out as soon as these listeners return.
      client.on("connect", (raw) => {
        const connection = new Connection(raw);
        raw.on("error", () => {});
        raw.on("message", ({ type, utf8Data, binaryData }) => connection.came(type === "utf8" ? utf8Data : binaryData));
        resolve(connection);
      });
      client.on("connectFailed", reject);
      client.on("httpResponse", (response) => reject(new Refused(response)));
      client.connect(url, protocols, origin);
    }),
    "the connection",
  );
  const { raw } = connection;
  return Object.assign(connection, {
    protocol: raw.protocol ?? "",
    send: (message) => (typeof message === "string" ? raw.sendUTF(message) : raw.sendBytes(message)),
    ping: (text) => raw.ping(text),
    pong: () => within(new Promise((resolve) => raw.once("pong", (bytes) => resolve(`${bytes}`))), "a pong"),
    close: (code, reason) => raw.drop(code, reason),
  });
}
