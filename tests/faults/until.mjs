// Waiting for what a server does in its own time.

/** Waits until something holds. */
export async function until(what, holds, patience = 20_000) {
  const end = Date.now() + patience;
  let last;
  while (Date.now() < end) {
    const held = await holds();
    if (held === true) return;
    last = held;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`${what} did not come about: ${JSON.stringify(last)}`);
}
