// The echo application on socket.io, with administrators:
//
//     node administered.mjs OPTIONS [redis://127.0.0.1:6379]        OPTIONS are those of instrument(), as JSON

import { createServer } from "node:http";
import { instrument } from "@socket.io/admin-ui";
import { createAdapter } from "@socket.io/redis-adapter";
import { createClient } from "redis";
import { Server } from "socket.io";

const [options, redis] = process.argv.slice(2);
const clients = redis ? [createClient({ url: redis }), createClient({ url: redis })] : [];
await Promise.all(clients.map((client) => client.connect()));

const http = createServer();
const io = new Server(http, redis ? { adapter: createAdapter(...clients) } : {});
instrument(io, JSON.parse(options));
io.on("connection", (socket) => {
  socket.join("all");
  socket.emit("auth", socket.handshake.auth);
  socket.on("message", (...args) => socket.emit("message-back", ...args));
});
http.listen(0, "127.0.0.1", () => console.log(`listening on http://127.0.0.1:${http.address().port}/`));
