// The inspector as a person uses it: what is on it is found by role and name, as a screen reader would.

import assert from "node:assert/strict";
import { profile } from "./browser.mjs";
import { JournalServer } from "./journal-server.mjs";
import { Server } from "./server.mjs";

/** A server that has what a test writes for its journal; `visit()` opens the inspector on it. */
export async function made(t) {
  const server = await JournalServer.start();
  return { server, visit: visits(t, server.url, () => server.stop()) };
}

/** A real server with the inspector, by its flags. */
export async function real(t, ...flags) {
  const server = await Server.start("--inspect", "127.0.0.1:0", ...flags);
  const address = await server.says(/inspector.*?(http:\/\/127\.0\.0\.1:\d+)/);
  return { server, address, visit: visits(t, address, () => server.kill()) };
}

function visits(t, url, end) {
  const pages = [];
  t.after(async () => {
    for (const page of pages) await page.leave();
    await end();
    for (const page of pages) page.check();
  });
  return async (options = {}) => {
    const page = new Inspector(url, await profile(options));
    pages.push(page);
    await page.open();
    return page;
  };
}

class Inspector {
  errors = [];
  elsewhere = [];
  #url;
  #context;
  #forgiven;

  constructor(url, context) {
    this.#url = url;
    this.#context = context;
  }

  async open() {
    const { host } = new URL(this.#url);
    this.page = await this.#context.newPage();
    this.#context.on("request", (request) => {
      const url = new URL(request.url());
      if (url.host !== host && url.protocol !== "blob:") this.elsewhere.push(request.url());
    });
    this.page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) this.errors.push(message.text());
    });
    this.page.on("pageerror", (error) => this.errors.push(String(error.stack)));
    await this.page.goto(this.#url);
    await this.status("live");
  }

  leave() {
    return this.#context.close();
  }

  /** From now on, and what came before: the page tries again and again. */
  forgiveLostConnection() {
    this.#forgiven = /net::ERR_/;
  }

  check() {
    const errors = this.errors.filter((text) => !this.#forgiven?.test(text));
    assert.deepEqual(errors, [], "the page logged errors");
    assert.deepEqual(this.elsewhere, [], "the page asked another server");
  }

  // ── What one does ──────────────────────────────────────────────────────────────────────────

  /** Until what was done is drawn. */
  drawn() {
    return this.page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done()))));
  }

  button(name) {
    return this.page.getByRole("button", { name });
  }

  async press(...keys) {
    for (const key of keys) await this.page.keyboard.press(key);
    await this.drawn();
  }

  async filter(text) {
    await this.page.getByRole("searchbox", { name: "Text in a record" }).fill(text);
    await this.drawn();
  }

  /** Chooses a session by its lane's label. */
  async choose(number) {
    await this.lane(number).locator(".number").click();
  }

  /** Opens the first record in sight whose label matches. */
  async openRecord(label) {
    await this.record(label).first().click();
  }

  async openFile(name, lines) {
    await this.page.locator("#file").setInputFiles({ name, mimeType: "application/x-ndjson", buffer: Buffer.from(lines.join("\n") + "\n") });
  }

  /** Saves the journal; gives its name and its lines. */
  async save() {
    const [download] = await Promise.all([this.page.waitForEvent("download"), this.button("Save").click()]);
    const chunks = [];
    for await (const chunk of await download.createReadStream()) chunks.push(chunk);
    return { name: download.suggestedFilename(), lines: Buffer.concat(chunks).toString().trimEnd().split("\n") };
  }

  // ── What one sees ──────────────────────────────────────────────────────────────────────────

  status(text) {
    return this.page.getByRole("status").filter({ hasText: text }).first().waitFor({ timeout: 15_000 });
  }

  lanes() {
    return this.page.getByRole("listbox", { name: /^Sessions/ });
  }

  lane(number) {
    return this.lanes().getByRole("option", { name: new RegExp(`^#${number} `) });
  }

  records() {
    return this.page.getByRole("listbox", { name: /^Records/ });
  }

  record(label) {
    return this.records().getByRole("option", { name: label });
  }

  panel() {
    return this.page.getByRole("complementary", { name: "Details" });
  }

  heading() {
    return this.panel().getByRole("heading", { level: 2 });
  }

  /** Waits until the page's counts say so. */
  totals(text) {
    return this.page.locator("#totals").filter({ hasText: text }).waitFor();
  }

  /** What the rows in sight say, from the top. */
  rows() {
    return this.records().evaluate((list) => {
      const { top, bottom } = list.getBoundingClientRect();
      const inSight = (row) => !row.hidden && row.getBoundingClientRect().bottom > top && row.getBoundingClientRect().top < bottom;
      return [...list.querySelectorAll("[role=option]")].filter(inSight).sort((a, b) => a.dataset.index - b.dataset.index).map((row) => row.innerText.replaceAll("\n", " "));
    });
  }

  /** What the lanes in sight say. */
  lanesInSight() {
    return this.lanes().evaluate((list) => [...list.querySelectorAll("[role=option]:not([hidden])")].sort((a, b) => a.dataset.index - b.dataset.index).map((row) => row.innerText.replaceAll("\n", " ")));
  }
}
