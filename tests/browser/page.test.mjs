// The chat page itself: by keyboard, on a narrow screen, in the dark, and what a screen reader gets.

import assert from "node:assert/strict";
import { test } from "./browser.mjs";
import { chat } from "./visitor.mjs";

test("everything can be done by keyboard alone", async (t) => {
  const { visit } = await chat(t);
  const [ada, ben] = [await visit(), await visit()];
  await ben.take("Ben");
  await ada.online("Ben");
  const keyboard = ada.page.keyboard;
  const focused = () => ada.page.evaluate(() => {
    const element = document.activeElement;
    if (element === document.body) return "";
    return element.getAttribute("aria-label") || element.labels?.[0]?.textContent || element.textContent.trim();
  });
  /** Presses Tab until the focus is on something of that name; a person would not look on forever. */
  const tabTo = async (name) => {
    const passed = [];
    for (let i = 0; i < 25; i++) {
      await keyboard.press("Tab");
      passed.push(await focused());
      if (name.test(passed.at(-1))) return;
    }
    assert.fail(`Tab never came to ${name}, only to ${passed.join(", ")}`);
  };

  // The field has the focus from the start.
  await keyboard.type("hello");
  await keyboard.press("Shift+Enter");
  await keyboard.type("you");
  await keyboard.press("Enter");
  await ben.hears("hello\nyou");

  await tabTo(/guest-\d+/);
  await keyboard.press("Enter");
  await keyboard.type("Ben");
  await keyboard.press("Enter");
  assert.match(await ada.refusal(), /taken/);
  await keyboard.type("Ada"); // the refused name is selected
  await keyboard.press("Enter");
  await ben.online("Ada", "Ben");
  assert.equal(await focused(), "Message to everyone");

  await tabTo(/^Join a room$/);
  await keyboard.press("Space");
  await keyboard.press("Escape");
  await ada.dialog().waitFor({ state: "hidden" });
  assert.equal(await focused(), "Join a room");
  await keyboard.press("Enter");
  await keyboard.type("tea");
  await keyboard.press("Enter");
  await ada.title("#tea");
  assert.equal(await focused(), "Message to #tea");

  await tabTo(/^Ben$|^BBen$/);
  await keyboard.press("Enter");
  await ada.title("Ben");
  await keyboard.type("by keyboard");
  await keyboard.press("Enter");
  await ben.turnTo("Ada");
  await ben.hears("by keyboard");

  await tabTo(/^Show the wire$/);
  await keyboard.press("Enter");
  await ada.page.getByRole("region", { name: "The wire" }).waitFor();
});

test("an example for programs can be copied, and runs as it stands", async (t) => {
  const { visit, server } = await chat(t);
  const [ada, ben] = [await visit({ permissions: ["clipboard-read", "clipboard-write"] }), await visit()];
  await ada.page.getByRole("button", { name: "For programs" }).click();
  await ada.dialog().getByRole("button", { name: "Copy" }).click();
  await ada.dialog().getByRole("button", { name: "Copied" }).waitFor();
  const example = await ada.page.evaluate(() => navigator.clipboard.readText());
  assert.match(example, new RegExp(`^const socket = new WebSocket\\("ws://${new URL(server.url).host}/ws"\\);`));
  await ada.page.keyboard.press("Escape");
  await ada.dialog().waitFor({ state: "hidden" });

  const console = await ben.page.context().newCDPSession(ben.page);
  await console.send("Runtime.evaluate", { expression: example });
  await ada.online("Robot");
  await ada.hears("Hello, everyone.");
});

test("where a page can't copy, the example is selected", async (t) => {
  const { visit } = await chat(t);
  const insecure = (page) => page.addInitScript(() => Object.defineProperty(navigator, "clipboard", { value: undefined }));
  const ada = await visit({ prepare: insecure });
  await ada.page.getByRole("button", { name: "For programs" }).click();
  await ada.dialog().getByRole("button", { name: "Copy" }).click();
  await ada.dialog().getByRole("button", { name: "Press Ctrl+C" }).waitFor();
  const [selected, example] = await ada.page.evaluate(() =>
    [String(getSelection()), document.getElementById("program-text").textContent]);
  assert.equal(selected.trim(), example);
});

test("the focus stays where it is when the lists change", async (t) => {
  const { visit } = await chat(t);
  const [ada, ben] = [await visit(), await visit()];
  await ben.take("Ben");
  await ada.online("Ben");
  const button = ada.people().getByRole("button", { name: "Ben" });
  await button.focus();
  const cleo = await visit();
  await cleo.take("Cleo");
  await ada.online("Ben", "Cleo");
  assert.ok(await button.evaluate((element) => element === document.activeElement));
});

test("on a narrow screen the sidebar opens over the conversation and closes again", async (t) => {
  const { visit } = await chat(t);
  const phone = await visit({ viewport: { width: 360, height: 640 }, hasTouch: true, isMobile: true });
  const ben = await visit();
  await ben.take("Ben");
  const open = phone.page.getByRole("button", { name: "Conversations and people" });
  const sidebar = phone.page.getByRole("complementary");
  await sidebar.waitFor({ state: "hidden" });
  await open.tap();
  await sidebar.getByRole("button", { name: "Ben" }).tap();
  await phone.title("Ben");
  await sidebar.waitFor({ state: "hidden" });
  await phone.say("from the phone");
  await ben.page.getByRole("button", { name: `${await phone.handle()} 1 unread` }).click();
  await ben.hears("from the phone");

  await open.tap();
  await phone.page.keyboard.press("Escape");
  await sidebar.waitFor({ state: "hidden" });
  assert.ok(await open.evaluate((element) => element === document.activeElement));

  const wide = await phone.page.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(wide <= 360, `the page is ${wide} pixels wide on a screen of 360`);
});

// WCAG 2: at least 4.5 to 1 between text and what is behind it.
for (const colorScheme of ["light", "dark"]) {
  test(`every text stands out from its background in the ${colorScheme} scheme`, async (t) => {
    const { visit } = await chat(t);
    const [ada, ben] = [await visit({ colorScheme }), await visit()];
    await ada.take("Ada");
    await ben.take("Ben");
    await ada.join("tea");
    await ada.turnTo("Everyone");
    await ada.say("a message of one's own, and #tea");
    await ben.say("a message of another, and #tea");
    await ada.hears("a message of another, and #tea");
    await ada.page.getByRole("button", { name: "Show the wire" }).click();
    await ada.page.getByRole("button", { name: "For programs" }).click();
    const background = await ada.page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const { measured, weak } = await ada.page.evaluate(contrasts);
    assert.ok(measured > 40, `only ${measured} texts were found`);
    assert.deepEqual(weak, []);
    const light = /\d+/.exec(background)[0] > 128;
    assert.equal(light, colorScheme === "light", background);
  });
}

test("every control has a name, and the landmarks are there", async (t) => {
  const { visit } = await chat(t);
  const ada = await visit();
  await ada.take("Ada");
  const snapshot = await ada.page.locator("body").ariaSnapshot();
  assert.doesNotMatch(snapshot, /- (button|textbox|link|img)(:|$)/m, snapshot);
  for (const landmark of [/^- complementary "Conversations and people"/m, /- navigation "Conversations"/, /^- main/m, /- log "Conversation"/, /- status/]) {
    assert.match(snapshot, landmark);
  }
  assert.equal(await ada.page.locator("html").getAttribute("lang"), "en");
});

test("the page asks for its own files alone, and its policy lets nothing else in", async (t) => {
  const { visit, server } = await chat(t);
  const ada = await visit();
  const files = ada.requests.filter((line) => !line.includes("/socket.io/"));
  for (const line of files) {
    const response = await fetch(server.url + line.split(" ")[1]);
    assert.equal(response.status, 200, line);
    assert.match(response.headers.get("content-security-policy"), /default-src 'self'/, line);
    assert.equal(response.headers.get("x-content-type-options"), "nosniff", line);
  }
  const blocked = await ada.page.evaluate(() => new Promise((resolve) => {
    document.addEventListener("securitypolicyviolation", ({ effectiveDirective }) => resolve(effectiveDirective));
    const script = document.createElement("script");
    script.textContent = "window.ran = true";
    document.head.append(script);
  }));
  assert.equal(blocked, "script-src-elem");
  assert.equal(await ada.page.evaluate(() => window.ran), undefined);
  ada.errors = []; // the browser logs what it blocked
});

/** In the page: the texts whose contrast is under 4.5, of all that can be seen. */
function contrasts() {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const luminance = ([r, g, b]) => {
    const linear = [r, g, b].map((v) => (v / 255 <= 0.03928 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const color = rgba(getComputedStyle(e).backgroundColor);
      if (color[3] === 255) return color;
    }
    return [255, 255, 255];
  };
  const weak = [];
  let measured = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility({ visibilityProperty: true })) continue;
    if (element.closest(".hidden, .skip, noscript, script")) continue;
    measured += 1;
    const [a, b] = [luminance(rgba(getComputedStyle(element).color)), luminance(behind(element))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) weak.push(`${ratio.toFixed(2)}: ${walker.currentNode.data.trim()}`);
  }
  return { measured, weak };
}
