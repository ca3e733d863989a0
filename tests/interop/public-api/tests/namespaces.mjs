// Namespaces that come and go.

import assert from "node:assert/strict";
import { call, next } from "../events.mjs";

export default {
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
};
