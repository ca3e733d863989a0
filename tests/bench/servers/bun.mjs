// socket.io on Bun's own HTTP server and WebSockets. Behind the address may stand `--deflate` or `--plain`.
import { Server as Engine } from "@socket.io/bun-engine";
import { Server } from "socket.io";
import { application } from "./application.mjs";

const [address, option] = process.argv.slice(2);

function socketio() {
  const io = new Server();
  const engine = new Engine({ path: "/socket.io/" });
  io.bind(engine);
  application(io);
  const handler = engine.handler();
  return option === "--deflate" ? compressing(handler) : handler;
}

/** The engine never asks Bun to compress, so it is done here: from 1,024 bytes on, as by the others. */
function compressing(handler) {
  const { open } = handler.websocket;
  const websocket = {
    ...handler.websocket,
    perMessageDeflate: true,
    open(socket) {
      const send = socket.send.bind(socket);
      socket.send = (message) => send(message, message.length >= 1024);
      return open(socket);
    },
  };
  return { ...handler, websocket };
}

/** Sends back what comes, without Socket.IO. */
const plain = () => ({
  fetch: (request, server) => (server.upgrade(request) ? undefined : new Response("", { status: 426 })),
  websocket: { message: (socket, message) => void socket.send(message) },
});

const [hostname, port] = address.split(":");
const server = Bun.serve({ hostname, port: Number(port), ...(option === "--plain" ? plain() : socketio()) });
console.log(`listening on http://${hostname}:${server.port}/`);
