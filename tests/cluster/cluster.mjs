// A Redis, servers of both kinds on it, and clients: what the tests of this folder work with.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createClient } from "redis";
import { io } from "socket.io-client";
import { freePort } from "../free-port.mjs";

const running = new Set();
const killAll = () => running.forEach((child) => child.kill("SIGKILL"));
process.on("exit", killAll);
// What a test that failed has left behind must not keep the process.
after(() => {
  killAll();
  setTimeout(() => process.exit(), 1000).unref();
});

function start(program, args, options) {
  const child = spawn(program, args, options);
  running.add(child);
  child.ended = once(child, "exit").finally(() => running.delete(child));
  return child;
}

/** What comes true, in time also where little of the machine is left, or the error of `what` didn't. */
export async function until(what, look, patience = 30_000) {
  const deadline = Date.now() + patience;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > deadline) assert.fail(`${typeof what === "function" ? what() : what}, after ${patience} ms`);
    await sleep(5);
  }
}

/** Waits until there are so many. That may take long, as long as there are more and more. */
export async function reaches(count, wanted, show = () => "") {
  while (count() < wanted) {
    const had = count();
    await until(() => `more than ${had} of ${wanted} ${show()}`, () => count() > had);
  }
}

/** A Redis that can be killed and started again on the same port. */
export class Redis {
  static async start() {
    const redis = new Redis();
    redis.port = await freePort();
    redis.url = `redis://127.0.0.1:${redis.port}`;
    await redis.start();
    return redis;
  }

  async start() {
    const args = ["--port", String(this.port), "--save", "", "--appendonly", "no", "--bind", "127.0.0.1"];
    this.process = start("redis-server", args, { stdio: "ignore" });
    this.client = createClient({ url: this.url, socket: { reconnectStrategy: () => 20 } });
    this.client.on("error", () => {});
    await this.client.connect();
  }

  async kill() {
    this.client.destroy();
    this.process.kill("SIGKILL");
    await this.process.ended;
  }

  /** Everything that is published, from now on: `{ channel, payload }`. */
  async tap(pattern = "*") {
    const messages = [];
    const client = this.client.duplicate();
    client.on("error", () => {});
    await client.connect();
    await client.pSubscribe(pattern, (payload, channel) => messages.push({ channel: String(channel), payload }), true);
    return { messages, close: () => client.destroy() };
  }

  /** The names of all commands that others send from now on: `["SPUBLISH", ..]`. */
  async monitor() {
    const names = [];
    const socket = connect(this.port, "127.0.0.1");
    const lines = createInterface(socket);
    const began = once(lines, "line");
    lines.on("line", (line) => names.push(/^\+[\d.]+ \[.*?\] "(.*?)"/.exec(line)?.[1].toUpperCase()));
    socket.write("MONITOR\r\n");
    await began;
    names.length = 0;
    return { names, close: () => socket.destroy() };
  }

  publish(channel, payload) {
    return this.client.publish(channel, payload);
  }

  /** How many have subscribed to a shard's channel. */
  async subscribers(channel) {
    return (await this.client.sendCommand(["PUBSUB", "SHARDNUMSUB", channel]))[1];
  }
}

/** A Redis Cluster of three servers, of which each has a third of the slots. */
export class RedisCluster {
  static async start() {
    const cluster = new RedisCluster();
    cluster.folder = mkdtempSync(join(tmpdir(), "redis-cluster-"));
    cluster.ports = [];
    for (let n = 0; n < 3; n++) cluster.ports.push([await freePort(), await freePort()]);
    cluster.servers = await Promise.all(cluster.ports.map((_, at) => cluster.start(at)));
    const places = cluster.ports.map(([port]) => `127.0.0.1:${port}`);
    cluster.cli("--cluster", "create", ...places, "--cluster-yes");
    cluster.url = places.slice(0, 2).map((place) => `redis://${place}`).join(",");
    for (const [port] of cluster.ports) {
      await until("the cluster is ready", () => cluster.cli("-p", `${port}`, "cluster", "info").includes("cluster_state:ok"));
    }
    return cluster;
  }

  async start(at) {
    const [port, bus] = this.ports[at];
    const options = { port, bind: "127.0.0.1", save: "", "cluster-enabled": "yes", "cluster-port": bus, "cluster-config-file": `${port}.conf`, "cluster-node-timeout": 1000, "cluster-require-full-coverage": "no", dir: this.folder };
    const server = start("redis-server", Object.entries(options).flatMap(([name, value]) => [`--${name}`, `${value}`]), { stdio: "ignore" });
    await until("redis-server listens", () => {
      try {
        return this.cli("-p", `${port}`, "ping").startsWith("PONG");
      } catch {
        return false;
      }
    });
    return server;
  }

  cli(...args) {
    return execFileSync("redis-cli", args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  }

  /** The server that has the slot of a channel. */
  owner(channel) {
    const slot = Number(this.cli("-p", `${this.ports[0][0]}`, "cluster", "keyslot", channel));
    const slots = JSON.parse(this.cli("-p", `${this.ports[0][0]}`, "--json", "cluster", "slots"));
    const [, , [, port]] = slots.find(([first, last]) => first <= slot && slot <= last);
    return { slot, at: this.ports.findIndex(([own]) => own === port) };
  }

  /** How many have subscribed to a shard's channel. */
  subscribers(channel) {
    const port = this.ports[this.owner(channel).at][0];
    return JSON.parse(this.cli("-p", `${port}`, "--json", "pubsub", "shardnumsub", channel))[1];
  }

  /**
   * Moves the slot of a channel or a key to another server, as a cluster that grows does. `meanwhile` is when the key is
   * there, and the slot is not yet.
   */
  async move(channel, meanwhile = () => {}) {
    const { slot, at } = this.owner(channel);
    const to = (at + 1) % 3;
    const cli = (at, ...what) => this.cli("-p", `${this.ports[at][0]}`, ...what);
    const id = (at) => cli(at, "cluster", "myid").trim();
    const setSlot = (at, ...what) => cli(at, "cluster", "setslot", `${slot}`, ...what);
    setSlot(to, "importing", id(at));
    setSlot(at, "migrating", id(to));
    cli(at, "migrate", "127.0.0.1", `${this.ports[to][0]}`, channel, "0", "1000");
    await meanwhile();
    for (const server of [to, at, 3 - at - to]) setSlot(server, "node", id(to));
    await until("it has moved", () => this.owner(channel).at === to);
  }

  /** Gives a server a replica, which is a further server. */
  async addReplica(of) {
    const at = this.ports.push([await freePort(), await freePort()]) - 1;
    this.servers.push(await this.start(at));
    const cli = (...what) => this.cli("-p", `${this.ports[at][0]}`, ...what);
    const id = this.cli("-p", `${this.ports[of][0]}`, "cluster", "myid").trim();
    cli("cluster", "meet", "127.0.0.1", `${this.ports[of][0]}`, `${this.ports[of][1]}`);
    await until("they have met", () => cli("cluster", "nodes").includes(id));
    await until("it is a replica", () => cli("cluster", "replicate", id).startsWith("OK"));
    await until("it has what its master has", () => cli("info", "replication").includes("master_link_status:up"));
    return at;
  }

  async kill(at) {
    this.servers[at].kill("SIGKILL");
    await this.servers[at].ended;
  }

  async stop() {
    await Promise.all(this.servers.map((_, at) => this.kill(at)));
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A Redis with a replica, and a sentinel that has the replica take over. */
export class WatchedRedis {
  static async start() {
    const watched = new WatchedRedis();
    watched.folder = mkdtempSync(join(tmpdir(), "redis-sentinel-"));
    const [master, replica, sentinel] = [await freePort(), await freePort(), await freePort()];
    watched.servers = new Map([
      [master, await watched.start(master)],
      [replica, await watched.start(replica, "--replicaof", "127.0.0.1", `${master}`)],
    ]);
    await until("it is a replica", () => watched.cli(replica, "info", "replication").includes("master_link_status:up"));
    const file = join(watched.folder, "sentinel.conf");
    const settings = ["down-after-milliseconds main 300", "failover-timeout main 1000"].map((line) => `sentinel ${line}\n`);
    writeFileSync(file, `port ${sentinel}\nbind 127.0.0.1\nsentinel monitor main 127.0.0.1 ${master} 1\n${settings.join("")}`);
    watched.sentinel = start("redis-server", [file, "--sentinel"], { stdio: "ignore", cwd: watched.folder });
    watched.port = sentinel;
    await until("the sentinel knows the replica", () => watched.cli(sentinel, "sentinel", "replicas", "main").includes(`${replica}`));
    // The first of them is never there.
    watched.url = [1, sentinel].map((port) => `redis+sentinel://127.0.0.1:${port}/main`).join(",");
    return watched;
  }

  async start(port, ...options) {
    const args = ["--port", `${port}`, "--save", "", "--appendonly", "no", "--bind", "127.0.0.1", "--dir", this.folder];
    const server = start("redis-server", [...args, "--repl-diskless-sync-delay", "0", ...options], { stdio: "ignore" });
    await until("redis-server listens", () => this.cli(port, "ping").startsWith("PONG"));
    return server;
  }

  cli(port, ...args) {
    try {
      return execFileSync("redis-cli", ["-p", `${port}`, ...args], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
    } catch {
      return "";
    }
  }

  /** The port of the server that is the master now, as the sentinel has it. */
  master() {
    return Number(this.cli(this.port, "sentinel", "get-master-addr-by-name", "main").split("\n")[1]);
  }

  async stop() {
    for (const server of [this.sentinel, ...this.servers.values()]) {
      server.kill("SIGKILL");
      await server.ended;
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A server that is told what to do by lines of JSON. */
class Node {
  #next = 1;
  #waiting = new Map();
  uncaught = [];

  constructor(program, args) {
    this.process = start(program, args, { stdio: ["pipe", "pipe", "inherit"] });
    this.started = new Promise((resolve) => {
      createInterface(this.process.stdout).on("line", (line) => {
        const { url, id, result, error, uncaught, ready } = JSON.parse(line);
        if (uncaught) this.uncaught.push(uncaught);
        if (url) resolve(Object.assign(this, { url, ready }));
        const waiting = this.#waiting.get(id);
        this.#waiting.delete(id);
        if (error) waiting?.reject(new Error(`${error}`));
        else waiting?.resolve(result);
      });
    });
  }

  /** Does something, with what is needed for it. */
  do(what, fields = {}) {
    const id = this.#next++;
    const done = new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
    this.process.stdin.write(`${JSON.stringify({ id, what, ...fields })}\n`);
    return done;
  }

  emit(name, args = [], fields = {}) {
    return this.do("emit", { event: [name, ...args], ...fields });
  }

  /** A client that has joined a namespace. It keeps what it `received`. */
  async client(nsp = "/") {
    const socket = io(this.url + nsp, { forceNew: true, reconnection: false, transports: ["websocket"] });
    const received = [];
    socket.onAny((...event) => {
      if (typeof event.at(-1) === "function") event.pop();
      received.push(event);
    });
    this.clients ??= [];
    this.clients.push(socket);
    await new Promise((resolve, reject) => {
      socket.on("connect", resolve);
      socket.on("connect_error", reject);
    });
    return Object.assign(socket, { received });
  }

  async stop(signal = "SIGKILL") {
    this.clients?.forEach((client) => client.disconnect());
    this.process.kill(signal);
    await this.process.ended;
  }
}

const javascript = fileURLToPath(new URL("server.mjs", import.meta.url));

/** A server on socket.io. */
export function theirs(redis, mode, { options = {}, client = "redis", adapter = "@socket.io/redis-adapter", recovery = false } = {}) {
  const args = [javascript, redis.url, mode, JSON.stringify(options), "--client", client, "--adapter", adapter];
  if (recovery) args.push("--recovery");
  return new Node(process.execPath, args).started;
}

/** A server of ours. */
export function ours(redis, mode, { recovery = false } = {}) {
  return new Node(process.env.CLUSTER_SERVER, [redis.url, mode, ...(recovery ? ["recovery"] : [])]).started;
}

/** The program itself, with the application for tests; without a Redis, alone. */
export function program(redis, ...options) {
  const cluster = redis ? ["--redis", redis.url] : [];
  const app = options.includes("--app") ? [] : ["--app", "echo"];
  const args = [...app, "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0", "--log-level", "error", ...cluster, ...options];
  return listening(start(process.env.TESTED_SERVER, args, { stdio: ["ignore", "pipe", "inherit"] }));
}

/** That application on socket.io, with administrators. */
export function administered(options, redis) {
  const script = fileURLToPath(new URL("administered.mjs", import.meta.url));
  const args = [script, JSON.stringify(options), ...(redis ? [redis.url] : [])];
  return listening(start(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] }));
}

async function listening(child) {
  const place = (line, what) => line.startsWith(what) && /http:\S+/.exec(line)?.[0];
  let metrics;
  for await (const line of createInterface(child.stdout)) {
    metrics ??= place(line, "metrics") || undefined;
    const url = place(line, "listening");
    if (url) return { url: url.replace(/\/$/, ""), metrics, client: Node.prototype.client, process: child };
  }
  assert.fail("it does not listen");
}

/** Waits until all these servers count each other. */
export async function together(...nodes) {
  for (const node of nodes) {
    await until("the servers count each other", async () => (await node.do("servers")) === nodes.length);
  }
}

/** Waits until so many servers listen to what is for these rooms. With sharded pub/sub, they join before they do. */
export async function listened(redis, rooms, count) {
  for (const room of rooms) {
    const subscribers = () => redis.subscribers(`socket.io#/#${room}#`);
    await until(() => `${count} listen to ${room}`, async () => (await subscribers()) === count);
  }
}

/** Sends rounds of events, with the number of the round, until `heard` says of one of them that all have it. */
export async function rounds(what, send, heard) {
  const sent = [];
  await until(what, async () => {
    sent.push((rounds.last = (rounds.last ?? 0) + 1));
    await send(rounds.last);
    await sleep(20);
    return sent.some(heard);
  });
}

/** Each client has received exactly these events, in any order, and nothing more follows in a while. */
export async function expectEvents(clients, expected, { more = 100 } = {}) {
  const sorted = (events) => events.map((event) => JSON.stringify(event)).sort();
  for (const [at, client] of clients.entries()) {
    const wanted = expected[at] ?? [];
    await until(
      () => `client ${at} received ${JSON.stringify(client.received)} instead of ${JSON.stringify(wanted)}`,
      () => client.received.length >= wanted.length,
    );
  }
  await sleep(more);
  for (const [at, client] of clients.entries()) {
    assert.deepEqual(sorted(client.received.splice(0)), sorted(expected[at] ?? []), `client ${at}`);
  }
}

export { sleep };
