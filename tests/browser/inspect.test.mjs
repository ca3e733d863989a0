// The inspector's page: what one sees of sessions, and what one does with it.

import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { io } from "socket.io-client";
import { test } from "./browser.mjs";
import { made, real } from "./inspector.mjs";
import { HEAD, Script, upgrading } from "./journals.mjs";

// proves: features/admin-ui
test("a client's polling, probe and upgrade are seen as they happen", async (t) => {
  const { server, visit } = await real(t, "--app", "echo");
  const inspector = await visit();
  const socket = io(server.url, { forceNew: true });
  t.after(() => socket.close());
  await new Promise((resolve) => socket.io.engine.once("upgrade", resolve) ?? socket.io.once("open", () => socket.io.engine.once("upgrade", resolve)));
  assert.deepEqual(await socket.emitWithAck("message-with-ack", "hello"), "hello");

  await inspector.lane(1).filter({ hasText: "by polling, then WebSocket, live" }).waitFor();
  await inspector.choose(1);
  await inspector.heading().filter({ hasText: "#1 WebSocket" }).waitFor();
  const steps = inspector.panel().locator(".dance li");
  for (const step of ["GET, Upgrade: websocket", "101", "2probe", "3probe", "5"]) {
    await steps.filter({ has: inspector.page.locator("code").getByText(step, { exact: true }) }).first().waitFor();
  }
  await inspector.panel().getByText("The server pings every 25 s").waitFor();
  await inspector.panel().locator(".places li").filter({ hasText: socket.id }).waitFor();

  await inspector.filter("2probe");
  await inspector.record(/ping.*does this WebSocket work/).click();
  await inspector.heading().filter({ hasText: "ping" }).waitFor();
  await inspector.panel().getByRole("row").filter({ hasText: "“probe”" }).waitFor();

  socket.close();
  await inspector.filter("");
  await inspector.lane(1).filter({ hasText: "transport close" }).waitFor();
});

test("hooks and API calls are seen with the session that they are about", async (t) => {
  const backend = createServer((request, response) => response.end('{"join":["lobby"],"data":{"token":"hunter2"}}'));
  await once(backend.listen(0, "127.0.0.1"), "listening");
  t.after(() => backend.close());
  const webhook = `http://127.0.0.1:${backend.address().port}/`;
  const { server, visit } = await real(t, "--api", "127.0.0.1:0", "--webhook", webhook);
  const api = await server.says(/API on (\S+)/);
  const inspector = await visit();
  const socket = io(server.url, { forceNew: true, transports: ["websocket"] });
  t.after(() => socket.close());
  const news = once(socket, "news");
  await once(socket, "connect");
  const body = JSON.stringify({ to: ["lobby"], event: "news" });
  const sent = await fetch(`${api}emit`, { method: "POST", headers: { "content-type": "application/json" }, body });
  assert.equal(sent.status, 200);
  await news;

  await inspector.lane(1).filter({ hasText: "2 notes of the application" }).waitFor();
  await inspector.button("Application").click();
  await inspector.record(/hook connect.*200 OK.*"join":\["lobby"\].*took/).waitFor();
  await inspector.record(/api emit.*news to lobby/).click();
  await inspector.heading().filter({ hasText: "api emit" }).waitFor();
  assert.equal(await inspector.records().getByRole("option").count(), 2, "nothing else is of the application");
  assert.equal(await inspector.page.getByText("hunter2").count(), 0);
});

test("a broken client's mistake is named, with the rule and where it stands", async (t) => {
  const { server, visit } = await real(t, "--app", "echo");
  const inspector = await visit();
  const handshake = await fetch(`${server.url}/socket.io/?EIO=4&transport=polling`);
  const { sid } = JSON.parse((await handshake.text()).slice(1));
  const url = `${server.url}/socket.io/?EIO=4&transport=polling&sid=${sid}`;
  await fetch(url, { method: "POST", body: "40" });
  await fetch(url, { method: "POST", body: '42["chat","hi"' });
  await inspector.lane(1).filter({ hasText: "1 rule breach" }).waitFor();
  await inspector.choose(1);
  await inspector.panel().getByText("parse error: the client sent something invalid.").waitFor();
  await inspector.panel().getByRole("button", { name: /^JSON/ }).click();
  await inspector.panel().getByText("The server ends the session: parse error.").waitFor();
  const link = inspector.panel().getByRole("link", { name: /Socket.IO protocol 5/ });
  assert.match(await link.getAttribute("href"), /^https:\/\/socket\.io\/docs\/v4\/socket-io-protocol\/#/);
  assert.equal(await link.getAttribute("rel"), "noreferrer");
});

test("a packet opens to its layers and its bytes", async (t) => {
  const { server, visit } = await made(t);
  server.write(HEAD, ...new Script(1).open({ transport: "websocket" }).event("in", '42["é","x"]').lines);
  const inspector = await visit();
  await inspector.openRecord(/EVENT.*“é”/);
  const panel = inspector.panel();
  assert.deepEqual(await panel.locator(".layer-name").allTextContents(), ["HTTP", "WebSocket", "Engine.IO", "Socket.IO"]);
  const rows = await panel.getByRole("row").allTextContents();
  assert.deepEqual(rows.slice(1), [
    "04Engine.IO message: the rest belongs to Socket.IO",
    "12Socket.IO EVENT: an event with its arguments",
    '2["é","x"]payload: the event\'s name and its arguments',
    '3"é"the event\'s name',
    '8"x"argument 1: a string',
  ]);
  assert.match(await panel.getByRole("group", { name: "Hexadecimal" }).textContent(), /^000034 32 5b 22 c3 a9 22 2c/);
  await panel.getByRole("button", { name: "WebSocket text frame" }).click();
  await inspector.heading().filter({ hasText: "text frame" }).waitFor();
  assert.ok(await panel.getByRole("button", { name: "WebSocket text frame" }).evaluate((e) => e === document.activeElement), "the focus stays");
  await panel.getByRole("button", { name: /^HTTP GET/ }).click();
  await panel.getByText("user-agent").waitFor();
});

test("the list is narrowed by session, layer, direction, type and text", async (t) => {
  const { server, visit } = await made(t);
  const first = upgrading(1);
  server.write(HEAD, ...first.lines, ...new Script(2, first.next).open({ transport: "websocket" }).event("out", '42["tea","later"]').lines);
  const inspector = await visit();
  const count = (text) => inspector.page.getByText(text, { exact: true }).waitFor();

  await inspector.choose(2);
  await count("7 records");
  assert.ok((await inspector.rows()).every((row) => row.includes("#2")));
  await inspector.button("Socket.IO").click();
  await count("1 record");
  await inspector.button("Session 2: show all sessions").click();
  await inspector.page.getByLabel("Direction").selectOption("From clients");
  await count("2 records");
  await inspector.page.getByLabel("Type").selectOption("event");
  await count("1 record");
  await inspector.button("Clear").click();
  await inspector.filter("TEA later");
  await count("3 records");
  await inspector.filter("nothing like this");
  await inspector.page.getByText("No record matches.").waitFor();
});

test("while it is paused the page stands still, and counts what comes", async (t) => {
  const { server, visit } = await made(t);
  const script = new Script(1).open({ transport: "websocket" });
  server.write(HEAD, ...script.lines);
  const inspector = await visit();
  await inspector.record(/the session and its rules/).waitFor();
  await inspector.press("Space");
  await inspector.status("paused");
  const before = await inspector.rows();
  script.lines = [];
  script.at(100).event("in", '42["a"]').event("in", '42["b"]');
  server.write(...script.lines);
  await inspector.totals("6 since");
  assert.deepEqual(await inspector.rows(), before);
  await inspector.press("Space");
  await inspector.record(/“b”/).waitFor();
  await inspector.status("live");
});

test("what clients send is shown as text and never becomes part of the page", async (t) => {
  const { server, visit } = await made(t);
  const evil = `<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>&lt;b>\u202e`;
  const script = new Script(1).open({ transport: "websocket" });
  script.event("in", `42${JSON.stringify([evil, { [evil]: evil }])}`).event("in", '42[{"toString":1,"__proto__":[]}]');
  const request = script.request("GET", "polling", { target: `/socket.io/?${evil}` });
  script.add({ from: request, kind: "refused", code: 3, fault: evil, reason: evil });
  script.add({ kind: "violation", rule: "__proto__", text: evil });
  script.add({ kind: evil, nsp: evil });
  script.add({ kind: "joined", nsp: evil, socket: evil });
  script.add({ kind: "room_joined", nsp: evil, socket: evil, room: evil });
  script.add({ kind: "closed", reason: evil });
  server.write(HEAD, ...script.lines);
  const inspector = await visit();
  await inspector.choose(1);
  await inspector.panel().getByText(evil.slice(0, 30)).first().waitFor();
  const rows = (await inspector.rows()).length;
  await inspector.records().focus();
  await inspector.press("Home", "Enter");
  for (let row = 1; row < rows; row++) await inspector.press("ArrowDown");
  assert.equal(await inspector.page.locator("main img, main script, main b b").count(), 0);
  assert.doesNotMatch(await inspector.page.title(), /owned/);
  assert.doesNotMatch(await inspector.page.locator("main").textContent(), /\u202e/, "what turns text around is shown as an escape");
});

test("everything can be done by keyboard alone", async (t) => {
  const { server, visit } = await made(t);
  const first = upgrading(1);
  server.write(HEAD, ...first.lines, ...new Script(2, first.next).open({ transport: "websocket" }).lines);
  const inspector = await visit();
  await inspector.lane(2).waitFor();
  const focused = () => inspector.page.evaluate(() => document.activeElement.getAttribute("aria-label") || document.activeElement.textContent.trim());
  const tabTo = async (name, key = "Tab") => {
    const passed = [];
    for (let i = 0; i < 30; i++) {
      await inspector.press(key);
      passed.push(await focused());
      if (name.test(passed.at(-1))) return;
    }
    assert.fail(`${key} never came to ${name}, only to ${passed.join(", ")}`);
  };
  const active = (list) => list.evaluate((element) => document.getElementById(element.getAttribute("aria-activedescendant"))?.innerText);

  await tabTo(/^Sessions/);
  await inspector.press("End", "ArrowUp", "ArrowDown");
  assert.match(await active(inspector.lanes()), /^#1/);
  await inspector.press("Enter");
  await inspector.heading().filter({ hasText: "#1" }).waitFor();

  await inspector.press("/");
  assert.equal(await focused(), "Text in a record");
  await inspector.page.keyboard.type("2probe /");
  assert.equal(await inspector.page.getByRole("searchbox", { name: "Text in a record" }).inputValue(), "2probe /", "in a field, / is a letter");
  await inspector.page.getByRole("searchbox", { name: "Text in a record" }).fill("probe");
  await inspector.press("Escape");
  assert.match(await focused(), /^Records/);
  await inspector.press("Home", "ArrowDown", "ArrowDown", "Enter");
  await inspector.heading().filter({ hasText: "ping" }).waitFor();
  await inspector.press("ArrowDown");
  await inspector.heading().filter({ hasText: "text frame" }).waitFor();
  assert.match(await focused(), /^Records/, "the focus stays in the list");
  await inspector.press("Escape");
  await inspector.heading().filter({ hasText: "#1" }).waitFor();
  await inspector.press("Escape");
  await inspector.heading().filter({ hasText: "What this page shows" }).waitFor();
  assert.match(await focused(), /^Sessions/, "the focus is where the session was chosen");

  await inspector.press("Space");
  await inspector.status("paused");
  await tabTo(/^Resume$/, "Shift+Tab");
  await inspector.press("Enter");
  await inspector.status("live");
});

test("on a narrow screen details open over the rest, and nothing is cut off", async (t) => {
  const { server, visit } = await made(t);
  server.write(HEAD, ...upgrading(1).lines);
  const phone = await visit({ viewport: { width: 360, height: 640 }, hasTouch: true, isMobile: true });
  await phone.lane(1).locator(".number").tap();
  await phone.heading().filter({ hasText: "#1" }).waitFor();
  await phone.button("Close details").tap();
  await phone.panel().waitFor({ state: "hidden" });
  const wide = await phone.page.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(wide <= 360, `the page is ${wide} pixels wide on a screen of 360`);
});

for (const colorScheme of ["light", "dark"]) {
  test(`axe finds nothing in the ${colorScheme} scheme`, async (t) => {
    const { server, visit } = await made(t);
    const script = upgrading(1);
    const broken = new Script(2, script.next).open({ transport: "websocket" }).event("in", '42["a"]');
    broken.add({ from: broken.last, direction: "in", kind: "violation", rule: "JSON", text: "the payload is not JSON" });
    broken.add({ kind: "closed", reason: "parse error" });
    server.write(HEAD, ...script.lines, ...broken.lines);
    const inspector = await visit({ colorScheme });
    const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
    await inspector.page.evaluate(axe);
    const examine = async (place) => {
      const found = await inspector.page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
      const words = found.violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target, any }) => `${target} ${any[0]?.message ?? ""}`).join("; ")}`);
      assert.deepEqual(words, [], place);
    };
    await inspector.record(/JSON/).waitFor();
    await examine("with nothing chosen");
    await inspector.choose(1);
    await inspector.panel().getByText("2probe", { exact: true }).waitFor();
    await examine("with a session");
    await inspector.choose(2);
    await inspector.openRecord(/violation|JSON/);
    await inspector.panel().getByText("This breaks").waitFor();
    await examine("with a breach");
    await inspector.openRecord(/EVENT/);
    await inspector.panel().getByRole("row").first().waitFor();
    await examine("with a packet");
  });
}
