import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
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
    for (const name of [undefined, null, 7, ["Anna"]]) {
      const stranger = client(t, url, { name }, { reconnection: false });
      const [refused] = await new Promise((done) => stranger.on("connect_error", (...error) => done(error)));
      assert.deepEqual([refused.message, refused.data], ["who are you?", { code: 7 }]);
    }

    const anna = client(t, url, { name: "Anna" });
    assert.deepEqual(await anna.next("welcome"), ["Hello, Anna"]);
    const [alone] = await anna.next("presence:members");
    assert.deepEqual(alone, { room: "lobby", members: [{ socket: anna.id, data: { name: "Anna" } }] });
    const bert = client(t, url, { name: "Bert" });
    await bert.next("welcome");
    const member = { socket: bert.id, data: { name: "Bert" } };
    assert.deepEqual(await anna.next("presence:joined"), [{ room: "lobby", member }]);

    assert.deepEqual(await anna.timeout(10_000).emitWithAck("chat", "Hi", { a: [1], b: {} }), "ok");
    assert.deepEqual(await bert.next("chat"), ["Anna", "Hi", { a: [1], b: {} }]);
    assert.deepEqual(await anna.timeout(10_000).emitWithAck("chat", Buffer.from("Hi")), "ok");
    assert.deepEqual(await bert.next("chat"), ["Anna", Buffer.from("Hi")]);

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
      const body = JSON.stringify({ type: "connect", socket: "x", auth: { name: "Mallory" }, data: {} });
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
    // Odd ones are refused like wrong ones, and as many of them as there are, the others get in.
    const refuse = async (auth, options) => {
      const stranger = client(t, url, auth, { reconnection: false, ...options });
      const [error] = await new Promise((done) => stranger.on("connect_error", (...error) => done(error)));
      assert.equal(error.message, "wrong name or password", JSON.stringify(auth));
    };
    for (const user of ["anna", "", "__proto__", 7, null, true, ["anna"], { a: 1 }, undefined]) {
      for (const password of ["wrong", undefined]) await refuse({ user, password });
    }
    const [anna, bert] = ["anna", "bert"].map((user) => client(t, url, { user, password: "secret" }));
    await Promise.all([connected(anna), connected(bert)]);
    assert.equal(await anna.timeout(10_000).emitWithAck("chat", "Hi"), "sent");
    assert.deepEqual([await anna.next("chat"), await bert.next("chat")], [["anna", "Hi"], ["anna", "Hi"]]);
    assert.equal(await anna.timeout(10_000).emitWithAck("chat"), "sent");
    assert.deepEqual(await bert.next("chat"), ["anna", ""]);
    assert.equal(await anna.timeout(10_000).emitWithAck("chat", Buffer.from("Hi")), "sent");
    assert.deepEqual(await bert.next("chat"), ["anna", Buffer.from("Hi")]);
    const news = { to: ["lobby"], event: "chat", args: ["server", "Welcome, everybody"] };
    assert.deepEqual((await call("emit", news)).body, { sockets: 2, scope: "cluster" });
    assert.deepEqual(await bert.next("chat"), ["server", "Welcome, everybody"]);

    // Who comes back as another doesn't get the other's rooms.
    const { url: other } = await server(t, ["--webhook", behind.url, "--webhook-events", "chat", "--recovery", "1m"]);
    const clara = client(t, other, { user: "anna", password: "secret" });
    await connected(clara);
    assert.equal(await clara.timeout(10_000).emitWithAck("chat", "Hi"), "sent");
    await clara.next("chat");
    clara.io.engine.close();
    await until("Anna comes back as herself", () => clara.connected && clara.recovered);
    clara.auth = { user: "bert", password: "secret" };
    const refused = new Promise((done) => clara.once("connect_error", done));
    clara.io.engine.close();
    assert.equal((await refused).message, "wrong name or password");
  });
}

test("the guide's page", async (t) => {
  const behind = await backend(t, undefined, {
    command: (port) => {
      const folder = mkdtempSync(join(import.meta.dirname, "node_modules", ".guide-"));
      t.after(() => rmSync(folder, { recursive: true }));
      writeFileSync(join(folder, "backend.mjs"), snippet("js"));
      return GUIDE.js(join(folder, "backend.mjs"), port);
    },
  });
  const { url, stop } = await server(t, ["--webhook", behind.url, "--webhook-events", "chat"]);
  const shown = [];
  const [input, form] = [{}, {}];
  const list = { appendChild: (item) => Object.defineProperty(item, "textContent", { set: (text) => shown.push(text) }) };
  const document = {
    createElement: () => ({}),
    querySelector: (name) => ({ "#messages": list, "#text": input, form })[name],
  };
  form.addEventListener = (_, listener) => (form.submit = listener);
  const open = (_, options) => client(t, url, options.auth, { reconnection: false });
  const page = snippet("html").match(/<script>([^]*)<\/script>/)[1];
  const answers = ["anna", "secret"];
  new Function("io", "document", "prompt", page)(open, document, () => answers.shift());
  await until("the page is in", () => shown.includes("You are in."));
  input.value = "Hi";
  await form.submit({ preventDefault() {} });
  await until("the page shows its own message", () => shown.includes("anna: Hi"));
  assert.equal(input.value, "");
  await stop();
  await until("the page says that it is out", () => shown.at(-1).startsWith("You are out: "));
  input.value = "Are you there?";
  await form.submit({ preventDefault() {} });
  assert.deepEqual([shown.at(-1), input.value], ["That was not sent. Try again.", "Are you there?"]);
});

test("the guide's signature by hand", () => {
  const [, right, commands] = guide.match(/must give `([^`]+)`:\s+```sh\n([^]*?)```/);
  assert.equal(execFileSync("bash", ["-c", commands], { encoding: "utf8" }).trim(), right);
  const [, secret, id, time, body] = commands.match(/SECRET=whsec_(\S+) ID=(\S+) TIMESTAMP=(\S+) BODY='(.*)'/);
  const hmac = createHmac("sha256", Buffer.from(secret, "base64")).update(`${id}.${time}.${body}`);
  assert.equal(hmac.digest("base64"), right);
});
