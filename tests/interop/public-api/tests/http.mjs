// Applications of Engine.IO, and the hooks of the HTTP side.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { modes, within } from "../../js/client.mjs";
import { call, next } from "../events.mjs";

// The one that socket.io-client 4.8 has: others are there too.
const require = createRequire(import.meta.url);
const { Socket: Engine } = createRequire(require.resolve("socket.io-client-4"))("engine.io-client");

export default {
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
