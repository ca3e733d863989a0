// Takes the README's pictures of the chat and of the inspector: `node picture.mjs FOLDER`.

import { writeFileSync } from "node:fs";
import { argv } from "node:process";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { io } from "socket.io-client";
import { profile } from "./browser.mjs";
import { chat } from "./visitor.mjs";

const save = (name, picture) => writeFileSync(`${argv[2]}/${name}.png`, picture);

test("the chat", async (t) => {
  const { visit } = await chat(t);
  const size = { viewport: { width: 1180, height: 800 }, deviceScaleFactor: 1.5 };
  const ada = await visit(size);
  const [mara, jonas, guest, okuma] = [await visit(), await visit(), await visit(), await visit()];
  await ada.take("Ada");
  await mara.take("Mara");
  await jonas.take("Jonas");
  await okuma.take("Ōkuma");
  await ada.online("Ada", "Mara", "Jonas", "Ōkuma");
  const everyone = [ada, mara, jonas, guest, okuma];
  const say = async (who, text) => {
    await who.say(text);
    for (const visitor of everyone) await visitor.hears(text);
  };

  await say(mara, "The new server is up. I counted what it takes to get here.");
  await say(jonas, "And?");
  await say(mara, "One GET for the handshake, one POST that says 40, and the WebSocket takes over.");
  await say(ada, "Open “Show the wire” below, you can watch 2probe and 3probe go by.");
  await say(guest, "Do I need an account to write here?");
  await say(jonas, "No. You are a guest until you take a name 🙂");
  await say(ada, "I am in #tea, for whoever wants a quieter place.");
  await ada.join("tea");
  await mara.join("tea");
  await mara.say("kettle is on");
  await ada.hears("kettle is on");
  await ada.turnTo("Everyone");
  await mara.say("biscuits too");
  await okuma.turnTo("Ada");
  await okuma.say("lunch at one?");
  await ada.page.getByRole("button", { name: "Ōkuma 1 unread" }).waitFor();
  await ada.page.getByRole("button", { name: "tea 1 unread" }).waitFor();

  await ada.page.getByRole("button", { name: "Show the wire" }).click();
  await ada.page.mouse.move(0, 0);
  save("chat", await ada.page.screenshot());
});

test("the inspector", async (t) => {
  const { server, visit } = await chat(t, "--inspect", "127.0.0.1:0", "--ping-interval", "2s", "--ping-timeout", "1500ms");
  const context = await profile({ viewport: { width: 1440, height: 920 }, deviceScaleFactor: 1.5 });
  t.after(() => context.close());
  const page = await context.newPage();
  await page.goto(await server.says(/inspector on (\S+)/));
  await page.getByLabel("Time shown").selectOption("Everything");

  const ada = await visit();
  await ada.take("Ada");
  const polling = io(server.url, { forceNew: true, transports: ["polling"] });
  t.after(() => polling.close());
  await polling.emitWithAck("name", "Mara");
  await pause(1000);
  const leaving = await visit();
  await leaving.say("I'll be brief.");
  await polling.emitWithAck("message", "Who has 2probe on the wire?");
  await ada.join("tea");
  await polling.emitWithAck("join", "tea");
  await leaving.leave();
  const url = `${server.url}/socket.io/?EIO=4&transport=polling`;
  const { sid } = JSON.parse((await (await fetch(url)).text()).slice(1));
  await fetch(`${url}&sid=${sid}`, { method: "POST", body: "40" });
  await pause(700);
  await fetch(`${url}&sid=${sid}`, { method: "POST", body: '42["message","no end' });
  await pause(300);
  const jonas = await visit();
  await jonas.take("Jonas");
  for (const text of ["The upgrade took me 20 ms.", "And mine is still polling.", "Look at the lane above."]) {
    await jonas.say(text);
    await pause(400);
    await polling.emitWithAck("room", "tea", text);
  }
  await ada.turnTo("Everyone");
  await ada.say("I see it.");
  await pause(600);
  await page.getByRole("listbox", { name: /^Sessions/ }).getByRole("option", { name: /^#1 / }).locator(".number").click();
  await page.getByLabel("Type").selectOption("No heartbeats");
  await page.getByRole("button", { name: "Pause" }).click();
  await page.mouse.move(0, 0);
  const step = page.getByRole("complementary").locator("code").getByText("2probe", { exact: true });
  await step.evaluate((element) => element.closest("li").scrollIntoView({ block: "center" }));
  save("inspector", await page.screenshot());
});
