// The script three-servers, as docs/guide/cluster.md has readers run it.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { io } from "socket.io-client";
import { sleep, until } from "./cluster.mjs";
import { freePort } from "../free-port.mjs";

const script = fileURLToPath(new URL("three-servers", import.meta.url));

async function client(port, transports) {
  const socket = io(`http://127.0.0.1:${port}`, { forceNew: true, reconnection: false, transports, withCredentials: true });
  const heard = [];
  socket.on("bcast", (...args) => heard.push(args));
  await new Promise((resolve, reject) => {
    socket.on("connect", resolve);
    socket.on("connect_error", reject);
  });
  return Object.assign(socket, { heard });
}

const listens = (port) =>
  new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => resolve(true)).on("error", () => resolve(false));
    socket.on("connect", () => socket.destroy());
  });

// proves: features/adapters
test("three servers behind nginx are one, whichever a client comes to, and all end together", async () => {
  const ports = [];
  while (ports.length < 5) ports.push(await freePort());
  const [front, , ...servers] = ports;
  const env = { ...process.env, PORTS: ports.join(" "), SERVER: process.env.TESTED_SERVER };
  const three = spawn(script, { env, stdio: ["ignore", "pipe", "inherit"] });
  process.on("exit", () => three.kill());
  const ended = once(three, "exit");
  const lines = createInterface(three.stdout)[Symbol.asyncIterator]();
  assert.match((await lines.next()).value, /leads to three servers$/);

  // A page to try it with. Another that finds the ports taken says so, and leaves these alone.
  const page = await fetch(`http://127.0.0.1:${front}/`);
  const cookie = page.headers.get("set-cookie").split(";")[0];
  const scripts = [...(await page.text()).matchAll(/script src="(.*?)"/g)].map(([, path]) => path);
  for (const path of scripts) assert.equal((await fetch(`http://127.0.0.1:${front}${path}`)).status, 200, path);
  const node = await fetch(`http://127.0.0.1:${front}/node`, { headers: { cookie } });
  assert.deepEqual([scripts, `node=${await node.text()}`], [["/socket.io.js"], cookie]);
  const second = spawn(script, { env, stdio: ["ignore", "ignore", "pipe"] });
  const over = once(second, "exit");
  const complaint = await createInterface(second.stderr)[Symbol.asyncIterator]().next();
  assert.equal(complaint.value.split(":")[1], ` port ${front} is taken`);
  assert.deepEqual(await over, [1, null]);

  // One at each server, and many behind nginx, whom the cookie leads back to their servers.
  const modes = [["polling"], ["websocket"], ["polling", "websocket"]];
  const clients = await Promise.all([
    ...servers.map((port) => client(port, ["websocket"])),
    ...Array.from({ length: 12 }, (_, at) => client(front, modes[at % 3])),
  ]);
  for (const socket of clients) {
    for (let at = 0; at < 3; at++) assert.equal(await socket.timeout(5000).emitWithAck("message-with-ack", at), at);
  }
  // The servers may not count each other yet: the first broadcast is repeated until all have it.
  await until("all hear all", async () => {
    clients[0].emit("broadcast", "ready?");
    await sleep(100);
    return clients.every(({ heard }) => heard.length > 0);
  });
  for (const [at, sender] of clients.entries()) {
    sender.emit("broadcast", at, sender.id);
    await until(`all hear number ${at}`, () => clients.every(({ heard }) => heard.some(([n, id]) => n === at && id === sender.id)));
  }
  const times = clients.map(({ heard }) => heard.filter(([n]) => n === 14).length);
  assert.deepEqual(times, clients.map(() => 1), "nobody hears it twice");

  clients.forEach((socket) => socket.disconnect());
  three.kill("SIGTERM");
  await ended;
  assert.deepEqual(await Promise.all(ports.map(listens)), ports.map(() => false));
});
