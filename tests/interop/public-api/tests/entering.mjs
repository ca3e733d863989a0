// Who a client is, how it comes, who may not come in, and what may not be said.

import assert from "node:assert/strict";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { modes, within } from "../../js/client.mjs";
import { call, next } from "../events.mjs";

export default {
  // proves: features/socket-handshake
  async "the handshake tells who came"({ join, mode }) {
    const auth = { token: "abc", deep: [{ n: 1 }] };
    const options = { auth, query: { room: "à b" }, extraHeaders: { "X-From": "test" } };
    const socket = await join("/whoami", options);
    const [handshake] = await call(socket, "handshake");
    assert.equal(handshake.id, socket.id);
    assert.notEqual(handshake.id, socket.io.engine.id);
    assert.deepEqual(handshake.auth, auth);
    assert.equal(handshake.headers["x-from"], "test");
    assert.equal(handshake.headers.host, new URL(socket.io.uri).host);
    assert.ok(Math.abs(handshake.issued - Date.now()) < 10_000);
    assert.equal(handshake.address, "127.0.0.1");
    assert.equal(handshake.secure, false);
    assert.equal(handshake.xdomain, false);
    assert.ok(Math.abs(new Date(handshake.time) - Date.now()) < 10_000, handshake.time);
    const { room, EIO, transport } = handshake.query;
    assert.deepEqual({ room, EIO, transport }, { room: "à b", EIO: "4", transport: modes[mode].transports[0] });
    assert.ok(handshake.url.startsWith("/socket.io/?"), handshake.url);
  },

  // proves: features/transport
  async "the transport in use, and the upgrade"({ open, mode }) {
    const socket = open("/transports");
    const [first, last] = [modes[mode].transports[0], modes[mode].ends];
    if (first !== last) assert.deepEqual(await next(socket, "upgraded"), [last]);
    assert.deepEqual(await call(socket, "transport"), [last, 4]);
  },

  // proves: features/namespace-middleware
  async "a middleware refuses with message and data, and those behind it are not asked"({ open }) {
    const refused = open("/refused");
    const [error] = await next(refused, "connect_error");
    assert.equal(error.message, "refused by the second");
    assert.deepEqual(error.data, { code: 7, why: ["a", { seen: "seen by the first" }] });
    assert.ok(!refused.connected);
    const main = open("/", { query: { fail: 1 } });
    const [{ message, data }] = await next(main, "connect_error");
    assert.deepEqual({ message, data }, { message: "no entry to the main namespace", data: undefined });
    const [unknown] = await next(open("/nowhere"), "connect_error");
    assert.equal(unknown.message, "Invalid namespace");
  },

  // proves: features/socket-data
  async "a middleware takes its time, and what it found out stays"({ open, join }) {
    const socket = open("/slow", { auth: { name: "Ada" } });
    // Emitted before the connection is there.
    assert.deepEqual(await call(socket, "name"), ["Ada"]);
    const [error] = await next(open("/slow"), "connect_error");
    assert.equal(error.message, "who?");
    assert.deepEqual(await call(await join("/slow", { auth: { name: "Bob" } }), "name"), ["Bob"]);
  },

  // proves: protocol/emits-in-middlewares
  async "a middleware joins rooms and emits, and a refusal forgets both"({ open }) {
    const enter = (auth) => {
      const socket = open("/entering", { auth });
      const told = [];
      for (const event of ["early", "connected", "to the room", "answered"]) {
        socket.on(event, (...args) => told.push([event, ...args]));
      }
      socket.on("asked", (value, answer) => {
        told.push(["asked", value]);
        answer("yes");
      });
      return [socket, told];
    };
    const [socket, told] = enter({});
    const answered = next(socket, "answered");
    assert.deepEqual(await call(socket, "own"), ["the socket's"]);
    assert.deepEqual(await call(socket, "rooms"), [["a"]]);
    await answered;
    const { id } = socket;
    const expected = [["early", 1, ["a"]], ["asked", 2], ["connected"], ["to the room", id], ["answered", "yes"]];
    assert.deepEqual(told, expected);
    const [refused, nothing] = enter({ refuse: true });
    assert.equal((await next(refused, "connect_error"))[0].message, "no");
    assert.deepEqual(await call(socket, "all rooms"), [{ a: 1 }]);
    assert.deepEqual([told.length, nothing.length], [expected.length, 0]);
    // One that goes while a middleware decides.
    const [hasty] = enter({});
    await within(once(hasty.io, "open"), "the connection");
    hasty.disconnect();
    const forgotten = async () => {
      while ((await call(socket, "all rooms"))[0].a > 1) await sleep(10);
    };
    await within(forgotten(), "that its room is forgotten");
  },

  // proves: features/event-middleware
  async "a packet middleware keeps an event from its handler"({ join }) {
    const socket = await join("/strict");
    const refused = next(socket, "refused event");
    socket.emit("forbidden", () => assert.fail("it was answered"));
    assert.deepEqual(await refused, ["forbidden", "not that word"]);
    assert.deepEqual(await call(socket, "allowed", "word"), ["word"]);
  },
};
