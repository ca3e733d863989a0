// A Redis with a replica, and a sentinel that has it take over. A is socket.io, B and C are ours.

import assert from "node:assert/strict";
import { test } from "node:test";
import { WatchedRedis, ours, program, rounds, theirs, together, until } from "./cluster.mjs";

for (const mode of ["classic", "sharded", "streams"]) {
  // proves: features/adapters
  test(`${mode}: when the replica takes over, all servers go there, and none stays with the old master`, async () => {
    const redis = await WatchedRedis.start();
    const nodes = await Promise.all([theirs(redis, mode), ours(redis, mode), ours(redis, mode)]);
    await together(...nodes);
    const names = ["A", "B", "C"];
    const clients = await Promise.all(nodes.map((node) => node.client()));
    const has = (client, name, n) => client.received.some((event) => event[0] === name && event[1] === n);
    const send = (n) => Promise.all(nodes.map((node, at) => node.emit(names[at], [n])));
    const allHearAll = (what) => rounds(what, send, (n) => clients.every((client) => names.every((name) => has(client, name, n))));
    await allHearAll("all hear all");

    // Own clients notice nothing.
    const old = redis.master();
    redis.sentinel.kill("SIGSTOP");
    redis.servers.get(old).kill("SIGKILL");
    for (const at of [1, 2]) {
      await nodes[at].emit("local", [1]);
      await until("own clients have it while there is no master", () => has(clients[at], "local", 1));
    }
    redis.sentinel.kill("SIGCONT");
    await until("the replica is the master", () => redis.master() !== old);
    await allHearAll("all hear all by the new master");
    await together(...nodes);

    // The old one comes back as a replica, and the roles are exchanged while all are alive.
    redis.servers.set(old, await redis.start(old));
    await until("it is a replica", () => redis.cli(old, "role").startsWith("slave"));
    await until("the sentinel says so", () => redis.cli(redis.port, "sentinel", "failover", "main").startsWith("OK"));
    await until("the old one is the master again", () => redis.master() === old);
    await allHearAll("all hear all by the old master");
    await together(...nodes);
    for (const [at, client] of clients.entries()) {
      for (const name of names) {
        const numbers = client.received.filter((event) => event[0] === name).map((event) => event[1]);
        assert.ok(numbers.every((n, at) => at === 0 || n > numbers[at - 1]), `client ${at} of ${name}: ${JSON.stringify(numbers)}`);
      }
    }
    await Promise.all(nodes.map((node) => node.stop()));
    await redis.stop();
  });
}

test("the program is given two sentinels, of which one is not there", async () => {
  const redis = await WatchedRedis.start();
  const [one, two] = redis.url.split(",");
  const [A, P] = await Promise.all([theirs(redis, "classic"), program({ url: one }, "--redis", two)]);
  await until("2 are counted", async () => (await A.do("servers")) === 2);
  const [a, p] = await Promise.all([A.client(), P.client()]);
  await A.emit("A", [1]);
  await until("both hear it", () => [a, p].every((client) => client.received.some(([name]) => name === "A")));
  P.process.kill("SIGTERM");
  assert.deepEqual(await P.process.ended, [0, null]);
  await A.stop();
  await redis.stop();
});
