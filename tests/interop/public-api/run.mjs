// socket.io-client 4.8 against a server that is written against the public API alone, server/: what tests/ asks of it, by each
// transport.
//
//     node ../node-tests.mjs public-api/run.mjs PROGRAM        (or `reference`, for reference.mjs)

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { io } from "socket.io-client-4";
import { modes, within } from "../js/client.mjs";
import { next } from "./events.mjs";
import ends, { endings } from "./tests/ends.mjs";
import entering from "./tests/entering.mjs";
import http from "./tests/http.mjs";
import listeners from "./tests/listeners.mjs";
import namespaces from "./tests/namespaces.mjs";
import questions from "./tests/questions.mjs";
import rooms from "./tests/rooms.mjs";
import values from "./tests/values.mjs";

const tests = { ...values, ...questions, ...entering, ...rooms, ...namespaces, ...listeners, ...ends, ...http };

const [program, only = ""] = process.argv.slice(2);
if (!program) throw new Error("which program?");
const isReference = program === "reference";
const reference = fileURLToPath(new URL("reference.mjs", import.meta.url));
const command = isReference ? [process.execPath, reference] : [program];

const running = new Set();
process.on("exit", () => running.forEach((child) => child.kill("SIGKILL")));

/** A server of its own, on a free port: its `url`, what it has `printed`, how it `ended`. */
async function start() {
  const child = spawn(command[0], [...command.slice(1), "127.0.0.1:0"], { stdio: ["ignore", "pipe", "inherit"] });
  running.add(child);
  const server = { printed: [], ended: once(child, "exit").then(([code]) => code), kill: () => child.kill("SIGKILL") };
  server.ended.then(() => running.delete(child));
  const lines = createInterface(child.stdout);
  server.url = await within(
    new Promise((resolve) => {
      lines.on("line", (line) => {
        server.printed.push(line);
        const address = /http:\/\/127\.0\.0\.1:\d+/.exec(line);
        if (address) resolve(address[0]);
      });
    }),
    "the server's address",
  );
  return server;
}

/** What a test works with: clients of one mode, which are closed behind it. */
class Stage {
  #sockets = [];

  constructor(server, mode) {
    this.server = server;
    this.mode = mode;
  }

  /** A socket that is not connected yet. */
  open(namespace = "/", options = {}) {
    const socket = io(this.server.url + namespace, {
      forceNew: true,
      reconnection: false,
      transports: modes[this.mode].transports,
      ...options,
    });
    this.#sockets.push(socket);
    return socket;
  }

  /** One that is connected and on the mode's last transport. */
  async join(namespace, options) {
    const socket = this.open(namespace, options);
    await next(socket, "connect");
    const engine = socket.io.engine;
    if (engine.transport.name !== modes[this.mode].ends) await within(once(engine, "upgrade"), "the upgrade");
    return socket;
  }

  clear() {
    for (const socket of this.#sockets) socket.disconnect();
  }
}

async function perform(name, run, mode, shared) {
  if (!name.includes(only)) return;
  await test(`public API, ${mode}: ${name}`, async () => {
    const server = shared ?? (await start());
    const stage = new Stage(server, mode);
    try {
      const done = run({ server, mode, open: stage.open.bind(stage), join: stage.join.bind(stage) });
      const late = sleep(20_000, undefined, { ref: false }).then(() => Promise.reject(new Error("not done in 20 s")));
      await Promise.race([done, late]);
    } finally {
      stage.clear();
      if (!shared) server.kill();
    }
  });
}

const shared = await start();
for (const mode of Object.keys(modes)) {
  for (const [name, run] of Object.entries(tests)) await perform(name, run, mode, shared);
  for (const [name, run] of Object.entries(endings)) await perform(name, run, mode);
}
shared.kill();
