// Starts the server under test, reads its address from its output, and ends it.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const reference = fileURLToPath(new URL("../reference.mjs", import.meta.url));
const program = process.env.TESTED_SERVER ?? "reference";

/** Whether the tests run against the reference, for the few that hold only ours to a decision of our own. */
export const isReference = program === "reference";

const onNode = [process.execPath, reference];
const tested = isReference ? onNode : [program];
const patience = 10_000;

// None outlives the tests, whatever became of the one that started it.
const running = new Set();
process.on("exit", () => running.forEach((child) => child.kill("SIGKILL")));

/** Runs another command of the tested program, such as `explain`: its exit code, and what it printed. */
export async function run(...words) {
  const child = spawn(program, words, { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (chunk) => (output += chunk));
  const [code] = await once(child, "close");
  return { code, output };
}

export class Server {
  #child;
  #command = tested;
  #flags;
  #output = "";

  /** Starts a server with these flags on a free port, and waits until it accepts clients. */
  static async start(...flags) {
    const server = new Server();
    server.#flags = flags;
    await server.#spawn(0);
    return server;
  }

  /** Starts the reference, whichever server is tested. */
  static async startReference(...flags) {
    const server = new Server();
    server.#command = onNode;
    server.#flags = flags;
    await server.#spawn(0);
    return server;
  }

  /** Everything that it has printed so far. */
  get log() {
    return this.#output;
  }

  /** The address of its metrics, if it was started with `--metrics`. */
  get metrics() {
    return this.#output.match(/^metrics on (.*)$/gm).at(-1).slice("metrics on ".length);
  }

  get pid() {
    return this.#child.pid;
  }

  /** Closes it as an operator would: it tells its clients and exits. */
  async drain() {
    await this.#end("SIGTERM");
    const { exitCode, signalCode } = this.#child;
    if (exitCode !== 0) throw new Error(`SIGTERM ended the server with ${exitCode ?? signalCode}, not 0`);
  }

  /** Ends it without a word to anybody. */
  async kill() {
    await this.#end("SIGKILL");
  }

  /** Stops it from running, while its sockets stay open. `kill` ends it. */
  freeze() {
    this.#child.kill("SIGSTOP");
  }

  /** Starts it once more, on the port that it had. */
  async restart() {
    await this.#spawn(new URL(this.url).port);
  }

  async #spawn(port) {
    const app = this.#flags.includes("--app") ? [] : ["--app", "echo"];
    const [command, ...leading] = this.#command;
    const child = spawn(command, [...leading, ...app, "--listen", `127.0.0.1:${port}`, ...this.#flags], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child = child;
    running.add(child);
    child.once("exit", () => running.delete(child));
    const start = this.#output.length;
    const late = setTimeout(() => child.kill("SIGKILL"), patience);
    this.url = await new Promise((resolve, reject) => {
      const read = (chunk) => {
        this.#output += chunk;
        // With --metrics, where those are comes first.
        const address = /^(?!metrics).*(http:\/\/127\.0\.0\.1:\d+)/m.exec(this.#output.slice(start));
        if (address) resolve(address[1]);
      };
      child.stdout.setEncoding("utf8").on("data", read);
      child.stderr.setEncoding("utf8").on("data", read);
      child.on("error", reject);
      child.on("exit", (code, signal) => reject(new Error(`it ended with ${code ?? signal} before it gave its address`)));
    }).finally(() => clearTimeout(late));
  }

  async #end(signal) {
    const child = this.#child;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const timer = setTimeout(() => child.kill("SIGKILL"), patience);
    child.kill(signal);
    await once(child, "exit");
    clearTimeout(timer);
  }
}
