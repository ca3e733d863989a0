// The chat on two servers of ours.

import assert from "node:assert/strict";
import { test } from "node:test";
import { io } from "socket.io-client";
import { Redis, program, until } from "./cluster.mjs";

async function enter(server) {
  const socket = io(server.url, { forceNew: true, reconnection: false, transports: ["websocket"] });
  const heard = [];
  const welcome = new Promise((resolve) => socket.on("welcome", resolve));
  socket.onAny((...event) => heard.push(event));
  return Object.assign(socket, { heard, ...(await welcome) });
}

const said = (socket, name) => socket.heard.find((event) => event[0] === name)?.[1];

test("people of all servers see each other, and those of one that is killed are gone", async () => {
  const redis = await Redis.start();
  const [one, two] = await Promise.all([program(redis, "--app", "chat"), program(redis, "--app", "chat")]);
  const ada = await enter(one);
  assert.deepEqual(await ada.emitWithAck("name", "Ada"), { ok: true, name: "Ada" });
  await ada.emitWithAck("join", "tea");
  // What one server tells before the other listens is told again after five seconds.
  await until("Ada is known there", async () => {
    const other = await enter(two);
    other.disconnect();
    return other.online.includes("Ada");
  });
  const ben = await enter(two);
  assert.notEqual(ben.you, ada.you);
  assert.equal((await ben.emitWithAck("name", "ada")).code, "taken");
  assert.deepEqual(await ben.emitWithAck("name", "Ben"), { ok: true, name: "Ben" });
  assert.deepEqual((await ben.emitWithAck("join", "tea")).members, ["Ada", "Ben"]);
  assert.deepEqual(await ben.emitWithAck("direct", "ada", "psst"), { ok: true, to: "Ada" });
  assert.deepEqual(await until("Ada hears it", () => said(ada, "direct")), { from: "Ben", text: "psst" });

  one.process.kill("SIGKILL");
  const offline = await until("Ben's server finds that out", () => said(ben, "offline"), 60_000);
  assert.deepEqual([offline, said(ben, "left")], [{ name: "Ada" }, { room: "tea", name: "Ada" }]);
  assert.equal((await ben.emitWithAck("name", "Ada")).ok, true);
  ben.disconnect();
  two.process.kill("SIGKILL");
  await redis.kill();
});
