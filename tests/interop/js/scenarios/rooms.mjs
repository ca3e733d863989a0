// Who gets what is emitted to a room.

import assert from "node:assert/strict";
import { versions } from "../client.mjs";
import { plain } from "../plain.mjs";
import { scenario } from "../scenario.mjs";

/** Awaits an ack of each, so that whatever was emitted to them before has arrived. */
const settle = (...clients) => Promise.all(clients.map((client) => client.call("handshake")));

/** What each client has got on `room` since the last look. */
async function received(...clients) {
  await settle(...clients);
  return Promise.all(clients.map(async (client) => (await client.inbox("room").take(client.inbox("room").length)).flat()));
}

// proves: features/rooms
scenario("rooms", async (stage) => {
  const [a, b, c] = await Promise.all([stage.connect("/test"), stage.connect("/test"), stage.connect("/test")]);
  const [red, blue] = ["red", "blue"].map((color) => `${color} ${Math.random()}`);
  assert.deepEqual(await a.call("join", red), [[red]]);
  assert.deepEqual(await b.call("join", red), [[red]]);
  assert.deepEqual(await b.call("join", blue), [[blue, red]]);

  const from = async (sender, event, ...args) => {
    sender.emit(event, ...args);
    await settle(sender);
    return received(a, b, c);
  };
  assert.deepEqual(await from(a, "to-room", red, 1), [[], [1], []]);
  assert.deepEqual(await from(a, "in-room", red, 2), [[2], [2], []]);
  assert.deepEqual(await from(c, "to-room", red, 3), [[3], [3], []]);
  assert.deepEqual(await from(c, "in-room", red, 4), [[4], [4], []]);
  assert.deepEqual(await from(a, "except-room", blue, 5), [[], [], [5]]);
  assert.deepEqual(await from(a, "others", 6), [[], [6], [6]]);
  assert.deepEqual(await b.call("leave", red), [[blue]]);
  assert.deepEqual(await from(a, "in-room", red, 7), [[7], [], []]);
  assert.deepEqual(await from(a, "to-room", "nobody's", 8), [[], [], []]);
});

scenario("binary to a room", async (stage) => {
  const [a, b] = await Promise.all([stage.connect("/test"), stage.connect("/test")]);
  a.emit("others", "text", { bytes: Buffer.from([0, 255]) });
  assert.deepEqual(plain(await b.next("room")), plain(["text", { bytes: Buffer.from([0, 255]) }]));
});

scenario("the room that a socket's id names", async (stage) => {
  const [a, b, c] = await Promise.all([stage.connect("/test"), stage.connect("/test"), stage.connect("/test")]);
  const [{ id }] = await b.call("handshake");
  a.emit("to-room", id, "for b alone");
  await settle(a);
  assert.deepEqual(await received(a, b, c), [[], ["for b alone"], []]);
});

scenario("a broadcast, the sender included", async (stage) => {
  const server = await stage.serve();
  const [a, b] = await Promise.all([stage.connect("/", { server }), stage.connect("/", { server })]);
  const elsewhere = await stage.connect("/custom", { server });
  a.emit("broadcast", "to all", 1);
  assert.deepEqual(await a.next("bcast"), ["to all", 1]);
  assert.deepEqual(await b.next("bcast"), ["to all", 1]);
  await elsewhere.call("message-with-ack");
  assert.equal(elsewhere.inbox("bcast").length, 0);
});

// proves: features/eio3
scenario("a broadcast to every version and transport", async (stage) => {
  // Both revisions, text and binary frames and base64: one event, encoded for each.
  const server = await stage.serve();
  const others = await Promise.all(
    versions.flatMap((version) =>
      ["polling", "websocket"].map((mode) => stage.connect("/", { server, version, mode })),
    ),
  );
  const sender = await stage.connect("/", { server });
  const args = ["text", Buffer.from([0, 128, 255])];
  sender.emit("broadcast", ...args);
  for (const client of [sender, ...others]) assert.deepEqual(plain(await client.next("bcast")), plain(args));
});

scenario("unicode in a broadcast to every version and transport", async (stage) => {
  const server = await stage.serve();
  const others = await Promise.all([
    stage.connect("/", { server, version: "1.7.4", mode: "websocket" }),
    ...versions.slice(1).flatMap((version) =>
      ["polling", "websocket"].map((mode) => stage.connect("/", { server, version, mode })),
    ),
  ]);
  const sender = await stage.connect("/", { server });
  const args = ["é€🦀", { "🔑": "漢" }];
  sender.emit("broadcast", ...args);
  for (const client of [sender, ...others]) assert.deepEqual(await client.next("bcast"), args);
}, { skip: ({ major, mode }) => major === 1 && mode === "polling" && "client 1 encodes UTF-8 twice" });
