// The server of socket.io among those of three-servers: `node three-servers.mjs PORT REDIS_URL`. It answers the events of the
// echo application.

import { createAdapter } from "@socket.io/redis-adapter";
import { createClient } from "redis";
import { Server } from "socket.io";

const [port, url] = process.argv.slice(2);
const [pub, sub] = [createClient({ url }), createClient({ url })];
await Promise.all([pub.connect(), sub.connect()]);

const io = new Server({ adapter: createAdapter(pub, sub) });
io.on("connection", (socket) => {
  socket.join("all");
  socket.on("broadcast", (...args) => io.to("all").emit("bcast", ...args));
  socket.on("message-with-ack", (...args) => args.pop()(...args));
});
io.listen(Number(port));
