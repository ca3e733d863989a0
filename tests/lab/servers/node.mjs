// The echo application of docs/guide/check.md on the reference. It prints the address that it listens on.
import { createServer } from "node:http";
import { Server } from "socket.io";

const http = createServer();
const io = new Server(http, { allowEIO3: true });
for (const name of ["/", "/custom"]) {
  io.of(name).on("connection", (socket) => {
    socket.emit("auth", socket.handshake.auth);
    socket.on("message", (...args) => socket.emit("message-back", ...args));
    socket.on("message-with-ack", (...args) => args.pop()(...args));
  });
}
http.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${http.address().port}`));
