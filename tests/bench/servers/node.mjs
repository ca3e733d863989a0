// socket.io for Node, with ws as it comes.
import { once } from "node:events";
import { Agent, createServer, request } from "node:http";
import { json } from "node:stream/consumers";
import { Server } from "socket.io";
import { application } from "./application.mjs";

async function redis(url) {
  const { createAdapter } = await import("@socket.io/redis-adapter");
  const { createClient } = await import("redis");
  const clients = [createClient({ url }), createClient({ url })];
  await Promise.all(clients.map((client) => client.connect()));
  return createAdapter(...clients);
}

/** As one does it with express: a route that emits, and a handler that asks a backend, with 28 connections at most. */
async function gateway(io, backend) {
  const { default: express } = await import("express");
  const app = express().use(express.json());
  app.post("/api/emit", ({ body: { event, args = [], to } }, response) => {
    (to ? io.to(to) : io).emit(event, ...args);
    response.json({ sockets: io.of("/").sockets.size });
  });
  const api = app.listen(0, "127.0.0.1", () => console.log(`API on http://127.0.0.1:${api.address().port}/api/`));
  await once(api, "listening");
  const agent = new Agent({ keepAlive: true, maxSockets: 28 });
  const ask = (hook) =>
    new Promise((resolve, reject) => {
      const options = { agent, method: "POST", headers: { "content-type": "application/json" } };
      const asking = request(`http://${backend}/`, options, async (response) => resolve(await json(response)));
      asking.on("error", reject).end(JSON.stringify(hook));
    });
  io.on("connection", (socket) => {
    socket.on("typing", (...args) => args.pop()());
    socket.on("chat", async (...args) => {
      const ack = args.pop();
      const answer = await ask({ type: "event", socket: socket.id, event: "chat", args, ack: true });
      ack(...answer.ack);
    });
  });
}

/** Sends back what comes, without Socket.IO. */
async function plain(http) {
  const { WebSocketServer } = await import("ws");
  const server = new WebSocketServer({ server: http, path: "/ws", perMessageDeflate: false });
  server.on("connection", (socket) => socket.on("message", (message, binary) => socket.send(message, { binary })));
}

// Behind the address may stand `--redis URL`, `--gateway ADDRESS` of a backend, `--deflate` or `--plain`.
const [address, option, url] = process.argv.slice(2);
const options = option === "--redis" ? { adapter: await redis(url) } : {};
if (option === "--deflate") options.perMessageDeflate = { threshold: 1024 };
const http = createServer();
if (option === "--plain") {
  await plain(http);
} else {
  const io = new Server(http, options);
  await (option === "--gateway" ? gateway(io, url) : application(io));
}
const [host, port] = address.split(":");
http.listen(Number(port), host, () => console.log(`listening on http://${host}:${http.address().port}/`));
