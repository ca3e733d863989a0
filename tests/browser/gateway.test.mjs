// The gateway in the browser: Laravel Echo's clients with cookies of another origin, and the page of the guide.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { profile, test } from "./browser.mjs";
import { Server } from "./server.mjs";

const file = (path) => readFileSync(new URL(path, import.meta.url), "utf8");
const socketio = file("node_modules/socket.io-client/dist/socket.io.min.js");

/** A program of a test that answers by HTTP. `answer` gives a status and a body. */
async function web(t, answer) {
  const http = createServer(async (request, response) => {
    let body = "";
    for await (const data of request) body += data;
    const [status, said, headers] = await answer(request, body);
    response.writeHead(status, headers).end(said);
  }).listen(0, "127.0.0.1");
  await once(http, "listening");
  t.after(() => http.close() && http.closeAllConnections());
  return `http://127.0.0.1:${http.address().port}`;
}

/** As Laravel does it: who has the cookie of a session is a user; Bert may not see what is Anna's. */
function application({ url, headers }, body) {
  const files = { "/echo.js": file("node_modules/laravel-echo/dist/echo.iife.js"), "/socket.io.js": socketio };
  if (files[url]) return [200, files[url], { "content-type": "text/javascript" }];
  if (url.startsWith("/login/")) {
    return [200, "<title>Shop</title>", { "content-type": "text/html", "set-cookie": `session=${url.slice(7)}; Path=/; HttpOnly` }];
  }
  const user = /session=(\w+)/.exec(headers.cookie)?.[1];
  const channel = new URLSearchParams(body).get("channel_name");
  if (user === undefined || (channel === "private-of.anna" && user !== "anna")) return [403, "{}"];
  return [200, JSON.stringify({ channel_data: { user_id: user, user_info: { name: user } } })];
}

test("Laravel Echo: public, private and presence channels, and whispers", async (t) => {
  const shop = await web(t, application);
  const options = ["--echo-auth-url", `${shop}/broadcasting/auth`, "--cors-origin", shop, "--cors-credentials"];
  const server = await Server.start(...options, "--api", "127.0.0.1:0", "--api-key", "the-key-of-the-tests");
  t.after(() => server.kill());
  const api = (await server.says(/API on (\S+)/)).replace("/api/", "/apps/1");
  const headers = { authorization: "Bearer the-key-of-the-tests", "content-type": "application/json" };
  const publish = (channel, data) =>
    fetch(`${api}/events`, { method: "POST", headers, body: JSON.stringify({ channel, name: "App\\Events\\Told", data }) });

  const visit = async (user) => {
    const context = await profile();
    t.after(() => context.close());
    const tab = await context.newPage();
    await tab.goto(`${shop}/login/${user}`);
    await tab.addScriptTag({ url: "/socket.io.js" });
    await tab.addScriptTag({ url: "/echo.js" });
    await tab.evaluate((host) => {
      window.heard = [];
      const hears = (what) => (...args) => window.heard.push([what, ...args]);
      window.echo = new Echo.default({ broadcaster: "socket.io", client: io, host, withCredentials: true });
      echo.connector.socket.on("subscription_error", hears("error"));
      echo.channel("orders").listen("Told", hears("orders"));
      echo.private("of.anna").listen("Told", hears("of.anna"));
      echo.private("room").listenForWhisper("typing", hears("typing"));
      echo.join("chat").here(hears("here")).joining(hears("joining")).leaving(hears("leaving"));
    }, server.url);
    const hears = async (...wanted) => {
      const text = JSON.stringify(wanted);
      await tab.waitForFunction((text) => window.heard.some((one) => JSON.stringify(one) === text), text);
    };
    const subscribed = async (channel) => {
      for (;;) {
        const found = await fetch(`${api}/channels/${channel}`, { headers });
        if ((await found.json()).occupied) return;
      }
    };
    return { context, tab, hears, subscribed };
  };

  const anna = await visit("anna");
  await anna.hears("here", [{ name: "anna" }]);
  const bert = await visit("bert");
  await anna.hears("joining", { name: "bert" });
  await bert.hears("here", [{ name: "bert" }, { name: "anna" }]);
  await bert.hears("error", "private-of.anna", 403);
  await anna.subscribed("private-of.anna");
  await publish("private-of.anna", "a secret");
  await publish("orders", { id: 1 });
  for (const one of [anna, bert]) await one.hears("orders", { id: 1 });
  await anna.hears("of.anna", "a secret");
  await bert.tab.evaluate(() => echo.private("room").whisper("typing", { name: "bert" }));
  await anna.hears("typing", { name: "bert" });
  const heard = await bert.tab.evaluate(() => window.heard.map(([what]) => what));
  assert.deepEqual(heard.filter((what) => ["of.anna", "typing"].includes(what)), []);
  await bert.context.close();
  await anna.hears("leaving", { name: "bert" });
});

test("the guide's page: a chat with login", async (t) => {
  const guide = file("../../docs/guide/gateway.md");
  const backend = await web(t, (_, body) => {
    const { type, auth, data, args } = JSON.parse(body);
    if (type === "connect" && auth.password !== "secret") return [403, JSON.stringify({ message: "wrong name or password" })];
    const message = { to: ["lobby"], event: "chat", args: [data?.user, ...(args ?? [])] };
    const answers = { connect: { join: ["lobby"], data: { user: auth?.user } }, event: { emit: [message] } };
    return [200, JSON.stringify(answers[type] ?? {})];
  });
  const server = await Server.start("--webhook", backend, "--webhook-events", "chat", "--cors-origin", "*");
  t.after(() => server.kill());
  const folder = mkdtempSync(join(tmpdir(), "guide-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const page = join(folder, "chat.html");
  writeFileSync(page, /```html\n([^]*?)```/.exec(guide)[1].replace("http://localhost:3000", server.url));

  const open = async (...answers) => {
    const context = await profile();
    t.after(() => context.close());
    await context.route("https://cdn.socket.io/**", (route) => route.fulfill({ body: socketio, contentType: "text/javascript" }));
    const tab = await context.newPage();
    tab.on("dialog", (dialog) => dialog.accept(answers.shift()));
    await tab.goto(`file://${page}`);
    const shows = (text) => tab.getByText(text, { exact: true }).waitFor();
    return { tab, shows };
  };
  const [anna, bert] = [await open("anna", "secret"), await open("bert", "secret")];
  for (const one of [anna, bert]) await one.shows("You are in.");
  await anna.tab.locator("#text").fill("Hi");
  await anna.tab.keyboard.press("Enter");
  for (const one of [anna, bert]) await one.shows("anna: Hi");
  await bert.tab.locator("#text").fill("<b>Hello</b>");
  await bert.tab.getByRole("button", { name: "Send" }).click();
  for (const one of [anna, bert]) await one.shows("bert: <b>Hello</b>");
  const stranger = await open("anna", "wrong");
  await stranger.shows("wrong name or password");
});
