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
  await ada.hears("Ben came in");
  await ada.page.getByText("Ada, Ben", { exact: true }).waitFor();
  await ben.say("who has milk?");
  await ada.hears("who has milk?");

  await ben.page.getByRole("button", { name: "Leave" }).click();
  await ben.title("Everyone");
  await ada.hears("Ben went out");
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
