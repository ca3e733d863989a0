// What a real client said is written down, explained, and said again to servers.

import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { scenario } from "../scenario.mjs";
import { isReference, run } from "../server.mjs";

scenario(
  "its journal is explained, and replayed against this server and the reference",
  async (stage) => {
    const folder = await mkdtemp(join(tmpdir(), "journal-"));
    try {
      const file = join(folder, "journal.jsonl");
      const server = await stage.serve("--trace", file, "--trace-secrets");
      const client = await stage.connect("/", { server });
      await client.next("auth");
      const bytes = Buffer.from([0, 1, 254, 255]);
      assert.deepEqual(await client.echo("text", { deep: [1, null] }, bytes), ["text", { deep: [1, null] }, bytes]);
      assert.deepEqual(await client.call("message-with-ack", bytes, 7), [bytes, 7]);
      const test = await stage.connect("/test", { from: client });
      assert.deepEqual(await test.call("join", "r"), [["r"]]);
      test.emit("in-room", "r", "to all");
      assert.deepEqual(await test.next("room"), ["to all"]);
      client.close();
      const text = () => readFile(file, "utf8");
      // A drain must not find it still leaving.
      while (!(await text()).includes('"kind":"ended"')) await pause(10);
      await server.drain();

      const records = (await text()).trim().split("\n").map((line) => JSON.parse(line));
      assert.equal(records[0].journal, 1);
      assert.deepEqual(records.filter(({ kind }) => kind === "violation" || kind === "lost"), []);
      const sent = records.filter(({ kind, direction }) => kind === "socket_packet" && direction === "in");
      const named = sent.map(({ packet, payload }) => `${packet} ${payload?.[0]}`);
      for (const packet of ["binary_event message", "binary_event message-with-ack", "event join"]) {
        assert.ok(named.includes(packet), `${packet} is missing from ${named.join(", ")}`);
      }
      const explained = await run("explain", "--file", file);
      assert.equal(explained.code, 0, explained.output);

      for (const other of [await stage.serve(), await stage.serveReference()]) {
        const replayed = await run("replay", file, "--against", other.url, "--fast");
        assert.equal(replayed.code, 0, replayed.output);
      }
    } finally {
      await rm(folder, { recursive: true });
    }
  },
  { skip: () => isReference && "the reference writes no journal" },
);
