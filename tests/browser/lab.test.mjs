// The lab's page: the matrix of two agents, its filters and keys, the exchange of a case, as a file; and while the lab runs, the explainer.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before } from "node:test";
import { pathToFileURL } from "node:url";
import { profile, test } from "./browser.mjs";

const folder = await mkdtemp(join(tmpdir(), "lab-"));
const report = join(folder, "report.html");
const page = pathToFileURL(report).href;
after(() => rm(folder, { recursive: true, force: true }));

// Two agents, of which the second says that it is version 3: it can't do all that it is asked for.
const agents = `
import { io } from "socket.io-client";
import { test } from "../lab/agents/agent.mjs";
await test(process.env.LAB, io, "4.8.4");
await test(process.env.LAB, io, "3.0.0");
process.exit(0);`;
const node = ["--input-type=module", "--eval", agents];

/** A lab, with what it listens on. */
async function start(cases, ...words) {
  const lab = spawn(process.env.TESTED_SERVER, ["lab", "--listen", "127.0.0.1:0", "--only", cases, ...words], { stdio: ["ignore", "ignore", "pipe"] });
  const [line] = await once(createInterface({ input: lab.stderr }), "line");
  return { lab, url: /http:\S+/.exec(line)[0] };
}

// Whether a client fails isn't what is tested here.
before(async () => {
  const { lab } = await start("1.1,3.1.1,4.2.4,5.2.4,5.3.5,6.1.2,9.1.1,9.1.2,11.2.7,12.4.1,12.4.3", "--whole-journals", "--html", report, "--", process.execPath, ...node);
  await once(lab, "exit");
});

let live;
before(async () => {
  live = await start("4.2.4");
  await once(spawn(process.execPath, node, { env: { ...process.env, LAB: live.url }, stdio: "ignore" }), "exit");
});
after(() => live?.lab.kill());

async function open(t, options) {
  const context = await profile(options);
  t.after(() => context.close());
  const opened = await context.newPage();
  opened.on("request", (request) => assert.equal(request.url().split("#")[0], page, "the page asks for nothing"));
  await opened.goto(page);
  return opened;
}

/** The page of the lab that runs, and its explainer. */
async function visit(t, part = "", options) {
  const context = await profile(options);
  const problems = [];
  t.after(async () => {
    await context.close();
    assert.deepEqual(problems, []);
  });
  const page = await context.newPage();
  page.on("request", (request) => request.url().startsWith(live.url) || problems.push(request.url()));
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && problems.push(message.text()));
  page.on("pageerror", (error) => problems.push(String(error.stack)));
  await page.goto(live.url + part);
  const dialog = page.getByRole("dialog", { name: "Explain" });
  return {
    page,
    dialog,
    input: dialog.getByRole("textbox"),
    explanation: dialog.getByRole("region", { name: "Explanation" }),
    state: (text) => dialog.getByRole("status").getByText(text, { exact: true }).waitFor(),
    exchange: page.getByRole("region", { name: "What passed" }),
  };
}

const CASE = "/#socket.io-client%204.8.4/4.2.4";

const ids = (page) => page.locator("td.id").allTextContents();

test("the matrix has a row for each case and a column for each agent", async (t) => {
  const page = await open(t);
  assert.deepEqual(await page.locator("thead th").allTextContents(), ["Case", "What the client does", "Level", "socket.io-client 3.0.0", "socket.io-client 4.8.4"]);
  const row = page.locator("tr", { has: page.getByText("11.2.7", { exact: true }) });
  assert.deepEqual(await row.locator(".verdict").allTextContents(), ["unsupported", "pass"]);
  await page.getByText(/socket.io-client 4.8.4: \d+ pass/).waitFor();
});

test("it is filtered by verdict, group and words", async (t) => {
  const page = await open(t);
  await page.getByLabel("Verdict").selectOption("unsupported");
  assert.deepEqual(await ids(page), ["11.2.7"]);
  await page.getByLabel("Verdict").selectOption("");
  await page.getByLabel("Group").selectOption({ label: "9 Events" });
  assert.deepEqual(await ids(page), ["9.1.1", "9.1.2"]);
  await page.getByLabel("Group").selectOption("");
  await page.getByLabel("Search").fill("across the upgrade");
  assert.deepEqual(await ids(page), ["4.2.4"]);
});

test("keys search, go through the cases, open one and come back", async (t) => {
  const page = await open(t);
  await page.keyboard.press("/");
  await page.keyboard.type("9.1");
  await page.keyboard.press("Escape");
  for (const key of ["j", "j", "j", "k"]) await page.keyboard.press(key);
  const focused = () => page.evaluate(() => document.activeElement.getAttribute("href"));
  assert.equal(await focused(), "#socket.io-client%204.8.4/9.1.1");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "9.1.1" }).waitFor();
  await page.keyboard.press("Escape");
  await page.locator("td.id").first().waitFor();
  assert.deepEqual(await ids(page), ["9.1.1", "9.1.2"], "the search is kept");
  assert.equal(await focused(), "#socket.io-client%204.8.4/9.1.1", "and the place in it");
});

test("a case shows its rule and all that passed", async (t) => {
  const page = await open(t);
  await page.goto(`${page.url()}#socket.io-client%204.8.4/4.2.4`);
  await page.getByText("Messages before and after the upgrade come once each, in order.").waitFor();
  const exchange = page.getByRole("region", { name: "What passed" });
  const steps = await exchange.locator(".arrow").allTextContents();
  const at = ["2probe", "3probe", "5"].map((packet) => steps.indexOf(packet));
  assert.ok(at[0] > 0 && at[0] < at[1] && at[1] < at[2], steps.join("\n"));
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByText("The journal", { exact: true }).click()]);
  const journal = await readFile(await download.path(), "utf8");
  assert.ok(journal.trim().split("\n").map((line) => JSON.parse(line)).some((record) => record.kind === "upgraded"));
});

test("a case with a large message shows all that passed, and gives its journal", async (t) => {
  const page = await open(t);
  await page.goto(`${page.url()}#socket.io-client%204.8.4/5.2.4`);
  await page.getByRole("region", { name: "What passed" }).getByText(/characters\)/).first().waitFor();
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByText("The journal", { exact: true }).click()]);
  assert.ok((await readFile(await download.path())).length > 500_000);
});

test("a file has no lab to ask, and so explains nothing", async (t) => {
  const page = await open(t);
  await page.goto(`${page.url()}#socket.io-client%204.8.4/4.2.4`);
  await page.locator(".exchange").waitFor();
  await page.keyboard.press("e");
  assert.equal(await page.getByRole("button").count(), 0);
  assert.equal(await page.getByRole("dialog").count(), 0);
});

test("while the lab runs, it explains what one pastes", async (t) => {
  const { page, dialog, input, state, explanation } = await visit(t);
  await page.getByRole("button", { name: "Explain" }).click();
  await input.fill('42["é"]');
  await state("Legal");
  await explanation.getByRole("heading", { name: "Engine.IO 4, a text packet, 8 bytes" }).waitFor();
  assert.deepEqual(await explanation.locator(".coloured span").allTextContents(), ["4", "2", "[", '"é"', "]"]);
  await input.fill("42{}");
  await state("Breaks a rule");
  await explanation.getByText("NOT_AN_ARRAY").waitFor();
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "hidden" });
  await page.waitForURL(`${live.url}/`);

  await page.keyboard.press("e");
  await dialog.waitFor();
  await input.fill("");
  await page.keyboard.type("/jke");
  assert.equal(await input.inputValue(), "/jke", "keys of the page are letters here");
});

test("what passed in a case leads to its explanation, which lies over the case", async (t) => {
  const { page, dialog, state, explanation, exchange } = await visit(t, CASE);
  await exchange.getByRole("button", { name: "2probe", exact: true }).click();
  await state("Legal, read as lines of a journal");
  await explanation.getByText(/^record \d+ · session 1 · from the client$/).waitFor();
  await explanation.getByRole("heading", { name: "Engine.IO 4, a text packet, 6 bytes" }).waitFor();
  assert.match(page.url(), /#explain=/);
  // The results come again and again, whatever lies over them.
  for (let times = 0; times < 2; times++) await page.waitForResponse(`${live.url}/results.json`);
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "hidden" });
  await page.waitForURL(live.url + CASE);
  await page.getByRole("heading", { name: "4.2.4" }).waitFor();
  assert.doesNotMatch(await page.locator("#state").textContent(), /has ended/);

  // The packets of a poll's answer are in records of their own.
  await exchange.getByRole("button", { name: /^200 0\{/ }).click();
  await explanation.getByText(/^record \d+ · session 1 · from the server$/).first().waitFor();
  assert.equal(await exchange.getByRole("button", { name: /^GET/ }).count(), 0, "a request has no packet");
});

test("a link holds the input, with the matrix below", async (t) => {
  const { page, dialog, input, state } = await visit(t, "/#explain=42%5B%22a%2Fb%22%5D&from=client");
  await state("Legal");
  assert.equal(await input.inputValue(), '42["a/b"]');
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "hidden" });
  assert.deepEqual(await ids(page), ["4.2.4"]);
});

test("a case with large messages and many records shows them", async (t) => {
  const page = await open(t);
  for (const id of ["12.4.1", "12.4.3"]) {
    await page.goto(`${page.url().split("#")[0]}#socket.io-client%204.8.4/${id}`);
    await page.getByRole("heading", { name: id }).waitFor();
    await page.getByRole("region", { name: "What passed" }).getByText("verdict: ").waitFor();
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByText("The journal", { exact: true }).click()]);
    const { length } = await readFile(await download.path(), "utf8");
    assert.ok(length > 250_000, `${id}: ${length} characters`);
  }
});

test("a close frame has its code in numbers, and words in backticks are code", async (t) => {
  const page = await open(t);
  await page.goto(`${page.url()}#socket.io-client%204.8.4/5.3.5`);
  const exchange = page.getByRole("region", { name: "What passed" });
  await exchange.getByText("close 1011 something went wrong").first().waitFor();
  await page.goto(`${page.url().split("#")[0]}#socket.io-client%204.8.4/1.1.1`);
  await page.locator("dd code", { hasText: /^EIO$/ }).waitFor();
});

for (const colorScheme of ["light", "dark"]) {
  test(`axe finds nothing in the explainer in the ${colorScheme} scheme, nor on a narrow screen`, async (t) => {
    const { page, explanation, exchange, input } = await visit(t, CASE, { colorScheme });
    await page.evaluate(await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8"));
    const examine = async (place) => {
      const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
      assert.deepEqual(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]), [], place);
    };
    await exchange.waitFor();
    await examine("a case");
    await page.keyboard.press("e");
    await explanation.getByRole("group", { name: "Examples" }).waitFor();
    await examine("empty");
    await input.fill('42["chat","hi"');
    await explanation.getByText("(the end)").waitFor();
    await examine("wrong");
    await page.setViewportSize({ width: 390, height: 760 });
    await examine("narrow");
    const { wide, narrow } = await page.evaluate(() => ({ wide: document.getElementById("explainer").scrollWidth, narrow: document.getElementById("explainer").clientWidth }));
    assert.ok(wide <= narrow, `${wide} of ${narrow}`);
  });

  test(`axe finds nothing in the ${colorScheme} scheme`, async (t) => {
    const page = await open(t, { colorScheme });
    await page.evaluate(await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8"));
    for (const part of ["", "#socket.io-client%204.8.4/4.2.4"]) {
      await page.evaluate((part) => { location.hash = part; }, part);
      await page.locator(part ? ".exchange" : "td.id").first().waitFor();
      const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
      assert.deepEqual(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]), []);
    }
  });
}
