// haproxy in front of a server, with the PROXY protocol: the server knows its clients by their own addresses.

import assert from "node:assert/strict";
import { Agent } from "node:http";
import { connect } from "node:net";
import { has, tunnel } from "../balancer.mjs";
import { check } from "../check.mjs";
import { until } from "../until.mjs";

/** Sends bytes from an address of this machine, and reads until the end. */
function send(url, localAddress, bytes) {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    let answer = "";
    const socket = connect({ host: hostname, port: Number(port), localAddress }, () => socket.write(bytes));
    socket.on("data", (chunk) => (answer += chunk)).on("end", () => resolve(answer)).on("error", reject);
  });
}

if (has("haproxy")) {
  for (const version of ["send-proxy", "send-proxy-v2"]) {
    // proves: features/wish/proxy-protocol
    check(`haproxy, ${version}: clients talk through it, and the log has their own addresses`, async (stage) => {
      const flags = ["--proxy-protocol", "--trusted-proxy", "127.0.0.1", "--log-level", "info"];
      const server = await stage.serve(...flags);
      const { url } = stage.closing(await tunnel(version, server));
      for (const mode of ["polling", "upgrade"]) {
        const agent = new Agent({ localAddress: "127.0.0.5" });
        const client = stage.open("4.8.4", mode, url, { agent });
        await client.ready();
        const talk = stage.talk(client);
        await talk.goesOn(50);
        assert.equal(talk.connections, 1);
        await talk.end({ lossless: true });
      }
      assert.match(await send(url, "127.0.0.7", "this is no request\r\n\r\n"), /^HTTP\/1\.1 400 /);
      await until("the client's address in the log", () => /could not be read.* address="?127\.0\.0\.7:/.test(server.log) || server.log);
      // Who comes from elsewhere may not say who it is.
      const header = "PROXY TCP4 203.0.113.7 198.51.100.1 4711 443\r\n";
      assert.match(await send(server.url, "127.0.0.9", header), /^HTTP\/1\.1 400 .*not a trusted proxy/s);
    });
  }
}
