// nginx and haproxy in front of two servers.

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "./until.mjs";
import { freePort } from "../free-port.mjs";

const running = new Set();
process.on("exit", () => running.forEach((child) => child.kill("SIGKILL")));

/** Whether a program is there. Debian has these in /usr/sbin, which not everybody's PATH has. */
const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` };
export const has = (program) => spawnSync(program, ["-v"], { env }).status === 0;

// As docs/guide/running.md has it, but for longer bodies.
const nginx = (folder, port, [one, other], choice) => `
daemon off;
worker_processes 1;
pid ${folder}/pid;
error_log stderr error;
events { worker_connections 512; }
http {
  access_log off;
  ${["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${folder}/${name};`).join("\n  ")}
  # The folder is root's, and the worker isn't root.
  client_body_buffer_size 8m;
  upstream nodes {
    ${choice === "by address" ? "hash $remote_addr consistent;" : ""}
    server ${one} fail_timeout=1s;
    server ${other} fail_timeout=1s;
    keepalive 64;
  }
  map $http_upgrade $connection_upgrade {
    default upgrade;
    ""      "";
  }
  server {
    listen 127.0.0.1:${port};
    location /socket.io/ {
      proxy_pass http://nodes;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
      proxy_buffering off;
      proxy_read_timeout 60s;
      client_max_body_size 8m;
    }
  }
}`;

const choices = {
  "by address": "balance source",
  // The server's own cookie, which it sets with --cookie io.
  "by cookie": "balance roundrobin\n  cookie io prefix indirect nocache",
  "by turns": "balance roundrobin",
};

const haproxy = (folder, port, servers, choice) => `
global
  maxconn 512
defaults
  mode http
  timeout connect 1s
  timeout client 60s
  timeout server 60s
  timeout tunnel 10m
  option redispatch
  retries 2
frontend clients
  bind 127.0.0.1:${port}
  default_backend nodes
backend nodes
  ${choices[choice]}
${servers.map((address, at) => `  server s${at} ${address} cookie s${at} check inter 200ms fall 1 rise 1`).join("\n")}
`;

/** Without HTTP: what it says of its clients is said in the PROXY protocol. */
const tcp = (_, port, [server], header) => `
global
  maxconn 512
defaults
  mode tcp
  timeout connect 1s
  timeout client 60s
  timeout server 60s
listen clients
  bind 127.0.0.1:${port}
  server s ${server} ${header} check inter 200ms
`;

const programs = {
  nginx: { config: nginx, args: (folder, file) => ["-p", folder, "-c", file] },
  haproxy: { config: haproxy, args: (_, file) => ["-db", "-q", "-f", file] },
  tunnel: { program: "haproxy", config: tcp, args: (_, file) => ["-db", "-q", "-f", file] },
};

const accepts = (port) =>
  new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => resolve(true)).on("error", () => resolve(false));
    socket.on("connect", () => socket.destroy());
  });

/** A balancer before these servers, which sends a client to one of them "by address", "by cookie" or "by turns". */
export async function balancer(name, choice, servers) {
  const folder = mkdtempSync(join(tmpdir(), "faults-"));
  const port = await freePort();
  const { program = name, config, args } = programs[name];
  const file = join(folder, "conf");
  writeFileSync(file, config(folder, port, servers.map(({ url }) => new URL(url).host), choice));
  const child = spawn(program, args(folder, file), { stdio: ["ignore", "ignore", "pipe"], env });
  running.add(child);
  let log = "";
  child.stderr.setEncoding("utf8").on("data", (chunk) => (log += chunk));
  const ended = once(child, "exit").then(() => running.delete(child));
  await until(`${name} that listens`, async () => (await accepts(port)) || child.exitCode ? true : log);
  if (child.exitCode) throw new Error(`${name} ended: ${log}`);
  return {
    url: `http://127.0.0.1:${port}`,
    async close() {
      child.kill("SIGTERM");
      await ended;
      rmSync(folder, { recursive: true });
    },
  };
}

/** haproxy that passes bytes on to a server, after a header: `send-proxy` or `send-proxy-v2`. */
export const tunnel = (header, server) => balancer("tunnel", header, [server]);
