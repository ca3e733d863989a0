// The guide keeps its word: each block of code on its page is run as it stands there, but for ports and installations.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { test } from "node:test";
import { client, connected, until } from "./gateway.mjs";
import { freePort } from "../free-port.mjs";

const here = import.meta.dirname;
const guide = readFileSync(join(here, "../../docs/guide/gateway.md"), "utf8");
const blocks = [...guide.matchAll(/^```(\w+)\n([^]*?)^```$/gm)].map(([, language, text]) => ({ language, text }));
const left = new Set(blocks);

/** The next block that begins so. */
function block(language, start = "") {
  const found = blocks.find((one) => left.has(one) && one.language === language && one.text.startsWith(start));
  assert.ok(found, `a block of ${language} that begins with ${start}`);
  left.delete(found);
  return found.text;
}

block("text");
block("sh", "cargo install");
const php = { file: "backend.php", code: block("php", "<?php"), start: block("sh", "php -S") };
const serve = block("sh", "socketio-server");
const page = block("html");
const publish = block("sh", "curl http://localhost:3001/api/emit");
const python = { file: "backend.py", code: block("python"), start: block("sh", "python3") };
const node = { file: "backend.mjs", code: block("js"), start: block("sh", "npm install") };
const online = block("sh", "umask");
const ask = block("sh", "curl http://localhost:3001/api/info");
const examples = [JSON.parse(block("json")), JSON.parse(block("json"))];
const check = { PHP: block("php", "$secrets"), Python: block("python", "import base64") };
const byHand = block("sh", "SECRET=");
const toml = block("toml");

test("the guide's blocks are all tested", () => assert.deepEqual([...left], []));

/** A fresh folder, and ports of its own in place of the guide's. */
async function place(t) {
  // Node looks for express from there.
  const folder = mkdtempSync(join(here, "node_modules", ".guide-"));
  t.after(() => rmSync(folder, { recursive: true }));
  symlinkSync(join(here, ".venv"), join(folder, ".venv"));
  mkdirSync(join(folder, "bin"));
  symlinkSync(realpathSync(process.env.TESTED_SERVER), join(folder, "bin", "socketio-server"));
  const ports = Object.fromEntries(await Promise.all([3000, 3001, 8000].map(async (port) => [port, await freePort()])));
  const local = (text) => text.replaceAll(/\b(3000|3001|8000)\b/g, (port) => ports[port]);
  const save = (file, text) => writeFileSync(join(folder, file), local(text));
  // What the tests' own run has installed.
  const installed = (text) => text.replaceAll(/^(python3 -m venv|\S*pip install|npm install) .*\n/gm, "");
  const terminal = (text) => {
    const env = { ...process.env, PATH: `${folder}/bin:${process.env.PATH}`, SOCKETIO_LISTEN: `127.0.0.1:${ports[3000]}` };
    const shell = spawn("bash", [], { cwd: folder, env, detached: true });
    const ended = once(shell, "exit");
    t.after(async () => {
      if (shell.exitCode === null && shell.signalCode === null) process.kill(-shell.pid, "SIGKILL");
      await ended;
    });
    const shown = { text: "" };
    for (const stream of [shell.stdout, shell.stderr]) stream.on("data", (data) => (shown.text += data));
    shell.stdin.write(`${local(installed(text))}\n`);
    const shows = (what) => until(`a terminal shows ${what}, but ${shown.text}`, () => shown.text.includes(what));
    return { shows, shown, end: () => process.kill(-shell.pid, "SIGTERM") };
  };
  return { folder, ports, save, terminal, url: `http://localhost:${ports[3000]}` };
}

/** The guide's backend and server, each in its terminal. */
async function chat(t, { file, code, start }, command = serve) {
  const at = await place(t);
  at.save(file, code);
  at.terminal(start);
  const answers = () => fetch(`http://127.0.0.1:${at.ports[8000]}/`).then(() => true, () => false);
  await until("the backend listens", answers);
  const server = at.terminal(command);
  await server.shows("listening on ");
  return { ...at, server };
}

for (const backend of [php, python, node]) {
  test(`the guide's chat: ${backend.file}`, async (t) => {
    const { url, terminal, server } = await chat(t, backend);
    await server.shows("webhooks are not signed");
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
    await terminal(publish).shows(guide.match(/It answers `([^`]+)`/)[1]);
    assert.deepEqual(await bert.next("chat"), ["server", "Welcome, everybody"]);
  });

  test(`the guide's chat with recovery: ${backend.file}`, async (t) => {
    // Who comes back as another doesn't get the other's rooms.
    const { url } = await chat(t, backend, serve.replace("\n", " --recovery 1m\n"));
    const clara = client(t, url, { user: "anna", password: "secret" });
    await connected(clara);
    assert.equal(await clara.timeout(10_000).emitWithAck("chat", "Hi"), "sent");
    await clara.next("chat");
    clara.io.engine.close();
    await until("Anna comes back as herself", () => clara.connected && clara.recovered);
    clara.auth = { user: "bert", password: "secret" };
    clara.io.engine.close();
    await until("Bert is in as himself", () => clara.connected && !clara.recovered);
    assert.equal(await clara.timeout(10_000).emitWithAck("chat", "Hi"), "sent");
    assert.deepEqual((await clara.next("chat")).slice(0, 2), ["bert", "Hi"]);
    clara.auth = { user: "bert", password: "wrong" };
    const refused = new Promise((done) => clara.once("connect_error", done));
    clara.io.engine.close();
    assert.equal((await refused).message, "wrong name or password");
  });
}

test("the guide's page", async (t) => {
  const { url, server } = await chat(t, node);
  const shown = [];
  const [input, form] = [{}, {}];
  const list = { appendChild: (item) => Object.defineProperty(item, "textContent", { set: (text) => shown.push(text) }) };
  const document = {
    createElement: () => ({}),
    querySelector: (name) => ({ "#messages": list, "#text": input, form })[name],
  };
  form.addEventListener = (_, listener) => (form.submit = listener);
  assert.ok(page.includes('io("http://localhost:3000"'));
  const open = (_, options) => client(t, url, options.auth, { reconnection: false });
  const script = page.match(/<script>([^]*)<\/script>/)[1];
  const answers = ["anna", "secret"];
  new Function("io", "document", "prompt", script)(open, document, () => answers.shift());
  await until("the page is in", () => shown.includes("You are in."));
  input.value = "Hi";
  await form.submit({ preventDefault() {} });
  await until("the page shows its own message", () => shown.includes("anna: Hi"));
  assert.equal(input.value, "");
  server.end();
  await until("the page says that it is out", () => shown.at(-1).startsWith("You are out: "));
  input.value = "Are you there?";
  await form.submit({ preventDefault() {} });
  assert.deepEqual([shown.at(-1), input.value], ["That was not sent. Try again.", "Are you there?"]);
});

const signed = {
  PHP: { ...php, code: php.code.replace("$hook =", (line) => `${check.PHP}${line}`) },
  Python: { ...python, code: python.code + check.Python },
};
for (const [language, backend] of Object.entries(signed)) {
  test(`the guide's commands to go online, and its signature in ${language}`, async (t) => {
    const at = await place(t);
    at.save(backend.file, backend.code);
    const terminal = at.terminal(backend.start);
    const body = '{"type":"batch","hooks":[]}';
    const post = (signature) => {
      const headers = { "content-type": "application/json", ...signature };
      return fetch(`http://127.0.0.1:${at.ports[8000]}/`, { method: "POST", headers, body });
    };
    await until("the backend listens", () => post({}).then(() => true, () => false));
    const time = String(Math.floor(Date.now() / 1000));
    const sign = (key, time) => {
      const signature = createHmac("sha256", key).update(`1.${time}.${body}`).digest("base64");
      return { "webhook-id": "1", "webhook-timestamp": time, "webhook-signature": `v1,${signature}` };
    };
    const refuses = async (headers) => assert.equal((await post(headers)).status, 500, JSON.stringify(headers));
    // The secret is not there yet, which is no secret of nothing.
    await refuses(sign("", time));
    const server = at.terminal(online);
    await server.shows("listening on ");
    assert.doesNotMatch(server.shown.text, /not signed/);
    await connected(client(t, at.url, { user: "anna", password: "secret" }));
    await at.terminal(ask).shows('"sessions":1');
    for (const forged of [{}, sign("", time), sign("another", time)]) await refuses(forged);
    await terminal.shows("Is webhook.secret the one that the server has?");
    // The secret is changed as the guide says: a second line.
    const next = "B".repeat(32);
    at.save("webhook.secret", `${readFileSync(join(at.folder, "webhook.secret"), "utf8")}whsec_${next}\n`);
    await connected(client(t, at.url, { user: "bert", password: "secret" }));
    const key = Buffer.from(next, "base64");
    assert.equal((await post(sign(key, time))).status, 200);
    await refuses(sign(key, String(time - 1000)));
    at.save("webhook.secret", "whsec_\n");
    await refuses(sign("", time));
  });
}

test("the guide's backends let nobody in whose login they can't read", async (t) => {
  for (const backend of [php, python, node]) {
    const { url } = await chat(t, backend);
    for (const auth of [{ "\u0000x": 1 }, { "\u0000x": 1, user: "anna", password: "wrong" }, {}, { user: { a: 1 } }]) {
      const stranger = client(t, url, auth, { reconnection: false });
      const joined = new Promise((done) => stranger.on("connect", () => done(true)));
      const refused = new Promise((done) => stranger.on("connect_error", () => done(false)));
      const closed = new Promise((done) => stranger.io.on("close", () => done(false)));
      assert.equal(await Promise.race([joined, refused, closed]), false, `${backend.file}: ${JSON.stringify(auth)}`);
    }
    // Nobody is shut out by them.
    await connected(client(t, url, { user: "anna", password: "secret" }));
  }
});

test("the guide's file of options", async (t) => {
  const at = await place(t);
  at.save("chat.toml", toml);
  await at.terminal("socketio-server config check chat.toml").shows("chat.toml is right");
  await at.terminal("socketio-server --config chat.toml").shows("listening on ");
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const claims = { sub: "1", name: "Anna", rooms: ["room:1"], exp: Math.floor(Date.now() / 1000) + 600 };
  const head = `${part({ alg: "HS256" })}.${part(claims)}`;
  const token = `${head}.${createHmac("sha256", toml.match(/key = "(.*)"/)[1]).update(head).digest("base64url")}`;
  const anna = client(t, at.url, { token });
  const [first] = await anna.next("presence:members");
  assert.deepEqual(first, { room: "room:1", members: [{ socket: anna.id, data: { name: "Anna" } }] });
  const other = client(t, at.url, { token });
  await connected(other);
  await other.timeout(10_000).emitWithAck("typing", "…");
  assert.deepEqual(await anna.next("typing"), ["…"]);
});

test("the guide's hooks", async (t) => {
  const at = await place(t);
  const hooks = [];
  const backend = createServer(async (request, response) => {
    let body = "";
    for await (const data of request) body += data;
    hooks.push(JSON.parse(body));
    response.end(hooks.at(-1).type === "connect" ? '{"data":{"user":"anna"}}' : "");
  }).listen(at.ports[8000], "127.0.0.1");
  t.after(() => backend.close() && backend.closeAllConnections());
  await once(backend, "listening");
  await at.terminal(serve).shows("listening on ");
  const anna = client(t, at.url, { user: "anna", password: "secret" });
  await anna.timeout(10_000).emitWithAck("chat", "Hi");
  // What is the same in each of them, and what is not.
  const same = ({ type, namespace, auth, event, args, ack, data, recovered }) =>
    ({ type, namespace, auth, event, args, ack, data, recovered });
  for (const example of examples) {
    const hook = hooks.find(({ type }) => type === example.type);
    assert.deepEqual([same(hook), Object.keys(hook)], [same(example), Object.keys(example)]);
  }
});

test("the guide's options", async (t) => {
  const spans = [...guide.matchAll(/`(--(?:event|namespace|presence-rooms|webhook-hook|jwt-key-url) [^`A-Z]+)`/g)];
  assert.ok(spans.length >= 5, `${spans}`);
  for (const [, options] of spans) {
    const at = await place(t);
    await at.terminal(`socketio-server --webhook http://127.0.0.1:1/ ${options}`).shows("listening on ");
  }
});

test("the guide's signature by hand", () => {
  const right = guide.match(/must produce\s+`([^`]+)`/)[1];
  assert.equal(execFileSync("bash", ["-c", byHand], { encoding: "utf8" }).trim(), right);
  const [, secret, id, time, body] = byHand.match(/SECRET=whsec_(\S+) ID=(\S+) TIMESTAMP=(\S+) BODY='(.*)'/);
  const hmac = createHmac("sha256", Buffer.from(secret, "base64")).update(`${id}.${time}.${body}`);
  assert.equal(hmac.digest("base64"), right);
});
