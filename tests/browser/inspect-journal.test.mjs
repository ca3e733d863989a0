// The inspector's page and journals: saved, opened, broken off, and taken up again.

import assert from "node:assert/strict";
import { test } from "./browser.mjs";
import { made } from "./inspector.mjs";
import { HEAD, Script, upgrading } from "./journals.mjs";

test("a journal that is saved shows the same when it is opened", async (t) => {
  const { server, visit } = await made(t);
  const lines = [HEAD, ...upgrading(1).lines];
  server.write(...lines);
  const inspector = await visit();
  await inspector.record(/has freed the session/).waitFor();
  const [rows, lanes] = [await inspector.rows(), await inspector.lanesInSight()];
  const { name, lines: saved } = await inspector.save();
  assert.match(name, /^journal-2026-.*\.jsonl$/);
  assert.deepEqual(saved, lines);

  const other = await visit();
  await other.openFile(name, saved);
  await other.status(`looking at ${name}`);
  await other.record(/has freed the session/).waitFor();
  assert.deepEqual(await other.rows(), rows);
  assert.deepEqual(await other.lanesInSight(), lanes);
  await other.choose(1);
  await other.panel().getByText("2probe", { exact: true }).waitFor();

  await other.button("Back to live").click();
  await other.status("live");
});

test("a journal can be dropped on the page, and what is none is refused in words", async (t) => {
  const { visit } = await made(t);
  const inspector = await visit();
  await inspector.page.evaluate((text) => {
    const data = new DataTransfer();
    data.items.add(new File([text], "dropped.jsonl"));
    window.dispatchEvent(new DragEvent("drop", { dataTransfer: data, cancelable: true }));
  }, [HEAD, ...upgrading(1).lines].join("\n"));
  await inspector.status("looking at dropped.jsonl");
  await inspector.lane(1).waitFor();
  await inspector.openFile("letter.txt", ["Dear Ada,", "how are you?"]);
  await inspector.page.getByText("letter.txt could not be opened. This is not a journal").waitFor();
  await inspector.status("looking at dropped.jsonl");
});

test("a stream that breaks off is taken up again, and nothing comes twice", async (t) => {
  const { server, visit } = await made(t);
  const script = upgrading(1);
  server.write(HEAD, ...script.lines.slice(0, 20));
  const inspector = await visit();
  await inspector.totals("20 records");
  server.interrupt();
  await inspector.status("connection lost");
  server.write(...script.lines.slice(20));
  await inspector.status("live");
  await inspector.totals(`${script.lines.length} records`);
  assert.doesNotMatch(await inspector.page.locator("#totals").textContent(), /missing/);
  inspector.forgiveLostConnection();
});

test("what was before a restart of the server can still be looked at", async (t) => {
  const { server, visit } = await made(t);
  server.write(HEAD, ...upgrading(1).lines);
  const inspector = await visit();
  await inspector.lane(1).waitFor();
  server.forget();
  server.interrupt();
  server.write(HEAD.replace(/"began":\d+/, '"began":1795999999999'), ...new Script(1).open({ transport: "websocket" }).lines);
  await inspector.button("Show the records from before").click();
  await inspector.status("before the restart");
  await inspector.record(/has freed the session/).waitFor();
  await inspector.button("Back to live").click();
  await inspector.totals("1 live of 1 session");
  inspector.forgiveLostConnection();
});

test("a server of another version is said to be one", async (t) => {
  const { server, visit } = await made(t);
  server.write(HEAD.replace('"journal":1', '"journal":2'));
  const inspector = await visit();
  await inspector.page.getByText("This journal has version 2; this page reads version 1.").waitFor();
});

test("records that are missing are said to be", async (t) => {
  const { server, visit } = await made(t);
  const { lines } = new Script(1).open({ transport: "websocket" });
  server.write(HEAD, ...lines, '{"n":48,"time":5,"kind":"lost","records":44}');
  const inspector = await visit();
  await inspector.totals("44 records missing");
  await inspector.record(/44 records came too fast and are missing/).waitFor();
});
