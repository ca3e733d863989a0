// Acknowledgements of acknowledgements, and events that no handler takes.

import assert from "node:assert/strict";
import { plain } from "../../js/plain.mjs";
import { call, next } from "../events.mjs";
import { album } from "./values.mjs";

export default {
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

  // proves: features/acks
  async "an event that no handler takes is answered"({ join }) {
    const socket = await join("/answers");
    assert.deepEqual(await call(socket, "add", 1, 2), [3]);
    const error = 'add: argument 1: invalid type: string "x", expected i64';
    assert.deepEqual(await call(socket, "add", 1, "x"), [{ error }]);
    socket.emit("nothing");
    assert.deepEqual(await call(socket, "subtract", 1, 2), [{ error: "subtract: no handler for this event" }]);
  },
};
