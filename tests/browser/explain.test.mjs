// The inspector's explainer: what one pastes is explained byte by byte, also from a link, a record and the chat.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { io } from "socket.io-client";
import { profile, test } from "./browser.mjs";
import { real } from "./inspector.mjs";
import { chat } from "./visitor.mjs";

/** The explainer on an inspector's page. */
function explainer(page) {
  const dialog = page.getByRole("dialog", { name: "Explain" });
  const explanation = dialog.getByRole("region", { name: "Explanation" });
  return {
    dialog,
    explanation,
    input: dialog.getByRole("textbox", { name: /^A packet, a payload/ }),
    state: (text) => dialog.getByRole("status").getByText(text, { exact: true }).waitFor(),
    message: (title) => explanation.getByRole("heading", { name: title }).waitFor(),
    rows: async () => (await explanation.getByRole("row").allTextContents()).slice(1),
  };
}

test("a packet, a payload, bytes and a journal's line are explained as one pastes them", async (t) => {
  const { visit } = await real(t, "--app", "echo");
  const inspector = await visit();
  const { input, state, message, rows, explanation } = explainer(inspector.page);
  await inspector.button("Explain").click();
  await input.fill('42["é"]');
  await message("Engine.IO 4, a text packet, 8 bytes");
  await state("Legal");
  assert.deepEqual(await rows(), [
    '04type 4, message: the rest is for the layer aboveEngine.IO protocol 4, "Message"',
    '12type 2, EVENTSocket.IO protocol 5, "Sending and receiving data"',
    "2[\"é\"]payload: an array of the event's name and arguments",
    "3\"é\"the event's name",
  ]);
  const coloured = explanation.locator(".coloured span");
  assert.deepEqual(await coloured.allTextContents(), ["4", "2", "[", '"é"', "]"]);
  const colours = await coloured.evaluateAll((spans) => spans.map((span) => getComputedStyle(span).backgroundColor));
  assert.equal(new Set(colours).size, 4, `the brackets have one colour, and each part its own: ${colours}`);
  await explanation.getByText("In hexadecimal", { exact: true }).click();
  const dump = explanation.getByRole("group", { name: "Hexadecimal" });
  assert.match(await dump.textContent(), /^000034 32 5b 22 c3 a9 22 5d/);
  const written = await dump.locator("span > span").evaluateAll((spans) => spans.map((span) => [span.textContent, getComputedStyle(span).backgroundColor]));
  assert.deepEqual(written.slice(0, 5), ["34", "32", "5b", "22 c3 a9 22", "5d"].map((bytes, at) => [bytes, colours[at]]), "in the same colours");

  await input.fill("40\\x1e2");
  await message("Engine.IO 4, a polling payload, 4 bytes");
  await input.fill("81 83 00000000 34 30 2f");
  await message("Engine.IO 4, WebSocket frames, 9 bytes");
  await state("Legal, read as hexadecimal");
  await input.fill('{"n":7,"time":7,"session":2,"direction":"in","raw":"42{}","kind":"body"}');
  await explanation.getByText("record 7 · session 2 · from the client").waitFor();
  await input.fill('{"journal":1');
  await explanation.getByText(/^This can't be read as a journal/).waitFor();
});

test("the first wrong byte is marked, with the rule that it breaks", async (t) => {
  const { visit } = await real(t, "--app", "echo");
  const inspector = await visit();
  const { input, state, rows, explanation, dialog } = explainer(inspector.page);
  await inspector.button("Explain").click();
  await input.fill('42["connect"]');
  await state("Breaks a rule");
  await explanation.getByText("RESERVED_EVENT").waitFor();
  await explanation.getByText("The server ends the session: parse error.").waitFor();
  assert.equal((await rows()).at(-1), '3"Wrong: a reserved event name');
  assert.equal(await explanation.locator(".coloured .wrong").textContent(), '"');
  await input.fill('42["a"');
  await explanation.getByText("(the end)").waitFor();

  // Only a server sends it.
  await input.fill("44{}");
  await state("Legal");
  await dialog.getByLabel("Sent by").selectOption("a client");
  await explanation.getByText("CONNECT_ERROR_FROM_CLIENT").waitFor();
  await dialog.getByLabel("Revision").selectOption("Engine.IO 3");
  await explanation.getByRole("heading", { name: /^Engine.IO 3/ }).waitFor();
});

test("a link holds the input, and leads to it", async (t) => {
  const { visit, address } = await real(t, "--app", "echo");
  const inspector = await visit({ permissions: ["clipboard-read", "clipboard-write"] });
  const first = explainer(inspector.page);
  await inspector.button("Explain").click();
  await first.input.fill('44{"message":"100% & #é"}');
  await first.dialog.getByLabel("Sent by").selectOption("the server");
  await first.state("Legal");
  await first.dialog.getByRole("button", { name: "Copy link" }).click();
  await first.dialog.getByRole("button", { name: "Copied" }).waitFor();
  const link = await inspector.page.evaluate(() => navigator.clipboard.readText());
  assert.ok(link.startsWith(`${address}/#explain=44%7B`) && link.endsWith("&from=server"), link);
  assert.equal(inspector.page.url(), link);

  const context = await profile();
  t.after(() => context.close());
  const page = await context.newPage();
  const asked = [];
  page.on("request", (request) => asked.push(request.url()));
  await page.goto(link);
  const second = explainer(page);
  await second.state("Legal");
  assert.equal(await second.input.inputValue(), '44{"message":"100% & #é"}');
  assert.equal(await second.dialog.getByLabel("Sent by").inputValue(), "server");
  assert.ok(asked.every((url) => !url.includes("message%22")), "the input is in no address that a server sees");
  await page.keyboard.press("Escape");
  // The dialog's `close` comes after it is hidden.
  await page.waitForURL(`${address}/`);
  assert.ok(await second.dialog.isHidden());
});

test("it is used by keyboard alone", async (t) => {
  const { visit } = await real(t, "--app", "echo");
  const inspector = await visit();
  const { dialog, input, state, explanation } = explainer(inspector.page);
  await inspector.press("e");
  await dialog.waitFor();
  await inspector.page.keyboard.type("40 / e");
  assert.equal(await input.inputValue(), "40 / e", "keys of the page are letters here");
  await input.fill("");
  const examples = dialog.getByRole("group", { name: "Examples" });
  await examples.waitFor();
  for (let presses = 0; presses < 12; presses++) {
    await inspector.press("Tab");
    if (await examples.getByRole("button").first().evaluate((button) => button === document.activeElement)) break;
  }
  await inspector.press("Enter");
  await state("Legal");
  assert.equal(await input.inputValue(), '42["chat","hi"]');
  assert.ok(await input.evaluate((field) => field === document.activeElement));
  await explanation.focus();
  await inspector.press("Escape");
  await dialog.waitFor({ state: "hidden" });
});

test("a record and each packet of the chat lead to it", async (t) => {
  const { server, visit } = await real(t, "--app", "chat");
  const inspector = await visit();
  const socket = io(server.url, { forceNew: true, transports: ["websocket"] });
  t.after(() => socket.close());
  await inspector.record(/EVENT.*“welcome”/).waitFor();
  await inspector.openRecord(/EVENT.*“welcome”/);
  await inspector.panel().getByRole("button", { name: /^Engine\.IO/ }).click();
  await inspector.panel().getByRole("button", { name: "Explain each byte" }).click();
  const { state, explanation, dialog } = explainer(inspector.page);
  await state("Legal, read as lines of a journal");
  await explanation.getByText(/^record \d+ · session \d+ · from the server$/).waitFor();
  await inspector.press("Escape");
  await dialog.waitFor({ state: "hidden" });

  const context = await profile();
  t.after(() => context.close());
  const page = await context.newPage();
  await page.goto(server.url);
  await page.getByRole("button", { name: "Show the wire" }).click();
  const [explained] = await Promise.all([
    context.waitForEvent("page"),
    page.getByRole("region", { name: "The wire" }).getByRole("link", { name: /"welcome"/ }).first().click(),
  ]);
  await explainer(explained).state("Legal");
  assert.equal(await explainer(explained).dialog.getByLabel("Sent by").inputValue(), "server");
});

test("without an inspector the chat's packets lead nowhere", async (t) => {
  const { visit } = await chat(t);
  const ada = await visit();
  await ada.page.getByRole("button", { name: "Show the wire" }).click();
  const wire = ada.page.getByRole("region", { name: "The wire" });
  await wire.getByText(/EVENT welcome/).waitFor();
  assert.equal(await wire.getByRole("link").count(), 0);
});

test("a server that has gone is told", async (t) => {
  const { server, visit } = await real(t, "--app", "echo");
  const inspector = await visit();
  await inspector.button("Explain").click();
  const { input, state, explanation } = explainer(inspector.page);
  await input.fill("40");
  await state("Legal");
  await server.kill();
  await input.fill("41");
  await explanation.getByText("The server does not answer, and it is what explains.").waitFor();
  inspector.forgiveLostConnection();
});

for (const colorScheme of ["light", "dark"]) {
  test(`axe finds nothing in the ${colorScheme} scheme, nor on a narrow screen`, async (t) => {
    const { visit } = await real(t, "--app", "echo");
    const inspector = await visit({ colorScheme });
    const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
    await inspector.page.evaluate(axe);
    await inspector.button("Explain").click();
    const { input, explanation } = explainer(inspector.page);
    const examine = async (place) => {
      const found = await inspector.page.evaluate(() => window.axe.run(document.getElementById("explainer"), { resultTypes: ["violations"] }));
      assert.deepEqual(found.violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target, any }) => `${target} ${any[0]?.message ?? ""}`).join("; ")}`), [], place);
    };
    await explanation.getByRole("group", { name: "Examples" }).waitFor();
    await examine("empty");
    await input.fill('2\\x1e42/admin,17["chat","hi",{"a":[1]},true]');
    await explanation.getByRole("heading", { name: /payload/ }).waitFor();
    await examine("legal");
    await input.fill('42["chat","hi"');
    await explanation.getByText("(the end)").waitFor();
    await explanation.getByText("In hexadecimal", { exact: true }).click();
    await examine("wrong");
    await inspector.page.setViewportSize({ width: 390, height: 760 });
    await examine("narrow");
    const { wide, narrow } = await inspector.page.evaluate(() => ({ wide: document.getElementById("explainer").scrollWidth, narrow: document.getElementById("explainer").clientWidth }));
    assert.ok(wide <= narrow, `${wide} of ${narrow}`);
  });
}
