// A server that goes away and comes back on its port.

import assert from "node:assert/strict";
import { scenario } from "../scenario.mjs";

const reconnecting = { reconnection: true, reconnectionDelay: 30, reconnectionDelayMax: 60, randomizationFactor: 0 };

async function comesBack(stage, end) {
  const server = await stage.serve();
  const client = await stage.connect("/custom", { server, auth: { n: "1" }, ...reconnecting });
  assert.deepEqual(await client.next("auth"), [{ n: "1" }]);
  assert.deepEqual(await client.echo("before"), ["before"]);
  await end(server);
  const [reason] = await client.next("disconnect");
  assert.ok(["transport close", "transport error"].includes(reason), reason);
  client.emit("message", "meanwhile");
  await server.restart();
  await client.ready();
  assert.deepEqual(await client.next("auth"), [{ n: "1" }]);
  assert.deepEqual(await client.next("message-back"), ["meanwhile"]);
  assert.deepEqual(await client.echo("after"), ["after"]);
  assert.equal(client.inbox("message-back").length, 0);
}

scenario("the server is killed and started again", async (stage) => {
  await comesBack(stage, (server) => server.kill());
});

// proves: features/wish/drain
scenario("the server is closed and started again", async (stage) => {
  // A DISCONNECT would keep the client from coming back.
  await comesBack(stage, (server) => server.drain());
});
