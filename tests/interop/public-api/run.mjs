// socket.io-client 4.8 against a server that is written against the public API alone: server.rs.
//
//     node --test-reporter=./js/reporter.mjs public-api/run.mjs PROGRAM        (or `reference`, for reference.mjs)

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { io } from "socket.io-client-4";
import { modes, within } from "../js/client.mjs";
import { plain } from "../js/plain.mjs";

// The one that socket.io-client 4.8 has: others are there too.
const require = createRequire(import.meta.url);
const { Socket: Engine } = createRequire(require.resolve("socket.io-client-4"))("engine.io-client");

const [program, only = ""] = process.argv.slice(2);
if (!program) throw new Error("which program?");
const isReference = program === "reference";
const reference = fileURLToPath(new URL("reference.mjs", import.meta.url));
const command = isReference ? [process.execPath, reference] : [program];

const running = new Set();
process.on("exit", () => running.forEach((child) => child.kill("SIGKILL")));

/** A server of its own, on a free port: its `url`, what it has `printed`, how it `ended`. */
async function start() {
  const child = spawn(command[0], [...command.slice(1), "127.0.0.1:0"], { stdio: ["ignore", "pipe", "inherit"] });
  running.add(child);
  const server = { printed: [], ended: once(child, "exit").then(([code]) => code), kill: () => child.kill("SIGKILL") };
  server.ended.then(() => running.delete(child));
  const lines = createInterface(child.stdout);
  server.url = await within(
    new Promise((resolve) => {
      lines.on("line", (line) => {
        server.printed.push(line);
        const address = /http:\/\/127\.0\.0\.1:\d+/.exec(line);
        if (address) resolve(address[0]);
      });
    }),
    "the server's address",
  );
  return server;
}

/** What a test works with: clients of one mode, which are closed behind it. */
class Stage {
  #sockets = [];

  constructor(server, mode) {
    this.server = server;
    this.mode = mode;
  }

  /** A socket that is not connected yet. */
  open(namespace = "/", options = {}) {
    const socket = io(this.server.url + namespace, {
      forceNew: true,
      reconnection: false,
      transports: modes[this.mode].transports,
      ...options,
    });
    this.#sockets.push(socket);
    return socket;
  }

  /** One that is connected and on the mode's last transport. */
  async join(namespace, options) {
    const socket = this.open(namespace, options);
    await next(socket, "connect");
    const engine = socket.io.engine;
    if (engine.transport.name !== modes[this.mode].ends) await within(once(engine, "upgrade"), "the upgrade");
    return socket;
  }

  clear() {
    for (const socket of this.#sockets) socket.disconnect();
  }
}

/** The arguments of the next event of that name. */
const next = (socket, event) => within(new Promise((resolve) => socket.once(event, (...args) => resolve(args))), event);

/** All arguments of the answer to an event. */
const call = (socket, event, ...args) =>
  within(
    new Promise((resolve) => socket.emit(event, ...args, (...answer) => resolve(answer))),
    `the answer to ${event}`,
  );

const isNow = (text) => {
  assert.match(text, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.ok(Math.abs(Date.parse(text) - Date.now()) < 10_000, text);
};

const album = () => ({
  title: "été 🌞",
  cover: Buffer.from([0, 1, 254, 255]),
  pages: [
    { text: null, picture: Buffer.alloc(0) },
    { text: "b4AAEC", picture: Buffer.from([0x1e]) },
  ],
});

const tests = {
  async "a date is its ISO text"({ join }) {
    const socket = await join();
    socket.emit("date");
    isNow((await next(socket, "date"))[0]);
    socket.emit("appointment");
    const [appointment] = await next(socket, "appointment");
    isNow(appointment.at);
    assert.equal(appointment.with, "Ada");
    isNow((await call(socket, "now"))[0]);
    const date = new Date("2024-02-29T12:34:56.789Z");
    assert.deepEqual(await call(socket, "number of", { with: "Bob", at: date }), [date.getTime()]);
  },

  async "text of every script"({ join }) {
    const socket = await join();
    const texts = [];
    socket.on("text", (text) => texts.push(text));
    socket.emit("texts");
    await call(socket, "now");
    assert.deepEqual(texts, ["てすと", "Я Б Г Д Ж Й", "Ä ä Ü ü ß", "— 🦀 \u{10ffff} \u2028 \u001e"]);
    assert.deepEqual(await call(socket, "echo", ...texts), texts);
  },

  async "values of every kind, and none"({ join }) {
    const socket = await join();
    const [none, kinds] = [next(socket, "none"), next(socket, "kinds")];
    socket.emit("kinds");
    assert.deepEqual(await none, []);
    const expected = [null, true, -1.5, "", [1, 2], { a: { b: [] } }];
    assert.deepEqual(await kinds, expected);
    assert.deepEqual(await call(socket, "echo", ...expected), expected);
    assert.deepEqual(await call(socket, "echo"), []);
  },

  async "an array is one argument, both ways"({ join }) {
    const socket = await join();
    const told = [];
    socket.on("at", (...args) => told.push(args));
    socket.emit("at", 7, [48.5, 11]);
    assert.deepEqual(await call(socket, "turned", [48.5, 11]), [[11, 48.5]]);
    const deep = { list: [Buffer.from("one"), null, { at: Buffer.from("two") }] };
    assert.deepEqual(plain(await call(socket, "swapped", deep, Buffer.from("three"))), plain([Buffer.from("three"), deep]));
    assert.deepEqual(told, [[[48.5, 11]], [[11, 48.5], 7], [[48.5, 11]], [null]]);
  },

  // proves: features/binary
  async "binary at any depth, both ways"({ join }) {
    const socket = await join();
    socket.emit("bytes");
    assert.deepEqual(plain(await next(socket, "bytes")), plain([Buffer.from("bytes")]));
    socket.emit("album");
    assert.deepEqual(plain(await next(socket, "album")), plain([1, album(), Buffer.from("between"), "end"]));
    assert.deepEqual(await call(socket, "sizes", album(), new Uint8Array(5).buffer), ["été 🌞", 4, [0, 1], 5]);
    assert.deepEqual(plain(await call(socket, "echo", album(), 1)), plain([album(), 1]));
    const after = [Buffer.from("first"), album(), Buffer.from("last"), 1];
    assert.deepEqual(plain(await call(socket, "echo after", ...after)), plain(after));
    assert.deepEqual(plain(await call(socket, "echo after", after[0])), plain([after[0]]));
  },

  async "a question is answered by a question"({ join }) {
    const socket = await join();
    socket.on("question", (...args) => args.pop()(...args.reverse()));
    assert.deepEqual(await call(socket, "ask", 1, "two", [3]), [[3], "two", 1]);
    assert.deepEqual(plain(await call(socket, "ask", album(), "x")), plain(["x", album()]));
  },

  // proves: features/acks
  async "each answer is the next question"({ join }) {
    const socket = await join();
    socket.on("question", (value, answer) => answer(value * 2));
    assert.deepEqual(await call(socket, "chain", 1, 10), [1024]);
    const many = Array.from({ length: 20 }, (_, i) => call(socket, "chain", i, 3));
    assert.deepEqual(await Promise.all(many), Array.from({ length: 20 }, (_, i) => [8 * i]));
  },

  async "an answer may be bytes"({ join }) {
    const socket = await join();
    socket.on("question", (bytes, answer) => answer(Buffer.concat([Buffer.from(bytes), Buffer.from(bytes)])));
    assert.deepEqual(await call(socket, "ask for bytes"), [{ len: 6 }]);
  },

  async "a question that nobody answers times out"({ join }) {
    const socket = await join();
    const asked = next(socket, "ignored question");
    assert.deepEqual(await call(socket, "ask in vain", 50), [true]);
    await asked;
  },

  async "an answer may come late, behind other events"({ join }) {
    const socket = await join();
    let before = next(socket, "before the answer");
    assert.deepEqual(plain(await call(socket, "answer late")), plain(["late", Buffer.from("late")]));
    assert.deepEqual(await before, [true]);
    before = next(socket, "before the answer");
    socket.emit("answer late");
    assert.deepEqual(await before, [false]);
  },

  // proves: features/socket-handshake
  async "the handshake tells who came"({ join, mode }) {
    const auth = { token: "abc", deep: [{ n: 1 }] };
    const options = { auth, query: { room: "à b" }, extraHeaders: { "X-From": "test" } };
    const socket = await join("/whoami", options);
    const [handshake] = await call(socket, "handshake");
    assert.equal(handshake.id, socket.id);
    assert.notEqual(handshake.id, socket.io.engine.id);
    assert.deepEqual(handshake.auth, auth);
    assert.equal(handshake.headers["x-from"], "test");
    assert.equal(handshake.headers.host, new URL(socket.io.uri).host);
    assert.ok(Math.abs(handshake.issued - Date.now()) < 10_000);
    assert.equal(handshake.address, "127.0.0.1");
    assert.equal(handshake.secure, false);
    assert.equal(handshake.xdomain, false);
    assert.ok(Math.abs(new Date(handshake.time) - Date.now()) < 10_000, handshake.time);
    const { room, EIO, transport } = handshake.query;
    assert.deepEqual({ room, EIO, transport }, { room: "à b", EIO: "4", transport: modes[mode].transports[0] });
    assert.ok(handshake.url.startsWith("/socket.io/?"), handshake.url);
  },

  // proves: features/transport
  async "the transport in use, and the upgrade"({ open, mode }) {
    const socket = open("/transports");
    const [first, last] = [modes[mode].transports[0], modes[mode].ends];
    if (first !== last) assert.deepEqual(await next(socket, "upgraded"), [last]);
    assert.deepEqual(await call(socket, "transport"), [last, 4]);
  },

  // proves: features/namespace-middleware
  async "a middleware refuses with message and data, and those behind it are not asked"({ open }) {
    const refused = open("/refused");
    const [error] = await next(refused, "connect_error");
    assert.equal(error.message, "refused by the second");
    assert.deepEqual(error.data, { code: 7, why: ["a", { seen: "seen by the first" }] });
    assert.ok(!refused.connected);
    const main = open("/", { query: { fail: 1 } });
    const [{ message, data }] = await next(main, "connect_error");
    assert.deepEqual({ message, data }, { message: "no entry to the main namespace", data: undefined });
    const [unknown] = await next(open("/nowhere"), "connect_error");
    assert.equal(unknown.message, "Invalid namespace");
  },

  // proves: features/socket-data
  async "a middleware takes its time, and what it found out stays"({ open, join }) {
    const socket = open("/slow", { auth: { name: "Ada" } });
    // Emitted before the connection is there.
    assert.deepEqual(await call(socket, "name"), ["Ada"]);
    const [error] = await next(open("/slow"), "connect_error");
    assert.equal(error.message, "who?");
    assert.deepEqual(await call(await join("/slow", { auth: { name: "Bob" } }), "name"), ["Bob"]);
  },

  // proves: features/acks
  async "an event that no handler takes is answered"({ join }) {
    const socket = await join("/answers");
    assert.deepEqual(await call(socket, "add", 1, 2), [3]);
    const error = 'add: argument 1: invalid type: string "x", expected i64';
    assert.deepEqual(await call(socket, "add", 1, "x"), [{ error }]);
    socket.emit("nothing");
    assert.deepEqual(await call(socket, "subtract", 1, 2), [{ error: "subtract: no handler for this event" }]);
  },

  // proves: protocol/emits-in-middlewares
  async "a middleware joins rooms and emits, and a refusal forgets both"({ open }) {
    const enter = (auth) => {
      const socket = open("/entering", { auth });
      const told = [];
      for (const event of ["early", "connected", "to the room", "answered"]) {
        socket.on(event, (...args) => told.push([event, ...args]));
      }
      socket.on("asked", (value, answer) => {
        told.push(["asked", value]);
        answer("yes");
      });
      return [socket, told];
    };
    const [socket, told] = enter({});
    const answered = next(socket, "answered");
    assert.deepEqual(await call(socket, "own"), ["the socket's"]);
    assert.deepEqual(await call(socket, "rooms"), [["a"]]);
    await answered;
    const { id } = socket;
    const expected = [["early", 1, ["a"]], ["asked", 2], ["connected"], ["to the room", id], ["answered", "yes"]];
    assert.deepEqual(told, expected);
    const [refused, nothing] = enter({ refuse: true });
    assert.equal((await next(refused, "connect_error"))[0].message, "no");
    assert.deepEqual(await call(socket, "all rooms"), [{ a: 1 }]);
    assert.deepEqual([told.length, nothing.length], [expected.length, 0]);
    // One that goes while a middleware decides.
    const [hasty] = enter({});
    await within(once(hasty.io, "open"), "the connection");
    hasty.disconnect();
    await sleep(50);
    assert.deepEqual(await call(socket, "all rooms"), [{ a: 1 }]);
  },

  // proves: features/event-middleware
  async "a packet middleware keeps an event from its handler"({ join }) {
    const socket = await join("/strict");
    const refused = next(socket, "refused event");
    socket.emit("forbidden", () => assert.fail("it was answered"));
    assert.deepEqual(await refused, ["forbidden", "not that word"]);
    assert.deepEqual(await call(socket, "allowed", "word"), ["word"]);
  },

  // proves: features/rooms
  async "rooms hear what is said to them"({ join }) {
    const sockets = await Promise.all([join("/rooms"), join("/rooms"), join("/rooms")]);
    const [a, b, c] = sockets;
    const told = sockets.map((socket) => {
      const list = [];
      socket.on("told", (...args) => list.push(...args));
      return list;
    });
    // Whoever is told has been told once the sender, and then the socket itself, have had an answer.
    const settled = () => Promise.all(sockets.map((socket) => call(socket, "count")));
    const heard = async (sender) => {
      await call(sender, "count");
      await settled();
      return told.map((list) => list.splice(0));
    };
    assert.deepEqual(await settled(), [[3], [3], [3]]);
    assert.deepEqual(await call(a, "join all", []), [[]]);
    assert.deepEqual(await call(a, "join all", ["x", "y"]), [["x", "y"]]);
    assert.deepEqual(await call(b, "join", "y"), [["y"]]);
    for (const [from, event, args, expected] of [
      [a, "tell room", ["y", 1], [[], [1], []]],
      [c, "tell room", ["y", 2], [[2], [2], []]],
      [a, "tell all in room", ["y", 9], [[9], [9], []]],
      [c, "tell all in room", ["y", 10], [[10], [10], []]],
      [c, "tell rooms", ["x", "y", 3], [[3], [3], []]],
      [a, "tell all but room", ["x", 4], [[], [4], [4]]],
      [a, "tell all but rooms", [["x", "z"], 11], [[], [11], [11]]],
      [a, "tell all but rooms", [[], 12], [[12], [12], [12]]],
      [a, "tell others", [5], [[], [5], [5]]],
      [a, "tell one", [c.id, 6], [[], [], [6]]],
      [a, "tell all", [7], [[7], [7], [7]]],
      [a, "tell all", [{ bytes: Buffer.from("b") }], Array(3).fill([{ bytes: Buffer.from("b") }])],
    ]) {
      from.emit(event, ...args);
      assert.deepEqual(plain(await heard(from)), plain(expected), `${event} ${args}`);
    }
    assert.deepEqual(await call(a, "leave", "y"), [["x"]]);
    c.emit("tell room", "y", 8);
    assert.deepEqual(await heard(c), [[], [8], []]);
  },

  // proves: features/many-sockets
  async "many sockets are found, moved, asked and put out at once"({ join }) {
    const sockets = await Promise.all([join("/many"), join("/many"), join("/many")]);
    const [a, b, c] = sockets;
    await call(a, "room events", "");
    for (const [i, name] of ["Ada", "Bob", "Cyd"].entries()) {
      assert.deepEqual(await call(sockets[i], "is called", name), [true]);
    }
    for (const socket of [a, b]) await call(socket, "join", "red");
    assert.deepEqual(await call(c, "who is in", "red"), [["Ada", "Bob"]]);
    await call(c, "all move", "red", "blue");
    assert.deepEqual(await call(c, "who is in", "red"), [[]]);
    assert.deepEqual(await call(c, "who is in", "blue"), [["Ada", "Bob"]]);
    const lines = ["create red", "join red", "join red", "leave red", "leave red", "delete red"];
    assert.deepEqual(await call(c, "room events", "red"), [lines]);

    a.on("your vote?", (answer) => answer("yes"));
    b.once("your vote?", (answer) => answer("no"));
    assert.deepEqual(await call(c, "vote", "blue", 5000), [{ complete: true, votes: ["no", "yes"] }]);
    assert.deepEqual(await call(c, "vote", "blue", 100), [{ complete: false, votes: ["yes"] }]);
    assert.deepEqual(await call(c, "vote", "nobody's", 5000), [{ complete: true, votes: [] }]);

    const gone = [next(a, "disconnect"), next(b, "disconnect")];
    c.emit("put out", "blue");
    for (const [reason] of await Promise.all(gone)) assert.equal(reason, "io server disconnect");
    assert.ok(c.connected);
  },

  async "a volatile event arrives where a transport is ready for it"({ join, mode }) {
    const socket = await join("/many");
    const perhaps = next(socket, "perhaps");
    if (mode === "polling") {
      // Between two polls it is lost, so it is asked for until a poll waits.
      for (let arrived = false; !arrived; ) {
        socket.emit("ready?");
        arrived = await Promise.race([perhaps.then(() => true), sleep(20, false)]);
      }
    } else {
      socket.emit("ready?");
      await perhaps;
    }
  },

  // proves: features/namespaces
  async "namespaces come into being by name or by auth, and go"({ open, join }) {
    const main = await join();
    const one = open("/table-1");
    assert.deepEqual(await next(one, "welcome"), ["/table-1"]);
    const two = open("/table-2");
    assert.deepEqual(await next(two, "welcome"), ["/table-2"]);
    assert.deepEqual(await call(main, "tables"), [["/table-1", "/table-2"]]);
    const told = [next(one, "told"), next(two, "told")];
    one.emit("tell all tables", "closing time");
    assert.deepEqual(await Promise.all(told), [["closing time"], ["closing time"]]);
    one.disconnect();
    two.disconnect();
    for (let left; left?.length !== 0; ) [left] = await call(main, "tables");

    assert.deepEqual(await next(open("/by-key", { auth: { key: 42 } }), "welcome"), ["/by-key"]);
    for (const name of ["/table-x", "/by-nothing"]) {
      const [error] = await next(open(name, { auth: { key: 42 } }), "connect_error");
      assert.equal(error.message, "Invalid namespace");
    }
  },

  // proves: features/closed-namespaces
  async "a namespace is opened and closed while the server runs"({ open, join, mode }) {
    const main = await join();
    const name = `/closable-${mode}`;
    await call(main, "open", name);
    const inside = await join(name);
    const gone = next(inside, "disconnect");
    await call(main, "close", name);
    assert.equal((await gone)[0], "io server disconnect");
    assert.equal((await next(open(name), "connect_error"))[0].message, "Invalid namespace");
  },

  // proves: features/handlers
  async "catch-all listeners, and handlers of one socket"({ join }) {
    const socket = await join("/listeners");
    assert.deepEqual(await call(socket, "once"), ["the first time"]);
    assert.deepEqual(await call(socket, "once"), ["every other time"]);
    assert.deepEqual(await call(socket, "own"), ["the socket's"]);
    assert.deepEqual(await call(socket, "forget own"), [true]);
    assert.deepEqual(await call(socket, "own"), ["the namespace's"]);
    const twice = (name, args = "") => [`first ${name} ${args}`, `second ${name} ${args}`];
    const names = ["once", "once", "own", "forget own", "own"];
    assert.deepEqual(await call(socket, "diary"), [[...names.flatMap((name) => twice(name)), ...twice("diary")]]);
    socket.emit("emit", "hello", { a: 1 });
    assert.deepEqual(await next(socket, "hello"), [{ a: 1 }]);
    const expected = [...twice("emit", '"hello",{"a":1}'), 'out hello {"a":1}', ...twice("diary")];
    assert.deepEqual(await call(socket, "diary"), [expected]);
    socket.emit("stop listening");
    await call(socket, "diary");
    assert.deepEqual(await call(socket, "diary"), [[]]);
  },

  // proves: features/disconnect-reasons
  async "a socket ends with a reason, and its rooms are told once more"({ join }) {
    const watcher = await join("/ends");
    await call(watcher, "watch");
    for (const [leave, reasons, whole] of [
      [(socket) => socket.emit("put me out", false), ["io server disconnect"], "server namespace disconnect"],
      [(socket) => socket.emit("put me out", true), ["io server disconnect", "transport close"], null],
      [(socket) => socket.disconnect(), ["io client disconnect"], "client namespace disconnect"],
      [(socket) => socket.io.engine.close(), ["forced close"], "transport close"],
    ]) {
      const socket = await join("/ends");
      await call(socket, "join", "b");
      await call(socket, "join", "a");
      const id = socket.id;
      const [leaving, left] = [next(watcher, "leaving"), next(watcher, "left")];
      const gone = next(socket, "disconnect");
      leave(socket);
      const [reason] = await gone;
      assert.ok(reasons.includes(reason), reason);
      const [who, why, rooms] = await leaving;
      assert.deepEqual([who, rooms], [id, ["a", "b"]]);
      if (whole) assert.equal(why, whole);
      assert.deepEqual(await left, [id, why, false]);
    }
  },

  async "what is said before a disconnect is heard"({ join }) {
    const socket = await join("/ends");
    const last = next(socket, "the last word");
    socket.emit("put me out", false);
    assert.deepEqual(await last, []);
  },

  async "an application of Engine.IO reads the headers of the handshake and of the upgrade"({ server, mode }) {
    const from = (transport) => ({ extraHeaders: { "x-from": transport } });
    const socket = new Engine(server.url, {
      path: "/engine.io/",
      transports: modes[mode].transports,
      transportOptions: { polling: from("polling"), websocket: from("websocket") },
    });
    const begin = modes[mode].transports[0];
    const expected = [`opened from ${begin}`];
    if (begin !== modes[mode].ends) expected.push(`upgraded from ${modes[mode].ends}`);
    const told = [];
    const all = new Promise((resolve) => {
      socket.on("message", (text) => told.push(text) === expected.length && resolve());
    });
    await within(all, "what the application tells");
    socket.close();
    assert.deepEqual(told, expected);
  },

  // proves: features/headers
  async "hooks of the HTTP side"({ open, join, server, mode }) {
    const socket = await join();
    assert.match(socket.io.engine.id, /^session-\d+$/);
    await call(socket, "connection errors");
    const [error] = await next(open("/", { query: { banned: 1 } }), "connect_error");
    assert.match(error.message, mode === "websocket" ? /websocket error/ : /xhr poll error/);
    const [[refused]] = await call(socket, "connection errors");
    assert.deepEqual(refused, { code: 4, message: "Forbidden" });

    const polling = `${server.url}/socket.io/?EIO=4&transport=polling`;
    const opened = await fetch(polling);
    assert.deepEqual([opened.headers.get("x-first"), opened.headers.get("x-each")], ["1", "GET"]);
    const { sid } = JSON.parse((await opened.text()).slice(1));
    const posted = await fetch(`${polling}&sid=${sid}`, { method: "POST", body: "1" });
    assert.deepEqual([posted.headers.get("x-first"), posted.headers.get("x-each")], [null, "POST"]);
  },
};

/** What ends a server is tested with one of its own. */
const endings = {
  // proves: features/close
  async "server.close() ends every session, and the server"({ join, server, open }) {
    const [one, other] = [await join("/ends"), await join()];
    const gone = [next(one, "disconnect"), next(other, "disconnect")];
    other.emit("close the server");
    for (const [reason] of await Promise.all(gone)) assert.equal(reason, "transport close");
    assert.equal(await within(server.ended, "the end of the server"), 0);
    assert.deepEqual(server.printed.slice(1), ["gone: server shutting down", "closed"]);
    assert.match((await next(open(), "connect_error"))[0].message, /error/);
  },
};

async function perform(name, run, mode, shared) {
  if (!name.includes(only)) return;
  await test(`public API, ${mode}: ${name}`, async () => {
    const server = shared ?? (await start());
    const stage = new Stage(server, mode);
    try {
      const done = run({ server, mode, open: stage.open.bind(stage), join: stage.join.bind(stage) });
      const late = sleep(20_000, undefined, { ref: false }).then(() => Promise.reject(new Error("not done in 20 s")));
      await Promise.race([done, late]);
    } finally {
      stage.clear();
      if (!shared) server.kill();
    }
  });
}

const shared = await start();
for (const mode of Object.keys(modes)) {
  for (const [name, run] of Object.entries(tests)) await perform(name, run, mode, shared);
  for (const [name, run] of Object.entries(endings)) await perform(name, run, mode);
}
shared.kill();
