// The echo of README.md's first table on socket.io 2, which speaks revision 3 alone. Prints its address.

const http = require("node:http").createServer();
const io = require("socket.io-2")(http);

for (const name of ["/", "/custom"]) {
  io.of(name).on("connection", (socket) => {
    socket.emit("auth", {});
    socket.on("message", (...args) => socket.emit("message-back", ...args.filter((arg) => typeof arg !== "function")));
    socket.on("message-with-ack", (...args) => args.pop()(...args));
  });
}
io.of("/guarded").use((socket, next) => next(new Error("no entry")));
http.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${http.address().port}`));
