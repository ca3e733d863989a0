// The official client by WebTransport, in a browser that knows the server's certificate by its hash.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { after, before } from "node:test";
import { profile, test } from "./browser.mjs";
import { Server } from "./server.mjs";
import { freePort } from "../free-port.mjs";

const bundles = fileURLToPath(new URL("node_modules/socket.io-client/dist", import.meta.url));

let folder;
let hash;
let flags;
let server;

async function start(...more) {
  const port = await freePort();
  return Server.startOn(port, "--webtransport", `127.0.0.1:${port}`, ...flags, ...more);
}

before(async () => {
  // Browsers take no other kind by its hash, and none that is valid for more than 14 days.
  folder = mkdtempSync(join(tmpdir(), "webtransport-"));
  const [cert, key] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  execFileSync("openssl", [
    "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "10",
    "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert,
  ], { stdio: "ignore" });
  hash = new X509Certificate(readFileSync(cert)).fingerprint256.split(":").map((byte) => parseInt(byte, 16));
  flags = ["--app", "echo", "--client-dir", bundles, "--tls-cert", cert, "--tls-key", key];
  server = await start();
});
after(async () => {
  await server.kill();
  rmSync(folder, { recursive: true });
});

/** A page with the client's bundle, which may stand elsewhere than the server. */
async function page(t, { from = server, at = `${from.url}/socket.io/socket.io.js` } = {}) {
  const context = await profile({ ignoreHTTPSErrors: true });
  t.after(() => context.close());
  const tab = await context.newPage();
  await tab.goto(at);
  await tab.addScriptTag({ path: join(bundles, "socket.io.js") });
  await tab.evaluate(([url, hash]) => {
    const within = (promise, what) => Promise.race([
      promise,
      new Promise((_, reject) => setTimeout(() => reject(new Error(`${what} did not come`)), 8_000)),
    ]);
    const options = { serverCertificateHashes: [{ algorithm: "sha-256", value: new Uint8Array(hash).buffer }] };
    Object.assign(window, {
      within,
      open: (transports) =>
        io(url, { transports, reconnection: false, transportOptions: { webtransport: options } }),
      next: (socket, event) => within(new Promise((resolve) => socket.once(event, (...args) => resolve(args))), event),
      connected: (socket) => within(new Promise((resolve, reject) => {
        socket.once("connect", resolve);
        socket.once("connect_error", reject);
      }), "connect"),
    });
  }, [from.url, hash]);
  return tab;
}

// proves: features/web-transport
test("webtransport: text, bytes, acknowledgements and large messages come back", async (t) => {
  const tab = await page(t);
  const seen = await tab.evaluate(async () => {
    const socket = open(["webtransport"]);
    await connected(socket);
    const back = async (...args) => {
      const answer = next(socket, "message-back");
      socket.emit("message", ...args);
      return answer;
    };
    const [text] = await back("héllo 🙂");
    const [bytes] = await back(new Uint8Array([0, 1, 254, 255]).buffer);
    const [nothing] = await back(new ArrayBuffer(0));
    const sizes = [];
    for (const value of ["x".repeat(70_000), "x".repeat(990_000), new Uint8Array(740_000).fill(9)]) {
      const [large] = await back(value);
      sizes.push(large.length ?? large.byteLength);
    }
    const ack = await within(socket.emitWithAck("message-with-ack", 1), "the ack");
    const { transport } = socket.io.engine;
    return { text, bytes: [...new Uint8Array(bytes)], nothing: nothing.byteLength, sizes, ack, transport: transport.name };
  });
  assert.deepEqual(seen, {
    text: "héllo 🙂", bytes: [0, 1, 254, 255], nothing: 0, sizes: [70_000, 990_000, 740_000], ack: 1, transport: "webtransport",
  });
});

// proves: features/web-transport
test("webtransport: a client that polls upgrades to it", async (t) => {
  const tab = await page(t);
  const seen = await tab.evaluate(async () => {
    const socket = open(["polling", "webtransport"]);
    const upgraded = new Promise((resolve) => socket.io.engine.once("upgrade", ({ name }) => resolve(name)));
    await connected(socket);
    const order = [];
    const done = new Promise((resolve) => socket.on("message-back", (i) => order.push(i) === 100 && resolve()));
    for (let i = 0; i < 100; i++) {
      socket.emit("message", i);
      if (i % 10 === 0) await new Promise((resolve) => setTimeout(resolve));
    }
    const transport = await within(upgraded, "upgrade");
    await within(done, "all of them");
    return { transport, inOrder: order.every((value, index) => value === index) };
  });
  assert.deepEqual(seen, { transport: "webtransport", inOrder: true });
});

// proves: features/web-transport
test("webtransport: a client learns that its server stops, after what was sent to it", async (t) => {
  const stopping = await start();
  t.after(() => stopping.kill());
  const tab = await page(t, { from: stopping });
  await tab.evaluate(async () => {
    window.socket = open(["webtransport"]);
    await connected(window.socket);
    window.left = next(window.socket, "disconnect");
  });
  await stopping.drain();
  const [reason] = await tab.evaluate(() => window.left);
  assert.match(reason, /^transport (close|error)$/);
});

// proves: features/web-transport, security/web-transport
test("webtransport: pages of other origins are refused", async (t) => {
  const strict = await start("--cors-origin", "https://example.com");
  t.after(() => strict.kill());
  const pages = createServer((_, response) => response.setHeader("content-type", "text/html").end("<p>elsewhere")).listen(0, "127.0.0.1");
  t.after(() => pages.close());
  await once(pages, "listening");
  const at = `http://127.0.0.1:${pages.address().port}/`;
  const refused = (tab) => tab.evaluate(() => connected(open(["webtransport"])).then(() => "connected", () => "refused"));
  assert.equal(await refused(await page(t, { from: strict, at })), "refused");
  assert.equal(await refused(await page(t, { from: strict })), "connected");
});

test("webtransport: the program on the page about it prints what stands below it", async (t) => {
  const shown = readFileSync(new URL("../../docs/wire/webtransport.md", import.meta.url), "utf8");
  const [, program, printed] = /```javascript\n([^]*?)```\n\n```text\n([^]*?)```/.exec(shown);
  const digits = hash.map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const source = program.replace('"…"', JSON.stringify(digits)).replaceAll("https://127.0.0.1:3000", server.url);
  const tab = await page(t);
  const lines = await tab.evaluate(async (source) => {
    const lines = [];
    const program = new (async () => {}).constructor("console", source);
    await within(program({ log: (line) => lines.push(line) }), "its end");
    return lines;
  }, source);
  const withoutIds = (text) => text.replaceAll(/"sid":"[^"]{20}"/g, '"sid":"…"');
  assert.equal(withoutIds(`${lines.join("\n")}\n`), withoutIds(printed));
});
