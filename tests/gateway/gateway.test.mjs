import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { SECRET, backend, client, connected, freePort, server, until } from "./gateway.mjs";

const hooked = (t, behind, more = []) => server(t, ["--webhook", behind.url, "--webhook-secret", SECRET, ...more]);

for (const language of ["PHP", "Python", "Node"]) {
  test(`${language}: a chat with login`, async (t) => {
    const behind = await backend(t, language);
    const { url, call, stop } = await hooked(t, behind, ["--presence-rooms", "lobby", "--presence-data", "name"]);
    const stranger = client(t, url, {}, { reconnection: false });
    const [refused] = await new Promise((done) => stranger.on("connect_error", (...error) => done(error)));
    assert.deepEqual([refused.message, refused.data], ["who are you?", { code: 7 }]);

    const anna = client(t, url, { name: "Anna" });
    assert.deepEqual(await anna.next("welcome"), ["Hello, Anna"]);
    const [alone] = await anna.next("presence:members");
    assert.deepEqual(alone, { room: "lobby", members: [{ socket: anna.id, data: { name: "Anna" } }] });
    const bert = client(t, url, { name: "Bert" });
    await bert.next("welcome");
    const member = { socket: bert.id, data: { name: "Bert" } };
    assert.deepEqual(await anna.next("presence:joined"), [{ room: "lobby", member }]);

    assert.deepEqual(await anna.timeout(10_000).emitWithAck("chat", "Hi", { a: [1] }), "ok");
    assert.deepEqual(await bert.next("chat"), ["Anna", "Hi", { a: [1] }]);

    const { status, body } = await call("emit", { to: ["lobby"], event: "news", args: ["all"] });
    assert.deepEqual([status, body], [200, { sockets: 2, scope: "cluster" }]);
    assert.deepEqual([await anna.next("news"), await bert.next("news")], [["all"], ["all"]]);
    bert.on("vote", (question, answer) => answer(`yes to ${question}`));
    const asked = await call("emit", { to: [bert.id], event: "vote", args: ["tea"], timeout: "5s" });
    assert.deepEqual(asked.body.answers, [{ socket: bert.id, args: ["yes to tea"] }]);
    assert.deepEqual((await call(`sockets/${bert.id}`)).body.data, { name: "Bert" });

    bert.disconnect();
    assert.deepEqual(await anna.next("presence:left"), [{ room: "lobby", member }]);
    await until("the end is told", () => behind.told().includes("disconnected client namespace disconnect"));
    await stop("SIGTERM");
    // What happens while the server ends is told before it has ended.
    assert.ok(behind.told().some((line) => line.startsWith("disconnected server shutting down")), behind.told().join());
  });

  test(`${language}: a slow backend costs its acknowledgement and nothing else`, async (t) => {
    const behind = await backend(t, language);
    const { url } = await hooked(t, behind, ["--webhook-event-timeout", "300ms"]);
    const anna = client(t, url, { name: "Anna" });
    const bert = client(t, url, { name: "Bert" });
    await Promise.all([connected(anna), connected(bert)]);
    const slow = anna.timeout(900).emitWithAck("slow");
    assert.equal(await bert.timeout(10_000).emitWithAck("chat", "meanwhile"), "ok");
    await assert.rejects(slow);
    assert.equal(await anna.timeout(10_000).emitWithAck("chat", "afterwards"), "ok");
  });

  test(`${language}: clients come back when the backend does`, async (t) => {
    const first = await backend(t, language);
    const { url } = await hooked(t, first);
    await first.stop();
    const anna = client(t, url, { name: "Anna" });
    let refused = 0;
    anna.on("connect_error", () => (refused += 1));
    await until("the client tries again", () => anna.io._reconnecting);
    assert.ok(!anna.connected);
    await backend(t, language, { port: first.port });
    await connected(anna);
    assert.equal(refused, 0, "an outage is no refusal");
  });

  test(`${language}: a hook that is forged or comes again is refused`, async (t) => {
    const behind = await backend(t, language);
    const send = async (id, time, secret) => {
      const body = JSON.stringify({ type: "connect", socket: "x", auth: { name: "Mallory" } });
      const key = Buffer.from(secret.slice("whsec_".length), "base64");
      const signature = createHmac("sha256", key).update(`${id}.${time}.${body}`).digest("base64");
      const headers = {
        "content-type": "application/json",
        "webhook-id": id,
        "webhook-timestamp": String(time),
        "webhook-signature": `v1,${signature}`,
      };
      return (await fetch(behind.url, { method: "POST", headers, body })).status;
    };
    const now = Math.floor(Date.now() / 1000);
    assert.equal(await send("1", now, "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), 401);
    assert.equal(await send("2", now - 1000, SECRET), 401);
    assert.equal(await send("3", now, SECRET), 200);
    assert.equal(await send("3", now, SECRET), 401);
  });
}

test("keys and secrets are changed without a pause", async (t) => {
  const [oldSecret, newSecret] = [SECRET, "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"];
  const behind = await backend(t, "Node", { secrets: newSecret });
  const secrets = ["--webhook-secret", oldSecret, "--webhook-secret", newSecret];
  const { url, call } = await server(t, ["--webhook", behind.url, ...secrets, "--api-key", "the-next-key-12345"]);
  await connected(client(t, url, { name: "Anna" }));
  assert.equal((await call("info")).status, 200);
  assert.equal((await call("info", undefined, "the-next-key-12345")).status, 200);
  assert.equal((await call("info", undefined, "a-wrong-key-123456")).status, 401);
});

test("clients come back after the server does, with many at once", async (t) => {
  const behind = await backend(t, "Node");
  const port = await freePort();
  const first = await hooked(t, behind);
  await first.stop();
  const clients = Array.from({ length: 100 }, (_, n) => client(t, `http://127.0.0.1:${port}`, { name: `${n}` }));
  await server(t, ["--webhook", behind.url, "--webhook-secret", SECRET], { port });
  await Promise.all(clients.map(connected));
});

// The guide keeps its word: its backends are run as they stand there.
const guide = readFileSync(join(import.meta.dirname, "../../docs/guide/gateway.md"), "utf8");
const snippet = (language) => guide.match(new RegExp("```" + language + "\\n([^]*?)```"))[1];
const GUIDE = {
  php: (file, port) => ["php", "-S", `127.0.0.1:${port}`, file],
  python: (file, port) => [
    `${import.meta.dirname}/.venv/bin/flask`, "--app", file, "run", "--port", String(port),
  ],
  js: (file, port) => ["node", file, String(port)],
};

for (const [language, command] of Object.entries(GUIDE)) {
  test(`the guide's chat in ${language}`, async (t) => {
    // Node looks for express from there.
    const folder = mkdtempSync(join(import.meta.dirname, "node_modules", ".guide-"));
    t.after(() => rmSync(folder, { recursive: true }));
    const file = join(folder, `backend.${language === "js" ? "mjs" : language === "python" ? "py" : "php"}`);
    writeFileSync(file, snippet(language));
    const behind = await backend(t, undefined, { command: (port) => command(file, port) });
    const { url, call } = await server(t, ["--webhook", behind.url, "--webhook-events", "chat"]);
    const stranger = client(t, url, { user: "anna", password: "wrong" }, { reconnection: false });
    const [refused] = await new Promise((done) => stranger.on("connect_error", (...error) => done(error)));
    assert.equal(refused.message, "wrong name or password");
    const [anna, bert] = ["anna", "bert"].map((user) => client(t, url, { user, password: "secret" }));
    await Promise.all([connected(anna), connected(bert)]);
    assert.equal(await anna.timeout(10_000).emitWithAck("chat", "Hi"), "sent");
    assert.deepEqual([await anna.next("chat"), await bert.next("chat")], [["anna", "Hi"], ["anna", "Hi"]]);
    const news = { to: ["lobby"], event: "chat", args: ["server", "Welcome, everybody"] };
    assert.deepEqual((await call("emit", news)).body, { sockets: 2, scope: "cluster" });
    assert.deepEqual(await bert.next("chat"), ["server", "Welcome, everybody"]);
  });
}
