// socket.io for Node, with ws as it comes.
import { createServer } from "node:http";
import { Server } from "socket.io";
import { application } from "./application.mjs";

async function redis(url) {
  const { createAdapter } = await import("@socket.io/redis-adapter");
  const { createClient } = await import("redis");
  const clients = [createClient({ url }), createClient({ url })];
  await Promise.all(clients.map((client) => client.connect()));
  return createAdapter(...clients);
}

// Behind the address may stand `--redis URL`.
const [address, option, url] = process.argv.slice(2);
const options = option === "--redis" ? { adapter: await redis(url) } : {};
const http = createServer();
application(new Server(http, options));
const [host, port] = address.split(":");
http.listen(Number(port), host, () => console.log(`listening on http://${host}:${http.address().port}/`));
