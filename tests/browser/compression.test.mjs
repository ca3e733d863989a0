// The official client in a browser, against a server that compresses WebSocket messages.

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { profile, test } from "./browser.mjs";
import { Server } from "./server.mjs";

const bundles = fileURLToPath(new URL("node_modules/socket.io-client/dist", import.meta.url));
const ways = {
  "each message by itself": [[], "permessage-deflate; server_no_context_takeover; client_no_context_takeover"],
  "with contexts": [["--deflate-context-takeover"], "permessage-deflate"],
};

for (const [way, [flags, agreed]] of Object.entries(ways)) {
  // proves: features/per-message-deflate
  test(`compression, ${way}: a browser agrees, and events come whole`, async (t) => {
    const server = await Server.start("--app", "echo", "--client-dir", bundles, "--per-message-deflate", ...flags);
    t.after(() => server.kill());
    const context = await profile();
    t.after(() => context.close());
    const tab = await context.newPage();
    const network = await context.newCDPSession(tab);
    await network.send("Network.enable");
    const answered = new Promise((resolve) => network.once("Network.webSocketHandshakeResponseReceived", resolve));
    await tab.goto(`${server.url}/socket.io/socket.io.js`);
    await tab.addScriptTag({ url: `${server.url}/socket.io/socket.io.js` });
    const seen = await tab.evaluate(async () => {
      const within = (promise, what) => Promise.race([
        promise,
        new Promise((_, reject) => setTimeout(() => reject(new Error(`${what} did not come`)), 8_000)),
      ]);
      const socket = io({ transports: ["websocket"], reconnection: false });
      await within(new Promise((resolve) => socket.once("connect", resolve)), "connect");
      const list = Array.from({ length: 500 }, (_, id) => ({ id, name: `name ${id} 🙂`, wanted: id % 3 === 0 }));
      const bytes = crypto.getRandomValues(new Uint8Array(50_000));
      const repeated = new Uint8Array(300_000).fill(7);
      const wrong = [];
      // Several times, since the next may refer to the one before.
      for (let round = 0; round < 3; round++) {
        for (const sent of ["short", list, bytes.buffer, repeated.buffer, "x".repeat(900_000)]) {
          const back = new Promise((resolve) => socket.once("message-back", resolve));
          socket.emit("message", sent);
          const came = await within(back, "an answer");
          const text = (value) => (value instanceof ArrayBuffer ? new Uint8Array(value).join() : JSON.stringify(value));
          if (text(came) !== text(sent)) wrong.push(text(sent).slice(0, 20));
        }
      }
      socket.disconnect();
      return wrong;
    });
    assert.deepEqual(seen, []);
    const { response } = await answered;
    const fields = Object.fromEntries(Object.entries(response.headers).map(([name, value]) => [name.toLowerCase(), value]));
    assert.equal(fields["sec-websocket-extensions"], agreed);
  });
}
