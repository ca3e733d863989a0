import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import { SECRET, backend, client, connected, server, until } from "./gateway.mjs";
import { freePort } from "../free-port.mjs";

const hooked = (t, behind, more = []) => server(t, ["--webhook", behind.url, "--webhook-secret", SECRET, ...more]);

for (const language of ["PHP", "Python", "Node"]) {
  test(`${language}: a chat with login`, async (t) => {
    const behind = await backend(t, language);
    const { url, call, stop } = await hooked(t, behind, ["--presence-rooms", "lobby", "--presence-data", "name"]);
    for (const name of [undefined, null, 7, ["Anna"]]) {
      const stranger = client(t, url, { name }, { reconnection: false });
      const [refused] = await new Promise((done) => stranger.on("connect_error", (...error) => done(error)));
      assert.deepEqual([refused.message, refused.data], ["who are you?", { code: 7 }]);
    }

    const anna = client(t, url, { name: "Anna" });
    assert.deepEqual(await anna.next("welcome"), ["Hello, Anna"]);
    const [alone] = await anna.next("presence:members");
    assert.deepEqual(alone, { room: "lobby", members: [{ socket: anna.id, data: { name: "Anna" } }] });
    const bert = client(t, url, { name: "Bert" });
    await bert.next("welcome");
    const member = { socket: bert.id, data: { name: "Bert" } };
    assert.deepEqual(await anna.next("presence:joined"), [{ room: "lobby", member }]);

    assert.deepEqual(await anna.timeout(10_000).emitWithAck("chat", "Hi", { a: [1], b: {} }), "ok");
    assert.deepEqual(await bert.next("chat"), ["Anna", "Hi", { a: [1], b: {} }]);
    assert.deepEqual(await anna.timeout(10_000).emitWithAck("chat", Buffer.from("Hi")), "ok");
    assert.deepEqual(await bert.next("chat"), ["Anna", Buffer.from("Hi")]);

    const { status, body } = await call("emit", { to: ["lobby"], event: "news", args: ["all"] });
    assert.deepEqual([status, body], [200, { sockets: 2, scope: "cluster" }]);
    assert.deepEqual([await anna.next("news"), await bert.next("news")], [["all"], ["all"]]);
    bert.on("vote", (question, answer) => answer(`yes to ${question}`));
    const asked = await call("emit", { to: [bert.id], event: "vote", args: ["tea"], timeout: "5s" });
    assert.deepEqual(asked.body.answers, [{ socket: bert.id, args: ["yes to tea"] }]);
    assert.deepEqual((await call(`sockets/${bert.id}`)).body.data, { name: "Bert" });

    bert.disconnect();
    assert.deepEqual(await anna.next("presence:left"), [{ room: "lobby", member }]);
    await until("the end is told", () => behind.told().includes("disconnected client namespace disconnect"));
    await stop("SIGTERM");
    // What happens while the server ends is told before it has ended.
    assert.ok(behind.told().some((line) => line.startsWith("disconnected server shutting down")), behind.told().join());
  });

  test(`${language}: a slow backend costs its acknowledgement and nothing else`, async (t) => {
    const behind = await backend(t, language);
    const { url } = await hooked(t, behind, ["--webhook-event-timeout", "3s"]);
    const anna = client(t, url, { name: "Anna" });
    const bert = client(t, url, { name: "Bert" });
    await Promise.all([connected(anna), connected(bert)]);
    const slow = anna.timeout(900).emitWithAck("slow");
    assert.equal(await bert.timeout(10_000).emitWithAck("chat", "meanwhile"), "ok");
    await assert.rejects(slow);
    assert.equal(await anna.timeout(10_000).emitWithAck("chat", "afterwards"), "ok");
  });

  test(`${language}: clients come back when the backend does`, async (t) => {
    const first = await backend(t, language);
    const { url } = await hooked(t, first);
    await first.stop();
    const anna = client(t, url, { name: "Anna" });
    let refused = 0;
    anna.on("connect_error", () => (refused += 1));
    await until("the client tries again", () => anna.io._reconnecting);
    assert.ok(!anna.connected);
    await backend(t, language, { port: first.port });
    await connected(anna);
    assert.equal(refused, 0, "an outage is no refusal");
  });

  test(`${language}: a hook that is forged is refused, and one that comes again is not done again`, async (t) => {
    const behind = await backend(t, language);
    const send = async (id, time, secret) => {
      const body = JSON.stringify({ type: "batch", hooks: [{ type: `done ${id}` }] });
      const key = Buffer.from(secret.slice("whsec_".length), "base64");
      const signature = createHmac("sha256", key).update(`${id}.${time}.${body}`).digest("base64");
      const headers = {
        "content-type": "application/json",
        "webhook-id": id,
        "webhook-timestamp": String(time),
        "webhook-signature": `v1,${signature}`,
      };
      return (await fetch(behind.url, { method: "POST", headers, body })).status;
    };
    const now = Math.floor(Date.now() / 1000);
    assert.equal(await send("1", now, "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), 500);
    assert.equal(await send("2", now - 1000, SECRET), 500);
    assert.equal(await send("3", now, SECRET), 204);
    assert.equal(await send("3", now, SECRET), 200);
    assert.deepEqual(behind.told().filter((line) => line.startsWith("done ")), ["done 3"]);
  });
}

test("keys and secrets are changed without a pause", async (t) => {
  const [oldSecret, newSecret] = [SECRET, "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"];
  const behind = await backend(t, "Node", { secrets: newSecret });
  const secrets = ["--webhook-secret", oldSecret, "--webhook-secret", newSecret];
  const { url, call } = await server(t, ["--webhook", behind.url, ...secrets, "--api-key", "the-next-key-12345"]);
  await connected(client(t, url, { name: "Anna" }));
  assert.equal((await call("info")).status, 200);
  assert.equal((await call("info", undefined, "the-next-key-12345")).status, 200);
  assert.equal((await call("info", undefined, "a-wrong-key-123456")).status, 401);
});

test("clients come back after the server does, with many at once", async (t) => {
  const behind = await backend(t, "Node");
  const port = await freePort();
  const first = await hooked(t, behind);
  await first.stop();
  const clients = Array.from({ length: 100 }, (_, n) => client(t, `http://127.0.0.1:${port}`, { name: `${n}` }));
  await server(t, ["--webhook", behind.url, "--webhook-secret", SECRET], { port });
  await Promise.all(clients.map(connected));
});
