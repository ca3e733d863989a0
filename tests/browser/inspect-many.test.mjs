// The inspector's page with many sessions: which one finds, and how much of the page there is.

import assert from "node:assert/strict";
import { test } from "./browser.mjs";
import { made } from "./inspector.mjs";
import { HEAD, Script } from "./journals.mjs";

test("500 sessions and a thousand packets a second leave the page small and usable", async (t) => {
  const { server, visit } = await made(t);
  server.write(HEAD);
  let next = 1;
  const scripts = Array.from({ length: 500 }, (_, index) => {
    const script = new Script(index + 1, next).open({ transport: "websocket" });
    next = script.next;
    return script;
  });
  server.write(...scripts.flatMap(({ lines }) => lines));
  const inspector = await visit();
  await inspector.totals("500 live of 500 sessions");
  // A minute's worth, as it comes: three records a packet.
  let sent = next - 1;
  for (let second = 1; second <= 60; second++) {
    const lines = [];
    for (let packet = 0; packet < 1000; packet++) {
      const script = scripts[packet % 500];
      script.lines = [];
      script.next = next;
      script.at(second * 1000 + packet).event(packet % 2 ? "in" : "out", `42["message","${second} ${packet}"]`);
      next = script.next;
      lines.push(...script.lines);
    }
    sent += lines.length;
    server.write(...lines);
  }
  await inspector.totals("let go");
  await inspector.record(/“message”/).first().waitFor();
  // Between two batches the page answers: one narrows the list, chooses, opens.
  await inspector.filter('"60 999"');
  await inspector.record(/EVENT/).waitFor();
  await inspector.openRecord(/EVENT/);
  await inspector.panel().getByText('"60 999"').first().waitFor();
  const { nodes, totals } = await inspector.page.evaluate(() => ({
    nodes: document.querySelectorAll("*").length,
    totals: document.getElementById("totals").textContent,
  }));
  assert.ok(nodes < 1500, `${nodes} elements are in the page`);
  const [, kept, gone] = /([\d,]+) records · ([\d,]+) older/.exec(totals).map((number) => Number(number.replaceAll(",", "")));
  assert.ok(kept <= 100_000, `${kept} records are kept`);
  assert.equal(kept + gone, sent, "each is counted");
});

/** A hundred clients of different programs, each in two namespaces. */
function hundred() {
  let next = 1;
  const lines = [];
  for (let number = 1; number <= 100; number++) {
    const script = new Script(number, next, number * 10).open({ transport: "websocket" }).event("in", '42["a"]');
    for (const nsp of ["/", "/chat"]) script.add({ kind: "joined", nsp, socket: `socket${number}${nsp}` });
    script.add({ kind: "room_joined", nsp: "/chat", socket: `socket${number}`, room: `room ${number}` });
    next = script.next;
    lines.push(...script.lines);
  }
  return lines;
}

test("a lane says where its client comes from, what it is, and its namespaces", async (t) => {
  const { server, visit } = await made(t);
  server.write(HEAD, ...hundred());
  const inspector = await visit({ viewport: { width: 1440, height: 900 } });
  await inspector.lane(100).waitFor();
  for (const text of ["127.0.0.1", "/ /chat", "a"]) {
    await inspector.lane(100).locator(".lane-label > :not(.hidden)").getByText(text, { exact: true }).waitFor();
  }
  assert.match(await inspector.lane(100).locator(".hidden").textContent(), /, \/ \/chat, a, 127\.0\.0\.1:50100$/);
});

test("of a hundred sessions one finds those that one looks for", async (t) => {
  const { server, visit } = await made(t);
  server.write(HEAD, ...hundred());
  const inspector = await visit();
  const find = inspector.page.getByRole("searchbox", { name: /^Find sessions/ });
  for (const [text, number] of [["room 42", 42], ["50017", 17], ["#63", 63], ["sid88 /CHAT", 88]]) {
    await find.fill(text);
    await inspector.page.waitForFunction(() => document.querySelectorAll("#lanes [role=option]:not([hidden])").length === 1);
    await inspector.lane(number).waitFor();
  }
  await find.fill("nobody like this");
  await inspector.page.getByText("No session matches.").waitFor();
});

test("a hundred sessions can all be seen at once", async (t) => {
  const { server, visit } = await made(t);
  server.write(HEAD, ...hundred());
  const inspector = await visit({ viewport: { width: 1280, height: 800 } });
  await inspector.lane(100).waitFor();
  const inSight = () => inspector.lanes().evaluate((list) => {
    const { top, bottom } = list.getBoundingClientRect();
    return [...list.querySelectorAll("[role=option]:not([hidden])")].filter((row) => row.getBoundingClientRect().top >= top && row.getBoundingClientRect().bottom <= bottom + 0.5).length;
  });
  assert.ok((await inSight()) >= 9, "lanes are narrower where there are many");
  const height = () => inspector.page.locator("#sessions").evaluate((element) => element.clientHeight);
  const before = await height();

  const edge = inspector.page.getByRole("separator", { name: "Height of the sessions" });
  await edge.focus();
  await inspector.press("ArrowDown", "ArrowDown");
  const higher = await height();
  assert.ok(higher > before + 40, `${before} and then ${higher}`);
  assert.ok(Number(await edge.getAttribute("aria-valuenow")) > 40);
  const box = await edge.boundingBox();
  await inspector.page.mouse.move(box.x + 200, box.y + 4);
  await inspector.page.mouse.down();
  await inspector.page.mouse.move(box.x + 200, box.y - 96, { steps: 3 });
  await inspector.page.mouse.up();
  assert.ok(Math.abs((await height()) - (higher - 100)) < 12, "the edge goes with the pointer");
  await edge.dblclick();
  assert.ok(Math.abs((await height()) - before) < 3, "and back");

  await inspector.button("All in sight").click();
  await inspector.page.waitForFunction(() => document.querySelector("#lanes.all [role=option]")?.getBoundingClientRect().height < 8);
  await inspector.drawn();
  assert.equal(await inSight(), 100);
  await inspector.lane(50).hover();
  await inspector.page.locator("#pointed").filter({ hasText: "#50 WebSocket / /chat a 127.0.0.1:50050" }).waitFor();
  await inspector.lane(50).click({ position: { x: 20, y: 2 } });
  await inspector.heading().filter({ hasText: "#50" }).waitFor();
  await inspector.button("All in sight").click();
  await inspector.page.waitForFunction((before) => Math.abs(document.getElementById("sessions").clientHeight - before) < 3, before);
});

test("rows have the height that the window's width asks for, also after it changed", async (t) => {
  const { server, visit } = await made(t);
  server.write(HEAD, ...hundred());
  const inspector = await visit({ viewport: { width: 1280, height: 800 } });
  await inspector.record(/EVENT/).first().waitFor();
  await inspector.records().focus();
  await inspector.press("Home");
  for (const width of [400, 1280, 400]) {
    await inspector.page.setViewportSize({ width, height: 800 });
    await inspector.page.waitForFunction((narrow) => {
      const rows = [...document.querySelectorAll("#records [role=option]:not([hidden])")].map((row) => row.getBoundingClientRect()).sort((a, b) => a.top - b.top);
      const apart = rows.slice(1).every(({ top }, index) => Math.abs(top - rows[index].bottom) < 1);
      return rows.length > 3 && apart && rows[0].height > 40 === narrow;
    }, width === 400);
    assert.match((await inspector.rows())[0], /GET/, "the first row is still the first");
  }
});
