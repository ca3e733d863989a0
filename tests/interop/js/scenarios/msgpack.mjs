// The same messages in MessagePack: socket.io-msgpack-parser on the client, `--parser msgpack` on the server.

import assert from "node:assert/strict";
import parser from "socket.io-msgpack-parser";
import { plain } from "../plain.mjs";
import { scenario } from "../scenario.mjs";
import { isReference } from "../server.mjs";

const skip = ({ major }) => major < 3 && "it has no such parser";

function packed(name, run) {
  scenario(
    `MessagePack: ${name}`,
    async (stage) => {
      const server = await stage.serve("--parser", "msgpack");
      await run(stage, (namespace, options) => stage.connect(namespace, { server, parser, ...options }));
    },
    { skip },
  );
}

const values = () => [
  "ÄÖÜ 汉字 🦀 \u0000 \u2028",
  "x".repeat(70_000),
  [0, 127, 128, 255, 256, 65_535, 65_536, 2 ** 32, Number.MAX_SAFE_INTEGER],
  [-1, -32, -33, -128, -129, -32_769, -(2 ** 31) - 1, Number.MIN_SAFE_INTEGER],
  [0.1, -1.5, 1.5e-300, 5e-324, 0.30000000000000004, 123_456_789.123_456_79],
  { a: null, b: [true, false, {}, []], "ключ 🔑": Array.from({ length: 20 }, (_, i) => i) },
  Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`k${i}`, i])),
];

packed("values", async (stage, connect) => {
  const client = await connect();
  assert.deepEqual(await client.echo(...values()), values());
  assert.deepEqual(await client.echo(), []);
  assert.deepEqual(await client.call("message-with-ack", ...values()), values());
});

// proves: features/parsers
packed("binary at any depth, more than ten at once", async (stage, connect) => {
  const client = await connect();
  const many = () => ({ list: Array.from({ length: 30 }, (_, i) => ({ deep: [Buffer.alloc(i * 30, i)] })), after: "x" });
  assert.deepEqual(plain(await client.echo("before", many())), plain(["before", many()]));
  assert.deepEqual(plain(await client.echo(new Uint8Array([1, 2]).buffer)), plain([Buffer.from([1, 2])]));
  const lookalike = { _placeholder: true, num: 0 };
  assert.deepEqual(await client.echo(lookalike), [lookalike]);
});

packed("acks in both directions", async (stage, connect) => {
  const client = await connect("/test");
  client.on("question", (...args) => args.pop()(...args.reverse()));
  assert.deepEqual(plain(await client.call("ask", "x", Buffer.from([1]))), plain([Buffer.from([1]), "x"]));
  const calls = Array.from({ length: 50 }, (_, i) => client.call("ask", i));
  assert.deepEqual(await Promise.all(calls), Array.from({ length: 50 }, (_, i) => [i]));
});

// The reference hands such values on as they are. Here they become what they are with the default parser.
packed("a date is its text, undefined and NaN are null", async (stage, connect) => {
  const client = await connect();
  const date = new Date("2024-02-29T12:34:56.789Z");
  const expected = isReference ? [date, undefined, NaN] : [date.toISOString(), null, null];
  assert.deepEqual(await client.echo(date, undefined, NaN), expected);
});

packed("namespaces, auth and refusals", async (stage, connect) => {
  const client = await connect("/custom", { auth: { n: "1" } });
  assert.deepEqual(await client.next("auth"), [{ n: "1" }]);
  const refused = stage.open("/test", { from: client, auth: { token: "bad" } });
  assert.deepEqual(await refused.refusal(), { message: "refused", data: { code: 7 } });
  const unknown = stage.open("/nope", { from: client });
  assert.equal((await unknown.refusal()).message, "Invalid namespace");
});

packed("rooms, and being put out", async (stage, connect) => {
  const [one, other] = [await connect("/test"), await connect("/test")];
  for (const client of [one, other]) assert.deepEqual(await client.call("join", "r"), [["r"]]);
  one.emit("to-room", "r", "hello", Buffer.from("x"));
  assert.deepEqual(plain(await other.next("room")), plain(["hello", Buffer.from("x")]));
  other.emit("kick", false);
  assert.deepEqual((await other.next("disconnect"))[0], "io server disconnect");
  assert.equal(one.inbox("room").length, 0);
});

packed("many messages in order", async (stage, connect) => {
  const client = await connect();
  for (let i = 0; i < 200; i++) client.emit("message", i, Buffer.from([i]));
  const back = await client.inbox("message-back").take(200);
  assert.deepEqual(plain(back), plain(Array.from({ length: 200 }, (_, i) => [i, Buffer.from([i])])));
});
