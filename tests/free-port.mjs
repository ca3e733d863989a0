import { once } from "node:events";
import { createServer } from "node:net";

/**
 * A port of this machine that nobody listens on. It is below those that the system gives to clients and to whoever
 * listens on port 0, so nobody gets it by chance before it is used.
 */
export async function freePort() {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 22_000);
    const server = createServer().listen(port, "127.0.0.1");
    try {
      await once(server, "listening");
    } catch {
      continue;
    }
    server.close();
    await once(server, "close");
    return port;
  }
}
