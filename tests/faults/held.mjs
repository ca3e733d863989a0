// What a server's process holds.

import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { Agent, get } from "node:http";
import { Raw } from "./raw.mjs";
import { until } from "./until.mjs";

// One connection, which is there from the first question on.
const agent = new Agent({ keepAlive: true, maxSockets: 1 });

async function metrics(server) {
  const text = await new Promise((resolve, reject) => {
    const request = get(server.metrics, { agent }, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (chunk) => (body += chunk)).on("end", () => resolve(body));
    });
    request.on("error", reject);
  });
  const sums = {};
  for (const [, name, value] of text.matchAll(/^(\w+)(?:\{.*\})? (\S+)$/gm)) sums[name] = (sums[name] ?? 0) + Number(value);
  return sums;
}

/** Sessions, sockets, connections, tasks, rooms, awaited acknowledgements, and file descriptors. */
export async function held(server) {
  const now = await metrics(server);
  const counts = ["sessions", "sockets", "connections", "tasks", "rooms", "pending_acks", "queued_bytes"];
  const named = Object.fromEntries(counts.map((name) => [name, now[`socketio_${name}`]]));
  return { ...named, descriptors: readdirSync(`/proc/${server.pid}/fd`).length };
}

/** What a server holds before anybody has come: what listens is there once it has answered. */
export async function heldAtFirst(server) {
  const first = await Raw.open(server);
  first.get("/nowhere");
  await first.until("404");
  first.reset();
  await until("that nobody is there", async () => (await held(server)).connections === 0);
  return held(server);
}

/** How many sessions a server has. */
export const sessions = async (server) => (await held(server)).sessions;

/** Waits until a server holds what it did. */
export async function givenBack(server, before) {
  await until(`what was held before, ${JSON.stringify(before)}`, async () => {
    const now = await held(server);
    try {
      assert.deepEqual(now, before);
      return true;
    } catch {
      return now;
    }
  });
}
