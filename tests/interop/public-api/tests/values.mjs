// What can be sent, in events and in acknowledgements.

import assert from "node:assert/strict";
import { plain } from "../../js/plain.mjs";
import { call, next } from "../events.mjs";

const isNow = (text) => {
  assert.match(text, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.ok(Math.abs(Date.parse(text) - Date.now()) < 10_000, text);
};

/** Bytes among other things, at any depth. */
export const album = () => ({
  title: "été 🌞",
  cover: Buffer.from([0, 1, 254, 255]),
  pages: [
    { text: null, picture: Buffer.alloc(0) },
    { text: "b4AAEC", picture: Buffer.from([0x1e]) },
  ],
});

export default {
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
};
