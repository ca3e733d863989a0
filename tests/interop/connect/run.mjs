// Our client on socket.io's servers: `connect` and `check` of the tested program against socket.io 2.5 and 4.8 on Node.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after } from "node:test";
import { fileURLToPath } from "node:url";
import { Server, run } from "../js/server.mjs";

const folder = mkdtempSync(join(tmpdir(), "connect-"));
const file = join(folder, "bytes");
writeFileSync(file, Uint8Array.of(1, 2, 255));

const old = spawn(process.execPath, [fileURLToPath(new URL("server-2.cjs", import.meta.url))]);
const [line] = await once(old.stdout, "data");
const reference = await Server.startReference("--ping-interval", "1s");
const packed = await Server.startReference("--parser", "msgpack");
after(async () => {
  old.kill();
  await Promise.all([reference.kill(), packed.kill()]);
  rmSync(folder, { recursive: true });
});

const servers = [
  ["socket.io 4.8", reference.url, []],
  ["socket.io 4.8 in revision 3", reference.url, ["--eio", "3"]],
  ["socket.io 4.8 in MessagePack", packed.url, ["--msgpack"]],
  ["socket.io 2.5", String(line).trim(), ["--eio", "3"]],
];

for (const [name, url, options] of servers) {
  for (const transports of ["polling", "websocket", "polling,websocket"]) {
    test(`${name} by ${transports}: events, bytes and acknowledgements`, async () => {
      const script = ["-x", `message "hé" {"a":[1]} @${file}`, "-x", '? message-with-ack 1 "two"'];
      const { code, output } = await run("connect", `${url}/custom`, ...options, "--transports", transports, "--json", ...script);
      assert.equal(code, 0, output);
      const lines = output.trim().split("\n").map(JSON.parse);
      const back = lines.find(({ event, type }) => type === "event" && event === "message-back");
      assert.deepEqual(back.args, ["hé", { a: [1] }, { base64: "AQL/" }]);
      assert.deepEqual(lines.find(({ type }) => type === "ack").args, [1, "two"]);
    });
  }

  test(`${name}: it upgrades, and lives on`, async () => {
    const { code, output } = await run("connect", url, ...options, "-x", "message 1", "--wait", "3s");
    assert.equal(code, 0, output);
    assert.match(output, /upgraded to websocket/);
  });
}

test("socket.io 2.5 refuses a namespace with a text", async () => {
  const { code, output } = await run("connect", `${String(line).trim()}/guarded`, "--eio", "3", "-x", "message");
  assert.equal(code, 3, output);
  assert.match(output, /^\/guarded refused: no entry$/m);
});

test("socket.io 4.8 has no fault", async () => {
  const { code, output } = await run("check", reference.url);
  assert.equal(code, 0, output);
});

/** The application that docs/guide/check.md has for Node, on a free port, and with a ping that comes sooner. */
async function application(t) {
  const guide = readFileSync(new URL("../../../docs/guide/check.md", import.meta.url), "utf8");
  const [, code] = /```js\n(.*?)```/s.exec(guide);
  const free = createServer().listen(0, "127.0.0.1");
  await once(free, "listening");
  const { port } = free.address();
  free.close();
  await once(free, "close");
  assert.match(code, /new Server\(3000, \{ allowEIO3: true \}\)/);
  const here = code.replace("3000, {", `${port}, { pingInterval: 10_000,`);
  const cwd = fileURLToPath(new URL("..", import.meta.url));
  const node = spawn(process.execPath, ["--input-type=module", "--eval", here], { cwd, stdio: "inherit" });
  t.after(() => node.kill());
  const ended = once(node, "exit").then(([code]) => assert.fail(`it ended with ${code}`));
  const listens = async () => {
    for (;;) {
      const socket = connect(port, "127.0.0.1");
      const up = await new Promise((done) => socket.on("connect", () => done(true)).on("error", () => done(false)));
      socket.destroy();
      if (up) return;
    }
  };
  await Promise.race([listens(), ended]);
  ended.catch(() => {});
  return `http://127.0.0.1:${port}`;
}

// What the reference does otherwise: docs/guide/check.md says why.
for (const [revision, known] of [["4", ["1.3.5"]], ["3", []]]) {
  test(`socket.io 4.8 passes the cases of revision ${revision} but for those that are known`, async (t) => {
    const { code, output } = await run("check", await application(t), "--cases", "--eio", revision, "--json");
    const failed = output.trim().split("\n").map(JSON.parse).filter(({ verdict }) => verdict === "fail");
    assert.deepEqual(failed.map((line) => line.case), known, JSON.stringify(failed));
    assert.equal(code, 0);
  });
}

test("the agent that docs/lab/agents.md shows runs the cases of its level", async () => {
  const page = readFileSync(new URL("../../../docs/lab/agents.md", import.meta.url), "utf8");
  const [, code] = /```js\n(.*?)```/s.exec(page);
  const passive = code.replace('"socket.io-client"', JSON.stringify(import.meta.resolve("socket.io-client-4")));
  assert.notEqual(passive, code);
  const echo = passive.replace("level=passive", "level=echo");
  assert.notEqual(echo, passive);
  const lab = (agent, ...words) => run("lab", "--listen", "127.0.0.1:0", ...words, "--", process.execPath, "--input-type=module", "--eval", agent);
  const [first, second] = await Promise.all([lab(passive), lab(echo, "--only", "9.1.1,9.1.2")]);
  for (const { code, output } of [first, second]) assert.equal(code, 0, output);
  const [, verdicts] = /^my-client: (.*)$/m.exec(page);
  assert.ok(first.output.includes(`my-client: ${verdicts}\n`), first.output);
  assert.match(second.output, /^my-client: 2 pass$/m);
});
