// What in a chat message can be followed, without a browser.

import assert from "node:assert/strict";
import { test } from "node:test";
import { canBeFollowed, parts } from "../../server/cli/src/pages/text.js";

/** The links of a text: `#room`, or the address. What the parts say together must be the text. */
function links(text) {
  const found = parts(text);
  assert.equal(found.map((part) => part.text).join(""), text, "nothing is added or left out");
  return found.filter(({ room, address }) => room ?? address).map(({ room, address }) => (room ? `#${room}` : address));
}

test("addresses of the web are links, without the punctuation around them", () => {
  for (const [text, ...expected] of [
    ["http://example.com", "http://example.com/"],
    ["See https://example.com/a?b=1#c, please.", "https://example.com/a?b=1#c"],
    ["(https://example.com/a_(b)) and <https://example.com/c>!", "https://example.com/a_(b)", "https://example.com/c"],
    ["“https://example.com/a”… *https://example.com/b*", "https://example.com/a", "https://example.com/b"],
    ["HTTPS://EXAMPLE.COM/A", "https://example.com/A"],
    ["http://localhost:3000/?polling and http://127.0.0.1:3030", "http://localhost:3000/?polling", "http://127.0.0.1:3030/"],
    ["https://example.com/日本語", "https://example.com/%E6%97%A5%E6%9C%AC%E8%AA%9E"],
    ["https://example.com/#tea is a page", "https://example.com/#tea"],
  ]) assert.deepEqual(links(text), expected, text);
});

test("nothing else is an address", () => {
  for (const text of [
    "javascript:alert(1)", "data:text/html,x", "ftp://example.com", "file:///etc/passwd", "xhttp://example.com", "http://", "https://.", "http:example.com",
    "https://bank.example@evil.example/", "https://user:pass@example.com/",
  ]) assert.deepEqual(links(text), [], text);
  // What turns text around, or can't be seen, ends an address.
  assert.deepEqual(links("https://example.com/\u202egpj.exe"), ["https://example.com/"]);
  assert.deepEqual(links("https://example.com/\u200bx"), ["https://example.com/"]);
  assert.deepEqual(links('https://example.com/"onclick="alert(1)'), ["https://example.com/"]);
});

test("a room is a link where it is named whole, and never one to another room", () => {
  for (const [text, ...expected] of [
    ["come to #tea, or #Tee.", "#tea", "#Tee"],
    ["(#tea) “#tea-time”! #tea_2?", "#tea", "#tea-time", "#tea_2"],
    ["#茶 #हिन्दी #☕ #чай", "#茶", "#हिन्दी", "#☕", "#чай"],
    ["#c++ #a.b #tea's #tea/#coffee page#anchor ##tea &#39; #-"],
    [`#${"x".repeat(24)} #${"y".repeat(25)}`, `#${"x".repeat(24)}`],
  ]) assert.deepEqual(links(text), expected, text);
  for (const name of ["tea", "tea-time", "हिन्दी", "x".repeat(24)]) assert.ok(canBeFollowed(name), name);
  for (const name of ["tea time", "c++", "a.b", "tea!", "", "x".repeat(25)]) assert.ok(!canBeFollowed(name), name);
});

test("a long message is looked through at once", () => {
  for (const unit of ["#", "http://", "https://a(", "((((", "#a.", "https://a.example/)))) "]) {
    const text = unit.repeat(4000 / unit.length);
    const began = performance.now();
    links(text);
    assert.ok(performance.now() - began < 500, `${unit} took ${performance.now() - began} ms`);
  }
});
