// The page of @socket.io/admin-ui, as npm has it, served by our server and connected to it.

import assert from "node:assert/strict";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { io } from "socket.io-client";
import { profile, test } from "./browser.mjs";
import { Server } from "./server.mjs";

const page = fileURLToPath(new URL("node_modules/@socket.io/admin-ui/ui/dist", import.meta.url));
// Of "changeit".
const hash = "$2a$04$XVMhG.O9066kuO6FsybnG.y7InquSIfZqxL7Or0eu9hQi1nIwXGVW";
const flags = ["--app", "echo", "--admin-user", "admin", "--admin-password-hash", hash, "--admin-dir", page];

/** A server with a client, and its page, which nobody has logged in to. */
async function open(t, ...more) {
  const server = await Server.start(...flags, ...more);
  const client = io(server.url, { transports: ["websocket"], reconnection: false });
  await once(client, "connect");
  const context = await profile();
  t.after(async () => {
    client.disconnect();
    await context.close();
    await server.kill();
  });
  const admin = await context.newPage();
  // Without its slash it is the same page.
  await admin.goto(`${server.url}/admin`);
  return { server, client, admin };
}

async function login({ admin, server }, password) {
  await admin.getByLabel("Server URL").fill(server.url);
  await admin.getByLabel("Username").fill("admin");
  await admin.getByLabel("Password").fill(password);
  await admin.getByRole("button", { name: "Connect" }).click();
}

const connected = (admin) => admin.locator("header .v-chip").getByText(/^connected$/i).first().waitFor();
const go = (admin, name) => admin.getByRole("navigation").getByRole("link", { name, exact: true }).click();
const row = (admin, text) => admin.locator("main tbody tr").filter({ hasText: text });

// proves: features/admin-ui
test("an administrator logs in, and stays so after a reload", async (t) => {
  const stage = await open(t);
  const { admin } = stage;
  await login(stage, "changeit2");
  await admin.getByText("Invalid credentials").waitFor();
  await login(stage, "changeit");
  await connected(admin);
  // The page asks the server with the session that it stored.
  await admin.reload();
  await connected(admin);
  assert.equal(await admin.getByLabel("Password").count(), 0, "it asks for no password");
});

// proves: features/admin-ui
test("the page shows sockets, rooms and events as they come", async (t) => {
  const stage = await open(t);
  const { admin, client, server } = stage;
  await login(stage, "changeit");
  await connected(admin);
  await row(admin, "/custom").waitFor();
  await go(admin, "Sockets");
  await row(admin, client.id).getByText("WebSocket").waitFor();
  const late = io(server.url, { transports: ["polling"], reconnection: false });
  t.after(() => late.disconnect());
  await once(late, "connect");
  await row(admin, late.id).getByText("HTTP long-polling").waitFor();
  await go(admin, "Rooms");
  // The application has all sockets join it.
  await row(admin, "all").getByText("2", { exact: true }).waitFor();
  await go(admin, "Events");
  client.emit("message", "good morning");
  await row(admin, "message-back").filter({ hasText: client.id }).waitFor();
  late.disconnect();
  await row(admin, "Disconnection").filter({ hasText: "client namespace disconnect" }).waitFor();
  await go(admin, "Servers");
  await row(admin, "Healthy").waitFor();
});

// proves: features/admin-ui
test("an administrator has a socket join a room, sends to it, and disconnects it", async (t) => {
  const stage = await open(t);
  const { admin, client, server } = stage;
  await login(stage, "changeit");
  await connected(admin);
  // The page has no field for events, but its protocol has. This one speaks in the page's own session.
  const sessionId = await admin.evaluate(() => localStorage.getItem("session_id"));
  const sender = io(`${server.url}/admin`, { auth: { sessionId }, transports: ["websocket"] });
  const other = io(server.url, { transports: ["websocket"], reconnection: false });
  t.after(() => [sender, other].forEach((socket) => socket.disconnect()));
  await once(other, "connect");
  // The page offers the rooms that there are.
  sender.emit("join", "/", "tea", other.id);
  await go(admin, "Rooms");
  await row(admin, "tea").waitFor();
  await go(admin, "Sockets");
  await row(admin, client.id).locator("td").first().click();
  await admin.getByLabel("Join a room").fill("tea");
  await admin.getByRole("option", { name: "tea" }).click();
  await admin.locator("main form button[type=submit]").click();
  await row(admin, "tea").waitFor();
  const heard = once(client, "news");
  sender.emit("emit", "/", "tea", "news", "it is ready");
  assert.deepEqual(await heard, ["it is ready"]);
  const { id } = client;
  const gone = once(client, "disconnect");
  await go(admin, "Sockets");
  await row(admin, id).getByRole("button").click();
  const [reason] = await gone;
  assert.equal(reason, "io server disconnect");
  await go(admin, "Sockets");
  await row(admin, other.id).waitFor();
  await row(admin, id).waitFor({ state: "detached" });
});

// proves: features/admin-ui
test("where administrators look only, the page offers nothing else", async (t) => {
  const stage = await open(t, "--admin-read-only");
  const { admin, client } = stage;
  await login(stage, "changeit");
  await connected(admin);
  await go(admin, "Sockets");
  await row(admin, client.id).waitFor();
  assert.equal(await row(admin, client.id).locator(".mdi-logout").count(), 0);
});
