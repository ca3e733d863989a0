// A TCP proxy that does to connections what networks do.

import { connect, createServer } from "node:net";
import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";

/**
 * A `url` to reach the server by. `fault` is asked about each piece that passes, `{ head, up, index, bytes }`: the first
 * bytes that the connection brought, whether it goes up to the server, which piece of its direction it is, and the
 * bytes. It returns nothing, or `{ pass, then }`: how many of the bytes pass, and what becomes of the connection then:
 * "cut" (both sides are told), "reset" (the same without ceremony), "hang" (nobody is told, and nothing passes any more).
 * `drops` has all pieces pass in drops of that many bytes, `delay` milliseconds after another.
 */
export async function faulty(server, { fault = () => {}, drops = 0, delay = 0 } = {}) {
  const pairs = new Set();
  const self = { fault, faults: 0 };

  async function pass(pair, from, to, up) {
    let index = 0;
    for await (const bytes of from) {
      if (up) pair.head ??= bytes.toString("latin1");
      if (pair.hangs) continue;
      const fate = self.fault({ head: pair.head, up, index: index++, bytes });
      const passing = fate ? bytes.subarray(0, fate.pass) : bytes;
      for (let at = 0; at < passing.length; at += drops || passing.length) {
        if (delay) await pause(delay);
        if (to.destroyed) return;
        const drop = passing.subarray(at, drops ? at + drops : undefined);
        await new Promise((resolve) => to.write(drop, resolve));
      }
      if (fate) {
        self.faults++;
        if (fate.then === "hang") pair.hangs = true;
        else for (const end of [from, to]) fate.then === "reset" ? end.resetAndDestroy() : end.destroy();
      }
    }
    // One side is done; unless nobody is to know, so is the other.
    if (!pair.hangs) to.end();
  }

  const proxy = createServer({ allowHalfOpen: true }, (client) => {
    const origin = connect({ port: new URL(server.url).port, host: "127.0.0.1", allowHalfOpen: true });
    const pair = { client, origin };
    pairs.add(pair);
    for (const [from, to, up] of [[client, origin, true], [origin, client, false]]) {
      from.setNoDelay(true);
      from.on("error", () => {});
      from.on("close", () => {
        if (!pair.hangs) to.destroy();
        if (client.destroyed && origin.destroyed) pairs.delete(pair);
      });
      pass(pair, from, to, up).catch(() => {});
    }
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  self.url = `http://127.0.0.1:${proxy.address().port}`;
  self.close = () => {
    for (const { client, origin } of pairs) {
      client.destroy();
      origin.destroy();
    }
    proxy.close();
  };
  return self;
}
