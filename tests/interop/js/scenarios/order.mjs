// Two hundred events from each side, each arriving once and in order, in one transport and across an upgrade.

import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import { scenario } from "../scenario.mjs";
import { hesitate } from "../hesitate.mjs";

const count = 200;
const numbered = Array.from({ length: count }, (_, i) => [i]);
const onlyUpgrade = { skip: ({ mode }) => mode !== "upgrade" && "nothing to upgrade" };

/** Both sides emit at once, the client after `pace(i)` for each. */
async function exchange(client, pace) {
  const room = `own ${Math.random()}`;
  client.emit("join", room);
  const burst = client.call("burst", count);
  for (let i = 0; i < count; i++) {
    await pace(i);
    client.emit("in-room", room, i);
  }
  assert.deepEqual(await burst, [count]);
  // What was emitted before this ack has arrived with it.
  await client.call("handshake");
  assert.deepEqual(await client.inbox("tick").take(client.inbox("tick").length), numbered, "from the server");
  assert.deepEqual(await client.inbox("room").take(client.inbox("room").length), numbered, "from the client");
}

scenario("200 events from each side", async (stage) => {
  const client = await stage.connect("/test");
  await exchange(client, (i) => i % 10 === 0 && pause(1));
});

scenario("200 events from each side across the upgrade", async (stage) => {
  // The WebSocket is held back a little, so that both sides are in full swing when it comes.
  const slow = await hesitate(stage.server, 30);
  const client = stage.open("/test", { server: slow });
  await client.next("connect");
  assert.equal(client.transport, "polling");

  const before = { ticks: 0, sent: 0 };
  let sent = 0;
  const upgraded = client.upgraded().then(() => {
    before.ticks = client.inbox("tick").length;
    before.sent = sent;
  });
  await exchange(client, (i) => {
    sent = i;
    return i < count - 50 ? pause(1) : upgraded;
  });
  assert.equal(client.transport, "websocket");
  assert.ok(before.ticks > 0 && before.ticks < count, `${before.ticks} events had come by polling`);
  assert.ok(before.sent > 0 && before.sent < count, `${before.sent} events had been sent before the upgrade`);
  slow.close();
}, onlyUpgrade);

scenario("binary across the upgrade", async (stage) => {
  const slow = await hesitate(stage.server, 30);
  const client = stage.open("/", { server: slow });
  await client.next("connect");
  let sent = 0;
  let done = false;
  const upgraded = client.upgraded().then(() => (done = true));
  // A few on polling, as many as the upgrade lets through, and a few on the WebSocket.
  for (let after = 0; after < 20; sent++) {
    client.emit("message", sent, { bytes: Buffer.alloc(2000, sent) }, Buffer.from([sent]));
    if (done) after++;
    else await pause(1);
  }
  await upgraded;
  for (let i = 0; i < sent; i++) {
    const [n, { bytes }, one] = await client.next("message-back");
    assert.equal(n, i);
    assert.ok(Buffer.from(bytes).equals(Buffer.alloc(2000, i)));
    assert.ok(Buffer.from(one).equals(Buffer.from([i])));
  }
  slow.close();
}, onlyUpgrade);
