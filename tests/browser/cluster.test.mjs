// The page of @socket.io/admin-ui on a cluster of one server of socket.io and two of ours.

import assert from "node:assert/strict";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { io } from "socket.io-client";
import { Redis, administered, program, until } from "../cluster/cluster.mjs";
import { profile, test } from "./browser.mjs";

const page = fileURLToPath(new URL("node_modules/@socket.io/admin-ui/ui/dist", import.meta.url));
// Of "changeit".
const hash = "$2a$04$XVMhG.O9066kuO6FsybnG.y7InquSIfZqxL7Or0eu9hQi1nIwXGVW";
const flags = ["--admin-user", "admin", "--admin-password-hash", hash, "--admin-dir", page];

const go = (admin, name) => admin.getByRole("navigation").getByRole("link", { name, exact: true }).click();
const row = (admin, text) => admin.locator("main tbody tr").filter({ hasText: text });

// proves: features/admin-ui
test("the page shows the three servers of a mixed cluster, and steers the clients of all", async (t) => {
  const redis = await Redis.start();
  const auth = { type: "basic", username: "admin", password: hash };
  const servers = await Promise.all([
    administered({ auth, serverId: "theirs", mode: "development" }, redis),
    program(redis, ...flags, "--admin-server-id", "ours-1"),
    program(redis, ...flags, "--admin-server-id", "ours-2"),
  ]);
  const connect = ({ url }) => io(url, { forceNew: true, transports: ["websocket"], reconnection: false });
  const [clients, drinker] = [servers.map(connect), connect(servers[2])];
  const connected = Promise.all([...clients, drinker].map((client) => once(client, "connect")));
  const context = await profile({ viewport: { width: 1440, height: 900 } });
  t.after(async () => {
    [...clients, drinker].forEach((client) => client.disconnect());
    await context.close();
    servers.forEach(({ process }) => process.kill("SIGKILL"));
    await redis.kill();
  });
  await connected;
  const channel = "socket.io-request#/admin#";
  await until("the servers count each other", async () => (await redis.client.pubSubNumSub([channel]))[channel] === 3);

  // The page comes from one of ours, and logs in there.
  context.setDefaultTimeout(20_000);
  const admin = await context.newPage();
  await admin.goto(`${servers[1].url}/admin/`);
  await admin.getByLabel("Server URL").fill(servers[1].url);
  await admin.getByLabel("Username").fill("admin");
  await admin.getByLabel("Password").fill("changeit");
  await admin.getByRole("button", { name: "Connect" }).click();
  await go(admin, "Servers");
  for (const name of ["theirs", "ours-1", "ours-2"]) await row(admin, name).getByText("Healthy").waitFor();
  if (process.env.PICTURE) await admin.screenshot({ path: process.env.PICTURE });
  await go(admin, "Sockets");
  for (const { id } of clients) await row(admin, id).getByText("WebSocket").waitFor();

  // The page offers the rooms that there are, and has no field for events: its protocol has.
  const sessionId = await admin.evaluate(() => localStorage.getItem("session_id"));
  const sender = io(`${servers[1].url}/admin`, { auth: { sessionId }, transports: ["websocket"] });
  t.after(() => sender.disconnect());
  sender.emit("join", "/", "tea", drinker.id);
  await go(admin, "Rooms");
  await row(admin, "tea").waitFor();

  // Only one of the clients is on the server that the page is connected to.
  for (const client of clients) {
    const { id } = client;
    await go(admin, "Sockets");
    await row(admin, id).locator("td").first().click();
    await admin.getByLabel("Join a room").fill("tea");
    await admin.getByRole("option", { name: "tea" }).click();
    await admin.locator("main form button[type=submit]").click();
    await row(admin, "tea").waitFor();
    const heard = once(client, "news");
    sender.emit("emit", "/", "tea", "news", "it is ready");
    assert.deepEqual(await heard, ["it is ready"]);
    const left = new Promise((resolve) => sender.on("room_left", (_, room, socket) => room === "tea" && socket === id && resolve()));
    await row(admin, "tea").getByRole("button").click();
    await left;
    // What goes to the room doesn't reach it any more.
    const next = once(client, "next");
    let late = false;
    client.once("news", () => (late = true));
    sender.emit("emit", "/", "tea", "news", "too late");
    sender.emit("emit", "/", id, "next");
    await next;
    assert.ok(!late);
  }
  for (const client of clients) {
    const { id } = client;
    const gone = once(client, "disconnect");
    await go(admin, "Sockets");
    await row(admin, id).getByRole("button").click();
    assert.equal((await gone)[0], "io server disconnect");
    await go(admin, "Sockets");
    await row(admin, drinker.id).waitFor();
    // The page of the socket, which may still be there, names it twice.
    await row(admin, id).first().waitFor({ state: "detached" });
  }
});
