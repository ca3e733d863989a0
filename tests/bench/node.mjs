// The echo application on socket.io for Node.
import { createServer } from "node:http";
import { Server } from "socket.io";

const http = createServer();
const io = new Server(http);
io.on("connection", (socket) => {
  socket.join("all");
  socket.emit("auth", socket.handshake.auth);
  socket.on("message", (...args) => socket.emit("message-back", ...args));
  socket.on("message-with-ack", (...args) => args.pop()(...args));
  socket.on("broadcast", (...args) => io.to("all").emit("bcast", ...args));
});
const [host, port] = process.argv[2].split(":");
http.listen(Number(port), host, () => console.log(`listening on http://${host}:${http.address().port}/`));
