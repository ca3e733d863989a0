// The pages behind a proxy that serves them under a prefix, and takes the prefix away: nginx's
// `location /chat/ { proxy_pass http://node/; }`.

import assert from "node:assert/strict";
import { test } from "./browser.mjs";
import { nginx } from "./nginx.mjs";
import { chat } from "./visitor.mjs";
import { profile } from "./browser.mjs";

test("the chat works below a prefix that a proxy takes away", async (t) => {
  const { server, visit } = await chat(t);
  const address = await nginx(t, "/chat/", server.url);
  const [ada, ben] = [await visit({ at: address, path: "/chat/" }), await visit()];
  await ada.status(/^online by WebSocket, upgraded/);
  await ada.take("Ada");
  await ada.say("from behind the proxy");
  await ben.hears("from behind the proxy");
  await ben.say("from beside it");
  await ada.hears("from beside it");
  for (const line of ada.requests) assert.match(line, /^(GET|POST) \/chat\//, "nothing is asked for elsewhere");

  // Without the slash behind it, nginx itself leads there; with a query it is still the page.
  const cleo = await visit({ at: address, path: "/chat?polling" });
  await cleo.status(/long polling/);
  await cleo.say("by polling");
  await ben.hears("by polling");

  await ada.page.getByRole("button", { name: "For programs" }).click();
  const example = await ada.page.locator("#program-text").textContent();
  assert.ok(example.includes(`"${address.replace("http", "ws")}/chat/ws"`), example);
  await (await ben.page.context().newCDPSession(ben.page)).send("Runtime.evaluate", { expression: example });
  await ben.online("Ada", "Robot");
  ben.elsewhere = [];
});

test("the page finds its endpoint where the server has it", async (t) => {
  for (const flags of [["--path", "/a/b/"], ["--trailing-slash", "absent"]]) {
    const { visit } = await chat(t, ...flags);
    const [ada, ben] = [await visit(), await visit()];
    await ada.say("found it");
    await ben.hears("found it");
  }
});

test("the inspector works below a prefix that a proxy takes away", async (t) => {
  const { server, visit } = await chat(t, "--inspect", "127.0.0.1:0");
  const inspector = await server.says(/inspector.*?(http:\/\/127\.0\.0\.1:\d+)/);
  const address = await nginx(t, "/inspect/", inspector);
  const context = await profile();
  t.after(() => context.close());
  const page = await context.newPage();
  await page.goto(`${address}/inspect/`);
  await page.getByRole("status").filter({ hasText: "live" }).waitFor();
  await visit();
  await page.getByText("1 live of 1 session").waitFor();
});
