// Reads what this server's decoder makes of packets, and compares it with what socket.io-parser makes of them.
// What docs/protocol.md lists as a deviation is counted; anything else fails.

import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { isDeepStrictEqual } from "node:util";

const require = createRequire(new URL("../interop/package.json", import.meta.url));
const { Decoder } = require(require.resolve("socket.io-parser", { paths: [require.resolve("socket.io")] }));

const [CONNECT, , EVENT, , CONNECT_ERROR] = [0, 1, 2, 3, 4];

/// What the reference's decoder gives, and what its server then does with it for a client that is in "/".
function theirs(text, binary) {
  const decoder = new Decoder();
  const result = { verdict: "taken", packets: [] };
  decoder.on("decoded", (packet) => result.packets.push(packet));
  try {
    for (const message of [text, ...binary]) {
      decoder.add(message);
      const packet = result.packets.at(-1);
      if (packet && packet.type !== CONNECT && (packet.nsp !== "/" || packet.type === CONNECT_ERROR)) {
        // The session ends here.
        result.verdict = "out of place";
        break;
      }
    }
  } catch (error) {
    result.verdict = "malformed";
    result.error = error.message;
  }
  return result;
}

/// Puts attachments where their placeholders are.
function reconstruct(value, attachments) {
  if (value === null || typeof value !== "object") return value;
  if (value._placeholder === true) return attachments[value.num];
  for (const key of Object.keys(value)) {
    Object.defineProperty(value, key, {
      value: reconstruct(value[key], attachments),
      enumerable: true,
      configurable: true,
      writable: true,
    });
  }
  return value;
}

/// Lone surrogates, which become U+FFFD here, and infinities, which become null.
function wellFormed(value) {
  if (typeof value === "string") return value.toWellFormed();
  if (typeof value === "number" && !Number.isFinite(value)) return null;
  if (Array.isArray(value)) return value.map(wellFormed);
  if (value === null || typeof value !== "object" || Buffer.isBuffer(value)) return value;
  return Object.fromEntries(Object.keys(value).map((key) => [key.toWellFormed(), wellFormed(value[key])]));
}

function depth(text) {
  let [now, deepest, inString] = [0, 0, false];
  for (let at = 0; at < text.length; at++) {
    const c = text[at];
    if (inString) {
      if (c === "\\") at++;
      else if (c === '"') inString = false;
    } else if (c === '"') inString = true;
    else if ("[{".includes(c)) deepest = Math.max(deepest, ++now);
    else if ("]}".includes(c)) now--;
  }
  return deepest;
}

/// The parts of a packet as the reference tells them apart.
function parts(text) {
  let rest = text.slice(1);
  let count;
  if ("56".includes(text[0])) {
    count = rest.slice(0, rest.indexOf("-"));
    rest = rest.slice(rest.indexOf("-") + 1);
  }
  if (rest.startsWith("/")) rest = rest.includes(",") ? rest.slice(rest.indexOf(",") + 1) : "";
  let digits = 0;
  while (digits < rest.length && Number(rest[digits]) == rest[digits]) digits++;
  return { count, id: rest.slice(0, digits), payload: rest.slice(digits) };
}

/// Why docs/protocol.md says that a packet is malformed here which the reference takes.
function listed(text) {
  if (!/^[0-9]/.test(text)) return "a type that is no digit";
  const { count, id, payload } = parts(text);
  if (count !== undefined && !/^[0-9]+$/.test(count)) return "a number of attachments that is not digits";
  if (id !== "" && (!/^[0-9]+$/.test(id) || BigInt(id) > BigInt(Number.MAX_SAFE_INTEGER))) return "an ack id that is not digits up to 2^53 - 1";
  if ("25".includes(text[0]) && payload === "") return "an event without a payload";
  if (depth(payload) > 127) return "JSON nested deeper than 127";
  if ("56".includes(text[0]) && lacksAttachment(text)) return "a placeholder without its attachment";
  return undefined;
}

/// Whether a placeholder names no attachment, or half of one, however many may come.
function lacksAttachment(text) {
  const { count, payload } = parts(text);
  const odd = (value) =>
    value !== null &&
    typeof value === "object" &&
    (value._placeholder === true
      ? !(Number.isInteger(value.num) && value.num >= 0 && value.num < Number(count))
      : Object.values(value).some(odd));
  // Of a name that stands twice, JavaScript keeps the second value and forgets what stood in the first.
  const innermost = payload.match(/\{[^{}]*\}/g) ?? [];
  return odd(JSON.parse(payload)) || innermost.some((object) => odd(JSON.parse(object)));
}

function compare({ text, binary, ours }) {
  const buffers = binary.map((hex) => Buffer.from(hex, "hex"));
  const result = theirs(text, buffers);
  if (result.verdict !== ours.verdict) {
    if (ours.verdict === "out of place" && text[0] === String(CONNECT_ERROR)) {
      return { deviation: "a CONNECT_ERROR, which nobody looks into" };
    }
    if (ours.verdict === "malformed") {
      const deviation = listed(text);
      if (deviation) return { deviation };
    }
    return { difference: `${ours.verdict} here, ${result.verdict} there (${result.error ?? ""})` };
  }
  if (ours.verdict !== "taken") return {};
  const events = result.packets.filter((packet) => packet.type === EVENT);
  if (events.length !== ours.events.length) return { difference: `${ours.events.length} events here, ${events.length} there` };
  for (const [at, packet] of events.entries()) {
    const our = ours.events[at];
    const attachments = our.attachments.map((hex) => Buffer.from(hex, "hex"));
    const json = JSON.parse(`[${our.args}]`);
    // In a plain event a placeholder is data.
    const args = text[0] === "2" ? json : reconstruct(json, attachments);
    const [name, ...rest] = packet.data;
    if (String(name).toWellFormed() !== our.name) return { difference: `the name ${our.name} here, ${name} there` };
    if (!isDeepStrictEqual(wellFormed(args), wellFormed(rest))) {
      return { difference: `${JSON.stringify(args)} here, ${JSON.stringify(rest)} there` };
    }
    if (name === "e") {
      const answers = packet.id === undefined ? [] : [`43${packet.id}[]`];
      if (!isDeepStrictEqual(ours.sent, answers)) return { difference: `${ours.sent} here, ${answers} there` };
    }
  }
  return {};
}

const deviations = new Map();
let [count, differences] = [0, 0];
for await (const line of createInterface({ input: process.stdin })) {
  const sample = JSON.parse(line);
  count++;
  const { deviation, difference } = compare(sample);
  if (deviation) deviations.set(deviation, (deviations.get(deviation) ?? 0) + 1);
  if (difference && differences++ < 20) console.log(`${sample.seed}: ${JSON.stringify(sample.text)} ${sample.binary}: ${difference}`);
}
for (const [deviation, times] of [...deviations].sort()) console.log(`${String(times).padStart(8)} ended here, by a rule of our own: ${deviation}`);
console.log(`${count} packets, ${differences} differences that are not listed`);
process.exit(differences > 0 || count === 0 ? 1 : 0);
