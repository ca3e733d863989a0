// The chat page: what people do there.

import assert from "node:assert/strict";
import { test } from "./browser.mjs";
import { chat } from "./visitor.mjs";

test("what a guest writes reaches everyone else once and in order", async (t) => {
  const { visit } = await chat(t);
  const [ada, ben, cleo] = [await visit(), await visit(), await visit()];
  for (let i = 1; i <= 20; i++) await ada.say(`line ${i}`);
  const lines = Array.from({ length: 20 }, (_, i) => `line ${i + 1}`);
  for (const reader of [ben, cleo]) {
    await reader.hears("line 20");
    assert.deepEqual(await reader.said(), lines);
    await reader.log().getByText(await ada.handle(), { exact: true }).first().waitFor();
  }
  assert.deepEqual(await ada.said(), lines, "the writer sees each once");
  assert.match(await ada.handle(), /^guest-\d{4,}$/);
});

test("a name brings one online, and who leaves is off every list", async (t) => {
  const { visit } = await chat(t);
  const [ada, ben] = [await visit(), await visit()];
  await ada.take("Ada");
  await ben.online("Ada");
  await ben.take("Ben");
  await ada.online("Ada", "Ben");
  await ada.hears("Ben is online");

  const late = await visit();
  await late.online("Ada", "Ben");

  await ben.take("Benjamin");
  await ada.online("Ada", "Benjamin");
  await ada.hears("Ben is now called Benjamin");

  await ben.leave();
  await ada.online("Ada");
  await late.online("Ada");
  await ada.hears("Benjamin left");
});

test("a name that can't be had is refused with a reason", async (t) => {
  const { visit } = await chat(t);
  const [ada, ben] = [await visit(), await visit()];
  await ada.take("Ada Lovelace");
  for (const [name, reason] of [
    ["Ada Lovelace", /taken/],
    ["  ada   LOVELACE ", /taken/],
    ["", /at least one/],
    ["   ", /at least one/],
    ["x".repeat(25), /at most 24/],
    ["guest-1234", /guest-/],
    ["Ada\u202eecalevoL", /invisible/],
    ["Ada\u2060 Lovelace", /invisible/],
    ["Аda Lovelace", /looks like a name that is taken/], // with a letter of another script
    ["\u0301Ada", /accent/],
  ]) {
    await ben.askFor(name);
    assert.match(await ben.refusal(), reason, JSON.stringify(name));
    await ben.dialog().getByRole("button", { name: "Cancel" }).click();
  }
  await ben.online("Ada Lovelace");
  await ben.take("x".repeat(24));
  await ada.online("Ada Lovelace", "x".repeat(24));
});

test("a direct message goes to one alone, and can be answered", async (t) => {
  const { visit } = await chat(t);
  const [ada, ben, guest] = [await visit(), await visit(), await visit()];
  await ada.take("Ada");
  await ben.take("Ben");
  await guest.online("Ada", "Ben");

  await guest.turnTo("Ada");
  await guest.say("psst, Ada");
  const unread = ada.page.getByRole("button", { name: `${await guest.handle()} 1 unread` });
  await unread.click();
  await ada.hears("psst, Ada");
  await ada.say("yes?");
  await guest.hears("yes?");

  await ada.turnTo("Ben");
  await ada.say("not for the guest");
  await ben.turnTo("Ada");
  await ben.hears("not for the guest");

  // All that was sent before this has arrived by now.
  await ben.turnTo("Everyone");
  await ben.say("the last");
  await guest.turnTo("Everyone");
  await guest.hears("the last");
  assert.deepEqual(await guest.said(), ["the last"]);
  assert.deepEqual(await ben.said(), ["the last"]);
});

test("a direct message to somebody who has left says so", async (t) => {
  const { visit } = await chat(t);
  const [ada, ben] = [await visit(), await visit()];
  await ben.take("Ben");
  await ada.online("Ben");
  await ada.turnTo("Ben");
  await ada.say("here?");
  await ben.leave();
  await ada.online();
  await ada.say("still here?");
  await ada.page.getByText("Nobody here is called “Ben”.").waitFor();
  await ada.page.getByRole("button", { name: "Send again" }).waitFor();
});

test("a room's messages stay in the room", async (t) => {
  const { visit } = await chat(t);
  const [ada, ben, cleo] = [await visit(), await visit(), await visit()];
  await ada.take("Ada");
  await ben.take("Ben");
  await ada.join("Tea");
  await ada.title("#tea");
  await ben.join("#tea");
  await ada.hears("Ben joined");
  await ada.page.getByText("Ada, Ben", { exact: true }).waitFor();
  await ben.say("who has milk?");
  await ada.hears("who has milk?");

  await ben.page.getByRole("button", { name: "Leave" }).click();
  await ben.title("Everyone");
  await ada.hears("Ben left");
  await ada.say("nobody");
  await ada.turnTo("Everyone");
  await ada.say("that was all");
  for (const other of [ben, cleo]) {
    await other.hears("that was all");
    assert.deepEqual(await other.said(), ["that was all"]);
  }
});

test("a room named in a message is a door into it", async (t) => {
  const { visit } = await chat(t);
  const [ada, ben] = [await visit(), await visit()];
  await ada.join("tea");
  await ada.turnTo("Everyone");
  await ada.say("come to #tea, not to page#anchor");
  await ben.hears("come to #tea, not to page#anchor");
  assert.deepEqual(await ben.log().getByRole("button").allTextContents(), ["#tea"]);
  await ben.log().getByRole("button", { name: "#tea" }).click();
  await ben.title("#tea");
  await ben.say("found it");
  await ada.turnTo("tea");
  await ada.hears("found it");
});

test("what people write is shown as text and never becomes part of the page", async (t) => {
  const { visit } = await chat(t);
  const [ada, ben] = [await visit(), await visit()];
  const evil = `<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>&amp;`;
  await ada.take("<b>Ada</b>");
  await ada.say(evil);
  await ben.hears(evil);
  await ben.online("<b>Ada</b>");
  assert.equal(await ben.page.locator("#log img, #log script, #log b b, #people b").count(), 0);
  assert.doesNotMatch(await ben.page.title(), /owned/);
});

test("unicode and line breaks arrive as they were written", async (t) => {
  const { visit } = await chat(t);
  const [ada, ben] = [await visit(), await visit()];
  const text = "zwei\nZeilen · 日本語 · 👩‍👩‍👧 · \u2028 · \"\\u0000\" · \u{1F600}";
  await ada.page.getByRole("textbox", { name: "Message to everyone" }).fill(text);
  await ada.page.getByRole("button", { name: "Send" }).click();
  await ben.log().locator(".bubble").waitFor();
  assert.deepEqual(await ben.said(), [text]);
});

test("a message in another conversation is counted until it is read", async (t) => {
  const { visit } = await chat(t);
  const [ada, ben] = [await visit(), await visit()];
  await ada.join("tea");
  await ben.say("one");
  await ben.say("two");
  const everyone = ada.page.getByRole("button", { name: "Everyone 2 unread" });
  await everyone.waitFor();
  assert.match(await ada.page.title(), /^\(2\) /);
  await everyone.click();
  await ada.page.getByRole("button", { name: "Everyone", exact: true }).waitFor();
  assert.doesNotMatch(await ada.page.title(), /^\(/);
});

test("an address of the web is a link that opens beside the page and learns nothing of it", async (t) => {
  const { server, visit } = await chat(t);
  const [ada, ben] = [await visit(), await visit()];
  await ada.say(`look at ${server.url}/icon.svg?a=1&b=2, not at javascript:alert(1) or https://bank.example@evil.example/`);
  const link = ben.log().getByRole("link");
  await link.waitFor();
  assert.equal(await link.count(), 1);
  assert.equal(await link.textContent(), `${server.url}/icon.svg?a=1&b=2`);
  assert.deepEqual(await link.evaluate(({ href, target, rel }) => ({ href, target, rel })), {
    href: `${server.url}/icon.svg?a=1&b=2`, target: "_blank", rel: "noopener noreferrer",
  });
  const [opened] = await Promise.all([ben.page.context().waitForEvent("page"), link.click()]);
  assert.equal(await opened.evaluate(() => window.opener), null);
});

test("a room whose name has a space is not taken for another", async (t) => {
  const { visit } = await chat(t);
  const [ada, ben] = [await visit(), await visit()];
  await ada.join("Tea time");
  await ada.title("#tea-time");
  await ada.page.getByText("or by following #tea-time in a message").waitFor();
  await ada.turnTo("Everyone");
  await ada.say("come to #tea-time, or to #c++");
  await ben.hears("come to #tea-time, or to #c++");
  assert.deepEqual(await ben.log().getByRole("button").allTextContents(), ["#tea-time"]);
  await ben.log().getByRole("button", { name: "#tea-time" }).click();
  await ben.title("#tea-time");
  await ben.say("found it");
  await ada.turnTo("tea-time");
  await ada.hears("found it");
  await ben.join("c++");
  await ben.page.getByText("Others come in by joining “c++”.").waitFor();
});

test("who is at the end of a conversation stays there when the window becomes smaller", async (t) => {
  const { visit } = await chat(t);
  const [ada, ben] = [await visit({ viewport: { width: 900, height: 800 } }), await visit()];
  for (let line = 1; line <= 20; line++) await ada.say(`line ${line}\n${"word ".repeat(60)}`);
  await ada.page.getByRole("textbox", { name: /^Message to/ }).fill("much to say ".repeat(20));
  await ada.page.setViewportSize({ width: 420, height: 500 });
  const isAtEnd = () => {
    const { scrollHeight, scrollTop, clientHeight } = document.getElementById("scroll");
    return scrollHeight - scrollTop - clientHeight < 5;
  };
  await ada.page.waitForFunction(isAtEnd);
  // Each key measures the field anew, and the field takes its room from the conversation.
  await ada.page.getByRole("textbox", { name: /^Message to/ }).press("x");
  await ada.page.waitForFunction(isAtEnd);
  const field = await ada.page.evaluate(() => {
    const { scrollHeight, clientHeight, style } = document.getElementById("text");
    return { scrollHeight, clientHeight, height: parseFloat(style.height) };
  });
  assert.ok(field.height >= field.scrollHeight, `the field is as high as what is in it: ${JSON.stringify(field)}`);
});
