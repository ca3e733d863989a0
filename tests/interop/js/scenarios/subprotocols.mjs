// WebSocket subprotocols that a client offers: the reference agrees to the first, or the client would give up.

import assert from "node:assert/strict";
import { scenario } from "../scenario.mjs";

// proves: ws/protocols
scenario("a subprotocol that the client offers", async (stage) => {
  const client = await stage.connect("/", { protocols: ["arduino", "other"] });
  assert.deepEqual(await client.echo("here"), ["here"]);
});
