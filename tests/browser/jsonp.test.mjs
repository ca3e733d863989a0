// Polling by scripts and forms, which the clients before version 3 can do, from a page of another origin and
// without CORS: that is what JSONP is for, and why it is off unless asked for.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { after, before } from "node:test";
import { profile, test } from "./browser.mjs";
import { Server } from "./server.mjs";

let server, pages, origin;
before(async () => {
  server = await Server.start("--app", "echo", "--jsonp");
  pages = createServer((_, response) => {
    response.setHeader("content-type", "text/html; charset=utf-8").end("<!doctype html><title>Elsewhere</title>");
  }).listen(0, "127.0.0.1");
  await once(pages, "listening");
  origin = `http://127.0.0.1:${pages.address().port}/`;
});
after(() => {
  pages.close();
  return server.kill();
});

for (const version of [1, 2]) {
  // proves: features/jsonp, protocol/jsonp
  test(`version ${version} talks by JSONP`, async (t) => {
    const context = await profile();
    t.after(() => context.close());
    const tab = await context.newPage();
    const kinds = new Set();
    tab.on("response", (response) => {
      const type = response.headers()["content-type"].split(";")[0];
      if (response.url().startsWith(server.url)) kinds.add(`${response.request().method()} ${response.status()} ${type}`);
    });
    await tab.goto(origin);
    const bundle = new URL(`node_modules/socket.io-client-${version}/dist/socket.io.js`, import.meta.url);
    await tab.addScriptTag({ content: await readFile(bundle, "utf8") });
    const texts = ["héllo 🙂", "a\nb", "a\\nb", "a\\\\nb\\", "\u2028\u2029", '"</script>', "x&d=%41+y", "x".repeat(50_000)];
    const seen = await tab.evaluate(async ({ url, texts }) => {
      const socket = io(url, { forceJSONP: true, transports: ["polling"], forceNew: true, reconnection: false });
      const next = (event) => new Promise((resolve, reject) => {
        socket.once(event, resolve);
        setTimeout(() => reject(new Error(`${event} did not come`)), 8_000);
      });
      await next("connect");
      const back = [];
      for (const text of texts) {
        const answer = next("message-back");
        socket.emit("message", text);
        back.push(await answer);
      }
      const binary = next("message-back");
      socket.emit("message", new Uint8Array([0, 1, 254, 255]).buffer);
      const bytes = [...new Uint8Array(await binary)];
      const ack = await new Promise((resolve) => socket.emit("message-with-ack", { a: "é" }, resolve));
      socket.close();
      return { back, bytes, ack };
    }, { url: server.url, texts });
    assert.deepEqual(seen, { back: texts, bytes: [0, 1, 254, 255], ack: { a: "é" } });
    assert.deepEqual([...kinds].sort(), ["GET 200 text/javascript", "POST 200 text/html"]);
  });
}
