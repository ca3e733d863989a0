// The cases for servers are right: our server passes them through a proxy, and fails those about a fault through a proxy that has it:
// node mutants/run.mjs, from tests/lab. $TESTED_SERVER is the program.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { ALLOWED, FAULTS } from "./faults.mjs";
import { Proxy } from "./proxy.mjs";

const program = process.env.TESTED_SERVER;
const TOGETHER = 6;

async function output(...words) {
  const child = spawn(program, words, { stdio: ["ignore", "pipe", "inherit"] });
  const [chunks] = await Promise.all([child.stdout.setEncoding("utf8").toArray(), once(child, "close")]);
  return chunks.join("");
}

// Longer than a case waits for anything: no heartbeat may answer a poll that a fault keeps.
const server = spawn(program, ["--app", "echo", "--listen", "127.0.0.1:0", "--ping-interval", "8s"], { stdio: ["ignore", "pipe", "ignore"] });
process.on("exit", () => server.kill());
let said = "";
const url = await new Promise((resolve) => {
  server.stdout.setEncoding("utf8").on("data", (chunk) => {
    said += chunk;
    const found = /http:\/\/127\.0\.0\.1:\d+/.exec(said);
    if (found) resolve(found[0]);
  });
});

/** The cases that fail through a proxy with this fault. */
async function failing(fault, eio, ids) {
  const proxy = new Proxy(url, fault);
  const only = ids.flatMap((id) => ["--only", id]);
  const text = await output("check", await proxy.listen(), "--cases", "--json", "--timeout", "5s", "--eio", String(eio), ...only);
  proxy.close();
  const runs = text.split("\n").filter(Boolean).map((line) => JSON.parse(line));
  return new Set(runs.filter((run) => run.verdict === "fail").map((run) => run.case));
}

const problems = [];
const found = new Set();
const waiting = FAULTS.map(([name, fault, ids, { eio = 4 } = {}]) => async () => {
  const failed = await failing(fault, eio, ids.split(" "));
  for (const id of ids.split(" ")) {
    found.add(id);
    if (!failed.has(id)) problems.push(`${id} doesn't find ${name}`);
  }
});
await Promise.all(Array.from({ length: TOGETHER }, async () => {
  for (let next; (next = waiting.shift()); ) await next();
}));

const musts = (await output("check", url, "--list")).split("\n").filter((line) => /^\S+ +must /.test(line)).map((line) => line.split(" ")[0]);
for (const eio of [3, 4]) for (const id of await failing({}, eio, [])) problems.push(`${id} fails through a proxy without a fault in revision ${eio}`);
for (const [name, change, ids] of ALLOWED) for (const id of await failing(change, 4, ids.split(" "))) problems.push(`${id} finds a fault in ${name}`);
const without = musts.filter((id) => !found.has(id));
if (without.length) problems.push(`no mutant is known for ${without.join(" ")}`);
console.log(`${FAULTS.length} mutants of a server tried, with ${found.size} of ${musts.length} cases that are a must`);
for (const problem of problems) console.log(problem);
process.exit(problems.length ? 1 : 0);
