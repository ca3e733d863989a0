// npm's laravel-echo, with an application that says who may join, and publishes in Redis.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { test } from "node:test";
import Echo from "laravel-echo";
import { io as io4 } from "socket.io-client";
import io2 from "socket.io-client-2";
import { KEY, redis, server, until } from "./gateway.mjs";
import { freePort } from "../free-port.mjs";

const PREFIX = "laravel_database_";
const CLIENTS = { 2: io2, 4: io4 };

/** The application. `answer` says what it says; `asked` has what it was asked. */
async function application(t, answer, { port } = {}) {
  const asked = [];
  const http = createServer(async (request, response) => {
    let body = "";
    for await (const data of request) body += data;
    const question = { path: request.url, headers: request.headers, body };
    asked.push(question);
    const channel = new URLSearchParams(body).get("channel_name");
    const user = /session=(\w+)/.exec(request.headers.cookie)?.[1];
    const [status, said, headers] = await answer(channel, user, question);
    response.writeHead(status, headers).end(said);
  }).listen(port ?? 0, "127.0.0.1");
  await once(http, "listening");
  const stop = () => new Promise((done) => http.close(done) && http.closeAllConnections());
  t.after(stop);
  return { asked, stop, port: http.address().port, url: `http://127.0.0.1:${http.address().port}/broadcasting/auth` };
}

/** As Laravel says it. */
const laravel = (channel, user) => {
  if (user === undefined) return [401, "{}"];
  if (channel === "private-of.anna" && user !== "anna") return [403, "{}"];
  if (!channel.startsWith("presence-")) return [200, "true"];
  return [200, JSON.stringify({ channel_data: { user_id: user.length, user_info: { name: user } } })];
};

function echo(t, url, user, { io = io4, ...options } = {}) {
  const echo = new Echo({
    broadcaster: "socket.io",
    client: io,
    host: url,
    forceNew: true,
    reconnectionDelay: 50,
    extraHeaders: { Cookie: `session=${user}` },
    auth: { headers: { Authorization: `Bearer ${user}`, "X-Forwarded-For": "192.0.2.7" } },
    ...options,
  });
  t.after(() => echo.disconnect());
  echo.errors = [];
  echo.connector.socket.on("subscription_error", (...error) => echo.errors.push(error));
  return echo;
}

/** What a callback got, and the next of it. */
function heard(listen) {
  const got = [];
  listen((...args) => got.push(args));
  return { got, next: () => until("something is heard", () => got.shift()) };
}

const published = (event, data, socket = null) => JSON.stringify({ event: `App\\Events\\${event}`, data, socket });

/** The server; `apps` calls laravel-echo-server's API, `has` waits for the clients of a channel. */
async function echoServer(t, options, settings) {
  const running = await server(t, options, settings);
  const apps = async (path, body, headers = { authorization: `Bearer ${KEY}` }) => {
    const method = body === undefined ? "GET" : "POST";
    headers = { ...headers, "content-type": "application/json" };
    const url = new URL(`/apps/1/${path}`, running.api);
    const response = await fetch(url, { method, headers, body: JSON.stringify(body) });
    return { status: response.status, body: await response.json() };
  };
  const has = (channel, count) =>
    until(`${channel} has ${count}`, async () => (await apps(`channels/${channel}`)).body.subscription_count === count);
  return { ...running, apps, has };
}

for (const [version, io] of Object.entries(CLIENTS)) {
  test(`Laravel Echo with socket.io-client ${version}: channels`, async (t) => {
    const { url: redisUrl, publish } = await redis(t);
    const app = await application(t, laravel);
    const options = ["--echo-auth-url", app.url, "--echo-redis", redisUrl, "--echo-redis-prefix", PREFIX];
    const { url, has } = await echoServer(t, options);
    const [anna, bert] = ["anna", "bert"].map((user) => echo(t, url, user, { io }));
    const listeners = [anna, bert].map((one) => heard((cb) => one.channel("orders").listen("OrderShipped", cb)));
    await has("orders", 2);
    await publish(`${PREFIX}orders`, published("OrderShipped", { id: 1 }));
    for (const listener of listeners) assert.deepEqual(await listener.next(), [{ id: 1 }]);

    // The client that caused it doesn't get it, and others' channels don't either.
    await publish(`${PREFIX}orders`, published("OrderShipped", { id: 2 }, anna.socketId()));
    await publish("orders", published("OrderShipped", { id: 3 }));
    await publish(`${PREFIX}orders`, published("OrderShipped", { id: 4 }));
    assert.deepEqual(await listeners[0].next(), [{ id: 4 }]);
    assert.deepEqual([await listeners[1].next(), await listeners[1].next()], [[{ id: 2 }], [{ id: 4 }]]);

    // A private channel asks the application, with the client's cookies and its own words.
    const secret = heard((cb) => anna.private("of.anna").listen("Told", cb));
    bert.private("of.anna");
    await until("Bert is refused", () => bert.errors.length > 0);
    assert.deepEqual(bert.errors, [["private-of.anna", 403]]);
    await has("private-of.anna", 1);
    const [{ path, headers, body }] = app.asked.filter(({ headers }) => headers.authorization === "Bearer anna");
    assert.deepEqual([path, body], ["/broadcasting/auth", "channel_name=private-of.anna"]);
    assert.equal(headers.cookie, "session=anna");
    assert.equal(headers["x-requested-with"], "XMLHttpRequest");
    assert.equal(headers["content-type"], "application/x-www-form-urlencoded");
    assert.equal(headers["x-forwarded-for"], undefined, "what a proxy says is not the client's to say");
    await publish(`${PREFIX}private-of.anna`, published("Told", "secret"));
    assert.deepEqual(await secret.next(), ["secret"]);

    // Whispers go to the others of a private channel, and nowhere else.
    const typing = heard((cb) => bert.private("room").listenForWhisper("typing", cb));
    const own = heard((cb) => anna.private("room").listenForWhisper("typing", cb));
    const open = heard((cb) => bert.channel("orders").listenForWhisper("typing", cb));
    await has("private-room", 2);
    anna.connector.socket.emit("client event", { channel: "orders", event: "client-typing", data: 0 });
    anna.connector.socket.emit("client event", { channel: "private-room", event: "typing", data: 0 });
    anna.connector.socket.emit("client event", { channel: "private-elsewhere", event: "client-typing", data: 0 });
    anna.connector.socket.emit("client event", null);
    anna.private("room").whisper("typing", { bytes: Buffer.from("ab") });
    assert.deepEqual(await typing.next(), [{ bytes: Buffer.from("ab") }]);
    assert.deepEqual([own.got, open.got], [[], []]);

    bert.leave("orders");
    await has("orders", 1);
    await publish(`${PREFIX}orders`, published("OrderShipped", { id: 5 }));
    assert.deepEqual(await listeners[0].next(), [{ id: 5 }]);
    assert.deepEqual(listeners[1].got, []);
    assert.deepEqual(anna.errors, []);
  });

  test(`Laravel Echo with socket.io-client ${version}: presence`, async (t) => {
    const app = await application(t, laravel);
    const { url, apps, has } = await echoServer(t, ["--echo-auth-url", app.url]);
    const join = (user) => {
      const one = echo(t, url, user, { io });
      const channel = one.join("chat");
      const [here, joining, leaving] = ["here", "joining", "leaving"].map((what) => heard((cb) => channel[what](cb)));
      return { echo: one, here, joining, leaving };
    };
    const anna = join("anna");
    assert.deepEqual(await anna.here.next(), [[{ name: "anna" }]]);
    const ben = join("ben");
    assert.deepEqual(await ben.here.next(), [[{ name: "ben" }, { name: "anna" }]]);
    assert.deepEqual(await anna.joining.next(), [{ name: "ben" }]);
    // Ben's second window is no other user.
    const again = join("ben");
    assert.deepEqual(await again.here.next(), [[{ name: "ben" }, { name: "anna" }]]);
    assert.deepEqual((await apps("channels/presence-chat")).body, {
      subscription_count: 3,
      occupied: true,
      user_count: 2,
    });
    const { users } = (await apps("channels/presence-chat/users")).body;
    assert.deepEqual(users.map(({ id, user_info }) => [id, user_info.name]).sort(), [[3, "ben"], [4, "anna"]]);
    ben.echo.disconnect();
    await has("presence-chat", 2);
    again.echo.leave("chat");
    assert.deepEqual(await anna.leaving.next(), [{ name: "ben" }]);
    const clara = join("clara");
    assert.deepEqual(await clara.here.next(), [[{ name: "clara" }, { name: "anna" }]]);
    assert.deepEqual(await anna.joining.next(), [{ name: "clara" }]);
    assert.deepEqual([anna.joining.got, anna.leaving.got], [[], []]);
  });
}

test("an application that gives no answer costs a client its subscription, and says why in the log", async (t) => {
  const said = {
    page: [200, "<html>"],
    broken: [500, "oops"],
    elsewhere: [302, "", { location: "/login" }],
    expired: [419, "{}"],
    no: [200, "false"],
  };
  const app = await application(t, (channel) => said[channel.slice("private-".length)] ?? [200, "true"]);
  const { url, has, log } = await echoServer(t, ["--echo-auth-url", app.url], { level: "warn" });
  const anna = echo(t, url, "anna");
  for (const name of Object.keys(said)) anna.private(name);
  await until("all are refused", () => anna.errors.length === 5);
  const told = Object.fromEntries(anna.errors.map(([channel, status]) => [channel.slice("private-".length), status]));
  assert.deepEqual(told, { page: 0, broken: 500, elsewhere: 302, expired: 419, no: 403 });
  anna.private("fine");
  await has("private-fine", 1);
  await app.stop();
  anna.private("later");
  await until("nobody answers", () => anna.errors.length === 6);
  assert.deepEqual(anna.errors[5], ["private-later", 0]);
  await until("the log says so", () => /kind="?unreachable/.test(log()));
  const lines = log().split("\n").filter((line) => line.includes("can't be asked"));
  assert.equal(lines.length, 3, `one line of each kind: ${log()}`);
  assert.match(log(), /kind="status" error="\d+ .*, and not 200, 401 or 403"/);
  assert.match(log(), /kind="bad_answer" error="200 OK \\"<html>\\", which is no JSON"/);
  assert.match(log(), /set cors-origin/);
});

test("a channel that is left while the application is asked is not joined", async (t) => {
  let answer;
  const answered = new Promise((done) => (answer = done));
  const app = await application(t, async (channel) => {
    if (channel === "private-slow") await answered;
    return [200, "true"];
  });
  const { url, has, apps } = await echoServer(t, ["--echo-auth-url", app.url]);
  const anna = echo(t, url, "anna");
  anna.private("slow");
  await until("the application is asked", () => app.asked.length === 1);
  anna.leave("slow");
  anna.private("other");
  await has("private-other", 1);
  answer();
  anna.private("last");
  await has("private-last", 1);
  assert.deepEqual(Object.keys((await apps("channels")).body.channels).sort(), ["private-last", "private-other"]);
});

test("a client that comes back is asked about again", async (t) => {
  const left = new Set();
  const app = await application(t, (channel, user) => (left.has(user) ? [403, "{}"] : laravel(channel, user)));
  const { url, has, apps } = await echoServer(t, ["--echo-auth-url", app.url, "--recovery", "1m", "--app", "laravel-echo"]);
  const anna = echo(t, url, "anna");
  const [joining, leaving] = ["joining", "leaving"].map((what) => heard((cb) => anna.join("chat")[what](cb)));
  await has("presence-chat", 1);
  const ben = echo(t, url, "ben");
  ben.private("room");
  const got = heard((cb) => ben.join("chat").listen(".news", cb));
  assert.deepEqual(await joining.next(), [{ name: "ben" }]);
  await has("private-room", 1);
  const news = (data) => apps("events", { channel: "presence-chat", name: "news", data });
  await news(1);
  assert.deepEqual((await got.next())[0], 1);

  ben.connector.socket.io.engine.close();
  assert.deepEqual(await leaving.next(), [{ name: "ben" }]);
  assert.deepEqual(await joining.next(), [{ name: "ben" }]);
  assert.ok(ben.connector.socket.recovered);
  await news(2);
  assert.deepEqual((await got.next())[0], 2);

  left.add("ben");
  ben.connector.socket.io.engine.close();
  await until("Ben is refused", () => ben.errors.length === 2);
  const told = ben.errors.map(([channel, status]) => [channel, status]).sort();
  assert.deepEqual(told, [["presence-chat", 403], ["private-room", 403]]);
  await has("private-room", 0);
  await has("presence-chat", 1);
});

for (const [version, io] of Object.entries(CLIENTS)) {
  test(`Laravel Echo with socket.io-client ${version} subscribes again when the server comes back`, async (t) => {
    const app = await application(t, laravel);
    const port = await freePort();
    const first = await echoServer(t, ["--echo-auth-url", app.url], { port });
    const anna = echo(t, first.url, "anna", { io });
    const here = heard((cb) => anna.join("chat").here(cb));
    await here.next();
    await first.stop();
    const second = await echoServer(t, ["--echo-auth-url", app.url], { port });
    assert.deepEqual(await here.next(), [[{ name: "anna" }]]);
    await second.has("presence-chat", 1);
  });
}

test("nobody joins private channels without an application, nor another's own room", async (t) => {
  const { url } = await echoServer(t, ["--app", "laravel-echo"]);
  const [anna, bert] = ["anna", "bert"].map((user) => echo(t, url, user));
  await until("they are connected", () => anna.socketId() && bert.socketId());
  for (const channel of ["private-a", "presence-a", `${PREFIX}private-a`, bert.socketId(), ""]) {
    anna.connector.socket.emit("subscribe", { channel });
    await until("it is refused", () => anna.errors.length > 0);
    assert.deepEqual(anna.errors.shift(), [channel, 403]);
  }
  // What can't be read changes nothing.
  for (const odd of [null, 7, [], {}, { channel: 7 }]) anna.connector.socket.emit("subscribe", odd);
  anna.connector.socket.emit("unsubscribe", null);
  anna.connector.socket.emit("subscribe", { channel: "private-b", auth: 7 });
  await until("it is refused", () => anna.errors.length > 0);
  assert.deepEqual(anna.errors, [["private-b", 403]]);
});

test("a message that is none of Laravel's is left out, and Redis may come back", async (t) => {
  const first = await redis(t);
  const { url, has, log } = await echoServer(t, ["--echo-redis", first.url], { level: "info" });
  const anna = echo(t, url, "anna");
  const orders = heard((cb) => anna.channel("orders").listen("OrderShipped", cb));
  await has("orders", 1);
  for (const odd of ["", "7", "{", "{}", '{"event":7}', '{"event":"connect","data":1}', "\xff"]) {
    await first.publish("orders", odd);
  }
  await first.publish("orders", published("OrderShipped", 1));
  assert.deepEqual(await orders.next(), [1]);
  assert.equal(log().match(/is not Laravel's/g).length, 1, "the log says it once");
  await first.stop();
  await until("the log says that Redis is lost", () => log().includes("can't receive what the application publishes"));
  const second = await redis(t, { port: first.port });
  await until("Redis is heard again", () => log().includes("Redis is back"));
  await second.publish("orders", published("OrderShipped", 2));
  assert.deepEqual(await orders.next(), [2]);
});

test("the API of laravel-echo-server publishes", async (t) => {
  const { url, api, apps, has } = await echoServer(t, ["--app", "laravel-echo"]);
  const [anna, bert] = ["anna", "bert"].map((user) => echo(t, url, user));
  const got = [anna, bert].map((one) => heard((cb) => one.channel("orders").listen(".sent", cb)));
  await has("orders", 2);
  const ok = { status: 200, body: { message: "ok" } };
  assert.deepEqual(await apps("events", { channel: "orders", name: "sent", data: { id: 1 } }), ok);
  assert.deepEqual([await got[0].next(), await got[1].next()], [[{ id: 1 }], [{ id: 1 }]]);
  // As Pusher's library for PHP sends it: data as a string, the key in the query.
  const event = { channels: ["others", "orders"], name: "sent", data: '{"id":2}', socket_id: anna.socketId() };
  assert.deepEqual(await apps(`events?auth_key=${KEY}&auth_signature=x`, event, {}), ok);
  assert.deepEqual(await got[1].next(), [{ id: 2 }]);
  assert.deepEqual(await apps("events", { channel: "orders", name: "sent", data: "text" }), ok);
  assert.deepEqual([await got[0].next(), await got[1].next()], [["text"], ["text"]]);

  assert.deepEqual(await apps("channels?filter_by_prefix=ord"), {
    status: 200,
    body: { channels: { orders: { subscription_count: 2, occupied: true } } },
  });
  assert.equal((await apps("status")).body.subscription_count, 2);
  const error = (status, error) => ({ status, body: { error } });
  const missing = error(400, "Event must include channel, event name and data");
  for (const body of [{}, { channel: "a", name: "b" }, { channels: [], name: "b", data: 1 }]) {
    assert.deepEqual(await apps("events", body), missing);
  }
  assert.deepEqual(await apps("channels/orders/users"), error(400, "User list is only possible for Presence Channels"));
  for (const [path, headers] of [["events", {}], ["events?auth_key=wrong", {}], ["events", { authorization: "Bearer x" }]]) {
    assert.deepEqual(await apps(path, event, headers), error(403, "Unauthorized"));
  }
  assert.equal((await apps("nothing")).status, 404);
  assert.equal((await fetch(new URL("/apps/1/events", api), { method: "POST", body: "{}" })).status, 403);
});

test("in a cluster each client gets a message once, and members see those of all nodes", async (t) => {
  const { url: shared, publish } = await redis(t);
  const app = await application(t, laravel);
  const options = ["--redis", shared, "--echo-redis", shared, "--echo-redis-prefix", PREFIX, "--echo-auth-url", app.url];
  const nodes = [];
  for (const name of ["one", "two"]) nodes.push(await echoServer(t, [...options, "--node", name]));
  await until("the nodes know each other", async () => (await nodes[0].call("info")).body.nodes === 2);
  const [anna, ben] = [echo(t, nodes[0].url, "anna"), echo(t, nodes[1].url, "ben")];
  const got = [anna, ben].map((one) => heard((cb) => one.channel("orders").listen("Sent", cb)));
  const joining = heard((cb) => anna.join("chat").joining(cb));
  const leaving = heard((cb) => anna.join("chat").leaving(cb));
  const here = heard((cb) => anna.join("chat").here(cb));
  await here.next();
  const there = heard((cb) => ben.join("chat").here(cb));
  assert.deepEqual(await there.next(), [[{ name: "ben" }, { name: "anna" }]]);
  assert.deepEqual(await joining.next(), [{ name: "ben" }]);
  await nodes[0].has("orders", 2);
  await publish(`${PREFIX}orders`, published("Sent", 1, ben.socketId()));
  await publish(`${PREFIX}orders`, published("Sent", 2));
  assert.deepEqual([await got[0].next(), await got[0].next(), await got[1].next()], [[1], [2], [2]]);
  await nodes[0].apps("events", { channel: "orders", name: "App\\Events\\Sent", data: 3 });
  assert.deepEqual([await got[0].next(), await got[1].next()], [[3], [3]]);
  // What is sent to one socket is for nobody on another node either.
  anna.connector.socket.emit("subscribe", { channel: ben.socketId() });
  await until("it is refused", () => anna.errors.length > 0);
  assert.deepEqual(anna.errors, [[ben.socketId(), 403]]);
  ben.disconnect();
  assert.deepEqual(await leaving.next(), [{ name: "ben" }]);
  assert.deepEqual(got.map((one) => one.got), [[], []], "nothing comes twice");
});
