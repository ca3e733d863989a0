// A real client that talks all the time, and what must hold of it whatever becomes of its connections: nothing arrives
// twice or out of order, what arrives on a connection is a prefix of what was sent on it, every acknowledgement
// comes or fails, once.

import assert from "node:assert/strict";
import { until } from "./until.mjs";

export class Talk {
  #client;
  #timer;
  #sent = [[]];
  #received = [[]];
  #next = 0;
  #mixedUp = [];
  #acks = [];
  #settled = 0;

  /** How often the client was connected. */
  connections;

  /** `every`: milliseconds between two events. */
  constructor(client, every = 2) {
    this.#client = client;
    const { socket } = client;
    this.connections = socket.connected ? 1 : 0;
    socket.on("connect", () => {
      this.connections++;
      this.#of(this.#received, this.connections);
    });
    socket.on("message-back", (n, bytes) => {
      if (n % 7 === 0 && Buffer.from(bytes ?? "").toString() !== `attachment ${n}`) this.#mixedUp.push(n);
      this.#of(this.#received, this.connections).push(n);
    });
    this.#timer = setInterval(() => this.#say(), every);
  }

  #of(lists, connection) {
    return (lists[connection] ??= []);
  }

  #say() {
    const { socket } = this.#client;
    const n = this.#next++;
    // What is said meanwhile goes out on the next connection; also once client 4.8 has missed the heartbeat.
    const goesOut = socket.connected && !socket.io.engine._hasPingExpired?.();
    this.#of(this.#sent, this.connections + (goesOut ? 0 : 1)).push(n);
    if (n % 7 === 0) socket.emit("message", n, Buffer.from(`attachment ${n}`));
    else socket.emit("message", n);
    // Clients before 4 know no timeout.
    if (n % 5 === 0 && socket.timeout) {
      this.#acks.push(0);
      const at = this.#acks.length - 1;
      socket.timeout(2_000).emit("message-with-ack", n, (error, back) => {
        this.#acks[at]++;
        this.#settled++;
        if (!error && back !== n) this.#mixedUp.push(n);
      });
    }
  }

  /** How much has come back so far. */
  get heard() {
    return this.#received.flat().length;
  }

  /** Whether something more comes back. */
  async goesOn(count = 20) {
    const { heard } = this;
    await until("more events that come back", () => this.heard >= heard + count || this.heard);
  }

  /** Says nothing more. */
  close() {
    clearInterval(this.#timer);
  }

  /** Ends the talk. `lossless`: there was no disconnect, so all of it must have come back. */
  async end({ lossless = false, patience } = {}) {
    this.close();
    const all = () => this.heard === this.#next || `${this.heard} of ${this.#next}`;
    if (lossless) await until("all that was sent", all, patience);
    await until("every acknowledgement", () => this.#settled >= this.#acks.length || `${this.#settled} of ${this.#acks.length}`);
    assert.deepEqual(this.#mixedUp, [], "an event has its own attachment and acknowledgement");
    assert.ok(this.#acks.every((times) => times === 1), "an acknowledgement comes once");
    assert.equal(new Set(this.#received.flat()).size, this.heard, "nothing arrives twice");
    for (let connection = 1; connection <= this.connections; connection++) {
      const received = this.#of(this.#received, connection);
      const sent = this.#of(this.#sent, connection);
      assert.deepEqual(received, sent.slice(0, received.length), `connection ${connection} got a prefix of what was sent`);
    }
    if (lossless) assert.equal(this.connections, 1, "the connection was never lost");
    return { connections: this.connections, sent: this.#next, heard: this.heard };
  }
}
