// What administrators are shown and can do: by a server of ours as by one with @socket.io/admin-ui, and in a cluster of
// both.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { io } from "socket.io-client";
import { Redis, administered, program, until } from "./cluster.mjs";

const username = "admin";
const password = "changeit";
// Of the lowest cost, so that the tests don't wait for it.
const hash = "$2a$04$XVMhG.O9066kuO6FsybnG.y7InquSIfZqxL7Or0eu9hQi1nIwXGVW";
const flags = ["--admin-user", username, "--admin-password-hash", hash];

const kinds = {
  theirs: (options = {}, redis) =>
    administered({ auth: { type: "basic", username, password: hash }, ...options }, redis),
  ours: ({ readonly, mode, serverId } = {}, redis) =>
    program(redis, ...flags, ...(readonly ? ["--admin-read-only"] : []), "--admin-mode", mode ?? "development", ...(serverId ? ["--admin-server-id", serverId] : [])),
};

/** An administrator: what it `received`, in order. */
function administrator(server, auth = { username, password }, options = {}) {
  const socket = io(`${server.url}/admin`, { auth, forceNew: true, reconnection: false, transports: ["websocket"], ...options });
  const received = [];
  socket.onAny((...event) => received.push(event));
  return new Promise((resolve, reject) => {
    socket.on("connect", () => resolve(Object.assign(socket, { received })));
    socket.on("connect_error", reject);
  });
}

function client(server, transports = ["websocket"]) {
  const socket = io(server.url, { forceNew: true, reconnection: false, transports, auth: { secret: 1 }, query: { q: "ü" } });
  const received = [];
  socket.onAny((...event) => received.push(event));
  return new Promise((resolve, reject) => {
    socket.on("connect", () => resolve(Object.assign(socket, { received })));
    socket.on("connect_error", reject);
  });
}

const told = (admin, name, about = () => true) =>
  until(
    () => `${name} among ${JSON.stringify(admin.received)}`,
    () => admin.received.find((event) => event[0] === name && about(...event.slice(1))),
  );

const iso = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

/** Events as text, without what differs from run to run: names stand for ids, "when" for times. */
function normal(events, names) {
  const text = (key, value) => {
    if (typeof value === "string" && iso.test(value)) return "when";
    if (typeof value === "string" && names.has(value)) return names.get(value);
    if (key === "clientId") return { type: typeof value, length: value?.length };
    if (key === "handshake" && typeof value === "object") {
      const { headers, query, issued, time, url, ...rest } = value;
      assert.equal(new Date(time).getTime(), issued - (issued % 1000), "one time in two forms");
      const { t, ...ours } = query;
      // JavaScript keeps the order of headers and parameters.
      return { ...rest, headers: sorted(plain(headers)), query: sorted(ours), url: url.replace(/&t=[^&]*/, "") };
    }
    return value;
  };
  return events.map((event) => JSON.stringify(event, text));
}

const sorted = (object) => Object.fromEntries(Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1)));
/** Headers that differ from connection to connection. */
const plain = ({ host, "sec-websocket-key": _, ...headers }) => headers;

/** All that an administrator is shown while clients come, talk, are moved, and go. */
async function shown(server) {
  const admin = await administrator(server);
  await told(admin, "all_sockets");
  const one = await client(server);
  const two = await client(server, ["polling", "websocket"]);
  await told(admin, "socket_updated");
  one.emit("message", 1, "x", { a: [null, Buffer.from([1, 2])] });
  await told(admin, "event_sent", (nsp, id, args) => args[0] === "message-back");
  one.emit("nobody handles it", () => {});
  await told(admin, "event_received", (nsp, id, args) => args[0] === "nobody handles it");
  admin.emit("join", "/", "r", one.id);
  await told(admin, "room_joined", (nsp, room) => room === "r");
  admin.emit("emit", "/", "r", "hello", 1, { b: Buffer.from([3]) });
  await until("hello", () => one.received.some(([name]) => name === "hello"));
  assert.deepEqual(one.received.at(-1), ["hello", 1, { b: Buffer.from([3]) }]);
  await told(admin, "event_sent", (nsp, id, args) => args[0] === "hello");
  admin.emit("leave", "/", "r");
  await told(admin, "room_left", (nsp, room) => room === "r");
  const ids = new Map([[one.id, "one"], [two.id, "two"], [admin.id, "admin"]]);
  const gone = new Promise((resolve) => one.on("disconnect", resolve));
  admin.emit("_disconnect", "/", false, one.id);
  assert.equal(await gone, "io server disconnect");
  two.disconnect();
  await until("both are gone", () => admin.received.filter(([name]) => name === "socket_disconnected").length === 2);
  // The reference tells of the rooms one after the other.
  for (const left of ["two", "all"]) {
    await told(admin, "room_left", (nsp, room, id) => (ids.get(room) ?? room) === left && ids.get(id) === "two");
  }
  const events = admin.received.filter(([name]) => name !== "server_stats");
  const [, stats] = await told(admin, "server_stats", (stats) => stats.aggregatedEvents.some(({ type }) => type === "bytesOut"));
  await told(admin, "server_stats", (stats) => stats.aggregatedEvents.some((event) => "subType" in event));
  const aggregatedEvents = admin.received.filter(([name]) => name === "server_stats").flatMap(([, stats]) => stats.aggregatedEvents);
  one.disconnect();
  admin.disconnect();
  return { events: normal(events, ids), stats: { ...stats, aggregatedEvents } };
}

describe("administrators", () => {
  // proves: features/admin-ui
  test("a server of ours shows what the reference shows, in the same words", async () => {
    const servers = await Promise.all([kinds.theirs({ serverId: "s" }), kinds.ours({ serverId: "s" })]);
    const [theirs, ours] = await Promise.all(servers.map(shown));
    // JavaScript tells of a room that is left with its socket after the socket, and of the session before the CONNECT.
    const order = (events) => [...events].sort();
    const sessions = (events) => events.filter((event) => event.startsWith('["session"'));
    assert.deepEqual([sessions(theirs.events).length, sessions(ours.events).length], [1, 1]);
    const others = (events) => events.filter((event) => !event.startsWith('["session"'));
    assert.deepEqual(order(others(ours.events)), order(others(theirs.events)));
    const form = (stats) => [Object.keys(stats), stats.aggregatedEvents.map(Object.keys).map(String).sort().at(-1), Object.keys(stats.namespaces[0])];
    assert.deepEqual(form(ours.stats), form(theirs.stats));
    assert.deepEqual([ours.stats.serverId, ours.stats.hostname], [theirs.stats.serverId, theirs.stats.hostname]);
    await Promise.all(servers.map(({ process }) => process.kill()));
  });

  // proves: features/admin-ui
  test("a wrong password is refused, and a session lets in again", async () => {
    for (const start of Object.values(kinds)) {
      const server = await start();
      await assert.rejects(administrator(server, { username, password: "wrong" }), { message: "invalid credentials" });
      await assert.rejects(administrator(server, { sessionId: "0123456789abcdef" }), { message: "invalid credentials" });
      const admin = await administrator(server);
      const [, sessionId] = await told(admin, "session");
      const again = await administrator(server, { sessionId });
      await told(again, "config");
      [admin, again].forEach((socket) => socket.disconnect());
      server.process.kill();
    }
  });

  // proves: features/admin-ui
  test("what the page is told that it can do is the same, also if that is less", async () => {
    const less = [{ readonly: true }, { mode: "production" }, { readonly: true, mode: "production" }];
    const told = async (start, options) => {
      const server = await start(options);
      const admin = await administrator(server);
      // Numbers may come before the sockets, which have to be looked for.
      const wanted = ["server_stats", ...(options.mode === "production" ? [] : ["all_sockets"])];
      await until("numbers", () => wanted.every((wanted) => admin.received.some(([name]) => name === wanted)));
      const names = new Set(admin.received.map(([name]) => name));
      const config = admin.received.find(([name]) => name === "config");
      admin.disconnect();
      server.process.kill();
      return { options, config, names: [...names].sort() };
    };
    const [theirs, ours] = await Promise.all(
      [kinds.theirs, kinds.ours].map((start) => Promise.all(less.map((options) => told(start, options)))),
    );
    assert.deepEqual(ours, theirs);
  });
});

describe("administrators of a cluster", () => {
  let redis, theirs, ours, onTheirs, onOurs;

  before(async () => {
    redis = await Redis.start();
    [theirs, ours] = await Promise.all([kinds.theirs({ serverId: "theirs" }, redis), kinds.ours({ serverId: "ours" }, redis)]);
    [onTheirs, onOurs] = await Promise.all([client(theirs), client(ours)]);
    await until("the servers count each other", async () => {
      const { "socket.io-request#/#": nodes } = await redis.client.pubSubNumSub(["socket.io-request#/#"]);
      return nodes === 2;
    });
  });

  after(async () => {
    [onTheirs, onOurs].forEach((socket) => socket.disconnect());
    [theirs, ours].forEach(({ process }) => process.kill());
    await redis.kill();
  });

  for (const [place, other] of [["theirs", "ours"], ["ours", "theirs"]]) {
    // proves: features/admin-ui
    test(`logged in to ${place}, both servers are shown, and all their clients`, async () => {
      const servers = { theirs, ours };
      const admin = await administrator(servers[place]);
      const [, sockets] = await told(admin, "all_sockets");
      for (const { id } of [onTheirs, onOurs]) {
        const socket = sockets.find((socket) => socket.id === id);
        assert.deepEqual([socket?.nsp, socket?.transport, socket?.clientId.length], ["/", "websocket", 12]);
        assert.deepEqual(socket.data, {}, "what the servers keep for the page is not shown");
      }
      for (const name of ["theirs", "ours"]) await told(admin, "server_stats", ({ serverId }) => serverId === name);
      // Somebody comes to the other server, talks, is moved and put out.
      const far = await client(servers[other]);
      const { id } = far;
      await told(admin, "socket_connected", (socket) => socket.id === id);
      far.emit("message", Buffer.from([1]));
      const received = await told(admin, "event_received", (nsp, from) => from === id);
      assert.deepEqual(received.slice(1, 4), ["/", id, ["message", Buffer.from([1])]]);
      admin.emit("join", "/", "r", id);
      await told(admin, "room_joined", (nsp, room, socket) => room === "r" && socket === id);
      admin.emit("emit", "/", "r", "hello", 1);
      await until("hello", () => far.received.some(([name]) => name === "hello"));
      const gone = new Promise((resolve) => far.on("disconnect", resolve));
      admin.emit("_disconnect", "/", true, id);
      assert.equal(await gone, "io server disconnect");
      await told(admin, "socket_disconnected", (nsp, socket) => socket === id);
      admin.disconnect();
    });
  }
});
