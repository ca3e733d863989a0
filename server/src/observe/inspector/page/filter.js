// Which records are shown.

/** What is asked for before anything is. */
export const EVERYTHING = { session: undefined, layers: new Set(), direction: "", type: "", text: "" };

/** Groups that can be asked for beside single types. */
export const GROUPS = {
  "no heartbeats": (entry) => !heartbeat(entry),
  "rule breaches": (entry) => entry.kind === "violation" || entry.kind === "refused",
};

const HEARTBEAT_FRAME = /"raw":"[23]"/;

/** A ping, a pong, or the frame around one; `2probe` is none. */
function heartbeat({ kind, carrier, type, line }) {
  if (carrier === "probe") return false;
  return kind === "packet" ? type === "ping" || type === "pong" : kind === "frame" && HEARTBEAT_FRAME.test(line);
}

/**
 * The test of a filter: `{session, layers, direction, type, text}`. An empty field asks for nothing, and no layers
 * are all layers. The text may stand anywhere in the record, in whatever case, and several words may stand apart.
 */
export function filter({ session, layers, direction, type, text }) {
  const tests = [];
  if (session !== undefined) tests.push((entry) => entry.session === session);
  if (layers.size > 0) tests.push((entry) => layers.has(entry.layer));
  if (direction) tests.push((entry) => entry.direction === direction);
  if (type) tests.push(GROUPS[type] ?? ((entry) => entry.type === type));
  for (const word of text.split(/\s+/)) if (word) tests.push(contains(word));
  return (entry) => tests.every((test) => test(entry));
}

/** Looks for a word in the record's line, where quotes and the like are escaped. */
function contains(word) {
  const literal = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const escaped = JSON.stringify(word).slice(1, -1);
  const pattern = new RegExp(escaped === word ? literal(word) : `${literal(word)}|${literal(escaped)}`, "i");
  return ({ line }) => pattern.test(line);
}
