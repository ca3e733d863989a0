// The agents in Chromium: node browser.mjs official|chat [QUERY] serves a page that runs agent.mjs or chat.mjs, and ends when that is
// done.
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";

const [which, query = ""] = process.argv.slice(2);
const lab = JSON.stringify(process.env.LAB);
const version = "4.8.4";
const official = `<script src="/bundle.js"></script><script type="module">
import { test } from "/agent.mjs";
await test(${lab}, io, ${JSON.stringify(`${version} in Chromium`)}, ${JSON.stringify(query)});`;
const chat = `<script type="module">
import { test } from "/chat.mjs";
import { Client } from "/client.js";
await test(${lab}, Client, ${JSON.stringify(query)});`;
const here = (path) => () => readFile(new URL(path, import.meta.url));
const files = {
  "/": ["text/html", () => `<!doctype html><meta charset="utf-8">${which === "chat" ? chat : official}\nawait fetch("/done");</script>`],
  "/bundle.js": ["text/javascript", here("../node_modules/socket.io-client-4/dist/socket.io.min.js")],
  "/agent.mjs": ["text/javascript", here("agent.mjs")],
  "/chat.mjs": ["text/javascript", here("chat.mjs")],
  "/client.js": ["text/javascript", here("../../../server/cli/src/pages/client.js")],
};

const profile = await mkdtemp(join(tmpdir(), "lab-"));
let browser;
const server = createServer(async (request, answer) => {
  if (request.url === "/done") return end(0);
  const [kind, content] = files[request.url] ?? [];
  if (!kind) return answer.writeHead(404).end();
  answer.writeHead(200, { "Content-Type": kind }).end(await content());
}).listen(0, "127.0.0.1", () => {
  const url = `http://127.0.0.1:${server.address().port}/`;
  const flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", `--user-data-dir=${profile}`, url];
  browser = spawn(process.env.CHROMIUM ?? "chromium", flags, { stdio: "ignore" });
  browser.on("exit", () => end(1));
});

function end(status) {
  browser.removeAllListeners("exit").on("exit", async () => {
    await rm(profile, { recursive: true, force: true, maxRetries: 5 });
    process.exit(status);
  }).kill();
}
