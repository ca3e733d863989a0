// nginx in front of a server, as an operator has it who serves the chat below a prefix.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../free-port.mjs";

// Debian has it in /usr/sbin, which not everybody's PATH has.
const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` };

const configuration = (folder, port, prefix, node) => `
daemon off;
worker_processes 1;
pid ${folder}/pid;
error_log stderr error;
events { worker_connections 256; }
http {
  access_log off;
  ${["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${folder}/${name};`).join("\n  ")}
  map $http_upgrade $connection_upgrade {
    default upgrade;
    ""      "";
  }
  server {
    listen 127.0.0.1:${port};
    location ${prefix} {
      proxy_pass ${node}/;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
      proxy_buffering off;
    }
  }
}`;

/** Starts it for one test, with `prefix` leading to `node`. Gives its address. */
export async function nginx(t, prefix, node) {
  const folder = mkdtempSync(join(tmpdir(), "nginx-"));
  const port = await freePort();
  const file = join(folder, "nginx.conf");
  writeFileSync(file, configuration(folder, port, prefix, node));
  const child = spawn("nginx", ["-p", folder, "-c", file], { env, stdio: ["ignore", "ignore", "pipe"] });
  // Should what the test did before fail, nothing waits for it.
  child.unref();
  child.stderr.unref();
  process.on("exit", () => child.kill("SIGKILL"));
  let complaint = "";
  child.stderr.setEncoding("utf8").on("data", (text) => (complaint += text));
  const ended = once(child, "exit").then(() => {
    throw new Error(`nginx ended:\n${complaint}`);
  });
  ended.catch(() => {});
  t.after(async () => {
    child.kill("SIGTERM");
    await ended.catch(() => {});
    rmSync(folder, { recursive: true, force: true });
  });
  await Promise.race([ended, accepting(port)]);
  return `http://127.0.0.1:${port}`;
}

/** Until somebody accepts connections there. */
async function accepting(port) {
  for (;;) {
    const socket = connect(port, "127.0.0.1");
    const here = await new Promise((resolve) => socket.once("connect", () => resolve(true)).once("error", () => resolve(false)));
    socket.destroy();
    if (here) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
