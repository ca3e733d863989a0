// The application that the load speaks to, on socket.io.
export const application = (io) => {
  const handlers = (socket) => {
    socket.join("all");
    socket.on("message", (...args) => socket.emit("message-back", ...args));
    socket.on("message-with-ack", (...args) => args.pop()(...args));
    socket.on("broadcast", (...args) => io.to("all").emit("bcast", ...args));
    socket.on("join", (room, ack) => {
      socket.join(room);
      ack();
    });
    socket.on("fetch", async (ack) => ack((await io.fetchSockets()).length));
    socket.on("to-room", (room, ...args) => io.to(room).emit("bcast", ...args));
  };
  io.on("connection", handlers);
  for (let number = 0; number < 10; number++) io.of(`/ns-${number}`).on("connection", handlers);
};
