// Starts the server under test, reads its address from what it prints, and ends it.

import { spawn } from "node:child_process";
import { once } from "node:events";

const patience = 10_000;

export class Server {
  #child;
  #flags;
  #output = "";

  /** Starts a server with these flags on a free port, and waits until it accepts clients. */
  static async start(...flags) {
    const server = new Server();
    server.#flags = flags;
    await server.#spawn(0);
    return server;
  }

  /** Starts one on that port. */
  static async startOn(port, ...flags) {
    const server = new Server();
    server.#flags = flags;
    await server.#spawn(port);
    return server;
  }

  /** Starts it once more, on the port that it had. */
  async restart() {
    await this.#spawn(new URL(this.url).port);
  }

  /** Ends it without a word to anybody. */
  kill() {
    return this.#end("SIGKILL");
  }

  /** Ends it as an operator would. */
  drain() {
    return this.#end("SIGTERM");
  }

  /** Stops it from running, while its sockets stay open. */
  freeze() {
    this.#child.kill("SIGSTOP");
  }

  thaw() {
    this.#child.kill("SIGCONT");
  }

  /** What it printed that fits the pattern, once it has. */
  async says(pattern) {
    const late = AbortSignal.timeout(patience);
    for (let found; ; await once(this.#child.stdout, "data", { signal: late })) {
      if ((found = pattern.exec(this.#output))) return found[1];
    }
  }

  async #spawn(port) {
    const flags = ["--listen", `127.0.0.1:${port}`, ...this.#flags];
    const child = spawn(process.env.TESTED_SERVER, flags, { stdio: ["ignore", "pipe", "pipe"] });
    this.#child = child;
    const start = this.#output.length;
    const late = setTimeout(() => child.kill("SIGKILL"), patience);
    this.url = await new Promise((resolve, reject) => {
      const read = (chunk) => {
        this.#output += chunk;
        const address = /listening on (https?:\/\/127\.0\.0\.1:\d+)/.exec(this.#output.slice(start));
        if (address) resolve(address[1]);
      };
      child.stdout.setEncoding("utf8").on("data", read);
      child.stderr.setEncoding("utf8").on("data", read);
      child.on("error", reject);
      child.on("exit", (code, signal) =>
        reject(new Error(`the server ended with ${code ?? signal} before it gave its address:\n${this.#output}`)));
    }).finally(() => clearTimeout(late));
  }

  async #end(signal) {
    const child = this.#child;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const late = setTimeout(() => child.kill("SIGKILL"), patience);
    child.kill(signal);
    await once(child, "exit");
    clearTimeout(late);
  }
}
