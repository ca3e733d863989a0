// Takes the README's picture of the chat page: `node picture.mjs FILE`.

import { writeFileSync } from "node:fs";
import { argv } from "node:process";
import { test } from "node:test";
import { chat } from "./visitor.mjs";

test("the picture", async (t) => {
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
  writeFileSync(argv[2], await ada.page.screenshot());
});
