// Servers that come and go, garbage, emitters, load, and a Redis that is cut, paused, killed and started again. A is theirs, B ours.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { createRequire } from "node:module";
import { Emitter } from "@socket.io/redis-emitter";
import { Redis, expectEvents, listened, ours, program, reaches, sleep, theirs, together, until } from "./cluster.mjs";

const { encode } = createRequire(createRequire(import.meta.url).resolve("@socket.io/redis-emitter"))("notepack.io");
const modes = (process.env.MODES ?? "classic,sharded,streams").split(",");

/** Keeps the servers of a test until it ends, also where it fails: the next test counts those that run. */
function keeper() {
  const running = [];
  afterEach(() => Promise.all(running.splice(0).map((node) => node.stop())));
  return async (node) => running[running.push(await node) - 1];
}

/** What all of these bring, or the first error, once none of them goes on. */
async function ended(promises) {
  await Promise.allSettled(promises);
  return Promise.all(promises);
}

for (const mode of modes) {
  describe(mode, () => {
    const keep = keeper();
    let redis;
    before(async () => (redis = await Redis.start()));
    after(() => redis.kill());

    test("a server that ends, and one that is killed, are not waited for", async () => {
      const [A, B, C] = await Promise.all([keep(theirs(redis, mode)), keep(ours(redis, mode)), keep(ours(redis, mode))]);
      await together(A, B, C);
      await B.do("end");
      assert.equal(await A.do("servers"), 2, "it has left when it says so");
      const { took, error } = await A.do("fetch");
      assert.ok(!error && took < 4000, `${error} after ${took} ms`);
      await Promise.all([B.stop(), C.stop()]);
      await until("C is not counted", async () => (await A.do("servers")) === 1);
      assert.ok((await A.do("fetch")).took < 4000);
      await A.stop();
    });

    // proves: features/adapters
    test("what came is kept when a server is silent, and one that dies meanwhile is not waited for", async () => {
      const [A, B, C] = await Promise.all([keep(theirs(redis, mode)), keep(ours(redis, mode)), keep(ours(redis, mode))]);
      await together(A, B, C);
      await Promise.all([A.client(), B.client(), C.client()]);
      const id = await A.do("id");
      A.process.kill("SIGSTOP");
      const silent = await B.do("fetch", { timeout: 2000 });
      assert.equal(silent.sockets.length, 2);
      // Classic answers don't say who answers.
      const named = mode === "classic" ? [] : [id];
      assert.deepEqual(silent.missing, named);
      assert.match(silent.error, /one other node did not answer in time/);
      const fetching = B.do("fetch", { timeout: 60_000 });
      const answers = await B.do("ack", { event: ["q"], timeout: 2000 });
      assert.deepEqual([answers.silent, answers.missing], [1, named]);
      A.process.kill("SIGKILL");
      const dead = await fetching;
      assert.deepEqual([dead.sockets.length, dead.error], [2, null]);
      assert.ok(dead.took < 30_000, `${dead.took} ms`);
      await Promise.all([A, B, C].map((node) => node.stop()));
    });

    // proves: features/adapters
    test("garbage is counted and ignored", async () => {
      const B = await keep(ours(redis, mode));
      const client = await B.client();
      const channels = ["socket.io#/#", "socket.io-request#/#", "socket.io-response#/#"].slice(0, mode === "classic" ? 3 : 1);
      let deep = [];
      for (let depth = 0; depth < 10_000; depth++) deep = [deep];
      const garbage = [
        "text", "", "{}", "null", "{", Buffer.from("93a175c080", "hex"), encode(["u", { type: 2, data: ["e"], nsp: "/" }]),
        encode(["u", { type: 99, data: ["e"], nsp: "/" }, {}]), encode(["u", { type: 2, data: "e", nsp: "/" }, {}]),
        Buffer.concat([Buffer.from([0x93, 0xa1, 0x75]), Buffer.alloc(10_000, 0x91), Buffer.from([0xc0])]),
        `{"type":3,"data":${"[".repeat(10_000)}${"]".repeat(10_000)},"uid":"u","nsp":"/"}`,
        JSON.stringify({ type: 5 }), JSON.stringify({ type: 99, data: {}, uid: "u", nsp: "/" }),
      ];
      const send = mode === "sharded" ? "SPUBLISH" : "PUBLISH";
      if (mode === "streams") {
        const entries = [
          ["nsp", "/"], ["nsp", "/", "type", "x"], ["nsp", "/", "type", "99", "data", "{}"], ["nsp", "/", "type", "3", "data", "===="],
          ["nsp", "/", "type", "3", "data", " {}"], ["nsp", "/", "type", "3", "data", "[".repeat(10_000)],
          ["nsp", "/", "type", "3", "data", JSON.stringify({ packet: { type: 99, data: ["e"] }, opts: {} })],
        ];
        for (const entry of entries) await redis.client.sendCommand(["XADD", "socket.io", "*", ...entry]);
        await until("entries are counted", async () => (await B.do("counts")).foreign === entries.length);
      }
      for (const channel of channels) {
        for (const payload of garbage) await redis.client.sendCommand([send, channel, payload]);
      }
      await until("it is counted", async () => (await B.do("counts")).foreign >= channels.length * (garbage.length - 1));
      await B.emit("after");
      await expectEvents([client], [[["after"]]]);
      assert.ok(client.connected);
      await B.stop();
    });

    // proves: features/emitter
    test("emitters reach the clients of both servers alike", async () => {
      const [A, B] = await Promise.all([keep(theirs(redis, mode)), keep(ours(redis, mode))]);
      await together(A, B);
      const clients = [...(await Promise.all([A.client(), B.client()])), ...(await Promise.all([A.client("/dynamic-e"), B.client("/dynamic-e")]))];
      for (const node of [A, B]) await node.do("handle server side", { event: ["hey"] });
      const emitters = {
        ours: {
          emit: (fields, ...event) => B.do("emitter emit", { event, ...fields }),
          join: (fields, join) => B.do("emitter join", { join: [join], ...fields }),
          leave: (fields, leave) => B.do("emitter leave", { join: [leave], ...fields }),
          disconnect: (fields) => B.do("emitter disconnect", { ...fields }),
          serverSide: (...event) => B.do("emitter server side", { event }),
        },
      };
      if (mode === "classic") {
        const npm = (fields) => {
          let emitter = new Emitter(redis.client, {}, fields.nsp ?? "/");
          for (const room of fields.rooms ?? []) emitter = emitter.to(room);
          for (const room of fields.except ?? []) emitter = emitter.except(room);
          return emitter;
        };
        emitters.npm = {
          emit: (fields, ...event) => npm(fields).emit(...event),
          join: (fields, join) => npm(fields).socketsJoin(join),
          leave: (fields, leave) => npm(fields).socketsLeave(leave),
          disconnect: (fields) => npm(fields).disconnectSockets(),
          serverSide: (...event) => npm({}).serverSideEmit(...event),
        };
      }
      for (const [name, emitter] of Object.entries(emitters)) {
        await emitter.emit({}, "all", 1, [null, { a: "ö" }]);
        await emitter.emit({ rooms: [clients[1].id] }, "one");
        await emitter.emit({ except: [clients[1].id] }, "others");
        await emitter.emit({ nsp: "/dynamic-e" }, "namespace");
        const all = ["all", 1, [null, { a: "ö" }]];
        await expectEvents(clients, [[all, ["others"]], [all, ["one"]], [["namespace"]], [["namespace"]]]);
        await emitter.join({}, "joined");
        // An emitter's join and what follows it go by different channels.
        const both = [A, B].map((node) => until("they join", async () => (await node.do("fetch", { rooms: ["joined"] })).sockets.length === 2));
        await Promise.all(both);
        if (mode === "sharded") await listened(redis, ["joined"], 2);
        await emitter.emit({ rooms: ["joined"] }, "joined");
        await expectEvents(clients, [[["joined"]], [["joined"]]]);
        await emitter.leave({}, "joined");
        await emitter.serverSide("hey", name);
        for (const node of [A, B]) assert.deepEqual(await until("it is heard", async () => (await node.do("heard"))[0]), [name]);
      }
      await emitters.ours.disconnect({});
      await until("they are put out", () => clients.slice(0, 2).every((client) => !client.connected));
      assert.ok(clients[2].connected && clients[3].connected);
      await Promise.all([A.stop(), B.stop()]);
    });

    if (mode !== "classic") {
      // proves: features/emitter
      test("what an emitter in JavaScript writes reaches the clients of both servers", async () => {
        const [A, B] = await Promise.all([keep(theirs(redis, mode)), keep(ours(redis, mode))]);
        await together(A, B);
        const clients = [...(await Promise.all([A.client(), B.client()])), ...(await Promise.all([A.client("/dynamic-e"), B.client("/dynamic-e")]))];
        for (const node of [A, B]) await node.do("handle server side", { event: ["hey"] });
        const send = (type, data, nsp = "/") => {
          const command = {
            sharded: ["SPUBLISH", `socket.io#${nsp}#`, JSON.stringify({ type, data, uid: "emitter", nsp })],
            streams: ["XADD", "socket.io", "*", "uid", "emitter", "nsp", nsp, "type", `${type}`, "data", JSON.stringify(data)],
          };
          return redis.client.sendCommand(command[mode]);
        };
        const opts = (rooms = [], except = []) => ({ rooms, except, flags: {} });
        const event = (...data) => ({ type: 2, data });
        await send(3, { packet: event("all", 1), opts: opts() });
        await send(3, { packet: event("some"), opts: opts([], [clients[1].id]) });
        await send(3, { packet: event("namespace"), opts: opts() }, "/dynamic-e");
        await expectEvents(clients, [[["all", 1], ["some"]], [["all", 1]], [["namespace"]], [["namespace"]]]);
        await send(4, { opts: opts(), rooms: ["joined"] });
        const joined = (count) => Promise.all([A, B].map((node) => until("they join", async () => (await node.do("fetch", { rooms: ["joined"] })).sockets.length === count)));
        await joined(2);
        await send(3, { packet: event("joined"), opts: opts(["joined"]) });
        await expectEvents(clients, [[["joined"]], [["joined"]]]);
        await send(5, { opts: opts([clients[1].id]), rooms: ["joined"] });
        await joined(1);
        await send(9, { packet: ["hey", 7] });
        for (const node of [A, B]) assert.deepEqual(await until("it is heard", async () => (await node.do("heard"))[0]), [7]);
        await send(6, { opts: opts(), close: false });
        await until("they are put out", () => clients.slice(0, 2).every((client) => !client.connected));
        assert.ok(clients[2].connected && clients[3].connected);
        await Promise.all([A.stop(), B.stop()]);
      });
    }

    test("under load each client gets all events, in the order of each sender", async () => {
      const [A, B] = await Promise.all([keep(theirs(redis, mode)), keep(ours(redis, mode))]);
      await together(A, B);
      const clients = await Promise.all([A.client(), B.client()]);
      const EVENTS = 3000;
      for (let n = 0; n < EVENTS; n++) {
        A.emit("A", [n, "x".repeat(n % 100)]);
        B.emit("B", [n, { $bytes: [n % 256] }]);
        if (n % 200 === 0) await sleep(1);
      }
      for (const client of clients) {
        await reaches(() => client.received.length, 2 * EVENTS);
        assert.equal(client.received.length, 2 * EVENTS);
        for (const name of ["A", "B"]) {
          const numbers = client.received.filter((event) => event[0] === name).map((event) => event[1]);
          assert.ok(numbers.every((n, at) => n === at), `events of ${name} are out of order`);
        }
      }
      await Promise.all([A.stop(), B.stop()]);
    });

    // proves: features/adapters
    test("servers that come and go under load: no client gets anything twice, out of order, or with a gap", async () => {
      const [A, B] = await Promise.all([keep(theirs(redis, mode)), keep(ours(redis, mode))]);
      await together(A, B);
      const sent = { A: 0, B: 0 };
      const beat = setInterval(() => {
        A.emit("A", [sent.A++]);
        B.emit("B", [sent.B++]);
      }, 4);
      const staying = await Promise.all([A.client(), B.client()]);
      const comeAndGo = async (n) => {
        await sleep(100 * n);
        const node = await keep(ours(redis, mode));
        const client = await node.client();
        await until("it hears both", () => ["A", "B"].every((name) => client.received.filter((event) => event[0] === name).length > 30));
        // One after the other says goodbye, or is killed.
        if (n % 2 === 0) await node.do("end");
        await node.stop();
        return client;
      };
      const moving = await ended([0, 1, 2, 3, 4].map(comeAndGo)).finally(() => clearInterval(beat));
      await until("those that stay have all", () => staying.every((client) => ["A", "B"].every((name) => client.received.some((event) => event[0] === name && event[1] === sent[name] - 1))));
      for (const client of [...staying, ...moving]) {
        for (const name of ["A", "B"]) {
          const numbers = client.received.filter((event) => event[0] === name).map((event) => event[1]);
          assert.deepEqual(numbers, numbers.map((_, at) => numbers[0] + at), `events of ${name}`);
        }
      }
      await until("those that went are not counted", async () => (await A.do("servers")) === 2);
      await Promise.all([A.stop(), B.stop()]);
    });

    // proves: features/adapters
    test("Redis is killed and comes back: own clients notice nothing, and the cluster is whole again", async () => {
      const own = await Redis.start();
      const [A, B] = await Promise.all([keep(theirs(own, mode)), keep(ours(own, mode))]);
      await together(A, B);
      const [a, b] = await Promise.all([A.client(), B.client()]);
      let n = 0;
      const late = [];
      b.on("B", (_, at) => late.push(Date.now() - at));
      const beat = setInterval(() => {
        A.emit("A", [n]);
        B.emit("B", [n++, Date.now()]);
      }, 50);
      const numbers = (client, name) => client.received.filter((event) => event[0] === name).map((event) => event[1]);
      const areHeard = (count) => until("they hear each other", () => numbers(a, "B").length > count && numbers(b, "A").length > count);
      await areHeard(5);
      await own.kill();
      await sleep(3000); // It is away for a while.
      await own.start();
      await until("B is back", async () => (await B.do("servers")) === 2);
      await areHeard(Math.max(numbers(a, "B").length, numbers(b, "A").length) + 5);
      clearInterval(beat);
      await until("all are here", () => numbers(b, "B").length === n);
      assert.deepEqual(numbers(b, "B"), [...Array(n).keys()], "own clients get all");
      assert.ok(Math.max(...late) < 2500, `own clients wait: ${Math.max(...late)} ms`);
      // What A missed it missed because it had not subscribed again when it was sent. Nothing comes twice or out of order.
      for (const heard of [numbers(a, "B"), numbers(b, "A")]) {
        assert.ok(heard.every((n, at) => at === 0 || n > heard[at - 1]), JSON.stringify(heard));
      }
      // A's client library sends what waited. The stream has it for B, whenever B is back. Some may have been on their way when
      // Redis ended.
      if (mode === "streams") await until(() => JSON.stringify(numbers(b, "A")), () => numbers(b, "A").length >= n - 5);
      await A.emit("after A");
      await B.emit("after B");
      await until("both directions work", () => b.received.some(([name]) => name === "after A") && a.received.some(([name]) => name === "after B"));
      const counts = await B.do("counts");
      // The new stream doesn't have what was read last.
      assert.deepEqual([counts.gaps, counts.trimmed], [1, mode === "streams" ? 1 : 0]);
      await Promise.all([A.stop(), B.stop()]);
      await own.kill();
    });

    test("a Redis that pauses delays what goes to others, and nothing is lost", async () => {
      const [A, B] = await Promise.all([keep(theirs(redis, mode)), keep(ours(redis, mode))]);
      await together(A, B);
      const [a, b] = await Promise.all([A.client(), B.client()]);
      const before = Date.now();
      await redis.client.sendCommand(["CLIENT", "PAUSE", "2000", "ALL"]);
      for (let n = 0; n < 20; n++) await B.emit("B", [n]);
      await until("own clients have it", () => b.received.length === 20);
      // On a slow machine the pause may be over.
      if (Date.now() - before < 2000) assert.equal(a.received.length, 0);
      await until("others have it", () => a.received.length === 20);
      assert.deepEqual(a.received.map((event) => event[1]), [...Array(20).keys()]);
      await Promise.all([A.stop(), B.stop()]);
    });
  });
}

describe("classic alone", () => {
  const keep = keeper();
  let redis;
  before(async () => (redis = await Redis.start()));
  after(() => redis.kill());

  test("allRooms() of socket.io tells ours", async () => {
    const [A, B] = await Promise.all([keep(theirs(redis, "classic")), keep(ours(redis, "classic"))]);
    await together(A, B);
    const [a, b] = await Promise.all([A.client(), B.client()]);
    await b.emitWithAck("join", "r");
    assert.deepEqual((await A.do("all rooms")).sort(), [a.id, b.id, "r"].sort());
    await Promise.all([A.stop(), B.stop()]);
  });

  test("what is for rooms that are not here is not looked into", async () => {
    const [A, B] = await Promise.all([keep(theirs(redis, "classic")), keep(ours(redis, "classic"))]);
    await together(A, B);
    const b = await B.client();
    const before = await B.do("counts");
    await A.emit("e", [], { rooms: ["x"] });
    await A.emit("e", [], { nsp: "/not-here" });
    await until("both are heard", async () => (await B.do("counts")).unwanted === before.unwanted + 2);
    await expectEvents([b], [[]]);
    await Promise.all([A.stop(), B.stop()]);
  });

  // proves: features/adapters
  test("flags are written where they are set, byte for byte as socket.io writes them", async () => {
    const [A, B] = await Promise.all([keep(theirs(redis, "classic")), keep(ours(redis, "classic"))]);
    await together(A, B);
    const tap = await redis.tap("socket.io#*");
    const fields = [{}, { volatile: true, compress: false }, { compress: true, rooms: ["r", "q"], except: ["z"] }, { rooms: ["one"] }];
    for (const field of fields) {
      await A.emit("e", ["x", 1, { a: [{ $bytes: [1] }] }], field);
      await B.emit("e", ["x", 1, { a: [{ $bytes: [1] }] }], field);
    }
    await until("all are heard", () => tap.messages.length === 8);
    const { decode } = createRequire(createRequire(import.meta.url).resolve("@socket.io/redis-adapter"))("notepack.io");
    // Behind the sender's id, which has another length.
    const rest = ({ channel, payload }) => `${channel} ${payload.subarray(2 + decode(payload)[0].length).toString("hex")}`;
    // Redis has each server's in order, and not both servers'.
    const sender = ({ payload }) => decode(payload)[0];
    const first = sender(tap.messages[0]);
    const [one, other] = [true, false].map((is) => tap.messages.filter((message) => (sender(message) === first) === is));
    assert.equal(one.length, 4);
    assert.deepEqual(one.map(rest), other.map(rest));
    tap.close();
    await Promise.all([A.stop(), B.stop()]);
  });

  test("version 7.2 of npm's adapter is in the cluster as well", async () => {
    const [A, B] = await Promise.all([keep(theirs(redis, "classic", { adapter: "redis-adapter-7" })), keep(ours(redis, "classic"))]);
    await until("they count each other", async () => (await B.do("servers")) === 2);
    const [a, b] = await Promise.all([A.client(), B.client()]);
    await A.emit("A", [{ $undefined: 1 }, { $date: 0 }, { $number: "NaN" }, { $bytes: [1] }, { $buffer: [2] }]);
    await B.emit("B", [1, { $bytes: [1] }]);
    const B1 = ["B", 1, Buffer.from([1])];
    await until("both arrive", () => a.received.length === 2 && b.received.length === 2);
    const A1 = ["A", null, "1970-01-01T00:00:00.000Z", null, Buffer.from([1]), Buffer.from([2])];
    await expectEvents([b], [[A1, B1]]);
    assert.deepEqual(a.received.find(([name]) => name === "B"), B1);
    assert.equal((await B.do("fetch")).sockets.length, 2);
    await Promise.all([A.stop(), B.stop()]);
  });
});

describe("sharded alone", () => {
  test("each subscription mode of npm's adapter, both ways", async () => {
    const redis = await Redis.start();
    for (const mode of ["sharded-static", "sharded", "sharded-dynamic-private"]) {
      const [A, B] = await Promise.all([theirs(redis, mode), ours(redis, mode)]);
      await together(A, B);
      const [a, b] = await Promise.all([A.client(), B.client()]);
      const rooms = ["r", "exactly 20 character"];
      for (const client of [a, b]) for (const room of rooms) await client.emitWithAck("join", room);
      if (mode !== "sharded-static") await listened(redis, rooms, 2);
      for (const [node, other] of [[A, b], [B, a]]) {
        await node.emit("room", [], { rooms: ["r"] });
        await node.emit("long room", [], { rooms: ["exactly 20 character"] });
        await node.emit("id", [], { rooms: [other.id] });
        await node.emit("two", [], { rooms: ["r", "q"] });
        await node.emit("all");
        const events = [["room"], ["long room"], ["two"], ["all"]];
        const direct = [...events, ["id"]];
        await expectEvents([a, b], other === a ? [direct, events] : [events, direct]);
      }
      await Promise.all([A.stop(), B.stop()]);
    }
    await redis.kill();
  });
});

describe("the program", () => {
  for (const [mode, options] of [["classic", []], ["sharded", ["--redis-mode", "sharded"]], ["classic", ["--redis-prefix", "other"]], ["streams", ["--redis-mode", "streams", "--redis-stream", "other"]]]) {
    test(`socketio-server --redis ${options.join(" ")} is a server of the cluster, and leaves it when it stops`, async () => {
      const redis = await Redis.start();
      const key = options.includes("other") ? { key: "other", streamName: "other" } : {};
      const [A, B] = await Promise.all([theirs(redis, mode, { options: key }), program(redis, ...options)]);
      const servers = (count) => until(`${count} are counted`, async () => (await A.do("servers")) === count);
      await servers(2);
      const [a, b] = await Promise.all([A.client(), B.client()]);
      await a.emitWithAck("join", "all");
      if (mode === "sharded") await listened(redis, ["all"], 2);
      await A.emit("A", [1]);
      b.emit("broadcast", "from B");
      const hears = (client, ...names) => names.every((wanted) => client.received.some(([name]) => name === wanted));
      await until("each hears the other", () => hears(a, "A", "bcast") && hears(b, "A"));
      const metrics = await (await fetch(B.metrics)).text();
      assert.match(metrics, /socketio_adapter_total\{what="published"\} [1-9]/);
      B.process.kill("SIGTERM");
      assert.deepEqual(await B.process.ended, [0, null]);
      await servers(1);
      await A.stop();
      await redis.kill();
    });
  }
});

describe("streams alone", () => {
  const keep = keeper();
  let redis;
  before(async () => (redis = await Redis.start()));
  after(() => redis.kill());

  test("several streams, also for a namespace whose stream npm's adapter names wrongly", async () => {
    const [A, B] = await Promise.all([keep(theirs(redis, "streams", { options: { streamCount: 4 } })), keep(ours(redis, "streams-4"))]);
    await together(A, B);
    for (const nsp of ["/dynamic-notifications", "/notifications"]) {
      await Promise.all([A, B].map((node) => node.do("open", { nsp })));
      await until("both have it", async () => (await A.do("servers", { nsp })) === 2);
      const [a, b] = await Promise.all([A.client(nsp), B.client(nsp)]);
      await A.emit("A", [{ $bytes: [1] }], { nsp });
      await B.emit("B", [2], { nsp });
      // What A sends goes to its own clients by the offset alone, and to B by the stream with a negative number.
      await until("it arrives", () => b.received.length === 2 && a.received.length === 2);
    }
    await Promise.all([A.stop(), B.stop()]);
  });

  test("a Redis that is full refuses entries, which are counted, and clients of the same server get them", async () => {
    const own = await Redis.start();
    const [B, C, R] = await Promise.all([keep(ours(own, "streams")), keep(ours(own, "streams")), keep(ours(own, "streams", { recovery: true }))]);
    await together(B, C, R);
    const [b, c, r] = await Promise.all([B.client(), C.client(), R.client()]);
    const of = (client, name) => client.received.filter((event) => event[0] === name).map((event) => event[1]);
    await own.client.sendCommand(["CONFIG", "SET", "maxmemory", "1"]);
    for (let n = 0; n < 100; n++) {
      await B.emit("B", [n]);
      await R.emit("R", [n]);
    }
    const all = [...Array(100).keys()];
    await until("own clients have it", () => of(b, "B").length === 100 && of(r, "R").length === 100);
    assert.deepEqual([of(b, "B"), of(r, "R"), of(c, "B"), of(c, "R")], [all, all, [], []]);
    for (const node of [B, R]) {
      await until("they are counted", async () => (await node.do("counts")).refused === 100);
      assert.equal((await node.do("counts")).unsure, 0);
    }
    await own.client.sendCommand(["CONFIG", "SET", "maxmemory", "0"]);
    await B.emit("B", [100]);
    await R.emit("R", [100]);
    await until("others get events again", () => [b, c, r].every((client) => of(client, "B").at(-1) === 100 && of(client, "R").at(-1) === 100));
    assert.deepEqual([of(c, "B"), of(r, "R")], [[100], [...all, 100]]);
    await Promise.all([B.stop(), C.stop(), R.stop()]);
    await own.kill();
  });

  test("what others send while a server is cut off from Redis is not missed", async () => {
    const ids = async () => [...String(await redis.client.sendCommand(["CLIENT", "LIST"])).matchAll(/^id=(\d+)/gm)].map(([, id]) => id);
    const A = await keep(theirs(redis, "streams"));
    await together(A);
    const others = new Set(await ids());
    const B = await keep(ours(redis, "streams"));
    await together(A, B);
    const [a, b] = await Promise.all([A.client(), B.client()]);
    const cutOff = async () => {
      for (const id of await ids()) if (!others.has(id)) await redis.client.sendCommand(["CLIENT", "KILL", "ID", id]);
    };
    for (let n = 0; n < 200; n++) {
      await A.emit("A", [n]);
      await B.emit("B", [n]);
      if (n % 40 === 20) await cutOff();
      await sleep(2);
    }
    const numbers = (client, name) => client.received.filter((event) => event[0] === name).map((event) => event[1]);
    await until("B's clients have all of A's", () => numbers(b, "A").length === 200);
    assert.deepEqual(numbers(b, "A"), [...Array(200).keys()]);
    assert.deepEqual(numbers(b, "B"), [...Array(200).keys()]);
    const heard = numbers(a, "B");
    assert.ok(heard.every((n, at) => at === 0 || n > heard[at - 1]), "none comes twice");
    await Promise.all([A.stop(), B.stop()]);
  });
});
