// Messages just under the payload limit, and over it.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { scenario } from "../scenario.mjs";

async function echoesText(client, size) {
  const text = "0123456789".repeat(size / 10);
  const [back] = await client.echo(text);
  assert.ok(back === text, `${back.length} of ${size} characters, or others`);
}

async function echoesBinary(client, size) {
  const bytes = randomBytes(size);
  const [back] = await client.echo(bytes);
  assert.ok(Buffer.from(back).equals(bytes), `${back.byteLength} of ${size} bytes, or others`);
}

scenario("990,000 bytes of text", async (stage) => {
  await echoesText(await stage.connect(), 990_000);
});

scenario("740,000 bytes of binary", async (stage) => {
  await echoesBinary(await stage.connect(), 740_000);
});

scenario("740,000 bytes of binary in an ack", async (stage) => {
  const bytes = randomBytes(740_000);
  const client = await stage.connect();
  const [back] = await client.call("message-with-ack", bytes);
  assert.ok(Buffer.from(back).equals(bytes));
});

scenario("4,900,000 bytes of text where 5,000,000 are allowed", async (stage) => {
  const server = await stage.serve("--max-payload", "5000000");
  await echoesText(await stage.connect("/", { server }), 4_900_000);
});

scenario("3,700,000 bytes of binary where 5,000,000 are allowed", async (stage) => {
  const server = await stage.serve("--max-payload", "5000000");
  await echoesBinary(await stage.connect("/", { server }), 3_700_000);
});

scenario("many messages that together are over the limit", async (stage) => {
  const client = await stage.connect();
  const texts = Array.from({ length: 8 }, (_, i) => String(i).repeat(300_000));
  // Clients 1 to 3 know no limit and put whatever waits into one POST.
  for (const text of texts) {
    client.emit("message", text);
    if (stage.major < 4) assert.equal((await client.next("message-back"))[0].length, 300_000);
  }
  if (stage.major < 4) return;
  for (const text of texts) {
    const [back] = await client.next("message-back");
    assert.ok(back === text, `${back.length} characters of ${back[0]}`);
  }
});

// proves: features/max-http-buffer-size
scenario("a message over the limit ends its sender alone", async (stage) => {
  const bystander = await stage.connect("/test");
  const client = await stage.connect();
  client.emit("message", "x".repeat(1_100_000));
  const [reason] = await client.next("disconnect");
  assert.ok(["transport close", "transport error"].includes(reason), reason);
  await bystander.call("handshake");
  assert.equal(bystander.inbox("disconnect").length, 0);
});
