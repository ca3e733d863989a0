// Connections that are reset in every state, over and over.

import { check } from "../check.mjs";
import { givenBack, heldAtFirst } from "../held.mjs";
import { Raw, frame, polling, webSocket } from "../raw.mjs";

// Each brings one or two connections into a state. All of them are reset then.
const states = {
  "that did nothing": () => {},
  "inside the head of a request": (one) => one.send("GET /socket.io/?EIO=4&tra"),
  "in a handshake": (one) => one.get(polling),
  "after a handshake": (one) => one.open(),
  "with a poll that waits": async (one) => one.get(await one.open()),
  "with a poll that is answered": async (one, other) => {
    const target = await one.open();
    other.post(target, "40");
    one.get(target);
  },
  "inside the body of a POST": async (one, other) => {
    const target = await one.open();
    one.get(target);
    other.post(target, '42["message",1', 1_000);
  },
  "in a WebSocket's handshake": (one) => one.upgrade(webSocket),
  "with a WebSocket that was not probed yet": async (one, other) => {
    const target = await one.open();
    one.get(target);
    other.upgrade(target.replace("polling", "websocket"));
    await other.until("101");
  },
  "in the middle of a probe": async (one, other) => {
    const target = await one.open();
    one.get(target);
    other.upgrade(target.replace("polling", "websocket"));
    other.send(frame("2probe"));
    await other.until("3probe");
  },
  "at the end of an upgrade": async (one, other) => {
    const target = await one.open();
    one.get(target);
    other.upgrade(target.replace("polling", "websocket"));
    other.send(frame("2probe"));
    await other.until("3probe");
    await one.until("6");
    other.send(frame("5"));
  },
  "with a WebSocket": (one) => one.join(),
  "inside a frame": async (one) => {
    await one.join();
    one.send(frame(`42["message","${"x".repeat(1_000)}"]`).subarray(0, 500));
  },
  "between an event and its attachments": async (one) => {
    await one.join();
    one.send(frame('452-["message",{"_placeholder":true,"num":0}]'));
    one.send(frame("abc", 0x82));
  },
  "in a flood of answers": async (one) => {
    await one.join();
    one.send(Buffer.concat(Array(50).fill(frame(`42["message","${"x".repeat(2_000)}"]`))));
  },
  "while a question is open": async (one) => {
    await one.join();
    one.send(frame("40/test,"));
    await one.until("40/test,");
    one.send(frame('42/test,1["ask",1]'));
    await one.until("question");
  },
};

const impatient = [
  ...["--ping-interval", "1s", "--ping-timeout", "1s", "--upgrade-timeout", "1s", "--connect-timeout", "1s"],
  ...["--close-timeout", "1s", "--head-timeout", "1s", "--body-timeout", "1s", "--idle-timeout", "2s", "--attachment-timeout", "1s"],
];

/** Resets that many pairs of connections in that state, several at a time. */
async function reset(server, bring, count) {
  const one = async () => {
    for (; count > 0; count--) {
      const [first, second] = await Promise.all([Raw.open(server), Raw.open(server)]);
      await bring(first, second);
      first.reset();
      second.reset();
    }
  };
  await Promise.all(Array.from({ length: 8 }, one));
}

async function resets(stage, chosen, count) {
  const server = await stage.serve(...impatient);
  const before = await heldAtFirst(server);
  const bystander = stage.open("4.8.4", "upgrade", server.url);
  await bystander.ready();
  const talk = stage.talk(bystander, 5);
  for (const bring of chosen) await reset(server, bring, count);
  await talk.goesOn();
  await talk.end({ lossless: true });
  bystander.close();
  await givenBack(server, before);
}

for (const [state, bring] of Object.entries(states)) {
  check(`a thousand connections ${state} that are reset leave nothing behind, and nobody notices`, (stage) => resets(stage, [bring], 1_000), {
    long: true,
    limit: 120_000,
  });
}

// proves: security/resets
check("connections that are reset in every state leave nothing behind, and nobody notices", (stage) => resets(stage, Object.values(states), 20));
