// What the inspector takes while 500 sessions bring 1,000 packets a second, each of them three records: `node rate.mjs`.

import { setTimeout as pause } from "node:timers/promises";
import { profile, test } from "./browser.mjs";
import { JournalServer } from "./journal-server.mjs";
import { HEAD, Script } from "./journals.mjs";

const [SESSIONS, RATE, SECONDS, STEP] = [500, 1000, 20, 20];

test("1,000 packets a second of 500 sessions", async (t) => {
  const server = await JournalServer.start();
  t.after(() => server.stop());
  const began = Date.now();
  server.write(HEAD.replace(/"began":\d+/, `"began":${began}`));
  let next = 1;
  const scripts = Array.from({ length: SESSIONS }, (_, index) => {
    const script = new Script(index + 1, next).open({ transport: "websocket" });
    next = script.next;
    return script;
  });
  server.write(...scripts.flatMap(({ lines }) => lines));
  const context = await profile({ viewport: { width: 1440, height: 900 } });
  t.after(() => context.close());
  const page = await context.newPage();
  await page.goto(server.url);
  await page.getByText("500 live of 500 sessions").waitFor();
  await page.evaluate(() => {
    window.gaps = [];
    let last = performance.now();
    const frame = (now) => {
      window.gaps.push(now - last);
      last = now;
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  });
  const session = await context.newCDPSession(page);
  await session.send("Performance.enable");
  const measure = async () => {
    const { metrics } = await session.send("Performance.getMetrics");
    return Object.fromEntries(metrics.map(({ name, value }) => [name, value]));
  };

  const before = await measure();
  const start = Date.now();
  let sent = 0;
  for (let step = 1; step <= (SECONDS * 1000) / STEP; step++) {
    const lines = [];
    for (let packet = 0; packet < (RATE * STEP) / 1000; packet++) {
      const script = scripts[sent++ % SESSIONS];
      script.lines = [];
      script.next = next;
      script.at(Date.now() - began).event(sent % 2 ? "in" : "out", `42["message","packet ${sent} of many, with some text"]`);
      next = script.next;
      lines.push(...script.lines);
    }
    server.write(...lines);
    await pause(Math.max(0, start + step * STEP - Date.now()));
  }
  const after = await measure();
  const took = (Date.now() - start) / 1000;
  const gaps = (await page.evaluate(() => window.gaps)).sort((a, b) => a - b);
  const share = (name) => `${(((after[name] - before[name]) / took) * 100).toFixed(0)} %`;
  console.log(`${took.toFixed(1)} s, ${sent} packets; ${await page.locator("#totals").textContent()}`);
  console.log(`of one core: scripts ${share("ScriptDuration")}, all of the page ${share("TaskDuration")}; heap ${(after.JSHeapUsedSize / 1e6).toFixed(0)} MB`);
  console.log(`frames: ${(gaps.length / took).toFixed(0)} a second; between two, in the median ${gaps[gaps.length >> 1].toFixed(1)} ms, 99 of 100 within ${gaps[Math.floor(gaps.length * 0.99)].toFixed(1)} ms`);
});
