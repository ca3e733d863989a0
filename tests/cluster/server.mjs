// The program of server.rs on socket.io, with one of npm's adapters:
//
//     node server.mjs redis://127.0.0.1:6379 classic|sharded|sharded-static|sharded-dynamic-private|streams [--client redis|ioredis] [--adapter NAME] [--recovery] [OPTIONS AS JSON]

import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import Redis from "ioredis";
import { createClient, createCluster } from "redis";
import { Server } from "socket.io";

const { values: given, positionals } = parseArgs({
  allowPositionals: true,
  options: { client: { type: "string", default: "redis" }, adapter: { type: "string", default: "@socket.io/redis-adapter" }, recovery: { type: "boolean" } },
});
const [url, mode, options = "{}"] = positionals;

process.on("uncaughtException", (error) => {
  console.log(JSON.stringify({ uncaught: String(error?.stack ?? error) }));
});

async function client() {
  if (url.startsWith("redis+sentinel:")) {
    const places = url.split(",").map((url) => new URL(url));
    const sentinels = places.map(({ hostname: host, port }) => ({ host, port: Number(port) }));
    const redis = new Redis({ sentinels, name: places[0].pathname.slice(1), sentinelRetryStrategy: () => 50 });
    redis.on("error", () => {});
    return redis;
  }
  if (url.includes(",")) {
    const redis = createCluster({ rootNodes: url.split(",").map((url) => ({ url })) });
    redis.on("error", () => {});
    await redis.connect();
    return redis;
  }
  if (given.client === "ioredis") {
    const redis = new Redis(url);
    redis.on("error", () => {});
    return redis;
  }
  const redis = createClient({ url });
  redis.on("error", () => {});
  await redis.connect();
  return redis;
}

async function adapter() {
  if (mode === "streams") {
    const { createAdapter } = await import("@socket.io/redis-streams-adapter");
    return createAdapter(await client(), JSON.parse(options));
  }
  const { createAdapter, createShardedAdapter } = await import(given.adapter);
  const [pub, sub] = [await client(), await client()];
  if (mode === "classic") return createAdapter(pub, sub, JSON.parse(options));
  const subscriptionMode = { sharded: "dynamic", "sharded-static": "static" }[mode] ?? "dynamic-private";
  return createShardedAdapter(pub, sub, { subscriptionMode, ...JSON.parse(options) });
}

const http = createServer();
const recovery = given.recovery ? { connectionStateRecovery: { maxDisconnectionDuration: 60_000 } } : {};
const io = new Server(http, { adapter: await adapter(), ...recovery });
for (const nsp of [io.of("/"), io.of(/^\/dynamic-/)]) {
  nsp.on("connection", (socket) => {
    socket.on("join", async (room, done) => {
      await socket.join(room);
      done(true);
    });
  });
}

/** What JSON has no word for, as commands write it. */
const special = {
  $bytes: (bytes) => Buffer.from(bytes),
  $array: (bytes) => new Uint8Array(bytes),
  $buffer: (bytes) => new Uint8Array(bytes).buffer,
  $date: (millis) => new Date(millis),
  $undefined: () => undefined,
  $number: (name) => Number(name),
};
const revive = (value) => {
  if (Array.isArray(value)) return value.map(revive);
  if (value === null || typeof value !== "object") return value;
  const [key, ...others] = Object.keys(value);
  if (key in special && !others.length) return special[key](value[key]);
  return Object.fromEntries(Object.entries(value).map(([key, value]) => [key, revive(value)]));
};

function whom({ nsp = "/", rooms = [], except = [], volatile, compress, local, timeout }) {
  let chosen = io.of(nsp);
  for (const room of rooms) chosen = chosen.to(room);
  for (const room of except) chosen = chosen.except(room);
  if (volatile) chosen = chosen.volatile;
  if (compress !== undefined) chosen = chosen.compress(compress);
  if (local) chosen = chosen.local;
  if (timeout !== undefined) chosen = chosen.timeout(timeout);
  return chosen;
}

const heard = [];
const shown = (value) => (value === undefined ? null : value);

const commands = {
  emit: (c) => void whom(c).emit(...revive(c.event)),
  // The answers that came are there with an error, too.
  ack: (c) =>
    new Promise((resolve) => {
      whom(c).emit(...revive(c.event), (error, answers) => {
        resolve({ answers: answers?.map(shown), error: error?.message });
      });
    }),
  async fetch(c) {
    const before = Date.now();
    const told = ({ id, rooms, data, handshake }) => ({ id, rooms: [...rooms], data, handshake });
    try {
      return { sockets: (await whom(c).fetchSockets()).map(told), took: Date.now() - before };
    } catch (error) {
      return { error: error.message, took: Date.now() - before };
    }
  },
  join: (c) => whom(c).socketsJoin(c.join),
  leave: (c) => whom(c).socketsLeave(c.join),
  disconnect: (c) => whom(c).disconnectSockets(c.close),
  "broadcast from": (c) => void io.of(c.nsp ?? "/").sockets.get(c.socket).broadcast.emit(...revive(c.event)),
  "emit to": (c) => void io.of(c.nsp ?? "/").sockets.get(c.socket).emit(...revive(c.event)),
  "set data": (c) => void (io.of(c.nsp ?? "/").sockets.get(c.socket).data.value = revive(c.value)),
  "join number": (c) => void io.of("/").sockets.get(c.socket).join(c.value),
  "server side": (c) => void io.of(c.nsp ?? "/").serverSideEmit(...revive(c.event)),
  "server side with ack": (c) =>
    new Promise((resolve) => {
      const before = Date.now();
      io.of(c.nsp ?? "/").serverSideEmit(...revive(c.event), (error, answers) => {
        resolve({ answers: answers?.map(shown), error: error?.message, took: Date.now() - before });
      });
    }),
  "handle server side": (c) =>
    void io.of(c.nsp ?? "/").on(c.event[0], (...args) => {
      const answer = typeof args.at(-1) === "function" ? args.pop() : () => {};
      heard.push(args);
      answer(c.value);
    }),
  heard: () => heard.splice(0),
  open: (c) => void io.of(c.nsp),
  id: (c) => io.of(c.nsp ?? "/").adapter.uid,
  servers: (c) => io.of(c.nsp ?? "/").adapter.serverCount(),
  "all rooms": async (c) => [...(await io.of(c.nsp ?? "/").adapter.allRooms())],
  end: () => io.close(),
};

http.listen(0, "127.0.0.1", () => {
  // The adapter subscribes without telling when that is done: the tests wait until all are counted.
  console.log(JSON.stringify({ url: `http://127.0.0.1:${http.address().port}` }));
});
for await (const line of createInterface(process.stdin)) {
  const command = JSON.parse(line);
  const done = (line) => console.log(JSON.stringify({ id: command.id, ...line }));
  // Not awaited: what waits for others must not hold up what follows.
  Promise.resolve()
    .then(() => commands[command.what](command))
    .then(
      (result) => done({ result: result ?? null }),
      (error) => done({ error: String(error?.message ?? error) }),
    );
}
