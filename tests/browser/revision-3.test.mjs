// Clients 1 and 2 in a browser, by polling alone, and text that isn't ASCII. They read binary payloads, and don't ask
// for base64. Client 1 reads every payload as bytes.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before } from "node:test";
import { profile, test } from "./browser.mjs";
import { Server } from "./server.mjs";

const texts = ["plain", "héllo", "☃ 🙂", "é".repeat(30_000), "plain again"];

let server;
before(async () => (server = await Server.start("--app", "echo")));
after(() => server.kill());

/** Opens a page of the server's own origin that has this client, and nothing else. */
async function page(t, version) {
  const context = await profile();
  t.after(() => context.close());
  const tab = await context.newPage();
  await tab.route("**/page", (route) => route.fulfill({ contentType: "text/html", body: "<!doctype html><title>Page</title>" }));
  await tab.goto(`${server.url}/page`);
  const bundle = new URL(`node_modules/socket.io-client-${version}/dist/socket.io.js`, import.meta.url);
  await tab.addScriptTag({ content: await readFile(bundle, "utf8") });
  return tab;
}

for (const version of [1, 2]) {
  // proves: protocol/revision-3-unicode
  test(`version ${version} gets text of all kinds by polling`, async (t) => {
    const [reader, writer] = [await page(t, version), await page(t, 2)];
    const kinds = new Set();
    reader.on("response", (response) => {
      if (response.url().includes("transport=polling")) kinds.add(response.headers()["content-type"].split(";")[0]);
    });
    await reader.evaluate(async () => {
      window.socket = io("/test", { transports: ["polling"], reconnection: false });
      window.heard = [];
      socket.on("room", (text) => heard.push(text));
      socket.on("disconnect", (reason) => heard.push(`disconnected: ${reason}`));
      await new Promise((resolve) => socket.emit("join", "here", resolve));
    });
    await writer.evaluate((texts) => {
      const socket = io("/test", { transports: ["polling"], reconnection: false });
      for (const text of texts) socket.emit("in-room", "here", text);
    }, texts);
    await reader.waitForFunction((count) => heard.length >= count, texts.length);
    assert.deepEqual(await reader.evaluate(() => heard), texts);
    assert.ok(kinds.has("application/octet-stream"), [...kinds].join());
  });
}
