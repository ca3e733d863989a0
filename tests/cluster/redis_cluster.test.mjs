// A Redis Cluster of three servers. A is socket.io, B and C are ours.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { RedisCluster, expectEvents, listened, ours, program, rounds, theirs, together, until } from "./cluster.mjs";

const has = (client, name, n) => client.received.some((event) => event[0] === name && event[1] === n);

describe("a Redis Cluster", () => {
  let redis;
  before(async () => (redis = await RedisCluster.start()));
  after(() => redis.stop());

  for (const mode of ["sharded", "sharded-static", "classic", "streams"]) {
    // proves: features/adapters
    test(`${mode}: broadcasts, rooms, answers and counts, both ways`, async () => {
      const [A, B, C] = await Promise.all([theirs(redis, mode), ours(redis, mode), ours(redis, mode)]);
      await together(A, B, C);
      const clients = await Promise.all([A.client(), B.client(), C.client()]);
      const rooms = ["r", "s", "t", "u", "v"];
      for (const client of clients) for (const room of rooms) await client.emitWithAck("join", room);
      if (mode === "sharded") await listened(redis, rooms, 3);
      for (const node of [A, B, C]) {
        await node.emit("all", [1, { $bytes: [1] }]);
        for (const room of rooms) await node.emit("room", [room], { rooms: [room] });
        await node.emit("one", [], { rooms: [clients[2].id] });
        const expected = [["all", 1, Buffer.from([1])], ...rooms.map((room) => ["room", room])];
        await expectEvents(clients, [expected, expected, [...expected, ["one"]]]);
      }
      for (const node of [A, B, C]) {
        const { sockets, error } = await node.do("fetch", { rooms: ["r"] });
        assert.deepEqual([error ?? null, sockets.map(({ id }) => id).sort()], [null, clients.map(({ id }) => id).sort()]);
        for (const other of [A, B, C]) await other.do("handle server side", { event: ["hey"], value: 7 });
        assert.deepEqual((await node.do("server side with ack", { event: ["hey"] })).answers.flat(), [7, 7]);
      }
      await C.do("end");
      await Promise.all([A, B].map((node) => until("C is not counted", async () => (await node.do("servers")) === 2)));
      await Promise.all([A.stop(), B.stop(), C.stop()]);
    });
  }

  test("a slot that moves to another server, and a server that is started again, cost no subscription", async () => {
    const [B, C] = await Promise.all([ours(redis, "sharded"), ours(redis, "sharded")]);
    await together(B, C);
    const [b, c] = await Promise.all([B.client(), C.client()]);
    for (const client of [b, c]) await client.emitWithAck("join", "r");
    const both = async (what) => {
      for (const fields of [{}, { rooms: ["r"] }]) {
        const send = (n) => Promise.all([B.emit("B", [n], fields), C.emit("C", [n], fields)]);
        await rounds(`${what}: both directions work`, send, (n) => has(b, "C", n) && has(c, "B", n));
        b.received.length = c.received.length = 0;
      }
      await together(B, C);
    };
    await both("at first");
    for (const channel of ["socket.io#/#", "socket.io#/#r#"]) {
      await redis.move(channel);
      await both(`${channel} has moved`);
    }
    const { at } = redis.owner("socket.io#/#");
    await redis.kill(at);
    // Clients of the same server don't notice.
    const before = b.received.length;
    await B.emit("local");
    await until("own clients have it", () => b.received.length > before);
    redis.servers[at] = await redis.start(at);
    await both("a server is back");
    for (const [client, name] of [[b, "C"], [c, "B"]]) {
      const numbers = client.received.filter((event) => event[0] === name).map((event) => event[1]);
      assert.ok(numbers.every((n, at) => at === 0 || n > numbers[at - 1]), JSON.stringify(numbers));
    }
    await Promise.all([B.stop(), C.stop()]);
  });

  test("while its slot is being moved, a stream is written and read where it is", async () => {
    const [B, C] = await Promise.all([ours(redis, "streams"), ours(redis, "streams")]);
    await together(B, C);
    const [b, c] = await Promise.all([B.client(), C.client()]);
    const all = [...Array(40).keys()];
    const emit = async (from, to) => {
      for (let n = from; n < to; n++) {
        await B.emit("B", [n]);
        await C.emit("C", [n]);
      }
      const numbers = (client, name) => client.received.filter((event) => event[0] === name).map((event) => event[1]);
      // A read waits for five seconds where the stream was.
      await until("all have come", () => [[b, "C"], [c, "B"]].every(([client, name]) => numbers(client, name).length >= to));
      for (const [client, name] of [[b, "C"], [c, "B"]]) assert.deepEqual(numbers(client, name), all.slice(0, to));
    };
    await emit(0, 20);
    await redis.move("socket.io", async () => {
      await emit(20, 30);
      assert.deepEqual([(await B.do("counts")).unsure, (await C.do("counts")).unsure], [0, 0]);
    });
    await emit(30, 40);
    await Promise.all([B.stop(), C.stop()]);
  });

  test("a replica takes over, and both directions go on", async () => {
    const [B, C] = await Promise.all([ours(redis, "sharded"), ours(redis, "sharded")]);
    await together(B, C);
    const [b, c] = await Promise.all([B.client(), C.client()]);
    const { at } = redis.owner("socket.io#/#");
    const replica = await redis.addReplica(at);
    await redis.kill(at);
    await until("the replica is the master", () => redis.cli("-p", `${redis.ports[replica][0]}`, "role").startsWith("master"));
    const send = (n) => Promise.all([B.emit("B", [n]), C.emit("C", [n])]);
    await rounds("both directions work", send, (n) => has(b, "C", n) && has(c, "B", n));
    for (const [client, name] of [[b, "C"], [c, "B"]]) {
      const numbers = client.received.filter((event) => event[0] === name).map((event) => event[1]);
      assert.ok(numbers.every((n, at) => at === 0 || n > numbers[at - 1]), JSON.stringify(numbers));
    }
    await together(B, C);
    await Promise.all([B.stop(), C.stop()]);
    redis.servers[at] = await redis.start(at);
  });

  test("the program is given two of its servers, and finds the third", async () => {
    const [one, two] = redis.url.split(",");
    const [A, P] = await Promise.all([theirs(redis, "sharded"), program({ url: one }, "--redis", two, "--redis-mode", "sharded")]);
    await until("2 are counted", async () => (await A.do("servers")) === 2);
    const [a, p] = await Promise.all([A.client(), P.client()]);
    await A.emit("A", [1]);
    await until("both hear it", () => [a, p].every((client) => client.received.some(([name]) => name === "A")));
    P.process.kill("SIGTERM");
    assert.deepEqual(await P.process.ended, [0, null]);
    await A.stop();
  });
});
