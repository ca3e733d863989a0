// node:test's events as one line per test, as the Python and Rust tests print theirs.

export default async function* report(source) {
  for await (const { type, data } of source) {
    if (type === "test:fail") {
      const error = data.details.error.cause ?? data.details.error;
      yield `FAIL ${data.name} (${Math.round(data.details.duration_ms)} ms)\n`;
      yield `${error.stack ?? error}`.replace(/^/gm, "     ") + "\n";
    } else if (type === "test:pass") {
      if (data.skip !== undefined) yield `skip ${data.name}: ${data.skip}\n`;
      else yield `ok   ${data.name} (${Math.round(data.details.duration_ms)} ms)\n`;
    } else if (type === "test:stderr" || type === "test:stdout") {
      yield data.message;
    }
  }
}
