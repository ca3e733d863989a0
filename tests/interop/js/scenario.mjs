// A scenario is one test, run with every client version and mode: what it opens is closed for it, and where it fails,
// what the server printed meanwhile stands under it.

import { test } from "node:test";
import { Client, modes } from "./client.mjs";
import { cuttable } from "./cut.mjs";
import { hold } from "./hold.mjs";
import { Server, isReference } from "./server.mjs";

const limit = 20_000;
const scenarios = [];

/** Declares a test. `skip` says why a client or mode does not run it, if so. */
export function scenario(name, run, { skip = () => undefined } = {}) {
  scenarios.push({ name, run, skip });
}

/** For `skip`: what the reference gets wrong and we decided to get right. */
export const butTheReference = (fault, where = () => true) => ({
  skip: (place) => isReference && where(place) && `the reference ${fault}`,
});

/** What a scenario works with. */
class Stage {
  #version;
  #clients = [];
  #servers = [];
  #proxies = [];

  constructor(version, mode, server) {
    this.#version = version;
    this.mode = mode;
    this.server = server;
  }

  get major() {
    return Number(this.#version[0]);
  }

  /**
   * Client 1 encodes UTF-8 twice in a poll's payload and undoes it twice. No server of later versions does, nor can it
   * tell such a client: what it sends comes back whole, what comes from elsewhere must be ASCII.
   */
  get encodesTwice() {
    return this.major === 1 && this.mode !== "websocket";
  }

  /** A client, of this version and mode and on the shared server where `options` don't say else; not connected yet. */
  open(namespace = "/", { server = this.server, version = this.#version, mode = this.mode, ...options } = {}) {
    const client = new Client(version, mode, server.url, { namespace, ...options });
    this.#clients.push(client);
    return client;
  }

  /** A client that is connected and, in the mode `upgrade`, on its WebSocket. */
  async connect(namespace, options) {
    return this.open(namespace, options).ready();
  }

  /** A server of the scenario's own. */
  async serve(...flags) {
    const server = await Server.start(...flags);
    this.#servers.push(server);
    return server;
  }

  /** The reference, beside the server that is tested. */
  async serveReference(...flags) {
    const server = await Server.startReference(...flags);
    this.#servers.push(server);
    return server;
  }

  /** The shared server, to which WebSockets come through only once it is told to `release` them. */
  async hold() {
    const proxy = await hold(this.server);
    this.#proxies.push(proxy);
    return proxy;
  }

  /** A way to a server that can be lost: see cut.mjs. */
  async cuttable(server) {
    const proxy = await cuttable(server);
    this.#proxies.push(proxy);
    return proxy;
  }

  get log() {
    return this.#servers.map((server) => server.log).join("");
  }

  async clear() {
    for (const end of [...this.#clients, ...this.#proxies]) end.close();
    await Promise.all(this.#servers.map((server) => server.kill()));
  }
}

/** Runs every scenario with one version of the client, in every mode. */
export async function perform(version, only) {
  const server = await Server.start();
  for (const mode of Object.keys(modes)) {
    for (const { name, run, skip } of scenarios) {
      if (only && !name.includes(only)) continue;
      const reason = skip({ major: Number(version[0]), mode });
      await test(`socket.io-client ${version}, ${mode}: ${name}`, { skip: reason }, async () => {
        const stage = new Stage(version, mode, server);
        const logged = server.log.length;
        let timer;
        try {
          const late = new Promise((_, reject) => {
            timer = setTimeout(() => reject(new Error(`not done within ${limit} ms`)), limit);
          });
          await Promise.race([run(stage), late]);
        } catch (error) {
          const log = server.log.slice(logged) + stage.log;
          error.stack += `\n--- the server's log ---\n${log || "(nothing)\n"}------------------------`;
          throw error;
        } finally {
          clearTimeout(timer);
          await stage.clear();
        }
      });
    }
  }
  await server.kill();
  setTimeout(() => {
    console.error("FAIL a test has left something open");
    process.exit(1);
  }, 5_000).unref();
}
