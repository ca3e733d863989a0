// The official client's bundle in the browser, against `--app echo`: loaded from the server itself
// (`--client-dir`), in every transport, from the server's origin and from another one.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { after, before } from "node:test";
import { profile, test } from "./browser.mjs";
import { Server } from "./server.mjs";

const bundles = fileURLToPath(new URL("node_modules/socket.io-client/dist", import.meta.url));
const modes = {
  "polling": ["polling"],
  "websocket": ["websocket"],
  "polling, then upgrade": ["polling", "websocket"],
};

let server;
before(async () => {
  server = await Server.start("--app", "echo", "--client-dir", bundles);
});
after(() => server.kill());

/**
 * A page that has loaded the bundle named `bundle` from the server at `from`. The page itself is of that
 * server's origin (the file, shown as text, which is a page too), or stands at `at`.
 */
async function page(t, { from = server.url, at = `${from}/socket.io/socket.io.js`, bundle = "socket.io.js" } = {}) {
  const context = await profile();
  t.after(() => context.close());
  const tab = await context.newPage();
  await tab.goto(at);
  const url = `${from}/socket.io/${bundle}`;
  if (bundle.includes("esm")) await tab.evaluate(async (url) => Object.assign(window, await import(url)), url);
  else await tab.addScriptTag({ url });
  await tab.evaluate(() => {
    const within = (promise, what) => Promise.race([
      promise,
      new Promise((_, reject) => setTimeout(() => reject(new Error(`${what} did not come`)), 8_000)),
    ]);
    const bytes = (value) => (value instanceof ArrayBuffer ? { bytes: [...new Uint8Array(value)] } : value);
    Object.assign(window, {
      within,
      /** What arrives for an event, with ArrayBuffers as `{bytes}`, so that it can leave the page. */
      next: (socket, event) => within(new Promise((resolve) => socket.once(event, (...args) => resolve(args.map(bytes)))), event),
      call: async (socket, ...args) => (await within(socket.emitWithAck(...args), `the ack of ${args[0]}`)),
      /** A socket that has connected, and upgraded if it may. */
      connect: async (namespace, transports, options) => {
        const socket = io(namespace, { transports, forceNew: true, reconnection: false, ...options });
        const auth = next(socket, "auth");
        await within(new Promise((resolve, reject) => {
          socket.once("connect", resolve);
          socket.once("connect_error", reject);
        }), "connect");
        const { engine } = socket.io;
        if (transports.length > 1 && engine.transport.name === "polling") {
          await within(new Promise((resolve) => engine.once("upgrade", resolve)), "upgrade");
        }
        socket.greeting = await auth;
        return socket;
      },
      bytes,
    });
  });
  return tab;
}

for (const [mode, transports] of Object.entries(modes)) {
  const last = transports.at(-1);

  // proves: features/serve-client
  test(`${mode}: text and unicode come back`, async (t) => {
    const tab = await page(t);
    const seen = await tab.evaluate(async (transports) => {
      const socket = await connect("/", transports);
      const back = next(socket, "message-back");
      socket.emit("message", "héllo 🙂", 1.5, null, { a: ["日本"] });
      return { back: await back, transport: socket.io.engine.transport.name, greeting: socket.greeting };
    }, transports);
    assert.deepEqual(seen, { back: ["héllo 🙂", 1.5, null, { a: ["日本"] }], transport: last, greeting: [{}] });
  });

  test(`${mode}: an ArrayBuffer, a typed array and a Blob come back as ArrayBuffers`, async (t) => {
    const tab = await page(t);
    const back = await tab.evaluate(async (transports) => {
      const socket = await connect("/", transports);
      const values = [new Uint8Array([0, 1, 254, 255]).buffer, new Uint8Array([7]), new Blob(["blob"])];
      const results = [];
      for (const value of values) {
        const back = next(socket, "message-back");
        socket.emit("message", value);
        results.push((await back)[0]);
      }
      const nested = new Promise((resolve) => socket.once("message-back", resolve));
      socket.emit("message", { list: [values[0], { deep: values[1] }], name: "x" });
      const { list, name } = await nested;
      return [...results, bytes(list[0]), bytes(list[1].deep), name];
    }, transports);
    const four = { bytes: [0, 1, 254, 255] };
    assert.deepEqual(back, [four, { bytes: [7] }, { bytes: [98, 108, 111, 98] }, four, { bytes: [7] }, "x"]);
  });

  test(`${mode}: acks answer with the same arguments, binary too`, async (t) => {
    const tab = await page(t);
    const answers = await tab.evaluate(async (transports) => {
      const socket = await connect("/", transports);
      const text = await call(socket, "message-with-ack", "a");
      const binary = bytes(await call(socket, "message-with-ack", new Uint8Array([1, 2, 3])));
      const many = await Promise.all([...Array(50).keys()].map((i) => call(socket, "message-with-ack", i)));
      return { text, binary, many };
    }, transports);
    assert.deepEqual(answers, { text: "a", binary: { bytes: [1, 2, 3] }, many: [...Array(50).keys()] });
  });

  test(`${mode}: a namespace of its own on the same session, with its auth`, async (t) => {
    const tab = await page(t);
    const seen = await tab.evaluate(async (transports) => {
      const main = await connect("/", transports);
      const custom = main.io.socket("/custom", { auth: { token: "abc" } });
      const [auth] = await next(custom, "auth");
      const leaked = [];
      main.on("message-back", (...args) => leaked.push(args));
      const back = next(custom, "message-back");
      custom.emit("message", "there");
      const refused = await within(new Promise((resolve) => {
        main.io.socket("/nowhere").once("connect_error", ({ message }) => resolve(message));
      }), "connect_error");
      return { auth, back: await back, leaked, refused, ids: main.id !== custom.id };
    }, transports);
    assert.deepEqual(seen, { auth: { token: "abc" }, back: ["there"], leaked: [], refused: "Invalid namespace", ids: true });
  });

  test(`${mode}: messages just under the limit pass`, async (t) => {
    const tab = await page(t);
    const sizes = await tab.evaluate(async (transports) => {
      const socket = await connect("/", transports);
      const sizes = [];
      for (const value of ["x".repeat(990_000), new Uint8Array(740_000).fill(9)]) {
        const back = new Promise((resolve) => socket.once("message-back", resolve));
        socket.emit("message", value);
        const answer = await back;
        sizes.push(answer.length ?? answer.byteLength);
      }
      return sizes;
    }, transports);
    assert.deepEqual(sizes, [990_000, 740_000]);
  });

  test(`${mode}: 200 events arrive once and in order`, async (t) => {
    const tab = await page(t);
    const order = await tab.evaluate(async (transports) => {
      // Sent from the connect on, so across the upgrade where there is one.
      const socket = io("/", { transports, forceNew: true });
      const order = [];
      const done = new Promise((resolve) => socket.on("message-back", (i) => order.push(i) === 200 && resolve()));
      await new Promise((resolve) => socket.once("connect", resolve));
      for (let i = 0; i < 200; i++) {
        socket.emit("message", i);
        if (i % 5 === 0) await new Promise((resolve) => setTimeout(resolve));
      }
      await done;
      return order;
    }, transports);
    assert.deepEqual(order, [...Array(200).keys()]);
  });
}

for (const bundle of ["socket.io.min.js", "socket.io.esm.min.js"]) {
  test(`the bundle ${bundle} works too`, async (t) => {
    const tab = await page(t, { bundle });
    const answer = await tab.evaluate(async () => call(await connect("/", ["polling", "websocket"]), "message-with-ack", 1));
    assert.equal(answer, 1);
  });
}

test("the client comes back after a restart of the server", async (t) => {
  const own = await Server.start("--app", "echo", "--client-dir", bundles);
  t.after(() => own.kill());
  const tab = await page(t, { from: own.url });
  await tab.evaluate(async () => {
    window.socket = await connect("/", ["polling", "websocket"], { reconnection: true, reconnectionDelay: 100 });
    window.lost = new Promise((resolve) => socket.once("disconnect", resolve));
  });
  await own.kill();
  assert.match(await tab.evaluate(() => lost), /transport (close|error)/);
  await own.restart();
  assert.equal(await tab.evaluate(async () => {
    if (!socket.connected) await new Promise((resolve) => socket.once("connect", resolve));
    return call(socket, "message-with-ack", "again");
  }), "again");
});

/** A page on an origin of its own, which takes the bundle from the server. */
async function otherOrigin(t) {
  const other = createServer((request, response) => {
    response.setHeader("content-type", "text/html");
    response.end("<!doctype html><title>elsewhere</title>");
  }).listen(0, "127.0.0.1");
  t.after(() => other.close());
  await once(other, "listening");
  return `http://127.0.0.1:${other.address().port}`;
}

/** Connects from a page on `origin` to a server that allows `allowed`; the answer of an ack, or the error. */
async function acrossOrigins(t, origin, allowed, transports) {
  const flags = allowed ? ["--cors-origin", allowed] : [];
  const own = await Server.start("--app", "echo", "--client-dir", bundles, ...flags);
  t.after(() => own.kill());
  const tab = await page(t, { from: own.url, at: origin });
  return tab.evaluate(async ([url, transports]) => {
    try {
      const socket = await connect(url, transports);
      return bytes(await call(socket, "message-with-ack", new Uint8Array([5])));
    } catch (error) {
      return error.message;
    }
  }, [own.url, transports]);
}

for (const [mode, transports] of Object.entries(modes)) {
  test(`another origin that is allowed can connect: ${mode}`, async (t) => {
    const origin = await otherOrigin(t);
    assert.deepEqual(await acrossOrigins(t, origin, origin, transports), { bytes: [5] });
  });
}

for (const [what, allowed] of [["no CORS is configured", undefined], ["another one is allowed", "https://example.org"]]) {
  test(`an origin is refused by polling when ${what}`, async (t) => {
    const origin = await otherOrigin(t);
    assert.equal(await acrossOrigins(t, origin, allowed, ["polling"]), "xhr poll error");
  });
}
