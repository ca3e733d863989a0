// Connection state recovery: a client that lost its connection gets its socket back, with what it missed.

import assert from "node:assert/strict";
import msgpack from "socket.io-msgpack-parser";
import { plain } from "../plain.mjs";
import { butTheReference, scenario } from "../scenario.mjs";

const reconnecting = { reconnection: true, reconnectionDelay: 500, reconnectionDelayMax: 500, randomizationFactor: 0 };

/** A client in `/test` by way of a proxy that can lose its connection, and one beside it. */
function recovering(name, run, { window = "2m", ping = "300ms", parser, skip = () => undefined } = {}) {
  const tooOld = ({ major }) => major < 4 && "it knows no recovery";
  scenario(
    `recovery: ${name}`,
    async (stage) => {
      // A client that polls may be gone without a sign but its silence.
      // But who is merely slow, on a busy machine, is not taken for gone.
      const flags = ["--recovery", window, "--ping-interval", ping, "--ping-timeout", "1s"];
      const server = await stage.serve(...flags, ...(parser ? ["--parser", "msgpack"] : []));
      const road = await stage.cuttable(server);
      const options = { ...(parser && { parser }) };
      const bystander = await stage.connect("/test", { server, mode: "websocket", ...options });
      await bystander.call("join", "watch");
      const client = await stage.connect("/test", { server: road, ...reconnecting, ...options });
      await run({ stage, road, client, bystander });
    },
    { skip: (place) => tooOld(place) || skip(place) },
  );
}

/** Loses the connection, and waits until both sides know. */
async function lose({ road, client, bystander }) {
  road.cut();
  await client.next("disconnect");
  await bystander.next("left");
}

/** Takes that many events, and gives their first arguments. Behind these stand offsets. */
async function firsts(client, event, count) {
  return plain((await client.inbox(event).take(count)).map(([first]) => first));
}

async function overAndOver({ road, client, bystander }) {
  assert.deepEqual(await client.call("join", "r"), [["r"]]);
  const { id } = client.socket;
  assert.ok(!client.socket.recovered);
  for (let round = 0; round < 4; round++) {
    if (round % 2 === 0) {
      bystander.emit("to-room", "r", `${round} before`);
      assert.deepEqual(await firsts(client, "room", 1), [`${round} before`]);
    }
    await lose({ road, client, bystander });
    bystander.emit("to-room", "r", `${round} to the room`);
    bystander.emit("to-room", "other", `${round} to another room`);
    bystander.emit("in-room", id, Buffer.from([round]), `${round} to the client`);
    bystander.emit("others", `${round} to all`);
    bystander.emit("except-room", "r", `${round} to all but the room`);
    await bystander.call("handshake");
    road.mend();
    await client.ready();
    assert.deepEqual([client.socket.recovered, client.socket.id], [true, id]);
    const missed = [`${round} to the room`, Buffer.from([round]), `${round} to all`];
    assert.deepEqual(await firsts(client, "room", 3), plain(missed));
    assert.deepEqual(await client.call("join", "r"), [["r"]]);
  }
  bystander.emit("to-room", "r", "after");
  assert.deepEqual(await firsts(client, "room", 1), ["after"]);
  assert.equal(client.inbox("room").length, 0);
}

// proves: features/connection-state-recovery
recovering("id, rooms and what was missed, over and over", overAndOver);

// proves: features/connection-state-recovery
recovering("the same in MessagePack", overAndOver, { parser: msgpack });

recovering(
  // proves: features/wish/recovery
  "before the first event",
  async ({ road, client, bystander }) => {
    const { id } = client.socket;
    await lose({ road, client, bystander });
    bystander.emit("in-room", id, "missed");
    await bystander.call("handshake");
    road.mend();
    await client.ready();
    assert.deepEqual([client.socket.recovered, client.socket.id], [true, id]);
    assert.deepEqual(await firsts(client, "room", 1), ["missed"]);
  },
  butTheReference("does not recover who has no offset"),
);

// proves: features/wish/recovery
recovering("what a handler sends goes on across the loss, once and in order", async ({ road, client, bystander }) => {
  const count = 300;
  client.emit("burst", count);
  const before = await firsts(client, "tick", 20);
  await lose({ road, client, bystander });
  road.mend();
  await client.ready();
  assert.equal(client.socket.recovered, true);
  const after = await firsts(client, "tick", count - 20);
  assert.deepEqual([...before, ...after], Array.from({ length: count }, (_, i) => i));
  assert.equal(client.inbox("tick").length, 0);
});

recovering(
  "too late",
  async ({ road, client, bystander }) => {
    bystander.emit("others", "an offset");
    await client.next("room");
    const { id } = client.socket;
    await lose({ road, client, bystander });
    bystander.emit("others", "missed");
    await new Promise((resolve) => setTimeout(resolve, 100));
    road.mend();
    await client.ready();
    assert.equal(client.socket.recovered, false);
    assert.notEqual(client.socket.id, id);
    await client.call("handshake");
    assert.equal(client.inbox("room").length, 0);
  },
  { window: "50ms" },
);

recovering("who leaves does not come back", async ({ client, bystander }) => {
  bystander.emit("others", "an offset");
  await client.next("room");
  const { id } = client.socket;
  client.socket.disconnect();
  await bystander.next("left");
  client.socket.connect();
  await client.ready();
  assert.equal(client.socket.recovered, false);
  assert.notEqual(client.socket.id, id);
});

recovering(
  "the client is back before the server knows that it was gone",
  async ({ road, client, bystander }) => {
    assert.deepEqual(await client.call("join", "r"), [["r"]]);
    bystander.emit("to-room", "r", "before");
    assert.deepEqual(await firsts(client, "room", 1), ["before"]);
    const { id } = client.socket;
    road.lose();
    await client.next("disconnect");
    bystander.emit("to-room", "r", "missed");
    road.mend();
    await client.ready();
    assert.deepEqual([client.socket.recovered, client.socket.id], [true, id]);
    assert.deepEqual(await firsts(client, "room", 1), ["missed"]);
    assert.equal((await bystander.next("left"))[1], "transport close");
  },
  { ping: "25s", ...butTheReference("recovers nobody whose old connection it takes for open") },
);
