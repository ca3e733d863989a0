// A check is one test with a name. What it opens is closed for it, and where it fails, what the servers printed stands
// under it.

import { test } from "node:test";
import { Client } from "../interop/js/client.mjs";
import { Server } from "../interop/js/server.mjs";
import { Talk } from "./talk.mjs";

const checks = [];

/** Declares a check. Those that are `long` are left out of the short run. */
export function check(name, run, { long = false, limit = 30_000 } = {}) {
  checks.push({ name, run, long, limit });
}

/** What a check works with. */
class Stage {
  #ends = [];
  #servers = [];

  /** `short` says that there is little time. */
  constructor(short) {
    this.short = short;
  }

  /** A server, with its metrics. */
  async serve(...flags) {
    const quietly = flags.includes("--log-level") ? [] : ["--log-level", "warn"];
    const server = await Server.start("--metrics", "127.0.0.1:0", ...quietly, ...flags);
    this.#servers.push(server);
    return server;
  }

  /** A real client, which is not connected yet. It comes back unless told otherwise. */
  open(version, mode, url, options) {
    const back = { reconnection: true, reconnectionDelay: 50, reconnectionDelayMax: 200, randomizationFactor: 0 };
    return this.closing(new Client(version, mode, url, { ...back, ...options }));
  }

  /** Has a client talk, with that many milliseconds between two events. */
  talk(client, every) {
    return this.closing(new Talk(client, every));
  }

  /** Has something closed at the end, whatever happens. */
  closing(end) {
    this.#ends.push(end);
    return end;
  }

  get log() {
    return this.#servers.map((server) => server.log).join("");
  }

  async clear() {
    for (const end of this.#ends.reverse()) await end.close();
    await Promise.all(this.#servers.map((server) => server.kill()));
  }
}

/** Runs the checks whose names have that part. */
export async function perform(short, only) {
  for (const { name, run, long, limit } of checks) {
    if ((short && long) || (only && !name.includes(only))) continue;
    await test(name, async () => {
      const stage = new Stage(short);
      let timer;
      try {
        const late = new Promise((_, reject) => {
          timer = setTimeout(() => reject(new Error(`not done within ${limit} ms`)), limit);
        });
        await Promise.race([run(stage), late]);
      } catch (error) {
        error.stack += `\n--- the servers' log ---\n${stage.log || "(nothing)\n"}------------------------`;
        throw error;
      } finally {
        clearTimeout(timer);
        await stage.clear();
      }
    });
  }
  setTimeout(() => {
    console.error("FAIL a check has left something open");
    process.exit(1);
  }, 5_000).unref();
}
