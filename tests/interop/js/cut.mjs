// A TCP proxy that loses connections: with a word to both sides, or with the server none the wiser.

import { connect, createServer } from "node:net";
import { once } from "node:events";

/**
 * A `url` to reach the server by. `cut` ends all connections, and `lose` ends them for the client alone: for the server
 * they are open, and silent. No further ones are taken until `mend`.
 */
export async function cuttable(server) {
  const pairs = new Set();
  let broken = false;
  const proxy = createServer((client) => {
    if (broken) return client.destroy();
    const origin = connect(new URL(server.url).port, "127.0.0.1");
    const pair = { client, origin, lost: false };
    pairs.add(pair);
    for (const [from, to] of [[client, origin], [origin, client]]) {
      from.setNoDelay(true);
      from.on("error", () => {});
      from.on("data", (chunk) => pair.lost || to.write(chunk));
      from.on("close", () => {
        if (pair.lost) return;
        pairs.delete(pair);
        to.destroy();
      });
    }
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  const cut = () => {
    broken = true;
    for (const { client, origin } of pairs) {
      client.destroy();
      origin.destroy();
    }
    pairs.clear();
  };
  return {
    url: `http://127.0.0.1:${proxy.address().port}`,
    cut,
    mend: () => (broken = false),
    lose: () => {
      broken = true;
      for (const pair of pairs) {
        pair.lost = true;
        pair.client.destroy();
      }
    },
    close: () => {
      cut();
      proxy.close();
    },
  };
}
