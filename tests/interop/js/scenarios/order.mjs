// Two hundred events from each side, each arriving once and in order, in one transport and across an upgrade.

import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import { scenario } from "../scenario.mjs";

const count = 200;
const numbers = (n) => Array.from({ length: n }, (_, i) => [i]);
const onlyUpgrade = { skip: ({ mode }) => mode !== "upgrade" && "nothing to upgrade" };

/** What has arrived by now, taken. */
const all = (client, event) => client.inbox(event).take(client.inbox(event).length);

scenario("200 events from each side", async (stage) => {
  const client = await stage.connect("/test");
  client.emit("join", "both");
  const burst = client.call("burst", count);
  for (let i = 0; i < count; i++) {
    if (i % 10 === 0) await pause(1);
    client.emit("in-room", "both", i);
  }
  assert.deepEqual(await burst, [count]);
  // What was emitted before this ack has arrived with it.
  await client.call("handshake");
  assert.deepEqual(await all(client, "tick"), numbers(count), "from the server");
  assert.deepEqual(await all(client, "room"), numbers(count), "from the client");
});

// proves: features/wish/upgrades
scenario("200 events from each side across the upgrade", async (stage) => {
  const server = await stage.hold();
  const client = stage.open("/test", { server });
  await client.next("connect");
  client.emit("join", "across");
  const burst = client.call("burst", count);
  // Both sides are in full swing when the WebSocket comes, and both have some left for it.
  for (let i = 0; i < count; i++) {
    if (i < count - 50) await pause(1);
    if (i === 20) {
      await client.inbox("tick").some();
      await client.inbox("room").some();
      assert.equal(client.transport, "polling");
      server.release();
    }
    if (i === count - 50) await client.upgraded();
    client.emit("in-room", "across", i);
  }
  assert.deepEqual(await burst, [count]);
  assert.deepEqual(await client.call("burst", 50), [50]);
  assert.equal(client.transport, "websocket");
  await client.call("handshake");
  assert.deepEqual(await all(client, "tick"), [...numbers(count), ...numbers(50)], "from the server");
  assert.deepEqual(await all(client, "room"), numbers(count), "from the client");
}, onlyUpgrade);

scenario("binary across the upgrade", async (stage) => {
  const server = await stage.hold();
  const client = stage.open("/", { server });
  await client.next("connect");
  let sent = 0;
  let upgraded = false;
  const upgrade = client.upgraded().then(() => (upgraded = true));
  for (let after = 0; after < 20; sent++) {
    client.emit("message", sent, { bytes: Buffer.alloc(2000, sent) }, Buffer.from([sent]));
    if (sent === 10) {
      await client.inbox("message-back").some();
      server.release();
    }
    if (upgraded) after++;
    else await Promise.race([upgrade, pause(1)]);
  }
  await upgrade;
  for (let i = 0; i < sent; i++) {
    const [n, { bytes }, one] = await client.next("message-back");
    assert.equal(n, i);
    assert.ok(Buffer.from(bytes).equals(Buffer.alloc(2000, i)));
    assert.ok(Buffer.from(one).equals(Buffer.from([i])));
  }
  assert.equal(client.inbox("message-back").length, 0);
}, onlyUpgrade);
