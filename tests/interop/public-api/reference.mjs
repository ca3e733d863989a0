// The program of server/ on the reference implementation, so that run.mjs asks for what the reference does.
//
//     node reference.mjs 127.0.0.1:3000

import { createServer } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { Server as Engine } from "engine.io";
import { Server } from "socket.io";

const http = createServer();
const io = new Server(http, {
  cleanupEmptyChildNamespaces: true,
  allowRequest: ({ _query }, decide) => decide("banned" in _query ? "you are banned" : null, !("banned" in _query)),
});

const album = () => ({
  title: "été 🌞",
  cover: Buffer.from([0, 1, 254, 255]),
  pages: [
    { text: null, picture: Buffer.alloc(0) },
    { text: "b4AAEC", picture: Buffer.from([0x1e]) },
  ],
});

// An application of Engine.IO. Its sockets have the request of the handshake; that of the upgrade is the HTTP server's.
const upgrades = new Map();
http.on("upgrade", ({ url, headers }) => {
  upgrades.set(new URL(url, "http://localhost").searchParams.get("sid"), headers["x-from"]);
});
const engine = new Engine();
engine.attach(http, { path: "/engine.io/" });
engine.on("connection", (socket) => {
  socket.send(`opened from ${socket.request.headers["x-from"]}`);
  socket.on("upgrade", () => socket.send(`upgraded from ${upgrades.get(socket.id)}`));
});

io.use((socket, next) => {
  next("fail" in socket.handshake.query ? new Error("no entry to the main namespace") : undefined);
});

const errors = [];
io.engine.on("connection_error", ({ code, message }) => errors.push({ code, message }));
let ids = 0;
io.engine.generateId = () => `session-${ids++}`;
io.engine.on("initial_headers", (headers) => (headers["x-first"] = "1"));
io.engine.on("headers", (headers, request) => (headers["x-each"] = request.method));

io.on("connection", (socket) => {
  // What can be sent.
  socket.on("date", () => socket.emit("date", new Date()));
  socket.on("appointment", () => socket.emit("appointment", { with: "Ada", at: new Date() }));
  socket.on("now", (answer) => answer(new Date()));
  socket.on("number of", ({ at }, answer) => answer(new Date(at).getTime()));
  socket.on("texts", () => {
    const texts = ["てすと", "Я Б Г Д Ж Й", "Ä ä Ü ü ß", "— 🦀 \u{10ffff} \u2028 \u001e"];
    for (const text of texts) socket.emit("text", text);
  });
  socket.on("kinds", () => {
    socket.emit("none");
    socket.emit("kinds", null, true, -1.5, "", [1, 2], { a: { b: [] } });
  });
  socket.on("bytes", () => socket.emit("bytes", Buffer.from("bytes")));
  socket.on("album", () => socket.emit("album", 1, album(), Buffer.from("between"), "end"));
  socket.on("sizes", ({ title, cover, pages }, loose, answer) => {
    answer(title, cover.length, pages.map(({ picture }) => picture.length), loose.length);
  });
  socket.on("at", (id, [x, y]) => {
    socket.emit("at", [x, y]);
    socket.emit("at", [y, x], id);
    socket.emit("at", [x, y]);
    socket.emit("at", null);
  });
  socket.on("swapped", (a, b, answer) => answer(b, a));
  socket.on("turned", ([x, y], answer) => answer([y, x]));
  socket.on("echo after", (...args) => args.pop()(...args));
  socket.on("echo", (...args) => args.pop()(...args));

  // Acknowledgements of acknowledgements.
  socket.on("ask", (...args) => {
    const answer = args.pop();
    socket.emit("question", ...args, answer);
  });
  socket.on("chain", async (value, times, answer) => {
    for (let i = 0; i < times; i++) value = await socket.emitWithAck("question", value);
    answer(value);
  });
  socket.on("ask for bytes", async (answer) => {
    const bytes = await socket.emitWithAck("question", Buffer.from("abc"));
    answer({ len: bytes.length });
  });
  socket.on("ask in vain", (milliseconds, answer) => {
    socket.timeout(milliseconds).emit("ignored question", (error) => answer(error !== null));
  });
  socket.on("answer late", async (answer) => {
    socket.emit("before the answer", typeof answer === "function");
    await sleep(20);
    answer?.("late", Buffer.from("late"));
  });

  // The rest of what belongs to no other namespace.
  socket.on("tables", (answer) => answer([...io._nsps.keys()].filter((name) => name.startsWith("/table-")).sort()));
  socket.on("open", (name, answer) => answer(void io.of(name)));
  socket.on("close", (name, answer) => {
    io.of(name).disconnectSockets();
    // It has no name for this.
    io._nsps.delete(name);
    answer();
  });
  socket.on("connection errors", (answer) => answer(errors.splice(0)));
  socket.on("close the server", () => io.close(() => console.log("closed")));
});

io.of("/whoami").on("connection", (socket) => {
  socket.on("handshake", (answer) => {
    const { headers, time, issued, address, xdomain, secure, url, query, auth } = socket.handshake;
    answer({ id: socket.id, headers, time, issued, address, xdomain, secure, url, query, auth });
  });
});

io.of("/transports").on("connection", (socket) => {
  socket.conn.on("upgrade", ({ name }) => socket.emit("upgraded", name));
  socket.on("transport", (answer) => answer(socket.conn.transport.name, socket.conn.protocol));
});

io.of("/refused")
  .use((socket, next) => {
    socket.data.seen = "seen by the first";
    next();
  })
  .use((socket, next) => {
    const data = { code: 7, why: ["a", { seen: socket.data.seen }] };
    next(Object.assign(new Error("refused by the second"), { data }));
  })
  .use((_, next) => next(new Error("nobody gets here")));

io.of("/slow")
  .use(async (socket, next) => {
    await sleep(50);
    const { name } = socket.handshake.auth;
    if (name === undefined) return next(new Error("who?"));
    socket.data.name = name;
    next();
  })
  .on("connection", (socket) => socket.on("name", (answer) => answer(socket.data.name)));

// It has no name for this either.
io.of("/answers").on("connection", (socket) => {
  socket.on("add", (a, b, answer) => {
    if (typeof b === "number") answer(a + b);
    else answer({ error: `add: argument 1: invalid type: string ${JSON.stringify(b)}, expected i64` });
  });
  socket.onAny((name, ...args) => {
    if (name !== "add") args.at(-1)?.({ error: `${name}: no handler for this event` });
  });
});

io.of("/entering")
  .use((socket, next) => {
    socket.join(["a", "b"]);
    socket.leave("b");
    socket.emit("early", 1, [...socket.rooms].sort());
    socket.emit("asked", 2, (answer) => socket.emit("answered", answer));
    socket.disconnect();
    socket.on("own", (answer) => answer("the socket's"));
    setTimeout(next, 20);
  })
  .use((socket, next) => next(socket.handshake.auth.refuse ? new Error("no") : undefined))
  .on("connection", (socket) => {
    socket.emit("connected");
    socket.nsp.to("a").emit("to the room", socket.id);
    socket.on("rooms", (answer) => answer([...socket.rooms].filter((room) => room !== socket.id).sort()));
    socket.on("all rooms", (answer) => {
      const rooms = [...socket.nsp.adapter.rooms].filter(([room]) => !socket.nsp.sockets.has(room));
      answer(Object.fromEntries(rooms.map(([room, sockets]) => [room, sockets.size])));
    });
  });

io.of("/strict").on("connection", (socket) => {
  let refused;
  socket.use(([name], next) => {
    refused = name;
    next(name === "forbidden" ? new Error("not that word") : undefined);
  });
  socket.on("error", (error) => socket.emit("refused event", refused, error.message));
  socket.on("forbidden", (answer) => answer("said all the same"));
  socket.on("allowed", (text, answer) => answer(text));
});

const rooms = io.of("/rooms");
rooms.on("connection", (socket) => {
  const joined = () => [...socket.rooms].filter((room) => room !== socket.id).sort();
  socket.on("join", (room, answer) => {
    socket.join(room);
    answer(joined());
  });
  socket.on("join all", (rooms, answer) => {
    socket.join(rooms);
    answer(joined());
  });
  socket.on("leave", (room, answer) => {
    socket.leave(room);
    answer(joined());
  });
  socket.on("tell room", (room, words) => socket.to(room).emit("told", words));
  socket.on("tell all in room", (room, words) => socket.nsp.to(room).emit("told", words));
  socket.on("tell rooms", (a, b, words) => rooms.to([a, b]).emit("told", words));
  socket.on("tell all but rooms", (rooms, words) => socket.nsp.except(rooms).emit("told", words));
  socket.on("tell all but room", (room, words) => rooms.except(room).emit("told", words));
  socket.on("tell others", (words) => socket.broadcast.emit("told", words));
  socket.on("tell one", (id, words) => socket.to(id).emit("told", words));
  socket.on("tell all", (words) => rooms.emit("told", words));
  socket.on("count", (answer) => answer(rooms.sockets.size));
});

const many = io.of("/many");
const heard = [];
for (const event of ["create", "join", "leave", "delete"]) {
  many.adapter.on(`${event}-room`, (room) => heard.push(`${event} ${room}`));
}
many.on("connection", (socket) => {
  socket.on("join", (room, answer) => {
    socket.join(room);
    answer();
  });
  socket.on("is called", (name, answer) => answer(Boolean((socket.data.name = name))));
  socket.on("who is in", async (room, answer) => {
    answer((await many.in(room).fetchSockets()).map(({ data }) => data.name).sort());
  });
  socket.on("all move", (from, to, answer) => {
    many.in(from).socketsJoin(to);
    many.in(from).socketsLeave(from);
    answer();
  });
  socket.on("put out", (room) => many.in(room).disconnectSockets());
  socket.on("vote", (room, milliseconds, answer) => {
    many.to(room).timeout(milliseconds).emit("your vote?", (error, votes) => {
      answer({ complete: error === null, votes: votes.sort() });
    });
  });
  socket.on("ready?", () => socket.volatile.emit("perhaps"));
  socket.on("room events", (room, answer) => answer(heard.splice(0).filter((line) => line.endsWith(room))));
});

const welcome = (socket) => socket.emit("welcome", socket.nsp.name);
const tables = io.of(/^\/table-\d+$/);
tables.on("connection", (socket) => {
  welcome(socket);
  socket.on("tell all tables", (words) => tables.emit("told", words));
});
io.of((name, auth, next) => next(null, name === "/by-key" && auth.key === 42)).on("connection", welcome);

io.of("/listeners").on("connection", (socket) => {
  const diary = [];
  const write = (prefix) => (name, ...args) => {
    if (typeof args.at(-1) === "function") args.pop();
    diary.push(`${prefix} ${name} ${JSON.stringify(args).slice(1, -1)}`);
  };
  socket.onAny(write("second"));
  socket.prependAny(write("first"));
  socket.onAnyOutgoing(write("out"));
  let first = true;
  socket.on("once", (answer) => {
    answer(first ? "the first time" : "every other time");
    first = false;
  });
  let own = true;
  socket.on("own", (answer) => answer(own ? "the socket's" : "the namespace's"));
  socket.on("forget own", (answer) => {
    answer(own);
    own = false;
  });
  socket.on("emit", (name, words) => socket.emit(name, words));
  socket.on("diary", (answer) => answer(diary.splice(0)));
  socket.on("stop listening", () => {
    socket.offAny();
    socket.offAnyOutgoing();
  });
});

io.of("/ends").on("connection", (socket) => {
  socket.on("watch", (answer) => {
    socket.join("watchers");
    answer();
  });
  socket.on("join", (room, answer) => {
    socket.join(room);
    answer();
  });
  socket.on("put me out", (close) => {
    socket.emit("the last word");
    socket.disconnect(close);
  });
  socket.on("disconnecting", (reason) => {
    const joined = [...socket.rooms].filter((room) => room !== socket.id).sort();
    socket.to("watchers").emit("leaving", socket.id, reason, joined);
  });
  socket.on("disconnect", (reason) => {
    console.log(`gone: ${reason}`);
    socket.to("watchers").emit("left", socket.id, reason, socket.connected);
  });
});

const [, host, port] = /^(.*):(\d+)$/.exec(process.argv[2] ?? "127.0.0.1:3000");
http.listen(Number(port), host, () => console.log(`listening on http://${host}:${http.address().port}/`));
