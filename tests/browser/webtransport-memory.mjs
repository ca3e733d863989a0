// What an idle session by WebTransport takes of the server's memory: TESTED_SERVER=... node webtransport-memory.mjs [SESSIONS]

import { execFileSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { spawn } from "node:child_process";

const count = Number(process.argv[2] ?? 200);
const port = 4443;
const bundles = fileURLToPath(new URL("node_modules/socket.io-client/dist", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "webtransport-"));
const [cert, key] = [join(folder, "cert.pem"), join(folder, "key.pem")];
execFileSync("openssl", [
  "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "10",
  "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert,
], { stdio: "ignore" });
const hash = new X509Certificate(readFileSync(cert)).fingerprint256.split(":").map((byte) => parseInt(byte, 16));
const server = spawn(process.env.TESTED_SERVER, [
  "--app", "echo", "--log-level", "warn", "--client-dir", bundles, "--listen", `127.0.0.1:${port}`, "--webtransport", `127.0.0.1:${port}`, "--tls-cert", cert, "--tls-key", key,
], { stdio: ["ignore", "pipe", "inherit"] });
await new Promise((resolve) => server.stdout.on("data", (text) => String(text).includes("listening") && resolve()));
const memory = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${server.pid}/status`, "utf8"))[1]);
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--headless", "--no-sandbox"] });
try {
  const tab = await (await browser.newContext({ ignoreHTTPSErrors: true })).newPage();
  await tab.goto(`https://127.0.0.1:${port}/socket.io/socket.io.js`);
  await tab.addScriptTag({ path: join(bundles, "socket.io.js") });
  const open = (sessions) => tab.evaluate(async ([sessions, hash]) => {
    const options = { serverCertificateHashes: [{ algorithm: "sha-256", value: new Uint8Array(hash).buffer }] };
    for (let i = 0; i < sessions; i++) {
      const socket = io({ transports: ["webtransport"], forceNew: true, transportOptions: { webtransport: options } });
      await new Promise((resolve, reject) => socket.once("connect", resolve).once("connect_error", reject));
    }
  }, [sessions, hash]);
  // What grows once has grown.
  await open(20);
  const before = memory();
  await open(count);
  console.log(`${((memory() - before) / count).toFixed(1)} KiB for each of ${count} idle sessions`);
} finally {
  await browser.close();
  server.kill();
  rmSync(folder, { recursive: true });
}
