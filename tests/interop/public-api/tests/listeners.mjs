// Listeners for everything, and handlers of one socket.

import assert from "node:assert/strict";
import { call, next } from "../events.mjs";

export default {
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
};
