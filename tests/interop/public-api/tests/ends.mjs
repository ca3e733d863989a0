// How sockets end, and the server with them.

import assert from "node:assert/strict";
import { within } from "../../js/client.mjs";
import { call, next } from "../events.mjs";

export default {
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
};

/** What ends a server is tested with one of its own. */
export const endings = {
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
