// Engine.IO as bytes: a client that can stop anywhere.

import { connect } from "node:net";

export const polling = "/socket.io/?EIO=4&transport=polling";
export const webSocket = "/socket.io/?EIO=4&transport=websocket";

/** A frame as a client sends it, masked with zeros. */
export function frame(text, opcode = 0x81) {
  const payload = Buffer.from(text);
  const length = payload.length;
  const head = length < 126 ? [opcode, 0x80 | length] : [opcode, 0xfe, length >> 8, length & 255];
  return Buffer.concat([Buffer.from([...head, 0, 0, 0, 0]), payload]);
}

/** One connection. Whatever becomes of it, nothing is thrown. */
export class Raw {
  #read = "";
  #wake = () => {};

  static async open(server) {
    const raw = new Raw();
    raw.socket = connect(new URL(server.url).port, "127.0.0.1");
    raw.socket.setNoDelay(true);
    raw.socket.on("error", () => {});
    raw.socket.setEncoding("latin1").on("data", (chunk) => {
      raw.#read += chunk;
      raw.#wake();
    });
    for (const end of ["end", "close"]) raw.socket.on(end, () => raw.#wake());
    await new Promise((resolve) => raw.socket.once("connect", resolve).once("close", resolve));
    return raw;
  }

  send(bytes) {
    this.socket.write(bytes);
  }

  get(target) {
    this.send(`GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`);
  }

  /** A POST that announces `length` bytes, and brings these. */
  post(target, body, length = body.length) {
    this.send(`POST ${target} HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n\r\n${body}`);
  }

  upgrade(target) {
    this.send(
      `GET ${target} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
  }

  /** Reads until that has come, or the connection has ended. */
  async until(part) {
    while (!this.#read.includes(part) && !this.socket.destroyed && !this.socket.readableEnded) {
      await new Promise((resolve) => (this.#wake = resolve));
    }
    const read = this.#read;
    this.#read = "";
    return read;
  }

  /** A session by polling: its target. */
  async open() {
    this.get(polling);
    const sid = /"sid":"([^"]*)"/.exec(await this.until('"maxPayload"'))?.[1];
    return `${polling}&sid=${sid}`;
  }

  /** A socket in `/` by WebSocket. */
  async join() {
    this.upgrade(webSocket);
    await this.until('"maxPayload"');
    this.send(frame("40"));
    await this.until("40{");
  }

  reset() {
    this.socket.resetAndDestroy();
  }
}
