// The program stops while its Redis is gone, or silent.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Redis, program, sleep, until } from "./cluster.mjs";

for (const [signal, what] of [["SIGKILL", "gone"], ["SIGSTOP", "silent"]]) {
  test(`it stops in time while Redis is ${what}`, async () => {
    const redis = await Redis.start();
    const B = await program(redis);
    await B.client();
    const channel = "socket.io-request#/#";
    await until("it has subscribed", async () => (await redis.client.pubSubNumSub([channel]))[channel] === 1);
    redis.process.kill(signal);
    B.process.kill("SIGTERM");
    // It waits for as long as other servers are waited for, and no longer.
    assert.deepEqual(await Promise.race([B.process.ended, sleep(60_000, "it goes on")]), [0, null]);
    redis.client.destroy();
    redis.process.kill("SIGKILL");
  });
}
