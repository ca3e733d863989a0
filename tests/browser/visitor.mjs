// The chat page as a person uses it: what is on it is found by role and name, as a screen reader
// would, and never by how it looks.

import assert from "node:assert/strict";
import { profile } from "./browser.mjs";
import { Server } from "./server.mjs";

/**
 * A chat server for one test. When the test ends, every page must have been without errors and
 * have asked no other server for anything.
 */
export async function chat(t, ...flags) {
  const server = await Server.start("--app", "chat", ...flags);
  const visitors = [];
  t.after(async () => {
    for (const visitor of visitors) await visitor.leave();
    await server.kill();
    for (const visitor of visitors) visitor.check();
  });
  return {
    server,
    /**
     * Opens the page as somebody new. `path` may hold a query, `at` is the address of a proxy, if there is one;
     * `prepare(page)` runs before.
     */
    async visit({ path = "/", at = server.url, prepare, ...options } = {}) {
      const visitor = new Visitor(at, await profile(options));
      visitors.push(visitor);
      await visitor.open(path, prepare);
      return visitor;
    },
  };
}

class Visitor {
  errors = [];
  elsewhere = [];
  requests = [];
  frames = []; // what went over WebSockets: "> 2probe", "< 3probe"
  #url;
  #context;

  constructor(url, context) {
    this.#url = url;
    this.#context = context;
  }

  async open(path, prepare) {
    const { host } = new URL(this.#url);
    this.page = await this.#context.newPage();
    this.#context.on("request", (request) => {
      const url = new URL(request.url());
      if (url.host === host) this.requests.push(`${request.method()} ${url.pathname}${url.search}`);
      else this.elsewhere.push(request.url());
    });
    this.page.on("websocket", (socket) => {
      if (new URL(socket.url()).host !== host) this.elsewhere.push(socket.url());
      socket.on("framesent", ({ payload }) => this.frames.push(`> ${payload}`));
      socket.on("framereceived", ({ payload }) => this.frames.push(`< ${payload}`));
    });
    this.page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) this.errors.push(message.text());
    });
    this.page.on("pageerror", (error) => this.errors.push(String(error)));
    await prepare?.(this.page);
    await this.page.goto(this.#url + path);
    await this.status(/^online/);
  }

  async leave() {
    await this.#context.close();
  }

  /** Forgives what a browser logs by itself when its server is gone. */
  forgiveLostConnection() {
    this.errors = this.errors.filter((text) => !/net::ERR_|WebSocket connection to/.test(text));
  }

  check() {
    assert.deepEqual(this.errors, [], "the page logged errors");
    assert.deepEqual(this.elsewhere, [], "the page asked another server");
  }

  // ── What one does ──────────────────────────────────────────────────────────────────────────

  async say(text) {
    const field = this.page.getByRole("textbox", { name: /^Message to/ });
    await field.fill(text);
    await field.press("Enter");
  }

  /** Takes a name and expects to be online by it. */
  async take(name) {
    await this.askFor(name);
    await this.dialog().waitFor({ state: "hidden" });
    await this.people().getByText(name, { exact: true }).waitFor();
  }

  /** Types a name into the dialog and sends it. */
  async askFor(name) {
    if (!(await this.dialog().isVisible())) await this.page.locator("#me").click();
    await this.dialog().getByRole("textbox").fill(name);
    await this.dialog().getByRole("textbox").press("Enter");
  }

  async refusal() {
    const error = this.dialog().getByRole("alert");
    await error.filter({ hasText: /\S/ }).waitFor();
    return error.textContent();
  }

  async join(room) {
    await this.page.getByRole("button", { name: "Join a room" }).click();
    await this.dialog().getByRole("textbox").fill(room);
    await this.dialog().getByRole("textbox").press("Enter");
    await this.title(new RegExp(`^#`));
  }

  /** Goes to the conversation of that name. */
  async turnTo(name) {
    await this.page.getByRole("navigation").getByRole("button", { name }).click();
  }

  // ── What one sees ──────────────────────────────────────────────────────────────────────────

  dialog() {
    return this.page.getByRole("dialog");
  }

  people() {
    return this.page.getByRole("list", { name: "Online" });
  }

  log() {
    return this.page.getByRole("log");
  }

  /** Waits until a message or a note with that text stands in the conversation that is open. */
  async hears(text) {
    await this.page.waitForFunction(
      (text) => [...document.querySelectorAll("[role=log] .bubble, [role=log] .note")].some((e) => e.textContent === text),
      text,
    ).catch(async () => assert.fail(`"${text}" was not heard, only ${JSON.stringify(await this.said())}`));
  }

  /** The messages of the open conversation: what stands in the bubbles. */
  said() {
    return this.log().locator(".bubble").allTextContents();
  }

  async online(...names) {
    await this.page.waitForFunction(
      (expected) => [...document.querySelectorAll("#people .name")].map((e) => e.textContent).sort().join() === expected,
      names.sort().join(),
    ).catch(async () => assert.deepEqual((await this.people().locator(".name").allTextContents()).sort(), names.sort()));
  }

  async title(text) {
    await this.page.locator("#title").filter({ hasText: text }).waitFor();
  }

  async status(text) {
    await this.page.getByRole("status").filter({ hasText: text }).waitFor({ timeout: 15_000 });
  }

  handle() {
    return this.page.locator("#me-name").textContent();
  }
}
