// Who hears what, and what can be done with many sockets at once.

import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { plain } from "../../js/plain.mjs";
import { call, next } from "../events.mjs";

export default {
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
    assert.deepEqual(await call(c, "vote", "blue", 1000), [{ complete: false, votes: ["yes"] }]);
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
};
