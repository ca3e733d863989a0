// A TCP proxy that holds WebSocket handshakes back until it is told to let them through, so that a session stays on
// polling for that long.

import { connect, createServer } from "node:net";
import { once } from "node:events";

/** A `url` to reach the server by, and `release` to let WebSockets through. */
export async function hold(server) {
  let release;
  const released = new Promise((resolve) => (release = resolve));
  const proxy = createServer((client) => {
    client.on("error", () => {});
    client.once("data", async (head) => {
      client.pause();
      if (head.includes("transport=websocket")) await released;
      const origin = connect(new URL(server.url).port, "127.0.0.1");
      for (const end of [client, origin]) end.setNoDelay(true);
      origin.on("error", () => {});
      origin.on("close", () => client.destroy());
      client.on("close", () => origin.destroy());
      origin.write(head);
      origin.pipe(client);
      client.pipe(origin);
    });
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  return { url: `http://127.0.0.1:${proxy.address().port}`, release, close: () => proxy.close() };
}
