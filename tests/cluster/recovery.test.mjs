// Clients that lose their connection and come back to another server, with streams. A is socket.io with
// @socket.io/redis-streams-adapter, B is ours.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { after, before, describe, test } from "node:test";
import { io } from "socket.io-client";
import { Redis, ours, reaches, theirs, together, until } from "./cluster.mjs";

const adapters = createRequire(createRequire(import.meta.url).resolve("@socket.io/redis-streams-adapter"));
const { decode, encode } = adapters("@msgpack/msgpack");

describe("recovery", () => {
  let redis, A, B;
  const names = new Map();

  before(async () => {
    redis = await Redis.start();
    [A, B] = await Promise.all([theirs(redis, "streams", { recovery: true }), ours(redis, "streams", { recovery: true })]);
    names.set(A, "socket.io").set(B, "ours");
    await together(A, B);
  });

  after(async () => {
    assert.deepEqual(A.uncaught, []);
    await Promise.all([A, B].map((node) => node.stop()));
    await redis.kill();
  });

  const key = (pid) => `sio:session:${pid}`;
  const stored = (pid) => redis.client.get(key(pid));

  /** The client's connection is lost, and its server has noticed. */
  async function lose(socket) {
    socket.io.engine.close();
    await until("the session is kept", () => stored(socket._pid));
    socket.received.length = 0;
  }

  async function comeTo(socket, node) {
    socket.io.uri = node.url;
    socket.connect();
    await new Promise((resolve, reject) => socket.once("connect", resolve).once("connect_error", reject));
  }

  /** Events without their offsets. */
  const events = (socket) => socket.received.map((event) => (/^\d+-\d+$/.test(event.at(-1)) ? event.slice(0, -1) : event));

  async function got(socket, count) {
    await reaches(() => socket.received.length, count, () => JSON.stringify(events(socket)));
    return events(socket);
  }

  for (const [from, to] of [["A", "B"], ["B", "A"], ["A", "A"], ["B", "B"]]) {
    // proves: features/adapters
    test(`a client goes from ${from} to ${to} and has missed nothing`, async () => {
      const nodes = { A, B };
      const [here, there] = [nodes[from], nodes[to]];
      const [socket, bystander] = await Promise.all([here.client(), there.client()]);
      const [id, pid] = [socket.id, socket._pid];
      for (const room of ["r", "ö 7"]) await socket.emitWithAck("join", room);
      await here.do("set data", { socket: id, value: { list: [1, "x", null, 1.5], big: 2 ** 40 } });
      await here.emit("first", [1]);
      await here.do("emit to", { socket: id, event: ["direct", 1] });
      assert.deepEqual(await got(socket, 2), [["first", 1], ["direct", 1]]);
      await lose(socket);

      // Byte for byte what npm's adapter writes. Ours says behind it which node it was.
      const session = { sid: id, pid, rooms: [id, "r", "ö 7"], data: { value: { list: [1, "x", null, 1.5], big: 2 ** 40 } } };
      const kept = await stored(pid);
      const { node, ...read } = decode(Buffer.from(kept, "base64"));
      assert.equal(node !== undefined, here === B);
      read.rooms.splice(1, 2, ...read.rooms.slice(1).sort());
      assert.deepEqual(read, session);
      assert.equal(Buffer.from(encode(decode(Buffer.from(kept, "base64")))).toString("base64"), kept);
      const left = await redis.client.pTTL(key(pid));
      assert.ok(left > 50_000 && left <= 60_000, `${left} ms`);

      bystander.received.length = 0;
      const wanted = [];
      for (const node of [A, B]) {
        const name = names.get(node);
        const send = async (event, fields, isFor = true) => {
          await node.emit(event, [name, { $bytes: [7, 0] }], fields);
          if (isFor) wanted.push([event, name, Buffer.from([7, 0])]);
        };
        await send("all");
        await send("room", { rooms: ["r"] });
        await send("rooms", { rooms: ["x", "ö 7"] });
        await send("id", { rooms: [id] });
        await send("not x", { except: ["x"] });
        await send("another room", { rooms: ["x"] }, false);
        await send("excepted", { except: ["r"] }, false);
        await send("excepted by id", { rooms: ["r"], except: [id] }, false);
        // npm's adapter replays these.
        if (to === "B") await send("volatile", { volatile: true }, false);
        await send("local", { local: true }, false);
        await send("last");
        await until("the others have it", () => bystander.received.some(([event, of]) => event === "last" && of === name));
      }
      await comeTo(socket, there);
      assert.deepEqual([socket.recovered, socket.id, socket._pid], [true, id, pid]);
      assert.deepEqual(await got(socket, wanted.length), wanted);
      assert.equal(await stored(pid), null, "nobody else can take it");
      const { sockets } = await there.do("fetch", { rooms: [id] });
      const [found] = sockets.filter((found) => found.id === id);
      assert.deepEqual([found.rooms.filter((room) => room !== id).sort(), found.data], [["r", "ö 7"], session.data]);

      // It goes on, and back again.
      await B.emit("after", [], { rooms: ["r"] });
      await until("events go on", () => events(socket).some(([name]) => name === "after"));
      await lose(socket);
      await A.emit("again", [], { rooms: ["r"] });
      await comeTo(socket, here);
      assert.deepEqual([socket.recovered, socket.id, await got(socket, 1)], [true, id, [["again"]]]);
    });
  }

  test("who comes with an offset that nobody knows is a new client, and the session is gone", async () => {
    for (const [here, there] of [[A, B], [B, A]]) {
      const socket = await here.client();
      const id = socket.id;
      await here.emit("first");
      await got(socket, 1);
      const pid = socket._pid;
      await lose(socket);
      socket._lastOffset = "1-77";
      await comeTo(socket, there);
      assert.notEqual(socket.id, id);
      assert.deepEqual([socket.recovered, await stored(pid)], [false, null]);
    }
  });

  test("of two that come with the same pid, to either server, one gets the session", async () => {
    for (let round = 0; round < 10; round++) {
      const [here, there] = round % 2 ? [A, B] : [B, A];
      const socket = await here.client();
      await here.emit("first");
      await got(socket, 1);
      const { _pid, _lastOffset } = socket;
      await lose(socket);
      const twins = [here, there].map(({ url }) => Object.assign(io(url, { forceNew: true, autoConnect: false, transports: ["websocket"] }), { _pid, _lastOffset }));
      const connected = twins.map((twin) => new Promise((resolve) => twin.once("connect", resolve)));
      twins.forEach((twin) => twin.connect());
      await Promise.all(connected);
      assert.equal(twins.filter(({ recovered }) => recovered).length, 1, `round ${round}`);
      twins.forEach((twin) => twin.disconnect());
    }
  });

  test("events come in the same order to the clients of all servers, with the same offsets", async () => {
    const C = await ours(redis, "streams", { recovery: true });
    await together(A, B, C);
    const [b1, b2] = await Promise.all([B.client(), C.client()]);
    for (let n = 0; n < 100; n++) await Promise.all([A.emit("e", ["A", n]), B.emit("e", ["B", n])]);
    await until("all have come", () => b1.received.length >= 200 && b2.received.length >= 200);
    assert.deepEqual(b1.received, b2.received);
    for (const from of ["A", "B"]) {
      assert.deepEqual(b1.received.filter((event) => event[1] === from).map((event) => event[2]), [...Array(100).keys()]);
    }
    await C.stop();
    await together(A, B);
  });

  test("a server that stops leaves its clients to the others", async () => {
    const C = await ours(redis, "streams", { recovery: true });
    await together(A, B, C);
    const socket = await C.client();
    await C.emit("first");
    await got(socket, 1);
    const id = socket.id;
    socket.received.length = 0;
    const lost = new Promise((resolve) => socket.once("disconnect", resolve));
    await C.do("end");
    await lost;
    await until("the session is kept", () => stored(socket._pid));
    await B.emit("missed");
    await comeTo(socket, A);
    assert.deepEqual([socket.recovered, socket.id, await got(socket, 1)], [true, id, [["missed"]]]);
    await C.stop();
  });
});

describe("recovery without Redis", () => {
  test("clients of a server get its events half a second late, and once, while Redis is away", async () => {
    const redis = await Redis.start();
    const B = await ours(redis, "streams", { recovery: true });
    await together(B);
    const socket = await B.client();
    const numbers = () => socket.received.filter(([name]) => name === "e").map((event) => event[1]);
    let sent = 0;
    const emit = () => B.emit("e", [sent++]);
    for (let n = 0; n < 5; n++) await emit();
    await until("they come", () => numbers().length === 5);
    const [{ _pid, _lastOffset }, id] = [socket, socket.id];
    await redis.kill();
    for (let n = 0; n < 20; n++) await emit();
    await B.do("emit to", { socket: id, event: ["e", sent++] });
    await until("they come", () => numbers().length === 26);
    assert.equal(socket._lastOffset, _lastOffset, "they have no offset");
    await redis.start();
    await until("Redis has what waited", async () => {
      const { published, unsure } = await B.do("counts");
      return published + unsure === sent;
    });
    await until("events have offsets again", async () => {
      await emit();
      await until("it comes", () => numbers().length === sent);
      return socket._lastOffset !== _lastOffset;
    });
    assert.deepEqual(numbers(), [...Array(sent).keys()], "nothing comes twice");
    // Nobody can tell what it has got of what was sent while Redis was away.
    socket.io.engine.close();
    await until("it is gone", async () => (await B.do("fetch")).sockets.length === 0);
    await B.emit("e", [-1]);
    assert.equal(await redis.client.get(`sio:session:${_pid}`), null);
    socket.connect();
    await new Promise((resolve) => socket.once("connect", resolve));
    assert.deepEqual([socket.recovered, numbers().length], [false, sent]);
    await B.stop();
    await redis.kill();
  });
});
