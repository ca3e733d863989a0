// socket.io on Bun's own HTTP server and WebSockets.
import { Server as Engine } from "@socket.io/bun-engine";
import { Server } from "socket.io";
import { application } from "./application.mjs";

const io = new Server();
const engine = new Engine({ path: "/socket.io/" });
io.bind(engine);
application(io);
const [hostname, port] = process.argv[2].split(":");
const server = Bun.serve({ hostname, port: Number(port), ...engine.handler() });
console.log(`listening on http://${hostname}:${server.port}/`);
