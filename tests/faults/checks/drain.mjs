// A server that is told to stop while clients are talking.

import assert from "node:assert/strict";
import { once } from "node:events";
import { check } from "../check.mjs";
import { until } from "../until.mjs";
import { Raw, frame, polling } from "../raw.mjs";

const deadline = 2_000;

// proves: security/drain
check("a drain under load, with a client that never reads and one that never polls, ends at its deadline", async (stage) => {
  const server = await stage.serve("--drain-timeout", `${deadline}ms`, "--close-timeout", "60s", "--write-timeout", "60s");
  const talks = [];
  for (const [version, mode] of [["4.8.4", "polling"], ["4.8.4", "websocket"], ["4.8.4", "upgrade"], ["2.5.0", "polling"], ["2.5.0", "upgrade"]]) {
    const client = stage.open(version, mode, server.url, { reconnection: false });
    await client.ready();
    const talk = stage.talk(client, 1);
    talk.gone = once(client.socket, "disconnect");
    talks.push(talk);
  }
  // More than the kernel takes for one who doesn't read.
  const deaf = await Raw.open(server);
  await deaf.join();
  deaf.socket.pause();
  for (let at = 0; at < 1_000; at++) deaf.send(frame(`42["message","${"x".repeat(30_000)}"]`));
  const away = await Raw.open(server);
  const target = await away.open();
  away.post(target, "40");
  await away.until("ok");
  await Promise.all(talks.map((talk) => talk.goesOn(100)));

  const began = Date.now();
  const ended = server.drain().then(() => Date.now() - began);
  for (const talk of talks) {
    const [reason] = await talk.gone;
    assert.ok(["transport close", "transport error"].includes(reason), reason);
    await talk.end();
  }
  const took = await ended;
  assert.ok(took > deadline - 100 && took < deadline + 3_000, `it took ${took} ms`);
  deaf.reset();
  away.reset();
});

check("a server that drains refuses new sessions with 503, and whoever polls is told", async (stage) => {
  const server = await stage.serve("--log-level", "info", "--drain-timeout", "20s", "--close-timeout", "60s");
  const early = await Raw.open(server);
  const target = await early.open();
  const ended = server.drain();
  await until("the drain", () => server.log.includes("draining"));
  const late = await Raw.open(server);
  late.get(polling);
  assert.match(await late.until("\r\n\r\n"), /^HTTP\/1.1 503 /);
  early.get(target);
  assert.match(await early.until("\u001e1"), /^HTTP\/1.1 200 /);
  // With that, nobody is left to wait for.
  await ended;
});
