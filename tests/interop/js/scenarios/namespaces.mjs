// Connecting to namespaces: auth, refusals, and several of them in one session.

import assert from "node:assert/strict";
import { butTheReference, scenario } from "../scenario.mjs";

scenario("auth", async (stage) => {
  const auth = { token: stage.encodesTwice ? "ab c&d=e" : "ab c&d=é🦀" };
  const custom = await stage.connect("/custom", { auth });
  assert.deepEqual(await custom.next("auth"), [auth]);
  const root = await stage.connect("/", { auth });
  // Clients 1 and 2 send no CONNECT to `/`, and so nothing with it.
  assert.deepEqual(await root.next("auth"), [stage.major >= 3 ? auth : {}]);
});

scenario("no auth", async (stage) => {
  const custom = await stage.connect("/custom");
  assert.deepEqual(await custom.next("auth"), [{}]);
});

scenario("auth that nests", async (stage) => {
  const auth = { user: { name: "Ann", roles: ["a", "b"] }, n: 1 };
  const client = await stage.connect("/custom", { auth });
  assert.deepEqual(await client.next("auth"), [auth]);
}, { skip: ({ major }) => major < 3 && "a query is flat" });

scenario("the handshake and the socket's id", async (stage) => {
  const color = stage.encodesTwice ? "red & blue" : "röd & blå";
  const client = await stage.connect("/test", { query: { color } });
  const [{ id, query }] = await client.call("handshake");
  assert.equal(query.color, color);
  assert.equal(query.EIO, stage.major >= 3 ? "4" : "3");
  assert.equal(query.transport, stage.mode === "websocket" ? "websocket" : "polling");
  // Client 1 calls its socket by the session's id in every namespace.
  assert.equal(stage.major === 1 ? id.replace("/test#", "") : id, client.socket.id);
});

// proves: features/namespace-middleware
scenario("a refusal by a middleware", async (stage) => {
  const refused = stage.open("/test", { auth: { token: "bad" } });
  const refusal = stage.major >= 3 ? { message: "refused", data: { code: 7 } } : { code: 7 };
  assert.deepEqual(await refused.refusal(), refusal);
  assert.equal(refused.socket.connected, false);
  // The session lives on, and so do other namespaces in it.
  const custom = await stage.connect("/custom", { from: refused });
  assert.deepEqual(await custom.echo("still here"), ["still here"]);
  assert.equal(refused.inbox("connect").length, 0);
});

scenario("a refusal for the query's token", async (stage) => {
  const refused = stage.open("/test", { query: { token: "bad" } });
  const refusal = stage.major >= 3 ? { message: "refused", data: { code: 7 } } : { code: 7 };
  assert.deepEqual(await refused.refusal(), refusal);
});

scenario("an unknown namespace", async (stage) => {
  const root = await stage.connect();
  const lost = stage.open("/nope", { from: root });
  // A refusal's data alone reaches clients 1 and 2, but this one is an object with a message there too.
  const refusal = await lost.refusal();
  assert.equal(refusal.message, "Invalid namespace");
  assert.equal(refusal.data, undefined);
  assert.deepEqual(await root.echo("still here"), ["still here"]);
});

scenario("two namespaces in one session", async (stage) => {
  const root = await stage.connect();
  const custom = await stage.connect("/custom", { from: root });
  assert.equal(root.socket.io, custom.socket.io);
  root.emit("message", "to the root");
  custom.emit("message", "to custom", Buffer.from("x"));
  assert.deepEqual(await root.next("message-back"), ["to the root"]);
  assert.equal((await custom.next("message-back"))[0], "to custom");
  // Each has acks of its own: both ids are 0 or 1 here.
  const acks = await Promise.all([root.call("message-with-ack", "r"), custom.call("message-with-ack", "c")]);
  assert.deepEqual(acks, [["r"], ["c"]]);
  custom.socket.disconnect();
  assert.deepEqual(await custom.next("disconnect").then(([reason]) => reason), "io client disconnect");
  assert.deepEqual(await root.echo("alone"), ["alone"]);
  assert.equal(root.inbox("disconnect").length, 0);
});

scenario("a namespace left and entered again", async (stage) => {
  const root = await stage.connect();
  const custom = await stage.connect("/custom", { from: root });
  for (const text of ["once", "twice"]) {
    assert.deepEqual(await custom.echo(text), [text]);
    custom.socket.disconnect();
    await custom.next("disconnect");
    custom.socket.connect();
    await custom.next("connect");
  }
  assert.deepEqual(await custom.echo("thrice"), ["thrice"]);
  assert.equal(custom.inbox("message-back").length, 0);
}, butTheReference("ends the session where the CONNECT comes in one read with the DISCONNECT"));
