// Reads a list of known failures: on each line a name, a case, and after `#` why it fails.
import { readFileSync } from "node:fs";

/** By `name case`, or by the case alone if it is known of all. */
export function known(file) {
  const all = new Map();
  for (const line of readFileSync(new URL(file, import.meta.url), "utf8").split("\n")) {
    const [of, why] = line.split("#").map((part) => part.trim());
    if (of) all.set(of, why ?? "");
  }
  return { why: (name, id) => all.get(`${name} ${id}`) ?? all.get(id), all };
}

export const lines = (text) => text.split("\n").filter(Boolean).map((line) => JSON.parse(line));
