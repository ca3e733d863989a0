import assert from "node:assert/strict";
import { test } from "node:test";
import { client, connected, redis, server, until } from "./gateway.mjs";

test("the API of any node reaches the clients of all", async (t) => {
  const { url: shared } = await redis(t);
  const nodes = [];
  for (const name of ["one", "two"]) {
    nodes.push(await server(t, ["--redis", shared, "--node", name]));
  }
  await until("the nodes know each other", async () => (await nodes[0].call("info")).body.nodes === 2);
  const [here, there] = nodes.map(({ url }) => client(t, url, {}));
  await Promise.all([connected(here), connected(there)]);
  const { call } = nodes[0];

  const { body } = await call("emit", { event: "news", args: [1] });
  assert.deepEqual(body, { sockets: 1, scope: "node" }, "what is counted is this node's");
  assert.deepEqual([await here.next("news"), await there.next("news")], [[1], [1]]);

  await call("join", { in: [there.id], rooms: ["r"] });
  const rooms = () => call("rooms").then(({ body }) => body);
  await until("the other node's socket has joined", async () => (await rooms()).rooms.length === 1);
  assert.deepEqual(await rooms(), { rooms: [{ name: "r", sockets: 1 }], next: null, scope: "cluster" });
  await call("emit", { to: ["r"], event: "room" });
  await there.next("room");
  assert.equal(here.got.room, undefined);

  const sockets = (await call("sockets")).body;
  assert.deepEqual(sockets.sockets.map(({ id }) => id).sort(), [here.id, there.id].sort());
  assert.equal((await call(`sockets/${there.id}`)).status, 200);
  assert.equal((await call("sockets/none")).status, 404);

  there.on("vote", (answer) => answer("yes"));
  const asked = (await call("emit", { to: [there.id], event: "vote", timeout: "5s" })).body;
  assert.deepEqual(asked, { answers: [{ socket: null, args: ["yes"] }], scope: "cluster", silent_nodes: 0 });

  await call("leave", { in: ["r"], rooms: ["r"] });
  await until("it has left", async () => (await rooms()).rooms.length === 0);
  await call("disconnect", { in: [there.id] });
  await until("it is put out", () => there.disconnected);
  assert.ok(here.connected);
});
