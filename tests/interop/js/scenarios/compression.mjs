// Compressed WebSocket messages: the clients' `ws` offers that, and the server agrees with `--per-message-deflate`.

import assert from "node:assert/strict";
import { plain } from "../plain.mjs";
import { scenario } from "../scenario.mjs";
import { isReference } from "../server.mjs";

const skip = ({ mode }) => mode === "polling" && "only WebSocket messages are meant";

function compressed(name, run, ...flags) {
  scenario(
    `compression: ${name}`,
    async (stage) => {
      const metrics = isReference ? [] : ["--metrics", "127.0.0.1:0"];
      const server = await stage.serve("--per-message-deflate", ...metrics, ...flags);
      await run(stage, (namespace, options) => stage.connect(namespace, { server, ...options }));
      if (!isReference) await saves(server);
    },
    { skip },
  );
}

/** Fails unless messages were compressed in both directions. */
async function saves(server) {
  const text = await (await fetch(server.metrics)).text();
  const bytes = (which, direction) =>
    Number(text.match(new RegExp(`^socketio_deflate_${which}_bytes_total\\{direction="${direction}"\\} (\\d+)$`, "m"))[1]);
  for (const direction of ["in", "out"]) {
    const [message, wire] = [bytes("message", direction), bytes("wire", direction)];
    assert(wire > 0 && wire * 2 < message, `${direction}: ${message} bytes, ${wire} on the wire`);
  }
}

const people = (count) => Array.from({ length: count }, (_, id) => ({ id, name: `name ${id}`, "ключ 🔑": true }));

// proves: features/per-message-deflate
compressed("text and binary of any length", async (stage, connect) => {
  const client = await connect();
  for (const count of [0, 1, 20, 1_000, 10_000]) {
    assert.deepEqual(await client.echo(people(count)), [people(count)]);
    const bytes = Buffer.from(JSON.stringify(people(count)));
    assert.deepEqual(plain(await client.echo(bytes)), plain([bytes]));
  }
});

compressed("a broadcast", async (stage, connect) => {
  const clients = await Promise.all(Array.from({ length: 4 }, () => connect()));
  clients[0].emit("broadcast", people(500));
  for (const client of clients) assert.deepEqual(await client.next("bcast"), [people(500)]);
});

const exchange = async (stage, connect) => {
  const client = await connect();
  for (let round = 0; round < 50; round++) client.emit("message", round, people(200));
  const back = await client.inbox("message-back").take(50);
  assert.deepEqual(back, Array.from({ length: 50 }, (_, round) => [round, people(200)]));
};

compressed("many messages in order", exchange);
compressed("many messages that refer to each other", exchange, "--deflate-context-takeover");
