// The programs on the pages of docs/wire, each run with the real client, print what stands below them.
//
//     node ../node-tests.mjs wire/run.mjs
//
// With REGENERATE=1 what they print is written into the pages.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Server } from "../js/server.mjs";

const pages = new URL("../../../docs/wire/", import.meta.url);
const here = fileURLToPath(new URL("..", import.meta.url));
const place = "http://127.0.0.1:3000";
// A program, and behind it what it prints.
const example = /(```js\n([^]*?)```\n\n```text\n)([^]*?)(```)/g;
const patience = 30_000;

/** What a program prints, with the client of the major version that its import names, or else 4. */
function printed(program, url) {
  const version = /from "socket\.io-client"; \/\/ (\d)/.exec(program)?.[1] ?? "4";
  const source = program.replace('"socket.io-client"', `"socket.io-client-${version}"`).replaceAll(place, url);
  return new Promise((resolve, reject) => {
    const options = { cwd: here, timeout: patience, env: { ...process.env, NO_COLOR: "1" } };
    execFile(process.execPath, ["--input-type=module", "--eval", source], options, (error, out, err) => {
      if (error || err) reject(new Error(`${error ?? ""}\n${out}${err}`));
      else resolve(out);
    });
  });
}

const found = readdirSync(pages)
  .filter((name) => name.endsWith(".md"))
  .map((name) => ({ name, file: new URL(name, pages), page: readFileSync(new URL(name, pages), "utf8") }))
  .map((found) => ({ ...found, programs: [...found.page.matchAll(example)].map(([, , program]) => program) }))
  .filter(({ programs }) => programs.length > 0);

// proves: features/wish/protocol-shown
describe("docs/wire", { concurrency: true }, () => {
  for (const { name, file, page, programs } of found) {
    test(`the programs of ${name}`, async () => {
      const flags = /^\$ socketio-server --app echo(.*) &$/m.exec(page)?.[1].split(" ").filter(Boolean) ?? [];
      const server = await Server.start(...flags);
      try {
        const outputs = await Promise.all(programs.map((program) => printed(program, server.url)));
        const made = page.replace(example, (_, head, program, shown, end) => head + outputs.shift() + end);
        if (process.env.REGENERATE) writeFileSync(file, made);
        else assert.equal(page, made, `${name}: make it anew with REGENERATE=1 tests/interop/run --only wire`);
      } finally {
        await server.kill();
      }
    });
  }
  test("each page has one", () => assert.ok(found.length >= 12, `only ${found.length} have`));
});
