// One Chromium for the tests of a file. It reaches nothing but loopback.

import { after, test as nodeTest } from "node:test";
import { chromium } from "playwright-core";

const launched = chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
  ],
});

after(async () => (await launched).close());

/** A test that ends, whatever happens in the browser. */
export function test(name, body) {
  nodeTest(name, { timeout: 90_000 }, body);
}

/** A browser profile of its own, as of another person: no cookies or storage shared. */
export async function profile(options) {
  const context = await (await launched).newContext({ locale: "en-GB", ...options });
  context.setDefaultTimeout(5_000);
  return context;
}
