// What a message carries, and acks in both directions.

import assert from "node:assert/strict";
import { plain } from "../plain.mjs";
import { scenario } from "../scenario.mjs";

const unicode = [
  "ÄÖÜ ß éè ñ",
  "Ελληνικά русский עברית العربية",
  "汉字 かな 한국어",
  "🦀 🏳️‍🌈 𝒳 \u{10FFFF}",
  "quotes \" and \\ and \u0000 and \u001e and \u2028 and \u2029",
];

const nested = () => ({
  photo: Buffer.from([0, 1, 2, 127, 128, 254, 255]),
  list: [1, Buffer.from("déjà vu"), { deep: { deeper: [Buffer.alloc(0), null] } }],
  text: "b4AQID",
});

// proves: features/eio3
scenario("text", async (stage) => {
  const client = await stage.connect();
  const args = ["hello", "", 0, -1.5, true, false, null, [], {}, { a: { b: [1, "2"] } }];
  assert.deepEqual(await client.echo(...args), args);
});

scenario("an event without arguments", async (stage) => {
  const client = await stage.connect();
  assert.deepEqual(await client.echo(), []);
});

scenario("unicode", async (stage) => {
  const client = await stage.connect();
  assert.deepEqual(await client.echo(...unicode), unicode);
  assert.deepEqual(await client.echo({ "ключ 🔑": unicode }), [{ "ключ 🔑": unicode }]);
});

scenario("unicode while twenty clients upgrade", async (stage) => {
  // Client 1 encodes what it posts twice, and undoes that in a poll alone: each answer has to go back as it was asked.
  await Promise.all(Array.from({ length: 20 }, async () => {
    const client = stage.open();
    await client.next("connect");
    assert.deepEqual(await client.echo(...unicode), unicode);
    await client.upgraded();
    assert.deepEqual(await client.echo(...unicode), unicode);
  }));
}, { skip: ({ mode }) => mode !== "upgrade" && "nothing to upgrade" });

scenario("unicode and binary in one batch", async (stage) => {
  const client = await stage.connect();
  client.emit("message", "🦀 before");
  client.emit("message", Buffer.from("🦀"), "€");
  client.emit("message", "after 🦀");
  assert.deepEqual(plain(await client.inbox("message-back").take(3)), [
    ["🦀 before"],
    plain([Buffer.from("🦀"), "€"]),
    ["after 🦀"],
  ]);
});

// proves: features/binary
scenario("nested binary", async (stage) => {
  const client = await stage.connect();
  assert.deepEqual(plain(await client.echo("with", nested(), "text")), plain(["with", nested(), "text"]));
});

// proves: features/attachments
scenario("ten attachments", async (stage) => {
  const client = await stage.connect();
  const ten = Array.from({ length: 10 }, (_, i) => Buffer.alloc(i * 100, i));
  assert.deepEqual(plain(await client.echo(ten)), plain([ten]));
});

scenario("an object that looks like a placeholder", async (stage) => {
  const client = await stage.connect();
  const lookalike = { _placeholder: "no", num: 0 };
  assert.deepEqual(await client.echo(lookalike), [lookalike]);
});

scenario("the server's ack", async (stage) => {
  const client = await stage.connect();
  assert.deepEqual(await client.call("message-with-ack", 1, "🦀", { a: null }), [1, "🦀", { a: null }]);
  assert.deepEqual(await client.call("message-with-ack"), []);
  assert.deepEqual(plain(await client.call("message-with-ack", nested(), "x")), plain([nested(), "x"]));
});

// proves: features/acks
scenario("many acks at once find their calls", async (stage) => {
  const client = await stage.connect();
  const calls = Array.from({ length: 50 }, (_, i) => client.call("message-with-ack", i));
  assert.deepEqual(await Promise.all(calls), Array.from({ length: 50 }, (_, i) => [i]));
});

scenario("the client's ack", async (stage) => {
  const client = await stage.connect("/test");
  const questions = [];
  client.on("question", (...args) => {
    const answer = args.pop();
    questions.push(args);
    answer(...[...args].reverse());
  });
  assert.deepEqual(await client.call("ask", 1, "🦀", { a: null }), [{ a: null }, "🦀", 1]);
  assert.deepEqual(await client.call("ask"), []);
  assert.deepEqual(plain(await client.call("ask", "x", nested())), plain([nested(), "x"]));
  assert.deepEqual(plain(questions), plain([[1, "🦀", { a: null }], [], ["x", nested()]]));
});

scenario("an ack that the client never sends", async (stage) => {
  const client = await stage.connect("/test");
  client.on("question", () => {});
  assert.deepEqual(await client.call("ask-briefly", 50), ["timeout"]);
  client.socket.off("question");
  client.on("question", (answer) => answer("in time"));
  assert.deepEqual(await client.call("ask-briefly", 5_000), ["in time"]);
});

scenario("events emitted before the connect", async (stage) => {
  const client = stage.open("/custom");
  for (let i = 0; i < 5; i++) client.emit("message", i, Buffer.from([i]));
  await client.ready();
  const expected = Array.from({ length: 5 }, (_, i) => [i, Buffer.from([i])]);
  assert.deepEqual(plain(await client.inbox("message-back").take(5)), plain(expected));
});
