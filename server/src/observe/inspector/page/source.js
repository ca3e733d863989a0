// Where lines of a journal come from: the server's stream, or a file. Both give them in batches, to one place.

const LONGEST_WAIT = 10_000;

/** Cuts text that comes in pieces into lines. */
export class Lines {
  #rest = "";

  push(text) {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop();
    return lines.map((line) => (line.endsWith("\r") ? line.slice(0, -1) : line));
  }

  /** What stands behind the last line end. */
  end() {
    return this.#rest === "" ? [] : [this.#rest];
  }
}

/** The values of a field in lines of server-sent events: of `data`, which are a journal's lines, or of `id`. */
export function fields(name, lines) {
  return lines.filter((line) => line.startsWith(`${name}:`)).map((line) => line.slice(name.length + 1).replace(/^ /, ""));
}

/**
 * Follows a server's stream, and begins anew when it breaks off. `take(lines)` gets what comes; `tell(state)` gets
 * `{name: "connecting" | "live" | "waiting" | "refused"}`, with `seconds` until the next try, or `why` there is none.
 * Each stream begins with the journal's head.
 */
export async function follow(url, take, tell) {
  let last;
  for (let attempt = 0; ; attempt++) {
    tell({ name: "connecting" });
    const response = await ask(url, last).catch(() => undefined);
    if (response?.status === 401 || response?.status === 403) {
      return tell({ name: "refused", why: "The server needs a token: open the address that it printed when it started." });
    }
    if (response?.ok) {
      tell({ name: "live" });
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      const lines = new Lines();
      for (let chunk; (chunk = await reader.read().catch(() => undefined))?.done === false; ) {
        attempt = 0;
        const some = lines.push(chunk.value);
        last = fields("id", some).at(-1) ?? last;
        take(fields("data", some));
      }
    }
    const wait = Math.min(LONGEST_WAIT, 500 * 2 ** attempt);
    for (let left = wait; left > 0; left -= 1000) {
      tell({ name: "waiting", seconds: Math.ceil(left / 1000) });
      await pause(Math.min(left, 1000));
    }
  }
}

function ask(url, last) {
  const seen = last === undefined ? {} : { "last-event-id": last };
  return fetch(url, { headers: { accept: "text/event-stream", ...seen }, cache: "no-store" });
}

/** Reads a journal from a file. */
export async function read(file, take) {
  const reader = file.stream().pipeThrough(new TextDecoderStream()).getReader();
  const lines = new Lines();
  for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) take(lines.push(chunk.value));
  take(lines.end());
}

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
