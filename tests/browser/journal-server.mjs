// Serves the inspector's files as the server does, with a journal that a test makes up: what no real server would
// be brought to in a test, such as hundreds of sessions or a restart.

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { files } from "./page-files.mjs";

const types = { html: "text/html", css: "text/css", js: "text/javascript", svg: "image/svg+xml" };
const policy = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'";

export class JournalServer {
  #server;
  #lines = [];
  #pages = new Set();

  static async start(port = 0) {
    const server = new JournalServer();
    server.#server = createServer((request, response) => server.#answer(request, response).catch((error) => {
      response.writeHead(404).end(String(error));
    }));
    await new Promise((resolve) => server.#server.listen(port, "127.0.0.1", resolve));
    server.port = server.#server.address().port;
    server.url = `http://127.0.0.1:${server.port}`;
    return server;
  }

  /** Sends lines to every page that is there, and to those that come later. */
  write(...lines) {
    this.#lines.push(...lines);
    const event = `${lines.map((line) => `data: ${line}\n`).join("")}\n`;
    for (const page of this.#pages) page.write(event);
  }

  /** Takes back what was written: another journal begins. */
  forget() {
    this.#lines = [];
  }

  /** Breaks off the streams of all pages, which come again. */
  interrupt() {
    for (const page of this.#pages) page.destroy();
  }

  async stop() {
    this.interrupt();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request, response) {
    const { pathname } = new URL(request.url, this.url);
    if (pathname === "/records") {
      response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
      response.write(this.#lines.map((line) => `data: ${line}\n\n`).join("") || ":\n\n");
      this.#pages.add(response);
      response.on("close", () => this.#pages.delete(response));
      return;
    }
    const name = pathname === "/" ? "index.html" : pathname.slice(1);
    const body = await readFile(new URL(name, files));
    const type = types[name.split(".").pop()];
    response.writeHead(200, { "content-type": `${type}; charset=utf-8`, "content-security-policy": policy, "cache-control": "no-cache" });
    response.end(body);
  }
}
