// Programs for the tests: the server, backends, clients. Each is ended with its test.
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, existsSync } from "node:fs";
import { connect as tcp } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { io } from "socket.io-client";
import { freePort } from "../free-port.mjs";

export const KEY = "the-key-of-the-tests";
export const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const here = import.meta.dirname;

/** Waits until something is so. */
export async function until(what, is) {
  for (const end = Date.now() + 20_000; ; ) {
    const value = await is();
    if (value) {
      return value;
    }
    if (Date.now() > end) {
      throw new Error(`never ${what}`);
    }
    await new Promise((again) => setTimeout(again, 20));
  }
}

function listens(port) {
  return new Promise((done) => {
    const socket = tcp(port, "127.0.0.1", () => done(true)).on("error", () => done(false));
    socket.on("connect", () => socket.end());
  });
}

function start(t, command, options) {
  // A group of its own: PHP's server has workers.
  const settings = { stdio: ["ignore", "pipe", "inherit"], detached: true, ...options };
  const child = spawn(command[0], command.slice(1), settings);
  const ended = once(child, "exit");
  const stop = async (signal = "SIGKILL") => {
    try {
      process.kill(-child.pid, signal);
    } catch {
      // It has ended.
    }
    await ended;
  };
  t.after(() => stop());
  return { child, stop };
}

const COMMANDS = {
  PHP: (port) => ["php", "-S", `127.0.0.1:${port}`, `${here}/backends/backend.php`],
  Python: (port) => [`${here}/.venv/bin/python`, `${here}/backends/backend.py`, String(port)],
  Node: (port) => ["node", `${here}/backends/backend.mjs`, String(port)],
};

/** A backend; what it was told is in `told()`. */
export async function backend(t, language, { port, command, secrets = SECRET } = {}) {
  port ??= await freePort();
  const log = join(mkdtempSync(join(tmpdir(), "gateway-")), "log");
  const env = { ...process.env, LOG: log, WEBHOOK_SECRETS: secrets, PHP_CLI_SERVER_WORKERS: "8" };
  // PHP's and Flask's servers write each request there.
  const running = start(t, (command ?? COMMANDS[language])(port), { env, stdio: "ignore" });
  await until("a backend listens", () => listens(port));
  const told = () => (existsSync(log) ? readFileSync(log, "utf8").trimEnd().split("\n") : []);
  return { port, url: `http://127.0.0.1:${port}/`, told, ...running };
}

/** The server with the gateway. Its log is in `log()`, from `level` on. */
export async function server(t, options, { port, level = "error" } = {}) {
  const always = ["--listen", `127.0.0.1:${port ?? 0}`, "--api", "127.0.0.1:0", "--api-key", KEY, "--log-level", level];
  const command = [process.env.TESTED_SERVER, ...always, ...options];
  const running = start(t, command, { stdio: ["ignore", "pipe", "pipe"] });
  let log = "";
  running.child.stderr.on("data", (data) => (log += data));
  const lines = createInterface({ input: running.child.stdout })[Symbol.asyncIterator]();
  const place = async (start) => (await lines.next()).value.slice(start.length);
  const api = await place("API on ");
  const url = await place("listening on ");
  const call = async (path, body, key = KEY) => {
    const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
    const method = body === undefined ? "GET" : "POST";
    const response = await fetch(api + path, { method, headers, body: JSON.stringify(body) });
    return { status: response.status, body: await response.json() };
  };
  return { url, api, call, log: () => log, ...running };
}

/** A Redis, and how to publish there. */
export async function redis(t, { port } = {}) {
  port ??= await freePort();
  const running = start(t, ["redis-server", "--port", String(port), "--save", ""], { stdio: "ignore" });
  await until("Redis listens", () => listens(port));
  const publish = (channel, message) =>
    promisify(execFile)("redis-cli", ["-p", String(port), "PUBLISH", channel, message]);
  return { port, url: `redis://127.0.0.1:${port}`, publish, ...running };
}

/** A client, which need not be connected. */
export function client(t, url, auth, options = {}) {
  const socket = io(url, { auth, forceNew: true, reconnectionDelay: 50, reconnectionDelayMax: 200, ...options });
  t.after(() => socket.disconnect());
  socket.got = {};
  socket.next = (event) => until(`a client gets ${event}`, () => (socket.got[event] ?? []).shift());
  socket.onAny((event, ...args) => {
    (socket.got[event] ??= []).push(args);
  });
  return socket;
}

export const connected = (socket) => until("a client is connected", () => socket.connected);
