// How a socket ends, and what each side is told about it.

import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import { within } from "../client.mjs";
import { butTheReference, scenario } from "../scenario.mjs";

/** A second client that is told when others leave. */
async function watch(stage, options) {
  const watcher = await stage.connect("/test", options);
  await watcher.call("join", "watch");
  return watcher;
}

const reasonOf = async (client) => (await client.next("disconnect"))[0];

scenario("the client disconnects", async (stage) => {
  const watcher = await watch(stage);
  const client = await stage.connect("/test");
  const [{ id }] = await client.call("handshake");
  await client.call("join", "b");
  await client.call("join", "a");
  client.socket.disconnect();
  assert.equal(await reasonOf(client), "io client disconnect");
  assert.deepEqual(await watcher.next("left"), [id, "client namespace disconnect", ["a", "b"]]);
});

scenario("the client's session closes", async (stage) => {
  const watcher = await watch(stage);
  const client = await stage.connect("/test");
  const [{ id }] = await client.call("handshake");
  client.socket.io.engine.close();
  assert.equal(await reasonOf(client), "forced close");
  assert.deepEqual(await watcher.next("left"), [id, "transport close", []]);
});

scenario("the server disconnects a namespace", async (stage) => {
  const watcher = await watch(stage);
  const client = await stage.connect("/test");
  const custom = await stage.connect("/custom", { from: client });
  const [{ id }] = await client.call("handshake");
  client.emit("kick", false);
  assert.equal(await reasonOf(client), "io server disconnect");
  assert.deepEqual(await watcher.next("left"), [id, "server namespace disconnect", []]);
  assert.deepEqual(await custom.echo("still here"), ["still here"]);
});

// proves: features/disconnect-true
scenario("the server disconnects the session", async (stage) => {
  const watcher = await watch(stage);
  const client = await stage.connect("/test");
  const custom = await stage.connect("/custom", { from: client });
  const [{ id }] = await client.call("handshake");
  client.emit("kick", true);
  // Every namespace gets its DISCONNECT before the session is closed, or the client would come back.
  assert.equal(await reasonOf(client), "io server disconnect");
  assert.equal(await reasonOf(custom), "io server disconnect");
  assert.deepEqual(await watcher.next("left"), [id, "server namespace disconnect", []]);
});

scenario("an event and a disconnect reach twenty clients that upgrade", async (stage) => {
  await Promise.all(Array.from({ length: 20 }, async (_, at) => {
    const client = stage.open("/test");
    await client.next("connect");
    const asked = new Promise((resolve) => client.on("question", resolve));
    // The POST comes before the probe, between that and the `5` that waits for its answer, or behind the upgrade.
    await pause(at);
    client.emit("ask", "why");
    client.emit("kick", true);
    assert.equal(await reasonOf(client), "io server disconnect");
    assert.equal(await within(asked, "the question"), "why");
  }));
}, { skip: ({ mode }) => mode !== "upgrade" && "nothing to upgrade" });

// proves: features/wish/reason-for-the-client
scenario("what was emitted just before a disconnect arrives", async (stage) => {
  const client = await stage.connect("/test");
  const other = await stage.connect("/test");
  for (let i = 0; i < 20; i++) client.emit("others", i);
  client.socket.disconnect();
  assert.deepEqual(await other.inbox("room").take(20), Array.from({ length: 20 }, (_, i) => [i]));
}, butTheReference("drops events that come in one read with the DISCONNECT"));

// proves: features/heartbeat
scenario("heartbeats keep it alive", async (stage) => {
  const server = await stage.serve("--ping-interval", "300ms", "--ping-timeout", "2s");
  const client = await stage.connect("/", { server });
  await new Promise((resolve) => {
    let beats = 0;
    const beat = () => ++beats === 3 && resolve();
    // "pong" is the client's event for a whole beat in every version, whichever side began it.
    client.socket.io.engine.on("pong", beat);
  });
  assert.equal(client.inbox("disconnect").length, 0);
  assert.deepEqual(await client.echo("alive"), ["alive"]);
});

scenario("a client that falls silent is let go", async (stage) => {
  const server = await stage.serve("--ping-interval", "500ms", "--ping-timeout", "1500ms");
  const watcher = await watch(stage, { server });
  const client = await stage.connect("/test", { server });
  // Clients 1 and 2 would miss their own pongs as soon as the server misses pings.
  client.socket.io.engine.pingTimeout = 60_000;
  const [{ id }] = await client.call("handshake");
  client.socket.io.engine.transport.send = () => {};
  assert.deepEqual(await watcher.next("left"), [id, "ping timeout", []]);
}, butTheReference("forgets the timeout of revision 3 once it has upgraded", ({ major, mode }) => major < 3 && mode === "upgrade"));

scenario("a server that falls silent is given up", async (stage) => {
  const server = await stage.serve("--ping-interval", "400ms", "--ping-timeout", "400ms");
  const client = await stage.connect("/", { server });
  server.freeze();
  assert.equal(await reasonOf(client), "ping timeout");
});

scenario("connect, disconnect, connect at once", async (stage) => {
  const client = stage.open("/", { autoConnect: false });
  client.socket.connect();
  client.socket.disconnect();
  client.socket.connect();
  await client.next("connect");
  assert.deepEqual(await client.echo("here"), ["here"]);
  await client.call("message-with-ack");
  assert.equal(client.inbox("message-back").length, 0);
  assert.equal(client.inbox("connect").length, 0);
});

scenario("connect, disconnect, connect at once in a live session", async (stage) => {
  const root = await stage.connect("/");
  const client = stage.open("/test", { from: root, autoConnect: false });
  client.socket.connect();
  client.socket.disconnect();
  client.socket.connect();
  await client.next("connect");
  const other = await stage.connect("/test");
  other.emit("others", "once");
  assert.deepEqual(await client.next("room"), ["once"]);
  await client.call("handshake");
  assert.equal(client.inbox("room").length, 0);
  // Two CONNECTs came, and no DISCONNECT between them: neither ends the session.
  assert.equal(root.inbox("disconnect").length, 0);
}, butTheReference("makes two sockets of it, or ends the session"));
