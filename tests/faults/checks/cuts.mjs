// A network that cuts, hangs, delays and takes to pieces, between a real client and the server.

import assert from "node:assert/strict";
import { check } from "../check.mjs";
import { until } from "../until.mjs";
import { faulty } from "../faulty.mjs";
import { givenBack, heldAtFirst, sessions } from "../held.mjs";

const versions = ["4.8.4", "2.5.0"];
const impatient = ["--ping-interval", "500ms", "--ping-timeout", "500ms", "--upgrade-timeout", "1s", "--close-timeout", "500ms"];

/** Has the next piece that `where` describes go wrong `times` times in a row, half of it gone through. */
function next(proxy, where, then, times = 1) {
  let left = times;
  proxy.fault = (piece) => {
    if (left === 0 || !where(piece)) return undefined;
    left--;
    return { pass: Math.floor(piece.bytes.length / 2), then };
  };
}

const fates = { cut: "cut in", reset: "reset in", hang: "silent from" };

const webSocket = ({ head }) => head?.includes("transport=websocket");

const places = {
  "a frame from the server": ["websocket", (piece) => webSocket(piece) && !piece.up && piece.index > 3],
  "a frame from the client": ["websocket", (piece) => webSocket(piece) && piece.up && piece.index > 3],
  "the answer to a poll": ["polling", ({ up, bytes }) => !up && bytes.includes("message-back")],
  "the body of a POST": ["polling", ({ up, bytes }) => up && bytes.includes('["message"')],
};

for (const version of versions) {
  for (const [place, [mode, where]] of Object.entries(places)) {
    for (const then of Object.keys(fates)) {
      check(
        `socket.io-client ${version}: a connection that is ${fates[then]} the middle of ${place} costs nothing but what was under way`,
        async (stage) => {
          const server = await stage.serve(...impatient);
          const before = await heldAtFirst(server);
          const proxy = stage.closing(await faulty(server));
          const client = stage.open(version, mode, proxy.url);
          await client.ready();
          const talk = stage.talk(client);
          for (let round = 1; round <= (stage.short ? 1 : 5); round++) {
            await talk.goesOn();
            next(proxy, where, then);
            await until("a new connection", () => talk.connections > round || talk.connections);
          }
          await talk.goesOn();
          const { connections, heard } = await talk.end();
          assert.ok(connections > 1 && heard > 0);
          // Nothing of the lost sessions is left, also where nobody told the server.
          await until("that one session is left", async () => {
            const left = await sessions(server);
            return left === 1 || left;
          });
          client.close();
          proxy.close();
          await givenBack(server, before);
        },
        { long: then === "reset" || (then === "hang" && mode === "polling") || version !== "4.8.4" },
      );
    }
  }

  // The steps of an upgrade, on the connection of the WebSocket: its pieces up and down.
  const steps = {
    "the request for the WebSocket": [true, 0],
    "the answer to that request": [false, 0],
    "the probe": [true, 1],
    "the answer to the probe": [false, 1],
    "the packet that ends it": [true, 2],
  };
  for (const [step, [up, index]] of Object.entries(steps)) {
    for (const then of Object.keys(fates)) {
      check(
        `socket.io-client ${version}: an upgrade that is ${fates[then]} the middle of ${step} loses nothing and mixes nothing up`,
        async (stage) => {
          const server = await stage.serve(...impatient);
          const proxy = stage.closing(await faulty(server));
          next(proxy, (piece) => webSocket(piece) && piece.up === up && piece.index === index, then);
          const client = stage.open(version, "upgrade", proxy.url);
          await client.next("connect");
          const talk = stage.talk(client);
          await until("the fault", () => proxy.faults === 1);
          await talk.goesOn(100);
          // A client that has noticed nothing has lost nothing.
          await talk.end({ lossless: talk.connections === 1 });
        },
        { long: then !== "cut" || version !== "4.8.4" },
      );
    }
  }

  for (const mode of ["polling", "websocket", "upgrade"]) {
    check(`socket.io-client ${version}, ${mode}: bytes that come one by one are all that was sent`, async (stage) => {
      const server = await stage.serve();
      const proxy = stage.closing(await faulty(server, { drops: 1 }));
      const client = stage.open(version, mode, proxy.url);
      await client.next("connect");
      const talk = stage.talk(client, 20);
      await talk.goesOn(stage.short ? 20 : 200);
      await talk.end({ lossless: true });
    }, { long: version !== "4.8.4" });

    check(`socket.io-client ${version}, ${mode}: what is held up arrives in order`, async (stage) => {
      const server = await stage.serve();
      const proxy = stage.closing(await faulty(server, { delay: 40 }));
      const client = stage.open(version, mode, proxy.url);
      await client.next("connect");
      const talk = stage.talk(client);
      await talk.goesOn(stage.short ? 100 : 1_000);
      await talk.end({ lossless: true });
    }, { long: version !== "4.8.4" });
  }
}
