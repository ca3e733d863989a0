// nginx and haproxy in front of two servers: real clients through them, and what becomes of these when their server is
// killed.

import assert from "node:assert/strict";
import { Agent } from "node:http";
import { balancer, has } from "../balancer.mjs";
import { check } from "../check.mjs";
import { until } from "../until.mjs";
import { sessions } from "../held.mjs";

const proxies = ["nginx", "haproxy"].filter(has);
const modes = ["polling", "websocket", "upgrade"];

async function behind(stage, name, choice, ...flags) {
  const servers = [await stage.serve(...flags), await stage.serve(...flags)];
  return { servers, ...stage.closing(await balancer(name, choice, servers)) };
}

/** The one of two servers that has the session. */
async function home(servers) {
  const counts = await Promise.all(servers.map(sessions));
  assert.deepEqual([...counts].sort(), [0, 1], "one session on one server");
  return servers[counts.indexOf(1)];
}

/** A client talks, its server is killed, and it goes on with the other. */
async function outlives(stage, { servers, url }, version, mode, options) {
  const client = stage.open(version, mode, url, options);
  await client.ready();
  const talk = stage.talk(client);
  await talk.goesOn(200);
  const first = await home(servers);
  assert.equal(talk.connections, 1, "until then nothing is lost");
  await first.kill();
  await until("a new connection", () => talk.connections > 1 || talk.connections);
  await talk.goesOn(200);
  await talk.end();
  if (mode === "upgrade") await client.upgraded();
  assert.equal(await sessions(servers.find((server) => server !== first)), 1, "it is on the other server");
}

for (const name of proxies) {
  for (const version of ["4.8.4", "2.5.0"]) {
    for (const mode of modes) {
      check(
        `${name}, by address: socket.io-client ${version}, ${mode}, talks through it, and goes on with the other server when its own is killed`,
        async (stage) => outlives(stage, await behind(stage, name, "by address"), version, mode),
        { long: mode !== "upgrade" && (version !== "4.8.4" || name !== "nginx") },
      );
    }
  }

  check(`${name}, by address: clients are spread, and each stays where it is`, async (stage) => {
    const { servers, url } = await behind(stage, name, "by address");
    const talks = [];
    // The balancers tell addresses apart by their first three bytes, or by all of them.
    for (let at = 0; at < 16; at++) {
      const agent = new Agent({ localAddress: `127.0.${at}.${at + 1}` });
      const client = stage.open("4.8.4", modes[at % 3], url, { agent });
      await client.ready();
      talks.push(stage.talk(client, 10));
    }
    await Promise.all(talks.map((talk) => talk.goesOn()));
    const counts = await Promise.all(servers.map(sessions));
    assert.equal(counts[0] + counts[1], 16);
    assert.ok(counts[0] > 0 && counts[1] > 0, `${counts} sessions`);
    await Promise.all(talks.map((talk) => talk.end({ lossless: true })));
  });

  check(`${name}, by turns: who polls is told that its session is unknown`, async (stage) => {
    const { url } = await behind(stage, name, "by turns");
    const answers = [];
    const opened = await (await fetch(`${url}/socket.io/?EIO=4&transport=polling`)).text();
    const { sid } = JSON.parse(opened.slice(1));
    for (let at = 0; at < 2; at++) {
      const answer = await fetch(`${url}/socket.io/?EIO=4&transport=polling&sid=${sid}`, { method: "POST", body: "40" });
      answers.push([answer.status, await answer.text()]);
    }
    assert.deepEqual(answers.sort(), [
      [200, "ok"],
      [400, '{"code":1,"message":"Session ID unknown"}'],
    ]);
    // The client passes on that it was refused.
    const client = stage.open("4.8.4", "polling", url, { reconnection: false });
    const error = await new Promise((resolve) => {
      client.socket.on("connect_error", resolve);
      client.socket.on("disconnect", (reason, details) => resolve(details));
    });
    assert.match(error.message, /^xhr (poll|post) error$/);
    assert.equal(error.description, 400);
  });

  // proves: protocol/early-answers
  check(`${name}, by address: an answer before a body was read arrives, and the server stays in service`, async (stage) => {
    const { url } = await behind(stage, name, "by address", "--max-payload", "100000");
    const client = stage.open("4.8.4", "polling", url);
    await client.ready();
    const talk = stage.talk(client);
    const target = `${url}/socket.io/?EIO=4&transport=polling`;
    const { sid } = JSON.parse((await (await fetch(target)).text()).slice(1));
    const body = Buffer.alloc(6_000_000, "4");
    for (let time = 0; time < 10; time++) {
      for (const [status, to] of [
        [400, `${target}&sid=AAAAAAAAAAAAAAAAAAAA`],
        [404, `${url}/socket.io/nothing`],
        [413, `${target}&sid=${sid}`],
      ]) {
        assert.equal((await fetch(to, { method: "POST", body })).status, status);
      }
    }
    // A proxy that took the server out of service would send its clients to the other one.
    await talk.goesOn(50);
    assert.equal(talk.connections, 1);
    await talk.end({ lossless: true });
  });

  check(`${name}, by turns: a client that begins with WebSocket needs no stickiness`, async (stage) => {
    const { servers, url } = await behind(stage, name, "by turns");
    await outlives(stage, { servers, url }, "4.8.4", "websocket");
  }, { long: true });

  check(`${name}: a poll waits longer than the heartbeat`, async (stage) => {
    const { url } = await behind(stage, name, "by address", "--ping-interval", "700ms", "--ping-timeout", "700ms");
    const client = stage.open("4.8.4", "polling", url);
    await client.ready();
    let lost;
    client.socket.on("disconnect", (reason) => (lost = reason));
    await new Promise((resolve) => setTimeout(resolve, 5_000));
    assert.equal(lost, undefined);
    await client.echo("still here");
  }, { long: true });
}

if (proxies.includes("haproxy")) {
  for (const mode of modes) {
    check(
      `haproxy, by the server's cookie: socket.io-client 4.8.4, ${mode}, talks through it, and goes on with the other server when its own is killed`,
      async (stage) =>
        outlives(stage, await behind(stage, "haproxy", "by cookie", "--cookie", "io"), "4.8.4", mode, { withCredentials: true }),
      { long: mode !== "upgrade" },
    );
  }
}
