// The chat page's own client, and what it sends: the page shows it, and so does the browser.

import assert from "node:assert/strict";
import { test } from "./browser.mjs";
import { chat } from "./visitor.mjs";

const polls = (visitor) => visitor.requests.filter((line) => line.includes("transport=polling"));

test("the page begins with polling and moves to a WebSocket", async (t) => {
  const { visit } = await chat(t);
  const [ada, ben] = [await visit(), await visit()];
  await ada.status(/^online by WebSocket, upgraded in \d+ ms$/);
  assert.deepEqual(ada.frames.slice(0, 3), ["> 2probe", "< 3probe", "> 5"]);
  assert.match(polls(ada)[0], /^GET \/socket\.io\/\?EIO=4&transport=polling$/);

  await ben.status(/WebSocket/);
  const before = polls(ada).length;
  await ada.say("by WebSocket");
  await ben.hears("by WebSocket");
  assert.equal(polls(ada).length, before, "polling went on after the upgrade");
  assert.ok(ada.frames.includes(`> 420["message","by WebSocket"]`), ada.frames.join("\n"));
  assert.ok(ada.frames.includes(`< 430[{"ok":true}]`), ada.frames.join("\n"));
});

test("nothing is lost or overtaken while the upgrade is under way", async (t) => {
  const { visit } = await chat(t, "--upgrade-timeout", "60s");
  const reader = await visit();
  let delay = 0;
  const writer = await visit({
    prepare: async (page) => {
      await page.route("**/socket.io/**", async (route) => {
        if (route.request().method() === "POST") await new Promise((resolve) => setTimeout(resolve, delay));
        await route.continue();
      });
      await page.addInitScript(holdUpgrade);
    },
  });
  const lines = [];
  /** Says ten lines, takes the step that was held if there is one, and says ten more before the page rests. */
  const sayMany = async () => {
    const many = Array.from({ length: 20 }, (_, i) => `line ${lines.length + i}`);
    lines.push(...many);
    await writer.page.evaluate((many) => many.forEach((line, i) => {
      document.getElementById("text").value = line;
      document.getElementById("composer").requestSubmit();
      if (i === 10) window.goOn?.();
    }), many);
  };
  for (const step of ["the WebSocket is open", "3probe is here"]) {
    await writer.page.waitForFunction(() => Boolean(window.goOn), step);
    // The last POST takes long to get to the server: long after the GET has come home.
    if (step === "3probe is here") delay = 1500;
    await sayMany();
  }
  await sayMany();
  await writer.status(/WebSocket/);
  await sayMany();
  await reader.hears(lines.at(-1));
  assert.equal(lines.length, 80);
  assert.deepEqual(await reader.said(), lines);
});

test("without a WebSocket the page stays with polling", async (t) => {
  const { visit } = await chat(t);
  const ada = await visit({ path: "/?polling" });
  const blocked = await visit({
    prepare: (page) => page.addInitScript(() => {
      window.WebSocket = class {
        close() {}
      };
    }),
  });
  await ada.say("only requests");
  await blocked.hears("only requests");
  await blocked.say("so do I");
  await ada.hears("so do I");
  await ada.status(/^online by long polling$/);
  await blocked.status(/^online by long polling$/);
  assert.deepEqual(ada.frames, []);
});

test("a WebSocket that dies in the last step of the upgrade costs nothing", async (t) => {
  const { visit } = await chat(t);
  const ben = await visit();
  const ada = await visit({
    prepare: (page) => page.addInitScript(() => {
      const WebSocket = window.WebSocket;
      window.WebSocket = class extends WebSocket {
        set onmessage(handler) {
          super.onmessage = (event) => {
            super.close();
            handler(event);
            window.died = true;
          };
        }
      };
    }),
  });
  await ada.page.waitForFunction(() => window.died);
  await ada.say("one");
  await ben.hears("one");
  await ben.say("two");
  await ada.hears("two");
  await ada.status(/^online by long polling$/);
  assert.deepEqual(await ada.said(), ["one", "two"]);
});

for (const [transport, path] of [["WebSocket", "/"], ["long polling", "/?polling"]]) {
  test(`heartbeats keep a session by ${transport} alive, and the page shows them`, async (t) => {
    const { visit } = await chat(t, "--ping-interval", "200ms", "--ping-timeout", "3s");
    const ada = await visit({ path });
    await ada.status(transport);
    await ada.page.getByRole("button", { name: "Show the wire" }).click();
    const wire = ada.page.getByRole("region", { name: "The wire" });
    await wire.getByText("ping: are you there?").nth(4).waitFor();
    await wire.getByText("pong: yes").nth(4).waitFor();
    await ada.status(transport);
  });
}

test("a server that falls silent is given up once no ping came in time", async (t) => {
  const { visit, server } = await chat(t, "--ping-interval", "300ms", "--ping-timeout", "200ms");
  const ada = await visit();
  await ada.status(/WebSocket/);
  server.freeze();
  await ada.status(/connection lost/);
  server.thaw();
  await ada.status(/^online/);
  ada.forgiveLostConnection();
});

test("the wire shows each step from the handshake on", async (t) => {
  const { visit } = await chat(t);
  const ada = await visit();
  await ada.status(/WebSocket/);
  await ada.page.getByRole("button", { name: "Show the wire" }).click();
  const wire = ada.page.getByRole("region", { name: "The wire" });
  for (const meaning of [
    "ask for a session",
    "open: the session and its rules",
    "CONNECT: ask to join the namespace /",
    "open a WebSocket for this session",
    "does this WebSocket work?",
    "it works",
    "upgrade: I use the WebSocket now",
  ]) {
    await wire.getByText(meaning).first().waitFor();
  }
  // The answer to CONNECT and the first event may share a body, a POST, or come one by one.
  await wire.getByText(/CONNECT: you are in/).waitFor();
  await wire.getByText(/EVENT welcome/).waitFor();
  await ada.say("hello");
  await wire.getByText("EVENT message, wants answer 0").waitFor();
  await wire.getByText("ACK: answer 0").waitFor();
  await ada.page.getByRole("button", { name: "Hide the wire" }).click();
  await wire.waitFor({ state: "hidden" });
});

for (const end of ["kill", "drain"]) {
  test(`after a ${end} and a restart, name, rooms and what could not be sent come back`, async (t) => {
    const { visit, server } = await chat(t);
    const [ada, ben] = [await visit(), await visit({ path: "/?polling" })];
    await ada.take("Ada");
    await ben.take("Ben");
    await ada.join("tea");
    await ben.join("tea");

    await server[end]();
    await ada.status(/connection lost/);
    await ben.status(/connection lost/);
    await ada.say("anybody?");
    await ada.log().getByText("Not sent: not connected.").waitFor();

    await server.restart();
    await ada.status(/^online/);
    await ben.status(/^online/);
    await ada.online("Ada", "Ben");
    await ben.online("Ada", "Ben");
    for (const visitor of [ada, ben]) await visitor.page.getByText("Ada, Ben", { exact: true }).waitFor();

    await ada.page.getByRole("button", { name: "Send again" }).click();
    await ben.hears("anybody?");
    assert.deepEqual(await ben.said(), ["anybody?"]);
    ada.forgiveLostConnection();
    ben.forgiveLostConnection();
  });
}

test("who comes into a room right behind us is seen, also if word of it comes with our answer", async (t) => {
  const { visit } = await chat(t);
  const [ada, ben] = [await visit(), await visit({ path: "/?polling" })];
  await ada.take("Ada");
  await ben.take("Ben");
  let letGo;
  const held = new Promise((resolve) => (letGo = resolve));
  await ben.page.route("**/socket.io/**", async (route) => {
    if (route.request().method() === "GET") await held;
    await route.continue();
  });
  // What Ben hears by the GET that waits already; the next one is held.
  await ada.say("hello");
  await ben.hears("hello");
  const posted = ben.page.waitForResponse((response) => response.request().method() === "POST");
  const joined = ben.join("tea");
  await posted;
  await ada.join("tea");
  letGo();
  await joined;
  await ben.page.getByText("Ada, Ben", { exact: true }).waitFor();
});

test("a reload keeps name and rooms", async (t) => {
  const { visit } = await chat(t);
  const [ada, ben] = [await visit(), await visit()];
  await ada.take("Ada");
  await ada.join("tea");
  await ada.page.reload();
  await ada.status(/^online/);
  await ada.online("Ada");
  await ben.online("Ada");
  await ada.turnTo("tea");
  await ada.title("#tea");
});

/** In the page: each step of an upgrade waits until `goOn` is called. */
function holdUpgrade() {
  const held = (set) => function (handler) {
    set.call(this, (event) => {
      window.goOn = () => {
        window.goOn = undefined;
        handler(event);
      };
    });
  };
  const prototype = WebSocket.prototype;
  const { set: onopen } = Object.getOwnPropertyDescriptor(prototype, "onopen");
  const { set: onmessage } = Object.getOwnPropertyDescriptor(prototype, "onmessage");
  window.WebSocket = class extends WebSocket {
    #probing = true;
    set onopen(handler) {
      held(onopen).call(this, handler);
    }
    set onmessage(handler) {
      (this.#probing ? held(onmessage) : onmessage).call(this, handler);
      this.#probing = false;
    }
  };
}
