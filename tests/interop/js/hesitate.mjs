// A TCP proxy that holds a WebSocket's handshake back, so that a session stays on polling for that long.

import { connect, createServer } from "node:net";
import { once } from "node:events";

/** What `server.url` is for a client, with every WebSocket handshake late by `milliseconds`. */
export async function hesitate(server, milliseconds) {
  const proxy = createServer((client) => {
    client.once("data", (head) => {
      client.pause();
      const late = head.includes("transport=websocket") ? milliseconds : 0;
      const forward = () => {
        const origin = connect(new URL(server.url).port, "127.0.0.1");
        for (const end of [client, origin]) end.setNoDelay(true).on("error", () => {});
        client.on("close", () => origin.destroy());
        origin.on("close", () => client.destroy());
        origin.write(head);
        origin.pipe(client);
        client.pipe(origin);
      };
      if (late) setTimeout(forward, late);
      else forward();
    });
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  return { url: `http://127.0.0.1:${proxy.address().port}`, close: () => proxy.close() };
}
