#!/usr/bin/env node
// Runs tests of Node's test runner, and prints a line for each: "ok", "FAIL" or "skip".
//
//   tests/node-tests ARGUMENTS   as node takes them: tests/node-tests --test ./*.test.mjs
//
// These tests wait for real programs, on a machine that may be busy. So the few that fail are tried once more when the
// others of their program are done. One that passes then is named at the end of tests/run: it still has a fault, in it or in
// the server.

import { spawn } from "node:child_process";
import { appendFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** With more failures, it isn't chance. */
const FEW = 4;
const reporter = join(dirname(fileURLToPath(import.meta.url)), "interop/js/reporter.mjs");

/** Runs node, hands each line on, and gives how it ended. */
async function run(args, line) {
  const node = spawn(process.execPath, [`--test-reporter=${reporter}`, ...args], { stdio: ["inherit", "pipe", "inherit"] });
  const ended = new Promise((resolve) => node.on("close", (code, signal) => resolve(code ?? signal)));
  for await (const text of createInterface(node.stdout)) {
    if (!text.endsWith(": test name does not match pattern")) line(text);
  }
  return ended;
}

const args = process.argv.slice(2);
const failed = new Set();
const status = await run(args, (line) => {
  const name = /^FAIL (.*) \(\d+ ms\)$/.exec(line)?.[1];
  if (name !== undefined) failed.add(name);
  console.log(name === undefined ? line : line.replace("FAIL", "fails"));
});
const again = failed.size <= FEW && status === 1 ? [...failed] : [];
const passed = new Set();
if (again.length > 0) {
  console.log(`trying again what failed: ${again.join("; ")}`);
  const patterns = again.map((name) => `--test-name-pattern=^${name.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&")}$`);
  const others = args.filter((arg) => !/^--test-(name-pattern|concurrency)=/.test(arg));
  const known = args.includes("--test") ? ["--test-concurrency=1"] : [];
  await run([...patterns, ...known, ...others], (line) => {
    const name = /^ok {3}(.*) \(\d+ ms\)$/.exec(line)?.[1];
    if (failed.has(name)) passed.add(name);
    if (!/^(ok|FAIL) /.test(line)) console.log(line);
  });
}
for (const name of failed) console.log(`${passed.has(name) ? "ok  " : "FAIL"} ${name} (${again.length > 0 ? "the second time" : "not tried again"})`);
if (passed.size > 0 && process.env.UNSTEADY) appendFileSync(process.env.UNSTEADY, [...passed, ""].join("\n"));
if (status !== 0 && failed.size === 0) console.log(`FAIL ${args.join(" ")} (ended with ${status})`);
process.exit(status === 0 || (failed.size > 0 && passed.size === failed.size) ? 0 : 1);
