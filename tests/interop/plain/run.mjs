// Plain WebSocket clients against the server: `ws` and WebSocket-Node, alone and in the chat with socket.io-client.
//
//     node ../node-tests.mjs plain/run.mjs ["PART OF A NAME"]

import assert from "node:assert/strict";
import { test } from "node:test";
import { io } from "socket.io-client-4";
import WebSocket from "ws";
import { Server } from "../js/server.mjs";
import { Refused, clients, within } from "./client.mjs";

const [only = ""] = process.argv.slice(2);

/** A test for each client, with a server of its own. */
function plain(app, name, run, ...flags) {
  for (const [client, connect] of Object.entries(clients)) {
    const full = `${client}: ${name}`;
    if (!full.includes(only)) continue;
    test(full, { timeout: 20_000 }, async () => {
      const server = await Server.start("--app", app, ...flags);
      const opened = [];
      const open = async (options) => {
        const connection = await connect(`${server.url.replace("http", "ws")}/ws`, options);
        opened.push(connection);
        return connection;
      };
      try {
        await run({ open, server });
      } finally {
        for (const { raw } of opened) (raw.terminate ?? raw.socket.destroy).call(raw.terminate ? raw : raw.socket);
        await server.kill();
      }
    });
  }
}

/** How a handshake is refused. */
async function refusal(opening) {
  const error = await opening.then(
    () => assert.fail("it was let in"),
    (error) => error,
  );
  assert(error instanceof Refused, error);
  return [error.status, error.reason];
}

plain("echo", "text and binary of any length come back", async ({ open }) => {
  const connection = await open();
  const long = "é".repeat(200_000);
  for (const text of ["hello", "", "😀", long]) {
    connection.send(text);
    assert.equal(await connection.next(), text);
  }
  for (const bytes of [Buffer.from([0, 255]), Buffer.alloc(300_000, 7)]) {
    connection.send(bytes);
    assert.deepEqual(await connection.next(), bytes);
  }
});

const flags = ["--per-message-deflate", "--deflate-context-takeover"];
for (const deflate of [flags.slice(0, 1), flags]) {
  // WebSocket-Node offers no compression, and must not notice that others do.
  plain("echo", `messages come back compressed, with ${deflate.join(" ")}`, async ({ open }) => {
    const connection = await open();
    const agreed = connection.raw.extensions === "permessage-deflate";
    assert.equal(agreed, connection.raw instanceof WebSocket);
    for (let round = 0; round < 3; round++) {
      for (const length of [0, 1_023, 1_024, 70_000, 900_000]) {
        const text = "tea, ".repeat(length).slice(0, length);
        connection.send(text);
        assert.equal(await connection.next(), text);
        connection.send(Buffer.alloc(length, round));
        assert.deepEqual(await connection.next(), Buffer.alloc(length, round));
      }
    }
  }, ...deflate);
}

plain("echo", "many messages keep their order", async ({ open }) => {
  const connection = await open();
  for (let n = 0; n < 5_000; n++) connection.send(`${n}`);
  for (let n = 0; n < 5_000; n++) assert.equal(await connection.next(), `${n}`);
});

// proves: ws/protocols
plain("echo", "a subprotocol is agreed on", async ({ open }) => {
  assert.equal((await open({ protocols: ["one", "two"] })).protocol, "one");
  assert.equal((await open()).protocol, "");
});

// proves: ws/receiving
plain("echo", "a ping is answered", async ({ open }) => {
  const connection = await open();
  const pong = connection.pong();
  connection.ping("there?");
  assert.equal(await pong, "there?");
});

plain("echo", "a client closes with a code and a reason", async ({ open }) => {
  const connection = await open();
  connection.close(4321, "enough");
  const [code] = await within(connection.closed, "the end");
  assert.equal(code, 4321);
});

plain(
  "echo",
  // proves: ws/max-payload
  "a message over the limit ends the connection with 1009",
  async ({ open }) => {
    const connection = await open();
    connection.send("x".repeat(1_000));
    assert.equal((await connection.next()).length, 1_000);
    connection.send("x".repeat(1_001));
    assert.equal((await within(connection.closed, "the end"))[0], 1009);
  },
  "--max-payload",
  "1000",
);

// proves: websocket-node/shutdown
plain("echo", "a server that stops says 1001", async ({ open, server }) => {
  const connection = await open();
  await server.drain();
  assert.equal((await within(connection.closed, "the end"))[0], 1001);
});

plain(
  "echo",
  // proves: ws/verify-client
  "a page of another origin is refused",
  async ({ open }) => {
    await open({ origin: "https://app.example" });
    const answer = await refusal(open({ origin: "https://other.example" }));
    assert.deepEqual(answer, [403, "the page's origin is not allowed"]);
  },
  "--cors-origin",
  "https://app.example",
);

/** A Socket.IO client in the chat, and what it hears. */
async function listener(server) {
  const socket = io(server.url, { forceNew: true, reconnection: false });
  const heard = [];
  const waiting = [];
  socket.onAny((...event) => (waiting.length > 0 ? waiting.shift()(event) : heard.push(event)));
  const next = () =>
    heard.length > 0 ? heard.shift() : within(new Promise((resolve) => waiting.push(resolve)), "an event");
  const [event, { you }] = await next();
  assert.equal(event, "welcome");
  return { socket, next, you };
}

plain("chat", "people talk, whatever they came by", async ({ open, server }) => {
  const { socket, next, you } = await listener(server);
  try {
    const [ada, ben] = [await open(), await open({ protocols: ["chat.json"] })];
    const welcome = await ben.nextObject();
    assert.deepEqual([welcome.type, welcome.online, ben.protocol], ["welcome", [], "chat.json"]);

    ada.send(JSON.stringify({ type: "online", from: "Ada" }));
    assert.equal((await ada.nextObject()).from, "Ada");
    assert.equal((await ben.nextObject()).from, "Ada");
    assert.equal((await next())[1].name, "Ada");

    ada.send("hello");
    assert.deepEqual(await next(), ["message", { from: "Ada", text: "hello" }]);
    assert.deepEqual(await ben.nextObject(), { type: "message", from: "Ada", text: "hello" });

    socket.emit("message", "hello, Ada");
    assert.equal(await ada.next(), "hello, Ada");
    assert.deepEqual(await ben.nextObject(), { type: "message", from: you, text: "hello, Ada" });

    ada.send(JSON.stringify({ to: you, text: "psst" }));
    assert.deepEqual(await next(), ["direct", { from: "Ada", text: "psst" }]);
    ben.send(JSON.stringify({ to: "Ada", offer: { sdp: "v=0" } }));
    assert.deepEqual(await ada.nextObject(), { to: "Ada", from: welcome.you, offer: { sdp: "v=0" } });
    assert.equal((await socket.emitWithAck("direct", "ada", "yes?")).ok, true);
    assert.deepEqual(await ada.nextObject(), { to: "Ada", from: you, text: "yes?" });

    ben.send(JSON.stringify({ type: "online", from: "ADA" }));
    const error = { type: "error", code: "taken", message: "“ADA” is taken." };
    assert.deepEqual(await ben.nextObject(), error);

    ada.close(1000, "");
    assert.deepEqual(await next(), ["offline", { name: "Ada" }]);
    assert.deepEqual(await ben.nextObject(), { type: "offline", from: "Ada" });
  } finally {
    socket.disconnect();
  }
});

// proves: websocket-node/accept-reject
plain("chat", "a subprotocol that is not spoken is refused with the reason", async ({ open }) => {
  const answer = await refusal(open({ protocols: ["echo-protocol"] }));
  assert.deepEqual(answer, [400, "offer the subprotocol chat.json, or none"]);
});

plain("chat", "binary ends the connection with 1003", async ({ open }) => {
  const connection = await open();
  connection.send(Buffer.from([1]));
  assert.deepEqual(await within(connection.closed, "the end"), [1003, "the chat only takes text"]);
});
