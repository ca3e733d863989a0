// The application of README.md on the reference implementation. `run --against reference` tests it instead of ours,
// which proves that the tests ask for what the reference does.
//
//     node reference.mjs --listen 127.0.0.1:0 [--max-payload BYTES] [--ping-interval 300ms] [--ping-timeout 200ms] [--parser msgpack] [--per-message-deflate [--deflate-context-takeover]] [--recovery 2m]

import { createServer } from "node:http";
import { parseArgs } from "node:util";
import { Server } from "socket.io";
import msgpack from "socket.io-msgpack-parser";

const { values: options } = parseArgs({
  options: {
    app: { type: "string", default: "echo" },
    listen: { type: "string", default: "127.0.0.1:0" },
    "max-payload": { type: "string", default: "1000000" },
    "ping-interval": { type: "string", default: "25s" },
    "ping-timeout": { type: "string", default: "20s" },
    parser: { type: "string", default: "default" },
    "per-message-deflate": { type: "boolean", default: false },
    "deflate-context-takeover": { type: "boolean", default: false },
    recovery: { type: "string" },
  },
});

const milliseconds = (text) => {
  const [, number, unit] = /^(\d+)(ms|s|m)$/.exec(text);
  return Number(number) * { ms: 1, s: 1000, m: 60_000 }[unit];
};

const http = createServer();
const io = new Server(http, {
  allowEIO3: true,
  maxHttpBufferSize: Number(options["max-payload"]),
  pingInterval: milliseconds(options["ping-interval"]),
  pingTimeout: milliseconds(options["ping-timeout"]),
  ...(options.parser === "msgpack" && { parser: msgpack }),
  ...(options["per-message-deflate"] && { perMessageDeflate: { serverNoContextTakeover: !options["deflate-context-takeover"] } }),
  ...(options.recovery && {
    connectionStateRecovery: { maxDisconnectionDuration: milliseconds(options.recovery), skipMiddlewares: false },
  }),
});

for (const name of ["/", "/custom"]) {
  io.of(name).on("connection", (socket) => {
    socket.join("all");
    socket.emit("auth", socket.handshake.auth);
    socket.on("message", (...args) => socket.emit("message-back", ...args));
    socket.on("message-with-ack", (...args) => args.pop()(...args));
    socket.on("broadcast", (...args) => io.of(name).to("all").emit("bcast", ...args));
  });
}

const test = io.of("/test");

test.use((socket, next) => {
  const token = socket.handshake.auth.token ?? socket.handshake.query.token;
  if (token !== "bad") return next();
  next(Object.assign(new Error("refused"), { data: { code: 7 } }));
});

test.on("connection", (socket) => {
  const rooms = () => [...socket.rooms].filter((room) => room !== socket.id).sort();
  // Every handler gets an answer to call; where the client asked for no ack it goes nowhere.
  const on = (event, handler) =>
    socket.on(event, (...args) => {
      const answer = typeof args.at(-1) === "function" ? args.pop() : () => {};
      handler(answer, ...args);
    });

  on("handshake", (answer) => {
    const { auth, query } = socket.handshake;
    answer({ id: socket.id, auth, query });
  });
  on("join", (answer, room) => {
    socket.join(room);
    answer(rooms());
  });
  on("leave", (answer, room) => {
    socket.leave(room);
    answer(rooms());
  });
  on("to-room", (_, room, ...args) => socket.to(room).emit("room", ...args));
  on("in-room", (_, room, ...args) => test.in(room).emit("room", ...args));
  on("except-room", (_, room, ...args) => socket.broadcast.except(room).emit("room", ...args));
  on("others", (_, ...args) => socket.broadcast.emit("room", ...args));
  on("ask", (answer, ...args) => socket.emit("question", ...args, answer));
  on("ask-briefly", (answer, time) =>
    socket.timeout(time).emit("question", (error, ...answers) =>
      error ? answer("timeout") : answer(...answers),
    ),
  );
  on("burst", async (answer, n) => {
    for (let i = 0; i < n; i++) {
      socket.emit("tick", i);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    answer(n);
  });
  on("kick", (_, close) => socket.disconnect(close));
  socket.on("disconnecting", (reason) => socket.to("watch").emit("left", socket.id, reason, rooms()));
});

process.on("SIGTERM", () => {
  io.close(() => process.exit(0));
  // Some clients answer a WebSocket's close and leave the TCP connection open.
  setTimeout(() => process.exit(0), 500);
});

const [, host, port] = /^(.*):(\d+)$/.exec(options.listen);
http.listen(Number(port), host, () => {
  console.log(`the reference is listening on http://${host}:${http.address().port}/`);
});
