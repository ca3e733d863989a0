// The faults that a server may have: hooks of the proxy, and the cases that find each.

const REVISION_3 = { eio: 3 };

/** Changes the open packet. */
const open = (change) => ({ out: (packet) => [packet[0] === "0" ? change(packet) : packet] });

/** Changes the payload of events and acknowledgements of the server. */
const payload = (change) => ({
  out: (packet) => {
    const [, head, json] = /^(4[2356](?:\d+-)?(?:\/[^,]*,)?\d*)(\[.*)$/s.exec(packet) ?? [];
    return [head ? head + JSON.stringify(change(JSON.parse(json))) : packet];
  },
});

/** Changes each value in the arguments, and in what they contain. */
function values(change) {
  const walk = (value) => {
    const changed = change(value);
    if (changed !== value || value === null || typeof value !== "object" || value._placeholder) return changed;
    return Array.isArray(value) ? value.map(walk) : Object.fromEntries(Object.entries(value).map(([key, one]) => [key, walk(one)]));
  };
  return payload((all) => all.map((value, at) => (at === 0 && value === "message-back" ? value : walk(value))));
}

const rename = (pattern, replacement) => ({ out: (packet) => [packet.replace(pattern, replacement)] });
const kill = (session) => Object.assign(session, { dead: true });

function isEvent(packet) {
  try {
    const name = JSON.parse(/^42(?:\/[^,]*,)?\d*(.*)$/s.exec(packet)[1])[0];
    return typeof name === "string";
  } catch {
    return false;
  }
}

/** What answers a WebSocket that the server refuses: one with an open packet. */
async function openAnyway(request, socket) {
  const { createHash } = await import("node:crypto");
  const key = createHash("sha1").update(`${request.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
  const text = '0{"sid":"x","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":100000}';
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${key}\r\n\r\n`);
  socket.write(Buffer.concat([Buffer.from([0x81, text.length]), Buffer.from(text)]));
}

/** Opens one session, and no other. */
function onlyOnce() {
  let opened = 0;
  return { request: async (request, session) => (!session.sid && opened++ ? { status: 503, headers: {}, body: "" } : undefined) };
}

export const FAULTS = [
  ["RefusesHandshakes", { answer: async (answer, request, session) => (session.sid ? answer : { ...answer, status: 500 }) }, "1.1.1"],
  ["EmptySid", open((packet) => packet.replace(/"sid":"[^"]*"/, '"sid":""')), "1.1.1"],
  ["NoUpgrades", open((packet) => packet.replace(/"upgrades":\[[^\]]*\],?/, "")), "1.1.2"],
  ["UpgradesAreNumbers", open((packet) => packet.replace(/"upgrades":\[[^\]]*\]/, '"upgrades":[1]')), "1.1.2"],
  ["NoTimes", open((packet) => packet.replace(/"pingInterval":\d+,?/, "")), "1.1.3"],
  ["TimesAreText", open((packet) => packet.replace(/"pingInterval":(\d+)/, '"pingInterval":"$1"')), "1.1.3"],
  ["NegativeTimes", open((packet) => packet.replace('"pingTimeout":', '"pingTimeout":-')), "1.1.3"],
  ["TimesInHalves", open((packet) => packet.replace(/"pingTimeout":\d+/, '"pingTimeout":0.5')), "1.1.3"],
  ["NoMaxPayload", open((packet) => packet.replace(/"maxPayload":\d+,?/, "").replace(",}", "}")), "1.1.4"],
  ["MaxPayloadIsText", open((packet) => packet.replace(/"maxPayload":(\d+)/, '"maxPayload":"$1"')), "1.1.4"],
  ["MaxPayloadIsNothing", open((packet) => packet.replace(/"maxPayload":\d+/, '"maxPayload":0')), "1.1.4"],
  ["SilentWebSockets", { frameOut: (frame) => (frame.payload[0] === 0x30 ? [] : [frame]) }, "1.1.5"],
  ["OneSid", open((packet) => packet.replace(/"sid":"[^"]*"/, '"sid":"same"')), "1.1.8"],
  ["RefusesNothing", { answer: async (answer) => (answer.status === 400 || answer.status === 405 ? { ...answer, status: 200 } : answer) }, "1.2.1 1.2.2 1.2.7 1.2.9 1.2.10 1.2.12 1.2.13"],
  ["OpensAnyWebSocket", { accept: openAnyway }, "1.3.1 1.3.2 1.3.3"],
  ["PostsSayNothing", { answer: async (answer, request) => (request.method === "POST" ? { ...answer, body: "" } : answer) }, "2.1.1"],
  ["FirstPacketOnly", { payload: (packets) => packets.slice(0, 1) }, "2.1.2 2.1.15"],
  ["FirstPacketOnlyInRevision3", { payload: (packets) => packets.slice(0, 1) }, "2.1.3", REVISION_3],
  ["DropsInvalidPackets", { in: (packet) => (/^[0-6]/.test(packet) ? [packet] : []), request: async (request, session, body) => (request.method === "POST" && !body.length ? { status: 200, headers: {}, body: "ok" } : undefined) }, "2.1.4 2.1.5 5.1.1"],
  ["AllowsTwoGets", { request: async (request, session) => (request.method === "GET" && session.parked ? { status: 200, headers: {}, body: "6" } : undefined) }, "2.1.6"],
  ["PostsWaitForGets", { request: async (request, session) => { while (request.method === "POST" && session.parked && !request.socket.destroyed) await new Promise((resolve) => setTimeout(resolve, 50)); } }, "2.1.10"],
  ["EmptiesParkedPolls", { request: async (request, session) => void (session.lost ||= request.method === "POST" && session.parked > 0), answer: async (answer, request, session) => (request.method === "GET" && session.lost ? ((session.lost = false), { ...answer, body: "6" }) : answer) }, "2.1.8"],
  ["AsciiOnly", { out: (packet) => [packet.replace(/[^\x00-\x7f]/g, "?")] }, "2.1.13 5.1.4 9.1.11 9.1.15 11.1.8"],
  ["AsciiOnlyInRevision3", { out: (packet) => [packet.replace(/[^\x00-\x7f]/g, "?")] }, "2.1.14", REVISION_3],
  ["NoSeparators", { separator: "" }, "2.1.15"],
  ["NoPings", { out: (packet) => (packet === "2" ? [] : [packet]) }, "3.1.1"],
  ["EndsAfterAPong", { in: (packet, session) => (packet === "3" ? (kill(session), []) : [packet]) }, "3.1.2"],
  ["NoPongs", { out: (packet) => (packet === "3" ? [] : [packet]) }, "3.1.3", REVISION_3],
  ["OnePong", { out: (packet, session) => (packet === "3" && session.ponged ? [] : ((session.ponged ||= packet === "3"), [packet])) }, "3.1.4", REVISION_3],
  ["PlainProbeAnswer", rename(/^3probe$/, "3"), "4.1.1"],
  ["DeafAfterUpgrade", { in: (packet, session) => (session.upgraded && packet[0] === "4" ? [] : ((session.upgraded ||= packet === "5"), [packet])) }, "4.1.2 4.1.4"],
  ["LosesWhatWaits", { out: (packet, session) => (session.upgrading && packet[0] === "4" ? [] : [packet]) }, "4.1.3 4.1.4"],
  ["KeepsPolls", { answer: async (answer, request, session) => (request.method === "GET" && session.upgrading && answer.body.toString() === "6" ? new Promise(() => {}) : answer) }, "4.1.5"],
  ["ProbeIsVital", { in: (packet, session) => (session.upgrading && packet === "4abc" ? (kill(session), [packet]) : [packet]), frameIn: (frame, session) => (session.upgrading && frame.opcode === 8 ? (kill(session), [frame]) : [frame]) }, "4.1.7 4.1.8"],
  ["NoPongFrames", { frameOut: (frame) => (frame.opcode === 10 ? [] : [frame]) }, "5.1.2"],
  ["NoCloseFrames", { frameOut: (frame) => (frame.opcode === 8 ? [] : [frame]) }, "5.1.5"],
  ["DeafToCloseFrames", { frameIn: (frame) => (frame.opcode === 8 ? [] : [frame]) }, "5.1.5"],
  ["NoFragments", { frameIn: (frame) => (frame.opcode === 0 ? [] : [frame]) }, "5.1.3"],
  ["IgnoresClosePackets", { in: (packet) => (packet === "1" ? [] : [packet]) }, "6.1.1 6.1.2"],
  ["OneSessionOnly", onlyOnce(), "6.1.4"],
  ["NoSocketId", rename(/^(40(?:\/[^,]*,)?)\{.*$/, "$1{}"), "8.1.1 8.1.4"],
  ["EmptySocketId", rename(/^(40(?:\/[^,]*,)?)\{.*$/, '$1{"sid":""}'), "8.1.1 8.1.2 8.1.4"],
  ["OneSocketId", rename(/^(40(?:\/[^,]*,)?)\{.*$/, '$1{"sid":"same"}'), "8.1.10"],
  ["DropsAuth", { in: (packet) => [packet.replace(/^(40(?:\/[^,{]*,)?)\{.*$/, "$1")] }, "8.1.2 8.1.4"],
  ["MainNamespaceOnly", rename(/^(4\d(?:\d+-)?)\/custom,/, "$1"), "8.1.3 8.1.9 9.2.11 10.1.7 11.1.18 11.1.23"],
  ["RefusesWithoutAWord", rename(/^(44\/[^,]*,).*$/, '$1{"message":""}'), "8.1.5"],
  ["LetsAllIn", rename(/^44(\/[^,]*,).*$/, '40$1{"sid":"x"}'), "8.1.5"],
  ["LetsAllInInRevision3", rename(/^44(\/[^,]*,).*$/, "40$1"), "8.1.6", REVISION_3],
  ["RefusalEndsAll", { out: (packet, session) => (packet.startsWith("44") ? (kill(session), [packet]) : [packet]) }, "8.1.8"],
  ["LeavingEndsAll", { in: (packet, session) => (packet.startsWith("41") ? (kill(session), []) : [packet]) }, "8.1.13 8.1.14 8.1.15"],
  ["ForgivesEarlyEvents", { in: (packet, session) => (packet.startsWith("42") && !session.joined ? [] : ((session.joined ||= packet.startsWith("40")), [packet])) }, "8.2.1"],
  ["DropsInvalidEvents", { in: (packet) => (/^4[7-9]/.test(packet) || (packet.startsWith("42") && !isEvent(packet)) ? [] : [packet]) }, "9.3.1 9.3.2 9.3.7 9.3.8"],
  ["ValuesAreText", values((value) => (value === null || typeof value === "boolean" || typeof value === "number" ? String(value) : value)), "9.1.1 9.1.2 9.1.3 9.1.4 9.1.5 9.1.6 9.2.4 9.2.5 11.1.4 11.1.10 11.1.11"],
  ["EmptyTextIsNull", values((value) => (value === "" ? null : value)), "9.1.9 11.1.9"],
  ["TextIsCut", values((value) => (typeof value === "string" ? value.slice(0, -1) : value)), "9.1.10 9.1.12 9.1.13 9.1.14 9.1.22 9.1.23 9.1.28 9.1.29 9.1.30 9.2.7"],
  ["ContainersAreEmpty", values((value) => (Array.isArray(value) ? [] : value && typeof value === "object" && !value._placeholder ? {} : value)), "9.1.17 9.1.19 9.1.20 9.1.21 9.1.27 11.1.5 11.1.7"],
  ["EmptyContainersAreNull", values((value) => (value && typeof value === "object" && !Object.keys(value).length ? null : value)), "9.1.16 9.1.18 11.1.6"],
  ["FirstArgumentOnly", payload((all) => all.slice(0, all[0] === "message-back" ? 2 : 1)), "9.2.2 9.2.3 11.1.3"],
  ["OneArgumentMore", payload((all) => [...all, null]), "9.2.1 11.1.1 11.1.2"],
  ["SwapsEvents", { in: (packet, session) => (/^42\d*\["message/.test(packet) && (session.held ??= []).push(packet) ? (session.held.length < 2 ? [] : session.held.splice(0).reverse()) : [packet]) }, "9.2.6 11.1.20"],
  ["CompactJsonOnly", { in: (packet) => (/^42.*[,:] /s.test(packet.replace(/"(?:[^"\\]|\\.)*"/g, '""')) ? [] : [packet]) }, "9.2.8"],
  ["ZeroBytes", { bytes: (bytes) => [Buffer.alloc(bytes.length)] }, "10.1.1 10.1.2 10.1.3 10.1.4 10.1.6 10.1.8"],
  ["DeafAfterBytes", { in: (packet, session) => ((session.deaf && /^42/.test(packet)) ? [] : ((session.deaf ||= packet.startsWith("45")), [packet])) }, "10.1.10"],
  ["DropsStrayBytes", { frameIn: (frame) => (frame.opcode === 2 ? [] : [frame]) }, "10.2.1"],
  ["OtherAckIds", { out: (packet) => [packet.replace(/^43(\d+)/, (_, id) => `43${Number(id) + 1}`)] }, "11.1.12 11.1.13 11.1.14 11.1.20"],
  ["AcksTwice", { out: (packet) => (packet.startsWith("43") ? [packet, packet] : [packet]) }, "11.1.19"],
];

/** What a server may do: its name, hooks of the proxy, and the cases that must pass all the same. */
export const ALLOWED = [
  ["HeartbeatBeforePong", { frameOut: (frame) => (frame.opcode === 10 ? [{ fin: true, opcode: 1, payload: Buffer.from("2") }, frame] : [frame]) }, "5.1.2"],
];
